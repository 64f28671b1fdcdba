//! All digits of a value, in a dialog over the list.
//!
//! The address has the index (`/?digits=1000`), so that Back closes the dialog and a reload keeps
//! it open.

use leptos::html::Dialog;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_navigate, use_query_map};

use super::digits::{DigitsFrame, use_digits};
use crate::format;
use crate::state::{self, PageStateStoreFields, use_page_state};

/// `history.state` of an entry that was added by a link in the list: Back leads to the list.
pub(crate) const OPENED_HERE: &str = "opened-here";

/// The dialog. It is open while the address has an index.
#[component]
pub(crate) fn DigitsDialog() -> impl IntoView {
    let state = use_page_state();
    let query = use_query_map();
    let index = Memo::new(move |_| {
        let typed = query.read().get("digits")?;
        format::parse_index(&typed, state::max_index(state)).ok()
    });
    let dialog = NodeRef::<Dialog>::new();
    Effect::new(move || {
        let Some(dialog) = dialog.get() else { return };
        match index.get() {
            // `show_modal` only fails for an element outside the document.
            Some(_) if !dialog.open() => drop(dialog.show_modal()),
            Some(_) => {}
            // The browser gives the focus back to the element that had it before.
            None => dialog.close(),
        }
    });
    let navigate = use_navigate();
    let leave_address = move || {
        if index.get_untracked().is_none() {
            return;
        }
        let Ok(history) = window().history() else { return };
        let state = history.state().ok().and_then(|state| state.as_string());
        if state.as_deref() == Some(OPENED_HERE) {
            let _ = history.back();
        } else {
            navigate("/", NavigateOptions { replace: true, scroll: false, ..Default::default() });
        }
    };
    let title = Signal::derive(move || index.get().map(format::fibonacci).unwrap_or_default());
    let address = move || index.get().map(|index| format!("/numbers/{index}")).unwrap_or_default();
    let content =
        move || index.get().map(|index| view! { <DigitsFrame index digits=use_digits(index) /> });
    view! {
        <dialog class="card digits" aria-labelledby="digits-title" data-testid="digits"
            node_ref=dialog on:close=move |_| leave_address()>
            <div class="digits-head">
                <h2 id="digits-title">
                    <a href=address>{title}</a>
                </h2>
                <form method="dialog">
                    <button class="plain" data-testid="close">"Close"</button>
                </form>
            </div>
            {content}
            // Screen readers ignore announcements outside an open dialog.
            <p class="visually-hidden" role="status">{state.announcement()}</p>
        </dialog>
    }
}
