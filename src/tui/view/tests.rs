use std::sync::Arc;

use ratatui::{buffer::Buffer, layout::Rect, style::Modifier};

use super::draw;
use crate::{
    domain::{
        Certificate, Definition, Fault, FaultClass, Freshness, Group, Labels, Phases, Probed, QueueEvents, Sli, SloId, SloRow, Snapshot,
        Text, Untrusted, Verdict,
    },
    tui::{
        Depth, Glyphs, Settings,
        action::Action,
        encode::Encoder,
        fixture,
        state::{Screen, Ui},
        update::update,
    },
};

fn ui(snapshot: Snapshot, settings: Settings, (w, h): (u16, u16)) -> Ui {
    Ui::new(settings, snapshot.into(), Rect::new(0, 0, w, h), fixture::now())
}

fn buffer(ui: &Ui) -> Buffer {
    let mut buffer = Buffer::empty(ui.area);
    draw(&mut buffer, &mut Vec::new(), ui, fixture::now());
    buffer
}

/// The picture as text, trailing blanks cut; wide characters keep their columns.
fn text(ui: &Ui) -> String {
    let buffer = buffer(ui);
    let row = |y| (0..ui.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..ui.area.height).map(row).collect::<Vec<_>>().join("\n")
}

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 36), (200, 50)];

/// Snapshot the picture after `actions` at the three sizes.
fn pictures(name: &str, snapshot: fn() -> Snapshot, actions: &[Action]) {
    for size in SIZES {
        let mut ui = ui(snapshot(), fixture::settings(), size);
        for action in actions {
            update(&mut ui, action, fixture::now());
        }
        insta::assert_snapshot!(format!("{name}-{}x{}", size.0, size.1), text(&ui));
    }
}

#[test]
fn overview() {
    pictures("overview-burning", fixture::burning, &[]);
    pictures("overview-calm", fixture::calm, &[]);
    pictures("overview-starting", fixture::starting, &[]);
    pictures("overview-stale", fixture::stale, &[]);
}

/// Where nothing burns, what cannot be seen and what ends soon are said in its place.
#[test]
fn calm_is_never_said_of_what_cannot_be_seen() {
    let line = |snapshot: Snapshot| text(&ui(snapshot, fixture::settings(), (120, 36))).lines().nth(4).unwrap().to_owned();
    assert!(line(fixture::calm()).starts_with(" nothing burning"), "{}", line(fixture::calm()));
    let certificate = |mut snapshot: Snapshot| {
        let (ends, warn_from) = (fixture::now() + chrono::TimeDelta::days(10), fixture::now());
        let certificate = Some(Certificate { ends, warn_from });
        let (outcome, phases) = (Ok(9), Phases::default());
        let check = Probed { target: "https://shop".into(), labels: Labels::default(), at: fixture::now(), outcome, phases, certificate };
        snapshot.at = fixture::now();
        snapshot.probes.insert("edge".into(), Arc::new(vec![check]));
        Snapshot { verdict: Verdict::Warning, ..snapshot }
    };
    let offline = || {
        let mut snapshot = fixture::calm();
        let edge = snapshot.sources.iter_mut().find(|s| s.name.as_str() == "edge").unwrap();
        edge.state = Freshness::Failing;
        edge.fault = Some(Fault { class: FaultClass::Offline, message: "edge: offline".into(), retry_after_secs: None });
        snapshot
    };
    assert_eq!(line(certificate(fixture::calm())), " ▲ edge: the certificate of https://shop ends in 10 days");
    assert!(line(offline()).starts_with(" nothing known to burn; edge: offline"), "{}", line(offline()));
    assert_eq!(line(certificate(offline())), " ▲ edge: the certificate of https://shop ends in 10 days; something cannot be seen");
}

/// Two queues of one service are told apart, also where only their SLOs are named.
#[test]
fn a_promise_of_age_is_called_by_its_queue() {
    let promise = |queue: &str| {
        let row = fixture::slo("checkout", "age", 0.99, 0.4, [2.0; 4]);
        let sli = Sli::Queue(QueueEvents { max_age: chrono::TimeDelta::minutes(1) });
        let definition = Arc::new(Definition { sli, by: vec!["queue".into()], ..Definition::clone(&row.definition) });
        SloRow { id: SloId::new(&format!("{queue}/age")), group: Group(vec![Untrusted::new(queue)]), definition, ..row }
    };
    assert_eq!((&*promise("orders").title(), &*promise("checkout").title()), ("orders age", "age"));
    let snapshot = Snapshot { slos: vec![Arc::new(promise("orders")), Arc::new(promise("mail"))], ..fixture::calm() };
    let shown = text(&ui(snapshot, fixture::settings(), (80, 24)));
    assert!(shown.contains("orders age") && shown.contains("mail age"), "{shown}");
}

