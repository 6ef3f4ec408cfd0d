//! Fold one event into the next snapshot. Pure: no clock, no I/O; the same events give the same snapshot on every cockpit.
//!
//! A failure changes how fresh something is, never the last good figures. What an answer leaves out is absent, which is not the same as
//! zero. Alerts of our own are episodes: opened when a rule begins to fire, closed only by fresh figures that say so.

mod incidents;
mod paged;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::{
    Alerts, Answer, Cell, Definition, DefinitionId, Entry, Episode, Event, EventCounts, Fault, FaultClass, Figure, Freshness, Grade, Group,
    GroupCounts, History, Lane, Part, Plan, Points, Reading, RuleState, SloRow, Snapshot, SourcePlan, SourceRow, State, Text, Verdict,
    Want,
};

/// Journal entries kept for the screen.
const LATEST: usize = 200;
/// Toasts kept.
const TOASTS: usize = 20;

/// The next snapshot.
pub fn fold(previous: &Snapshot, plan: &Plan, event: Event, now: DateTime<Utc>) -> Snapshot {
    let mut next = previous.clone();
    next.at = now;
    next.revision += 1;
    match event {
        Event::Read(reading) => read(&mut next, plan, &reading, now),
        Event::Waiting(source, until) => {
            if let Some(row) = next.sources.iter_mut().find(|s| s.name == source) {
                row.next_try = Some(until);
            }
        }
        Event::Journal(entries) => journal(&mut next, entries),
        Event::Episodes(stored) => episodes(&mut next, stored),
        Event::Store(state) => next.store = state,
        Event::Toast(toast) => {
            next.toasts.push(toast);
            let surplus = next.toasts.len().saturating_sub(TOASTS);
            next.toasts.drain(..surplus);
        }
        Event::Tick => {}
    }
    settle(&mut next, previous, plan, now);
    next
}

/// What follows from everything together: freshness, states, order, incidents, verdict.
fn settle(next: &mut Snapshot, previous: &Snapshot, plan: &Plan, now: DateTime<Utc>) {
    for row in &mut next.sources {
        if let Some(source) = plan.source(&row.name) {
            row.state = freshness(row, source, now);
        }
    }
    let mut moved = next.slos.len() != previous.slos.len();
    for row in &mut next.slos {
        let state = state(row, plan, now);
        if state == State::NoTraffic
            && row.absent_since.is_none()
            && let Some(since) = idle_since(row)
        {
            Arc::make_mut(row).absent_since = Some(since);
        }
        if state != row.state {
            let row = Arc::make_mut(row);
            row.state = state;
            row.absent_since = match state {
                State::NoTraffic => idle_since(row),
                State::NoData | State::Stale => row.absent_since,
                _ => None,
            };
            moved = true;
        }
    }
    if moved {
        sort(&mut next.slos);
    }
    next.incidents = incidents::incidents(next, plan, now);
    next.verdict = verdict(next);
    next.calm_since = calm_since(next, previous, now);
}

fn freshness(row: &SourceRow, plan: &SourcePlan, now: DateTime<Utc>) -> Freshness {
    let old = |at: DateTime<Utc>| (now - at).to_std().is_ok_and(|age| age > plan.stale_after());
    match (row.last_success, &row.fault) {
        (_, Some(_)) => Freshness::Failing,
        (None, None) => Freshness::Starting,
        (Some(at), None) if old(at) => Freshness::Stale,
        (Some(_), None) => Freshness::Fresh,
    }
}

// ---- readings

