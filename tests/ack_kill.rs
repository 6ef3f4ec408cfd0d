//! Acknowledgements that are killed: at random moments of their life, and at the two that matter most, just before and just after the
//! Alertmanager has made the silence.
//!
//! What was committed stays committed, nothing is done twice, and whoever looks after the store next brings each to an end.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends here")]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use burnwatch::{
    domain::{ActId, Actor, Delivery, Effect, Entry, Outcome, Target, Thread, What},
    engine::Clock,
    store::Store,
};
use chrono::{TimeDelta, Utc};
use support::{
    alertmanager::{Alertmanager, Held},
    cockpit::Cockpit,
    configure,
    exporter::Exporter,
};
use tempfile::TempDir;

/// Acknowledgements killed at a random moment: of alerts, and of incidents of our own rules.
const RANDOM: [usize; 2] = [150, 50];
/// So many of these alerts fire in the Alertmanager of a second cluster too: they are groups of two.
const GROUPS: usize = 50;
/// Acknowledgements killed while their silence is being made: half of them before it is, half after.
const AIMED: usize = 24;
/// Acknowledgements that are left alone, to see how long they live.
const SPARED: usize = 5;
/// The seed of the moments: another one is another test.
const SEED: u64 = 0x05ee_d0f2_00ac_4be5;

/// Numbers that look random (xorshift64*), the same each time.
struct Dice(u64);

