//! The page as a whole: the header, what both routes share, and what each has of its own. It holds no logic.
//!
//! Both routes are in the document, one of them hidden: the form and the journeys are theirs together, so nothing that was
//! typed or is on its way is lost by going from one to the other.

use leptos::html;
use leptos::prelude::*;

use crate::components::{Digits, HowItWorks, Journeys, Pictures, SeenIndices, SubmitForm, Values, listen};
use crate::live;
use crate::model::Model;
use crate::route::{self, Route};
use crate::store::Store;
use crate::view;

/// Puts the page into the document and follows the server.
pub fn start() {
    console_error_panic_hook::set_once();
    let store = Store::new(Model::new(Route::current()));
    route::follow(move |route| store.update(|model| model.go(route)));
    // What stood there while the program was loading.
    if let Some(waiting) = document().get_element_by_id("waiting") {
        waiting.remove();
    }
    mount_to_body(move || view! { <App store /> });
    live::follow(store);
}

/// The whole page.
#[component]
pub fn App(
    /// What is shown.
    store: Store,
) -> impl IntoView {
    let title = store.text(view::title);
    Effect::new(move || document().set_title(&title.get()));
    let page = NodeRef::<html::Div>::new();
    page.on_load(move |page| listen(store, &page));
    view! {
        <div class="page" node_ref=page data-route=store.text(view::route)>
            <a class="skip" href="#main">"To the content"</a>
            <header class="page-header">
                <p class="brand"><span class="logo" aria-hidden="true">"φ"</span><span>"Fibonacci"<span class="wide">" calculator"</span></span></p>
                <nav aria-label="Pages">
                    <a href="/" data-act="calculator" aria-current=store.text(view::calculator_link)>"Calculator"</a>
                    <a href="/how-it-works" data-act="how-it-works" aria-current=store.text(view::how_link)>"How it works"</a>
                </nav>
                <p class="connection" role="status" data-testid="connection" data-state=store.text(view::connection)>
                    <span>{store.text(view::connection_words)}</span>
                    <span class="wide">{store.text(view::connection_detail)}</span>
                </p>
            </header>
            <main id="main" tabindex="-1">
                <h1>{store.text(view::heading)}</h1>
                <p class="lead">{store.text(view::lead)}</p>
                <SubmitForm store />
                <Journeys store />
                <div class="columns" hidden=store.flag(view::not_calculator)>
                    <Values store />
                    <div class="aside">
                        <Pictures store />
                        <SeenIndices store />
                    </div>
                </div>
                <div class="columns" hidden=store.flag(view::not_how)>
                    <HowItWorks store />
                </div>
            </main>
            <p class="toast" role="alert" data-testid="trouble" hidden=store.flag(view::calm)>
                {store.text(view::trouble)}
            </p>
            <Digits store />
            <p class="visually-hidden" role="status" data-testid="announcement">
                {store.text(view::announcement)}
            </p>
        </div>
    }
}
