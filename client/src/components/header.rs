//! The header: the pages, and whether events arrive.

use leptos::prelude::*;
use leptos_router::components::A;

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
    // The detail is hidden where there is no room.
    let words = move || match link.get() {
        LinkStatus::Connecting => ["connecting", "Connecting…", ""],
        LinkStatus::Live => ["live", "Live", ""],
        LinkStatus::Polling => ["polling", "No live updates", ", asking every 2 s"],
        LinkStatus::Lost => ["lost", "Connection lost", ", reconnecting…"],
    };
    view! {
        <p class="connection" role="status" data-testid="connection" data-state=move || words()[0]>
            <span>{move || words()[1]}</span>
            <span class="wide">{move || words()[2]}</span>
        </p>
    }
}
