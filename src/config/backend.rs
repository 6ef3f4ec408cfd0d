//! What most backends have in common: how often they are asked, and how an HTTP server is reached.
//!
//! A backend reads its row with [`SourceCommon::read`] and, if it speaks HTTP, [`HttpSettings::read`], and then the keys that only it
//! knows. All of them read every key before they give up, so that one run reports every mistake of a row.

use std::{collections::BTreeMap, ops::Range, path::PathBuf, time::Duration};

use toml::Spanned;
use url::Url;

use super::{
    mask,
    secret::Secret,
    section::{self, Section},
};

/// Bytes of an answer, decoded, that are read at most, unless the row says otherwise.
pub(super) const MAX_BYTES: u64 = 32 << 20;

/// How a source is asked, whatever its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceCommon {
    /// From poll to poll; 15 s.
    pub every: Duration,
    /// Deadline of a poll; 5 s.
    pub timeout: Duration,
    /// Deadline of questions over a day and more; 60 s.
    pub timeout_long: Duration,
    /// How often the backend itself takes samples; 60 s.
    pub scrape_interval: Duration,
}

impl SourceCommon {
    /// Read `every`, `timeout`, `timeout_long` and `scrape_interval`.
    pub fn read(section: &mut Section) -> Self {
        Self::read_with(section, 15, 5)
    }
    /// The same with other defaults, in seconds, for `every` and `timeout`.
    pub fn read_with(section: &mut Section, every_secs: u64, timeout_secs: u64) -> Self {
        let mut take = |key, default| section.duration(key).map_or(Duration::from_secs(default), Spanned::into_inner);
        let read = Self {
            every: take("every", every_secs),
            timeout: take("timeout", timeout_secs),
            timeout_long: take("timeout_long", 60),
            scrape_interval: take("scrape_interval", 60),
        };
        if read.every < Duration::from_secs(1) {
            section.error(&section.key_span("every"), "`every` is at least 1s");
        }
        if read.timeout_long < read.timeout {
            section.error(&section.key_span("timeout_long"), "`timeout_long` is shorter than `timeout`");
        }
        read
    }
}

/// How one proves who one is to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// `Authorization: Bearer …`
    Bearer(Secret),
    /// `Authorization: Basic …`
    Basic {
        /// The name.
        username: String,
        /// The password.
        password: Secret,
    },
}

/// How an HTTP server is reached.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Where it is: `http` or `https`, perhaps with a path in front of its API; no credentials, no query.
    pub url: Url,
    /// What else it takes to reach it.
    pub client: ClientSettings,
}

impl HttpSettings {
    /// Read `url` and the keys of [`ClientSettings`]; `None` if the address is missing or wrong.
    pub fn read(section: &mut Section) -> Option<Self> {
        let (url, client) = (section.url("url"), ClientSettings::read(section));
        Some(Self { url: url?.into_inner(), client })
    }
}

/// How an HTTP client behaves, whichever address it calls.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// Sent with every request; names are valid and never those of credentials or of the connection.
    pub headers: Vec<(String, Secret)>,
    /// Who we are; `None` to say nothing.
    pub credentials: Option<Credentials>,
    /// Certificates (PEM) that sign the server's, beside the usual ones.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate (PEM) and its key.
    pub client_identity: Option<ClientIdentity>,
    /// Whether the server's certificate is not verified.
    pub insecure_skip_verify: bool,
    /// Bytes of an answer, decoded, that are read at most.
    pub max_bytes: u64,
}

/// A page with metrics to read.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its whole address.
    pub url: Url,
    /// Given to every series of the page that lacks them.
    pub labels: BTreeMap<String, String>,
}

impl Target {
    /// Read `[[source.targets]]`, each with `url` and `labels`, or `url` and `labels` of the row itself if there is one page only.
    pub fn read_all(section: &mut Section) -> Vec<Self> {
        let many = section.has("targets");
        if many && section.has("url") {
            section.error_with_help(&section.key_span("url"), "`url` and `targets` both", "move the address into `targets`");
        }
        let rows = section.sections("targets");
        if many {
            if rows.is_empty() {
                section.error(&section.key_span("targets"), "`targets` is empty");
            }
            if section.has("labels") {
                section.error_with_help(&section.key_span("labels"), "`labels` and `targets` both", "move the labels into `targets`");
            }
            return rows.into_iter().filter_map(Self::row).collect();
        }
        Self::read(section).into_iter().collect()
    }
    fn row(mut row: Section) -> Option<Self> {
        let target = Self::read(&mut row);
        row.finish();
        target
    }
    fn read(section: &mut Section) -> Option<Self> {
        let (url, labels) = (section.page_url("url"), read_labels(section));
        Some(Self { url: url?.into_inner(), labels })
    }
}

/// `labels` of a row: names that labels can have, and values.
pub fn read_labels(section: &mut Section) -> BTreeMap<String, String> {
    let Some(mut table) = section.table("labels") else { return BTreeMap::new() };
    let mut found = BTreeMap::new();
    for name in table.keys() {
        let label = name.get_ref();
        if !section::is_label(label) {
            table.error(&name.span(), &format!("`{label}` is not the name of a label"));
        }
        found.extend(table.str(label).map(|value| (label.clone(), value.into_inner())));
    }
    table.finish();
    found
}

