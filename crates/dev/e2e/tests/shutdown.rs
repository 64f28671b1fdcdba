//! Restarts by the shutdown signal under load. `faults` and `chaos` end processes without it.

use std::time::Duration;

use e2e::chaos::rolling_restart;

/// Submissions per second.
const RATE: u32 = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_under_load_loses_nothing_and_fails_no_request() {
    let (report, stops) = rolling_restart(RATE).await.expect("the system should recover");
    println!("{report}");
    let observed = &report.observed;
    assert!(observed.requests > 100, "nothing was tested");
    assert_eq!(observed.acknowledged.len(), observed.requests, "requests failed");
    assert_eq!((report.lost, report.never_submitted), (0, 0));
    assert_eq!(observed.wrong_values, Vec::<String>::new());
    assert_eq!(stops.len() % 4, 0, "two servers and two workers are restarted in each round");
    for stop in stops {
        assert_eq!(stop.exit_code, Some(0), "{stop:?}");
        assert!(stop.took < Duration::from_secs(5), "{stop:?}");
    }
}
