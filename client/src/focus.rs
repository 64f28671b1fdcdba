use web_sys::{FocusOptions, HtmlElement};

pub(crate) fn focus_without_scrolling(element: &HtmlElement) {
    let options = FocusOptions::new();
    options.set_prevent_scroll(true);
    // The focus stays where it is if the element cannot take it.
    let _ = element.focus_with_options(&options);
}
