//! What the screen knows: the newest snapshot, what is selected, what is open, what is being typed.
//!
//! Everything a person pointed at is held by id or by the thing itself, never by its place: a refresh moves nothing under the finger.
//! Drawing reads this and changes nothing; [`update`](super::update::update) and [`Ui::take`] change it and do no I/O.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use ratatui::layout::Rect;

use super::{
    Settings,
    answers::{self, Answers},
    deeds::Deeds,
    draft::{Draft, Field},
    filter::Filter,
    handing::Handing,
    happenings::{self, Happening},
    keymap::Keymap,
    layout,
    list::List,
    queues::{self, Line},
    receipts::Receipts,
    runbooks::{Asking, Open, RunWish},
    widgets::figures::Age,
};
use crate::domain::{
    ActId, Actor, Escalation, Freshness, Hold, Incident, IncidentId, Lapsing, Library, Origin, Question, QueueRow, Request, Rota, RunId,
    RunbookId, Severity, Sli, SloId, SloRow, Snapshot, SourceName, SourceRow, Status, Text, Verb, WARNING, Window, board, lapsing,
};

/// How long the cursor must stay where it is for the detail beside the list to follow.
const RESTS_AFTER: TimeDelta = TimeDelta::milliseconds(200);

/// For how long it is news that an acknowledgement is about to lapse: who starts to watch later reads it on the screen.
const JUST: TimeDelta = TimeDelta::seconds(60);

/// SLOs of its service that are shown beside an incident: the worst.
pub const BESIDE: usize = 3;

/// How often the answers of a probe are timed again while its SLO is shown in full.
const TIME_AGAIN: TimeDelta = TimeDelta::seconds(5);

/// How often an incident that stays open is looked up again.
const LOOK_AGAIN: TimeDelta = TimeDelta::seconds(60);

/// A screen; the numbers of their keys are permanent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Screen {
    /// Everything in one view.
    Overview,
    /// All SLOs.
    Slos,
    /// All open incidents.
    Incidents,
    /// All queues.
    Queues,
    /// Who is on call.
    OnCall,
    /// Runbooks, and what runs of them.
    Runbooks,
    /// Sources, and how polling them goes.
    Sources,
    /// Acknowledgements and silences: a view of the incidents, with no number of its own.
    Board,
}

impl Screen {
    /// Those with a number, in the order of the bar.
    pub const ALL: [Self; 7] = [Self::Overview, Self::Slos, Self::Incidents, Self::Queues, Self::OnCall, Self::Runbooks, Self::Sources];
    /// Its key and name.
    pub const fn name(self) -> (char, &'static str) {
        match self {
            Self::Overview => ('1', "Overview"),
            Self::Slos => ('2', "SLOs"),
            Self::Incidents => ('3', "Incidents"),
            Self::Queues => ('4', "Queues"),
            Self::OnCall => ('5', "On-call"),
            Self::Runbooks => ('6', "Runbooks"),
            Self::Sources => ('0', "Sources"),
            Self::Board => ('b', "Board"),
        }
    }
    /// The screen whose place in the bar it has.
    pub const fn tab(self) -> Self {
        match self {
            Self::Board => Self::Incidents,
            screen => screen,
        }
    }
    /// Whether it lists what can be opened, filtered and sorted.
    pub const fn lists(self) -> bool {
        matches!(self, Self::Overview | Self::Slos | Self::Incidents | Self::Queues)
    }
}

/// Which pane of the overview has the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pane {
    /// SLOs.
    Slos,
    /// Incidents.
    Incidents,
    /// Queues.
    Queues,
}

/// What keys mean now.
#[derive(Clone, Debug)]
pub enum Mode {
    /// They move and act.
    Normal,
    /// The keys are shown; so many lines are scrolled away.
    Help(u16),
    /// A filter is typed.
    Filter(Typed),
    /// A prompt waits for yes or no.
    Confirm(Wish),
    /// A note for it is typed.
    Note(Wish, Typed),
    /// The name of who acts is typed.
    Name(Wish, Typed),
    /// Acts are listed, and wait for yes or no or are read.
    Deeds(Deeds),
    /// A note for all of them is typed.
    NoteAll(Deeds, Typed),
    /// The name of who does them is typed.
    NameAll(Deeds, Typed),
    /// A silence is written.
    Silence(Box<Draft>),
    /// A line of it is typed.
    Field(Box<Draft>, Field, Typed),
    /// How long it is to be snoozed is typed.
    Length(Arc<Incident>, Typed),
    /// To whom it is to be handed is typed.
    Whom(Arc<Incident>, Typed),
    /// A note to whoever takes over is typed, or its reading is to be confirmed.
    Handing(Handing),
    /// Something in a run waits for yes or no.
    RunConfirm(Box<RunWish>),
    /// Something that it needs is typed.
    RunWords(Box<RunWish>, Asking, Typed),
    /// The name of who begins a run is typed.
    Naming(Typed),
}

