//! What a person sees: the same answers at every usual size, a cursor that stays where it was put, and a terminal that is told nothing
//! it does not know or should not hear.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on ends here")]

mod support;

use std::{collections::BTreeSet, fmt::Write as _, path::Path};

use base64::Engine as _;
use portable_pty::CommandBuilder;
use regex::bytes::Regex;
use support::{exporter::Exporter, poll, pty::Pty, shop::Shop};
use tempfile::TempDir;

/// The cockpit on `config`, its environment changed by `environment`.
fn cockpit(home: &Path, config: &Path, args: &[&str], environment: &[(&str, &str)], (columns, rows): (u16, u16)) -> Pty {
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_burnwatch"));
    command.args(["--config", config.to_str().unwrap()]);
    command.args(args);
    for (name, value) in environment {
        command.env(name, value);
    }
    Pty::start(home, command, columns, rows)
}

/// The words of three letters and more. One that ends in `…` is left out: it is whole if it stands elsewhere too.
fn words(text: &str) -> BTreeSet<String> {
    let whole = regex::Regex::new(r"\p{L}+…").unwrap().replace_all(text, " ").into_owned();
    let letters = whole.split(|c: char| !c.is_alphabetic()).filter(|word| word.chars().count() > 2);
    letters.map(str::to_owned).collect()
}

/// The words before `…`.
fn last_words(text: &str) -> BTreeSet<String> {
    regex::Regex::new(r"(\p{L}+)…").unwrap().captures_iter(text).map(|found| found[1].to_owned()).collect()
}

/// Whether all that the overview owes is there: verdict, the worst SLO on top with its sparkline, the incident and its age, the age of
/// what the figures came from.
fn tells_all(screen: &vt100::Screen) -> bool {
    let text = screen.contents();
    let slo = text.lines().skip_while(|line| !line.contains("━━ SLOs ")).nth(2).unwrap_or_default();
    let age = regex::Regex::new(r" P1 checkout: availability\b.* \d+s  unacked").unwrap();
    text.contains("● critical")
        && slo.starts_with("▌● checkout   availability ")
        && slo.contains('█')
        && slo.contains("▁▁")
        && age.is_match(&text)
        && regex::Regex::new(r"\n shop \d+s").unwrap().is_match(&text)
        && text.contains("q quit")
}

#[test]
fn the_overview_tells_the_same_at_every_usual_size() {
    let home = TempDir::new().unwrap();
    let shop = Shop::burning(home.path());
    let mut pty = cockpit(home.path(), &shop.config, &[], &[], (200, 50));
    // What only narrow screens say.
    let mut known = words("left held since shown");
    for size in [(200, 50), (120, 36), (80, 24)] {
        pty.resize(size.0, size.1);
        pty.wait_for(&format!("all of it at {size:?}"), tells_all);
        let text = pty.text();
        if size.0 == 200 {
            known.extend(words(&text));
        }
        let shown = words(&text).union(&last_words(&text)).cloned().collect::<BTreeSet<_>>();
        assert_eq!(shown.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new(), "cut in two at {size:?}:\n{text}");
    }
}

#[test]
fn any_size_is_drawn_on_and_a_small_one_says_so() {
    let (home, backend) = (TempDir::new().unwrap(), Exporter::start());
    let mut pty = cockpit(home.path(), &backend.config(home.path()), &[], &[], (120, 36));
    pty.wait_for_text("q quit");
    pty.resize(20, 5);
    pty.wait_for("why there is no more", |screen| {
        let said = screen.contents().split_whitespace().collect::<Vec<_>>().join(" ");
        said.ends_with("unknown burnwatch needs 60x15, this is 20x5")
    });
    for (columns, rows) in [(1, 1), (120, 1), (1, 50), (5_000, 2), (1, 1)] {
        pty.resize(columns, rows);
        // Keys are heard at whatever size.
        pty.send("201");
    }
    pty.resize(120, 36);
    pty.wait_for("the screen as it was", |s| s.contents().contains("━━ SLOs ") && s.contents().contains("q quit"));
    pty.send("q");
    assert!(pty.wait_exit().success());
}

/// Counters of services whose errors grow from page to page.
struct Counters {
    backend: Exporter,
    services: Vec<(String, u64, u64)>,
}

