//! What to ask next. Pure: the plan, what was answered when, and what is on screen make the next [`Ask`].
//!
//! The samples a backend scans are its bill, and the long windows are most of it: windows under a day are asked each poll, longer ones
//! by their own cadence ([`SourcePlan::cadence`]); one question per definition and window however many SLOs fan out of it; the past of a
//! sparkline once, for the rows on screen, after which each poll brings its own tail.

use std::{cmp::Reverse, collections::HashMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    domain::{
        Ask, Definition, DefinitionId, Episode, Grade, Group, History, Interval, Lane, Plan, SloId, SloRow, Snapshot, SourcePlan, Want,
        Window,
    },
    sources::Gives,
};

/// From asking to asking who is on call.
const ON_CALL: TimeDelta = TimeDelta::minutes(5);
/// How far back and ahead duties are asked for: what fairness looks back on, and what a screen shows.
const DUTIES: (TimeDelta, TimeDelta) = (TimeDelta::days(30), TimeDelta::days(14));

/// When each want was last answered.
#[derive(Clone, Debug, Default)]
pub struct Answered(HashMap<Key, DateTime<Utc>>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Counts(DefinitionId, Window),
    History(DefinitionId, Group),
    Start(DefinitionId, Group, Grade),
    OnCall,
}

impl Answered {
    /// Remember that `want` was asked at `at` (an answer or a fault that asking again would not mend).
    pub fn note(&mut self, want: &Want, at: DateTime<Utc>) {
        match want {
            Want::Counts { definition, window } => drop(self.0.insert(Key::Counts(definition.clone(), *window), at)),
            Want::History { definition, groups, .. } => {
                self.0.extend(groups.iter().map(|g| (Key::History(definition.clone(), g.clone()), at)));
            }
            Want::Start { definition, group, grade } => {
                self.0.insert(Key::Start(definition.clone(), group.clone(), *grade), at);
            }
            Want::OnCall => drop(self.0.insert(Key::OnCall, at)),
            Want::Presence { .. } | Want::Alerts | Want::Scrape | Want::Probe | Want::Incidents | Want::Queues | Want::Duties { .. } => {}
        }
    }
}

/// What is on screen, and what is not yet known about it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Interest {
    /// Rows whose sparkline has no past yet.
    pub history: Vec<(DefinitionId, Group)>,
    /// Episodes of which nobody knows when they began; pages first.
    pub starts: Vec<(DefinitionId, Group, Grade)>,
}

impl Interest {
    /// What `visible` rows and the open episodes of a snapshot still lack.
    pub fn of(snapshot: &Snapshot, visible: &[SloId]) -> Self {
        let unknown = |e: &&Episode| e.ended_at.is_none() && e.since.is_none();
        let mut unknown: Vec<&Episode> = snapshot.episodes.values().filter(unknown).collect();
        unknown.sort_by_key(|e| Reverse(e.grade));
        if visible.is_empty() && unknown.is_empty() {
            return Self::default();
        }
        let rows: HashMap<&SloId, &SloRow> = snapshot.slos.iter().map(|r| (&r.id, &**r)).collect();
        let lacks = visible.iter().filter_map(|id| rows.get(id)).filter(|r| !r.history.filled);
        let starts = unknown.iter().filter_map(|e| Some((rows.get(&e.slo)?, e.grade)));
        Self {
            history: lacks.map(|r| (r.definition.id.clone(), r.group.clone())).collect(),
            starts: starts.map(|(r, grade)| (r.definition.id.clone(), r.group.clone(), grade)).collect(),
        }
    }

    /// Whether this should be asked at once rather than with the next poll, `before` having been known: sparklines of what has come on
    /// the screen, and when pages began. When tickets began is dear to ask (days in small steps) and can wait.
    pub fn is_urgent(&self, before: &Self) -> bool {
        let pages = || self.starts.iter().filter(|(_, _, grade)| *grade == Grade::Page);
        let news = self.history != before.history || !pages().eq(before.starts.iter().filter(|(_, _, grade)| *grade == Grade::Page));
        news && (!self.history.is_empty() || pages().next().is_some())
    }
}

