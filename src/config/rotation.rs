//! `[[rotation]]`: who is on call, in layers of turns with overrides above them.

use std::{ops::Range, sync::Arc};

use chrono::{NaiveDate, NaiveTime};
use chrono_tz::Tz;
use toml::Spanned;

use super::{
    people::{Taken, known, zone},
    section::Section,
};
use crate::domain::{Every, Hours, Interval, Layer, Override, Person, Rotation, Seat, Text, read_day, read_moment, read_time};

/// All `[[rotation]]` rows of `root`, and the names that they have, also those of rows with mistakes; `home` is the zone of those that
/// name none.
pub(super) fn rotations(root: &mut Section, people: &[Person], home: Tz) -> (Vec<Arc<Rotation>>, Vec<String>) {
    let (mut taken, mut names) = (Taken::default(), Vec::new());
    let mut read = |mut row: Section| {
        let name = row.name("name", "\"payments\"").filter(|n| taken.take(&row, "rotation", n));
        names.extend(name.as_ref().map(|n| n.get_ref().clone()));
        rotation(row, name, people, home)
    };
    let rotations = root.sections("rotation").into_iter().filter_map(&mut read).map(Arc::new).collect();
    (rotations, names)
}

/// When a layer turns; what a layer does not say, the rotation says.
#[derive(Clone, Copy)]
struct Timing {
    every: Option<Every>,
    at: Option<NaiveTime>,
    start: Option<NaiveDate>,
    /// Which of them were written, well or not.
    said: [bool; 3],
}

/// A layer and where it stands.
struct Placed {
    layer: Layer,
    span: Range<usize>,
}

fn rotation(mut row: Section, name: Option<Spanned<String>>, people: &[Person], home: Tz) -> Option<Rotation> {
    let named_zone = zone(&mut row, "time_zone");
    let well = named_zone.is_some() || !row.has("time_zone");
    let zone = named_zone.unwrap_or(home);
    let timing = Timing::read(&mut row);
    let own = row.has("participants");
    let (participants, only) = (participants(&mut row, people), hours(&mut row));
    let mut layers = Vec::new();
    if own {
        layers
            .push(timing.layer(&row, Seat::Primary, participants, only).map(|layer| Placed { layer, span: row.key_span("participants") }));
    } else if row.has("only") {
        row.error_with_help(&row.key_span("only"), "`only` without `participants`", "move it into [[rotation.layers]]");
    }
    layers.extend(row.sections("layers").into_iter().map(|table| layer(table, timing, people)));
    if !own && !row.has("layers") {
        row.missing("participants", "[\"maya\", \"jon\"]");
    }
    let overrides: Vec<_> = row.sections("overrides").into_iter().map(|table| over(table, zone, people)).collect();
    let layers: Option<Vec<Placed>> = layers.into_iter().collect();
    warn_of_hidden(&row, layers.as_deref().unwrap_or_default());
    row.finish();
    let (layers, overrides) = (layers?.into_iter().map(|p| p.layer).collect(), overrides.into_iter().collect::<Option<Vec<_>>>()?);
    Rotation::new(Text::clean(name?.get_ref()), zone, layers, overrides).ok().filter(|_| well)
}

impl Timing {
    fn read(row: &mut Section) -> Self {
        let said = ["handoff", "at", "start"].map(|key| row.has(key));
        let every = row.parsed::<Every>("handoff").map(Spanned::into_inner);
        let at = read(row, "at", "a time of day such as \"09:00\"", read_time);
        Self { every, at, start: read(row, "start", "a day such as \"2026-01-05\"", read_day), said }
    }
    /// These, and `other` where these say nothing.
    fn or(self, other: Self) -> Self {
        let [every, at, start] = self.said;
        let [other_every, other_at, other_start] = other.said;
        Self {
            every: if every { self.every } else { other.every },
            at: if at { self.at } else { other.at },
            start: if start { self.start } else { other.start },
            said: [every || other_every, at || other_at, start || other_start],
        }
    }
    /// The layer that turns so; what is missing is an error at `row`.
    fn layer(self, row: &Section, seat: Seat, participants: Option<Vec<Text>>, only: Option<Vec<Hours>>) -> Option<Layer> {
        let examples = [("handoff", "\"weekly\""), ("at", "\"09:00\""), ("start", "\"2026-01-05\"")];
        for ((key, example), said) in examples.into_iter().zip(self.said) {
            if !said {
                row.missing(key, example);
            }
        }
        let first = self.start?.and_time(self.at?);
        Some(Layer { seat, participants: participants?, every: self.every?, first, only: only? })
    }
}

