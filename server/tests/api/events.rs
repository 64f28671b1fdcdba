//! The event stream: what it says, what it promises to a client that reconnects, and that it ends.
//! What many streams cost is tested on the process, where memory can be measured.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use serde_json::Value;

use crate::{Api, TEST_TIMEOUT};

/// An open stream, read event by event.
pub(crate) struct Stream {
    answer: reqwest::Response,
    text: String,
}

impl Stream {
    pub(crate) async fn open(api: &Api) -> Self {
        let answer = api.get("/events").await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self { answer, text: String::new() }
    }

    /// The next block of lines; `None` when the stream has ended.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = block.to_owned();
                self.text = rest.to_owned();
                return Some(block);
            }
            let chunk = tokio::time::timeout(TEST_TIMEOUT, self.answer.chunk())
                .await
                .expect("nothing came");
            self.text.push_str(str::from_utf8(&chunk.ok()??).unwrap());
        }
    }

    /// The data of the next event called `name`.
    pub(crate) async fn event(&mut self, name: &str) -> Value {
        loop {
            let block = self.block().await.expect("the stream ended");
            let line = |field: &str| block.lines().find_map(|line| line.strip_prefix(field));
            if line("event: ") == Some(name) {
                return serde_json::from_str(line("data: ").unwrap()).unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_is_seen_and_its_value_follows_with_the_time_of_each_hop() {
    let api = Api::start().await.worker().await;
    let (mut one, mut other) = (Stream::open(&api).await, Stream::open(&api).await);
    one.event("reset").await;
    other.event("reset").await;
    api.until("the results channel is heard", async |api| {
        api.redis::<(String, usize)>(&["PUBSUB", "NUMSUB", "results"]).await.1 == 1
    })
    .await;
    let request = api.post(r#"{"index":10}"#).header("x-request-id", "the-id");
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);

    for stream in [&mut one, &mut other] {
        let seen = stream.event("seen").await;
        assert_eq!((&seen["index"], &seen["request_id"]), (&10.into(), &"the-id".into()));
        let value = stream.event("value").await;
        assert_eq!(
            (&value["index"], &value["value"], &value["request_id"]),
            (&10.into(), &"55".into(), &"the-id".into())
        );
        let hops: Vec<u64> = ["received", "committed", "pushed", "taken", "computed", "stored"]
            .map(|hop| value["hops"][hop].as_u64().unwrap())
            .into();
        assert!(hops[0] > 0 && hops.is_sorted(), "{hops:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_are_told_to_look_again_when_redis_was_away() {
    let api = Api::start().await;
    let mut stream = Stream::open(&api).await;
    stream.event("reset").await;
    api.redis.restart().unwrap();
    stream.event("reset").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_the_results_channel_reaches_nobody() {
    let api = Api::start().await;
    let mut stream = Stream::open(&api).await;
    stream.event("reset").await;
    let value = |fields: &str| {
        format!(
            r#"{{"event":"value","data":{{"index":7,"digits":2,"request_id":"","worker":"w","hops":{{}},{fields}}}}}"#
        )
    };
    let garbage = [
        "",
        "nonsense",
        "{}",
        r#"{"event":"seen"}"#,
        r#"{"event":"other","data":{}}"#,
        r#"{"event":"seen","data":{"id":"one","index":[7],"request_id":5}}"#,
        r#"{"event":"failed","data":{"index":-7,"request_id":"x"}}"#,
        r#"{"version":2,"event":{"name":"value"},"data":null}"#,
        &value(r#""value":13"#),
        &value(r#""value":"garbage""#),
        &value(&format!(r#""value":"{}""#, "1".repeat(5_000_000))),
    ];
    for garbage in garbage {
        api.redis::<usize>(&["PUBLISH", "results", garbage]).await;
    }
    api.redis::<usize>(&[b"PUBLISH", &b"results"[..], b"\xff\xfe\x00"]).await;
    api.submit(7).await;
    let next = loop {
        let block = stream.block().await.unwrap();
        if !["event: reset", "event: beat"].iter().any(|other| block.contains(other)) {
            break block;
        }
    };
    assert!(next.starts_with("event: seen"), "{next}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_stream_has_a_heartbeat_that_scripts_can_see() {
    let api = Api::start().await;
    let mut stream = Stream::open(&api).await;
    assert_eq!(stream.event("beat").await, serde_json::json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_beyond_the_bound_are_refused_and_a_closed_one_makes_room() {
    let api = Api::with(&["--max-streams", "2"]).await;
    let (one, _two) = (Stream::open(&api).await, Stream::open(&api).await);
    api.refusal("/events").await.assert_retryable();
    drop(one);
    api.until("there is room again", async |api| api.get("/events").await.status().is_success())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn open_streams_end_when_the_api_stops() {
    let api = Api::start().await;
    let mut stream = Stream::open(&api).await;
    stream.event("reset").await;
    let told = Instant::now();
    api.tokens[0].cancel();
    while stream.block().await.is_some() {}
    assert!(told.elapsed() < Duration::from_secs(5));
}
