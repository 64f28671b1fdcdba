//! A stretch of network between two of our parts, which can be cut as a partition cuts it: nothing arrives any more and
//! nobody is told. Both ends go on seeing an open connection whose peer takes all bytes and says nothing. It also counts what
//! comes back through it.
//!
//! A connection that was cut stays silent for ever; connections made after [`Proxy::heal`] work.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use crate::{Error, Result, output::lock};

/// Passes on what comes to a port of its own. Takes no new connections when dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    line: Arc<Line>,
}

#[derive(Debug, Default)]
struct Line {
    /// Shared by the connections made since the last healing: whether they are cut.
    cut: Mutex<Arc<AtomicBool>>,
    ended: AtomicBool,
    /// Bytes that were passed on to those who connect here.
    back: AtomicU64,
}

impl Proxy {
    /// Passes on to `port` of this machine.
    ///
    /// # Errors
    /// [`Error::Io`] when no port can be had.
    pub fn to(port: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::io("listening"))?;
        let own = listener.local_addr().map_err(Error::io("asking for the port"))?.port();
        let line = Arc::<Line>::default();
        let proxy = Self { port: own, line: Arc::clone(&line) };
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if line.ended.load(Ordering::Relaxed) {
                    break;
                }
                let cut = Arc::clone(&lock(&line.cut));
                if let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
                    pass_on(&near, &far, &cut, |_| ());
                    let line = Arc::clone(&line);
                    pass_on(&far, &near, &cut, move |count| {
                        line.back.fetch_add(count as u64, Ordering::Relaxed);
                    });
                }
            }
        });
        Ok(proxy)
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Bytes that came back so far, on all connections: what those who connect here were sent.
    #[must_use]
    pub fn came_back(&self) -> u64 {
        self.line.back.load(Ordering::Relaxed)
    }

    /// From now on nothing arrives, on connections that are open and on new ones.
    pub fn cut(&self) {
        lock(&self.line.cut).store(true, Ordering::Relaxed);
    }

    /// New connections work again.
    pub fn heal(&self) {
        *lock(&self.line.cut) = Arc::default();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.line.ended.store(true, Ordering::Relaxed);
        // Wakes the listener, which then sees that.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

/// Passes bytes on in one direction, on a thread of its own, until either end closes; says how many before they arrive.
fn pass_on(from: &TcpStream, to: &TcpStream, cut: &Arc<AtomicBool>, passed: impl Fn(usize) + Send + 'static) {
    let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else { return };
    let cut = Arc::clone(cut);
    thread::spawn(move || {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            if cut.load(Ordering::Relaxed) {
                continue;
            }
            passed(count);
            if to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        // Who is cut off is not told of that either.
        if !cut.load(Ordering::Relaxed) {
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        }
    });
}
