//! Queues in a real Redis, filled by the real libraries: what burnwatch sees is what their own tools report; and a Redis that asks for a
//! password, speaks TLS, holds hundreds of queues or monstrous jobs, and goes away in between.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends here")]

mod support;

use std::{
    collections::BTreeMap,
    path::Path,
    process::Command,
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use burnwatch::{
    domain::{Answer, Ask, Fault, FaultClass, Freshness, Lane, QueueId, QueueRow, QueueSample, QueueState, Snapshot, SourceName, Want},
    engine::Clock,
    sources::{Deadlines, JobQueues, QueueSystem, RedisPlace, RedisSettings, Source},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use support::{
    cockpit::Cockpit,
    configure, poll,
    redis::{Counting, Redis, Worker, bullmq, python, told, words},
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

fn sidekiq() -> QueueSystem {
    QueueSystem::Sidekiq { prefix: String::new() }
}
fn bull() -> QueueSystem {
    QueueSystem::BullMq { prefix: "bull".into() }
}
fn celery(prefix: &str) -> QueueSystem {
    QueueSystem::Celery { prefix: prefix.into(), priority_steps: vec![0, 3, 6, 9] }
}
fn rq() -> QueueSystem {
    QueueSystem::Rq { prefix: "rq".into() }
}

fn settings(port: u16, db: u32, system: QueueSystem) -> RedisSettings {
    RedisSettings {
        name: SourceName::new("jobs"),
        place: RedisPlace::Net { host: "127.0.0.1".into(), port, tls: false },
        db,
        username: None,
        password: None,
        ca_file: None,
        identity: None,
        insecure: false,
        max_bytes: 32 << 20,
        deadlines: Deadlines { short: Duration::from_secs(20), long: Duration::from_secs(20) },
        system,
        queues: Vec::new(),
    }
}

fn source(port: u16, db: u32, system: QueueSystem) -> JobQueues {
    JobQueues::new(settings(port, db, system)).unwrap()
}

/// The queues of one poll by their names, and why some of it is missing.
fn look(source: &JobQueues) -> Result<(BTreeMap<String, QueueSample>, String), Fault> {
    let ask = Ask { wants: vec![Want::Queues] };
    let reading = RUNTIME.block_on(source.poll(&ask, Lane::Short, &Utc::now));
    let part = reading.parts.into_iter().next().unwrap();
    let Answer::Queues(queues) = part.outcome? else { panic!("no queues") };
    let queues = queues.into_iter().map(|q| (q.name.to_string(), q)).collect();
    Ok((queues, part.partial.map(|t| t.to_string()).unwrap_or_default()))
}

fn seen(source: &JobQueues) -> BTreeMap<String, QueueSample> {
    let (queues, partial) = look(source).unwrap();
    assert_eq!(partial, "");
    queues
}

/// The same time, but for what a fraction of a second loses on its way.
fn same(found: Option<DateTime<Utc>>, millis: f64) -> bool {
    found.is_some_and(|at| (at.timestamp_millis() as f64 - millis).abs() < 2.0)
}

#[test]
#[ignore = "needs redis-server, node, bullmq"]
fn bullmq_counts_what_get_job_counts_counts() {
    let redis = Redis::start();
    let counts = told(bullmq(&redis, &["fill"]));
    let bull = source(redis.port, 0, bull());
    let queues = seen(&bull);
    assert_eq!(queues.keys().collect::<Vec<_>>(), ["due", "mail", "reports", "slow"]);
    for (name, queue) in &queues {
        let own = &counts[name];
        let ready = own["waiting"].as_u64().unwrap() + own["prioritized"].as_u64().unwrap() + own["paused"].as_u64().unwrap_or(0);
        assert_eq!(queue.ready, Some(ready), "{name}: {own}");
        let [active, delayed, failed] = ["active", "delayed", "failed"].map(|word| own[word].as_u64());
        assert_eq!((queue.in_flight, queue.delayed, queue.failed), (active, delayed, failed), "{name}: {own}");
        assert_eq!(json!(queue.paused), own["isPaused"], "{name}");
        match own["oldest"].as_f64() {
            Some(oldest) => assert!(same(queue.oldest_at, oldest), "{name}: {queue:?} {own}"),
            None => assert_eq!((queue.oldest_at, queue.ready), (None, Some(0)), "{name}"),
        }
        assert_eq!(queue.consumers, None, "it cannot be told");
    }
    assert_eq!((queues["mail"].ready, queues["mail"].delayed, queues["mail"].failed), (Some(5), Some(1), Some(2)));
    assert_eq!((queues["mail"].entered, queues["mail"].left), (Some(9), Some(3)));
    // What is taken from a queue is seen to be taken.
    let mut worker = Worker::start(bullmq(&redis, &["work", "mail"]));
    let done = poll(|| Some(seen(&bull)["mail"].clone()).filter(|q| q.ready == Some(0)));
    assert_eq!(done.unwrap_or_else(|| panic!("{:?}", seen(&bull)["mail"])).left, Some(8));
    worker.kill();
}

#[test]
#[ignore = "needs redis-server"]
fn bullmq_of_old_is_read_with_its_markers_and_its_paused_lists() {
    let redis = Redis::start();
    let ago = |secs: u64| (millis() - secs * 1_000).to_string();
    let job = |id: &str, secs, opts: &str| words(&["HSET", &format!("bull:old:{id}"), "timestamp", &ago(secs), "opts", opts, "data", "{}"]);
    redis.feed(&[
        words(&["HSET", "bull:old:meta", "paused", "1"]),
        words(&["RPUSH", "bull:old:wait", "0:0"]),
        words(&["RPUSH", "bull:old:paused", "2", "1", "0:0"]),
        job("1", 100, r#"{"attempts":3}"#),
        job("2", 50, "{}"),
        words(&["HSET", "bull:late:meta", "version", "bullmq:5.0"]),
        words(&["RPUSH", "bull:late:wait", "7"]),
        words(&["HSET", "bull:late:7", "timestamp", &ago(3_600), "delay", "0", "opts", r#"{"delay":3570000}"#]),
    ]);
    let queues = seen(&source(redis.port, 0, bull()));
    let age = |name: &str| (Utc::now() - queues[name].oldest_at.unwrap()).num_seconds();
    assert_eq!((queues["old"].ready, queues["old"].paused), (Some(2), true));
    assert!((100..110).contains(&age("old")), "{}", age("old"));
    assert!((30..40).contains(&age("late")), "a job is late since it was due, not since it was made: {}", age("late"));
}

fn millis() -> u64 {
    u64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

#[test]
#[ignore = "needs redis-server, celery"]
fn celery_counts_what_its_broker_declares() {
    let redis = Redis::start();
    for (db, prefix) in [(1, ""), (2, "app:")] {
        let url = format!("{}/{db}", redis.url());
        let environment = [("REDIS_URL", url.as_str()), ("PREFIX", prefix)];
        let counts = told(python(&["celery_app.py", "fill"], &environment));
        assert_eq!(counts, json!({"emails": 6, "reports": 4, "later": 1}));
        let celery = source(redis.port, db, celery(prefix));
        let queues = seen(&celery);
        for (name, count) in counts.as_object().unwrap() {
            let queue = &queues[name];
            assert_eq!((queue.ready, queue.oldest_at, queue.consumers), (count.as_u64(), None, None), "{name}");
        }
        assert_eq!(queues.len(), 4, "{queues:?}");
        assert_eq!(queues["(taken, or with an ETA)"].in_flight, Some(0));
        // A task with an ETA stays with the worker that took it: it is no longer counted as waiting.
        let arguments = ["-m", "celery", "-A", "celery_app", "worker", "-P", "solo", "-Q", "later,reports", "-l", "ERROR"];
        let mut worker = Worker::start(python(&arguments, &environment));
        let taken = poll(|| {
            let queues = seen(&celery);
            let is = |name: &str, ready| queues[name].ready == Some(ready);
            (is("later", 0) && is("reports", 0) && queues["(taken, or with an ETA)"].in_flight == Some(1)).then_some(queues)
        });
        let queues = taken.unwrap_or_else(|| panic!("{:?}", seen(&celery)));
        assert_eq!(queues["emails"].ready, Some(6));
        assert_eq!(queues.len(), 4, "the workers' own talk is no queue: {queues:?}");
        worker.kill();
    }
}

#[test]
#[ignore = "needs redis-server, rq"]
fn rq_counts_what_rq_info_counts() {
    let redis = Redis::start();
    let port = redis.port.to_string();
    let counts = told(python(&["rq_jobs.py", &port, "fill"], &[]));
    let rq = source(redis.port, 0, rq());
    let queues = seen(&rq);
    assert_eq!(queues.keys().collect::<Vec<_>>(), ["high", "low"]);
    for (name, queue) in &queues {
        let own = &counts[name];
        let [count, scheduled, failed, started] = ["count", "scheduled", "failed", "started"].map(|word| own[word].as_u64());
        assert_eq!((queue.ready, queue.delayed, queue.failed, queue.in_flight), (count, scheduled, failed, started), "{name}: {own}");
        assert_eq!(queue.consumers, Some(0), "the burst worker has left");
        match own["oldest"].as_f64() {
            Some(oldest) => assert!(same(queue.oldest_at, oldest * 1e3), "{name}: {queue:?} {own}"),
            None => assert_eq!((queue.oldest_at, queue.ready), (None, Some(0)), "{name}"),
        }
    }
    let info = python(&["-m", "rq.cli", "info", "-u", &redis.url(), "--raw", "--only-queues"], &[]).output().unwrap();
    let info = String::from_utf8_lossy(&info.stdout).into_owned();
    for (name, queue) in &queues {
        let line = format!("queue {name} {}, 0 executing, ", queue.ready.unwrap());
        let failed = format!("{} failed", queue.failed.unwrap());
        assert!(info.lines().any(|l| l.starts_with(&line) && l.ends_with(&failed)), "{line}…{failed} in\n{info}");
    }
    let mut worker = Worker::start(python(&["-m", "rq.cli", "worker", "-u", &redis.url(), "low", "other"], &[]));
    let serving = poll(|| Some(seen(&rq)).filter(|q| q["low"].consumers == Some(1)));
    assert_eq!(serving.unwrap_or_else(|| panic!("{:?}", seen(&rq)))["high"].consumers, Some(0));
    // It is known before it listens to signals; told to stop any earlier it would leave without a word.
    let idle = || redis.say(&["SMEMBERS", "rq:workers"]).lines().any(|key| redis.say(&["HGET", key, "state"]) == "idle");
    assert!(poll(|| idle().then_some(())).is_some());
    worker.stop();
    assert_eq!(seen(&rq)["low"].consumers, Some(0));
    redis.say(&["SET", "rq:suspended", "1"]);
    assert!(seen(&rq)["high"].paused);
}

/// Sidekiq's layout as versions before and since 8.0 write it.
fn fill_sidekiq(redis: &Redis) {
    let now = millis();
    let old = |secs: u64| {
        format!(r#"{{"class":"A","args":[],"queue":"old","created_at":{0},"enqueued_at":{0}}}"#, (now - secs * 1_000) as f64 / 1e3)
    };
    let new = |secs: u64| format!(r#"{{"class":"A","args":[],"queue":"new","created_at":1,"enqueued_at":{}}}"#, now - secs * 1_000);
    let info = r#"{"hostname":"app-1","pid":1,"concurrency":5,"queues":["old"],"identity":"app-1:1:a"}"#;
    let beat = |secs: u64| ((now - secs * 1_000) as f64 / 1e3).to_string();
    let process = |id: &str, secs, busy| words(&["HSET", id, "info", info, "busy", busy, "beat", &beat(secs), "quiet", "false"]);
    redis.feed(&[
        words(&["SADD", "queues", "old", "new", "none"]),
        words(&["LPUSH", "queue:old", &old(90), &old(60), &old(30)]),
        words(&["LPUSH", "queue:new", &new(45), &new(10)]),
        words(&["ZADD", "schedule", "4000000000", "a", "4000000001", "b"]),
        words(&["ZADD", "retry", "4000000000", "c"]),
        words(&["ZADD", "dead", "1700000000", "d", "1700000001", "e", "1700000002", "f"]),
        words(&["SADD", "paused", "new"]),
        words(&["SADD", "processes", "app-1:1:a", "app-2:1:b", "app-3:1:c"]),
        process("app-1:1:a", 3, "2"),
        process("app-2:1:b", 90, "4"),
    ]);
}

#[test]
#[ignore = "needs redis-server"]
fn sidekiq_is_read_in_both_formats_of_time() {
    let redis = Redis::start();
    fill_sidekiq(&redis);
    let queues = seen(&source(redis.port, 0, sidekiq()));
    let age = |name: &str| (Utc::now() - queues[name].oldest_at.unwrap()).num_seconds();
    assert_eq!(queues.keys().collect::<Vec<_>>(), ["(scheduled, retried, dead)", "new", "none", "old"]);
    assert_eq!((queues["old"].ready, queues["new"].ready, queues["none"].ready), (Some(3), Some(2), Some(0)));
    assert!((90..100).contains(&age("old")) && (45..55).contains(&age("new")), "{} {}", age("old"), age("new"));
    assert_eq!((queues["none"].oldest_at, queues["new"].paused, queues["old"].paused), (None, true, false));
    // One process lives, one has given no sign for too long, and of one nothing is left.
    assert_eq!((queues["old"].consumers, queues["old"].in_flight, queues["new"].consumers), (Some(1), Some(2), Some(0)));
    let rest = &queues["(scheduled, retried, dead)"];
    assert_eq!((rest.ready, rest.delayed, rest.failed), (Some(0), Some(3), Some(3)), "they belong to no queue, and wait in none");
    for (name, queue) in &queues {
        assert_eq!((queue.entered, queue.left), (None, None), "{name}: what was processed is one counter for all");
    }
}

#[test]
#[ignore = "needs redis-server"]
fn monstrous_jobs_and_names_cost_an_age_and_no_more() {
    let redis = Redis::start();
    fill_sidekiq(&redis);
    let huge = format!(r#"{{"args":["{}"],"enqueued_at":1}}"#, "x".repeat(10 << 20)).into_bytes();
    let mut commands = Vec::new();
    for n in 0..40 {
        commands.push(words(&["SADD", "queues", &format!("huge{n:02}")]));
        commands.push(vec![b"LPUSH".to_vec(), format!("queue:huge{n:02}").into_bytes(), huge.clone()]);
    }
    for name in ["\u{1b}[2J", "a\r\nFLUSHALL\r\n", "\u{202e}evil", ""] {
        commands.push(words(&["SADD", "queues", name]));
        commands.push(words(&["LPUSH", &format!("queue:{name}"), "{\"enqueued_at\":"]));
    }
    commands.push(vec![b"SADD".to_vec(), b"queues".to_vec(), vec![b'n'; 1 << 20]]);
    commands.push(words(&["SADD", "queues", "text"]));
    commands.push(words(&["SET", "queue:text", "no list"]));
    redis.feed(&commands);
    let source = source(redis.port, 0, sidekiq());
    for _ in 0..2 {
        let (queues, why) = look(&source).unwrap();
        assert_eq!(queues["huge39"].ready, Some(1));
        assert!(queues.iter().filter(|(name, _)| name.starts_with("huge")).all(|(_, q)| q.oldest_at.is_none()));
        assert_eq!(queues["old"].ready, Some(3), "the others stand");
        assert_eq!((queues["text"].ready, queues["\u{241b}[2J"].ready), (None, Some(1)));
        for words in ["too long to be read", "holds no time", "WRONGTYPE", "names are too long"] {
            assert!(why.contains(words), "{words} in {why}");
        }
    }
    // Once the huge ones are known, they do not stand in the way of the others.
    let oldest = poll(|| look(&source).unwrap().0["old"].oldest_at);
    assert!(oldest.is_some(), "{:?}", look(&source).unwrap().1);
    assert_eq!(redis.say(&["SCARD", "queues"]), "49", "nothing was changed");
}

#[test]
#[ignore = "needs redis-server, node, bullmq, celery, rq"]
fn two_hundred_queues_cost_a_handful_of_round_trips() {
    let redis = Redis::start();
    let port = redis.port.to_string();
    assert!(bullmq(&redis, &["many", "200"]).status().unwrap().success());
    assert!(python(&["rq_jobs.py", &port, "many", "200"], &[]).status().unwrap().success());
    let mut commands = Vec::new();
    for n in 0..200 {
        commands.push(words(&["SADD", "queues", &format!("q{n}")]));
        commands.push(words(&["LPUSH", &format!("queue:q{n}"), &format!("{{\"enqueued_at\":{}}}", millis())]));
        commands.push(words(&["SADD", &format!("_kombu.binding.q{n}"), &format!("q{n}\u{6}\u{16}\u{6}\u{16}q{n}")]));
        commands.push(words(&["LPUSH", &format!("q{n}"), "{}"]));
    }
    redis.feed(&commands);
    for (system, most) in [(sidekiq(), 6), (bull(), 6), (celery(""), 6), (rq(), 6)] {
        let proxy = Counting::before(&redis);
        let source = source(proxy.port, 0, system.clone());
        let mut counted = Vec::new();
        for _ in 0..3 {
            let queues = seen(&source);
            let full = queues.iter().filter(|(name, q)| name.starts_with('q') && q.ready.is_some_and(|n| n > 0));
            assert_eq!(full.count(), 200, "{system:?}");
            let aged = queues.values().filter(|q| q.oldest_at.is_some()).count();
            assert_eq!(aged, if matches!(system, QueueSystem::Celery { .. }) { 0 } else { 200 }, "{system:?}");
            counted.push(proxy.trips());
        }
        eprintln!("{system:?}: {counted:?} round trips a poll");
        assert!(counted[1..].iter().all(|n| *n <= most), "{system:?}: {counted:?}");
        let commands = proxy.commands();
        let writes: Vec<_> = commands.iter().filter(|word| !READS.contains(&word.as_str())).collect();
        assert_eq!(writes, ["CLIENT"], "{system:?}");
    }
}

/// A queue as successive polls see it, fifteen seconds apart.
struct Watched<'a> {
    source: &'a JobQueues,
    name: &'static str,
    row: Option<QueueRow>,
    at: DateTime<Utc>,
}

impl<'a> Watched<'a> {
    fn new(source: &'a JobQueues, name: &'static str) -> Self {
        Self { source, name, row: None, at: Utc::now() }
    }
    fn poll(&mut self) -> QueueState {
        let sample = seen(self.source).remove(self.name).unwrap();
        self.row = QueueRow::seen(self.row.as_ref(), &SourceName::new("jobs"), &sample, self.at, &[]);
        self.at += TimeDelta::seconds(15);
        self.row.as_ref().unwrap().state
    }
    /// The states of so many polls.
    fn polls(&mut self, count: usize) -> Vec<QueueState> {
        (0..count).map(|_| self.poll()).collect()
    }
}

#[test]
#[ignore = "needs redis-server, node, bullmq, celery, rq"]
fn a_stopped_worker_is_a_stall_within_two_intervals() {
    use QueueState::{Ok, Stalled, Unknown};
    let redis = Redis::start();
    let (port, url) = (redis.port.to_string(), redis.url());
    let add = || assert!(python(&["rq_jobs.py", &port, "many", "1"], &[]).status().unwrap().success());
    let rq_worker = || Worker::start(python(&["-m", "rq.cli", "worker", "-u", &url, "q0"], &[]));
    let rq = source(redis.port, 0, rq());
    let (mut stopped, mut killed) = (Watched::new(&rq, "q0"), Watched::new(&rq, "q0"));
    // One that leaves in its own way is seen to be gone; of one that was killed only that nothing is done any more.
    for (watched, kill) in [(&mut stopped, false), (&mut killed, true)] {
        let mut worker = rq_worker();
        add();
        assert!(poll(|| seen(&rq).get("q0").filter(|q| q.ready == Some(0) && q.consumers.is_some_and(|n| n > 0)).map(drop)).is_some());
        assert_eq!(watched.poll(), Ok);
        if kill {
            worker.kill();
        } else {
            worker.stop();
        }
        add();
        assert_eq!(watched.polls(3).last(), Some(&Stalled), "{:?}", watched.row);
    }
    assert_eq!(stopped.row.unwrap().verdict.stall.unwrap().words(), "no consumers");
    assert_eq!(killed.row.unwrap().verdict.stall.unwrap().words(), "nothing finishes");

    let bull = source(redis.port, 0, bull());
    let add = || assert!(bullmq(&redis, &["many", "1"]).status().unwrap().success());
    let mut watched = Watched::new(&bull, "q0");
    add();
    let mut worker = Worker::start(bullmq(&redis, &["work", "q0"]));
    assert!(poll(|| seen(&bull).get("q0").filter(|q| q.ready == Some(0) && q.left == Some(2)).map(drop)).is_some());
    assert_eq!(watched.poll(), Ok);
    worker.kill();
    add();
    assert_eq!(watched.polls(3).last(), Some(&Stalled), "{:?}", watched.row);

    fill_sidekiq(&redis);
    let sidekiq = source(redis.port, 0, sidekiq());
    let mut watched = Watched::new(&sidekiq, "old");
    assert_eq!(watched.poll(), Ok);
    redis.say(&["DEL", "processes"]);
    assert_eq!(watched.polls(2).last(), Some(&Stalled), "{:?}", watched.row);

    // Celery tells neither ages nor workers: whether its work is taken at all is not known while nothing is seen to be.
    let celery_url = format!("{url}/1");
    told(python(&["celery_app.py", "fill"], &[("REDIS_URL", &celery_url)]));
    let celery = source(redis.port, 1, celery(""));
    assert_eq!(Watched::new(&celery, "emails").polls(4), [Unknown; 4]);
}

#[test]
#[ignore = "needs redis-server, node, bullmq"]
fn a_long_job_of_bullmq_is_no_stall_while_its_worker_renews_the_lock() {
    let redis = Redis::start();
    let source = source(redis.port, 0, bull());
    assert!(bullmq(&redis, &["many", "1"]).status().unwrap().success());
    let mut worker = Worker::start(bullmq(&redis, &["hang", "q0"]));
    let at_work = |wished| poll(|| seen(&source).get("q0").filter(|q| q.at_work == Some(wished) && q.ready == Some(1)).map(drop));
    assert!(at_work(true).is_some(), "{:?}", seen(&source));
    let mut watched = Watched::new(&source, "q0");
    assert_eq!(watched.polls(6), [QueueState::Ok; 6]);
    worker.kill();
    assert!(at_work(false).is_some(), "{:?}", seen(&source));
    assert_eq!(seen(&source)["q0"].in_flight, Some(1), "it looks as if it went on");
    assert_eq!(watched.polls(2).last(), Some(&QueueState::Stalled), "{:?}", watched.row);
}

/// Commands that read.
const READS: [&str; 14] =
    ["EXISTS", "GET", "HGET", "HLEN", "HMGET", "LINDEX", "LLEN", "LRANGE", "SMEMBERS", "SCAN", "TIME", "ZCARD", "ZCOUNT", "ZRANGE"];

#[test]
#[ignore = "needs redis-server, node, bullmq"]
fn after_a_restart_it_goes_on_by_itself_and_ages_do_not_begin_anew() {
    let mut redis = Redis::with(|_| ["--appendonly", "yes", "--appendfsync", "always"].map(str::to_owned).to_vec());
    told(bullmq(&redis, &["fill"]));
    fill_sidekiq(&redis);
    let sources = [source(redis.port, 0, bull()), source(redis.port, 0, sidekiq())];
    let before = sources.each_ref().map(seen);
    redis.kill();
    for source in &sources {
        assert_eq!(look(source).unwrap_err().class, FaultClass::Unreachable);
    }
    redis.start_again();
    let after = sources.each_ref().map(|source| poll(|| look(source).ok()).unwrap().0);
    assert_eq!(before[0], after[0]);
    for (name, queue) in &before[1] {
        assert_eq!((queue.ready, queue.oldest_at), (after[1][name].ready, after[1][name].oldest_at), "{name}");
    }
    // A connection that was closed meanwhile is no failure at all.
    assert_eq!(redis.say(&["CLIENT", "KILL", "TYPE", "normal"]), "2");
    for source in &sources {
        seen(source);
    }
}

#[test]
#[ignore = "needs redis-server, node, bullmq"]
fn a_cockpit_sees_a_redis_go_and_come_back_and_nothing_jumps() {
    let mut redis = Redis::with(|_| ["--appendonly", "yes", "--appendfsync", "always"].map(str::to_owned).to_vec());
    assert!(bullmq(&redis, &["many", "1"]).status().unwrap().success());
    let home = TempDir::new().unwrap();
    let store = home.path().join("store");
    let source = format!("[[source]]\nname = \"jobs\"\nkind = \"bullmq\"\nurl = \"{}\"\nevery = \"1s\"\ntimeout = \"1s\"\n", redis.url());
    configure(home.path(), &format!("[store]\nurl = \"sqlite:{}\"\n{source}", store.display()));
    let mut cockpit = Cockpit::start(&home.path().join("config/burnwatch/burnwatch.toml"), Clock::system());
    let row = |s: &Snapshot| s.queue(&QueueId::new("jobs/q0")).cloned();
    let is = |s: &Snapshot, state| s.source(&"jobs".into()).is_some_and(|row| row.state == state);
    let snapshot = cockpit.wait_for("a stalled queue", |s| row(s).is_some_and(|row| row.state == QueueState::Stalled));
    let before = row(&snapshot).unwrap();
    let same = |s: &Snapshot| {
        let now = row(s).unwrap();
        assert_eq!((now.now.ready, now.now.oldest_at), (before.now.ready, before.now.oldest_at));
        assert!([now.verdict.rate_in, now.verdict.rate_out].into_iter().flatten().all(|rate| rate == 0.0), "{:?}", now.verdict);
        now
    };
    // It falls silent, and is restarted: as it was and stale, then stalled as before, by itself.
    for restarted in [false, true] {
        if restarted {
            redis.kill();
        } else {
            redis.freeze(true);
        }
        let stale = |s: &Snapshot| is(s, Freshness::Failing) && same(s).state == QueueState::Stale;
        let snapshot = cockpit.wait_for("a failing source", stale);
        assert!(snapshot.incidents.iter().any(|i| i.is_of_queue(&before.id)), "a stall that is not seen to end goes on");
        if restarted {
            redis.start_again();
        } else {
            redis.freeze(false);
        }
        cockpit.wait_for("the Redis again", |s| is(s, Freshness::Fresh) && same(s).state == QueueState::Stalled);
    }
    let mut worker = Worker::start(bullmq(&redis, &["work", "q0"]));
    cockpit.wait_for("a queue that is worked off", |s| row(s).is_some_and(|row| row.state == QueueState::Ok && row.now.ready == Some(0)));
    worker.kill();
}

#[test]
#[ignore = "needs redis-server"]
fn a_user_of_the_access_list_needs_to_read_and_no_more() {
    let redis = Redis::start();
    fill_sidekiq(&redis);
    redis.say(&["ACL", "SETUSER", "watch", "on", ">correct", "~*", "+@read", "+@connection"]);
    redis.say(&["ACL", "SETUSER", "blind", "on", ">correct", "~*", "+@connection"]);
    redis.say(&["ACL", "SETUSER", "narrow", "on", ">correct", "~queue*", "~processes", "+@read", "+@connection"]);
    redis.say(&["ACL", "SETUSER", "default", ">other"]);
    let as_user = |username: Option<&str>, password: Option<&str>| {
        let settings = settings(redis.port, 0, sidekiq());
        JobQueues::new(RedisSettings { username: username.map(str::to_owned), password: password.map(str::to_owned), ..settings }).unwrap()
    };
    assert_eq!(seen(&as_user(Some("watch"), Some("correct")))["old"].ready, Some(3));
    assert_eq!(seen(&as_user(None, Some("other")))["old"].ready, Some(3));
    for (source, words) in [
        (as_user(None, None), "none is set"),
        (as_user(None, Some("wrong")), "check `username`"),
        (as_user(Some("watch"), Some("wrong")), "check `username`"),
        (as_user(Some("blind"), Some("correct")), "+@read"),
    ] {
        let fault = look(&source).unwrap_err();
        assert_eq!(fault.class, FaultClass::Unauthorized, "{}", fault.message);
        assert!(fault.message.as_str().contains(words), "{}", fault.message);
        assert!(!fault.message.as_str().contains("wrong"), "{}", fault.message);
    }
    let (queues, why) = look(&as_user(Some("narrow"), Some("correct"))).unwrap();
    assert_eq!((queues["old"].ready, queues["(scheduled, retried, dead)"].failed), (Some(3), None));
    assert!(why.contains("NOPERM"), "{why}");
}

/// A certificate authority, and a certificate of 127.0.0.1 by it, in a folder.
fn certificates(folder: &Path) {
    let openssl = |arguments: &str| {
        let output = Command::new("openssl").args(arguments.split_whitespace()).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    let leaf = "-addext basicConstraints=critical,CA:FALSE -addext subjectAltName=IP:127.0.0.1";
    openssl(&format!("{new} -keyout ca.key -out ca.crt -subj /CN=test-authority"));
    openssl(&format!("{new} -keyout tls.key -out tls.crt -subj /CN=redis -CA ca.crt -CAkey ca.key {leaf}"));
    openssl(&format!("{new} -keyout other.key -out other.crt -subj /CN=another-authority"));
}

#[test]
#[ignore = "needs redis-server, openssl"]
fn over_tls_only_a_certificate_that_is_trusted_will_do() {
    let plain = Redis::start();
    let redis = Redis::with(|folder| {
        certificates(folder);
        let file = |name: &str| folder.join(name).display().to_string();
        let tls_port = support::server::free_port().to_string();
        [
            "--tls-port",
            &tls_port,
            "--tls-cert-file",
            &file("tls.crt"),
            "--tls-key-file",
            &file("tls.key"),
            "--tls-ca-cert-file",
            &file("ca.crt"),
        ]
        .map(str::to_owned)
        .to_vec()
    });
    fill_sidekiq(&redis);
    let tls_port: u16 = redis.say(&["CONFIG", "GET", "tls-port"]).lines().last().unwrap().parse().unwrap();
    let file = |name: &str| redis.files.path().join(name);
    let at = |port: u16, host: &str| {
        let place = RedisPlace::Net { host: host.into(), port, tls: true };
        let identity = Some((file("tls.crt"), file("tls.key")));
        RedisSettings { place, identity, ca_file: Some(file("ca.crt")), ..settings(port, 0, sidekiq()) }
    };
    let source = |settings| JobQueues::new(settings).unwrap();
    assert_eq!(seen(&source(at(tls_port, "127.0.0.1")))["old"].ready, Some(3));
    let insecure = RedisSettings { insecure: true, ca_file: None, ..at(tls_port, "127.0.0.1") };
    assert_eq!(seen(&source(insecure))["old"].ready, Some(3));
    for (settings, class) in [
        (RedisSettings { ca_file: Some(file("other.crt")), ..at(tls_port, "127.0.0.1") }, FaultClass::Tls),
        (at(tls_port, "localhost"), FaultClass::Tls),
        (at(plain.port, "127.0.0.1"), FaultClass::Tls),
        (
            RedisSettings { place: RedisPlace::Net { host: "127.0.0.1".into(), port: tls_port, tls: false }, ..at(tls_port, "") },
            FaultClass::Unreachable,
        ),
    ] {
        let fault = look(&source(settings)).unwrap_err();
        assert_eq!(fault.class, class, "{}", fault.message);
    }
    let missing = JobQueues::new(RedisSettings { ca_file: Some(file("none.crt")), ..at(tls_port, "127.0.0.1") }).unwrap_err();
    assert!(missing.to_string().starts_with("`ca_file`"), "{missing}");
}

#[test]
#[ignore = "needs redis-server"]
fn a_socket_of_this_host_is_as_good() {
    let redis = Redis::with(|folder| vec!["--unixsocket".into(), folder.join("redis.sock").display().to_string()]);
    fill_sidekiq(&redis);
    let place = RedisPlace::Socket(redis.files.path().join("redis.sock"));
    assert_eq!(seen(&JobQueues::new(RedisSettings { place, ..settings(0, 0, sidekiq()) }).unwrap())["old"].ready, Some(3));
}

#[test]
#[ignore = "needs redis-server"]
fn queues_are_found_among_very_many_keys() {
    let redis = Redis::start();
    redis.say(&["DEBUG", "POPULATE", "300000", "job"]);
    redis.feed(&[words(&["HSET", "bull:mail:meta", "version", "bullmq:6"]), words(&["LPUSH", "bull:mail:wait", "1"])]);
    let proxy = Counting::before(&redis);
    let source = source(proxy.port, 0, bull());
    let found = poll(|| look(&source).ok().filter(|(_, why)| !why.contains("still looking"))).unwrap();
    assert_eq!(found.0["mail"].ready, Some(1));
    let _ = (proxy.trips(), look(&source).unwrap());
    assert!(proxy.trips() <= 4, "between two walks nobody walks");
    let named = RedisSettings { queues: vec!["mail".into()], ..settings(proxy.port, 0, bull()) };
    assert_eq!(look(&JobQueues::new(named).unwrap()).unwrap().0["mail"].ready, Some(1));
    assert!(proxy.trips() <= 4, "a queue that is named is not searched for");
}
