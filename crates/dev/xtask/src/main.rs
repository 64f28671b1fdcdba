//! `cargo xtask`; see the library.
//!
//! All of it is there, with its tests; here is nothing that could be wrong.

use std::process::ExitCode;

fn main() -> ExitCode {
    xtask::main()
}
