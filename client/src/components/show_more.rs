//! The button below a list that shows more rows, and fetches older ones when they are not here.

use leptos::prelude::*;

use crate::api;
use crate::state::lists::NumberLists;
use crate::state::{PageStateStoreFields, use_page_state};

#[component]
pub(crate) fn ShowMore(
    /// The button's name, for tests; `<name>-error` is the message's.
    name: &'static str,
    text: &'static str,
    /// Number of rows that are shown.
    #[prop(into)]
    shown: Signal<usize>,
    /// Number of rows that are here.
    #[prop(into)]
    available: Signal<usize>,
    has_more: fn(&NumberLists) -> bool,
    show: Callback<()>,
    /// The place that the focus goes to when there is a row.
    focus_at: RwSignal<Option<usize>>,
) -> impl IntoView {
    let state = use_page_state();
    let error = RwSignal::new(String::new());
    let fetch = Action::new_local(move |(): &()| async move {
        let page = state.lists().with_untracked(NumberLists::next_page);
        let Some((before, count)) = page else { return };
        match api::older_lists(before, count).await {
            Ok(page) => state.lists().update(|lists| lists.add_page(page)),
            Err(why) => {
                error.set(why.title());
                // Rows that come by themselves must not take the focus.
                focus_at.set(None);
            }
        }
    });
    let is_needed = move || available.get() > shown.get() || state.lists().with(has_more);
    let on_click = move |_| {
        if fetch.pending().get_untracked() {
            return;
        }
        error.set(String::new());
        focus_at.set(Some(shown.get_untracked().min(available.get_untracked())));
        show.run(());
        if available.get_untracked() < shown.get_untracked() {
            fetch.dispatch_local(());
        }
    };
    view! {
        <p class="error" role="alert" data-testid=format!("{name}-error")>{error}</p>
        <Show when=is_needed>
            <button type="button" class="plain more" data-testid=name on:click=on_click>{text}</button>
        </Show>
    }
}
