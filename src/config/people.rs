//! `[[person]]` and `[[service]]`: who is there, and what serves users.

use std::{collections::BTreeMap, ops::Range, path::PathBuf};

use chrono_tz::{TZ_VARIANTS, Tz};
use toml::Spanned;

use super::{problem::did_you_mean, section::Section};
use crate::domain::{Person, Service, Text};

/// Remembers who took which name, so that the second one can be told where the first stands.
#[derive(Debug, Default)]
pub(super) struct Taken(BTreeMap<String, usize>);

impl Taken {
    /// Take `word`; a second time is an error that names the line of the first.
    pub fn take(&mut self, section: &Section, what: &str, word: &Spanned<String>) -> bool {
        let line = section.document().line_of(word.span().start) + 1;
        let first = *self.0.entry(word.get_ref().clone()).or_insert(line);
        let free = first == line;
        if !free {
            section.error(&word.span(), &format!("{what} `{}` is already on line {first}", word.get_ref()));
        }
        free
    }
}

/// A time zone such as `Europe/Berlin`.
pub(super) fn zone(section: &mut Section, key: &str) -> Option<Tz> {
    let name = section.str(key)?;
    let zone = name.get_ref().parse().ok();
    if zone.is_none() {
        let help = did_you_mean(name.get_ref(), TZ_VARIANTS.iter().map(|z| z.name()));
        let help = help.unwrap_or_else(|| "write it as in \"Europe/Berlin\"".to_owned());
        section.error_with_help(&name.span(), &format!("unknown time zone `{}`", name.get_ref()), &help);
    }
    zone
}

/// All `[[person]]` rows of `root`.
pub(super) fn people(root: &mut Section) -> Vec<Person> {
    let (mut names, mut logins) = (Taken::default(), Taken::default());
    root.sections("person").into_iter().filter_map(|row| person(row, &mut names, &mut logins)).collect()
}

fn person(mut row: Section, names: &mut Taken, logins: &mut Taken) -> Option<Person> {
    let name = row.name("name", "\"maya\"").filter(|n| names.take(&row, "person", n));
    let login = row.str("login").filter(|l| logins.take(&row, "login", l));
    let email = row.str("email");
    if let Some(email) = email.as_ref().filter(|e| !e.get_ref().contains('@')) {
        row.error(&email.span(), "this is not a mail address");
    }
    let time_zone = zone(&mut row, "time_zone");
    let night = row.str("night").and_then(|text| {
        let hours = night(text.get_ref());
        if hours.is_none() {
            row.error_with_help(&text.span(), "`night` is two hours from 0 to 23", "such as \"22-07\"");
        }
        hours
    });
    row.finish();
    let name = Text::clean(name?.get_ref());
    Some(Person { name, login: login.map(Spanned::into_inner), email: email.map(|e| Text::clean(e.get_ref())), time_zone, night })
}

/// `22-07`: from 22 to 7 o'clock.
fn night(text: &str) -> Option<(u32, u32)> {
    let (from, to) = text.split_once('-')?;
    let hour = |h: &str| h.trim().parse::<u32>().ok().filter(|h| *h < 24);
    Some((hour(from)?, hour(to)?)).filter(|(from, to)| from != to)
}

/// A pattern of file names, whose service it serves, and where it stands.
pub(super) type OfService = (Text, PathBuf, Range<usize>);

/// All `[[service]]` rows of `root`, and the runbooks that they name; `rotations` are the names that there are, if any.
pub(super) fn services(root: &mut Section, rotations: &[String]) -> (BTreeMap<Text, Service>, Vec<OfService>) {
    let (mut names, mut runbooks) = (Taken::default(), Vec::new());
    let rows = root.sections("service").into_iter().filter_map(|row| service(row, &mut names, rotations, &mut runbooks));
    (rows.map(|s| (s.name.clone(), s)).collect(), runbooks)
}

fn service(mut row: Section, names: &mut Taken, rotations: &[String], runbooks: &mut Vec<OfService>) -> Option<Service> {
    let name = row.name("name", "\"checkout\"").filter(|n| names.take(&row, "service", n));
    let owner = row.text("owner");
    let tier = row.integer("tier", 1, 5).and_then(|t| u8::try_from(t.into_inner()).ok());
    let rotation = row.str("rotation").filter(|r| rotations.is_empty() || known(&row, "rotation", r, rotations.iter().map(String::as_str)));
    let aliases = row.strings("aliases").into_iter().flatten().map(|alias| Text::clean(alias.get_ref())).collect();
    let patterns = row.strings("runbooks").unwrap_or_default();
    let patterns: Vec<_> = patterns.into_iter().map(|p| (row.context.path(p.get_ref()), p.span())).collect();
    row.finish();
    let name = Text::clean(name?.get_ref());
    runbooks.extend(patterns.into_iter().map(|(path, span)| (name.clone(), path, span)));
    Some(Service { name, owner, tier, rotation: rotation.map(|r| Text::clean(r.get_ref())), aliases })
}

/// Whether `word` is one of the names that other rows gave; if not, that is an error, unless a row could not be read.
pub(super) fn known<'a>(section: &Section, what: &str, word: &Spanned<String>, names: impl Iterator<Item = &'a str> + Clone) -> bool {
    let found = names.clone().any(|n| n == word.get_ref());
    if !found && !section.context.lost_section {
        let help = did_you_mean(word.get_ref(), names).unwrap_or_else(|| format!("add a [[{what}]] of this name"));
        section.error_with_help(&word.span(), &format!("unknown {what} `{}`", word.get_ref()), &help);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nights_are_two_hours() {
        assert_eq!(night("22-07"), Some((22, 7)));
        assert_eq!(night("0 - 6"), Some((0, 6)));
        for bad in ["22", "22-24", "7-7", "a-b", "-7", ""] {
            assert_eq!(night(bad), None, "{bad}");
        }
    }
}
