//! All digits of one value, however many: in a dialog that only ever has the lines in the document that are looked at.
//!
//! The text of a number of two million digits is two megabytes, which is nothing to hold and far too much to lay out. What
//! scrolls is drawn by hand, at the pace of scrolling.

use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use web_sys::{HtmlDialogElement, HtmlElement};

use super::element;
use crate::http;
use crate::layout::{LINE, Layout};
use crate::model::Digits as Read;
use crate::store::Store;
use crate::text;
use crate::view;

/// Before the next attempt, when the value is being calculated.
const AGAIN: Duration = Duration::from_secs(1);

/// The dialog; closed unless an index is opened.
#[component]
pub fn Digits(
    /// Says which index is opened.
    store: Store,
) -> impl IntoView {
    let title = store.text(view::opened);
    let words = store.text(view::opened_words);
    Effect::new(move || {
        title.track();
        show(store);
    });
    Effect::new(move || {
        words.track();
        draw(store);
    });
    view! {
        <dialog id="digits" class="digits" aria-labelledby="digits-title" data-testid="digits">
            <div class="digits-head">
                <h2 id="digits-title">{title}</h2>
                <p class="quiet" role="status" data-testid="digits-state">{words}</p>
                <button type="button" class="plain" data-act="close" data-testid="close">"Close"</button>
            </div>
            <div id="digits-view" class="digits-view" role="region" aria-label="Digits" tabindex="0" data-testid="digits-view">
                <div id="digits-whole">
                    <pre id="digits-lines" data-testid="digits-lines"></pre>
                </div>
            </div>
            <p class="about" inner_html=store.text(view::opened_tools)></p>
            // Outside of an open dialog nothing is read aloud.
            <p class="visually-hidden" role="status">{store.text(view::announcement)}</p>
        </dialog>
    }
}

fn show(store: Store) {
    let Some(dialog) = element::<HtmlDialogElement>("digits") else { return };
    match store.now(|model| model.opened) {
        Some(index) => {
            if !dialog.open() {
                let _ = dialog.show_modal();
            }
            load(store, index, store.now(|model| model.openings));
        }
        None => dialog.close(),
    }
}

/// They are to be tried again.
pub(crate) fn again(store: Store) {
    let Some(index) = store.now(|model| model.opened) else { return };
    store.update(|model| model.open(index));
    load(store, index, store.now(|model| model.openings));
    // The button is gone.
    let _ = element::<HtmlElement>("digits-view").map(|view| view.focus());
}

/// Fetches the digits, again and again while they are being calculated, until the dialog is closed.
fn load(store: Store, index: u32, opening: u32) {
    spawn_local(async move {
        let fetched = http::digits(index).await;
        if store.now(|model| (model.opened, model.openings)) != (Some(index), opening) {
            return;
        }
        let read = match fetched {
            Ok(Some(all)) => Read::Here(all),
            // It is still on its way, whoever is away for a moment.
            Err(_) if store.now(|model| model.digits == Read::Pending) => Read::Pending,
            Ok(None) => Read::Pending,
            Err(error) => Read::Failed(text::sentence(&error.to_string())),
        };
        if read == Read::Pending {
            set_timeout(move || load(store, index, opening), AGAIN);
        }
        if let Some(view) = element::<HtmlElement>("digits-view") {
            view.set_scroll_top(0);
        }
        store.update(|model| model.digits = read);
    });
}

/// Puts the lines that can be seen, and a few around them, where they belong.
pub(crate) fn draw(store: Store) {
    let [Some(view), Some(whole), Some(lines)] =
        ["digits-view", "digits-whole", "digits-lines"].map(element::<HtmlElement>)
    else {
        return;
    };
    let size = |pixels: i32| usize::try_from(pixels).unwrap_or(0);
    let (width, top, height) =
        (size(view.client_width()), size(view.scroll_top()), size(view.client_height()));
    let (all, from, text) = store.now(|model| {
        let digits = model.digits.text();
        let layout = Layout::new(digits.len(), width);
        let visible = layout.visible(top, height);
        (layout.count(), visible.start, layout.text(digits, visible))
    });
    for (element, property, count) in [(&whole, "height", all), (&lines, "top", from)] {
        let _ = element.style().set_property(property, &format!("{}px", count * LINE));
    }
    lines.set_text_content(Some(&text));
}
