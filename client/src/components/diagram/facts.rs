//! What docker-compose.yml says about a part.

use leptos::prelude::*;

use crate::lesson::{Lesson, service_lines, use_lesson};
use crate::state::health::SystemPart;

/// The value of a field of the part's service, without brackets and quotes. `None` if the part is no
/// service, or has no such field in one line.
pub(super) fn compose_field(lesson: &Lesson, part: SystemPart, name: &str) -> Option<String> {
    let lines = service_lines(&lesson.compose, part.service()?);
    let value =
        lines.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": "))?;
    Some(value.trim_matches(['[', ']', '"']).to_owned())
}

/// `3050 → 80` for the ports `${PORT:-3050}:80`: the port of the host, and that of the container.
pub(super) fn published_port(lesson: &Lesson) -> Option<String> {
    let ports = compose_field(lesson, SystemPart::Edge, "ports")?;
    let (host, container) = ports.rsplit_once(':')?;
    let default = host.rsplit([':', '-']).next()?.trim_end_matches('}');
    Some(format!("{default} → {container}"))
}

/// The image of the part, without its tag; empty until the lesson is fetched.
pub(super) fn use_image(part: SystemPart) -> Signal<String> {
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
    fn the_published_port_is_that_of_the_compose_file() {
        let port = published_port(&lesson()).unwrap();
        assert!(
            port.starts_with("3050 → ") && port.ends_with(|end: char| end.is_ascii_digit()),
            "{port}"
        );
        assert_eq!(compose_field(&lesson(), SystemPart::Browser, "image"), None);
    }
}
