//! The steps of the replay, and the position in them.

use std::time::Duration;

use leptos::prelude::*;

use super::ReplayedHop;
use crate::components::journey::{HopRow, HopState, hop_rows};
use crate::components::lesson::{HOP_LESSONS, HopLesson};
use crate::media::prefers_reduced_motion;
use crate::state::journeys::Journey;
use crate::state::{self, PageStateStoreFields, use_page_state};

/// A step of the replay: a hop that the journey has passed, or at which it was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ReplayStep {
    pub(super) title: String,
    pub(super) time: String,
    /// What happened.
    pub(super) text: String,
    /// What travelled.
    pub(super) message: String,
    pub(super) origin: MessageOrigin,
    hop: ReplayedHop,
}

/// Where the message of a step is from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum MessageOrigin {
    #[default]
    NoMessage,
    /// The response to the submission.
    Response,
    /// This page sent or received it.
    Page,
    /// This file has it as a template.
    Source(&'static str),
}

impl ReplayStep {
    fn new(journey: &Journey, position: usize, row: HopRow, lesson: &HopLesson) -> Self {
        let message = journey.message(position, lesson.message);
        let follows_lesson = journey.follows_lesson_at(position);
        let origin = if message.is_empty() {
            MessageOrigin::NoMessage
        } else if !follows_lesson {
            MessageOrigin::Response
        } else {
            lesson.source.map_or(MessageOrigin::Page, MessageOrigin::Source)
        };
        let worker = journey.worker().unwrap_or_default().to_owned();
        Self {
            title: format!("{} {}", row.part, row.event),
            time: row.time,
            text: journey.text(position, lesson.text).to_owned(),
            message,
            origin,
            hop: ReplayedHop { path: lesson.path, worker },
        }
    }

    /// Time for which the step is shown while the replay plays: long enough to read its text, at
    /// about 16 characters a second.
    fn duration(&self) -> Duration {
        let reading = Duration::from_millis(60 * self.text.chars().count() as u64);
        reading.max(Duration::from_secs(3))
    }
}

fn steps_of(journey: &Journey) -> Vec<ReplayStep> {
    let rows = hop_rows(Some(journey)).into_iter().zip(&HOP_LESSONS).enumerate();
    let rows =
        rows.filter(|(_, (row, _))| matches!(row.state, HopState::Passed | HopState::Stopped));
    let mut steps: Vec<ReplayStep> = rows
        .map(|(position, (row, lesson))| ReplayStep::new(journey, position, row, lesson))
        .collect();
    if let Some(last) = steps.last_mut() {
        last.text = format!("{} {}", last.text, journey.outcome_text()).trim().to_owned();
    }
    steps
}

/// How far a submission is replayed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Playback {
    request_id: String,
    /// Counted from 1; 0 before the first step.
    pub(super) position: usize,
    pub(super) is_playing: bool,
}

/// Replays the newest submission of this page.
#[derive(Clone, Copy)]
pub(super) struct Player {
    /// The request id of the submission; empty before the first one.
    pub(super) request_id: Memo<String>,
    steps: Memo<Vec<ReplayStep>>,
    stored_playback: RwSignal<Playback>,
    /// The stored one, or the default if that is of an earlier submission.
    pub(super) playback: Memo<Playback>,
    pub(super) step: Memo<Option<ReplayStep>>,
    pub(super) hop: Memo<ReplayedHop>,
}

impl Player {
    pub(super) fn new() -> Self {
        let journeys = use_page_state().journeys();
        let newest = Memo::new(move |_| journeys.read().journeys.front().cloned());
        let request_id = Memo::new(move |_| {
            let id = |journey: &Journey| journey.request_id.clone();
            newest.read().as_ref().map(id).unwrap_or_default()
        });
        let steps = Memo::new(move |_| newest.read().as_ref().map(steps_of).unwrap_or_default());
        let stored_playback = RwSignal::new(Playback::default());
        // The next submission ends the replay of the previous one.
        let playback = Memo::new(move |_| {
            let stored = stored_playback.get();
            if stored.request_id == request_id.get() { stored } else { Playback::default() }
        });
        let step = Memo::new(move |_| {
            let step = playback.read().position.checked_sub(1)?;
            steps.read().get(step).cloned()
        });
        let hop = Memo::new(move |_| step.get().unwrap_or_default().hop);
        Self { request_id, steps, stored_playback, playback, step, hop }
    }

    pub(super) fn count(self) -> usize {
        self.steps.read().len()
    }

    pub(super) fn previous(self) {
        let position = self.playback.get_untracked().position;
        self.set(if position > 1 { position - 1 } else { position }, false);
    }

    pub(super) fn next(self) {
        self.set(self.next_position(), false);
    }

    pub(super) fn play_or_pause(self) {
        let Playback { position, is_playing, .. } = self.playback.get_untracked();
        if is_playing {
            return self.set(position, false);
        }
        if position == untrack(|| self.count()) {
            self.set(0, false);
        }
        self.advance();
    }

    fn advance(self) {
        // With reduced motion, style.css hides the button that would pause.
        if prefers_reduced_motion() {
            return self.set(self.playback.get_untracked().position, false);
        }
        let next = self.next_position();
        self.set(next, next < untrack(|| self.count()));
    }

    fn next_position(self) -> usize {
        let position = self.playback.get_untracked().position;
        (position + 1).min(untrack(|| self.count()))
    }

    fn set(self, position: usize, is_playing: bool) {
        let request_id = self.request_id.get_untracked();
        self.stored_playback.set(Playback { request_id, position, is_playing });
    }

    /// Makes screen readers read each step aloud.
    pub(super) fn announce_steps(self) {
        let page_state = use_page_state();
        Effect::new(move || {
            if let Some(ReplayStep { title, time, text, .. }) = self.step.get() {
                state::announce(page_state, format!("{title}, {time}. {text}"));
            }
        });
    }

    /// While the replay plays, shows the next step after the time of the current one.
    pub(super) fn advance_automatically(self) {
        Effect::new(move || {
            let duration = self.step.get().unwrap_or_default().duration();
            if self.playback.read().is_playing
                && let Ok(timeout) = set_timeout_with_handle(move || self.advance(), duration)
            {
                on_cleanup(move || timeout.clear());
            }
        });
    }
}
