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
        "A container is a running program that sees only the files of its image, its own network \
         and its own limits.",
        "Every box in the diagram except your browser is a container. Four workers are four \
         containers of one image.",
    ),
    (
        "port",
        "A port is the number at which a program accepts connections.",
        "The api listens on 5000 and the client on 3000. Only the edge's port is published: from \
         outside the containers, nothing else can be reached.",
    ),
    (
        "network",
        "Containers reach each other only in a network that both are in. There, a service's name \
         is its host name.",
        "“front” has edge, client and api; “back” has api, worker, Postgres and Redis. So the edge \
         cannot reach Postgres, and the api finds it by the name postgres. Nothing leads from \
         “back” to the internet.",
    ),
    (
        "volume",
        "The files of a container are deleted with it; a volume stays.",
        "The volumes postgres and redis hold their data. docker compose down removes the \
         containers and keeps both.",
    ),
    (
        "upstream",
        "An upstream is a server to which nginx forwards requests.",
        "The edge has two, client and api. With two apis (--scale api=2), it shares the requests \
         between both.",
    ),
    (
        "health check",
        "A health check is a command that Docker runs every few seconds to see whether a \
         container works.",
        "Docker starts the api after the health check of Postgres has succeeded. The page cannot \
         see Docker's checks: the diagram asks the api, at /api/health/ready.",
    ),
    (
        "queue",
        "Each job goes to one worker, and stays in the queue until its value is stored.",
        "Three Redis streams: jobs, jobs:large for large indices, and jobs:repair for lost \
         values. “In the queue” counts the jobs in all three, also those that a worker is \
         calculating.",
    ),
    (
        "consumer group",
        "A consumer group shares the entries of a stream: Redis delivers each entry to only one of \
         its consumers.",
        "The workers are the consumers of one group. So no job is given to two living workers, \
         and four workers are faster than one.",
    ),
    (
        "dead letter",
        "A dead letter is a job that was set aside after three deliveries without a result. It \
         leaves the queue, so that it blocks no other job, and an operator can list and retry it.",
        "Without it, a job that kills its worker would kill one worker after the other. “Dead \
         letters” below the diagram counts them.",
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
