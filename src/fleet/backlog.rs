//! A queue at work: jobs come in, workers take the oldest first, and whatever has not begun in time is late once and for all.

use std::collections::VecDeque;

use super::{Queue, scenario::LATE_SECS, shop::Dice};

/// How a queue stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Jobs that wait.
    pub depth: u64,
    /// For how many seconds the oldest of them has waited; 0 if none waits.
    pub oldest_secs: u64,
    /// Workers that take jobs.
    pub workers: u32,
    /// Jobs that ever came in.
    pub entered: u64,
    /// Jobs that were ever begun.
    pub begun: u64,
    /// Jobs that began in time.
    pub in_time: u64,
    /// Jobs that did not.
    pub late: u64,
}

/// A queue and what waits in it.
#[derive(Debug)]
pub(super) struct Backlog {
    queue: Queue,
    /// How many work on it when none of them hangs.
    pub(super) workers: u32,
    /// Jobs that wait, by the second in which they came; whether they were counted as late.
    waiting: VecDeque<(u64, u64, bool)>,
    standing: Standing,
}

impl Backlog {
    pub(super) fn new(queue: Queue) -> Self {
        Self {
            queue,
            workers: queue.workers,
            waiting: VecDeque::new(),
            standing: Standing { workers: queue.workers, ..Standing::default() },
        }
    }
    pub(super) const fn queue(&self) -> &Queue {
        &self.queue
    }
    pub(super) const fn standing(&self) -> &Standing {
        &self.standing
    }
    /// One second: `wave` is how busy the hour is, around 1.
    pub(super) fn step(&mut self, seed: u64, second: u64, wave: f64, hung: bool) {
        let mut dice = Dice::new(seed, self.queue.name, second);
        let jitter = 0.85 + 0.3 * dice.roll();
        let came = dice.whole(self.queue.rate * wave * jitter);
        self.waiting.push_back((second, came, false));
        self.standing.entered += came;
        self.standing.workers = if hung { 0 } else { self.workers };
        self.work(&mut dice, (f64::from(self.standing.workers) * self.queue.speed) as u64);
        for (_, jobs, late) in self.waiting.iter_mut().take_while(|(came, ..)| second.saturating_sub(*came) >= LATE_SECS) {
            self.standing.late += if *late { 0 } else { *jobs };
            *late = true;
        }
        self.standing.depth = self.waiting.iter().map(|(_, jobs, _)| jobs).sum();
        self.standing.oldest_secs = self.waiting.front().map_or(0, |(came, ..)| second.saturating_sub(*came) + 1);
    }
    /// Begin as many jobs as the workers can, the oldest first.
    fn work(&mut self, dice: &mut Dice, mut room: u64) {
        while let Some((came, jobs, late)) = self.waiting.pop_front() {
            let taken = jobs.min(room);
            room -= taken;
            self.standing.begun += taken;
            if !late {
                let slow = dice.share(taken, self.queue.late_share);
                self.standing.late += slow;
                self.standing.in_time += taken - slow;
            }
            if taken < jobs {
                return self.waiting.push_front((came, jobs - taken, late));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders() -> Backlog {
        Backlog::new(Queue { name: "orders", rate: 30.0, workers: 8, speed: 12.0, late_share: 0.0 })
    }

    #[test]
    fn a_queue_that_is_worked_on_is_empty_and_in_time() {
        let mut queue = orders();
        (0..600).for_each(|second| queue.step(41, second, 1.0, false));
        let Standing { depth, oldest_secs, entered, begun, in_time, late, .. } = *queue.standing();
        assert_eq!((depth, oldest_secs, late), (0, 0, 0));
        assert_eq!((begun, in_time), (entered, entered));
        assert!((17_000..19_000).contains(&entered), "{entered}");
    }

    #[test]
    fn one_that_hangs_grows_old_and_is_late_after_thirty_seconds_and_catches_up() {
        let mut queue = orders();
        (0..29).for_each(|second| queue.step(41, second, 1.0, true));
        assert_eq!((queue.standing().oldest_secs, queue.standing().late, queue.standing().workers), (29, 0, 0));
        (29..120).for_each(|second| queue.step(41, second, 1.0, true));
        let stalled = *queue.standing();
        assert_eq!((stalled.oldest_secs, stalled.begun, stalled.depth), (120, 0, stalled.entered));
        assert!(stalled.late > 2_500 && stalled.late < stalled.entered);
        (120..240).for_each(|second| queue.step(41, second, 1.0, false));
        let after = *queue.standing();
        assert_eq!((after.depth, after.oldest_secs, after.begun), (0, 0, after.entered));
        assert_eq!(after.in_time + after.late, after.entered, "each job is judged once");
    }
}
