//! Mounts the page. The page itself is in the library, so that tests can mount it too.

use std::time::Duration;

use client::App;
use leptos::prelude::*;

fn main() {
    console_error_panic_hook::set_once();
    // In a separate task, because this one has instantiated the program, which took long.
    set_timeout(mount, Duration::ZERO);
}

fn mount() {
    mount_to_body(App);
    // index.html shows this frame until the page is mounted. If mounting fails, the frame stays,
    // with its link to reload the page.
    if let Some(frame) = document().get_element_by_id("frame") {
        frame.remove();
    }
}
