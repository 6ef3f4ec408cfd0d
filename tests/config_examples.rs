//! Every example in `config/` and every TOML block of `docs/CONFIG.md` loads without a problem.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail this way, its helpers too")]

use std::path::Path;

use burnwatch::{
    config::{self, Loaded, Vocabulary},
    domain::{Interval, Rotation, Seat, Text},
    fleet::Scenario,
    sources::registry::{KINDS, Row, read},
};

const WORDS: Vocabulary<'_> = Vocabulary { kinds: &KINDS, themes: &["night"] };

fn load(name: &str, text: &str) -> Loaded<Row> {
    let loaded = config::load_text(Path::new(name), text, &WORDS, read).unwrap_or_else(|problems| panic!("{name}:\n{problems}"));
    assert_eq!(loaded.warnings, [], "{name}");
    loaded
}

#[test]
fn every_example_loads() {
    let mut seen = 0;
    for file in std::fs::read_dir("config").unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let loaded = load(&path.to_string_lossy(), &std::fs::read_to_string(&path).unwrap());
        let counts = |row: &Row| KINDS.iter().any(|kind| kind.word == row.plan.kind && kind.counts_events);
        assert!(!loaded.sources.is_empty() && loaded.sources.iter().any(counts) != loaded.config.definitions.is_empty());
        seen += 1;
    }
    assert!(seen >= 5);
}

/// A block that has no source of its own is read as if it followed one.
#[test]
fn every_block_of_the_documentation_loads() {
    for (name, least) in [("docs/CONFIG.md", 6), ("docs/RUNBOOKS.md", 1), ("README.md", 1)] {
        let text = std::fs::read_to_string(name).unwrap();
        let blocks: Vec<_> = text.split("```toml\n").skip(1).map(|block| block.split("```").next().unwrap()).collect();
        for (n, block) in blocks.iter().enumerate() {
            // A file of its own: a scenario of a drill.
            if block.starts_with("title = ") {
                assert!(!Scenario::read("x", block).unwrap_or_else(|bad| panic!("{name} block {n}: {bad}")).faults.is_empty());
                continue;
            }
            let source = "[[source]]\nname = \"prom\"\nkind = \"prometheus\"\nurl = \"http://localhost:9090\"\n";
            let text = if block.contains("[[source]]") { (*block).to_owned() } else { format!("{block}\n{source}") };
            load(&format!("{name} block {n}"), &text);
        }
        assert!(blocks.len() >= least);
    }
}

/// Every runbook in `config/runbooks` and every one that `docs/RUNBOOKS.md` shows is without a mistake.
#[test]
fn every_runbook_is_well() {
    let well = |name: &str, text: &str| {
        let (book, problems) = config::read_runbook(Path::new(name), text, config::Known::default());
        assert!(book.is_some() && problems.is_empty(), "{name}:\n{}", config::Problems(problems));
    };
    let files: Vec<_> = std::fs::read_dir("config/runbooks").unwrap().map(|file| file.unwrap().path()).collect();
    for path in &files {
        well(&path.to_string_lossy(), &std::fs::read_to_string(path).unwrap());
    }
    let text = std::fs::read_to_string("docs/RUNBOOKS.md").unwrap();
    let shown: Vec<_> = text.split("````markdown\n").skip(1).map(|block| block.split("````").next().unwrap()).collect();
    for text in &shown {
        well("docs/RUNBOOKS.md", text);
    }
    assert!(files.len() >= 2 && !shown.is_empty());
}

#[test]
fn the_large_example_means_what_it_says() {
    let text = std::fs::read_to_string("config/prometheus-alertmanager.toml").unwrap();
    let config = load("x", &text).config;
    let ids: Vec<_> = config.definitions.iter().map(|d| d.id.to_string()).collect();
    assert_eq!(ids, ["availability", "freshness"]);
    let [availability, freshness] = config.definitions.as_slice() else { panic!("two definitions") };
    assert_eq!(availability.source.as_str(), "prom");
    assert_eq!(availability.rules.iter().map(|r| r.factor).collect::<Vec<_>>(), [14.4, 6.0, 3.0, 1.0]);
    assert_eq!(availability.overrides.get("checkout").unwrap().ratio().to_string(), "0.9995");
    assert!(availability.sli.ratio().unwrap().missing_is_zero);
    assert!((freshness.rules.first().unwrap().factor - 13.44).abs() < 1e-12);
    assert_eq!(freshness.rules.len(), 2);
    assert_eq!(config.people.first().unwrap().night, Some((22, 7)));
    assert_eq!(config.store.url.as_deref(), Some(Path::new("/var/lib/burnwatch/acme")));
    assert_eq!(config.cockpit.time_zone.name(), "Europe/Berlin");
}

#[test]
fn the_example_with_rotations_means_what_it_says() {
    let config = load("x", &std::fs::read_to_string("config/on-call.toml").unwrap()).config;
    let [payments, data] = config.rotations.as_slice() else { panic!("two rotations") };
    let who = |rotation: &Rotation, seat, at: &str| rotation.who_at(seat, at.parse().unwrap()).map(ToString::to_string);
    let name = |name: &str| Some(name.to_owned());
    assert_eq!((payments.zone().name(), payments.seats().collect::<Vec<_>>()), ("Europe/Berlin", Seat::ALL.to_vec()));
    // Handed over at 18:00 in Berlin, before and after clocks change.
    for (at, first, second) in [
        ("2026-03-23T16:59:00Z", "jon", "ana"),
        ("2026-03-23T17:00:00Z", "ana", "maya"),
        ("2026-03-30T15:59:00Z", "ana", "maya"),
        ("2026-03-30T16:00:00Z", "maya", "jon"),
    ] {
        assert_eq!((who(payments, Seat::Primary, at), who(payments, Seat::Secondary, at)), (name(first), name(second)), "{at}");
    }
    assert_eq!(who(payments, Seat::Mentor, "2026-02-28T12:00:00Z"), None);
    assert_eq!(who(payments, Seat::Mentor, "2026-03-02T12:00:00Z"), name("ines"));
    assert_eq!(who(payments, Seat::Primary, "2026-12-24T17:00:00Z"), name("ana"));
    let year = Interval { from: "2026-01-01T00:00:00Z".parse().unwrap(), to: "2027-01-01T00:00:00Z".parse().unwrap() };
    assert_eq!((data.gaps(Seat::Primary, year), data.double_cover(year)), (vec![], vec![]));
    assert_eq!(config.services.get(&Text::from("checkout")).unwrap().rotation, Some(Text::from("payments")));
}
