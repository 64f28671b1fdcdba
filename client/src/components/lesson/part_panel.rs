//! The details of the chosen part, or a list of all parts.
//!
//! The address names the part (`/how-it-works?part=api`), so that it can be shared, and Back leads
//! to the previous one.

use leptos::html::Section;
use leptos::prelude::*;
use leptos_router::hooks::{use_location, use_query_map};

use super::parts::{PartLesson, SourceFile, part_lesson};
use super::{Paragraphs, Prose};
use crate::components::diagram::PartClickedAgain;
use crate::compose::service_lines;
use crate::state::health::{PARTS, SystemPart};

#[component]
pub(super) fn PartPanel() -> impl IntoView {
    let query = use_query_map();
    let part = Memo::new(move |_| SystemPart::from_id(query.read().get_str("part")?));
    let panel = NodeRef::<Section>::new();
    focus_on_change(panel, part);
    let content = move || match part.get() {
        Some(part) => view! { <PartDetails part /> }.into_any(),
        None => view! { <PartList /> }.into_any(),
    };
    view! {
        <section class="card lesson part-panel" tabindex="-1" aria-labelledby="part-title"
            data-testid="part-panel" node_ref=panel>
            {content}
        </section>
    }
}

/// Moves the focus to the panel when another part, or none, is chosen on this page.
fn focus_on_change(panel: NodeRef<Section>, part: Memo<Option<SystemPart>>) {
    let clicked_again = expect_context::<PartClickedAgain>();
    let pathname = use_location().pathname;
    Effect::new(move |previous: Option<String>| {
        part.track();
        clicked_again.0.track();
        // Leaving the route changes the part too.
        let path = pathname.get();
        if previous.is_some_and(|previous| previous == path)
            && let Some(panel) = panel.get_untracked()
        {
            let _ = panel.focus();
        }
        path
    });
}

#[component]
fn PartList() -> impl IntoView {
    let items = PARTS.map(|(part, _)| {
        let PartLesson { title, purpose, .. } = part_lesson(part);
        let address = format!("/how-it-works?part={}", part.id());
        view! {
            <div>
                <dt><a href=address data-noscroll>{title}</a></dt>
                <dd><Prose text=purpose[0] /></dd>
            </div>
        }
    });
    view! {
        <h2 id="part-title">"What each container is for"</h2>
        <p>
            "Choose a part, here or in the diagram. You then see why it exists, what happens when
            it dies, its image and port, its source, and its lines of docker-compose.yml."
        </p>
        <dl class="terms">{items}</dl>
    }
}

#[component]
fn PartDetails(part: SystemPart) -> impl IntoView {
    let PartLesson { title, purpose, when_it_dies, image_and_port, sources } = part_lesson(part);
    let sources = sources.iter().map(|SourceFile { path, subject }| {
        view! {
            <li>
                <a href=format!("/source/{path}") rel="external">{*path}</a>
                ": "
                {*subject}
            </li>
        }
    });
    view! {
        <h2 id="part-title">{title}</h2>
        <p class="about">
            <a href="/how-it-works" data-noscroll>"All parts"</a>
            // `external`: the router would change the address to that of the hash alone.
            <a href="#system-title" rel="external">"Back to the diagram"</a>
        </p>
        <Paragraphs texts=purpose />
        <h3>"When it dies"</h3>
        <Paragraphs texts=when_it_dies />
        <h3>"Its image and port"</h3>
        <p><Prose text=image_and_port /></p>
        <h3>"Its source"</h3>
        <ul>{sources.collect_view()}</ul>
        {part.service().map(|service| view! { <ComposeLines service /> })}
    }
}

#[component]
fn ComposeLines(service: &'static str) -> impl IntoView {
    view! {
        <h3>
            "Its lines of "
            <a href="/source/docker-compose.yml" rel="external">"docker-compose.yml"</a>
        </h3>
        <p class="quiet">
            <code>"*ours"</code>
            " and the like insert the block of that name at the top of the file (a YAML anchor)."
        </p>
        <pre data-testid="part-compose">{service_lines(service)}</pre>
    }
}
