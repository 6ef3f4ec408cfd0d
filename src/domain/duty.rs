//! Duties: who is on call as another system tells it, and the shifts that are made of them.
//!
//! A feed knows people by its own names. A [`Person`] is recognised by mail address, else by name or login where the title is that or
//! holds it as whole words, and nobody else's; otherwise the title itself stands for them, so that nobody is taken for somebody else.

use serde::{Deserialize, Serialize};

use super::{Cover, GapInCover, Interval, Person, Seat, Shift, Text};

/// Somebody on duty for some time, in the words of a feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duty {
    /// Of which rotation.
    pub rotation: Text,
    /// On which seat.
    pub seat: Seat,
    /// What the feed calls it or them; may be empty if there are addresses.
    pub title: Text,
    /// Mail addresses that go with it.
    pub emails: Vec<Text>,
    /// From when to when.
    pub during: Interval,
}

impl Duty {
    /// Who it is.
    pub fn who(&self, people: &[Person]) -> Text {
        let mailed = |p: &&Person| p.email.as_ref().is_some_and(|own| self.emails.iter().any(|e| same(e.as_str(), own.as_str())));
        let named =
            |p: &&Person| same(p.name.as_str(), self.title.as_str()) || p.login.as_deref().is_some_and(|l| same(l, self.title.as_str()));
        let known = people.iter().find(mailed).or_else(|| people.iter().find(named)).or_else(|| self.mentioned(people));
        let unknown = || if self.title.is_empty() { self.emails.first().cloned().unwrap_or_default() } else { self.title.clone() };
        known.map_or_else(unknown, |p| p.name.clone())
    }
    /// The only person whose name is part of the title.
    fn mentioned<'a>(&self, people: &'a [Person]) -> Option<&'a Person> {
        let title = words(self.title.as_str());
        let mentions = |p: &&Person| {
            let name = words(p.name.as_str());
            !name.is_empty() && title.windows(name.len()).any(|part| part == name)
        };
        let mut all = people.iter().filter(mentions);
        all.next().filter(|_| all.next().is_none())
    }
}

fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

fn words(text: &str) -> Vec<String> {
    text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

/// The shifts that `duties` make, by rotation, seat and time; duties of one person that meet or overlap are one shift.
pub fn shifts_of(duties: &[Duty], people: &[Person]) -> Vec<Shift> {
    let shift = |duty: &Duty| Shift {
        rotation: duty.rotation.clone(),
        seat: duty.seat,
        who: duty.who(people),
        cover: Cover::Turn,
        from: duty.during.from,
        to: Some(duty.during.to),
    };
    let mut all: Vec<_> = duties.iter().map(shift).collect();
    all.sort_by(|a, b| (&a.rotation, a.seat, &a.who, a.from).cmp(&(&b.rotation, b.seat, &b.who, b.from)));
    let mut joined: Vec<Shift> = Vec::new();
    for next in all {
        let goes_on = |last: &&mut Shift| {
            (&last.rotation, last.seat, &last.who) == (&next.rotation, next.seat, &next.who) && last.to.is_none_or(|to| next.from <= to)
        };
        match joined.last_mut().filter(goes_on) {
            Some(last) => last.to = last.to.max(next.to),
            None => joined.push(next),
        }
    }
    joined.sort_by(|a, b| (&a.rotation, a.seat, a.from).cmp(&(&b.rotation, b.seat, b.from)));
    joined
}

/// The times of `between` in which none of `shifts` fills `seat` of `rotation`. What lies outside is not known, so a gap ends with it.
pub fn gaps_of(shifts: &[Shift], rotation: &Text, seat: Seat, between: Interval) -> Vec<GapInCover> {
    let mut held: Vec<_> = shifts.iter().filter(|s| s.rotation == *rotation && s.seat == seat).filter_map(|s| s.within(between)).collect();
    held.sort_by_key(|i| i.from);
    let end = Interval { from: between.to, to: between.to };
    let (mut free, mut gaps) = (between.from, Vec::new());
    for next in held.into_iter().chain([end]) {
        if free < next.from {
            gaps.push(GapInCover { rotation: rotation.clone(), seat, from: Some(free), to: Some(next.from) });
        }
        free = free.max(next.to);
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(name: &str, login: Option<&str>, email: Option<&str>) -> Person {
        Person { name: Text::from(name), login: login.map(str::to_owned), email: email.map(Text::from), time_zone: None, night: None }
    }
    fn span(from: &str, to: &str) -> Interval {
        let at = |day: &str| format!("2026-11-{day}:00:00Z").parse().unwrap();
        Interval { from: at(from), to: at(to) }
    }
    fn duty(title: &str, emails: &[&str], during: Interval) -> Duty {
        let emails = emails.iter().map(|e| Text::from(*e)).collect();
        Duty { rotation: Text::from("payments"), seat: Seat::Primary, title: Text::from(title), emails, during }
    }

    #[test]
    fn people_are_recognised_and_never_mistaken() {
        let people = [
            person("maya", Some("mlin"), Some("maya@acme.example")),
            person("jon", None, None),
            person("jon smith", None, None),
            person("ana", None, Some("ana@acme.example")),
        ];
        for (title, emails, who) in [
            ("On Call - Maya Lin - Payments", &[][..], "maya"),
            ("somebody", &["MAYA@acme.example"], "maya"),
            ("MLIN", &[], "maya"),
            ("Jon", &[], "jon"),
            ("on call: jon smith", &[], "on call: jon smith"), // jon, or jon smith
            ("Jonathan", &[], "Jonathan"),
            ("maya and ana", &[], "maya and ana"),
            ("", &["who@acme.example"], "who@acme.example"),
            ("", &[], ""),
        ] {
            assert_eq!(duty(title, emails, span("02T08", "02T09")).who(&people).as_str(), who, "{title}");
        }
    }

    #[test]
    fn duties_that_meet_are_one_shift() {
        let duties = [
            duty("jon", &[], span("02T20", "03T08")),
            duty("maya", &[], span("02T08", "02T12")),
            duty("maya", &[], span("02T12", "02T20")),
            duty("maya", &[], span("02T13", "02T14")),
            duty("maya", &[], span("03T10", "03T20")),
        ];
        let shifts = shifts_of(&duties, &[]);
        let told: Vec<_> = shifts.iter().map(|s| (s.who.as_str(), Interval { from: s.from, to: s.to.unwrap() })).collect();
        assert_eq!(told, [("maya", span("02T08", "02T20")), ("jon", span("02T20", "03T08")), ("maya", span("03T10", "03T20"))]);
        let gaps = gaps_of(&shifts, &Text::from("payments"), Seat::Primary, span("02T00", "03T18"));
        let told: Vec<_> = gaps.iter().map(|g| Interval { from: g.from.unwrap(), to: g.to.unwrap() }).collect();
        assert_eq!(told, [span("02T00", "02T08"), span("03T08", "03T10")]);
        assert_eq!(gaps_of(&shifts, &Text::from("data"), Seat::Primary, span("02T00", "03T00")).len(), 1);
    }
}
