//! What is said and shown for what is known.
//!
//! Each test builds a model as it comes about, by fetches, changes and answers, and reads the words or the markup. That these
//! get into a document is tested in a browser, in `client/tests`.

use contract::{Hops, Index, KnownIndex, PENDING, SubmissionState as State, SubmitResponse as Submitted};

use super::lists::*;
use super::*;
use crate::http::Error;
use crate::state::{Change, Lists};
use crate::store::Row;
use crate::system::Look;

fn index(number: u32) -> Index {
    Index::from_number(number.into(), Index::LARGEST).unwrap()
}

/// A page that has fetched these values, each submitted once, the last one first.
fn page(values: &[(u32, &str)]) -> Model {
    let known = |(place, (number, _)): (usize, &(u32, &str))| {
        let newest = place as i64 + 1;
        KnownIndex { index: index(*number), submissions: 1, newest }
    };
    let indices = values.iter().enumerate().map(known).rev().collect();
    let mut current: Vec<_> = values.iter().map(|(number, text)| (*number, (*text).to_owned())).collect();
    current.sort();
    let mut model = Model::new(Route::Calculator);
    model.state.begin_fetch();
    model.fetched(Lists { indices, current, failed: Vec::new() }, 0);
    model
}

fn submitted(number: u32, state: State, value: Option<&str>) -> Submitted {
    let (value, request_id) = (value.map(str::to_owned), "mine".to_owned());
    let (id, hops) = (100, Hops { received: 1, committed: 2, ..Hops::default() });
    Submitted { working: true, id, index: index(number), state, value, request_id, hops }
}

fn answer(model: &mut Model, number: u32, state: State, value: Option<&str>) {
    model.sent(number.to_string(), "mine".to_owned(), 1);
    model.answered(&number.to_string(), "mine", Ok(submitted(number, state, value)), 3_001);
}

#[test]
fn the_title_says_what_is_pending() {
    assert_eq!(title(&page(&[(7, "13")])), "Fibonacci calculator");
    assert_eq!(title(&page(&[(7, "13"), (1_000, PENDING)])), "F(1,000) pending – Fibonacci calculator");
    let mut model = page(&[(7, PENDING), (8, PENDING)]);
    model.route = Route::HowItWorks;
    assert_eq!(title(&model), "2 pending – How it works – Fibonacci calculator");
}

#[test]
fn what_is_typed_is_judged_at_once_and_what_is_right_is_foretold() {
    let mut model = page(&[]);
    let mut said = |typed: &str| {
        model.form.type_in(typed.to_owned());
        (error(&model), hint(&model), invalid(&model))
    };
    let none = String::new;
    assert_eq!(said(""), (none(), "Whole numbers: 0, 1, 2, …".to_owned(), "false".to_owned()));
    let whole = "“e” is not a digit. An index is a whole number: 0, 1, 2, …".to_owned();
    assert_eq!(said("1e3"), (whole, none(), "true".to_owned()));
    let foretold = "F(1,000) has 209 digits. Enter calculates it.".to_owned();
    assert_eq!(said(" 1000 "), (none(), foretold, "false".to_owned()));
    model.max_index = Some(40);
    model.form.type_in("41".to_owned());
    assert_eq!(error(&model), "The highest index that is calculated here is 40.");
    model.form.type_in(String::new());
    assert_eq!(hint(&model), "Whole numbers from 0 to 40.");
}

#[test]
fn an_empty_field_is_wrong_only_when_it_is_sent_and_a_refusal_lasts_until_something_else_is_typed() {
    let mut model = page(&[]);
    assert!(!model.begin_sending(""));
    assert!(error(&model).starts_with("An index is needed"));
    assert!(model.begin_sending("7"));
    assert!(!model.answered("7", "mine", Err(Error::Unreachable), 0));
    assert_eq!(error(&model), "The server cannot be reached.");
    assert_eq!(model.form.typed, "7", "nothing is lost");
    model.form.type_in("7".to_owned());
    assert_eq!(error(&model), "");
}

#[test]
fn why_a_submission_was_refused_stays_with_its_journey() {
    let problem = |status: u16, title: &str| {
        let (kind, title) = ("about:blank".to_owned(), title.to_owned());
        Err(Error::Problem(contract::Problem { kind, title, status, detail: None, request_id: None }))
    };
    for (answer, words, why) in [
        (problem(503, "The queue is full"), "not calculated", "The queue is full."),
        (problem(504, "The server takes too long"), "no answer", "The server takes too long."),
        (Err(Error::Unreachable), "no answer", "The server cannot be reached."),
    ] {
        let mut model = page(&[]);
        model.sent("7".to_owned(), "mine".to_owned(), 1);
        assert!(!model.answered("7", "mine", answer, 2));
        model.form.type_in("8".to_owned());
        assert_eq!(error(&model), "");
        let shown = journeys::newest(&model);
        assert!(shown.contains(&format!(">{words}<")) && shown.contains(&format!(">{why}<")), "{shown}");
    }
}

