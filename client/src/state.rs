//! The state of the page: a store that components get from the context.
//!
//! The functions here apply a submission, events and fetched lists to all parts of the store. The
//! parts themselves are plain types in the modules below, and not stores of their own, because one
//! event changes several of their collections, and so that they are tested without a browser.

pub(crate) mod form;
pub(crate) mod health;
pub(crate) mod journeys;
pub(crate) mod lists;

use std::collections::BTreeMap;

use contract::Index;
use leptos::prelude::*;
use reactive_stores::Store;

use crate::api::{self, RequestError};
use crate::clock;
use form::IndexForm;
use health::SystemHealth;
use journeys::JourneyLog;
use lists::{FetchedLists, ListChange, NumberLists};

/// The state that components share.
#[derive(Clone, Debug, Default, Store)]
pub struct PageState {
    pub(crate) lists: NumberLists,
    pub(crate) journeys: JourneyLog,
    pub(crate) traffic: Traffic,
    pub(crate) health: SystemHealth,
    pub(crate) connection: ConnectionStatus,
    /// The error of the last fetch of the lists, if it failed.
    pub(crate) fetch_error: Option<RequestError>,
    /// The server's `MAX_INDEX`, once it has responded to a health check.
    pub(crate) max_index: Option<u32>,
    pub(crate) form: IndexForm,
    pub(crate) highlight: Option<Highlight>,
    /// The number of rows that the button below a list has added, by the id of the list.
    pub(crate) more_rows: BTreeMap<&'static str, usize>,
    /// The text that screen readers read aloud.
    pub(crate) announcement: String,
}

/// Whether the page receives events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConnectionStatus {
    /// The event stream is not open yet, or is closed because the page is hidden.
    #[default]
    Connecting,
    /// The event stream is open.
    Live,
    /// Something between page and server blocks event streams. The lists are fetched every 2 s.
    Polling,
    /// The server cannot be reached.
    Lost,
}

/// Counts what the diagram animates: submissions that this page sent, and events about submissions
/// and values of anybody. Events that are shown together count as one.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    pub(crate) sent: u32,
    pub(crate) submitted: u32,
    pub(crate) calculated: u32,
    /// Names of the workers that calculated the newest values.
    pub(crate) workers: Vec<String>,
}

/// The index that was submitted last on this page. Its row in the list is highlighted.
#[derive(Clone, Copy, Debug)]
pub struct Highlight {
    pub(crate) index: u32,
    /// The number of this highlight, from 1, so that the same row can be highlighted again.
    pub(crate) number: u32,
}

/// Submits an index. The action belongs to the whole page, so that opening another route does not
/// cancel it.
pub(crate) type SubmitAction = Action<u32, ()>;

pub(crate) fn use_page_state() -> Store<PageState> {
    expect_context()
}

/// Submits an index and applies the response.
pub(crate) async fn submit(state: Store<PageState>, index: u32) {
    // A second press of Enter does not submit the index again.
    if state.journeys().read_untracked().is_sending(index) {
        return;
    }
    let request_id = clock::request_id();
    state.form().update(IndexForm::clear_refusal);
    state.traffic().update(|traffic| traffic.sent += 1);
    state.journeys().update(|log| log.send(index, request_id.clone(), clock::now()));
    let response = api::submit(index, &request_id).await;
    state.journeys().update(|log| log.respond(&request_id, response.clone(), clock::now()));
    match response {
        Ok(response) => {
            state.form().update(|form| form.accept(index));
            state.highlight().update(|highlight| {
                let number = highlight.map_or(1, |previous| previous.number + 1);
                *highlight = Some(Highlight { index, number });
            });
            state.lists().update(|lists| lists.apply(ListChange::Accepted(response)));
            announce_outcomes(state);
        }
        Err(error) => state.form().update(|form| form.refuse(index, error, clock::now())),
    }
}

/// Applies events, each with the time of its arrival in µs, and returns whether the lists must be
/// fetched. The diagram is animated once for all of them.
pub fn apply_events(state: Store<PageState>, events: Vec<(ListChange, u64)>) -> bool {
    let needs_fetch = state
        .lists()
        .with_untracked(|lists| events.iter().any(|(change, _)| lists.needs_fetch(change)));
    if events.iter().any(|(change, _)| matches!(change, ListChange::Submitted(_))) {
        state.traffic().update(|traffic| traffic.submitted += 1);
    }
    let worker = |(change, _): &(ListChange, u64)| match change {
        ListChange::Calculated(value) => Some(value.worker.clone()),
        _ => None,
    };
    let workers: Vec<String> = events.iter().filter_map(worker).collect();
    if !workers.is_empty() {
        state.traffic().update(|traffic| {
            traffic.calculated += 1;
            traffic.workers = workers;
        });
    }
    // Submissions of others do not change the journeys, so nothing that shows these is rendered
    // again.
    state.journeys().maybe_update(|log| {
        events.iter().fold(false, |has_changed, (change, at)| log.apply(change, *at) | has_changed)
    });
    state.lists().update(|lists| events.into_iter().for_each(|(change, _)| lists.apply(change)));
    announce_outcomes(state);
    needs_fetch
}

/// Applies fetched lists. `at` is the current time in µs.
pub fn apply_lists(state: Store<PageState>, fetched: FetchedLists, at: u64) {
    state.fetch_error().set(None);
    state.lists().update(|lists| lists.finish_fetch(fetched));
    // A copy, because the fields of a store share one lock: the log cannot be changed while the
    // lists are read.
    let mut log = state.journeys().get_untracked();
    state.lists().with_untracked(|lists| log.settle(|index| lists.value(index), at));
    state.journeys().set(log);
    announce_outcomes(state);
}

/// Makes screen readers read a text aloud.
pub(crate) fn announce(state: Store<PageState>, text: String) {
    // Screen readers ignore an unchanged text. The added space makes them repeat it.
    state
        .announcement()
        .update(|current| *current = if *current == text { text + "\u{a0}" } else { text });
}

fn announce_outcomes(state: Store<PageState>) {
    let outcomes = state.lists().write_untracked().take_announcement();
    if let Some(text) = outcomes {
        announce(state, text);
    }
}

/// The highest index that the server accepts, or the largest possible one until the server has sent
/// it. Tracks changes.
pub(crate) fn max_index(state: Store<PageState>) -> u32 {
    state.max_index().get().unwrap_or(Index::LARGEST)
}
