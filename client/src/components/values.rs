//! "Calculated values": one row an index, the one asked for last on top; what is pending says so.

use leptos::prelude::*;

use crate::live::Store;
use crate::state::Shown;

/// The list of values.
#[component]
pub fn Values(
    /// What the page knows.
    store: Store,
) -> impl IntoView {
    let state = store.state;
    let rows = Memo::new(move |_| state.with(|state| state.values()));
    let loaded = Memo::new(move |_| state.with(|state| state.loaded()));
    let empty = Memo::new(move |_| rows.with(Vec::is_empty));
    view! {
        <section aria-labelledby="values-title">
            <h2 id="values-title">"Calculated values:"</h2>
            <Show when=move || empty.get()>
                <p class="quiet" data-testid="values-empty">
                    {move || if loaded.get() { "None yet. Submit an index to see its value." } else { "Loading…" }}
                </p>
            </Show>
            <ul class="values" data-testid="values">
                // The key is the whole row: a value that arrives replaces its pending row.
                <For each=move || rows.get() key=Clone::clone children=|(index, shown)| row(index, shown) />
            </ul>
        </section>
    }
}

fn row(index: u32, shown: Shown) -> impl IntoView {
    let (state, words, text) = match shown {
        Shown::Pending => ("pending", format!("For index {index}: "), api::PENDING.to_owned()),
        Shown::Value(text) => ("done", format!("For index {index} I calculated "), text),
        Shown::Failed => {
            ("failed", format!("For index {index}: "), "Gave up after several attempts.".to_owned())
        }
    };
    view! {
        <li data-testid="value" data-index=index data-state=state>
            {words}
            <span class="number">{text}</span>
        </li>
    }
}
