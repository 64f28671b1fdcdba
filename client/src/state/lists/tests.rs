//! Orders in which lists, events and responses may arrive, and what is shown afterwards.

use super::*;

fn index(number: u32) -> Index {
    Index::from_number(number.into(), Index::LARGEST).unwrap()
}

fn submission(id: i64, number: u32) -> ListChange {
    ListChange::Submitted(SubmissionEvent { id, index: index(number), request_id: "r".to_owned() })
}

fn calculated(number: u32, value: &str) -> ListChange {
    ListChange::Calculated(ValueEvent {
        index: index(number),
        value: value.to_owned(),
        digits: value.len(),
        request_id: "r".to_owned(),
        worker: "w".to_owned(),
        hops: contract::Hops::default(),
    })
}

fn dead_letter(number: u32) -> ListChange {
    ListChange::DeadLettered(DeadLetterEvent { index: index(number), request_id: "r".to_owned() })
}

fn accepted(id: i64, number: u32, state: SubmissionState, value: Option<&str>) -> ListChange {
    ListChange::Accepted(SubmitResponse {
        working: true,
        id,
        index: index(number),
        state,
        value: value.map(str::to_owned),
        request_id: "r".to_owned(),
        hops: contract::Hops::default(),
    })
}

fn queued(id: i64, number: u32) -> ListChange {
    accepted(id, number, SubmissionState::Queued, None)
}

/// An index that was submitted `count` times, with the id of its newest submission.
fn known(newest: i64, number: u32, count: i64) -> KnownIndex {
    KnownIndex { index: index(number), submissions: count, newest }
}

fn page(indices: Vec<KnownIndex>, values: &[(u32, &str)], dead_letters: &[u32]) -> FetchedLists {
    let values = values.iter().map(|(index, text)| (*index, (*text).to_owned())).collect();
    FetchedLists::new(indices, values, dead_letters)
}

/// What a fetch brings: ids and indices in ascending order, each submitted once.
fn lists(submissions: &[(i64, u32)], values: &[(u32, &str)]) -> FetchedLists {
    page(submissions.iter().rev().map(|(id, number)| known(*id, *number, 1)).collect(), values, &[])
}

/// A server's page of indices that ends at the submission `last`.
fn full(last: i64) -> Vec<KnownIndex> {
    (0..PAGE as i64)
        .map(|row| known(last + PAGE as i64 - 1 - row, (last + row) as u32, 1))
        .collect()
}

fn fetch(state: &mut NumberLists, fetched: FetchedLists) {
    state.begin_fetch();
    state.finish_fetch(fetched);
}

fn loaded(submissions: &[(i64, u32)], values: &[(u32, &str)]) -> NumberLists {
    let mut state = NumberLists::default();
    fetch(&mut state, lists(submissions, values));
    state
}

fn values(state: &NumberLists) -> Vec<(u32, ListedValue)> {
    state.indices().filter_map(|index| Some((index, state.value(index)?.clone()))).collect()
}

fn submitted_indices(state: &NumberLists) -> Vec<u32> {
    state.submitted().iter().map(|row| row.index).collect()
}

fn counts(state: &NumberLists) -> Vec<(u32, i64, bool)> {
    state.submitted().iter().map(|row| (row.index, row.submissions, row.at_least)).collect()
}

fn value(text: &str) -> ListedValue {
    ListedValue::Known { shown: text.to_owned(), digits: text.len() }
}

#[test]
fn the_lists_show_the_newest_first_each_index_once_with_its_count() {
    let mut state = loaded(&[(2, 10), (3, 7)], &[(7, "13"), (10, PENDING)]);
    assert_eq!(values(&state), [(7, value("13")), (10, ListedValue::Pending)]);
    assert!(state.is_loaded());
    state.apply(submission(4, 10));
    state.apply(submission(5, 20));
    assert_eq!(counts(&state), [(20, 1, false), (10, 2, false), (7, 1, false)]);
    assert_eq!(state.pending_count(), 2);
    assert_eq!(state.digit_counts().collect::<Vec<_>>(), [(7, 2)]);
    state.apply(submission(6, 7));
    assert_eq!(values(&state)[0], (7, value("13")), "submitted again, it moves to the top");
}

