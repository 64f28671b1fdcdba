//! Shows millions of digits: only the lines in view are in the document. `digit_lines` says which.

use std::ops::Range;
use std::sync::Arc;

use leptos::ev::{self, SubmitEvent};
use leptos::html::Div;
use leptos::prelude::*;

use super::copy_button::{CopyButton, CopySource};
use crate::digit_lines::{DigitLines, find};
use crate::{api, format};

/// Values with more digits than this get the tools to find digits.
const MAX_DIGITS_WITHOUT_TOOLS: usize = 200;

/// The digits with their positions, and the means to copy, download and search them.
#[component]
pub(crate) fn DigitsViewer(index: u32, digits: Arc<str>) -> impl IntoView {
    let digits = StoredValue::new(digits);
    let length = digits.with_value(|digits| digits.len());
    let viewport = NodeRef::<Div>::new();
    let ruler = NodeRef::<Div>::new();
    let lines = RwSignal::new(DigitLines::new(length, 0, 0));
    let viewport_height = RwSignal::new(0);
    let measure = move || {
        if let (Some(ruler), Some(viewport)) = (ruler.get(), viewport.get()) {
            let (width, height) = (ruler.client_width(), ruler.client_height());
            lines.set(DigitLines::new(length, width as usize, height as usize));
            viewport_height.set(viewport.client_height() as usize);
        }
    };
    // An effect, because elements have a size only after they are mounted.
    Effect::new(measure);
    let resized = window_event_listener(ev::resize, move |_| untrack(measure));
    on_cleanup(move || resized.remove());
    let top = RwSignal::new(0);
    // Offsets of the digits that were found last.
    let marked = RwSignal::new(0..0);
    let message = RwSignal::new(String::new());

    let in_view = Memo::new(move |_| lines.get().in_view(top.get(), viewport_height.get()));
    // Three parts: before, in and after the mark. A memo, because three signals read it.
    let text = Memo::new(move |_| {
        digits.with_value(|digits| lines.get().text(digits, in_view.get(), &marked.get()))
    });
    let part = move |part: usize| Signal::derive(move || text.read()[part].clone());
    let positions = Signal::derive(move || lines.get().positions(in_view.get()));
    let pixels = move |lines_above| format!("{}px", lines_above * lines.get().line_height());
    let line_height = Signal::derive(move || pixels(1));
    let height = Signal::derive(move || pixels(lines.get().count()));
    let first_line_top = Signal::derive(move || pixels(in_view.get().start));
    let on_scroll = move |_| {
        if let Some(viewport) = viewport.get_untracked() {
            top.set(viewport.scroll_top().max(0) as usize);
        }
    };
    let go_to = Callback::new(move |found: Range<usize>| {
        message.set(format!("Digit {}", format::grouped(found.start as u64 + 1)));
        if let Some(viewport) = viewport.get_untracked() {
            // Three lines above the first digit stay visible.
            let lines = lines.get_untracked();
            let line = lines.line_of(found.start).saturating_sub(3);
            viewport.set_scroll_top((line * lines.line_height()) as i32);
        }
        marked.set(found);
    });
    let all_digits = Signal::derive(move || digits.with_value(|digits| (**digits).to_owned()));
    view! {
        <p class="about">
            <CopyButton name=format::fibonacci(index) source=CopySource::Text(all_digits)
                testid="copy-all" />
            <a class="plain" href=api::digits_path(index) download=format!("fibonacci-{index}.txt")
                data-testid="download-all">"Download"</a>
        </p>
        {(length > MAX_DIGITS_WITHOUT_TOOLS)
            .then(|| view! { <DigitsTools digits marked message go_to /> })}
        <div id="digits-view" class="digits-view" role="region" aria-label="Digits" tabindex="0"
            data-testid="digits-view" node_ref=viewport on:scroll=on_scroll>
            <div class="digits-whole" style:height=height style:line-height=line_height>
                <pre class="positions" aria-hidden="true" style:top=first_line_top>
                    {positions}
                </pre>
                <div class="digits-ruler" node_ref=ruler></div>
                <pre class="digits-lines" data-testid="digits-lines" style:top=first_line_top>
                    {part(0)}
                    <mark>{part(1)}</mark>
                    {part(2)}
                </pre>
            </div>
        </div>
    }
}

/// Two forms: one goes to the digit at a position, the other finds a sequence of digits.
#[component]
fn DigitsTools(
    digits: StoredValue<Arc<str>>,
    /// Offsets of the digits that were found last.
    marked: RwSignal<Range<usize>>,
    /// The text beside the forms: the position that was found, or why none was.
    message: RwSignal<String>,
    /// Shows and marks the digits at these offsets.
    go_to: Callback<Range<usize>>,
) -> impl IntoView {
    let length = digits.with_value(|digits| digits.len());
    let position = RwSignal::new(String::new());
    let wanted = RwSignal::new(String::new());
    let on_go = move |event: SubmitEvent| {
        event.prevent_default();
        match format::ungrouped(&position.get_untracked()).parse::<usize>() {
            Ok(position) if (1..=length).contains(&position) => go_to.run(position - 1..position),
            _ => {
                message.set(format!("Positions are from 1 to {}.", format::grouped(length as u64)))
            }
        }
    };
    let on_find = move |event: SubmitEvent| {
        event.prevent_default();
        let wanted = wanted.get_untracked().split_whitespace().collect::<String>();
        // If the last match is still marked, the search continues after it.
        let last_match =
            marked.with_untracked(|marked| (marked.len() == wanted.len()).then_some(marked.start));
        match digits.with_value(|digits| find(digits, &wanted, last_match)) {
            Some(offset) => go_to.run(offset..offset + wanted.len()),
            None if contract::is_whole(&wanted) => message.set(format!("{wanted} was not found.")),
            None => message.set("Type the digits to find.".to_owned()),
        }
    };
    view! {
        <div class="digits-tools">
            <form on:submit=on_go>
                <label for="digits-position">"Digit no."</label>
                <input id="digits-position" class="small" inputmode="numeric" autocomplete="off"
                    maxlength="12" data-testid="digits-position" bind:value=position />
                <button type="submit" class="plain" data-testid="go-to-digit">"Go"</button>
            </form>
            <form on:submit=on_find>
                <label for="digits-wanted">"Digits"</label>
                <input id="digits-wanted" class="small" inputmode="numeric" autocomplete="off"
                    maxlength="40" data-testid="digits-wanted" bind:value=wanted />
                <button type="submit" class="plain" data-testid="find-digits">"Find next"</button>
            </form>
            <p class="quiet" role="status" data-testid="digits-message">{message}</p>
        </div>
    }
}
