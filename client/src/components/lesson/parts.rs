//! What the lesson says about each part.

use crate::state::health::SystemPart;

/// The texts about a part.
pub(super) struct PartLesson {
    pub(super) title: &'static str,
    /// Why it exists. The list of all parts shows the first paragraph.
    pub(super) purpose: &'static [&'static str],
    pub(super) when_it_dies: &'static [&'static str],
    pub(super) image_and_port: &'static str,
    pub(super) sources: &'static [SourceFile],
}

/// A file that client/sources.txt lists too.
pub(super) struct SourceFile {
    /// From the root of the repository.
    pub(super) path: &'static str,
    pub(super) subject: &'static str,
}

const fn source(path: &'static str, subject: &'static str) -> SourceFile {
    SourceFile { path, subject }
}

pub(super) fn part_lesson(part: SystemPart) -> PartLesson {
    match part {
        SystemPart::Browser => BROWSER,
        SystemPart::Edge => EDGE,
        SystemPart::Client => CLIENT,
        SystemPart::Api => API,
        SystemPart::Postgres => POSTGRES,
        SystemPart::Redis => REDIS,
        SystemPart::Worker => WORKER,
    }
}

const BROWSER: PartLesson = PartLesson {
    title: "your browser",
    purpose: &[
        "This page is a program: Leptos, compiled to WebAssembly. It came from the client, and \
         since then it talks to the api through the edge.",
        "It keeps one request open, the event stream. So a value that a worker has calculated \
         appears in every open browser, without a reload.",
    ],
    when_it_dies: &["Close the page, and nothing is lost: the index is in Postgres before the \
                     page gets its answer."],
    image_and_port: "None: your browser is no container. The files of the page are in the client's image.",
    sources: &[
        source("client/src/state.rs", "submits an index, and applies events"),
        source("client/src/live.rs", "opens the event stream, and reconnects"),
    ],
};

const EDGE: PartLesson = PartLesson {
    title: "edge, an nginx",
    purpose: &[
        "The edge is the only address that the browser uses. It sends /api/… to the api, and \
         everything else to the client. So the page needs no address of the api, and its requests \
         stay on one origin.",
        "It keeps the id of each request, or makes one. All logs have this id. It also limits the \
         requests of each visitor.",
        "Why two nginx? Serving files is a different job from routing, with other rules about \
         caching and compression. In development, trunk (the tool that builds the page) serves the \
         files instead, and the edge stays the same.",
    ],
    when_it_dies: &[
        "Nobody reaches the page or the api: this page says “Connection lost”, as it does without \
         an api. Reload it to tell: without the edge, no page comes.",
        "Everything behind it keeps running. Workers calculate what is queued, and the page \
         reconnects by itself when the edge is back.",
    ],
    image_and_port: "usamaa96/nginx; in docker-compose.yml and in logs it is called nginx. It \
                     listens on 8080, the only published port. The diagram shows which port of \
                     this machine leads to it: 3050, unless PORT names another one.",
    sources: &[
        source("nginx/default.conf.template", "the routes (start here)"),
        source("nginx/entrypoint.sh", "finds the addresses of api and client by their names"),
        source("nginx/Dockerfile", "how its image is built"),
    ],
};

const CLIENT: PartLesson = PartLesson {
    title: "client, an nginx",
    purpose: &[
        "It serves the files of this page, and nothing else. The program was compiled when the \
         image was built, so the image has an nginx and files, and no compiler.",
        "It is a container of its own, so that the page can be built, deployed and replaced \
         without touching the api.",
    ],
    when_it_dies: &[
        "A page that is already open still works: it needs only the api. So its diagram does not \
         show that the client is down: it only knows that the client has served this page.",
        "A browser that opens the page now gets “One moment” from the edge.",
    ],
    image_and_port: "usamaa96/front-end. It listens on 3000, in the network “front” only.",
    sources: &[
        source("client/nginx/default.conf", "which file each path gets"),
        source("client/src/app.rs", "the routes of the page"),
        source("client/Dockerfile", "how its image is built"),
    ],
};