/// Text being typed.
#[derive(Clone, Debug, Default)]
pub struct Typed {
    /// So far.
    pub text: String,
    /// What is wrong with it.
    pub problem: Option<String>,
    /// The filter to go back to.
    pub before: Option<Filter>,
}

/// What is done to an incident once the prompt is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taking {
    /// Take it.
    Take,
    /// Take it from whoever has it.
    TakeOver,
    /// Give it back.
    GiveBack,
    /// End it where it is kept.
    Resolve,
    /// Say something about it.
    Note,
    /// Hold it for so long.
    Snooze(Window),
    /// Hand it to others.
    Escalate(Escalation),
}

impl Taking {
    /// The verb: `acknowledge`, `give back`, `resolve`, `note`, `snooze`, `escalate`.
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Take => "acknowledge",
            Self::TakeOver => "take over",
            Self::GiveBack => "give back",
            Self::Resolve => "resolve",
            Self::Note => "note",
            Self::Snooze(_) => "snooze",
            Self::Escalate(_) => "escalate",
        }
    }
    /// Whether words go along with it.
    pub const fn takes_note(&self) -> bool {
        matches!(self, Self::Take | Self::TakeOver | Self::Resolve | Self::Note)
    }
}

/// An act that waits for its confirmation; the incident is the one that was drawn.
#[derive(Clone, Debug)]
pub struct Wish {
    /// On what.
    pub incident: Arc<Incident>,
    /// What.
    pub taking: Taking,
    /// With which words.
    pub note: Option<Text>,
}

impl Wish {
    /// What is asked for by it.
    pub fn verb(&self) -> Verb {
        let note = self.note.clone();
        match &self.taking {
            Taking::Take => Verb::Acknowledge { note },
            Taking::TakeOver => Verb::TakeOver { from: self.incident.ack.as_ref().map(|a| a.by.name.clone()).unwrap_or_default(), note },
            Taking::GiveBack => Verb::Unacknowledge,
            Taking::Resolve => Verb::Resolve { note },
            Taking::Note => Verb::Note { note: note.unwrap_or_default() },
            Taking::Snooze(span) => Verb::Snooze { span: span.duration() },
            Taking::Escalate(to) => Verb::Escalate { to: to.clone() },
        }
    }
}

/// Something the cursor can be on.
#[derive(Clone, Debug)]
pub enum Subject {
    /// An SLO.
    Slo(Arc<SloRow>),
    /// An incident.
    Incident(Arc<Incident>),
    /// A source.
    Source(SourceName),
    /// An acknowledgement or a silence.
    Hold(Box<Hold>),
    /// A queue.
    Queue(Arc<QueueRow>),
}

/// A detail that is open; the thing itself, so that it does not close when the thing goes away.
#[derive(Clone, Debug)]
pub struct Detail {
    /// What.
    pub subject: Subject,
    /// Whether it still exists.
    pub gone: bool,
    /// The screen to go back to.
    pub from: Screen,
    /// Lines scrolled away.
    pub scroll: u16,
}

/// By what a list is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// The engine's order.
    Worst,
    /// Least budget left.
    Budget,
    /// Most burn over the shortest window.
    Burn,
    /// Youngest first.
    Newest,
    /// By name.
    Name,
}

impl Sort {
    /// In words, for the rule of the pane.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Worst => "worst first",
            Self::Budget => "least budget first",
            Self::Burn => "most burn first",
            Self::Newest => "newest first",
            Self::Name => "by name",
        }
    }
    /// The next one for SLOs.
    pub const fn next_for_slos(self) -> Self {
        match self {
            Self::Worst => Self::Budget,
            Self::Budget => Self::Burn,
            Self::Burn | Self::Newest => Self::Name,
            Self::Name => Self::Worst,
        }
    }
    /// The next one for incidents.
    pub const fn next_for_incidents(self) -> Self {
        match self {
            Self::Worst => Self::Newest,
            Self::Name => Self::Worst,
            _ => Self::Name,
        }
    }
}

/// A sentence in the footer.
#[derive(Clone, Debug)]
pub struct Notice {
    /// What happened.
    pub text: String,
    /// Until when it is shown.
    pub until: DateTime<Utc>,
    /// The run in which something was asked for, as it stood: once it goes on, the screen says what came of it.
    pub asked: Option<(RunId, u64)>,
}

/// What the last frame showed.
#[derive(Clone, Debug, Default)]
pub struct Drawn {
    /// The SLO under the cursor.
    pub slo: Option<SloId>,
    /// The incident under the cursor.
    pub incident: Option<IncidentId>,
    /// The row of the board under the cursor.
    pub hold: Option<Text>,
    /// The line of the queues under the cursor.
    pub queue: Option<Text>,
    /// Lines of the open detail beyond the bottom of its pane.
    pub below: u16,
}

