//! The library: all runbooks there are, and which of them an incident asks for.

use std::{path::PathBuf, sync::Arc};

use super::Runbook;
use crate::domain::{Incident, Labels, Link, Op, Origin, QueueRow, RunbookId, STALLED, Text, Untrusted};

/// Annotations that hold the address of a runbook.
const URL_ANNOTATIONS: [&str; 3] = ["runbook_url", "runbook", "runbookURL"];

/// All runbooks, in the order in which the config names them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Library {
    /// Those that can be used; their ids are unique.
    pub books: Vec<Arc<Runbook>>,
    /// Those that cannot.
    pub unusable: Vec<Unusable>,
    /// Addresses under which the folder of runbooks can be read by people, each with its last `/`.
    pub base_urls: Vec<String>,
    /// Why nothing of any of them may run, if so: the configuration is not trusted. They can be read all the same.
    pub held: Option<Text>,
}

/// A file that is no runbook as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// Which.
    pub file: PathBuf,
    /// How many mistakes it has.
    pub mistakes: usize,
    /// The first of them, with its line.
    pub first: Text,
}

/// Why a runbook is for an incident, the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The runbook asks for such an alert.
    Alert,
    /// The alert names the runbook's address.
    Address,
    /// The runbook is for the incident's service.
    Service,
}

impl Reason {
    /// The word for it: `alert`, `address`, `service`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Address => "address",
            Self::Service => "service",
        }
    }
}

/// Parts of a group for which runbooks are looked for: those that want somebody most.
const MOST_PARTS: usize = 50;

impl Library {
    /// The runbook of this id.
    pub fn book(&self, id: &RunbookId) -> Option<&Arc<Runbook>> {
        self.books.iter().find(|b| b.id == *id)
    }
    /// Whether any runbook is for this service as a whole, or asks for it by name.
    pub fn serves(&self, service: &Text) -> bool {
        let asks =
            |book: &Runbook| book.alerts.iter().any(|m| m.conditions().any(|c| c.name.raw() == "service" && c.value.text() == *service));
        self.books.iter().any(|book| book.services.contains(service) || asks(book))
    }
    /// The runbooks for an incident, the fittest first: those that ask for its alert, the one that asks for most on top; then one whose
    /// address it names; then those of its service, in the order of the config.
    pub fn matching(&self, incident: &Incident) -> Vec<(&Arc<Runbook>, Reason)> {
        // Of a group what fits one of its parts best.
        let best = |book: &Runbook| {
            let fits = incident.parts().take(MOST_PARTS).filter_map(|part| self.fits(book, part));
            fits.min_by_key(|(reason, asked)| (*reason, std::cmp::Reverse(*asked)))
        };
        self.fittest(best)
    }
    /// The runbooks for a queue, whether it has an incident or not: those for it if it stalled, then those of its service.
    pub fn matching_queue(&self, row: &QueueRow) -> Vec<(&Arc<Runbook>, Reason)> {
        let labels = as_alert(&row.labels());
        let of_service = |book: &Runbook| row.service.as_ref().is_some_and(|s| book.services.contains(s)).then_some((Reason::Service, 0));
        self.fittest(|book| asked(book, &labels).map(|asked| (Reason::Alert, asked)).or_else(|| of_service(book)))
    }
    fn fittest(&self, fits: impl Fn(&Runbook) -> Option<(Reason, usize)>) -> Vec<(&Arc<Runbook>, Reason)> {
        let mut found: Vec<_> = self.books.iter().filter_map(|book| Some((book, fits(book)?))).collect();
        // Stable: what fits as well stays in the order of the config.
        found.sort_by_key(|(_, (reason, asked))| (*reason, std::cmp::Reverse(*asked)));
        found.into_iter().map(|(book, (reason, _))| (book, reason)).collect()
    }
    /// Why a runbook is for an incident, and how much it asks of it; `None` if it is not.
    fn fits(&self, book: &Runbook, incident: &Incident) -> Option<(Reason, usize)> {
        let stalled = matches!(incident.origin, Origin::Queue { .. }).then(|| as_alert(&incident.labels));
        if let Some(asked) = asked(book, stalled.as_ref().unwrap_or(&incident.labels)) {
            return Some((Reason::Alert, asked));
        }
        // Read as a browser reads them: `/rb/../secret/x` is not below `/rb/`.
        let addresses = URL_ANNOTATIONS.iter().filter_map(|name| Link::web(name, incident.annotations.get(name)?.raw()));
        if addresses.chain(incident.links.iter().cloned()).any(|link| self.leads_to(link.url.as_str(), book)) {
            return Some((Reason::Address, 0));
        }
        let service = incident.service.as_ref()?;
        book.services.contains(service).then_some((Reason::Service, 0))
    }
    /// Whether people who follow `address` read this runbook.
    fn leads_to(&self, address: &str, book: &Runbook) -> bool {
        let Some(place) = &book.place else { return false };
        let page = address.trim().split(['#', '?']).next().unwrap_or_default().trim_end_matches('/');
        let bare = |text: &str| {
            let cut = [".md", ".markdown", ".html"].iter().find_map(|end| text.strip_suffix(end));
            cut.unwrap_or(text).to_ascii_lowercase()
        };
        self.base_urls.iter().filter_map(|base| page.strip_prefix(base.as_str())).any(|rest| bare(rest) == bare(place))
    }
}

