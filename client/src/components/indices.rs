//! Each submitted index once, the one submitted last first, with the number of its submissions.

use leptos::prelude::*;
use leptos_router::components::A;

use super::keyed_list::KeyedList;
use super::show_more::ShowMore;
use crate::format;
use crate::state::lists::SubmittedIndex;
use crate::state::{self, PageStateStoreFields, use_page_state};

/// Chips at first, and added by each "older".
const CHIPS: usize = 40;

#[component]
pub(crate) fn IndicesCard() -> impl IntoView {
    let state = use_page_state();
    let lists = state.lists();
    let shown = Signal::derive(move || CHIPS + state.more_indices().get());
    let available = Signal::derive(move || lists.with(|lists| lists.submitted().len()));
    let keys = Memo::new(move |_| {
        lists
            .with(|lists| lists.submitted().iter().take(shown.get()).map(|row| row.index).collect::<Vec<_>>())
    });
    let focus_at = RwSignal::new(None);
    let show = move |()| {
        let chips = shown.get_untracked().min(available.get_untracked()) + CHIPS;
        state.more_indices().set(chips - CHIPS);
    };
    let empty = Signal::derive(move || state::empty_words(state, available.get() == 0, "None yet."));
    view! {
        <section class="card" aria-labelledby="indices-title">
            <h2 id="indices-title">"Indices seen"</h2>
            <p class="quiet empty" data-testid="seen-empty">{empty}</p>
            <KeyedList id="seen" keys focus_at row=|index| view! { <IndexChip index /> } />
            <ShowMore name="older" text="Older" shown available
                has_more=|lists| lists.next_page().is_some() show=Callback::new(show) focus_at />
        </section>
    }
}

#[component]
fn IndexChip(index: u32) -> impl IntoView {
    let lists = use_page_state().lists();
    let row = move || lists.with(|lists| lists.submissions_of(index));
    let times = Signal::derive(move || row().map(times_words).unwrap_or_default());
    let name = format::grouped(index);
    let label = {
        let name = name.clone();
        Signal::derive(move || row().map(|row| chip_label(&name, row)).unwrap_or_default())
    };
    view! {
        <li>
            <div id=format!("seen-{index}") tabindex="-1">
                <A href=format!("/numbers/{index}") attr:id=format!("chip-{index}") attr:class="chip"
                    attr:aria-label=label>
                    <span data-testid="seen-index">{name}</span>
                    <span class="times" data-testid="seen-times">{times}</span>
                </A>
            </div>
        </li>
    }
}

/// `×3`, or `×3+` when there may be more; nothing for one submission.
fn times_words(row: SubmittedIndex) -> String {
    match (row.count, row.at_least) {
        (1, false) => String::new(),
        (count, at_least) => {
            format!("×{}{}", format::grouped(count.unsigned_abs()), if at_least { "+" } else { "" })
        }
    }
}

/// The visible text comes first: people who speak to their computer say that.
fn chip_label(name: &str, row: SubmittedIndex) -> String {
    let times = format::times(row.count.unsigned_abs());
    format!("{name}{}, index submitted {times}", times_words(row))
}

#[cfg(test)]
mod tests {
    use contract::{Index, KnownIndex};

    use super::*;

    #[test]
    fn a_chip_is_read_with_its_index_and_the_number_of_submissions() {
        let row = |submissions| {
            let index = Index::from_number(1_000, Index::LARGEST).unwrap();
            SubmittedIndex::from(KnownIndex { index, submissions, newest: 1 })
        };
        assert_eq!(chip_label("1,000", row(1)), "1,000, index submitted 1 time");
        assert_eq!(chip_label("1,000", row(2)), "1,000×2, index submitted 2 times");
        let mut more = row(1);
        more.at_least = true;
        assert_eq!(times_words(more), "×1+");
    }
}
