//! docker-compose.yml, as it was when the page was built.

const COMPOSE_FILE: &str = include_str!("../../docker-compose.yml");

/// The lines of a service, without their indentation; empty if there is no such service.
pub(crate) fn service_lines(service: &str) -> String {
    lines_of(COMPOSE_FILE, service)
}

/// The value of the first field of a service with this name, or the item of a list of one item.
/// `None` if the service has no such field in one line.
pub(crate) fn service_field(service: &str, name: &str) -> Option<String> {
    let lines = service_lines(service);
    let value =
        lines.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": "))?;
    Some(value.trim_matches(['[', ']', '"']).to_owned())
}

fn lines_of(compose: &str, service: &str) -> String {
    let header = format!("  {service}:");
    let services = compose.lines().skip_while(|line| *line != "services:").skip(1);
    let mut lines = services.skip_while(|line| *line != header);
    let Some(first) = lines.next() else { return String::new() };
    // Names of services, and comments between services, are indented by two spaces.
    let is_inside = |line: &&str| line.is_empty() || line.starts_with("   ");
    let lines = std::iter::once(first).chain(lines.take_while(is_inside));
    let lines: Vec<&str> = lines.map(|line| line.get(2..).unwrap_or_default()).collect();
    lines.join("\n").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::health::PARTS;

    #[test]
    fn the_lines_of_a_service_end_before_the_next_one() {
        let compose = "x: 1\nservices:\n  a:\n    image: one\n\n  # About b.\n  b:\n    \
            image: two\nvolumes:\n  a:\n";
        assert_eq!(lines_of(compose, "a"), "a:\n  image: one");
        assert_eq!(lines_of(compose, "b"), "b:\n  image: two");
        assert_eq!(lines_of(compose, "c"), "");
    }

    #[test]
    fn every_container_is_a_service_with_an_image() {
        for service in PARTS.iter().filter_map(|(part, _)| part.service()) {
            let lines = service_lines(service);
            assert!(lines.starts_with(&format!("{service}:\n  <<: *")), "{lines}");
            let image = service_field(service, "image").unwrap();
            assert!(!image.is_empty() && !image.contains(' '), "{image}");
        }
        assert_eq!(service_field("api", "x"), None);
    }
}
