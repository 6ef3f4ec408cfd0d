//! A scenario as a file: TOML that a person can write.
//!
//! `title`, `seed` and `runbooks`, then one `[[fault]]` row for each thing that goes wrong: its `kind`, the `service` that it befalls,
//! `from` and `to` after the start, and the keys of its kind. docs/RUNBOOKS.md tells them all.

use std::{fmt, sync::Arc};

use serde::Deserialize;
use toml::Spanned;

use super::{Fault, Scenario, Service, Trouble};

/// A mistake in a scenario's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadScenario {
    /// The line, from 1; 0 if it is about the file as a whole.
    pub line: usize,
    /// The thing, what is wrong, the next step.
    pub message: String,
}

impl fmt::Display for BadScenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.message),
            line => write!(f, "line {line}: {}", self.message),
        }
    }
}

impl std::error::Error for BadScenario {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    title: String,
    seed: Option<u64>,
    #[serde(default)]
    runbooks: Vec<String>,
    #[serde(default)]
    rehearses: Vec<String>,
    #[serde(default)]
    fault: Vec<Spanned<Row>>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    kind: String,
    service: String,
    from: Option<String>,
    to: Option<String>,
    version: Option<String>,
    traffic: Option<f64>,
    errors: Option<f64>,
    queue: Option<String>,
    hold: Option<String>,
    flag: Option<String>,
    share: Option<f64>,
    latency: Option<String>,
}

/// Read the scenario called `name` from its text.
pub(super) fn read(name: &str, text: &str) -> Result<Scenario, BadScenario> {
    let line = |at: usize| text.get(..at).map_or(0, |before| before.matches('\n').count() + 1);
    let file: File = toml::from_str(text).map_err(|error| {
        let message = error.message().lines().next().unwrap_or_default().to_owned();
        BadScenario { line: error.span().map_or(0, |span| line(span.start)), message }
    })?;
    let mut scenario = Scenario::of(name);
    scenario.seed = file.seed.unwrap_or(scenario.seed);
    (scenario.title, scenario.runbooks, scenario.rehearses) = (file.title, file.runbooks, file.rehearses);
    for row in file.fault {
        let at = line(row.span().start);
        let fault = fault(&scenario.services, row.as_ref()).map_err(|message| BadScenario { line: at, message })?;
        scenario.faults.push(fault);
    }
    if scenario.faults.is_empty() {
        return Err(BadScenario { line: 0, message: "nothing goes wrong in it; write a [[fault]]".to_owned() });
    }
    Ok(scenario)
}

fn fault(services: &[Service], row: &Row) -> Result<Fault, String> {
    let names = || services.iter().map(|s| s.name).collect::<Vec<_>>().join(", ");
    let service = services.iter().find(|s| s.name == row.service);
    let service = service.ok_or_else(|| format!("there is no service `{}`; there are {}", row.service, names()))?;
    let secs = |text: &Option<String>| text.as_deref().map(|t| millis(t).map(|ms| u64::from(ms) / 1_000)).transpose();
    let (from_secs, to_secs) = (secs(&row.from)?.unwrap_or(0), secs(&row.to)?);
    if to_secs.is_some_and(|to| to <= from_secs) {
        return Err("`to` is not after `from`".to_owned());
    }
    Ok(Fault { service: service.name, from_secs, to_secs, trouble: trouble(service, row)? })
}

/// The keys that each kind has beside those that all have.
const KEYS: [(&str, &[&str]); 4] = [
    ("canary", &["version", "traffic", "errors"]),
    ("stall", &["queue"]),
    ("pool", &["hold"]),
    ("dependency", &["flag", "share", "latency", "errors"]),
];

fn trouble(service: &Service, row: &Row) -> Result<Trouble, String> {
    let kinds = || KEYS.map(|(kind, _)| kind).join(", ");
    let (kind, keys) =
        KEYS.iter().find(|(k, _)| *k == row.kind).ok_or_else(|| format!("no kind is `{}`; there are {}", row.kind, kinds()))?;
    if let Some(other) = row.given().into_iter().find(|key| !keys.contains(key)) {
        return Err(format!("`{other}` is no key of a {kind}; it has {}", keys.join(", ")));
    }
    let missing = |key: &str| format!("a {kind} needs `{key}`");
    match *kind {
        "canary" => {
            let version = row.version.as_deref().ok_or_else(|| missing("version"))?;
            if version == service.version || !is_word(version) {
                return Err(format!(
                    "`{version}` is no version for a canary: letters and digits, and not {}, which is stable",
                    service.version
                ));
            }
            let (traffic_share, error_share) = (share("traffic", row.traffic)?, share("errors", row.errors)?);
            Ok(Trouble::Canary { version: version.into(), traffic_share, error_share })
        }
        "stall" => {
            let name = row.queue.as_deref().ok_or_else(|| missing("queue"))?;
            let there = service.queue.is_some_and(|q| q.name == name);
            if there { Ok(Trouble::Stall) } else { Err(format!("{} has no queue `{name}`", service.name)) }
        }
        "pool" => {
            service.pool.ok_or_else(|| format!("{} has no pool of connections; payments has one", service.name))?;
            Ok(Trouble::Pool { hold_ms: millis(row.hold.as_deref().ok_or_else(|| missing("hold"))?)? })
        }
        _ => {
            service
                .slow_share
                .ok_or_else(|| format!("{} does not tell how long its answers take; catalog and gateway do", service.name))?;
            let flag: Arc<str> = row.flag.as_deref().filter(|f| is_word(f)).ok_or_else(|| missing("flag"))?.into();
            let latency_ms = millis(row.latency.as_deref().ok_or_else(|| missing("latency"))?)?;
            let error_share = row.errors.map_or(Ok(0.0), |errors| share("errors", Some(errors)))?;
            Ok(Trouble::Dependency { flag, share: share("share", row.share)?, latency_ms, error_share })
        }
    }
}

