//! The one signal of the page: what it knows, and everything that is shown as a function of it.
//!
//! One signal, and plain functions instead of closures, because each further type of signal and each closure is more code in
//! a program that every visitor fetches before anything is seen. What has not changed is not drawn again: each function's
//! result is remembered.

use leptos::prelude::*;

use crate::model::Model;

/// What the page knows, and whoever shows it.
#[derive(Clone, Copy)]
pub struct Store(RwSignal<Model>);

/// A row of a list: when its markup changes it is another row, and the others stay as they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Row(pub String);

impl Store {
    /// Holds `model`.
    #[must_use]
    pub fn new(model: Model) -> Self {
        Self(RwSignal::new(model))
    }

    /// Changes what is known.
    pub fn update(self, how: impl FnOnce(&mut Model)) {
        let mut how = Some(how);
        self.change(&mut |model| {
            if let Some(how) = how.take() {
                how(model);
            }
        });
    }

    /// Looks something up, once.
    pub fn now<T>(self, what: impl FnOnce(&Model) -> T) -> T {
        self.0.with_untracked(what)
    }

    /// Words, or markup.
    #[must_use]
    pub fn text(self, what: fn(&Model) -> String) -> Signal<String> {
        Memo::new(move |_| self.0.with(what)).into()
    }

    /// Whether something is so.
    #[must_use]
    pub fn flag(self, what: fn(&Model) -> bool) -> Signal<bool> {
        Memo::new(move |_| self.0.with(what)).into()
    }

    /// The rows of a list.
    #[must_use]
    pub fn rows(self, what: fn(&Model) -> Vec<Row>) -> Memo<Vec<Row>> {
        Memo::new(move |_| self.0.with(what))
    }

    // Once, not once for each caller.
    #[inline(never)]
    fn change(self, how: &mut dyn FnMut(&mut Model)) {
        self.0.update(|model| how(model));
    }
}
