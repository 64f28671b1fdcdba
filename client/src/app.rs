//! The page as a whole: its state, its routes, and what all routes have in common.

use leptos::html::Main;
use leptos::prelude::*;
use leptos_meta::provide_meta_context;
use leptos_router::components::{FlatRoutes, Route, Router};
use leptos_router::hooks::use_location;
use leptos_router::path;
use reactive_stores::Store;

use crate::components::deferred::Deferred;
use crate::components::header::{SiteHeader, Warning};
use crate::focus::focus_without_scrolling;
use crate::live::use_live_state;
use crate::pages::{Home, HowItWorks, NotFound, NumberPage};
use crate::state::journeys::JourneyLog;
use crate::state::{self, PageState, PageStateStoreFields, SubmitAction};

/// Key in the session storage.
const JOURNEYS: &str = "journeys";

/// The page, connected to the server.
#[component]
pub fn App() -> impl IntoView {
    let state = Store::new(PageState::default());
    keep_journeys(state);
    view! {
        <Deferred>{move || use_live_state(state)}</Deferred>
        <Page state />
    }
}

/// The page, showing a state that others keep current.
#[component]
pub fn Page(state: Store<PageState>) -> impl IntoView {
    provide_meta_context();
    provide_context(state);
    let submit: SubmitAction = Action::new_local(move |index: &u32| state::submit(state, *index));
    provide_context(submit);
    view! { <Router><Layout /></Router> }
}

#[component]
fn Layout() -> impl IntoView {
    let state = expect_context::<Store<PageState>>();
    let main = NodeRef::<Main>::new();
    focus_after_navigation(main);
    view! {
        <div class="page">
            // The router would only scroll there: the browser moves the focus as well.
            <a class="skip" href="#main" rel="external">"Skip to content"</a>
            <SiteHeader />
            <Warning />
            <main id="main" tabindex="-1" node_ref=main>
                <FlatRoutes fallback=NotFound>
                    <Route path=path!("/") view=Home />
                    <Route path=path!("/how-it-works") view=HowItWorks />
                    <Route path=path!("/numbers/:index") view=NumberPage />
                </FlatRoutes>
            </main>
            <p class="visually-hidden" role="status" data-testid="announcement">
                {state.announcement()}
            </p>
        </div>
    }
}

/// Moves the focus to the content when another page is opened, as loading one would do. The router
/// scrolls; focusing must not.
fn focus_after_navigation(main: NodeRef<Main>) {
    let pathname = use_location().pathname;
    Effect::new(move |before: Option<String>| {
        let path = pathname.get();
        if before.is_some_and(|before| before != path)
            && let Some(main) = main.get_untracked()
        {
            focus_without_scrolling(&main);
        }
        path
    });
}

/// Keeps the journeys in the tab's session storage, so that a reload does not lose them.
fn keep_journeys(state: Store<PageState>) {
    // There is none where a browser forbids it.
    let Ok(Some(storage)) = window().session_storage() else { return };
    let kept = storage.get_item(JOURNEYS).ok().flatten();
    if let Some(log) = kept.and_then(|json| serde_json::from_str::<JourneyLog>(&json).ok()) {
        state.journeys().set(log.reloaded());
    }
    let json = Memo::new(move |_| state.journeys().with(serde_json::to_string).unwrap_or_default());
    // It fails when the storage is full.
    Effect::new(move || _ = storage.set_item(JOURNEYS, &json.get()));
}
