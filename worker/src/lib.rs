//! The worker: takes indices from the queue, calculates their values, stores and announces them.
//!
//! `executor` takes and finishes jobs, one executor a thread; `maintenance` sends heartbeats and
//! reclaims the jobs of dead workers; `announcements` listens to a server of the original.

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
