//! The texts of `/how-it-works`. They are in `client/lesson.json` and not in the program, so that
//! only a visit of this route loads them. With them comes docker-compose.yml, as it was when the
//! page was built.

use std::collections::BTreeMap;
use std::sync::Arc;

use leptos::prelude::*;
use serde::Deserialize;

use crate::api::{self, RequestError};

/// The content of `client/lesson.json`, and docker-compose.yml.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Lesson {
    /// By the id of the part: `SystemPart::id`.
    pub(crate) parts: BTreeMap<String, PartLesson>,
    /// In the order of `state::journeys::JOURNEY_HOPS`.
    pub(crate) hops: Vec<HopLesson>,
    /// Commands that find a request in the logs, with the placeholder `{request_id}`.
    pub(crate) logs: Commands,
    pub(crate) experiments: Vec<Experiment>,
    pub(crate) glossary: Vec<Term>,
    /// The text of docker-compose.yml.
    #[serde(skip)]
    pub(crate) compose: String,
}

/// What there is to know about a part of the system. Each text is a list of paragraphs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct PartLesson {
    pub(crate) name: String,
    /// Its service in docker-compose.yml; the browser has none.
    pub(crate) service: Option<String>,
    pub(crate) port: String,
    pub(crate) why: Vec<String>,
    /// What happens to the others when it dies.
    pub(crate) dies: Vec<String>,
    pub(crate) sources: Vec<Source>,
}

/// A source file, served at `/source/<path>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) about: String,
}

/// What happens at a hop of a submission.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct HopLesson {
    /// The ids of the parts that this hop's message passes, in order. A single one is a hop without
    /// a message.
    pub(crate) path: Vec<String>,
    pub(crate) text: String,
    pub(crate) carried: Option<Carried>,
}

/// What travels at a hop.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Carried {
    /// `request`, `sql`, `script`, `job` or `event`.
    pub(crate) kind: String,
    /// The file that has the statement or the script; empty for requests and events.
    #[serde(default)]
    pub(crate) source: String,
    /// With the placeholders `{index}`, `{request_id}`, `{edge_seconds}` (Unix time with three
    /// decimals), `{id}`, `{class}` (`small` or `large`), `{received}`, `{committed}`, `{pushed}`,
    /// `{worker}`, `{value}` and `{event}` (the JSON of the event `value`).
    pub(crate) text: String,
}

/// Commands to type, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Commands {
    pub(crate) compose: Vec<String>,
    pub(crate) without_docker: Vec<String>,
}

/// Something to try on the running system, and what this page then shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Experiment {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) why: String,
    pub(crate) run: Commands,
    pub(crate) expect: Vec<String>,
    pub(crate) undo: Commands,
    /// What to expect after `undo`.
    pub(crate) after: Vec<String>,
}

/// A word of the glossary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Term {
    pub(crate) term: String,
    pub(crate) meaning: String,
    /// What it is in this application.
    pub(crate) here: String,
}

/// The fetch of the lesson.
#[derive(Clone, Copy)]
pub(crate) struct LessonFetch {
    fetch: Action<(), Result<Arc<Lesson>, RequestError>>,
}

impl LessonFetch {
    /// The lesson, or the error of the last fetch; `None` while it is being fetched. Tracks changes.
    pub(crate) fn get(&self) -> Option<Result<Arc<Lesson>, RequestError>> {
        self.fetch.value().get()
    }

    /// Fetches the lesson again.
    pub(crate) fn retry(&self) {
        self.fetch.dispatch_local(());
    }
}

/// Fetches the lesson, and provides it to [`use_lesson`] in this component and its children.
pub(crate) fn provide_lesson() -> LessonFetch {
    let fetch = Action::new_local(|(): &()| async { api::lesson().await.map(Arc::new) });
    fetch.dispatch_local(());
    let lesson = LessonFetch { fetch };
    provide_context(lesson);
    lesson
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
    use crate::state::journeys::JOURNEY_HOPS;

    const COMPOSE: &str = include_str!("../../docker-compose.yml");

    #[test]
    fn the_lines_of_a_service_end_before_the_next_one() {
        let compose = "x: 1\nservices:\n  a:\n    image: one\n\n  # About b.\n  b:\n    image: two\n\
            volumes:\n  a:\n";
        assert_eq!(service_lines(compose, "a"), "a:\n  image: one");
        assert_eq!(service_lines(compose, "b"), "b:\n  image: two");
        assert_eq!(service_lines(compose, "c"), "");
    }

    #[test]
    fn every_part_has_a_lesson_and_its_service_has_lines() {
        let lesson: Lesson = serde_json::from_str(include_str!("../lesson.json")).unwrap();
        assert_eq!(lesson.parts.len(), PARTS.len());
        for (part, _) in PARTS {
            let PartLesson { service, .. } = &lesson.parts[part.id()];
            let Some(service) = service else { continue };
            let lines = service_lines(COMPOSE, service);
            assert!(lines.starts_with(&format!("{service}:\n  <<: *")), "{lines}");
            assert_eq!(lines.matches("\n  image: ").count(), 1, "{lines}");
        }
        assert_eq!(lesson.hops.len(), JOURNEY_HOPS.len());
    }
}
