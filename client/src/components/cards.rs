//! The cards of the calculator: one's own submissions on their way, values, indices seen, and the two pictures.
//!
//! They are frames with a heading, an empty state and a list or picture each. What stands in them are functions of `view`; what
//! their buttons do is `act`'s.

use leptos::prelude::*;

use super::rows::Rows;
use crate::store::Store;
use crate::view::{journeys, lists, pictures};

/// The journeys of one's own submissions.
#[component]
pub fn Journeys(
    /// What is shown.
    store: Store,
) -> impl IntoView {
    view! {
        <section class="card journeys" aria-labelledby="journeys-title">
            <h2 id="journeys-title">"Your submission, hop by hop"</h2>
            <div inner_html=store.text(journeys::newest)></div>
            <details class="earlier" hidden=store.flag(journeys::no_earlier)>
                <summary>"Earlier ones"</summary>
                <Rows store id="earlier" class="" rows=journeys::earlier />
            </details>
        </section>
    }
}

/// Values, the one asked for last on top.
#[component]
pub fn Values(
    /// What is shown.
    store: Store,
) -> impl IntoView {
    view! {
        <section class="card" aria-labelledby="values-title">
            <div class="card-head">
                <h2 id="values-title">"Calculated values"</h2>
                <p class="quiet" data-testid="values-count">{store.text(lists::values_count)}</p>
            </div>
            <div class="none" hidden=store.flag(lists::some_values)>
                <p class="quiet empty" data-testid="values-empty">{store.text(lists::values_empty)}</p>
                <p class="seen" data-testid="suggestions" hidden=store.flag(lists::no_suggestions)>
                    <button type="button" class="chip" data-act="try" data-index="10">"F(10)"</button>
                    <button type="button" class="chip" data-act="try" data-index="100">"F(100)"</button>
                    <button type="button" class="chip" data-act="try" data-index="1000">"F(1,000)"</button>
                    <button type="button" class="chip" data-act="try" data-index="1000000">"F(1,000,000)"</button>
                </p>
            </div>
            <Rows store id="values" class="values" rows=lists::values />
            <p class="error" role="alert" data-testid="no-more-values">{store.text(lists::no_more_values)}</p>
            <button type="button" class="plain more" data-act="more-values" data-testid="more-values"
                hidden=store.flag(lists::all_values)>
                "Show more"
            </button>
        </section>
    }
}

/// Each index once, the one submitted last first, with how often; older ones on demand.
#[component]
pub fn SeenIndices(
    /// What is shown.
    store: Store,
) -> impl IntoView {
    view! {
        <section class="card" aria-labelledby="seen-title">
            <h2 id="seen-title">"Indices seen"</h2>
            <p class="quiet empty" data-testid="seen-empty" hidden=store.flag(lists::some_seen)>
                {store.text(lists::seen_empty)}
            </p>
            <Rows store id="seen" class="seen" rows=lists::seen />
            <p class="error" role="alert" data-testid="no-older">{store.text(lists::no_older)}</p>
            <button type="button" class="plain more" data-act="older" data-testid="older"
                hidden=store.flag(lists::all_seen)>
                "Older"
            </button>
        </section>
    }
}

/// How many digits F(n) has, and how long the newest calculations took.
#[component]
pub fn Pictures(
    /// What is shown.
    store: Store,
) -> impl IntoView {
    view! {
        <section class="card" aria-labelledby="plot-title">
            <h2 id="plot-title">"Digits of F(n) over n"</h2>
            <svg class="picture" viewBox="0 0 640 340" role="img" aria-labelledby="plot-title plot-words"
                inner_html=store.text(pictures::plot)></svg>
            <p id="plot-words" class="quiet" data-testid="plot-words">{store.text(pictures::plot_words)}</p>
        </section>
        <section class="card" aria-labelledby="times-title">
            <h2 id="times-title">"Time to a value"</h2>
            <svg class="picture" viewBox="0 0 640 184" role="img" aria-labelledby="times-title times-words"
                inner_html=store.text(pictures::strip)></svg>
            <p id="times-words" class="quiet" data-testid="times-words">{store.text(pictures::strip_words)}</p>
        </section>
    }
}
