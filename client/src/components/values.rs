//! The list of values.

use contract::{MAX_WHOLE_DIGITS_ON_PAGE, PENDING};
use leptos::prelude::*;

use super::copy_button::{CopyButton, CopySource};
use super::digits_dialog::OPENED_HERE;
use super::long_list::LongList;
use super::pulse::pulse_name;
use crate::state::lists::{ListedValue, NumberLists};
use crate::state::{PageStateStoreFields, use_page_state};
use crate::{api, format, formula};

const ROWS_PER_STEP: usize = 20;

/// The values of the submitted indices, also the pending ones. The index submitted last is on top.
#[component]
pub(crate) fn ValuesCard() -> impl IntoView {
    let state = use_page_state();
    let count = Signal::derive(move || count_text(&state.lists().read()));
    // A later visit to this route must not show the highlight again.
    on_cleanup(move || state.highlight().set(None));
    view! {
        <section class="card" aria-labelledby="values-title">
            <div class="card-head">
                <h2 id="values-title">"Calculated values"</h2>
                <p class="quiet" data-testid="values-count">{count}</p>
            </div>
            <LongList id="values" step=ROWS_PER_STEP
                empty_text="None yet. Submit an index above, or choose an example."
                available=NumberLists::value_count has_older=NumberLists::has_more_values
                first=|lists, count| lists.indices().take(count).collect()
                row=|index| view! { <ValueRow index /> }
                button_testid="more-values" button_text="Show more" />
        </section>
    }
}

/// How a row shows a value.
struct ValueText {
    /// The attribute by which style.css colours the row.
    status: &'static str,
    /// Follows the index in the line above the number.
    caption: &'static str,
    number: String,
}

/// The row of an index: its value and digit count. If the value is known, it can be copied, and a
/// long one shown and downloaded.
#[component]
fn ValueRow(index: u32) -> impl IntoView {
    let state = use_page_state();
    let value = Memo::new(move |_| {
        let value = state.lists().read().value(index).cloned();
        value.unwrap_or(ListedValue::Pending)
    });
    let text = move || {
        let (status, caption, number) = match value.get() {
            ListedValue::Known { text, .. } => ("done", " I calculated ", text),
            ListedValue::DeadLettered => {
                ("failed", ": ", "The calculation failed several times.".to_owned())
            }
            ListedValue::Pending => ("pending", ": ", PENDING.to_owned()),
        };
        ValueText { status, caption, number }
    };
    let status = Signal::derive(move || text().status.to_owned());
    let caption = Signal::derive(move || text().caption.to_owned());
    let number = Signal::derive(move || text().number);
    let highlight = Signal::derive(move || {
        let highlight = state.highlight().get().filter(|highlight| highlight.index == index);
        pulse_name(highlight.map_or(0, |highlight| highlight.number))
    });
    let details = move || match value.get() {
        ListedValue::Known { text, digit_count } => {
            view! { <KnownValue index text digit_count /> }.into_any()
        }
        ListedValue::DeadLettered => {
            view! { <span class="count">"It is a dead letter; an operator can retry it."</span> }
                .into_any()
        }
        ListedValue::Pending => {
            let count = format::digit_count(formula::digit_count(index));
            view! { <span class="count" data-testid="digit-count">{count}" to come"</span> }
                .into_any()
        }
    };
    view! {
        <li>
            <div id=format!("row-{index}") class="row" tabindex="-1" data-index=index.to_string()
                data-state=status data-highlight=highlight>
                <p data-testid="value">
                    <span class="caption">
                        "For "
                        <a href=format!("/numbers/{index}")>"index " {format::grouped(index)}</a>
                        {caption}
                    </span>
                    <span class="number">{number}</span>
                </p>
                <p class="about">{details}</p>
            </div>
        </li>
    }
}

/// The digit count of a known value, a button that copies it, and links to show and download a long
/// one.
#[component]
fn KnownValue(
    index: u32,
    /// The value as the row shows it.
    text: String,
    digit_count: usize,
) -> impl IntoView {
    let name = format::fibonacci(index);
    let source = match contract::is_whole(&text) {
        true => CopySource::Text(Signal::stored(text)),
        false => CopySource::Digits(index),
    };
    let links_if_long = (digit_count > MAX_WHOLE_DIGITS_ON_PAGE).then(|| {
        view! {
            <a class="plain" href=format!("/?digits={index}") data-noscroll=true
                prop:state=OPENED_HERE data-testid="show-all"
                aria-label=format!("Show all digits of {name}")>"Show all"</a>
            <a class="plain" href=api::digits_path(index) download=format!("fibonacci-{index}.txt")
                data-testid="download" aria-label=format!("Download {name}")>"Download"</a>
        }
    });
    view! {
        <span class="count" data-testid="digit-count">{format::digit_count(digit_count)}</span>
        <CopyButton name source testid="copy" />
        {links_if_long}
    }
}

fn count_text(lists: &NumberLists) -> String {
    let (all, pending, known) =
        (lists.value_count(), lists.pending_count(), lists.digit_counts().count());
    if all == 0 {
        return String::new();
    }
    let grouped = |count: usize| format::grouped(count as u64);
    let newest =
        if lists.has_more_values() { format!("newest {}: ", grouped(all)) } else { String::new() };
    let mut text = format!("{newest}{} known", grouped(known));
    for (count, state) in [(pending, "pending"), (all - pending - known, "dead-lettered")] {
        if count > 0 {
            text += &format!(", {} {state}", grouped(count));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::lists::FetchedLists;

    #[test]
    fn values_are_counted_by_their_state() {
        let mut lists = NumberLists::default();
        assert_eq!(count_text(&lists), "");
        lists.begin_fetch();
        let values =
            [(7, "13"), (8, PENDING), (9, PENDING)].map(|(index, text)| (index, text.to_owned()));
        lists.finish_fetch(FetchedLists::new(Vec::new(), values.into(), &[9]));
        assert_eq!(count_text(&lists), "1 known, 1 pending, 1 dead-lettered");
    }
}
