use leptos::prelude::*;

use crate::components::deferred::Deferred;
use crate::components::diagram::SystemCard;
use crate::components::journey::JourneysCard;
use crate::components::submit_form::SubmitForm;
use crate::components::title::PageTitle;
use crate::lesson::provide_lesson;

/// The name of each container, and what it does.
const CONTAINERS: [(&str, &str); 6] = [
    (
        "edge",
        "An nginx, and the only part with a published port. It gives every request an id that \
         appears in all logs, limits the requests of each address, and passes /api to the api and \
         everything else to the client.",
    ),
    (
        "client",
        "A second nginx, with the files of this page: a Leptos program in WebAssembly. Browsers \
         cache the files that have a hash in their name, and revalidate the page itself.",
    ),
    (
        "api",
        "An axum server. It validates an index, commits it to Postgres, adds a job to Redis, and \
         only then responds; requests that arrive together share one commit. It broadcasts \
         server-sent events, and repairs within a second what Redis has lost.",
    ),
    (
        "Postgres",
        "The source of truth: every index ever submitted. All other data can be lost; it is \
         rebuilt from this.",
    ),
    (
        "Redis",
        "The queue, streams with a consumer group; the calculated values; and the channel on which \
         results are announced. It can be emptied at any moment: lost values are recalculated.",
    ),
    (
        "worker",
        "Takes a job, calculates F(n), checks it by an independent method, stores and announces \
         it. Start as many workers as you like: a job belongs to one worker at a time, and another \
         worker reclaims it when the heartbeats stop.",
    ),
];

/// `/how-it-works`: the diagram of the running system beside the form, and what each container
/// does.
#[component]
pub(crate) fn HowItWorks() -> impl IntoView {
    provide_lesson();
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

/// The list of the containers.
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
