//! The worker: takes indices from the queue, calculates their values, stores and announces them.
//!
//! `lane` takes and finishes jobs, several beside each other, each on a `thread` of its own; `upkeep` gives signs of life
//! and takes over the jobs of dead workers; `adopt` listens to an original server. What is in Redis, and how, only the crate
//! `queue` knows; how F(n) is calculated, only the crate `fibonacci`.

mod adopt;
mod application;
pub mod config;
mod lane;
mod thread;
mod upkeep;
mod work;

pub use application::{Application, run};
