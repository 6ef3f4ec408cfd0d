//! Answers of a Prometheus, from JSON to counts.
//!
//! Texts are borrowed from the body wherever they hold no escapes; ten thousand groups cost little more than their own names. A value
//! that is no finite number never becomes a count, and a side that is missing means zero only where the definition says so.

use std::{borrow::Cow, collections::HashMap, fmt};

use chrono::{DateTime, Utc};
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};

use super::{
    failure::{json_trouble, shorten},
    promql::{COVERED, LOOKS, PART, TAG, TOTAL},
};
use crate::domain::{Counted, Definition, EventCounts, Group, GroupCounts, Interval, Side, Sli, Text, Untrusted, Window};

/// How many warnings of one answer are shown.
const WARNINGS: usize = 3;

/// Why a body is no answer.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadAnswer {
    /// Not JSON, cut off, or JSON of another shape.
    #[error("the answer is not what a Prometheus sends ({0})")]
    Shape(String),
    /// The server says that it failed.
    #[error("the server could not answer: {0}")]
    Said(String),
}

/// What came, and why it may not be whole.
pub type Decoded<T> = Result<(T, Option<Text>), BadAnswer>;

/// One point of a line: when, and how much; `None` if there was no sample, or none that is a number of events.
pub type Point = (DateTime<Utc>, Option<EventCounts>);

/// The answer to `promql::counts`: counts of every group, in the order of the groups. One whose value is no number has none, and the
/// answer says that it is not whole.
pub fn counts(body: &[u8], definition: &Definition) -> Decoded<Vec<GroupCounts>> {
    let (lines, partial) = lines(body)?;
    let mut table: Table<'_, [Seen; 3]> = Table::new(definition);
    for line in &lines {
        let row = table.row(line);
        for (slot, tag) in row.iter_mut().zip([PART, TOTAL, COVERED]) {
            if line.metric.get(TAG) == Some(tag) {
                *slot = line.value.as_ref().map_or(Seen::Missing, |sample| Seen::from(sample.1.0));
            }
        }
    }
    let row = |(group, [part, total, covered]): (Group, [Seen; 3])| {
        let covered = if let Seen::Number(looks) = covered { Some((looks / f64::from(LOOKS)).clamp(0.0, 1.0)) } else { None };
        GroupCounts { group, counts: sum_up(&definition.sli, part, total), covered, partial: false }
    };
    let groups = table.sorted();
    let odd = groups.iter().filter(|(_, [part, total, _])| [part, total].contains(&&Seen::NoNumber)).count();
    let partial = match boundless(definition, &groups) {
        Some(said) => Some(said_too(partial, &said)),
        None => partial,
    };
    Ok((groups.into_iter().map(row).collect(), with_odd(partial, odd)))
}

/// That no group has a bucket up to the bound that its definition asks for.
fn boundless(definition: &Definition, groups: &[(Group, [Seen; 3])]) -> Option<String> {
    let Sli::Latency(latency) = &definition.sli else { return None };
    let none = !groups.is_empty() && groups.iter().all(|(_, [part, ..])| *part == Seen::Missing);
    let which = || format!("{} has no bucket up to {}; `burnwatch check --live` tells which there are", latency.histogram, latency.under);
    none.then(which)
}

fn said_too(said: Option<Text>, more: &str) -> Text {
    Text::clean(&said.map_or_else(|| more.to_owned(), |said| format!("{said}; {more}")))
}

/// What the server said of its answer, and that `odd` groups could not be taken from it.
fn with_odd(partial: Option<Text>, odd: usize) -> Option<Text> {
    if odd == 0 { partial } else { Some(said_too(partial, &format!("{odd} groups left out: their counts are no finite number"))) }
}

/// The answer to `promql::queues`: of each series its group, its tag and its value.
pub fn tagged(body: &[u8], by: &[String]) -> Decoded<Vec<(Group, String, f64)>> {
    let (lines, partial) = lines(body)?;
    let value = |line: &Line<'_>| {
        let group = Group(by.iter().map(|label| Untrusted::new(line.metric.get(label).unwrap_or_default())).collect());
        Some((group, line.metric.get(TAG)?.to_owned(), line.value.as_ref()?.1.0))
    };
    Ok((lines.iter().filter_map(value).collect(), partial))
}

/// A time that a server wrote as seconds, if it is one.
pub fn time_of(secs: f64) -> Option<DateTime<Utc>> {
    instant(secs)
}

/// The answer to `promql::presence`: when each group's newest sample was taken.
pub fn presence(body: &[u8], definition: &Definition) -> Decoded<Vec<(Group, DateTime<Utc>)>> {
    let (lines, partial) = lines(body)?;
    let mut table: Table<'_, Option<DateTime<Utc>>> = Table::new(definition);
    for line in &lines {
        *table.row(line) = line.value.as_ref().and_then(|sample| instant(sample.1.0));
    }
    Ok((table.sorted().into_iter().filter_map(|(group, at)| Some((group, at?))).collect(), partial))
}

