//! What is one incident: the same trouble as several sources tell of it, and many alerts of one cause.
//!
//! Grouping never hides: a group says of how many things it is made, is as urgent as its worst member that nothing holds back, is held
//! back only if all of them are, and is acknowledged only if all that want somebody are. What its rules are stands in `docs/GROUPS.md`.
//!
//! 1. A `[[group]]` row that an alert fits, the first of them, groups by the values of its labels.
//! 2. Else alerts of one service and one cause (the name of the alert) are one, in whatever Alertmanager they are; an incident of a
//!    service that pages people is one with them if it tells that name, or if its key is that of one of them.
//! 3. While a rule of ours pages for a service, whatever else pages for that service is one with it.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::{Ack, Delivery, Grade, Incident, IncidentId, Labels, Link, Matchers, Origin, Plan, Severity, Status, Text, Untrusted};

/// A `[[group]]` row.
#[derive(Clone, Debug)]
pub struct GroupRule {
    /// What it is called.
    pub name: Text,
    /// What it fits; everything if there is none.
    pub matchers: Matchers,
    /// By what it groups.
    pub by: GroupBy,
}

/// By what a rule groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// By the values of these labels; without any all is one.
    Labels(Vec<String>),
    /// Everything by itself.
    Nothing,
}

/// The longest key, in characters: longer ones are cut and told apart by a hash.
const LONGEST_KEY: usize = 100;
/// Links that are kept of a group.
const MOST_LINKS: usize = 12;
/// Labels and annotations by which an alert may tell the key that its sender gives to others.
const KEYS: [&str; 3] = ["dedup_key", "incident_key", "pagerduty_dedup_key"];

/// All of `flat` as incidents, those that are one trouble together; in no particular order. `version` tells that of a thread.
pub fn grouped(flat: Vec<Incident>, plan: &Plan, version: impl Fn(&IncidentId) -> u64) -> Vec<Arc<Incident>> {
    let mut bins = Bins::default();
    for incident in flat {
        let key = key(&incident, plan);
        bins.put(key, incident);
    }
    bins.join_by_dedup_key();
    bins.join_by_service();
    bins.whole(&version)
}

/// Incidents by key, and which of the bins are one.
#[derive(Default)]
struct Bins {
    places: HashMap<IncidentId, usize>,
    bins: Vec<Bin>,
}

struct Bin {
    keys: Vec<IncidentId>,
    /// Whether a rule of the config made it: nothing is joined to it.
    ruled: bool,
    members: Vec<Incident>,
    /// The bin that it is one with.
    with: usize,
}

impl Bins {
    fn put(&mut self, Key { id, ruled }: Key, incident: Incident) {
        let new = self.bins.len();
        let place = id.as_ref().map_or(new, |id| *self.places.entry(id.clone()).or_insert(new));
        match self.bins.get_mut(place) {
            Some(bin) => bin.members.push(incident),
            None => self.bins.push(Bin { keys: id.into_iter().collect(), ruled, members: vec![incident], with: new }),
        }
    }

    /// Those that rules of the config leave alone, and their places.
    fn free(&self) -> impl Iterator<Item = (usize, &Bin)> {
        self.bins.iter().enumerate().filter(|(_, bin)| !bin.ruled)
    }

    fn root(&self, mut at: usize) -> usize {
        while let Some(bin) = self.bins.get(at).filter(|bin| bin.with != at) {
            at = bin.with;
        }
        at
    }

    fn join(&mut self, pairs: &[(usize, usize)]) {
        for (one, other) in pairs {
            let (one, other) = (self.root(*one), self.root(*other));
            if let Some(bin) = self.bins.get_mut(one.max(other)) {
                bin.with = one.min(other);
            }
        }
    }

