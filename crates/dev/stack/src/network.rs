//! Network conditions for tests: [`Proxy`] simulates a partition or a failover, [`slow_reader`] is
//! a client with a small receive window, and [`Certificate`] is for TLS.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt};

use crate::output::lock;

/// A TCP proxy that can simulate a network partition: it drops all bytes, and both ends keep a
/// connection that looks open. It can also redirect new connections to another server, as a DNS
/// name does after a failover. When dropped, it stops accepting connections.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    state: Arc<ProxyState>,
}

#[derive(Debug, Default)]
struct ProxyState {
    /// The port that new connections are forwarded to.
    target: AtomicU16,
    /// Whether bytes are dropped, shared by all connections made since the last [`Proxy::heal`].
    cut: Mutex<Arc<AtomicBool>>,
    stopped: AtomicBool,
    bytes_to_client: AtomicU64,
}

impl Proxy {
    /// Forwards connections to `port` of this host.
    pub fn to(port: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listening")?;
        let own = listener.local_addr()?.port();
        let state = Arc::new(ProxyState { target: port.into(), ..ProxyState::default() });
        let proxy = Self { port: own, state: Arc::clone(&state) };
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if state.stopped.load(Ordering::Relaxed) {
                    break;
                }
                let cut = Arc::clone(&lock(&state.cut));
                let target = state.target.load(Ordering::Relaxed);
                if let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) {
                    forward(&client, &server, &cut, |_| ());
                    let state = Arc::clone(&state);
                    forward(&server, &client, &cut, move |count| {
                        state.bytes_to_client.fetch_add(count as u64, Ordering::Relaxed);
                    });
                }
            }
        });
        Ok(proxy)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn bytes_to_client(&self) -> u64 {
        self.state.bytes_to_client.load(Ordering::Relaxed)
    }

    /// Forwards new connections to another port. Open connections keep their server.
    pub fn redirect(&self, port: u16) {
        self.state.target.store(port, Ordering::Relaxed);
    }

    /// Drops all bytes from now on, on new connections and on those made since the last
    /// [`Proxy::heal`].
    pub fn cut(&self) {
        lock(&self.state.cut).store(true, Ordering::Relaxed);
    }

    /// New connections work again. Those that were cut stay cut.
    pub fn heal(&self) {
        *lock(&self.state.cut) = Arc::default();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::Relaxed);
        // Wakes the accepting thread, which then reads the flag.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

/// Copies bytes in one direction on a separate thread, until either end closes.
fn forward(
    from: &TcpStream,
    to: &TcpStream,
    cut: &Arc<AtomicBool>,
    count: impl Fn(usize) + Send + 'static,
) {
    let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else { return };
    let cut = Arc::clone(cut);
    thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if cut.load(Ordering::Relaxed) {
                continue;
            }
            count(length);
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        // A partition delivers no FIN either.
        if !cut.load(Ordering::Relaxed) {
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        }
    });
}

/// Receive buffer of a slow reader. The kernel doubles it for its own bookkeeping.
const RECEIVE_BUFFER_BYTES: usize = 2_048;

/// Connects to `port` of this host with a small receive window, from `source`, which may be any
/// address in 127.0.0.0/8. std can set neither.
pub fn slow_reader(source: Ipv4Addr, port: u16) -> Result<TcpStream> {
    let open = || -> Result<_, Errno> {
        // CLOEXEC: a child that inherited the socket would keep it open.
        let socket =
            socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        // Before connecting: TCP does not shrink a window that was advertised.
        sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER_BYTES)?;
        bind(&socket, &SocketAddrV4::new(source, 0))?;
        connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
        Ok(TcpStream::from(socket))
    };
    open().with_context(|| format!("connecting to {port}"))
}

/// A certificate chain and its private key, both PEM. Some tests pass an invalid one.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub chain: String,
    pub key: String,
}

impl Certificate {
    /// Writes both into `dir` and returns their paths. Only the owner can read the key.
    pub(crate) fn write(&self, dir: &Path) -> Result<(PathBuf, PathBuf)> {
        let (chain, key) = (dir.join("server.crt"), dir.join("server.key"));
        fs::write(&chain, &self.chain).context("writing a certificate")?;
        fs::write(&key, &self.key).context("writing a key")?;
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
        Ok((chain, key))
    }
}
