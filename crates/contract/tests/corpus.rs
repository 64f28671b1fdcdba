//! The rules of an index, held to a list of bodies that people, programs and attackers send. The
//! server's tests send the same list over HTTP.

use contract::{IndexError, SubmitRequest};

const MAX: u32 = 40;

#[test]
fn every_body_of_the_corpus_is_judged_as_it_says() {
    let lines = include_str!("corpus.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    for line in lines {
        let (expected, body) = line.split_once('|').unwrap();
        let body = body.trim();
        let judged = match serde_json::from_str::<SubmitRequest>(body) {
            Ok(submit) => match submit.index(MAX) {
                Ok(index) => index.to_string(),
                Err(IndexError::TooHigh { max: MAX }) => "too high".to_owned(),
                Err(_) => "not an index".to_owned(),
            },
            Err(error) if error.is_data() => "not an index".to_owned(),
            Err(_) => "malformed".to_owned(),
        };
        assert_eq!(judged, expected.trim(), "{body}");
    }
}
