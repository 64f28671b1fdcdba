//! The link around each point or bar of a chart, to the page of its number.
//!
//! Charts are hidden from screen readers, because an image cannot contain links. A sentence below
//! each chart says what it shows, and the list of indices has the same links.

use leptos::ev::MouseEvent;
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;

/// A link in an SVG. Its click handler navigates, because the router only follows HTML links.
#[component]
pub(crate) fn ChartLink(index: u32, children: Children) -> impl IntoView {
    let navigate = use_navigate();
    let address = format!("/numbers/{index}");
    let href = address.clone();
    let on_click = move |event: MouseEvent| {
        let has_modifier_key =
            event.ctrl_key() || event.meta_key() || event.shift_key() || event.alt_key();
        if !has_modifier_key {
            event.prevent_default();
            navigate(&address, Default::default());
        }
    };
    // The Tab key skips these links, because a chart can have 300. The `<g>` makes the macro create
    // an SVG link: outside an SVG element, `<a>` is HTML.
    view! {
        <g>
            <a href=href tabindex="-1" on:click=on_click>
                {children()}
            </a>
        </g>
    }
}
