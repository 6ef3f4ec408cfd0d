//! The model: what a whole config file says, checked. Rows of backends are passed on unread, so that each backend reads its own keys.

use std::{collections::BTreeMap, ops::Range, path::PathBuf, sync::Arc, time::Duration};

use chrono_tz::Tz;
use toml::Spanned;

use super::{
    document::Document,
    people::{Taken, zone},
    problem::did_you_mean,
    runbook::RunbookFiles,
    section::Section,
};
use crate::domain::{Definition, GroupRule, Person, QueueGauges, QueueRule, Rotation, Service, SourceName, Text};

/// Words to which somebody above gives a meaning.
#[derive(Clone, Copy, Debug)]
pub struct Vocabulary<'a> {
    /// The kinds of source there are.
    pub kinds: &'a [Kind],
    /// The themes there are; if none are given, any name will do.
    pub themes: &'a [&'a str],
}

/// A kind of source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The word for it in `kind = "…"`.
    pub word: &'static str,
    /// Whether SLOs can be counted with it.
    pub counts_events: bool,
    /// Whether it checks for itself what its SLOs count, so that they need no selectors.
    pub checks: bool,
    /// Whether it knows of queues.
    pub has_queues: bool,
}

/// What a config file says, except for the rows of backends.
#[derive(Clone, Debug)]
pub struct Config {
    /// The cockpit itself.
    pub cockpit: Cockpit,
    /// Where journal and history are kept.
    pub store: StoreConfig,
    /// `[[person]]`, in the order of the file.
    pub people: Vec<Person>,
    /// `[[service]]`, by name.
    pub services: BTreeMap<Text, Service>,
    /// `[[rotation]]`, in the order of the file.
    pub rotations: Vec<Arc<Rotation>>,
    /// `[[group]]`, in the order of the file.
    pub groups: Vec<GroupRule>,
    /// `[[slo]]`, in the order of the file; their ids are unique.
    pub definitions: Vec<Arc<Definition>>,
    /// `[[queue]]`, in the order of the file.
    pub queues: Vec<Arc<QueueRule>>,
    /// Queues that metrics sources tell of, by the selectors of `[[queue]]`.
    pub gauges: Vec<Arc<QueueGauges>>,
    /// Where runbooks lie.
    pub runbooks: RunbookFiles,
    /// Why nothing of a runbook may run, if so.
    pub held: Option<&'static str>,
    /// The file.
    pub document: Document,
}

/// `[cockpit]`
#[derive(Clone, Debug)]
pub struct Cockpit {
    /// What it is called; `burnwatch` if the file does not say.
    pub name: Text,
    /// In which zone times of day are shown; the system's if the file does not say, UTC if that is unknown.
    pub time_zone: Tz,
    /// Which theme, if the file says.
    pub theme: Option<String>,
    /// Whether acting is switched off.
    pub read_only: bool,
    /// The longest an acknowledgement is held; 4 h if the file does not say.
    pub ack_max: Duration,
    /// Users, by name or number, who may own the config's folder beside root and oneself.
    pub trusted_owners: Vec<String>,
    /// Logins that several people use.
    pub shared_accounts: Vec<String>,
}

/// `[store]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreConfig {
    /// The folder of a `sqlite:` store; `None` for the one in the XDG state folder.
    pub url: Option<PathBuf>,
}

/// One `[[source]]` row: its name and kind are read, the rest is for its backend.
#[derive(Clone, Debug)]
pub struct SourceRow {
    /// Unique.
    pub name: SourceName,
    /// One of the vocabulary's kinds.
    pub kind: String,
    /// Where the kind stands.
    pub kind_span: Range<usize>,
    /// Its keys, still unread.
    pub section: Section,
}

/// `[cockpit]` of `root`.
pub(super) fn cockpit(root: &mut Section, themes: &[&str]) -> Cockpit {
    let mut usual = Cockpit {
        name: Text::from("burnwatch"),
        time_zone: Tz::UTC,
        theme: None,
        read_only: false,
        ack_max: Duration::from_hours(4),
        trusted_owners: Vec::new(),
        shared_accounts: Vec::new(),
    };
    let section = root.table("cockpit");
    if section.as_ref().is_none_or(|s| !s.has("time_zone")) {
        usual.time_zone = iana_time_zone::get_timezone().ok().and_then(|name| name.parse().ok()).unwrap_or(Tz::UTC);
    }
    let Some(mut section) = section else { return usual };
    let plain = |list: Option<Vec<Spanned<String>>>| list.into_iter().flatten().map(Spanned::into_inner).collect();
    let read = Cockpit {
        name: section.name_if_there("name", "\"acme-prod\"").map_or(usual.name, |n| Text::clean(n.get_ref())),
        time_zone: zone(&mut section, "time_zone").unwrap_or(usual.time_zone),
        theme: theme(&mut section, themes),
        read_only: section.bool("read_only").is_some_and(Spanned::into_inner),
        ack_max: section.duration("ack_max").map_or(usual.ack_max, Spanned::into_inner),
        trusted_owners: trusted(&mut section),
        shared_accounts: plain(section.strings("shared_accounts")),
    };
    section.finish();
    read
}

