//! The submitted indices and the value of each.
//!
//! Lists, events and responses overlap in time. Every rule here exists so that the order in which
//! they arrive does not matter.

use std::collections::BTreeMap;

use contract::{
    DeadLetterEvent, Index, KnownIndex, PENDING, SubmissionEvent, SubmissionState, SubmitResponse, ValueEvent,
};

use crate::format;

/// Indices, and values, that are fetched at first and by each "show more".
pub const PAGE: usize = contract::FIRST_INDICES;

/// As many values as the server's list has. It bounds a page that stays open for weeks.
pub const LIMIT: usize = 1000;

/// The value of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListedValue {
    /// It is not calculated yet.
    Pending,
    /// Its digits, or the first and last of them when they are many, and how many there are.
    Known {
        /// As lists show it.
        shown: String,
        /// Number of digits.
        digits: usize,
    },
    /// Its job failed too often.
    DeadLettered,
}

/// A change of the lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListChange {
    /// An index was submitted, in this browser or in another.
    Submitted(SubmissionEvent),
    /// A value was calculated.
    Calculated(ValueEvent),
    /// A job became a dead letter.
    DeadLettered(DeadLetterEvent),
    /// A submission of this page was accepted.
    Accepted(SubmitResponse),
}

/// The lists as they were fetched.
#[derive(Clone, Debug, Default)]
pub struct FetchedLists {
    /// The newest indices, newest first.
    pub indices: Vec<KnownIndex>,
    /// The value of each, as lists show it.
    pub values: BTreeMap<u32, String>,
    /// The indices of dead letters.
    pub dead_letters: Vec<u32>,
}

/// A submitted index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubmittedIndex {
    /// The index.
    pub index: u32,
    /// Number of submissions.
    pub count: i64,
    /// Whether there may be more submissions, in a part of the list that was not fetched.
    pub at_least: bool,
    /// Id of its newest submission.
    newest: i64,
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
    loaded: bool,
    /// Changes since the running fetch began; `None` when none is running.
    journal: Option<Vec<ListChange>>,
    /// Number of indices that it asks for.
    fetching: usize,
    /// Indices submitted on this page whose outcome is not announced yet.
    awaited: Vec<u32>,
}

impl NumberLists {
    /// Each submitted index, newest first.
    pub fn submitted(&self) -> &[SubmittedIndex] {
        &self.submitted
    }

    /// A submitted index with its count.
    pub fn submissions_of(&self, index: u32) -> Option<SubmittedIndex> {
        self.submitted.iter().copied().find(|row| row.index == index)
    }

    /// Where the next page of older indices begins, and the number of newest values among which
    /// theirs are; `None` when all indices are here.
    pub fn next_page(&self) -> Option<(i64, usize)> {
        let last = self.submitted.last().filter(|_| self.has_older)?;
        Some((last.newest, (self.submitted.len() + PAGE).min(LIMIT)))
    }

    /// Whether the server has more values. Its list is bounded as well.
    pub fn has_more_values(&self) -> bool {
        self.has_older && self.submitted.len() < LIMIT
    }

    /// The indices that have a value, known or not, the one submitted last first.
    pub fn indices(&self) -> impl Iterator<Item = u32> {
        let is_listed = |index| self.submitted.iter().any(|row| row.index == index);
        // Values of an original server's submissions have no row: they come last.
        let rest = self.values.keys().rev().copied().filter(move |index| !is_listed(*index));
        let listed = self.submitted.iter().map(|row| row.index);
        listed.chain(rest).filter(|index| self.values.contains_key(index))
    }

    /// Number of values, known or not.
    pub fn value_count(&self) -> usize {
        self.values.len()
    }

    /// Number of values that are pending.
    pub fn pending_count(&self) -> usize {
        self.values.values().filter(|value| **value == ListedValue::Pending).count()
    }

    /// The index that has been pending longest.
    pub fn oldest_pending(&self) -> Option<u32> {
        let is_pending = |index: &u32| self.value(*index) == Some(&ListedValue::Pending);
        self.submitted.iter().rev().map(|row| row.index).find(is_pending)
    }

    /// Each index whose value is known, with its number of digits, in ascending order.
    pub fn digit_counts(&self) -> impl DoubleEndedIterator<Item = (u32, usize)> {
        self.values.iter().filter_map(|(index, value)| match value {
            ListedValue::Known { digits, .. } => Some((*index, *digits)),
            ListedValue::Pending | ListedValue::DeadLettered => None,
        })
    }

    /// The value of an index, as far as it is listed.
    pub fn value(&self, index: u32) -> Option<&ListedValue> {
        self.values.get(&index)
    }

    /// Whether the lists were ever fetched. Before, an empty list means nothing.
    pub fn is_loaded(&self) -> bool {
        self.loaded
    }

    /// Whether only a fetch can tell the state after `change`: a dead-lettered index was submitted
    /// again, and may be retried.
    pub fn needs_fetch(&self, change: &ListChange) -> bool {
        matches!(change, ListChange::Submitted(event)
            if self.value(event.index.get()) == Some(&ListedValue::DeadLettered))
    }

    /// Applies a change. The same change twice, or late, does no harm.
    pub fn apply(&mut self, change: ListChange) {
        self.merge(&change);
        self.trim();
        if let Some(journal) = &mut self.journal {
            // A submission and its value are two changes.
            if journal.len() == 2 * LIMIT {
                journal.remove(0);
            }
            journal.push(change);
        }
    }

    /// Begins a fetch, one at a time, and returns the number of indices to ask for. Later changes are
    /// applied again to its response, which may be older.
    pub fn begin_fetch(&mut self) -> usize {
        self.journal = Some(Vec::new());
        self.fetching = self.paged.clamp(PAGE, LIMIT);
        self.fetching
    }