fn read(next: &mut Snapshot, plan: &Plan, reading: &Reading, now: DateTime<Utc>) {
    let Some(source) = plan.source(&reading.source) else { return };
    let mut index = Index::new(&next.slos);
    let mut heartbeat_missing = false;
    // Presence last: it speaks of every group that the counts have made known, also by leaving it out.
    let (presences, others): (Vec<&Part>, Vec<&Part>) = reading.parts.iter().partition(|p| matches!(p.want, Want::Presence { .. }));
    for part in others.into_iter().chain(presences) {
        let Ok(answer) = &part.outcome else { continue };
        match (answer, &part.want) {
            (Answer::Counts(rows), Want::Counts { definition, window }) => {
                if let Some(definition) = plan.definition(definition) {
                    counts(next, &mut index, definition, *window, rows, part);
                }
            }
            (Answer::Presence(rows), Want::Presence { definition }) => {
                if let Some(definition) = plan.definition(definition) {
                    presence(next, &mut index, definition, rows, part.as_of);
                }
            }
            (Answer::History(rows), Want::History { definition, groups, .. }) => {
                if let Some(definition) = plan.definition(definition) {
                    history(next, &mut index, definition, groups, rows);
                }
            }
            (Answer::Start(since), Want::Start { definition, group, grade }) => {
                if let Some(definition) = plan.definition(definition)
                    && let Some(episode) = next.episodes.get_mut(&(definition.slo_id(group), *grade))
                    && episode.since.is_none()
                {
                    episode.since = since.filter(|s| *s <= episode.seen_at);
                }
            }
            (Answer::Alerts(alerts), Want::Alerts) => {
                heartbeat_missing = alerts.heartbeat == Some(false);
                next.alerts.insert(reading.source.clone(), Arc::new(Alerts::clone(alerts)));
            }
            (Answer::Incidents(incidents), Want::Incidents) => {
                next.paged.insert(reading.source.clone(), Arc::new(incidents.clone()));
            }
            (Answer::OnCall(entries), Want::OnCall) => {
                next.on_call.insert(reading.source.clone(), Arc::new(entries.clone()));
            }
            _ => {}
        }
    }
    drop(index);
    for definition in plan.definitions.iter().filter(|d| d.source == reading.source) {
        rules(next, definition);
    }
    if let Some(row) = next.sources.iter_mut().find(|s| s.name == source.name) {
        polled(row, reading, heartbeat_missing, now);
    }
}

/// Where each group's row stands; rows are made as groups appear.
struct Index(HashMap<DefinitionId, HashMap<Group, usize>>);

impl Index {
    fn new(rows: &[Arc<SloRow>]) -> Self {
        let mut map: HashMap<_, HashMap<_, _>> = HashMap::new();
        for (i, row) in rows.iter().enumerate() {
            map.entry(row.definition.id.clone()).or_default().insert(row.group.clone(), i);
        }
        Self(map)
    }
    fn row<'a>(&mut self, rows: &'a mut Vec<Arc<SloRow>>, definition: &Arc<Definition>, group: &Group) -> Option<&'a mut SloRow> {
        let known = self.0.entry(definition.id.clone()).or_default();
        let at = if let Some(at) = known.get(group) {
            *at
        } else {
            rows.push(Arc::new(new_row(definition, group)));
            known.insert(group.clone(), rows.len() - 1);
            rows.len() - 1
        };
        rows.get_mut(at).map(Arc::make_mut)
    }
}

fn new_row(definition: &Arc<Definition>, group: &Group) -> SloRow {
    SloRow {
        id: definition.slo_id(group),
        service: definition.service_of(group),
        definition: Arc::clone(definition),
        group: group.clone(),
        objective: definition.objective_of(group),
        state: State::Unknown,
        figures: Vec::new(),
        covered: None,
        last_sample: None,
        presence_as_of: None,
        absent_since: None,
        rules: definition.rules.iter().map(|_| RuleState { firing: None }).collect(),
        history: Arc::default(),
    }
}

fn of_definition<'a>(rows: &'a mut [Arc<SloRow>], id: &'a DefinitionId) -> impl Iterator<Item = &'a mut Arc<SloRow>> + 'a {
    rows.iter_mut().filter(move |r| r.definition.id == *id)
}

/// Figures over one window. A group that the answer leaves out has none there any more.
fn counts(
    next: &mut Snapshot,
    index: &mut Index,
    definition: &Arc<Definition>,
    window: crate::domain::Window,
    rows: &[GroupCounts],
    part: &Part,
) {
    for counted in rows {
        let Some(row) = index.row(&mut next.slos, definition, &counted.group) else { continue };
        let figure = Figure {
            counts: counted.counts,
            burn: counted.counts.and_then(|c| c.burn_rate(row.objective)),
            as_of: part.as_of,
            partial: counted.partial || part.partial.is_some(),
        };
        set_figure(row, window, figure);
        if counted.covered.is_some() {
            row.covered = counted.covered;
        }
        if window == definition.shortest() {
            mark(Arc::make_mut(&mut row.history), part.as_of, cell(counted.counts, row.objective));
        }
    }
    let gone = |row: &SloRow| row.figure(window).is_some_and(|f| f.as_of < part.as_of);
    for row in of_definition(&mut next.slos, &definition.id).filter(|r| gone(r)) {
        Arc::make_mut(row).figures.retain(|(w, _)| *w != window);
    }
}

