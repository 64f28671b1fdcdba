//! What the page knows, as a store that components get from the context. The modules below are
//! plain logic; the functions here apply what happens to all parts of the store.

pub mod form;
pub mod health;
pub mod journeys;
pub mod lists;
pub mod times;

use contract::{Index, SubmitResponse};
use leptos::prelude::*;
use reactive_stores::Store;

use crate::api::{self, RequestError};
use crate::{clock, format};
use form::IndexForm;
use health::SystemHealth;
use journeys::{Journey, JourneyLog, SubmissionRefusal};
use lists::{FetchedLists, ListChange, ListedValue, NumberLists};
use times::CalculationTimes;

/// Everything that several components share.
#[derive(Clone, Debug, Default, Store)]
pub struct PageState {
    /// The submitted indices and their values.
    pub lists: NumberLists,
    /// This page's own submissions.
    pub journeys: JourneyLog,
    /// How long the newest calculations took.
    pub times: CalculationTimes,
    /// What passed through the system, for the diagram.
    pub traffic: Traffic,
    /// The parts of the system.
    pub health: SystemHealth,
    /// Whether events arrive.
    pub link: LinkStatus,
    /// Why the last fetch of the lists failed.
    pub fetch_error: Option<String>,
    /// The highest index, once the server has told it.
    pub max_index: Option<u32>,
    /// The form.
    pub form: IndexForm,
    /// The index that was submitted last on this page, for its row to light up.
    pub highlight: Option<Highlight>,
    /// Rows that "show more" has added to the values, and to the indices.
    pub more_values: usize,
    /// See `more_values`.
    pub more_indices: usize,
    /// What a screen reader says.
    pub announcement: String,
}

/// Whether events arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkStatus {
    /// The event stream is not open yet.
    #[default]
    Connecting,
    /// Events arrive as they happen.
    Live,
    /// Streams are blocked somewhere; the lists are fetched every few seconds.
    Polling,
    /// The server cannot be reached.
    Lost,
}

/// How often something happened; the diagram lights up when a number changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// This page sent a request.
    pub sent: u32,
    /// Indices were submitted, by anybody.
    pub submitted: u32,
    /// Values were calculated.
    pub calculated: u32,
}

/// An index whose row lights up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Highlight {
    /// The index.
    pub index: u32,
    /// Counts highlights, so that the same row can light up again.
    pub number: u32,
}

/// The store, from the context.
///
/// # Panics
/// Outside of the page's component.
pub fn use_page_state() -> Store<PageState> {
    expect_context()
}

/// The submission of an index, from the context. Its input is the index as digits. It belongs to the
/// whole page, so that it goes on when another route is opened.
#[derive(Clone, Copy)]
pub struct SubmitAction(pub Action<String, ()>);

impl SubmitAction {
    /// Creates it for a store.
    pub fn new(state: Store<PageState>) -> Self {
        Self(Action::new_local(move |digits: &String| submit(state, digits.clone())))
    }
}

async fn submit(state: Store<PageState>, digits: String) {
    let request_id = clock::request_id();
    state.traffic().update(|traffic| traffic.sent = traffic.sent.wrapping_add(1));
    state.journeys().update(|log| log.send(digits.clone(), request_id.clone(), clock::now()));
    match api::submit(&digits, &request_id).await {
        Ok(response) => accepted(state, &digits, &request_id, response),
        Err(error) => refused(state, &digits, &request_id, &error),
    }
}

/// A submission was accepted.
pub fn accepted(state: Store<PageState>, digits: &str, request_id: &str, response: SubmitResponse) {
    state.form().update(|form| form.accept(digits));
    state.journeys().update(|log| log.accept(request_id, &response, clock::now()));
    let index = response.index.get();
    state.highlight().update(|highlight| {
        let number = highlight.map_or(0, |highlight| highlight.number.wrapping_add(1));
        *highlight = Some(Highlight { index, number });
    });
    state.lists().update(|lists| lists.apply(ListChange::Accepted(response)));
    announce_outcomes(state);
}

/// A submission was not accepted.
pub(crate) fn refused(state: Store<PageState>, digits: &str, request_id: &str, error: &RequestError) {
    state.form().update(|form| form.refuse(digits, error));
    // Without a response it did not reach the edge; these statuses are the edge's own.
    let stopped_at = match error.status() {
        None | Some(429) => 1,
        Some(_) => 2,
    };
    let (why, is_unanswered) = (error.to_string(), error.is_unanswered());
    let refusal = SubmissionRefusal { why, is_unanswered, stopped_at };
    state.journeys().update(|log| log.refuse(request_id, refusal));
}

