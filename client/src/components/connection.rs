//! Says whether changes arrive by themselves. It does not say whether the server is healthy.

use leptos::prelude::*;

use crate::live::{Connection, Store};

/// The state of the event stream, in words.
#[component]
pub fn ConnectionStatus(
    /// What the page knows.
    store: Store,
) -> impl IntoView {
    let connection = store.connection;
    let name = move || match connection.get() {
        Connection::Connecting => "connecting",
        Connection::Live => "live",
        Connection::Lost => "lost",
    };
    let words = move || match connection.get() {
        Connection::Connecting => "Connecting…",
        Connection::Live => "Live",
        Connection::Lost => "Connection lost, reconnecting…",
    };
    view! {
        <p class="connection" role="status" data-testid="connection" data-state=name>
            {words}
        </p>
    }
}
