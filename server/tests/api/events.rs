//! Event streams: their events, `reset`, heartbeats, limit and end. `tests/process/streams.rs`
//! measures their memory.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use serde_json::Value;

use crate::{Api, TEST_TIMEOUT};

/// An open stream, read event by event.
pub(crate) struct Stream {
    response: reqwest::Response,
    text: String,
}

impl Stream {
    pub(crate) async fn open(api: &Api) -> Self {
        let response = api.get("/events").await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// The next block of lines; `None` when the stream has ended.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = block.to_owned();
                self.text = rest.to_owned();
                return Some(block);
            }
            let chunk = tokio::time::timeout(TEST_TIMEOUT, self.response.chunk())
                .await
                .expect("the stream should continue");
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
async fn streams_receive_submissions_and_values_with_the_time_of_each_hop() {
    let api = Api::start().await.with_worker().await;
    let (mut one, mut other) = (Stream::open(&api).await, Stream::open(&api).await);
    one.event("reset").await;
    other.event("reset").await;
    api.until("the api has subscribed to the results channel", async |api| {
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
async fn streams_receive_reset_after_redis_has_restarted() {
    let api = Api::start().await;
    let mut stream = Stream::open(&api).await;
    stream.event("reset").await;
    api.redis.restart().unwrap();
    stream.event("reset").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_messages_on_the_results_channel_are_dropped() {
    let api = Api::start().await;
    let mut stream = Stream::open(&api).await;
    stream.event("reset").await;
    let value = |field: &str| {
        let valid = r#""index":7,"digits":2,"request_id":"","worker":"w","hops":{}"#;
        format!(r#"{{"event":"value","data":{{{valid},{field}}}}}"#)
    };
    let messages = [
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
    for message in messages {
        api.redis::<usize>(&["PUBLISH", "results", message]).await;
    }
    api.redis::<usize>(&[b"PUBLISH", &b"results"[..], b"\xff\xfe\x00"]).await;
    api.submit(7).await;
    let next = loop {
        let block = stream.block().await.unwrap();
        if !["event: reset", "event: beat"].iter().any(|event| block.contains(event)) {
            break block;
        }
    };
    assert!(next.starts_with("event: seen"), "{next}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_stream_receives_heartbeats() {
    let api = Api::start().await;
    let mut stream = Stream::open(&api).await;
    assert_eq!(stream.event("beat").await, serde_json::json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_above_the_limit_are_refused_until_one_is_closed() {
    let api = Api::with(&["--max-streams", "2"]).await;
    let (one, _two) = (Stream::open(&api).await, Stream::open(&api).await);
    api.get_refused("/events").await.assert_retryable();
    drop(one);
    api.until("a stream can be opened", async |api| api.get("/events").await.status().is_success())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn open_streams_end_at_the_shutdown_signal() {
    let api = Api::start().await;
    let mut stream = Stream::open(&api).await;
    stream.event("reset").await;
    let signalled = Instant::now();
    api.tokens[0].cancel();
    while stream.block().await.is_some() {}
    assert!(signalled.elapsed() < Duration::from_secs(5));
}