fn theme(section: &mut Section, themes: &[&str]) -> Option<String> {
    let known = section.is_text("theme") && !themes.is_empty();
    if known { section.one_of("theme", themes).map(|t| (*t.get_ref()).to_owned()) } else { section.str("theme").map(Spanned::into_inner) }
}

/// `trusted_owners`, each a user of this host.
fn trusted(section: &mut Section) -> Vec<String> {
    let names = section.strings("trusted_owners").unwrap_or_default();
    for name in names.iter().filter(|n| super::ownership::uid(n.get_ref()).is_none()) {
        section.warning(&name.span(), &format!("there is no user `{}` here", name.get_ref()), "it is passed over");
    }
    names.into_iter().map(Spanned::into_inner).collect()
}

/// `[store]` of `root`.
pub(super) fn store(root: &mut Section) -> StoreConfig {
    let Some(mut section) = root.table("store") else { return StoreConfig::default() };
    let url = section.str("url").and_then(|url| folder(&section, &url));
    section.finish();
    StoreConfig { url }
}

/// The folder that `sqlite:/folder` names.
fn folder(section: &Section, url: &Spanned<String>) -> Option<PathBuf> {
    const USUAL: &str = "write \"sqlite:/var/lib/burnwatch\"";
    let (span, text) = (url.span(), url.get_ref());
    let Some((scheme, rest)) = text.split_once(':') else {
        section.error_with_help(&span, "`url` begins with `sqlite:`", USUAL);
        return None;
    };
    match scheme {
        "sqlite" => {}
        "postgres" | "postgresql" => {
            section.error_with_help(&span, "a store in Postgres is not there yet", USUAL);
            return None;
        }
        other => {
            let help = did_you_mean(other, ["sqlite"]).unwrap_or_else(|| USUAL.to_owned());
            section.error_with_help(&span, &format!("unknown store `{other}:`"), &help);
            return None;
        }
    }
    let path = if rest.starts_with("///") { rest.trim_start_matches("//") } else { rest };
    let path = super::context::expand(path, std::env::home_dir().as_deref());
    if !path.is_absolute() || rest.starts_with("//") && !rest.starts_with("///") {
        section.error_with_help(&span, "the store's folder is a whole path", USUAL);
        return None;
    }
    Some(path)
}

/// All `[[source]]` rows of `root`. A row of an unknown kind has an empty `kind`, so that SLOs may still refer to it.
pub(super) fn sources(root: &mut Section, kinds: &[Kind]) -> Vec<SourceRow> {
    let mut names = Taken::default();
    let rows = root.sections("source");
    if rows.is_empty() && !root.context.lost_section {
        root.error_with_help(&root.span(), "there is nothing to watch", "add a [[source]]");
    }
    rows.into_iter().map(|row| source(row, kinds, &mut names)).collect()
}

fn source(mut row: Section, kinds: &[Kind], names: &mut Taken) -> SourceRow {
    let name = row.name("name", "\"prom\"");
    let free = name.as_ref().is_some_and(|n| names.take(&row, "source", n));
    let words: Vec<_> = kinds.iter().map(|k| k.word).collect();
    if !row.has("kind") {
        row.missing("kind", &format!("\"{}\"", words.first().unwrap_or(&"prometheus")));
    }
    let kind = row.one_of("kind", &words);
    let kind_span = kind.as_ref().map_or(row.key_span("kind"), Spanned::span);
    let kind = kind.map(|k| (*k.get_ref()).to_owned()).unwrap_or_default();
    // A row that cannot be named is still read by its backend, so that all its mistakes are told.
    let name = name.filter(|_| free).map_or_else(|| SourceName::new(""), |n| SourceName::new(n.get_ref()));
    SourceRow { name, kind, kind_span, section: row }
}