/// What a new page is on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Fresh {
    Incident(IncidentId),
    Slo(SloId),
}

/// All that the screen knows.
#[derive(Debug)]
pub struct Ui {
    /// What stays as it is.
    pub settings: Settings,
    /// What keys mean.
    pub keymap: Keymap,
    /// What is known.
    pub snapshot: Arc<Snapshot>,
    /// When the screen was first shown.
    pub started: DateTime<Utc>,
    /// The terminal.
    pub area: Rect,
    /// Which screen.
    pub screen: Screen,
    /// Which pane of the overview.
    pub pane: Pane,
    /// What keys mean now.
    pub mode: Mode,
    /// What is open over the list.
    pub detail: Option<Detail>,
    /// SLOs.
    pub slos: List<SloId>,
    /// Incidents.
    pub incidents: List<IncidentId>,
    /// Sources.
    pub sources: List<SourceName>,
    /// Acknowledgements and silences, what ends first on top.
    pub board: Vec<Hold>,
    /// Rows of the board.
    pub holds: List<Text>,
    /// Marked incidents.
    pub marked: HashSet<IncidentId>,
    /// Marked rows of the board.
    pub marked_holds: HashSet<Text>,
    /// Acknowledgements about to lapse, the next one first.
    pub lapsing: Vec<Lapsing>,
    /// Rotas.
    pub rotas: List<Text>,
    /// The lines of the queues, source by source.
    pub queue_lines: Vec<Line>,
    /// Those lines.
    pub queues: List<Text>,
    /// Sources whose quiet queues are shown.
    pub unfolded: HashSet<SourceName>,
    /// Which queues.
    pub queue_filter: Option<Filter>,
    /// In which order.
    pub queue_sort: Sort,
    /// Runbooks.
    pub books: List<RunbookId>,
    /// The runbook that is open; it stays so while other screens are looked at.
    pub book: Option<Box<Open>>,
    /// Which SLOs.
    pub slo_filter: Option<Filter>,
    /// Which incidents.
    pub incident_filter: Option<Filter>,
    /// In which order.
    pub slo_sort: Sort,
    /// In which order.
    pub incident_sort: Sort,
    /// What happened lately.
    pub latest: Vec<Happening>,
    /// What is worst; `None` if nothing burns.
    pub answers: Option<Answers>,
    /// Open incidents that page and those that do not.
    pub open: (usize, usize),
    /// Pages that are new, by what they are on, and until when they are shown so.
    fresh: HashMap<Fresh, DateTime<Utc>>,
    /// Something that went well, for a moment.
    pub notice: Option<Notice>,
    /// What failed, until it is read; the oldest is shown.
    pub failures: VecDeque<String>,
    /// What the last frame showed.
    pub drawn: Drawn,
    /// What to put on the clipboard with the next frame.
    pub clipboard: Option<String>,
    /// Who acts, once they have said so.
    pub name: Option<Text>,
    pub(super) receipts: Receipts,
    beside: Option<Subject>,
    moved_at: Option<DateTime<Utc>>,
    seen_toast: u64,
    looked_at: Vec<SloId>,
    looked_up: Option<LookedUp>,
    /// The SLO whose answers were timed last, and when.
    timed: Option<(SloId, DateTime<Utc>)>,
    /// Whose output is being brought.
    pub(super) watched: Option<ActId>,
    /// The runbook that was on screen when their files were last wanted; one without a name is the library.
    pub(super) read: Option<RunbookId>,
    begun: bool,
    warned: HashSet<(IncidentId, DateTime<Utc>)>,
}

/// An open incident that was asked about, as it stood then, and when.
#[derive(Debug, PartialEq)]
struct LookedUp {
    id: IncidentId,
    stood: (u64, Status, Option<DateTime<Utc>>),
    at: DateTime<Utc>,
}

impl Ui {
    /// A screen of `area` that shows `snapshot`.
    pub fn new(settings: Settings, snapshot: Arc<Snapshot>, area: Rect, now: DateTime<Utc>) -> Self {
        let mut ui = Self {
            settings,
            keymap: Keymap::default(),
            snapshot: snapshot.clone(),
            started: now,
            area,
            screen: Screen::Overview,
            pane: Pane::Slos,
            mode: Mode::Normal,
            detail: None,
            slos: List::default(),
            incidents: List::default(),
            sources: List::default(),
            board: Vec::new(),
            holds: List::default(),
            marked: HashSet::new(),
            marked_holds: HashSet::new(),
            lapsing: Vec::new(),
            rotas: List::default(),
            queue_lines: Vec::new(),
            queues: List::default(),
            unfolded: HashSet::new(),
            queue_filter: None,
            queue_sort: Sort::Worst,
            books: List::default(),
            book: None,
            slo_filter: None,
            incident_filter: None,
            slo_sort: Sort::Worst,
            incident_sort: Sort::Worst,
            latest: Vec::new(),
            answers: None,
            open: (0, 0),
            fresh: HashMap::new(),
            notice: None,
            failures: VecDeque::new(),
            drawn: Drawn::default(),
            clipboard: None,
            name: None,
            receipts: Receipts::beginning_with(&snapshot),
            beside: None,
            moved_at: None,
            seen_toast: 0,
            looked_at: Vec::new(),
            looked_up: None,
            timed: None,
            watched: None,
            read: None,
            begun: false,
            warned: HashSet::new(),
        };
        ui.take(snapshot, now);
        ui
    }

