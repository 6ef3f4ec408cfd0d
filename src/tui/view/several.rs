//! Groups in words: how many alerts there are, how many of them nobody has, and what an act on all of it does where.

use std::fmt::Write as _;

use super::{super::widgets::figures::Age, View};
use crate::domain::{Incident, Leg, Origin, Target, legs_to_take};

/// How many alerts an incident is made of, if that is worth a word: ` · 212 alerts`.
pub fn alerts(incident: &Incident) -> String {
    let count = incident.parts().filter(|part| matches!(part.origin, Origin::Alertmanager { .. })).count();
    if count < 2 { String::new() } else { format!(" · {} alerts", thousands(count)) }
}

/// `12,431`
pub fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// How many parts nobody has, and of how many, where somebody has the others: `1 of 4 unacked`. `None` where nobody has any.
pub fn unheld(incident: &Incident) -> Option<String> {
    let (_, _) = incident.partly_held()?;
    let wanting = incident.parts().filter(|part| part.wants_somebody()).count();
    let all = incident.parts().filter(|part| !part.is_held_back()).count();
    Some(format!("{wanting} of {all} unacked"))
}

/// What taking a group does, in each place.
pub fn take(incident: &Incident, view: View<'_>) -> String {
    let legs = match legs_to_take(view.snapshot, &view.ui.settings.silencing, incident, view.now) {
        Ok(legs) if legs.is_empty() => return "everything in it is held already, or held back".to_owned(),
        Ok(legs) => legs,
        Err(why) => return format!("that cannot be: {why}"),
    };
    let mut places: Vec<String> = Vec::new();
    for leg in &legs {
        match &leg.target {
            Target::PagerDuty { source, .. } => places.push(format!("in {source}, in your name there")),
            Target::Journal => places.push("in the journal".to_owned()),
            Target::Alertmanager { .. } | Target::Silences { .. } | Target::Group { .. } => {}
        }
    }
    places.dedup();
    let silenced = silences(&legs, view);
    let left = if silenced.is_empty() { unsilenced(incident) } else { String::new() };
    places.extend(silenced);
    format!("{}{left}", places.join("; "))
}

/// `in am: one silence on 2 labels for 15m; no resolved notice while silenced`
fn silences(legs: &[Leg], view: View<'_>) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    let mut seen = Vec::new();
    for leg in legs {
        let Target::Alertmanager { source, labels } = &leg.target else { continue };
        if seen.contains(&source) {
            continue;
        }
        seen.push(source);
        let there = legs.iter().filter(|other| other.target.source() == Some(source)).count();
        let long =
            view.ui.settings.silencing.keeping(source).map(|k| format!(" for {}", Age::secs(k.ack_for.as_secs_f64()))).unwrap_or_default();
        let count = labels.0.len();
        told.push(match there {
            1 => format!("in {source}: silence {count} label{}{long}", if count == 1 { "" } else { "s" }),
            several => format!("in {source}: {several} silences{long}"),
        });
    }
    if let Some(last) = told.last_mut() {
        last.push_str("; no resolved notice while silenced");
    }
    told
}

/// That alerts which a paging service knows are left unsilenced, and where.
fn unsilenced(incident: &Incident) -> String {
    let mut sources: Vec<&str> = Vec::new();
    for part in incident.parts() {
        if let Origin::Alertmanager { source, .. } = &part.origin
            && !sources.contains(&source.as_str())
        {
            sources.push(source.as_str());
        }
    }
    if sources.is_empty() { String::new() } else { format!("; nothing is silenced in {}", sources.join(", ")) }
}

/// Where a group's acknowledgement is kept, each place once: `in pd, in the journal`.
pub fn places(incident: &Incident) -> String {
    let mut told: Vec<String> = Vec::new();
    for ack in incident.parts().filter_map(|part| part.ack.as_ref()) {
        let place = match &ack.target {
            Target::PagerDuty { source, .. } | Target::Alertmanager { source, .. } | Target::Silences { source } => format!("in {source}"),
            Target::Journal | Target::Group { .. } => "in the journal".to_owned(),
        };
        if !told.contains(&place) {
            told.push(place);
        }
    }
    told.join(", ")
}

/// What giving a group back does.
pub fn give_back(incident: &Incident) -> String {
    let mut silences: Vec<&str> = incident.parts().filter_map(|part| part.ack.as_ref()?.silence.as_deref()).collect();
    silences.sort_unstable();
    silences.dedup();
    let mut text = places(incident);
    if !silences.is_empty() {
        // Writing to a String does not fail.
        let _ = write!(text, ": expire {} silence{}", silences.len(), if silences.len() == 1 { "" } else { "s" });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_their_thousands_apart() {
        assert_eq!([0, 999, 1_000, 12_431, 1_000_000].map(thousands), ["0", "999", "1,000", "12,431", "1,000,000"]);
    }
}
