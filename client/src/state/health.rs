//! The parts of the system as the page sees them: from the readiness response, or from there being
//! none.

use contract::{ComponentStatus, Readiness, ReadinessStatus};

use crate::format;

/// A part of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemPart {
    /// This page.
    Browser,
    /// The nginx that routes.
    Edge,
    /// The nginx that serves the page.
    Client,
    /// The axum server.
    Api,
    /// The database.
    Postgres,
    /// Queue, cache and events.
    Redis,
    /// Those that calculate.
    Worker,
}

impl SystemPart {
    /// All of them, in the order of the path.
    pub const ALL: [Self; 7] =
        [Self::Browser, Self::Edge, Self::Client, Self::Api, Self::Postgres, Self::Redis, Self::Worker];

    /// As a sentence has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Edge => "edge",
            Self::Client => "client",
            Self::Api => "api",
            Self::Postgres => "Postgres",
            Self::Redis => "Redis",
            Self::Worker => "workers",
        }
    }
}

/// Whether a part works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartHealth {
    /// It cannot be told.
    Unknown,
    /// It answers.
    Up,
    /// It does not.
    Down,
}

impl PartHealth {
    /// For style.css.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// The result of the last health check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SystemHealth {
    /// There was none yet.
    #[default]
    Unchecked,
    /// Nobody answers.
    Unreachable,
    /// The edge answers, and says that the api does not.
    EdgeOnly,
    /// The api's response.
    Checked(Readiness),
}

impl SystemHealth {
    /// The health of a part. The page is here, so its nginx was.
    pub fn of(&self, part: SystemPart) -> PartHealth {
        use SystemPart::{Api, Browser, Client, Edge, Postgres, Redis, Worker};
        let component = |status| {
            if status == ComponentStatus::Up { PartHealth::Up } else { PartHealth::Down }
        };
        match (self, part) {
            (_, Browser) => PartHealth::Up,
            (Self::Checked(readiness), Postgres) => component(readiness.postgres),
            (Self::Checked(readiness), Redis) => component(readiness.redis),
            (Self::Checked(readiness), Worker) => match readiness.workers {
                Some(0) => PartHealth::Down,
                Some(_) => PartHealth::Up,
                None => PartHealth::Unknown,
            },
            (Self::Checked(_), _) | (Self::EdgeOnly, Edge | Client) => PartHealth::Up,
            (Self::EdgeOnly, Api) | (Self::Unreachable, Edge) => PartHealth::Down,
            (Self::Unchecked | Self::Unreachable | Self::EdgeOnly, _) => PartHealth::Unknown,
        }
    }

    /// The api's response.
    pub fn readiness(&self) -> Option<&Readiness> {
        match self {
            Self::Checked(readiness) => Some(readiness),
            _ => None,
        }
    }

    /// The state of a part in words.
    pub fn words(&self, part: SystemPart) -> String {
        match (self, part) {
            (_, SystemPart::Browser) => "this page".to_owned(),
            // All that can be known from here.
            (_, SystemPart::Client) => "served this page".to_owned(),
            (Self::Checked(Readiness { workers: Some(workers), .. }), SystemPart::Worker) => match workers {
                0 => "none alive".to_owned(),
                workers => format!("{} alive", format::grouped(*workers)),
            },
            (Self::Checked(Readiness { queue: Some(queue), .. }), SystemPart::Redis) => match queue {
                0 => "up, queue empty".to_owned(),
                queue => format!("up, {} queued", format::grouped(*queue)),
            },
            _ => match self.of(part) {
                PartHealth::Unknown => "unknown",
                PartHealth::Up => "up",
                PartHealth::Down => "no response",
            }
            .to_owned(),
        }
    }

    /// The whole system in words.
    pub fn summary(&self) -> String {
        let parts = |health| {
            let names = SystemPart::ALL.into_iter().filter(|part| self.of(*part) == health);
            names.map(SystemPart::name).collect::<Vec<_>>().join(", ")
        };
        match (parts(PartHealth::Down), parts(PartHealth::Unknown)) {
            (down, unknown) if down.is_empty() && unknown.is_empty() => "All services up.".to_owned(),
            (down, unknown) if down.is_empty() => format!("Unknown yet: {unknown}."),
            (down, unknown) if unknown.is_empty() => format!("Unavailable: {down}. All others are up."),
            (down, unknown) => format!("Unavailable: {down}. Unknown: {unknown}."),
        }
    }

    /// What a person who waits for a value should know. Without numbers, because it is read aloud
    /// whenever it changes.
    pub fn warning(&self) -> Option<&'static str> {
        let readiness = self.readiness()?;
        match readiness.status {
            ReadinessStatus::Ready => None,
            ReadinessStatus::Degraded => {
                Some("No worker is alive: what you submit is safe, and is calculated when one starts.")
            }
            ReadinessStatus::Unavailable if readiness.postgres == ComponentStatus::Down => {
                Some("Postgres is unavailable: nothing can be submitted at the moment.")
            }
            ReadinessStatus::Unavailable => {
                Some("Redis is unavailable: what you submit is safe, and is calculated when it returns.")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(
        status: ReadinessStatus,
        redis: ComponentStatus,
        workers: Option<u64>,
        queue: Option<u64>,
    ) -> SystemHealth {
        let (postgres, dead_letters) = (ComponentStatus::Up, queue.map(|_| 0));
        SystemHealth::Checked(Readiness {
            status,
            postgres,
            redis,
            workers,
            queue,
            dead_letters,
            max_index: 40,
        })
    }

    #[test]
    fn readiness_tells_the_health_of_each_part() {
        let health = checked(ReadinessStatus::Ready, ComponentStatus::Up, Some(2), Some(1_234));
        assert!(SystemPart::ALL.into_iter().all(|part| health.of(part) == PartHealth::Up));
        assert_eq!(health.summary(), "All services up.");
        assert_eq!(health.words(SystemPart::Worker), "2 alive");
        assert_eq!(health.words(SystemPart::Redis), "up, 1,234 queued");
        assert_eq!(health.warning(), None);
    }

    #[test]
    fn what_is_unavailable_is_named_and_what_it_hides_is_unknown() {
        let health = checked(ReadinessStatus::Unavailable, ComponentStatus::Down, None, None);
        assert_eq!(health.summary(), "Unavailable: Redis. Unknown: workers.");
        assert!(health.warning().unwrap().starts_with("Redis is unavailable"));
        let health = checked(ReadinessStatus::Degraded, ComponentStatus::Up, Some(0), Some(3));
        assert_eq!(health.words(SystemPart::Worker), "none alive");
        assert_eq!(health.summary(), "Unavailable: workers. All others are up.");
        assert!(health.warning().unwrap().starts_with("No worker is alive"));
        let summary = SystemHealth::EdgeOnly.summary();
        assert_eq!(summary, "Unavailable: api. Unknown: Postgres, Redis, workers.");
        assert_eq!(SystemHealth::Unreachable.of(SystemPart::Edge), PartHealth::Down);
        assert_eq!(SystemHealth::Unchecked.words(SystemPart::Api), "unknown");
    }
}
