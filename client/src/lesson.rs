//! The texts of `/how-it-works`: `client/lesson.html`. They are not in the program, so that a visit
//! of another route does not transfer them and a teacher can change the words without compiling.
//! docker-compose.yml comes as it was when the page was built.

use std::sync::Arc;

use leptos::prelude::*;
use leptos::task::spawn_local;
use web_sys::Element;

use crate::api::{self, RequestError};
use crate::state::journeys::JOURNEY_HOPS;

/// The content of lesson.html and docker-compose.yml.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lesson {
    /// In the order of `state::journeys::JOURNEY_HOPS`.
    pub(crate) hops: Vec<HopLesson>,
    /// Commands that find a request in the logs, with the placeholder `{request_id}`.
    pub(crate) logs: LogCommands,
    html: String,
    /// The text of docker-compose.yml.
    pub(crate) compose: String,
}

/// What happens at a hop of a submission.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HopLesson {
    /// The ids of the parts that this hop's message passes, in order. A single one is a hop without
    /// a message.
    pub(crate) path: Vec<String>,
    pub(crate) text: String,
    pub(crate) message: Option<HopMessage>,
}

/// What travels at a hop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HopMessage {
    /// The file that has the statement or the script; empty for requests and events.
    pub(crate) source: String,
    /// With the placeholders `{index}`, `{request_id}`, `{edge_seconds}` (Unix time with three
    /// decimals), `{id}`, `{class}` (`small` or `large`), `{received}`, `{committed}`, `{pushed}`,
    /// `{worker}`, `{value}` and `{event}` (the JSON of the event `value`).
    pub(crate) template: String,
}

/// With Docker Compose, and with `cargo xtask up`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogCommands {
    pub(crate) compose: String,
    pub(crate) without_docker: String,
}

impl Lesson {
    pub(crate) fn new(html: &str, compose: String) -> Self {
        let root = parse_html(html);
        let find = |id: &str| root.as_ref()?.query_selector(id).ok().flatten();
        let text = |id: &str| find(id).as_ref().map(text_of).unwrap_or_default();
        let hops = (0..JOURNEY_HOPS.len()).filter_map(|hop| find(&format!("#hop-{hop}")));
        let hops = hops.map(|element| HopLesson::new(&element)).collect();
        let logs = LogCommands {
            compose: text("#logs-compose"),
            without_docker: text("#logs-without-docker"),
        };
        Self { hops, logs, html: html.to_owned(), compose }
    }

    /// The content of the element with this id, as HTML; empty if there is no such element.
    pub(crate) fn fragment(&self, id: &str) -> String {
        let element = parse_html(&self.html)
            .and_then(|root| root.query_selector(&format!("#{id}")).ok().flatten());
        element.map(|element| element.inner_html()).unwrap_or_default()
    }
}

impl HopLesson {
    fn new(element: &Element) -> Self {
        let child = |name: &str| element.query_selector(name).ok().flatten();
        let path = element.get_attribute("data-path").unwrap_or_default();
        let message = child("pre").map(|message| HopMessage {
            source: message.get_attribute("data-source").unwrap_or_default(),
            template: text_of(&message),
        });
        Self {
            path: path.split(' ').map(str::to_owned).collect(),
            text: child("p").as_ref().map(text_of).unwrap_or_default(),
            message,
        }
    }
}

/// An element outside the document, with this content.
fn parse_html(html: &str) -> Option<Element> {
    let root = document().create_element("div").ok()?;
    root.set_inner_html(html);
    Some(root)
}

fn text_of(element: &Element) -> String {
    element.text_content().unwrap_or_default().trim().to_owned()
}

/// The lesson, or the error of the last fetch; `None` while it is being fetched.
#[derive(Clone, Copy)]
pub(crate) struct LessonFetch {
    outcome: RwSignal<Option<Result<Arc<Lesson>, RequestError>>>,
}

impl LessonFetch {
    /// Tracks changes.
    pub(crate) fn get(&self) -> Option<Result<Arc<Lesson>, RequestError>> {
        self.outcome.get()
    }

    pub(crate) fn fetch(&self) {
        let Self { outcome } = *self;
        outcome.set(None);
        spawn_local(async move {
            let lesson = api::lesson().await.map(Arc::new);
            // The route may have been left meanwhile.
            let _ = outcome.try_set(Some(lesson));
        });
    }
}

/// Fetches the lesson, and provides it to [`use_lesson`] in this component and its children.
pub(crate) fn provide_lesson() {
    let lesson = LessonFetch { outcome: RwSignal::new(None) };
    lesson.fetch();
    provide_context(lesson);
}

pub(crate) fn use_lesson() -> LessonFetch {
    expect_context()
}

/// The lines of a service in docker-compose.yml, without their indentation; empty if it has no such
/// service.
pub(crate) fn service_lines(compose: &str, service: &str) -> String {
    let header = format!("  {service}:");
    let services = compose.lines().skip_while(|line| *line != "services:").skip(1);
    let mut lines = services.skip_while(|line| *line != header);
    let Some(first) = lines.next() else { return String::new() };
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
        assert_eq!(service_lines(compose, "a"), "a:\n  image: one");
        assert_eq!(service_lines(compose, "b"), "b:\n  image: two");
        assert_eq!(service_lines(compose, "c"), "");
    }

    #[test]
    fn every_container_has_its_lines_of_the_compose_file() {
        let compose = include_str!("../../docker-compose.yml");
        for service in PARTS.iter().filter_map(|(part, _)| part.service()) {
            let lines = service_lines(compose, service);
            assert!(lines.starts_with(&format!("{service}:\n  <<: *")), "{lines}");
            assert_eq!(lines.matches("\n  image: ").count(), 1, "{lines}");
        }
    }
}
