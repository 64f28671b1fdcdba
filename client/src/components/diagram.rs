//! The system at this moment: each part with its state, lit up as events pass through it.

use contract::{ComponentStatus, Readiness};
use leptos::prelude::*;

use crate::format;
use crate::state::health::SystemPart;
use crate::state::{PageStateStoreFields, Traffic, use_page_state};

/// A part in the diagram: its label, the left upper corner of its box, and how it lights up: the
/// classes in style.css, which name the place on the path.
type PartBox = (SystemPart, &'static str, i32, i32, &'static [&'static str]);

const BOXES: [PartBox; 7] = [
    (SystemPart::Browser, "your browser", 100, 4, &["pulse sent", "pulse up last"]),
    (SystemPart::Edge, "edge · nginx", 100, 88, &["pulse down"]),
    (SystemPart::Client, "client · nginx", 6, 172, &[]),
    (SystemPart::Api, "api · axum", 194, 172, &["pulse down", "pulse up later"]),
    (SystemPart::Postgres, "Postgres", 6, 256, &["pulse down later"]),
    (SystemPart::Redis, "Redis", 194, 256, &["pulse down later"]),
    (SystemPart::Worker, "worker", 194, 340, &["pulse up"]),
];

const WIDTH: i32 = 160;
const HEIGHT: i32 = 52;

/// All connections between the parts.
const WIRES: &str =
    "M180 56V88M150 140L110 172M210 140L250 172M238 224L122 256M274 224V256M274 308V340";

/// The connections that light up, in the order of the path, likewise.
const LIT_WIRES: [(&str, &str); 6] = [
    ("pulse sent", "M180 56V88"),
    ("pulse down", "M210 140L250 172"),
    ("pulse down later", "M238 224L122 256M274 224V256"),
    ("pulse up", "M274 308V340"),
    ("pulse up later", "M274 224V256M210 140L250 172"),
    ("pulse up last", "M180 56V88"),
];

/// The diagram, the same in words, and the numbers of the system.
#[component]
pub(crate) fn SystemCard() -> impl IntoView {
    let state = use_page_state();
    let health = state.health();
    // What passed before this page was opened does not light up.
    let before = state.traffic().get_untracked();
    let pulse = move |count: fn(&Traffic) -> u32| {
        Signal::derive(move || {
            state.traffic().with(|traffic| pulse_name(count(traffic) - count(&before)))
        })
    };
    let parts = BOXES.map(|(part, label, x, y, lit)| {
        let status = Signal::derive(move || match health.with(|health| health.of(part)) {
            Some(ComponentStatus::Up) => "up".to_owned(),
            Some(ComponentStatus::Down) => "down".to_owned(),
            None => "unknown".to_owned(),
        });
        let words = Signal::derive(move || health.with(|health| health.words(part)));
        let outline =
            move |class| view! { <rect class=class x=x y=y width=WIDTH height=HEIGHT rx="10" /> };
        view! {
            <g data-health=status>
                {outline("part")}
                <text x=x + WIDTH / 2 y=y + 21>{label}</text>
                <text class="part-state" x=x + WIDTH / 2 y=y + 40 data-testid="part">
                    {words}
                </text>
                {lit.iter().copied().map(outline).collect_view()}
            </g>
        }
    });
    let lit_wires = LIT_WIRES.map(|(class, path)| view! { <path class=class d=path /> });
    let number = move |number: fn(&Readiness) -> Option<u64>| {
        Signal::derive(move || {
            let number = health.with(|health| health.readiness().and_then(number));
            number.map_or_else(|| "–".to_owned(), format::grouped)
        })
    };
    let summary = Signal::derive(move || health.with(|health| health.summary()));
    view! {
        <section class="card system" aria-labelledby="system-title" data-testid="system"
            data-sent=pulse(|traffic| traffic.sent) data-submitted=pulse(|traffic| traffic.submitted)
            data-calculated=pulse(|traffic| traffic.calculated)>
            <h2 id="system-title">"The system, now"</h2>
            <svg class="diagram" viewBox="0 0 360 404" role="img" aria-labelledby="system-title system-words">
                <path class="wire" d=WIRES />
                {parts}
                {lit_wires}
            </svg>
            <p id="system-words" class="quiet" data-testid="system-words">
                {summary}
            </p>
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
        </section>
    }
}

/// Two names of the same animation, in turn: another name starts it again.
pub(crate) fn pulse_name(count: u32) -> String {
    match count {
        0 => "no".to_owned(),
        count if count.is_multiple_of(2) => "even".to_owned(),
        _ => "odd".to_owned(),
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
