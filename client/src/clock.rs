//! The browser's clock, and request ids.

use leptos::prelude::window;

/// The time by the browser's clock, in µs since the Unix epoch.
pub(crate) fn now() -> u64 {
    // `performance` has a finer resolution than `Date`, which counts milliseconds.
    let clock = window().performance();
    let millis = clock.map_or_else(js_sys::Date::now, |clock| clock.time_origin() + clock.now());
    (millis * 1_000.0) as u64
}

/// A random id, by which the logs of all services find the request.
pub(crate) fn request_id() -> String {
    let half = || (js_sys::Math::random() * 4_294_967_296.0) as u32;
    format!("{:08x}{:08x}", half(), half())
}
