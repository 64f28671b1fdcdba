//! Samples the memory of each service, which may have several processes, for a comparison with the
//! limit of its container in docker-compose.yml. 1 MB is 2^20 bytes here, as in that file.

use std::sync::Mutex;
use std::time::Duration;

use stack::testing::memory_limit;
use stack::{Endpoint, Service, System, descendants, lock, proportional_memory};
use tokio_util::sync::CancellationToken;

/// Shorter peaks may be missed.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(50);

/// The memory of a service, in MB.
#[derive(Clone, Debug)]
pub struct MemoryUse {
    pub name: String,
    pub peak: f64,
    /// At the end of the run.
    pub at_end: f64,
    /// The limit of the service's container.
    pub limit: f64,
}

/// Holds the peak of each service so far, in MB, in the order of [`System::endpoints`].
pub(crate) struct MemorySampler(Mutex<Vec<f64>>);

/// The name of a service in docker-compose.yml.
fn compose_service(service: &Service) -> &str {
    match service.name().split('-').next() {
        Some("server") => "api",
        Some("edge") => "nginx",
        name => name.unwrap_or_default(),
    }
}

impl MemorySampler {
    pub(crate) fn new(system: &System) -> Self {
        Self(Mutex::new(sample(system)))
    }

    /// Samples until `stop` is cancelled. Blocks the thread.
    pub(crate) fn run(&self, system: &System, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            for (peak, now) in lock(&self.0).iter_mut().zip(sample(system)) {
                *peak = peak.max(now);
            }
            std::thread::sleep(SAMPLE_INTERVAL);
        }
    }

    /// The memory of each service at this moment, and its peak.
    pub(crate) fn report(&self, system: &System) -> Vec<MemoryUse> {
        let services = system.endpoints().into_iter();
        let samples = services.zip(sample(system)).zip(lock(&self.0).clone());
        samples
            .map(|((Endpoint { service, .. }, now), peak)| MemoryUse {
                name: service.name().to_owned(),
                peak: peak.max(now),
                at_end: now,
                limit: megabytes(memory_limit(compose_service(service))),
            })
            .collect()
    }
}

/// The memory of each service, in MB. A process that ends during the sampling counts as 0.
fn sample(system: &System) -> Vec<f64> {
    let of_service = |Endpoint { service, .. }: Endpoint<'_>| {
        let pids =
            service.pid().into_iter().flat_map(|pid| descendants(pid).into_iter().chain([pid]));
        megabytes(pids.filter_map(|pid| proportional_memory(pid).ok()).sum())
    };
    system.endpoints().into_iter().map(of_service).collect()
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