fn set_figure(row: &mut SloRow, window: crate::domain::Window, figure: Figure) {
    match row.figures.binary_search_by_key(&window, |(w, _)| *w) {
        // An answer that was overtaken by a newer one changes nothing.
        Ok(at) => {
            if let Some((_, old)) = row.figures.get_mut(at)
                && old.as_of <= figure.as_of
            {
                *old = figure;
            }
        }
        Err(at) => row.figures.insert(at, (window, figure)),
    }
}

/// Which groups have samples, and of when. A group without any has no data, and that since its last one.
fn presence(next: &mut Snapshot, index: &mut Index, definition: &Arc<Definition>, rows: &[(Group, DateTime<Utc>)], as_of: DateTime<Utc>) {
    for (group, sampled) in rows {
        let Some(row) = index.row(&mut next.slos, definition, group) else { continue };
        row.last_sample = Some(*sampled);
        row.presence_as_of = Some(as_of);
    }
    for row in of_definition(&mut next.slos, &definition.id).filter(|r| r.presence_as_of.is_none_or(|p| p < as_of)) {
        let row = Arc::make_mut(row);
        if let Some(last) = row.last_sample.take() {
            row.absent_since = Some(last);
        }
        row.presence_as_of = Some(as_of);
    }
}

fn cell(counts: Option<EventCounts>, objective: crate::domain::Objective) -> Cell {
    match counts {
        None => Cell::Gap,
        Some(counts) => counts.burn_rate(objective).map_or(Cell::NoTraffic, |b| Cell::Burn(b.0 as f32)),
    }
}

/// Put what was seen at `at` into its cell; the worst of a cell stays.
fn mark(history: &mut History, at: DateTime<Utc>, seen: Cell) {
    let slot = at.timestamp().div_euclid(History::CELL) * History::CELL;
    if history.cells.is_empty() {
        history.start = slot;
    }
    if slot < history.start {
        let missing = ((history.start - slot) / History::CELL) as usize;
        if missing > History::KEEP {
            return;
        }
        history.cells.splice(..0, std::iter::repeat_n(Cell::Gap, missing));
        history.start = slot;
    }
    let at = ((slot - history.start) / History::CELL) as usize;
    if at >= history.cells.len() + History::KEEP {
        history.cells.clear();
        history.start = slot;
    }
    let at = ((slot - history.start) / History::CELL) as usize;
    if at >= history.cells.len() {
        history.cells.resize(at + 1, Cell::Gap);
    }
    if let Some(cell) = history.cells.get_mut(at) {
        *cell = worse(*cell, seen);
    }
    let surplus = history.cells.len().saturating_sub(History::KEEP);
    history.cells.drain(..surplus);
    history.start += surplus as i64 * History::CELL;
}

fn worse(a: Cell, b: Cell) -> Cell {
    match (a, b) {
        (Cell::Burn(x), Cell::Burn(y)) => Cell::Burn(x.max(y)),
        (Cell::Burn(_), _) | (Cell::NoTraffic, Cell::Gap) => a,
        _ => b,
    }
}

/// A fetched past fills the cells in which nothing was seen yet.
fn history(next: &mut Snapshot, index: &mut Index, definition: &Arc<Definition>, asked: &[Group], rows: &[(Group, Points)]) {
    for (group, points) in rows {
        let Some(row) = index.row(&mut next.slos, definition, group) else { continue };
        let objective = row.objective;
        let kept = Arc::make_mut(&mut row.history);
        for (at, counts) in points {
            mark(kept, *at, cell(*counts, objective));
        }
        kept.filled = true;
    }
    let asked = |row: &SloRow| asked.is_empty() || asked.contains(&row.group);
    for row in of_definition(&mut next.slos, &definition.id).filter(|r| !r.history.filled && asked(r)) {
        Arc::make_mut(&mut Arc::make_mut(row).history).filled = true;
    }
}

// ---- rules and episodes

