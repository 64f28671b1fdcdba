//! Fetched lists, events and responses may arrive in any order.

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

/// An index that was submitted `count` times, last by the submission `newest`.
fn known(newest: i64, number: u32, count: i64) -> KnownIndex {
    KnownIndex { index: index(number), submissions: count, newest }
}

fn page(indices: Vec<KnownIndex>, values: &[(u32, &str)], dead_letters: &[u32]) -> FetchedLists {
    let values = values.iter().map(|(index, text)| (*index, (*text).to_owned())).collect();
    FetchedLists::new(indices, values, dead_letters)
}

/// The response to a fetch, from submissions of different indices in ascending order of their ids.
fn fetched_lists(submissions: &[(i64, u32)], values: &[(u32, &str)]) -> FetchedLists {
    page(submissions.iter().rev().map(|(id, number)| known(*id, *number, 1)).collect(), values, &[])
}

/// A full page of indices, whose last row is the submission `last`.
fn full(last: i64) -> Vec<KnownIndex> {
    (0..PAGE_SIZE as i64)
        .map(|row| known(last + PAGE_SIZE as i64 - 1 - row, (last + row) as u32, 1))
        .collect()
}

fn fetch(lists: &mut NumberLists, fetched: FetchedLists) {
    lists.begin_fetch();
    lists.finish_fetch(fetched);
}

fn loaded(submissions: &[(i64, u32)], values: &[(u32, &str)]) -> NumberLists {
    let mut lists = NumberLists::default();
    fetch(&mut lists, fetched_lists(submissions, values));
    lists
}

fn values(lists: &NumberLists) -> Vec<(u32, ListedValue)> {
    lists.indices().filter_map(|index| Some((index, lists.value(index)?.clone()))).collect()
}

fn submitted_indices(lists: &NumberLists) -> Vec<u32> {
    lists.submitted().iter().map(|row| row.index).collect()
}

fn counts(lists: &NumberLists) -> Vec<(u32, i64, bool)> {
    lists.submitted().iter().map(|row| (row.index, row.submissions, row.is_partial)).collect()
}

fn value(text: &str) -> ListedValue {
    ListedValue::Known { text: text.to_owned(), digit_count: text.len() }
}

#[test]
fn each_index_is_listed_once_newest_first_with_its_count() {
    let mut lists = loaded(&[(2, 10), (3, 7)], &[(7, "13"), (10, PENDING)]);
    assert_eq!(values(&lists), [(7, value("13")), (10, ListedValue::Pending)]);
    assert!(lists.is_loaded());
    lists.apply(submission(4, 10));
    lists.apply(submission(5, 20));
    assert_eq!(counts(&lists), [(20, 1, false), (10, 2, false), (7, 1, false)]);
    assert_eq!(lists.pending_count(), 2);
    assert_eq!(lists.digit_counts().collect::<Vec<_>>(), [(7, 2)]);
    lists.apply(submission(6, 7));
    assert_eq!(
        values(&lists)[0],
        (7, value("13")),
        "an index that is submitted again moves to the top"
    );
}

#[test]
fn older_pages_are_added_below_and_complete_the_counts() {
    let mut lists = NumberLists::default();
    assert_eq!(lists.begin_fetch(), PAGE_SIZE);
    lists.finish_fetch(page(full(951), &[], &[]));
    assert_eq!(lists.next_page(), Some(NextPage { before: 951, value_count: 2 * PAGE_SIZE }));
    assert!(lists.has_more_values());
    // An index of an older page is submitted again. Its count is partial until that page is added.
    lists.apply(submission(1_001, 7));
    assert_eq!(counts(&lists)[0], (7, 1, true));
    lists.add_page(page(
        vec![known(900, 8, 1), known(899, 7, 3)],
        &[(7, PENDING), (8, "21")],
        &[7],
    ));
    assert_eq!(lists.value(8), Some(&value("21")));
    assert_eq!(lists.value(7), Some(&ListedValue::Pending), "the page does not change it");
    assert_eq!(counts(&lists)[0], (7, 4, false));
    assert_eq!(counts(&lists).last(), Some(&(8, 1, false)));
    assert_eq!(lists.next_page(), None);
    assert!(!lists.has_more_values());
    assert_eq!(
        lists.begin_fetch(),
        PAGE_SIZE + 2,
        "a fetch requests as many indices as are listed"
    );
}