    /// What is paged under a key by which another goes is that one.
    fn join_by_dedup_key(&mut self) {
        let keys = self.free().flat_map(|(at, bin)| bin.members.iter().filter_map(move |m| Some((dedup_key(m)?, at))));
        let keys: Vec<_> = keys.collect();
        if keys.is_empty() {
            return;
        }
        let mut known: HashMap<&str, usize> = HashMap::new();
        for (at, bin) in self.free() {
            for name in bin.members.iter().flat_map(called) {
                known.entry(name).or_insert(at);
            }
        }
        let pairs: Vec<_> = keys.into_iter().filter_map(|(key, at)| Some((at, *known.get(key)?))).collect();
        self.join(&pairs);
    }

    /// While a rule of ours pages for a service, whatever else pages for it is one with it.
    fn join_by_service(&mut self) {
        let own_page = |m: &&Incident| matches!(m.origin, Origin::Own { grade: Grade::Page, .. });
        let mut burning: HashMap<&Text, usize> = HashMap::new();
        for (at, bin) in self.free() {
            for service in bin.members.iter().filter(own_page).filter_map(|m| m.service.as_ref()) {
                burning.entry(service).or_insert(at);
            }
        }
        if burning.is_empty() {
            return;
        }
        let pages = |m: &&Incident| m.severity.pages() && !m.is_held_back();
        let home = |m: &Incident| burning.get(m.service.as_ref()?).copied();
        let pairs: Vec<_> = self.free().filter_map(|(at, bin)| Some((at, bin.members.iter().find(pages).and_then(home)?))).collect();
        self.join(&pairs);
    }

    fn whole(mut self, version: &impl Fn(&IncidentId) -> u64) -> Vec<Arc<Incident>> {
        for at in (0..self.bins.len()).rev() {
            let root = self.root(at);
            let moved =
                self.bins.get_mut(at).filter(|_| root != at).map(|bin| (std::mem::take(&mut bin.members), std::mem::take(&mut bin.keys)));
            if let (Some((members, keys)), Some(bin)) = (moved, self.bins.get_mut(root)) {
                bin.members.extend(members);
                bin.keys.extend(keys);
            }
        }
        let known = |i: Incident| if i.members.is_empty() { i } else { Incident { version: version(&i.id), ..i } };
        self.bins.into_iter().filter_map(|bin| one(bin.members, bin.keys)).map(|i| Arc::new(known(i))).collect()
    }
}

/// The key under which its sender pages this incident.
fn dedup_key(incident: &Incident) -> Option<&str> {
    match &incident.origin {
        Origin::PagerDuty { key, .. } => key.as_ref().map(Text::as_str),
        Origin::Alertmanager { .. } | Origin::Own { .. } | Origin::Queue { .. } => None,
    }
}

/// What an incident of ours or of an Alertmanager may be called by a sender of events: its id, its fingerprint, a key that it tells.
fn called(incident: &Incident) -> impl Iterator<Item = &str> {
    let fingerprint = match &incident.origin {
        Origin::Alertmanager { source, .. } => incident.id.as_str().strip_prefix(source.as_str()).and_then(|rest| rest.strip_prefix(':')),
        Origin::PagerDuty { .. } | Origin::Own { .. } | Origin::Queue { .. } => None,
    };
    let told = KEYS.iter().flat_map(|key| [incident.labels.get(key), incident.annotations.get(key)]).flatten().map(Untrusted::raw);
    let slo = if let Origin::Own { slo, .. } = &incident.origin { Some(slo.as_str()) } else { None };
    let ours = !matches!(incident.origin, Origin::PagerDuty { .. });
    std::iter::once(incident.id.as_str()).chain(slo).chain(fingerprint).chain(told).filter(move |_| ours)
}

// ---- keys

/// Under which key an incident is grouped; by itself without one.
struct Key {
    id: Option<IncidentId>,
    ruled: bool,
}

fn key(incident: &Incident, plan: &Plan) -> Key {
    if let Some(key) = by_rule(incident, &plan.groups) {
        return key;
    }
    let cause = incident.labels.get("alertname").filter(|name| !name.raw().is_empty());
    let service = incident.service.as_ref().map_or("", Text::as_str);
    Key { id: cause.map(|cause| key_of("", &[service, cause.raw()])), ruled: false }
}

