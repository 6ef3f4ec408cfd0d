//! Fold one event into the next snapshot. Pure: no clock, no I/O; the same events give the same snapshot on every cockpit.
//!
//! A failure changes how fresh something is, never the last good figures. What an answer leaves out is absent, which is not the same as
//! zero. Alerts of our own are episodes: opened when a rule begins to fire, closed only by fresh figures that say so.

mod covers;
mod incidents;
mod paged;
mod probes;
mod queues;
mod rotas;
mod runs;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::{
    Alerts, Answer, BurnRate, Cell, Chronicle, Definition, DefinitionId, Duties, Entry, Episode, Event, EventCounts, Fault, FaultClass,
    Figure, Freshness, Grade, Group, GroupCounts, History, Lane, Part, Plan, Points, Reading, Rule, RuleState, SloRow, Snapshot,
    SourceName, SourcePlan, SourceRow, State, Text, Verdict, Want, Window,
};

/// Journal entries kept for the screen.
const LATEST: usize = 200;
/// Toasts kept.
const TOASTS: usize = 20;

/// Incidents looked up that are kept.
const CHRONICLES: usize = 16;

/// The next snapshot.
pub fn fold(previous: &Snapshot, plan: &Plan, event: Event, now: DateTime<Utc>) -> Snapshot {
    let mut next = previous.clone();
    next.at = now;
    next.revision += 1;
    if previous.at > now + SET_BACK {
        forget_future(&mut next, now);
    }
    match event {
        Event::Read(reading) => read(&mut next, previous, plan, &reading, now),
        Event::Waiting(source, until) => {
            if let Some(row) = next.sources.iter_mut().find(|s| s.name == source) {
                row.next_try = Some(until);
            }
        }
        Event::Journal(entries) => journal(&mut next, entries),
        Event::Episodes(stored) => {
            rotas::episodes(&mut next, plan, &stored);
            episodes(&mut next, stored);
        }
        Event::Queues(source, memories) => queues::remembered(&mut next, plan, &source, memories),
        Event::Store(state) => next.store = state,
        Event::Toast(toast) => {
            next.toasts.push(toast);
            let surplus = next.toasts.len().saturating_sub(TOASTS);
            next.toasts.drain(..surplus);
        }
        Event::Latencies(id, found) => probes::latencies(&mut next, id, found),
        Event::Chronicle(id, chronicle) => chronicled(&mut next, id, *chronicle),
        Event::Output(output) => next.output = output,
        Event::Runbooks(library) => next.runbooks = library,
        Event::Tick => {}
    }
    settle(&mut next, previous, plan, now);
    next
}

/// A clock that goes back by more than this was set back.
const SET_BACK: TimeDelta = TimeDelta::seconds(5);

/// Ages cannot be told of what lies in the future, once the clock has been set back: it is as if it had not been asked yet.
fn forget_future(next: &mut Snapshot, now: DateTime<Utc>) {
    let future = |at: DateTime<Utc>| at > now + SET_BACK;
    for row in &mut next.slos {
        if row.presence_as_of.is_some_and(future) || row.figures.iter().any(|(_, f)| future(f.as_of)) {
            let row = Arc::make_mut(row);
            row.presence_as_of = row.presence_as_of.filter(|at| !future(*at));
            row.figures.retain(|(_, f)| !future(f.as_of));
        }
    }
    queues::forget_future(next, future);
    next.steady_until = None;
    next.rotas_until = None;
}

