//! The replay of the newest submission: one hop after the other, with what travelled.

use std::time::Duration;

use leptos::prelude::*;

use super::copy_button::{CopyButton, CopySource};
use super::journey::hop_rows;
use crate::lesson::{Carried, HopLesson, Lesson, use_lesson};
use crate::state::health::SystemPart;
use crate::state::journeys::Journey;
use crate::state::{self, PageStateStoreFields, use_page_state};

/// Time for which a step is shown while the replay plays: long enough to read its sentences.
const STEP_DURATION: Duration = Duration::from_secs(3);

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
struct Step {
    title: String,
    time: String,
    /// What happened.
    text: String,
    /// What travelled.
    message: String,
    /// The file that has the message as a template; empty if this page sent or received it.
    source: String,
    hop: ReplayedHop,
}

impl Step {
    /// Where the message is from. The name of the source follows.
    fn origin(&self) -> &'static str {
        match (self.message.is_empty(), self.source.is_empty()) {
            (true, _) => "",
            (false, true) => "As this page sent or received it.",
            (false, false) => "With the values of this submission, from ",
        }
    }
}

fn steps_of(journey: &Journey, hops: &[HopLesson]) -> Vec<Step> {
    let rows = hop_rows(Some(journey)).into_iter().enumerate();
    let rows = rows.filter(|(_, row)| matches!(row.state, "passed" | "stopped"));
    let mut steps: Vec<Step> = rows
        .map(|(position, row)| {
            let is_cut = journey.is_cut_at(position);
            let HopLesson { path, text, carried } = hops.get(position).cloned().unwrap_or_default();
            let Carried { source, text: template } = carried.unwrap_or_default();
            let path = path.iter().filter_map(|id| SystemPart::from_id(id)).collect();
            let worker = journey.worker().unwrap_or_default().to_owned();
            Step {
                title: format!("{} {}", row.part, row.event),
                time: row.time,
                text: if is_cut { String::new() } else { text },
                message: journey.message(position, &template),
                source: if is_cut { String::new() } else { source },
                hop: ReplayedHop { path, worker },
            }
        })
        .collect();
    if let Some(last) = steps.last_mut() {
        last.text = format!("{} {}", last.text, journey.end()).trim().to_owned();
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
        if let Some(Step { title, time, text, .. }) = &step {
            state::announce(state, format!("{title}, {time}. {text}"));
        }
        replayed.set(step.unwrap_or_default().hop);
    });

    let show_next = move || position.update(|position| *position = count().min(*position + 1));
    let show_previous = move || position.update(|position| *position = (*position).max(2) - 1);
    let play = move || {
        show_next();
        is_playing.set(position.get_untracked() < untrack(count));
    };
    let play_or_pause = move || {
        if is_playing.get_untracked() {
            return is_playing.set(false);
        }
        if position.get_untracked() == untrack(count) {
            position.set(0);
        }
        play();
    };
    Effect::new(move |_| {
        if is_playing.get()
            && let Ok(interval) = set_interval_with_handle(play, STEP_DURATION)
        {
            on_cleanup(move || interval.clear());
        }
    });

    let of_step = move |text: fn(Step) -> String| {
        Signal::derive(move || step.get().map(text).unwrap_or_default())
    };
    let text = Signal::derive(move || match step.get() {
        Some(step) => step.text,
        None if count() == 0 => "Submit an index. Then step through its way here.".to_owned(),
        None => "Press Next to step through the way of your submission.".to_owned(),
    });
    // Hidden, and as high as the longest text, so that no step moves the page.
    let all_texts = move || {
        let text = |hop: &HopLesson| format!("<p aria-hidden=true>{}", hop.text);
        lesson().hops.iter().map(text).collect::<String>()
    };
    let progress = Signal::derive(move || match position.get() {
        0 => String::new(),
        at => format!("Step {at} of {}", count()),
    });
    let play_text =
        Signal::derive(move || if is_playing.get() { "Pause" } else { "Play" }.to_owned());
    let when = |is_so: fn(usize, usize) -> bool| {
        Signal::derive(move || is_so(position.get(), count()).to_string())
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
        <section class="card replay" aria-labelledby="replay-title" data-testid="replay">
            <div class="card-head">
                <h2 id="replay-title">"Your last submission, step by step"</h2>
                <p class="quiet" data-testid="replay-progress">{progress}</p>
            </div>
            <p class="about">
                {button("replay-previous", named("Previous"), is_first, Callback::new(move |()| show_previous()))}
                {button("replay-play", play_text, is_empty, Callback::new(move |()| play_or_pause()))}
                {button("replay-next", named("Next"), is_last, Callback::new(move |()| show_next()))}
            </p>
            <p class="replay-step">
                <span data-testid="replay-title">{of_step(|step| step.title)}</span> " "
                <span class="took">{of_step(|step| step.time)}</span>
            </p>
            <div class="replay-text">
                <p data-testid="replay-text">{text}</p>
                <div inner_html=all_texts></div>
            </div>
            <p class="quiet replay-source" data-testid="replay-source">
                {of_step(|step| step.origin().to_owned())}
                <a href=of_step(|step| format!("/source/{}", step.source)) rel="external"
                    hidden=move || step.get().is_none_or(|step| step.source.is_empty())>
                    {of_step(|step| step.source)}
                </a>
            </p>
            <pre class="message" tabindex="0" role="region" aria-label="What travelled"
                data-testid="replay-message">{of_step(|step| step.message)}</pre>
            <h3>"Find it in the logs"</h3>
            <dl class="commands">
                {command("With Docker", |lesson| &lesson.logs.compose)}
                {command("Without Docker", |lesson| &lesson.logs.without_docker)}
            </dl>
        </section>
    }
}
