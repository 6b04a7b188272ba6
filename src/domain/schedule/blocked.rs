//! A set of instants as disjoint stretches: what is taken. The next free instant is one look-up away, however many there are.

use std::collections::BTreeMap;

/// Stretches of microseconds, from the first up to the second, which is free. They neither overlap nor touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Blocked {
    stretches: BTreeMap<i64, i64>,
}

impl Blocked {
    /// Takes everything from `start` up to `end`, and every free stretch beside it that is shorter than `hole_min`.
    pub(super) fn add(&mut self, start: i64, end: i64, hole_min: i64) {
        let (mut start, mut end) = (start, end);
        if start >= end {
            return;
        }
        let reach = |a: i64, b: i64| b.saturating_sub(a) < hole_min.max(1);
        while let Some((before, until)) = self.stretches.range(..=start).next_back().map(|(a, b)| (*a, *b)) {
            if !reach(until, start) {
                break;
            }
            self.stretches.remove(&before);
            (start, end) = (before, end.max(until));
        }
        while let Some((next, until)) = self.stretches.range(start..).next().map(|(a, b)| (*a, *b)) {
            if !reach(end, next) {
                break;
            }
            self.stretches.remove(&next);
            end = end.max(until);
        }
        self.stretches.insert(start, end);
    }

    /// The first free instant at or after `at`.
    pub(super) fn next_free(&self, at: i64) -> i64 {
        match self.stretches.range(..=at).next_back() {
            Some((_, end)) if *end > at => *end,
            Some(_) | None => at,
        }
    }

    /// The first instant at or after `at` from which `length` is free.
    pub(super) fn next_room(&self, at: i64, length: i64) -> i64 {
        let mut free = self.next_free(at);
        for (start, end) in self.stretches.range(free..) {
            if start.saturating_sub(free) >= length {
                break;
            }
            free = *end;
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_join_and_the_next_free_instant_is_found() {
        let mut blocked = Blocked::default();
        for (start, end) in [(10, 20), (40, 50), (20, 25), (60, 61), (5, 5)] {
            blocked.add(start, end, 0);
        }
        assert_eq!([5, 10, 24, 25, 40, 60].map(|at| blocked.next_free(at)), [5, 25, 25, 25, 50, 61]);
        assert_eq!((blocked.next_room(10, 15), blocked.next_room(10, 16), blocked.next_room(0, 10)), (25, 61, 0));
        blocked.add(0, 100, 0);
        assert_eq!(blocked.stretches.len(), 1);
        let mut holes = Blocked::default();
        for start in [0, 10, 18] {
            holes.add(start, start + 5, 4);
        }
        assert_eq!(holes.stretches.into_iter().collect::<Vec<_>>(), [(0, 5), (10, 23)]);
    }
}
