//! Keeps the system of `up` running: starts it, prints its output, restarts services that end,
//! stops and starts single ones for `cargo xtask stop` and `start`, and stops everything at the
//! end. If a service does not become ready in the first start, `up` fails.

use std::collections::BTreeMap;
use std::io::{IsTerminal, stdout};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use stack::{Output, System};

use crate::state::{UpLock, UpState};
use crate::terminal::{interrupted, println};

const EXIT_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Time from the end of a service to its restart, so that one that always ends at once does not use
/// up the CPU.
const RESTART_DELAY: Duration = Duration::from_secs(1);

const STATE_UPDATE_INTERVAL: Duration = Duration::from_secs(1);

/// Colours of the prefixes: readable on dark and light backgrounds, without red, the colour of
/// errors.
const PREFIX_COLOURS: [u8; 6] = [36, 33, 32, 35, 34, 96];

/// Starts the system and calls `on_ready`, then calls `every_second` until the shutdown signal.
pub(crate) fn run(
    system: &System,
    lock: &UpLock,
    mut state: UpState,
    on_ready: impl FnOnce(),
    mut every_second: impl FnMut(),
) -> Result<()> {
    system.start(&interrupted)?;
    let services = || system.endpoints().into_iter().map(Into::into).collect();
    state = UpState { ready: true, services: services(), ..state };
    lock.write(&state)?;
    on_ready();

    let mut restarts = BTreeMap::new();
    let mut updated = Instant::now();
    while !interrupted() {
        thread::sleep(EXIT_CHECK_INTERVAL);
        apply_stops_and_restarts(system, lock, &mut restarts);
        if updated.elapsed() >= STATE_UPDATE_INTERVAL {
            updated = Instant::now();
            every_second();
            let services = services();
            if services != state.services {
                state.services = services;
                lock.write(&state)?;
            }
        }
    }
    print_line("up", "stopping");
    if let Err(error) = system.stop() {
        print_line("up", &error.to_string());
    }
    print_line("up", "everything is stopped");
    Ok(())
}

/// Stops services that have a stop marker, starts those whose marker is gone, and restarts those
/// that have ended. `restarts` has the time of each pending restart, by name.
fn apply_stops_and_restarts(
    system: &System,
    lock: &UpLock,
    restarts: &mut BTreeMap<String, Instant>,
) {
    for endpoint in system.endpoints() {
        let (service, name) = (endpoint.service, endpoint.service.name());
        if lock.is_stopped(name) {
            restarts.remove(name);
            match service.stop() {
                Ok(None) => {}
                Ok(Some(_)) => print_line("up", &format!("{name} stopped")),
                Err(error) => print_line("up", &error.to_string()),
            }
            continue;
        }
        let exited = service.exited();
        if exited.is_none() && service.pid().is_some() {
            continue;
        }
        let later = Instant::now() + RESTART_DELAY;
        match (restarts.get(name), exited) {
            (None, Some(status)) => {
                let delay = RESTART_DELAY.as_secs();
                print_line(
                    "up",
                    &format!("{name} ended ({status}); starting it again in {delay} s"),
                );
                restarts.insert(name.to_owned(), later);
            }
            (Some(due), _) if Instant::now() < *due => {}
            _ => {
                restarts.remove(name);
                if let Err(error) = service.launch() {
                    print_line("up", &format!("{name} cannot be started: {error}"));
                    restarts.insert(name.to_owned(), later);
                }
            }
        }
    }
}

pub(crate) fn print_lines_of(name: &str) -> Output {
    let name = name.to_owned();
    Output::lines(move |line| print_line(&name, line))
}

fn print_line(name: &str, line: &str) {
    if stdout().is_terminal() {
        let colour =
            PREFIX_COLOURS[name.bytes().map(usize::from).sum::<usize>() % PREFIX_COLOURS.len()];
        println!("\x1b[{colour}m{name:>9} │\x1b[0m {line}");
    } else {
        println!("{name:>9} | {line}");
    }
}
