//! Nothing survives us, however we end.
//!
//! A process that is killed cannot clean up after itself, so one is killed that has started others, and they are looked for
//! among all that run. An orderly end is in `parts`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use stack::wait_until;

#[test]
fn nothing_is_left_when_the_parent_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let mut parent = Command::new(example("parts")).arg(dir.path()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(parent.stdout.take().unwrap()).lines().map(Result::unwrap);
    let pids: Vec<String> = lines.take_while(|line| line != "ready").collect();
    assert_eq!(pids.len(), 4);
    // Every process below the folder, so that backends and nginx's workers count as well.
    let family = || processes_of(&pids);
    assert!(family().len() > pids.len(), "expected more than the four leaders");
    let everybody = family();

    parent.kill().unwrap();
    parent.wait().unwrap();

    let bound = Duration::from_secs(20);
    wait_until("every process is gone", bound, || everybody.iter().all(|pid| !is_alive(pid))).unwrap();
}

/// The example's binary: cargo builds examples before it runs tests, next to them.
fn example(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let path = test.parent().and_then(|deps| deps.parent()).unwrap().join("examples").join(name);
    assert!(path.exists(), "{} is missing: `cargo test -p stack` builds it", path.display());
    path
}

/// The leaders and their children.
fn processes_of(leaders: &[String]) -> Vec<String> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|pid| leaders.contains(pid) || parent(pid).is_some_and(|parent| leaders.contains(&parent)))
        .collect()
}

fn parent(pid: &str) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    Some(fields.split(' ').nth(1)?.to_owned())
}

fn is_alive(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z"))
}
