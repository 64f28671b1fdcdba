//! The list of submitted indices.

use leptos::prelude::*;

use super::long_list::LongList;
use crate::format;
use crate::state::lists::{NumberLists, SubmittedIndex};
use crate::state::{PageStateStoreFields, use_page_state};

const CHIPS_PER_STEP: usize = 40;

/// Each submitted index once, with the number of its submissions; the one submitted last comes
/// first.
#[component]
pub(crate) fn IndicesCard() -> impl IntoView {
    view! {
        <section class="card" aria-labelledby="indices-title">
            <h2 id="indices-title">"Indices seen"</h2>
            <LongList id="seen" empty_text="None yet." step=CHIPS_PER_STEP
                available=|lists| lists.submitted().len()
                has_older=|lists| lists.next_page().is_some()
                first=first_indices row=|index| view! { <IndexChip index /> }
                button_testid="older" button_text="Older" />
        </section>
    }
}

fn first_indices(lists: &NumberLists, count: usize) -> Vec<u32> {
    lists.submitted().iter().take(count).map(|row| row.index).collect()
}

/// An index as a link to the page of its number, with the number of its submissions.
#[component]
fn IndexChip(index: u32) -> impl IntoView {
    let lists = use_page_state().lists();
    let row = move || lists.read().submitted_index(index);
    let times = Signal::derive(move || row().map(times_text).unwrap_or_default());
    let label = Signal::derive(move || row().map(chip_label).unwrap_or_default());
    view! {
        <li>
            <div tabindex="-1">
                <a href=format!("/numbers/{index}") id=format!("chip-{index}") class="chip"
                    aria-label=label>
                    <span data-testid="seen-index">{format::grouped(index)}</span>
                    <span class="times" data-testid="seen-times">{times}</span>
                </a>
            </div>
        </li>
    }
}

/// `×3`, or `×3+` if older submissions are not counted; empty for a single submission.
fn times_text(row: SubmittedIndex) -> String {
    match (row.submissions, row.is_partial) {
        (1, false) => String::new(),
        (count, is_partial) => {
            let plus = if is_partial { "+" } else { "" };
            format!("×{}{plus}", format::grouped(count.unsigned_abs()))
        }
    }
}

/// The label for screen readers. It starts with the visible text, which users of voice control say
/// to choose the link.
fn chip_label(row: SubmittedIndex) -> String {
    let times = format::times(row.submissions.unsigned_abs());
    format!("{}{}, index submitted {times}", format::grouped(row.index), times_text(row))
}

#[cfg(test)]
mod tests {
    use contract::{Index, KnownIndex};

    use super::*;

    #[test]
    fn a_chip_is_labelled_with_its_index_and_submission_count() {
        let row = |submissions| {
            let index = Index::from_number(1_000, Index::LARGEST).unwrap();
            SubmittedIndex::from(KnownIndex { index, submissions, newest: 1 })
        };
        assert_eq!(chip_label(row(1)), "1,000, index submitted 1 time");
        assert_eq!(chip_label(row(2)), "1,000×2, index submitted 2 times");
        assert_eq!(times_text(SubmittedIndex { is_partial: true, ..row(1) }), "×1+");
    }
}
