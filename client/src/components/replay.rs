//! The replay of the newest submission: one hop after the other, with what travelled.

use std::time::Duration;

use leptos::prelude::*;

use super::copy_button::{CopyButton, CopySource};
use super::diagram::prefers_reduced_motion;
use super::journey::hop_rows;
use crate::lesson::{HopLesson, HopMessage, Lesson, use_lesson};
use crate::state::health::SystemPart;
use crate::state::journeys::Journey;
use crate::state::{self, PageStateStoreFields, use_page_state};

/// Time for which a step is shown while the replay plays: long enough to read its text, at about 16
/// characters a second.
fn step_duration(text: &str) -> Duration {
    Duration::from_millis(60 * text.chars().count() as u64).max(Duration::from_secs(3))
}

/// The hop that is replayed, for the diagram.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReplayedHop {
    /// The parts that the message passes; empty while nothing is replayed.
    path: Vec<SystemPart>,
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

/// Provides the hop that is replayed to the components of this route.
pub(crate) fn provide_replayed_hop() {
    provide_context(RwSignal::new(ReplayedHop::default()));
}

pub(crate) fn use_replayed_hop() -> RwSignal<ReplayedHop> {
    expect_context()
}

/// A step of the replay: a hop that the journey has passed, or at which it was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ReplayStep {
    title: String,
    time: String,
    /// What happened.
    text: String,
    /// What travelled.
    message: String,
    /// Where the message is from. The name of the source follows.
    origin: &'static str,
    /// The file that has the message as a template; empty if this page sent or received it.
    source: String,
    hop: ReplayedHop,
}

fn steps_of(journey: &Journey, hops: &[HopLesson]) -> Vec<ReplayStep> {
    let rows = hop_rows(Some(journey)).into_iter().enumerate();
    let rows = rows.filter(|(_, row)| matches!(row.state, "passed" | "stopped"));
    let mut steps: Vec<ReplayStep> = rows
        .map(|(position, row)| {
            let HopLesson { path, text, message } = hops.get(position).cloned().unwrap_or_default();
            let HopMessage { mut source, template } = message.unwrap_or_default();
            let message = journey.message(position, &template);
            let follows_lesson = journey.follows_lesson_at(position);
            if !follows_lesson {
                source.clear();
            }
            let origin = match () {
                () if message.is_empty() => "",
                () if !follows_lesson => "The response, as this page read it.",
                () if source.is_empty() => "As this page sent or received it.",
                () => {
                    "With the values of this submission; limits as configured by default. Source: "
                }
            };
            let path = path.iter().filter_map(|id| SystemPart::from_id(id)).collect();
            let worker = journey.worker().unwrap_or_default().to_owned();
            ReplayStep {
                title: format!("{} {}", row.part, row.event),
                time: row.time,
                text: journey.text(position, text),
                message,
                origin,
                source,
                hop: ReplayedHop { path, worker },
            }
        })
        .collect();
    if let Some(last) = steps.last_mut() {
        last.text = format!("{} {}", last.text, journey.outcome_text()).trim().to_owned();
    }
    steps
}