    /// Take a new snapshot in: lists are ordered anew around their selected rows, open details follow their subject.
    pub fn take(&mut self, snapshot: Arc<Snapshot>, now: DateTime<Utc>) {
        self.notice_pages(&snapshot, now);
        self.snapshot = snapshot;
        self.latest = happenings::latest(&self.snapshot, 64);
        self.answers = answers::answers(&self.snapshot);
        self.open = answers::open_counts(&self.snapshot);
        self.board = board(&self.snapshot);
        self.follow_detail();
        self.follow_names();
        self.pin();
        self.match_anew();
        self.unsay();
        self.refresh_lists();
        self.forget_marks();
        self.take_toasts(now);
        self.pass(now);
    }

    /// Time passes: say of each acknowledgement once, as it comes to that, that it is about to lapse.
    pub fn pass(&mut self, now: DateTime<Utc>) {
        self.lapsing = lapsing(&self.snapshot, now);
        let key = |l: &Lapsing| (l.incident.id.clone(), l.ends);
        let just = |l: &&Lapsing| now + WARNING - l.ends < JUST && !self.warned.contains(&key(l));
        let fresh: Vec<_> = self.lapsing.iter().filter(just).cloned().collect();
        self.warned = self.lapsing.iter().map(key).collect();
        if let Some(next) = fresh.first().filter(|_| self.notice.as_ref().is_none_or(|n| n.until <= now)) {
            let who = next.incident.ack.as_ref().map(|a| a.by.to_string()).unwrap_or_default();
            let left = Age::between(now, next.ends);
            let more = if fresh.len() > 1 { format!(" and {} more", fresh.len() - 1) } else { String::new() };
            self.say(format!("lapses in {left} · {}, held by {who}{more}", next.incident.title), now);
        }
    }

    /// What is gone is marked no longer.
    fn forget_marks(&mut self) {
        if !self.marked.is_empty() {
            let open: HashSet<&IncidentId> = self.snapshot.incidents.iter().map(|i| &i.id).collect();
            self.marked.retain(|id| open.contains(id));
        }
        if !self.marked_holds.is_empty() {
            let there: HashSet<&Text> = self.board.iter().map(|h| &h.key).collect();
            self.marked_holds.retain(|key| there.contains(key));
        }
    }

    fn notice_pages(&mut self, next: &Snapshot, now: DateTime<Utc>) {
        self.fresh.retain(|_, until| *until > now);
        if self.begun {
            // One that has grown, or goes by another name now, is not new.
            let known: HashSet<&IncidentId> = self.snapshot.incidents.iter().flat_map(|old| old.names()).collect();
            let is_new = |i: &&Arc<Incident>| i.severity <= Severity::P2 && !i.names().any(|name| known.contains(name));
            for new in next.incidents.iter().filter(is_new) {
                let on = if let Origin::Own { slo, .. } = &new.origin { Some(Fresh::Slo(slo.clone())) } else { None };
                let both = [Some(Fresh::Incident(new.id.clone())), on];
                self.fresh.extend(both.into_iter().flatten().map(|fresh| (fresh, now + TimeDelta::seconds(3))));
            }
        }
        self.begun = self.begun || next.sources.iter().any(|s| s.state == Freshness::Fresh);
    }

    fn follow_detail(&mut self) {
        let Some(detail) = &mut self.detail else { return };
        let newer = match &detail.subject {
            Subject::Slo(row) => self.snapshot.slos.iter().find(|r| r.id == row.id).cloned().map(Subject::Slo),
            Subject::Incident(i) => self.snapshot.incident(&i.id).cloned().map(Subject::Incident),
            Subject::Source(name) => Some(Subject::Source(name.clone())),
            Subject::Hold(hold) => self.board.iter().find(|h| h.key == hold.key).cloned().map(|h| Subject::Hold(Box::new(h))),
            Subject::Queue(row) => self.snapshot.queue(&row.id).cloned().map(Subject::Queue),
        };
        detail.gone = newer.is_none();
        if let Some(newer) = newer {
            detail.subject = newer;
        }
    }

