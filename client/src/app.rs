//! The whole page: its state, its routes, and the layout that all routes share.

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

const JOURNEYS_STORAGE_KEY: &str = "journeys";

/// The page, kept current by the server's events.
#[component]
pub fn App() -> impl IntoView {
    let state = Store::new(PageState::default());
    persist_journeys(state);
    view! {
        // Renders nothing: `Deferred` starts the connection after the first paint.
        <Deferred>{move || use_live_state(state)}</Deferred>
        <Page state />
    }
}

/// The page without a connection to the server. It shows `state`; tests change it themselves.
#[component]
pub fn Page(state: Store<PageState>) -> impl IntoView {
    provide_meta_context();
    provide_context(state);
    let submit: SubmitAction = Action::new_local(move |index: &u32| state::submit(state, *index));
    provide_context(submit);
    view! { <Router><Layout /></Router> }
}

/// The parts of the page that all routes share, around the content of the current route.
#[component]
fn Layout() -> impl IntoView {
    let state = expect_context::<Store<PageState>>();
    let main = NodeRef::<Main>::new();
    focus_after_navigation(main);
    view! {
        <div class="page">
            // `external` leaves the link to the browser, which also moves the focus to its target.
            // The router would only scroll.
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

/// Moves the focus to the content after each navigation, as loading a document would. The router
/// sets the scroll position, so focusing must not scroll.
fn focus_after_navigation(main: NodeRef<Main>) {
    let pathname = use_location().pathname;
    Effect::new(move |previous: Option<String>| {
        let path = pathname.get();
        if previous.is_some_and(|previous| previous != path)
            && let Some(main) = main.get_untracked()
        {
            focus_without_scrolling(&main);
        }
        path
    });
}

/// Saves the journeys in the tab's session storage, so that a reload does not lose them.
fn persist_journeys(state: Store<PageState>) {
    // Browsers can be set to forbid storage.
    let Ok(Some(storage)) = window().session_storage() else { return };
    let saved = storage.get_item(JOURNEYS_STORAGE_KEY).ok().flatten();
    if let Some(log) = saved.and_then(|json| serde_json::from_str::<JourneyLog>(&json).ok()) {
        state.journeys().set(log.reloaded());
    }
    let json =
        Memo::new(move |_| serde_json::to_string(&*state.journeys().read()).unwrap_or_default());
    // Setting an item fails when the storage is full.
    Effect::new(move || _ = storage.set_item(JOURNEYS_STORAGE_KEY, &json.get()));
}