#[test]
fn a_page_added_during_a_fetch_stays_with_its_values() {
    let mut lists = NumberLists::default();
    fetch(&mut lists, page(full(500), &[], &[]));
    assert_eq!(lists.begin_fetch(), PAGE_SIZE);
    lists.add_page(page(vec![known(40, 7, 1), known(30, 501, 1)], &[(7, "13")], &[]));
    lists.finish_fetch(page(full(500), &[], &[]));
    assert_eq!(counts(&lists)[PAGE_SIZE..], [(7, 1, false)], "each index once");
    assert_eq!(lists.value(7), Some(&value("13")));
    assert_eq!(lists.next_page(), None, "the added page was the last");

    // A server that returns fewer indices than requested has no older ones.
    fetch(&mut lists, fetched_lists(&[(1, 5)], &[(5, "5")]));
    assert_eq!(submitted_indices(&lists), [5]);
}

#[test]
fn rows_beyond_the_response_of_a_fetch_stay() {
    let mut lists = NumberLists::default();
    for last in (0..=20).rev().map(|page| 1 + page * PAGE_SIZE as i64) {
        lists.add_page(page(full(last), &[], &[]));
    }
    assert_eq!(lists.submitted().len(), MAX_VALUES + PAGE_SIZE);
    assert_eq!(lists.begin_fetch(), MAX_VALUES);
    let mut newest: Vec<_> =
        (1..=20).rev().flat_map(|page| full(1 + page * PAGE_SIZE as i64)).collect();
    assert_eq!(newest.len(), MAX_VALUES);
    newest[0].submissions = 2;
    lists.finish_fetch(page(newest, &[], &[]));
    assert_eq!(
        (lists.submitted().len(), lists.submitted()[0].submissions),
        (MAX_VALUES + PAGE_SIZE, 2)
    );
    assert_eq!(lists.next_page(), Some(NextPage { before: 1, value_count: MAX_VALUES }));
}

#[test]
fn a_value_that_is_not_a_whole_number_is_shown_unchanged() {
    let lists = loaded(&[(1, 400)], &[(400, "1.76e+83")]);
    assert_eq!(lists.value(400), Some(&value("1.76e+83")));
}

#[test]
fn a_long_value_is_abbreviated() {
    let ends = "11111111111111111111…99999999999999999999";
    let whole = format!("{}{}", "1".repeat(50), "9".repeat(50));
    let lists = loaded(
        &[(1, 480), (2, 5_000)],
        &[(480, &whole), (5_000, &format!("{ends} (1040 digits)"))],
    );
    for (index, digits) in [(480, 100), (5_000, 1_040)] {
        assert_eq!(
            lists.value(index),
            Some(&ListedValue::Known { text: ends.to_owned(), digit_count: digits })
        );
    }
}

#[test]
fn a_value_does_not_depend_on_the_order_of_changes() {
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
        ("dead-lettered", vec![submission(1, 10), dead_letter(10)], ListedValue::DeadLettered),
        ("dead-lettered late", vec![calculated(10, "55"), dead_letter(10)], value("55")),
        (
            "not retried",
            vec![queued(1, 10), dead_letter(10), still_dead_lettered],
            ListedValue::DeadLettered,
        ),
        ("retried", vec![queued(1, 10), dead_letter(10), queued(3, 10)], ListedValue::Pending),
    ];
    for (case, changes, expected) in cases {
        let mut lists = loaded(&[], &[]);
        changes.into_iter().for_each(|change| lists.apply(change));
        assert_eq!(lists.value(10), Some(&expected), "{case}");
    }
}

#[test]
fn submissions_are_counted_once_and_listed_in_order() {
    let mut lists = loaded(&[(1, 10)], &[]);
    for change in [queued(3, 30), submission(3, 30), submission(1, 10), submission(2, 20)] {
        lists.apply(change);
    }
    assert_eq!(counts(&lists), [(30, 1, false), (20, 1, false), (10, 1, false)]);
}

