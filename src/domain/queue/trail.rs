//! What was seen of a queue before: marks of the last minutes, for rates; a cell a minute for an hour, for the sparkline and for what is
//! usual here; and since when nothing has moved.
//!
//! A counter that fell began anew: nothing is known of what happened meanwhile, so the time between is left out, and rates do not jump.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::QueueSample;

/// How far back rates look.
const RATES: TimeDelta = TimeDelta::minutes(1);
/// How far back marks are kept.
const MARKS: TimeDelta = TimeDelta::minutes(5);
/// How much two readings of one age differ for no reason, where it is a gauge in whole seconds.
const COARSE: TimeDelta = TimeDelta::milliseconds(1_500);
/// The most marks kept, however often the source is asked.
const MOST: usize = 64;

/// A queue as one poll saw it, narrowed to what successive polls are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueMark {
    /// When.
    pub at: DateTime<Utc>,
    /// [`QueueSample::ready`].
    pub ready: Option<u64>,
    /// [`QueueSample::in_flight`].
    pub in_flight: Option<u64>,
    /// [`QueueSample::failed`].
    pub failed: Option<u64>,
    /// [`QueueSample::oldest_at`].
    pub oldest_at: Option<DateTime<Utc>>,
    /// [`QueueSample::consumers`].
    pub consumers: Option<u64>,
    /// [`QueueSample::entered`].
    pub entered: Option<u64>,
    /// [`QueueSample::taken`].
    #[serde(default)]
    pub taken: Option<u64>,
    /// [`QueueSample::left`].
    pub left: Option<u64>,
    /// [`QueueSample::waits`].
    pub waits: Option<bool>,
    /// [`QueueSample::coarse`].
    #[serde(default)]
    pub coarse: bool,
}

impl QueueMark {
    /// What is kept of a sample.
    pub fn of(sample: &QueueSample, at: DateTime<Utc>) -> Self {
        Self {
            at,
            ready: sample.ready,
            in_flight: sample.in_flight,
            failed: sample.failed,
            oldest_at: sample.oldest_at,
            consumers: sample.consumers,
            entered: sample.entered,
            taken: sample.taken,
            left: sample.left,
            waits: sample.waits(),
            coarse: sample.coarse,
        }
    }
    /// Whether work got done between this mark and the `next`: the counter of what was finished tells, else whether the oldest job is
    /// another one, else whether fewer wait. `None` if none of these can tell, or if the counter began anew.
    pub fn moved(&self, next: &Self) -> Option<bool> {
        if let Some((was, is)) = self.left.zip(next.left) {
            return (is >= was).then_some(is > was);
        }
        if let Some((was, is)) = self.oldest_at.zip(next.oldest_at) {
            let jitter = if self.coarse || next.coarse { COARSE } else { TimeDelta::zero() };
            return Some(is - was > jitter);
        }
        let (was, is) = self.ready.zip(next.ready)?;
        (is < was).then_some(true)
    }
    /// Whether what waited at this mark waits at the `next` still, longer by the time between.
    pub fn aged(&self, next: &Self) -> bool {
        let older = self.oldest_at.zip(next.oldest_at).map(|(was, is)| (is - was) * 2 < next.at - self.at);
        let waited = self.waits == Some(true) && next.waits == Some(true);
        // Where nobody tells ages: what was not taken has got older.
        waited && older.unwrap_or_else(|| self.ready.zip(next.ready).is_some_and(|(was, is)| is >= was))
    }
}

/// One minute of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QueueCell {
    /// The most that waited; `None` if nothing was seen, or not told.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<u64>,
    /// Jobs finished, and in how many seconds.
    #[serde(rename = "f", default, skip_serializing_if = "is_nothing")]
    pub finished: (u64, f32),
    /// Jobs come in, and in how many seconds.
    #[serde(rename = "e", default, skip_serializing_if = "is_nothing")]
    pub entered: (u64, f32),
}

fn is_nothing(counted: &(u64, f32)) -> bool {
    counted.1 <= 0.0
}

/// What was seen of one queue, up to now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QueueTrail {
    /// The last minutes, oldest first.
    pub marks: Vec<QueueMark>,
    /// The minute of the first cell, counted from 1970.
    pub start: i64,
    /// The last hour, oldest first.
    pub cells: Vec<QueueCell>,
    /// Since when work has waited and none got done, as far as could be told; `None` while it moves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing_since: Option<DateTime<Utc>>,
    /// Whether it was seen to move just before that, so that this is when it began.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub seen_to_stop: bool,
    /// Since when nothing has been taken while work waited, by the system's own counter: what was first then is first still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untaken_since: Option<DateTime<Utc>>,
}

impl QueueTrail {
    /// Cells kept: an hour.
    pub const KEEP: usize = 60;

    /// Go on with what was seen next; what is not newer than the last is passed over.
    pub fn push(&mut self, mark: QueueMark) {
        let before = self.marks.last().copied();
        if before.is_some_and(|b| b.at >= mark.at) {
            return;
        }
        self.stand(before.as_ref(), &mark);
        self.count(before.as_ref(), &mark);
        self.marks.push(mark);
        // One that is older than needed stays, so that the oldest stretch has a beginning.
        let outside = self.marks.iter().take_while(|m| mark.at - m.at > MARKS).count().saturating_sub(1);
        let surplus = outside.max(self.marks.len().saturating_sub(MOST));
        self.marks.drain(..surplus);
    }

