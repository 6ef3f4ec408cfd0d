//! What is told of a file with mistakes: all of them, each at its place, and never a secret.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail this way, its helpers too")]

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use burnwatch::{
    config::{self, Credentials, Found, HttpSettings, Kind, Level, Loaded, Origin, Problems, SourceCommon, SourceRow, Vocabulary},
    sources::registry,
};

const WORDS: Vocabulary<'_> = Vocabulary {
    kinds: &[
        Kind { word: "prometheus", counts_events: true, checks: false, has_queues: false },
        Kind { word: "alertmanager", counts_events: false, checks: false, has_queues: false },
        Kind { word: "scrape", counts_events: true, checks: false, has_queues: false },
    ],
    themes: &["night"],
};

fn read(row: &mut SourceRow) -> Option<HttpSettings> {
    SourceCommon::read(&mut row.section);
    HttpSettings::read(&mut row.section)
}

fn load(text: &str) -> Result<Loaded<HttpSettings>, Problems> {
    config::load_text(Path::new("burnwatch.toml"), text, &WORDS, read)
}

/// `line:column message` of every problem.
fn told(text: &str) -> Vec<String> {
    let problems = match load(text) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems.0,
    };
    let line = |p: &config::Problem| format!("{}:{} {}", p.position().0, p.position().1, p.message);
    problems.iter().map(line).collect()
}

const SOURCE: &str = "[[source]]\nname = 'prom'\nkind = 'prometheus'\nurl = 'http://h:9090'\n";

fn with_slos(slos: &str) -> String {
    format!("{slos}\n{SOURCE}")
}

const TEN: &str = r#"[cockpit]
time_zone = "Europe/Belrin"
read_only = "yes"

[[source]]
name = "prom"
kind = "prometeus"
url = "http://prometheus:9090"

[[source]]
name = "mimir"
kind = "prometheus"
url = "mimir:9009"
every = 15s

[[slo]]
name = "availability"
by = ["service"]
source = "mimr"
objectve = 99.9
objective = 1
good = 'http_requests_total{code!~5..}'
total = 'http_requests_total'

[[slo]]
name = "latency"
	service = "東京"; period = "30d"
objective = "99%"
bad = 'slow_total'
total = 'all_total'
source = "mimir"
min_events "10"
"#;

#[test]
fn ten_mistakes_are_told_in_one_run() {
    let problems = load(TEN).unwrap_err();
    let expected = "\
error: unknown time zone `Europe/Belrin`
 --> burnwatch.toml:2:13
  |
2 | time_zone = \"Europe/Belrin\"
  |             ^^^^^^^^^^^^^^^ did you mean `Europe/Berlin`?

error: `read_only` wants true or false, this is a text
 --> burnwatch.toml:3:13
  |
3 | read_only = \"yes\"
  |             ^^^^^

error: unknown kind `prometeus`
 --> burnwatch.toml:7:8
  |
7 | kind = \"prometeus\"
  |        ^^^^^^^^^^^ did you mean `prometheus`?

error: `url` begins with http:// or https://
  --> burnwatch.toml:13:7
   |
13 | url = \"mimir:9009\"
   |       ^^^^^^^^^^^^ did you mean \"http://mimir:9009\"?

error: string values must be quoted, expected literal string
  --> burnwatch.toml:14:9
   |
14 | every = 15s
   |         ^^^ put the value in quotes

error: unknown source `mimr`
  --> burnwatch.toml:19:10
   |
19 | source = \"mimr\"
   |          ^^^^^^ did you mean `mimir`?

error: unknown key `objectve`
  --> burnwatch.toml:20:1
   |
20 | objectve = 99.9
   | ^^^^^^^^ did you mean `objective`?

error: an objective lies strictly between 0 % and 100 %, this is 1
  --> burnwatch.toml:21:13
   |
21 | objective = 1
   |             ^

error: a label value stands in quotes
  --> burnwatch.toml:22:35
   |
22 | good = 'http_requests_total{code!~5..}'
   |                                   ^

error: unexpected key or value, expected newline, `#`
  --> burnwatch.toml:27:16
   |
27 |     service = \"東京\"; period = \"30d\"
   |                     ^

error: key with no value, expected `=`
  --> burnwatch.toml:32:12
   |
32 | min_events \"10\"
   |            ^ write `key = value`";
    assert_eq!(problems.to_string(), expected);
}

