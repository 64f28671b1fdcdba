//! What the page knows: the indices seen, and the value of each.
//!
//! Plain logic without a browser, so that its rules are tested natively. Facts come from sources that overlap in time (the
//! lists, the event stream, the answers to one's own submissions); every rule here exists so that the order in which they
//! arrive does not matter. Nothing here fetches, waits or draws.

use contract::{
    DeadLetterEvent as Failed, Index, KnownIndex, PENDING, SubmissionEvent as Seen,
    SubmitResponse as Submitted, ValueEvent as Computed, digit_count,
};

use crate::sorted::Sorted;
use crate::text;

/// Indices, and values, that a page has when it is opened, and that each "more" brings: few people look at more than the newest.
pub const PAGE: usize = contract::FIRST_INDICES;

/// Values of more digits than this are shown, and fetched for the lists, by their ends.
pub const WHOLE: usize = contract::FIRST_DIGITS;

/// As many values as the server's list carries; a page that stays open for weeks must not grow.
pub const LIMIT: usize = 1000;

/// The value of an index, as far as the page knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Shown {
    /// Not there yet.
    Pending,
    /// The digits, or the ends of them when they are many, and how many there are.
    Value(String, usize),
    /// Given up after several attempts.
    Failed,
}

/// One news about the lists, whichever way it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// An index was submitted, in this browser or in another.
    Seen(Seen),
    /// A value was calculated.
    Computed(Computed),
    /// A value will not come by itself.
    Failed(Failed),
    /// One's own submission was accepted.
    Submitted(Submitted),
}

/// What `values/current` answers with: the text of each index, in ascending order.
pub type Current = Vec<(u32, String)>;

/// What one fetch brings.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    /// The newest indices, newest first.
    pub indices: Vec<KnownIndex>,
    /// The value of each.
    pub current: Current,
    /// Those that were given up.
    pub failed: Vec<u32>,
}

/// A row of "indices seen".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// The index.
    pub index: u32,
    /// How often it was submitted.
    pub count: i64,
    /// Whether it may have been submitted more often: before, in a part of the list that was not fetched.
    pub at_least: bool,
    /// The id of its newest submission.
    newest: i64,
}

/// The lists, and what happened to them while they were being fetched.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Each index once, newest first.
    seen: Vec<Row>,
    /// Whether the server has older ones.
    has_older: bool,
    /// Rows that the person has asked for by paging back.
    asked: usize,
    values: Sorted<Shown>,
    /// Whether the lists were ever fetched.
    loaded: bool,
    /// Changes since the fetch under way began; `None` when nothing is being fetched.
    journal: Option<Vec<Change>>,
    /// Indices that it asks for.
    fetching: usize,
    /// Indices submitted on this page whose outcome was not announced yet.
    awaited: Vec<u32>,
}

impl State {
    /// Each index submitted, newest first.
    #[must_use]
    pub fn seen(&self) -> &[Row] {
        &self.seen
    }

    /// Where the next page of older indices begins, and how many of the newest values are needed to have theirs; `None` when
    /// all are here.
    #[must_use]
    pub fn older(&self) -> Option<(i64, usize)> {
        let last = self.seen.last().filter(|_| self.has_older)?;
        Some((last.newest, (self.seen.len() + PAGE).min(LIMIT)))
    }

    /// Whether the server has values that are not here: its list is bounded as well.
    #[must_use]
    pub fn has_more_values(&self) -> bool {
        self.has_older && self.seen.len() < LIMIT
    }

    /// The first `count` values, the one asked for last on top.
    #[must_use]
    pub fn values(&self, count: usize) -> Vec<(u32, Shown)> {
        let listed = |index| self.seen.iter().any(|row| row.index == index);
        // What only an original server has comes last: nobody knows when it was submitted.
        let rest = self.values.iter().rev().map(|(index, _)| *index).filter(|index| !listed(*index));
        let indices = self.seen.iter().map(|row| row.index).chain(rest);
        indices.filter_map(|index| Some((index, self.values.get(index)?.clone()))).take(count).collect()
    }