#[test]
fn changes_during_a_fetch_survive_its_older_response() {
    let mut lists = loaded(&[(1, 7)], &[(7, PENDING)]);
    lists.begin_fetch();
    lists.apply(calculated(7, "13"));
    lists.apply(submission(2, 10));
    assert_eq!(submitted_indices(&lists), [10, 7], "they are shown although the fetch may fail");
    assert!(lists.is_loaded());
    lists.finish_fetch(fetched_lists(&[(1, 7)], &[(7, PENDING)]));
    assert_eq!(submitted_indices(&lists), [10, 7]);
    assert_eq!(values(&lists), [(10, ListedValue::Pending), (7, value("13"))]);
}

#[test]
fn a_fetch_removes_rows_that_the_server_no_longer_has() {
    let mut lists = loaded(&[(8, 30), (9, 40)], &[(30, "832040"), (40, PENDING)]);
    fetch(&mut lists, fetched_lists(&[(1, 7)], &[(7, "13")]));
    assert_eq!(submitted_indices(&lists), [7]);
    assert_eq!(values(&lists), [(7, value("13"))]);
}

#[test]
fn a_fetch_updates_dead_letters_and_keeps_known_values() {
    let submissions = [(3, 20), (2, 10), (1, 7)].map(|(id, number)| known(id, number, 1));
    let mut lists =
        loaded(&[(1, 7), (2, 10), (3, 20)], &[(7, PENDING), (10, PENDING), (20, "6765")]);
    lists.apply(dead_letter(7));
    let listed = [(7, PENDING), (10, PENDING), (20, "6765")];
    fetch(&mut lists, page(submissions.to_vec(), &listed, &[10, 20]));
    let expected =
        [(20, value("6765")), (10, ListedValue::DeadLettered), (7, ListedValue::Pending)];
    assert_eq!(values(&lists), expected);
    // Redis has lost a value.
    fetch(&mut lists, page(submissions.to_vec(), &[(20, PENDING)], &[]));
    assert_eq!(lists.value(20), Some(&value("6765")));
}

#[test]
fn both_lists_are_bounded_and_drop_the_oldest() {
    let mut lists = loaded(&[], &[]);
    for number in 0..MAX_VALUES as u32 + 5 {
        lists.apply(submission(number.into(), number));
    }
    assert_eq!(lists.submitted().len(), MAX_VALUES);
    assert_eq!(lists.value_count(), MAX_VALUES);
    assert_eq!(counts(&lists).last(), Some(&(5, 1, false)));
    assert_eq!(lists.value(4), None);
    assert_eq!(lists.value(5), Some(&ListedValue::Pending));
}

#[test]
fn only_outcomes_of_own_submissions_are_announced_once() {
    let mut lists = loaded(&[], &[]);
    lists.apply(submission(1, 7));
    lists.apply(queued(2, 10));
    assert_eq!(lists.take_announcement(), None);
    lists.apply(calculated(7, "13"));
    assert_eq!(lists.take_announcement(), None);
    lists.apply(calculated(10, "55"));
    assert_eq!(lists.take_announcement().as_deref(), Some("For index 10 I calculated 55"));
    assert_eq!(lists.take_announcement(), None);
}

#[test]
fn an_outcome_in_a_response_or_in_a_fetch_is_announced() {
    let mut lists = loaded(&[], &[]);
    lists.begin_fetch();
    lists.apply(accepted(1, 10, SubmissionState::Done, Some("55")));
    assert_eq!(lists.take_announcement().as_deref(), Some("For index 10 I calculated 55"));
    let long = "11111111111111111111…99999999999999999999 (1040 digits)";
    lists.apply(accepted(3, 5000, SubmissionState::Done, Some(long)));
    let words = "For index 5,000 I calculated a number of 1,040 digits";
    assert_eq!(lists.take_announcement().as_deref(), Some(words), "digits are not read aloud");
    lists.apply(queued(2, 7));
    lists.finish_fetch(fetched_lists(&[(2, 7)], &[(7, "13")]));
    assert_eq!(lists.take_announcement().as_deref(), Some("For index 7 I calculated 13"));
    assert_eq!(lists.take_announcement(), None, "each outcome once");
}