/// The next ask of one lane of one source; empty if nothing is due.
pub fn schedule(
    plan: &Plan,
    source: &SourcePlan,
    gives: Gives,
    lane: Lane,
    answered: &Answered,
    interest: &Interest,
    at: DateTime<Utc>,
) -> Ask {
    let wants = match gives {
        Gives::Alerts => vec![Want::Alerts],
        Gives::Scrape => std::iter::once(Want::Scrape).chain(queues(plan, source)).collect(),
        Gives::Probe => vec![Want::Probe],
        Gives::Duties => vec![Want::Duties { between: Interval { from: at - DUTIES.0, to: at + DUTIES.1 } }],
        Gives::Queues => vec![Want::Queues],
        Gives::Incidents => incidents(source, answered, at),
        Gives::Metrics => metrics(plan, source, answered, interest, at),
    };
    Ask { wants: wants.into_iter().filter(|w| w.lane() == lane).collect() }
}

/// Incidents each poll; who is on call changes seldom, and backends hold such lists dearer: every five minutes.
fn incidents(source: &SourcePlan, answered: &Answered, at: DateTime<Utc>) -> Vec<Want> {
    let due = due(source, answered.0.get(&Key::OnCall), ON_CALL, at);
    std::iter::once(Want::Incidents).chain(due.then_some(Want::OnCall)).collect()
}

/// Whether what was last answered at `last` is to be asked again: a little early rather than a poll late, for ticks carry jitter; and
/// whenever the clock has been set back behind the answer.
fn due(source: &SourcePlan, last: Option<&DateTime<Utc>>, cadence: TimeDelta, at: DateTime<Utc>) -> bool {
    let slack = TimeDelta::from_std(source.every / 2).unwrap_or_default();
    last.is_none_or(|last| at + slack - *last >= cadence || at + slack < *last)
}

/// How queues stand, if the series of this source tell of some.
fn queues(plan: &Plan, source: &SourcePlan) -> Option<Want> {
    plan.gauges.iter().any(|gauges| gauges.source == source.name).then_some(Want::Queues)
}

fn metrics(plan: &Plan, source: &SourcePlan, answered: &Answered, interest: &Interest, at: DateTime<Utc>) -> Vec<Want> {
    let mut wants: Vec<Want> = queues(plan, source).into_iter().collect();
    for definition in plan.definitions.iter().filter(|d| d.source == source.name && !d.sli.is_tallied()) {
        wants.push(Want::Presence { definition: definition.id.clone() });
        let due = definition.windows().into_iter().filter(|w| {
            let cadence = TimeDelta::from_std(source.cadence(*w)).unwrap_or_default();
            due(source, answered.0.get(&Key::Counts(definition.id.clone(), *w)), cadence, at)
        });
        wants.extend(due.map(|window| Want::Counts { definition: definition.id.clone(), window }));
        wants.extend(past(definition, answered, interest, at));
    }
    wants.extend(start(plan, answered, interest, |d| d.source == source.name && !d.sli.is_tallied()));
    wants
}

/// The next beginning of an episode of `ours` to be found out. One at a time: each takes a look at hours or days.
pub fn start(plan: &Plan, answered: &Answered, interest: &Interest, ours: impl Fn(&Definition) -> bool) -> Option<Want> {
    let due = interest.starts.iter().find(|(d, g, grade)| {
        let ours = plan.definition(d).is_some_and(|d| ours(d));
        ours && !answered.0.contains_key(&Key::Start(d.clone(), g.clone(), *grade))
    });
    due.map(|(d, g, grade)| Want::Start { definition: d.clone(), group: g.clone(), grade: *grade })
}

