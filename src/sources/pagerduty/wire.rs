//! What PagerDuty's JSON looks like, and how it becomes the nouns of the domain. What is missing is absent, never an error.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    super::alertmanager::{instant, or_default},
    pages::Page,
};
use crate::domain::{Holder, Labels, Link, OnCallEntry, PagedIncident, Severity, Text};

/// What is shown of one detail of an alert, in characters.
const DETAIL: usize = 1_000;

/// A page of incidents.
#[derive(Deserialize)]
pub struct Incidents {
    incidents: Vec<WireIncident>,
    #[serde(default, deserialize_with = "or_default")]
    more: bool,
}

impl Page for Incidents {
    type Item = WireIncident;
    fn open(self) -> (Vec<WireIncident>, bool) {
        (self.incidents, self.more)
    }
    fn key(item: &WireIncident) -> String {
        item.id.clone()
    }
}

/// A page of on-call entries.
#[derive(Deserialize)]
pub struct OnCalls {
    oncalls: Vec<WireOnCall>,
    #[serde(default, deserialize_with = "or_default")]
    more: bool,
}

impl Page for OnCalls {
    type Item = WireOnCall;
    fn open(self) -> (Vec<WireOnCall>, bool) {
        (self.oncalls, self.more)
    }
    fn key(item: &WireOnCall) -> String {
        let id = |r: &Option<Reference>| r.as_ref().map_or("", |r| r.id.as_str()).to_owned();
        format!("{}/{}/{}/{}/{:?}", item.user.id, id(&item.escalation_policy), id(&item.schedule), item.escalation_level, item.start)
    }
}

/// Users that a search found.
#[derive(Deserialize)]
pub struct Users {
    users: Vec<WireUser>,
}

impl Users {
    /// The one with exactly this mail address: the search there finds parts of names too.
    pub fn by_email(self, email: &str) -> Option<WireUser> {
        self.users.into_iter().find(|user| user.email.eq_ignore_ascii_case(email))
    }
}

/// One incident by itself.
#[derive(Deserialize)]
pub struct OneIncident {
    pub incident: WireIncident,
}

/// A user.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct WireUser {
    #[serde(deserialize_with = "or_default")]
    pub id: String,
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    #[serde(deserialize_with = "or_default")]
    pub email: String,
    #[serde(deserialize_with = "or_default")]
    pub role: String,
}

/// Something named: a reference, or the whole thing where it was included.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Reference {
    #[serde(deserialize_with = "or_default")]
    pub id: String,
    #[serde(deserialize_with = "or_default")]
    summary: String,
    #[serde(deserialize_with = "or_default")]
    name: String,
    #[serde(deserialize_with = "or_default")]
    email: String,
}

impl Reference {
    /// What people call it.
    pub fn called(&self) -> Text {
        let name = [&self.summary, &self.name, &self.id].into_iter().find(|n| !n.is_empty());
        Text::clean(name.map_or("unknown", String::as_str))
    }
    /// Its mail address, if it is a person and was included whole.
    pub fn email(&self) -> Option<Text> {
        (!self.email.is_empty()).then(|| Text::clean(&self.email))
    }
}

/// An incident.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct WireIncident {
    #[serde(deserialize_with = "or_default")]
    pub id: String,
    incident_number: Option<u64>,
    #[serde(deserialize_with = "or_default")]
    title: String,
    #[serde(deserialize_with = "or_default")]
    summary: String,
    #[serde(deserialize_with = "or_default")]
    pub status: String,
    #[serde(deserialize_with = "or_default")]
    urgency: String,
    priority: Option<Reference>,
    #[serde(deserialize_with = "instant")]
    created_at: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "instant")]
    last_status_change_at: Option<DateTime<Utc>>,
    pub last_status_change_by: Option<Reference>,
    service: Option<Reference>,
    escalation_policy: Option<Reference>,
    #[serde(deserialize_with = "or_default")]
    pub assignments: Vec<Assignment>,
    #[serde(deserialize_with = "or_default")]
    pub acknowledgements: Vec<Acknowledgement>,
    #[serde(deserialize_with = "or_default")]
    pub pending_actions: Vec<Pending>,
    #[serde(deserialize_with = "or_default")]
    incident_key: String,
    #[serde(deserialize_with = "or_default")]
    html_url: String,
    first_trigger_log_entry: Option<Trigger>,
    conference_bridge: Option<Bridge>,
}

