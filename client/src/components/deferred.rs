//! Parts of a page that are rendered after what is above them.

use std::time::Duration;

use leptos::prelude::*;

/// Renders its children in a task of its own while the page starts: in one task, the whole page
/// would keep a phone from reacting for half a second. Later on they are rendered at once, so that
/// the page has its height when the browser restores the scroll position.
#[component]
pub(crate) fn Deferred(children: ChildrenFn) -> impl IntoView {
    // The frame of index.html stays until the page is mounted.
    let is_starting = document().get_element_by_id("frame").is_some();
    let is_due = RwSignal::new(!is_starting);
    if is_starting {
        set_timeout(move || _ = is_due.try_set(true), Duration::ZERO);
    }
    move || is_due.get().then(|| children())
}
