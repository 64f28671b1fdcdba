//! The parts of the system as the page can see them: from the answer of the readiness route, or from there being none.
//!
//! Plain logic; it asks nobody.

use contract::{Readiness, ReadinessStatus as Status};

use crate::text;

/// A container of the system, or the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// This page.
    Browser,
    /// The nginx that routes.
    Edge,
    /// The nginx that serves the page.
    Client,
    /// The axum server.
    Api,
    /// The truth.
    Postgres,
    /// Queue, cache and events.
    Redis,
    /// Those that calculate.
    Worker,
}

/// All of them, in the order of the way.
pub const PARTS: [Part; 7] =
    [Part::Browser, Part::Edge, Part::Client, Part::Api, Part::Postgres, Part::Redis, Part::Worker];

impl Part {
    /// A short name, for the style and the tests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Edge => "edge",
            Self::Client => "client",
            Self::Api => "api",
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::Worker => "worker",
        }
    }

    /// As a sentence has it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Postgres => "Postgres",
            Self::Redis => "Redis",
            Self::Worker => "workers",
            other => other.name(),
        }
    }
}

/// How a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It cannot be told.
    Unknown,
    /// It answers.
    Up,
    /// It does not.
    Down,
}

/// What the last look brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Look {
    /// There was none yet.
    #[default]
    Never,
    /// Nobody answers.
    Nobody,
    /// The edge answers, and says that the api does not.
    EdgeAlone,
    /// The api says how it is.
    Api(Readiness),
}

impl Look {
    /// What an answer to the question for readiness means; nothing, when the edge only said that this page asks too often.
    #[must_use]
    pub fn of(status: u16, ready: Option<Readiness>) -> Option<Self> {
        match ready {
            Some(ready) => Some(Self::Api(ready)),
            None if status == 429 => None,
            None => Some(Self::EdgeAlone),
        }
    }

    /// How a part is. That the page is here says that its nginx was there.
    #[must_use]
    pub fn health(&self, part: Part) -> Health {
        let of = |part: contract::ComponentStatus| {
            if part == contract::ComponentStatus::Up { Health::Up } else { Health::Down }
        };
        match (self, part) {
            (_, Part::Browser) => Health::Up,
            (Self::Never, _)
            | (Self::Nobody | Self::EdgeAlone, Part::Postgres | Part::Redis | Part::Worker) => {
                Health::Unknown
            }
            (Self::Nobody, Part::Edge) | (Self::EdgeAlone, Part::Api) => Health::Down,
            (Self::Nobody, _) => Health::Unknown,
            (_, Part::Edge | Part::Client) | (Self::Api(_), Part::Api) => Health::Up,
            (Self::Api(ready), Part::Postgres) => of(ready.postgres),
            (Self::Api(ready), Part::Redis) => of(ready.redis),
            (Self::Api(ready), Part::Worker) => match ready.workers {
                Some(0) => Health::Down,
                Some(_) => Health::Up,
                None => Health::Unknown,
            },
        }
    }

    /// The api's own words.
    #[must_use]
    pub fn ready(&self) -> Option<&Readiness> {
        match self {
            Self::Api(ready) => Some(ready),
            _ => None,
        }
    }

    /// A part's state in words.
    #[must_use]
    pub fn words(&self, part: Part) -> String {
        let of = |health: Health| match health {
            Health::Unknown => "not known",
            Health::Up => "up",
            Health::Down => "does not answer",
        };
        match (self, part) {
            (_, Part::Browser) => "this page".to_owned(),
            // All that can be known from here.
            (_, Part::Client) => "served this page".to_owned(),
            (Self::Api(Readiness { workers: Some(workers), .. }), Part::Worker) => match workers {
                0 => "none alive".to_owned(),
                workers => format!("{} alive", text::grouped(*workers)),
            },
            (Self::Api(Readiness { queue: Some(queue), .. }), Part::Redis) => match queue {
                0 => "up, queue empty".to_owned(),
                queue => format!("up, {} queued", text::grouped(*queue)),
            },
            _ => of(self.health(part)).to_owned(),
        }
    }

    /// What a person who waits for a value should know; nothing when all is well.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let Self::Api(ready) = self else { return None };
        // No numbers: it is read aloud whenever it changes.
        match ready.status {
            Status::Ready => None,
            Status::Degraded => {
                Some("No worker is alive: what you submit is safe, and waits until one is.".to_owned())
            }
            Status::Unavailable if ready.postgres == contract::ComponentStatus::Down => {
                Some("The database is away: nothing can be submitted at the moment.".to_owned())
            }
            Status::Unavailable => {
                Some("Redis is away: what you submit is safe, and is calculated when it returns.".to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(
        status: Status,
        redis: contract::ComponentStatus,
        workers: Option<u64>,
        queue: Option<u64>,
    ) -> Look {
        let postgres = contract::ComponentStatus::Up;
        let dead_letters = queue.map(|_| 0);
        Look::Api(Readiness { status, postgres, redis, workers, queue, dead_letters, max_index: 40 })
    }

    #[test]
    fn readiness_says_how_each_part_is() {
        let look = ready(Status::Ready, contract::ComponentStatus::Up, Some(2), Some(1_234));
        for part in [Part::Edge, Part::Client, Part::Api, Part::Postgres, Part::Redis, Part::Worker] {
            assert_eq!(look.health(part), Health::Up, "{part:?}");
        }
        assert_eq!(look.words(Part::Worker), "2 alive");
        assert_eq!(look.words(Part::Redis), "up, 1,234 queued");
        assert_eq!(look.warning(), None);
    }

    #[test]
    fn what_is_away_is_named_and_what_hides_behind_it_is_not_known() {
        let look = ready(Status::Unavailable, contract::ComponentStatus::Down, None, None);
        assert_eq!((look.health(Part::Redis), look.health(Part::Worker)), (Health::Down, Health::Unknown));
        assert!(look.warning().unwrap().starts_with("Redis is away"));
        let look = ready(Status::Degraded, contract::ComponentStatus::Up, Some(0), Some(3));
        assert_eq!(look.words(Part::Worker), "none alive");
        let warning = look.warning();
        assert!(warning.as_deref().is_some_and(|words| words.starts_with("No worker is alive")));
        let longer = ready(Status::Degraded, contract::ComponentStatus::Up, Some(0), Some(4));
        assert_eq!(longer.warning(), warning, "it is not read aloud again with each submission");
        assert_eq!(Look::EdgeAlone.health(Part::Api), Health::Down);
        assert_eq!(Look::EdgeAlone.health(Part::Postgres), Health::Unknown);
        assert_eq!(Look::Nobody.health(Part::Edge), Health::Down);
        assert_eq!(Look::Never.words(Part::Api), "not known");
    }

    #[test]
    fn what_is_claimed_is_what_is_known() {
        assert_eq!(Look::Nobody.words(Part::Client), "served this page");
        assert_eq!(Look::of(429, None), None, "who asks too often learns nothing");
        assert_eq!(Look::of(502, None), Some(Look::EdgeAlone));
        let Look::Api(readiness) = ready(Status::Ready, contract::ComponentStatus::Up, Some(1), Some(0))
        else {
            panic!("it is the api's answer")
        };
        assert_eq!(Look::of(503, Some(readiness.clone())), Some(Look::Api(readiness)));
    }
}
