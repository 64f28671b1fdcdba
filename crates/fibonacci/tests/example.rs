//! The command line of `examples/fib`. The benchmark measures its speed.

use std::process::{Command, Output};

fn fib(arguments: &[&str]) -> Output {
    let tests = std::env::current_exe().expect("the path of this test");
    // Cargo builds examples beside the folder of the tests.
    let fib = tests.ancestors().nth(2).expect("the folder of the build").join("examples/fib");
    Command::new(fib)
        .args(arguments)
        .output()
        .expect("fib should run: cargo test -p fibonacci builds it")
}

fn printed(arguments: &[&str]) -> String {
    let output = fib(arguments);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn fib_prints_the_number_and_nothing_else() {
    assert_eq!(printed(&["0"]), "0\n");
    assert_eq!(printed(&["100"]), "354224848179261915075\n");
    assert_eq!(
        printed(&["--threads", "2", "20000"]),
        fibonacci::digits(20_000).expect("its digits") + "\n"
    );
}

#[test]
fn fib_time_prints_the_seconds_and_nothing_else() {
    for arguments in
        [&["--time", "1000"][..], &["--time", "100000", "--repeat", "3", "--threads", "2"]]
    {
        let printed = printed(arguments);
        let seconds: f64 =
            printed.strip_suffix('\n').expect("one line").parse().expect("a number alone");
        assert!(seconds > 0.0 && seconds < 60.0, "{seconds}");
    }
}

#[test]
fn fib_answers_invalid_arguments_with_its_usage() {
    for arguments in [&[][..], &["x"], &["-1"], &["7", "--repeat", "0"], &["7", "--threads"]] {
        let output = fib(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(
            output.stderr.starts_with(b"usage: fib ") && output.stdout.is_empty(),
            "{output:?}"
        );
    }
}
