//! Two people acknowledge the same incident in the same moment, many times over, on one store: one has it, and the other is told who.
//!
//! Both are the real program, started and then held at the store's door, whose lock the test has, until both stand there; so what they
//! race for begins within a millisecond or two. How close they really came is read off their logs and printed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends here")]

mod support;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Output, Stdio},
    time::Duration,
};

use burnwatch::{
    domain::{Act, Delivery, Effect, Entry, Incident, Outcome, Request, Thread, Verb, What},
    engine::Clock,
    store::Store,
};
use chrono::{DateTime, TimeDelta, Utc};
use rustix::fs::FlockOperation;
use serde_json::Value;
use support::{alertmanager::Alertmanager, cockpit::Cockpit, configure, exporter::Exporter, poll_within};
use tempfile::TempDir;

/// Incidents of an Alertmanager, and incidents of our own rules; of each there are races in every round, and then all are given back.
const INCIDENTS: [usize; 2] = [40, 10];
/// So many of the first are told by the Alertmanager of a second cluster too: they are groups of two.
const GROUPS: usize = 20;
const ROUNDS: usize = 5;
/// What counts as the same moment.
const SAME: TimeDelta = TimeDelta::milliseconds(10);
/// A process that waits for the store's lock gives up after two seconds: let go before that, whoever has come.
const BEFORE_THE_DOOR: Duration = Duration::from_millis(1_500);

/// A home with an Alertmanager, and rules of our own on a page of metrics.
struct Home {
    folder: TempDir,
    alertmanager: Alertmanager,
    second: Alertmanager,
    exporter: Exporter,
}

impl Home {
    fn new(alerts: usize, groups: usize) -> Self {
        let (alertmanager, second) = (Alertmanager::start(alerts), Alertmanager::start(groups));
        let home = Self { folder: TempDir::new().unwrap(), alertmanager, second, exporter: Exporter::start() };
        let login = support::login();
        let page = fs::read_to_string(home.exporter.config(home.path())).unwrap();
        let page = page.replace("name = \"test\"", &format!("name = \"test\"\nshared_accounts = [\"{login}\"]"));
        let row =
            |name: &str, url: String| format!("[[source]]\nname = \"{name}\"\nkind = \"alertmanager\"\nurl = \"{url}\"\nevery = \"1s\"\n");
        configure(home.path(), &format!("{page}{}{}", row("am", home.alertmanager.url()), row("am2", home.second.url())));
        home
    }
    fn path(&self) -> &Path {
        self.folder.path()
    }
    fn store(&self) -> PathBuf {
        self.path().join("store")
    }
    fn config(&self) -> PathBuf {
        self.path().join("config/burnwatch/burnwatch.toml")
    }
    /// The page of so many services, of which every request failed after the first thousand.
    fn serve(&self, services: usize, total: u32) {
        let lines = |n| format!("good_total{{service=\"o{n:03}\"}} 1000\nall_total{{service=\"o{n:03}\"}} {total}\n");
        self.exporter.serve((0..services).map(lines).collect::<String>());
    }
    fn start(&self, who: &str, id: &str) -> Child {
        let log = self.log(who);
        let args = ["--as", who, "--log", log.to_str().unwrap(), "ack", id];
        support::burnwatch(self.path(), &args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
    fn log(&self, who: &str) -> PathBuf {
        self.path().join(format!("{who}.log"))
    }
    /// When this person asked in the last race; `None` if they were told who has it before they asked.
    fn asked_at(&self, who: &str) -> Option<DateTime<Utc>> {
        let log = fs::read_to_string(self.log(who)).unwrap();
        let mut lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let asks = lines.find(|line| line["fields"]["message"] == "asks")?;
        asks["timestamp"].as_str().unwrap().parse().ok()
    }
}

/// Both start, stand before the store, and go on together.
fn race(home: &Home, id: &str) -> [Output; 2] {
    let folder = home.store();
    for log in ["maya", "tom"].map(|who| home.log(who)) {
        let _ = fs::remove_file(log);
    }
    let door = File::open(&folder).unwrap();
    rustix::fs::flock(&door, FlockOperation::LockExclusive).unwrap();
    let both = ["maya", "tom"].map(|who| home.start(who, id));
    let stands = |child: &Child| {
        let open = fs::read_dir(format!("/proc/{}/fd", child.id())).into_iter().flatten().flatten();
        open.filter_map(|fd| fs::read_link(fd.path()).ok()).any(|file| file == folder)
    };
    let _ = poll_within(BEFORE_THE_DOOR, || both.iter().all(stands).then_some(()));
    drop(door);
    both.map(|child| child.wait_with_output().unwrap())
}

/// What the journal says of one incident now, and what was written about it after the entry with the id `after`.
fn thread(store: &Store, id: &str, after: u64) -> (Thread, Vec<Entry>) {
    let mut entries = store.entries_since(0).unwrap();
    entries.retain(|e| e.subject.as_str() == id);
    let mut thread = Thread::default();
    for entry in &entries {
        thread.apply(entry);
    }
    entries.retain(|e| e.id > after);
    (thread, entries)
}

/// How a race ended: whether the second had decided before the first had written, and how far apart they asked.
struct Trial {
    late: bool,
    apart: Option<TimeDelta>,
}

/// Let two people race for an incident, and see that one has it and the other was told who.
fn trial(home: &Home, store: &Store, id: &str) -> Trial {
    let before = store.recent(1).unwrap().last().map_or(0, |e| e.id);
    let both = race(home, id);
    let mut codes = both.each_ref().map(|o| o.status.code());
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(1)], "{both:#?}");
    let (thread, entries) = thread(store, id, before);
    let asked: Vec<_> = entries.iter().filter(|e| matches!(e.what, What::Asked { effect: Effect::Acknowledge { .. } })).collect();
    let ended: Vec<_> = entries.iter().filter(|e| matches!(e.what, What::Ended { outcome: Outcome::Done { .. }, .. })).collect();
    assert_eq!((asked.len(), ended.len(), entries.len(), thread.open.len()), (1, 1, 2, 0), "{entries:#?}");
    let ack = thread.ack.unwrap();
    assert_eq!((&ack.by, ack.delivery, ack.act.as_ref()), (&asked[0].who, Delivery::Done, Some(&asked[0].act)));
    let loser = both.iter().find(|o| o.status.code() == Some(1)).unwrap();
    let told = String::from_utf8_lossy(&loser.stderr);
    assert!(told.contains(ack.by.name.as_str()) && told.contains("nothing was done") && loser.stdout.is_empty(), "{told}");
    let of_group = id.strip_suffix("/HighErrors").and_then(|id| id.strip_prefix('s'));
    if let Some(service) = of_group.or(id.strip_prefix("am:f")) {
        let (act, books) = (ack.act.clone().unwrap(), [home.alertmanager.book(), home.second.book()]);
        let mut marks = Vec::new();
        for book in &books {
            let standing: Vec<_> = book.standing().into_iter().filter(|s| s.holds("service", &format!("s{service}"))).collect();
            assert!(standing.len() <= 1 && standing.iter().all(|s| s.by == ack.by.name.as_str()), "{standing:#?}");
            marks.extend(standing.iter().map(|s| s.mark().to_owned()));
        }
        let legs = if of_group.is_some() { vec![act.leg(0).to_string(), act.leg(1).to_string()] } else { vec![act.to_string()] };
        marks.sort();
        assert_eq!(marks, legs);
    }
    let instants = ["maya", "tom"].map(|who| home.asked_at(who));
    let apart = if let [Some(one), Some(other)] = instants { Some((one - other).abs()) } else { None };
    Trial { late: told.contains("was first"), apart }
}

