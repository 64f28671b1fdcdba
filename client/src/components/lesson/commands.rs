//! Commands to type, each with a button that copies it.

use leptos::prelude::*;

use crate::components::copy_button::{CopyButton, CopySource};

/// The commands of a step, for both ways to run the application.
#[derive(Clone, Copy, Debug)]
pub(in crate::components) struct Commands {
    pub(in crate::components) compose: &'static [&'static str],
    pub(in crate::components) without_docker: &'static [&'static str],
}

#[component]
pub(super) fn CommandBlocks(commands: Commands) -> impl IntoView {
    view! {
        <div class="ways">
            <CommandBlock title="With Docker" lines=commands.compose />
            <CommandBlock title="Without Docker" lines=commands.without_docker />
        </div>
    }
}

#[component]
fn CommandBlock(title: &'static str, lines: &'static [&'static str]) -> impl IntoView {
    let lines = lines.iter().map(|line| {
        view! { <CommandLine command=Signal::stored((*line).to_owned()) testid="command" /> }
    });
    view! {
        <div>
            <p class="quiet">{title}</p>
            {lines.collect_view()}
        </div>
    }
}

#[component]
pub(in crate::components) fn CommandLine(
    command: Signal<String>,
    testid: &'static str,
) -> impl IntoView {
    view! {
        <div class="command">
            <code data-testid=testid>{command}</code>
            <CopyButton name="the command".to_owned() source=CopySource::Text(command)
                testid="copy-command" />
        </div>
    }
}