#[test]
fn nothing_is_missed_because_of_something_else() {
    let text = with_slos(
        "
[[slo]]
name = 'a/b'
by = ['service', 'service', '9x']
service = 'x'
objective = '99.9%'
good = 'a'
bad = 'b'
total = 'c{'
period = '1d'
missing = 'nul'
[[slo]]
objective = 'many'
[[person]]
name = 'maya'
night = '22-25'
email = 'maya'
[[person]]
name = 'maya'
[[service]]
name = 'checkout'
tier = 9
playbooks = []
[store]
url = 'postgres://u:s3cret@h/db'",
    );
    let expected = [
        "3:8 `name` contains `/`, which parts the names in an id",
        "4:18 `service` stands in `by` twice",
        "4:29 `9x` is not the name of a label",
        "5:11 `by` already tells the service",
        "8:1 `good` and `bad` both",
        "9:12 a label name is missing here",
        "10:1 the period (1d) is shorter than the long window of a rule (3d)",
        "11:11 unknown missing `nul`",
        "12:1 `name` is missing",
        "12:1 an SLO says which service it belongs to",
        "12:1 `total` is missing",
        "12:1 `good` is missing",
        "13:13 `many` is not an objective such as \"99.9%\" or 0.999",
        "16:9 `night` is two hours from 0 to 23",
        "17:9 this is not a mail address",
        "19:8 person `maya` is already on line 15",
        "22:8 `tier` lies between 1 and 5",
        "23:1 unknown key `playbooks`",
        "25:7 a store in Postgres is not there yet",
    ];
    assert_eq!(told(&text), expected);
}

#[test]
fn rules_are_checked_against_each_other_and_the_objective() {
    let slo = |more: &str| {
        let head = "[[slo]]\nname = 'a'\nservice = 's'\nbad = 'b'\ntotal = 't'\n";
        with_slos(&format!("{head}{more}"))
    };
    assert_eq!(told(&slo("objective = '90%'")), ["6:13 at 90.0% the rules over 1h/5m can never fire"]);
    assert_eq!(load(&slo("objective = '90%'")).unwrap().warnings.first().unwrap().level, Level::Warning);
    let rule = |keys: &str| told(&slo(&format!("objective = 99.9\n[[slo.rules]]\nseverity = 'page'\n{keys}\n")));
    assert_eq!(rule("long = '1h'\nshort = '5m'\nfactor = 14.4"), Vec::<String>::new());
    assert_eq!(rule("long = '5m'\nshort = '1h'\nfactor = 2"), ["7:1 the short window (1h) is shorter than the long one (5m)"]);
    assert_eq!(rule("long = '1h'\nshort = '5m'\nfactor = 2\nbudget = '2%'"), ["11:1 `budget` and `factor` both; keep one"]);
    assert_eq!(rule("long = '1h'\nshort = '5m'\nbudget = 200"), ["11:10 `budget` is a share between 0 % and 100 %"]);
    assert_eq!(rule("long = '1h'\nshort = '5m'\nbudget = 0.02\nfor = '1m'"), ["12:1 unknown key `for`"]);
    assert_eq!(rule("long = '1h'\nshort = '5m'\nfactor = 1000"), ["6:13 at 99.9% the rules over 1h/5m can never fire"]);
}

const ROTATIONS: &str = r#"
[[person]]
name = "maya"
[[person]]
name = "jon"
[[rotation]]
name = "payments"
time_zone = "Europe/Belrin"
participants = ["maya", "jno"]
handoff = "fortnightly"
at = "9:00"
start = "2026-02-30"
only = ["mon-fry 09:00-18:00"]
partcipants = []
[[rotation.layers]]
seat = "secundary"
participants = []
[[rotation.overrides]]
who = "mya"
from = "2026-12-26 09:00"
to = "2026-12-24 18:00"
why = "holidays"
[[rotation.overrides]]
who = "maya"
from = "christmas"
[[rotation]]
name = "payments"
[[rotation]]
name = "data"
only = ["sat"]
[[rotation.layers]]
participants = ["maya"]
[[rotation]]
name = "night"
handoff = "daily"
at = 9
start = 2026-01-01
participants = "maya"
[[service]]
name = "checkout"
rotation = "payment"
"#;

