//! Keeps the system of `up` running: starts it, prints its output, starts a service again that
//! ended by itself, and stops everything at the end. A service that does not become ready at first
//! is an error.

use std::collections::BTreeMap;
use std::io::{IsTerminal, stdout};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use stack::{Output, System};

use crate::state::{UpLock, UpState};
use crate::terminal::{interrupted, println};

const WATCH_INTERVAL: Duration = Duration::from_millis(100);

/// Time from the end of a service to its restart: one that ends at once must not use up the CPU.
const RESTART_DELAY: Duration = Duration::from_secs(1);

const STATE_INTERVAL: Duration = Duration::from_secs(1);

/// Colours of the prefixes: readable on dark and light, and not red, which is for errors.
const COLOURS: [u8; 6] = [36, 33, 32, 35, 34, 96];

/// Starts the system, calls `ready`, then `tick` every second until a signal comes.
pub(crate) fn run(
    system: &System,
    lock: &UpLock,
    mut state: UpState,
    ready: impl FnOnce(),
    mut tick: impl FnMut(),
) -> Result<()> {
    system.start(&interrupted)?;
    let services = || system.endpoints().into_iter().map(Into::into).collect();
    state = UpState { ready: true, services: services(), ..state };
    lock.write(&state)?;
    ready();

    let mut restarts = BTreeMap::new();
    let mut updated = Instant::now();
    while !interrupted() {
        thread::sleep(WATCH_INTERVAL);
        restart_ended(system, &mut restarts);
        if updated.elapsed() >= STATE_INTERVAL {
            updated = Instant::now();
            tick();
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

/// Starts services again that have ended by themselves; `restarts` has when, by name.
fn restart_ended(system: &System, restarts: &mut BTreeMap<String, Instant>) {
    for endpoint in system.endpoints() {
        let (service, name) = (endpoint.service, endpoint.service.name());
        let Some(status) = service.exited() else { continue };
        match restarts.get(name) {
            None => {
                let delay = RESTART_DELAY.as_secs();
                print_line(
                    "up",
                    &format!("{name} ended ({status}); starting it again in {delay} s"),
                );
                restarts.insert(name.to_owned(), Instant::now() + RESTART_DELAY);
            }
            Some(due) if Instant::now() >= *due => {
                restarts.remove(name);
                if let Err(error) = service.launch() {
                    print_line("up", &format!("{name} cannot be started: {error}"));
                }
            }
            Some(_) => {}
        }
    }
}

pub(crate) fn printer(name: &str) -> Output {
    let name = name.to_owned();
    Output::lines(move |line| print_line(&name, line))
}

fn print_line(name: &str, line: &str) {
    if stdout().is_terminal() {
        let colour = COLOURS[name.bytes().map(usize::from).sum::<usize>() % COLOURS.len()];
        println!("\x1b[{colour}m{name:>9} │\x1b[0m {line}");
    } else {
        println!("{name:>9} | {line}");
    }
}
