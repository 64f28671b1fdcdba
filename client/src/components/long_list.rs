//! A list whose rows come, go and move while somebody uses it. It begins with some of its rows; a
//! button shows more, and fetches older ones when they are not here.

use leptos::html::Ul;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use crate::api;
use crate::focus::focus_without_scrolling;
use crate::state::lists::NumberLists;
use crate::state::{PageStateStoreFields, use_page_state};

/// A `<For>` in a `<ul>` that keeps the focus. Browsers take it from an element that moves in the
/// document: it is given back. When the row is gone, the last one gets it.
#[component]
pub(crate) fn LongList<V: IntoView + 'static>(
    /// The list's id, also its name for tests; `<id>-empty` is the name of what stands in its
    /// place.
    id: &'static str,
    /// What stands in its place when nothing was submitted yet.
    none: &'static str,
    /// Rows at first, and added by the button.
    step: usize,
    /// Number of rows that are here.
    available: fn(&NumberLists) -> usize,
    /// Whether the server has more.
    has_older: fn(&NumberLists) -> bool,
    /// The indices of the first rows, that many.
    first: fn(&NumberLists, usize) -> Vec<u32>,
    /// The row of an index, an `<li>`.
    row: fn(u32) -> V,
    /// The button's name for tests, and its text; `<name>-error` is the message's name.
    button: (&'static str, &'static str),
) -> impl IntoView {
    let state = use_page_state();
    let lists = state.lists();
    let available = Memo::new(move |_| lists.with(available));
    // In the store, so that they are shown again when this route is.
    let shown = move || step + state.more_rows().with(|more| more.get(id).copied().unwrap_or(0));
    let indices = Memo::new(move |_| lists.with(|lists| first(lists, shown())));
    let empty = Signal::derive(move || {
        let words = match (available.get(), lists.with(NumberLists::is_loaded)) {
            (1.., _) => "",
            (0, true) => none,
            (0, false) if state.fetch_error().read().is_some() => {
                "The server has not responded yet."
            }
            (0, false) => "Loading…",
        };
        words.to_owned()
    });

    let list = NodeRef::<Ul>::new();
    // The place that the focus goes to as soon as the list has a row there.
    let focus_at = RwSignal::new(None);
    let each = move || {
        let indices = indices.get();
        let focused =
            document().active_element().and_then(|element| element.dyn_into::<HtmlElement>().ok());
        if let (Some(list), Some(focused)) = (list.get_untracked(), focused) {
            // The rows change when this returns.
            queue_microtask(move || restore_focus(&list, &focused, focus_at));
        }
        indices
    };

    let error = RwSignal::new(String::new());
    let fetch = Action::new_local(move |(): &()| async move {
        let page = lists.with_untracked(NumberLists::next_page);
        let Some((before, count)) = page else { return };
        match api::lists(count, Some(before)).await {
            Ok(page) => lists.update(|lists| lists.add_page(page)),
            Err(why) => {
                error.set(why.title());
                // Rows that come by themselves must not take the focus.
                focus_at.set(None);
            }
        }
    });
    let (name, text) = button;
    let on_click = move |_| {
        if fetch.pending().get_untracked() {
            return;
        }
        error.set(String::new());
        let here = available.get_untracked().min(untrack(shown));
        focus_at.set(Some(here));
        state.more_rows().update(|more| _ = more.insert(id, here));
        if available.get_untracked() < here + step {
            fetch.dispatch_local(());
        }
    };
    view! {
        <p class="quiet empty" data-testid=format!("{id}-empty")>{empty}</p>
        <ul id=id class=id data-testid=id node_ref=list>
            <For each key=|index| *index children=row />
        </ul>
        <p class="error" role="alert" data-testid=format!("{name}-error")>{error}</p>
        <Show when=move || { shown() < available.get() || lists.with(has_older) }>
            <button type="button" class="plain more" data-testid=name on:click=on_click>{text}</button>
        </Show>
    }
}

fn restore_focus(list: &HtmlElement, focused: &HtmlElement, focus_at: RwSignal<Option<usize>>) {
    // A row takes the focus itself: pressing Enter once more must not press a button in it.
    let rows = list.children();
    let row = |place: usize| {
        rows.item(place as u32)?.first_element_child()?.dyn_into::<HtmlElement>().ok()
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
