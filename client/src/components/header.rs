//! What stands above the content of every page: the other pages, whether events arrive, and a
//! warning.

use leptos::prelude::*;
use leptos_router::components::A;

use crate::state::lists::NumberLists;
use crate::state::{LinkStatus, PageStateStoreFields, use_page_state};

#[component]
pub(crate) fn SiteHeader() -> impl IntoView {
    view! {
        <header class="page-header">
            <A href="/" exact=true attr:class="brand">
                <span class="logo" aria-hidden="true">"φ"</span>
                <span>"Fibonacci" <span class="wide">" calculator"</span></span>
            </A>
            <nav aria-label="Pages">
                <A href="/" exact=true>"Calculator"</A>
                <A href="/how-it-works">"How it works"</A>
            </nav>
            <Connection />
        </header>
    }
}

#[component]
fn Connection() -> impl IntoView {
    let link = use_page_state().link();
    // The status in style.css, in words, and a detail that is hidden where there is no room.
    let words = move || match link.get() {
        LinkStatus::Connecting => ("connecting", "Connecting…", ""),
        LinkStatus::Live => ("live", "Live", ""),
        LinkStatus::Polling => ("polling", "No live updates", ", asking every 2 s"),
        LinkStatus::Lost => ("lost", "Connection lost", ", reconnecting…"),
    };
    view! {
        <p class="connection" role="status" data-testid="connection" data-state=move || words().0>
            <span>{move || words().1}</span>
            <span class="wide">{move || words().2}</span>
        </p>
    }
}

/// Why what is shown may be out of date, or why values will not come. The line has its place when
/// it is empty too: a warning moves and covers nothing.
#[component]
pub(crate) fn Warning() -> impl IntoView {
    let state = use_page_state();
    let words = Memo::new(move |_| {
        let why = match (state.fetch_error().get(), state.link().get()) {
            (Some(why), _) => why.title(),
            (None, LinkStatus::Lost) => "The connection was lost.".to_owned(),
            (None, _) => {
                return state
                    .health()
                    .with(|health| health.warning().unwrap_or_default().to_owned());
            }
        };
        let is_loaded = state.lists().with(NumberLists::is_loaded);
        let stale = if is_loaded { "What you see may be out of date. " } else { "" };
        format!("{stale}{why} Trying again…")
    });
    view! {
        <p class="warning" role="alert" data-testid="warning">{words}</p>
    }
}
