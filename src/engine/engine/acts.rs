//! What people want, and what the holder of the lease does of itself.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::mpsc;

use super::{Core, Ended, acting, ttl};
use crate::{
    domain::{
        Act, ActId, Chronicle, Effect, Entry, Event, IncidentId, Outcome, Quantiles, Question, Request, SloId, Snapshot, Target, Text,
        Toast, Verb, What, Window,
    },
    engine::{
        chronicle::look_up,
        latencies,
        perform::{self, Acting, Chore},
        poller::random_bits,
    },
};

/// How long after a refusal burnwatch leaves an incident alone.
const AFTER_REFUSAL: TimeDelta = TimeDelta::minutes(2);

/// What is said of an act that ended.
fn sentence(snapshot: &Snapshot, entry: &Entry, outcome: &Outcome) -> (bool, String) {
    let effect = snapshot.threads.get(&entry.subject).and_then(|t| t.open.get(&entry.act)).map(|o| o.effect.clone());
    let verb = effect.as_ref().map_or("done", |e| match e {
        Effect::Acknowledge { .. } => "acknowledged",
        Effect::Extend { .. } => "extended",
        Effect::Release { .. } => "given back",
        Effect::Resolve { .. } => "resolved",
        Effect::Note { .. } => "noted",
        Effect::Snooze { .. } => "snoozed",
        Effect::Escalate { .. } => "escalated",
        Effect::TakeOver { .. } => "taken over",
        Effect::Silence { .. } => "silenced",
        Effect::Expire { .. } => "expired",
        Effect::Override { .. } => "override made for",
        Effect::HandoffNote { .. } => "handoff note left for",
        Effect::HandoffRead { .. } => "handoff note read for",
    });
    match outcome {
        Outcome::Done { receipt } => {
            let silence = receipt.as_ref().map(|r| format!(" · silence {}", r.chars().take(8).collect::<String>()));
            (false, format!("{verb} {}{}", entry.title, silence.unwrap_or_default()))
        }
        Outcome::Failed { why, retry: true } => (true, format!("{}: not delivered yet, will be tried again: {why}", entry.title)),
        Outcome::Failed { why, retry: false } => (true, format!("{}: not done: {why}", entry.title)),
        Outcome::Unknown { why } => (true, format!("{}: not known whether it was done, looking: {why}", entry.title)),
    }
}

impl Core {
    pub(super) fn acting(&self) -> Option<Acting> {
        acting(&self.setup)
    }

    pub(super) fn request(&mut self, request: Request, done: &mpsc::UnboundedSender<Ended>) {
        match request {
            Request::Look(Question::Refresh) => {
                self.refresh.send_modify(|n| *n += 1);
                self.read_runbooks();
            }
            Request::Look(Question::Runbooks) => self.read_runbooks(),
            Request::Look(Question::Chronicle(id)) => self.look_up(&id),
            Request::Look(Question::Latencies(id)) => self.look_up_latencies(id),
            Request::Look(Question::Output(key)) => self.watch_output(key),
            Request::Look(Question::History(visible)) => {
                self.visible = visible;
                self.look();
            }
            Request::Act(act) => {
                let tried = if let Verb::Run(verb) = &act.verb { self.run_act(&act, verb) } else { self.act(&act, done) };
                if let Err(refusal) = tried {
                    self.toast(true, refusal.to_string(), Some(act.incident));
                }
            }
        }
    }

    /// Ask for what is told of an incident; the answer comes back as an event. While one is under way, the next waits for it.
    pub(super) fn look_up(&mut self, id: &IncidentId) {
        let Some(incident) = self.snapshot.incident(id).cloned() else { return };
        if let Some(again) = self.looked_up.get_mut(id) {
            *again = true;
            return;
        }
        self.looked_up.insert(id.clone(), false);
        let (setup, told) = (Arc::clone(&self.setup), self.told.0.clone());
        tokio::task::spawn_local(async move {
            let chronicle = look_up(&setup, &incident).await;
            let _ = told.send((incident.id.clone(), chronicle));
        });
    }

    /// Ask the store how long the answers of an SLO took; what it finds comes back as an event. One look-up at a time for each.
    pub(super) fn look_up_latencies(&mut self, id: SloId) {
        let (Some(store), Some(row)) = (self.setup.store.clone(), self.snapshot.slos.iter().find(|r| r.id == id).cloned()) else { return };
        if !latencies::has(&row) || !self.looked_through.insert(id.clone()) {
            return;
        }
        let (now, found) = (self.setup.clock.now(), self.quantiles.0.clone());
        tokio::task::spawn_blocking(move || {
            let quantiles = latencies::look_up(&store, &row.definition, &row.group, now).ok();
            let _ = found.send((id, quantiles));
        });
    }

    pub(super) fn looked_through(&mut self, id: SloId, quantiles: Option<Vec<(Window, Quantiles)>>) {
        self.looked_through.remove(&id);
        if let Some(quantiles) = quantiles {
            self.take(Event::Latencies(id, quantiles));
            self.show();
        }
    }

