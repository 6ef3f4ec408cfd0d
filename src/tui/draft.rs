//! A silence being written: matchers from an alert's labels, taken in or left out, changed, added; how long; why.
//!
//! What it would hold back now is counted with every key, so that nobody sends what they have not seen. Nothing is sent from here: the
//! draft becomes a deed that waits for its yes.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
    sync::Arc,
};

use chrono::{DateTime, Utc};

use super::{
    action::Action,
    deeds::{Deed, Deeds},
    state::{Mode, Typed, Ui},
    update,
};
use crate::domain::{Coverage, Incident, LabelMatcher, Labels, Op, Snapshot, SourceName, Target, Text, Untrusted, Window, coverage};

/// The most values of a label that are written as a choice; a label that differs more than that is left out.
const CHOICES: usize = 20;
/// How long a silence lasts unless somebody says otherwise.
const SPAN: Window = Window::hours(2);

/// A silence being written.
#[derive(Clone, Debug)]
pub struct Draft {
    /// In which Alertmanagers: one silence each.
    pub sources: Vec<SourceName>,
    /// Matchers, and whether each is taken in.
    pub rows: Vec<(LabelMatcher, bool)>,
    /// How long.
    pub span: Window,
    /// Why.
    pub comment: String,
    /// Which line the cursor is on: the matchers, then how long, then why.
    pub at: usize,
}

/// A line of a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// A matcher, by its place.
    Matcher(usize),
    /// A matcher that is not there yet.
    New,
    /// How long.
    Span,
    /// Why.
    Comment,
}

impl Draft {
    /// A draft for these incidents: exactly the labels of one; of several what all share, and the values of those that differ as a choice.
    /// Says why if no Alertmanager knows any of them.
    pub fn of(incidents: &[Arc<Incident>]) -> Result<Self, String> {
        let alerts: Vec<_> = incidents.iter().flat_map(|i| i.parts()).filter_map(alert_of).collect();
        if alerts.is_empty() {
            return Err("no Alertmanager knows it: nothing to silence".to_owned());
        }
        let sources: BTreeSet<_> = alerts.iter().map(|(source, _)| source.clone()).collect();
        let labels: Vec<_> = alerts.iter().map(|(_, labels)| labels).collect();
        let rows = shared(&labels).into_iter().map(|m| (m, true)).collect();
        Ok(Self { sources: sources.into_iter().collect(), rows, span: SPAN, comment: String::new(), at: 0 })
    }
    /// The matchers that are taken in.
    pub fn matchers(&self) -> Vec<LabelMatcher> {
        self.rows.iter().filter(|(_, on)| *on).map(|(m, _)| m.clone()).collect()
    }
    /// What it would hold back now, in all its Alertmanagers; or what is wrong with it.
    pub fn coverage(&self, snapshot: &Snapshot) -> Result<Coverage, String> {
        let matchers = self.matchers();
        self.sources.iter().try_fold(Coverage::default(), |mut all, source| {
            let there = coverage(snapshot, source, &matchers)?;
            all.covered.extend(there.covered);
            all.of += there.of;
            Ok(all)
        })
    }
    /// The line under the cursor.
    pub fn field(&self) -> Field {
        match self.at.checked_sub(self.rows.len()) {
            None => Field::Matcher(self.at),
            Some(0) => Field::Span,
            Some(_) => Field::Comment,
        }
    }
    fn text_of(&self, field: Field) -> String {
        match field {
            Field::Matcher(at) => self.rows.get(at).map(|(m, _)| m.value.text().to_string()).unwrap_or_default(),
            Field::New => String::new(),
            Field::Span => self.span.to_string(),
            Field::Comment => self.comment.clone(),
        }
    }
    /// Put what was typed in its place; says what is wrong with it.
    fn set(&mut self, field: Field, text: &str) -> Result<(), String> {
        let ready = |m: &LabelMatcher| crate::domain::Matchers::new(std::slice::from_ref(m)).map(|_| ());
        match field {
            Field::Matcher(at) => {
                let Some((matcher, on)) = self.rows.get_mut(at) else { return Ok(()) };
                // As it stands, cleaned for the screen, it would no longer be the bytes that came.
                if matcher.value.text().as_str() != text {
                    let changed = LabelMatcher { value: Untrusted::new(text), ..matcher.clone() };
                    ready(&changed)?;
                    *matcher = changed;
                }
                *on = true;
            }
            Field::New => {
                let new = LabelMatcher::list(text)?;
                new.iter().try_for_each(ready)?;
                let place = self.rows.len();
                self.rows.extend(new.into_iter().map(|m| (m, true)));
                self.at = place;
            }
            Field::Span => {
                self.span = Window::from_str(text.trim()).map_err(|_| "write it as 30m, 2h or 1d".to_owned())?;
            }
            Field::Comment => text.trim().clone_into(&mut self.comment),
        }
        Ok(())
    }
}

/// The Alertmanager that knows an incident, and the labels that its alert has there; `None` if none does.
fn alert_of(incident: &Incident) -> Option<(SourceName, Labels)> {
    match incident.target() {
        Target::Alertmanager { source, labels } => Some((source, labels)),
        Target::PagerDuty { .. } | Target::Silences { .. } | Target::Journal | Target::Group { .. } => None,
    }
}