/// The answer to `promql::history`: a point for every `step` of `span`, both ends included.
pub fn history(body: &[u8], definition: &Definition, span: Interval, step: Window) -> Decoded<Vec<(Group, Vec<Point>)>> {
    let (lines, partial) = lines(body)?;
    let grid = Grid { span, step };
    let mut table: Table<'_, [Vec<Seen>; 2]> = Table::new(definition);
    for line in &lines {
        for (slot, tag) in table.row(line).iter_mut().zip([PART, TOTAL]) {
            if line.metric.get(TAG) == Some(tag) {
                *slot = grid.lay(&line.values);
            }
        }
    }
    let row = |(group, [part, total]): (Group, [Vec<Seen>; 2])| {
        let at = |side: &[Seen], n| side.get(n).copied().unwrap_or_default();
        let point = |(n, when)| (when, sum_up(&definition.sli, at(&part, n), at(&total, n)));
        (group, grid.times().enumerate().map(point).collect())
    };
    Ok((table.sorted().into_iter().map(row).collect(), partial))
}

/// The answer to `promql::start`: by tag, what was seen of `group` at every `step` of `span`.
pub fn by_tag(body: &[u8], definition: &Definition, group: &Group, span: Interval, step: Window) -> Decoded<HashMap<String, Vec<Seen>>> {
    let (lines, partial) = lines(body)?;
    let grid = Grid { span, step };
    let same = |line: &&Line<'_>| {
        definition.by.iter().zip(&group.0).all(|(label, value)| line.metric.get(label).unwrap_or_default() == value.raw())
    };
    Ok((lines.iter().filter(same).filter_map(|line| Some((line.metric.get(TAG)?.to_owned(), grid.lay(&line.values)))).collect(), partial))
}

/// The answer to `promql::bounds`: each way in which a bound is written.
pub fn bounds(body: &[u8]) -> Decoded<Vec<String>> {
    let (lines, partial) = lines(body)?;
    Ok((lines.iter().filter_map(|line| line.metric.get("le").map(str::to_owned)).collect(), partial))
}

/// One side of the events, as it was found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Seen {
    /// The server has no such series.
    #[default]
    Missing,
    /// It has, and its value is NaN or infinite.
    NoNumber,
    /// A finite number.
    Number(f64),
}

impl From<f64> for Seen {
    fn from(value: f64) -> Self {
        if value.is_finite() { Self::Number(value) } else { Self::NoNumber }
    }
}

/// Two sides as counts; `None` where one is not known.
pub fn sum_up(sli: &Sli, part: Seen, total: Seen) -> Option<EventCounts> {
    let (told, missing_is_zero) = match sli {
        Sli::Queries(queries) => (queries.told, queries.missing_is_zero),
        sli => {
            let ratio = sli.ratio()?;
            (if ratio.part == Side::Good { Counted::Good } else { Counted::Bad }, ratio.missing_is_zero)
        }
    };
    let (part, total) = match (part, total) {
        // A share of nothing is no number, and nothing is bad then.
        (Seen::NoNumber | Seen::Missing, Seen::Number(0.0)) if told == Counted::BadShare => (0.0, 0.0),
        (Seen::Number(part), Seen::Number(total)) => (part, total),
        (Seen::Missing, Seen::Number(total)) if missing_is_zero => (0.0, total),
        // Events of a kind without events at all contradict each other: only nothing of nothing is believed.
        (Seen::Number(part), Seen::Missing) if missing_is_zero && part == 0.0 => (0.0, 0.0),
        _ => return None,
    };
    let bad = match told {
        Counted::Good => total - part,
        Counted::Bad => part,
        Counted::BadShare => part * total,
    };
    EventCounts::new(bad, total)
}

/// Evenly spaced instants.
#[derive(Clone, Copy)]
pub struct Grid {
    /// First and last instant.
    pub span: Interval,
    /// From one to the next.
    pub step: Window,
}

impl Grid {
    fn len(self) -> usize {
        (self.span.secs() / self.step.secs_f64()) as usize + 1
    }
    /// The instants.
    pub fn times(self) -> impl Iterator<Item = DateTime<Utc>> {
        (0..self.len()).map(move |n| self.span.from + self.step.delta() * i32::try_from(n).unwrap_or(i32::MAX))
    }
    /// What was seen at each instant.
    fn lay(self, samples: &[Sample]) -> Vec<Seen> {
        let mut out = vec![Seen::Missing; self.len()];
        let from = self.span.from.timestamp_millis() as f64 / 1e3;
        for Sample(at, value) in samples {
            let place = ((at - from) / self.step.secs_f64()).round();
            if place >= 0.0
                && let Some(slot) = out.get_mut(place as usize)
            {
                *slot = Seen::from(value.0);
            }
        }
        out
    }
}