    pub(super) fn told(&mut self, id: &IncidentId, chronicle: Chronicle) {
        let again = self.looked_up.remove(id) == Some(true);
        self.take(Event::Chronicle(id.clone(), Box::new(chronicle)));
        self.show();
        if again {
            self.look_up(id);
        }
    }

    pub(super) fn act(&mut self, act: &Act, done: &mpsc::UnboundedSender<Ended>) -> Result<(), perform::Refusal> {
        let Some(acting) = self.acting() else {
            return Err(perform::Refusal::NoJournal(self.snapshot.store.trouble.as_ref().map(ToString::to_string).unwrap_or_default()));
        };
        self.catch_up_journal(&acting.store);
        let now = self.setup.clock.now();
        let id = perform::act_id(now, random_bits());
        let entry = acting.decide(&self.snapshot, act, &id, now)?;
        let seen = Acting::seen(&self.snapshot, act, &entry);
        let asked = acting.ask(entry, seen)?;
        self.take(Event::Journal(vec![asked.clone()]));
        self.show();
        self.carry_out(acting, asked, false, done);
        Ok(())
    }

    pub(super) fn carry_out(&mut self, acting: Acting, asked: Entry, look_first: bool, done: &mpsc::UnboundedSender<Ended>) {
        self.in_flight.insert(asked.act.clone());
        self.tried.insert(asked.act.clone(), self.setup.clock.now());
        let (done, clock) = (done.clone(), self.setup.clock.clone());
        tokio::task::spawn_local(async move {
            let ended = acting.carry_out(&asked, look_first, clock.now()).await;
            let _ = done.send((asked.act, ended));
        });
    }

    pub(super) fn ended(&mut self, entry: Option<Entry>, act: &ActId) {
        self.in_flight.remove(act);
        let Some(entry) = entry else {
            return self.toast(
                true,
                "how an act ended could not be written to the journal; it is looked after when the journal can be written".into(),
                None,
            );
        };
        if let What::Ended { outcome, .. } = &entry.what
            && entry.who == self.setup.me
        {
            let (failure, text) = sentence(&self.snapshot, &entry, outcome);
            self.toast(failure, text, Some(entry.subject));
        }
        if let Some(store) = self.setup.store.clone() {
            self.catch_up_journal(&store);
        }
        self.show();
    }

    pub(super) fn toast(&mut self, failure: bool, text: String, about: Option<IncidentId>) {
        self.toasts += 1;
        let toast = Toast { serial: self.toasts, at: self.setup.clock.now(), failure, text: Text::from(text), about };
        self.take(Event::Toast(toast));
        self.show();
    }

    /// What the lease holder does of itself.
    pub(super) fn work(&mut self, done: &mpsc::UnboundedSender<Ended>) {
        // Whoever was stopped for longer than the lease lasts may have been replaced meanwhile, and must ask before it acts again.
        let unseen = self.setup.clock.now() - self.held_at;
        if self.epoch.is_some() && unseen.to_std().is_ok_and(|unseen| unseen > ttl(&self.setup.plan)) {
            self.lease();
        }
        if self.epoch.is_none() || self.setup.plan.read_only {
            return;
        }
        let now = self.setup.clock.now();
        self.refused.retain(|_, at| now - *at < AFTER_REFUSAL);
        let chores = perform::chores(&self.snapshot, &self.setup.plan, &mut self.missing, now);
        for chore in chores {
            let Some(acting) = self.acting() else { return };
            match chore {
                Chore::New { subject, .. } if self.refused.contains_key(&subject) => {}
                Chore::New { subject, title, seen, effect } => {
                    let id = perform::act_id(now, random_bits());
                    let what = What::Asked { effect };
                    let entry = Entry { id: 0, at: now, act: id, subject, title, service: None, version: 0, who: perform::itself(), what };
                    if let Ok(asked) = acting.ask(entry, seen) {
                        self.take(Event::Journal(vec![asked.clone()]));
                        self.carry_out(acting, asked, false, done);
                    } else {
                        self.catch_up_journal(&acting.store);
                    }
                }
                Chore::Again(asked) => self.again(acting, *asked, now, done),
            }
        }
    }

    pub(super) fn again(&mut self, acting: Acting, asked: Entry, now: DateTime<Utc>, done: &mpsc::UnboundedSender<Ended>) {
        let lately = self.tried.get(&asked.act).is_some_and(|at| now - *at < TimeDelta::seconds(15));
        if lately || self.in_flight.contains(&asked.act) {
            return;
        }
        let over = self.snapshot.incident(&asked.subject).is_none();
        let ours = match &asked.what {
            What::Asked { effect: Effect::Acknowledge { target, .. } | Effect::TakeOver { target, .. } } => *target != Target::Journal,
            _ => false,
        };
        if over && ours && now - asked.at > TimeDelta::minutes(5) {
            let why = Text::from("the alert cleared before it could be delivered");
            let what = What::Ended { outcome: Outcome::Failed { why, retry: false }, legs: Vec::new() };
            drop(acting.store.append(Entry { what, at: now, ..asked }, None));
            self.catch_up_journal(&acting.store);
            return;
        }
        self.carry_out(acting, asked, true, done);
    }
}
