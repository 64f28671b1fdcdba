//! What docker-compose.yml says about a part.

use leptos::prelude::*;

use crate::lesson::{Lesson, service_lines, use_lesson};
use crate::state::health::SystemPart;

/// The value of a field of the part's service, without brackets and quotes. `None` if the part is
/// no service, or has no such field in one line.
pub(super) fn compose_field(lesson: &Lesson, part: SystemPart, name: &str) -> Option<String> {
    let lines = service_lines(&lesson.compose, part.service()?);
    let value =
        lines.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": "))?;
    Some(value.trim_matches(['[', ']', '"']).to_owned())
}

/// `3050 → 8080`: the port of this page's address, and that of the edge's container.
pub(super) fn published_port(lesson: &Lesson) -> Option<String> {
    let location = window().location();
    let mut port = location.port().ok()?;
    if port.is_empty() {
        // The default port of the protocol is not in the address.
        port = if location.protocol().ok()? == "https:" { "443" } else { "80" }.to_owned();
    }
    Some(format!("{port} → {}", edge_port(lesson)?))
}

/// `8080` for the ports `${PORT:-3050}:8080`.
fn edge_port(lesson: &Lesson) -> Option<String> {
    let ports = compose_field(lesson, SystemPart::Edge, "ports")?;
    Some(ports.rsplit_once(':')?.1.to_owned())
}

/// The image of the part, without its tag; empty until the lesson is fetched.
pub(super) fn image_of(part: SystemPart) -> Signal<String> {
    let lesson = use_lesson();
    Signal::derive(move || {
        let lesson = lesson.get().and_then(Result::ok);
        let image = lesson.and_then(|lesson| compose_field(&lesson, part, "image"));
        image.unwrap_or_default().split(['@', ':']).next().unwrap_or_default().to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::diagram::drawing::{NETWORKS, VOLUMES};
    use crate::state::health::PARTS;

    fn lesson() -> Lesson {
        let mut lesson = Lesson::default();
        lesson.compose = include_str!("../../../../docker-compose.yml").to_owned();
        lesson
    }

    #[test]
    fn the_drawing_has_the_networks_and_volumes_of_the_compose_file() {
        let lesson = lesson();
        for (part, _) in PARTS.into_iter().filter(|(part, _)| part.service().is_some()) {
            let networks = NETWORKS.iter().filter(|network| network.parts.contains(&part));
            let drawn = networks.map(|network| network.name).collect::<Vec<_>>().join(", ");
            assert_eq!(compose_field(&lesson, part, "networks"), Some(drawn), "{part:?}");
            if let Some(volume) = compose_field(&lesson, part, "volumes") {
                let label = format!("volume {}", volume.split(':').next().unwrap());
                assert!(VOLUMES.iter().any(|volume| volume.label == label), "{label}");
            }
            let image = compose_field(&lesson, part, "image").unwrap();
            assert!(!image.is_empty() && !image.contains(' '), "{image}");
        }
    }

    #[test]
    fn the_port_of_the_edge_is_that_of_the_compose_file() {
        let port = edge_port(&lesson()).unwrap();
        assert!(port.parse::<u16>().is_ok(), "{port}");
        assert_eq!(compose_field(&lesson(), SystemPart::Browser, "image"), None);
    }
}
