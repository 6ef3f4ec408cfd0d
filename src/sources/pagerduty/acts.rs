//! Acting on an incident in a person's name.
//!
//! Every act looks first and compares with what was seen: an incident that is resolved is never touched again, so an acknowledgement
//! cannot re-open it; one that somebody else took meanwhile stays theirs and the later one is told who. Whatever was sent without an
//! answer is unknown until it was looked up in PagerDuty's own book: the status, the acknowledgers, the pending end of a snooze, the mark
//! in a note. Giving an acknowledgement back does not exist there.

use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    PAUSE_SECS, PagerDuty,
    wire::{OneIncident, Reference, Users, WireIncident, WireUser},
};
use crate::{
    domain::{Effect, Escalation, Outcome, Release, Target, Text, mark},
    sources::{
        alertmanager::or_default,
        failure::{Failure, Reached},
        http::{Call, Good, Write},
        silence::{not_begun, undone},
        source::{Order, Responder},
    },
};

/// The longest pause after a 429 that an act waits out; after a longer one it is tried again later.
const PATIENCE_SECS: u64 = 5;
/// How often an act is sent that was refused for haste.
const TRIES: usize = 3;
/// How far the end of a snooze may lie from what was asked: it is sent as a length.
const ROUNDING: TimeDelta = TimeDelta::seconds(90);
/// The longest snooze, in seconds.
const LONGEST_SNOOZE: i64 = 604_800;

/// How an act ended when it did not end well.
type End<T> = Result<T, Outcome>;

/// Who acts on what.
struct Case<'a> {
    order: &'a Order,
    incident: &'a str,
    from: &'a str,
}

#[async_trait]
impl Responder for PagerDuty {
    async fn perform(&self, order: &Order) -> Outcome {
        if let Effect::Release { why: Release::Cleared, .. } = &order.effect {
            // It is over there; nothing of ours is left to end.
            return Outcome::Done { receipt: None };
        }
        let case = match self.case(order) {
            Ok(case) => case,
            Err(refusal) => return refusal,
        };
        match self.act(&case).await {
            Ok(receipt) => Outcome::Done { receipt },
            Err(end) => end,
        }
    }

    async fn read_back(&self, order: &Order) -> Outcome {
        if let Effect::Release { why: Release::Cleared, .. } = &order.effect {
            return Outcome::Done { receipt: None };
        }
        let case = match self.case(order) {
            Ok(case) => case,
            Err(refusal) => return refusal,
        };
        match self.came_through(&case).await {
            Ok(outcome) | Err(outcome) => outcome,
        }
    }
}

