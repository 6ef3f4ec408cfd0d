//! Endpoints that serve the text format, and some that do not.

use std::sync::Arc;

use super::{
    super::{HttpSettings, Scrape, ScrapeSettings, ScrapeTarget, Source},
    definition,
    stand_in::{Say, StandIn, deadlines, http, patient, sunday},
};
use crate::domain::{Answer, Ask, Counter, DefinitionId, FaultClass, Group, Lane, Part, Scraped, Untrusted, Want};

const METRICS: &str = "# TYPE http_requests_total counter
http_requests_total{service=\"checkout\",code=\"500\"} 3
http_requests_total{code=\"200\",service=\"checkout\"} 97
http_requests_total{code=\"200\"} 5
http_requests_total{service=\"dead\",code=\"200\"} NaN
process_cpu_seconds_total 12.5
go_goroutines NaN
";

async fn poll(targets: Vec<ScrapeTarget>, deadlines: super::super::Deadlines) -> Part {
    let settings = ScrapeSettings { name: "prom".into(), http: HttpSettings::new(targets[0].url.clone()), deadlines, targets };
    let source = Scrape::new(settings, vec![Arc::new(definition("availability", &["service"]))]).unwrap();
    source.poll(&Ask { wants: vec![Want::Scrape] }, Lane::Short, &sunday).await.parts.remove(0)
}
fn target(server: &StandIn, labels: &[(&str, &str)]) -> ScrapeTarget {
    let labels = labels.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    ScrapeTarget { url: server.url.join("/metrics?module=a").unwrap(), labels }
}
fn scraped(part: &Part) -> &[Scraped] {
    match &part.outcome {
        Ok(Answer::Scraped(all)) => all,
        other => panic!("{other:?}"),
    }
}
fn text(body: &str) -> Say {
    Say::answer("200 OK", "content-type: text/plain; version=0.0.4\r\n", body)
}

#[tokio::test]
async fn only_what_a_definition_selects_is_kept_and_lacking_labels_come_from_the_target() {
    let server = StandIn::saying(text(METRICS)).await;
    let part = poll(vec![target(&server, &[("service", "edge"), ("zone", "eu")])], patient()).await;
    let counter = |service: &str, code: &str, value, in_part| Counter {
        definition: DefinitionId::new("availability"),
        group: Group(vec![Untrusted::new(service)]),
        series: format!("http_requests_total{{code=\"{code}\",service=\"{service}\",zone=\"eu\"}}"),
        value,
        in_total: true,
        in_part,
    };
    let [one] = scraped(&part) else { panic!("{part:?}") };
    let expected = vec![counter("checkout", "200", 97.0, true), counter("edge", "200", 5.0, true), counter("checkout", "500", 3.0, false)];
    assert_eq!((one.samples.clone(), one.at), (Ok(expected), sunday()));
    assert!(one.target.as_str().contains("/metrics?#") && !one.target.as_str().contains("module"), "{one:?}");
    assert!(part.partial.unwrap().as_str().starts_with("1 series left out"));
    let asked = server.asked().remove(0);
    assert!(asked.starts_with("GET /metrics?module=a HTTP/1.1\r\n") && asked.contains("accept: text/plain;version=0.0.4"), "{asked}");
}

#[tokio::test]
async fn a_series_that_stands_there_twice_counts_once() {
    let server = StandIn::saying(text("http_requests_total{a=\"1\",b=\"2\"} 7\nhttp_requests_total{b=\"2\",a=\"1\"} 9\n")).await;
    let part = poll(vec![target(&server, &[])], patient()).await;
    let values: Vec<_> = scraped(&part)[0].samples.as_ref().unwrap().iter().map(|c| c.value).collect();
    assert_eq!((values, part.partial.is_some()), (vec![7.0], true));
}

#[tokio::test]
async fn one_target_fails_alone() {
    let good = StandIn::saying(text(METRICS)).await;
    let hung = StandIn::saying(Say::Nothing).await;
    let bad = StandIn::saying(text("http_requests_total 1\nhttp_requests_total{ 2\n")).await;
    let part = poll([&hung, &good, &bad].map(|s| target(s, &[])).to_vec(), deadlines()).await;
    let classes: Vec<_> = scraped(&part).iter().map(|s| s.samples.as_ref().err().map(|f| f.class)).collect();
    assert_eq!(classes, [Some(FaultClass::Timeout), None, Some(FaultClass::Malformed)]);
    let said = scraped(&part)[2].samples.as_ref().unwrap_err().message.to_string();
    assert!(said.contains("line 2: a label name is missing"), "{said}");
    assert!(part.partial.unwrap().as_str().starts_with("2 of 3 targets failed: prom: no whole answer"));
}

#[tokio::test]
async fn all_targets_failing_is_a_failure() {
    let bad = StandIn::saying(Say::answer("404 Not Found", "", "")).await;
    let part = poll(vec![target(&bad, &[]), target(&bad, &[])], patient()).await;
    assert_eq!(part.outcome.unwrap_err().class, FaultClass::Rejected);
}

#[test]
fn a_scrape_of_nothing_is_refused() {
    let http = http(&"http://127.0.0.1:1/".parse().unwrap());
    let settings = ScrapeSettings { name: "prom".into(), http, deadlines: patient(), targets: vec![] };
    assert_eq!(Scrape::new(settings, vec![]).unwrap_err().key, "targets");
}
