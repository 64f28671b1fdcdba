//! A map by index in ascending order, as large as a list on a page: a vector, and binary search in it.
//!
//! `BTreeMap` does the same in any size, with code that every visitor would have to fetch.

/// Values by index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sorted<V>(Vec<(u32, V)>);

impl<V> Default for Sorted<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V> Sorted<V> {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn get(&self, index: u32) -> Option<&V> {
        self.place(index).ok().map(|place| &self.0[place].1)
    }

    /// Puts `value` in the place of what is there.
    pub(crate) fn insert(&mut self, index: u32, value: V) {
        match self.place(index) {
            Ok(place) => self.0[place].1 = value,
            Err(place) => self.0.insert(place, (index, value)),
        }
    }

    /// What is there; when nothing is, `value` is from now on.
    pub(crate) fn get_or_insert(&mut self, index: u32, value: V) -> &mut V {
        let place = self.place(index).unwrap_or_else(|place| {
            self.0.insert(place, (index, value));
            place
        });
        &mut self.0[place].1
    }

    pub(crate) fn take(&mut self, index: u32) -> Option<V> {
        self.place(index).ok().map(|place| self.0.remove(place).1)
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &(u32, V)> {
        self.0.iter()
    }

    pub(crate) fn keep(&mut self, wanted: impl Fn(u32) -> bool) {
        self.0.retain(|(index, _)| wanted(*index));
    }

    fn place(&self, index: u32) -> Result<usize, usize> {
        self.0.binary_search_by_key(&index, |(index, _)| *index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_in_any_order_comes_out_in_order() {
        let mut map = Sorted::default();
        for index in [7, 1, 40, 3] {
            map.insert(index, index * 2);
        }
        assert_eq!(*map.get_or_insert(3, 99), 6);
        assert_eq!(*map.get_or_insert(4, 99), 99);
        map.insert(4, 8);
        assert_eq!(map.take(40), Some(80));
        assert_eq!((map.get(40), map.get(7)), (None, Some(&14)));
        map.keep(|index| index != 1);
        assert_eq!(map.iter().copied().collect::<Vec<_>>(), [(3, 6), (4, 8), (7, 14)]);
        assert_eq!(map.len(), 3);
    }
}
