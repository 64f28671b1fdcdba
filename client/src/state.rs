//! What the page knows: the indices seen, and the value of each.
//!
//! Plain logic without a browser, so that its rules are tested natively. Facts come from three sources that
//! overlap in time (the two lists, the event stream, the answers to one's own submissions); every rule here
//! exists so that the order in which they arrive does not matter. Nothing here fetches, waits or draws.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use api::{Computed, Failed, Index, PENDING, Seen, Submission, Submitted};

/// As many rows as the server's lists carry; a page that stays open for weeks must not grow.
pub const LIMIT: usize = 1000;

/// The value of an index, as far as the page knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Shown {
    /// Not there yet.
    Pending,
    /// The digits, or the ends of them when they are many.
    Value(String),
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

/// The numbers `values/current` answers with, keyed by index.
pub type Current = BTreeMap<u32, String>;

/// A row of "indices I have seen".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// The submission's id, by which duplicates are recognized.
    pub id: i64,
    /// The index that was submitted.
    pub index: u32,
}

/// Both lists, and what happened to them while they were being fetched.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Newest first: descending ids, each once.
    seen: Vec<Row>,
    values: BTreeMap<u32, Shown>,
    /// Whether the lists were ever fetched.
    loaded: bool,
    /// Changes since the fetch under way began; `None` when nothing is being fetched.
    journal: Option<Vec<Change>>,
    /// Indices submitted on this page whose outcome was not announced yet.
    awaited: BTreeSet<u32>,
}

impl State {
    /// Every index submitted, newest first, with duplicates.
    #[must_use]
    pub fn seen(&self) -> &[Row] {
        &self.seen
    }

    /// Every value, the one asked for last on top.
    #[must_use]
    pub fn values(&self) -> Vec<(u32, Shown)> {
        let newest = self.newest_submission();
        let mut rows: Vec<_> = self.values.iter().map(|(index, shown)| (*index, shown.clone())).collect();
        rows.sort_by_key(|(index, _)| std::cmp::Reverse((newest.get(index).copied(), *index)));
        rows
    }

    /// What is known of one index.
    #[must_use]
    pub fn value(&self, index: u32) -> Option<&Shown> {
        self.values.get(&index)
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

    /// Notes that both lists are about to be fetched; one fetch at a time. Changes from here on are repeated
    /// over the answer, which may be older than they are.
    pub fn begin_fetch(&mut self) {
        self.journal = Some(Vec::new());
    }

    /// Replaces both lists by what was fetched; `failed` are the indices that were given up.
    pub fn finish_fetch(&mut self, submissions: Vec<Submission>, current: Current, failed: &BTreeSet<u32>) {
        self.seen = submissions.into_iter().map(|row| Row { id: row.id, index: row.number.get() }).collect();
        self.seen.sort_by_key(|row| std::cmp::Reverse(row.id));
        self.seen.dedup_by_key(|row| row.id);

        let mut known = std::mem::take(&mut self.values);
        for (index, text) in current {
            let shown = match known.remove(&index) {
                // The server may have lost a value and be calculating it again; the one on the page stays true.
                Some(value @ Shown::Value(_)) if text == PENDING => value,
                _ if text == PENDING && failed.contains(&index) => Shown::Failed,
                _ => shown(text),
            };
            self.values.insert(index, shown);
        }

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

    /// What to tell a person who cannot watch the lists: the outcome of an index submitted on this page.
    /// Each is told once, whichever way it came.
    pub fn announcement(&mut self) -> Option<String> {
        let index = self.awaited.iter().copied().find(|index| self.value(*index) != Some(&Shown::Pending))?;
        self.awaited.remove(&index);
        match self.value(index)? {
            Shown::Value(text) => Some(format!("For index {index} I calculated {text}")),
            Shown::Failed => Some(format!("Index {index} could not be calculated")),
            Shown::Pending => None,
        }
    }

    fn take_in(&mut self, change: &Change) {
        match change {
            Change::Seen(seen) => self.take_in_submission(seen.id, seen.index),
            Change::Computed(computed) => {
                self.values.insert(computed.index.get(), shown(computed.value.clone()));
            }
            Change::Failed(failed) => {
                let value = self.values.entry(failed.index.get()).or_insert(Shown::Failed);
                if *value == Shown::Pending {
                    *value = Shown::Failed;
                }
            }
            Change::Submitted(answer) => {
                self.take_in_submission(answer.id, answer.index);
                self.awaited.insert(answer.index.get());
                let value = self.values.entry(answer.index.get()).or_insert(Shown::Pending);
                match (&answer.value, answer.state) {
                    (Some(text), _) => *value = shown(text.clone()),
                    (None, api::State::Failed) if *value == Shown::Pending => *value = Shown::Failed,
                    // Submitted once more, a job that had been given up is tried again.
                    (None, api::State::Queued) if *value == Shown::Failed => *value = Shown::Pending,
                    (None, _) => {}
                }
            }
        }
    }

    fn take_in_submission(&mut self, id: i64, index: Index) {
        // Descending ids; nearly always the new one belongs in front.
        let place = self.seen.partition_point(|row| row.id > id);
        if self.seen.get(place).is_none_or(|row| row.id != id) {
            self.seen.insert(place, Row { id, index: index.get() });
        }
        self.values.entry(index.get()).or_insert(Shown::Pending);
    }

    fn trim(&mut self) {
        if self.values.len() > LIMIT {
            for (index, _) in self.values().split_off(LIMIT) {
                self.values.remove(&index);
            }
        }
        self.seen.truncate(LIMIT);
    }

    /// The newest submission of each index that is still in the list.
    fn newest_submission(&self) -> HashMap<u32, i64> {
        let mut newest = HashMap::with_capacity(self.seen.len());
        for row in &self.seen {
            newest.entry(row.index).or_insert(row.id);
        }
        newest
    }
}

fn shown(text: String) -> Shown {
    if text == PENDING { Shown::Pending } else { Shown::Value(text) }
}

#[cfg(test)]
mod tests;