#[test]
fn mistakes_in_rotations_are_told_at_their_places() {
    let expected = [
        "7:13 unknown time zone `Europe/Belrin`",
        "8:25 unknown person `jno`",
        "9:11 `fortnightly` is not a handoff such as \"daily\", \"weekly\", \"monthly\", \"every 12h\", \"every 3 days\" or \"every 2 weeks\"",
        "10:6 `at` is a time of day such as \"09:00\"",
        "11:9 `start` is a day such as \"2026-01-05\"",
        "12:9 `mon-fry 09:00-18:00` is not a stretch of the week such as \"mon-fri 09:00-18:00\", \"sat,sun\" or \"22:00-06:00\"",
        "13:1 unknown key `partcipants`",
        "15:8 unknown seat `secundary`",
        "16:1 `participants` is empty",
        "18:7 unknown person `mya`",
        "20:1 `to` is not after `from`",
        "21:1 unknown key `why`",
        "22:1 `to` is missing",
        "24:8 `from` is a time such as \"2026-12-24 18:00\", or with an offset \"2026-12-24T18:00:00+01:00\"",
        "25:1 `participants` is missing",
        "26:8 rotation `payments` is already on line 6",
        "29:1 `only` without `participants`",
        "30:1 `handoff` is missing",
        "30:1 `at` is missing",
        "30:1 `start` is missing",
        "35:6 `at` wants a text in quotes, this is a number",
        "36:9 `start` wants a text in quotes, this is a time",
        "37:16 `participants` wants a list of texts, this is a text",
        "40:12 unknown rotation `payment`",
    ];
    assert_eq!(told(&with_slos(ROTATIONS.trim_start())), expected);
    let help = load(&with_slos(ROTATIONS.trim_start())).unwrap_err().to_string();
    for told in [
        "did you mean `jon`?",
        "did you mean `maya`?",
        "did you mean `secondary`?",
        "did you mean `payments`?",
        "did you mean `participants`?",
    ] {
        assert!(help.contains(told), "{told}");
    }
}

#[test]
fn a_layer_that_is_never_seen_is_a_warning() {
    let people = "[[person]]\nname = 'maya'\n";
    let layer = |more: &str| format!("[[rotation.layers]]\nparticipants = ['maya']\n{more}\n");
    let rotation = |upper: &str| {
        let head = "[[rotation]]\nname = 'p'\nhandoff = 'daily'\nat = '09:00'\nstart = '2026-01-05'\n";
        told(&with_slos(&format!("{people}{head}{}{}", layer("only = ['sat']"), layer(upper))))
    };
    assert_eq!(rotation(""), ["8:1 nobody ever has a turn here: the layer on line 11 lies over it"]);
    for well in ["only = ['sun']", "start = '2026-02-05'", "seat = 'mentor'"] {
        assert_eq!(rotation(well), [""; 0], "{well}");
    }
}

#[test]
fn a_service_may_name_the_rotation_of_a_source_or_any_if_none_is_known() {
    let service = |more: &str| told(&with_slos(&format!("{more}\n[[service]]\nname = 'checkout'\nrotation = 'payments'")));
    assert_eq!(service(""), [""; 0]);
    let source = |rotation: &str| format!("[[source]]\nname = 'cal'\nkind = 'alertmanager'\nurl = 'http://h'\nrotation = '{rotation}'");
    // An Alertmanager has no such key; other kinds have.
    assert_eq!(service(&source("data")), ["5:1 unknown key `rotation`", "8:12 unknown rotation `payments`"]);
    assert_eq!(service(&source("payments")), ["5:1 unknown key `rotation`"]);
}

/// What the backends themselves say of `text`.
fn told_by_backends(text: &str) -> String {
    let words = Vocabulary { kinds: &registry::KINDS, themes: &[] };
    let loaded = config::load_text(Path::new("burnwatch.toml"), text, &words, registry::read);
    let problems = loaded.map_or_else(|problems| problems, |loaded| Problems(loaded.warnings));
    format!("{problems}")
}

#[test]
fn mistakes_in_calendars_are_told_and_their_addresses_never_shown() {
    let calendar = |keys: &str| told_by_backends(&format!("[[source]]\nname = 'rota'\nkind = 'ical'\n{keys}\n"));
    assert_eq!(calendar("url = 'webcal://h/s3cret.ics?x=s3cret'\nrotation = 'payments'\nsummary = 'On call: (.+)'"), "");
    assert_eq!(calendar("file = 'Cargo.toml'\nrotation = 'payments'\nseat = 'mentor'"), "");
    for (keys, told) in [
        ("rotation = 'payments'", "error: `url` is missing"),
        ("url = 'http://h/s3cret'", "error: `rotation` is missing"),
        ("url = 'h/s3cret.ics'\nrotation = 'p'", "error: `url` is a whole address"),
        ("url = 'http://u:s3cret@h/'\nrotation = 'p'", "error: `url` is a whole address"),
        ("url = 'http://h/s3cret'\nurl_env = 'X'\nrotation = 'p'", "error: more than one `url`"),
        ("url = ['http://h/s3cret']\nrotation = 'p'", "error: `url` wants a text in quotes"),
        ("url = 'http://h/s3cret'\nrotation = 'p'\nsummary = '('", "error: `summary` is a regular expression with one group"),
        ("url = 'http://h/s3cret'\nrotation = 'p'\nsummary = 'no group'", "error: `summary` is a regular expression with one group"),
        ("url = 'http://h/s3cret'\nrotation = 'p'\nseat = 'front'", "error: unknown seat `front`"),
        ("url = 'http://h/s3cret'\nrotation = 'p'\ntime_zone = 'CEST'", "error: unknown time zone `CEST`"),
        ("url_env = 'BURNWATCH_NO_SUCH_VARIABLE'\nrotation = 'p'", "error: the environment variable is not set"),
        ("file = '/nowhere/rota.ics'\nrotation = 'p'", "error: cannot read /nowhere/rota.ics"),
        ("file = 'Cargo.toml'\nurl = 'http://h/s3cret'\nrotation = 'p'", "error: unknown key `url`"),
    ] {
        let all = calendar(keys);
        assert!(all.starts_with(told) && all.matches("error: ").count() == 1, "{keys}: {all}");
        assert!(!all.contains("s3cret"), "{all}");
    }
}

