//! Why what is shown may be out of date, or why values will not come.

use leptos::prelude::*;

use crate::state::{self, use_page_state};

/// A line between the header and the content, which has its place when it is empty too: a warning
/// moves and covers nothing.
#[component]
pub(crate) fn Warning() -> impl IntoView {
    let state = use_page_state();
    let words = Memo::new(move |_| state::warning(state).unwrap_or_default());
    view! {
        <p class="warning" role="alert" data-testid="warning">{words}</p>
    }
}
