//! A client that takes in little: what it is sent and does not read stays with the sender. The standard library lets nobody say
//! how much the kernel buffers, nor from which address of this host a connection comes.
//!
//! It reads nothing by itself: the caller does, as slowly as the test wants.

use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt};

use crate::{Error, Result};

/// Bytes that the kernel takes in for a client that does not read; it doubles them, for its own use.
const WINDOW: usize = 2_048;

/// A connection from `source`, any address of 127.0.0.0/8, to a port of this host, with the smallest window.
///
/// # Errors
/// [`Error::Io`] when nobody listens there.
pub fn slow_reader(source: Ipv4Addr, port: u16) -> Result<TcpStream> {
    let open = || {
        // A child that inherited it would keep it open.
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        // Before it is connected: a window that was offered is not taken back.
        sockopt::set_socket_recv_buffer_size(&socket, WINDOW)?;
        bind(&socket, &SocketAddrV4::new(source, 0))?;
        connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
        Ok(TcpStream::from(socket))
    };
    open().map_err(|error: rustix::io::Errno| Error::io(format!("connecting to {port}"))(error.into()))
}
