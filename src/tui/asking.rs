//! Before an act that needs more than a yes: which words, how long, to whom. What is typed becomes a wish, and a wish is confirmed.
//!
//! Every one of these ways ends in [`Mode::Confirm`], which says what will happen where; nothing is sent from here.

use std::{str::FromStr, sync::Arc};

use chrono::{DateTime, Utc};

use super::state::{Mode, Taking, Typed, Ui, Wish};
use crate::domain::{Escalation, Incident, Person, Text, Window};

/// The longest that a service that pages people holds an incident.
const LONGEST_SNOOZE: Window = Window::days(7);
/// What it is if nothing is typed.
const USUAL_SNOOZE: Window = Window::hours(1);

/// Something that is asked for before the confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A note.
    Note,
    /// A yes.
    Resolve,
    /// A length.
    Snooze,
    /// A level or a person.
    Escalate,
}

impl Wanted {
    const fn verb(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Resolve => "resolve",
            Self::Snooze => "snooze",
            Self::Escalate => "escalate",
        }
    }
}

/// Whether `wanted` is offered where this incident is kept: everybody has a journal for notes, the rest only what pages people.
pub fn is_offered(wanted: Wanted, incident: &Incident) -> bool {
    wanted == Wanted::Note || incident.paged().is_some()
}

/// Ask for what the act needs, on the incident that was drawn under the cursor.
pub fn begin(ui: &mut Ui, wanted: Wanted, now: DateTime<Utc>) {
    if let Some(why) = ui.acting_is_off() {
        return ui.fail(why);
    }
    let Some(incident) = ui.actionable() else {
        let what = if ui.subject().is_none() { "nothing is selected" } else { "no open incident here" };
        return ui.say(format!("{what}: nothing to {}", wanted.verb()), now);
    };
    if !is_offered(wanted, &incident) {
        let from = incident.sources.first().map_or("burnwatch", |s| s.as_str());
        let text = format!("{from} has no {}: this ends when its alert clears", wanted.verb());
        return ui.say(text, now);
    }
    ui.mode = match wanted {
        Wanted::Note => Mode::Note(Wish { incident, taking: Taking::Note, note: None }, Typed::default()),
        Wanted::Resolve => Mode::Confirm(Wish { incident, taking: Taking::Resolve, note: None }),
        Wanted::Snooze => Mode::Length(incident, Typed::default()),
        Wanted::Escalate => Mode::Whom(incident, Typed::default()),
    };
}

/// A length was typed.
pub fn length(ui: &mut Ui, incident: Arc<Incident>, mut typed: Typed) {
    match span(&typed.text) {
        Ok(span) => ui.mode = Mode::Confirm(Wish { incident, taking: Taking::Snooze(span), note: None }),
        Err(problem) => {
            typed.problem = Some(problem);
            ui.mode = Mode::Length(incident, typed);
        }
    }
}

fn span(text: &str) -> Result<Window, String> {
    if text.trim().is_empty() {
        return Ok(USUAL_SNOOZE);
    }
    let span = Window::from_str(text.trim()).map_err(|_| "write it as 30m, 4h or 2d".to_owned())?;
    if span > LONGEST_SNOOZE { Err(format!("at most {LONGEST_SNOOZE}")) } else { Ok(span) }
}

/// A level or a name was typed.
pub fn whom(ui: &mut Ui, incident: Arc<Incident>, mut typed: Typed) {
    match recipient(&typed.text, &ui.settings.people) {
        Ok(to) => ui.mode = Mode::Confirm(Wish { incident, taking: Taking::Escalate(to), note: None }),
        Err(problem) => {
            typed.problem = Some(problem);
            ui.mode = Mode::Whom(incident, typed);
        }
    }
}

/// Whom `text` means: a level from 1, or the one person whose name it is or begins.
fn recipient(text: &str, people: &[Person]) -> Result<Escalation, String> {
    let text = Text::clean(text.trim());
    if text.is_empty() {
        return Err("a level or a name is needed".to_owned());
    }
    if let Ok(level) = text.as_str().parse::<u32>() {
        return if level == 0 { Err("levels begin at 1".to_owned()) } else { Ok(Escalation::Level(level)) };
    }
    let mut begins = people.iter().filter(|p| p.name.as_str().starts_with(text.as_str()));
    let exact = people.iter().find(|p| p.name == text);
    let person = match (exact, begins.next(), begins.next()) {
        (Some(person), _, _) | (None, Some(person), None) => person,
        (None, Some(one), Some(other)) => return Err(format!("{} or {}? write more of it", one.name, other.name)),
        (None, None, _) => return Err(format!("there is no [[person]] named {text}")),
    };
    let email = person.email.clone().ok_or_else(|| format!("{} has no `email` in their [[person]]", person.name))?;
    Ok(Escalation::Person { name: person.name.clone(), email })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_or_the_one_person_that_is_meant() {
        let person = |name: &str, email: Option<&str>| Person {
            name: name.into(),
            login: None,
            email: email.map(Text::from),
            time_zone: None,
            night: None,
        };
        let people = [person("maya", Some("maya@acme.io")), person("mara", Some("mara@acme.io")), person("jon", None)];
        let to = |text: &str| recipient(text, &people);
        assert_eq!(to(" 2 "), Ok(Escalation::Level(2)));
        assert!(matches!(to("may"), Ok(Escalation::Person { name, .. }) if name.as_str() == "maya"));
        assert_eq!(to("ma").unwrap_err(), "maya or mara? write more of it");
        assert_eq!(to("jon").unwrap_err(), "jon has no `email` in their [[person]]");
        for (text, problem) in
            [("0", "levels begin at 1"), ("", "a level or a name is needed"), ("zoe", "there is no [[person]] named zoe")]
        {
            assert_eq!(to(text).unwrap_err(), problem);
        }
    }

    #[test]
    fn a_snooze_has_an_end_within_a_week() {
        assert_eq!(span(" 4h "), Ok(Window::hours(4)));
        assert_eq!(span("8d").unwrap_err(), "at most 7d");
        assert_eq!(span(""), Ok(Window::hours(1)));
        for bad in ["soon", "-1h", "0m"] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }
}
