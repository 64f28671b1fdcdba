//! Tests of the components in a browser, without a server. The tests of the whole system are in
//! `crates/dev/e2e`.

#![cfg(target_arch = "wasm32")]
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use client::{
    FetchedLists, Page, PageState, PageStateStoreFields, apply_events, apply_lists, parse_event,
};
use leptos::prelude::*;
use leptos::task::tick;
use reactive_stores::Store;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use web_sys::{Element, HtmlElement, HtmlInputElement};

wasm_bindgen_test_configure!(run_in_browser);

const CALCULATOR_HEADING: &str = "Any Fibonacci number, to the last digit";

/// The page, mounted for one test. Dropping it removes the page.
struct MountedPage {
    root: HtmlElement,
    state: Store<PageState>,
    owner: Owner,
    mounted: Option<Box<dyn std::any::Any>>,
}

impl MountedPage {
    /// Opens the page at `path`. Its lists are not fetched yet.
    async fn open(path: &str) -> Self {
        let history = window().history().unwrap();
        history.replace_state_with_url(&JsValue::NULL, "", Some(path)).unwrap();
        let root: HtmlElement = document().create_element("div").unwrap().unchecked_into();
        document().body().unwrap().append_child(&root).unwrap();
        let style = document().create_element("style").unwrap();
        style.set_text_content(Some(include_str!("../style.css")));
        root.append_child(&style).unwrap();
        let owner = Owner::new();
        let state = owner.with(|| Store::new(PageState::default()));
        let mount = || leptos::mount::mount_to(root.clone(), move || view! { <Page state /> });
        let mounted: Box<dyn std::any::Any> = Box::new(owner.with(mount));
        let page = Self { root, state, owner, mounted: Some(mounted) };
        page.settle().await;
        page
    }

    /// Opens the page with empty lists, as on a new system.
    async fn open_with_lists(path: &str) -> Self {
        let page = Self::open(path).await;
        page.state.lists().write().begin_fetch();
        apply_lists(page.state, FetchedLists::default(), 0);
        page.settle().await;
        page
    }

    /// Waits until the document no longer changes. Effects may cause other effects.
    async fn settle(&self) {
        let mut previous = String::new();
        for _ in 0..100 {
            tick().await;
            let html = self.root.inner_html();
            if html == previous {
                return;
            }
            previous = html;
        }
        panic!("the page keeps changing");
    }

    /// Applies the event `name` with the data `json`.
    async fn receive(&self, name: &str, json: &str) {
        apply_events(self.state, vec![(parse_event(name, json).unwrap(), 1)]);
        self.settle().await;
    }

    async fn submission(&self, id: u32, index: u32) {
        self.receive("seen", &format!(r#"{{"id":{id},"index":{index},"request_id":"r"}}"#)).await;
    }

    async fn value(&self, index: u32, value: &str) {
        let digits = value.len();
        let json = format!(
            r#"{{"index":{index},"value":"{value}","digits":{digits},"request_id":"r",
                "worker":"w","hops":{{}}}}"#
        );
        self.receive("value", &json).await;
    }

    fn select(&self, selector: &str) -> HtmlElement {
        self.root.query_selector(selector).unwrap().expect(selector).unchecked_into()
    }

    /// The first element with the test id `name`.
    fn find(&self, name: &str) -> HtmlElement {
        self.select(&format!("[data-testid={name}]"))
    }

    fn has(&self, name: &str) -> bool {
        self.root.query_selector(&format!("[data-testid={name}]")).unwrap().is_some()
    }

    fn text(&self, name: &str) -> String {
        self.find(name).text_content().unwrap().trim().to_owned()
    }

    fn texts(&self, name: &str) -> Vec<String> {
        let found = self.root.query_selector_all(&format!("[data-testid={name}]")).unwrap();
        (0..found.length())
            .map(|position| found.item(position).unwrap().text_content().unwrap())
            .collect()
    }

    fn attribute(&self, name: &str, attribute: &str) -> Option<String> {
        self.find(name).get_attribute(attribute)
    }

    async fn type_in(&self, typed: &str) {
        let field: HtmlInputElement = self.find("index").unchecked_into();
        field.set_value(typed);
        let options = web_sys::EventInit::new();
        options.set_bubbles(true);
        let event = web_sys::Event::new_with_event_init_dict("input", &options).unwrap();
        field.dispatch_event(&event).unwrap();
        self.settle().await;
    }

    async fn click(&self, selector: &str) {
        self.select(selector).click();
        self.settle().await;
    }

    /// Clicks a link, and waits until the page with this heading is rendered.
    async fn follow(&self, selector: &str, heading: &str) {
        self.select(selector).click();
        for _ in 0..1_000 {
            tick().await;
            if self.select("h1").text_content().as_deref() == Some(heading) {
                return self.settle().await;
            }
        }
        panic!("{selector} does not lead to {heading}");
    }
}

impl Drop for MountedPage {
    fn drop(&mut self) {
        self.mounted = None;
        // Removes the listeners of the router, which would handle clicks in the next test.
        self.owner.cleanup();
        self.root.remove();
    }
}

