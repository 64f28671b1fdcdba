//! Reserves free TCP ports. A [`Port`] holds the lock of a file named after its number, so that a
//! killed service can restart on its port while other tests run. Binding port 0 would not do: the
//! kernel may give the same number to another process after the kill. A child that another thread
//! is starting has a copy of every descriptor until its exec, so nothing here may rely on closing
//! one.

use std::env;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};

/// The port is in use, or reserved by another [`Port`].
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("port {0} is in use by another process")]
pub struct PortTaken(pub u16);

/// Below Linux's range for outgoing connections (32768 to 60999), so that none of them takes a port
/// between our check and the service's bind.
const CANDIDATE_PORTS: Range<u16> = 20_000..32_000;

/// Enough unless nearly all candidates are taken.
const MAX_ATTEMPTS: usize = 1_000;

/// A TCP port of 127.0.0.1, reserved until the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Port {
    number: u16,
    _lock: Arc<LockFile>,
}

/// Unlocks explicitly, because a child's copy of the descriptor would keep the lock.
#[derive(Debug)]
struct LockFile(File);

impl Drop for LockFile {
    fn drop(&mut self) {
        // If this fails, the lock ends with the last copy of the descriptor.
        let _ = self.0.unlock();
    }
}

impl Port {
    pub fn free() -> Result<Self> {
        for _ in 0..MAX_ATTEMPTS {
            match Self::exactly(fastrand::u16(CANDIDATE_PORTS)) {
                Err(error) if error.is::<PortTaken>() => {}
                other => return other,
            }
        }
        bail!("found no free port among {CANDIDATE_PORTS:?}")
    }

    /// The port `number` if it is free, else a random one.
    pub fn prefer(number: u16) -> Result<Self> {
        match Self::exactly(number) {
            Err(error) if error.is::<PortTaken>() => Self::free(),
            other => other,
        }
    }

    /// The port `number`; the error is [`PortTaken`] if it is in use or reserved.
    pub fn exactly(number: u16) -> Result<Self> {
        // One folder per user, because other users cannot write to its files. Against the services
        // of other users, only the bind below helps.
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

/// Binds a socket as a server does, but never listens: a child's copy of it blocks no server.
fn try_bind(number: u16) -> Result<(), Errno> {
    let socket =
        net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, number))
}