/// Whom an incident is given to.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Assignment {
    #[serde(deserialize_with = "or_default")]
    pub assignee: Reference,
}

/// Who took it.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Acknowledgement {
    #[serde(deserialize_with = "instant")]
    at: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "or_default")]
    pub acknowledger: Reference,
}

/// What will happen to it of itself.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Pending {
    #[serde(rename = "type", deserialize_with = "or_default")]
    pub what: String,
    #[serde(deserialize_with = "instant")]
    pub at: Option<DateTime<Utc>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Trigger {
    #[serde(deserialize_with = "or_default")]
    channel: Channel,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Channel {
    #[serde(deserialize_with = "or_default")]
    details: Value,
    #[serde(deserialize_with = "or_default")]
    client_url: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Bridge {
    #[serde(deserialize_with = "or_default")]
    conference_url: String,
}

impl WireIncident {
    /// When it goes back to nobody of itself.
    pub fn until(&self) -> Option<DateTime<Utc>> {
        self.pending_actions.iter().find(|p| p.what == "unacknowledge").and_then(|p| p.at)
    }

    /// As the domain has it; `None` for one without an id, which could not be acted on.
    pub fn paged(self, severities: &BTreeMap<String, Severity>, now: DateTime<Utc>) -> Option<PagedIncident> {
        if self.id.is_empty() || self.status == "resolved" {
            return None;
        }
        let holder = |a: &Acknowledgement| Holder {
            who: a.acknowledger.called(),
            email: a.acknowledger.email(),
            at: a.at.or(self.last_status_change_at).unwrap_or(now),
        };
        let title = [&self.title, &self.summary].into_iter().find(|t| !t.is_empty());
        Some(PagedIncident {
            number: self.incident_number,
            title: Text::clean(title.map_or("an incident without a title", String::as_str)),
            severity: severity(severities, self.priority.as_ref(), &self.urgency),
            service: self.service.as_ref().map(Reference::called),
            acknowledged: self.status == "acknowledged",
            holders: self.acknowledgements.iter().map(holder).collect(),
            until: self.until(),
            created_at: self.created_at.unwrap_or(now),
            changed_at: self.last_status_change_at,
            assigned: self.assignments.iter().map(|a| a.assignee.called()).collect(),
            policy: self.escalation_policy.as_ref().map(Reference::called),
            key: (!self.incident_key.is_empty()).then(|| Text::clean(&self.incident_key)),
            labels: self.first_trigger_log_entry.as_ref().map(|t| labels(&t.channel.details)).unwrap_or_default(),
            links: self.links(),
            id: self.id,
        })
    }

    fn links(&self) -> Vec<Link> {
        let trigger = self.first_trigger_log_entry.as_ref().map_or("", |t| t.channel.client_url.as_str());
        let bridge = self.conference_bridge.as_ref().map_or("", |b| b.conference_url.as_str());
        let named = [("PagerDuty", self.html_url.as_str()), ("alert", trigger), ("conference", bridge)];
        named.into_iter().filter_map(|(name, url)| Link::web(name, url)).collect()
    }
}

/// Priority before urgency, and of each the row's own table before what the word usually means: high pages and low waits.
fn severity(own: &BTreeMap<String, Severity>, priority: Option<&Reference>, urgency: &str) -> Severity {
    let priority = priority.map(|p| p.called().as_str().to_lowercase());
    let urgency = urgency.to_lowercase();
    let by_priority = priority.as_deref().and_then(|p| own.get(p).copied().or_else(|| usual(p)));
    by_priority.or_else(|| own.get(&urgency).copied()).unwrap_or(match urgency.as_str() {
        "high" => Severity::P2,
        "low" => Severity::P4,
        _ => Severity::P3,
    })
}

/// `P1`, `SEV-2`, `sev 3`; `None` for words that teams give meanings of their own.
fn usual(name: &str) -> Option<Severity> {
    let short: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let number = short.strip_prefix("sev").or_else(|| short.strip_prefix('p'))?;
    Some(match number {
        "0" | "1" => Severity::P1,
        "2" => Severity::P2,
        "3" => Severity::P3,
        "4" => Severity::P4,
        "5" => Severity::P5,
        _ => return None,
    })
}

/// What an event told of itself: its plain details, and the labels that an Alertmanager wrote into its `firing` text.
fn labels(details: &Value) -> Labels {
    let mut found = BTreeMap::new();
    if let Value::Object(details) = details {
        found.extend(plain(details));
        if let Some(Value::String(firing)) = details.get("firing") {
            found.remove("firing");
            found.extend(alertmanager_labels(firing));
        }
    }
    found.into_iter().collect()
}

fn plain(details: &Map<String, Value>) -> impl Iterator<Item = (String, String)> + '_ {
    details.iter().filter_map(|(name, value)| {
        let text = match value {
            Value::String(text) => text.chars().take(DETAIL).collect(),
            Value::Number(n) => n.to_string(),
            Value::Bool(b) => b.to_string(),
            _ => return None,
        };
        Some((name.clone(), text))
    })
}

/// ` - name = value` below `Labels:`, as an Alertmanager's usual template writes its first alert.
fn alertmanager_labels(firing: &str) -> impl Iterator<Item = (String, String)> + '_ {
    let below = firing.lines().skip_while(|line| line.trim() != "Labels:").skip(1);
    below.map_while(|line| {
        let (name, value) = line.trim_start().strip_prefix("- ")?.split_once(" = ")?;
        Some((name.to_owned(), value.to_owned()))
    })
}

