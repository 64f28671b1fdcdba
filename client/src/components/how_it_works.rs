//! The system as it is at this moment: each part with its state, lit up as events pass through it, and what it is for.
//!
//! The drawing stands still; the style moves it by the attributes of its frame: which parts are up, and three beats, of what
//! this page sent, what was submitted, and what was calculated.

use leptos::prelude::*;

use crate::store::Store;
use crate::view::system;

/// The diagram and the prose.
#[component]
pub fn HowItWorks(
    /// What is shown.
    store: Store,
) -> impl IntoView {
    view! {
        <section class="card system" aria-labelledby="system-title" data-testid="system"
            data-up=store.text(system::up) data-down=store.text(system::down)
            data-sent=store.text(system::sent) data-seen=store.text(system::seen)
            data-calculated=store.text(system::calculated)>
            <h2 id="system-title">"The system, now"</h2>
            <svg class="diagram" viewBox="0 0 360 404" role="img" aria-labelledby="system-title system-words">
                <g inner_html=include_str!("../../diagram.html")></g>
                <g inner_html=store.text(system::states)></g>
            </svg>
            <p id="system-words" class="quiet" data-testid="system-words">{store.text(system::words)}</p>
            <dl class="numbers">
                <div><dt>"Workers alive"</dt><dd data-testid="workers">{store.text(system::workers)}</dd></div>
                <div><dt>"In the queue"</dt><dd data-testid="queue">{store.text(system::queue)}</dd></div>
                <div><dt>"Given up"</dt><dd data-testid="dead-letters">{store.text(system::dead_letters)}</dd></div>
            </dl>
        </section>
        <section class="card parts" aria-labelledby="parts-title">
            <h2 id="parts-title">"What each container does"</h2>
            <dl inner_html=include_str!("../../parts.html")></dl>
        </section>
    }
}
