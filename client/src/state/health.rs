//! The health of each part of the system, by the last response of `/health/ready` or its absence.

use contract::{ComponentStatus, Readiness, ReadinessStatus};

use crate::format;
use SystemPart::{Api, Browser, Client, Edge, Postgres, Redis, Worker};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SystemPart {
    /// This page.
    Browser,
    /// The nginx in front of everything.
    Edge,
    /// The nginx that serves the page.
    Client,
    Api,
    Postgres,
    Redis,
    Worker,
}

/// All parts in the order of the path of an index, with their names for a sentence.
pub(crate) const PARTS: [(SystemPart, &str); 7] = [
    (Browser, "browser"),
    (Edge, "edge"),
    (Client, "client"),
    (Api, "api"),
    (Postgres, "Postgres"),
    (Redis, "Redis"),
    (Worker, "workers"),
];

impl SystemPart {
    /// Its name in addresses: `/how-it-works?part=api`.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Browser => "browser",
            Edge => "edge",
            Client => "client",
            Api => "api",
            Postgres => "postgres",
            Redis => "redis",
            Worker => "worker",
        }
    }

    /// Its service in docker-compose.yml.
    pub(crate) fn service(self) -> Option<&'static str> {
        match self {
            Browser => None,
            Edge => Some("nginx"),
            _ => Some(self.id()),
        }
    }

    pub(crate) fn from_id(id: &str) -> Option<Self> {
        PARTS.into_iter().map(|(part, _)| part).find(|part| part.id() == id)
    }
}

/// The result of the last health check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SystemHealth {
    #[default]
    Unchecked,
    /// No response.
    Unreachable,
    /// A response of the edge, but not of the api.
    EdgeOnly,
    /// A response of the api.
    Checked(Readiness),
}

impl SystemHealth {
    /// The status of a part; `None` if it is unknown.
    pub(crate) fn of(&self, part: SystemPart) -> Option<ComponentStatus> {
        match (self, part) {
            (_, Browser) => Some(ComponentStatus::Up),
            (Self::Checked(readiness), Postgres) => Some(readiness.postgres),
            (Self::Checked(readiness), Redis) => Some(readiness.redis),
            (Self::Checked(Readiness { workers, .. }), Worker) => workers
                .map(|alive| if alive == 0 { ComponentStatus::Down } else { ComponentStatus::Up }),
            (Self::Checked(_), _) | (Self::EdgeOnly, Edge | Client) => Some(ComponentStatus::Up),
            (Self::EdgeOnly, Api) | (Self::Unreachable, Edge) => Some(ComponentStatus::Down),
            (Self::Unchecked | Self::Unreachable | Self::EdgeOnly, _) => None,
        }
    }

    pub(crate) fn readiness(&self) -> Option<&Readiness> {
        match self {
            Self::Checked(readiness) => Some(readiness),
            _ => None,
        }
    }

    /// The state of a part, as the diagram shows it.
    pub(crate) fn part_text(&self, part: SystemPart) -> String {
        match (self, part) {
            (_, Browser) => "this page".to_owned(),
            // No other fact about this nginx is known here.
            (_, Client) => "served this page".to_owned(),
            (Self::Checked(Readiness { workers: Some(0), .. }), Worker) => "none alive".to_owned(),
            (Self::Checked(Readiness { workers: Some(workers), .. }), Worker) => {
                format!("{} alive", format::grouped(*workers))
            }
            (Self::Checked(Readiness { queue: Some(0), .. }), Redis) => {
                "up, queue empty".to_owned()
            }
            (Self::Checked(Readiness { queue: Some(queue), .. }), Redis) => {
                format!("up, {} queued", format::grouped(*queue))
            }
            _ => match self.of(part) {
                None => "unknown".to_owned(),
                Some(ComponentStatus::Up) => "up".to_owned(),
                Some(ComponentStatus::Down) => "no response".to_owned(),
            },
        }
    }

    /// The state of all parts in one sentence or two.
    pub(crate) fn summary(&self) -> String {
        let parts = |status| {
            let parts = PARTS.into_iter().filter(|(part, _)| self.of(*part) == status);
            parts.map(|(_, name)| name).collect::<Vec<_>>().join(", ")
        };
        let (down, unknown) = (parts(Some(ComponentStatus::Down)), parts(None));
        match (down.as_str(), unknown.as_str()) {
            ("", "") => "All services up.".to_owned(),
            ("", _) => format!("Unknown yet: {unknown}."),
            (_, "") => format!("Unavailable: {down}. All others are up."),
            (_, _) => format!("Unavailable: {down}. Unknown: {unknown}."),
        }
    }

    /// Why values may not arrive. It is shown while the lists can be fetched; otherwise
    /// `header::Warning` shows the error of the fetch. The text has no numbers, because screen
    /// readers read it aloud whenever it changes.
    pub(crate) fn warning(&self) -> Option<&'static str> {
        let readiness = self.readiness()?;
        Some(match readiness.status {
            ReadinessStatus::Ready => return None,
            ReadinessStatus::Degraded => {
                "No worker is alive: submissions are safe, and wait until a worker starts."
            }
            ReadinessStatus::Unavailable if readiness.postgres == ComponentStatus::Down => {
                "Postgres is unavailable: nothing can be submitted at the moment."
            }
            ReadinessStatus::Unavailable => {
                "Redis is unavailable: submissions are safe, and are calculated when it returns."
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(
        status: ReadinessStatus,
        redis: ComponentStatus,
        workers: Option<u64>,
    ) -> SystemHealth {
        let (postgres, queue, dead_letters) = (ComponentStatus::Up, workers.map(|_| 1_234), None);
        SystemHealth::Checked(Readiness {
            status,
            postgres,
            redis,
            workers,
            worker_names: Vec::new(),
            queue,
            dead_letters,
            max_index: 40,
        })
    }

    #[test]
    fn every_part_is_found_by_its_id() {
        assert!(PARTS.iter().all(|(part, _)| SystemPart::from_id(part.id()) == Some(*part)));
        assert_eq!(SystemPart::from_id("queue"), None);
    }

    #[test]
    fn readiness_has_the_status_of_each_part() {
        let health = checked(ReadinessStatus::Ready, ComponentStatus::Up, Some(2));
        assert!(PARTS.iter().all(|(part, _)| health.of(*part) == Some(ComponentStatus::Up)));
        assert_eq!(health.summary(), "All services up.");
        assert_eq!(health.part_text(Worker), "2 alive");
        assert_eq!(health.part_text(Redis), "up, 1,234 queued");
        assert_eq!(health.warning(), None);
    }

    #[test]
    fn unavailable_parts_are_named_and_parts_behind_them_are_unknown() {
        let health = checked(ReadinessStatus::Unavailable, ComponentStatus::Down, None);
        assert_eq!(health.summary(), "Unavailable: Redis. Unknown: workers.");
        assert!(health.warning().unwrap().starts_with("Redis is unavailable"));
        let health = checked(ReadinessStatus::Degraded, ComponentStatus::Up, Some(0));
        assert_eq!(health.part_text(Worker), "none alive");
        assert_eq!(health.summary(), "Unavailable: workers. All others are up.");
        assert!(health.warning().unwrap().starts_with("No worker is alive"));
        let summary = SystemHealth::EdgeOnly.summary();
        assert_eq!(summary, "Unavailable: api. Unknown: Postgres, Redis, workers.");
        assert_eq!(SystemHealth::Unreachable.of(Edge), Some(ComponentStatus::Down));
        assert_eq!(SystemHealth::Unchecked.part_text(Api), "unknown");
    }
}