    /// Replaces the lists by the response to the fetch.
    pub fn finish_fetch(&mut self, fetched: FetchedLists) {
        let rows: Vec<SubmittedIndex> = fetched.indices.into_iter().map(SubmittedIndex::from).collect();
        let mut older = std::mem::replace(&mut self.submitted, rows);
        // Rows beyond the response stay: they were paged to meanwhile.
        let is_full = self.submitted.len() >= self.fetching;
        let end = self.submitted.last().map_or(0, |row| row.newest);
        older.retain(|row| is_full && row.newest < end && self.submissions_of(row.index).is_none());
        if older.is_empty() {
            self.has_older = is_full;
        }
        let mut known = std::mem::take(&mut self.values);
        for row in &older {
            if let Some(value) = known.remove(&row.index) {
                self.values.insert(row.index, value);
            }
        }
        self.submitted.extend(older);
        self.merge_values(fetched.values, &fetched.dead_letters, known);
        for change in self.journal.take().unwrap_or_default() {
            self.merge(&change);
        }
        self.loaded = true;
        self.trim();
    }

    /// Ends a fetch that failed: the lists stay as they are.
    pub fn fail_fetch(&mut self) {
        self.journal = None;
    }

    /// Adds a page of older indices with their values.
    pub fn add_page(&mut self, page: FetchedLists) {
        self.has_older = page.indices.len() >= PAGE;
        let FetchedLists { mut values, dead_letters, .. } = page;
        // "Pending" is older than what is here: the value may have come by an event.
        values.retain(|index, text| text != PENDING || !self.values.contains_key(index));
        self.merge_values(values, &dead_letters, BTreeMap::new());
        for row in page.indices.into_iter().map(SubmittedIndex::from) {
            // One that was submitted again meanwhile stands further up, counted from then on.
            match self.submitted.iter_mut().find(|listed| listed.index == row.index) {
                Some(listed) if listed.at_least => {
                    (listed.count, listed.at_least) = (listed.count + row.count, false);
                }
                Some(_) => {}
                None => self.submitted.push(row),
            }
        }
        self.paged = self.submitted.len();
    }

    /// Takes the next outcome of an index submitted on this page, in words for a screen reader.
    pub fn take_announcement(&mut self) -> Option<String> {
        let is_settled = |index: &u32| self.value(*index) != Some(&ListedValue::Pending);
        let place = self.awaited.iter().position(is_settled)?;
        let index = self.awaited.remove(place);
        let (value, name) = (self.value(index)?, format::grouped(index));
        match value {
            ListedValue::Known { shown, digits } if contract::is_whole(shown) && *digits <= 50 => {
                Some(format!("For index {name} I calculated {shown}"))
            }
            ListedValue::Known { digits, .. } => {
                Some(format!("For index {name} I calculated a number of {}", format::digit_count(*digits)))
            }
            ListedValue::DeadLettered => Some(format!("Index {name} could not be calculated")),
            ListedValue::Pending => None,
        }
    }

    /// Merges values from a list, which may be older than those here and in `known`.
    fn merge_values(
        &mut self,
        listed: BTreeMap<u32, String>,
        dead_letters: &[u32],
        mut known: BTreeMap<u32, ListedValue>,
    ) {
        for (index, text) in listed {
            let before = self.values.remove(&index).or_else(|| known.remove(&index));
            let value = match before {
                // The server may have lost a value and be calculating it again; this one stays true.
                Some(value @ ListedValue::Known { .. }) if text == PENDING => value,
                _ if text == PENDING && dead_letters.contains(&index) => ListedValue::DeadLettered,
                _ => listed_value(text),
            };
            self.values.insert(index, value);
        }
    }

    fn merge(&mut self, change: &ListChange) {
        match change {
            ListChange::Submitted(event) => self.merge_submission(event.id, event.index),
            ListChange::Calculated(event) => {
                let value = ListedValue::Known { shown: event.value.clone(), digits: event.digits };
                self.values.insert(event.index.get(), value);
            }
            ListChange::DeadLettered(event) => {
                let value = self.values.entry(event.index.get()).or_insert(ListedValue::DeadLettered);
                if *value == ListedValue::Pending {
                    *value = ListedValue::DeadLettered;
                }
            }
            ListChange::Accepted(response) => self.merge_response(response),
        }
    }

    fn merge_response(&mut self, response: &SubmitResponse) {
        self.merge_submission(response.id, response.index);
        self.awaited.push(response.index.get());
        let value = self.values.entry(response.index.get()).or_insert(ListedValue::Pending);
        match (&response.value, response.state) {
            (Some(text), _) => *value = listed_value(text.clone()),
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
        let at_least = self.has_older || !self.loaded;
        let mut row = SubmittedIndex { index, count: 0, at_least, newest: id };
        if let Some(place) = self.submitted.iter().position(|listed| listed.index == index) {
            // Ids ascend: this submission is counted already.
            if self.submitted[place].newest >= id {
                return;
            }
            row = SubmittedIndex { newest: id, ..self.submitted.remove(place) };
        }
        row.count += 1;
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
        Self { index: index.get(), count: submissions, at_least: false, newest }
    }
}

fn listed_value(text: String) -> ListedValue {
    if text == PENDING {
        return ListedValue::Pending;
    }
    // A worker of the original stores floats beyond 2^53.
    let digits = contract::digit_count(&text).unwrap_or(text.len());
    ListedValue::Known { shown: text, digits }
}

#[cfg(test)]
mod tests;
