//! The replay of the newest submission: one hop after the other, with what travelled.

mod player;

use leptos::prelude::*;

use self::player::{MessageOrigin, Player, ReplayStep};
use super::lesson::{CommandLine, HOP_LESSONS, LOG_COMMANDS, REQUEST_ID};
use crate::state::health::SystemPart;

/// The hop that is replayed, for the diagram.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReplayedHop {
    /// The parts that the message passes; empty while nothing is replayed.
    path: &'static [SystemPart],
    /// The worker of the submission.
    worker: String,
}

impl ReplayedHop {
    pub(crate) fn is_at(&self, part: SystemPart) -> bool {
        self.path.last() == Some(&part)
    }

    pub(crate) fn is_at_worker(&self, name: &str) -> bool {
        self.is_at(SystemPart::Worker) && self.worker == name
    }

    pub(crate) fn uses_arrow(&self, from: SystemPart, to: SystemPart) -> bool {
        self.path.windows(2).any(|pair| *pair == [from, to])
    }
}

/// Provides the player to the components of this route.
pub(crate) fn provide_player() {
    provide_context(Player::new());
}

pub(crate) fn use_replayed_hop() -> Memo<ReplayedHop> {
    expect_context::<Player>().hop
}

/// Steps through the newest submission of this page: what happened, what travelled, and the command
/// that finds it in the logs. The diagram shows the same step.
#[component]
pub(crate) fn ReplayCard() -> impl IntoView {
    let player = expect_context::<Player>();
    player.announce_steps();
    player.advance_automatically();
    let progress = Signal::derive(move || match player.playback.read().position {
        0 => String::new(),
        position => format!("Step {position} of {}", player.count()),
    });
    let is_shown = move || player.step.read().is_some();
    view! {
        <section class="card replay" aria-labelledby="replay-title" data-testid="replay"
            data-step=move || is_shown().then_some("shown")>
            <div class="card-head">
                <h2 id="replay-title">"Your last submission, step by step"</h2>
                <p class="quiet" data-testid="replay-progress">{progress}</p>
            </div>
            <Controls player />
            <Step player />
            <h3>"Find it in the logs"</h3>
            <dl class="commands">
                <LogCommand title="With Docker" template=LOG_COMMANDS.compose[0] player />
                <LogCommand title="Without Docker" template=LOG_COMMANDS.without_docker[0] player />
            </dl>
        </section>
    }
}

#[component]
fn Controls(player: Player) -> impl IntoView {
    let play_text = Signal::derive(move || {
        if player.playback.read().is_playing { "Pause" } else { "Play" }.to_owned()
    });
    // Not disabled, because a disabled button loses the focus.
    let is_first = move || (player.playback.read().position <= 1).to_string();
    let is_empty = move || (player.count() == 0).to_string();
    let is_last = move || (player.playback.read().position == player.count()).to_string();
    view! {
        <p class="about">
            <button type="button" class="plain" data-testid="replay-previous"
                aria-disabled=is_first on:click=move |_| player.previous()>"Previous"</button>
            <button type="button" class="plain" data-testid="replay-play"
                aria-disabled=is_empty on:click=move |_| player.play_or_pause()>{play_text}</button>
            <button type="button" class="plain" data-testid="replay-next"
                aria-disabled=is_last on:click=move |_| player.next()>"Next"</button>
        </p>
    }
}

/// The current step, or what to do to see one.
#[component]
fn Step(player: Player) -> impl IntoView {
    let of_step = move |text: fn(&ReplayStep) -> &String| {
        Signal::derive(move || player.step.read().as_ref().map(text).cloned().unwrap_or_default())
    };
    let text = Signal::derive(move || match player.step.get() {
        Some(step) => step.text,
        None if player.count() == 0 => "Submit an index. Then replay its path here.".to_owned(),
        None => "Press Next to follow your submission.".to_owned(),
    });
    // Reserves the height of the longest text, so that steps do not move the page.
    let all_texts =
        HOP_LESSONS.each_ref().map(|hop| view! { <p aria-hidden="true">{hop.text}</p> });
    let origin = Memo::new(move |_| player.step.read().as_ref().map(|step| step.origin));
    let origin_view = move || match origin.get() {
        None => ().into_any(),
        Some(MessageOrigin::NoMessage) => "No message.".into_any(),
        Some(MessageOrigin::Response) => "The response, as this page read it.".into_any(),
        Some(MessageOrigin::Page) => "As this page sent or received it.".into_any(),
        Some(MessageOrigin::Source(path)) => view! {
            "With the values of this submission; limits as configured by default. Source: "
            <a href=format!("/source/{path}") rel="external">{path}</a>
        }
        .into_any(),
    };
    view! {
        <p class="replay-step">
            <span data-testid="replay-title">{of_step(|step| &step.title)}</span>
            " "
            <span class="took">{of_step(|step| &step.time)}</span>
        </p>
        <div class="replay-text">
            <p data-testid="replay-text">{text}</p>
            <div>{all_texts}</div>
        </div>
        <p class="quiet replay-source" data-testid="replay-source">
            {origin_view}
        </p>
        <pre class="message" tabindex="0" role="region" aria-label="Message of this step"
            data-testid="replay-message">{of_step(|step| &step.message)}</pre>
    }
}

/// The command that finds the submission in the logs.
#[component]
fn LogCommand(title: &'static str, template: &'static str, player: Player) -> impl IntoView {
    let command = Signal::derive(move || match player.request_id.get() {
        id if id.is_empty() => template.to_owned(),
        id => template.replace(REQUEST_ID, &id),
    });
    view! {
        <dt>{title}</dt>
        <dd>
            <CommandLine command testid="log-command" />
        </dd>
    }
}
