//! The title of the window.

use leptos::prelude::*;
use leptos_meta::Title;

use crate::state::{self, use_page_state};

const NAME: &str = "Fibonacci calculator";

/// `<text> – Fibonacci calculator`. What is pending comes first, where a narrow tab still shows it.
#[component]
pub(crate) fn PageTitle(
    /// The page's own title; none on the first page.
    #[prop(optional, into)]
    text: Option<String>,
) -> impl IntoView {
    let state = use_page_state();
    let page = text.map_or_else(|| NAME.to_owned(), |text| format!("{text} – {NAME}"));
    let title = Memo::new(move |_| match state::pending_words(state) {
        Some(pending) => format!("{pending} – {page}"),
        None => page.clone(),
    });
    view! { <Title text=title /> }
}
