//! The diagram of the system: parts in their networks, with their images, volumes, the published
//! port and their health; arrows for what they send; and an animation for each event.

mod drawing;
mod facts;
mod topology;
mod workers;

use contract::{ComponentStatus, Readiness};
use leptos::prelude::*;
use leptos::svg::Svg;
use leptos_router::hooks::use_query_map;
use web_sys::{ScrollBehavior, ScrollIntoViewOptions, ScrollLogicalPosition};

use self::drawing::{ARROWS, Arrow, ArrowKind, BOX_WIDTH, BOXES, NETWORKS, PartBox, VOLUMES};
use self::topology::Topology;
use self::workers::WorkerBoxes;
use super::pulse::pulse_name;
use super::replay::{ReplayedHop, use_replayed_hop};
use crate::state::health::SystemPart;
use crate::state::{PageStateStoreFields, Traffic, use_page_state};
use crate::{format, media};

/// The diagram, the same as text, and the numbers of workers, queued jobs and dead letters.
#[component]
pub(crate) fn SystemCard() -> impl IntoView {
    let state = use_page_state();
    let health = state.health();
    // Events from before this component was created are not animated.
    let earlier = state.traffic().get_untracked();
    let pulse = move |count: fn(&Traffic) -> u32| {
        let earlier_count = count(&earlier);
        Signal::derive(move || pulse_name(count(&state.traffic().read()) - earlier_count))
    };
    let (sent, submitted, calculated) = (
        pulse(|traffic| traffic.sent),
        pulse(|traffic| traffic.submitted),
        pulse(|traffic| traffic.calculated),
    );
    let number = move |field: fn(&Readiness) -> Option<u64>| {
        Signal::derive(move || {
            let number = health.read().readiness().and_then(field);
            number.map_or_else(|| "–".to_owned(), format::grouped)
        })
    };
    let summary = Signal::derive(move || health.read().summary());
    view! {
        <section class="card system" aria-labelledby="system-title" data-testid="system"
            data-sent=sent data-submitted=submitted data-calculated=calculated>
            <h2 id="system-title">"The system, now"</h2>
            <Drawing />
            <p id="system-summary" class="quiet" data-testid="system-summary">
                {summary}
            </p>
            <Topology />
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

/// The drawing. Its boxes are links, and all else in it is hidden from screen readers, which have
/// the topology as text.
#[component]
fn Drawing() -> impl IntoView {
    let drawing = NodeRef::<Svg>::new();
    show_when_submitting(drawing);
    show_when_replaying(drawing);
    let text = |(x, y): (i32, i32), text: &'static str| view! { <text x=x y=y>{text}</text> };
    let networks = NETWORKS.map(|network| {
        let (x, y) = network.label_at;
        let labels = (0..).step_by(17).zip(network.labels);
        let labels = labels.map(|(line, label)| text((x, y + line), label)).collect_view();
        view! {
            <g class="network" data-network=network.name>
                <path d=network.area />
                {labels}
            </g>
        }
    });
    let volumes = VOLUMES.map(|volume| {
        view! {
            <g class="volume">
                <path d=volume.outline() />
                {text((volume.x + volume.width / 2, 398), volume.label)}
            </g>
        }
    });
    let legend = (12..).step_by(20).zip(ArrowKind::ALL).map(|(y, kind)| {
        view! {
            <g class="arrow legend" data-message=kind.name()>
                <path d=format!("M196 {y}h36") />
                <path class="head" d=format!("M240 {y}l-9-5v10z") />
                {text((250, y + 5), kind.name())}
            </g>
        }
    });
    let port = facts::published_port().unwrap_or_default();
    view! {
        <svg class="diagram" viewBox=drawing::VIEW_BOX role="group" node_ref=drawing
            aria-labelledby="system-title">
            <g aria-hidden="true">
                {networks}
                {volumes}
                {legend.collect_view()}
                {ARROWS.map(|arrow| view! { <ArrowView arrow /> })}
                <rect class="port" x="34" y="69" width="108" height="22" rx="11" />
                <text class="port" x="88" y="85">{port}</text>
                <text class="port-label" x="150" y="73">"published port"</text>
            </g>
            {BOXES.map(|part| view! { <PartView part /> })}
            <WorkerBoxes />
        </svg>
    }
}

#[component]
fn ArrowView(arrow: Arrow) -> impl IntoView {
    let replayed = use_replayed_hop();
    let is_lit = move || replayed.read().uses_arrow(arrow.from, arrow.to);
    view! {
        <g class="arrow" class:lit=is_lit data-message=arrow.kind.name()>
            <path d=arrow.line />
            <path class="head" d=arrow.head() />
            <path class=arrow.pulse d=arrow.line />
        </g>
    }
}

/// The box of a part: its name, its image and its state.
#[component]
fn PartView(part: PartBox) -> impl IntoView {
    let PartBox { part, label, at, height, pulses } = part;
    let health = use_page_state().health();
    let replayed = use_replayed_hop();
    let image = facts::image_of(part);
    let state_text = Signal::derive(move || health.read().part_text(part));
    let is_lit = move || replayed.read().is_at(part);
    let pulse = |class: &&'static str| {
        view! { <rect class=*class x=at.0 y=at.1 width=BOX_WIDTH height=height rx="10" /> }
    };
    view! {
        {pulses.iter().map(pulse).collect_view()}
        <PartLink part at height is_lit=Signal::derive(is_lit)>
            <b>{label}</b>
            <span class="image">{image}</span>
            <span data-testid="part">{state_text}</span>
        </PartLink>
    }
}

/// Notifies of a click on the part that is chosen already, which does not change the address.
#[derive(Clone, Copy)]
pub(crate) struct PartClickedAgain(pub(crate) Trigger);

/// A link that opens the details of a part.
//
// HTML inside the drawing, because the router does not handle links of SVG.
#[component]
fn PartLink(
    part: SystemPart,
    at: (i32, i32),
    height: i32,
    #[prop(optional)] is_lit: Signal<bool>,
    #[prop(default = "part-box")] testid: &'static str,
    children: Children,
) -> impl IntoView {
    let health = use_page_state().health();
    let query = use_query_map();
    let id = part.id();
    let is_chosen = Memo::new(move |_| query.read().get_str("part") == Some(id));
    let clicked_again = expect_context::<PartClickedAgain>();
    let click = move |_| {
        if is_chosen.get_untracked() {
            clicked_again.0.notify();
        }
    };
    let status = Signal::derive(move || status_name(health.read().of(part)));
    let link = view! {
        <a class="part" href=format!("/how-it-works?part={id}") data-noscroll data-part=id
            data-testid=testid data-health=status class:lit=is_lit on:click=click
            aria-current=move || is_chosen.get().then_some("true")>
            {children()}
        </a>
    };
    view! {
        <foreignObject x=at.0 y=at.1 width=BOX_WIDTH height=height>
            {link}
        </foreignObject>
    }
}

fn status_name(status: Option<ComponentStatus>) -> String {
    match status {
        Some(ComponentStatus::Up) => "up".to_owned(),
        Some(ComponentStatus::Down) => "down".to_owned(),
        None => "unknown".to_owned(),
    }
}

/// Scrolls to the drawing when this page submits an index, if it is not visible. The focus stays in
/// the field.
fn show_when_submitting(drawing: NodeRef<Svg>) {
    let traffic = use_page_state().traffic();
    Effect::new(move |previous: Option<u32>| {
        let sent = traffic.read().sent;
        if previous.is_some_and(|previous| previous != sent) {
            scroll_to(drawing, ScrollLogicalPosition::Nearest);
        }
        sent
    });
}

/// Scrolls to the drawing when a replay begins in a narrow window, where style.css shows the step
/// below it.
fn show_when_replaying(drawing: NodeRef<Svg>) {
    let replayed = use_replayed_hop();
    let is_replaying = Memo::new(move |_| *replayed.read() != ReplayedHop::default());
    Effect::new(move |_| {
        if is_replaying.get() && media::matches("(max-width: 61.99rem)") {
            scroll_to(drawing, ScrollLogicalPosition::Start);
        }
    });
}

fn scroll_to(drawing: NodeRef<Svg>, position: ScrollLogicalPosition) {
    let Some(drawing) = drawing.get_untracked() else { return };
    let options = ScrollIntoViewOptions::new();
    options.set_block(position);
    options.set_behavior(if media::prefers_reduced_motion() {
        ScrollBehavior::Instant
    } else {
        ScrollBehavior::Smooth
    });
    drawing.scroll_into_view_with_scroll_into_view_options(&options);
}
