//! The components in a real browser: what they put into the document, and what a person's actions do to it.
//!
//! There is no server here: tests say what one would have said. The whole system is tested in `crates/e2e`, and what needs no
//! document in the modules themselves.

#![cfg(target_arch = "wasm32")]
#![expect(clippy::unwrap_used, reason = "in a test, the panic is the report")]

use client::App;
use client::events::change;
use client::model::{Connection, Digits, Model};
use client::route::Route;
use client::state::Lists;
use client::store::Store;
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
    async fn open(route: Route) -> Self {
        let document = document();
        let root: HtmlElement = document.create_element("div").unwrap().unchecked_into();
        document.body().unwrap().append_child(&root).unwrap();
        let style = document.create_element("style").unwrap();
        style.set_text_content(Some(include_str!("../style.css")));
        root.append_child(&style).unwrap();
        let owner = Owner::new();
        let store = owner.with(|| Store::new(Model::new(route)));
        let mounted = leptos::mount::mount_to(root.clone(), move || view! { <App store /> });
        let page = Self { root, store, mounted: Some(Box::new((mounted, owner))) };
        page.settle().await;
        page
    }

    /// Waits until what is known is shown: effects run one after the other, each a turn later.
    async fn settle(&self) {
        let mut before = String::new();
        for _ in 0..100 {
            tick().await;
            let now = self.root.inner_html();
            if now == before {
                return;
            }
            before = now;
        }
        panic!("the page does not come to rest");
    }

    /// With empty lists, as on a new system.
    async fn fetched(route: Route) -> Self {
        let page = Self::open(route).await;
        page.update(|model| {
            model.state.begin_fetch();
            model.fetched(Lists::default(), 0);
        })
        .await;
        page
    }

    async fn update(&self, how: impl FnOnce(&mut Model)) {
        self.store.update(how);
        self.settle().await;
    }

    async fn hear(&self, name: &str, json: &str) {
        let change = change(name, json).unwrap();
        self.update(|model| model.apply(change, 1)).await;
    }

    fn find(&self, name: &str) -> Element {
        self.root.query_selector(&format!("[data-testid={name}]")).unwrap().expect(name)
    }

    fn text(&self, name: &str) -> String {
        self.find(name).text_content().unwrap().trim().to_owned()
    }

    fn texts(&self, name: &str) -> Vec<String> {
        let found = self.root.query_selector_all(&format!("[data-testid={name}]")).unwrap();
        (0..found.length()).map(|at| found.item(at).unwrap().text_content().unwrap()).collect()
    }

    fn attribute(&self, name: &str, attribute: &str) -> Option<String> {
        self.find(name).get_attribute(attribute)
    }

    fn html(&self, name: &str) -> HtmlElement {
        self.find(name).unchecked_into()
    }

    async fn type_in(&self, typed: &str) {
        let field: HtmlInputElement = self.find("index").unchecked_into();
        field.set_value(typed);
        field.dispatch_event(&web_sys::Event::new("input").unwrap()).unwrap();
        self.settle().await;
    }

    async fn click(&self, name: &str) {
        self.html(name).click();
        self.settle().await;
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.mounted = None;
        self.root.remove();
    }
}

const TEN: &str = r#"{"index":10,"value":"55","digits":2,"request_id":"r","worker":"w","hops":{}}"#;