fn report(what: &str, trials: &[Trial]) {
    let close = trials.iter().filter(|t| t.apart.is_some_and(|apart| apart <= SAME)).count();
    let late = trials.iter().filter(|t| t.late).count();
    let mut apart: Vec<_> = trials.iter().filter_map(|t| t.apart).collect();
    apart.sort_unstable();
    let median = apart.get(apart.len() / 2).and_then(TimeDelta::num_microseconds).unwrap_or(i64::MAX);
    let count = trials.len();
    eprintln!("{what}: {count} races, {close} within 10 ms (median {median} µs); in {late} both had decided before either had written");
}

/// Give everything back, and wait until all can see that.
fn give_back(cockpit: &mut Cockpit) {
    let held = cockpit.wait_for("every incident to have an owner", |s| s.incidents.iter().all(|i| is_held(i)));
    for incident in &held.incidents {
        let verb = Verb::Unacknowledge;
        cockpit.ask(Request::Act(Act { incident: incident.id.clone(), seen: incident.version, verb, by: None }));
    }
    cockpit.wait_for("every incident to be nobody's", |s| s.incidents.iter().flat_map(|i| i.parts()).all(|i| i.ack.is_none()));
}

fn is_held(incident: &Incident) -> bool {
    incident.ack.as_ref().is_some_and(|ack| ack.delivery == Delivery::Done)
}

#[test]
fn of_two_who_acknowledge_at_once_one_has_it_and_the_other_is_told_who() {
    let [alerts, services] = INCIDENTS;
    let home = Home::new(alerts, GROUPS);
    home.serve(services, 1_000);
    let mut cockpit = Cockpit::start(&home.config(), Clock::system());
    cockpit.wait_for("a first look at the counters", |s| s.slos.len() == services);
    home.serve(services, 3_000);
    cockpit.wait_for("every incident", |s| s.incidents.len() == alerts + services);
    let store = Store::open(&home.store()).unwrap();
    let (mut theirs, mut own, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        groups.extend((0..GROUPS).map(|n| trial(&home, &store, &format!("s{n:03}/HighErrors"))));
        theirs.extend((GROUPS..alerts).map(|n| trial(&home, &store, &format!("am:f{n:03}"))));
        own.extend((0..services).map(|n| trial(&home, &store, &format!("o{n:03}/availability:page"))));
        assert_eq!([home.alertmanager.book().silences.len(), home.second.book().silences.len()], [round * alerts, round * GROUPS]);
        give_back(&mut cockpit);
        assert!(home.alertmanager.book().standing().is_empty() && home.second.book().standing().is_empty());
    }
    report("an Alertmanager's incidents", &theirs);
    report("groups of two clusters", &groups);
    report("incidents of our own rules", &own);
}

/// Without a cockpit one of the two looks for both: the other took what the store knew, which was nothing, and could not tell.
#[test]
fn two_who_come_first_to_an_empty_store_see_the_incident_both() {
    for _ in 0..10 {
        let home = Home::new(3, 0);
        home.serve(1, 1_000);
        let store = Store::open(&home.store()).unwrap();
        trial(&home, &store, "am:f001");
    }
}