fn focused() -> Element {
    document().active_element().unwrap()
}

#[wasm_bindgen_test]
async fn the_lists_fill_as_events_arrive() {
    let fresh = MountedPage::open("/").await;
    assert_eq!(fresh.text("values-empty"), "Loading…");
    drop(fresh);
    let page = MountedPage::open_with_lists("/").await;
    assert_eq!(page.text("seen-empty"), "None yet.");

    page.submission(1, 10).await;
    page.submission(2, 10).await;
    assert_eq!(page.texts("seen-index"), ["10"]);
    assert_eq!(page.texts("seen-times"), ["×2"]);
    assert_eq!(page.texts("value"), ["For index 10: Nothing yet!"]);

    page.value(10, "55").await;
    assert_eq!(page.texts("value"), ["For index 10 I calculated 55"]);
    assert_eq!(page.texts("digit-count"), ["2 digits"]);
    assert_eq!(page.text("values-empty"), "");
    assert!(page.has("suggestions"));
}

#[wasm_bindgen_test]
async fn a_row_keeps_the_focus_when_rows_are_added_or_move() {
    let page = MountedPage::open_with_lists("/").await;
    page.submission(1, 10).await;
    page.value(10, "55").await;
    let button = page.find("copy");
    button.focus().unwrap();
    page.submission(2, 20).await;
    assert_eq!(focused(), *button.as_ref());
    // The focused row moves to the top.
    page.submission(3, 10).await;
    assert_eq!(page.texts("value")[0], "For index 10 I calculated 55");
    assert_eq!(focused(), *button.as_ref());
}

#[wasm_bindgen_test]
async fn the_last_row_gets_the_focus_of_a_removed_row() {
    let page = MountedPage::open_with_lists("/").await;
    page.submission(1, 10).await;
    page.value(10, "55").await;
    page.find("copy").focus().unwrap();
    for number in 2..=21 {
        page.submission(number, 100 + number).await;
    }
    assert_eq!(page.texts("value").len(), 20);
    assert_eq!(focused().id(), "row-102");
}

#[wasm_bindgen_test]
async fn an_invalid_index_is_explained_while_it_is_typed() {
    let page = MountedPage::open_with_lists("/").await;
    page.type_in("abc").await;
    assert_eq!(page.text("error"), "“a” is not a digit. Use digits only, e.g. 1000.");
    assert_eq!(page.attribute("index", "aria-invalid").as_deref(), Some("true"));
    page.type_in("10,000").await;
    assert_eq!(page.text("error"), "");
    assert_eq!(page.text("hint"), "F(10,000) has 2,090 digits. Press Enter to calculate.");
    assert_eq!(page.attribute("index", "aria-invalid").as_deref(), Some("false"));
    page.type_in("").await;
    page.click("[data-testid=submit]").await;
    assert!(page.text("error").starts_with("An index is needed"));
}

#[wasm_bindgen_test]
async fn navigation_keeps_the_typed_index_and_moves_the_focus() {
    let page = MountedPage::open_with_lists("/").await;
    page.type_in("123").await;
    page.follow("nav a[href='/how-it-works']", "How it works").await;
    assert_eq!(window().location().pathname().unwrap(), "/how-it-works");
    assert_eq!(focused().id(), "main");
    assert!(!page.has("values"));
    assert_eq!(page.find("index").unchecked_into::<HtmlInputElement>().value(), "123");
    page.follow("a.brand", CALCULATOR_HEADING).await;
    assert!(page.has("values"), "the logo leads to the calculator");
}

#[wasm_bindgen_test]
async fn the_diagram_animates_only_new_events() {
    let page = MountedPage::open_with_lists("/how-it-works").await;
    assert_eq!(page.attribute("system", "data-submitted").as_deref(), Some("no"));
    page.submission(1, 10).await;
    page.value(10, "55").await;
    for attribute in ["data-submitted", "data-calculated"] {
        assert_eq!(page.attribute("system", attribute).as_deref(), Some("odd"));
    }
    assert_eq!(page.texts("part").len(), 7);
    page.follow("nav a[href='/']", CALCULATOR_HEADING).await;
    page.follow("nav a[href='/how-it-works']", "How it works").await;
    assert_eq!(page.attribute("system", "data-submitted").as_deref(), Some("no"));
}

#[wasm_bindgen_test]
async fn the_page_of_an_invalid_index_explains_the_error() {
    let page = MountedPage::open_with_lists("/numbers/1e3").await;
    assert_eq!(page.text("no-number"), "“e” is not a digit. Use digits only, e.g. 1000.");
}

#[wasm_bindgen_test]
async fn a_number_links_to_its_neighbours() {
    let page = MountedPage::open_with_lists("/numbers/0").await;
    assert_eq!(page.text("neighbours"), "F(1)");
    page.follow("[data-testid=neighbours] a", "F(1)").await;
    assert_eq!(page.text("neighbours"), "F(0)F(2)");
}
