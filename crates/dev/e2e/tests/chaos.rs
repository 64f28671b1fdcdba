//! Load with faults (see [`e2e::chaos`]). By default each kind of fault is injected once;
//! `cargo xtask chaos` sets the variables for a long run.

use std::time::Duration;

use e2e::chaos::{Chaos, MemoryUse, run};
use stack::testing::RECOVERY_TIMEOUT;

/// Limit for the memory of a server or worker at the end of the run.
const IDLE_MEGABYTES: f64 = 64.0;

/// Failures of requests whose server or edge is killed or frozen.
const EXPECTED_FAILURES: [&str; 5] = [
    "502 Bad Gateway",
    "504 Gateway Timeout",
    "no connection",
    "the connection broke",
    "no response in time",
];

fn env_or(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name} is {value:?}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_submission_is_lost_under_faults() {
    let chaos = Chaos {
        rate: env_or("CHAOS_RATE", 200).try_into().expect("a rate"),
        duration: Duration::from_secs(env_or("CHAOS_SECONDS", 0)),
        seed: env_or("CHAOS_SEED", 55),
    };
    let report = run(chaos).await.expect("the system should recover");
    println!("{report}");
    let observed = &report.observed;
    assert_eq!((report.lost, report.never_submitted), (0, 0));
    assert_eq!(observed.wrong_values, Vec::<String>::new());
    assert!(
        !observed.acknowledged.is_empty() && observed.lists_read > 0 && observed.events_read > 0,
        "nothing was tested"
    );
    assert!(observed.refused > observed.small_refused, "the large class was never full");
    let rate = observed.requests as f64 / report.took.as_secs_f64();
    // The last batch may be cut off.
    assert!(rate >= 0.99 * f64::from(chaos.rate), "only {rate:.0} requests per second");
    for failure in observed.failures.keys() {
        assert!(EXPECTED_FAILURES.contains(&failure.as_str()), "a request failed with {failure}");
    }
    assert!(!report.memory.is_empty(), "no memory was measured");
    for MemoryUse { name, peak, at_end, limit } in &report.memory {
        assert!(peak < limit, "{name} used {peak} MB of {limit}");
        let is_ours = name.starts_with("server") || name.starts_with("worker");
        assert!(!is_ours || *at_end < IDLE_MEGABYTES, "{name} uses {at_end} MB at the end");
    }
    for (fault, (_, longest)) in &report.recoveries {
        assert!(*longest <= RECOVERY_TIMEOUT, "{fault}: {longest:?}");
    }
}