#[test]
fn the_strip_has_the_same_parts_as_the_stations() {
    let mut model = page(&[]);
    answer(&mut model, 7, State::Queued, None);
    let shown = journeys::newest(&model);
    for part in ["API", "Postgres", "Redis"] {
        assert!(shown.contains(&format!("class=\"share\" data-part=\"{part}\"")), "{shown}");
        assert!(shown.contains(&format!("class=\"hop\" data-part=\"{part}\"")), "{shown}");
    }
}

#[test]
fn the_next_index_is_sent_while_an_answer_is_awaited_and_the_same_text_only_once() {
    let mut model = page(&[]);
    assert!(model.begin_sending("7"));
    assert!(!model.begin_sending("7"), "it is on its way");
    model.form.type_in("300".to_owned());
    assert!(model.begin_sending("300"));
    assert!(!model.answered("7", "one", Ok(submitted(7, State::Queued, None)), 0), "another stands there");
    assert!(model.begin_sending("7"), "answered, it may be sent again");
    model.form.type_in("30".to_owned());
    assert!(!model.answered("300", "other", Err(Error::Unreachable), 0));
    assert_eq!(error(&model), "F(300): The server cannot be reached.");
}

#[test]
fn what_is_accepted_goes_from_the_field_unless_it_was_typed_anew() {
    let mut model = page(&[]);
    assert!(model.begin_sending("1"));
    assert!(model.answered("1", "one", Ok(submitted(1, State::Queued, None)), 0));
    assert_eq!(model.form.typed, "");
    // The beginning of 10, typed in the place of the 1 that is on its way.
    assert!(model.begin_sending("1"));
    model.form.type_in("1".to_owned());
    assert!(!model.answered("1", "other", Ok(submitted(1, State::Queued, None)), 0));
    assert_eq!(model.form.typed, "1");
}

#[test]
fn a_long_value_is_shown_by_its_ends_with_all_that_can_be_done_with_it() {
    let digits = format!("{}{}", "1".repeat(50), "9".repeat(50));
    let Row(row) = values(&page(&[(478, &digits)])).remove(0);
    assert!(row.contains(">11111111111111111111…99999999999999999999<"), "{row}");
    assert!(row.contains(">100 digits<") && row.contains("Show all") && row.contains("Download"), "{row}");
    let Row(row) = values(&page(&[(5_000, "123…789 (1045 digits)")])).remove(0);
    assert!(row.contains(">123…789<") && row.contains(">1,045 digits<"), "{row}");
    let Row(row) = values(&page(&[(10, "55")])).remove(0);
    assert!(row.contains("For index 10 I calculated ") && row.contains(">55<"), "{row}");
    assert!(row.contains("Copy F(10)") && !row.contains("Show all"), "{row}");
}

#[test]
fn a_pending_value_says_so_and_how_many_digits_to_expect() {
    let Row(row) = values(&page(&[(1_000, PENDING)])).remove(0);
    assert!(row.contains("data-state=\"pending\"") && row.contains("Nothing yet!"), "{row}");
    assert!(row.contains("209 digits to come") && !row.contains("Copy"), "{row}");
    assert_eq!(values_count(&page(&[(7, "13"), (8, PENDING)])), "1 known, 1 pending");
    let mut given_up = page(&[(7, PENDING)]);
    given_up
        .apply(Change::Failed(contract::DeadLetterEvent { index: index(7), request_id: "r".to_owned() }), 0);
    assert_eq!(values_count(&given_up), "0 known, 1 given up");
    let Row(row) = values(&given_up).remove(0);
    assert!(
        row.contains("Gave up after several attempts.") && row.contains("waits for an operator"),
        "{row}"
    );
}

#[test]
fn a_journey_is_given_up_when_a_list_says_so_and_keeps_its_stations() {
    let mut model = page(&[]);
    answer(&mut model, 7, State::Queued, None);
    let passed = |model: &Model| journeys::newest(model).matches("data-state=\"passed\"").count();
    assert_eq!(passed(&model), 4, "{}", journeys::newest(&model));
    model.state.begin_fetch();
    let known = KnownIndex { index: index(7), submissions: 1, newest: 100 };
    let current = vec![(7, PENDING.to_owned())];
    model.fetched(Lists { indices: vec![known], current, failed: vec![7] }, 0);
    let shown = journeys::newest(&model);
    assert!(shown.contains("data-state=\"failed\"") && shown.contains("not calculated"), "{shown}");
    assert_eq!(passed(&model), 4, "{shown}");
}