fn past(definition: &Arc<Definition>, answered: &Answered, interest: &Interest, at: DateTime<Utc>) -> Option<Want> {
    let lacks =
        interest.history.iter().filter(|(d, g)| *d == definition.id && !answered.0.contains_key(&Key::History(d.clone(), g.clone())));
    let groups: Vec<Group> = lacks.map(|(_, g)| g.clone()).take(100).collect();
    let step = Window::from_secs(History::CELL.unsigned_abs())?;
    let to = DateTime::from_timestamp(at.timestamp().div_euclid(History::CELL) * History::CELL, 0)?;
    let from = to - TimeDelta::seconds(History::CELL * History::KEEP as i64);
    (!groups.is_empty()).then(|| Want::History { definition: definition.id.clone(), groups, window: definition.shortest(), from, to, step })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{domain::Untrusted, engine::fixture};

    fn plan() -> Plan {
        fixture::plan(vec![fixture::source("prom", "prometheus", 15)], vec![fixture::availability("prom", Window::days(30))])
    }

    /// Windows asked in `minutes` of polling every 15 s, and how often each.
    fn asked(minutes: i64) -> BTreeMap<String, usize> {
        let (plan, mut answered, mut times) = (plan(), Answered::default(), BTreeMap::new());
        for poll in 0..minutes * 4 {
            let at = DateTime::from_timestamp(1_800_000_000 + poll * 15, 0).unwrap();
            for lane in [Lane::Short, Lane::Long] {
                for want in schedule(&plan, &plan.sources[0], Gives::Metrics, lane, &answered, &Interest::default(), at).wants {
                    answered.note(&want, at);
                    let name = match want {
                        Want::Counts { window, .. } => window.to_string(),
                        other => format!("{other:?}").chars().take(8).collect(),
                    };
                    *times.entry(name).or_insert(0) += 1;
                }
            }
        }
        times
    }

    #[test]
    fn long_windows_are_asked_seldom() {
        let hour: Vec<_> = asked(60).into_iter().collect();
        let expected =
            [("1d", 12), ("1h", 240), ("2h", 240), ("30d", 2), ("30m", 240), ("3d", 4), ("5m", 240), ("6h", 240), ("Presence", 240)];
        assert_eq!(hour, expected.map(|(name, times)| (name.to_owned(), times)));
    }

    #[test]
    fn when_pages_began_is_urgent_and_when_tickets_did_is_not() {
        let of = |grades: &[Grade]| {
            let start = |grade: &Grade| (DefinitionId::new("availability"), Group(vec![Untrusted::new(grade.word())]), *grade);
            Interest { history: Vec::new(), starts: grades.iter().map(start).collect() }
        };
        let (page, ticket, both) = (of(&[Grade::Page]), of(&[Grade::Ticket]), of(&[Grade::Page, Grade::Ticket]));
        assert!(page.is_urgent(&of(&[])) && both.is_urgent(&ticket));
        assert!(!ticket.is_urgent(&of(&[])) && !ticket.is_urgent(&both) && !both.is_urgent(&both) && !of(&[]).is_urgent(&page));
        let history = Interest { history: vec![("availability".into(), Group(Vec::new()))], starts: Vec::new() };
        assert!(history.is_urgent(&page) && !history.is_urgent(&history));
    }

    #[test]
    fn a_clock_set_back_makes_everything_due() {
        let (plan, mut answered) = (plan(), Answered::default());
        let at = |secs: i64| DateTime::from_timestamp(1_800_000_000 + secs, 0).unwrap();
        let mut counted = |secs| {
            let asks = [Lane::Short, Lane::Long]
                .map(|lane| schedule(&plan, &plan.sources[0], Gives::Metrics, lane, &answered, &Interest::default(), at(secs)));
            let wants: Vec<Want> = asks.into_iter().flat_map(|ask| ask.wants).filter(|w| matches!(w, Want::Counts { .. })).collect();
            for want in &wants {
                answered.note(want, at(secs));
            }
            wants.len()
        };
        assert_eq!([0, 1, -3_600, -3_599].map(&mut counted), [8, 0, 8, 0]);
    }

    #[test]
    fn who_is_on_call_is_asked_every_five_minutes_on_the_long_lane() {
        let (plan, mut answered, mut times) = (plan(), Answered::default(), [0, 0]);
        for poll in 0..240 {
            let at = DateTime::from_timestamp(1_800_000_000 + poll * 15, 0).unwrap();
            for (lane, times) in [Lane::Short, Lane::Long].into_iter().zip(&mut times) {
                for want in schedule(&plan, &plan.sources[0], Gives::Incidents, lane, &answered, &Interest::default(), at).wants {
                    answered.note(&want, at);
                    *times += 1;
                    assert_eq!(want == Want::OnCall, lane == Lane::Long);
                }
            }
        }
        assert_eq!(times, [240, 12]);
    }

    #[test]
    fn the_past_of_a_sparkline_is_asked_once_and_only_for_rows_on_screen() {
        let (plan, mut answered) = (plan(), Answered::default());
        let group = Group(vec![Untrusted::new("checkout")]);
        let interest = Interest { history: vec![("availability".into(), group.clone())], starts: Vec::new() };
        let at = DateTime::from_timestamp(1_800_000_123, 0).unwrap();
        let past = |answered: &Answered, interest: &Interest| {
            let ask = schedule(&plan, &plan.sources[0], Gives::Metrics, Lane::Long, answered, interest, at);
            ask.wants.into_iter().find(|w| matches!(w, Want::History { .. }))
        };
        assert_eq!(past(&answered, &Interest::default()), None);
        let want = past(&answered, &interest).unwrap();
        assert!(matches!(&want, Want::History { groups, .. } if *groups == [group]));
        answered.note(&want, at);
        assert_eq!(past(&answered, &interest), None);
    }
}
