//! The log of an incident: what happened to it there, and who did it.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{
    PagerDuty,
    pages::{Page, Sequence},
    wire::Reference,
};
use crate::{
    domain::{Fault, Lane, Moment, Text},
    sources::{
        alertmanager::{instant, or_default},
        failure::Failure,
        source::{Chronicle, Now, Turn},
    },
};

#[async_trait]
impl Chronicle for PagerDuty {
    async fn timeline(&self, incident: &str, now: Now<'_>) -> Result<Vec<Moment>, Fault> {
        let turn = Turn::begin(Lane::Short, self.deadlines, now);
        let query = [("is_overview", "true"), ("include[]", "channels")];
        let listed = self.all::<LogEntries>(&["incidents", incident, "log_entries"], &query, Sequence::Loose, &turn).await;
        let mut moments: Vec<_> = listed.map_err(Failure::fault)?.items.into_iter().filter_map(WireEntry::moment).collect();
        moments.sort_by_key(|m| m.at);
        Ok(moments)
    }
}

#[derive(Deserialize)]
struct LogEntries {
    log_entries: Vec<WireEntry>,
    #[serde(default, deserialize_with = "or_default")]
    more: bool,
}

impl Page for LogEntries {
    type Item = WireEntry;
    fn open(self) -> (Vec<WireEntry>, bool) {
        (self.log_entries, self.more)
    }
    fn key(item: &WireEntry) -> String {
        item.id.clone()
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct WireEntry {
    #[serde(deserialize_with = "or_default")]
    id: String,
    #[serde(rename = "type", deserialize_with = "or_default")]
    kind: String,
    #[serde(deserialize_with = "or_default")]
    summary: String,
    #[serde(deserialize_with = "instant")]
    created_at: Option<DateTime<Utc>>,
    agent: Option<Reference>,
    #[serde(deserialize_with = "or_default")]
    channel: Channel,
    #[serde(deserialize_with = "or_default")]
    note: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Channel {
    #[serde(deserialize_with = "or_default")]
    summary: String,
}

impl WireEntry {
    /// `None` for one without a time, which has no place in a timeline.
    fn moment(self) -> Option<Moment> {
        let kind = self.kind.trim_end_matches("_reference").trim_end_matches("_log_entry").replace('_', " ");
        let text = [&self.note, &self.channel.summary, &self.summary].into_iter().find(|t| !t.is_empty()).cloned().unwrap_or_default();
        let who = self.agent.as_ref().map(Reference::called);
        Some(Moment { at: self.created_at?, what: Text::clean(&kind), who, text: Text::clean(&text) })
    }
}