/// Files with our own certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The certificate, PEM.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

impl ClientSettings {
    /// Read `headers`, `token*`, `username`, `password*`, `ca_file`, `client_cert`, `client_key`, `insecure_skip_verify`, `max_bytes`.
    pub fn read(section: &mut Section) -> Self {
        let read = Self {
            headers: headers(section),
            credentials: credentials(section),
            ca_file: section.file("ca_file").map(Spanned::into_inner),
            client_identity: identity(section),
            insecure_skip_verify: section.bool("insecure_skip_verify").is_some_and(Spanned::into_inner),
            max_bytes: section.size("max_bytes").map_or(MAX_BYTES, Spanned::into_inner),
        };
        if read.insecure_skip_verify {
            warn_insecure(section);
        }
        read
    }
}

/// That `insecure_skip_verify` is set.
pub(super) fn warn_insecure(section: &Section) {
    let span = section.key_span("insecure_skip_verify");
    section.warning(&span, "the server's certificate is not verified: anyone in between can read and change all", "use `ca_file`");
}

fn credentials(section: &mut Section) -> Option<Credentials> {
    let spelled = |word: &str| ["", "_file", "_env", "_command"].map(|end| format!("{word}{end}"));
    let given = |section: &Section, word| spelled(word).iter().find(|k| section.has(k)).map(|k| section.key_span(k));
    let (bearer, basic) = (given(section, "token"), given(section, "password"));
    let (token, password) = (section.secret("token"), section.secret("password"));
    let named = section.has("username");
    let username = section.str("username");
    if let (Some(at), true) = (&bearer, named || basic.is_some()) {
        section.error_with_help(at, "a token and a username are two ways to log in", "keep one of them");
        return None;
    }
    match (&basic, named) {
        (Some(at), false) => section.error_with_help(at, "a password without `username`", "add `username = \"…\"`"),
        (None, true) => {
            section.error_with_help(&section.key_span("username"), "a username without a password", "add `password_file = \"…\"`");
        }
        _ => {}
    }
    if let Some(username) = username.as_ref().filter(|u| u.get_ref().contains(':')) {
        section.error(&username.span(), "a username contains no `:`");
        return None;
    }
    let basic = username.zip(password).map(|(username, password)| Credentials::Basic { username: username.into_inner(), password });
    token.map(Credentials::Bearer).or(basic)
}

pub(super) fn identity(section: &mut Section) -> Option<ClientIdentity> {
    let (cert, key) = (section.file("client_cert"), section.file("client_key"));
    for (one, other) in [("client_cert", "client_key"), ("client_key", "client_cert")] {
        if section.has(one) && !section.has(other) {
            section.error(&section.key_span(one), &format!("`{one}` needs `{other}`"));
        }
    }
    cert.zip(key).map(|(cert, key)| ClientIdentity { cert: cert.into_inner(), key: key.into_inner() })
}

/// Headers that belong to the connection or to the credentials.
const RESERVED: [&str; 10] = [
    "host",
    "connection",
    "content-length",
    "content-type",
    "transfer-encoding",
    "te",
    "upgrade",
    "accept-encoding",
    "authorization",
    "proxy-authorization",
];

fn headers(section: &mut Section) -> Vec<(String, Secret)> {
    let Some(mut table) = section.table("headers") else { return Vec::new() };
    let found = table.keys().into_iter().filter_map(|name| header(&mut table, &name)).collect();
    table.finish();
    found
}

/// One header: a text, or a table with `file`, `env` or `command` that gives a secret one.
fn header(table: &mut Section, name: &Spanned<String>) -> Option<(String, Secret)> {
    let key = name.get_ref();
    let value = if table.is_text(key) { plain_header(table, key) } else { secret_header(table, key) };
    check_name(table, &name.span(), key)?;
    Some((key.clone(), value?))
}

fn plain_header(table: &mut Section, key: &str) -> Option<Secret> {
    let text = table.str(key)?;
    if mask::is_secret(key) || key.to_ascii_lowercase().ends_with("-key") {
        return table.literal(key, &text, "write `{ value_file = \"…\" }`, or chmod go-r the config");
    }
    if text.get_ref().chars().any(char::is_control) {
        table.error(&text.span(), "a header contains no control characters");
        return None;
    }
    Some(Secret::new(text.get_ref()))
}

fn secret_header(table: &mut Section, key: &str) -> Option<Secret> {
    let mut inner = table.table(key)?;
    let value = inner.secret("value");
    let any = ["value", "value_file", "value_env", "value_command"].iter().any(|k| inner.has(k));
    if !any {
        inner.missing("value_file", "\"~/.config/burnwatch/header\"");
    }
    inner.finish();
    value
}

fn check_name(table: &Section, span: &Range<usize>, name: &str) -> Option<()> {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(token) {
        table.error(span, "this is not the name of a header");
        return None;
    }
    match name.to_ascii_lowercase().as_str() {
        "authorization" => {
            table.error_with_help(
                span,
                "`Authorization` is made from the credentials",
                "use `token_file`, or `username` and `password_file`",
            );
            None
        }
        lower if RESERVED.contains(&lower) => {
            table.error(span, &format!("`{name}` belongs to the connection and cannot be set"));
            None
        }
        _ => Some(()),
    }
}