    fn stand(&mut self, before: Option<&QueueMark>, mark: &QueueMark) {
        let moved = before.and_then(|b| b.moved(mark));
        let untaken = |b: &&QueueMark| b.waits == Some(true) && mark.waits == Some(true) && b.taken.is_some() && b.taken == mark.taken;
        self.untaken_since = before.filter(untaken).map(|b| self.untaken_since.unwrap_or(b.at));
        match mark.waits {
            Some(true) if moved != Some(true) => {
                // A stretch begins where it was seen first; what could not be told goes on as it was.
                if self.standing_since.is_none() {
                    let still = moved == Some(false) && before.is_some_and(|b| b.aged(mark));
                    self.standing_since = Some(if still { before.map_or(mark.at, |b| b.at) } else { mark.at });
                    self.seen_to_stop = before.is_some();
                }
            }
            // Not told whether anything waits: nothing is known anew.
            None if moved != Some(true) => {}
            _ => (self.standing_since, self.seen_to_stop) = (None, false),
        }
    }

    fn count(&mut self, before: Option<&QueueMark>, mark: &QueueMark) {
        let Some(cell) = self.cell(mark.at) else { return };
        cell.depth = cell.depth.max(mark.ready);
        let Some(before) = before else { return };
        let secs = secs(mark.at - before.at) as f32;
        let mut add = |into: fn(&mut QueueCell) -> &mut (u64, f32), grown: Option<u64>| {
            if let Some(grown) = grown {
                let sum = into(cell);
                *sum = (sum.0.saturating_add(grown), sum.1 + secs);
            }
        };
        add(|c| &mut c.finished, growth(before.left, mark.left));
        add(|c| &mut c.entered, growth(before.entered, mark.entered));
    }

    /// The cell of a time, made if it is not there yet; `None` for one before the first.
    fn cell(&mut self, at: DateTime<Utc>) -> Option<&mut QueueCell> {
        let minute = at.timestamp().div_euclid(60);
        let keep = Self::KEEP as i64;
        if self.cells.is_empty() || minute >= self.start + self.cells.len() as i64 + keep {
            self.cells.clear();
            self.start = minute;
        }
        let place = usize::try_from(minute - self.start).ok()?;
        if place >= self.cells.len() {
            self.cells.resize(place + 1, QueueCell::default());
        }
        let surplus = self.cells.len().saturating_sub(Self::KEEP);
        self.cells.drain(..surplus);
        self.start += surplus as i64;
        self.cells.get_mut(place - surplus)
    }

    /// Jobs a second that came in and that were finished over the last minute (or between the last two polls, if that is longer); `None`
    /// where the system does not count.
    pub fn rates(&self) -> (Option<f64>, Option<f64>) {
        let Some(last) = self.marks.last() else { return (None, None) };
        let pairs = || self.marks.windows(2).rev().filter_map(|p| Some((p.first()?, p.last()?)));
        let near = || pairs().enumerate().take_while(|(n, (from, _))| *n == 0 || last.at - from.at <= RATES).map(|(_, pair)| pair);
        let rate = |of: fn(&QueueMark) -> Option<u64>| {
            let grown = near().filter_map(|(a, b)| Some((growth(of(a), of(b))?, secs(b.at - a.at))));
            let (jobs, secs) = grown.fold((0_u64, 0.0), |(jobs, all), (grown, secs)| (jobs.saturating_add(grown), all + secs));
            (secs > 0.0).then(|| jobs as f64 / secs)
        };
        (rate(|m| m.entered), rate(|m| m.left))
    }

    /// The longest that it took, over the last minutes before `until`, from one sign that work is taken to the next while work waited;
    /// `None` if no two were seen.
    pub fn longest_wait(&self, until: DateTime<Utc>) -> Option<TimeDelta> {
        let (mut longest, mut from) = (None, None);
        for (before, mark) in self.marks.iter().zip(self.marks.iter().skip(1)).take_while(|(_, mark)| mark.at <= until) {
            // What came in and does not wait was taken.
            let came_and_went = mark.waits == Some(false) && growth(before.entered, mark.entered).is_some_and(|n| n > 0);
            if before.moved(mark) == Some(true) || came_and_went {
                longest = longest.max(from.map(|from| mark.at - from));
                from = Some(mark.at);
            } else if mark.waits != Some(true) {
                from = Some(mark.at);
            }
        }
        longest
    }

    /// Jobs a second that are usually finished, over the hour before `until`; `None` if that was not counted.
    pub fn usual(&self, until: DateTime<Utc>) -> Option<f64> {
        let end = usize::try_from(until.timestamp().div_euclid(60) - self.start + 1).unwrap_or(0);
        let (jobs, secs) = self
            .cells
            .iter()
            .take(end)
            .fold((0_u64, 0.0_f64), |(jobs, secs), c| (jobs.saturating_add(c.finished.0), secs + f64::from(c.finished.1)));
        (secs > 0.0).then(|| jobs as f64 / secs)
    }

    /// Whether nothing has waited and nothing has moved for all that is known.
    pub fn is_idle(&self) -> bool {
        self.cells.iter().all(|cell| cell.depth.is_none_or(|depth| depth == 0) && cell.finished.0 == 0 && cell.entered.0 == 0)
    }

    /// How many more have been given up over the last minutes; 0 if that is not told.
    pub fn failed_grew(&self) -> u64 {
        let grown = self.marks.windows(2).filter_map(|p| growth(p.first()?.failed, p.last()?.failed));
        grown.fold(0, u64::saturating_add)
    }
}

/// How much a counter grew; `None` if it is not there or began anew.
fn growth(was: Option<u64>, is: Option<u64>) -> Option<u64> {
    is?.checked_sub(was?)
}

fn secs(span: TimeDelta) -> f64 {
    span.num_milliseconds() as f64 / 1_000.0
}
