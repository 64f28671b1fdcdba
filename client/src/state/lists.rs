//! The submitted indices and the value of each.
//!
//! Lists, events and responses overlap in time. Every rule here exists so that the order in which
//! they arrive does not matter.

use std::collections::{BTreeMap, VecDeque};

use contract::{
    DeadLetterEvent, Index, KnownIndex, PAGE_WHOLE_DIGITS, PENDING, SubmissionEvent,
    SubmissionState, SubmitResponse, ValueEvent,
};

use crate::format;

/// Indices, and values, that are fetched at first and by each "show more".
pub(crate) const PAGE: usize = contract::FIRST_INDICES;

/// As many values as the server's list has. It bounds a page that stays open for weeks.
pub(crate) const LIMIT: usize = 1000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListedValue {
    Pending,
    /// `shown` has its digits, or the first and last of them when they are many.
    Known {
        shown: String,
        digits: usize,
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

/// The newest indices, newest first, and their values.
#[derive(Clone, Debug, Default)]
pub struct FetchedLists {
    pub(crate) indices: Vec<KnownIndex>,
    pub(crate) values: BTreeMap<u32, ListedValue>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SubmittedIndex {
    pub(crate) index: u32,
    pub(crate) submissions: i64,
    /// Whether there may be more submissions, in a part of the list that was not fetched.
    pub(crate) at_least: bool,
    /// Id of its newest submission.
    pub(crate) newest: i64,
}

/// The lists, and the changes since the running fetch began.
#[derive(Clone, Debug, Default)]
pub struct NumberLists {
    /// Each index once, newest first.
    submitted: Vec<SubmittedIndex>,
    /// Whether the server has older ones.
    has_older: bool,
    /// Number of indices that were fetched by paging back.
    paged: usize,
    values: BTreeMap<u32, ListedValue>,
    /// Whether the lists were ever fetched. Before, an empty list means nothing.
    is_loaded: bool,
    /// Changes since the last fetch began, the newest of them.
    journal: VecDeque<ListChange>,
    /// Number of indices that it asks for.
    fetching: usize,
    /// Indices submitted on this page whose outcome is not announced yet.
    awaited: Vec<u32>,
}

impl ListedValue {
    /// Reads the text of a value in a list, an event, or a response.
    fn new(text: &str) -> Self {
        if text == PENDING {
            return Self::Pending;
        }
        // A worker of the original stores floats beyond 2^53.
        let digits = contract::digit_count(text).unwrap_or(text.len());
        let short = contract::shorten(text, PAGE_WHOLE_DIGITS);
        // Behind a shortened value stands its digit count, in brackets.
        let shown = short.split_once(" (").map_or(&*short, |(ends, _)| ends).to_owned();
        Self::Known { shown, digits }
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
    /// Each submitted index, newest first.
    pub(crate) fn submitted(&self) -> &[SubmittedIndex] {
        &self.submitted
    }

    pub(crate) fn submissions_of(&self, index: u32) -> Option<SubmittedIndex> {
        self.submitted.iter().copied().find(|row| row.index == index)
    }

    /// Where the next page of older indices begins, and the number of newest values among which
    /// theirs are; `None` when all indices are here.
    pub(crate) fn next_page(&self) -> Option<(i64, usize)> {
        let last = self.submitted.last().filter(|_| self.has_older)?;
        Some((last.newest, (self.submitted.len() + PAGE).min(LIMIT)))
    }

    /// Whether the server has more values. Its list is bounded as well.
    pub(crate) fn has_more_values(&self) -> bool {
        self.has_older && self.submitted.len() < LIMIT
    }

    /// The indices that have a value, known or not, the one submitted last first.
    pub(crate) fn indices(&self) -> impl Iterator<Item = u32> {
        // Values of an original server's submissions have no row: they come last.
        let rest =
            self.values.keys().rev().copied().filter(|index| self.submissions_of(*index).is_none());
        let listed = self.submitted.iter().map(|row| row.index);
        listed.chain(rest).filter(|index| self.values.contains_key(index))
    }

    /// Number of values, known or not.
    pub(crate) fn value_count(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn pending_count(&self) -> usize {
        self.values.values().filter(|value| **value == ListedValue::Pending).count()
    }

    /// The index that has been pending longest.
    pub(crate) fn oldest_pending(&self) -> Option<u32> {
        let is_pending = |index: &u32| self.value(*index) == Some(&ListedValue::Pending);
        self.submitted.iter().rev().map(|row| row.index).find(is_pending)
    }

    /// Each index whose value is known, with its number of digits, in ascending order.
    pub(crate) fn digit_counts(&self) -> impl DoubleEndedIterator<Item = (u32, usize)> {
        self.values.iter().filter_map(|(index, value)| match value {
            ListedValue::Known { digits, .. } => Some((*index, *digits)),
            ListedValue::Pending | ListedValue::DeadLettered => None,
        })
    }

    pub(crate) fn value(&self, index: u32) -> Option<&ListedValue> {
        self.values.get(&index)
    }

    pub(crate) fn is_loaded(&self) -> bool {
        self.is_loaded
    }

    /// Whether only a fetch can tell the state after `change`: a dead-lettered index was submitted
    /// again, and may be retried.
    pub(crate) fn needs_fetch(&self, change: &ListChange) -> bool {
        matches!(change, ListChange::Submitted(event)
            if self.value(event.index.get()) == Some(&ListedValue::DeadLettered))
    }

    /// Applies a change. The same change twice, or late, does no harm.
    pub(crate) fn apply(&mut self, change: ListChange) {
        self.merge(&change);
        self.trim();
        if let ListChange::Accepted(response) = &change {
            self.awaited.push(response.index.get());
        }
        // A submission and its value are two changes.
        if self.journal.len() == 2 * LIMIT {
            self.journal.pop_front();
        }
        self.journal.push_back(change);
    }

    /// Begins a fetch, one at a time, and returns the number of indices to ask for. Later changes
    /// are applied again to its response, which may be older. One that fails leaves the lists as
    /// they are.
    pub fn begin_fetch(&mut self) -> usize {
        self.journal.clear();
        self.fetching = self.paged.clamp(PAGE, LIMIT);
        self.fetching
    }

    /// Replaces the lists by the response to the fetch.
    pub(crate) fn finish_fetch(&mut self, fetched: FetchedLists) {
        let FetchedLists { indices, values } = fetched;
        let is_full = indices.len() >= self.fetching;
        let end = indices.last().map_or(0, |row| row.newest);
        // Rows beyond the response stay, with their values: they were paged to meanwhile.
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
            // The server may have lost a value and be calculating it again; the known one stays
            // true.
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
        self.has_older = page.indices.len() >= PAGE;
        for (index, value) in page.values {
            // "Pending" is older than what is here: the value may have come by an event.
            if value.is_known() || !self.values.contains_key(&index) {
                self.values.insert(index, value);
            }
        }
        for row in page.indices.into_iter().map(SubmittedIndex::from) {
            // One that was submitted again meanwhile stands further up, counted from then on.
            match self.submitted.iter_mut().find(|listed| listed.index == row.index) {
                Some(listed) if listed.at_least => {
                    listed.submissions += row.submissions;
                    listed.at_least = false;
                }
                Some(_) => {}
                None => self.submitted.push(row),
            }
        }
        self.paged = self.submitted.len();
    }

    /// Takes the outcomes of indices submitted on this page, in words for a screen reader.
    pub(crate) fn take_announcement(&mut self) -> Option<String> {
        let is_settled = |index: &mut u32| self.values.get(index) != Some(&ListedValue::Pending);
        let settled = self.awaited.extract_if(.., is_settled);
        let words: Vec<_> =
            settled.filter_map(|index| outcome_words(index, self.values.get(&index)?)).collect();
        (!words.is_empty()).then(|| words.join(". "))
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
            // Submitted again, a dead-lettered job is retried.
            (None, SubmissionState::Queued) if *value == ListedValue::DeadLettered => {
                *value = ListedValue::Pending;
            }
            (None, _) => {}
        }
    }

    fn merge_submission(&mut self, id: i64, index: Index) {
        let index = index.get();
        let at_least = self.has_older || !self.is_loaded;
        let mut row = SubmittedIndex { index, submissions: 0, at_least, newest: id };
        if let Some(place) = self.submitted.iter().position(|listed| listed.index == index) {
            // Ids ascend: this submission is counted already.
            if self.submitted[place].newest >= id {
                return;
            }
            row = SubmittedIndex { newest: id, ..self.submitted.remove(place) };
        }
        row.submissions += 1;
        let place = self.submitted.partition_point(|listed| listed.newest > id);
        self.submitted.insert(place, row);
        self.values.entry(index).or_insert(ListedValue::Pending);
    }

    fn trim(&mut self) {
        while self.submitted.len() > self.paged.max(LIMIT) {
            self.has_older = true;
            if let Some(oldest) = self.submitted.pop() {
                self.values.remove(&oldest.index);
            }
        }
        if self.values.len() > LIMIT {
            let kept: Vec<u32> = self.indices().take(LIMIT).collect();
            self.values.retain(|index, _| kept.contains(index));
        }
    }
}

impl From<KnownIndex> for SubmittedIndex {
    fn from(known: KnownIndex) -> Self {
        let KnownIndex { index, submissions, newest } = known;
        Self { index: index.get(), submissions, at_least: false, newest }
    }
}

fn outcome_words(index: u32, value: &ListedValue) -> Option<String> {
    let name = format::grouped(index);
    match value {
        ListedValue::Known { shown, digits } if contract::is_whole(shown) && *digits <= 50 => {
            Some(format!("For index {name} I calculated {shown}"))
        }
        ListedValue::Known { digits, .. } => Some(format!(
            "For index {name} I calculated a number of {}",
            format::digit_count(*digits)
        )),
        ListedValue::DeadLettered => Some(format!("Index {name} could not be calculated")),
        ListedValue::Pending => None,
    }
}

#[cfg(test)]
mod tests;