/// What the rules of a definition say of each of its SLOs, and the episodes that begin or end by it.
fn rules(next: &mut Snapshot, definition: &Arc<Definition>) {
    for row in &mut next.slos {
        if row.definition.id != definition.id {
            continue;
        }
        let said: Vec<RuleState> = definition.rules.iter().map(|rule| RuleState { firing: fires(row, rule) }).collect();
        let was = row.rules.clone();
        if said != was {
            Arc::make_mut(row).rules.clone_from(&said);
        }
        for grade in [Grade::Page, Grade::Ticket] {
            let of_grade = |states: &[RuleState]| {
                let firing: Vec<_> =
                    states.iter().zip(&definition.rules).filter(|(_, r)| r.grade == grade).map(|(s, _)| s.firing).collect();
                if firing.contains(&Some(true)) { Some(true) } else { firing.iter().all(|f| *f == Some(false)).then_some(false) }
            };
            episode(&mut next.episodes, row, grade, of_grade(&was), of_grade(&said));
        }
    }
}

fn fires(row: &SloRow, rule: &crate::domain::Rule) -> Option<bool> {
    let short = row.figure(rule.short)?;
    let enough = short.counts.is_some_and(|c| c.total >= row.definition.min_events);
    rule.fires(row.burn(rule.long), short.burn).map(|fires| fires && enough)
}

fn episode(
    episodes: &mut BTreeMap<(crate::domain::SloId, Grade), Episode>,
    row: &SloRow,
    grade: Grade,
    was: Option<bool>,
    is: Option<bool>,
) {
    let Some(now) = row.now().map(|f| f.as_of) else { return };
    let key = (row.id.clone(), grade);
    let open = episodes.get_mut(&key).filter(|e| e.ended_at.is_none());
    match (open, is) {
        (None, Some(true)) => {
            // Seen to begin, if it was seen not to fire before; else it began at a time yet to be found out.
            let since = (was == Some(false)).then_some(now);
            episodes.insert(key, Episode { slo: row.id.clone(), grade, seen_at: now, since, ended_at: None });
        }
        (Some(open), Some(false)) => open.ended_at = Some(now),
        _ => {}
    }
}

/// What the store has wins over what this cockpit thought of the same episode.
fn episodes(next: &mut Snapshot, stored: Vec<Episode>) {
    for episode in stored {
        let key = (episode.slo.clone(), episode.grade);
        let ours = next.episodes.get(&key);
        let newer = ours.is_some_and(|o| o.seen_at > episode.seen_at && episode.ended_at.is_some());
        let ended_here = ours.is_some_and(|o| o.seen_at == episode.seen_at && o.ended_at.is_some() && episode.ended_at.is_none());
        if !newer && !ended_here {
            next.episodes.insert(key, episode);
        }
    }
}

// ---- sources

fn polled(row: &mut SourceRow, reading: &Reading, heartbeat_missing: bool, now: DateTime<Utc>) {
    row.timed(reading.took_us);
    if let Some(skew) = reading.skew_secs {
        row.skew_secs = Some(skew);
    }
    let fault = reading.fault().cloned();
    let partial = reading.parts.iter().find_map(|p| p.partial.clone());
    if reading.lane == Lane::Long {
        row.long_trouble = fault.map(|f| f.message).or(partial);
        return;
    }
    row.last_poll = Some(now.min(reading.at + TimeDelta::microseconds(reading.took_us as i64)));
    row.partial = partial;
    row.fault = fault.or_else(|| heartbeat_missing.then(|| heartbeat(row)));
    if row.fault.is_none() {
        row.last_success = Some(reading.at);
        row.failures = 0;
        row.next_try = None;
    } else {
        row.failures = row.failures.saturating_add(1);
    }
}

fn heartbeat(row: &SourceRow) -> Fault {
    let message = format!("{}: the heartbeat alert is not firing, so other alerts may be missing too; look at what sends it", row.name);
    Fault { class: FaultClass::Heartbeat, message: Text::from(message), retry_after_secs: None }
}

// ---- states