fn layer(mut table: Section, rotation: Timing, people: &[Person]) -> Option<Placed> {
    let seat = seat(&mut table);
    if !table.has("participants") {
        table.missing("participants", "[\"maya\", \"jon\"]");
    }
    let timing = Timing::read(&mut table).or(rotation);
    let (participants, only) = (participants(&mut table, people), hours(&mut table));
    let layer = timing.layer(&table, seat?, participants, only);
    let span = table.span();
    table.finish();
    Some(Placed { layer: layer?, span })
}

/// `seat`, the primary one if nothing is said; `None` after a mistake.
fn seat(table: &mut Section) -> Option<Seat> {
    if !table.has("seat") {
        // Asked for all the same, so that a misspelt key is told what it may have meant.
        table.str("seat");
        return Some(Seat::Primary);
    }
    let word = table.one_of("seat", &Seat::ALL.map(Seat::word))?;
    Seat::ALL.into_iter().find(|seat| seat.word() == *word.get_ref())
}

/// `participants`, each a person; `None` after a mistake.
fn participants(row: &mut Section, people: &[Person]) -> Option<Vec<Text>> {
    let span = row.key_span("participants");
    let names = row.strings("participants")?;
    if names.is_empty() {
        row.error_with_help(&span, "`participants` is empty", "name at least one [[person]]");
        return None;
    }
    let found: Vec<_> = names.iter().filter(|name| is_person(row, name, people)).map(|name| Text::clean(name.get_ref())).collect();
    (found.len() == names.len()).then_some(found)
}

fn is_person(row: &Section, name: &Spanned<String>, people: &[Person]) -> bool {
    known(row, "person", name, people.iter().map(|p| p.name.as_str()))
}

/// `only`, hours of the week; empty if nothing is said, `None` after a mistake.
fn hours(row: &mut Section) -> Option<Vec<Hours>> {
    if !row.has("only") {
        row.strings("only");
        return Some(Vec::new());
    }
    let span = row.key_span("only");
    let texts = row.strings("only")?;
    if texts.is_empty() {
        row.error_with_help(&span, "`only` is empty", "leave it out for all hours, or write such as [\"mon-fri 09:00-18:00\"]");
        return None;
    }
    let read: Vec<_> = texts.iter().map(|text| row.parse::<Hours>(text).map(Spanned::into_inner)).collect();
    read.into_iter().collect()
}

fn over(mut table: Section, zone: Tz, people: &[Person]) -> Option<Override> {
    let who = table.required_str("who", "\"maya\"").filter(|who| is_person(&table, who, people));
    let seat = seat(&mut table);
    for key in ["from", "to"] {
        if !table.has(key) {
            table.missing(key, "\"2026-12-24 18:00\"");
        }
    }
    let told = "a time such as \"2026-12-24 18:00\", or with an offset \"2026-12-24T18:00:00+01:00\"";
    let (from, to) = (read(&mut table, "from", told, |t| read_moment(t, zone)), read(&mut table, "to", told, |t| read_moment(t, zone)));
    let backwards = from.zip(to).is_some_and(|(from, to)| from >= to);
    if backwards {
        table.error(&table.key_span("to"), "`to` is not after `from`");
    }
    table.finish();
    let over = Override { who: Text::clean(who?.get_ref()), seat: seat?, during: Interval { from: from?, to: to? } };
    (!backwards).then_some(over)
}

/// A text that `meaning` understands; `told` says what it should be.
fn read<T>(row: &mut Section, key: &str, told: &str, meaning: impl Fn(&str) -> Option<T>) -> Option<T> {
    let text = row.str(key)?;
    let read = meaning(text.get_ref());
    if read.is_none() {
        row.error(&text.span(), &format!("`{key}` is {told}"));
    }
    read
}

/// Warn of layers in which nobody ever has a turn, because an open one of the same seat lies over all of it.
fn warn_of_hidden(row: &Section, layers: &[Placed]) {
    for (n, lower) in layers.iter().enumerate() {
        let hides = |upper: &&Placed| {
            let (upper, lower) = (&upper.layer, &lower.layer);
            upper.seat == lower.seat && upper.only.is_empty() && upper.first <= lower.first
        };
        if let Some(upper) = layers.iter().skip(n + 1).find(hides) {
            let line = row.document().line_of(upper.span.start) + 1;
            row.warning(
                &lower.span,
                &format!("nobody ever has a turn here: the layer on line {line} lies over it"),
                "limit that one with `only`, or give it a later `start`",
            );
        }
    }
}
