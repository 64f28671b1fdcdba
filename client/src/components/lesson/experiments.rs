//! Experiments: commands that stop or multiply parts, and what the page then shows. The tests in
//! `crates/dev/e2e/tests/lesson.rs` try each of them.

use leptos::prelude::*;

use super::Prose;
use super::commands::{CommandBlocks, Commands};

/// An experiment, in the order in which the page shows its fields.
pub(super) struct Experiment {
    id: &'static str,
    title: &'static str,
    introduction: &'static str,
    pub(super) commands: Commands,
    expectations: &'static [&'static str],
    /// `None` if there is nothing to undo.
    pub(super) undo: Option<Commands>,
    conclusion: &'static str,
}

pub(super) const EXPERIMENTS: [Experiment; 5] = [
    Experiment {
        id: "four-workers",
        title: "Four workers",
        introduction: "More containers of one image share the work. Nothing has to be configured: \
                       each takes jobs from the same queue.",
        commands: Commands {
            compose: &["docker compose up --detach --wait --scale worker=4"],
            without_docker: &["cargo xtask down", "cargo xtask up --detach --workers 4"],
        },
        expectations: &[
            "The diagram has four boxes for workers, and “Workers alive” says 4.",
            "Submit some indices: “by worker …” names one of the four, and not always the same.",
        ],
        undo: Some(Commands {
            compose: &["docker compose up --detach --wait --scale worker=1"],
            without_docker: &["cargo xtask down", "cargo xtask up --detach"],
        }),
        conclusion: "One box stays: by default there is one worker. The other workers finished \
                     their jobs before they ended. If you started `up` with `--port`, repeat that \
                     option here.",
    },
    Experiment {
        id: "no-worker",
        title: "No worker",
        introduction: "Do jobs get lost when there is no worker?",
        commands: Commands {
            compose: &["docker compose stop worker"],
            without_docker: &["cargo xtask stop worker"],
        },
        expectations: &[
            "The title of the workers says “none alive”, and a line below the header warns: “No \
             worker is alive”.",
            "Submit an index that was not submitted before, such as 1234: it is accepted, and its \
             path stops at “queued”. “In the queue” says 1.",
        ],
        undo: Some(Commands {
            compose: &["docker compose start worker"],
            without_docker: &["cargo xtask start worker"],
        }),
        conclusion: "The value arrives without another submission: the job was in the queue all \
                     the time.",
    },
    Experiment {
        id: "empty-redis",
        title: "An emptied Redis",
        introduction: "Redis may lose everything. Does the application?",
        commands: Commands {
            compose: &[
                "docker compose exec redis redis-cli flushall",
                "docker compose exec redis redis-cli hlen values",
            ],
            without_docker: &["redis-cli -p 26379 flushall", "redis-cli -p 26379 hlen values"],
        },
        expectations: &[
            "You may see nothing. The command also deletes the registration of the worker, but its \
             next heartbeat, within half a second, makes a new one.",
            "The second command counts the values in Redis. Repeat it: within seconds it says as \
             many as before. The api has found in Postgres which ones are missing, and the worker \
             has calculated them once more.",
        ],
        undo: None,
        conclusion: "There is nothing to undo. Without Docker, Redis has another port than 26379 \
                     if that one was taken: see `cargo xtask status`.",
    },
    Experiment {
        id: "stopped-postgres",
        title: "A stopped Postgres",
        introduction: "Postgres is the source of truth. Without it, the api must not promise \
                       anything.",
        commands: Commands {
            compose: &["docker compose stop postgres"],
            without_docker: &["cargo xtask stop postgres"],
        },
        expectations: &[
            "The box of Postgres says “no response”, and the page warns: “Postgres is \
             unavailable”.",
            "Submit 2345: it is refused, and stops at the api. The index stays in the field.",
        ],
        undo: Some(Commands {
            compose: &["docker compose start postgres"],
            without_docker: &["cargo xtask start postgres"],
        }),
        conclusion: "Press Enter again: now it is accepted. All earlier submissions are there.",
    },
    Experiment {
        id: "killed-api",
        title: "A killed api",
        introduction: "A container can end at any time, without shutting down. Docker restarts one \
                       that crashes, but not one that you ended with kill or stop.",
        commands: Commands {
            compose: &["docker compose kill api"],
            without_docker: &["cargo xtask stop server"],
        },
        expectations: &[
            "The header says “Connection lost”, and the api's box “no response”. The page knows \
             nothing about the parts behind the api: they are “unknown”.",
            "The edge and the client are up: reload the page, and it is still served.",
        ],
        undo: Some(Commands {
            compose: &["docker compose start api"],
            without_docker: &["cargo xtask start server"],
        }),
        conclusion: "The page reconnects by itself within seconds, and fetches what it has missed. \
                     Without Docker, `stop` lets the api shut down. `kill -9 \
                     PID` kills it as Docker does; its PID is the number that `cargo xtask \
                     status` prints for server. `up` restarts it after a second, so there is \
                     nothing to undo.",
    },
];

#[component]
pub(super) fn Experiments() -> impl IntoView {
    let experiments = EXPERIMENTS.map(|experiment| view! { <ExperimentView experiment /> });
    view! {
        <section class="card lesson" aria-labelledby="experiments-title">
            <h2 id="experiments-title">"Experiments"</h2>
            <p>
                "Type the commands in a checkout of this application, on the machine where it runs.
                Watch the diagram meanwhile: this page asks the api for the state of the other
                parts every two seconds. The edge counts as up if any answer comes back; the client is
                not checked."
            </p>
            <p>
                <Prose text="Without Docker, the parts are plain processes; the diagram shows them as they \
                     are with Docker. `cargo xtask status` prints the name and the address of \
                     each; there, the api is called `server`. `cargo xtask up` restarts a process that \
                     crashes, but not one that you ended with `stop`." />
            </p>
            {experiments}
        </section>
    }
}

#[component]
fn ExperimentView(experiment: Experiment) -> impl IntoView {
    let Experiment { id, title, introduction, commands, expectations, undo, conclusion } =
        experiment;
    let expectations = expectations.iter().map(|text| view! { <li><Prose text /></li> });
    let undo = undo.map(|commands| {
        view! {
            <h4>"Undo it"</h4>
            <CommandBlocks commands />
        }
    });
    view! {
        <details id=id data-testid="experiment">
            <summary><h3>{title}</h3></summary>
            <p><Prose text=introduction /></p>
            <CommandBlocks commands />
            <h4>"What to expect on this page"</h4>
            <ul>{expectations.collect_view()}</ul>
            {undo}
            <p><Prose text=conclusion /></p>
        </details>
    }
}
