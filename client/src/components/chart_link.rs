//! What stands for a number in a chart, and leads to its page. Charts are hidden from screen
//! readers, and say the same in words: an image may have no links, and the list has one for each
//! number.

use leptos::ev::MouseEvent;
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;

/// A mark's key, the index of the number that it stands for, and the value that it shows.
pub(crate) type Mark = (u32, u32, u64);

/// The marks of a chart. A mark with the same key stays as it is.
#[component]
pub(crate) fn ChartMarks(marks: Memo<Vec<Mark>>, shape: Callback<Mark, AnyView>) -> impl IntoView {
    let link = move |mark: Mark| {
        let (_, index, _) = mark;
        view! { <ChartLink index>{shape.run(mark)}</ChartLink> }
    };
    view! { <For each=move || marks.get() key=|(key, ..)| *key children=link /> }
}

/// A link in a picture. The router follows links of HTML only.
#[component]
fn ChartLink(index: u32, children: Children) -> impl IntoView {
    let navigate = use_navigate();
    let address = format!("/numbers/{index}");
    let href = address.clone();
    let on_click = move |event: MouseEvent| {
        let opens_elsewhere =
            event.ctrl_key() || event.meta_key() || event.shift_key() || event.alt_key();
        if !opens_elsewhere {
            event.prevent_default();
            navigate(&address, Default::default());
        }
    };
    // Not for the Tab key: 300 of them would be in its way. In a group, because a link alone would
    // be one of HTML.
    view! {
        <g>
            <a href=href tabindex="-1" on:click=on_click>
                {children()}
            </a>
        </g>
    }
}
