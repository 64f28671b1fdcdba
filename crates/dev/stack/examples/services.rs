//! Starts a Postgres, a Redis, an nginx and a `sleep` in the given folder. The test
//! `children_end_when_their_parent_is_killed` kills it.

use std::{env, fs, path::PathBuf, thread};

use anyhow::{Context, Result, anyhow};
use stack::{NginxOptions, Postgres, PostgresOptions, Process, Redis, RedisOptions, nginx};

fn main() -> Result<()> {
    let dir = PathBuf::from(env::args().nth(1).context("usage: services <folder>")?);
    let config = "pid nginx.pid; events {} http { access_log off; server {\nlisten 80;\n} }";
    fs::write(dir.join("nginx.conf"), config)?;

    // On a thread that ends: the children must not end with it.
    let start = move || -> Result<_> {
        let throwaway = PostgresOptions { throwaway: true, ..Default::default() };
        let postgres = Postgres::prepare(&dir.join("postgres"), throwaway)?;
        let redis = Redis::prepare(&dir.join("redis"), RedisOptions::default())?;
        let nginx = nginx(&dir, &dir.join("nginx"), NginxOptions::default())?;
        postgres.start()?;
        redis.start()?;
        nginx.start()?;
        Ok((postgres, redis, nginx, Process::builder("sleep", "sleep").arg("600").spawn()?))
    };
    let _services = thread::spawn(start).join().map_err(|_| anyhow!("a start panicked"))??;

    println!("ready");
    loop {
        thread::park();
    }
}