/// Steps through the newest submission of this page: what happened, what travelled, and the command
/// that finds it in the logs. The diagram shows the same step.
#[component]
pub(crate) fn ReplayCard() -> impl IntoView {
    let state = use_page_state();
    let lesson = use_lesson();
    let lesson = move || lesson.get().and_then(Result::ok).unwrap_or_default();
    let newest = Memo::new(move |_| state.journeys().with(|log| log.journeys.front().cloned()));
    let steps = move || {
        let steps = |journey: &Option<Journey>| Some(steps_of(journey.as_ref()?, &lesson().hops));
        newest.with(steps).unwrap_or_default()
    };
    let count = move || steps().len();
    let request_id = move || {
        let id = |journey: &Option<Journey>| Some(journey.as_ref()?.request_id.clone());
        newest.with(id).unwrap_or_else(|| "<request id>".to_owned())
    };
    // Counted from 1; 0 before the first step.
    let position = RwSignal::new(0_usize);
    let is_playing = RwSignal::new(false);
    // A new submission ends the replay of the previous one.
    Effect::new(move |previous: Option<String>| {
        let id = request_id();
        if previous.is_some_and(|previous| previous != id) {
            position.set(0);
            is_playing.set(false);
        }
        id
    });

    let step = Memo::new(move |_| steps().into_iter().nth(position.get().checked_sub(1)?));
    let replayed = use_replayed_hop();
    Effect::new(move |_| {
        let step = step.get();
        if let Some(ReplayStep { title, time, text, .. }) = &step {
            state::announce(state, format!("{title}, {time}. {text}"));
        }
        replayed.set(step.unwrap_or_default().hop);
    });

    let show_next = move || position.update(|position| *position = count().min(*position + 1));
    let play = move || {
        // The preference hides the button that pauses.
        if prefers_reduced_motion() {
            return is_playing.set(false);
        }
        show_next();
        is_playing.set(position.get_untracked() < untrack(count));
    };
    let play_or_pause = Callback::new(move |()| {
        if is_playing.get_untracked() {
            return is_playing.set(false);
        }
        if position.get_untracked() == untrack(count) {
            position.set(0);
        }
        play();
    });
    let previous = Callback::new(move |()| {
        is_playing.set(false);
        if position.get_untracked() > 1 {
            position.update(|position| *position -= 1);
        }
    });
    let next = Callback::new(move |()| {
        is_playing.set(false);
        show_next();
    });
    Effect::new(move |_| {
        let duration = step_duration(&step.get().unwrap_or_default().text);
        if is_playing.get()
            && let Ok(timeout) = set_timeout_with_handle(play, duration)
        {
            on_cleanup(move || timeout.clear());
        }
    });

    let of_step = move |text: fn(ReplayStep) -> String| {
        Signal::derive(move || step.get().map(text).unwrap_or_default())
    };
    let text = Signal::derive(move || match step.get() {
        Some(step) => step.text,
        None if count() == 0 => "Submit an index. Then replay its path here.".to_owned(),
        None => "Press Next to follow your submission.".to_owned(),
    });
    // Reserves the height of the longest text, so that steps do not move the page.
    let all_texts = move || {
        let text = |hop: &HopLesson| view! { <p aria-hidden="true">{hop.text.clone()}</p> };
        lesson().hops.iter().map(text).collect_view()
    };
    let progress = Signal::derive(move || match position.get() {
        0 => String::new(),
        at => format!("Step {at} of {}", count()),
    });
    let play_text =
        Signal::derive(move || if is_playing.get() { "Pause" } else { "Play" }.to_owned());
    let when = |condition: fn(usize, usize) -> bool| {
        Signal::derive(move || condition(position.get(), count()).to_string())
    };
    let is_first = when(|position, _| position <= 1);
    let is_last = when(|position, count| position == count);
    let is_empty = when(|_, count| count == 0);
    // Not disabled, because a disabled button loses the focus.
    let button =
        |testid, text: Signal<String>, is_disabled: Signal<String>, press: Callback<()>| {
            view! {
                <button type="button" class="plain" data-testid=testid aria-disabled=is_disabled
                    on:click=move |_| press.run(())>{text}</button>
            }
        };
    let named = |text: &str| Signal::stored(text.to_owned());
    let command = |title: &'static str, template: fn(&Lesson) -> &str| {
        let command =
            Signal::derive(move || template(&lesson()).replace("{request_id}", &request_id()));
        view! {
            <dt>{title}</dt>
            <dd>
                <code data-testid="log-command">{command}</code>
                <CopyButton name="the command".to_owned() source=CopySource::Text(command)
                    testid="copy-command" />
            </dd>
        }
    };
    view! {
        <section class="card replay" aria-labelledby="replay-title" data-testid="replay"
            data-step=move || step.with(Option::is_some).then_some("shown")>
            <div class="card-head">
                <h2 id="replay-title">"Your last submission, step by step"</h2>
                <p class="quiet" data-testid="replay-progress">{progress}</p>
            </div>
            <p class="about">
                {button("replay-previous", named("Previous"), is_first, previous)}
                {button("replay-play", play_text, is_empty, play_or_pause)}
                {button("replay-next", named("Next"), is_last, next)}
            </p>
            <p class="replay-step">
                <span data-testid="replay-title">{of_step(|step| step.title)}</span> " "
                <span class="took">{of_step(|step| step.time)}</span>
            </p>
            <div class="replay-text">
                <p data-testid="replay-text">{text}</p>
                <div>{all_texts}</div>
            </div>
            <p class="quiet replay-source" data-testid="replay-source">
                {of_step(|step| step.origin.to_owned())}
                <a href=of_step(|step| format!("/source/{}", step.source)) rel="external"
                    hidden=move || step.get().is_none_or(|step| step.source.is_empty())>
                    {of_step(|step| step.source)}
                </a>
            </p>
            <pre class="message" tabindex="0" role="region" aria-label="Message of this step"
                data-testid="replay-message">{of_step(|step| step.message)}</pre>
            <h3>"Find it in the logs"</h3>
            <dl class="commands">
                {command("With Docker", |lesson| &lesson.logs.compose)}
                {command("Without Docker", |lesson| &lesson.logs.without_docker)}
            </dl>
        </section>
    }
}
