//! The lesson on `/how-it-works`: the chosen part, experiments and a glossary. Their texts are HTML
//! from `client/lesson.html`, so that a visit of another route does not transfer them and a teacher
//! can change the words without compiling.
//!
//! The address names the chosen part (`/how-it-works?part=api`), so that it can be shared, and Back
//! leads to the previous one.

use leptos::html::Section;
use leptos::prelude::*;
use leptos_router::hooks::{use_location, use_query_map};

use crate::components::diagram::ChosenPartClicks;
use crate::lesson::{service_lines, use_lesson};
use crate::state::health::SystemPart;

/// Details of the chosen part, or a list of all parts; below it the rest of the lesson. Before the
/// lesson arrives, the state of its fetch.
#[component]
pub(crate) fn LessonCards() -> impl IntoView {
    let query = use_query_map();
    let part = Memo::new(move |_| query.with(|query| SystemPart::from_id(&query.get("part")?)));
    let fetch = use_lesson();
    let lesson = move || fetch.get().and_then(Result::ok);
    let fragment = move |id: &str| lesson().map(|lesson| lesson.fragment(id)).unwrap_or_default();
    let panel_html = Signal::derive(move || match part.get() {
        Some(part) => fragment(&format!("part-{}", part.id())),
        None => fragment("parts"),
    });
    let more_html = Signal::derive(move || fragment("more"));
    let compose = Signal::derive(move || {
        let service = part.get().and_then(SystemPart::service);
        let lines =
            service.zip(lesson()).map(|(name, lesson)| service_lines(&lesson.compose, name));
        lines.unwrap_or_default()
    });
    let status = Signal::derive(move || match fetch.get() {
        None => "Loading…".to_owned(),
        Some(Ok(_)) => String::new(),
        Some(Err(error)) => error.to_string(),
    });
    // The title is in the lesson. Before it arrives, the panel has the name in its `aria-label`.
    let title_id = move || lesson().map(|_| "part-title");
    // style.css shows the button while this is `failed`.
    let state = Signal::derive(move || {
        if matches!(fetch.get(), Some(Err(_))) { "failed" } else { "done" }.to_owned()
    });

    let panel = NodeRef::<Section>::new();
    let focus = move || _ = panel.get_untracked().map(|panel| panel.focus());
    let clicks = expect_context::<ChosenPartClicks>();
    let pathname = use_location().pathname;
    Effect::new(move |previous: Option<String>| {
        part.track();
        clicks.0.track();
        // Leaving the route changes the part too.
        let path = pathname.get();
        if previous.is_some_and(|previous| previous == path) {
            focus();
        }
        path
    });
    let retry = move |_| {
        fetch.fetch();
        // The button is about to be hidden, so the panel takes the focus.
        focus();
    };
    view! {
        <section class="card lesson part-panel" tabindex="-1" aria-label="The parts"
            aria-labelledby=title_id data-testid="part-panel" data-state=state node_ref=panel>
            <p role="status" data-testid="lesson-state">{status}</p>
            <button type="button" class="plain again" data-testid="lesson-again" on:click=retry>
                "Try again"
            </button>
            <div inner_html=panel_html></div>
            <pre data-testid="part-compose">{compose}</pre>
        </section>
        <div class="lesson" inner_html=more_html></div>
    }
}