#[test]
fn older_pages_are_added_below_and_complete_the_counts() {
    let mut state = NumberLists::default();
    assert_eq!(state.begin_fetch(), PAGE);
    state.finish_fetch(page(full(951), &[], &[]));
    assert_eq!(state.next_page(), Some((951, 2 * PAGE)));
    assert!(state.has_more_values());
    // An index that stands in an older page is submitted again: it was submitted at least once.
    state.apply(submission(1_001, 7));
    assert_eq!(counts(&state)[0], (7, 1, true));
    state.add_page(page(
        vec![known(900, 8, 1), known(899, 7, 3)],
        &[(7, PENDING), (8, "21")],
        &[7],
    ));
    assert_eq!(state.value(8), Some(&value("21")));
    assert_eq!(state.value(7), Some(&ListedValue::Pending), "no older news");
    assert_eq!(counts(&state)[0], (7, 4, false));
    assert_eq!(counts(&state).last(), Some(&(8, 1, false)));
    assert_eq!(state.next_page(), None);
    assert!(!state.has_more_values());
    assert_eq!(state.begin_fetch(), PAGE + 2, "a fetch asks for as many as are shown");
}

#[test]
fn pages_fetched_meanwhile_stay_with_their_values() {
    let mut state = NumberLists::default();
    fetch(&mut state, page(full(500), &[], &[]));
    assert_eq!(state.begin_fetch(), PAGE);
    state.add_page(page(vec![known(40, 7, 1), known(30, 501, 1)], &[(7, "13")], &[]));
    state.finish_fetch(page(full(500), &[], &[]));
    assert_eq!(counts(&state)[PAGE..], [(7, 1, false)], "each once");
    assert_eq!(state.value(7), Some(&value("13")));
    assert_eq!(state.next_page(), None, "the page before said that it was the last");

    // A server that has fewer than was asked for has no older ones, whatever is shown.
    fetch(&mut state, lists(&[(1, 5)], &[(5, "5")]));
    assert_eq!(submitted_indices(&state), [5]);
}

#[test]
fn more_indices_than_one_fetch_brings_stay_when_the_lists_are_fetched_again() {
    let mut state = NumberLists::default();
    for last in (0..=20).rev().map(|place| 1 + place * PAGE as i64) {
        state.add_page(page(full(last), &[], &[]));
    }
    assert_eq!(state.submitted().len(), LIMIT + PAGE);
    assert_eq!(state.begin_fetch(), LIMIT);
    let mut newest: Vec<_> =
        (1..=20).rev().flat_map(|place| full(1 + place * PAGE as i64)).collect();
    assert_eq!(newest.len(), LIMIT);
    newest[0].submissions = 2;
    state.finish_fetch(page(newest, &[], &[]));
    assert_eq!((state.submitted().len(), state.submitted()[0].submissions), (LIMIT + PAGE, 2));
    assert_eq!(state.next_page(), Some((1, LIMIT)));
}

#[test]
fn a_value_that_is_no_whole_number_is_shown_as_it_is() {
    let state = loaded(&[(1, 400)], &[(400, "1.76e+83")]);
    assert_eq!(state.value(400), Some(&value("1.76e+83")));
}

#[test]
fn a_long_value_is_shown_by_its_ends() {
    let ends = "11111111111111111111…99999999999999999999";
    let whole = format!("{}{}", "1".repeat(50), "9".repeat(50));
    let state = loaded(
        &[(1, 480), (2, 5_000)],
        &[(480, &whole), (5_000, &format!("{ends} (1040 digits)"))],
    );
    for (index, digits) in [(480, 100), (5_000, 1_040)] {
        assert_eq!(
            state.value(index),
            Some(&ListedValue::Known { shown: ends.to_owned(), digits })
        );
    }
}

#[test]
fn the_order_in_which_changes_arrive_does_not_matter_to_the_value() {
    let done = accepted(1, 10, SubmissionState::Done, Some("55"));
    let still_dead_lettered = accepted(2, 10, SubmissionState::DeadLettered, None);
    let cases = [
        ("submitted", vec![submission(1, 10)], ListedValue::Pending),
        ("calculated", vec![submission(1, 10), calculated(10, "55")], value("55")),
        (
            "calculated first",
            vec![calculated(10, "55"), submission(1, 10), queued(1, 10)],
            value("55"),
        ),
        ("known", vec![done], value("55")),
        ("failed", vec![submission(1, 10), dead_letter(10)], ListedValue::DeadLettered),
        ("failed late", vec![calculated(10, "55"), dead_letter(10)], value("55")),
        (
            "not retried",
            vec![queued(1, 10), dead_letter(10), still_dead_lettered],
            ListedValue::DeadLettered,
        ),
        ("retried", vec![queued(1, 10), dead_letter(10), queued(3, 10)], ListedValue::Pending),
    ];
    for (what, changes, expected) in cases {
        let mut state = loaded(&[], &[]);
        changes.into_iter().for_each(|change| state.apply(change));
        assert_eq!(state.value(10), Some(&expected), "{what}");
    }
}

