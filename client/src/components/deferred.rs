use std::time::Duration;

use leptos::prelude::*;

/// Whether the page was started at the current route. A route that loads its content provides it,
/// because the frame is gone when the content arrives.
#[derive(Clone, Copy)]
pub(crate) struct StartedHere(pub(crate) bool);

/// The frame of index.html is removed when the page is mounted.
pub(crate) fn is_starting() -> bool {
    document().get_element_by_id("frame").is_some()
}

/// Renders its children in a separate task while the page starts. Rendering the whole page in one
/// task would block a phone for half a second.
///
/// After the start the children are rendered immediately, so that the page has its full height when
/// the browser restores the scroll position.
#[component]
pub(crate) fn Deferred(children: ChildrenFn) -> impl IntoView {
    let is_deferred =
        use_context().map_or_else(is_starting, |StartedHere(is_deferred)| is_deferred);
    let is_due = RwSignal::new(!is_deferred);
    if is_deferred {
        // The route may have been left meanwhile.
        set_timeout(move || _ = is_due.try_set(true), Duration::ZERO);
    }
    move || is_due.get().then(|| children())
}
