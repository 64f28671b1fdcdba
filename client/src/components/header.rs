//! What every page shows above its content: the header and a warning.

use leptos::prelude::*;
use leptos_router::components::A;

use crate::state::{ConnectionStatus, PageStateStoreFields, use_page_state};

/// The logo, the links to the pages, and the status of the connection.
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
            <ConnectionIndicator />
        </header>
    }
}

struct ConnectionText {
    /// The attribute by which style.css colours the indicator.
    name: &'static str,
    text: &'static str,
    /// Follows the text in a wide window.
    detail: &'static str,
}

/// The status of the connection: whether the page receives events.
#[component]
fn ConnectionIndicator() -> impl IntoView {
    let connection = use_page_state().connection();
    let text = move || {
        let (name, text, detail) = match connection.get() {
            ConnectionStatus::Connecting => ("connecting", "Connecting…", ""),
            ConnectionStatus::Live => ("live", "Live", ""),
            ConnectionStatus::Polling => ("polling", "No live updates", ", asking every 2 s"),
            ConnectionStatus::Lost => ("lost", "Connection lost", ", reconnecting…"),
        };
        ConnectionText { name, text, detail }
    };
    view! {
        <p class="connection" role="status" data-testid="connection" data-state=move || text().name>
            <span>{Signal::derive(move || text().text.to_owned())}</span>
            <span class="wide">{Signal::derive(move || text().detail.to_owned())}</span>
        </p>
    }
}

/// Says why the lists may be out of date, or why values do not arrive. The line keeps its height
/// when it is empty, so that a warning does not move the page.
#[component]
pub(crate) fn Warning() -> impl IntoView {
    let state = use_page_state();
    let text = Memo::new(move |_| {
        let reason = match (state.fetch_error().get(), state.connection().get()) {
            (Some(error), _) => error.title(),
            (None, ConnectionStatus::Lost) => "The connection was lost.".to_owned(),
            (None, _) => return state.health().read().warning().unwrap_or_default().to_owned(),
        };
        let is_loaded = state.lists().read().is_loaded();
        let out_of_date = if is_loaded { "What you see may be out of date. " } else { "" };
        format!("{out_of_date}{reason} Trying again…")
    });
    view! {
        <p class="warning" role="alert" data-testid="warning">{text}</p>
    }
}
