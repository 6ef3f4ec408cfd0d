//! PagerDuty (REST v2): open incidents, who is on call, and acts in a person's name.
//!
//! PagerDuty keeps its own book of who has what, so its word on that is taken and nothing is kept beside it. All requests of one account
//! share an allowance: pages are asked one after the other, a refusal for haste (429) is waited out and its page asked again, and when
//! an answer says that the allowance is used up nothing more is asked until it begins anew. Reading is in `pages`, the shapes of the wire
//! in `wire`, acting in `acts`, the log of an incident in `timeline`, what our credentials allow in `exam`.

mod acts;
mod exam;
mod pages;
mod timeline;
mod wire;

use std::{collections::BTreeMap, sync::Mutex};

use async_trait::async_trait;
use chrono::SecondsFormat;
use futures::future::join_all;
use serde::de::DeserializeOwned;
use tokio::time::{Duration, Instant, sleep_until};

use self::{
    pages::Sequence,
    wire::{Incidents, OnCalls, WireOnCall},
};
use super::{
    address::Address,
    failure::{Failure, Reached, json_trouble},
    http::{Call, Good, Http},
    settings::{BadSettings, Deadlines, PagerDutySettings},
    source::{Chronicle, Examiner, Gives, Lanes, Now, Piece, Responder, Source, Turn},
};
use crate::domain::{Answer, Ask, FaultClass, Lane, OnCallEntry, Reading, Severity, SourceName, Text, Want};

/// What an answer should be; the plain type behind it is for proxies and stand-ins that know no other.
const ACCEPT: &str = "application/vnd.pagerduty+json;version=2, application/json";
/// The pause after a 429 that names none, in seconds.
const PAUSE_SECS: u64 = 2;

/// A PagerDuty account.
#[derive(Debug)]
pub struct PagerDuty {
    name: SourceName,
    http: Http,
    base: Address,
    deadlines: Deadlines,
    severities: BTreeMap<String, Severity>,
    services: Vec<String>,
    teams: Vec<String>,
    schedules: Vec<String>,
    lanes: Lanes,
    /// Until when the allowance of requests is used up.
    rest: Mutex<Option<Instant>>,
}

impl PagerDuty {
    /// An account. Fails if a certificate or the token cannot be used.
    pub fn new(settings: PagerDutySettings) -> Result<Self, BadSettings> {
        let base = Address::new(&settings.http.base)?;
        let http = Http::new(&settings.name, &settings.http, std::slice::from_ref(&base), ACCEPT)?;
        Ok(Self {
            name: settings.name,
            http,
            base,
            deadlines: settings.deadlines,
            severities: settings.severities,
            services: settings.services,
            teams: settings.teams,
            schedules: settings.schedules,
            lanes: Lanes::new(),
            rest: Mutex::new(None),
        })
    }

    async fn piece(&self, want: &Want, turn: Turn<'_>) -> Piece {
        let found = match want {
            Want::Incidents => self.incidents(&turn).await,
            Want::OnCall => self.on_call(&turn).await,
            _ => return turn.not_ours(&self.name),
        };
        match found {
            Ok((answer, partial, skew)) => Piece { as_of: turn.began, outcome: Ok(answer), partial, skew },
            Err(failure) => Piece { as_of: turn.began, outcome: Err(failure.fault()), partial: None, skew: None },
        }
    }

    /// All open incidents. Oldest first by number: what is new comes behind what was read, so that only a resolve moves the pages.
    async fn incidents(&self, turn: &Turn<'_>) -> Result<(Answer, Option<Text>, Option<f64>), Failure> {
        let mut query = vec![
            ("statuses[]", "triggered"),
            ("statuses[]", "acknowledged"),
            ("date_range", "all"),
            ("sort_by", "incident_number:asc"),
            ("include[]", "acknowledgers"),
            ("include[]", "first_trigger_log_entries"),
        ];
        query.extend(self.services.iter().map(|id| ("service_ids[]", id.as_str())));
        query.extend(self.teams.iter().map(|id| ("team_ids[]", id.as_str())));
        let listed = self.all::<Incidents>(&["incidents"], &query, Sequence::Kept, turn).await?;
        let incidents = listed.items.into_iter().filter_map(|i| i.paged(&self.severities, turn.began)).collect();
        Ok((Answer::Incidents(incidents), listed.partial, listed.skew))
    }

