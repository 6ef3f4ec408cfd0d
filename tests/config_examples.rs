//! Every example in `config/` and every TOML block of `docs/CONFIG.md` loads without a problem.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail this way, its helpers too")]

use std::path::Path;

use burnwatch::config::{self, ClientSettings, HttpSettings, Kind, Loaded, SourceCommon, SourceRow, Target, Vocabulary};

const WORDS: Vocabulary<'_> = Vocabulary {
    kinds: &[
        Kind { word: "prometheus", counts_events: true },
        Kind { word: "alertmanager", counts_events: false },
        Kind { word: "scrape", counts_events: true },
        Kind { word: "pagerduty", counts_events: false },
    ],
    themes: &["night"],
};

/// Reads the keys that each kind has.
fn read(row: &mut SourceRow) -> Option<String> {
    SourceCommon::read(&mut row.section);
    match row.kind.as_str() {
        "scrape" => {
            ClientSettings::read(&mut row.section);
            assert!(!Target::read_all(&mut row.section).is_empty());
        }
        "pagerduty" => {
            ClientSettings::read(&mut row.section);
            row.section.one_of("region", &["us", "eu"])?;
            row.section.bool("oauth");
            let mut severities = row.section.table("severities")?;
            for name in severities.keys() {
                severities.one_of(name.get_ref(), &["P1", "P2", "P3", "P4", "P5"])?;
            }
            severities.finish();
            for ids in ["services", "teams", "schedules"] {
                row.section.strings(ids);
            }
        }
        kind => {
            HttpSettings::read(&mut row.section)?;
            if kind == "alertmanager" {
                row.section.duration("ack_for");
                row.section.str("heartbeat");
            }
        }
    }
    Some(row.name.to_string())
}

fn load(name: &str, text: &str) -> Loaded<String> {
    let loaded = config::load_text(Path::new(name), text, &WORDS, read).unwrap_or_else(|problems| panic!("{name}:\n{problems}"));
    assert_eq!(loaded.warnings, [], "{name}");
    loaded
}

#[test]
fn every_example_loads() {
    let mut seen = 0;
    for file in std::fs::read_dir("config").unwrap() {
        let path = file.unwrap().path();
        let loaded = load(&path.to_string_lossy(), &std::fs::read_to_string(&path).unwrap());
        assert!(!loaded.sources.is_empty() && !loaded.config.definitions.is_empty());
        seen += 1;
    }
    assert!(seen >= 4);
}

/// A block that has no source of its own is read as if it followed one.
#[test]
fn every_block_of_the_documentation_loads() {
    let text = std::fs::read_to_string("docs/CONFIG.md").unwrap();
    let mut seen = 0;
    for (n, block) in text.split("```toml\n").skip(1).enumerate() {
        let block = block.split("```").next().unwrap();
        let source = "[[source]]\nname = \"prom\"\nkind = \"prometheus\"\nurl = \"http://localhost:9090\"\n";
        let text = if block.contains("[[source]]") { block.to_owned() } else { format!("{block}\n{source}") };
        load(&format!("docs/CONFIG.md block {n}"), &text);
        seen += 1;
    }
    assert!(seen >= 6);
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
    assert!(availability.sli.missing_is_zero);
    assert!((freshness.rules.first().unwrap().factor - 13.44).abs() < 1e-12);
    assert_eq!(freshness.rules.len(), 2);
    assert_eq!(config.people.first().unwrap().night, Some((22, 7)));
    assert_eq!(config.store.url.as_deref(), Some(Path::new("/var/lib/burnwatch/acme")));
    assert_eq!(config.cockpit.time_zone.name(), "Europe/Berlin");
}