impl Dice {
    /// In [0, 1).
    fn roll(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A home with an Alertmanager, and rules of our own on a page of metrics.
struct Home {
    folder: TempDir,
    alertmanager: Alertmanager,
    second: Alertmanager,
    exporter: Exporter,
}

/// What the incident of this alert is called: by its key if it is a group.
fn id_of(n: usize) -> String {
    if n < GROUPS { format!("s{n:03}/HighErrors") } else { format!("am:f{n:03}") }
}

impl Home {
    fn new(alerts: usize, groups: usize) -> Self {
        let (alertmanager, second) = (Alertmanager::start(alerts), Alertmanager::start(groups));
        let home = Self { folder: TempDir::new().unwrap(), alertmanager, second, exporter: Exporter::start() };
        let page = fs::read_to_string(home.exporter.config(home.path())).unwrap();
        let row =
            |name: &str, url: String| format!("[[source]]\nname = \"{name}\"\nkind = \"alertmanager\"\nurl = \"{url}\"\nevery = \"1s\"\n");
        configure(home.path(), &format!("{page}{}{}", row("am", home.alertmanager.url()), row("am2", home.second.url())));
        home
    }
    fn path(&self) -> &Path {
        self.folder.path()
    }
    fn store(&self) -> Store {
        Store::open(&self.path().join("store")).unwrap()
    }
    fn config(&self) -> PathBuf {
        self.path().join("config/burnwatch/burnwatch.toml")
    }
    /// The page of so many services, of which every request failed after the first thousand.
    fn serve(&self, services: usize, total: u32) {
        let lines = |n| format!("good_total{{service=\"o{n:03}\"}} 1000\nall_total{{service=\"o{n:03}\"}} {total}\n");
        self.exporter.serve((0..services).map(lines).collect::<String>());
    }
    fn ack(&self, id: &str) -> Child {
        support::burnwatch(self.path(), &["ack", id]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }
}

/// Whether the process ended by itself within this time, and how; killed if it did not.
fn kill_after(mut child: Child, moment: Duration) -> Option<i32> {
    // Not a wait for something to happen: the moment is what is tried.
    std::thread::sleep(moment);
    let ended = child.try_wait().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    ended.map(|status| status.code().unwrap())
}

/// All acts of the journal: who asked for what, and the last end of each.
fn acts(entries: &[Entry]) -> BTreeMap<ActId, (Entry, Vec<Outcome>)> {
    let mut acts = BTreeMap::<ActId, (Entry, Vec<Outcome>)>::new();
    for entry in entries {
        match &entry.what {
            What::Asked { .. } => assert!(acts.insert(entry.act.clone(), (entry.clone(), Vec::new())).is_none(), "asked twice: {entry:?}"),
            What::Ended { outcome, .. } => acts.get_mut(&entry.act).unwrap().1.push(outcome.clone()),
            What::Run { .. } | What::Drilled { .. } => panic!("nobody runs anything here: {entry:?}"),
        }
    }
    acts
}

#[test]
fn an_acknowledgement_that_is_killed_is_neither_lost_nor_done_twice() {
    let [alerts, services] = RANDOM;
    let all = alerts + AIMED + SPARED;
    let home = Home::new(all, GROUPS);
    home.serve(services, 1_000);
    let mut cockpit = Cockpit::start(&home.config(), Clock::system());
    cockpit.wait_for("a first look at the counters", |s| s.slos.len() == services);
    home.serve(services, 3_000);
    cockpit.wait_for("every incident", |s| s.incidents.len() == all + services);
    drop(cockpit);

    // The life of the command, on this machine and now.
    let live = |n| {
        let began = Instant::now();
        assert!(home.ack(&format!("am:f{n:03}")).wait().unwrap().success());
        began.elapsed()
    };
    let mut lives: Vec<_> = (all - SPARED..all).map(live).collect();
    lives.sort_unstable();
    let life = lives[1];

    // Killed at random moments of it.
    let mut dice = Dice(SEED);
    let store = home.store();
    let mut codes = BTreeMap::<Option<i32>, usize>::new();
    let mut committed = store.entries_since(0).unwrap();
    let ids = (0..alerts).map(id_of).chain((0..services).map(|n| format!("o{n:03}/availability:page")));
    for id in ids {
        let code = kill_after(home.ack(&id), life.mul_f64(1.2 * dice.roll()));
        *codes.entry(code).or_default() += 1;
        let entries: Vec<_> = store.entries_since(committed.len() as u64).unwrap();
        let done = entries.iter().any(|e| matches!(e.what, What::Ended { outcome: Outcome::Done { .. }, .. }));
        assert!(entries.iter().all(|e| e.subject.as_str() == id) && (code.is_none() || done), "{id}: {code:?} and {entries:#?}");
        committed.extend(entries);
    }

    // Killed while the silence is made.
    for n in 0..AIMED {
        let place = if n % 2 == 0 { Held::Before } else { Held::After };
        home.alertmanager.hold(Some(place));
        let mut child = home.ack(&format!("am:f{:03}", alerts + n));
        home.alertmanager.wait_until_held(n + 1);
        child.kill().unwrap();
        child.wait().unwrap();
        home.alertmanager.hold(None);
        home.alertmanager.let_go();
        home.alertmanager.wait_for(|book| book.on(&format!("s{:03}", alerts + n)).len() == 1);
    }
    committed.extend(store.entries_since(committed.len() as u64).unwrap());
    let open = acts(&committed).values().filter(|(_, ends)| ends.is_empty()).count();
    eprintln!(
        "life {life:?}; ended by themselves or killed: {codes:?}; {} asked for, {open} of them left open, {} silences made",
        acts(&committed).len(),
        home.alertmanager.book().silences.len(),
    );
    assert!(open >= AIMED);

    // Whoever looks after the store next brings all to an end: three minutes later, when nobody can still be at it.
    let later = Clock::of(|| Utc::now() + TimeDelta::minutes(3));
    let mut cockpit = Cockpit::start(&home.config(), later);
    cockpit.wait_for("every act to have ended", |s| s.incidents.len() == all + services && s.threads.values().all(|t| t.open.is_empty()));
    drop(cockpit);

    let journal = store.entries_since(0).unwrap();
    assert_eq!(journal[..committed.len()], committed[..], "what was committed stays");
    assert_eq!(support::run(home.path(), &["audit", "verify"]).status.code(), Some(0));
    let acts = acts(&journal);
    let (book, second) = (home.alertmanager.book(), home.second.book());
    let mut made = BTreeMap::<&str, Vec<&str>>::new();
    for silence in book.silences.iter().chain(&second.silences) {
        made.entry(silence.mark()).or_default().push(&silence.id);
    }
    for (act, (asked, ends)) in &acts {
        let [Outcome::Done { receipt }] = ends.as_slice() else { panic!("{asked:#?} ended as {ends:#?}") };
        let What::Asked { effect: Effect::Acknowledge { target, .. } } = &asked.what else { panic!("{asked:#?}") };
        if let Target::Group { legs } = target {
            let marks = (0..legs.len()).map(|leg| act.leg(leg));
            let silences: Vec<_> = marks.map(|mark| made.remove(mark.as_str()).unwrap_or_default().len()).collect();
            assert_eq!(silences, [1, 1], "{asked:#?}");
        }
        let silences = made.remove(act.as_str()).unwrap_or_default();
        let expected: Vec<&str> =
            if matches!(target, Target::Journal | Target::Group { .. }) { Vec::new() } else { receipt.as_deref().into_iter().collect() };
        assert_eq!(silences, expected, "{asked:#?}");
        let thread = journal.iter().filter(|e| e.subject == asked.subject).fold(Thread::default(), |mut thread, entry| {
            thread.apply(entry);
            thread
        });
        assert!(thread.ack.is_some_and(|ack| ack.act.as_ref() == Some(act) && ack.delivery == Delivery::Done));
    }
    assert_eq!(made, BTreeMap::new(), "silences that nobody asked for");
    drop((book, second));

    // Who comes after them is told, or has it.
    let held: BTreeSet<_> = acts.values().map(|(asked, _)| asked.subject.as_str()).collect();
    let free = (0..alerts).map(id_of).find(|id| !held.contains(id.as_str()));
    for (id, code) in held.first().map(|id| ((*id).to_owned(), 1)).into_iter().chain(free.map(|id| (id, 0))) {
        assert_eq!(home.ack(&id).wait().unwrap().code(), Some(code), "{id}");
    }
}

/// Where nobody had a cockpit open, what a killed command had left stood as not delivered until it lapsed.
#[test]
fn what_a_killed_command_has_left_is_brought_to_an_end_by_the_next_one() {
    let home = Home::new(1, 0);
    home.serve(1, 1_000);
    let (store, at) = (home.store(), Utc::now() - TimeDelta::minutes(2));
    let labels = [("alertname", "HighErrors"), ("service", "s000"), ("severity", "critical")].into_iter().collect();
    let effect = Effect::Acknowledge {
        target: Target::Alertmanager { source: "am".into(), labels },
        occurrence: "2026-01-01T00:00:00Z".parse().unwrap(),
        note: None,
        until: at + TimeDelta::minutes(15),
        lapses: at + TimeDelta::hours(4),
    };
    let who = Actor { name: "maya".into(), verified: true };
    let (what, subject, title) = (What::Asked { effect }, "am:f000".into(), "HighErrors".into());
    store.append(Entry { id: 0, at, act: "a1".into(), subject, title, version: 0, service: None, who, what }, Some(0)).unwrap();
    let output = support::run(home.path(), &["ack", "am:f000"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && told.contains("acknowledged by maya"), "{told}");
    let journal = store.entries_since(0).unwrap();
    assert!(
        matches!(&journal[1].what, What::Ended { outcome: Outcome::Done { receipt: Some(_) }, .. }) && journal.len() == 2,
        "{journal:#?}"
    );
    let book = home.alertmanager.book();
    assert_eq!(book.standing().iter().map(|s| s.mark()).collect::<Vec<_>>(), ["a1"]);
}
