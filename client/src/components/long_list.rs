//! A list that shows some of its rows first, with a button that shows more.

use leptos::html::Ul;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use crate::api;
use crate::focus::focus_without_scrolling;
use crate::state::lists::{NextPage, NumberLists};
use crate::state::{PageStateStoreFields, use_page_state};

/// A `<For>` in a `<ul>`, whose button fetches older rows when the page has no more of them.
///
/// The focus stays in the list while its rows change. Browsers take the focus from an element that
/// moves in the document, so it is restored. If the focused row was removed, the last row gets it.
#[component]
pub(crate) fn LongList<V: IntoView + 'static>(
    /// Id, class and test id of the list. The test id of `empty_text` is `<id>-empty`.
    id: &'static str,
    /// Shown in place of the rows when nothing was submitted yet.
    empty_text: &'static str,
    /// Number of rows shown first, and added by each click on the button.
    step: usize,
    /// Number of rows that the page has.
    available: fn(&NumberLists) -> usize,
    /// Whether the server has older rows.
    has_older: fn(&NumberLists) -> bool,
    /// The indices of the first rows, at most as many as the second argument.
    first: fn(&NumberLists, usize) -> Vec<u32>,
    /// The row of an index, an `<li>` whose first child can take the focus.
    row: fn(u32) -> V,
    /// The test id of the error message is `<button_testid>-error`.
    button_testid: &'static str,
    button_text: &'static str,
) -> impl IntoView {
    let state = use_page_state();
    let lists = state.lists();
    let available = Memo::new(move |_| available(&lists.read()));
    // The count is in the store, so that it survives a visit to another route.
    let shown = move || step + state.more_rows().read().get(id).copied().unwrap_or(0);
    let indices = Memo::new(move |_| first(&lists.read(), shown()));
    let empty = Signal::derive(move || {
        let text = match (available.get(), lists.read().is_loaded()) {
            (1.., _) => "",
            (0, true) => empty_text,
            (0, false) if state.fetch_error().read().is_some() => {
                "The list could not be loaded yet."
            }
            (0, false) => "Loading…",
        };
        text.to_owned()
    });

    let list = NodeRef::<Ul>::new();
    // The position of the row that gets the focus as soon as it exists.
    let focus_at = RwSignal::new(None);
    let each = move || {
        let indices = indices.get();
        // Here and not in an `Effect`, which runs after the rows have changed.
        let focused =
            document().active_element().and_then(|element| element.dyn_into::<HtmlElement>().ok());
        if let (Some(list), Some(focused)) = (list.get_untracked(), focused) {
            // The rows change after this closure returns.
            queue_microtask(move || restore_focus(&list, &focused, focus_at));
        }
        indices
    };

    let error = RwSignal::new(String::new());
    let fetch = Action::new_local(move |(): &()| async move {
        let page = lists.read_untracked().next_page();
        let Some(NextPage { before, value_count }) = page else { return };
        match api::lists(value_count, Some(before)).await {
            Ok(page) => lists.update(|lists| lists.add_page(page)),
            Err(request_error) => {
                error.set(request_error.title());
                // A row that an event adds later must not take the focus.
                focus_at.set(None);
            }
        }
    });
    let on_click = move |_| {
        if fetch.pending().get_untracked() {
            return;
        }
        error.set(String::new());
        let shown_now = available.get_untracked().min(untrack(shown));
        focus_at.set(Some(shown_now));
        state.more_rows().update(|more| _ = more.insert(id, shown_now));
        if available.get_untracked() < shown_now + step {
            fetch.dispatch_local(());
        }
    };
    view! {
        <p class="quiet empty" data-testid=format!("{id}-empty")>{empty}</p>
        <ul id=id class=id data-testid=id node_ref=list>
            <For each key=|index| *index children=row />
        </ul>
        <p class="error" role="alert" data-testid=format!("{button_testid}-error")>
            {error}
        </p>
        <Show when=move || { shown() < available.get() || has_older(&lists.read()) }>
            <button type="button" class="plain more" data-testid=button_testid on:click=on_click>
                {button_text}
            </button>
        </Show>
    }
}

/// Focuses the row at `focus_at` if it exists. Otherwise gives the focus back to `focused`, which
/// had it before the rows changed, or to the last row if `focused` was removed.
fn restore_focus(list: &HtmlElement, focused: &HtmlElement, focus_at: RwSignal<Option<usize>>) {
    // The focus goes to the row, not to a button in it, which a second press of Enter would click.
    let rows = list.children();
    let row = |position: usize| {
        rows.item(position as u32)?.first_element_child()?.dyn_into::<HtmlElement>().ok()
    };
    if let Some(row) = focus_at.try_get_untracked().flatten().and_then(row) {
        focus_at.set(None);
        let _ = row.focus();
    } else if document().active_element().as_ref() != Some(focused.as_ref()) {
        if list.contains(Some(focused)) {
            focus_without_scrolling(focused);
        } else if !focused.is_connected()
            && let Some(last) = row(rows.length().saturating_sub(1) as usize)
        {
            focus_without_scrolling(&last);
        }
    }
}
