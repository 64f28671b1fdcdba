//! The journeys of the submissions made on this page: the time of each hop, and the value.

use leptos::prelude::*;

use crate::format;
use crate::state::journeys::{Hop, JOURNEY_HOPS, Journey, JourneyStatus, PassedHop};
use crate::state::lists::ListedValue;
use crate::state::{PageStateStoreFields, use_page_state};

/// The newest journey, and a list of the earlier ones.
#[component]
pub(crate) fn JourneysCard() -> impl IntoView {
    let journeys = use_page_state().journeys();
    // Memos, because most events are about submissions of others and change nothing here.
    let newest = Memo::new(move |_| journeys.read().journeys.front().cloned());
    let earlier =
        Memo::new(move |_| journeys.read().journeys.iter().skip(1).cloned().collect::<Vec<_>>());
    // Not a `<For>`: they are four at most, and each changes as a whole.
    let earlier_rows = move || {
        let rows = earlier.get().into_iter();
        rows.map(|journey| view! { <li><JourneyView journey=Some(journey) /></li> }).collect_view()
    };
    view! {
        <section class="card journeys" aria-labelledby="journeys-title">
            <h2 id="journeys-title">"Your submission, hop by hop"</h2>
            <div class="newest">{move || view! { <JourneyView journey=newest.get() /> }}</div>
            // Hidden rather than absent while it is empty, so that nothing moves later.
            <details class="earlier" class:vacant=move || earlier.read().is_empty()>
                <summary>"Earlier submissions"</summary>
                <ul data-testid="earlier">{earlier_rows}</ul>
            </details>
        </section>
    }
}

/// One journey: its head, the value, the shares of the total time, and a row for each hop. All of
/// it is there from the start, so that nothing moves when hops are passed.
#[component]
fn JourneyView(
    /// `None` before the first submission.
    journey: Option<Journey>,
) -> impl IntoView {
    let lists = use_page_state().lists();
    let rows = hop_rows(journey.as_ref()).into_iter().map(|row| {
        view! {
            <li class="hop" data-tone=row.tone data-testid="hop" data-state=row.state.name()>
                <b>{row.part}</b>
                " "
                <span>{row.event}</span>
                " "
                <span class="time">{row.time}</span>
            </li>
        }
    });
    let shares = journey.as_ref().map(shares).unwrap_or_default().into_iter().map(|share| {
        let Share { tone, start, width } = share;
        view! { <rect class="share" data-tone=tone x=start width=width height="8" /> }
    });
    let arrived = journey.as_ref().filter(|journey| journey.status() == JourneyStatus::Arrived);
    let index = arrived.map(|journey| journey.index);
    let value =
        Signal::derive(move || match index.and_then(|index| lists.read().value(index).cloned()) {
            Some(ListedValue::Known { text, .. }) => text,
            _ => String::new(),
        });
    let head = match journey {
        Some(journey) => view! { <JourneyHead journey /> }.into_any(),
        None => view! { <p>"Each of your submissions is timed here, hop by hop."</p> }.into_any(),
    };
    view! {
        <div class="journey-head">{head}</div>
        <p class="number" data-testid="journey-value">{value}</p>
        <svg class="shares" viewBox="0 0 1000 8" preserveAspectRatio="none" aria-hidden="true">
            {shares.collect_view()}
        </svg>
        <ol class="hops">{rows.collect_view()}</ol>
    }
}

/// The index, the total time, the request id for the logs, the worker, and a note or an error.
#[component]
fn JourneyHead(journey: Journey) -> impl IntoView {
    let (state, time) = match (journey.status(), journey.refusal()) {
        (JourneyStatus::Sending, _) => ("pending", "sending…".to_owned()),
        (JourneyStatus::Waiting, _) => ("pending", "on its way…".to_owned()),
        (JourneyStatus::Arrived, _) => {
            ("done", format::duration(journey.passed().last().map_or(0, |hop| hop.at)))
        }
        (_, Some(refusal)) if refusal.is_outcome_unknown() => ("failed", "no response".to_owned()),
        (JourneyStatus::Stopped, _) => ("failed", "not calculated".to_owned()),
    };
    let worker = journey.worker().map(|worker| {
        view! {
            <span class="request worker" data-testid="worker" title=worker.to_owned()>
                "by worker " <code>{worker.to_owned()}</code>
            </span>
        }
    });
    let refusal = journey.refusal().map(ToString::to_string);
    let note = refusal.or_else(|| journey.note().map(str::to_owned));
    view! {
        <p data-testid="journey" data-state=state>
            <b>{format::fibonacci(journey.index)}</b>
            " "
            <span class="took" data-testid="journey-time">{time}</span>
            " "
            <span class="request">
                "request " <code data-testid="request-id">{journey.request_id}</code>
            </span>
            " "
            {worker}
        </p>
        <p class="request" data-testid="why">{note}</p>
    }
}

/// A hop as the page shows it.
pub(super) struct HopRow {
    pub(super) part: &'static str,
    pub(super) event: &'static str,
    tone: &'static str,
    pub(super) state: HopState,
    pub(super) time: String,
}

/// How far a journey is at a hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HopState {
    Passed,
    Stopped,
    Skipped,
    Ahead,
}

impl HopState {
    /// The attribute by which style.css shows it.
    fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Stopped => "stopped",
            Self::Skipped => "skipped",
            Self::Ahead => "ahead",
        }
    }
}

