//! The rules of the lists, one by one.
//!
//! Every test is an order in which lists, events and answers may arrive, and what has to be shown afterwards; none needs a
//! browser or a server.

use super::*;

fn index(number: u32) -> Index {
    Index::from_number(number.into(), Index::LARGEST).unwrap()
}

fn seen(id: i64, number: u32) -> Change {
    Change::Seen(Seen { id, index: index(number), request_id: "r".to_owned() })
}

fn computed(number: u32, value: &str) -> Change {
    Change::Computed(Computed {
        index: index(number),
        value: value.to_owned(),
        digits: value.len(),
        request_id: "r".to_owned(),
        worker: "w".to_owned(),
        hops: contract::Hops::default(),
    })
}

fn failed(number: u32) -> Change {
    Change::Failed(Failed { index: index(number), request_id: "r".to_owned() })
}

fn submitted(id: i64, number: u32, state: contract::SubmissionState, value: Option<&str>) -> Change {
    Change::Submitted(Submitted {
        working: true,
        id,
        index: index(number),
        state,
        value: value.map(str::to_owned),
        request_id: "r".to_owned(),
        hops: contract::Hops::default(),
    })
}

/// An index that was submitted `count` times, with the id of its newest submission.
fn known(newest: i64, number: u32, count: i64) -> KnownIndex {
    KnownIndex { index: index(number), submissions: count, newest }
}

fn current(values: &[(u32, &str)]) -> Current {
    values.iter().map(|(index, text)| (*index, (*text).to_owned())).collect()
}

/// What a fetch brings: ids and indices in ascending order, each submitted once.
fn lists(submissions: &[(i64, u32)], values: &[(u32, &str)]) -> Lists {
    let indices = submissions.iter().rev().map(|(id, number)| known(*id, *number, 1)).collect();
    Lists { indices, current: current(values), failed: Vec::new() }
}

fn loaded(submissions: &[(i64, u32)], values: &[(u32, &str)]) -> State {
    let mut state = State::default();
    state.begin_fetch();
    state.finish_fetch(lists(submissions, values));
    state
}

fn seen_indices(state: &State) -> Vec<u32> {
    state.seen().iter().map(|row| row.index).collect()
}

fn counts(state: &State) -> Vec<(u32, i64, bool)> {
    state.seen().iter().map(|row| (row.index, row.count, row.at_least)).collect()
}

fn value(text: &str) -> Shown {
    Shown::Value(text.to_owned(), text.len())
}

#[test]
fn the_lists_show_the_newest_first_each_index_once_with_its_count() {
    let mut state = loaded(&[(2, 10), (3, 7)], &[(7, "13"), (10, PENDING)]);
    assert_eq!(state.values(9), [(7, value("13")), (10, Shown::Pending)]);
    assert_eq!(state.values(1), [(7, value("13"))]);
    assert!(state.loaded());
    state.apply(seen(4, 10));
    state.apply(seen(5, 20));
    assert_eq!(counts(&state), [(20, 1, false), (10, 2, false), (7, 1, false)]);
    assert_eq!(state.pending(), 2);
    assert_eq!(state.points().collect::<Vec<_>>(), [(7, 2)]);
}

#[test]
fn older_pages_are_added_below_and_complete_the_counts() {
    let first: Vec<_> = (0..PAGE as i64).map(|row| known(1_000 - row, 500 + row as u32, 1)).collect();
    let mut state = State::default();
    assert_eq!(state.begin_fetch(), PAGE);
    state.finish_fetch(Lists { indices: first, ..Lists::default() });
    assert_eq!(state.older(), Some((951, 2 * PAGE)));
    assert!(state.has_more_values());
    // An index that stands in an older page is submitted again: it was submitted at least once.
    state.apply(seen(1_001, 7));
    assert_eq!(counts(&state)[0], (7, 1, true));
    let indices = vec![known(900, 8, 1), known(899, 7, 3)];
    state.add_older(Lists { indices, current: current(&[(7, PENDING), (8, "21")]), failed: vec![7] });
    assert_eq!(
        (state.value(8), state.value(7)),
        (Some(&value("21")), Some(&Shown::Pending)),
        "no older news"
    );
    assert_eq!(counts(&state)[0], (7, 4, false));
    assert_eq!(counts(&state).last(), Some(&(8, 1, false)));
    assert_eq!(state.older(), None);
    assert!(!state.has_more_values());
    assert_eq!(state.begin_fetch(), PAGE + 2, "a fetch asks for as many as are shown");
}

/// A server's page of indices that ends at the submission `last`.
fn full(last: i64) -> Vec<KnownIndex> {
    (0..PAGE as i64).map(|row| known(last + PAGE as i64 - 1 - row, (last + row) as u32, 1)).collect()
}

