//! `burnwatch runbook list`: what there is, when it was last tried, and what alerts lead nowhere.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use crate::{
    cli::{
        acts,
        args::Common,
        run::{Code, block_on, json as json_text, print},
        setup,
        status::time,
    },
    domain::{Drilled, Incident, LastRun, Library, Runbook, Snapshot, Text, last_rehearsed},
    engine::{self, Setup},
    tui::figures::Age,
};

/// List the runbooks, or those that match an incident.
pub fn list(common: &Common, incident: Option<&str>, as_json: bool) -> Result<Code> {
    let loaded = setup::load(common)?;
    let mut setup = setup::setup(&loaded, common)?;
    if incident.is_none() {
        // What the journal tells is all that is needed.
        setup.sources.clear();
    }
    let snapshot = block_on(engine::once(&setup))?;
    let shelf = Shelf { setup: &setup, snapshot: &snapshot };
    let rows = match incident {
        None => setup.plan.runbooks.books.iter().map(|book| (&**book, None)).collect(),
        Some(id) => match acts::find(&snapshot, id) {
            Ok(incident) => matching(&setup.plan.runbooks, &incident),
            Err(missing) => return acts::tell(&missing, None, id, "", as_json),
        },
    };
    print(&if as_json { json_text(&shelf.json(&rows)) } else { shelf.table(&rows) })?;
    if !as_json && incident.is_none() {
        shelf.troubles();
    }
    Ok(if incident.is_some() && rows.is_empty() { Code::No } else { Code::Yes })
}

type Row<'a> = (&'a Runbook, Option<&'static str>);

fn matching<'a>(library: &'a Library, incident: &Incident) -> Vec<Row<'a>> {
    library.matching(incident).into_iter().map(|(book, why)| (&**book, Some(why.word()))).collect()
}

/// The runbooks, and what is known of them.
struct Shelf<'a> {
    setup: &'a Setup,
    snapshot: &'a Snapshot,
}

impl Shelf<'_> {
    fn library(&self) -> &Library {
        &self.setup.plan.runbooks
    }
    fn last(&self, book: &Runbook) -> Option<&LastRun> {
        self.snapshot.last_runs.get(&book.id).map(|last| &**last)
    }
    fn rehearsed(&self, book: &Runbook) -> Option<&Drilled> {
        last_rehearsed(&self.snapshot.drills, &book.id).map(|drilled| &**drilled)
    }
    fn table(&self, rows: &[Row<'_>]) -> String {
        let width = |of: &dyn Fn(&Runbook) -> usize| rows.iter().map(|(b, _)| of(b)).max().unwrap_or(0).min(40);
        let (ids, titles) = (width(&|b| b.id.as_str().width()), width(&|b| b.title.as_str().width()));
        let line = |(book, why): &Row<'_>| {
            let pad = |text: &str, to: usize| format!("{text}{}", " ".repeat(to.saturating_sub(text.width())));
            let why = why.map_or_else(String::new, |why| format!("{why:<9}"));
            let last =
                format!("{} · {}", last_words(self.last(book), self.snapshot.at), rehearsed_words(self.rehearsed(book), self.snapshot.at));
            format!("{why}{}  {}  {:<18}  {last}\n", pad(book.id.as_str(), ids), pad(book.title.as_str(), titles), steps(book))
        };
        rows.iter().map(line).collect()
    }
    /// What is wrong with the library as a whole.
    fn troubles(&self) {
        for book in &self.library().unusable {
            let more = if book.mistakes == 1 { "1 mistake".to_owned() } else { format!("{} mistakes", book.mistakes) };
            let file = Text::from(book.file.display().to_string());
            eprintln!("burnwatch: {file} cannot be used: {more}, {}; `burnwatch runbook lint {file}`", book.first);
        }
        if let Some(held) = &self.library().held {
            eprintln!("burnwatch: {held}");
        }
        let without = self.without();
        if !without.is_empty() && !self.library().books.is_empty() {
            eprintln!("burnwatch: no runbook for alerts of {}", without.into_iter().collect::<Vec<_>>().join(", "));
        }
    }
    /// The services and open incidents whose alerts lead to no runbook.
    fn without(&self) -> BTreeSet<String> {
        without(self.setup, self.snapshot)
    }
    fn json(&self, rows: &[Row<'_>]) -> Value {
        let row = |(book, why): &Row<'_>| {
            json!({
                "id": book.id.as_str(), "title": book.title, "file": Text::from(book.file.display().to_string()), "hash": book.hash,
                "services": book.services, "steps": book.way().count(), "gates": gates(book), "matches_by": why,
                "last_run": self.last(book).map(last_json), "last_rehearsed": self.rehearsed(book).map(rehearsed_json),
            })
        };
        let unusable = self
            .library()
            .unusable
            .iter()
            .map(|u| json!({"file": Text::from(u.file.display().to_string()), "mistakes": u.mistakes, "first": u.first}));
        json!({
            "version": 1, "at": time(self.snapshot.at), "runbooks": rows.iter().map(row).collect::<Vec<_>>(),
            "never_run": rows.iter().filter(|(b, _)| self.last(b).is_none()).map(|(b, _)| b.id.as_str()).collect::<Vec<_>>(),
            "unusable": unusable.collect::<Vec<_>>(), "without_runbook": self.without(), "held": self.library().held,
        })
    }
}

/// The services and open incidents whose alerts lead to no runbook.
pub fn without(setup: &Setup, snapshot: &Snapshot) -> BTreeSet<String> {
    let library = &setup.plan.runbooks;
    let services = setup.plan.services.keys().filter(|s| !library.serves(s)).map(ToString::to_string);
    let open = snapshot.incidents.iter().filter(|i| library.matching(i).is_empty()).map(|i| i.id.to_string());
    services.chain(open).collect()
}

/// How many of its steps wait for other people.
pub fn gates(book: &Runbook) -> usize {
    book.way().filter(|s| s.approve > 0).count()
}

/// `3 steps, 1 gate`
fn steps(book: &Runbook) -> String {
    let many = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let gates = gates(book);
    let steps = many(book.way().count(), "step");
    if gates == 0 { steps } else { format!("{steps}, {}", many(gates, "gate")) }
}

/// `9d ago by jon, burn 12× → 0.4× in 6m`; `never run`.
fn last_words(last: Option<&LastRun>, now: chrono::DateTime<chrono::Utc>) -> String {
    let Some(last) = last else { return "never run".to_owned() };
    let result = last.judged.as_ref().map_or_else(|| last.state.word().to_owned(), ToString::to_string);
    format!("{} ago by {}, {result}", Age::between(last.at, now), last.by)
}

/// `rehearsed 9d ago by jon, mitigated in 4m10s, …`; `never rehearsed`.
fn rehearsed_words(last: Option<&Drilled>, now: chrono::DateTime<chrono::Utc>) -> String {
    let Some(last) = last else { return "never rehearsed".to_owned() };
    format!("rehearsed {} ago by {}, {}", Age::between(last.at, now), last.by, last.drill)
}

/// A drill as JSON.
pub fn rehearsed_json(last: &Drilled) -> Value {
    json!({ "at": time(last.at), "by": last.by.name, "scenario": last.drill.scenario, "ended": last.drill.ended })
}

/// A run as JSON.
pub fn last_json(last: &LastRun) -> Value {
    json!({
        "run": last.run.to_string(), "at": time(last.at), "by": last.by.name, "drill": last.drill, "state": last.state,
        "effect": last.judged.as_ref().map(ToString::to_string),
    })
}