    /// Who is on call, now and in the coming days.
    async fn on_call(&self, turn: &Turn<'_>) -> Result<(Answer, Option<Text>, Option<f64>), Failure> {
        let stamp = |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let (since, until) = (stamp(turn.began), stamp(turn.began + OnCallEntry::AHEAD));
        let mut query = vec![("since", since.as_str()), ("until", until.as_str()), ("include[]", "users")];
        query.extend(self.schedules.iter().map(|id| ("schedule_ids[]", id.as_str())));
        let listed = self.all::<OnCalls>(&["oncalls"], &query, Sequence::Loose, turn).await?;
        Ok((Answer::OnCall(listed.items.into_iter().map(WireOnCall::entry).collect()), listed.partial, listed.skew))
    }

    /// One request of a poll, within its deadline; one refused for haste is asked again when it may be.
    async fn ask(&self, path: &[&str], query: &[(&str, &str)], turn: &Turn<'_>) -> Result<Good, Failure> {
        loop {
            self.wait_for_allowance(turn).await?;
            let place = self.lanes.enter(&self.name, turn).await?;
            let failure = match self.http.call(&self.base.join(path), Call::Ask(query), turn.left(), turn.now).await {
                Ok(good) => {
                    good.rest_secs.into_iter().for_each(|secs| self.rest_for(secs));
                    return Ok(good);
                }
                Err(failure) => failure,
            };
            drop(place);
            if failure.reached != Reached::Answered(429) {
                return Err(failure);
            }
            let wait = failure.wait_secs().unwrap_or(PAUSE_SECS);
            self.rest_for(wait);
            if Duration::from_secs(wait) >= turn.left() {
                return Err(failure);
            }
        }
    }

    fn rest_for(&self, secs: u64) {
        let until = Instant::now() + Duration::from_secs(secs);
        let mut rest = self.rest.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *rest = Some(rest.map_or(until, |other| other.max(until)));
    }

    /// Wait until more may be asked, if that is within the poll's deadline.
    async fn wait_for_allowance(&self, turn: &Turn<'_>) -> Result<(), Failure> {
        let rest = *self.rest.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some(until) = rest else { return Ok(()) };
        let wait = until.saturating_duration_since(Instant::now());
        if wait >= turn.left() {
            let secs = wait.as_secs() + 1;
            let what = format!("its allowance of requests is used up for {secs} s; raise `every`, or look which other tools share it");
            return Err(Failure::unsent(&self.name, FaultClass::RateLimited, &what).said(String::new(), Some(secs)));
        }
        sleep_until(until).await;
        Ok(())
    }

    /// JSON of a PagerDuty.
    fn decode<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, Failure> {
        let bad = |e| {
            let what = format!("the answer is not what a PagerDuty sends ({}); check `url` and proxies before it", json_trouble(&e));
            Failure::malformed(&self.name, &what)
        };
        serde_json::from_slice(body).map_err(bad)
    }
}

#[async_trait]
impl Source for PagerDuty {
    fn name(&self) -> &SourceName {
        &self.name
    }
    fn gives(&self) -> Gives {
        Gives::Incidents
    }
    async fn poll(&self, ask: &Ask, lane: Lane, now: Now<'_>) -> Reading {
        let turn = Turn::begin(lane, self.deadlines, now);
        let pieces = join_all(ask.wants.iter().map(|want| self.piece(want, turn))).await;
        turn.reading(&self.name, &ask.wants, pieces)
    }
    fn responder(&self) -> Option<&dyn Responder> {
        Some(self)
    }
    fn examiner(&self) -> Option<&dyn Examiner> {
        Some(self)
    }
    fn chronicle(&self) -> Option<&dyn Chronicle> {
        Some(self)
    }
}
