//! Ports that nobody else uses, also not the tests that run beside us.
//!
//! Asking the system for port 0 and closing the socket again is a race: the next process may be given the same
//! number. Here a lock on a file named after the port is held as long as the value lives, so processes that use
//! this module never meet, and a service that was killed can be started again on its port.
//!
//! A child that another thread is just starting has a copy of every descriptor until it becomes its program: nothing
//! here may depend on a descriptor being closed.

use std::{
    env,
    fs::{self, File},
    net::{Ipv4Addr, SocketAddrV4},
    ops::Range,
    sync::Arc,
};

use rustix::{
    io::Errno,
    net::{self, AddressFamily, SocketFlags, SocketType, sockopt},
};

use crate::{Error, Result};

/// Below the range from which Linux takes the ports of outgoing connections (32768 to 60999), so that no
/// connection of anybody can sit on a port between our check and our service's bind.
const CANDIDATES: Range<u16> = 20_000..32_000;

/// More than enough unless nearly all candidates are taken.
const ATTEMPTS: usize = 1_000;

/// A TCP port of 127.0.0.1, reserved until the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Port {
    number: u16,
    _lock: Arc<Lock>,
}

/// The lock of a port's file, given back in so many words: a copy of the descriptor in a child would keep it.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // What cannot be given back goes with the last copy of the descriptor.
        let _ = self.0.unlock();
    }
}

impl Port {
    /// A random port that is free.
    ///
    /// # Errors
    /// [`Error::NoFreePort`] when a thousand candidates were all taken.
    pub fn free() -> Result<Self> {
        for _ in 0..ATTEMPTS {
            match Self::exactly(fastrand::u16(CANDIDATES)) {
                Err(Error::PortTaken { .. }) => {}
                other => return other,
            }
        }
        Err(Error::NoFreePort(CANDIDATES))
    }

    /// The port `number` when it is free, else a random one.
    ///
    /// # Errors
    /// As [`Port::free`].
    pub fn prefer(number: u16) -> Result<Self> {
        match Self::exactly(number) {
            Err(Error::PortTaken { .. }) => Self::free(),
            other => other,
        }
    }

    /// The port `number` and no other.
    ///
    /// # Errors
    /// [`Error::PortTaken`] when it is in use or reserved by another [`Port`].
    pub fn exactly(number: u16) -> Result<Self> {
        // A folder per user: nobody can open the lock files of somebody else. Among users the bind decides.
        let dir = env::temp_dir().join(format!("fibonacci-ports-{}", rustix::process::getuid().as_raw()));
        fs::create_dir_all(&dir).map_err(Error::io(format!("creating {}", dir.display())))?;
        let path = dir.join(number.to_string());
        let lock = File::options().create(true).append(true).open(&path);
        let lock = lock.map_err(Error::io(format!("opening {}", path.display())))?;
        let lock = match lock.try_lock() {
            Ok(()) => Lock(lock),
            Err(fs::TryLockError::WouldBlock) => return Err(Error::PortTaken { port: number }),
            Err(fs::TryLockError::Error(e)) => {
                return Err(Error::io(format!("locking {}", path.display()))(e));
            }
        };
        match can_be_bound(number) {
            Ok(()) => Ok(Self { number, _lock: Arc::new(lock) }),
            Err(Errno::ADDRINUSE) => Err(Error::PortTaken { port: number }),
            Err(e) => Err(Error::io(format!("binding 127.0.0.1:{number}"))(e.into())),
        }
    }

    /// The port's number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }
}

/// Binds a socket as a server would, but never listens: a copy of it in a child stands in no server's way.
fn can_be_bound(number: u16) -> Result<(), Errno> {
    let socket = net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, number))
}