const API: PartLesson = PartLesson {
    title: "api, an axum server",
    purpose: &[
        "It checks an index, commits it to Postgres, adds a job to the queue, and only then \
         answers. It never calculates: a Fibonacci number stands for work that is too slow for a \
         request.",
        "It is the only part that is in both networks, and the only one that speaks SQL.",
        "Once a second it compares Postgres with Redis, and queues again what Redis has lost.",
    ],
    when_it_dies: &[
        "The edge answers 502 or 504 to everything below /api/. Nothing can be submitted, and no \
         page gets events.",
        "Workers go on with the queue. What was acknowledged is in Postgres. With two apis, the \
         other one answers.",
    ],
    image_and_port: "usamaa96/server. It listens on 5000, in both networks. Its metrics are on \
                     9100, to which no route of the edge leads.",
    sources: &[
        source("server/src/routes/values.rs", "receives a submission"),
        source("server/src/submissions/committer.rs", "commits it, then queues it"),
        source("server/src/reconciler.rs", "queues again what Redis has lost"),
        source("server/Dockerfile", "how its image is built"),
    ],
};

const POSTGRES: PartLesson = PartLesson {
    title: "Postgres",
    purpose: &[
        "Postgres is the source of truth: the page hears that an index is accepted only after \
         Postgres has stored it.",
        "Why Postgres and Redis? They have different duties. Postgres keeps each index for ever, \
         on a disk. Redis is fast and may lose everything: what it held can be made again from \
         Postgres.",
        "Its files are in a volume, so a new container finds the data of the old one.",
    ],
    when_it_dies: &[
        "The api refuses submissions with 503, because it cannot promise to keep them. The page \
         says so.",
        "Known values can still be read, and workers finish what is queued. When Postgres is \
         back, nothing has to be restarted.",
    ],
    image_and_port: "The image of Postgres on Docker Hub. It listens on 5432, in the network \
                     “back” only.",
    sources: &[
        source("server/migrations/0001_submissions.sql", "its tables"),
        source("server/src/database.rs", "all SQL"),
    ],
};

const REDIS: PartLesson = PartLesson {
    title: "Redis",
    purpose: &[
        "It is the queue, the cache of values, and the channel on which results are announced.",
        "Why a queue? The api answers at once, and the work waits until a worker is free. Each \
         job goes to one worker, and stays in the queue until its value is stored. So more \
         workers share the work, and a worker that dies loses none of it.",
    ],
    when_it_dies: &[
        "Submissions are still accepted: they are in Postgres, and are queued when Redis is back. \
         Until then the page warns that Redis is unavailable, no value is calculated, and lists of \
         values cannot be read.",
        "If it comes back empty, the api fills it again from Postgres within seconds. That costs \
         time, but never an accepted index.",
    ],
    image_and_port: "The image of Redis on Docker Hub. It listens on 6379, in the network “back” \
                     only.",
    sources: &[
        source("crates/queue/src/lib.rs", "the table of its keys"),
        source("crates/queue/src/scripts/enqueue.lua", "adds a job"),
        source("crates/queue/src/scripts/complete.lua", "stores a value and announces it"),
        source(
            "crates/queue/src/scripts/reclaim.lua",
            "gives the job of a dead worker to another one",
        ),
    ],
};

const WORKER: PartLesson = PartLesson {
    title: "worker",
    purpose: &[
        "It takes a job, calculates F(n), checks it by a second method, and stores it in Redis. \
         It connects to Redis only: it has neither a password of Postgres nor a way to the \
         internet.",
        "It is a container of its own, so that slow work never blocks the api, and so that there \
         can be as many workers as there is work.",
        "Its name is the name of its host and a random suffix. With Docker, the host's name is \
         the start of the id of its container, as `docker compose ps --quiet worker` prints it.",
    ],
    when_it_dies: &[
        "Its heartbeats stop. After three seconds another worker reclaims its job: the value only \
         arrives later. A job that has been delivered three times becomes a dead letter.",
        "Without any worker, submissions are still accepted. They wait in the queue, and the page \
         says that no worker is alive.",
    ],
    image_and_port: "usamaa96/worker. No port for other parts. Its health and its metrics are on \
                     9100, for the operator.",
    sources: &[
        source("worker/src/executor.rs", "takes jobs, and stores results"),
        source("worker/src/maintenance.rs", "heartbeats, and reclaiming"),
        source("crates/fibonacci/src/fast.rs", "calculates F(n)"),
        source("worker/Dockerfile", "how its image is built"),
    ],
};
