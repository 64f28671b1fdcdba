//! The one input: an index goes to the server, or what is wrong with it is said beside it, while it is typed.
//!
//! What was typed stays until the server has accepted it, which has the last word on what an index is.

use leptos::prelude::*;
use leptos::task::spawn_local;
use web_sys::HtmlInputElement;

use super::element;
use crate::http;
use crate::live::now;
use crate::store::Store;
use crate::view;

/// The field, its button, and what is said near them.
#[component]
pub fn SubmitForm(
    /// Where it reports.
    store: Store,
) -> impl IntoView {
    view! {
        <form class="ask card" novalidate>
            <label for="index">"Index"</label>
            <div class="field">
                <span class="prefix" aria-hidden="true">"n ="</span>
                <input
                    id="index"
                    name="index"
                    type="text"
                    inputmode="numeric"
                    autocomplete="off"
                    maxlength="40"
                    data-testid="index"
                    aria-describedby="index-error index-hint"
                    aria-invalid=store.text(view::invalid)
                />
                <button type="submit" class="primary" data-testid="submit">"Calculate"</button>
            </div>
            <div class="said">
                <p id="index-error" class="error" role="alert" data-testid="error">
                    {store.text(view::error)}
                </p>
                <p id="index-hint" class="quiet" data-testid="hint">
                    {store.text(view::hint)}
                </p>
            </div>
        </form>
    }
}

/// What stands in the field has changed.
pub(crate) fn typing(store: Store) {
    let typed = field().map(|input| input.value()).unwrap_or_default();
    store.update(|model| model.form.type_in(typed));
}

/// Sends `index`, as if it had been typed.
pub(crate) fn try_out(store: Store, index: u32) {
    if let Some(input) = field() {
        input.set_value(&index.to_string());
        typing(store);
        submit(store);
    }
}

/// It is to be sent.
pub(crate) fn submit(store: Store) {
    let Some(input) = field() else { return };
    let _ = input.focus();
    let typed = input.value().trim().to_owned();
    let mut go = false;
    store.update(|model| go = model.begin_sending(&typed));
    if !go {
        return;
    }
    // Ready for the next at once: what is typed now takes the place of this one, which stays until it is accepted.
    input.select();
    spawn_local(async move {
        let id = request_id();
        store.update(|model| model.sent(typed.clone(), id.clone(), now()));
        let answer = http::submit(&typed, &id).await;
        let at = now();
        let mut empty = false;
        store.update(|model| empty = model.answered(&typed, &id, answer, at));
        if empty {
            input.set_value("");
        }
    });
}

fn field() -> Option<HtmlInputElement> {
    element("index")
}

/// An id to find a request by in the logs of every part; unlikely enough to be anybody else's.
fn request_id() -> String {
    let part = || (js_sys::Math::random() * 4_294_967_296.0) as u32;
    format!("{:08x}{:08x}", part(), part())
}