#[test]
fn what_was_paged_to_while_the_lists_were_fetched_stays_with_its_values() {
    let mut state = State::default();
    state.begin_fetch();
    state.finish_fetch(Lists { indices: full(500), ..Lists::default() });
    assert_eq!(state.begin_fetch(), PAGE);
    let indices = vec![known(40, 7, 1), known(30, 501, 1)];
    state.add_older(Lists { indices, current: current(&[(7, "13")]), failed: Vec::new() });
    state.finish_fetch(Lists { indices: full(500), ..Lists::default() });
    assert_eq!(counts(&state)[PAGE..], [(7, 1, false)], "each once");
    assert_eq!(state.value(7), Some(&value("13")));
    assert_eq!(state.older(), None, "the page before said that it was the last");

    // A server that has fewer than was asked for has no older ones, whatever is shown.
    state.begin_fetch();
    state.finish_fetch(lists(&[(1, 5)], &[(5, "5")]));
    assert_eq!(seen_indices(&state), [5]);
}

#[test]
fn more_indices_than_one_fetch_brings_stay_when_the_lists_are_fetched_again() {
    let mut state = State::default();
    state.begin_fetch();
    for last in (0..=20).rev().map(|page| 1 + page * PAGE as i64) {
        state.add_older(Lists { indices: full(last), ..Lists::default() });
    }
    assert_eq!(state.seen().len(), LIMIT + PAGE);
    assert_eq!(state.begin_fetch(), LIMIT);
    let mut newest: Vec<_> = (1..=20).rev().flat_map(|page| full(1 + page * PAGE as i64)).collect();
    assert_eq!(newest.len(), LIMIT);
    newest[0].submissions = 2;
    state.finish_fetch(Lists { indices: newest, ..Lists::default() });
    assert_eq!((state.seen().len(), state.seen()[0].count), (LIMIT + PAGE, 2));
    assert_eq!(state.older(), Some((1, LIMIT)));
}

#[test]
fn a_value_that_is_no_whole_number_is_shown_as_it_is() {
    let state = loaded(&[(1, 400)], &[(400, "1.76e+83")]);
    assert_eq!(state.value(400), Some(&value("1.76e+83")));
    let long = "11111111111111111111…99999999999999999999 (1040 digits)";
    let state = loaded(&[(1, 5000)], &[(5000, long)]);
    assert_eq!(state.value(5000), Some(&Shown::Value(long.to_owned(), 1040)));
}

#[test]
fn an_index_is_pending_from_when_it_is_seen_until_its_value_comes() {
    let mut state = loaded(&[], &[]);
    state.apply(seen(1, 10));
    assert_eq!(state.value(10), Some(&Shown::Pending));
    state.apply(computed(10, "55"));
    assert_eq!(state.value(10), Some(&value("55")));
}

#[test]
fn a_submission_told_twice_counts_once() {
    let mut state = loaded(&[(1, 10)], &[]);
    state.apply(submitted(2, 7, contract::SubmissionState::Queued, None));
    state.apply(seen(2, 7));
    state.apply(seen(1, 10));
    assert_eq!(counts(&state), [(7, 1, false), (10, 1, false)]);
}

#[test]
fn submissions_that_arrive_out_of_order_are_shown_in_order() {
    let mut state = loaded(&[], &[]);
    for change in [seen(3, 30), seen(1, 10), seen(2, 20)] {
        state.apply(change);
    }
    assert_eq!(seen_indices(&state), [30, 20, 10]);
}

#[test]
fn a_value_that_arrives_before_its_submission_stays() {
    let mut state = loaded(&[], &[]);
    state.apply(computed(10, "55"));
    state.apply(seen(1, 10));
    state.apply(submitted(1, 10, contract::SubmissionState::Queued, None));
    assert_eq!(state.value(10), Some(&value("55")));
}

#[test]
fn a_known_index_is_answered_with_its_value_at_once() {
    let mut state = loaded(&[], &[]);
    state.apply(submitted(1, 10, contract::SubmissionState::Done, Some("55")));
    assert_eq!(state.value(10), Some(&value("55")));
}

#[test]
fn an_index_submitted_again_moves_to_the_top() {
    let mut state = loaded(&[(1, 7), (2, 10)], &[(7, "13"), (10, "55")]);
    state.apply(seen(3, 7));
    assert_eq!(state.values(9), [(7, value("13")), (10, value("55"))]);
}

#[test]
fn a_failure_marks_only_what_is_pending() {
    let mut state = loaded(&[(1, 7), (2, 10)], &[(7, "13"), (10, PENDING)]);
    state.apply(failed(7));
    state.apply(failed(10));
    assert_eq!(state.value(7), Some(&value("13")));
    assert_eq!(state.value(10), Some(&Shown::Failed));
}

