//! How long answers took: kept minute by minute, put together without loss over any window.
//!
//! A time is kept to three figures, as an `HdrHistogram` of three significant digits has it: times that it does not tell apart are one.
//! So putting minutes together loses nothing that was not lost when a time was recorded, and the quantiles of many minutes are exactly
//! those of a histogram that saw every answer.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use hdrhistogram::Histogram;

use super::Window;

/// Significant decimal digits of a time.
const DIGITS: u8 = 3;
/// The longest time that is told from longer ones, in microseconds: an hour.
const LONGEST: u64 = 3_600_000_000;
/// Bits within which every microsecond is told apart, for three digits.
const EXACT_BITS: u32 = 11;

/// Times of some answers, in microseconds, and how often each came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latencies(BTreeMap<u64, u64>);

/// Quantiles of times, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantiles {
    /// Of how many answers.
    pub count: u64,
    /// Half of them came in this time.
    pub p50: u64,
    /// Nine of ten did.
    pub p90: u64,
    /// All but one in a hundred did.
    pub p99: u64,
}

/// The times of one minute, from its beginning, encoded.
pub type Minute = (DateTime<Utc>, Vec<u8>);

impl Latencies {
    /// One more answer.
    pub fn record(&mut self, micros: u64) {
        self.add(lowest(micros.clamp(1, LONGEST)), 1);
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    fn add(&mut self, micros: u64, times: u64) {
        let count = self.0.entry(micros).or_insert(0);
        *count = count.saturating_add(times);
    }
    /// As few bytes: the distance from time to time, and how often each came where that is not once.
    pub fn encode(&self) -> Vec<u8> {
        let (mut out, mut before) = (Vec::with_capacity(self.0.len() * 2), 0);
        for (micros, times) in &self.0 {
            let step = micros.saturating_sub(before);
            before = *micros;
            write(&mut out, step << 1 | u64::from(*times != 1));
            if *times != 1 {
                write(&mut out, *times);
            }
        }
        out
    }
    /// What was encoded; what cannot be read of it is left out.
    pub fn decode(bytes: &[u8]) -> Self {
        let mut all = Self::default();
        each(bytes, |micros, times| all.add(micros, times));
        all
    }
}

/// The lowest of the times that three digits do not tell from this one.
const fn lowest(micros: u64) -> u64 {
    let bits = u64::BITS - micros.leading_zeros();
    let spare = bits.saturating_sub(EXACT_BITS);
    micros >> spare << spare
}

fn write(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn read(bytes: &mut std::slice::Iter<'_, u8>) -> Option<u64> {
    let (mut number, mut shift) = (0_u64, 0_u32);
    loop {
        let byte = *bytes.next()?;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
        shift += 7;
    }
}

/// Show each time of what was encoded, and how often it came.
fn each(bytes: &[u8], mut show: impl FnMut(u64, u64)) {
    let (mut bytes, mut micros) = (bytes.iter(), 0_u64);
    while let Some(step) = read(&mut bytes) {
        let times = if step & 1 == 1 { read(&mut bytes) } else { Some(1) };
        let (Some(times), Some(next)) = (times, micros.checked_add(step >> 1).filter(|next| *next <= LONGEST)) else { return };
        micros = next;
        show(micros, times);
    }
}

/// Quantiles over each of these windows that end at `now`, out of minutes of whatever targets, the newest first. A minute belongs to a
/// window if it begins in it or in the minute before it. `windows` ascend; those without an answer are left out.
pub fn quantiles(minutes: &[Minute], windows: &[Window], now: DateTime<Utc>) -> Vec<(Window, Quantiles)> {
    let Ok(mut all) = Histogram::<u64>::new_with_bounds(1, LONGEST, DIGITS) else { return Vec::new() };
    let (mut found, mut rest) = (Vec::new(), minutes.iter().peekable());
    for window in windows {
        let from = now - window.delta() - chrono::TimeDelta::minutes(1);
        while let Some((_, bytes)) = rest.next_if(|(minute, _)| *minute > from) {
            // No time is longer than the histogram goes.
            each(bytes, |micros, times| all.saturating_record_n(micros, times));
        }
        if !all.is_empty() {
            let at = |quantile| all.value_at_quantile(quantile);
            found.push((*window, Quantiles { count: all.len(), p50: at(0.5), p90: at(0.9), p99: at(0.99) }));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(secs: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + secs, 0).unwrap()
    }

    /// Times as they come: mostly some tens of milliseconds, some ten times that, few in the seconds; the same with every run.
    fn sample(n: u64) -> u64 {
        let noise = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 11;
        let slow = match n % 100 {
            0 => 90,
            1..10 => 9,
            _ => 1,
        };
        (12_000 + noise % 31_000) * slow
    }

    #[test]
    fn a_day_of_minutes_has_the_quantiles_of_every_answer() {
        let mut whole = Histogram::<u64>::new_with_bounds(1, LONGEST, DIGITS).unwrap();
        let mut minutes = Vec::new();
        for minute in 0..1_440 {
            let mut one = Latencies::default();
            for second in 0..60 {
                let micros = sample(minute * 60 + second);
                one.record(micros);
                whole.record(micros).unwrap();
            }
            assert_eq!(Latencies::decode(&one.encode()), one);
            minutes.push((at(minute as i64 * 60), one.encode()));
        }
        minutes.reverse();
        let found = quantiles(&minutes, &[Window::minutes(5), Window::days(1)], at(1_439 * 60 + 59));
        let day = found[1].1;
        let of = |quantile| whole.value_at_quantile(quantile);
        assert_eq!((day.count, day.p50, day.p90, day.p99), (86_400, of(0.5), of(0.9), of(0.99)));
        assert!(found[0].1.count < 400);
        // A minute after a minute: what a second's answers cost on the disk.
        let bytes: usize = minutes.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(bytes < 1_440 * 200, "{} bytes a minute", bytes / 1_440);
    }

    #[test]
    fn windows_without_answers_are_left_out() {
        let mut one = Latencies::default();
        one.record(20_000);
        let minutes = [(at(0), one.encode())];
        assert_eq!(quantiles(&minutes, &[Window::minutes(5)], at(600)), []);
        let hour = quantiles(&minutes, &[Window::minutes(5), Window::hours(1)], at(600));
        assert_eq!(hour.iter().map(|(w, q)| (w.to_string(), q.count)).collect::<Vec<_>>(), [("1h".to_owned(), 1)]);
    }

    proptest! {
            #[test]
            fn a_time_is_kept_as_the_histogram_has_it(micros in 0_u64..10_000_000_000) {
                let histogram = Histogram::<u64>::new_with_bounds(1, LONGEST, DIGITS).unwrap();
                prop_assert_eq!(lowest(micros.clamp(1, LONGEST)), histogram.lowest_equivalent(micros.clamp(1, LONGEST)));
            }
            #[test]
            fn what_was_recorded_comes_back(times in proptest::collection::vec(0_u64..LONGEST * 2, 0..200)) {
                let mut all = Latencies::default();
                for micros in &times {
     all.record(*micros);
    }
                prop_assert_eq!(Latencies::decode(&all.encode()), all);
            }
            #[test]
            fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
                let _ = Latencies::decode(&bytes);
                let _ = quantiles(&[(at(0), bytes)], &[Window::minutes(5)], at(10));
            }
        }
}
