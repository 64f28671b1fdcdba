//! Each submitted index once, the one submitted last first, with the number of its submissions.

use leptos::prelude::*;

use super::long_list::LongList;
use crate::format;
use crate::state::lists::SubmittedIndex;
use crate::state::{PageStateStoreFields, use_page_state};

const CHIPS: usize = 40;

#[component]
pub(crate) fn IndicesCard() -> impl IntoView {
    view! {
        <section class="card" aria-labelledby="indices-title">
            <h2 id="indices-title">"Indices seen"</h2>
            <LongList id="seen" none="None yet." step=CHIPS available=|lists| lists.submitted().len()
                has_older=|lists| lists.next_page().is_some()
                first=|lists, count| lists.submitted().iter().take(count).map(|row| row.index).collect()
                row=|index| view! { <IndexChip index /> } button=("older", "Older") />
        </section>
    }
}

#[component]
fn IndexChip(index: u32) -> impl IntoView {
    let lists = use_page_state().lists();
    let row = move || lists.with(|lists| lists.submissions_of(index));
    let times = Signal::derive(move || row().map(times_words).unwrap_or_default());
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

/// `×3`, or `×3+` when there may be more; nothing for one submission.
fn times_words(row: SubmittedIndex) -> String {
    match (row.submissions, row.at_least) {
        (1, false) => String::new(),
        (count, at_least) => {
            format!("×{}{}", format::grouped(count.unsigned_abs()), if at_least { "+" } else { "" })
        }
    }
}

/// The visible text comes first: people who speak to their computer say that.
fn chip_label(row: SubmittedIndex) -> String {
    let times = format::times(row.submissions.unsigned_abs());
    format!("{}{}, index submitted {times}", format::grouped(row.index), times_words(row))
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
        assert_eq!(chip_label(row(1)), "1,000, index submitted 1 time");
        assert_eq!(chip_label(row(2)), "1,000×2, index submitted 2 times");
        assert_eq!(times_words(SubmittedIndex { at_least: true, ..row(1) }), "×1+");
    }
}