impl Counters {
    /// `services` that have served nothing yet.
    fn of(services: &[&str]) -> Self {
        let counters = Self { backend: Exporter::start(), services: services.iter().map(|name| ((*name).to_owned(), 0, 0)).collect() };
        counters.serve();
        counters
    }

    fn serve(&self) {
        let mut page = String::new();
        for (name, good, all) in &self.services {
            let name = name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            writeln!(page, "good_total{{service=\"{name}\"}} {good}\nall_total{{service=\"{name}\"}} {all}").unwrap();
        }
        self.backend.serve(page);
    }

    /// Waits until the page has been read as it is, then lets everyone serve a thousand more, of which `bad` fails for `service`.
    fn go_on(&mut self, service: usize, bad: u64) {
        let before = self.backend.requests();
        poll(|| (self.backend.requests() > before + 1).then_some(())).expect("polling goes on");
        for (at, (_, good, all)) in self.services.iter_mut().enumerate() {
            *all += 1_000;
            *good += if at == service { 1_000 - bad } else { 1_000 };
        }
        self.serve();
    }
}

/// Names from the worst to the best, as they stand.
fn order(text: &str) -> String {
    let rows = text.lines().skip_while(|line| !line.contains("━━ SLOs ")).skip(2);
    rows.filter_map(|line| line.split_whitespace().find(|word| word.starts_with("svc-"))?.chars().last()).take(6).collect()
}

#[test]
fn a_refresh_never_moves_the_cursor_off_its_row() {
    let home = TempDir::new().unwrap();
    let mut counters = Counters::of(&["svc-a", "svc-b", "svc-c", "svc-d", "svc-e", "svc-f"]);
    let config = counters.backend.config(home.path());
    let mut pty = cockpit(home.path(), &config, &[], &[], (120, 36));
    counters.go_on(0, 0);
    pty.wait_for("all six", |screen| order(&screen.contents()) == "abcdef" && !screen.contents().contains("no traffic"));
    pty.send("jj");
    let row_of = |screen: &vt100::Screen| screen.contents().lines().position(|l| l.starts_with('▌') && l.contains(" svc-c "));
    pty.wait_for("the cursor on the third", |screen| row_of(screen).is_some());
    let place = pty.screen(row_of);
    // Each of them is worse than all before, and would stand on top.
    for (service, bad, wished) in [(5, 100, "facbde"), (4, 400, "efcabd"), (0, 900, "aecfbd"), (2, 1_000, "aecfbd")] {
        counters.go_on(service, bad);
        let mut strayed = Vec::new();
        pty.wait_for(&format!("the order {wished}"), |screen| {
            strayed.extend((row_of(screen) != place).then(|| screen.contents()));
            let text = screen.contents();
            let burns = text.lines().any(|l| l.contains(&counters.services[service].0) && l.contains('●'));
            burns && order(&text) == wished
        });
        assert!(strayed.is_empty(), "{}", strayed.join("\n"));
    }
    // What is opened is what stood under the cursor, and it stays open, whatever comes.
    pty.send("\r");
    pty.wait_for_text("svc-c / availability");
    counters.go_on(1, 1_000);
    pty.wait_for_text("5 pages");
    assert!(pty.text().contains("svc-c / availability"));
}

/// All that the cockpit can draw of what it knows, one screen after the other.
fn walk(pty: &mut Pty) {
    for (key, seen) in [("2", "━━ SLOs "), ("3", "━━ Incidents "), ("0", "━━ Sources "), ("?", "━━ Help "), ("1", "── Latest ")]
    {
        pty.send(key);
        pty.wait_for_text(&seen.replace("━━", "").replace("──", ""));
    }
}

/// The parameters of every sequence that sets colours.
fn inks(bytes: &[u8]) -> BTreeSet<String> {
    let ink = Regex::new(r"\x1b\[([0-9;]*)m").unwrap();
    ink.captures_iter(bytes).map(|found| String::from_utf8(found[1].to_vec()).unwrap()).collect()
}

