//! The edge alone, in front of stand-ins that answer each request with the request itself: for
//! tests of what the edge does with requests. The whole system is [`crate::Site`].

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::Result;
use stack::testing::{Private, nginx};
use stack::{Nginx, RequestLimits, edge_options};

use crate::root;

/// An edge with the configuration in a folder, in front of `api` and `client`. One address may send one
/// request a second, and `burst` beyond that.
pub fn edge(config: &Path, api: u16, client: u16, burst: u32) -> Result<Private<Nginx>> {
    let limits = RequestLimits { rate: "1r/s", burst, connections: 100 };
    nginx(config, edge_options(&[api], client, limits))
}

/// The configuration that production uses.
pub fn edge_config() -> PathBuf {
    root().join("nginx")
}

/// Answers each request with `name`, the request line and the request's headers, until the process
/// ends. Returns its port. `headers` are added to the response; each ends with `\r\n`.
pub fn stand_in(name: &'static str, headers: &'static str) -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // The client may have closed the connection.
            thread::spawn(move || answer(stream, name, headers));
        }
    });
    Ok(port)
}

fn answer(stream: TcpStream, name: &str, headers: &str) -> std::io::Result<()> {
    let mut body = format!("{name}\n");
    for line in BufReader::new(&stream).lines() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        body += &line;
        body.push('\n');
    }
    let length = body.len();
    write!(&stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
}
