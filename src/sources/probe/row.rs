//! A `[[source]]` row of kind `probe`.

use std::{collections::BTreeMap, ops::RangeInclusive, time::Duration};

use hyper::{Method, header::HeaderName};
use toml::Spanned;
use url::Url;

use super::{
    super::settings::Deadlines,
    expect::{Expectation, statuses},
    place::Place,
    settings::{ProbeSettings, ProbeTarget, Promises},
};
use crate::{
    config::{ClientSettings, Section, read_labels},
    domain::{Objective, SourceName, Text},
};

/// How much of a body is read, unless the row says otherwise.
const CAP: u64 = 1 << 20;
/// How long before its end a certificate is worth a warning, unless the row says otherwise.
const WARNING: Duration = Duration::from_hours(14 * 24);

/// Read the row; its mistakes are reported at their places. `http` makes client settings of what was read.
pub fn read(
    section: &mut Section,
    name: SourceName,
    deadlines: Deadlines,
    http: impl FnOnce(Url, ClientSettings) -> super::super::settings::HttpSettings,
) -> Option<ProbeSettings> {
    let capped = section.has("max_bytes");
    let (targets, mut client) = (targets(section), ClientSettings::read(section));
    if !capped {
        client.max_bytes = CAP;
    }
    let self_check = if section.has("self_check") { address(section, "self_check") } else { None };
    let (availability, latency) = (objective(section, "objective", 0.999), objective(section, "latency_objective", 0.99));
    let promises = Promises {
        objective: availability?,
        latency_objective: latency?,
        under: section.duration("under").map_or(Duration::from_secs(1), Spanned::into_inner),
    };
    let certificate_warning = section.duration("certificate_warning").map_or(WARNING, Spanned::into_inner);
    let first = targets.first()?.url.clone();
    Some(ProbeSettings { name, http: http(first, client), deadlines, targets, self_check, certificate_warning, promises })
}

/// The objective of `key`, or the usual one; a mistake is reported and reads as that.
fn objective(section: &mut Section, key: &str, usual: f64) -> Option<Objective> {
    let given = section.figure(key).and_then(|raw| section.parse(&raw)).map(Spanned::into_inner);
    given.or_else(|| Objective::new(usual).ok())
}

/// `[[source.targets]]`, or the row itself if there is one target only.
fn targets(section: &mut Section) -> Vec<ProbeTarget> {
    const OWN: [&str; 5] = ["url", "service", "labels", "method", "expect"];
    if !section.has("targets") {
        return target(section).into_iter().collect();
    }
    for key in OWN.into_iter().filter(|key| section.has(key)) {
        section.error_with_help(&section.key_span(key), &format!("`{key}` and `targets` both"), "move it into `targets`");
    }
    let rows = section.sections("targets");
    if rows.is_empty() {
        section.error(&section.key_span("targets"), "`targets` is empty");
    }
    let read = |mut row: Section| {
        let target = target(&mut row);
        row.finish();
        target
    };
    rows.into_iter().filter_map(read).collect()
}

fn target(section: &mut Section) -> Option<ProbeTarget> {
    let url = address(section, "url");
    let service = section.name_if_there("service", "\"checkout\"");
    let mut labels = read_labels(section);
    for own in ["service", "target"].into_iter().filter(|own| labels.contains_key(*own)) {
        let help = if own == "service" { "write `service = \"…\"` beside `url`" } else { "give yours another name" };
        section.error_with_help(&section.key_span("labels"), &format!("`{own}` is a label of every probe already"), help);
    }
    let method = if section.has("method") { section.one_of("method", &["GET", "HEAD", "POST"]) } else { None };
    let method = method.and_then(|m| m.get_ref().parse().ok()).unwrap_or(Method::GET);
    let expect = section.table("expect").map(expectation).unwrap_or_default();
    let url = url?;
    if url.scheme() == "tcp" && (section.has("expect") || section.has("method")) {
        let key = if section.has("expect") { "expect" } else { "method" };
        section.error_with_help(&section.key_span(key), "a tcp:// target only has to take the connection", "leave it out");
    }
    let host = || Text::clean(url.host_str().unwrap_or_default()).to_string();
    labels.insert("service".into(), service.map_or_else(host, |s| Text::clean(s.get_ref()).to_string()));
    Some(ProbeTarget { url, labels, method, expect })
}

/// The address of a page, or `tcp://host:port`.
fn address(section: &mut Section, key: &str) -> Option<Url> {
    let port = section.str(key).filter(|text| text.get_ref().starts_with("tcp:"));
    let Some(text) = port else { return section.page_url(key).map(Spanned::into_inner) };
    let url = Url::parse(text.get_ref()).ok().filter(|url| Place::new(url).is_ok_and(|place| place.end().is_some()));
    let bare = |url: &Url| {
        matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    };
    let url = url.filter(bare);
    if url.is_none() {
        section.error_with_help(&text.span(), &format!("`{key}` is host and port after tcp://"), "such as \"tcp://db.internal:5432\"");
    }
    url
}

fn expectation(mut table: Section) -> Expectation {
    let usual = Expectation::default();
    let expectation = Expectation {
        status: status(&mut table).unwrap_or(usual.status),
        body: table.str("body").map(Spanned::into_inner),
        headers: pairs(&mut table, "header").into_iter().collect(),
        json: pairs(&mut table, "json").into_iter().collect(),
    };
    if let Some(name) = expectation.headers.iter().find(|(name, _)| HeaderName::from_bytes(name.as_bytes()).is_err()) {
        table.error(&table.key_span("header"), &format!("`{}` is not the name of a header", Text::clean(&name.0)));
    }
    table.finish();
    expectation
}

fn status(table: &mut Section) -> Option<Vec<RangeInclusive<u16>>> {
    let raw = table.figure("status")?;
    let read = statuses(raw.get_ref());
    if read.is_none() {
        table.error_with_help(&raw.span(), "`status` is one or several, from 100 to 599", "such as 200, \"200-299\" or \"200-299, 404\"");
    }
    read
}

/// Names of one's own and what they hold: texts, numbers, true or false.
fn pairs(table: &mut Section, key: &str) -> BTreeMap<String, String> {
    let Some(mut inner) = table.table(key) else { return BTreeMap::new() };
    let mut found = BTreeMap::new();
    for name in inner.keys() {
        let value = if inner.is_flag(name.get_ref()) {
            inner.bool(name.get_ref()).map(|flag| flag.into_inner().to_string())
        } else {
            inner.figure(name.get_ref()).map(Spanned::into_inner)
        };
        found.extend(value.map(|value| (name.get_ref().clone(), value)));
    }
    inner.finish();
    found
}
