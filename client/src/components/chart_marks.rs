//! The points or bars of a chart. Each is a link to the page of its number.
//!
//! Charts are hidden from screen readers, because an image cannot contain links. A sentence below
//! each chart says what it shows, and the list of indices has the same links.

use leptos::ev::MouseEvent;
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;

/// A point or bar of a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChartMark {
    /// A mark is rendered once for each key.
    pub(crate) key: u32,
    /// The index of its number.
    pub(crate) index: u32,
    /// The value to plot.
    pub(crate) value: u64,
}

/// All marks of a chart.
#[component]
pub(crate) fn ChartMarks(
    marks: Memo<Vec<ChartMark>>,
    /// Draws a mark.
    shape: Callback<ChartMark, AnyView>,
) -> impl IntoView {
    let link = move |mark: ChartMark| {
        view! { <ChartLink index=mark.index>{shape.run(mark)}</ChartLink> }
    };
    view! { <For each=move || marks.get() key=|mark| mark.key children=link /> }
}

/// A link in an SVG. Its click handler navigates, because the router only follows HTML links.
#[component]
fn ChartLink(index: u32, children: Children) -> impl IntoView {
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
