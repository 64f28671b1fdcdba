//! Mounts the page. Everything is in the library, where tests reach it.

use client::App;
use leptos::prelude::*;

fn main() {
    console_error_panic_hook::set_once();
    // The frame that index.html shows until now.
    if let Some(frame) = document().get_element_by_id("frame") {
        frame.remove();
    }
    mount_to_body(App);
}
