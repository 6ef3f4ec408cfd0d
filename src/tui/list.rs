//! A list whose selection is an id, not a place.
//!
//! The order may change under the cursor at any refresh; the selected row stays the same row and stays where it is on the screen.
//! Until a person chooses a row the list rests on its first one, whatever that is: the worst.

/// Rows in an order, one of them selected.
#[derive(Clone, Debug)]
pub struct List<K> {
    order: Vec<u32>,
    selected: Option<K>,
    resting: bool,
    at: usize,
    top: usize,
    rows: usize,
}

impl<K> Default for List<K> {
    fn default() -> Self {
        Self { order: Vec::new(), selected: None, resting: true, at: 0, top: 0, rows: 0 }
    }
}

impl<K: Clone + PartialEq> List<K> {
    /// Places in the source of the rows, in the order of the list.
    #[cfg(test)]
    pub fn order(&self) -> &[u32] {
        &self.order
    }
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.order.len()
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
    /// The id of the selected row.
    pub fn selected(&self) -> Option<&K> {
        self.selected.as_ref()
    }
    /// The selected row's place in the list.
    pub fn at(&self) -> usize {
        self.at
    }
    /// The selected row's place in the source of the rows.
    pub fn source_index(&self) -> Option<usize> {
        self.order.get(self.at).map(|i| *i as usize)
    }
    /// Place in the list of the first row on the screen.
    #[cfg(test)]
    pub fn top(&self) -> usize {
        self.top
    }
    /// Places in the source of all rows.
    pub fn all(&self) -> impl Iterator<Item = u32> + '_ {
        self.order.iter().copied()
    }
    /// The rows on the screen: place in the list, place in the source.
    pub fn visible(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.order.iter().map(|i| *i as usize).enumerate().skip(self.top).take(self.rows)
    }

    /// The selected row goes by another name now, if `name` tells one.
    pub fn follow(&mut self, name: impl Fn(&K) -> Option<K>) {
        if let Some(new) = self.selected.as_ref().and_then(name) {
            self.selected = Some(new);
        }
    }

    /// Take a new order after a refresh. The selected row keeps its place in the list, and with it on the screen: the others are
    /// ordered around it.
    pub fn refresh<'k>(&mut self, mut order: Vec<u32>, key: impl Fn(u32) -> Option<&'k K>)
    where
        K: 'k,
    {
        let held = self.held(&order, &key);
        if let Some(found) = held {
            let row = order.remove(found);
            let place = self.at.min(order.len());
            order.insert(place, row);
            self.at = place;
        }
        self.settle(order, held.is_some(), &key);
    }

    /// Take a new order because a person asked for it: the selected row stays selected and moves to where it belongs.
    pub fn reorder<'k>(&mut self, order: Vec<u32>, key: impl Fn(u32) -> Option<&'k K>)
    where
        K: 'k,
    {
        let held = self.held(&order, &key);
        if let Some(found) = held {
            self.at = found;
        }
        self.settle(order, held.is_some(), &key);
    }

    fn held<'k>(&self, order: &[u32], key: &impl Fn(u32) -> Option<&'k K>) -> Option<usize>
    where
        K: 'k,
    {
        let selected = self.selected.as_ref().filter(|_| !self.resting)?;
        order.iter().position(|i| key(*i) == Some(selected))
    }

    fn settle<'k>(&mut self, order: Vec<u32>, held: bool, key: &impl Fn(u32) -> Option<&'k K>)
    where
        K: 'k,
    {
        self.order = order;
        if self.resting {
            self.at = 0;
        }
        self.at = self.at.min(self.order.len().saturating_sub(1));
        if !held {
            self.selected = self.order.get(self.at).and_then(|i| key(*i)).cloned();
        }
        self.scroll();
    }

    /// Choose the row `place` of the list, or the last one before it.
    pub fn choose<'k>(&mut self, place: usize, key: impl Fn(u32) -> Option<&'k K>)
    where
        K: 'k,
    {
        self.resting = false;
        self.at = place.min(self.order.len().saturating_sub(1));
        self.selected = self.order.get(self.at).and_then(|i| key(*i)).cloned();
        self.scroll();
    }

    /// Choose the row of this id, if it is in the list.
    pub fn choose_id<'k>(&mut self, id: &K, key: impl Fn(u32) -> Option<&'k K>)
    where
        K: 'k,
    {
        if let Some(place) = self.order.iter().position(|i| key(*i) == Some(id)) {
            self.choose(place, key);
        }
    }

    /// Go back to resting on the first row, whatever it is.
    pub fn rest<'k>(&mut self, key: impl Fn(u32) -> Option<&'k K>)
    where
        K: 'k,
    {
        self.choose(0, key);
        self.resting = true;
    }

    /// Whether no row has been chosen.
    pub fn is_resting(&self) -> bool {
        self.resting
    }

    /// Tell how many rows fit on the screen.
    pub fn fit(&mut self, rows: usize) {
        self.rows = rows;
        self.scroll();
    }

    /// How many rows fit on the screen.
    pub fn rows(&self) -> usize {
        self.rows
    }

    fn scroll(&mut self) {
        let last_top = self.order.len().saturating_sub(self.rows);
        let lowest = (self.at + 1).saturating_sub(self.rows);
        self.top = self.top.min(last_top).clamp(lowest.min(self.at), self.at);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    static IDS: [u32; 50] = {
        let mut ids = [0; 50];
        let mut i = 0;
        while i < 50 {
            ids[i] = i as u32;
            i += 1;
        }
        ids
    };
    fn key(i: u32) -> Option<&'static u32> {
        IDS.get(i as usize)
    }

    #[test]
    fn a_chosen_row_keeps_its_place_when_the_order_changes() {
        let mut list = List::default();
        list.fit(4);
        list.refresh((0..10).collect(), key);
        list.choose(5, key);
        let before = list.at() - list.top();
        list.refresh((0..10).rev().collect(), key);
        assert_eq!((list.selected(), list.at() - list.top()), (Some(&5), before));
        assert_eq!(list.order(), [9, 8, 7, 6, 4, 5, 3, 2, 1, 0]);
        list.reorder((0..10).collect(), key);
        assert_eq!((list.selected(), list.at()), (Some(&5), 5));
    }

    #[test]
    fn an_unchosen_list_rests_on_the_worst() {
        let mut list = List::default();
        list.fit(3);
        list.refresh(vec![1, 2, 3], key);
        list.refresh(vec![3, 1, 2], key);
        assert_eq!(list.selected(), Some(&3));
        list.choose(1, key);
        list.refresh(vec![2, 1], key);
        assert_eq!(list.selected(), Some(&1));
        list.refresh(vec![2], key);
        assert_eq!(list.selected(), Some(&2));
        list.refresh(vec![], key);
        assert_eq!((list.selected(), list.at(), list.top()), (None, 0, 0));
    }

    proptest! {
        #[test]
        fn the_selected_row_is_always_on_the_screen(
            steps in proptest::collection::vec((0_usize..50, 1_usize..20, 0_u32..50), 1..40)
        ) {
            let mut list = List::default();
            for (place, rows, len) in steps {
                list.fit(rows);
                list.choose(place, key);
                list.refresh((0..len).rev().collect(), key);
                if len > 0 {
                    prop_assert!(list.visible().any(|(p, _)| p == list.at()));
                }
                prop_assert!(list.top() == 0 || list.top() + rows <= list.len());
            }
        }
    }
}