    /// An incident that is part of another one now goes by that one's name.
    fn follow_names(&mut self) {
        let snapshot = self.snapshot.clone();
        let name = |id: &IncidentId| snapshot.incident(id).map(|i| i.id.clone());
        self.incidents.follow(name);
        let renamed = |id: &IncidentId| name(id).unwrap_or_else(|| id.clone());
        self.marked = self.marked.iter().map(renamed).collect();
        self.drawn.incident = self.drawn.incident.as_ref().map(renamed);
    }

    fn take_toasts(&mut self, now: DateTime<Utc>) {
        let mut unlisted = Deeds::new([]);
        let listed = if let Mode::Deeds(deeds) = &mut self.mode { deeds } else { &mut unlisted };
        let mut all: Vec<(bool, String)> = Vec::new();
        // What is listed is told there, and nowhere else.
        for told in self.receipts.read(&self.snapshot, self.settings.time_zone, now) {
            if !listed.hear(&told) {
                all.push((!told.done, told.text));
            }
        }
        for toast in self.snapshot.toasts.iter().filter(|t| t.serial > self.seen_toast) {
            let heard = |about| listed.hear_toast(about, toast.failure, &toast.text);
            if !toast.about.as_ref().is_some_and(heard) {
                all.push((toast.failure, toast.text.to_string()));
            }
        }
        self.seen_toast = self.snapshot.toasts.iter().map(|t| t.serial).fold(self.seen_toast, u64::max);
        for (failure, text) in all {
            if failure { self.fail(text) } else { self.say(text, now) }
        }
    }

    /// Say something that went well, for four seconds.
    pub fn say(&mut self, text: impl Into<String>, now: DateTime<Utc>) {
        self.notice = Some(Notice { text: text.into(), until: now + TimeDelta::seconds(4), asked: None });
    }

    /// Say something that failed, until it is read.
    pub fn fail(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.failures.contains(&text) {
            self.failures.push_back(text);
        }
    }

    /// The terminal has another size.
    pub fn resize(&mut self, area: Rect) {
        self.area = area;
        self.fit();
    }

    fn refresh_lists(&mut self) {
        self.fit();
        let snapshot = self.snapshot.clone();
        self.slos.refresh(self.slo_order(), |i| slo_id(&snapshot, i));
        self.incidents.refresh(self.incident_order(), |i| incident_id(&snapshot, i));
        self.sources.refresh(all(snapshot.sources.len()), |i| source_name(&snapshot, i));
        self.holds.refresh(all(self.board.len()), |i| hold_key(&self.board, i));
        self.rotas.refresh(all(snapshot.rotas.len()), |i| rota_name(&snapshot, i));
        self.queue_lines = queues::lines(&snapshot, self.queue_filter.as_ref(), self.queue_sort, &self.unfolded);
        self.queues.refresh(all(self.queue_lines.len()), |i| queue_key(&self.queue_lines, i));
        let library = self.snapshot.runbooks.clone();
        self.books.refresh(self.book_order(), |i| book_id(&library, i));
        self.fit();
    }

    /// Order the list that has the keys anew, because its filter or its sorting was changed.
    pub(super) fn reorder(&mut self) {
        let snapshot = self.snapshot.clone();
        if self.on_incidents() {
            self.incidents.reorder(self.incident_order(), |i| incident_id(&snapshot, i));
        } else if self.on_queues() {
            self.queue_lines = queues::lines(&snapshot, self.queue_filter.as_ref(), self.queue_sort, &self.unfolded);
            self.queues.reorder(all(self.queue_lines.len()), |i| queue_key(&self.queue_lines, i));
        } else {
            self.slos.reorder(self.slo_order(), |i| slo_id(&snapshot, i));
        }
    }

    /// Tell the lists how many of their rows fit.
    pub(super) fn fit(&mut self) {
        let Some(zones) = layout::zones(self.area) else { return };
        let (list, _) = layout::with_detail(zones.body);
        let panes = layout::overview(zones.body, layout::Counts::of(&self.snapshot));
        let overview = self.screen == Screen::Overview;
        self.slos.fit(layout::rows(if overview { panes.slos } else { list }, true));
        self.incidents.fit(layout::rows(if overview { panes.incidents } else { list }, !overview));
        self.holds.fit(layout::rows(list, true));
        let queues = if overview { panes.queues.map(|pane| layout::rows(pane, false)) } else { Some(layout::rows(list, true)) };
        self.queues.fit(queues.unwrap_or(0));
        if queues.is_none() && self.pane == Pane::Queues {
            self.pane = Pane::Incidents;
        }
        self.rotas.fit(usize::from(zones.body.height));
        self.books.fit(layout::rows(layout::library(zones.body).0, true));
        self.sources.fit(layout::rows(layout::sources(zones.body, self.snapshot.sources.len()).0, true));
    }