#[test]
fn a_failed_index_is_pending_again_when_it_is_queued_again() {
    let mut state = loaded(&[(1, 10)], &[(10, PENDING)]);
    state.apply(failed(10));
    state.apply(submitted(2, 10, contract::SubmissionState::DeadLettered, None));
    assert_eq!(state.value(10), Some(&Shown::Failed));
    state.apply(submitted(3, 10, contract::SubmissionState::Queued, None));
    assert_eq!(state.value(10), Some(&Shown::Pending));
}

#[test]
fn what_happened_during_a_fetch_outlives_its_older_answer() {
    let mut state = loaded(&[(1, 7)], &[(7, PENDING)]);
    state.begin_fetch();
    state.apply(computed(7, "13"));
    state.apply(seen(2, 10));
    state.finish_fetch(lists(&[(1, 7)], &[(7, PENDING)]));
    assert_eq!(seen_indices(&state), [10, 7]);
    assert_eq!(state.values(9), [(10, Shown::Pending), (7, value("13"))]);
}

#[test]
fn a_fetch_replaces_what_is_no_longer_true() {
    let mut state = loaded(&[(8, 30), (9, 40)], &[(30, "832040"), (40, PENDING)]);
    state.begin_fetch();
    state.finish_fetch(lists(&[(1, 7)], &[(7, "13")]));
    assert_eq!(seen_indices(&state), [7]);
    assert_eq!(state.values(9), [(7, value("13"))]);
}

#[test]
fn a_fetch_tells_what_was_given_up_and_what_is_tried_again() {
    let mut state = loaded(&[(1, 7), (2, 10), (3, 20)], &[(7, PENDING), (10, PENDING), (20, "6765")]);
    state.apply(failed(7));
    state.begin_fetch();
    let lists = lists(&[(1, 7), (2, 10), (3, 20)], &[(7, PENDING), (10, PENDING), (20, "6765")]);
    state.finish_fetch(Lists { failed: vec![10, 20], ..lists });
    assert_eq!(state.value(7), Some(&Shown::Pending));
    assert_eq!(state.value(10), Some(&Shown::Failed));
    assert_eq!(state.value(20), Some(&value("6765")));
}

#[test]
fn a_value_once_shown_is_not_taken_back_when_the_cache_lost_it() {
    let mut state = loaded(&[(1, 10)], &[(10, "55")]);
    state.begin_fetch();
    state.finish_fetch(lists(&[(1, 10)], &[(10, PENDING)]));
    assert_eq!(state.value(10), Some(&value("55")));
}

#[test]
fn a_failed_fetch_leaves_the_lists_as_they_were() {
    let mut state = loaded(&[(1, 7)], &[(7, "13")]);
    state.begin_fetch();
    state.fail_fetch();
    state.apply(seen(2, 10));
    assert_eq!(seen_indices(&state), [10, 7]);
    assert!(state.loaded());
}

#[test]
fn both_lists_are_bounded_and_forget_the_oldest() {
    let mut state = loaded(&[], &[]);
    for number in 0..LIMIT as u32 + 5 {
        state.apply(seen(number.into(), number));
    }
    assert_eq!(state.seen().len(), LIMIT);
    assert_eq!(state.value_count(), LIMIT);
    assert_eq!(counts(&state).last(), Some(&(5, 1, false)));
    assert_eq!(state.value(4), None);
    assert_eq!(state.value(5), Some(&Shown::Pending));
}

#[test]
fn the_outcome_of_ones_own_index_is_announced_once_and_nobody_elses() {
    let mut state = loaded(&[], &[]);
    state.apply(seen(1, 7));
    state.apply(submitted(2, 10, contract::SubmissionState::Queued, None));
    assert_eq!(state.announcement(), None);
    state.apply(computed(7, "13"));
    assert_eq!(state.announcement(), None);
    state.apply(computed(10, "55"));
    assert_eq!(state.announcement().as_deref(), Some("For index 10 I calculated 55"));
    assert_eq!(state.announcement(), None);
}

#[test]
fn an_outcome_that_comes_with_the_answer_or_with_a_fetch_is_announced_too() {
    let mut state = loaded(&[], &[]);
    state.apply(submitted(1, 10, contract::SubmissionState::Done, Some("55")));
    assert_eq!(state.announcement().as_deref(), Some("For index 10 I calculated 55"));
    let long = "11111111111111111111…99999999999999999999 (1040 digits)";
    state.apply(submitted(3, 5000, contract::SubmissionState::Done, Some(long)));
    let words = "For index 5,000 I calculated a number of 1,040 digits";
    assert_eq!(state.announcement().as_deref(), Some(words), "nobody listens to a thousand digits");
    state.apply(submitted(2, 7, contract::SubmissionState::Queued, None));
    state.begin_fetch();
    state.finish_fetch(lists(&[(2, 7)], &[(7, "13")]));
    assert_eq!(state.announcement().as_deref(), Some("For index 7 I calculated 13"));
}