#[test]
fn ids_are_unique() {
    let two = "[[source]]\nname = 'other'\nkind = 'scrape'\nurl = 'http://h'\n";
    let slo = |name: &str, more: &str| format!("[[slo]]\nname = '{name}'\nobjective = 99\nbad = 'b'\ntotal = 't'\n{more}\n");
    let ids = |text: String| {
        let loaded = load(&text).map_err(|p| p.to_string()).unwrap();
        loaded.config.definitions.iter().map(|d| (d.id.to_string(), d.qualified)).collect::<Vec<_>>()
    };
    let own = |id: &str| (id.to_owned(), false);
    let services = slo("a", "service = 'x'") + &slo("a", "service = 'y'") + &slo("b", "service = 'x'");
    assert_eq!(ids(with_slos(&services)), [own("x/a"), own("y/a"), own("b")]);
    let sources = slo("a", "by = ['service']\nsource = 'prom'") + &slo("a", "by = ['service']\nsource = 'other'");
    assert_eq!(ids(with_slos(&sources) + two), [("prom/a".to_owned(), true), ("other/a".to_owned(), true)]);
    let same = slo("a", "by = ['service']") + &slo("a", "by = ['service', 'zone']");
    assert_eq!(told(&with_slos(&same)), ["8:8 SLO `a` is already on line 2"]);
    let either = with_slos(&slo("a", "service = 'x'")) + two;
    assert_eq!(told(&either), ["1:1 `source` is missing: several could count this"]);
}

#[test]
fn no_secret_is_ever_printed() {
    for line in [
        "token = \"s3cret\"\nusername = 'u'",
        "token = s3cret",
        "tokn = \"s3cret\"",
        "token = [\"s3cret\"]",
        "password = \"s3cret\"",
        "bearer = { a = [\"s3cret\"] }",
        "token_env = \"s3cret-in-the-wrong-place\"",
        "token_env = \"s3cret_in_the_wrong_place\"",
        "headers = { Authorization = \"Bearer s3cret\" }",
        "headers = { \"X Y\" = \"s3cret\" }",
        "[source.headers]\nX-API-Key = s3cret",
        "token \"s3cret\"",
        "token_file = \"/nowhere\" \ntoken = 's3cret'",
    ] {
        let text = format!("{SOURCE}{line}\n");
        let problems = load(&text).unwrap_err();
        assert!(!problems.to_string().contains("s3cret"), "{problems}");
        assert!(!format!("{problems:?}").contains("s3cret"));
    }
    let loaded = load(&format!("{SOURCE}token = 's3cret'\nheaders = {{ X-API-Key = 's3cret' }}")).unwrap();
    assert!(!format!("{:?}", loaded.sources).contains("s3cret"));
    let Some(Credentials::Bearer(token)) = &loaded.sources.first().unwrap().client.credentials else { panic!("a token") };
    assert_eq!(token.expose(), "s3cret");
}

/// A folder that is private, whatever the umask.
fn private() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    folder
}

fn write(folder: &Path, name: &str, text: &str, mode: u32) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

fn told_of(path: &Path, origin: Origin) -> Vec<String> {
    match config::load(&Found { path: path.to_owned(), origin }, &WORDS, read) {
        Ok(loaded) => loaded.warnings.iter().map(|p| p.message.clone()).collect(),
        Err(problems) => problems.0.iter().map(|p| p.message.replace(&path.parent().unwrap().display().to_string(), "~")).collect(),
    }
}

