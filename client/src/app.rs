//! The page as a whole: what is above what, and what all parts share.
//!
//! It holds no logic; a second page would add its route here.

use leptos::prelude::*;

use crate::components::{ConnectionStatus, SeenIndices, SubmitForm, Values};
use crate::live::{self, Store};

/// Puts the page into the document and follows the server.
pub fn start() {
    console_error_panic_hook::set_once();
    let store = Store::new();
    mount_to_body(move || view! { <App store /> });
    live::follow(store);
}

/// The whole page.
#[component]
pub fn App(
    /// What the page knows.
    store: Store,
) -> impl IntoView {
    view! {
        <header class="page-header">
            <h1>"Fibonacci calculator"</h1>
            <ConnectionStatus store />
        </header>
        <main>
            <SubmitForm store />
            <Trouble store />
            <div class="lists">
                <Values store />
                <SeenIndices store />
            </div>
        </main>
        <p class="visually-hidden" role="status" data-testid="announcement">
            {move || store.announcement.get()}
        </p>
    }
}

/// Why the lists could not be fetched, while that is so.
#[component]
fn Trouble(store: Store) -> impl IntoView {
    view! {
        <div role="alert">
            {move || {
                store.trouble.get().map(|error| {
                    view! {
                        <p class="notice" data-testid="trouble">
                            {format!("The lists could not be loaded. {error} Trying again…")}
                        </p>
                    }
                })
            }}
        </div>
    }
}
