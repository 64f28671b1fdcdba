//! `/how-it-works`: the system as it is now, lit up by what passes through it.

use leptos::prelude::*;

use crate::components::deferred::Deferred;
use crate::components::diagram::SystemCard;
use crate::components::journey::JourneysCard;
use crate::components::submit_form::SubmitForm;
use crate::components::title::PageTitle;

const CONTAINERS: [(&str, &str); 6] = [
    (
        "edge",
        "An nginx, and the only part with a published port. It gives every request an id that stands in \
         all logs, limits what one address may request, and passes /api to the api and everything else \
         to the client.",
    ),
    (
        "client",
        "A second nginx, with the files of this page: a Leptos program in WebAssembly. Browsers keep the \
         files with a hash in their name for ever, and revalidate the page itself.",
    ),
    (
        "api",
        "An axum server. It validates an index, commits it to Postgres, adds a job to Redis, and only then \
         responds; requests that arrive together share one commit. It broadcasts what happens as \
         server-sent events, and finds within a second what Redis has lost.",
    ),
    (
        "Postgres",
        "The source of truth: every index ever submitted. As long as it has its data, everything else may \
         be lost, and recovers by itself.",
    ),
    (
        "Redis",
        "The queue, streams with a consumer group; the calculated values; and the channel on which results \
         are announced. It may be emptied at any moment: lost values are recalculated.",
    ),
    (
        "worker",
        "Takes a job, calculates F(n), checks it by an independent method, stores and announces it. Start \
         as many as you like: one worker at a time has a job, and another one reclaims it when that worker \
         stops responding.",
    ),
];

#[component]
pub(crate) fn HowItWorks() -> impl IntoView {
    view! {
        <PageTitle text="How it works" />
        <div class="how-it-works">
            <h1>"How it works"</h1>
            <p class="lead">
                "Six kinds of containers and your browser. Submit an index, and watch its path."
            </p>
            <SubmitForm />
            <Deferred><JourneysCard /></Deferred>
            <Deferred><SystemCard /></Deferred>
            <Deferred><ContainersCard /></Deferred>
        </div>
    }
}

#[component]
fn ContainersCard() -> impl IntoView {
    let containers = CONTAINERS.map(|(name, purpose)| {
        view! {
            <div>
                <dt>{name}</dt>
                <dd>{purpose}</dd>
            </div>
        }
    });
    view! {
        <section class="card parts" aria-labelledby="parts-title">
            <h2 id="parts-title">"What each container does"</h2>
            <dl>{containers}</dl>
        </section>
    }
}
