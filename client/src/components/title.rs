use leptos::prelude::*;
use leptos_meta::Title;

use crate::format;
use crate::state::lists::NumberLists;
use crate::state::{PageStateStoreFields, use_page_state};

const SITE_NAME: &str = "Fibonacci calculator";

/// The title of the window: `<text> – Fibonacci calculator`. Pending indices come first, because a
/// narrow tab shows only the beginning.
#[component]
pub(crate) fn PageTitle(
    /// The title of the page; none on the start page.
    #[prop(optional, into)]
    text: Option<String>,
) -> impl IntoView {
    let lists = use_page_state().lists();
    let page = text.map_or_else(|| SITE_NAME.to_owned(), |text| format!("{text} – {SITE_NAME}"));
    let title = Memo::new(move |_| match pending_text(&lists.read()) {
        Some(pending) => format!("{pending} – {page}"),
        None => page.clone(),
    });
    // leptos_meta may read the title once more after this component is gone.
    view! { <Title text=move || title.try_get().unwrap_or_default() /> }
}

fn pending_text(lists: &NumberLists) -> Option<String> {
    match (lists.pending_count(), lists.oldest_pending()) {
        (0, _) => None,
        (1, Some(index)) => Some(format!("{} pending", format::fibonacci(index))),
        (pending, _) => Some(format!("{} pending", format::grouped(pending as u64))),
    }
}
