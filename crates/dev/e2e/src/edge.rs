//! The edge by itself, before stand-ins: parts that answer each request with what they got of it. For what the edge does with
//! requests; what the real parts make of them is for [`crate::System`].
//!
//! A stand-in knows no more of HTTP than that.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;

use anyhow::Result;
use stack::testing::{Private, nginx};
use stack::{Nginx, NginxOptions};

use crate::artifacts;

/// An edge on `template` that passes everything on to `api` and `client`, and takes `requests` more at once than one a second.
///
/// # Errors
/// As [`Nginx::start`].
pub fn edge(template: &Path, api: u16, client: u16, requests: u32) -> Result<Private<Nginx>> {
    let upstream = |port| format!("server 127.0.0.1:{port} max_fails=0;");
    let variables = [
        ("API_SERVERS", upstream(api)),
        ("CLIENT_SERVERS", upstream(client)),
        ("REQUEST_RATE", "1r/s".to_owned()),
        ("REQUEST_BURST", requests.to_string()),
        ("REQUEST_CONNECTIONS", "100".to_owned()),
        ("SCRIPT_SRC", String::new()),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value)).to_vec();
    Ok(nginx(template, NginxOptions { name: "edge".to_owned(), variables, ..Default::default() })?)
}

/// The template that production uses.
#[must_use]
pub fn template() -> std::path::PathBuf {
    artifacts::root().join("nginx/nginx.conf.template")
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
