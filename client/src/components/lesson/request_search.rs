//! Where to look for a request: in the logs, and in both databases.

use leptos::prelude::*;

use super::commands::{CommandBlocks, Commands};
use super::{Paragraphs, Prose};

/// Placeholder for the request id in [`LOG_COMMANDS`].
pub(in crate::components) const REQUEST_ID: &str = "REQUEST_ID";

/// Commands that find a request in the logs by its id.
pub(in crate::components) const LOG_COMMANDS: Commands = Commands {
    compose: &["docker compose logs nginx api worker | grep REQUEST_ID"],
    without_docker: &["grep REQUEST_ID .data/up.log"],
};

pub(super) const STATUS_COMMANDS: Commands =
    Commands { compose: &["docker compose ps"], without_docker: &["cargo xtask status"] };

pub(super) const DATABASE_COMMANDS: Commands = Commands {
    compose: &[
        "docker compose exec postgres psql -U postgres -c 'SELECT * FROM \"values\" WHERE \
         number = 10'",
        "docker compose exec redis redis-cli hget values 10",
    ],
    without_docker: &[
        "psql postgres://postgres@127.0.0.1:25432/fibonacci -c 'SELECT * FROM \"values\" WHERE \
         number = 10'",
        "redis-cli -p 26379 hget values 10",
    ],
};

/// The lines of a request that the logs have, and what that means.
const FINDINGS: [(&str, &str); 5] = [
    ("no line", "The request never arrived: the edge is down, or was not reached."),
    (
        "only the edge's",
        "It was refused. `upstream_status` says by whom. Empty: by the edge, after too many \
         requests. 4xx: by the api, because the index is not allowed. 503: by the api, because \
         Postgres is down. 502 or 504: no api answered in time, and it may have been accepted \
         all the same.",
    ),
    (
        "the api's too, “submitted”",
        "It was accepted, with this `state` at that moment. Queued: a new job was added. Pending: \
         an earlier submission of this index has a job already. Stored: only Postgres has it, \
         because Redis was down, and the api queues it later. Done: the value was known.",
    ),
    (
        "no line of a worker",
        "Its job is not finished. The numbers below the diagram say why: no worker is alive, many \
         jobs are in the queue, or it is a dead letter. A job that was queued again after an \
         outage has another request id: look for the index.",
    ),
    (
        "the worker's too, “calculated”",
        "The value is in Redis, so only its announcement was missed: reload the page.",
    ),
];

#[component]
pub(super) fn RequestSearch() -> impl IntoView {
    let findings = FINDINGS.map(|(lines, meaning)| {
        view! {
            <div>
                <dt>{lines}</dt>
                <dd><Prose text=meaning /></dd>
            </div>
        }
    });
    view! {
        <section class="card lesson" aria-labelledby="logs-title">
            <h2 id="logs-title">"Where to look for a request"</h2>
            <p>
                "First list the containers, and look for one that has ended. An unhealthy one may
                only be waiting: the api for Postgres or Redis, a worker for Redis."
            </p>
            <CommandBlocks commands=STATUS_COMMANDS />
            <Paragraphs texts=&[
                "Then the logs: the page shows a request id beside each submission, so ask the \
                 user for it. The edge (the service nginx), the api and the worker write it in \
                 their lines. If you have only the index, look for the api's line with it.",
            ] />
            <CommandBlocks commands=LOG_COMMANDS />
            <dl class="terms">{findings}</dl>
            <Paragraphs texts=&[
                "Without Docker, the file has the logs if `up` was started with `--detach`; each \
                 start begins a new file. Otherwise they are in its terminal.",
                "Then look into both databases, here for the index 10, if it was submitted: its \
                 rows in Postgres, and its value in Redis, which lists the newest 1,000 indices; an older \
                 value is calculated again when somebody asks for it. A long value has only its \
                 first and last digits in the list. The job is not there any more: it is deleted \
                 when the value is stored.",
            ] />
            <CommandBlocks commands=DATABASE_COMMANDS />
            <p>
                <Prose text="Without Docker, Postgres and Redis have other ports than 25432 and 26379 \
                     if those were taken: see `cargo xtask status`." />
            </p>
        </section>
    }
}