    fn slo_order(&self) -> Vec<u32> {
        let rows = &self.snapshot.slos;
        let text = |r: &SloRow| format!("{} {} {}", r.id, r.state.word(), r.definition.source);
        let mut order = kept(rows, self.slo_filter.as_ref(), text);
        let row = |i: &u32| rows.get(*i as usize);
        match self.slo_sort {
            Sort::Worst | Sort::Newest => {}
            Sort::Budget => order.sort_by_cached_key(|i| ordered(row(i).and_then(|r| r.budget_left()).unwrap_or(f64::INFINITY))),
            Sort::Burn => {
                let burn = |i: &u32| row(i).and_then(|r| r.now()?.burn).map_or(f64::NEG_INFINITY, |b| b.0);
                order.sort_by_cached_key(|i| std::cmp::Reverse(ordered(burn(i))));
            }
            Sort::Name => order.sort_by_key(|i| row(i).map(|r| &r.id)),
        }
        order
    }

    fn incident_order(&self) -> Vec<u32> {
        let rows = &self.snapshot.incidents;
        let mut order = kept(rows, self.incident_filter.as_ref(), incident_text);
        let row = |i: &u32| rows.get(*i as usize);
        match self.incident_sort {
            Sort::Newest => order.sort_by_key(|i| std::cmp::Reverse(row(i).and_then(|r| r.since))),
            Sort::Name => order.sort_by_key(|i| row(i).map(|r| (&r.service, &r.title))),
            Sort::Worst | Sort::Budget | Sort::Burn => {}
        }
        order
    }

    /// The pane of the overview that has the keys: where there are no SLOs but incidents, those.
    pub fn focused(&self) -> Pane {
        let only_incidents = self.snapshot.slos.is_empty() && !self.snapshot.incidents.is_empty();
        if only_incidents && self.pane == Pane::Slos { Pane::Incidents } else { self.pane }
    }

    /// Whether the keys go to the incidents rather than the SLOs.
    pub fn on_incidents(&self) -> bool {
        match self.screen {
            Screen::Overview => self.focused() == Pane::Incidents,
            screen => screen == Screen::Incidents,
        }
    }

    /// Whether the keys go to the queues.
    pub fn on_queues(&self) -> bool {
        match self.screen {
            Screen::Overview => self.focused() == Pane::Queues,
            screen => screen == Screen::Queues,
        }
    }

    /// Whether the overview has a pane of queues.
    pub fn shows_queues(&self) -> bool {
        let panes = layout::zones(self.area).map(|zones| layout::overview(zones.body, layout::Counts::of(&self.snapshot)));
        panes.is_some_and(|panes| panes.queues.is_some())
    }

    /// The filter of the list that has the keys.
    pub fn filter(&self) -> Option<&Filter> {
        if self.on_incidents() {
            self.incident_filter.as_ref()
        } else if self.on_queues() {
            self.queue_filter.as_ref()
        } else {
            self.slo_filter.as_ref()
        }
    }

    /// What the cursor is on; `None` if there is nothing.
    pub fn subject(&self) -> Option<Subject> {
        if let Some(detail) = &self.detail {
            return Some(detail.subject.clone());
        }
        if self.screen == Screen::Sources {
            return self.source().map(|s| Subject::Source(s.name.clone()));
        }
        if self.screen == Screen::Board {
            return self.hold().cloned().map(|h| Subject::Hold(Box::new(h)));
        }
        if matches!(self.screen, Screen::OnCall | Screen::Runbooks) {
            return None;
        }
        if self.on_queues() {
            return self.queue().cloned().map(Subject::Queue);
        }
        if self.on_incidents() { self.incident().cloned().map(Subject::Incident) } else { self.slo().cloned().map(Subject::Slo) }
    }

