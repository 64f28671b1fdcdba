//! The edge by itself, before stand-ins: parts that answer each request with what they got of it. For what the edge does with
//! requests; what the real parts make of them is for [`crate::Site`].
//!
//! A stand-in knows no more of HTTP than that.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;

use anyhow::Result;
use stack::testing::{Private, nginx};
use stack::{Nginx, RequestLimits, edge_options};

use crate::root;

/// An edge on `template` that passes everything on to `api` and `client`, and takes `requests` more at once than one a second.
///
/// # Errors
/// As [`Nginx::start`].
pub fn edge(template: &Path, api: u16, client: u16, requests: u32) -> Result<Private<Nginx>> {
    let limits = RequestLimits { rate: "1r/s", burst: requests, connections: 100 };
    nginx(template, edge_options(&[api], client, limits))
}

/// The template that production uses.
#[must_use]
pub fn template() -> std::path::PathBuf {
    root().join("nginx/nginx.conf.template")
}

/// Answers each request with `name`, the request's line and its headers, until the process ends; returns its port. `headers` are
/// more of the answer's own, each with its line end.
///
/// # Errors
/// When no port can be had.
pub fn stand_in(name: &'static str, headers: &'static str) -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that is gone is not its business.
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
