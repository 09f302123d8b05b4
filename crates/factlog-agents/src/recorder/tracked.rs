//! What is remembered for a while: bounded by number and by age, the oldest goes first.

use std::collections::{BTreeMap, HashMap};

use factlog::Timestamp;

/// Values by id, each with the time it was put there.
#[derive(Debug)]
pub(super) struct Tracked<T> {
    values: HashMap<String, (u64, T)>,
    /// In the order in which they were put there.
    order: BTreeMap<u64, (String, Timestamp)>,
    next: u64,
    count_max: usize,
    age_micros_max: i64,
}

impl<T> Tracked<T> {
    pub(super) fn new(count_max: usize, age_max: std::time::Duration) -> Self {
        let age_micros_max = i64::try_from(age_max.as_micros()).unwrap_or(i64::MAX);
        Self { values: HashMap::new(), order: BTreeMap::new(), next: 0, count_max, age_micros_max }
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn get(&self, id: &str) -> Option<&T> {
        self.values.get(id).map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        self.values.get_mut(id).map(|(_, value)| value)
    }

    /// Remembers a value as the newest; gives how many others had to go.
    pub(super) fn insert(&mut self, id: &str, value: T, now: Timestamp) -> u64 {
        self.remove(id);
        self.order.insert(self.next, (id.to_owned(), now));
        self.values.insert(id.to_owned(), (self.next, value));
        self.next += 1;
        self.expire(now)
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<T> {
        let (place, value) = self.values.remove(id)?;
        self.order.remove(&place);
        Some(value)
    }

    /// Lets go what is too old or one too many; gives how many.
    pub(super) fn expire(&mut self, now: Timestamp) -> u64 {
        let mut gone = 0;
        while let Some(oldest) = self.order.first_entry() {
            let age_micros = now.as_micros().saturating_sub(oldest.get().1.as_micros());
            if self.values.len() <= self.count_max && age_micros <= self.age_micros_max {
                break;
            }
            let (id, _) = oldest.remove();
            self.values.remove(&id);
            gone += 1;
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn second(number: i64) -> Timestamp {
        Timestamp::from_micros(number * 1_000_000).unwrap()
    }

    #[test]
    fn the_oldest_goes_first_and_whatever_is_too_old() {
        let mut tracked = Tracked::new(2, Duration::from_secs(10));
        assert_eq!(tracked.insert("a", 1, second(0)), 0);
        assert_eq!(tracked.insert("b", 2, second(1)), 0);
        assert_eq!(tracked.insert("a", 3, second(2)), 0, "the same again is no third");
        assert_eq!(tracked.insert("c", 4, second(3)), 1);
        assert_eq!((tracked.get("a"), tracked.get("b"), tracked.len()), (Some(&3), None, 2));
        assert_eq!(tracked.expire(second(12)), 0);
        assert_eq!(tracked.expire(second(13)), 1);
        assert_eq!((tracked.remove("c"), tracked.remove("c"), tracked.len()), (Some(4), None, 0));
    }
}