/// One stretch of one person on call.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct WireOnCall {
    #[serde(deserialize_with = "or_default")]
    user: Reference,
    schedule: Option<Reference>,
    escalation_policy: Option<Reference>,
    #[serde(deserialize_with = "or_default")]
    escalation_level: u32,
    #[serde(deserialize_with = "instant")]
    start: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "instant")]
    end: Option<DateTime<Utc>>,
}

impl WireOnCall {
    /// As the domain has it.
    pub fn entry(self) -> OnCallEntry {
        OnCallEntry {
            who: self.user.called(),
            email: self.user.email(),
            level: self.escalation_level.max(1),
            schedule: self.schedule.as_ref().map(Reference::called),
            policy: self.escalation_policy.as_ref().map(Reference::called),
            from: self.start,
            until: self.end,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn urgency_and_priority_have_usual_meanings_that_a_row_can_change() {
        let named = |name: &str| Some(Reference { summary: name.to_owned(), ..Reference::default() });
        let own: BTreeMap<_, _> = [("low".to_owned(), Severity::P5), ("drop everything".to_owned(), Severity::P1)].into();
        for (priority, urgency, usually, ours) in [
            (None, "high", Severity::P2, Severity::P2),
            (None, "low", Severity::P4, Severity::P5),
            (None, "", Severity::P3, Severity::P3),
            (named("P1"), "low", Severity::P1, Severity::P1),
            (named("SEV-3"), "high", Severity::P3, Severity::P3),
            (named("Drop Everything"), "low", Severity::P4, Severity::P1),
            (named("P9"), "high", Severity::P2, Severity::P2),
        ] {
            let found = [&BTreeMap::new(), &own].map(|table| severity(table, priority.as_ref(), urgency));
            assert_eq!(found, [usually, ours], "{urgency} {:?}", priority.map(|p| p.called()));
        }
    }

    #[test]
    fn labels_are_plain_details_and_what_an_alertmanager_wrote() {
        let firing = "Labels:\n - alertname = HighErrors\n - service = checkout\nAnnotations:\n - summary = bad\nSource: http://prom\n";
        let found = labels(&json!({"firing": firing, "num_firing": 1, "nested": {"a": 1}, "gone": null}));
        let found: Vec<_> = found.0.iter().map(|(n, v)| (n.raw(), v.raw())).collect();
        assert_eq!(found, [("alertname", "HighErrors"), ("num_firing", "1"), ("service", "checkout")]);
        assert_eq!(labels(&json!("just text")), Labels::default());
    }
}
