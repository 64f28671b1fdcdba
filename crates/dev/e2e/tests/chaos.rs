//! Load with faults (see [`e2e::chaos`]). The short run is one of the tests; `cargo xtask chaos`
//! sets the variables of a long one.

use std::time::Duration;

use e2e::chaos::{Chaos, MemoryUse, run};

/// From the end of a fault until a new index has its value.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(5);

/// Memory of one of our processes when all is done, in MB.
const IDLE_MEGABYTES: f64 = 64.0;

/// Failures of a request whose server or edge is killed or frozen.
const EXPECTED_FAILURES: [&str; 5] = [
    "502 Bad Gateway",
    "504 Gateway Timeout",
    "no connection",
    "the connection broke",
    "no answer in time",
];

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name} is {value:?}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_whatever_fails() {
    let chaos = Chaos {
        rate: variable("CHAOS_RATE", 200).try_into().expect("a rate"),
        // Each kind of fault once.
        duration: Duration::from_secs(variable("CHAOS_SECONDS", 0)),
        seed: variable("CHAOS_SEED", 55),
    };
    let report = run(chaos).await.expect("the system should recover");
    println!("{report}");
    let seen = &report.seen;
    assert_eq!((report.lost, report.invented), (0, 0));
    assert_eq!(seen.wrong, Vec::<String>::new());
    assert!(
        !seen.acknowledged.is_empty() && seen.lists_read > 0 && seen.events_read > 0,
        "nothing tested"
    );
    let rate = seen.requests as f64 / report.took.as_secs_f64();
    // The last batch may be cut off.
    assert!(rate >= 0.99 * f64::from(chaos.rate), "only {rate:.0} requests a second");
    for failure in seen.failures.keys() {
        assert!(EXPECTED_FAILURES.contains(&failure.as_str()), "a request got {failure}");
    }
    assert!(!report.memory.is_empty(), "no memory was measured");
    for MemoryUse { name, peak, now, limit } in &report.memory {
        assert!(peak < limit, "{name} took {peak} MB of {limit}");
        let is_ours = name.starts_with("server") || name.starts_with("worker");
        assert!(!is_ours || *now < IDLE_MEGABYTES, "{name} keeps {now} MB");
    }
    for (fault, (_, longest)) in &report.recoveries {
        assert!(*longest <= RECOVERY_TIMEOUT, "{fault}: {longest:?}");
    }
}
