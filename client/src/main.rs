//! Starts the page in the browser; everything is in the library.

fn main() {
    client::start();
}
