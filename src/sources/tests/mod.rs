//! What the backends do, each against a stand-in that speaks HTTP badly on purpose, and against payloads recorded from real servers.

mod alertmanager;
mod http;
mod ical;
mod pagerduty;
mod probe;
mod prometheus;
mod rabbitmq;
mod scrape;
mod stand_in;

pub use stand_in::definition;

/// A recorded payload.
fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The fields of a form in a request, decoded.
fn form(request: &str) -> std::collections::BTreeMap<String, String> {
    let body = request.split_once("\r\n\r\n").unwrap().1;
    url::form_urlencoded::parse(body.as_bytes()).into_owned().collect()
}

/// The first line of a request.
fn line(request: &str) -> &str {
    request.lines().next().unwrap().trim_end_matches(" HTTP/1.1")
}
