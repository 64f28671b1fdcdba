//! The lesson on `/how-it-works`: the chosen part, experiments, where to look for a request, and a
//! glossary. `Prose` renders their texts, in which backticks mark code.

mod commands;
mod experiments;
mod glossary;
mod hops;
mod part_panel;
mod parts;
mod request_search;

// They read the documents, which a browser cannot.
#[cfg(not(target_arch = "wasm32"))]
#[cfg(test)]
mod tests;

use leptos::prelude::*;

use self::experiments::Experiments;
use self::glossary::Glossary;
use self::part_panel::PartPanel;
use self::request_search::RequestSearch;

pub(super) use self::commands::CommandLine;
pub(super) use self::hops::{HOP_LESSONS, HopLesson};
pub(super) use self::request_search::{LOG_COMMANDS, REQUEST_ID};

#[component]
pub(crate) fn LessonCards() -> impl IntoView {
    view! {
        <PartPanel />
        <div class="lesson">
            <Experiments />
            <RequestSearch />
            <Glossary />
        </div>
    }
}

#[component]
fn Paragraphs(texts: &'static [&'static str]) -> impl IntoView {
    texts.iter().map(|text| view! { <p><Prose text /></p> }).collect_view()
}

/// A text in which backticks mark code.
#[component]
fn Prose(text: &'static str) -> impl IntoView {
    let parts = text.split('`').enumerate().map(|(position, part)| {
        let is_code = position % 2 == 1;
        if is_code { view! { <code>{part}</code> }.into_any() } else { part.into_any() }
    });
    parts.collect_view()
}