#[test]
fn a_plain_terminal_is_sent_what_it_knows() {
    let home = TempDir::new().unwrap();
    let shop = Shop::burning(home.path());
    let drawn = |args: &[&str], environment: &[(&str, &str)]| {
        let mut pty = cockpit(home.path(), &shop.config, args, environment, (120, 36));
        pty.wait_for_text("P1 checkout");
        walk(&mut pty);
        pty.send("q");
        pty.wait_exit();
        pty.bytes()
    };
    let colour = regex::Regex::new(r"(^|;)([349][0-7]|10[0-7]|[34]8;.*)(;|$)").unwrap();
    let deep = regex::Regex::new(r"(^|;)[34]8;").unwrap();
    let is_any = |inks: &BTreeSet<String>, kind: &regex::Regex| inks.iter().any(|ink| kind.is_match(ink));

    let rich = inks(&drawn(&[], &[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")]));
    assert!(is_any(&rich, &deep), "{rich:?}");
    let sixteen = inks(&drawn(&[], &[("TERM", "xterm")]));
    assert!(is_any(&sixteen, &colour) && !is_any(&sixteen, &deep), "{sixteen:?}");
    let none = inks(&drawn(&[], &[("NO_COLOR", "1"), ("COLORTERM", "truecolor")]));
    assert!(!none.is_empty() && !is_any(&none, &colour), "{none:?}");
    let plain = drawn(&["--ascii"], &[]);
    let foreign = String::from_utf8_lossy(&plain).chars().filter(|c| !c.is_ascii()).collect::<BTreeSet<_>>();
    assert!(foreign.is_empty(), "{foreign:?}");
}

/// What others have done to terminals through a label.
const HOSTILE: [&str; 9] = [
    "title\u{1b}]0;owned\u{7}",
    "clip\u{1b}]52;c;b3duZWQ=\u{7}",
    "red\u{1b}[31m\u{1b}[2J\u{1b}[H",
    "c1\u{9b}31m\u{9d}0;owned\u{9c}",
    "dcs\u{1b}P$q\"p\u{1b}\\",
    "bidi\u{202e}desrever\u{2066}x\u{2069}",
    "tag\u{e0041}\u{e007f}\u{200b}\u{200d}\u{feff}",
    "bell\u{7}\u{8}\r\n\u{0}\u{7f}",
    "wide\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}東京",
];

#[test]
fn hostile_text_reaches_the_terminal_harmlessly() {
    let home = TempDir::new().unwrap();
    let mut counters = Counters::of(&HOSTILE);
    let config = counters.backend.config(home.path());
    let mut pty = cockpit(home.path(), &config, &[], &[], (120, 36));
    for (at, _) in HOSTILE.iter().enumerate() {
        counters.go_on(at, 1_000);
    }
    pty.wait_for_text("9 pages");
    walk(&mut pty);
    // The worst one opened, named on the clipboard, asked to be acknowledged; then text that is pasted, and a page that is no page.
    pty.send("g\r");
    pty.wait_for_text(" / availability");
    pty.send("y");
    pty.wait_for_text("copied");
    pty.send("a");
    pty.wait_for_text("in the journal");
    pty.send("n\u{1b}[200~pasted\u{1b}]0;owned\u{7}\u{202e}\u{1b}[201~\r");
    pty.wait_for_text("note “pasted");
    pty.send("q0");
    counters.backend.serve(HOSTILE.join("\n"));
    pty.wait_for_text("does not serve the metrics text format");
    pty.send("q");
    pty.wait_exit();

    let bytes = String::from_utf8(pty.bytes()).unwrap();
    let (copied, rest) = take_clipboard(&bytes);
    assert_eq!(copied.len(), 1, "only what a person copied, and once");
    assert!(copied.iter().all(|text| !text.contains(char::is_control)), "{copied:?}");
    let ours = regex::Regex::new(r"\x1b\[(\?(1049|25|2004|2026)[hl]|[0-9;]*[HCm]|2J)").unwrap();
    let shown = ours.replace_all(&rest, "");
    let harmful = |c: &char| {
        let hidden = matches!(*c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}');
        c.is_control() || hidden
    };
    assert_eq!(shown.chars().filter(harmful).collect::<BTreeSet<_>>(), BTreeSet::new());
    assert!(!pty.screen(vt100::Screen::alternate_screen));
}

/// What was put on the clipboard, and the bytes without it.
fn take_clipboard(bytes: &str) -> (Vec<String>, String) {
    let put = regex::Regex::new(r"\x1b\]52;c;([A-Za-z0-9+/=]*)\x07").unwrap();
    let decode = |text: &str| String::from_utf8(base64::engine::general_purpose::STANDARD.decode(text).unwrap()).unwrap();
    (put.captures_iter(bytes).map(|found| decode(&found[1])).collect(), put.replace_all(bytes, "").into_owned())
}
