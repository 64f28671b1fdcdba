//! The values of all submissions, the one submitted last on top.

use contract::{END_DIGITS, FIRST_DIGITS, PENDING};
use leptos::prelude::*;
use leptos_router::components::A;

use super::copy_button::CopyButton;
use super::digits_dialog::show_digits;
use super::keyed_list::KeyedList;
use super::show_more::ShowMore;
use crate::state::lists::{ListedValue, NumberLists};
use crate::state::{self, PageStateStoreFields, use_page_state};
use crate::{api, format, formula};

/// Rows at first, and added by each "show more".
const ROWS: usize = 20;

#[component]
pub(crate) fn ValuesCard() -> impl IntoView {
    let state = use_page_state();
    let lists = state.lists();
    let shown = Signal::derive(move || ROWS + state.more_values().get());
    let available = Signal::derive(move || lists.with(NumberLists::value_count));
    let keys = Memo::new(move |_| lists.with(|lists| lists.indices().take(shown.get()).collect::<Vec<_>>()));
    let focus_at = RwSignal::new(None);
    let show = move |()| {
        let rows = shown.get_untracked().min(available.get_untracked()) + ROWS;
        state.more_values().set(rows - ROWS);
    };
    // A row lights up where it was submitted, not again when the page is opened once more.
    on_cleanup(move || state.highlight().set(None));
    let empty = Signal::derive(move || {
        state::empty_words(
            state,
            available.get() == 0,
            "None yet. Submit an index above, or choose an example.",
        )
    });
    view! {
        <section class="card" aria-labelledby="values-title">
            <div class="card-head">
                <h2 id="values-title">"Calculated values"</h2>
                <p class="quiet" data-testid="values-count">{Signal::derive(move || lists.with(count_words))}</p>
            </div>
            <p class="quiet empty" data-testid="values-empty">{empty}</p>
            <KeyedList id="values" keys focus_at row=|index| view! { <ValueRow index /> } />
            <ShowMore name="more-values" text="Show more" shown available
                has_more=NumberLists::has_more_values show=Callback::new(show) focus_at />
        </section>
    }
}

#[component]
fn ValueRow(index: u32) -> impl IntoView {
    let state = use_page_state();
    let value = Memo::new(move |_| state.lists().with(|lists| lists.value(index).cloned()));
    let status = move || match value.get() {
        Some(ListedValue::Known { .. }) => "done",
        Some(ListedValue::DeadLettered) => "failed",
        Some(ListedValue::Pending) | None => "pending",
    };
    // Two names of the same animation, in turn: another name starts it again.
    let highlight = Signal::derive(move || {
        match state.highlight().get().filter(|highlight| highlight.index == index) {
            None => "no",
            Some(highlight) if highlight.number.is_multiple_of(2) => "even",
            Some(_) => "odd",
        }
        .to_owned()
    });
    let caption = move || if status() == "done" { " I calculated " } else { ": " }.to_owned();
    let number = Signal::derive(move || match value.get() {
        Some(ListedValue::Known { shown, .. }) => shown_value(&shown),
        Some(ListedValue::DeadLettered) => "The calculation failed several times.".to_owned(),
        Some(ListedValue::Pending) | None => PENDING.to_owned(),
    });
    let about = move || match value.get() {
        Some(ListedValue::Known { shown, digits }) => view! { <KnownValue index shown digits /> }.into_any(),
        Some(ListedValue::DeadLettered) => {
            view! { <span class="count">"It is a dead letter; an operator can retry it."</span> }.into_any()
        }
        Some(ListedValue::Pending) | None => {
            let count = format::digit_count(formula::digit_count(index));
            view! {
                <span class="count" data-testid="digit-count">{format!("{count} to come")}</span>
            }
            .into_any()
        }
    };
    view! {
        <li>
            <div id=format!("row-{index}") class="row" tabindex="-1" data-index=index.to_string() data-state=Signal::derive(move || status().to_owned())
                data-highlight=highlight>
                <p class="value" data-testid="value">
                    <span class="caption">
                        "For " <A href=format!("/numbers/{index}")>{format!("index {}", format::grouped(index))}</A>
                        {Signal::derive(caption)}
                    </span>
                    <span class="number">{number}</span>
                </p>
                <p class="about">{about}</p>
            </div>
        </li>
    }
}

/// The digit count of a value, and what can be done with it.
#[component]
fn KnownValue(index: u32, shown: String, digits: usize) -> impl IntoView {
    let name = format::fibonacci(index);
    let whole = contract::is_whole(&shown).then_some(shown);
    let open = show_digits();
    let long = (digits > FIRST_DIGITS).then(|| {
        view! {
            <button id=format!("open-{index}") type="button" class="plain" data-testid="show-all"
                aria-label=format!("Show all digits of {name}") on:click=move |_| open.run(index)>
                "Show all"
            </button>
            <a id=format!("download-{index}") class="plain" href=api::digits_path(index)
                download=format!("fibonacci-{index}.txt") data-testid="download"
                aria-label=format!("Download {name}")>"Download"</a>
        }
    });
    view! {
        <span class="count" data-testid="digit-count">{format::digit_count(digits)}</span>
        <CopyButton index whole name="copy" />
        {long}
    }
}

/// A value as the page shows it: a long one by its ends.
pub(crate) fn shown_value(listed: &str) -> String {
    if !contract::is_whole(listed) {
        // Abbreviated by the server, with the digit count in brackets.
        return listed.split('(').next().unwrap_or_default().trim_end().to_owned();
    }
    match (listed.get(..END_DIGITS), listed.get(listed.len().saturating_sub(END_DIGITS)..)) {
        (Some(first), Some(last)) if listed.len() > FIRST_DIGITS => format!("{first}…{last}"),
        _ => listed.to_owned(),
    }
}

fn count_words(lists: &NumberLists) -> String {
    let (all, pending, known) = (lists.value_count(), lists.pending_count(), lists.digit_counts().count());
    if all == 0 {
        return String::new();
    }
    let grouped = |count: usize| format::grouped(count as u64);
    let newest = if lists.has_more_values() { format!("newest {}: ", grouped(all)) } else { String::new() };
    let mut words = format!("{newest}{} known", grouped(known));
    for (count, what) in [(pending, "pending"), (all - pending - known, "dead-lettered")] {
        if count > 0 {
            words += &format!(", {} {what}", grouped(count));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::state::lists::FetchedLists;

    #[test]
    fn a_long_value_is_shown_by_its_ends() {
        assert_eq!(shown_value("55"), "55");
        let long = format!("{}{}", "1".repeat(50), "9".repeat(50));
        assert_eq!(shown_value(&long), "11111111111111111111…99999999999999999999");
        assert_eq!(shown_value("123…789 (1045 digits)"), "123…789");
    }

    #[test]
    fn values_are_counted_by_their_state() {
        let mut lists = NumberLists::default();
        assert_eq!(count_words(&lists), "");
        lists.begin_fetch();
        let values = [(7, "13"), (8, PENDING), (9, PENDING)];
        let values =
            values.into_iter().map(|(index, text)| (index, text.to_owned())).collect::<BTreeMap<_, _>>();
        lists.finish_fetch(FetchedLists { values, dead_letters: vec![9], ..FetchedLists::default() });
        assert_eq!(count_words(&lists), "1 known, 1 pending, 1 dead-lettered");
    }
}
