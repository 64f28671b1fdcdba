//! One's own submissions on their way, station by station, with the answer beside them.
//!
//! All stations have their place from the beginning, so that nothing moves when they are passed. The times are `journey`'s;
//! here they become words and a strip.

use std::fmt::Write;

use super::lists::ends;
use crate::journey::{Hop, Journey, Progress, STATIONS};
use crate::model::Model;
use crate::state::Shown;
use crate::store::Row;
use crate::text::{self, escaped};

/// The newest one; an empty way before the first.
pub(crate) fn newest(model: &Model) -> String {
    let journey = model.journeys.iter().next();
    let head = journey.map_or_else(
        || {
            "<p class=\"journey-head\">What you submit is timed here at every station.</p>\
             <p class=\"number\"></p>"
                .to_owned()
        },
        |journey| head(model, journey),
    );
    head + &way(journey)
}

/// Those before it.
pub(crate) fn earlier(model: &Model) -> Vec<Row> {
    let row = |journey: &Journey| Row(head(model, journey) + &way(Some(journey)));
    model.journeys.iter().skip(1).map(row).collect()
}

pub(crate) fn no_earlier(model: &Model) -> bool {
    model.journeys.iter().nth(1).is_none()
}

fn head(model: &Model, journey: &Journey) -> String {
    let index = journey.index.parse::<u64>().map_or_else(|_| journey.index.clone(), text::grouped);
    let (state, words) = match journey.progress() {
        Progress::Sending => ("pending", "sending…".to_owned()),
        Progress::Waiting => ("pending", "on its way…".to_owned()),
        Progress::Arrived => ("done", text::time(journey.took())),
        Progress::Ended => {
            let lost = journey.refused().is_some_and(|(_, lost)| lost);
            ("failed", if lost { "no answer" } else { "not calculated" }.to_owned())
        }
    };
    // It stays here when the field has been given something else.
    let why = journey.refused().map_or(String::new(), |(why, _)| {
        format!("<span class=\"request\" data-testid=\"why\">{}</span>", escaped(why))
    });
    let worker = journey.worker().map_or(String::new(), |worker| {
        format!(
            "<span class=\"request\" data-testid=\"worker\">by worker <code>{}</code></span>",
            escaped(worker)
        )
    });
    // The answer itself, where the person looks who has asked: the list may be below the window, or on the other route.
    let value = match (journey.progress(), journey.number().and_then(|index| model.state.value(index))) {
        (Progress::Arrived, Some(Shown::Value(value, _))) => escaped(&ends(value.clone())),
        _ => String::new(),
    };
    format!(
        "<p class=\"journey-head\" data-testid=\"journey\" data-state=\"{state}\"><b>F({})</b> \
         <span class=\"took\" data-testid=\"journey-time\">{words}</span> \
         <span class=\"request\">request <code data-testid=\"request-id\">{}</code></span> {worker}{why}</p>\
         <p class=\"number\" data-testid=\"journey-value\">{value}</p>",
        escaped(&index),
        escaped(&journey.request_id)
    )
}

fn way(journey: Option<&Journey>) -> String {
    let hops = journey.map(Journey::hops).unwrap_or_default();
    let ended =
        journey.is_some_and(|journey| matches!(journey.progress(), Progress::Arrived | Progress::Ended));
    let mut stations = String::new();
    let mut before = 0;
    for (station, (part, what)) in STATIONS.into_iter().enumerate() {
        let hop = hops.iter().find(|hop| hop.station == station);
        let (state, what, time) = match hop {
            Some(Hop { other, at, .. }) => {
                let since = at - before;
                before = *at;
                let time = if station == 0 { "0 ms".to_owned() } else { format!("+{}", text::time(since)) };
                ("passed", other.unwrap_or(what), time)
            }
            None if ended => ("skipped", what, "–".to_owned()),
            None => ("ahead", what, if journey.is_some() { "…" } else { "\u{a0}" }.to_owned()),
        };
        // Writing to a string cannot fail.
        let _ = write!(
            stations,
            "<li class=\"hop\" data-part=\"{part}\" data-testid=\"hop\" data-state=\"{state}\"><b>{part}</b> <span>{what}</span> \
             <span class=\"time\">{time}</span></li>"
        );
    }
    format!("{}<ol class=\"hops\">{stations}</ol>", shares(&hops))
}

/// How the whole time is shared: a strip with a part for each hop.
fn shares(hops: &[Hop]) -> String {
    let whole = hops.last().map_or(1, |hop| hop.at).max(1);
    let mut parts = String::new();
    for pair in hops.windows(2) {
        let (from, to) = (pair[0].at * 1_000 / whole, pair[1].at * 1_000 / whole);
        let _ = write!(
            parts,
            "<rect class=\"share\" data-part=\"{}\" x=\"{from}\" width=\"{}\" height=\"8\"/>",
            STATIONS[pair[1].station].0,
            (to - from).max(2)
        );
    }
    format!(
        "<svg class=\"shares\" viewBox=\"0 0 1000 8\" preserveAspectRatio=\"none\" aria-hidden=\"true\">{parts}</svg>"
    )
}
