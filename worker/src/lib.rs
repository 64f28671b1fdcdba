//! The worker: takes indices from the queue, calculates their values, stores and announces them.
//!
//! Each worker thread runs an `executor`, which takes jobs and completes them. `maintenance` sends
//! heartbeats and reclaims the jobs of dead workers. `announcements` listens to servers of the
//! original application. `worker` starts all of these.

mod announcements;
pub mod config;
mod executor;
mod jobs;
mod maintenance;
mod metrics;
mod scheduler;
mod status;
mod thread;
mod worker;

pub use worker::start;
