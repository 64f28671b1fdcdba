//! Load with faults. The short run is one of the tests; `cargo xtask chaos` sets the variables of a long one.

use std::time::Duration;

use e2e::chaos::{Chaos, run};

/// Once a part is back, and a person asks again.
const RECOVERS: Duration = Duration::from_secs(5);

/// What a process keeps when all is done, in MB.
const IDLE: f64 = 64.0;

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name} is {value:?}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_whatever_fails() {
    let chaos = Chaos {
        rate: variable("CHAOS_RATE", 200).try_into().expect("a rate"),
        duration: Duration::from_secs(variable("CHAOS_SECONDS", 60)),
        faults: variable("CHAOS_FAULTS", 6).try_into().expect("a number"),
        seed: variable("CHAOS_SEED", 55),
    };
    let report = run(chaos).await.expect("the system should come through");
    println!("{report}");
    assert_eq!(report.lost, 0);
    assert_eq!(report.invented, 0);
    assert_eq!(report.wrong, Vec::<String>::new());
    assert!(report.acknowledged > 0 && report.looks > 0, "nothing was tested");
    for (name, peak, now) in &report.memory {
        // The worker's container; the api's is larger.
        assert!(*peak < 128.0, "{name} took {peak} MB");
        assert!(*now < IDLE, "{name} keeps {now} MB");
    }
    for (fault, _, took) in &report.recoveries {
        assert!(*took <= RECOVERS, "{fault}: {took:?}");
    }
}
