//! A list whose rows come, go and move while somebody uses it.

use std::hash::Hash;

use leptos::html::Ul;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{FocusOptions, HtmlElement};

/// A `<For>` in a `<ul>` that keeps the focus. Browsers take it from an element that moves in the
/// document: it is given back. When the row is gone, the last one gets it.
#[component]
pub(crate) fn KeyedList<K, V>(
    /// The list's id, also its name for tests.
    id: &'static str,
    keys: Memo<Vec<K>>,
    /// The place that the focus goes to as soon as the list has a row there.
    focus_at: RwSignal<Option<usize>>,
    /// The row of a key, an `<li>`.
    row: fn(K) -> V,
) -> impl IntoView
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: IntoView + 'static,
{
    let list = NodeRef::<Ul>::new();
    let each = move || {
        let keys = keys.get();
        let focused = document().active_element().and_then(|element| element.dyn_into::<HtmlElement>().ok());
        if let (Some(list), Some(focused)) = (list.get_untracked(), focused) {
            // The rows change when this returns.
            queue_microtask(move || restore_focus(&list, &focused, focus_at));
        }
        keys
    };
    view! {
        <ul id=id class=id data-testid=id node_ref=list><For each key=K::clone children=row /></ul>
    }
}

fn restore_focus(list: &HtmlElement, focused: &HtmlElement, focus_at: RwSignal<Option<usize>>) {
    let rows = list.children();
    if let Some(place) = focus_at.try_get_untracked().flatten()
        && let Some(row) = rows.item(place as u32)
    {
        focus_at.set(None);
        focus_row(row.first_element_child(), false);
    } else if document().active_element().as_ref() != Some(focused.as_ref()) {
        if list.contains(Some(focused)) {
            focus_without_scrolling(focused);
        } else if !focused.is_connected() {
            focus_row(
                rows.item(rows.length().saturating_sub(1)).and_then(|row| row.first_element_child()),
                true,
            );
        }
    }
}

/// A row takes the focus itself: pressing Enter once more must not press a button in it.
fn focus_row(row: Option<web_sys::Element>, stay: bool) {
    if let Some(row) = row.and_then(|row| row.dyn_into::<HtmlElement>().ok()) {
        if stay {
            focus_without_scrolling(&row);
        } else {
            let _ = row.focus();
        }
    }
}

fn focus_without_scrolling(element: &HtmlElement) {
    let options = FocusOptions::new();
    options.set_prevent_scroll(true);
    let _ = element.focus_with_options(&options);
}
