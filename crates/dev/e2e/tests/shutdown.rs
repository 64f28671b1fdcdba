//! Restarts under load. Ends without a shutdown signal are in `faults` and `chaos`.

use std::time::Duration;

use e2e::chaos::rolling_restart;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_under_load_loses_nothing_and_fails_no_request() {
    let (report, stops) = rolling_restart(500).await.expect("the system should recover");
    println!("{report}");
    assert!(report.seen.requests > 100, "nothing was tested");
    assert_eq!(report.seen.acknowledged.len(), report.seen.requests, "requests failed");
    assert_eq!((report.lost, report.invented), (0, 0));
    assert_eq!(report.seen.wrong, Vec::<String>::new());
    assert_eq!(stops.len() % 4, 0);
    for stop in stops {
        assert_eq!(stop.code, Some(0), "{stop:?}");
        assert!(stop.took < Duration::from_secs(5), "{stop:?}");
    }
}