fn by_rule(incident: &Incident, rules: &[GroupRule]) -> Option<Key> {
    if rules.is_empty() {
        return None;
    }
    let labels = told(incident);
    let rule = rules.iter().find(|rule| rule.matchers.cover(&labels))?;
    let GroupBy::Labels(names) = &rule.by else { return Some(Key { id: None, ruled: true }) };
    let mut values: Vec<_> = names.iter().map(|name| labels.get(name).map_or("", Untrusted::raw)).collect();
    if names.is_empty() {
        values.push("all");
    }
    Some(Key { id: Some(key_of(&format!("{}:", rule.name), &values)), ruled: true })
}

/// What a rule can ask of an incident: its labels, whose service it is, and its source.
fn told(incident: &Incident) -> Labels {
    let mut labels = incident.labels.clone();
    let mut add = |name: &str, value: &str| _ = labels.0.insert(Untrusted::new(name), Untrusted::new(value));
    if let Some(service) = &incident.service {
        add("service", service.as_str());
    }
    if let Some(source) = incident.sources.first() {
        add("source", source.as_str());
    }
    labels
}

/// `checkout/HighErrors`, of a rule `rule:eu/HighErrors`; a long one is cut, and then its hash tells it from others.
fn key_of(rule: &str, values: &[&str]) -> IncidentId {
    let parts: Vec<_> = values.iter().filter(|part| !part.is_empty()).map(|part| part.replace('/', "%2F")).collect();
    let whole = format!("{rule}{}", parts.join("/"));
    if whole.chars().count() <= LONGEST_KEY {
        return IncidentId::new(&whole);
    }
    let cut: String = whole.chars().take(LONGEST_KEY).collect();
    let hash = Sha256::digest(whole.as_bytes()).iter().take(4).fold(0_u32, |hash, byte| hash << 8 | u32::from(*byte));
    IncidentId::new(&format!("{cut}…{hash:08x}"))
}

// ---- one of several

/// What wants somebody first: not held back, nobody's, most severe, longest.
pub fn order(i: &Incident) -> (bool, bool, Severity, Option<DateTime<Utc>>, &IncidentId) {
    (i.is_held_back(), i.status != Status::Triggered, i.severity, i.since, &i.id)
}

/// One incident of what is one; `None` of nothing.
fn one(mut members: Vec<Incident>, keys: Vec<IncidentId>) -> Option<Incident> {
    if members.len() < 2 {
        return members.pop().map(|only| Incident { keys, ..only });
    }
    hold_by_book(&mut members);
    members.sort_by(|a, b| order(a).cmp(&order(b)));
    let lead = members.iter().min_by_key(|m| rank(m))?.clone();
    Some(group(lead, members, keys))
}

/// Who has an incident in the book of a service that pages people has what else tells of it too, as far as that had begun by then.
fn hold_by_book(members: &mut [Incident]) {
    let paged = |m: &&Incident| matches!(m.origin, Origin::PagerDuty { .. });
    let held = members.iter().filter(paged).filter_map(|m| m.ack.as_ref()).filter(|ack| ack.delivery != Delivery::Failed);
    let Some(book) = held.max_by_key(|ack| ack.at).cloned() else { return };
    for member in members.iter_mut().filter(|m| !paged(&&**m) && m.ack.is_none() && m.occurrence() <= book.at) {
        member.status = Status::Acknowledged;
        member.lapsed = None;
        member.ack = Some(book.clone());
    }
}

/// Which member gives a group its name: a rule of ours that pages, else what pages people, else the one that wants somebody most.
fn rank(m: &Incident) -> u8 {
    match &m.origin {
        Origin::Own { grade: Grade::Page, .. } => 0,
        Origin::PagerDuty { .. } => 1,
        Origin::Own { .. } | Origin::Queue { .. } | Origin::Alertmanager { .. } => 2,
    }
}

