//! The diagram as text, from the same data.

use leptos::prelude::*;

use super::drawing::{ARROWS, NETWORKS};
use super::facts::{compose_field, published_port};
use crate::state::health::{PARTS, SystemPart};

/// A list of the parts, with what docker-compose.yml says about each and what it sends to others.
#[component]
pub(super) fn Topology() -> impl IntoView {
    let parts = PARTS.map(|(part, name)| view! { <li><b>{name}</b> {describe(part)}</li> });
    view! {
        <details class="topology">
            <summary>"The diagram as text"</summary>
            <ul data-testid="topology">{parts}</ul>
        </details>
    }
}

/// ` Image: usamaa96/worker. Networks: back. Sends: event to Redis.`
fn describe(part: SystemPart) -> String {
    let mut text = String::new();
    let mut add = |what: &str, value: String| {
        if !value.is_empty() {
            text += what;
            text += &value;
            text += ".";
        }
    };
    let field = |name| compose_field(part, name).unwrap_or_default();
    add(" Image: ", field("image"));
    if part == SystemPart::Edge {
        add(" Published port: ", published_port().unwrap_or_default());
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