/// What several alerts have in common, as matchers.
fn shared(alerts: &[&Labels]) -> Vec<LabelMatcher> {
    let mut values: BTreeMap<&Untrusted, BTreeSet<&Untrusted>> = BTreeMap::new();
    let mut times: BTreeMap<&Untrusted, usize> = BTreeMap::new();
    for (name, value) in alerts.iter().flat_map(|l| &l.0).filter(|(_, value)| !value.raw().is_empty()) {
        values.entry(name).or_default().insert(value);
        *times.entry(name).or_default() += 1;
    }
    let everywhere = values.into_iter().filter(|(name, values)| times.get(name) == Some(&alerts.len()) && values.len() <= CHOICES);
    let matcher = |(name, values): (&Untrusted, BTreeSet<&Untrusted>)| match values.iter().collect::<Vec<_>>().as_slice() {
        [only] => LabelMatcher { name: name.clone(), op: Op::Equal, value: (**only).clone() },
        several => {
            let choice: Vec<_> = several.iter().map(|v| regex::escape(v.raw())).collect();
            LabelMatcher { name: name.clone(), op: Op::Match, value: Untrusted::new(choice.join("|")) }
        }
    };
    everywhere.map(matcher).collect()
}

/// Begin a draft for the marked incidents, else for the one under the cursor.
pub fn begin(ui: &mut Ui, now: DateTime<Utc>) {
    if let Some(why) = ui.acting_is_off() {
        return ui.fail(why);
    }
    let marked = if ui.detail.is_none() { ui.marked_incidents() } else { Vec::new() };
    let incidents = if marked.is_empty() { ui.actionable().into_iter().collect() } else { marked };
    match Draft::of(&incidents) {
        Ok(draft) => ui.mode = Mode::Silence(Box::new(draft)),
        Err(_) if incidents.is_empty() => ui.say("no open incident here: nothing to silence", now),
        Err(why) => ui.say(why, now),
    }
}

/// What an action means while a draft is open.
pub fn draft(ui: &mut Ui, mut draft: Box<Draft>, action: &Action) {
    let last = draft.rows.len() + 1;
    match action {
        Action::Back => return,
        Action::Step(by) => {
            let to = i64::try_from(draft.at).unwrap_or_default() + i64::from(*by);
            draft.at = usize::try_from(to.max(0)).unwrap_or_default().min(last);
        }
        Action::First => draft.at = 0,
        Action::Last => draft.at = last,
        Action::Toggle => {
            if let Some((_, on)) = draft.rows.get_mut(draft.at) {
                *on = !*on;
            }
        }
        Action::Compare => {
            if let Some((matcher, on)) = draft.rows.get_mut(draft.at) {
                (matcher.op, *on) = (next(matcher.op), true);
            }
        }
        Action::Open => return type_in(ui, draft, None),
        Action::Add => return type_in(ui, draft, Some(Field::New)),
        Action::Send => return send(ui, draft),
        _ => {}
    }
    ui.mode = Mode::Silence(draft);
}

const fn next(op: Op) -> Op {
    match op {
        Op::Equal => Op::NotEqual,
        Op::NotEqual => Op::Match,
        Op::Match => Op::NotMatch,
        Op::NotMatch => Op::Equal,
    }
}

fn type_in(ui: &mut Ui, draft: Box<Draft>, field: Option<Field>) {
    let field = field.unwrap_or_else(|| draft.field());
    let text = draft.text_of(field);
    ui.mode = Mode::Field(draft, field, Typed { text, ..Typed::default() });
}

/// What an action means while a line of a draft is typed.
pub fn field(ui: &mut Ui, mut draft: Box<Draft>, field: Field, mut typed: Typed, action: &Action) {
    match action {
        Action::Accept => match draft.set(field, &typed.text) {
            Ok(()) => return ui.mode = Mode::Silence(draft),
            Err(problem) => typed.problem = Some(problem),
        },
        Action::Back => return ui.mode = Mode::Silence(draft),
        _ => {
            typed.problem = None;
            update::edit(&mut typed, action);
        }
    }
    ui.mode = Mode::Field(draft, field, typed);
}

/// Ask whether to send it; first for whatever it still lacks.
fn send(ui: &mut Ui, mut draft: Box<Draft>) {
    if draft.comment.is_empty() {
        draft.at = draft.rows.len() + 1;
        return type_in(ui, draft, Some(Field::Comment));
    }
    // What is wrong with it stands on the screen.
    if draft.coverage(&ui.snapshot).is_err() {
        return ui.mode = Mode::Silence(draft);
    }
    let matchers = draft.matchers();
    let deed = |source: &SourceName| Deed::Silence {
        source: source.clone(),
        matchers: matchers.clone(),
        span: draft.span,
        comment: Text::clean(&draft.comment),
        coverage: coverage(&ui.snapshot, source, &matchers).unwrap_or_default(),
    };
    let mut deeds = Deeds::new(draft.sources.iter().map(deed).collect::<Vec<_>>());
    deeds.draft = Some(draft);
    ui.mode = Mode::Deeds(deeds);
}
