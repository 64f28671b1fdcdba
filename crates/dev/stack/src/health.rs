//! Whether a part answers, asked the way its users would ask: one question for each scheme of an address. Used while
//! parts start, and by whoever only knows their addresses.
//!
//! How long to go on asking is for `service` and `wait` to say.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    process::{Command, Stdio},
    time::Duration,
};

use crate::{http_get, programs::postgres_program};

/// A part that takes longer does not answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether the part at `url` answers: `http://…` by a GET that succeeds, `redis://127.0.0.1:PORT` by a PING,
/// `postgres://…@127.0.0.1:PORT/…` by pg_isready. Of any other scheme nothing is known, and the answer is no.
#[must_use]
pub fn answers(url: &str) -> bool {
    let port = || url.rsplit(':').next()?.split('/').next()?.parse().ok();
    match url.split_once("://").map_or("", |(scheme, _)| scheme) {
        "http" => http_get(url).is_ok_and(|response| response.status == 200),
        "redis" => port().is_some_and(redis),
        "postgres" => port().is_some_and(postgres),
        _ => false,
    }
}

/// One that still loads its data accepts connections and says `-LOADING`; one that wants a password first is up.
fn redis(port: u16) -> bool {
    let ping = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer)?;
        Ok(matches!(&answer, b"+PONG" | b"-NOAU"))
    };
    ping().unwrap_or(false)
}

fn postgres(port: u16) -> bool {
    let Ok(program) = postgres_program("pg_isready") else { return false };
    let mut command = Command::new(program);
    command.args(["-q", "-h", "127.0.0.1", "-p", &port.to_string(), "-U", "postgres", "-d", "postgres"]);
    command.args(["-t", &PATIENCE.as_secs().to_string()]).stdin(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
