//! What is shown of a submission's way, whatever arrives first.
//!
//! The clocks of browser and servers are given, and so is the order of answer, event and list: each test is one of those
//! orders, and what a person then reads.

use contract::{Hops, Index, SubmissionState as State};

use super::*;

const NOW: u64 = 1_700_000_000_000_000;

fn index(number: u32) -> Index {
    Index::from_number(number.into(), Index::LARGEST).unwrap()
}

fn sent() -> Journeys {
    let mut journeys = Journeys::default();
    journeys.send("10".to_owned(), "mine".to_owned(), NOW);
    journeys
}

/// An answer by a clock that is `ahead` of the browser's.
fn answer(state: State, ahead: u64) -> Submitted {
    let hops = Hops {
        edge: NOW + 1_000 + ahead,
        received: NOW + 1_500 + ahead,
        committed: NOW + 4_000 + ahead,
        ..Hops::default()
    };
    let (request_id, index) = ("mine".to_owned(), index(10));
    Submitted { working: true, id: 1, index, state, value: None, request_id, hops }
}

fn value(request_id: &str, ahead: u64) -> Computed {
    let at = |after: u64| NOW + after + ahead;
    let hops = Hops {
        received: at(1_500),
        committed: at(4_000),
        pushed: at(4_200),
        taken: at(4_500),
        computed: at(5_000),
        stored: at(5_300),
        ..Hops::default()
    };
    let (request_id, worker) = (request_id.to_owned(), "worker-1".to_owned());
    Computed { index: index(10), value: "55".to_owned(), digits: 2, request_id, worker, hops }
}

fn hops(journeys: &Journeys) -> Vec<(&'static str, u64)> {
    let name = |hop: Hop| (hop.other.unwrap_or(STATIONS[hop.station].1), hop.at);
    journeys.iter().next().unwrap().hops().into_iter().map(name).collect()
}

const WHOLE: [(&str, u64); 9] = [
    ("sent", 0),
    ("received", 1_000),
    ("checked", 1_500),
    ("committed", 4_000),
    ("queued", 4_200),
    ("taken", 4_500),
    ("calculated", 5_000),
    ("stored", 5_300),
    ("shown", 6_000),
];

#[test]
fn each_hop_has_its_time_whichever_comes_first_answer_or_value() {
    let mut journeys = sent();
    assert_eq!(journeys.iter().next().unwrap().progress(), Progress::Sending);
    journeys.answer("mine", &answer(State::Queued, 0), NOW + 5_000);
    assert_eq!(journeys.iter().next().unwrap().progress(), Progress::Waiting);
    journeys.arrive(&value("mine", 0), NOW + 6_000);
    assert_eq!(hops(&journeys), WHOLE);

    let mut journeys = sent();
    journeys.arrive(&value("mine", 0), NOW + 6_000);
    journeys.answer("mine", &answer(State::Queued, 0), NOW + 7_000);
    assert_eq!(hops(&journeys), WHOLE);
    let journey = journeys.iter().next().unwrap();
    assert_eq!((journey.progress(), journey.took()), (Progress::Arrived, 6_000));
}

#[test]
fn clocks_that_do_not_agree_are_brought_together() {
    for ahead in [0, 3_600_000_000] {
        let mut journeys = sent();
        journeys.answer("mine", &answer(State::Queued, ahead), NOW + 5_000);
        journeys.arrive(&value("mine", ahead), NOW + 6_000);
        let hops = hops(&journeys);
        for ((what, at), (_, expected)) in hops.iter().zip(WHOLE) {
            assert!(at.abs_diff(expected) <= 1_000, "{what}: {at}");
        }
        assert!(hops.is_sorted_by_key(|(_, at)| *at), "{hops:?}");
    }
}

#[test]
fn a_known_value_needs_no_worker() {
    let mut journeys = sent();
    journeys.answer("mine", &answer(State::Done, 0), NOW + 4_500);
    assert_eq!(hops(&journeys).last(), Some(&("at once", 4_500)));
    assert_eq!(journeys.iter().next().unwrap().progress(), Progress::Arrived);
}

#[test]
fn a_job_of_another_request_is_said_to_be_one() {
    let mut journeys = sent();
    journeys.answer("mine", &answer(State::Pending, 0), NOW + 4_500);
    journeys.arrive(&value("theirs", 0), NOW + 6_000);
    let what: Vec<_> = hops(&journeys).into_iter().skip(4).map(|(what, _)| what).collect();
    assert_eq!(what, ["was queued", "calculated", "stored", "shown"]);
    assert_eq!(journeys.iter().next().unwrap().worker(), Some("worker-1"));
}

