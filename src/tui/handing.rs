//! Handing over: a note from the outgoing to the incoming, and the word of the incoming that it was read.

use chrono::{DateTime, Utc};

use super::{
    action::Action,
    state::{Mode, Typed, Ui},
    update::edit,
};
use crate::domain::{Act, Actor, HandoffNote, Request, Text, Verb, rotation_subject};

/// A note being written, or read.
#[derive(Clone, Debug)]
pub struct Handing {
    /// Of which rota.
    pub rota: Text,
    /// Of which handoff.
    pub handoff: DateTime<Utc>,
    /// To whom; `None` for nobody in particular.
    pub to: Option<Text>,
    /// What is asked for now.
    pub step: Step,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub enum Step {
    /// The words.
    Write(Typed),
    /// Whether this note was read.
    Read(HandoffNote),
    /// Who acts, where the system cannot tell, before this is done.
    Name(Verb, Typed),
}

impl Handing {
    /// Whether text is typed.
    pub const fn is_typing(&self) -> bool {
        matches!(self.step, Step::Write(_) | Step::Name(..))
    }
}

/// The handoff that a note of the selected rota would be for; `None` if none is known.
pub fn writable(ui: &Ui, now: DateTime<Utc>) -> Option<Handing> {
    let rota = ui.rota()?;
    let next = rota.handoff_to_note(now)?;
    let written = rota.notes.iter().find(|n| n.at == next.at).map(|n| n.note.to_string());
    let typed = Typed { text: written.unwrap_or_default(), ..Typed::default() };
    Some(Handing { rota: rota.name.clone(), handoff: next.at, to: next.who, step: Step::Write(typed) })
}

/// The note that is to be read: the selected rota's, else that of any.
pub fn readable(ui: &Ui, now: DateTime<Utc>) -> Option<Handing> {
    let selected = ui.rota().into_iter();
    let (rota, note) = selected.chain(&ui.snapshot.rotas).find_map(|rota| Some((rota, rota.waiting_notes(now).last()?)))?;
    Some(Handing { rota: rota.name.clone(), handoff: note.at, to: None, step: Step::Read(note.clone()) })
}

/// Ask for a note.
pub fn write(ui: &mut Ui, now: DateTime<Utc>) {
    if let Some(why) = ui.acting_is_off() {
        return ui.fail(why);
    }
    match writable(ui, now) {
        Some(handing) => ui.mode = Mode::Handing(handing),
        None => ui.say("no handoff is known: nobody to leave a note to", now),
    }
}

/// Ask whether the note was read.
pub fn read(ui: &mut Ui, now: DateTime<Utc>) {
    if let Some(why) = ui.acting_is_off() {
        return ui.fail(why);
    }
    match readable(ui, now) {
        Some(handing) => ui.mode = Mode::Handing(handing),
        None => ui.say("no note waits to be read", now),
    }
}

/// One step further.
pub fn update(ui: &mut Ui, mut handing: Handing, action: &Action, now: DateTime<Utc>) -> Vec<Request> {
    if matches!(action, Action::Back) {
        return Vec::new();
    }
    let (rotation, handoff) = (handing.rota.clone(), handing.handoff);
    match (&mut handing.step, action) {
        (Step::Write(typed), Action::Accept) => {
            let note = Text::clean(typed.text.trim());
            if !note.is_empty() {
                return accept(ui, handing, Verb::HandoffNote { rotation, handoff, note }, now);
            }
            typed.problem = Some("say what is open and what was promised".to_owned());
        }
        (Step::Read(_), Action::Accept) => return accept(ui, handing, Verb::HandoffRead { rotation, handoff }, now),
        (Step::Name(_, typed), Action::Accept) if typed.text.trim().is_empty() => typed.problem = Some("a name is needed".to_owned()),
        (Step::Name(verb, typed), Action::Accept) => {
            let verb = verb.clone();
            ui.name = Some(Text::clean(typed.text.trim()));
            return accept(ui, handing, verb, now);
        }
        (Step::Write(typed) | Step::Name(_, typed), _) => {
            typed.problem = None;
            edit(typed, action);
        }
        (Step::Read(_), _) => {}
    }
    ui.mode = Mode::Handing(handing);
    Vec::new()
}

/// Send it, once it is known who acts.
fn accept(ui: &mut Ui, mut handing: Handing, verb: Verb, now: DateTime<Utc>) -> Vec<Request> {
    if let Some(why) = ui.acting_is_off() {
        ui.fail(why);
        return Vec::new();
    }
    if let (Some(proposed), None) = (&ui.settings.ask_name, &ui.name) {
        handing.step = Step::Name(verb, Typed { text: proposed.to_string(), ..Typed::default() });
        ui.mode = Mode::Handing(handing);
        return Vec::new();
    }
    let incident = rotation_subject(&handing.rota);
    let seen = ui.snapshot.threads.get(&incident).map_or(0, |t| t.version);
    let by = ui.name.clone().map(|name| Actor { name, verified: false });
    ui.say("writing to the journal …", now);
    vec![Request::Act(Act { incident, seen, verb, by })]
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;

    use super::*;
    use crate::{
        domain::Snapshot,
        tui::{
            fixture::{self, now},
            state::Screen,
            update::update,
        },
    };

    fn ui(snapshot: Snapshot) -> Ui {
        let mut ui = Ui::new(fixture::settings(), snapshot.into(), Rect::new(0, 0, 120, 36), now());
        update(&mut ui, &Action::Go(Screen::OnCall), now());
        ui
    }
    fn act(ui: &mut Ui, actions: &[Action]) -> Vec<Verb> {
        let requests: Vec<_> = actions.iter().flat_map(|a| update(ui, a, now())).collect();
        requests.into_iter().filter_map(|r| if let Request::Act(act) = r { Some(act.verb) } else { None }).collect()
    }

    #[test]
    fn a_note_goes_to_the_next_handoff_of_the_selected_rota() {
        let mut ui = ui(fixture::burning());
        assert!(act(&mut ui, &[Action::Note, Action::Accept]).is_empty(), "not without words");
        let sent = act(&mut ui, &[Action::Paste("canary\nat 10 %".into()), Action::Accept]);
        let handoff = "2026-11-19T17:00:00Z".parse().unwrap();
        let note = "canary at 10 %".into();
        assert_eq!(sent, [Verb::HandoffNote { rotation: "payments".into(), handoff, note }]);
        let sent = act(&mut ui, &[Action::Step(1), Action::Note, Action::Type('x'), Action::Accept]);
        assert!(matches!(&sent[..], [Verb::HandoffNote { rotation, .. }] if rotation.as_str() == "platform"), "{sent:?}");
        assert!(act(&mut ui, &[Action::Note, Action::Type('x'), Action::Back, Action::Accept]).is_empty());
    }

    #[test]
    fn a_note_is_read_once_and_only_where_acting_is_on() {
        let mut ui = ui(fixture::handed_over());
        let sent = act(&mut ui, &[Action::Acknowledge, Action::Accept]);
        assert!(matches!(&sent[..], [Verb::HandoffRead { rotation, .. }] if rotation.as_str() == "payments"), "{sent:?}");
        ui.settings.read_only = true;
        assert!(act(&mut ui, &[Action::Acknowledge, Action::Accept, Action::Note, Action::Type('x'), Action::Accept]).is_empty());
        ui.take(fixture::burning().into(), now());
        ui.settings.read_only = false;
        assert!(act(&mut ui, &[Action::Acknowledge, Action::Accept]).is_empty());
        assert_eq!(ui.notice.as_ref().unwrap().text, "no note waits to be read");
    }

    #[test]
    fn a_shared_account_is_asked_for_a_name() {
        let mut ui = ui(fixture::burning());
        ui.settings.ask_name = Some("ops".into());
        let words = [Action::Note, Action::Type('x'), Action::Accept, Action::EraseAll, Action::Accept];
        assert!(act(&mut ui, &words).is_empty());
        let requests = [Action::Paste("maya".into()), Action::Accept].iter().flat_map(|a| update(&mut ui, a, now())).collect::<Vec<_>>();
        assert!(matches!(&requests[..], [Request::Act(Act { by: Some(by), .. })] if by.name.as_str() == "maya" && !by.verified));
    }
}
