//! Queues of a real RabbitMQ: the same figures as its own tool reports, a stall when the worker stops, one request for five hundred
//! queues, a promise of age that burns, and a restart in the middle.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on ends here")]

mod support;

use std::{os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use burnwatch::{
    domain::{Freshness, QueueId, QueueRow, QueueState, Snapshot, Stall},
    engine::Clock,
};
use support::{cockpit::Cockpit, configure, pty::Pty, rabbit::Rabbit, run, status};
use tempfile::TempDir;

/// A cockpit on `rabbit`, which promises of orders that they wait no longer than a minute.
fn home(rabbit: &Rabbit) -> TempDir {
    let home = TempDir::new().unwrap();
    let (port, store) = (rabbit.port, home.path().join("store"));
    let secret = home.path().join("password");
    std::fs::write(&secret, "guest").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    configure(
        home.path(),
        &format!(
            "[store]\nurl = \"sqlite:{}\"\n[[source]]\nname = \"rabbit\"\nkind = \"rabbitmq\"\nurl = \"http://127.0.0.1:{port}\"\n\
             username = \"guest\"\npassword_file = \"{}\"\nevery = \"1s\"\ntimeout = \"10s\"\n\
             [[queue]]\nname = \"orders\"\nmax_age = \"1m\"\nobjective = \"99%\"\nservice = \"checkout\"\n",
            store.display(),
            secret.display(),
        ),
    );
    home
}

fn config(home: &Path) -> std::path::PathBuf {
    home.join("config/burnwatch/burnwatch.toml")
}

fn orders(snapshot: &Snapshot) -> Option<Arc<QueueRow>> {
    snapshot.queue(&QueueId::new("rabbit/orders")).cloned()
}

#[test]
#[ignore = "needs rabbitmq-server"]
fn a_worker_stops_the_broker_restarts_and_every_figure_stays_true() {
    let mut rabbit = Rabbit::start();
    rabbit.declare(["orders".to_owned(), "mail".to_owned()]);
    let home = home(&rabbit);
    let worker = rabbit.worker("orders");
    rabbit.publish("orders", 20, 0);
    let mut cockpit = Cockpit::start(&config(home.path()), Clock::system());
    let healthy = |row: &QueueRow| {
        row.state == QueueState::Ok && row.now.ready == Some(0) && row.now.consumers == Some(1) && row.now.left == Some(20)
    };
    cockpit.wait_for("a queue that is worked off", |s| orders(s).is_some_and(|row| healthy(&row)));

    // The worker stops while work goes on coming in: a stall by the second poll that sees it.
    drop(worker);
    rabbit.publish("orders", 30, 400);
    let snapshot = cockpit.wait_for("a stalled queue", |s| orders(s).is_some_and(|row| row.state == QueueState::Stalled));
    let row = orders(&snapshot).unwrap();
    assert_eq!(row.verdict.stall, Some(Stall::NoConsumers));
    let deserted = row.trail.marks.iter().filter(|m| m.consumers == Some(0) && m.waits == Some(true)).count();
    assert!(deserted <= 2, "{:#?}", row.trail.marks);
    // By itself, or with the promise of age that pages for the same service.
    let incident = &snapshot.incidents.iter().find(|i| i.is_of_queue(&row.id)).unwrap();
    assert_eq!(incident.service.as_ref().unwrap().as_str(), "checkout");

    // What it says is what the broker's own tool says.
    let snapshot = cockpit.wait_for("all that was published", |s| orders(s).is_some_and(|row| row.now.ready == Some(30)));
    let row = orders(&snapshot).unwrap();
    let (ready, taken, consumers) = rabbit.reported("orders");
    assert_eq!((row.now.ready, row.now.in_flight, row.now.consumers), (Some(ready), Some(taken), Some(consumers)));
    assert!(row.age(row.as_of).is_some_and(|age| age.span.num_seconds() >= 400 && !age.at_least));

    // A promise of age burns among the SLOs.
    let burns = |s: &Snapshot| {
        s.slos.iter().any(|slo| slo.id.as_str() == "orders/age" && slo.now().and_then(|f| f.burn).is_some_and(|b| b.0 > 1.0))
    };
    cockpit.wait_for("the promise of age burning", burns);

    // The broker goes and comes back: nothing jumps, nothing is forgotten, nothing is healthy in between.
    let before = orders(&cockpit.wait_for("a figure", |_| true)).unwrap().age(chrono::Utc::now()).unwrap().span;
    rabbit.kill();
    let gone = |s: &Snapshot| s.source(&"rabbit".into()).is_some_and(|row| row.state == Freshness::Failing);
    let snapshot = cockpit.wait_for("a failing source", gone);
    assert_eq!(orders(&snapshot).unwrap().now.ready, Some(30));
    rabbit.start_again();
    let back = |s: &Snapshot| {
        let row = orders(s).unwrap();
        for rate in [row.verdict.rate_in, row.verdict.rate_out] {
            assert!(rate.is_none_or(|rate| rate < 100.0), "{rate:?}");
        }
        s.source(&"rabbit".into()).is_some_and(|row| row.state == Freshness::Fresh) && row.now.ready == Some(30)
    };
    let snapshot = cockpit.wait_for("the broker again", back);
    let row = orders(&snapshot).unwrap();
    assert_eq!(row.state, QueueState::Stalled, "{:?} {:#?}", row.verdict, row.trail.marks);
    assert!(row.age(row.as_of).is_some_and(|age| age.span >= before), "{:?}", row.age(row.as_of));

    // Somebody works again: all is well by itself.
    let _worker = rabbit.worker("orders");
    let well = |s: &Snapshot| {
        let open = s.incidents.iter().any(|i| i.is_of_queue(&QueueId::new("rabbit/orders")));
        !open && orders(s).is_some_and(|row| row.state == QueueState::Ok && row.now.ready == Some(0))
    };
    cockpit.wait_for("a queue that is worked off again", well);
}

#[test]
#[ignore = "needs rabbitmq-server"]
fn five_hundred_queues_are_one_request_and_the_quiet_are_folded() {
    let rabbit = Rabbit::start();
    rabbit.declare((0..490).map(|n| format!("idle-{n:03}")).chain((0..10).map(|n| format!("busy-{n}"))));
    for n in 0..10 {
        rabbit.publish(&format!("busy-{n}"), 3, 1_000 + i64::from(n) * 60);
    }
    let home = home(&rabbit);
    // Each status is one poll.
    let asked = rabbit.asked_for_queues();
    let ready =
        |said: &serde_json::Value| said["queues"].as_array().is_some_and(|all| all.iter().filter(|q| q["depth"] == 3).count() == 10);
    let mut polls = 0;
    let said = support::poll(|| {
        polls += 1;
        Some(status(home.path()).0).filter(&ready)
    });
    assert_eq!(said.unwrap()["queues"].as_array().unwrap().len(), 500);
    assert_eq!(rabbit.asked_for_queues() - asked, polls, "one request a poll");

    let text = String::from_utf8(run(home.path(), &["status"]).stdout).unwrap();
    assert!(text.contains("queues: 490 quiet"), "{text}");
    let oldest = text.lines().find(|line| line.contains("rabbit/")).unwrap();
    assert!(oldest.contains("rabbit/busy-9"), "{text}");

    let mut pty = Pty::burnwatch(home.path(), &[], 120, 36);
    pty.wait_for_text("rabbit/busy-9");
    pty.send("4");
    pty.wait_for("the worst ten and the fold", |screen| {
        let text = screen.contents();
        (0..10).all(|n| text.contains(&format!("rabbit/busy-{n}"))) && text.contains("490 quiet") && !text.contains("idle-")
    });
    pty.resize(80, 24);
    pty.wait_for("the same at the bastion", |screen| screen.contents().contains("490 quiet") && screen.contents().contains("busy-9"));
}
