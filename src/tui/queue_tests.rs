//! The queues' screen, pane and detail: the worst first, the quiet folded, the cursor where it was.

use std::sync::Arc;

use chrono::TimeDelta;
use ratatui::{buffer::Buffer, layout::Rect};

use super::{
    Settings,
    action::Action,
    fixture,
    state::{Screen, Subject, Ui},
    update::update,
    view::draw,
};
use crate::domain::{Grade, Incident, Origin, QueueId, QueueRow, QueueSample, QueueState, Severity, Snapshot, SourceName, worst_first};

/// A queue after `polls` polls, one every fifteen seconds up to now.
fn row(source: &str, polls: i64, sample: impl Fn(i64) -> QueueSample) -> Arc<QueueRow> {
    let source = SourceName::new(source);
    let step = |row: Option<QueueRow>, back: i64| {
        QueueRow::seen(row.as_ref(), &source, &sample(polls - 1 - back), fixture::now() - TimeDelta::seconds(back * 15), &[])
    };
    Arc::new((0..polls).rev().fold(None, step).unwrap())
}

fn queue(name: &str, ready: u64, consumers: u64) -> QueueSample {
    QueueSample { name: name.into(), ready: Some(ready), in_flight: Some(consumers), consumers: Some(consumers), ..QueueSample::default() }
}

/// The fleet of the mockups with its queues, and `idle` more of which nothing is to be said.
fn queued(idle: usize) -> Snapshot {
    let counted = |n: i64, come: f64, go: f64| (Some((n as f64 * come) as u64), Some((n as f64 * go) as u64));
    let orders = row("rabbit", 240, |n| {
        let stopped = n.max(200) - 200;
        let (entered, left) = (Some(n as u64 * 300), Some((n - stopped) as u64 * 300));
        let consumers = if stopped > 0 { 0 } else { 4 };
        let oldest_at = (stopped > 0).then(|| fixture::now() - TimeDelta::seconds(40 * 15));
        let sample = queue("orders", 431 + stopped as u64 * 300, consumers);
        QueueSample { entered, left, taken: left, failed: Some(3), oldest_at, ..sample }
    });
    let mailers = row("sidekiq", 240, |n| QueueSample {
        oldest_at: Some(fixture::now() - TimeDelta::seconds((239 - n) * 15 + 180)),
        entered: counted(n, 50.0, 0.0).0,
        left: counted(n, 0.0, 100.0).1,
        ..queue("mailers", 13_154 - n as u64 * 50, 5)
    });
    let reports = row("celery", 60, |n| QueueSample { consumers: None, in_flight: None, ..queue("reports", 88 + (n % 5) as u64, 0) });
    let thumbs = row("bullmq", 240, |n| QueueSample {
        oldest_at: Some(fixture::now() - TimeDelta::seconds((239 - n) * 15 + 4)),
        delayed: Some(12),
        ..queue("thumbs", 200 + (n * 37 % 90) as u64, 3)
    });
    let dead = row("rabbit", 20, |n| QueueSample {
        dead_letters: true,
        failed: Some(if n > 10 { 5 } else { 3 }),
        ..queue("orders.dead", if n > 10 { 5 } else { 3 }, 0)
    });
    let hostile = row("rabbit", 3, |_| queue(&format!("\u{1b}[2J\u{202e}{}東京", "x".repeat(10_000)), 1, 1));
    let idle = (0..idle).map(|n| row("rabbit", 3, |_| queue(&format!("idle-{n:03}"), 0, 1)));
    let mut queues: Vec<_> = [orders, mailers, reports, thumbs, dead, hostile].into_iter().chain(idle).collect();
    queues.sort_by(|a, b| worst_first(a, b));
    let mut snapshot = fixture::burning();
    let stalled = Incident {
        origin: Origin::Queue { queue: QueueId::new("rabbit/orders"), seen_at: fixture::ago(10) },
        ..fixture::own("orders/queue", Grade::Page, "orders: queue stalled", 10)
    };
    snapshot.incidents.retain(|i| !i.title.as_str().contains("stalled"));
    snapshot.incidents.push(Arc::new(Incident { severity: Severity::P2, id: "queue:rabbit/orders:page".into(), ..stalled }));
    Snapshot { queues, ..snapshot }
}

fn ui(snapshot: Snapshot, settings: Settings, (w, h): (u16, u16)) -> Ui {
    Ui::new(settings, snapshot.into(), Rect::new(0, 0, w, h), fixture::now())
}

fn text(ui: &mut Ui) -> String {
    let mut buffer = Buffer::empty(ui.area);
    let below = draw(&mut buffer, &mut Vec::new(), ui, fixture::now());
    ui.after_draw(below, fixture::now());
    let row = |y| (0..ui.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..ui.area.height).map(row).collect::<Vec<_>>().join("\n")
}

fn act(ui: &mut Ui, actions: &[Action]) {
    for action in actions {
        update(ui, action, fixture::now());
        text(ui);
    }
}

