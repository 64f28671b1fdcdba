//! One thread that starts every child process and lives as long as this process does.
//!
//! Linux sends the parent-death signal when the *thread* that forked ends, not the process. A test's thread ends
//! with its test, so a child shared by several tests would die under the others' feet.

use std::{
    io,
    process::{Child, Command},
    sync::{
        OnceLock,
        mpsc::{Sender, channel},
    },
    thread,
};

struct Order {
    command: Command,
    reply: Sender<io::Result<Child>>,
}

static KEEPER: OnceLock<Sender<Order>> = OnceLock::new();

/// Starts `command` from the keeper's thread.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    let keeper = KEEPER.get_or_init(|| {
        let (orders, inbox) = channel::<Order>();
        thread::spawn(move || {
            // The static sender is never dropped, so this loop never ends.
            for mut order in inbox {
                let _ = order.reply.send(order.command.spawn());
            }
        });
        orders
    });
    let gone = || io::Error::other("the thread that starts processes is gone");
    let (reply, answer) = channel();
    keeper.send(Order { command, reply }).map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}