impl Row {
    /// The keys that only some kinds have and that are there.
    fn given(&self) -> Vec<&'static str> {
        let there = [
            ("version", self.version.is_some()),
            ("traffic", self.traffic.is_some()),
            ("errors", self.errors.is_some()),
            ("queue", self.queue.is_some()),
            ("hold", self.hold.is_some()),
            ("flag", self.flag.is_some()),
            ("share", self.share.is_some()),
            ("latency", self.latency.is_some()),
        ];
        there.into_iter().filter(|(_, there)| *there).map(|(key, _)| key).collect()
    }
}

/// Whether a name can stand in a label and in a command without quotes.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.len() <= 40 && text.chars().all(|c| c.is_ascii_alphanumeric())
}

fn share(key: &str, given: Option<f64>) -> Result<f64, String> {
    let share = given.ok_or_else(|| format!("`{key}` is missing"))?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(format!("`{key}` is a share from 0 to 1, not {share}")) }
}

/// A span of time in milliseconds: `600ms`, `20s`, `5m`, at most a day.
fn millis(text: &str) -> Result<u32, String> {
    let units = [("ms", 1_u64), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
    let read = |(unit, size): (&str, u64)| text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(size);
    let found = units.into_iter().find_map(read).filter(|ms| *ms <= 86_400_000).and_then(|ms| u32::try_from(ms).ok());
    found.ok_or_else(|| format!("`{text}` is no span of time such as 600ms, 20s or 5m, at most a day"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mistake_is_told_at_its_line() {
        let row = |rest: &str| format!("title = \"t\"\n\n[[fault]]\nservice = \"checkout\"\n{rest}\n");
        for (text, line, says) in [
            ("title = 3".to_owned(), 1, "expected a string"),
            ("title = \"t\"".to_owned(), 0, "[[fault]]"),
            ("title = \"t\"\nsede = 4".to_owned(), 2, "unknown field `sede`"),
            (row("kind = \"flood\""), 3, "no kind is `flood`; there are canary, stall, pool, dependency"),
            (row("kind = \"canary\""), 3, "a canary needs `version`"),
            (row("kind = \"canary\"\nversion = \"v41\""), 3, "stable"),
            (row("kind = \"canary\"\nversion = \"v 2\""), 3, "letters and digits"),
            (row("kind = \"canary\"\nversion = \"v42\"\ntraffic = 75\nerrors = 0.1"), 3, "`traffic` is a share from 0 to 1, not 75"),
            (row("kind = \"canary\"\nhold = \"1s\""), 3, "`hold` is no key of a canary"),
            (row("kind = \"stall\"\nqueue = \"mails\""), 3, "checkout has no queue `mails`"),
            (row("kind = \"pool\"\nhold = \"1s\""), 3, "no pool"),
            (row("kind = \"dependency\"\nflag = \"x\""), 3, "does not tell how long"),
            (row("kind = \"stall\"\nqueue = \"orders\"\nfrom = \"soon\""), 3, "`soon` is no span of time"),
            (row("kind = \"stall\"\nqueue = \"orders\"\nfrom = \"20s\"\nto = \"20s\""), 3, "not after"),
        ] {
            let error = read("x", &text).unwrap_err();
            assert_eq!(error.line, line, "{error} in {text}");
            assert!(error.message.contains(says), "{error} does not say `{says}`");
        }
        let unknown = read("x", &row("kind = \"stall\"\nqueue = \"orders\"").replace("checkout", "billing")).unwrap_err();
        assert_eq!(unknown.message, "there is no service `billing`; there are gateway, checkout, payments, catalog, cart, search");
    }

    #[test]
    fn what_a_file_says_is_what_happens() {
        let text = "title = \"Two at once\"\nseed = 7\n[[fault]]\nkind = \"pool\"\nservice = \"payments\"\nhold = \"600ms\"\nto = \"5m\"\n\
                    [[fault]]\nkind = \"dependency\"\nservice = \"gateway\"\nfrom = \"20s\"\nflag = \"geo\"\nshare = 0.5\nlatency = \"2s\"\n";
        let scenario = read("both", text).unwrap();
        assert_eq!((scenario.name.as_str(), scenario.title.as_str(), scenario.seed), ("both", "Two at once", 7));
        let pool = Fault { service: "payments", from_secs: 0, to_secs: Some(300), trouble: Trouble::Pool { hold_ms: 600 } };
        let geo = Trouble::Dependency { flag: "geo".into(), share: 0.5, latency_ms: 2_000, error_share: 0.0 };
        let geo = Fault { service: "gateway", from_secs: 20, to_secs: None, trouble: geo };
        assert_eq!(scenario.faults, [pool, geo]);
    }
}
