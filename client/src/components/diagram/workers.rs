//! The boxes of the workers: one for each of the first four.

use contract::{ComponentStatus, Readiness};
use leptos::prelude::*;

use super::drawing::{BOX_WIDTH, PartBox, SHORT_BOX_HEIGHT, WORKER_BOXES, WORKERS, WORKERS_WIDTH};
use super::{PartLink, facts};
use crate::components::replay::use_replayed_hop;
use crate::format;
use crate::state::health::SystemPart::Worker;
use crate::state::{PageStateStoreFields, use_page_state};

/// The frame of the workers, as high with one worker as with many.
#[component]
pub(super) fn WorkerBoxes() -> impl IntoView {
    let health = use_page_state().health();
    let PartBox { label, at: (x, y), height, .. } = WORKERS;
    let image = facts::image_of(Worker);
    let state_text = Signal::derive(move || health.read().part_text(Worker));
    let more = Signal::derive(move || {
        let more = health.read().readiness().map_or(0, hidden_workers);
        if more == 0 { String::new() } else { format!("and {} more", format::grouped(more)) }
    });
    let positions = 0..WORKER_BOXES.len();
    let boxes = positions.map(|position| view! { <WorkerBox position /> }).collect_view();
    let title = view! {
        <p class="workers-title">
            <b>{label}</b>
            <span class="image">{image}</span>
            <span data-testid="part">{state_text}</span>
        </p>
    };
    view! {
        <g class="workers">
            <g aria-hidden="true">
                <rect x=x y=y width=WORKERS_WIDTH height=height rx="12" />
                <foreignObject x=x y=y width=WORKERS_WIDTH height="28">{title}</foreignObject>
                <text x=x + WORKERS_WIDTH / 2 y=y + height - 9 data-testid="more-workers">
                    {more}
                </text>
            </g>
            {boxes}
        </g>
    }
}

/// The box of the worker at a position in the list of names. If there is none, the first box says
/// so.
#[component]
fn WorkerBox(position: usize) -> impl IntoView {
    let health = use_page_state().health();
    // A memo, so that the box keeps the focus while other workers come and go.
    let name = Memo::new(move |_| health.read().readiness()?.worker_names.get(position).cloned());
    let missing = Signal::derive(move || match health.read().of(Worker) {
        Some(ComponentStatus::Down) => "no worker alive".to_owned(),
        _ => "unknown".to_owned(),
    });
    let at = WORKER_BOXES[position];
    move || match name.get() {
        Some(name) => view! { <NamedWorker name at /> }.into_any(),
        None if position == 0 => view! {
            <PartLink part=Worker at height=SHORT_BOX_HEIGHT testid="no-worker">{missing}</PartLink>
        }
        .into_any(),
        None => ().into_any(),
    }
}

#[component]
fn NamedWorker(name: String, at: (i32, i32)) -> impl IntoView {
    let traffic = use_page_state().traffic();
    let replayed = use_replayed_hop();
    let name = StoredValue::new(name);
    // Only for its own values: the animation shows which worker has calculated one.
    let pulse = Signal::derive(move || {
        let is_own = traffic.read().workers.contains(&name.read_value());
        if is_own { "pulse up" } else { "pulse" }.to_owned()
    });
    let is_lit = move || replayed.read().is_at_worker(&name.read_value());
    // The host's name is in the names of all its workers; style.css abbreviates it if it is long.
    let (host, suffix) = name.with_value(|name| {
        let (host, suffix) = name.split_at(name.rfind('-').unwrap_or(0));
        (host.to_owned(), suffix.to_owned())
    });
    view! {
        <rect class=pulse x=at.0 y=at.1 width=BOX_WIDTH height=SHORT_BOX_HEIGHT rx="10" />
        <PartLink part=Worker at height=SHORT_BOX_HEIGHT is_lit=Signal::derive(is_lit)
            testid="worker-box">
            <span class="visually-hidden">"worker "</span>
            <span class="host">{host}</span>
            {suffix}
        </PartLink>
    }
}

/// The number of workers that have no box.
fn hidden_workers(readiness: &Readiness) -> u64 {
    let boxes = readiness.worker_names.len().min(WORKER_BOXES.len());
    readiness.workers.unwrap_or(0).saturating_sub(boxes as u64)
}
