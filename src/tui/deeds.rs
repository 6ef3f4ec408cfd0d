//! Acts that wait for one yes: several rows at once, a silence, the end of one.
//!
//! Each is an act of its own, with its own intent and end in the journal. They are listed before they are done, what is left alone and
//! why among them; several stay listed until they are read, each with what became of it.

use chrono::{DateTime, Utc};

use super::{
    action::Action,
    draft::Draft,
    receipts::{Kind, Told},
    state::{Mode, Taking, Typed, Ui, Wish},
    update,
};
use crate::domain::{
    Act, Actor, Coverage, Hold, IncidentId, LabelMatcher, Request, SourceName, Text, Verb, Window, hold_subject, shown_matchers,
    silence_subject,
};

/// Something to be done, or left alone.
#[derive(Clone, Debug)]
pub enum Deed {
    /// An act on an incident.
    On(Wish),
    /// A silence.
    Silence {
        /// Where.
        source: SourceName,
        /// On what.
        matchers: Vec<LabelMatcher>,
        /// How long.
        span: Window,
        /// Why.
        comment: Text,
        /// What it would hold back when it was asked for.
        coverage: Coverage,
    },
    /// The end of a silence.
    Expire(Box<Hold>),
    /// Nothing, and why.
    Left {
        /// What people call it.
        title: Text,
        /// Why.
        why: String,
    },
}

/// What became of a deed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It waits for the yes.
    Waits,
    /// It was asked for.
    Sent,
    /// It was done; in words.
    Done(String),
    /// It was not, or not yet; in words.
    Failed(String),
}

/// One deed and what became of it.
#[derive(Clone, Debug)]
pub struct Line {
    /// What.
    pub deed: Deed,
    /// What became of it.
    pub fate: Fate,
}

/// Deeds that wait for one yes, or were done and are read.
#[derive(Clone, Debug)]
pub struct Deeds {
    /// They.
    pub lines: Vec<Line>,
    /// Lines scrolled away.
    pub scroll: u16,
    /// Whether the yes was said.
    pub sent: bool,
    /// What to go back to if it is not.
    pub draft: Option<Box<Draft>>,
}

impl Deed {
    /// What it is on, in the journal; `None` if nothing is done.
    pub fn subject(&self) -> Option<IncidentId> {
        match self {
            Self::On(wish) => Some(wish.incident.id.clone()),
            Self::Silence { source, matchers, .. } => Some(silence_subject(source, matchers)),
            Self::Expire(hold) => hold_subject(hold).map(|(_, subject)| subject),
            Self::Left { .. } => None,
        }
    }
    /// What people call that.
    pub fn title(&self) -> String {
        match self {
            Self::On(wish) => wish.incident.title.to_string(),
            Self::Silence { matchers, .. } => shown_matchers(matchers),
            Self::Expire(hold) => hold.what.clone(),
            Self::Left { title, .. } => title.to_string(),
        }
    }
    fn kind(&self) -> Option<Kind> {
        match self {
            Self::On(wish) => Some(wish.taking.clone().into()),
            Self::Silence { .. } => Some(Kind::Silence),
            Self::Expire(_) => Some(Kind::Expire),
            Self::Left { .. } => None,
        }
    }
    /// The request for it, as things stand; or why there is none.
    fn request(&self, ui: &Ui) -> Result<Request, String> {
        let thread = |subject: &IncidentId| ui.snapshot.threads.get(subject).map_or(0, |t| t.version);
        let over = || "over already, nothing was done".to_owned();
        let subject = self.subject().ok_or_else(over)?;
        let (seen, verb) = match self {
            Self::On(wish) if !update::still_open(ui, &wish.incident) => return Err(over()),
            Self::On(wish) => (wish.incident.version, wish.verb()),
            Self::Silence { source, matchers, span, comment, .. } => {
                let (source, matchers) = (source.clone(), matchers.clone());
                (thread(&subject), Verb::Silence { source, matchers, span: span.duration(), comment: comment.clone() })
            }
            Self::Expire(hold) => {
                let (Some(source), Some(silence)) = (hold.sources.first().cloned(), &hold.silence) else { return Err(over()) };
                (thread(&subject), Verb::Expire { source, silence: silence.id.clone() })
            }
            Self::Left { .. } => return Err(over()),
        };
        let by = ui.name.clone().map(|name| Actor { name, verified: false });
        Ok(Request::Act(Act { incident: subject, seen, verb, by }))
    }
}