#[test]
fn a_value_of_another_request_does_not_end_a_job_of_ones_own() {
    let mut journeys = sent();
    journeys.answer("mine", &answer(State::Queued, 0), NOW + 4_500);
    journeys.arrive(&value("theirs", 0), NOW + 6_000);
    assert_eq!(journeys.iter().next().unwrap().progress(), Progress::Waiting);
}

#[test]
fn what_was_refused_has_ended_and_only_the_newest_are_kept() {
    let mut journeys = sent();
    journeys.refuse("mine", "Too many.".to_owned(), false);
    let journey = journeys.iter().next().unwrap();
    assert_eq!((journey.progress(), journey.refused()), (Progress::Ended, Some(("Too many.", false))));
    assert_eq!(hops(&journeys), [("sent", 0)]);
    for number in 0..20 {
        journeys.send(number.to_string(), number.to_string(), NOW);
    }
    assert_eq!(
        journeys.iter().map(|journey| journey.index.as_str()).collect::<Vec<_>>(),
        ["19", "18", "17", "16", "15"]
    );
}

#[test]
fn where_events_are_blocked_a_journey_ends_when_its_value_is_in_a_list() {
    let mut journeys = sent();
    journeys.find(|_| true, NOW + 4_000);
    journeys.answer("mine", &answer(State::Queued, 0), NOW + 4_500);
    journeys.find(|index| index == 7, NOW + 5_000);
    assert_eq!(journeys.iter().next().unwrap().progress(), Progress::Waiting);
    journeys.find(|index| index == 10, NOW + 2_000_000);
    assert_eq!(journeys.iter().next().unwrap().progress(), Progress::Arrived);
    assert_eq!(hops(&journeys).last(), Some(&("found listed", 2_000_000)));
}

#[test]
fn what_is_given_up_has_ended() {
    let mut journeys = sent();
    journeys.answer("mine", &answer(State::Queued, 0), NOW + 4_500);
    journeys.fail(|index| index == 7);
    assert_eq!(journeys.iter().next().unwrap().progress(), Progress::Waiting);
    let measured = hops(&journeys);
    journeys.fail(|index| index == 10);
    assert_eq!(journeys.iter().next().unwrap().progress(), Progress::Ended);
    assert_eq!(hops(&journeys), measured, "what was passed stays measured");
}

#[test]
fn what_is_given_up_arrives_all_the_same_when_it_is_tried_again() {
    let mut journeys = sent();
    journeys.answer("mine", &answer(State::Queued, 0), NOW + 4_500);
    journeys.fail(|_| true);
    let mut listed = journeys.clone();
    listed.find(|index| index == 10, NOW + 5_000);
    assert_eq!(listed.iter().next().unwrap().progress(), Progress::Arrived);
    journeys.arrive(&value("mine", 0), NOW + 6_000);
    assert_eq!(hops(&journeys), WHOLE);
    assert_eq!(journeys.iter().next().unwrap().progress(), Progress::Arrived);
}

#[test]
fn an_index_with_leading_zeros_is_the_number_that_it_means() {
    let mut journeys = Journeys::default();
    journeys.send("0010".to_owned(), "mine".to_owned(), NOW);
    journeys.answer("mine", &answer(State::Queued, 0), NOW + 5_000);
    journeys.arrive(&value("mine", 0), NOW + 6_000);
    assert_eq!(hops(&journeys), WHOLE);
}

#[test]
fn what_was_never_answered_arrives_all_the_same_when_it_had_been_taken() {
    let mut journeys = sent();
    journeys.refuse("mine", "The server cannot be reached.".to_owned(), true);
    journeys.arrive(&value("theirs", 0), NOW + 5_500);
    assert_eq!(journeys.iter().next().unwrap().progress(), Progress::Ended, "another's says nothing of it");
    journeys.arrive(&value("mine", 0), NOW + 6_000);
    let journey = journeys.iter().next().unwrap();
    assert_eq!((journey.progress(), journey.refused()), (Progress::Arrived, None));
    let without_the_edge: Vec<_> = WHOLE.into_iter().filter(|(what, _)| *what != "received").collect();
    assert_eq!(hops(&journeys), without_the_edge);

    let mut journeys = sent();
    journeys.arrive(&value("mine", 0), NOW + 6_000);
    journeys.refuse("mine", "The server cannot be reached.".to_owned(), true);
    assert_eq!(hops(&journeys), without_the_edge, "whichever comes first");
}