#[test]
fn the_overview_has_a_pane_and_the_screen_a_table() {
    for size in [(80, 24), (120, 36), (200, 50)] {
        let mut ui = ui(Snapshot { runbooks: fixture::library(), ..queued(490) }, fixture::settings(), size);
        insta::assert_snapshot!(format!("queues-overview-{}x{}", size.0, size.1), text(&mut ui));
        act(&mut ui, &[Action::Go(Screen::Queues)]);
        insta::assert_snapshot!(format!("queues-{}x{}", size.0, size.1), text(&mut ui));
        act(&mut ui, &[Action::Open]);
        insta::assert_snapshot!(format!("queue-detail-{}x{}", size.0, size.1), text(&mut ui));
    }
}

#[test]
fn a_queue_without_an_incident_has_its_runbooks_too() {
    let mut ui = ui(Snapshot { runbooks: fixture::library(), ..queued(3) }, fixture::settings(), (120, 36));
    act(&mut ui, &[Action::Go(Screen::Queues)]);
    let place = ui.queue_lines.iter().position(|l| l.key.as_str() == "sidekiq/mailers").unwrap();
    act(&mut ui, &[Action::Step(i32::try_from(place).unwrap()), Action::Open]);
    let shown = text(&mut ui);
    assert!(shown.contains("runbooks that match") && shown.contains("Drain a stuck queue"), "{shown}");
    assert!(ui.actionable().is_none());
    act(&mut ui, &[Action::Runbook]);
    let shown = text(&mut ui);
    assert!(shown.contains("Drain a stuck queue") && shown.contains("Restart the workers"), "{shown}");
}

#[test]
fn quiet_queues_are_folded_and_unfolded() {
    let mut ui = ui(queued(490), fixture::settings(), (120, 36));
    act(&mut ui, &[Action::Go(Screen::Queues)]);
    assert!(text(&mut ui).contains("490 quiet"), "{}", text(&mut ui));
    let lines = ui.queues.len();
    let place = ui.queue_lines.iter().position(|l| l.key.as_str() == "rabbit: quiet").unwrap();
    act(&mut ui, &[Action::Step(i32::try_from(place).unwrap()), Action::Open]);
    assert_eq!((ui.queues.len(), ui.detail.is_none()), (lines + 490, true));
    act(&mut ui, &[Action::Open]);
    assert_eq!(ui.queues.len(), lines);
    assert!(ui.queue().is_none() && ui.subject().is_none());
}

#[test]
fn a_filter_looks_at_all_of_them_and_escape_takes_it_back() {
    let mut ui = ui(queued(20), fixture::settings(), (120, 36));
    act(&mut ui, &[Action::Go(Screen::Queues), Action::Filter]);
    act(&mut ui, &"idle-00".chars().map(Action::Type).collect::<Vec<_>>());
    act(&mut ui, &[Action::Accept]);
    assert_eq!(ui.queues.len(), 10);
    act(&mut ui, &[Action::Back]);
    assert!(ui.queue_filter.is_none() && ui.queues.len() < 10);
}

#[test]
fn the_cursor_stays_on_its_queue_and_acts_on_its_incident() {
    let mut ui = ui(queued(3), fixture::settings(), (120, 36));
    act(&mut ui, &[Action::NextPane, Action::NextPane]);
    assert!(ui.on_queues());
    assert_eq!(ui.actionable().unwrap().title.as_str(), "orders: queue stalled");
    act(&mut ui, &[Action::Go(Screen::Queues), Action::Step(1)]);
    let chosen = ui.queue().unwrap().id.clone();
    let mut next = queued(3);
    next.queues.reverse();
    ui.take(next.into(), fixture::now());
    assert_eq!(ui.queue().unwrap().id, chosen);
    act(&mut ui, &[Action::Open]);
    assert!(matches!(&ui.detail.as_ref().unwrap().subject, Subject::Queue(row) if row.id == chosen));
    let mut without = queued(3);
    without.queues.retain(|row| row.id != chosen);
    ui.take(without.into(), fixture::now());
    assert!(text(&mut ui).contains("no longer listed"));
}

#[test]
fn what_is_not_known_is_neither_zero_nor_green() {
    let mut ui = ui(queued(0), fixture::settings(), (120, 36));
    act(&mut ui, &[Action::Go(Screen::Queues)]);
    let shown = text(&mut ui);
    let celery = shown.lines().find(|line| line.contains("celery/reports")).unwrap();
    assert!(celery.contains('?') && celery.contains("age unknown") && celery.contains("—") && !celery.contains(" 0 "), "{celery}");
    let mut stale = queued(0);
    for row in &mut stale.queues {
        Arc::make_mut(row).state = QueueState::Stale;
    }
    ui.take(stale.into(), fixture::now());
    assert!(text(&mut ui).lines().filter(|line| line.contains("rabbit/")).all(|line| line.contains('~')));
    // Nothing at all, and nothing yet.
    for (snapshot, words) in [(fixture::calm as fn() -> Snapshot, "no queues"), (fixture::starting, "waiting for the first answer")] {
        ui.take(snapshot().into(), fixture::now());
        assert!(text(&mut ui).contains(words), "{}", text(&mut ui));
    }
}

#[test]
fn every_size_is_drawn() {
    let snapshot = Arc::new(queued(5));
    for w in (0..210).step_by(13) {
        for h in (0..60).step_by(7) {
            let mut ui = Ui::new(fixture::settings(), snapshot.clone(), Rect::new(0, 0, w, h), fixture::now());
            act(&mut ui, &[Action::Go(Screen::Queues), Action::Last, Action::Open, Action::First, Action::Open]);
        }
    }
}
