//! Tests the panic hook in a child process, because a hook is global.

#![expect(clippy::unwrap_used, reason = "in a test, the panic is the report")]

use std::env;
use std::net::Ipv4Addr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

use service::config::{LogFormat, OperatorConfig, TracesConfig};
use service::{logs, panic};

/// Set in the child process.
const CHILD_VARIABLE: &str = "PANIC_TEST_CHILD";

#[test]
fn a_panic_is_one_json_line_with_its_span() {
    if env::var_os(CHILD_VARIABLE).is_some() {
        return panic_in_a_span();
    }
    let test = ["a_panic_is_one_json_line_with_its_span", "--exact", "--nocapture"];
    let child = Command::new(env::current_exe().unwrap())
        .args(test)
        .env(CHILD_VARIABLE, "1")
        .output()
        .unwrap();
    let (stdout, stderr) =
        (String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    // The test harness may have written the start of the line.
    let line = stdout
        .lines()
        .find(|line| line.contains("on purpose"))
        .unwrap_or_else(|| panic!("{stdout}"));
    let line = &line[line.find('{').unwrap()..];
    for part in
        [r#""level":"ERROR""#, r#""panic":"on purpose""#, "tests/panic.rs", r#""request_id":"r-1""#]
    {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    assert!(!stderr.contains("on purpose"), "{stderr}");
}

fn panic_in_a_span() {
    let config = OperatorConfig {
        log_format: LogFormat::Json,
        rust_log: "error".to_owned(),
        listen_addr: Ipv4Addr::LOCALHOST.into(),
        metrics_port: 0,
        traces: TracesConfig::default(),
    };
    logs::start(&config, None).unwrap();
    panic::install_hook();
    let span = tracing::error_span!("request", request_id = "r-1");
    let _ = catch_unwind(AssertUnwindSafe(|| span.in_scope(|| panic!("on purpose"))));
}
