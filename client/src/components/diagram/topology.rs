//! The diagram as text, from the same data.

use leptos::prelude::*;

use super::drawing::{ARROWS, NETWORKS};
use super::facts::{compose_field, published_port};
use crate::lesson::{Lesson, use_lesson};
use crate::state::health::{PARTS, SystemPart};

/// A list of the parts, with what docker-compose.yml says about each and what it sends to others.
#[component]
pub(super) fn Topology() -> impl IntoView {
    let lesson = use_lesson();
    let parts = move || {
        let lesson = lesson.get().and_then(Result::ok);
        let item = |(part, name)| {
            let text = describe(part, lesson.as_deref());
            view! {
                <li><b>{name}</b> {text}</li>
            }
        };
        PARTS.map(item).collect_view()
    };
    view! {
        <details class="topology">
            <summary>"The diagram as text"</summary>
            <ul data-testid="topology">{parts}</ul>
        </details>
    }
}

/// `: image usamaa96/server. Networks: front, back. Sends request to Postgres, job to Redis.`
fn describe(part: SystemPart, lesson: Option<&Lesson>) -> String {
    let mut text = String::new();
    let mut add = |what: &str, value: String| {
        if !value.is_empty() {
            text += what;
            text += &value;
            text += ".";
        }
    };
    let field =
        |name| lesson.and_then(|lesson| compose_field(lesson, part, name)).unwrap_or_default();
    add(" Image: ", field("image"));
    if part == SystemPart::Edge {
        add(" Published port: ", lesson.and_then(published_port).unwrap_or_default());
    }
    let networks = NETWORKS.iter().filter(|network| network.parts.contains(&part));
    add(" Networks: ", networks.map(|network| network.name).collect::<Vec<_>>().join(", "));
    add(" Volume: ", field("volumes"));
    let arrows = ARROWS.iter().filter(|arrow| arrow.from == part);
    let sent = arrows.filter_map(|arrow| {
        let (_, to) = PARTS.into_iter().find(|(part, _)| *part == arrow.to)?;
        Some(format!("{} to {to}", arrow.kind.name()))
    });
    add(" Sends: ", sent.collect::<Vec<_>>().join(", "));
    text
}
