//! The edge alone, and upstreams that send each request back in the response, for tests of how the
//! edge changes requests.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;

use stack::testing::{Private, nginx};
use stack::{HttpService, RequestLimits, edge_options};
use tempfile::TempDir;

use crate::{Site, root};

/// Starts an edge with the configuration in the folder `config`, in front of the ports `api` and
/// `client`. An address may send one request per second and a burst of `burst` requests.
pub fn start_edge(config: &Path, api: u16, client: u16, burst: u32) -> Site<Private<HttpService>> {
    let limits = RequestLimits { rate: "1r/s", burst, connections: 100 };
    let edge = nginx(config, edge_options(&[api], client, limits)).expect("the edge should start");
    let url = edge.url();
    Site::new(edge, url)
}

pub fn edge_config() -> PathBuf {
    root().join("nginx")
}

/// A copy of the edge's configuration in which `to` replaces `from`. Panics if no file has `from`.
pub fn edited_edge_config(from: &str, to: &str) -> TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    let mut is_edited = false;
    for file in std::fs::read_dir(edge_config()).expect("the configuration").flatten() {
        let text = std::fs::read_to_string(file.path()).expect("a file of the configuration");
        is_edited |= text.contains(from);
        std::fs::write(copy.path().join(file.file_name()), text.replace(from, to)).expect("a copy");
    }
    assert!(is_edited, "no file of the edge's configuration has {from:?}");
    copy
}

/// Starts an upstream that responds with `name`, the request line and the request's headers, until
/// the process ends. Returns its port. The response has these `headers` as well; each ends with
/// `\r\n`.
pub fn start_echo_server(name: &'static str, headers: &'static str) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port should be free");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // An error means that the edge has closed the connection.
            thread::spawn(move || respond(stream, name, headers));
        }
    });
    port
}

fn respond(stream: TcpStream, name: &str, headers: &str) -> std::io::Result<()> {
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
    write!(
        &stream,
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
}
