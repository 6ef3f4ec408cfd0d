//! A whole feed: its events put together with their exceptions, and who is on duty by them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use regex::Regex;

use super::{
    event::{Event, Zones},
    lines::{Component, calendars},
    recur::Steps,
    zone,
};
use crate::domain::{Duty, Interval, Seat, Text};

/// How many steps are taken through the rules of one feed: a shift an hour for fifty years.
const STEPS: usize = 500_000;

/// How the events of a feed are to be understood.
#[derive(Clone, Debug)]
pub struct Reader {
    /// Of which rotation they are.
    pub rotation: Text,
    /// Of which seat.
    pub seat: Seat,
    /// What the summary of a duty looks like, with who it is as its first group; events of another look are none.
    pub summary: Option<Regex>,
    /// The zone of days and of times that name none, before that of the calendar itself.
    pub time_zone: Option<Tz>,
}

/// What a feed says.
#[derive(Clone, Debug, PartialEq)]
pub struct Feed {
    /// By time.
    pub duties: Vec<Duty>,
    /// What of it could not be read, or is a guess.
    pub trouble: Option<String>,
}

impl Reader {
    /// The duties of `body` that touch `between`; `None` if it is no calendar, or not a whole one.
    pub fn read(&self, body: &[u8], between: Interval) -> Option<Feed> {
        let (mut duties, mut troubles, mut steps) = (Vec::new(), Troubles::default(), Steps(STEPS));
        for calendar in calendars(body)? {
            let (zones, guess) = self.zones(&calendar);
            let mut events = Vec::new();
            for part in calendar.parts("VEVENT") {
                troubles.events += 1;
                match Event::read(part, &zones) {
                    Ok(event) => {
                        troubles.guess |= guess && is_without_zone(part);
                        events.push(event);
                    }
                    Err(why) => troubles.add(why),
                }
            }
            self.duties(events, between, &mut steps, &mut duties, &mut troubles);
        }
        duties.sort_by(|a, b| (a.during.from, a.during.to, &a.title).cmp(&(b.during.from, b.during.to, &b.title)));
        Some(Feed { duties, trouble: troubles.said() })
    }

    /// Zones of a calendar, and whether that of times without one is a guess.
    fn zones(&self, calendar: &Component) -> (Zones, bool) {
        let told: BTreeMap<_, _> = calendar
            .parts("VTIMEZONE")
            .filter_map(|z| Some((z.line("TZID")?.value.trim().to_owned(), z.line("X-LIC-LOCATION")?.value.trim().to_owned())))
            .collect();
        let own = || calendar.line("X-WR-TIMEZONE").and_then(|l| zone::zone(&l.value, &told));
        let home = self.time_zone.or_else(own);
        (Zones { home: home.unwrap_or(Tz::UTC), told }, home.is_none())
    }
    fn duties(&self, events: Vec<Event>, between: Interval, steps: &mut Steps, duties: &mut Vec<Duty>, troubles: &mut Troubles) {
        let events = newest(events);
        let mut exceptions: BTreeMap<&str, BTreeSet<DateTime<Utc>>> = BTreeMap::new();
        for event in &events {
            exceptions.entry(&event.uid).or_default().extend(event.instead_of);
        }
        let none = BTreeSet::new();
        for event in events.iter().filter(|e| !e.cancelled) {
            if event.and_later {
                troubles.add("an exception for all later occurrences is not understood".to_owned());
            }
            let Some(title) = self.title(&event.summary) else { continue };
            if title.is_empty() && event.emails.is_empty() {
                troubles.add("it names nobody".to_owned());
                continue;
            }
            let elsewhere = if event.instead_of.is_some() { &none } else { exceptions.get(event.uid.as_str()).unwrap_or(&none) };
            match event.occurrences(between, elsewhere, steps) {
                Ok(all) => duties.extend(all.into_iter().map(|during| Duty {
                    rotation: self.rotation.clone(),
                    seat: self.seat,
                    title: title.clone(),
                    emails: event.emails.iter().map(|e| Text::clean(e)).collect(),
                    during,
                })),
                Err(why) => troubles.add(why),
            }
        }
    }
    /// Who a summary names; `None` if it is not that of a duty.
    fn title(&self, summary: &str) -> Option<Text> {
        let summary = summary.trim();
        let Some(look) = &self.summary else { return Some(Text::clean(summary)) };
        let found = look.captures(summary)?;
        found.get(1).or_else(|| found.get(0)).map(|m| Text::clean(m.as_str().trim()))
    }
}

/// Of events that stand there more than once the one that was changed last.
fn newest(events: Vec<Event>) -> Vec<Event> {
    let mut kept: BTreeMap<_, Event> = BTreeMap::new();
    for (n, event) in events.into_iter().enumerate() {
        // An event without a name of its own is like no other.
        let own = if event.uid.is_empty() { n + 1 } else { 0 };
        let key = (event.uid.clone(), own, event.instead_of, event.begins_if_plain());
        match kept.get(&key) {
            Some(other) if other.sequence > event.sequence => {}
            _ => drop(kept.insert(key, event)),
        }
    }
    kept.into_values().collect()
}

impl Event {
    /// Its beginning, unless it is an exception: that may have been moved.
    fn begins_if_plain(&self) -> Option<DateTime<Utc>> {
        self.instead_of.is_none().then(|| self.begins())
    }
}

fn is_without_zone(event: &Component) -> bool {
    event.line("DTSTART").is_some_and(|l| l.param("TZID").is_none() && !l.value.trim().ends_with('Z'))
}

/// What went wrong.
#[derive(Debug, Default)]
struct Troubles {
    events: usize,
    unread: usize,
    first: Option<String>,
    guess: bool,
}

impl Troubles {
    fn add(&mut self, why: String) {
        self.unread += 1;
        self.first.get_or_insert(why);
    }
    fn said(self) -> Option<String> {
        let unread = self.first.map(|why| format!("{} of {} events not read: {why}", self.unread, self.events));
        let guess = self.guess.then(|| "times without a zone are taken for UTC; set `time_zone`".to_owned());
        let all: Vec<_> = unread.into_iter().chain(guess).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

#[cfg(test)]
mod tests;
