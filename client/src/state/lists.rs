//! The submitted indices and their values.
//!
//! Fetched lists, events and responses may arrive in any order. The rules here make the result
//! independent of that order.

use std::collections::{BTreeMap, VecDeque};

use contract::{
    DeadLetterEvent, Index, KnownIndex, MAX_WHOLE_DIGITS_ON_PAGE, PENDING, SubmissionEvent,
    SubmissionState, SubmitResponse, ValueEvent,
};

use crate::format;

/// Number of indices that the first fetch and each fetch of older ones request.
pub(crate) const PAGE_SIZE: usize = contract::FIRST_PAGE_SIZE;

/// Maximum number of values, as in the list of the server. It is also the maximum number of
/// indices, unless paging has loaded more. This bounds the memory of a page that stays open for
/// weeks.
pub(crate) const MAX_VALUES: usize = 1000;

/// Screen readers read values of at most this many digits aloud, and only the digit count of
/// others.
const MAX_ANNOUNCED_DIGITS: usize = 50;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListedValue {
    Pending,
    Known {
        /// All digits, or `first…last` for a long value.
        text: String,
        digit_count: usize,
    },
    DeadLettered,
}

/// What changes the lists: an event, or the response to a submission of this page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListChange {
    Submitted(SubmissionEvent),
    Calculated(ValueEvent),
    DeadLettered(DeadLetterEvent),
    Accepted(SubmitResponse),
}

/// A page of indices, newest first, and the newest values.
#[derive(Clone, Debug, Default)]
pub struct FetchedLists {
    pub(crate) indices: Vec<KnownIndex>,
    pub(crate) values: BTreeMap<u32, ListedValue>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SubmittedIndex {
    pub(crate) index: u32,
    /// Number of submissions.
    pub(crate) submissions: i64,
    /// Whether the server may have more submissions of the index, in a part of its list that was
    /// not fetched.
    pub(crate) is_partial: bool,
    /// Id of the newest submission.
    pub(crate) newest: i64,
}

/// Where the next page of older indices begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NextPage {
    /// The page has the indices whose newest submission has a lower id than this.
    pub(crate) before: i64,
    /// Number of newest values to request, so that those of the page are included.
    pub(crate) value_count: usize,
}

/// The lists, and the changes since the last fetch began.
#[derive(Clone, Debug, Default)]
pub struct NumberLists {
    /// Each index once, newest first.
    submitted: Vec<SubmittedIndex>,
    /// Whether the server has older indices.
    has_older: bool,
    /// Number of rows in `submitted` after the last page of older indices was added.
    paged_rows: usize,
    values: BTreeMap<u32, ListedValue>,
    /// Whether the lists were ever fetched. Before that, an empty list says nothing about the
    /// server.
    is_loaded: bool,
    /// The changes since the last fetch began, without the oldest ones if there are very many.
    journal: VecDeque<ListChange>,
    /// Number of indices that the last fetch requested.
    requested: usize,
    /// Indices submitted on this page whose outcome was not announced to screen readers yet.
    awaited: Vec<u32>,
}

impl ListedValue {
    /// Reads the text of a value in a list, an event, or a response.
    fn new(text: &str) -> Self {
        if text == PENDING {
            return Self::Pending;
        }
        // Some texts are not digits: a worker of the original stores large values as floats.
        let digit_count = contract::digit_count(text).unwrap_or(text.len());
        let short = contract::shorten(text, MAX_WHOLE_DIGITS_ON_PAGE);
        // A shortened value ends with its digit count in parentheses.
        let text = short.split_once(" (").map_or(&*short, |(ends, _)| ends).to_owned();
        Self::Known { text, digit_count }
    }

    fn is_known(&self) -> bool {
        matches!(self, Self::Known { .. })
    }
}

impl FetchedLists {
    pub(crate) fn new(
        indices: Vec<KnownIndex>,
        values: BTreeMap<u32, String>,
        dead_letters: &[u32],
    ) -> Self {
        let value = |(index, text): (u32, String)| match ListedValue::new(&text) {
            ListedValue::Pending if dead_letters.contains(&index) => {
                (index, ListedValue::DeadLettered)
            }
            value => (index, value),
        };
        Self { indices, values: values.into_iter().map(value).collect() }
    }
}

impl NumberLists {
    /// Each submitted index once, newest first.
    pub(crate) fn submitted(&self) -> &[SubmittedIndex] {
        &self.submitted
    }

    pub(crate) fn submitted_index(&self, index: u32) -> Option<SubmittedIndex> {
        self.submitted.iter().copied().find(|row| row.index == index)
    }

    /// The next page of older indices; `None` if the page has all indices.
    pub(crate) fn next_page(&self) -> Option<NextPage> {
        let last = self.submitted.last().filter(|_| self.has_older)?;
        let value_count = (self.submitted.len() + PAGE_SIZE).min(MAX_VALUES);
        Some(NextPage { before: last.newest, value_count })
    }

