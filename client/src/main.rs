//! Starts the page in the browser.
//!
//! Everything is in the library, where tests reach it: they start parts of the page, or give it what a server would say.
//! This binary is what trunk builds.

fn main() {
    client::start();
}