fn group(lead: Incident, members: Vec<Incident>, keys: Vec<IncidentId>) -> Incident {
    let free: Vec<_> = members.iter().filter(|m| !m.is_held_back()).collect();
    let counted: Vec<_> = if free.is_empty() { members.iter().collect() } else { free.clone() };
    let of_alerts = matches!(lead.origin, Origin::Alertmanager { .. });
    let ack = ack_of(&counted);
    Incident {
        id: if of_alerts { keys.first().cloned().unwrap_or_else(|| lead.id.clone()) } else { lead.id.clone() },
        title: if of_alerts { title(&members, lead.service.as_ref()) } else { lead.title.clone() },
        severity: counted.iter().map(|m| m.severity).min().unwrap_or(lead.severity),
        status: if ack.as_ref().is_some_and(|ack| ack.delivery != Delivery::Failed) { Status::Acknowledged } else { Status::Triggered },
        since: counted.iter().filter_map(|m| m.since).min(),
        labels: common(members.iter().map(|m| &m.labels)),
        annotations: common(members.iter().map(|m| &m.annotations)),
        links: links(&members),
        sources: sources(&members),
        silenced: free.is_empty() && members.iter().any(|m| m.silenced),
        inhibited: free.is_empty() && !members.iter().any(|m| m.silenced),
        lapsed: if ack.is_none() { members.iter().filter_map(|m| m.lapsed.clone()).max_by_key(|(_, at)| *at) } else { None },
        ack,
        stale: members.iter().all(|m| m.stale),
        service: lead.service.clone(),
        version: lead.version,
        origin: lead.origin,
        members: members.into_iter().map(Arc::new).collect(),
        keys,
    }
}

/// Who has all of it: of several acknowledgements the one that is least delivered, else that of a service that pages people, else the
/// newest; `None` if somebody is still wanted.
fn ack_of(members: &[&Incident]) -> Option<Ack> {
    let all: Option<Vec<&Ack>> = members.iter().map(|m| m.ack.as_ref()).collect();
    let least = |ack: &&Ack| match ack.delivery {
        Delivery::Done => 0,
        Delivery::Pending => 1,
        Delivery::Unknown => 2,
        Delivery::Failed => 3,
    };
    let book = |ack: &&Ack| matches!(ack.target, super::Target::PagerDuty { .. });
    all?.into_iter().max_by_key(|ack| (least(ack), book(ack), ack.at)).cloned()
}

/// What all alerts say, else whose they are and what they are called: `checkout: HighErrors`.
fn title(members: &[Incident], service: Option<&Text>) -> Text {
    let Some(first) = members.first() else { return Text::default() };
    if members.iter().all(|m| m.title == first.title) {
        return first.title.clone();
    }
    let mut names: Vec<Text> = Vec::new();
    for name in members.iter().map(|m| m.labels.get("alertname").map_or_else(|| m.title.clone(), Untrusted::text)) {
        if !names.contains(&name) {
            names.push(name);
        }
        if names.len() > MOST_LINKS {
            break;
        }
    }
    let whose = service.filter(|_| members.iter().all(|m| m.service.as_ref() == service)).map(|s| format!("{s}: ")).unwrap_or_default();
    Text::from(match names.as_slice() {
        [only] => format!("{whose}{only}"),
        [one, other] => format!("{whose}{one} and {other}"),
        [one, others @ ..] => format!("{whose}{one} and {} others", others.len()),
        [] => first.title.to_string(),
    })
}

/// The labels that all have, with the values that all have.
pub fn common<'a>(mut all: impl Iterator<Item = &'a Labels>) -> Labels {
    let mut shared = all.next().cloned().unwrap_or_default();
    for labels in all {
        if shared.0.is_empty() {
            break;
        }
        shared.0.retain(|name, value| labels.0.get(name) == Some(value));
    }
    shared
}

fn links(members: &[Incident]) -> Vec<Link> {
    let mut kept: Vec<Link> = Vec::new();
    for link in members.iter().flat_map(|m| &m.links) {
        if kept.len() == MOST_LINKS {
            break;
        }
        if !kept.contains(link) {
            kept.push(link.clone());
        }
    }
    kept
}

fn sources(members: &[Incident]) -> Vec<super::SourceName> {
    let mut kept = Vec::new();
    for source in members.iter().flat_map(|m| &m.sources) {
        if !kept.contains(source) {
            kept.push(source.clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests;
