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
    let text = lines.join("\n");
    let source = CopySource::Text(Signal::stored(text.clone()));
    view! {
        <div>
            <p class="quiet way">
                {title} " "
                <CopyButton name=format!("{title}: {text}") source testid="copy-command" />
            </p>
            <pre>{text}</pre>
        </div>
    }
}
