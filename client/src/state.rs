//! What the page knows, as a store that components get from the context. The modules below are
//! plain logic; the functions here apply what happens to all parts of the store.

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

/// Everything that several components share.
#[derive(Clone, Debug, Default, Store)]
pub struct PageState {
    pub(crate) lists: NumberLists,
    pub(crate) journeys: JourneyLog,
    pub(crate) traffic: Traffic,
    pub(crate) health: SystemHealth,
    pub(crate) link: LinkStatus,
    /// Why the last fetch of the lists failed.
    pub(crate) fetch_error: Option<RequestError>,
    /// The highest index, once the server has told it.
    pub(crate) max_index: Option<u32>,
    pub(crate) form: IndexForm,
    pub(crate) highlight: Option<Highlight>,
    /// Rows that the button below a list has added, by the list's id.
    pub(crate) more_rows: BTreeMap<&'static str, usize>,
    /// What a screen reader says.
    pub(crate) announcement: String,
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

/// How often this page sent a request, and how often anybody's index was submitted and calculated.
/// The diagram lights up when a number changes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    pub(crate) sent: u32,
    pub(crate) submitted: u32,
    pub(crate) calculated: u32,
}

/// The index that was submitted last on this page: its row lights up.
#[derive(Clone, Copy, Debug)]
pub struct Highlight {
    pub(crate) index: u32,
    /// Counts highlights from 1 on, so that the same row can light up again.
    pub(crate) number: u32,
}

/// The submission of an index. It belongs to the whole page, so that it goes on when another route
/// is opened.
pub(crate) type SubmitAction = Action<u32, ()>;

pub(crate) fn use_page_state() -> Store<PageState> {
    expect_context()
}

pub(crate) async fn submit(state: Store<PageState>, index: u32) {
    // Pressing Enter twice means it once.
    if state.journeys().with_untracked(|log| log.is_sending(index)) {
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
                let number = highlight.map_or(1, |before| before.number + 1);
                *highlight = Some(Highlight { index, number });
            });
            state.lists().update(|lists| lists.apply(ListChange::Accepted(response)));
            announce_outcomes(state);
        }
        Err(error) => state.form().update(|form| form.refuse(index, error, clock::now())),
    }
}

/// Applies events that are shown together, each with the time of its arrival, and returns whether
/// the lists have to be fetched. However many there are, the diagram lights up once.
pub fn apply_events(state: Store<PageState>, events: Vec<(ListChange, u64)>) -> bool {
    let needs_fetch = state
        .lists()
        .with_untracked(|lists| events.iter().any(|(change, _)| lists.needs_fetch(change)));
    if events.iter().any(|(change, _)| matches!(change, ListChange::Submitted(_))) {
        state.traffic().update(|traffic| traffic.submitted += 1);
    }
    if events.iter().any(|(change, _)| matches!(change, ListChange::Calculated(_))) {
        state.traffic().update(|traffic| traffic.calculated += 1);
    }
    // What others submit changes no journey: nothing that shows them runs again.
    state.journeys().maybe_update(|log| {
        events.iter().fold(false, |has_changed, (change, at)| log.apply(change, *at) | has_changed)
    });
    state.lists().update(|lists| events.into_iter().for_each(|(change, _)| lists.apply(change)));
    announce_outcomes(state);
    needs_fetch
}

/// Applies lists that were fetched.
pub fn apply_lists(state: Store<PageState>, fetched: FetchedLists, at: u64) {
    state.fetch_error().set(None);
    state.lists().update(|lists| lists.finish_fetch(fetched));
    // A copy: the fields of a store share one lock.
    let mut log = state.journeys().get_untracked();
    state.lists().with_untracked(|lists| log.settle(|index| lists.value(index), at));
    state.journeys().set(log);
    announce_outcomes(state);
}

/// Has a screen reader say something. The same words are said again.
pub(crate) fn announce(state: Store<PageState>, words: String) {
    // Other text to a screen reader, the same to everybody else.
    state
        .announcement()
        .update(|said| *said = if *said == words { words + "\u{a0}" } else { words });
}

fn announce_outcomes(state: Store<PageState>) {
    let outcomes = state.lists().write_untracked().take_announcement();
    if let Some(words) = outcomes {
        announce(state, words);
    }
}

/// The highest index that may be submitted, as far as is known. It tracks changes.
pub(crate) fn max_index(state: Store<PageState>) -> u32 {
    state.max_index().get().unwrap_or(Index::LARGEST)
}
