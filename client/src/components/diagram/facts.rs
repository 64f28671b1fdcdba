//! What the diagram shows of docker-compose.yml, and the published port.

use leptos::prelude::*;

use crate::compose::service_field;
use crate::state::health::SystemPart;

/// A field of the part's service; `None` if the part is no service, or its service has no such
/// field.
pub(super) fn compose_field(part: SystemPart, name: &str) -> Option<String> {
    service_field(part.service()?, name)
}

/// The image of the part, without its tag; empty if it has none.
pub(super) fn image_of(part: SystemPart) -> String {
    let image = compose_field(part, "image").unwrap_or_default();
    image.split(['@', ':']).next().unwrap_or_default().to_owned()
}

/// `3050 → 8080`: the port of this page's address, and that of the edge's container.
pub(super) fn published_port() -> Option<String> {
    let location = window().location();
    let mut port = location.port().ok()?;
    if port.is_empty() {
        // The default port of the protocol is not in the address.
        port = if location.protocol().ok()? == "https:" { "443" } else { "80" }.to_owned();
    }
    Some(format!("{port} → {}", edge_port()?))
}

/// `8080` for the ports `${PORT:-3050}:8080`.
fn edge_port() -> Option<String> {
    let ports = compose_field(SystemPart::Edge, "ports")?;
    Some(ports.rsplit_once(':')?.1.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::diagram::drawing::{NETWORKS, VOLUMES};
    use crate::state::health::PARTS;

    #[test]
    fn the_drawing_has_the_networks_and_volumes_of_the_compose_file() {
        for (part, _) in PARTS.into_iter().filter(|(part, _)| part.service().is_some()) {
            let networks = NETWORKS.iter().filter(|network| network.parts.contains(&part));
            let drawn = networks.map(|network| network.name).collect::<Vec<_>>().join(", ");
            assert_eq!(compose_field(part, "networks"), Some(drawn), "{part:?}");
            if let Some(volume) = compose_field(part, "volumes") {
                let label = format!("volume {}", volume.split(':').next().unwrap());
                assert!(VOLUMES.iter().any(|volume| volume.label == label), "{label}");
            }
        }
    }

    #[test]
    fn the_port_of_the_edge_is_that_of_the_compose_file() {
        let port = edge_port().unwrap();
        assert!(port.parse::<u16>().is_ok(), "{port}");
        assert_eq!(image_of(SystemPart::Browser), "");
    }
}
