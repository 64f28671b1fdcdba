//! Orders in which response, event and list may arrive, by clocks that may not agree.

use contract::{Hops, Index};

use super::*;

const NOW: u64 = 1_700_000_000_000_000;

fn index(number: u32) -> Index {
    Index::from_number(number.into(), Index::LARGEST).unwrap()
}

fn sent() -> JourneyLog {
    let mut journeys = JourneyLog::default();
    journeys.send("10".to_owned(), "mine".to_owned(), NOW);
    journeys
}

/// An answer by a clock that is `ahead` of the browser's.
fn answer(state: SubmissionState, ahead: u64) -> SubmitResponse {
    let hops = Hops {
        edge: NOW + 1_000 + ahead,
        received: NOW + 1_500 + ahead,
        committed: NOW + 4_000 + ahead,
        ..Hops::default()
    };
    let (request_id, index) = ("mine".to_owned(), index(10));
    SubmitResponse { working: true, id: 1, index, state, value: None, request_id, hops }
}

fn refusal(why: &str, is_unanswered: bool) -> SubmissionRefusal {
    SubmissionRefusal { why: why.to_owned(), is_unanswered, stopped_at: 1 }
}

fn value(request_id: &str, ahead: u64) -> ValueEvent {
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
    ValueEvent { index: index(10), value: "55".to_owned(), digits: 2, request_id, worker, hops }
}

fn hops(journeys: &JourneyLog) -> Vec<(&'static str, u64)> {
    let name = |hop: PassedStation| (hop.unusual.unwrap_or(STATIONS[hop.station].event), hop.at);
    journeys.iter().next().unwrap().passed().into_iter().map(name).collect()
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
    assert_eq!(journeys.iter().next().unwrap().status(), JourneyStatus::Sending);
    journeys.accept("mine", &answer(SubmissionState::Queued, 0), NOW + 5_000);
    assert_eq!(journeys.iter().next().unwrap().status(), JourneyStatus::Waiting);
    journeys.arrive(&value("mine", 0), NOW + 6_000);
    assert_eq!(hops(&journeys), WHOLE);

    let mut journeys = sent();
    journeys.arrive(&value("mine", 0), NOW + 6_000);
    journeys.accept("mine", &answer(SubmissionState::Queued, 0), NOW + 7_000);
    assert_eq!(hops(&journeys), WHOLE);
    let journey = journeys.iter().next().unwrap();
    assert_eq!((journey.status(), journey.total()), (JourneyStatus::Arrived, 6_000));
}

