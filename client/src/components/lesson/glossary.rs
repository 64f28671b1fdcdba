//! The glossary. Its definitions are those of `docs/tour.md`.

use leptos::prelude::*;

/// A word, its definition, and where it is found in this application.
pub(super) const GLOSSARY: [(&str, &str, &str); 11] = [
    (
        "image",
        "An image is a program with all the files that it needs.",
        "usamaa96/server contains one program, the api. Four images are ours; those of Postgres \
         and Redis are from Docker Hub.",
    ),
    (
        "container",
        "A container runs one program with its files and its limits.",
        "Every box in the diagram except your browser is a container. Four workers are four \
         containers of one image.",
    ),
    (
        "port",
        "A port is the number at which a program accepts connections.",
        "The api listens on 5000 and the client on 3000. Only the edge's port is published, so \
         that only the edge can be reached from this machine.",
    ),
    (
        "network",
        "A network connects containers. In it, a service's name is its host name.",
        "“front” has edge, client and api; “back” has api, worker, Postgres and Redis. Nothing \
         leads from “back” to the internet.",
    ),
    (
        "volume",
        "The files of a container are deleted with it; a volume stays.",
        "The volumes postgres and redis hold their data. docker compose down removes the \
         containers and keeps both.",
    ),
    (
        "upstream",
        "A server to which nginx sends requests is an upstream.",
        "The edge has two, client and api. With --scale api=2, the second has two addresses.",
    ),
    (
        "health check",
        "A health check is a command that Docker runs every few seconds to see whether a \
         container works.",
        "The api starts after the health check of Postgres has succeeded. The states in the \
         diagram come from the api's own check, /api/health/ready.",
    ),
    (
        "queue",
        "Each job goes to one worker, and stays in the queue until its value is stored.",
        "A Redis stream with the name jobs. “In the queue” is its length.",
    ),
    (
        "consumer group",
        "Redis delivers each entry of the stream to one consumer of the group.",
        "All workers are one group, so no index is calculated twice, and four workers are faster \
         than one.",
    ),
    (
        "dead letter",
        "A job that was delivered three times becomes a dead letter, which blocks nothing and \
         which an operator can list.",
        "It is kept beside the queue. “Dead letters” below the diagram counts them.",
    ),
    (
        "event stream",
        "An event stream is a response that does not end: the api sends an event whenever \
         something happens.",
        "GET /api/events. Over it, this page also receives values that others submitted.",
    ),
];

#[component]
pub(super) fn Glossary() -> impl IntoView {
    let terms = GLOSSARY.map(|(term, definition, example)| {
        view! {
            <div>
                <dt>{term}</dt>
                <dd>{definition}</dd>
                <dd class="quiet">{example}</dd>
            </div>
        }
    });
    view! {
        <section class="card lesson" aria-labelledby="glossary-title">
            <h2 id="glossary-title">"Glossary"</h2>
            <dl class="terms" data-testid="glossary">{terms}</dl>
        </section>
    }
}
