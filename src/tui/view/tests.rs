use std::sync::Arc;

use ratatui::{buffer::Buffer, layout::Rect, style::Modifier};

use super::draw;
use crate::{
    domain::{SloId, SloRow, Snapshot, Text},
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
    draw(&mut buffer, ui, fixture::now());
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
    ];
    for snapshot in [fixture::handed_over, fixture::stale, fixture::starting] {
        for actions in &screens {
            let mut ui = ui(snapshot(), fixture::settings(), (80, 24));
            for action in actions {
                update(&mut ui, action, fixture::now());
            }
            for (w, h) in (0..130).step_by(7).flat_map(|w| (0..45).step_by(4).map(move |h| (w, h))).chain([(1, 1), (1000, 1), (1, 500)]) {
                ui.resize(Rect::new(0, 0, w, h));
                let mut buffer = Buffer::empty(ui.area);
                let below = draw(&mut buffer, &ui, fixture::now());
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
        draw(&mut buffer, ui, fixture::now() + chrono::TimeDelta::seconds(secs));
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
    let below = draw(&mut next, ui, now);
    ui.after_draw(below, now);
    encoder.frame(shown, &next, &mut out);
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
