//! `/numbers/:index`: the page of one number, which can be shared by its address.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use crate::components::number::Number;
use crate::components::title::PageTitle;
use crate::format;
use crate::state::{self, use_page_state};

/// The page of the number in the address, or the error if it is not a valid index.
#[component]
pub(crate) fn NumberPage() -> impl IntoView {
    let state = use_page_state();
    let params = use_params_map();
    let typed = move || params.read().get("index").unwrap_or_default();
    let parsed = move || format::parse_index(&typed(), state::max_index(state));
    let index = Memo::new(move |_| parsed().ok());
    move || match index.get() {
        Some(index) => view! { <Number index /> }.into_any(),
        None => view! {
            <PageTitle text="No such number" />
            <h1>"No such number"</h1>
            <p class="lead" data-testid="no-number">{parsed().err()}</p>
            <p>"Go to the " <a href="/">"calculator"</a> "."</p>
        }
        .into_any(),
    }
}