/// The labels of a stalled queue with the name that an alert of it has.
fn as_alert(labels: &Labels) -> Labels {
    let mut labels = labels.clone();
    labels.0.entry(Untrusted::new("alertname")).or_insert_with(|| Untrusted::new(STALLED));
    labels
}

/// How much a runbook asks of an alert with these labels; `None` if it does not ask for such an alert.
fn asked(book: &Runbook, labels: &Labels) -> Option<usize> {
    // An exact value says more than a pattern, a pattern more than that something is not so.
    let weight = |op| match op {
        Op::Equal => 4,
        Op::Match => 2,
        Op::NotEqual | Op::NotMatch => 1,
    };
    let covering = book.alerts.iter().filter(|matchers| matchers.cover(labels));
    covering.map(|m| m.conditions().map(|c| weight(c.op)).sum()).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Hash, LabelMatcher, Labels, Link, Matchers, Origin, QueueSample, Severity, Status};

    fn book(id: &str, alerts: &[&str], services: &[&str]) -> Arc<Runbook> {
        let alerts = alerts.iter().map(|text| Matchers::new(&LabelMatcher::list(text).unwrap()).unwrap()).collect();
        Arc::new(Runbook {
            id: id.into(),
            title: id.into(),
            services: services.iter().map(|s| (*s).into()).collect(),
            alerts,
            prose: Vec::new(),
            steps: Vec::new(),
            file: format!("/etc/rb/{id}.md").into(),
            place: Some(format!("shop/{id}.md")),
            hash: Hash::of(id.as_bytes()),
        })
    }
    fn incident(labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> Incident {
        let labels: Labels = labels.iter().copied().collect();
        Incident {
            id: "am:1".into(),
            title: "t".into(),
            severity: Severity::P1,
            service: labels.get("service").map(super::super::super::Untrusted::text),
            status: Status::Triggered,
            since: None,
            labels,
            annotations: annotations.iter().copied().collect(),
            links: Vec::new(),
            sources: Vec::new(),
            silenced: false,
            inhibited: false,
            ack: None,
            lapsed: None,
            version: 0,
            origin: Origin::Alertmanager { source: "am".into(), starts_at: chrono::DateTime::UNIX_EPOCH },
            stale: false,
            members: Vec::new(),
            keys: Vec::new(),
        }
    }
    fn matching(library: &Library, incident: &Incident) -> Vec<(String, Reason)> {
        library.matching(incident).into_iter().map(|(book, why)| (book.id.to_string(), why)).collect()
    }

    #[test]
    fn the_fittest_runbook_comes_first() {
        let library = Library {
            books: vec![
                book("all-of-checkout", &[], &["checkout"]),
                book("any-stall", &["alertname=~\"Queue.*\""], &[]),
                book("this-stall", &["alertname=\"Other\"", "alertname=\"QueueStalled\", service=\"checkout\""], &[]),
                book("elsewhere", &["alertname=\"QueueStalled\", service=\"cart\""], &["cart"]),
                book("by-address", &[], &["checkout"]),
            ],
            base_urls: vec!["https://wiki/rb/".to_owned()],
            ..Library::default()
        };
        let stalled = incident(
            &[("alertname", "QueueStalled"), ("service", "checkout")],
            &[("runbook_url", "https://wiki/rb/shop/By-Address/#restart")],
        );
        let expected = [
            ("this-stall", Reason::Alert),
            ("any-stall", Reason::Alert),
            ("by-address", Reason::Address),
            ("all-of-checkout", Reason::Service),
        ];
        assert_eq!(matching(&library, &stalled), expected.map(|(id, why)| (id.to_owned(), why)));
        assert!(matching(&library, &incident(&[("alertname", "Else")], &[])).is_empty());
    }

    #[test]
    fn a_queue_is_served_by_what_asks_for_its_stall_whether_it_stalls_or_not() {
        let library = Library {
            books: vec![
                book("other", &["alertname=\"QueueStalled\", queue=\"mail\""], &[]),
                book("all-of-checkout", &[], &["checkout"]),
                book("any-stall", &["alertname=\"QueueStalled\""], &[]),
                book("orders", &["alertname=\"QueueStalled\", queue=~\"ord.*\", source=\"rabbit\""], &[]),
            ],
            ..Library::default()
        };
        let sample = QueueSample { name: "orders".into(), ready: Some(3), ..QueueSample::default() };
        let at = chrono::DateTime::UNIX_EPOCH;
        let row = QueueRow { service: Some("checkout".into()), ..QueueRow::seen(None, &"rabbit".into(), &sample, at, &[]).unwrap() };
        let names = |found: Vec<(&Arc<Runbook>, Reason)>| found.into_iter().map(|(b, _)| b.id.to_string()).collect::<Vec<_>>();
        assert_eq!(names(library.matching_queue(&row)), ["orders", "any-stall", "all-of-checkout"]);
        let labels = [("queue", "orders"), ("source", "rabbit"), ("service", "checkout")];
        let origin = Origin::Queue { queue: row.id.clone(), seen_at: at };
        let stalled = Incident { origin, ..incident(&labels, &[]) };
        assert_eq!(names(library.matching(&stalled).into_iter().collect()), ["orders", "any-stall", "all-of-checkout"]);
        assert_eq!(names(library.matching(&incident(&labels, &[]))), ["all-of-checkout"], "an alert of another name");
    }

    #[test]
    fn an_address_leads_to_a_file_only_under_a_known_base() {
        let library = Library { books: vec![book("x", &[], &[])], base_urls: vec!["https://wiki/rb/".to_owned()], ..Library::default() };
        for (address, leads) in [
            ("https://wiki/rb/shop/x.md", true),
            ("https://wiki/rb/shop/x.html?v=2", true),
            ("https://wiki/rb/shop/x", true),
            ("https://wiki/rb/../rb/shop/x", true),
            ("https://wiki/rb/../shop/x", false),
            ("https://wiki/rb/%2e%2e/shop/x", false),
            ("https://evil/rb/shop/x", false),
            ("https://wiki/rb/x", false),
            ("", false),
        ] {
            let mut found = incident(&[], &[("runbook_url", address)]);
            assert_eq!(!library.matching(&found).is_empty(), leads, "{address}");
            found.annotations = Labels::default();
            found.links = Link::web("runbook", address).into_iter().collect();
            assert_eq!(!library.matching(&found).is_empty(), leads && !address.is_empty(), "link {address}");
        }
    }
}
