//! The plan: what is watched and by which rules; and the ask: what one poll should bring.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::{
    DefinitionId, Grade, Group, GroupRule, Interval, Library, Objective, QueueGauges, QueueRule, Rotation, Rule, Seat, Severity, Sli,
    SloId, SourceName, Text, Window,
};

/// All that a cockpit watches. A reload makes a new one.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What this cockpit is called.
    pub name: Text,
    /// In which zone times of day are shown.
    pub time_zone: Tz,
    /// Backends, in the order of the file.
    pub sources: Vec<SourcePlan>,
    /// SLO definitions, in the order of the file.
    pub definitions: Vec<Arc<Definition>>,
    /// Services, by name.
    pub services: BTreeMap<Text, Service>,
    /// People.
    pub people: Vec<Person>,
    /// Rotations, in the order of the file.
    pub rotations: Vec<Arc<Rotation>>,
    /// Rotas that sources keep, in the order of the file.
    pub feeds: Vec<Feed>,
    /// The runbooks there are.
    pub runbooks: Arc<Library>,
    /// What is expected of queues; of those that speak of one queue the first counts.
    pub queues: Vec<Arc<QueueRule>>,
    /// Queues that metrics sources tell of.
    pub gauges: Vec<Arc<QueueGauges>>,
    /// What is one incident: the first that an alert fits counts.
    pub groups: Vec<GroupRule>,
    /// How acknowledgements live.
    pub ack: AckPolicy,
    /// Whether acting is switched off everywhere.
    pub read_only: bool,
}

/// How a backend is polled.
#[derive(Clone, Debug, PartialEq)]
pub struct SourcePlan {
    /// Its name.
    pub name: SourceName,
    /// `prometheus`, `alertmanager`, `scrape`, `pagerduty` and so on.
    pub kind: &'static str,
    /// From poll to poll.
    pub every: Duration,
    /// Deadline of a poll.
    pub timeout: Duration,
    /// Deadline of the questions over a day and more.
    pub timeout_long: Duration,
    /// How long a silence made for an acknowledgement lasts before it must be extended.
    pub ack_for: Duration,
    /// Whether alerts of it are silenced by an acknowledgement also where a source with acknowledgements of its own knows of them.
    pub ack_silences: bool,
    /// What the values of its alerts' `severity` label mean here, in small letters, where that is not what they usually mean.
    pub severities: BTreeMap<String, Severity>,
    /// Whether a heartbeat alert is expected of it.
    pub heartbeat: bool,
    /// How often the backend takes samples: figures older than twice this (or 2 minutes, if that is more) are stale.
    pub scrape_interval: Duration,
    /// Whether certificates are not verified: said on screen while it is so.
    pub insecure: bool,
}

impl Plan {
    /// The source of this name.
    pub fn source(&self, name: &SourceName) -> Option<&SourcePlan> {
        self.sources.iter().find(|s| s.name == *name)
    }
    /// The definition of this id.
    pub fn definition(&self, id: &DefinitionId) -> Option<&Arc<Definition>> {
        self.definitions.iter().find(|d| d.id == *id)
    }
}

impl SourcePlan {
    /// From asking to asking for one window: short ones each poll, from a day every 5 minutes, from three days every 15, from a week
    /// every 30. The samples a backend scans are its bill, and the long windows are most of it.
    pub fn cadence(&self, window: Window) -> Duration {
        let minutes = |m: u64| Duration::from_mins(m).max(self.every);
        match window.secs() {
            0..86_400 => self.every,
            86_400..259_200 => minutes(5),
            259_200..604_800 => minutes(15),
            _ => minutes(30),
        }
    }
    /// Age from which a figure over `window` counts as stale: two of its intervals and its deadline.
    pub fn figure_stale_after(&self, window: Window) -> Duration {
        let deadline = if window.secs() < 86_400 { self.timeout } else { self.timeout_long };
        self.cadence(window) * 2 + deadline
    }
    /// Age from which its last answer counts as stale: two intervals and the deadline.
    pub fn stale_after(&self) -> Duration {
        self.every * 2 + self.timeout
    }
    /// Age from which a sample counts as stale: two scrape intervals, at least two minutes.
    pub fn sample_stale_after(&self) -> Duration {
        (self.scrape_interval * 2).max(Duration::from_mins(2))
    }
}

/// How acknowledgements live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckPolicy {
    /// The longest an acknowledgement is held without being made anew.
    pub max: Duration,
}

/// Someone who can be on call, own a service, or act.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// Short name, unique.
    pub name: Text,
    /// Login name on this host.
    pub login: Option<String>,
    /// Mail address.
    pub email: Option<Text>,
    /// Where they live.
    pub time_zone: Option<Tz>,
    /// Hours of their night, local, from and to.
    pub night: Option<(u32, u32)>,
}

/// A seat of a rota that a source keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// Which source.
    pub source: SourceName,
    /// Of which rotation.
    pub rotation: Text,
    /// Which seat.
    pub seat: Seat,
}

