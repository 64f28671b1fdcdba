//! The system at this moment: each part with its state, lit up as events pass through it.

use contract::Readiness;
use leptos::prelude::*;

use crate::format;
use crate::state::health::SystemPart;
use crate::state::{PageStateStoreFields, Traffic, use_page_state};

/// A part in the diagram: its label, and the left upper corner of its box.
const BOXES: [(SystemPart, &str, i32, i32); 7] = [
    (SystemPart::Browser, "your browser", 100, 4),
    (SystemPart::Edge, "edge · nginx", 100, 88),
    (SystemPart::Client, "client · nginx", 6, 172),
    (SystemPart::Api, "api · axum", 194, 172),
    (SystemPart::Postgres, "Postgres", 6, 256),
    (SystemPart::Redis, "Redis", 194, 256),
    (SystemPart::Worker, "worker", 194, 340),
];

const WIDTH: i32 = 160;
const HEIGHT: i32 = 52;

/// All connections between the parts.
const WIRES: &str = "M180 56V88M150 140L110 172M210 140L250 172M238 224L122 256M274 224V256M274 308V340";

/// The connections that light up, in the order of the path, each with its class in style.css.
const LIT_WIRES: [(&str, &str); 6] = [
    ("pulse sent", "M180 56V88"),
    ("pulse down", "M210 140L250 172"),
    ("pulse down later", "M238 224L122 256M274 224V256"),
    ("pulse up", "M274 308V340"),
    ("pulse up later", "M274 224V256M210 140L250 172"),
    ("pulse up last", "M180 56V88"),
];

/// The boxes that light up, likewise.
const LIT_BOXES: [(&str, SystemPart); 8] = [
    ("pulse sent", SystemPart::Browser),
    ("pulse down", SystemPart::Edge),
    ("pulse down", SystemPart::Api),
    ("pulse down later", SystemPart::Postgres),
    ("pulse down later", SystemPart::Redis),
    ("pulse up", SystemPart::Worker),
    ("pulse up later", SystemPart::Api),
    ("pulse up last", SystemPart::Browser),
];

/// The diagram, the same in words, and the numbers of the system.
#[component]
pub(crate) fn SystemCard() -> impl IntoView {
    let state = use_page_state();
    // What passed before this page was opened does not light up.
    let before = state.traffic().get_untracked();
    let pulse = move |count: fn(&Traffic) -> u32| {
        Signal::derive(move || {
            state.traffic().with(|traffic| pulse_name(count(traffic).wrapping_sub(count(&before))).to_owned())
        })
    };
    let health = state.health();
    let parts = BOXES.map(|(part, label, x, y)| {
        let name = Signal::derive(move || health.with(|health| health.of(part).name().to_owned()));
        let words = Signal::derive(move || health.with(|health| health.words(part)));
        view! {
            <g data-health=name>
                <rect class="part" x=x y=y width=WIDTH height=HEIGHT rx="10" />
                <text x=x + WIDTH / 2 y=y + 21>{label}</text>
                <text class="part-state" x=x + WIDTH / 2 y=y + 40 data-testid="part">
                    {words}
                </text>
            </g>
        }
    });
    let summary = Signal::derive(move || health.with(|health| health.summary()));
    let lit_wires = LIT_WIRES.map(|(class, path)| view! { <path class=class d=path /> });
    let lit_boxes = LIT_BOXES.map(|(class, part)| {
        let (x, y) = corner(part);
        view! { <rect class=class x=x y=y width=WIDTH height=HEIGHT rx="10" /> }
    });
    view! {
        <section class="card system" aria-labelledby="system-title" data-testid="system"
            data-sent=pulse(|traffic| traffic.sent) data-submitted=pulse(|traffic| traffic.submitted)
            data-calculated=pulse(|traffic| traffic.calculated)>
            <h2 id="system-title">"The system, now"</h2>
            <svg class="diagram" viewBox="0 0 360 404" role="img" aria-labelledby="system-title system-words">
                <path class="wire" d=WIRES />
                {parts}
                {lit_wires}
                {lit_boxes}
            </svg>
            <p id="system-words" class="quiet" data-testid="system-words">
                {summary}
            </p>
            <Numbers />
        </section>
    }
}

#[component]
fn Numbers() -> impl IntoView {
    let health = use_page_state().health();
    let number = move |number: fn(&Readiness) -> Option<u64>| {
        Signal::derive(move || {
            let number = health.with(|health| health.readiness().and_then(number));
            number.map_or_else(|| "–".to_owned(), format::grouped)
        })
    };
    view! {
        <dl class="numbers">
            <div>
                <dt>"Workers alive"</dt>
                <dd data-testid="workers">{number(|readiness| readiness.workers)}</dd>
            </div>
            <div>
                <dt>"In the queue"</dt>
                <dd data-testid="queue">{number(|readiness| readiness.queue)}</dd>
            </div>
            <div>
                <dt>"Dead letters"</dt>
                <dd data-testid="dead-letters">{number(|readiness| readiness.dead_letters)}</dd>
            </div>
        </dl>
    }
}

fn corner(part: SystemPart) -> (i32, i32) {
    let place = BOXES.iter().find(|(boxed, ..)| *boxed == part);
    place.map_or((0, 0), |(.., x, y)| (*x, *y))
}

/// Two names of the same animation, in turn: another name starts it again.
fn pulse_name(count: u32) -> &'static str {
    match count {
        0 => "no",
        count if count.is_multiple_of(2) => "even",
        _ => "odd",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_lights_up_the_path_again() {
        assert_eq!([0, 1, 2, 3].map(pulse_name), ["no", "odd", "even", "odd"]);
    }
}