pub(super) fn hop_rows(journey: Option<&Journey>) -> Vec<HopRow> {
    let passed = journey.map(Journey::passed).unwrap_or_default();
    let stopped_at = journey.and_then(Journey::stopped_at);
    let has_note = journey.is_some_and(|journey| journey.note().is_some());
    let row = |(hop, Hop { part, event, tone })| {
        let position = passed.iter().position(|passed| passed.hop == hop);
        let (state, event, time) = match (position, journey.map(Journey::status)) {
            (Some(0), _) => (HopState::Passed, event, "0 ms".to_owned()),
            (Some(position), _) => {
                let time = passed[position].duration_since(&passed[position - 1]);
                let time = if time.starts_with('<') { time } else { format!("+{time}") };
                (HopState::Passed, passed[position].event, time)
            }
            (None, _) if stopped_at == Some(hop) => {
                (HopState::Stopped, "stopped here", "×".to_owned())
            }
            // It was passed, at an unknown time.
            (None, _) if stopped_at.is_some_and(|stop| hop < stop) => {
                (HopState::Passed, event, "–".to_owned())
            }
            (None, Some(JourneyStatus::Arrived)) if has_note => {
                (HopState::Skipped, event, "skipped".to_owned())
            }
            (None, Some(JourneyStatus::Arrived | JourneyStatus::Stopped)) => {
                (HopState::Skipped, event, "–".to_owned())
            }
            (None, Some(_)) => (HopState::Ahead, event, "…".to_owned()),
            (None, None) => (HopState::Ahead, event, "\u{a0}".to_owned()),
        };
        HopRow { part, event, tone, state, time }
    };
    JOURNEY_HOPS.into_iter().enumerate().map(row).collect()
}

/// The share of the total time that one hop took, in thousandths.
#[derive(Debug, PartialEq, Eq)]
struct Share {
    tone: &'static str,
    start: u64,
    width: u64,
}

fn shares(journey: &Journey) -> Vec<Share> {
    let passed = journey.passed();
    let total = passed.last().map_or(1, |hop| hop.at).max(1);
    let share = |pair: &[PassedHop]| {
        let (start, end) = (pair[0].at * 1_000 / total, pair[1].at * 1_000 / total);
        // At least 2, so that it is visible.
        Share { tone: JOURNEY_HOPS[pair[1].hop].tone, start, width: (end - start).max(2) }
    };
    passed.windows(2).map(share).collect()
}

#[cfg(test)]
mod tests {
    use contract::{Hops, Index, SubmissionState, SubmitResponse};

    use super::*;
    use crate::api::tests::refused;
    use crate::state::journeys::JourneyLog;

    fn log(state: Option<SubmissionState>) -> JourneyLog {
        let mut log = JourneyLog::default();
        log.send(7, "mine".to_owned(), 0);
        if let Some(state) = state {
            let index = Index::from_number(7, 10).unwrap();
            let hops = Hops { received: 1_000, committed: 2_000, ..Hops::default() };
            let (value, request_id) = (None, "mine".to_owned());
            let response =
                SubmitResponse { working: true, id: 1, index, state, value, request_id, hops };
            log.respond("mine", Ok(response), 4_000);
        }
        log
    }

    fn states(log: &JourneyLog) -> Vec<&'static str> {
        hop_rows(log.journeys.front()).into_iter().map(|row| row.state.name()).collect()
    }

    #[test]
    fn every_hop_has_a_row_from_the_start() {
        assert_eq!(states(&JourneyLog::default()), ["ahead"; 9]);
        let queued = log(Some(SubmissionState::Queued));
        let expected =
            ["passed", "ahead", "passed", "passed", "passed", "ahead", "ahead", "ahead", "ahead"];
        assert_eq!(states(&queued), expected);
    }

    #[test]
    fn a_known_value_skips_the_queue() {
        let known = log(Some(SubmissionState::Done));
        let rows = hop_rows(known.journeys.front());
        assert_eq!(rows[5].time, "skipped");
        assert_eq!((rows[8].event, rows[8].state), ("at once", HopState::Passed));
    }

    #[test]
    fn a_refused_submission_shows_where_it_stopped() {
        let mut log = log(None);
        log.respond("mine", Err(refused(429, "Too many requests", None, None)), 4_000);
        assert_eq!(states(&log)[..3], ["passed", "stopped", "skipped"]);
        log.respond("mine", Err(refused(503, "Queue full", None, None)), 4_000);
        assert_eq!(states(&log)[..4], ["passed", "passed", "stopped", "skipped"]);
    }

    #[test]
    fn the_time_in_the_queue_has_its_own_colour() {
        let (taken, calculated) = (JOURNEY_HOPS[5], JOURNEY_HOPS[6]);
        assert_eq!((taken.part, calculated.part), ("Worker", "Worker"));
        assert_ne!(taken.tone, calculated.tone);
        let queued = log(Some(SubmissionState::Queued));
        let shares = shares(queued.journeys.front().unwrap());
        let tones: Vec<_> = shares.iter().map(|share| share.tone).collect();
        assert_eq!(tones, ["api", "postgres", "redis"]);
        assert_eq!(shares[2], Share { tone: "redis", start: 500, width: 500 });
    }
}
