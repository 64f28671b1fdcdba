//! Containers outside of Compose, on Docker's default bridge, removed with their data at the end.
//!
//! It builds no images, waits for no health, and knows nothing of what runs inside.

use std::sync::Mutex;

use anyhow::Result;

use crate::docker;

/// Containers by their ids.
#[derive(Debug, Default)]
pub struct Containers(Mutex<Vec<String>>);

impl Containers {
    /// `docker run --detach` with these arguments; returns the container's id.
    ///
    /// # Errors
    /// With what Docker said.
    pub fn run(&self, args: &[&str]) -> Result<String> {
        // Created first: one that cannot be started is there all the same, and must go too.
        let id = docker(&[&["create"], args].concat())?;
        if let Ok(mut all) = self.0.lock() {
            all.push(id.clone());
        }
        docker(&["start", &id])?;
        Ok(id)
    }
}

impl Drop for Containers {
    fn drop(&mut self) {
        for id in self.0.get_mut().map(std::mem::take).unwrap_or_default() {
            if std::thread::panicking() {
                eprintln!("{}", docker(&["logs", "--tail=40", &id]).unwrap_or_default());
            }
            let _ = docker(&["rm", "--force", "--volumes", &id]);
        }
    }
}
