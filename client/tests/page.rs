//! The components in a real browser: what they put into the document, and what a person's actions do to it.
//! There is no server here; the whole system is tested in `crates/e2e`.

#![cfg(target_arch = "wasm32")]
#![expect(clippy::unwrap_used, reason = "in a test, the panic is the report")]

use client::App;
use client::live::{Connection, Store};
use client::state::Change;
use leptos::prelude::*;
use leptos::task::tick;
use wasm_bindgen::JsCast;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use web_sys::{Element, HtmlElement, HtmlInputElement};

wasm_bindgen_test_configure!(run_in_browser);

/// A page of its own for one test; removed when dropped.
struct Page {
    root: HtmlElement,
    store: Store,
    mounted: Option<Box<dyn std::any::Any>>,
}

impl Page {
    fn open() -> Self {
        let document = document();
        let root: HtmlElement = document.create_element("div").unwrap().unchecked_into();
        document.body().unwrap().append_child(&root).unwrap();
        let owner = Owner::new();
        let store = owner.with(Store::new);
        let mounted = leptos::mount::mount_to(root.clone(), move || view! { <App store /> });
        Self { root, store, mounted: Some(Box::new((mounted, owner))) }
    }

    fn find(&self, name: &str) -> Element {
        self.root.query_selector(&format!("[data-testid={name}]")).unwrap().expect(name)
    }

    fn text(&self, name: &str) -> String {
        self.find(name).text_content().unwrap()
    }

    fn texts(&self, name: &str) -> Vec<String> {
        let found = self.root.query_selector_all(&format!("[data-testid={name}]")).unwrap();
        (0..found.length()).map(|at| found.item(at).unwrap().text_content().unwrap()).collect()
    }

    fn field(&self) -> HtmlInputElement {
        self.find("index").unchecked_into()
    }

    fn submit(&self, typed: &str) {
        self.field().set_value(typed);
        self.find("submit").unchecked_into::<HtmlElement>().click();
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.mounted = None;
        self.root.remove();
    }
}

fn change(name: &str, json: &str) -> Change {
    match name {
        "seen" => Change::Seen(serde_json::from_str(json).unwrap()),
        _ => Change::Computed(serde_json::from_str(json).unwrap()),
    }
}

#[wasm_bindgen_test]
async fn the_lists_fill_as_changes_arrive() {
    let page = Page::open();
    assert_eq!(page.text("values-empty"), "Loading…");
    page.store.state.update(|state| {
        state.begin_fetch();
        state.finish_fetch(Vec::new(), Default::default(), &Default::default());
    });
    tick().await;
    assert_eq!(page.text("seen-empty"), "None yet.");

    for id in [1, 2] {
        let json = format!(r#"{{"id":{id},"index":10,"request_id":"r"}}"#);
        page.store.apply(change("seen", &json));
    }
    tick().await;
    assert_eq!(page.texts("seen-index"), ["10", "10"]);
    assert_eq!(page.texts("value"), ["For index 10: Nothing yet!"]);

    let json = r#"{"index":10,"value":"55","digits":2,"request_id":"r","worker":"w","hops":{}}"#;
    page.store.apply(change("value", json));
    tick().await;
    assert_eq!(page.texts("value"), ["For index 10 I calculated 55"]);
    assert_eq!(page.texts("values-empty"), [""; 0]);
}

#[wasm_bindgen_test]
async fn what_is_not_a_whole_number_is_refused_beside_the_field_and_stays_in_it() {
    let page = Page::open();
    page.submit("abc");
    tick().await;
    assert_eq!(page.text("error"), "An index is a whole number, written in digits: 0, 1, 2, …");
    assert_eq!(page.find("error").get_attribute("role").as_deref(), Some("alert"));
    assert_eq!(page.field().value(), "abc");
    assert_eq!(page.field().get_attribute("aria-invalid").as_deref(), Some("true"));
}

#[wasm_bindgen_test]
async fn typing_again_takes_the_error_away() {
    let page = Page::open();
    page.submit("");
    tick().await;
    assert!(page.text("error").starts_with("An index is needed"));
    page.field().dispatch_event(&web_sys::Event::new("input").unwrap()).unwrap();
    tick().await;
    assert_eq!(page.text("error"), "");
}

#[wasm_bindgen_test]
async fn the_connection_is_said_in_words() {
    let page = Page::open();
    assert_eq!(page.text("connection"), "Connecting…");
    page.store.connection.set(Connection::Lost);
    tick().await;
    assert_eq!(page.text("connection"), "Connection lost, reconnecting…");
    assert_eq!(page.find("connection").get_attribute("data-state").as_deref(), Some("lost"));
}
