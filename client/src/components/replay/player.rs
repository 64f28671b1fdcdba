//! The steps of the replay, and the position in them.

use std::time::Duration;

use leptos::prelude::*;

use super::{ReplayedHop, use_replayed_hop};
use crate::components::diagram::prefers_reduced_motion;
use crate::components::journey::{HopRow, hop_rows};
use crate::components::lesson::{HOP_LESSONS, HopLesson};
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
    /// Where the message is from. The name of the source follows.
    pub(super) origin: &'static str,
    /// The file that has the message as a template; `None` if this page sent or received it.
    pub(super) source: Option<&'static str>,
    hop: ReplayedHop,
}

impl ReplayStep {
    fn new(journey: &Journey, position: usize, row: HopRow, lesson: &HopLesson) -> Self {
        let message = journey.message(position, lesson.message);
        let follows_lesson = journey.follows_lesson_at(position);
        let source = lesson.source.filter(|_| follows_lesson);
        let origin = match source {
            _ if message.is_empty() => "No message.",
            _ if !follows_lesson => "The response, as this page read it.",
            None => "As this page sent or received it.",
            Some(_) => {
                "With the values of this submission; limits as configured by default. Source: "
            }
        };
        let worker = journey.worker().unwrap_or_default().to_owned();
        Self {
            title: format!("{} {}", row.part, row.event),
            time: row.time,
            text: journey.text(position, lesson.text).to_owned(),
            message,
            origin,
            source,
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
    let rows = rows.filter(|(_, (row, _))| matches!(row.state, "passed" | "stopped"));
    let mut steps: Vec<ReplayStep> = rows
        .map(|(position, (row, lesson))| ReplayStep::new(journey, position, row, lesson))
        .collect();
    if let Some(last) = steps.last_mut() {
        last.text = format!("{} {}", last.text, journey.outcome_text()).trim().to_owned();
    }
    steps
}

/// Replays the newest submission of this page.
#[derive(Clone, Copy)]
pub(super) struct Player {
    /// The request id of the submission; empty before the first one.
    pub(super) request_id: Memo<String>,
    steps: Memo<Vec<ReplayStep>>,
    /// Counted from 1; 0 before the first step.
    pub(super) position: RwSignal<usize>,
    pub(super) is_playing: RwSignal<bool>,
    pub(super) step: Memo<Option<ReplayStep>>,
}

impl Player {
    pub(super) fn new() -> Self {
        let journeys = use_page_state().journeys();
        let newest = Memo::new(move |_| journeys.with(|log| log.journeys.front().cloned()));
        let request_id = Memo::new(move |_| {
            let id = |journey: &Journey| journey.request_id.clone();
            newest.with(|journey| journey.as_ref().map(id).unwrap_or_default())
        });
        let steps = Memo::new(move |_| {
            newest.with(|journey| journey.as_ref().map(steps_of).unwrap_or_default())
        });
        let position = RwSignal::new(0_usize);
        let step = Memo::new(move |_| {
            let step = position.get().checked_sub(1)?;
            steps.with(|steps| steps.get(step).cloned())
        });
        let player = Self { request_id, steps, position, is_playing: RwSignal::new(false), step };
        player.end_with_next_submission();
        player.show_in_diagram();
        player.play_on();
        player
    }

    pub(super) fn count(self) -> usize {
        self.steps.with(Vec::len)
    }

    pub(super) fn previous(self) {
        self.is_playing.set(false);
        if self.position.get_untracked() > 1 {
            self.position.update(|position| *position -= 1);
        }
    }

    pub(super) fn next(self) {
        self.is_playing.set(false);
        self.show_next();
    }

    pub(super) fn play_or_pause(self) {
        if self.is_playing.get_untracked() {
            return self.is_playing.set(false);
        }
        if self.is_at_end() {
            self.position.set(0);
        }
        self.play();
    }

    fn play(self) {
        // The preference hides the button that pauses.
        if prefers_reduced_motion() {
            return self.is_playing.set(false);
        }
        self.show_next();
        self.is_playing.set(!self.is_at_end());
    }

    fn is_at_end(self) -> bool {
        untrack(|| self.position.get() == self.count())
    }

    fn show_next(self) {
        if !self.is_at_end() {
            self.position.update(|position| *position += 1);
        }
    }

    fn end_with_next_submission(self) {
        Effect::new(move |previous: Option<String>| {
            let id = self.request_id.get();
            if previous.is_some_and(|previous| previous != id) {
                self.position.set(0);
                self.is_playing.set(false);
            }
            id
        });
    }

    fn show_in_diagram(self) {
        let page_state = use_page_state();
        let replayed = use_replayed_hop();
        Effect::new(move |_| {
            let step = self.step.get();
            if let Some(ReplayStep { title, time, text, .. }) = &step {
                state::announce(page_state, format!("{title}, {time}. {text}"));
            }
            replayed.set(step.unwrap_or_default().hop);
        });
    }

    /// Shows the next step after the time of the current one.
    fn play_on(self) {
        Effect::new(move |_| {
            let duration = self.step.get().unwrap_or_default().duration();
            if self.is_playing.get()
                && let Ok(timeout) = set_timeout_with_handle(move || self.play(), duration)
            {
                on_cleanup(move || timeout.clear());
            }
        });
    }
}
