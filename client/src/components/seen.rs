//! "Indices I have seen": every submission, newest first, repeated as often as it was submitted.

use leptos::prelude::*;

use crate::live::Store;

/// The list of submissions.
#[component]
pub fn SeenIndices(
    /// What the page knows.
    store: Store,
) -> impl IntoView {
    let state = store.state;
    let loaded = Memo::new(move |_| state.with(|state| state.loaded()));
    let empty = Memo::new(move |_| state.with(|state| state.seen().is_empty()));
    view! {
        <section aria-labelledby="seen-title">
            <h2 id="seen-title">"Indices I have seen:"</h2>
            <Show when=move || empty.get()>
                <p class="quiet" data-testid="seen-empty">
                    {move || if loaded.get() { "None yet." } else { "Loading…" }}
                </p>
            </Show>
            <ul class="seen" data-testid="seen">
                <For
                    each=move || state.with(|state| state.seen().to_vec())
                    key=|row| row.id
                    children=|row| view! { <li data-testid="seen-index">{row.index}</li> }
                />
            </ul>
        </section>
    }
}
