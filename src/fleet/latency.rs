//! How long answers take: a histogram with classic buckets.

use super::shop::Dice;

/// Upper bounds of the buckets but the last, which has none: in milliseconds, and as they are written.
pub(super) const BOUNDS: [(u32, &str); 5] = [(50, "0.05"), (100, "0.1"), (300, "0.3"), (1_000, "1"), (2_500, "2.5")];

/// Answers by how long they took. Counts are of each bucket alone; the page adds them up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Latency {
    pub(super) counts: [u64; BOUNDS.len() + 1],
    pub(super) sum_ms: f64,
}

impl Latency {
    /// Answers so far.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
    /// Answers within what is promised.
    pub fn fast(&self) -> u64 {
        self.counts.iter().take(3).sum()
    }
    /// `n` answers of an ordinary second, of which `slow_share` take longer than what is promised.
    pub(super) fn ordinary(&mut self, dice: &mut Dice, n: u64, slow_share: f64) {
        let slow = dice.share(n, slow_share);
        let quick = n - slow;
        let (middle, most) = (dice.share(quick, 0.3), dice.share(quick, 0.1));
        for (ms, n) in [(30, quick.saturating_sub(middle + most)), (75, middle), (200, most.min(quick)), (600, slow)] {
            self.add(ms, n);
        }
    }
    /// `n` answers that took `ms`.
    pub(super) fn add(&mut self, ms: u32, n: u64) {
        let bucket = BOUNDS.iter().position(|(bound, _)| ms <= *bound).unwrap_or(BOUNDS.len());
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += n;
        }
        self.sum_ms += f64::from(ms) * n as f64;
    }
}
