//! The metrics of requests, by method, route and status.
//!
//! Each is made once and found again by what it counts: making a request's labels anew took more pieces of memory than all the
//! rest of it. What a client can make up, a method of its own, is counted together, lest it fill our memory. What else is
//! measured, those measure who do it.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use metrics::{Counter, Histogram};

/// All of them that were needed so far.
#[derive(Default)]
pub(crate) struct Meters(RwLock<HashMap<Kind, ByRoute>>);

type Kind = (&'static str, StatusCode);
type ByRoute = HashMap<String, Meter>;

struct Meter {
    requests: Counter,
    seconds: Histogram,
}

impl Meters {
    /// Counts a request that was answered.
    pub(crate) fn count(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let method = name(method);
        let meters = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(meter) = meters.get(&(method, status)).and_then(|routes| routes.get(route)) {
            return meter.count(took);
        }
        drop(meters);
        let mut meters = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let routes = meters.entry((method, status)).or_default();
        routes.entry(route.to_owned()).or_insert_with(|| Meter::new(method, route, status)).count(took);
    }
}

impl Meter {
    fn new(method: &'static str, route: &str, status: StatusCode) -> Self {
        let labels = [
            ("method", method.to_owned()),
            ("route", route.to_owned()),
            ("status", status.as_str().to_owned()),
        ];
        Self {
            requests: metrics::counter!("http_requests_total", &labels),
            seconds: metrics::histogram!("http_request_seconds", &labels[..2]),
        }
    }

    fn count(&self, took: Duration) {
        self.requests.increment(1);
        self.seconds.record(took.as_secs_f64());
    }
}

fn name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_that_clients_make_up_are_counted_together() {
        let meters = Meters::default();
        for number in 0..100 {
            let method = Method::from_bytes(format!("M{number}").as_bytes()).unwrap();
            meters.count(&method, "none", StatusCode::METHOD_NOT_ALLOWED, Duration::ZERO);
        }
        meters.count(&Method::GET, "none", StatusCode::NOT_FOUND, Duration::ZERO);
        let known = meters.0.read().unwrap();
        let mut kinds: Vec<_> = known.keys().map(|(method, status)| (*method, status.as_u16())).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, [("GET", 404), ("other", 405)]);
    }
}