impl Deeds {
    /// Deeds to be asked for.
    pub fn new(deeds: impl IntoIterator<Item = Deed>) -> Self {
        let lines = deeds.into_iter().map(|deed| Line { deed, fate: Fate::Waits }).collect();
        Self { lines, scroll: 0, sent: false, draft: None }
    }
    /// The one deed, if there is but one: it needs no list.
    pub fn only(&self) -> Option<&Deed> {
        match self.lines.as_slice() {
            [line] => Some(&line.deed),
            _ => None,
        }
    }
    /// How many are to be done, and how many of these were done and were not.
    pub fn counts(&self) -> (usize, usize, usize) {
        let meant = self.lines.iter().filter(|l| l.deed.subject().is_some());
        meant.fold((0, 0, 0), |(all, done, failed), line| match line.fate {
            Fate::Done(_) => (all + 1, done + 1, failed),
            Fate::Failed(_) => (all + 1, done, failed + 1),
            Fate::Waits | Fate::Sent => (all + 1, done, failed),
        })
    }
    /// Whether a note can be added.
    pub fn takes_note(&self) -> bool {
        !self.sent && self.lines.iter().any(|l| matches!(&l.deed, Deed::On(wish) if wish.taking != Taking::GiveBack))
    }
    /// The note on all of them.
    pub fn note(&self) -> Option<&Text> {
        self.lines.iter().find_map(|l| if let Deed::On(wish) = &l.deed { wish.note.as_ref() } else { None })
    }
    fn set_note(&mut self, note: Option<&Text>) {
        for line in &mut self.lines {
            if let Deed::On(wish) = &mut line.deed {
                wish.note = note.cloned();
            }
        }
    }
    fn line_of(&mut self, subject: &IncidentId) -> Option<&mut Line> {
        self.lines.iter_mut().find(|l| !matches!(l.fate, Fate::Waits) && l.deed.subject().as_ref() == Some(subject))
    }
    /// Take in what became of one of them; whether it was one of them.
    pub fn hear(&mut self, told: &Told) -> bool {
        let Some(line) = self.line_of(&told.subject) else { return false };
        line.fate = if told.done { Fate::Done(told.text.clone()) } else { Fate::Failed(told.text.clone()) };
        true
    }
    /// Take in a sentence about one of them that is no entry of the journal; whether it was about one of them.
    pub fn hear_toast(&mut self, about: &IncidentId, failure: bool, text: &Text) -> bool {
        let Some(line) = self.line_of(about) else { return false };
        if failure && !matches!(line.fate, Fate::Done(_)) {
            line.fate = Fate::Failed(text.to_string());
        }
        true
    }
}

/// What an action means while deeds are listed.
pub fn deeds(ui: &mut Ui, mut deeds: Deeds, action: &Action) -> Vec<Request> {
    match action {
        Action::Accept if deeds.sent => return Vec::new(),
        Action::Accept => return accept(ui, deeds),
        Action::Back => {
            if let (Some(draft), false) = (deeds.draft, deeds.sent) {
                ui.mode = Mode::Silence(draft);
            }
            return Vec::new();
        }
        Action::Note if deeds.takes_note() => {
            let text = deeds.note().map(ToString::to_string).unwrap_or_default();
            ui.mode = Mode::NoteAll(deeds, Typed { text, ..Typed::default() });
            return Vec::new();
        }
        Action::Step(by) => {
            let furthest = i64::from(deeds.scroll) + i64::from(ui.drawn.below);
            deeds.scroll = u16::try_from((i64::from(deeds.scroll) + i64::from(*by)).clamp(0, furthest)).unwrap_or_default();
            ui.drawn.below = u16::try_from(furthest - i64::from(deeds.scroll)).unwrap_or_default();
        }
        _ => {}
    }
    ui.mode = Mode::Deeds(deeds);
    Vec::new()
}