    /// The selected SLO.
    pub fn slo(&self) -> Option<&Arc<SloRow>> {
        self.snapshot.slos.get(self.slos.source_index()?)
    }
    /// The selected incident.
    pub fn incident(&self) -> Option<&Arc<Incident>> {
        self.snapshot.incidents.get(self.incidents.source_index()?)
    }
    /// The selected line of the queues.
    pub fn queue_line(&self) -> Option<&Line> {
        self.queue_lines.get(self.queues.source_index()?)
    }
    /// The selected queue.
    pub fn queue(&self) -> Option<&Arc<QueueRow>> {
        match self.queue_line()?.what {
            queues::What::Queue(at) => self.snapshot.queues.get(at),
            queues::What::Quiet(..) => None,
        }
    }
    /// The selected source.
    pub fn source(&self) -> Option<&SourceRow> {
        self.snapshot.sources.get(self.sources.source_index()?)
    }
    /// The selected row of the board.
    pub fn hold(&self) -> Option<&Hold> {
        self.board.get(self.holds.source_index()?)
    }
    /// The marked rows of the board, else the one that the cursor is on.
    pub fn chosen_holds(&self) -> Vec<Hold> {
        if let Some(Detail { subject: Subject::Hold(hold), gone, .. }) = &self.detail {
            return if *gone { Vec::new() } else { vec![Hold::clone(hold)] };
        }
        if self.screen != Screen::Board || self.detail.is_some() {
            return Vec::new();
        }
        let marked: Vec<_> = self.board.iter().filter(|h| self.marked_holds.contains(&h.key)).cloned().collect();
        if marked.is_empty() { self.hold().cloned().into_iter().collect() } else { marked }
    }
    /// The marked incidents, in the order of the list.
    pub fn marked_incidents(&self) -> Vec<Arc<Incident>> {
        if !self.on_incidents() {
            return Vec::new();
        }
        self.snapshot.incidents.iter().filter(|i| self.marked.contains(&i.id)).cloned().collect()
    }
    /// The selected rota.
    pub fn rota(&self) -> Option<&Arc<Rota>> {
        self.snapshot.rotas.get(self.rotas.source_index()?)
    }
    /// The incident that an act would be on: that under the cursor, or that of the SLO under the cursor.
    pub fn actionable(&self) -> Option<Arc<Incident>> {
        match self.subject()? {
            Subject::Slo(row) => answers::incident_of(&self.snapshot, &row),
            Subject::Incident(incident) => (!self.detail.as_ref().is_some_and(|d| d.gone)).then_some(incident),
            Subject::Hold(hold) => hold.incident.as_ref().and_then(|i| self.snapshot.incident(&i.id)).cloned(),
            Subject::Queue(row) => answers::of_queue(&self.snapshot, &row).cloned(),
            Subject::Source(_) => None,
        }
    }

    /// Whether an actor is who sits here.
    pub fn is_me(&self, actor: &Actor) -> bool {
        actor.name == *self.name.as_ref().unwrap_or(&self.settings.me)
    }

    /// Why nothing may be done to anything; `None` if acting is on. Every way to act asks here.
    pub fn acting_is_off(&self) -> Option<String> {
        if self.settings.read_only {
            return Some("this cockpit is read-only; start it without read_only to act".to_owned());
        }
        self.snapshot.store.trouble.as_ref().map(|why| format!("acting is off: {why}"))
    }

    /// Whether this incident is a new page.
    pub fn is_fresh(&self, id: &IncidentId, now: DateTime<Utc>) -> bool {
        self.fresh.get(&Fresh::Incident(id.clone())).is_some_and(|until| *until > now)
    }
    /// Whether this SLO has a new page.
    pub fn is_fresh_slo(&self, id: &SloId, now: DateTime<Utc>) -> bool {
        self.fresh.get(&Fresh::Slo(id.clone())).is_some_and(|until| *until > now)
    }

    /// The cursor has just moved.
    pub(super) fn moved(&mut self, now: DateTime<Utc>) {
        self.moved_at = Some(now);
    }
    /// How long until the cursor counts as resting; `None` once it does.
    pub fn settles_in(&self, now: DateTime<Utc>) -> Option<Duration> {
        let left = self.moved_at? + RESTS_AFTER - now;
        left.to_std().ok().filter(|d| !d.is_zero() && left <= RESTS_AFTER)
    }
    /// What the detail beside a list shows: what is under the cursor once that rests, until then what it showed before. A cursor on
    /// its way does not drag a page of text behind it.
    pub fn beside(&self, now: DateTime<Utc>) -> Option<Subject> {
        let passing = self.settles_in(now).is_some();
        self.beside.clone().filter(|_| passing).or_else(|| self.subject())
    }

    /// What was drawn, and what that asks for: the history of the rows that have come into sight, all that is known of an incident that
    /// is open.
    pub fn after_draw(&mut self, below: u16, now: DateTime<Utc>) -> Vec<Request> {
        self.beside = self.beside(now);
        let (slo, incident, hold) = (self.slos.selected(), self.incidents.selected(), self.holds.selected());
        let queue = self.queues.selected().cloned();
        self.drawn = Drawn { slo: slo.cloned(), incident: incident.cloned(), hold: hold.cloned(), queue, below };
        let looks =
            [self.history_wanted(), self.chronicle_wanted(now), self.latencies_wanted(now), self.runbooks_wanted(), self.output_wanted()];
        looks.into_iter().flatten().map(Request::Look).collect()
    }

    /// Look up what is open once more with the next frame.
    pub(super) fn look_up_again(&mut self) {
        self.looked_up = None;
    }

