//! The header: the pages, and whether events arrive.

use leptos::prelude::*;
use leptos_router::components::A;

use crate::state::{LinkStatus, PageStateStoreFields, use_page_state};

/// The header of every page.
#[component]
pub fn SiteHeader() -> impl IntoView {
    view! {
        <header class="page-header">
            <A href="/" exact=true attr:class="brand" attr:aria-label="Fibonacci calculator, home">
                <span class="logo" aria-hidden="true">
                    "φ"
                </span>
                <span>"Fibonacci" <span class="wide">" calculator"</span></span>
            </A>
            <nav aria-label="Pages">
                <A href="/" exact=true>
                    "Calculator"
                </A>
                <A href="/how-it-works">"How it works"</A>
            </nav>
            <Connection />
        </header>
    }
}

#[component]
fn Connection() -> impl IntoView {
    let link = use_page_state().link();
    let name = move || match link.get() {
        LinkStatus::Connecting => "connecting",
        LinkStatus::Live => "live",
        LinkStatus::Polling => "polling",
        LinkStatus::Lost => "lost",
    };
    // The detail is hidden where there is no room.
    let words = move || match link.get() {
        LinkStatus::Connecting => ("Connecting…", ""),
        LinkStatus::Live => ("Live", ""),
        LinkStatus::Polling => ("No live updates", ", asking every 2 s"),
        LinkStatus::Lost => ("Connection lost", ", reconnecting…"),
    };
    view! {
        <p class="connection" role="status" data-testid="connection" data-state=name>
            <span>{move || words().0}</span>
            <span class="wide">{move || words().1}</span>
        </p>
    }
}