/// A note for all of them is typed.
pub fn note(ui: &mut Ui, mut deeds: Deeds, mut typed: Typed, action: &Action) {
    match action {
        Action::Accept => {
            deeds.set_note(Some(&Text::clean(typed.text.trim())).filter(|t| !t.is_empty()));
            ui.mode = Mode::Deeds(deeds);
        }
        Action::Back => ui.mode = Mode::Deeds(deeds),
        _ => {
            update::edit(&mut typed, action);
            ui.mode = Mode::NoteAll(deeds, typed);
        }
    }
}

/// The name of who acts is typed.
pub fn name(ui: &mut Ui, deeds: Deeds, mut typed: Typed, action: &Action) -> Vec<Request> {
    match action {
        Action::Accept if typed.text.trim().is_empty() => typed.problem = Some("a name is needed".to_owned()),
        Action::Accept => {
            ui.name = Some(Text::clean(typed.text.trim()));
            return accept(ui, deeds);
        }
        Action::Back => {
            ui.mode = Mode::Deeds(deeds);
            return Vec::new();
        }
        _ => update::edit(&mut typed, action),
    }
    ui.mode = Mode::NameAll(deeds, typed);
    Vec::new()
}

/// Ask for all of them, once it is known who acts.
fn accept(ui: &mut Ui, mut deeds: Deeds) -> Vec<Request> {
    if let Some(why) = ui.acting_is_off() {
        ui.fail(why);
        return Vec::new();
    }
    if let (Some(proposed), None) = (&ui.settings.ask_name, &ui.name) {
        let text = proposed.to_string();
        ui.mode = Mode::NameAll(deeds, Typed { text, ..Typed::default() });
        return Vec::new();
    }
    let mut requests = Vec::new();
    for line in &mut deeds.lines {
        let (Some(subject), Some(kind)) = (line.deed.subject(), line.deed.kind()) else { continue };
        match line.deed.request(ui) {
            Ok(request) => {
                ui.receipts.expect(subject, kind);
                requests.push(request);
                line.fate = Fate::Sent;
            }
            Err(why) => line.fate = Fate::Failed(why),
        }
    }
    ui.marked.clear();
    ui.marked_holds.clear();
    deeds.sent = true;
    deeds.scroll = 0;
    if deeds.only().is_none() {
        ui.mode = Mode::Deeds(deeds);
    } else if let Some(Line { fate: Fate::Failed(why), deed }) = deeds.lines.first() {
        ui.fail(format!("{}: {why}", deed.title()));
    }
    requests
}

/// Ask whether to take, or give back, each of the marked incidents.
pub fn marked(ui: &mut Ui, taking: &Taking) {
    let wish = |incident| Wish { incident, taking: taking.clone(), note: None };
    let deeds: Vec<_> = ui.marked_incidents().into_iter().map(|incident| of_marked(wish(incident))).collect();
    ui.mode = Mode::Deeds(Deeds::new(deeds));
}

fn of_marked(wish: Wish) -> Deed {
    let left = |why: String| Deed::Left { title: wish.incident.title.clone(), why };
    match (&wish.taking, &wish.incident.ack) {
        (Taking::Take, Some(ack)) if ack.delivery != crate::domain::Delivery::Failed => {
            left(format!("left alone: {} has it; a on it alone takes it over", ack.by))
        }
        (Taking::GiveBack, None) => left("left alone: nobody has it".to_owned()),
        _ => Deed::On(wish),
    }
}

/// Ask whether to end the marked silences, else the one under the cursor. One that carries an acknowledgement is given back.
pub fn expire(ui: &mut Ui, now: DateTime<Utc>) {
    if let Some(why) = ui.acting_is_off() {
        return ui.fail(why);
    }
    let rows = ui.chosen_holds();
    if rows.is_empty() {
        return ui.say("nothing is selected: nothing to expire", now);
    }
    let deeds = rows.into_iter().map(|hold| match (&hold.incident, &hold.silence) {
        (Some(incident), _) => Deed::On(Wish { incident: incident.clone(), taking: Taking::GiveBack, note: None }),
        (None, Some(_)) => Deed::Expire(Box::new(hold)),
        (None, None) => Deed::Left { title: Text::from(hold.what.as_str()), why: "left alone: it is no silence".to_owned() },
    });
    ui.mode = Mode::Deeds(Deeds::new(deeds.collect::<Vec<_>>()));
}
