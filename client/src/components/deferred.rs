use std::time::Duration;

use leptos::prelude::*;

/// Renders its children in a separate task while the page starts. Rendering the whole page in one
/// task would block a phone for half a second.
///
/// After the start the children are rendered immediately, so that the page has its full height when
/// the browser restores the scroll position.
#[component]
pub(crate) fn Deferred(children: ChildrenFn) -> impl IntoView {
    // The frame of index.html is removed when the page is mounted.
    let is_starting = document().get_element_by_id("frame").is_some();
    let is_due = RwSignal::new(!is_starting);
    if is_starting {
        set_timeout(move || _ = is_due.try_set(true), Duration::ZERO);
    }
    move || is_due.get().then(|| children())
}