/// How an SLO stands at `now`.
fn state(row: &SloRow, plan: &Plan, now: DateTime<Utc>) -> State {
    let Some(source) = plan.source(&row.definition.source) else { return State::Unknown };
    let older = |at: DateTime<Utc>, limit: std::time::Duration| (now - at).to_std().is_ok_and(|age| age > limit);
    let Some(presence) = row.presence_as_of else { return State::Unknown };
    if older(presence, source.stale_after()) {
        return State::Stale;
    }
    let Some(sampled) = row.last_sample else { return State::NoData };
    if (presence - sampled).to_std().is_ok_and(|age| age > source.sample_stale_after()) {
        return State::Stale;
    }
    let Some(current) = row.now() else { return State::Unknown };
    if older(current.as_of, source.stale_after()) {
        return State::Stale;
    }
    match row.firing() {
        Some(Grade::Page) => return State::Critical,
        Some(Grade::Ticket) => return State::Warning,
        None => {}
    }
    if row.period_counts().and_then(|c| crate::domain::error_budget_remaining(&c, row.objective)).is_some_and(|left| left <= 0.0) {
        return State::Warning;
    }
    let Some(counts) = current.counts else { return State::Unknown };
    if counts.total <= 0.0 {
        return State::NoTraffic;
    }
    let mut windows = row.definition.rules.iter().flat_map(|r| [r.short, r.long]).chain([row.definition.period]);
    if windows.clone().any(|w| row.figure(w).is_none_or(|f| f.burn.is_none())) {
        return State::Unknown;
    }
    if windows.any(|w| row.figure(w).is_some_and(|f| older(f.as_of, source.figure_stale_after(w)))) {
        return State::Stale;
    }
    State::Ok
}

/// Since when no event has happened, as far back as the sparkline and the longer windows tell. A window tells no more than was seen of
/// it: as long as nobody said how much that is, only the sparkline counts.
fn idle_since(row: &SloRow) -> Option<DateTime<Utc>> {
    let idle = |f: &Figure| f.counts.is_some_and(|c| c.total <= 0.0);
    let seen = row.covered.map(|share| TimeDelta::seconds((row.definition.period.secs_f64() * share) as i64));
    let first_seen = row.now().zip(seen).map(|(f, seen)| f.as_of - seen);
    let windows = row.figures.iter().take_while(|(_, f)| idle(f)).last().map(|(w, f)| f.as_of - w.delta());
    let windows = windows.filter(|_| first_seen.is_some());
    let quiet = row.history.cells.iter().rev().take_while(|c| **c == Cell::NoTraffic).count();
    let first = row.history.cells.len().saturating_sub(quiet) as i64 * History::CELL + row.history.start;
    let cells = DateTime::from_timestamp(first, 0).filter(|_| quiet > 0);
    let since = [windows, cells].into_iter().flatten().min()?;
    Some(first_seen.map_or(since, |first| since.max(first)))
}

/// Worst first: by state; within a state the fastest burn, and where nothing burns the least budget.
fn sort(rows: &mut [Arc<SloRow>]) {
    let weight = |row: &SloRow| match row.state {
        State::Critical => -row.now().and_then(|f| f.burn).map_or(0.0, |b| b.0),
        _ => row.budget_left().unwrap_or(f64::INFINITY),
    };
    rows.sort_by(|a, b| b.state.cmp(&a.state).then_with(|| weight(a).total_cmp(&weight(b))).then_with(|| a.id.cmp(&b.id)));
}

fn verdict(next: &Snapshot) -> Verdict {
    let slos = next.slos.iter().map(|r| match r.state {
        State::Critical => Verdict::Critical,
        State::Warning => Verdict::Warning,
        State::Stale | State::NoData | State::Unknown => Verdict::Unknown,
        State::NoTraffic | State::Ok => Verdict::Ok,
    });
    let sources = next.sources.iter().map(|s| if s.state == Freshness::Fresh { Verdict::Ok } else { Verdict::Unknown });
    let incidents = next.incidents.iter().filter(|i| !i.silenced && !i.inhibited).map(|i| match i.severity {
        s if s.pages() => Verdict::Critical,
        crate::domain::Severity::P3 => Verdict::Warning,
        _ => Verdict::Ok,
    });
    slos.chain(sources).chain(incidents).max().unwrap_or(Verdict::Unknown)
}

fn calm_since(next: &Snapshot, previous: &Snapshot, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if next.verdict >= Verdict::Warning {
        return None;
    }
    if previous.verdict >= Verdict::Warning {
        return Some(now);
    }
    previous.calm_since.or_else(|| next.episodes.values().filter_map(|e| e.ended_at).max())
}

// ---- journal

fn journal(next: &mut Snapshot, entries: Vec<Entry>) {
    let newest = next.latest.last().map_or(0, |e| e.id);
    for entry in entries.into_iter().filter(|e| e.id > newest) {
        next.threads.entry(entry.subject.clone()).or_default().apply(&entry);
        next.latest.push(Arc::new(entry));
    }
    let surplus = next.latest.len().saturating_sub(LATEST);
    next.latest.drain(..surplus);
}

#[cfg(test)]
mod tests;
