//! This page's own submissions, station by station, with the value beside them. All stations have
//! their place from the beginning, so that nothing moves when they are passed.

use leptos::prelude::*;

use crate::format;
use crate::state::journeys::{Journey, JourneyStatus, PassedStation, STATIONS, Station};
use crate::state::lists::ListedValue;
use crate::state::{PageStateStoreFields, use_page_state};

use super::values::shown_value;

/// The newest journey, and the earlier ones.
#[component]
pub(crate) fn JourneysCard() -> impl IntoView {
    let journeys = use_page_state().journeys();
    let newest = Memo::new(move |_| journeys.with(|log| log.iter().next().cloned()));
    let earlier = Memo::new(move |_| {
        journeys.with(|log| log.iter().skip(1).map(|journey| journey.request_id.clone()).collect::<Vec<_>>())
    });
    let journey_of =
        move |request_id: String| Memo::new(move |_| journeys.with(|log| log.get(&request_id).cloned()));
    view! {
        <section class="card journeys" aria-labelledby="journeys-title">
            <h2 id="journeys-title">"Your submission, hop by hop"</h2>
            <div class="newest"><JourneyView journey=newest /></div>
            // It has its place before there are any, too.
            <details class="earlier" class:vacant=Signal::derive(move || earlier.with(Vec::is_empty))>
                <summary>"Earlier submissions"</summary>
                <ul data-testid="earlier">
                    <For each=move || earlier.get() key=String::clone let:request_id>
                        <li><JourneyView journey=journey_of(request_id) /></li>
                    </For>
                </ul>
            </details>
        </section>
    }
}

#[component]
fn JourneyView(journey: Memo<Option<Journey>>) -> impl IntoView {
    let state = use_page_state();
    let value = move || {
        let journey = journey.get().filter(|journey| journey.status() == JourneyStatus::Arrived)?;
        state.lists().with(|lists| match lists.value(journey.number()?)? {
            ListedValue::Known { shown, .. } => Some(shown_value(shown)),
            ListedValue::Pending | ListedValue::DeadLettered => None,
        })
    };
    let stations = move || {
        let rows = journey.with(|journey| station_rows(journey.as_ref()));
        rows.map(|row| {
            view! {
                <li class="hop" data-tone=row.station.tone data-testid="hop" data-state=row.state>
                    <b>{row.station.part}</b>
                    " "
                    <span>{row.event}</span>
                    " "
                    <span class="time">{row.time}</span>
                </li>
            }
        })
        .collect_view()
    };
    let shares = move || {
        let shares = journey.with(|journey| journey.as_ref().map(shares).unwrap_or_default());
        let share = |share: TimeShare| {
            view! { <rect class="share" data-tone=share.tone x=share.from width=share.width height="8" /> }
        };
        shares.into_iter().map(share).collect_view()
    };
    view! {
        <div class="journey-head">
            {move || match journey.get() {
                Some(journey) => view! { <JourneyHead journey /> }.into_any(),
                None => view! { <p>"What you submit is timed here at every station."</p> }.into_any(),
            }}
        </div>
        <p class="number" data-testid="journey-value">{Signal::derive(move || value().unwrap_or_default())}</p>
        <svg class="shares" viewBox="0 0 1000 8" preserveAspectRatio="none" aria-hidden="true">
            {shares}
        </svg>
        <ol class="hops">{stations}</ol>
    }
}

/// What was submitted, how long it took, and how to find it in the logs.
#[component]
fn JourneyHead(journey: Journey) -> impl IntoView {
    let index = journey.index.parse::<u64>().map_or_else(|_| journey.index.clone(), format::grouped);
    let (name, words) = match journey.status() {
        JourneyStatus::Sending => ("pending", "sending…".to_owned()),
        JourneyStatus::Waiting => ("pending", "on its way…".to_owned()),
        JourneyStatus::Arrived => ("done", format::duration(journey.total())),
        JourneyStatus::Stopped => {
            let is_unanswered = journey.refusal().is_some_and(|refusal| refusal.is_unanswered);
            ("failed", if is_unanswered { "no response" } else { "not calculated" }.to_owned())
        }
    };
    let worker = journey.worker().map(|worker| {
        let worker = worker.to_owned();
        view! {
            <span class="request worker" data-testid="worker" title=worker.clone()>
                "by worker "
                <code>{worker.clone()}</code>
            </span>
        }
    });
    let why = journey.refusal().map(|refusal| refusal.why.clone());
    let why = why.or_else(|| journey.note().map(str::to_owned));
    view! {
        <p data-testid="journey" data-state=name>
            <b>{format!("F({index})")}</b>
            " "
            <span class="took" data-testid="journey-time">{words}</span>
            " "
            <span class="request">"request " <code data-testid="request-id">{journey.request_id.clone()}</code></span>
            " "
            {worker}
        </p>
        <p class="request" data-testid="why">{why}</p>
    }
}

