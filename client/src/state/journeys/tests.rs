//! Response, event and list may arrive in any order, and the clocks may disagree.

use contract::{DeadLetterEvent, Index};

use super::*;
use crate::api::tests::refused;

const NOW: u64 = 1_700_000_000_000_000;

static KNOWN: ListedValue = ListedValue::Known { text: String::new(), digit_count: 1 };

fn index(number: u32) -> Index {
    Index::from_number(number.into(), Index::LARGEST).unwrap()
}

fn sent() -> JourneyLog {
    let mut log = JourneyLog::default();
    log.send(10, "mine".to_owned(), NOW);
    log
}

fn accepted(state: SubmissionState, at: u64) -> JourneyLog {
    let mut log = sent();
    log.respond("mine", Ok(response(state, 0)), NOW + at);
    log
}

/// A response whose times are from a clock that is `ahead` µs ahead of the browser's.
fn response(state: SubmissionState, ahead: u64) -> SubmitResponse {
    let hops = Hops {
        edge: NOW + 1_000 + ahead,
        received: NOW + 1_500 + ahead,
        committed: NOW + 4_000 + ahead,
        ..Hops::default()
    };
    let (request_id, index) = ("mine".to_owned(), index(10));
    SubmitResponse { working: true, id: 1, index, state, value: None, request_id, hops }
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

fn dead_letter(number: u32) -> ListChange {
    ListChange::DeadLettered(DeadLetterEvent {
        index: index(number),
        request_id: "mine".to_owned(),
    })
}

fn newest(log: &JourneyLog) -> &Journey {
    log.journeys.front().unwrap()
}

fn hops(log: &JourneyLog) -> Vec<(&'static str, u64)> {
    newest(log).passed().into_iter().map(|hop| (hop.event, hop.at)).collect()
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
fn each_hop_has_its_time_in_either_order_of_response_and_value() {
    assert_eq!(newest(&sent()).status(), JourneyStatus::Sending);
    assert_eq!((sent().is_sending(10), sent().is_sending(7)), (true, false));
    let mut log = accepted(SubmissionState::Queued, 5_000);
    assert_eq!(newest(&log).status(), JourneyStatus::Waiting);
    log.arrive(&value("mine", 0), NOW + 6_000);
    assert_eq!(hops(&log), WHOLE);

    let mut log = sent();
    log.arrive(&value("mine", 0), NOW + 6_000);
    log.respond("mine", Ok(response(SubmissionState::Queued, 0)), NOW + 7_000);
    assert_eq!(hops(&log), WHOLE);
    assert_eq!(newest(&log).status(), JourneyStatus::Arrived);
}

#[test]
fn times_of_clocks_that_disagree_are_shifted() {
    for ahead in [0, 3_600_000_000] {
        let mut log = sent();
        log.respond("mine", Ok(response(SubmissionState::Queued, ahead)), NOW + 5_000);
        log.arrive(&value("mine", ahead), NOW + 6_000);
        let hops = hops(&log);
        for ((what, at), (_, expected)) in hops.iter().zip(WHOLE) {
            assert!(at.abs_diff(expected) <= 1_000, "{what}: {at}");
        }
        assert!(hops.is_sorted_by_key(|(_, at)| *at), "{hops:?}");
    }
}

#[test]
fn a_known_value_arrives_without_a_worker() {
    let log = accepted(SubmissionState::Done, 4_500);
    assert_eq!(hops(&log).last(), Some(&("at once", 4_500)));
    assert_eq!(newest(&log).note(), Some("Nothing was queued: this value was calculated before."));
    assert_eq!(newest(&log).status(), JourneyStatus::Arrived);
}

#[test]
fn a_value_of_another_request_ends_only_a_pending_journey() {
    let mut log = accepted(SubmissionState::Pending, 4_500);
    log.arrive(&value("theirs", 0), NOW + 6_000);
    let what: Vec<_> = hops(&log).into_iter().skip(4).map(|(what, _)| what).collect();
    assert_eq!(what, ["was queued", "calculated", "stored", "shown"]);
    assert_eq!(newest(&log).worker(), Some("worker-1"));

    let mut log = accepted(SubmissionState::Queued, 4_500);
    log.arrive(&value("theirs", 0), NOW + 6_000);
    assert_eq!(newest(&log).status(), JourneyStatus::Waiting);
}

#[test]
fn after_an_outage_a_stored_submission_has_the_times_of_its_later_job() {
    let mut log = accepted(SubmissionState::Stored, 4_500);
    assert!(newest(&log).note().is_some_and(|note| note.starts_with("Saved in Postgres")));
    log.arrive(&value("reconcile", 0), NOW + 6_000);
    assert_eq!(hops(&log), WHOLE);
    assert_eq!(newest(&log).note(), None);
}

#[test]
fn a_refused_submission_stops_and_only_five_journeys_are_kept() {
    let mut log = sent();
    let refusal = refused(429, "Too many", None, None);
    log.respond("mine", Err(refusal.clone()), NOW + 5_000);
    assert_eq!(newest(&log).status(), JourneyStatus::Stopped);
    assert_eq!(newest(&log).refusal(), Some(&refusal));
    assert_eq!(hops(&log), [("sent", 0)]);
    for number in 0..20 {
        log.send(number, number.to_string(), NOW);
    }
    let kept: Vec<_> = log.journeys.iter().map(|journey| journey.index).collect();
    assert_eq!(kept, [19, 18, 17, 16, 15]);
}

#[test]
fn without_events_a_journey_ends_when_its_value_is_listed() {
    let mut log = sent();
    log.settle(|_| Some(&KNOWN), NOW + 4_000);
    log.respond("mine", Ok(response(SubmissionState::Queued, 0)), NOW + 4_500);
    log.settle(|index| (index == 7).then_some(&KNOWN), NOW + 5_000);
    assert_eq!(newest(&log).status(), JourneyStatus::Waiting);
    log.settle(|index| (index == 10).then_some(&KNOWN), NOW + 2_000_000);
    assert_eq!(newest(&log).status(), JourneyStatus::Arrived);
    assert_eq!(hops(&log).last(), Some(&("found listed", 2_000_000)));
}

#[test]
fn a_dead_letter_stops_its_journey_and_a_retry_ends_it() {
    let mut log = accepted(SubmissionState::Queued, 4_500);
    log.apply(&dead_letter(7), NOW);
    assert_eq!(newest(&log).status(), JourneyStatus::Waiting);
    let measured = hops(&log);
    log.apply(&dead_letter(10), NOW);
    assert_eq!(newest(&log).status(), JourneyStatus::Stopped);
    assert_eq!(hops(&log), measured, "passed hops keep their times");

    let mut listed = log.clone();
    listed.settle(|index| (index == 10).then_some(&KNOWN), NOW + 5_000);
    assert_eq!(newest(&listed).status(), JourneyStatus::Arrived);
    log.arrive(&value("mine", 0), NOW + 6_000);
    assert_eq!(hops(&log), WHOLE);
    assert_eq!(newest(&log).status(), JourneyStatus::Arrived);
}

#[test]
fn a_committed_submission_without_a_response_still_arrives() {
    let mut log = sent();
    log.respond("mine", Err(RequestError::Unreachable), NOW + 5_000);
    log.arrive(&value("theirs", 0), NOW + 5_500);
    assert_eq!(
        newest(&log).status(),
        JourneyStatus::Stopped,
        "a value of another request does not count"
    );
    log.arrive(&value("mine", 0), NOW + 6_000);
    assert_eq!((newest(&log).status(), newest(&log).refusal()), (JourneyStatus::Arrived, None));
    let without_the_edge: Vec<_> =
        WHOLE.into_iter().filter(|(what, _)| *what != "received").collect();
    assert_eq!(hops(&log), without_the_edge);

    let mut log = sent();
    log.arrive(&value("mine", 0), NOW + 6_000);
    log.respond("mine", Err(RequestError::Unreachable), NOW + 5_000);
    assert_eq!(hops(&log), without_the_edge, "also if the value arrives first");
}

#[test]
fn a_duration_has_no_more_digits_than_its_clocks() {
    let mut log = accepted(SubmissionState::Queued, 5_000);
    log.arrive(&value("mine", 0), NOW + 6_000);
    let passed = newest(&log).passed();
    let durations: Vec<_> =
        passed.windows(2).map(|pair| pair[1].duration_since(&pair[0])).collect();
    assert_eq!(durations[..4], ["1 ms", "< 1 ms", "2.5 ms", "0.20 ms"]);
}

#[test]
fn journeys_survive_a_reload() {
    let mut log = accepted(SubmissionState::Queued, 5_000);
    log.arrive(&value("mine", 0), NOW + 6_000);
    log.send(20, "no response".to_owned(), NOW);
    let saved = serde_json::to_string(&log).unwrap();
    let restored: JourneyLog = serde_json::from_str::<JourneyLog>(&saved).unwrap().reloaded();
    assert_eq!(restored.journeys[1], log.journeys[1]);
    assert!(newest(&restored).refusal().unwrap().is_outcome_unknown());
    assert_eq!(restored.calculation_of(10).map(|value| value.worker.as_str()), Some("worker-1"));
}

#[test]
fn the_newest_calculations_are_kept_with_their_times() {
    let mut log = JourneyLog::default();
    let mut calculated = |received: u64, stored: u64| {
        let value =
            ValueEvent { hops: Hops { received, stored, ..Hops::default() }, ..value("theirs", 0) };
        log.arrive(&value, NOW);
        log.calculation_times()
    };
    // Jobs from an original server have no times, and clocks may disagree.
    assert_eq!((calculated(0, 5), calculated(7, 5)), (vec![], vec![]));
    let times = (0..100).map(|micros| calculated(1_000, 1_000 + micros)).last();
    let expected =
        (40..100).map(|micros| CalculationTime { number: 2 + micros as u32, index: 10, micros });
    assert_eq!(times, Some(expected.collect()));
}