#[test]
fn clocks_that_do_not_agree_are_brought_together() {
    for ahead in [0, 3_600_000_000] {
        let mut journeys = sent();
        journeys.accept("mine", &answer(SubmissionState::Queued, ahead), NOW + 5_000);
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
    journeys.accept("mine", &answer(SubmissionState::Done, 0), NOW + 4_500);
    assert_eq!(hops(&journeys).last(), Some(&("at once", 4_500)));
    let journey = journeys.iter().next().unwrap();
    assert_eq!(journey.note(), Some("Nothing was queued: this value was calculated before."));
    assert_eq!(journeys.iter().next().unwrap().status(), JourneyStatus::Arrived);
}

#[test]
fn a_job_of_another_request_is_said_to_be_one() {
    let mut journeys = sent();
    journeys.accept("mine", &answer(SubmissionState::Pending, 0), NOW + 4_500);
    journeys.arrive(&value("theirs", 0), NOW + 6_000);
    let what: Vec<_> = hops(&journeys).into_iter().skip(4).map(|(what, _)| what).collect();
    assert_eq!(what, ["was queued", "calculated", "stored", "shown"]);
    assert_eq!(journeys.iter().next().unwrap().worker(), Some("worker-1"));
}

#[test]
fn a_value_of_another_request_does_not_end_a_job_of_ones_own() {
    let mut journeys = sent();
    journeys.accept("mine", &answer(SubmissionState::Queued, 0), NOW + 4_500);
    journeys.arrive(&value("theirs", 0), NOW + 6_000);
    assert_eq!(journeys.iter().next().unwrap().status(), JourneyStatus::Waiting);
}

#[test]
fn a_refused_submission_stops_and_only_the_newest_are_kept() {
    let mut journeys = sent();
    journeys.refuse("mine", refusal("Too many.", false));
    let journey = journeys.iter().next().unwrap();
    assert_eq!(journey.status(), JourneyStatus::Stopped);
    assert_eq!(journey.refusal(), Some(&refusal("Too many.", false)));
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
    journeys.accept("mine", &answer(SubmissionState::Queued, 0), NOW + 4_500);
    journeys.find(|index| index == 7, NOW + 5_000);
    assert_eq!(journeys.iter().next().unwrap().status(), JourneyStatus::Waiting);
    journeys.find(|index| index == 10, NOW + 2_000_000);
    assert_eq!(journeys.iter().next().unwrap().status(), JourneyStatus::Arrived);
    assert_eq!(hops(&journeys).last(), Some(&("found listed", 2_000_000)));
}

#[test]
fn a_dead_lettered_job_stops_its_journey() {
    let mut journeys = sent();
    journeys.accept("mine", &answer(SubmissionState::Queued, 0), NOW + 4_500);
    journeys.dead_letter(|index| index == 7);
    assert_eq!(journeys.iter().next().unwrap().status(), JourneyStatus::Waiting);
    let measured = hops(&journeys);
    journeys.dead_letter(|index| index == 10);
    assert_eq!(journeys.iter().next().unwrap().status(), JourneyStatus::Stopped);
    assert_eq!(hops(&journeys), measured, "what was passed stays measured");
}

#[test]
fn a_dead_lettered_job_may_be_retried() {
    let mut journeys = sent();
    journeys.accept("mine", &answer(SubmissionState::Queued, 0), NOW + 4_500);
    journeys.dead_letter(|_| true);
    let mut listed = journeys.clone();
    listed.find(|index| index == 10, NOW + 5_000);
    assert_eq!(listed.iter().next().unwrap().status(), JourneyStatus::Arrived);
    journeys.arrive(&value("mine", 0), NOW + 6_000);
    assert_eq!(hops(&journeys), WHOLE);
    assert_eq!(journeys.iter().next().unwrap().status(), JourneyStatus::Arrived);
}

#[test]
fn an_index_with_leading_zeros_is_the_number_that_it_means() {
    let mut journeys = JourneyLog::default();
    journeys.send("0010".to_owned(), "mine".to_owned(), NOW);
    journeys.accept("mine", &answer(SubmissionState::Queued, 0), NOW + 5_000);
    journeys.arrive(&value("mine", 0), NOW + 6_000);
    assert_eq!(hops(&journeys), WHOLE);
}

#[test]
fn a_submission_without_response_arrives_when_it_was_committed() {
    let mut journeys = sent();
    journeys.refuse("mine", refusal("The server cannot be reached.", true));
    journeys.arrive(&value("theirs", 0), NOW + 5_500);
    assert_eq!(
        journeys.iter().next().unwrap().status(),
        JourneyStatus::Stopped,
        "another's says nothing of it"
    );
    journeys.arrive(&value("mine", 0), NOW + 6_000);
    let journey = journeys.iter().next().unwrap();
    assert_eq!((journey.status(), journey.refusal()), (JourneyStatus::Arrived, None));
    let without_the_edge: Vec<_> = WHOLE.into_iter().filter(|(what, _)| *what != "received").collect();
    assert_eq!(hops(&journeys), without_the_edge);

    let mut journeys = sent();
    journeys.arrive(&value("mine", 0), NOW + 6_000);
    journeys.refuse("mine", refusal("The server cannot be reached.", true));
    assert_eq!(hops(&journeys), without_the_edge, "whichever comes first");
}

#[test]
fn a_hop_has_no_more_digits_than_its_clocks() {
    let mut journeys = sent();
    journeys.accept("mine", &answer(SubmissionState::Queued, 0), NOW + 5_000);
    journeys.arrive(&value("mine", 0), NOW + 6_000);
    let passed = journeys.iter().next().unwrap().passed();
    let durations: Vec<_> = passed.windows(2).map(|pair| pair[1].duration_since(Some(&pair[0]))).collect();
    assert_eq!(durations[..4], ["1 ms", "< 1 ms", "2.5 ms", "0.20 ms"]);
}

#[test]
fn journeys_survive_a_reload() {
    let mut journeys = sent();
    journeys.accept("mine", &answer(SubmissionState::Queued, 0), NOW + 5_000);
    journeys.arrive(&value("mine", 0), NOW + 6_000);
    journeys.send("20".to_owned(), "unanswered".to_owned(), NOW);
    let saved = serde_json::to_string(&journeys).unwrap();
    let restored: JourneyLog = serde_json::from_str::<JourneyLog>(&saved).unwrap().reloaded();
    assert_eq!(restored.get("mine"), journeys.get("mine"));
    assert!(restored.get("unanswered").unwrap().refusal().unwrap().is_unanswered);
    assert_eq!(restored.calculation_of(10).map(|value| value.worker.as_str()), Some("worker-1"));
}