#[test]
fn submissions_are_counted_once_and_shown_in_order_however_they_arrive() {
    let mut state = loaded(&[(1, 10)], &[]);
    for change in [queued(3, 30), submission(3, 30), submission(1, 10), submission(2, 20)] {
        state.apply(change);
    }
    assert_eq!(counts(&state), [(30, 1, false), (20, 1, false), (10, 1, false)]);
}

#[test]
fn changes_during_a_fetch_outlive_its_older_response() {
    let mut state = loaded(&[(1, 7)], &[(7, PENDING)]);
    state.begin_fetch();
    state.apply(calculated(7, "13"));
    state.apply(submission(2, 10));
    assert_eq!(submitted_indices(&state), [10, 7], "and one that fails");
    assert!(state.is_loaded());
    state.finish_fetch(lists(&[(1, 7)], &[(7, PENDING)]));
    assert_eq!(submitted_indices(&state), [10, 7]);
    assert_eq!(values(&state), [(10, ListedValue::Pending), (7, value("13"))]);
}

#[test]
fn a_fetch_replaces_what_is_no_longer_true() {
    let mut state = loaded(&[(8, 30), (9, 40)], &[(30, "832040"), (40, PENDING)]);
    fetch(&mut state, lists(&[(1, 7)], &[(7, "13")]));
    assert_eq!(submitted_indices(&state), [7]);
    assert_eq!(values(&state), [(7, value("13"))]);
}

#[test]
fn a_fetch_tells_dead_letters_and_retried_jobs_but_takes_no_value_back() {
    let submissions = [(3, 20), (2, 10), (1, 7)].map(|(id, number)| known(id, number, 1));
    let mut state =
        loaded(&[(1, 7), (2, 10), (3, 20)], &[(7, PENDING), (10, PENDING), (20, "6765")]);
    state.apply(dead_letter(7));
    let listed = [(7, PENDING), (10, PENDING), (20, "6765")];
    fetch(&mut state, page(submissions.to_vec(), &listed, &[10, 20]));
    let expected =
        [(20, value("6765")), (10, ListedValue::DeadLettered), (7, ListedValue::Pending)];
    assert_eq!(values(&state), expected);
    // The cache has lost it.
    fetch(&mut state, page(submissions.to_vec(), &[(20, PENDING)], &[]));
    assert_eq!(state.value(20), Some(&value("6765")));
}

#[test]
fn both_lists_are_bounded_and_forget_the_oldest() {
    let mut state = loaded(&[], &[]);
    for number in 0..LIMIT as u32 + 5 {
        state.apply(submission(number.into(), number));
    }
    assert_eq!(state.submitted().len(), LIMIT);
    assert_eq!(state.value_count(), LIMIT);
    assert_eq!(counts(&state).last(), Some(&(5, 1, false)));
    assert_eq!(state.value(4), None);
    assert_eq!(state.value(5), Some(&ListedValue::Pending));
}

#[test]
fn only_the_outcome_of_own_submissions_is_announced_once() {
    let mut state = loaded(&[], &[]);
    state.apply(submission(1, 7));
    state.apply(queued(2, 10));
    assert_eq!(state.take_announcement(), None);
    state.apply(calculated(7, "13"));
    assert_eq!(state.take_announcement(), None);
    state.apply(calculated(10, "55"));
    assert_eq!(state.take_announcement().as_deref(), Some("For index 10 I calculated 55"));
    assert_eq!(state.take_announcement(), None);
}

#[test]
fn an_outcome_that_comes_with_the_answer_or_with_a_fetch_is_announced_too() {
    let mut state = loaded(&[], &[]);
    state.begin_fetch();
    state.apply(accepted(1, 10, SubmissionState::Done, Some("55")));
    assert_eq!(state.take_announcement().as_deref(), Some("For index 10 I calculated 55"));
    let long = "11111111111111111111…99999999999999999999 (1040 digits)";
    state.apply(accepted(3, 5000, SubmissionState::Done, Some(long)));
    let words = "For index 5,000 I calculated a number of 1,040 digits";
    assert_eq!(
        state.take_announcement().as_deref(),
        Some(words),
        "nobody listens to a thousand digits"
    );
    state.apply(queued(2, 7));
    state.finish_fetch(lists(&[(2, 7)], &[(7, "13")]));
    assert_eq!(state.take_announcement().as_deref(), Some("For index 7 I calculated 13"));
    assert_eq!(state.take_announcement(), None, "each once");
}
