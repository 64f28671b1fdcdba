//! The title of the window.

use leptos::prelude::*;
use leptos_meta::Title;

use crate::format;
use crate::state::lists::NumberLists;
use crate::state::{PageStateStoreFields, use_page_state};

const NAME: &str = "Fibonacci calculator";

/// `<text> – Fibonacci calculator`. What is pending comes first, where a narrow tab still shows it.
#[component]
pub(crate) fn PageTitle(
    /// The page's own title; none on the first page.
    #[prop(optional, into)]
    text: Option<String>,
) -> impl IntoView {
    let lists = use_page_state().lists();
    let page = text.map_or_else(|| NAME.to_owned(), |text| format!("{text} – {NAME}"));
    let title = Memo::new(move |_| match lists.with(pending_words) {
        Some(pending) => format!("{pending} – {page}"),
        None => page.clone(),
    });
    // For a moment after its page was left, leptos_meta may still read the title.
    view! { <Title text=move || title.try_get().unwrap_or_default() /> }
}

fn pending_words(lists: &NumberLists) -> Option<String> {
    match (lists.pending_count(), lists.oldest_pending()) {
        (0, _) => None,
        (1, Some(index)) => Some(format!("{} pending", format::fibonacci(index))),
        (pending, _) => Some(format!("{} pending", format::grouped(pending as u64))),
    }
}