/// Something that serves users.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Its name: the value of the `service` label.
    pub name: Text,
    /// Who owns it.
    pub owner: Option<Text>,
    /// 1 is the most important.
    pub tier: Option<u8>,
    /// Which rotation has the pager for it.
    pub rotation: Option<Text>,
    /// What others call it.
    pub aliases: Vec<Text>,
}

/// One `[[slo]]` row: a promise, fanned out over label values.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Unique: the name, or `source/name` where two rows share it.
    pub id: DefinitionId,
    /// The SLI's name: `availability`.
    pub name: Text,
    /// Which source counts its events.
    pub source: SourceName,
    /// Labels to fan out by, in order; none for a single SLO.
    pub by: Vec<String>,
    /// The service, where `by` does not tell.
    pub service: Option<Text>,
    /// What is promised.
    pub objective: Objective,
    /// What is promised to particular groups, by the group's name.
    pub overrides: BTreeMap<String, Objective>,
    /// The compliance period.
    pub period: Window,
    /// What is counted.
    pub sli: Sli,
    /// When to alert, most urgent first.
    pub rules: Vec<Rule>,
    /// A rule fires only if its short window holds so many events.
    pub min_events: f64,
    /// Whether ids need the source in front.
    pub qualified: bool,
}

impl Definition {
    /// The name of a group: its values joined by `,`, or the service of a row without `by`.
    pub fn group_name(&self, group: &Group) -> String {
        if group.0.is_empty() {
            return self.service.as_ref().map(ToString::to_string).unwrap_or_default();
        }
        group.0.iter().map(|v| v.text().to_string()).collect::<Vec<_>>().join(",")
    }
    /// The id of one group's SLO.
    pub fn slo_id(&self, group: &Group) -> SloId {
        let parts = [if self.qualified { self.source.as_str() } else { "" }, &self.group_name(group), self.name.as_str()];
        SloId::new(&parts.into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join("/"))
    }
    /// The service of one group: its `service` label, else the row's `service`, else the group's name.
    pub fn service_of(&self, group: &Group) -> Text {
        let label = self.by.iter().position(|l| l == "service").and_then(|i| group.0.get(i)).map(super::Untrusted::text);
        label.or_else(|| self.service.clone()).unwrap_or_else(|| Text::clean(&self.group_name(group)))
    }
    /// What is promised to one group.
    pub fn objective_of(&self, group: &Group) -> Objective {
        if self.overrides.is_empty() {
            return self.objective;
        }
        self.overrides.get(&self.group_name(group)).copied().unwrap_or(self.objective)
    }
    /// The windows to ask for: those of the rules, and the period. Ascending, none twice.
    pub fn windows(&self) -> Vec<Window> {
        let rules = self.rules.iter().flat_map(|r| [r.short, r.long]);
        rules.chain([self.period]).collect::<BTreeSet<_>>().into_iter().collect()
    }
    /// The shortest window asked for: what "now" means.
    pub fn shortest(&self) -> Window {
        self.rules.iter().map(|r| r.short.min(r.long)).min().map_or(self.period, |w| w.min(self.period))
    }
    /// The rules of this grade.
    pub fn rules_of(&self, grade: Grade) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(move |r| r.grade == grade)
    }
}

/// Which of a source's two lanes: the long questions never stand in the way of the short ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// Windows under a day, alerts, scrapes; under `timeout`.
    Short,
    /// Windows of a day and more, history, who is on call; under `timeout_long`.
    Long,
}

/// What one poll should bring.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// The wishes, in the order of their urgency.
    pub wants: Vec<Want>,
}

/// One thing to bring: usually one request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "want", rename_all = "snake_case")]
pub enum Want {
    /// Bad and total events of every group of a definition over a window that ends now; for the period also how much of it is covered.
    Counts {
        /// Which definition.
        definition: DefinitionId,
        /// Over which window.
        window: Window,
    },
    /// When each group's newest sample was taken.
    Presence {
        /// Which definition.
        definition: DefinitionId,
    },
    /// Counts over the shortest window, every `step`, for some groups: the sparkline's past.
    History {
        /// Which definition.
        definition: DefinitionId,
        /// For which groups; none for all.
        groups: Vec<Group>,
        /// Window of each point.
        window: Window,
        /// From which time.
        from: DateTime<Utc>,
        /// To which time.
        to: DateTime<Utc>,
        /// From point to point.
        step: Window,
    },
    /// Since when both windows of a rule have been above the threshold.
    Start {
        /// Which definition.
        definition: DefinitionId,
        /// Which group.
        group: Group,
        /// How loud.
        grade: Grade,
    },
    /// Alerts and silences.
    Alerts,
    /// Counters as they stand.
    Scrape,
    /// What a probe sees.
    Probe,
    /// Who is on duty.
    Duties {
        /// When.
        between: Interval,
    },
    /// Open incidents of a service that pages people.
    Incidents,
    /// Who is on call there, now and in the coming days.
    OnCall,
    /// How its queues stand.
    Queues,
}

impl Want {
    /// On which lane it travels.
    pub fn lane(&self) -> Lane {
        match self {
            Self::Counts { window, .. } if window.secs() >= 86_400 => Lane::Long,
            Self::History { .. } | Self::Start { .. } | Self::OnCall => Lane::Long,
            _ => Lane::Short,
        }
    }
}