#[test]
fn secrets_come_from_files_environment_and_commands() {
    let folder = private();
    write(folder.path(), "token", "s3cret\nrest\n", 0o600);
    let token = |line: &str| {
        let path = write(folder.path(), "c.toml", &format!("{SOURCE}{line}"), 0o600);
        let loaded = config::load(&Found { path, origin: Origin::Named }, &WORDS, read).map_err(|p| p.to_string()).unwrap();
        match &loaded.sources.first().unwrap().client.credentials {
            Some(Credentials::Bearer(secret) | Credentials::Basic { password: secret, .. }) => secret.expose().to_owned(),
            None => String::new(),
        }
    };
    assert_eq!(token("token_file = 'token'"), "s3cret");
    assert_eq!(token("token_env = 'CARGO_PKG_NAME'"), "burnwatch");
    assert_eq!(token("token_command = ['printf', '%s', '$(id)']"), "$(id)");
    assert_eq!(token("token = 'x'"), "x");
    assert_eq!(token("username = 'u'\npassword_file = 'token'"), "s3cret");
    let told = |line: &str, mode| told_of(&write(folder.path(), "c.toml", &format!("{SOURCE}{line}"), mode), Origin::Here);
    assert_eq!(told("token_command = ['id']", 0o600), ["a ./burnwatch.toml that was merely found runs no commands"]);
    assert_eq!(told("token = 'x'", 0o644), ["`token` stands in a file that others can read (mode 0644)"]);
    assert_eq!(told("token_file = 'gone'", 0o644), ["cannot read ~/gone: there is no such file"]);
    assert_eq!(told("token_file = 'token'\ntoken = 'x'", 0o600), ["more than one `token`"]);
}

#[test]
fn a_file_that_others_could_have_written_is_not_obeyed() {
    let folder = private();
    let mark = folder.path().join("ran");
    let text = format!("{SOURCE}token_command = ['touch', '{}']", mark.display());
    let path = write(folder.path(), "c.toml", &text, 0o666);
    assert_eq!(told_of(&path, Origin::Named), ["~/c.toml can be written by others (mode 0666)"]);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o770)).unwrap();
    assert_eq!(told_of(&path, Origin::Named), ["~ can be written by others (mode 0770)"]);
    assert!(!mark.exists());
}

#[test]
fn what_is_no_config_file_is_said_plainly() {
    let folder = private();
    let at = |name: &str| told_of(&folder.path().join(name), Origin::Named);
    assert_eq!(at("gone.toml"), ["cannot read it: there is no such file"]);
    assert_eq!(at("."), ["it is a folder, not a file"]);
    fs::write(folder.path().join("latin"), b"a = 1\nb = '\xe4'\n").unwrap();
    assert_eq!(at("latin"), ["it is not UTF-8 text: line 2 cannot be read"]);
    fs::write(folder.path().join("huge"), vec![b'#'; (4 << 20) + 1]).unwrap();
    assert_eq!(at("huge"), ["it is larger than 4 MiB"]);
    assert_eq!(told(""), ["1:1 there is nothing to watch"]);
}

#[test]
fn the_file_is_looked_for_in_order() {
    let folder = private();
    let env = |pairs: Vec<(&'static str, PathBuf)>| {
        move |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v.as_os_str()))
    };
    let own = folder.path().join("burnwatch");
    fs::create_dir(&own).unwrap();
    let file = write(&own, "burnwatch.toml", "", 0o600);
    let xdg = vec![("XDG_CONFIG_HOME", folder.path().to_owned()), ("HOME", PathBuf::from("/nowhere"))];
    assert_eq!(config::find(None, &env(xdg.clone())), Ok(Found { path: file, origin: Origin::Standard }));
    let named = Found { path: "b.toml".into(), origin: Origin::Named };
    let set = [vec![("BURNWATCH_CONFIG", PathBuf::from("b.toml"))], xdg].concat();
    assert_eq!(config::find(None, &env(set.clone())), Ok(named));
    let explicit = config::find(Some(Path::new("a.toml")), &env(set)).unwrap();
    assert_eq!((explicit.path.as_path(), explicit.origin), (Path::new("a.toml"), Origin::Named));
    if let Err(not_found) = config::find(None, &env(vec![("HOME", "/nowhere".into())])) {
        let expected = "no config file: looked for /nowhere/.config/burnwatch/burnwatch.toml, /etc/burnwatch/burnwatch.toml, \
                        ./burnwatch.toml; name one with --config, or look around in `burnwatch demo`";
        assert_eq!(not_found.to_string(), expected);
    }
}