    /// An open incident is asked about when it is opened, when it changes, and now and then.
    fn chronicle_wanted(&mut self, now: DateTime<Utc>) -> Option<Question> {
        let Some(Detail { subject: Subject::Incident(incident), gone: false, .. }) = &self.detail else {
            self.looked_up = None;
            return None;
        };
        let stood = (incident.version, incident.status, incident.ack.as_ref().map(|a| a.at));
        let lately = |l: &LookedUp| l.id == incident.id && l.stood == stood && now - l.at < LOOK_AGAIN;
        if self.looked_up.as_ref().is_some_and(lately) {
            return None;
        }
        let id = incident.id.clone();
        self.looked_up = Some(LookedUp { id: id.clone(), stood, at: now });
        Some(Question::Chronicle(id))
    }

    /// How long the answers of a probe took is looked up when its SLO is shown in full, and now and then while it is.
    fn latencies_wanted(&mut self, now: DateTime<Utc>) -> Option<Question> {
        let shown = self.detail.as_ref().map(|detail| &detail.subject).or(self.beside.as_ref());
        let Some(Subject::Slo(row)) = shown.filter(|s| matches!(s, Subject::Slo(row) if matches!(row.definition.sli, Sli::Probe(_))))
        else {
            self.timed = None;
            return None;
        };
        if self.timed.as_ref().is_some_and(|(id, at)| *id == row.id && now - *at < TIME_AGAIN) {
            return None;
        }
        let id = row.id.clone();
        self.timed = Some((id.clone(), now));
        Some(Question::Latencies(id))
    }

    fn history_wanted(&mut self) -> Option<Question> {
        let mut rows: Vec<SloId> = match (self.screen, &self.detail) {
            (_, Some(Detail { subject: Subject::Slo(row), .. })) => vec![row.id.clone()],
            (_, Some(Detail { subject: Subject::Incident(incident), .. })) => {
                let of_service = |r: &&Arc<SloRow>| Some(&r.service) == incident.service.as_ref();
                self.snapshot.slos.iter().filter(of_service).take(BESIDE).map(|r| r.id.clone()).collect()
            }
            (Screen::Overview | Screen::Slos, None) => {
                self.slos.visible().filter_map(|(_, i)| self.snapshot.slos.get(i).map(|r| r.id.clone())).collect()
            }
            _ => return None,
        };
        rows.sort_unstable();
        if rows == self.looked_at {
            return None;
        }
        self.looked_at.clone_from(&rows);
        Some(Question::History(rows))
    }
}

/// The id of the SLO at a place of the snapshot.
pub(super) fn slo_id(snapshot: &Snapshot, i: u32) -> Option<&SloId> {
    snapshot.slos.get(i as usize).map(|r| &r.id)
}
/// The id of the incident at a place of the snapshot.
pub(super) fn incident_id(snapshot: &Snapshot, i: u32) -> Option<&IncidentId> {
    snapshot.incidents.get(i as usize).map(|r| &r.id)
}
/// The name of the source at a place of the snapshot.
pub(super) fn source_name(snapshot: &Snapshot, i: u32) -> Option<&SourceName> {
    snapshot.sources.get(i as usize).map(|r| &r.name)
}

/// The key of a row of the board.
pub(super) fn hold_key(board: &[Hold], i: u32) -> Option<&Text> {
    board.get(i as usize).map(|h| &h.key)
}

/// The key of a line of the queues.
pub(super) fn queue_key(lines: &[Line], i: u32) -> Option<&Text> {
    lines.get(i as usize).map(|line| &line.key)
}

/// The id of the runbook at a place of the library.
pub(super) fn book_id(library: &Library, i: u32) -> Option<&RunbookId> {
    library.books.get(i as usize).map(|b| &b.id)
}

/// The name of the rota at a place of the snapshot.
pub(super) fn rota_name(snapshot: &Snapshot, i: u32) -> Option<&Text> {
    snapshot.rotas.get(i as usize).map(|r| &r.name)
}

fn all(len: usize) -> Vec<u32> {
    (0..u32::try_from(len).unwrap_or(u32::MAX)).collect()
}

fn kept<T>(rows: &[Arc<T>], filter: Option<&Filter>, text: impl Fn(&T) -> String) -> Vec<u32> {
    let Some(filter) = filter else { return all(rows.len()) };
    let keeps = |row: &T| filter.keeps(&text(row));
    (0_u32..).zip(rows).filter(|(_, row)| keeps(row)).map(|(i, _)| i).collect()
}

fn incident_text(incident: &Incident) -> String {
    let mut text = format!("{} {} {}", incident.severity.word(), incident.title, incident.id);
    for (name, value) in incident.labels.shown() {
        text.push(' ');
        text.push_str(name.as_str());
        text.push('=');
        text.push_str(value.as_str());
    }
    text
}

/// A number as something that sorts: NaN last.
fn ordered(value: f64) -> i64 {
    let bits = value.to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}