/// What follows from everything together: freshness, states, order, incidents, verdict.
fn settle(next: &mut Snapshot, previous: &Snapshot, plan: &Plan, now: DateTime<Utc>) {
    for row in &mut next.sources {
        if let Some(source) = plan.source(&row.name) {
            row.state = freshness(row, source, now);
        }
    }
    // Time alone changes nothing before this; after it, after a reading and after a clock that went back all is looked at.
    let steady = previous.at <= now && next.steady_until.is_some_and(|until| now <= until);
    if !steady && stand(next, plan, now) || next.slos.len() != previous.slos.len() {
        sort(&mut next.slos);
    }
    queues::settle(next, plan, now);
    next.incidents = incidents::incidents(next, plan, now);
    rotas::settle(next, previous, plan, now);
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

fn read(next: &mut Snapshot, previous: &Snapshot, plan: &Plan, reading: &Reading, now: DateTime<Utc>) {
    let Some(source) = plan.source(&reading.source) else { return };
    let mut index = Index::new(plan, previous, &source.name);
    if !index.0.is_empty() {
        next.steady_until = None;
    }
    let mut heartbeat_missing = false;
    // Presence last: it speaks of every group that the counts have made known, also by leaving it out.
    let (presences, others): (Vec<&Part>, Vec<&Part>) = reading.parts.iter().partition(|p| matches!(p.want, Want::Presence { .. }));
    for part in others.into_iter().chain(presences) {
        let Ok(answer) = &part.outcome else { continue };
        match (answer, &part.want) {
            (Answer::Counts(rows), Want::Counts { definition, window }) => {
                if let Some(places) = index.of(definition) {
                    counts(&mut next.slos, places, *window, rows, part);
                }
            }
            (Answer::Presence(rows), Want::Presence { definition }) => {
                if let Some(places) = index.of(definition) {
                    presence(&mut next.slos, places, rows, part.as_of);
                }
            }
            (Answer::History(rows), Want::History { definition, groups, .. }) => {
                if let Some(places) = index.of(definition) {
                    history(&mut next.slos, places, groups, rows);
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
                rotas::on_call(next, &reading.source, entries, part.as_of);
            }
            (Answer::Queues(queues), Want::Queues) => {
                queues::polled(next, plan, &reading.source, queues, part.as_of);
            }
            (Answer::Probed(checks), Want::Probe) => probes::probed(next, &reading.source, checks),
            (Answer::Duties(duties), Want::Duties { between }) => {
                rotas::duties(next, &reading.source, Duties { between: *between, duties: duties.clone() });
            }
            _ => {}
        }
    }
    for places in index.0.values() {
        rules(next, places);
    }
    if let Some(row) = next.sources.iter_mut().find(|s| s.name == source.name) {
        polled(row, reading, heartbeat_missing, now);
    }
}

/// Where the rows of each definition of one source stand. It borrows its groups from the snapshot before, whose rows stand at the same places, and
/// from the reading.
struct Index<'a>(HashMap<&'a DefinitionId, Places<'a>>);

/// Where each group's row of one definition stands; rows are made as groups appear.
struct Places<'a> {
    definition: &'a Arc<Definition>,
    of: HashMap<&'a Group, usize>,
}

impl<'a> Index<'a> {
    fn new(plan: &'a Plan, previous: &'a Snapshot, source: &SourceName) -> Self {
        let places = |definition| Places { definition, of: HashMap::new() };
        let mut index = Self(plan.definitions.iter().filter(|d| d.source == *source).map(|d| (&d.id, places(d))).collect());
        let rows: &[_] = if index.0.is_empty() { &[] } else { &previous.slos };
        for (at, row) in rows.iter().enumerate() {
            if let Some(places) = index.0.get_mut(&row.definition.id) {
                places.of.insert(&row.group, at);
            }
        }
        index
    }
    fn of(&mut self, definition: &DefinitionId) -> Option<&mut Places<'a>> {
        self.0.get_mut(definition)
    }
}

