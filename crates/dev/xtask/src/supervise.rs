//! Keeps the system running: starts its parts in order, shows what they say, starts a part again that ended by
//! itself, and stops everything in reverse order. A part that does not even become ready at the start is an error.
//!
//! Which parts there are, and what they are told, is in `services`.

use std::{
    io::{IsTerminal, Write, stdout},
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use stack::{Error, Output};

use crate::{
    interrupt,
    services::{Part, Plan, start_all},
    state::{Lock, ServiceState, State},
};

/// How often the parts are looked at.
const WATCH: Duration = Duration::from_millis(100);

/// Between the end of a part and its next start: one that dies at once must not eat the machine.
const PAUSE: Duration = Duration::from_secs(1);

/// How long what a killed `up` ran may take to be gone; until then a new Postgres refuses to start.
const AFTERMATH: Duration = Duration::from_secs(15);

/// How often the state is written for `status`.
const REFRESH: Duration = Duration::from_secs(1);

/// How long a part may take to become ready; longer than any part's own bound would only hide which one it was.
const READY: Duration = Duration::from_secs(60);

/// Colours of the prefixes: readable on dark and light, none of them red, which is for errors.
const COLOURS: [u8; 6] = [36, 33, 32, 35, 34, 96];

/// Starts everything, calls `ready`, and keeps it running until the end is asked for. `tick` is called every second.
pub(crate) fn run(plan: &Plan<'_>, lock: &Lock, ready: impl FnOnce(), mut tick: impl FnMut()) -> Result<()> {
    let aftermath = if lock.after_a_kill { AFTERMATH } else { Duration::ZERO };
    let mut system = System { parts: Vec::new(), due: Vec::new(), aftermath: Instant::now() + aftermath };
    // On an error too, the parts are stopped in reverse order, by `System::drop`.
    start_all(plan, printer, |part| system.start(part))?;
    let mut state =
        State { pid: std::process::id(), port: plan.port.number(), ready: true, services: vec![] };
    state.services = system.report();
    lock.write(&state)?;
    ready();

    let mut refreshed = Instant::now();
    while !interrupt::requested() {
        thread::sleep(WATCH);
        system.revive();
        if refreshed.elapsed() >= REFRESH {
            refreshed = Instant::now();
            tick();
            let services = system.report();
            if services != state.services {
                state.services = services;
                lock.write(&state)?;
            }
        }
    }
    say("up", "stopping");
    drop(system);
    say("up", "everything is stopped");
    Ok(())
}

/// The running parts, in the order of starting.
struct System {
    parts: Vec<Part>,
    /// When a part that ended is started again.
    due: Vec<Option<Instant>>,
    /// Until when a part may fail to start, because the one before it is still about to end.
    aftermath: Instant,
}

impl System {
    fn start(&mut self, part: Part) -> Result<()> {
        interrupt::check()?;
        part.service().launch()?;
        self.parts.push(part);
        self.due.push(None);
        let service = self.parts[self.parts.len() - 1].service();
        let deadline = Instant::now() + READY;
        while !service.is_ready() {
            interrupt::check()?;
            let name = service.name().to_owned();
            if let Some(status) = service.exited() {
                if Instant::now() < self.aftermath {
                    service.launch()?;
                    thread::sleep(WATCH);
                    continue;
                }
                return Err(Error::EndedEarly { name, status, log: service.tail() }.into());
            }
            if Instant::now() >= deadline {
                return Err(Error::NotReady { name, bound: READY, log: service.tail() }.into());
            }
            thread::sleep(WATCH / 4);
        }
        Ok(())
    }

    /// Starts again what has ended by itself.
    fn revive(&mut self) {
        for (part, due) in self.parts.iter().zip(&mut self.due) {
            let service = part.service();
            match (service.exited(), *due) {
                (Some(status), None) => {
                    let pause = PAUSE.as_secs();
                    say(
                        "up",
                        &format!("{} ended ({status}); starting it again in {pause} s", service.name()),
                    );
                    *due = Some(Instant::now() + PAUSE);
                }
                (_, Some(when)) if Instant::now() >= when => match service.launch() {
                    Ok(()) => *due = None,
                    Err(e) => {
                        say("up", &format!("{} cannot be started: {e}", service.name()));
                        *due = Some(Instant::now() + PAUSE);
                    }
                },
                _ => {}
            }
        }
    }

    fn report(&self) -> Vec<ServiceState> {
        let report = |part: &Part| {
            let service = part.service();
            let ended = service.exited().is_some();
            ServiceState {
                name: service.name().to_owned(),
                pid: if ended { None } else { service.pid() },
                address: part.address.clone(),
                health: part.health.clone(),
            }
        };
        self.parts.iter().map(report).collect()
    }
}

impl Drop for System {
    fn drop(&mut self) {
        for part in self.parts.iter().rev() {
            if let Err(e) = part.service().stop() {
                say("up", &format!("stopping {}: {e}", part.service().name()));
            }
        }
    }
}

/// Prints a part's lines behind its name.
fn printer(name: &str) -> Output {
    let name = name.to_owned();
    Output::lines(move |line| say(&name, line))
}

/// One line on stdout, behind the name of who says it.
pub(crate) fn say(name: &str, line: &str) {
    let mut stdout = stdout().lock();
    // When the terminal is gone nobody is left to be told, and the parts go on.
    let _ = if stdout.is_terminal() {
        let colour = COLOURS[name.bytes().map(usize::from).sum::<usize>() % COLOURS.len()];
        writeln!(stdout, "\x1b[{colour}m{name:>9} │\x1b[0m {line}")
    } else {
        writeln!(stdout, "{name:>9} | {line}")
    };
}
