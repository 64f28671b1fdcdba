//! Ports that no other process uses, the tests beside us included. A lock on a file named after the
//! port is held as long as the value lives, so that a service that was killed can be started again
//! on its port; the system could give port 0's number to the next process. A child that another
//! thread is just starting has a copy of every descriptor until its exec: nothing here may depend
//! on a descriptor being closed.

use std::env;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};

/// Another process listens on the port, or has reserved it.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("port {0} is in use by another process")]
pub struct PortTaken(pub u16);

/// Below the range from which Linux takes the ports of outgoing connections (32768 to 60999), so
/// that no connection can take a port between our check and our service's bind.
const CANDIDATES: Range<u16> = 20_000..32_000;

/// More than enough unless nearly all candidates are taken.
const MAX_ATTEMPTS: usize = 1_000;

/// A TCP port of 127.0.0.1, reserved until the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Port {
    number: u16,
    _lock: Arc<LockFile>,
}

/// Unlocked explicitly: a child's copy of the descriptor would keep the lock.
#[derive(Debug)]
struct LockFile(File);

impl Drop for LockFile {
    fn drop(&mut self) {
        // A lock that cannot be released goes with the last copy of the descriptor.
        let _ = self.0.unlock();
    }
}

impl Port {
    pub fn free() -> Result<Self> {
        for _ in 0..MAX_ATTEMPTS {
            match Self::exactly(fastrand::u16(CANDIDATES)) {
                Err(error) if error.is::<PortTaken>() => {}
                other => return other,
            }
        }
        bail!("found no free port among {CANDIDATES:?}")
    }

    /// The port `number` when it is free, else a random one.
    pub fn prefer(number: u16) -> Result<Self> {
        match Self::exactly(number) {
            Err(error) if error.is::<PortTaken>() => Self::free(),
            other => other,
        }
    }

    /// The port `number`; [`PortTaken`] when it is in use or reserved by another [`Port`].
    pub fn exactly(number: u16) -> Result<Self> {
        // A folder per user, whose lock files others cannot open. Among users the bind decides.
        let dir =
            env::temp_dir().join(format!("fibonacci-ports-{}", rustix::process::getuid().as_raw()));
        fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
        let path = dir.join(number.to_string());
        let lock = File::options().create(true).append(true).open(&path);
        let lock = lock.with_context(|| format!("opening {}", path.display()))?;
        match lock.try_lock() {
            Err(fs::TryLockError::WouldBlock) => bail!(PortTaken(number)),
            other => other.with_context(|| format!("locking {}", path.display()))?,
        }
        let lock = LockFile(lock);
        match try_bind(number) {
            Err(Errno::ADDRINUSE) => bail!(PortTaken(number)),
            other => other.with_context(|| format!("binding 127.0.0.1:{number}"))?,
        }
        Ok(Self { number, _lock: Arc::new(lock) })
    }

    pub fn number(&self) -> u16 {
        self.number
    }
}

/// Binds a socket as a server would, but never listens: a copy of it in a child blocks no server.
fn try_bind(number: u16) -> Result<(), Errno> {
    let socket =
        net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, number))
}
