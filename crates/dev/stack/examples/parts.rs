//! Starts a Postgres, a Redis, an nginx and a `sleep` in the folder given, and waits to be killed
//! by the test `nothing_is_left_when_the_parent_is_killed`.

use std::{env, fs, path::PathBuf, thread};

use anyhow::{Context, Result, anyhow};
use stack::{NginxOptions, Postgres, PostgresOptions, Process, Redis, RedisOptions, nginx};

fn main() -> Result<()> {
    let dir = PathBuf::from(env::args().nth(1).context("usage: parts <folder>")?);
    let config = "pid nginx.pid; events {} http { access_log off; server {\nlisten 80;\n} }";
    fs::write(dir.join("nginx.conf"), config)?;

    // Started by a thread that ends: its children must not end with it.
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
    let _parts = thread::spawn(start).join().map_err(|_| anyhow!("a part panicked"))??;

    println!("ready");
    loop {
        thread::park();
    }
}
