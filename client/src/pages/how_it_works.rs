use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos::wasm_split::SplitLoaderError;

use crate::components::deferred::{Deferred, StartedHere, is_starting};
use crate::components::diagram::{PartClickedAgain, SystemCard};
use crate::components::journey::JourneysCard;
use crate::components::lesson::LessonCards;
use crate::components::replay::{ReplayCard, provide_player};
use crate::components::submit_form::SubmitForm;
use crate::components::title::PageTitle;

/// `/how-it-works`: the diagram of the running system beside the form, and the lesson.
#[component]
pub(crate) fn HowItWorks() -> impl IntoView {
    provide_context(StartedHere(is_starting()));
    let loaded = RwSignal::new(None);
    // Not a `LocalResource`, which would make the compressed program 7 kB larger.
    spawn_local(async move {
        let cards = cards();
        // `wasm_split` makes the function asynchronous.
        #[cfg(feature = "split")]
        let cards = cards.await;
        // The route may have been left meanwhile.
        let _ = loaded.try_set(Some(cards.unwrap_or_else(|_| ViewFn::from(not_loaded))));
    });
    view! {
        <PageTitle text="How it works" />
        <div class="how-it-works">
            <h1>"How it works"</h1>
            <p class="lead">
                "Six kinds of containers and your browser. Submit an index, and watch its path."
            </p>
            <SubmitForm />
            {move || match loaded.get() {
                Some(cards) => cards.run(),
                None => view! { <p class="card skeleton system">"Loading…"</p> }.into_any(),
            }}
        </div>
    }
}

/// Everything below the form. In a release build it is a file of its own, which is fetched when
/// this route is opened, so that a first visit of another one does not transfer it.
//
// Not `#[lazy]`, which panics if the file is missing.
#[cfg_attr(
    feature = "split",
    leptos::wasm_split::wasm_split(how_it_works, wasm_split_path = leptos::wasm_split, fallible)
)]
fn cards() -> Result<ViewFn, SplitLoaderError> {
    Ok(ViewFn::from(Cards))
}

#[component]
fn Cards() -> impl IntoView {
    provide_player();
    provide_context(PartClickedAgain(Trigger::new()));
    view! {
        <Deferred><SystemCard /></Deferred>
        <Deferred><ReplayCard /></Deferred>
        <Deferred><JourneysCard /></Deferred>
        <Deferred><LessonCards /></Deferred>
    }
}

/// The file is missing: probably the server has a new version of the page.
fn not_loaded() -> impl IntoView {
    view! {
        <p class="warning failed" role="alert" data-testid="not-loaded">
            <span>
                "The rest of this page could not be loaded; there may be a new version. "
                <a href="" rel="external">"Reload the page"</a>
            </span>
        </p>
    }
}