    /// Whether the server has more values. Its list has [`MAX_VALUES`] at most.
    pub(crate) fn has_more_values(&self) -> bool {
        self.has_older && self.submitted.len() < MAX_VALUES
    }

    /// The indices in the list of values, the most recently submitted first.
    pub(crate) fn indices(&self) -> impl Iterator<Item = u32> {
        // Indices that were submitted to an original server have no row in `submitted`. They come
        // last.
        let has_no_row = |index: &u32| self.submitted_index(*index).is_none();
        let rest = self.values.keys().rev().copied().filter(has_no_row);
        let listed = self.submitted.iter().map(|row| row.index);
        listed.chain(rest).filter(|index| self.values.contains_key(index))
    }

    /// Number of values: known, pending and dead-lettered.
    pub(crate) fn value_count(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn pending_count(&self) -> usize {
        self.values.values().filter(|value| **value == ListedValue::Pending).count()
    }

    /// Whether the server may know a value that is pending here. When an index that is older than
    /// all rows here is submitted again, the event does not say that its value is known.
    pub(crate) fn may_lack_known_values(&self) -> bool {
        self.has_older && self.pending_count() > 0
    }

    /// The index that has been pending longest.
    pub(crate) fn oldest_pending(&self) -> Option<u32> {
        let is_pending = |index: &u32| self.value(*index) == Some(&ListedValue::Pending);
        self.submitted.iter().rev().map(|row| row.index).find(is_pending)
    }

    /// Each index with a known value and the number of its digits, in ascending order.
    pub(crate) fn digit_counts(&self) -> impl DoubleEndedIterator<Item = (u32, usize)> {
        self.values.iter().filter_map(|(index, value)| match value {
            ListedValue::Known { digit_count, .. } => Some((*index, *digit_count)),
            ListedValue::Pending | ListedValue::DeadLettered => None,
        })
    }

    pub(crate) fn value(&self, index: u32) -> Option<&ListedValue> {
        self.values.get(&index)
    }

    pub(crate) fn is_loaded(&self) -> bool {
        self.is_loaded
    }

    /// Whether the lists must be fetched after `change`. When a dead-lettered index is submitted
    /// again, the event does not say whether it is still a dead letter.
    pub(crate) fn needs_fetch(&self, change: &ListChange) -> bool {
        matches!(change, ListChange::Submitted(event)
            if self.value(event.index.get()) == Some(&ListedValue::DeadLettered))
    }

    /// Applies a change. A repeated or late change has no effect.
    pub(crate) fn apply(&mut self, change: ListChange) {
        self.merge(&change);
        self.trim();
        if let ListChange::Accepted(response) = &change {
            self.awaited.push(response.index.get());
        }
        // Twice the number of values, because a submission and its value are two changes.
        if self.journal.len() == 2 * MAX_VALUES {
            self.journal.pop_front();
        }
        self.journal.push_back(change);
    }

    /// Begins a fetch and returns the number of indices and of values to request. Only one fetch
    /// may run at a time.
    ///
    /// Changes during the fetch are applied again to its response, which may be older than they
    /// are. A failed fetch leaves the lists unchanged.
    pub fn begin_fetch(&mut self) -> usize {
        self.journal.clear();
        self.requested = self.paged_rows.clamp(PAGE_SIZE, MAX_VALUES);
        self.requested
    }

    /// Replaces the lists by the response of the fetch.
    pub(crate) fn finish_fetch(&mut self, fetched: FetchedLists) {
        let FetchedLists { indices, values } = fetched;
        let is_full = indices.len() >= self.requested;
        let end = indices.last().map_or(0, |row| row.newest);
        // Rows of older pages stay, with their values, because the response does not contain them.
        let is_listed = |index| indices.iter().any(|known| known.index.get() == index);
        self.submitted.retain(|row| is_full && row.newest < end && !is_listed(row.index));
        if self.submitted.is_empty() {
            self.has_older = is_full;
        }
        let submitted = &self.submitted;
        self.values.retain(|index, _| {
            values.contains_key(index) || submitted.iter().any(|row| row.index == *index)
        });
        self.submitted.splice(0..0, indices.into_iter().map(SubmittedIndex::from));
        for (index, value) in values {
            // A known value stays, even if it is being recalculated because Redis has lost it.
            if value.is_known() || !self.value(index).is_some_and(ListedValue::is_known) {
                self.values.insert(index, value);
            }
        }
        for change in std::mem::take(&mut self.journal) {
            self.merge(&change);
        }
        self.is_loaded = true;
        self.trim();
    }

    /// Adds a page of older indices with their values.
    pub(crate) fn add_page(&mut self, page: FetchedLists) {
        self.has_older = page.indices.len() >= PAGE_SIZE;
        for (index, value) in page.values {
            // A pending value of the page may be outdated, because an event has changed it
            // meanwhile.
            if value.is_known() || !self.values.contains_key(&index) {
                self.values.insert(index, value);
            }
        }
        for row in page.indices.into_iter().map(SubmittedIndex::from) {
            // If the index was submitted again meanwhile, it is in a row above with a partial
            // count.
            match self.submitted.iter_mut().find(|listed| listed.index == row.index) {
                Some(listed) if listed.is_partial => {
                    listed.submissions += row.submissions;
                    listed.is_partial = false;
                }
                Some(_) => {}
                None => self.submitted.push(row),
            }
        }
        self.paged_rows = self.submitted.len();
    }

    /// Returns the outcomes of indices submitted on this page, as a text for screen readers.
    /// Returns each outcome only once.
    pub(crate) fn take_announcement(&mut self) -> Option<String> {
        let is_settled = |index: &mut u32| self.values.get(index) != Some(&ListedValue::Pending);
        let settled = self.awaited.extract_if(.., is_settled);
        let texts: Vec<_> =
            settled.filter_map(|index| outcome_text(index, self.values.get(&index)?)).collect();
        (!texts.is_empty()).then(|| texts.join(". "))
    }

    fn merge(&mut self, change: &ListChange) {
        match change {
            ListChange::Submitted(event) => self.merge_submission(event.id, event.index),
            ListChange::Calculated(event) => {
                self.values.insert(event.index.get(), ListedValue::new(&event.value));
            }
            ListChange::DeadLettered(event) => {
                let value =
                    self.values.entry(event.index.get()).or_insert(ListedValue::DeadLettered);
                if *value == ListedValue::Pending {
                    *value = ListedValue::DeadLettered;
                }
            }
            ListChange::Accepted(response) => self.merge_response(response),
        }
    }

    fn merge_response(&mut self, response: &SubmitResponse) {
        self.merge_submission(response.id, response.index);
        let value = self.values.entry(response.index.get()).or_insert(ListedValue::Pending);
        match (&response.value, response.state) {
            (Some(text), _) => *value = ListedValue::new(text),
            (None, SubmissionState::DeadLettered) if *value == ListedValue::Pending => {
                *value = ListedValue::DeadLettered;
            }
            // The dead letter was deleted, so the submission has queued a new job.
            (None, SubmissionState::Queued) if *value == ListedValue::DeadLettered => {
                *value = ListedValue::Pending;
            }
            (None, _) => {}
        }
    }

    fn merge_submission(&mut self, id: i64, index: Index) {
        let index = index.get();
        let is_partial = self.has_older || !self.is_loaded;
        let mut row = SubmittedIndex { index, submissions: 0, is_partial, newest: id };
        if let Some(position) = self.submitted.iter().position(|listed| listed.index == index) {
            // Ids ascend, so this submission is counted already.
            if self.submitted[position].newest >= id {
                return;
            }
            row = SubmittedIndex { newest: id, ..self.submitted.remove(position) };
        }
        row.submissions += 1;
        let position = self.submitted.partition_point(|listed| listed.newest > id);
        self.submitted.insert(position, row);
        self.values.entry(index).or_insert(ListedValue::Pending);
    }

    /// Removes the oldest rows and values beyond [`MAX_VALUES`].
    fn trim(&mut self) {
        while self.submitted.len() > self.paged_rows.max(MAX_VALUES) {
            self.has_older = true;
            if let Some(oldest) = self.submitted.pop() {
                self.values.remove(&oldest.index);
            }
        }
        if self.values.len() > MAX_VALUES {
            let kept: Vec<u32> = self.indices().take(MAX_VALUES).collect();
            self.values.retain(|index, _| kept.contains(index));
        }
    }
}

impl From<KnownIndex> for SubmittedIndex {
    fn from(known: KnownIndex) -> Self {
        let KnownIndex { index, submissions, newest } = known;
        Self { index: index.get(), submissions, is_partial: false, newest }
    }
}

fn outcome_text(index: u32, value: &ListedValue) -> Option<String> {
    let name = format::grouped(index);
    match value {
        ListedValue::Known { text, digit_count: ..=MAX_ANNOUNCED_DIGITS }
            if contract::is_whole(text) =>
        {
            Some(format!("For index {name} I calculated {text}"))
        }
        ListedValue::Known { digit_count, .. } => Some(format!(
            "For index {name} I calculated a number of {}",
            format::digit_count(*digit_count)
        )),
        ListedValue::DeadLettered => Some(format!("Index {name} could not be calculated")),
        ListedValue::Pending => None,
    }
}

#[cfg(test)]
mod tests;