    /// How many values are known or awaited.
    #[must_use]
    pub fn value_count(&self) -> usize {
        self.values.len()
    }

    /// The index that has been pending the longest, of those that are listed.
    #[must_use]
    pub fn pending_first(&self) -> Option<u32> {
        self.seen.iter().rev().map(|row| row.index).find(|index| self.value(*index) == Some(&Shown::Pending))
    }

    /// How many of them are not there yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.values.iter().filter(|(_, shown)| *shown == Shown::Pending).count()
    }

    /// Each index whose value is there, with its number of digits, in ascending order.
    pub fn points(&self) -> impl Iterator<Item = (u32, usize)> {
        self.values.iter().filter_map(|(index, shown)| match shown {
            Shown::Value(_, digits) => Some((*index, *digits)),
            Shown::Pending | Shown::Failed => None,
        })
    }

    /// What is known of one index.
    #[must_use]
    pub fn value(&self, index: u32) -> Option<&Shown> {
        self.values.get(index)
    }

    /// Whether the lists were ever fetched: before, an empty list means nothing.
    #[must_use]
    pub fn loaded(&self) -> bool {
        self.loaded
    }

    /// Takes in one change. The same change twice, or late, does no harm.
    pub fn apply(&mut self, change: Change) {
        self.take_in(&change);
        self.trim();
        if let Some(journal) = &mut self.journal {
            // What no longer fits in the lists need not be remembered for them; a submission and its value are two.
            if journal.len() == 2 * LIMIT {
                journal.remove(0);
            }
            journal.push(change);
        }
    }

    /// Notes that the lists are about to be fetched; one fetch at a time. Changes from here on are repeated over the answer,
    /// which may be older than they are. Returns how many indices to ask for.
    pub fn begin_fetch(&mut self) -> usize {
        self.journal = Some(Vec::new());
        self.fetching = self.asked.clamp(PAGE, LIMIT);
        self.fetching
    }

    /// Replaces the lists by what was fetched.
    pub fn finish_fetch(&mut self, fetched: Lists) {
        let rows: Vec<Row> = fetched.indices.iter().copied().map(Row::from).collect();
        let mut older = std::mem::replace(&mut self.seen, rows);
        // Further back than was asked for, what a person has paged to meanwhile is all that is known.
        let full = self.seen.len() >= self.fetching;
        let end = self.seen.last().map_or(0, |row| row.newest);
        older.retain(|row| full && row.newest < end && self.seen.iter().all(|seen| seen.index != row.index));
        if older.is_empty() {
            self.has_older = full;
        }
        let mut known = std::mem::take(&mut self.values);
        for row in &older {
            if let Some(value) = known.take(row.index) {
                self.values.insert(row.index, value);
            }
        }
        self.seen.extend(older);
        self.take_in_values(fetched.current, &fetched.failed, known);

        for change in self.journal.take().unwrap_or_default() {
            self.take_in(&change);
        }
        self.loaded = true;
        self.trim();
    }

    /// Notes that the fetch failed: the lists stay as they are.
    pub fn fail_fetch(&mut self) {
        self.journal = None;
    }

    /// Adds a page of older indices, and values with theirs among them.
    pub fn add_older(&mut self, more: Lists) {
        self.has_older = more.indices.len() >= PAGE;
        let Lists { mut current, failed, .. } = more;
        // This is no news of what is here: a change may have come while it was on its way.
        current.retain(|(index, text)| text != PENDING || self.values.get(*index).is_none());
        self.take_in_values(current, &failed, Sorted::default());
        for row in more.indices.into_iter().map(Row::from) {
            // One that was submitted again meanwhile stands further up, counted from then on.
            match self.seen.iter_mut().find(|seen| seen.index == row.index) {
                Some(seen) if seen.at_least => {
                    (seen.count, seen.at_least) = (seen.count + row.count, false);
                }
                Some(_) => {}
                None => self.seen.push(row),
            }
        }
        self.asked = self.seen.len();
    }

    /// What to tell a person who cannot watch the lists: the outcome of an index submitted on this page.
    /// Each is told once, whichever way it came.
    pub fn announcement(&mut self) -> Option<String> {
        let place = self.awaited.iter().position(|index| self.value(*index) != Some(&Shown::Pending))?;
        let index = self.awaited.remove(place);
        let (shown, index) = (self.value(index)?, text::grouped(index));
        match shown {
            Shown::Value(value, digits) if contract::is_whole(value) && *digits <= 50 => {
                Some(format!("For index {index} I calculated {value}"))
            }
            Shown::Value(_, digits) => {
                Some(format!("For index {index} I calculated a number of {}", text::digits(*digits)))
            }
            Shown::Failed => Some(format!("Index {index} could not be calculated")),
            Shown::Pending => None,
        }
    }

    /// Values from a list, which may be older than those that are shown, or are in `known`.
    fn take_in_values(&mut self, current: Current, failed: &[u32], mut known: Sorted<Shown>) {
        for (index, text) in current {
            let before = self.values.take(index).or_else(|| known.take(index));
            let shown = match before {
                // The server may have lost a value and be calculating it again; the one on the page stays true.
                Some(value @ Shown::Value(..)) if text == PENDING => value,
                _ if text == PENDING && failed.contains(&index) => Shown::Failed,
                _ => shown(text),
            };
            self.values.insert(index, shown);
        }
    }

    fn take_in(&mut self, change: &Change) {
        match change {
            Change::Seen(seen) => self.take_in_submission(seen.id, seen.index),
            Change::Computed(computed) => {
                let value = Shown::Value(computed.value.clone(), computed.digits);
                self.values.insert(computed.index.get(), value);
            }
            Change::Failed(failed) => {
                let value = self.values.get_or_insert(failed.index.get(), Shown::Failed);
                if *value == Shown::Pending {
                    *value = Shown::Failed;
                }
            }
            Change::Submitted(answer) => {
                self.take_in_submission(answer.id, answer.index);
                self.awaited.push(answer.index.get());
                let value = self.values.get_or_insert(answer.index.get(), Shown::Pending);
                match (&answer.value, answer.state) {
                    (Some(text), _) => *value = shown(text.clone()),
                    (None, contract::SubmissionState::DeadLettered) if *value == Shown::Pending => {
                        *value = Shown::Failed
                    }
                    // Submitted once more, a job that had been given up is tried again.
                    (None, contract::SubmissionState::Queued) if *value == Shown::Failed => {
                        *value = Shown::Pending
                    }
                    (None, _) => {}
                }
            }
        }
    }

    fn take_in_submission(&mut self, id: i64, index: Index) {
        let index = index.get();
        let mut row = Row { index, count: 0, at_least: self.has_older || !self.loaded, newest: id };
        if let Some(place) = self.seen.iter().position(|seen| seen.index == index) {
            // Counted already: ids ascend, and so does the newest of an index.
            if self.seen[place].newest >= id {
                return;
            }
            row = Row { newest: id, ..self.seen.remove(place) };
        }
        row.count += 1;
        // Nearly always in front.
        let place = self.seen.partition_point(|seen| seen.newest > id);
        self.seen.insert(place, row);
        self.values.get_or_insert(index, Shown::Pending);
    }

    fn trim(&mut self) {
        while self.seen.len() > self.asked.max(LIMIT) {
            self.has_older = true;
            let oldest = self.seen.pop();
            oldest.and_then(|row| self.values.take(row.index));
        }
        if self.values.len() > LIMIT {
            let kept: Vec<u32> = self.values(LIMIT).into_iter().map(|(index, _)| index).collect();
            self.values.keep(|index| kept.contains(&index));
        }
    }
}

impl From<KnownIndex> for Row {
    fn from(known: KnownIndex) -> Self {
        let KnownIndex { index, submissions, newest } = known;
        Self { index: index.get(), count: submissions, at_least: false, newest }
    }
}

fn shown(text: String) -> Shown {
    if text == PENDING {
        return Shown::Pending;
    }
    // An original worker's value need not be a whole number: beyond 2^53 it has floats.
    let digits = digit_count(&text).unwrap_or(text.len());
    Shown::Value(text, digits)
}

#[cfg(test)]
mod tests;
