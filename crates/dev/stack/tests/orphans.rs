//! A killed process cannot stop its children, yet they must end. The tests in `services` cover
//! children that are stopped.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use stack::{descendants, is_running, wait_until};

#[test]
fn children_end_when_their_parent_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    // Cargo builds examples before it runs tests, next to their folder.
    let test = env::current_exe().unwrap();
    let example = test.ancestors().nth(2).unwrap().join("examples/services");
    let mut parent = Command::new(example).arg(dir.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    // Including Postgres's backends and nginx's workers.
    let all = descendants(parent.id());
    assert!(all.len() > 4, "expected more than the four leaders: {all:?}");

    parent.kill().unwrap();
    parent.wait().unwrap();

    let ended = || !all.iter().copied().any(is_running);
    wait_until("every process has ended", Duration::from_secs(20), ended).unwrap();
}
