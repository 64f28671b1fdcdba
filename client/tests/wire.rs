//! What the server writes with `serde_json`, the page reads with the browser's parser: for each type that crosses, the two
//! must be the same.
//!
//! A field that is renamed in `api` fails here, not on people's screens.

#![cfg(target_arch = "wasm32")]
#![expect(clippy::unwrap_used, reason = "in a test, the panic is the report")]

use client::wire::Json;
use contract::{
    ComponentStatus as Part, DeadLetterEvent as Failed, Hops, Index, KnownIndex, Problem, Readiness,
    ReadinessStatus as Status, SubmissionEvent as Seen, SubmissionState as State,
    SubmitResponse as Submitted, ValueEvent as Computed,
};
use serde_json::to_string;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

fn json(value: &impl serde::Serialize) -> Json {
    Json::parse(&to_string(value).unwrap()).unwrap()
}

fn index(number: u32) -> Index {
    Index::from_number(number.into(), Index::LARGEST).unwrap()
}

/// µs of today, which need more than 32 bits.
fn hops() -> Hops {
    let at = 1_900_000_000_123_456;
    Hops {
        edge: at,
        received: at + 1,
        committed: at + 2,
        pushed: at + 3,
        taken: at + 4,
        computed: at + 5,
        stored: at + 6,
    }
}

#[wasm_bindgen_test]
fn events_are_read_as_they_were_written() {
    let request_id = "a \"quoted\" id\u{e9}".to_owned();
    let seen = Seen { id: 1 << 40, index: index(2_147_483_647), request_id: request_id.clone() };
    assert_eq!(json(&seen).seen(), Some(seen));
    let failed = Failed { index: index(0), request_id: request_id.clone() };
    assert_eq!(json(&failed).failed(), Some(failed));
    let (value, worker) = ("1…2 (2089877 digits)".to_owned(), "w-1".to_owned());
    let computed = Computed { index: index(7), value, digits: 2_089_877, request_id, worker, hops: hops() };
    assert_eq!(json(&computed).computed(), Some(computed));
}

#[wasm_bindgen_test]
fn answers_are_read_as_they_were_written() {
    for state in [State::Queued, State::Pending, State::Done, State::DeadLettered, State::Stored] {
        let value = (state == State::Done).then(|| "55".to_owned());
        let request_id = "r".to_owned();
        let answer =
            Submitted { working: true, id: 3, index: index(10), state, value, request_id, hops: hops() };
        assert_eq!(json(&answer).submitted(), Some(answer));
    }
    let known = vec![KnownIndex { index: index(7), submissions: 3, newest: 9 }];
    assert_eq!(json(&known).known(), Some(known));
    let problem = Problem {
        kind: "about:blank".to_owned(),
        title: "Index too high".to_owned(),
        status: 422,
        detail: None,
        request_id: Some("r".to_owned()),
    };
    assert_eq!(json(&problem).problem(), Some(problem));
}

#[wasm_bindgen_test]
fn readiness_is_read_as_it_was_written() {
    for status in [Status::Ready, Status::Degraded, Status::Unavailable] {
        for (part, number) in [(Part::Up, Some(3)), (Part::Down, None)] {
            let ready = Readiness {
                status,
                postgres: Part::Up,
                redis: part,
                workers: number,
                queue: number,
                dead_letters: number,
                max_index: 10_000_000,
            };
            assert_eq!(json(&ready).readiness(), Some(ready));
        }
    }
}

#[wasm_bindgen_test]
fn values_come_in_the_order_of_their_indices() {
    let current = Json::parse(r#"{"3":"2","10":"Nothing yet!"}"#).unwrap().current();
    assert_eq!(current, Some(vec![(3, "2".to_owned()), (10, "Nothing yet!".to_owned())]));
    assert_eq!(Json::parse("[7,9]").unwrap().numbers(), Some(vec![7, 9]));
}

#[wasm_bindgen_test]
fn what_is_something_else_is_nothing() {
    assert!(Json::parse("<html>").is_none());
    for text in
        ["{}", "[]", "7", "null", r#"{"id":1,"index":-1,"request_id":"r"}"#, r#"{"id":1,"index":"x"}"#]
    {
        let json = Json::parse(text).unwrap();
        assert!(json.seen().is_none() && json.submitted().is_none() && json.problem().is_none(), "{text}");
    }
}
