//! Tests of the command line of `examples/fib`, which the benchmarks run.

use std::process::{Command, Output};

fn run_fib(arguments: &[&str]) -> Output {
    let test = std::env::current_exe().expect("the path of this test's executable");
    // Cargo puts tests into `deps` and examples into `examples`, both in the profile's directory.
    let fib = test.ancestors().nth(2).expect("the profile's directory").join("examples/fib");
    Command::new(fib)
        .args(arguments)
        .output()
        .expect("examples/fib should run; `cargo test -p fibonacci` builds it")
}

/// Runs fib, which must succeed, and returns what it prints.
fn fib_stdout(arguments: &[&str]) -> String {
    let output = run_fib(arguments);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).expect("stdout should be UTF-8")
}

#[test]
fn fib_prints_the_number_and_nothing_else() {
    assert_eq!(fib_stdout(&["0"]), "0\n");
    assert_eq!(fib_stdout(&["100"]), "354224848179261915075\n");
    assert_eq!(
        fib_stdout(&["--threads", "2", "20000"]),
        fibonacci::digits(20_000).expect("F(20000) should pass its check") + "\n"
    );
}

#[test]
fn the_time_option_prints_the_seconds_and_nothing_else() {
    for arguments in
        [&["--time", "1000"][..], &["--time", "100000", "--repeat", "3", "--threads", "2"]]
    {
        let stdout = fib_stdout(arguments);
        let line = stdout.strip_suffix('\n').expect("stdout should end with a newline");
        let seconds: f64 = line.parse().expect("the line should be a number");
        assert!(seconds > 0.0 && seconds < 60.0, "{seconds}");
    }
}

#[test]
fn invalid_arguments_print_the_usage() {
    for arguments in [&[][..], &["x"], &["-1"], &["7", "--repeat", "0"], &["7", "--threads"]] {
        let output = run_fib(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(
            output.stderr.starts_with(b"usage: fib ") && output.stdout.is_empty(),
            "{output:?}"
        );
    }
}
