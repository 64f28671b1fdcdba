//! Where to look for a request: in the logs, and in both databases.

use leptos::prelude::*;

use super::commands::{CommandBlocks, Commands};
use super::{Paragraphs, with_code};

/// Stands for a request's id in [`LOG_COMMANDS`].
pub(in crate::components) const REQUEST_ID: &str = "REQUEST_ID";

/// Find a request in the logs.
pub(in crate::components) const LOG_COMMANDS: Commands = Commands {
    compose: &["docker compose logs --no-log-prefix nginx api worker | grep REQUEST_ID"],
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

#[component]
pub(super) fn RequestSearch() -> impl IntoView {
    view! {
        <section class="card lesson" aria-labelledby="logs-title">
            <h2 id="logs-title">"Where to look for a request"</h2>
            <p>
                "Start at the edge, then go inwards. First the list of the containers: which one
                has ended, or is unhealthy?"
            </p>
            <CommandBlocks commands=STATUS_COMMANDS />
            <Paragraphs texts=&[
                "Then the logs: the page shows a request id beside each submission, and edge, api \
                 and worker write it in their lines.",
            ] />
            <CommandBlocks commands=LOG_COMMANDS />
            <Paragraphs texts=&[
                "The edge's line has the status, the api's says “submitted”, and the worker's \
                 “calculated”. A request that the api refused has the edge's line only. There, \
                 `upstream_status` is what the api answered. It is empty if the edge refused the \
                 request itself, and 502 or 504 if no api answered.",
                "Without Docker, the file has the logs if `up` was started with `--detach`; each \
                 start begins a new file. Otherwise they are in its terminal.",
                "Then look into both databases, here for the index 10: its rows in Postgres, and \
                 its value in Redis. The job is not there any more: it is deleted when the value \
                 is stored.",
            ] />
            <CommandBlocks commands=DATABASE_COMMANDS />
            <p>
                {with_code(
                    "Without Docker, Postgres and Redis have other ports than 25432 and 26379 if \
                     those were taken: see `cargo xtask status`.",
                )}
            </p>
        </section>
    }
}