/// Applies events that are shown together, each with the time of its arrival, and returns whether
/// the lists have to be fetched. However many there are, the diagram lights up once.
pub fn apply_events(state: Store<PageState>, events: Vec<(ListChange, u64)>) -> bool {
    let needs_fetch =
        state.lists().with_untracked(|lists| events.iter().any(|(change, _)| lists.needs_fetch(change)));
    let mut traffic = state.traffic().get_untracked();
    if events.iter().any(|(change, _)| matches!(change, ListChange::Submitted(_))) {
        traffic.submitted = traffic.submitted.wrapping_add(1);
    }
    if events.iter().any(|(change, _)| matches!(change, ListChange::Calculated(_))) {
        traffic.calculated = traffic.calculated.wrapping_add(1);
        state.times().update(|times| {
            for (change, _) in &events {
                if let ListChange::Calculated(value) = change {
                    times.add(value.index.get(), &value.hops);
                }
            }
        });
    }
    state.traffic().set(traffic);
    // Most events are about other people's submissions: they need not render the journeys again.
    state.journeys().maybe_update(|log| {
        let mut has_changed = false;
        for (change, at) in &events {
            match change {
                ListChange::Calculated(value) => has_changed |= log.arrive(value, *at),
                ListChange::DeadLettered(event) => {
                    log.dead_letter(|index| index == event.index.get());
                    has_changed = true;
                }
                ListChange::Submitted(_) | ListChange::Accepted(_) => {}
            }
        }
        has_changed
    });
    state.lists().update(|lists| events.into_iter().for_each(|(change, _)| lists.apply(change)));
    announce_outcomes(state);
    needs_fetch
}

/// The lists were fetched.
pub fn lists_fetched(state: Store<PageState>, fetched: FetchedLists, at: u64) {
    state.fetch_error().set(None);
    state.lists().update(|lists| lists.finish_fetch(fetched));
    let own: Vec<u32> =
        state.journeys().with_untracked(|log| log.iter().filter_map(Journey::number).collect());
    let values: Vec<(u32, ListedValue)> = state.lists().with_untracked(|lists| {
        own.into_iter().filter_map(|index| Some((index, lists.value(index)?.clone()))).collect()
    });
    let has = |wanted: fn(&ListedValue) -> bool| {
        let values = &values;
        move |index: u32| values.iter().any(|(listed, value)| *listed == index && wanted(value))
    };
    state.journeys().update(|log| {
        log.find(has(|value| matches!(value, ListedValue::Known { .. })), at);
        log.dead_letter(has(|value| *value == ListedValue::DeadLettered));
    });
    announce_outcomes(state);
}

/// The health was checked.
pub fn health_checked(state: Store<PageState>, health: SystemHealth) {
    if let Some(readiness) = health.readiness() {
        state.max_index().set(Some(readiness.max_index));
    }
    state.health().set(health);
}

/// Has a screen reader say something. The same words are said again.
pub fn announce(state: Store<PageState>, words: String) {
    // Other text to a screen reader, the same to everybody else.
    state.announcement().update(|said| *said = if *said == words { words + "\u{a0}" } else { words });
}

fn announce_outcomes(state: Store<PageState>) {
    let mut outcomes = Vec::new();
    state.lists().maybe_update(|lists| {
        outcomes.extend(std::iter::from_fn(|| lists.take_announcement()));
        false
    });
    if !outcomes.is_empty() {
        announce(state, outcomes.join(". "));
    }
}

/// The highest index that may be submitted, as far as is known. It tracks changes.
pub fn max_index(state: Store<PageState>) -> u32 {
    state.max_index().get().unwrap_or(Index::LARGEST)
}

/// What is pending, for the title of the window. It tracks changes.
pub fn pending_words(state: Store<PageState>) -> Option<String> {
    state.lists().with(|lists| match (lists.pending_count(), lists.oldest_pending()) {
        (0, _) => None,
        (1, Some(index)) => Some(format!("{} pending", format::fibonacci(index))),
        (pending, _) => Some(format!("{} pending", format::grouped(pending as u64))),
    })
}

/// What stands in place of a list, or nothing when it has rows; `none` when nothing was submitted yet.
/// It tracks changes.
pub fn empty_words(state: Store<PageState>, is_empty: bool, none: &str) -> String {
    let is_loaded = state.lists().with(NumberLists::is_loaded);
    let words = match (is_empty, is_loaded) {
        (false, _) => "",
        (true, true) => none,
        (true, false) if state.fetch_error().read().is_some() => "The server has not responded yet.",
        (true, false) => "Loading…",
    };
    words.to_owned()
}

/// Why what is shown may be out of date, or why values will not come. It tracks changes.
pub fn warning(state: Store<PageState>) -> Option<String> {
    let why = match (state.fetch_error().get(), state.link().get()) {
        (Some(why), _) => why,
        (None, LinkStatus::Lost) => "The connection was lost.".to_owned(),
        (None, _) => return state.health().with(|health| health.warning().map(str::to_owned)),
    };
    let is_loaded = state.lists().with(NumberLists::is_loaded);
    let stale = if is_loaded { "What you see may be out of date. " } else { "" };
    Some(format!("{stale}{why} Trying again…"))
}
