//! Mounts the page. Everything is in the library, where tests reach it.

use std::time::Duration;

use client::App;
use leptos::prelude::*;

fn main() {
    console_error_panic_hook::set_once();
    // In a task of its own: instantiating the program was long enough.
    set_timeout(mount, Duration::ZERO);
}

fn mount() {
    mount_to_body(App);
    // The frame that index.html shows until now. It stays, with its link to reload, when mounting
    // fails.
    if let Some(frame) = document().get_element_by_id("frame") {
        frame.remove();
    }
}
