//! Delays between attempts to reach a peer that is unavailable.

use std::time::Duration;

use backon::ExponentialBuilder;

/// From 50 ms, doubling up to 1 s, without end. It has no jitter, because only a handful of
/// processes wait.
pub const RECONNECT: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(50))
    .with_max_delay(Duration::from_secs(1))
    .with_factor(2.0)
    .without_max_times();
