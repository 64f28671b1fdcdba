//! What a person does, wherever it is on the page.
//!
//! One listener for all: an element that is to be clicked says what for in `data-act`, and for which index in `data-index`,
//! because most of them are markup that comes and goes. What an action does to what is known is `model`'s business.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use js_sys::Promise;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, future_to_promise};
use web_sys::{Element, Event, HtmlElement, MouseEvent};

use super::rows::MORE;
use super::{digits, element, form};
use crate::http;
use crate::live;
use crate::route::{self, Route};
use crate::state::Shown;
use crate::store::Store;
use crate::text::grouped;

/// How long a button says what came of it.
const SAID: Duration = Duration::from_secs(2);

#[wasm_bindgen]
unsafe extern "C" {
    /// Of loader.js: in Rust it would weigh eight times as much.
    #[wasm_bindgen(js_name = putOnClipboard)]
    fn put_on_clipboard(text: &Promise) -> Promise;
}

/// Takes in what happens in `page`, for as long as that is in the document.
pub(crate) fn listen(store: Store, page: &Element) {
    let listener = Closure::<dyn Fn(Event)>::new(move |event| hear(store, &event));
    let callback = listener.as_ref().unchecked_ref();
    for name in ["click", "input", "submit", "close", "scroll"] {
        // On the way down to the element: some of these do not come up again. It cannot fail, the names are right.
        let _ = page.add_event_listener_with_callback_and_bool(name, callback, true);
    }
    let _ = window().add_event_listener_with_callback("resize", callback);
    listener.forget();
}

fn hear(store: Store, event: &Event) {
    match event.type_().as_str() {
        "click" => click(store, event),
        "input" => form::typing(store),
        "submit" => {
            event.prevent_default();
            form::submit(store);
        }
        "scroll" | "resize" => digits::draw(store),
        // Of the dialog: Escape closes it too.
        "close" => store.update(|model| model.close()),
        _ => {}
    }
}

fn click(store: Store, event: &Event) {
    let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
    let Some(element) = target.and_then(|target| target.closest("[data-act]").ok().flatten()) else { return };
    let index = element.get_attribute("data-index").and_then(|index| index.parse().ok());
    match (element.get_attribute("data-act").as_deref(), index) {
        (Some("calculator"), _) => go(store, event, Route::Calculator),
        (Some("how-it-works"), _) => go(store, event, Route::HowItWorks),
        (Some("try"), Some(index)) => form::try_out(store, index),
        (Some("open"), Some(index)) => store.update(|model| model.open(index)),
        (Some("again"), _) => digits::again(store),
        (Some("close"), _) => store.update(|model| model.close()),
        (Some("copy"), Some(index)) => copy(store, index, element.unchecked_into()),
        (Some(more @ ("more-values" | "older")), _) => {
            let seen = more == "older";
            let Some(list) = super::element::<Element>(if seen { "seen" } else { "values" }) else { return };
            let _ = list.set_attribute(MORE, "");
            let mut short = false;
            store.update(|model| short = if seen { model.more_seen() } else { model.more_values() });
            if short {
                spawn_local(async move {
                    // Rows that come later, by themselves, must not take the focus.
                    if !live::fetch_older(store, seen).await {
                        let _ = list.remove_attribute(MORE);
                    }
                });
            }
        }
        _ => {}
    }
}

/// Follows a link to one of the page's own addresses without a reload. It stays a plain link in every other way.
fn go(store: Store, event: &Event, to: Route) {
    // With a key held, the person wants a tab, a window or a download.
    let mouse: &MouseEvent = event.unchecked_ref();
    if mouse.ctrl_key() || mouse.meta_key() || mouse.shift_key() || mouse.alt_key() || !route::go(to) {
        return;
    }
    event.prevent_default();
    store.update(|model| model.go(to));
    window().scroll_to_with_x_and_y(0.0, 0.0);
    // As after a page has loaded: the next Tab goes to what is new, and a screen reader begins there.
    if let Some(main) = element::<HtmlElement>("main") {
        let _ = main.focus();
    }
}

/// Puts the digits of F(`index`) on the clipboard, and says on the button whether it could.
fn copy(store: Store, index: u32, button: HtmlElement) {
    let here = store.now(|model| match model.state.value(index) {
        Some(Shown::Value(value, _)) if contract::is_whole(value) => Some(value.clone()),
        _ => None,
    });
    let missing = Rc::new(Cell::new(false));
    let noted = missing.clone();
    let digits = async move {
        let digits = match here {
            Some(digits) => Some(digits),
            None => http::digits(index).await.ok().flatten(),
        };
        noted.set(digits.is_none());
        digits.map(JsValue::from).ok_or(JsValue::NULL)
    };
    // Browsers give the clipboard to secure pages (HTTPS, or this machine) alone.
    let written =
        window().is_secure_context().then(|| JsFuture::from(put_on_clipboard(&future_to_promise(digits))));
    spawn_local(async move {
        let said = match written {
            None => "Copy needs HTTPS",
            Some(written) => match written.await {
                Ok(_) => "Copied",
                Err(_) if missing.get() => "Not there",
                Err(_) => "Cannot copy",
            },
        };
        button.set_text_content(Some(said));
        store.update(|model| model.say(format!("{said}: F({})", grouped(index))));
        set_timeout(move || button.set_text_content(Some("Copy")), SAID);
    });
}