impl PagerDuty {
    /// What an order is about; one that belongs elsewhere or that nobody signs is refused.
    fn case<'a>(&self, order: &'a Order) -> End<Case<'a>> {
        let incident = match order.effect.target() {
            Target::PagerDuty { source, incident } if *source == self.name => incident,
            _ => return Err(self.refuse("this act belongs elsewhere; nothing was sent here")),
        };
        let Some(from) = &order.email else {
            let what = format!("wants the mail address of who acts; add `email` to the [[person]] {}", order.who.name);
            return Err(self.refuse(&what));
        };
        Ok(Case { order, incident, from: from.as_str() })
    }

    async fn act(&self, case: &Case<'_>) -> End<Option<String>> {
        let body = match &case.order.effect {
            Effect::Note { note, .. } => return self.note(case, note).await,
            Effect::Release { .. } => return Err(self.refuse("has no way to give an acknowledgement back; escalate or reassign it")),
            Effect::Override { .. } | Effect::HandoffNote { .. } | Effect::HandoffRead { .. } => {
                return Err(self.refuse("keeps rotations of its own; nothing was sent"));
            }
            Effect::Extend { .. } => return Err(self.refuse("ends an acknowledgement by its own rules; nothing was sent")),
            Effect::Snooze { until, .. } => return self.snooze(case, (*until - case.order.now).num_seconds()).await,
            Effect::Acknowledge { .. } => {
                let incident = self.open(case).await?;
                if incident.status == "acknowledged" {
                    return if holds(&incident, case.from) { Ok(None) } else { Err(self.taken(&incident)) };
                }
                json!({"status": "acknowledged"})
            }
            Effect::TakeOver { .. } => return self.take_over(case).await,
            Effect::Silence { .. } | Effect::Expire { .. } => return Err(self.refuse("has no silences; nothing was sent")),
            Effect::Resolve { note, .. } => {
                if self.look(case).await?.status == "resolved" {
                    return Ok(None);
                }
                note.as_ref().map_or_else(|| json!({"status": "resolved"}), |n| json!({"status": "resolved", "resolution": n}))
            }
            Effect::Escalate { to, .. } => {
                self.open(case).await?;
                self.escalation(case, to).await?
            }
        };
        self.put(case, body).await.map(|()| None)
    }

    /// Put our name into its book beside the other's; where that does not take, have it assigned to us and acknowledge it then.
    async fn take_over(&self, case: &Case<'_>) -> End<Option<String>> {
        if holds(&self.open(case).await?, case.from) {
            return Ok(None);
        }
        self.put(case, json!({"status": "acknowledged"})).await?;
        if !holds(&self.open(case).await?, case.from) {
            let ours = Escalation::Person { name: case.order.who.name.clone(), email: Text::clean(case.from) };
            let assignment = self.escalation(case, &ours).await?;
            self.put(case, assignment).await?;
            self.put(case, json!({"status": "acknowledged"})).await?;
        }
        Ok(None)
    }

    /// Change the incident, and believe only what the answer says it is now.
    async fn put(&self, case: &Case<'_>, mut change: Value) -> End<()> {
        let wanted = change.get("status").and_then(Value::as_str).map(str::to_owned);
        if let Value::Object(fields) = &mut change {
            fields.insert("type".to_owned(), json!("incident_reference"));
        }
        let good = match self.send(case, &["incidents", case.incident], Write::Put, &json!({"incident": change})).await {
            Ok(good) => good,
            // Refused: perhaps because somebody was faster.
            Err(failure) if failure.reached == Reached::Answered(400) => {
                self.open(case).await?;
                return Err(self.undone(&failure));
            }
            Err(failure) => return Err(self.undone(&failure)),
        };
        let unclear = |what: &str| Outcome::Unknown { why: Text::clean(&format!("{}: {what}; it is looked up", self.name)) };
        let is = self.decode::<OneIncident>(&good.body).map_err(|f| Outcome::Unknown { why: f.why().clone() })?.incident;
        match wanted {
            Some(wanted) if is.status == wanted => Ok(()),
            Some(_) if is.status == "resolved" => Err(self.over(&is)),
            Some(_) => Err(unclear("took the change and shows another status")),
            None => Ok(()),
        }
    }

    async fn note(&self, case: &Case<'_>, note: &Text) -> End<Option<String>> {
        let content = format!("{note} {}", mark(&case.order.act));
        let body = json!({"note": {"content": content}});
        let good = self.send(case, &["incidents", case.incident, "notes"], Write::Post, &body).await.map_err(|f| self.undone(&f))?;
        let made = self.decode::<OneNote>(&good.body).map_err(|f| Outcome::Unknown { why: f.why().clone() })?;
        Ok(Some(made.note.id))
    }

    async fn snooze(&self, case: &Case<'_>, secs: i64) -> End<Option<String>> {
        if !(1..=LONGEST_SNOOZE).contains(&secs) {
            return Err(self.refuse("snoozes for at least a second and at most 7 days; choose another time"));
        }
        self.open(case).await?;
        let path = ["incidents", case.incident, "snooze"];
        let sent = self.send(case, &path, Write::Post, &json!({"duration": secs})).await;
        match sent {
            Ok(_) => Ok(None),
            Err(failure) if failure.reached == Reached::Answered(400) => {
                self.open(case).await?;
                Err(self.undone(&failure))
            }
            Err(failure) => Err(self.undone(&failure)),
        }
    }

    async fn escalation(&self, case: &Case<'_>, to: &Escalation) -> End<Value> {
        Ok(match to {
            Escalation::Level(level) => json!({"escalation_level": level}),
            Escalation::Person { name, email } => {
                let user = self.user(email.as_str(), case.order).await.map_err(|f| not_begun(&f))?;
                let Some(user) = user else {
                    return Err(self.refuse(&format!("{email} ({name}) is no user there; check the `email` of [[person]]")));
                };
                json!({"assignments": [{"assignee": {"id": user.id, "type": "user_reference"}}]})
            }
        })
    }

    /// Whether an act whose answer was lost took place.
    async fn came_through(&self, case: &Case<'_>) -> End<Outcome> {
        let again = |what: &str| Ok(Outcome::Failed { why: Text::clean(&format!("{}: {what}", self.name)), retry: true });
        let done = || Ok(Outcome::Done { receipt: None });
        if let Effect::Note { .. } = &case.order.effect {
            let notes = self.notes(case).await?;
            let ours = notes.into_iter().find(|n| n.content.contains(&mark(&case.order.act)));
            return ours.map_or_else(|| again("the note is not there; it is sent again"), |n| Ok(Outcome::Done { receipt: Some(n.id) }));
        }
        let incident = self.look(case).await.map_err(uncertain)?;
        let over = incident.status == "resolved";
        match &case.order.effect {
            Effect::Resolve { .. } if over => done(),
            Effect::Resolve { .. } => again("the incident is still open; the resolve is sent again"),
            _ if over => Err(self.over(&incident)),
            Effect::Acknowledge { .. } | Effect::TakeOver { .. } if holds(&incident, case.from) => done(),
            Effect::Acknowledge { .. } if incident.status == "acknowledged" => Err(self.taken(&incident)),
            Effect::Acknowledge { .. } => again("the incident is not acknowledged; it is sent again"),
            Effect::TakeOver { .. } => again("the incident is not yet theirs; it is sent again"),
            Effect::Snooze { until, .. } if incident.until().is_some_and(|at| (at - *until).abs() <= ROUNDING) => done(),
            Effect::Snooze { .. } => again("the incident is not snoozed; it is sent again"),
            Effect::Escalate { to: Escalation::Person { email, .. }, .. } => {
                let user = self.user(email.as_str(), case.order).await.map_err(|f| uncertain(not_begun(&f)))?;
                let theirs = user.is_some_and(|user| incident.assignments.iter().any(|a| a.assignee.id == user.id));
                if theirs { done() } else { again("the incident is not theirs; it is sent again") }
            }
            Effect::Escalate { .. } => again("the level cannot be read back; setting it once more does no harm"),
            Effect::Note { .. }
            | Effect::Extend { .. }
            | Effect::Release { .. }
            | Effect::Silence { .. }
            | Effect::Expire { .. }
            | Effect::Override { .. }
            | Effect::HandoffNote { .. }
            | Effect::HandoffRead { .. } => Err(self.refuse("has no such act; nothing was sent")),
        }
    }

    /// The incident, if it is still open.
    async fn open(&self, case: &Case<'_>) -> End<WireIncident> {
        let incident = self.look(case).await?;
        if incident.status == "resolved" { Err(self.over(&incident)) } else { Ok(incident) }
    }

    /// The incident as it is now.
    async fn look(&self, case: &Case<'_>) -> End<WireIncident> {
        let query = [("include[]", "acknowledgers")];
        let good = self.get(&["incidents", case.incident], &query, case.order).await.map_err(|f| not_begun(&f))?;
        self.decode::<OneIncident>(&good.body).map(|one| one.incident).map_err(|f| not_begun(&f))
    }

    async fn notes(&self, case: &Case<'_>) -> End<Vec<WireNote>> {
        let good = self.get(&["incidents", case.incident, "notes"], &[], case.order).await.map_err(|f| uncertain(not_begun(&f)))?;
        self.decode::<Notes>(&good.body).map(|n| n.notes).map_err(|f| uncertain(not_begun(&f)))
    }

    /// The user with exactly this mail address.
    async fn user(&self, email: &str, order: &Order) -> Result<Option<WireUser>, Failure> {
        let good = self.get(&["users"], &[("query", email), ("limit", "100")], order).await?;
        Ok(self.decode::<Users>(&good.body)?.by_email(email))
    }

    async fn get(&self, path: &[&str], query: &[(&str, &str)], order: &Order) -> Result<Good, Failure> {
        self.patiently(path, Call::Ask(query), order).await
    }

    async fn send(&self, case: &Case<'_>, path: &[&str], method: Write, body: &Value) -> Result<Good, Failure> {
        let json = body.to_string();
        self.patiently(path, Call::InName { method, from: case.from, json: &json }, case.order).await
    }

    /// A call that waits out a short 429, which says that nothing was done.
    async fn patiently(&self, path: &[&str], call: Call<'_>, order: &Order) -> Result<Good, Failure> {
        let (to, now) = (self.base.join(path), order.now);
        for _ in 1..TRIES {
            let failure = match self.http.call(&to, call, self.deadlines.short, &move || now).await {
                Ok(good) => return Ok(good),
                Err(failure) => failure,
            };
            let wait = failure.wait_secs().unwrap_or(PAUSE_SECS);
            if failure.reached != Reached::Answered(429) || wait > PATIENCE_SECS {
                return Err(failure);
            }
            self.rest_for(wait);
            sleep(Duration::from_secs(wait)).await;
        }
        self.http.call(&to, call, self.deadlines.short, &move || now).await
    }

    /// What is known of a write that failed, in words that name the next step there.
    fn undone(&self, failure: &Failure) -> Outcome {
        let said = &failure.excerpt;
        let Reached::Answered(status @ (400 | 402 | 404)) = failure.reached else { return undone(failure) };
        let next = match status {
            402 => "the account's plan does not have it",
            404 => "the incident is not there, or this token may not see it",
            _ if said.to_ascii_lowercase().contains("requester") => "check the `email` of [[person]]: it must be a user of the account",
            _ => "look at the incident there",
        };
        self.refuse(&format!("refused it (HTTP {status}): {said}; {next}"))
    }

    fn refuse(&self, what: &str) -> Outcome {
        Outcome::Failed { why: Text::clean(&format!("{}: {what}", self.name)), retry: false }
    }

    /// A resolve wins.
    fn over(&self, incident: &WireIncident) -> Outcome {
        let who = incident.last_status_change_by.as_ref().map_or_else(|| Text::from("somebody"), Reference::called);
        self.refuse(&format!("{who} resolved it first; it stays resolved"))
    }

    fn taken(&self, incident: &WireIncident) -> Outcome {
        let who = incident.acknowledgements.last().map_or_else(|| Text::from("somebody"), |a| a.acknowledger.called());
        self.refuse(&format!("{who} acknowledged it first; ask them, or escalate it"))
    }
}

/// Whether this person is among those who took it.
fn holds(incident: &WireIncident, email: &str) -> bool {
    let theirs = |r: &Reference| r.email().is_some_and(|e| e.as_str().eq_ignore_ascii_case(email));
    incident.status == "acknowledged" && incident.acknowledgements.iter().any(|a| theirs(&a.acknowledger))
}

/// A look that failed tells nothing about what was sent before it.
fn uncertain(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Failed { why, .. } => Outcome::Unknown { why },
        other => other,
    }
}

#[derive(Deserialize)]
struct OneNote {
    note: WireNote,
}

#[derive(Deserialize)]
struct Notes {
    #[serde(default, deserialize_with = "or_default")]
    notes: Vec<WireNote>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct WireNote {
    #[serde(deserialize_with = "or_default")]
    id: String,
    #[serde(deserialize_with = "or_default")]
    content: String,
}
