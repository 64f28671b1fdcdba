//! The command line of `examples/fib`, which the benchmark runs.

use std::process::{Command, Output};

fn fib(arguments: &[&str]) -> Output {
    let test = std::env::current_exe().expect("the path of this test");
    // Cargo builds `examples` beside the directory of the tests.
    let fib = test.ancestors().nth(2).expect("the build directory").join("examples/fib");
    Command::new(fib)
        .args(arguments)
        .output()
        .expect("fib should run: cargo test -p fibonacci builds it")
}

fn stdout(arguments: &[&str]) -> String {
    let output = fib(arguments);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn fib_prints_the_number_and_nothing_else() {
    assert_eq!(stdout(&["0"]), "0\n");
    assert_eq!(stdout(&["100"]), "354224848179261915075\n");
    assert_eq!(
        stdout(&["--threads", "2", "20000"]),
        fibonacci::digits(20_000).expect("its digits") + "\n"
    );
}

#[test]
fn fib_time_prints_the_seconds_and_nothing_else() {
    for arguments in
        [&["--time", "1000"][..], &["--time", "100000", "--repeat", "3", "--threads", "2"]]
    {
        let stdout = stdout(arguments);
        let seconds: f64 =
            stdout.strip_suffix('\n').expect("one line").parse().expect("only a number");
        assert!(seconds > 0.0 && seconds < 60.0, "{seconds}");
    }
}

#[test]
fn fib_prints_its_usage_for_invalid_arguments() {
    for arguments in [&[][..], &["x"], &["-1"], &["7", "--repeat", "0"], &["7", "--threads"]] {
        let output = fib(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(
            output.stderr.starts_with(b"usage: fib ") && output.stdout.is_empty(),
            "{output:?}"
        );
    }
}
