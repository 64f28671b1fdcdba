//! The glossary. Its definitions are those of `docs/tour.md`.

use leptos::prelude::*;

use super::Prose;

pub(super) struct Term {
    pub(super) name: &'static str,
    pub(super) definition: &'static str,
    /// Where it is found in this application.
    example: &'static str,
}

const fn term(name: &'static str, definition: &'static str, example: &'static str) -> Term {
    Term { name, definition, example }
}

pub(super) const GLOSSARY: [Term; 11] = [
    term(
        "image",
        "An image is a program with all the files that it needs.",
        "usamaa96/server contains one program, the api. Four images are ours; those of Postgres \
         and Redis are from Docker Hub.",
    ),
    term(
        "container",
        "A container is a running program with the files of its image, a network of its own, and \
         limits on memory and processors.",
        "Every box in the diagram except your browser is a container. Four workers are four \
         containers of one image.",
    ),
    term(
        "port",
        "A port is the number at which a program accepts connections.",
        "The api listens on 5000 and the client on 3000. Only the edge's port is published: from \
         outside the containers, nothing else can be reached.",
    ),
    term(
        "network",
        "Containers reach each other only in a network that both are in. There, a service's name \
         is its host name.",
        "“front” has edge, client and api; “back” has api, worker, Postgres and Redis. So the edge \
         cannot reach Postgres, and the api finds it by the name postgres. Nothing leads from \
         “back” to the internet.",
    ),
    term(
        "volume",
        "The files of a container are deleted with it; a volume stays.",
        "The volumes postgres and redis hold their data. `docker compose down` removes the \
         containers and keeps both.",
    ),
    term(
        "upstream",
        "An upstream is a server to which nginx forwards requests.",
        "The edge has two, client and api. With two apis (`--scale api=2`), it shares the requests \
         between both.",
    ),
    term(
        "health check",
        "A health check is a command that Docker runs every few seconds to see whether a \
         container works.",
        "Docker starts the api after the health check of Postgres has succeeded. The page cannot \
         see Docker's checks: the diagram asks the api, at /api/health/ready.",
    ),
    term(
        "queue",
        "Each job goes to one worker, and stays in the queue until its value is stored.",
        "Three Redis streams: jobs, jobs:large for large indices, and jobs:repair for lost \
         values. “In the queue” counts the jobs in all three, also those that a worker is \
         calculating.",
    ),
    term(
        "consumer group",
        "A consumer group divides the entries of a stream among its consumers: Redis delivers each \
         entry to only one of them.",
        "The workers are the consumers of one group. So no job is given to two living workers, \
         and four workers are faster than one.",
    ),
    term(
        "dead letter",
        "A dead letter is a job that was set aside after three deliveries without a result. It \
         leaves the queue, so that it blocks no other job, and an operator can list and retry it.",
        "Without it, a job that kills its worker would kill one worker after the other. “Dead \
         letters” below the diagram counts them, and `docker compose exec api server dead-letters \
         list` lists them.",
    ),
    term(
        "event stream",
        "An event stream is a response that does not end: the api sends an event whenever \
         something happens.",
        "GET /api/events. Over it, this page also receives values that others submitted.",
    ),
];

#[component]
pub(super) fn Glossary() -> impl IntoView {
    let terms = GLOSSARY.map(|Term { name, definition, example }| {
        view! {
            <div>
                <dt>{name}</dt>
                <dd><Prose text=definition /></dd>
                <dd class="quiet"><Prose text=example /></dd>
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
