//! Why what is shown may be out of date, or why values will not come.

use leptos::prelude::*;

use crate::state::lists::NumberLists;
use crate::state::{LinkStatus, PageStateStoreFields, use_page_state};

/// A line between the header and the content, which has its place when it is empty too: a warning
/// moves and covers nothing.
#[component]
pub(crate) fn Warning() -> impl IntoView {
    let state = use_page_state();
    let words = Memo::new(move |_| {
        let why = match (state.fetch_error().get(), state.link().get()) {
            (Some(why), _) => why,
            (None, LinkStatus::Lost) => "The connection was lost.".to_owned(),
            (None, _) => return state.health().with(|health| health.warning().map(str::to_owned)),
        };
        let is_loaded = state.lists().with(NumberLists::is_loaded);
        let stale = if is_loaded { "What you see may be out of date. " } else { "" };
        Some(format!("{stale}{why} Trying again…"))
    });
    view! {
        <p class="warning" role="alert" data-testid="warning">{words}</p>
    }
}