/// Rows by group.
struct Table<'a, T> {
    by: &'a [String],
    places: HashMap<Cow<'a, str>, usize>,
    rows: Vec<(Group, T)>,
    spare: T,
}

impl<'a, T: Default> Table<'a, T> {
    fn new(definition: &'a Definition) -> Self {
        Self { by: &definition.by, places: HashMap::new(), rows: Vec::new(), spare: T::default() }
    }
    /// The row of the group that a line belongs to. A label that is missing counts as empty, as it does there.
    fn row(&mut self, line: &'a Line<'_>) -> &mut T {
        let value = |label: &String| line.metric.get(label).unwrap_or_default();
        let key = match self.by {
            [label] => Cow::Borrowed(value(label)),
            // A unit separator between them; labels that hold one collide with nothing that lacks it.
            by => Cow::Owned(by.iter().map(|l| value(l).replace('\u{1f}', "\u{1f}\u{1f}")).collect::<Vec<_>>().join("\u{1f}.")),
        };
        let next = self.rows.len();
        let place = *self.places.entry(key).or_insert(next);
        if place == next {
            self.rows.push((Group(self.by.iter().map(|l| Untrusted::new(value(l))).collect()), T::default()));
        }
        // The place was just made sure of.
        self.rows.get_mut(place).map_or(&mut self.spare, |(_, row)| row)
    }
    fn sorted(mut self) -> Vec<(Group, T)> {
        self.rows.sort_by(|a, b| a.0.cmp(&b.0));
        self.rows
    }
}

/// A time that a server wrote as seconds.
fn instant(secs: f64) -> Option<DateTime<Utc>> {
    if secs.is_finite() { DateTime::from_timestamp_millis((secs * 1e3).round() as i64) } else { None }
}

fn lines(body: &[u8]) -> Result<(Vec<Line<'_>>, Option<Text>), BadAnswer> {
    let envelope: Envelope<'_> = serde_json::from_slice(body).map_err(|e| BadAnswer::Shape(json_trouble(&e)))?;
    if envelope.status != "success" {
        let kind = envelope.error_type.map_or_else(String::new, |k| format!("{}: ", k.0));
        return Err(BadAnswer::Said(shorten(&format!("{kind}{}", envelope.error.map_or(Cow::Borrowed("no reason given"), |e| e.0)))));
    }
    let warnings: Vec<_> = [envelope.warnings, envelope.infos].into_iter().flatten().flatten().map(|s| s.0).collect();
    let mut said: Vec<_> = warnings.iter().take(WARNINGS).map(AsRef::as_ref).collect();
    let more = format!("and {} more", warnings.len().saturating_sub(WARNINGS));
    if warnings.len() > WARNINGS {
        said.push(&more);
    }
    if envelope.is_partial == Some(true) {
        said.push("the server says that some of its stores did not answer");
    }
    let partial = (!said.is_empty()).then(|| Text::clean(&said.join("; ")));
    let data = envelope.data.ok_or_else(|| BadAnswer::Shape("`data` is missing".to_owned()))?;
    Ok((data.result.unwrap_or_default(), partial))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    status: &'a str,
    #[serde(borrow)]
    data: Option<Data<'a>>,
    #[serde(borrow)]
    error_type: Option<Str<'a>>,
    #[serde(borrow)]
    error: Option<Str<'a>>,
    #[serde(borrow)]
    warnings: Option<Vec<Str<'a>>>,
    #[serde(borrow)]
    infos: Option<Vec<Str<'a>>>,
    is_partial: Option<bool>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    result: Option<Vec<Line<'a>>>,
}

/// One series of a vector (`value`) or a matrix (`values`); histograms are passed over.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    metric: Pairs<'a>,
    value: Option<Sample>,
    #[serde(default)]
    values: Vec<Sample>,
}

/// Unix seconds and a value.
#[derive(Deserialize)]
struct Sample(f64, Number);

/// A number that travels as text: `"0.5"`, `"NaN"`, `"+Inf"`.
struct Number(f64);

/// Text borrowed from the body unless it holds escapes.
struct Str<'a>(Cow<'a, str>);

/// Labels; there are few.
struct Pairs<'a>(Vec<(Str<'a>, Str<'a>)>);

impl Pairs<'_> {
    fn get(&self, label: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name.0 == label).map(|(_, value)| &*value.0)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Number;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number in quotes")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                text.parse().map(Number).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        from.deserialize_str(Read)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Str<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Str<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Str<'de>, E> {
                Ok(Str(Cow::Borrowed(text)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Str<'de>, E> {
                Ok(Str(Cow::Owned(text.to_owned())))
            }
            // What should be a word comes as a number from some servers, such as the kind of an error.
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Str<'de>, E> {
                Ok(Str(Cow::Owned(number.to_string())))
            }
        }
        from.deserialize_any(Read)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Pairs<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("labels")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::with_capacity(2);
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        from.deserialize_map(Read)
    }
}