/// A station as a journey passed it.
struct StationRow {
    station: Station,
    event: &'static str,
    /// `passed`, `stopped`, `skipped`, or `ahead`.
    state: &'static str,
    time: String,
}

fn station_rows(journey: Option<&Journey>) -> [StationRow; STATIONS.len()] {
    let passed = journey.map(Journey::passed).unwrap_or_default();
    let status = journey.map(Journey::status);
    let stopped_at = journey.and_then(Journey::refusal).map(|refusal| refusal.stopped_at);
    let is_known = journey.is_some_and(|journey| journey.note().is_some());
    let mut before: Option<&PassedStation> = None;
    let mut place = 0;
    STATIONS.map(|station| {
        let hop = passed.iter().find(|hop| hop.station == place);
        let (state, event, time) = match (hop, status) {
            (Some(hop), _) => {
                let time = hop.duration_since(before);
                let is_sum = before.is_some() && !time.starts_with('<');
                let time = if is_sum { format!("+{time}") } else { time };
                before = Some(hop);
                ("passed", hop.unusual.unwrap_or(station.event), time)
            }
            (None, _) if stopped_at == Some(place) => ("stopped", "stopped here", "×".to_owned()),
            (None, Some(JourneyStatus::Arrived)) if is_known => {
                ("skipped", station.event, "not needed".to_owned())
            }
            (None, Some(JourneyStatus::Arrived | JourneyStatus::Stopped)) => {
                ("skipped", station.event, "–".to_owned())
            }
            (None, Some(_)) => ("ahead", station.event, "…".to_owned()),
            (None, None) => ("ahead", station.event, "\u{a0}".to_owned()),
        };
        place += 1;
        StationRow { station, event, state, time }
    })
}

/// The part of the whole time that was spent before a station, of 1,000.
#[derive(Debug, PartialEq, Eq)]
struct TimeShare {
    tone: &'static str,
    from: u64,
    width: u64,
}

fn shares(journey: &Journey) -> Vec<TimeShare> {
    let passed = journey.passed();
    let total = passed.last().map_or(1, |hop| hop.at).max(1);
    let share = |pair: &[PassedStation]| {
        let (from, to) = (pair[0].at * 1_000 / total, pair[1].at * 1_000 / total);
        TimeShare { tone: STATIONS[pair[1].station].tone, from, width: (to - from).max(2) }
    };
    passed.windows(2).map(share).collect()
}

#[cfg(test)]
mod tests {
    use contract::{Hops, Index, SubmissionState, SubmitResponse};

    use super::*;
    use crate::state::journeys::{JourneyLog, SubmissionRefusal};

    fn log(state: Option<SubmissionState>) -> JourneyLog {
        let mut log = JourneyLog::default();
        log.send("7".to_owned(), "mine".to_owned(), 0);
        if let Some(state) = state {
            let index = Index::from_number(7, 10).unwrap();
            let hops = Hops { received: 1_000, committed: 2_000, ..Hops::default() };
            let (value, request_id) = (None, "mine".to_owned());
            let response = SubmitResponse { working: true, id: 1, index, state, value, request_id, hops };
            log.accept("mine", &response, 4_000);
        }
        log
    }

    fn states(log: &JourneyLog) -> [&'static str; 9] {
        station_rows(log.iter().next()).map(|row| row.state)
    }

    #[test]
    fn every_station_has_its_place_from_the_beginning() {
        assert_eq!(states(&JourneyLog::default()), ["ahead"; 9]);
        let queued = log(Some(SubmissionState::Queued));
        let expected = ["passed", "ahead", "passed", "passed", "passed", "ahead", "ahead", "ahead", "ahead"];
        assert_eq!(states(&queued), expected);
    }

    #[test]
    fn a_known_value_needs_no_queue() {
        let known = log(Some(SubmissionState::Done));
        let rows = station_rows(known.iter().next());
        assert_eq!(rows[5].time, "not needed");
        assert_eq!((rows[8].event, rows[8].state), ("at once", "passed"));
    }

    #[test]
    fn a_refused_submission_shows_where_it_stopped() {
        let mut log = log(None);
        let why = "Too many requests.".to_owned();
        log.refuse("mine", SubmissionRefusal { why, is_unanswered: false, stopped_at: 1 });
        assert_eq!(states(&log)[..3], ["passed", "stopped", "skipped"]);
    }

    #[test]
    fn the_wait_in_the_queue_has_a_colour_of_its_own() {
        let (taken, calculated) = (STATIONS[5], STATIONS[6]);
        assert_eq!((taken.part, calculated.part), ("Worker", "Worker"));
        assert_ne!(taken.tone, calculated.tone);
        let queued = log(Some(SubmissionState::Queued));
        let shares = shares(queued.iter().next().unwrap());
        let tones: Vec<_> = shares.iter().map(|share| share.tone).collect();
        assert_eq!(tones, ["api", "postgres", "redis"]);
        assert_eq!(shares[2], TimeShare { tone: "redis", from: 500, width: 500 });
    }
}