#[test]
fn slos() {
    pictures("slos", fixture::burning, &[Action::Go(Screen::Slos), Action::Step(2)]);
    pictures("slo-detail", fixture::burning, &[Action::Open]);
}

#[test]
fn incidents() {
    pictures("incidents", fixture::burning, &[Action::Go(Screen::Incidents)]);
    pictures("incident-detail", fixture::burning, &[Action::Go(Screen::Incidents), Action::Step(1), Action::Open]);
}

#[test]
fn the_room_of_an_incident() {
    let open = [Action::Go(Screen::Incidents), Action::Open];
    pictures("room-paged", fixture::paged, &open);
    pictures("room-own", fixture::burning, &open);
    let mut ui = ui(fixture::paged(), fixture::settings(), (80, 24));
    for action in open.iter().chain(&[Action::Page(1)]) {
        let below = draw(&mut Buffer::empty(ui.area), &mut Vec::new(), &ui, fixture::now());
        ui.after_draw(below, fixture::now());
        update(&mut ui, action, fixture::now());
    }
    insta::assert_snapshot!("room-paged-scrolled-80x24", text(&ui));
}

/// Each way to act at its prompt, whole at the smallest size.
#[test]
fn prompts_of_the_room() {
    let typed = |text: &str| text.chars().map(Action::Type).collect::<Vec<_>>();
    let open = || vec![Action::Go(Screen::Incidents), Action::Open];
    let mut shown = String::new();
    for (key, text) in [
        (Action::Note, Some("rolled back; watching")),
        (Action::Resolve, None),
        (Action::Snooze, Some("4h")),
        (Action::Escalate, Some("2")),
        (Action::Escalate, Some("tom")),
    ] {
        let mut ui = ui(fixture::paged(), fixture::settings(), (80, 24));
        let words = text.map(|t| [typed(t), vec![Action::Accept]].concat()).unwrap_or_default();
        for action in [open(), vec![key], words].concat() {
            update(&mut ui, &action, fixture::now());
        }
        let picture = self::text(&ui);
        let lines: Vec<_> = picture.lines().skip(21).collect();
        shown.push_str(&lines.join("\n"));
        shown.push_str("\n--\n");
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn sources() {
    pictures("sources", fixture::stale, &[Action::Go(Screen::Sources)]);
}

#[test]
fn on_call() {
    pictures("oncall", fixture::burning, &[Action::Go(Screen::OnCall)]);
    pictures("oncall-note", fixture::handed_over, &[Action::Go(Screen::OnCall), Action::Step(1)]);
    pictures("oncall-typing", fixture::handed_over, &[Action::Go(Screen::OnCall), Action::Note]);
    pictures("oncall-reading", fixture::handed_over, &[Action::Go(Screen::OnCall), Action::Acknowledge]);
}

#[test]
fn help() {
    pictures("help", fixture::burning, &[Action::Help]);
}

#[test]
fn prompts() {
    let alert = [Action::NextPane, Action::Step(1), Action::Acknowledge];
    pictures("prompt-alertmanager", fixture::burning, &alert);
    pictures("prompt-own", fixture::burning, &[Action::Acknowledge]);
}

#[test]
fn the_board() {
    let board = [Action::Go(Screen::Board), Action::Step(1)];
    pictures("board", fixture::held, &board);
    pictures("board-hold", fixture::held, &[board.as_slice(), &[Action::Open]].concat());
    pictures("prompt-expire", fixture::held, &[board.as_slice(), &[Action::Expire]].concat());
}

/// The screen of incidents with the cursor on the second, an alert that nobody has.
const ON_ALERT: [Action; 2] = [Action::Go(Screen::Incidents), Action::Step(1)];

#[test]
fn taking_over() {
    pictures("prompt-take-over", fixture::held, &[Action::Go(Screen::Incidents), Action::Step(2), Action::Acknowledge]);
}

#[test]
fn a_silence_being_written() {
    let write = [ON_ALERT.as_slice(), &[Action::Silence]].concat();
    pictures("silence", fixture::held, &write);
    let because = [Action::Last, Action::Open, Action::Paste("canary rolled back".into()), Action::Accept];
    let written = [write.as_slice(), &because, &[Action::First, Action::Toggle]].concat();
    pictures("prompt-silence", fixture::held, &[written.as_slice(), &[Action::Send]].concat());
}

#[test]
fn several_acts() {
    pictures("prompt-marked", fixture::held, &[Action::Go(Screen::Incidents), Action::MarkAll, Action::Acknowledge]);
    pictures("incidents-marked", fixture::held, &[Action::Go(Screen::Incidents), Action::Mark, Action::Mark]);
}

/// Forty incidents, each with a title as long as they come.
fn many() -> Snapshot {
    let mut snapshot = fixture::held();
    let title = "東京 the queue of orders is stalled and nobody takes anything from it ".repeat(4);
    let alert = |n: i64| Arc::new(fixture::alert(&format!("am:{n}"), crate::domain::Severity::P1, "orders", &title, n));
    snapshot.incidents = (0..40).map(alert).collect();
    snapshot
}

/// A prompt that is not wholly on the screen looks like a program that has frozen.
#[test]
fn every_prompt_shows_its_keys_and_a_long_list_scrolls() {
    let mark = [Action::Go(Screen::Incidents), Action::MarkAll];
    let silence =
        [mark.as_slice(), &[Action::Silence, Action::Last, Action::Open, Action::Paste("why ".repeat(100)), Action::Accept]].concat();
    let prompts = [
        [mark.as_slice(), &[Action::Acknowledge]].concat(),
        [silence.as_slice(), &[Action::Send]].concat(),
        [Action::Go(Screen::Board), Action::MarkAll, Action::Expire].to_vec(),
        [Action::Go(Screen::Board), Action::Expire].to_vec(),
        [Action::Go(Screen::Incidents), Action::Acknowledge].to_vec(),
    ];
    for size in [(60, 15), (80, 24), (120, 36)] {
        for actions in &prompts {
            let mut ui = ui(many(), fixture::settings(), size);
            for action in actions {
                update(&mut ui, action, fixture::now());
            }
            let shown = text(&ui);
            assert!(shown.contains("enter do it") && shown.contains("esc leave"), "{size:?} {actions:?}\n{shown}");
        }
        let mut ui = ui(many(), fixture::settings(), size);
        for action in &prompts[0] {
            update(&mut ui, action, fixture::now());
        }
        for _ in 0..200 {
            let mut buffer = Buffer::empty(ui.area);
            let below = draw(&mut buffer, &mut Vec::new(), &ui, fixture::now());
            ui.after_draw(below, fixture::now());
            update(&mut ui, &Action::Step(1), fixture::now());
        }
        assert_eq!(ui.drawn.below, 0, "the end of the list can be reached");
    }
}

#[test]
fn ascii_without_colour() {
    let mut settings = fixture::settings();
    settings.theme = settings.theme.at_depth(Depth::Mono);
    settings.glyphs = Glyphs::Ascii;
    let ui = ui(fixture::burning(), settings, (80, 24));
    let shown = text(&ui);
    assert!(shown.is_ascii(), "{shown}");
    insta::assert_snapshot!("overview-ascii-80x24", shown);
    let buffer = buffer(&ui);
    let reversed = |y| (0..80).filter(|x| buffer[(*x, y)].modifier.contains(Modifier::REVERSED)).count();
    assert!(reversed(0) > 8, "the chip stands out without colour");
    assert_eq!(reversed(6), 80, "the selected row stands out without colour");
    assert!(buffer.content.iter().all(|c| c.fg == ratatui::style::Color::Reset && c.bg == ratatui::style::Color::Reset));
}

#[test]
fn an_overspent_budget_is_the_answer_when_nothing_burns() {
    let mut snapshot = fixture::calm();
    let spent = fixture::slo("reports", "availability", 0.99, -0.124, [0.6, 0.4, 0.7, 0.9]);
    snapshot.slos.insert(0, Arc::new(SloRow { state: crate::domain::State::Warning, ..spent }));
    for size in SIZES {
        let shown = text(&ui(snapshot.clone(), fixture::settings(), size));
        assert!(shown.contains("▲ reports availability overspent "), "{shown}");
    }
}

#[test]
fn on_call_in_ascii_without_colour() {
    let mut settings = fixture::settings();
    settings.theme = settings.theme.at_depth(Depth::Mono);
    settings.glyphs = Glyphs::Ascii;
    let mut ui = ui(fixture::handed_over(), settings, (80, 24));
    update(&mut ui, &Action::Go(Screen::OnCall), fixture::now());
    let shown = text(&ui);
    assert!(shown.is_ascii(), "{shown}");
    insta::assert_snapshot!("oncall-ascii-80x24", shown);
}

#[test]
fn a_rota_that_is_not_told_is_neither_held_nor_empty() {
    for size in SIZES {
        let mut ui = ui(fixture::untold(), fixture::settings(), size);
        let head = text(&ui).lines().next().unwrap().to_owned();
        assert!(!head.contains("nobody"), "{head}");
        update(&mut ui, &Action::Go(Screen::OnCall), fixture::now());
        insta::assert_snapshot!(format!("oncall-untold-{}x{}", size.0, size.1), text(&ui));
    }
}

#[test]
fn too_small_says_so() {
    insta::assert_snapshot!(text(&ui(fixture::burning(), fixture::settings(), (50, 4))), @r"
     ● critical
    burnwatch needs 60x15, this is 50x4
    ");
}

#[test]
fn the_join_command_stands_on_the_status_line() {
    let mut settings = fixture::settings();
    settings.footer_hint = Some(Text::clean("burnwatch --config /tmp/burnwatch-demo/burnwatch.toml"));
    for size in SIZES {
        let shown = text(&ui(fixture::burning(), settings.clone(), size));
        assert!(shown.contains("join: burnwatch --config /tmp/burnwatch-demo/burnwatch.toml"), "{shown}");
    }
}

/// Copied from an 80-column screen the command had lost its end.
#[test]
fn a_long_join_command_gives_up_its_label_before_its_end() {
    for length in [70, 73, 74, 79, 80] {
        let mut settings = fixture::settings();
        let command = format!("burnwatch --config /tmp/{}", "x".repeat(length - 24));
        settings.footer_hint = Some(Text::clean(&command));
        let shown = text(&ui(fixture::burning(), settings, (80, 24)));
        assert!(shown.lines().any(|line| line.trim().trim_start_matches("join: ") == command), "{shown}");
    }
}

#[test]
fn hostile_and_wide_text_keeps_columns_straight() {
    let mut snapshot = fixture::burning();
    let row = std::sync::Arc::make_mut(&mut snapshot.slos[0]);
    row.service = Text::clean("東京\u{202e}\x1b[31m支払いサービス");
    let shown = buffer(&ui(snapshot, fixture::settings(), (120, 36)));
    assert_eq!((shown[(29, 8)].symbol(), shown[(30, 8)].symbol()), (" ", "9"), "{shown:?}");
    assert!(shown.content.iter().all(|c| !c.symbol().contains(char::is_control)));
}

#[test]
fn every_size_draws_on_every_screen() {
    let screens = [
        vec![],
        vec![Action::Help],
        vec![Action::Go(Screen::Slos)],
        vec![Action::Open],
        vec![Action::Go(Screen::Incidents)],
        vec![Action::Go(Screen::Incidents), Action::Open, Action::Step(30)],
        vec![Action::Go(Screen::Sources)],
        vec![Action::Go(Screen::OnCall)],
        vec![Action::Go(Screen::OnCall), Action::Note, Action::Paste("東京 ".repeat(40))],
        vec![Action::NextPane, Action::Acknowledge],
        vec![Action::NextPane, Action::Acknowledge, Action::Note, Action::Paste("東京 ".repeat(40))],
        vec![Action::Filter, Action::Type('(')],
        vec![Action::Go(Screen::Board)],
        vec![Action::Go(Screen::Board), Action::Open],
        vec![Action::Go(Screen::Board), Action::MarkAll, Action::Expire],
        vec![Action::Go(Screen::Incidents), Action::MarkAll, Action::Acknowledge],
        vec![Action::Go(Screen::Incidents), Action::Step(1), Action::Silence],
        vec![Action::Go(Screen::Incidents), Action::Step(1), Action::Silence, Action::Open, Action::Paste("東京 ".repeat(40))],
    ];
    for snapshot in [fixture::handed_over, fixture::stale, fixture::starting, fixture::held] {
        for actions in &screens {
            let mut ui = ui(snapshot(), fixture::settings(), (80, 24));
            for action in actions {
                update(&mut ui, action, fixture::now());
            }
            for (w, h) in (0..130).step_by(7).flat_map(|w| (0..45).step_by(4).map(move |h| (w, h))).chain([(1, 1), (1000, 1), (1, 500)]) {
                ui.resize(Rect::new(0, 0, w, h));
                let mut buffer = Buffer::empty(ui.area);
                let below = draw(&mut buffer, &mut Vec::new(), &ui, fixture::now());
                ui.after_draw(below, fixture::now());
                update(&mut ui, &Action::Step(1), fixture::now());
            }
        }
    }
}

#[test]
fn a_new_page_is_inverted_for_three_seconds() {
    let mut ui = ui(fixture::calm(), fixture::settings(), (120, 36));
    ui.take(fixture::burning().into(), fixture::now());
    let inverted = |ui: &Ui, secs| {
        let mut buffer = Buffer::empty(ui.area);
        draw(&mut buffer, &mut Vec::new(), ui, fixture::now() + chrono::TimeDelta::seconds(secs));
        (0..120).all(|x| buffer[(x, 8)].modifier.contains(Modifier::REVERSED))
    };
    assert!(inverted(&ui, 0));
    assert!(!inverted(&ui, 3));
}

/// Ten thousand SLOs, the fleet's own on top.
fn crowd() -> Snapshot {
    let mut snapshot = fixture::burning();
    let quiet = fixture::slo("quiet", "availability", 0.999, 0.9, [0.2; 4]);
    let rows = (0..10_000).map(|i| SloRow { id: SloId::new(&format!("quiet-{i}/availability")), ..quiet.clone() });
    snapshot.slos.extend(rows.map(Arc::new));
    snapshot
}

/// The bytes that bring the terminal from what it shows to what is now.
fn frame(ui: &mut Ui, shown: &mut Buffer, encoder: &mut Encoder, now: chrono::DateTime<chrono::Utc>) -> usize {
    let (mut next, mut out) = (Buffer::empty(ui.area), Vec::new());
    let below = draw(&mut next, &mut Vec::new(), ui, now);
    ui.after_draw(below, now);
    encoder.frame(shown, &next, &[], &mut out);
    *shown = next;
    out.len()
}

#[test]
fn keys_and_seconds_cost_few_bytes() {
    let mut ui = ui(crowd(), fixture::settings(), (200, 50));
    let (mut shown, mut encoder, mut now) = (Buffer::empty(ui.area), Encoder::default(), fixture::now());
    frame(&mut ui, &mut shown, &mut encoder, now);
    for key in [1, -1, 1, 1, 1, 1, -1] {
        update(&mut ui, &Action::Step(key), now);
        let bytes = frame(&mut ui, &mut shown, &mut encoder, now);
        assert!(bytes < 1_400, "{bytes} bytes for a key");
    }
    now += chrono::TimeDelta::seconds(2);
    frame(&mut ui, &mut shown, &mut encoder, now);
    for _ in 0..5 {
        now += chrono::TimeDelta::seconds(1);
        let bytes = frame(&mut ui, &mut shown, &mut encoder, now);
        assert!(bytes <= 60, "{bytes} bytes for a second");
    }
    ui.settings.low_bandwidth = true;
    ui.settings.theme = ui.settings.theme.at_depth(ui.settings.theme.depth().on_slow_line(true));
    frame(&mut ui, &mut shown, &mut encoder, now);
    let mut polled = crowd();
    let a_minute: usize = (1..=60)
        .map(|s| {
            let at = now + chrono::TimeDelta::seconds(s);
            if s % 15 == 0 {
                polled.sources.iter_mut().for_each(|row| row.last_success = Some(at));
                ui.take(polled.clone().into(), at);
            }
            frame(&mut ui, &mut shown, &mut encoder, at)
        })
        .sum();
    assert!(a_minute <= 150, "{a_minute} bytes for a minute on a slow line");
}

#[test]
fn the_detail_beside_a_list_follows_a_resting_cursor() {
    let mut ui = ui(fixture::burning(), fixture::settings(), (200, 50));
    let (mut shown, mut encoder, now) = (Buffer::empty(ui.area), Encoder::default(), fixture::now());
    frame(&mut ui, &mut shown, &mut encoder, now);
    update(&mut ui, &Action::Step(1), now);
    frame(&mut ui, &mut shown, &mut encoder, now);
    let title = |shown: &Buffer| (123..160).map(|x| shown[(x, 6)].symbol()).collect::<String>();
    assert!(title(&shown).contains("checkout / availability"));
    let rest = ui.settles_in(now).unwrap();
    frame(&mut ui, &mut shown, &mut encoder, now + rest);
    assert!(title(&shown).contains("payments / latency 300ms"), "{}", title(&shown));
    assert_eq!(ui.settles_in(now + rest), None);
}