#[test]
fn what_a_foreign_worker_stored_cannot_become_markup() {
    let Row(row) = values(&page(&[(7, "<img src=x onerror=alert()>")])).remove(0);
    assert!(!row.contains("<img"), "{row}");
}

#[test]
fn an_index_submitted_again_is_another_row_and_lights_up_anew() {
    let mut model = page(&[(7, "13"), (8, "21")]);
    let before = values(&model);
    answer(&mut model, 7, State::Done, Some("13"));
    let first = values(&model);
    assert!(first[0].0.contains("data-marked") && first[0] != before[1]);
    assert_eq!(first[1], before[0], "the other stays as it is");
    answer(&mut model, 7, State::Done, Some("13"));
    assert_ne!(values(&model)[0], first[0]);
}

#[test]
fn every_station_has_its_place_from_the_beginning() {
    let mut model = page(&[]);
    let stations = |model: &Model| journeys::newest(model).matches("class=\"hop\"").count();
    assert_eq!(stations(&model), 9);
    answer(&mut model, 7, State::Done, Some("13"));
    assert_eq!(stations(&model), 9);
    let shown = journeys::newest(&model);
    assert!(shown.contains("F(7)") && shown.contains(">3.0 ms<") && shown.contains("at once"), "{shown}");
    assert!(shown.contains(">13</p>"), "the answer, where the person looks: {shown}");
    assert_eq!(shown.matches("data-state=\"skipped\"").count(), 5, "{shown}");
    assert!(journeys::no_earlier(&model));
}

#[test]
fn the_connection_and_the_trouble_are_said_in_words() {
    let mut model = page(&[]);
    assert!(calm(&model));
    model.connection = Connection::Lost;
    assert_eq!(trouble(&model), "What you see may be out of date. The connection was lost. Trying again…");
    model.trouble = "The server cannot be reached.".to_owned();
    assert_eq!(connection_words(&model) + &connection_detail(&model), "Connection lost, reconnecting…");
    let stale = "What you see may be out of date. The server cannot be reached. Trying again…";
    assert_eq!(trouble(&model), stale);
    let mut fresh = Model::new(Route::Calculator);
    fresh.trouble = model.trouble.clone();
    assert_eq!(trouble(&fresh), "The server cannot be reached. Trying again…", "nothing is there to be old");
    model.connection = Connection::Polling;
    model.trouble.clear();
    assert!(calm(&model));
    assert_eq!(connection_words(&model) + &connection_detail(&model), "No live updates, asking every 2 s");
}

#[test]
fn the_diagram_is_said_in_words_and_beats_with_what_passes() {
    let mut model = page(&[]);
    assert_eq!(system::words(&model), "Not known yet: edge, client, api, Postgres, Redis, workers.");
    model.looked(Look::EdgeAlone);
    assert_eq!(system::words(&model), "Away: api. Not known: Postgres, Redis, workers.");
    assert_eq!((system::up(&model).as_str(), system::down(&model).as_str()), ("browser edge client", "api"));
    assert_eq!((system::seen(&model).as_str(), system::queue(&model).as_str()), ("no", "–"));
    for beat in ["odd", "even", "odd"] {
        let seen = contract::SubmissionEvent { id: 1, index: index(7), request_id: "r".to_owned() };
        model.apply(Change::Seen(seen), 0);
        assert_eq!(system::seen(&model), beat);
    }
    assert_eq!(system::states(&model).matches("<text").count(), 7);
}

#[test]
fn however_many_pass_together_they_are_one_beat() {
    let mut model = page(&[]);
    let seen =
        |id| (Change::Seen(contract::SubmissionEvent { id, index: index(7), request_id: "r".to_owned() }), 0);
    for (ids, beat) in [(1..3, "odd"), (3..7, "even"), (7..8, "odd")] {
        model.apply_all(ids.map(seen).collect());
        assert_eq!(system::seen(&model), beat);
    }
    assert_eq!(system::calculated(&model), "no");
}

#[test]
fn what_has_lit_up_does_not_light_up_again_on_the_other_route() {
    let mut model = page(&[(7, "13")]);
    answer(&mut model, 7, State::Done, Some("13"));
    model.go(Route::Calculator);
    assert!(values(&model)[0].0.contains("data-marked") && system::sent(&model) == "odd", "it is this route");
    model.go(Route::HowItWorks);
    assert!(!values(&model)[0].0.contains("data-marked") && system::sent(&model) == "no");
}