impl<'a> Places<'a> {
    fn row<'r>(&mut self, rows: &'r mut Vec<Arc<SloRow>>, group: &'a Group) -> Option<&'r mut SloRow> {
        let at = *self.of.entry(group).or_insert(rows.len());
        if at == rows.len() {
            rows.push(Arc::new(new_row(self.definition, group)));
        }
        rows.get_mut(at).map(Arc::make_mut)
    }
    /// Change those of its rows of which `which` holds, which it never does of one that was `answered`; each was at most once.
    fn change(&self, rows: &mut [Arc<SloRow>], answered: usize, which: impl Fn(&SloRow) -> bool, change: impl Fn(&mut SloRow)) {
        let left_out = answered < self.of.len();
        for at in self.of.values().take_while(|_| left_out) {
            if let Some(row) = rows.get_mut(*at).filter(|row| which(row)) {
                change(Arc::make_mut(row));
            }
        }
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

/// Figures over one window. A group that the answer leaves out has none there any more.
fn counts<'a>(slos: &mut Vec<Arc<SloRow>>, places: &mut Places<'a>, window: Window, rows: &'a [GroupCounts], part: &Part) {
    let now = window == places.definition.shortest();
    for counted in rows {
        let Some(row) = places.row(slos, &counted.group) else { continue };
        let burn = counted.counts.and_then(|c| c.burn_rate(row.objective));
        let partial = counted.partial || part.partial.is_some();
        set_figure(row, window, Figure { counts: counted.counts, burn, as_of: part.as_of, partial });
        if counted.covered.is_some() {
            row.covered = counted.covered;
        }
        let seen = cell(counted.counts, burn);
        if now && !shows(&row.history, part.as_of, seen) {
            mark(Arc::make_mut(&mut row.history), part.as_of, seen);
        }
    }
    let gone = |row: &SloRow| row.figure(window).is_some_and(|f| f.as_of < part.as_of);
    places.change(slos, rows.len(), gone, |row| row.figures.retain(|(w, _)| *w != window));
}

fn set_figure(row: &mut SloRow, window: Window, figure: Figure) {
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
fn presence<'a>(slos: &mut Vec<Arc<SloRow>>, places: &mut Places<'a>, rows: &'a [(Group, DateTime<Utc>)], as_of: DateTime<Utc>) {
    for (group, sampled) in rows {
        let Some(row) = places.row(slos, group) else { continue };
        row.last_sample = Some(*sampled);
        row.presence_as_of = Some(as_of);
    }
    let left_out = |row: &SloRow| row.presence_as_of.is_none_or(|p| p < as_of);
    places.change(slos, rows.len(), left_out, |row| {
        row.absent_since = row.last_sample.take().or(row.absent_since);
        row.presence_as_of = Some(as_of);
    });
}

fn cell(counts: Option<EventCounts>, burn: Option<BurnRate>) -> Cell {
    match (counts, burn) {
        (None, _) => Cell::Gap,
        (Some(_), None) => Cell::NoTraffic,
        (Some(_), Some(burn)) => Cell::Burn(burn.0 as f32),
    }
}

/// Whether what was seen at `at` is in its cell already, as it mostly is.
fn shows(history: &History, at: DateTime<Utc>, seen: Cell) -> bool {
    let place = usize::try_from((at.timestamp() - history.start).div_euclid(History::CELL)).ok();
    place.and_then(|place| history.cells.get(place)).is_some_and(|cell| worse(*cell, seen) == *cell)
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
fn history<'a>(slos: &mut Vec<Arc<SloRow>>, places: &mut Places<'a>, asked: &[Group], rows: &'a [(Group, Points)]) {
    for (group, points) in rows {
        let Some(row) = places.row(slos, group) else { continue };
        let objective = row.objective;
        let kept = Arc::make_mut(&mut row.history);
        for (at, counts) in points {
            mark(kept, *at, cell(*counts, counts.and_then(|c| c.burn_rate(objective))));
        }
        kept.filled = true;
    }
    let lacking = |row: &SloRow| !row.history.filled && (asked.is_empty() || asked.contains(&row.group));
    places.change(slos, rows.len(), lacking, |row| Arc::make_mut(&mut row.history).filled = true);
}

// ---- rules and episodes

/// What the rules of a definition say of each of its SLOs, and the episodes that begin or end by it.
fn rules(next: &mut Snapshot, places: &Places<'_>) {
    let rules = &places.definition.rules;
    let mut said: Vec<RuleState> = Vec::with_capacity(rules.len());
    for at in places.of.values() {
        let Some(row) = next.slos.get_mut(*at) else { continue };
        said.clear();
        said.extend(rules.iter().map(|rule| RuleState { firing: fires(row, rule) }));
        for grade in [Grade::Page, Grade::Ticket] {
            episode(&mut next.episodes, row, grade, of_grade(rules, &row.rules, grade), of_grade(rules, &said, grade));
        }
        if said != row.rules {
            Arc::make_mut(row).rules.clone_from(&said);
        }
    }
}

/// What the rules of one grade say together: one that fires is enough, and only all can say that none does.
fn of_grade(rules: &[Rule], said: &[RuleState], grade: Grade) -> Option<bool> {
    let mut firing = said.iter().zip(rules).filter(|(_, r)| r.grade == grade).map(|(s, _)| s.firing);
    if firing.clone().any(|f| f == Some(true)) { Some(true) } else { firing.all(|f| f == Some(false)).then_some(false) }
}

fn fires(row: &SloRow, rule: &Rule) -> Option<bool> {
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

/// Work out anew how each SLO stands, and until when that holds by itself. Tells whether any stands otherwise than before.
fn stand(next: &mut Snapshot, plan: &Plan, now: DateTime<Utc>) -> bool {
    let mut moved = false;
    let mut ages = Ages { now, steady_until: DateTime::<Utc>::MAX_UTC };
    let offline = probes::offline(next);
    for row in &mut next.slos {
        let state = if probes::is_cut_off(row, &offline) { State::Unknown } else { state(row, plan, &mut ages) };
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
    next.steady_until = Some(ages.steady_until);
    moved
}

/// Compares ages with limits, and remembers when the first of those that are within theirs will have passed it.
struct Ages {
    now: DateTime<Utc>,
    steady_until: DateTime<Utc>,
}

impl Ages {
    fn older(&mut self, at: DateTime<Utc>, limit: Duration) -> bool {
        let end = TimeDelta::from_std(limit).ok().and_then(|limit| at.checked_add_signed(limit)).unwrap_or(DateTime::<Utc>::MAX_UTC);
        if end >= self.now {
            self.steady_until = self.steady_until.min(end);
        }
        end < self.now
    }
}

/// How an SLO stands now.
fn state(row: &SloRow, plan: &Plan, ages: &mut Ages) -> State {
    let Some(source) = plan.source(&row.definition.source) else { return State::Unknown };
    let Some(presence) = row.presence_as_of else { return State::Unknown };
    if ages.older(presence, source.stale_after()) {
        return State::Stale;
    }
    let Some(sampled) = row.last_sample else { return State::NoData };
    if (presence - sampled).to_std().is_ok_and(|age| age > source.sample_stale_after()) {
        return State::Stale;
    }
    let Some(current) = row.now() else { return State::Unknown };
    if ages.older(current.as_of, source.stale_after()) {
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
    if windows.any(|w| row.figure(w).is_some_and(|f| ages.older(f.as_of, source.figure_stale_after(w)))) {
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
fn sort(rows: &mut Vec<Arc<SloRow>>) {
    let weight = |row: &SloRow| match row.state {
        State::Critical => -row.now().and_then(|f| f.burn).map_or(0.0, |b| b.0),
        _ => row.budget_left().unwrap_or(f64::INFINITY),
    };
    let mut weighed: Vec<_> = rows.drain(..).map(|row| (row.state, weight(&row), row)).collect();
    weighed.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.total_cmp(&b.1)).then_with(|| a.2.id.cmp(&b.2.id)));
    rows.extend(weighed.into_iter().map(|(_, _, row)| row));
}

fn verdict(next: &Snapshot) -> Verdict {
    // The worst is the first.
    let slos = next.slos.first().map(|r| match r.state {
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
    slos.into_iter()
        .chain(probes::verdict(next))
        .chain(sources)
        .chain(incidents)
        .chain(queues::verdict(next))
        .max()
        .unwrap_or(Verdict::Unknown)
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
        rotas::entry(next, &entry);
        runs::entry(next, &entry);
        next.drilled(&entry);
        next.latest.push(Arc::new(entry));
    }
    let surplus = next.latest.len().saturating_sub(LATEST);
    next.latest.drain(..surplus);
}

/// What was looked up of an incident replaces what was known of it, but for sources that gave no answer.
fn chronicled(next: &mut Snapshot, id: crate::domain::IncidentId, chronicle: Chronicle) {
    let chronicle = chronicle.after(next.chronicles.get(&id).map(Arc::as_ref));
    next.chronicles.insert(id, Arc::new(chronicle));
    while next.chronicles.len() > CHRONICLES {
        let oldest = next.chronicles.iter().min_by_key(|(_, c)| c.as_of).map(|(id, _)| id.clone());
        oldest.and_then(|id| next.chronicles.remove(&id));
    }
}

#[cfg(test)]
mod tests;
