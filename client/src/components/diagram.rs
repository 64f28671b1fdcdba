//! The diagram of the system: each part with its health, and an animation for each event.

use contract::{ComponentStatus, Readiness};
use leptos::prelude::*;

use crate::format;
use crate::state::health::SystemPart;
use crate::state::{PageStateStoreFields, Traffic, use_page_state};

/// The box of a part.
struct PartBox {
    part: SystemPart,
    label: &'static str,
    /// The upper left corner.
    x: i32,
    y: i32,
    /// The animated outlines of the box, one for each direction of the path: classes in style.css,
    /// which order the animations along the path.
    pulses: &'static [&'static str],
}

const fn part_box(
    part: SystemPart,
    label: &'static str,
    (x, y): (i32, i32),
    pulses: &'static [&'static str],
) -> PartBox {
    PartBox { part, label, x, y, pulses }
}

const BOXES: [PartBox; 7] = [
    part_box(SystemPart::Browser, "your browser", (100, 4), &["pulse sent", "pulse up last"]),
    part_box(SystemPart::Edge, "edge · nginx", (100, 88), &["pulse down"]),
    part_box(SystemPart::Client, "client · nginx", (6, 172), &[]),
    part_box(SystemPart::Api, "api · axum", (194, 172), &["pulse down", "pulse up later"]),
    part_box(SystemPart::Postgres, "Postgres", (6, 256), &["pulse down later"]),
    part_box(SystemPart::Redis, "Redis", (194, 256), &["pulse down later"]),
    part_box(SystemPart::Worker, "worker", (194, 340), &["pulse up"]),
];

const BOX_WIDTH: i32 = 160;
const BOX_HEIGHT: i32 = 52;

/// The lines between the parts, as an SVG path.
const WIRES: &str =
    "M180 56V88M150 140L110 172M210 140L250 172M238 224L122 256M274 224V256M274 308V340";

/// The animated lines, in the order of the path: the classes and the SVG path of each.
const WIRE_PULSES: [(&str, &str); 6] = [
    ("pulse sent", "M180 56V88"),
    ("pulse down", "M210 140L250 172"),
    ("pulse down later", "M238 224L122 256M274 224V256"),
    ("pulse up", "M274 308V340"),
    ("pulse up later", "M274 224V256M210 140L250 172"),
    ("pulse up last", "M180 56V88"),
];

/// The diagram, its summary as text, and the numbers of workers, queued jobs and dead letters.
#[component]
pub(crate) fn SystemCard() -> impl IntoView {
    let state = use_page_state();
    let health = state.health();
    // Events from before this component was created are not animated.
    let earlier = state.traffic().get_untracked();
    let pulse = move |count: fn(&Traffic) -> u32| {
        Signal::derive(move || {
            state.traffic().with(|traffic| pulse_name(count(traffic) - count(&earlier)))
        })
    };
    let parts = BOXES.map(|PartBox { part, label, x, y, pulses }| {
        let status = Signal::derive(move || match health.with(|health| health.of(part)) {
            Some(ComponentStatus::Up) => "up".to_owned(),
            Some(ComponentStatus::Down) => "down".to_owned(),
            None => "unknown".to_owned(),
        });
        let state_text = Signal::derive(move || health.with(|health| health.part_text(part)));
        let outline = move |class| {
            view! { <rect class=class x=x y=y width=BOX_WIDTH height=BOX_HEIGHT rx="10" /> }
        };
        view! {
            <g data-health=status>
                {outline("part")}
                <text x=x + BOX_WIDTH / 2 y=y + 21>{label}</text>
                <text class="part-state" x=x + BOX_WIDTH / 2 y=y + 40 data-testid="part">
                    {state_text}
                </text>
                {pulses.iter().copied().map(outline).collect_view()}
            </g>
        }
    });
    let wire_pulses = WIRE_PULSES.map(|(class, path)| view! { <path class=class d=path /> });
    let number = move |number: fn(&Readiness) -> Option<u64>| {
        Signal::derive(move || {
            let number = health.with(|health| health.readiness().and_then(number));
            number.map_or_else(|| "–".to_owned(), format::grouped)
        })
    };
    let summary = Signal::derive(move || health.with(|health| health.summary()));
    view! {
        <section class="card system" aria-labelledby="system-title" data-testid="system"
            data-sent=pulse(|traffic| traffic.sent)
            data-submitted=pulse(|traffic| traffic.submitted)
            data-calculated=pulse(|traffic| traffic.calculated)>
            <h2 id="system-title">"The system, now"</h2>
            <svg class="diagram" viewBox="0 0 360 404" role="img"
                aria-labelledby="system-title system-words">
                <path class="wire" d=WIRES />
                {parts}
                {wire_pulses}
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

/// `odd` or `even`: two names of the same animation, because only a change of the name restarts it.
/// `no` before the first event.
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
    fn each_event_restarts_the_animation() {
        assert_eq!([0, 1, 2, 3].map(pulse_name), ["no", "odd", "even", "odd"]);
    }
}
