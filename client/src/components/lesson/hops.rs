//! What the lesson says about each hop of a submission.

use crate::state::health::SystemPart::{self, Api, Browser, Edge, Postgres, Redis, Worker};

/// What happens at a hop.
pub(in crate::components) struct HopLesson {
    /// The parts that this hop's message passes, in order. A single one is a hop without a message.
    pub(in crate::components) path: &'static [SystemPart],
    pub(in crate::components) text: &'static str,
    /// What travels, with the placeholders of `state::journeys::replay`; empty without a message.
    pub(in crate::components) message: &'static str,
    /// The file that the message is taken from, which client/sources.txt lists too. `None` if the
    /// page sent or received the message, or if there is none.
    pub(in crate::components) source: Option<&'static str>,
}

/// In the order of `state::journeys::JOURNEY_HOPS`.
pub(in crate::components) const HOP_LESSONS: [HopLesson; 9] = [
    HopLesson {
        path: &[Browser],
        text: "The page checks the index by the same code as the api, makes a request id, and \
               notes the time.",
        message: "",
        source: None,
    },
    HopLesson {
        path: &[Browser, Edge],
        text: "The request arrives at the only published port. The edge keeps the request id, and \
               counts the requests of this visitor. If there are too many, it answers 429.",
        message: r#"POST /api/values HTTP/1.1
Content-Type: application/json
X-Request-Id: {request_id}

{"index":{index}}"#,
        source: None,
    },
    HopLesson {
        path: &[Edge, Api],
        text: "The edge strips /api, adds the time, and sends the request to an api. The api \
               checks the index again, because anybody can send it anything.",
        message: r#"POST /values HTTP/1.1
Content-Type: application/json
X-Request-Id: {request_id}
X-Request-Start: t={edge_seconds}

{"index":{index}}"#,
        source: Some("nginx/proxy.conf"),
    },
    HopLesson {
        path: &[Api, Postgres],
        text: "The api commits the index to Postgres. From here on it cannot be lost. Submissions \
               that arrive together share one statement.",
        message: r#"INSERT INTO "values" (number)
SELECT number FROM unnest($1::int[]) WITH ORDINALITY AS given (number, position)
ORDER BY position
RETURNING id

-- $1 = {{index}}, id = {id}"#,
        source: Some("server/src/database.rs"),
    },
    HopLesson {
        path: &[Api, Redis],
        text: "One script does three things, all or none: it lists the index with “Nothing yet!” \
               instead of a value, adds a job, and announces the event “seen” to all pages. Only \
               its last two lines are about your submission. Then the api answers the page.",
        message: r#"EVALSHA <SHA-1 of enqueue.lua> 8
  jobs jobs:large jobs:repair jobs:queued jobs:dead jobs:dead:indices values values:recent
  submit "Nothing yet!" 1000 5000 2500 2500 workers insert results value: 500 20
  "%s…%s (%d digits)" "^%d+…%d+ %(%d+ digits%)$"
  {index} {class} {id} {request_id} {received} {committed} ""
  {"event":"seen","data":{"id":{id},"index":{index},"request_id":"{request_id}"}}"#,
        source: Some("crates/queue/src/scripts/enqueue.lua"),
    },
    HopLesson {
        path: &[Redis, Worker],
        text: "A free worker waits for jobs. Redis delivers this one to it alone: the workers are \
               one consumer group. From now on the worker sends heartbeats for the job.",
        message: "XREADGROUP GROUP workers {worker} COUNT 1 BLOCK 500
  STREAMS jobs jobs:large jobs:repair > > >

index {index}
request_id {request_id}
received {received}
committed {committed}
pushed {pushed}",
        source: Some("crates/queue/src/consumer.rs"),
    },
    HopLesson {
        path: &[Worker],
        text: "The worker calculates F(n) and checks it by a second method. No message is sent.",
        message: "",
        source: None,
    },
    HopLesson {
        path: &[Worker, Redis],
        text: "One script stores the value, deletes the job, and publishes the event “value”. If \
               the worker had died before this, another one would have done the job again.",
        message: r#"EVALSHA <SHA-1 of complete.lua> 7
  jobs jobs:large jobs:repair jobs:queued jobs:dead jobs:dead:indices values
  workers 1000 value: 86400 results }}}
  <id of the job> {index} {value} <all digits>
  {"event":"value","data":{"index":{index},"value":"{value}",…"#,
        source: Some("crates/queue/src/scripts/complete.lua"),
    },
    HopLesson {
        path: &[Redis, Api, Edge, Browser],
        text: "Redis announces the value to every api, and each api sends it to every page whose \
               event stream is open. So it appears in other browsers at the same time.",
        message: "event: value\ndata: {event}",
        source: None,
    },
];
