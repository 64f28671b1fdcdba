//! Checks the rules of an index against `corpus.txt`, a list of bodies that users, programs and
//! attackers send. The server's tests send the same list over HTTP.

use contract::{IndexError, SubmitRequest};

const MAX_INDEX: u32 = 40;

#[test]
fn every_body_of_the_corpus_gets_its_expected_result() {
    let lines = include_str!("corpus.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    for line in lines {
        let (expected, body) = line.split_once('|').unwrap();
        let body = body.trim();
        let result = match serde_json::from_str::<SubmitRequest>(body) {
            Ok(request) => match request.index(MAX_INDEX) {
                Ok(index) => index.to_string(),
                Err(IndexError::TooHigh { max: MAX_INDEX }) => "too high".to_owned(),
                Err(_) => "not an index".to_owned(),
            },
            Err(error) if error.is_data() => "not an index".to_owned(),
            Err(_) => "malformed".to_owned(),
        };
        assert_eq!(result, expected.trim(), "{body}");
    }
}