fn seen(id: u32, index: u32) -> String {
    format!(r#"{{"id":{id},"index":{index},"request_id":"r"}}"#)
}

#[wasm_bindgen_test]
async fn the_lists_fill_as_changes_arrive() {
    let fresh = Page::open(Route::Calculator).await;
    assert_eq!(fresh.text("values-empty"), "Loading…");
    drop(fresh);
    let page = Page::fetched(Route::Calculator).await;
    assert_eq!(page.text("seen-empty"), "None yet.");

    page.hear("seen", &seen(1, 10)).await;
    page.hear("seen", &seen(2, 10)).await;
    assert_eq!(page.texts("seen-index"), ["10"]);
    assert_eq!(page.texts("seen-times"), ["×2"]);
    assert_eq!(page.texts("value"), ["For index 10: Nothing yet!"]);

    page.hear("value", TEN).await;
    assert_eq!(page.texts("value"), ["For index 10 I calculated 55"]);
    assert_eq!(page.texts("digit-count"), ["2 digits"]);
    assert!(page.html("values-empty").offset_parent().is_none());
}

#[wasm_bindgen_test]
async fn a_row_that_has_not_changed_stays_in_the_document_with_its_focus() {
    let page = Page::fetched(Route::Calculator).await;
    page.hear("seen", &seen(1, 10)).await;
    page.hear("value", TEN).await;
    let button = page.html("copy");
    button.focus().unwrap();
    page.hear("seen", &seen(2, 20)).await;
    page.hear("seen", &seen(3, 30)).await;
    assert_eq!(page.texts("value").len(), 3);
    assert_eq!(page.texts("value")[2], "For index 10 I calculated 55");
    assert_eq!(document().active_element().as_ref(), Some(button.as_ref()));
}

#[wasm_bindgen_test]
async fn a_row_that_moves_or_is_made_anew_keeps_the_focus() {
    let page = Page::fetched(Route::Calculator).await;
    page.hear("seen", &seen(1, 10)).await;
    page.hear("value", TEN).await;
    page.hear("seen", &seen(2, 20)).await;
    let focused = || document().active_element().unwrap();
    page.html("copy").focus().unwrap();
    // Somebody else submits it once more: it comes first.
    page.hear("seen", &seen(3, 10)).await;
    assert_eq!(page.texts("value")[0], "For index 10 I calculated 55");
    assert_eq!(focused().id(), "copy-10");

    let chip = page.root.query_selector("#chip-20").unwrap().unwrap();
    chip.unchecked_ref::<HtmlElement>().focus().unwrap();
    page.hear("seen", &seen(4, 20)).await;
    assert_eq!(focused().text_content().unwrap(), "20×2");
    assert_ne!(focused(), chip, "its count has changed: it is another one");
}

#[wasm_bindgen_test]
async fn the_focus_of_a_row_that_is_gone_goes_to_the_last() {
    let page = Page::fetched(Route::Calculator).await;
    page.hear("seen", &seen(1, 10)).await;
    page.hear("value", TEN).await;
    page.html("copy").focus().unwrap();
    for number in 2..=21 {
        page.hear("seen", &seen(number, 100 + number)).await;
    }
    assert_eq!(page.texts("value").len(), 20);
    assert_eq!(document().active_element().unwrap().id(), "row-102");
}

#[wasm_bindgen_test]
async fn what_is_not_a_whole_number_is_refused_beside_the_field_while_it_is_typed() {
    let page = Page::fetched(Route::Calculator).await;
    page.type_in("abc").await;
    assert_eq!(page.text("error"), "“a” is not a digit. An index is a whole number: 0, 1, 2, …");
    assert_eq!(page.attribute("error", "role").as_deref(), Some("alert"));
    assert_eq!(page.attribute("index", "aria-invalid").as_deref(), Some("true"));
    page.type_in("12").await;
    assert_eq!(page.text("error"), "");
    assert_eq!(page.text("hint"), "F(12) has 3 digits. Enter calculates it.");
    assert_eq!(page.attribute("index", "aria-invalid").as_deref(), Some("false"));
}

#[wasm_bindgen_test]
async fn an_empty_field_is_refused_when_it_is_sent_and_forgiven_when_something_is_typed() {
    let page = Page::fetched(Route::Calculator).await;
    page.click("submit").await;
    assert!(page.text("error").starts_with("An index is needed"));
    page.type_in("").await;
    assert_eq!(page.text("error"), "");
}

#[wasm_bindgen_test]
async fn the_connection_and_what_is_wrong_are_said_in_words() {
    let page = Page::open(Route::Calculator).await;
    assert_eq!(page.text("connection"), "Connecting…");
    assert!(page.html("trouble").hidden());
    page.update(|model| {
        model.connection = Connection::Lost;
        model.trouble = "The server cannot be reached.".to_owned();
    })
    .await;
    assert_eq!(page.text("connection"), "Connection lost, reconnecting…");
    assert_eq!(page.attribute("connection", "data-state").as_deref(), Some("lost"));
    assert!(!page.html("trouble").hidden());
    assert_eq!(page.text("trouble"), "The server cannot be reached. Trying again…");
}

#[wasm_bindgen_test]
async fn a_click_leads_to_the_other_route_and_back_leads_back_with_what_was_typed() {
    let page = Page::fetched(Route::Calculator).await;
    page.type_in("123").await;
    let link = page.root.query_selector("a[href='/how-it-works']").unwrap().unwrap();
    link.unchecked_ref::<HtmlElement>().click();
    page.settle().await;
    assert_eq!(window().location().pathname().unwrap(), "/how-it-works");
    assert_eq!(page.root.query_selector("h1").unwrap().unwrap().text_content().unwrap(), "How it works");
    assert_eq!(link.get_attribute("aria-current").as_deref(), Some("page"));
    let pages = || window().history().unwrap().length().unwrap();
    let before = pages();
    link.unchecked_ref::<HtmlElement>().click();
    page.settle().await;
    assert_eq!(pages(), before, "back leads to the other one, however often this one's link is clicked");
    assert!(page.html("values").offset_parent().is_none(), "the other route is hidden");
    assert_eq!(page.find("index").unchecked_into::<HtmlInputElement>().value(), "123");
    page.root.query_selector("a[href='/']").unwrap().unwrap().unchecked_ref::<HtmlElement>().click();
    page.settle().await;
    assert!(page.html("values").offset_parent().is_some());
}

#[wasm_bindgen_test]
async fn two_million_digits_are_never_in_the_document_at_once() {
    let page = Page::fetched(Route::Calculator).await;
    page.update(|model| model.open(9_570_000)).await;
    let digits: String = (0..2_000_000_u32).map(|place| char::from(b'0' + (place / 7 % 10) as u8)).collect();
    page.update(|model| model.digits = Digits::Here(digits.clone())).await;
    assert_eq!(page.text("digits-state"), "2,000,000 digits");
    let shown = || page.text("digits-lines").replace([' ', '\n'], "");
    assert!(digits.starts_with(&shown()) && (100..20_000).contains(&shown().len()));

    let view = page.html("digits-view");
    view.set_scroll_top(view.scroll_height());
    view.dispatch_event(&web_sys::Event::new("scroll").unwrap()).unwrap();
    assert!(digits.ends_with(&shown()) && (100..20_000).contains(&shown().len()));
    page.click("close").await;
    assert_eq!(shown(), "", "closed, it keeps nothing");
}

#[wasm_bindgen_test]
async fn what_is_read_aloud_is_inside_the_dialog_too_while_that_is_open() {
    let page = Page::fetched(Route::Calculator).await;
    page.update(|model| model.open(10)).await;
    page.update(|model| model.say("Copied: F(10)".to_owned())).await;
    let inside = page.root.query_selector("dialog .visually-hidden[role=status]").unwrap().unwrap();
    assert_eq!(inside.text_content().unwrap(), "Copied: F(10)", "outside of it nothing is");
    page.click("close").await;
}

#[wasm_bindgen_test]
async fn what_is_sent_is_selected_so_that_the_next_index_takes_its_place() {
    let page = Page::fetched(Route::Calculator).await;
    page.type_in("300").await;
    page.click("submit").await;
    let field: HtmlInputElement = page.find("index").unchecked_into();
    assert_eq!((field.selection_start().unwrap(), field.selection_end().unwrap()), (Some(0), Some(3)));
}

#[wasm_bindgen_test]
async fn the_diagram_beats_when_something_passes() {
    let page = Page::fetched(Route::HowItWorks).await;
    assert_eq!(page.attribute("system", "data-seen").as_deref(), Some("no"));
    page.hear("seen", &seen(1, 10)).await;
    page.hear("value", TEN).await;
    assert_eq!(page.attribute("system", "data-seen").as_deref(), Some("odd"));
    assert_eq!(page.attribute("system", "data-calculated").as_deref(), Some("odd"));
    assert_eq!(page.texts("part").len(), 7);
}

#[wasm_bindgen_test]
async fn digits_that_cannot_be_had_are_tried_again_by_a_button() {
    let page = Page::fetched(Route::Calculator).await;
    page.update(|model| model.open(10)).await;
    page.update(|model| model.digits = Digits::Failed("The server cannot be reached.".to_owned())).await;
    let before = page.store.now(|model| model.openings);
    page.html("again").click();
    assert_ne!(page.store.now(|model| model.openings), before);
    assert_eq!(page.store.now(|model| model.digits.clone()), Digits::Loading);
    page.settle().await;
    assert_eq!(document().active_element().unwrap().id(), "digits-view", "the button is gone");
    page.click("close").await;
}
