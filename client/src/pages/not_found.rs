use leptos::prelude::*;
use leptos_router::hooks::use_location;

use crate::components::title::PageTitle;

/// Every other address.
#[component]
pub(crate) fn NotFound() -> impl IntoView {
    let path = use_location().pathname;
    view! {
        <PageTitle text="Page not found" />
        <h1>"Page not found"</h1>
        <p class="lead" data-testid="not-found">"There is no page at " <code>{path}</code> "."</p>
        <p>
            "Go to the " <a href="/">"calculator"</a> ", or to a number by its index, such as "
            <a href="/numbers/1000">"F(1,000)"</a> "."
        </p>
    }
}