#[test]
fn a_chip_is_read_with_its_index_and_how_often_it_was_submitted() {
    let mut model = page(&[(1_000, "434")]);
    let name = |model: &Model| {
        seen(model)[0].0.split("aria-label=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    assert_eq!(name(&model), "1,000, index submitted 1 time: show its digits");
    answer(&mut model, 1_000, State::Done, Some("434"));
    assert_eq!(name(&model), "1,000×2, index submitted 2 times: show its digits");
}

#[test]
fn a_stream_is_dead_when_it_has_not_beaten_for_long_and_sooner_when_nobody_else_answers() {
    let mut model = page(&[]);
    let dead = |model: &Model| [9, 13, 26].map(|seconds: u64| model.is_dead(seconds * 1_000_000));
    assert_eq!(dead(&model), [false; 3], "one that is not open cannot die");
    model.connection = Connection::Live;
    assert_eq!(dead(&model), [false, false, true]);
    for look in [Look::EdgeAlone, Look::Nobody] {
        model.looked(look);
        assert_eq!(dead(&model), [false, true, true]);
    }
}

#[test]
fn what_is_said_twice_is_read_aloud_twice() {
    let mut model = page(&[]);
    let mut heard = Vec::new();
    for _ in 0..3 {
        answer(&mut model, 7, State::Done, Some("13"));
        heard.push(announcement(&model));
    }
    assert!(heard.iter().all(|words| words.trim() == "For index 7 I calculated 13"), "{heard:?}");
    assert!(heard[0] != heard[1] && heard[1] != heard[2], "{heard:?}");
}

#[test]
fn more_that_cannot_be_had_is_said_beside_its_list_until_it_is_asked_for_again() {
    let mut model = page(&[(7, "13")]);
    assert!(model.more_values() && model.more_seen());
    assert!(!model.fetched_more(Err(Error::Unreachable), true));
    assert_eq!(
        (no_more_values(&model).as_str(), no_older(&model).as_str()),
        ("", "The server cannot be reached.")
    );
    assert!(calm(&model), "what is shown is not out of date");
    assert!(model.more_seen(), "asked for again, it is fetched, and no more than one page");
    assert_eq!(no_older(&model), "");
    assert!(!model.fetched_more(Err(Error::Unreachable), false));
    assert_eq!(
        (no_more_values(&model).as_str(), no_older(&model).as_str()),
        ("The server cannot be reached.", "")
    );
    assert_eq!(model.seen, 41);
}

#[test]
fn the_newest_values_say_that_there_are_more() {
    let many: Vec<(u32, &str)> = (0..50).map(|index| (index, "1")).collect();
    let mut model = page(&many);
    assert_eq!(values_count(&model), "newest 50: 50 known");
    assert!(!model.more_values() && !all_values(&model));
    assert!(model.more_values(), "what is not here is fetched");
    let ten = vec![KnownIndex { index: index(1_000), submissions: 1, newest: 0 }];
    let current = vec![(1_000, "434".to_owned())];
    assert!(model.fetched_more(Ok(Lists { indices: ten, current, failed: Vec::new() }), false));
    assert_eq!((values_count(&model).as_str(), all_values(&model)), ("51 known", true));
    assert!(values(&model)[50].0.contains("For index 1,000 I"), "older ones come last");
}

#[test]
fn what_was_given_up_and_is_submitted_again_is_in_doubt() {
    let mut model = page(&[(7, PENDING), (8, PENDING)]);
    model.apply(Change::Failed(contract::DeadLetterEvent { index: index(7), request_id: "r".to_owned() }), 0);
    let seen = |number| {
        Change::Seen(contract::SubmissionEvent { id: 9, index: index(number), request_id: "r".to_owned() })
    };
    assert!(model.doubts(&seen(7)) && !model.doubts(&seen(8)));
}

#[test]
fn digits_can_be_copied_and_kept_once_they_are_here() {
    let mut model = page(&[]);
    model.open(10);
    for digits in [Digits::Loading, Digits::Pending] {
        model.digits = digits;
        assert_eq!(opened_tools(&model), "");
    }
    model.digits = Digits::Failed("The server cannot be reached.".to_owned());
    assert!(opened_tools(&model).contains(">Try again<"));
    model.digits = Digits::Here("55".to_owned());
    assert!(opened_tools(&model).contains("download=\"fibonacci-10.txt\""));
    let before = model.openings;
    model.close();
    model.open(10);
    assert_ne!(model.openings, before, "who waits for the first opening sees that it is past");
}

#[test]
fn the_pictures_are_said_in_words() {
    let mut model = page(&[(10, "55"), (1_000, PENDING)]);
    assert_eq!(
        pictures::plot_words(&model),
        "F(n) has about n ÷ 4.785 digits. Largest here: F(10), 2 digits."
    );
    assert!(pictures::strip_words(&model).starts_with("Nothing was calculated"));
    model.times.add(&Hops { received: 1, stored: 2_001, ..Hops::default() });
    assert!(pictures::strip_words(&model).starts_with("The last 1: median 2.0 ms, longest 2.0 ms"));
}
