//! The incident room: one incident in full. What fires, how its service burns, who has it and who is on call, how fast that went, what
//! happened, what was said, and everything that is known of it.
//!
//! ```text
//!  ● P1 checkout: error budget burning 82×                                   since 14:20 · 12m
//!  held by     unacked
//!  clocks      first response 12m so far · MTTA 3m of 7      resolution 12m so far · MTTR 38m of 5, 30d
//! ── what fires ───────────────────────────── ── the service ──────── checkout · payments-team ──
//!  pd    Q0000001 triggered, maya              ● availability  34.2%  82.2× 16.8×  3.0× ▁▁▁▁▁█
//!                                              on call   maya until 18:00 (her time 14:32), second jon
//! ── what happened ───────────────────────────────────────────────── journal · pd 12s ago ──────
//!  14:31:10  page      Maya Kaur by SMS                                                     pd
//! ── notes ──── ── labels ──── ── annotations ──── ── links ────
//! ```

use chrono::TimeDelta;

use super::{
    super::{
        happenings,
        theme::Role,
        widgets::figures::{Age, Burn},
    },
    View, beside,
    canvas::{Canvas, cells, wrap},
    figure, runbooks, several,
};
use crate::domain::{
    Chronicle, Delivery, Incident, Labels, Mean, Origin, Passage, Rule, RuleState, SloRow, Stall, Status, Target, Untrusted, over_at,
    taken_at, timeline,
};

/// From this width on two sections stand side by side.
const WIDE: u16 = 100;
/// From this height on there are blank lines between sections.
const AIRY: u16 = 24;
/// Parts of a group that are told one by one.
const MOST_PARTS: usize = 100;
/// Parts of a group that stand above what happened; the others stand at the end.
const FIRST_PARTS: usize = 8;
/// The column where values begin.
pub const VALUES: u16 = 13;

/// Draw the room; returns how many lines it has.
pub fn draw(canvas: &mut Canvas<'_>, incident: &Incident, gone: bool, view: View<'_>) -> u16 {
    let room = Room {
        incident,
        gone,
        happened: timeline(view.snapshot, incident),
        chronicle: view.snapshot.chronicles.get(&incident.id).map(|c| &**c),
        gap: u16::from(canvas.height() >= AIRY),
        view,
    };
    let mut y = room.title(canvas);
    y = room.held(canvas, y);
    y = room.clocks(canvas, y);
    y = side_by_side(canvas, y, room.gap, |c, y| room.fires(c, y), |c, y| beside::service(c, y, incident, view));
    y = runbooks::matching(canvas, y, room.gap, incident, view);
    y = room.timeline(canvas, y + room.gap);
    y = room.notes(canvas, y);
    let annotations = &incident.annotations;
    if annotations.0.is_empty() {
        y = room.pairs(canvas, y, "labels", &incident.labels);
    } else {
        y = side_by_side(
            canvas,
            y,
            0,
            |c, y| room.pairs(c, y, "labels", &incident.labels),
            |c, y| room.pairs(c, y, "annotations", annotations),
        );
    }
    y = room.links(canvas, y);
    room.others(canvas, y)
}

/// Two sections beside each other where there is room, else one below the other. Returns the next line.
fn side_by_side(
    canvas: &mut Canvas<'_>,
    y: u16,
    gap: u16,
    left: impl FnOnce(&mut Canvas<'_>, u16) -> u16,
    right: impl FnOnce(&mut Canvas<'_>, u16) -> u16,
) -> u16 {
    let w = canvas.width();
    if w < WIDE {
        let y = left(canvas, y + gap);
        return right(canvas, y + gap);
    }
    let half = w / 2;
    let end = left(&mut canvas.columns(0, half), y + gap);
    end.max(right(&mut canvas.columns(half + 1, w - half - 1), y + gap))
}

/// What the room is drawn from.
struct Room<'a> {
    incident: &'a Incident,
    gone: bool,
    happened: Vec<Passage>,
    chronicle: Option<&'a Chronicle>,
    gap: u16,
    view: View<'a>,
}

impl Room<'_> {
    fn title(&self, canvas: &mut Canvas<'_>) -> u16 {
        let (w, (mark, role)) = (canvas.width(), figure::of_incident(self.incident));
        let since = match self.incident.since {
            Some(at) => format!("since {} · {}", self.view.when(at, false), self.view.age(at)),
            None => "since —".to_owned(),
        };
        let since_at = w.saturating_sub(cells(&since) + 1);
        canvas.text(1, 0, 1, role, mark);
        canvas.text(3, 0, 2, Role::Emphasis, self.incident.severity.word());
        canvas.text(6, 0, since_at.saturating_sub(8), Role::Emphasis, self.incident.title.as_str());
        canvas.text(since_at, 0, w, Role::Muted, &since);
        1
    }

    /// Who has it, their words, until when, and why an acknowledgement is not where it should be. Returns the next line.
    fn held(&self, canvas: &mut Canvas<'_>, y: u16) -> u16 {
        let w = canvas.width();
        canvas.text(1, y, 11, Role::Muted, "held by");
        let mut at = if self.gone {
            canvas.text(VALUES, y, w.saturating_sub(VALUES + 1), Role::Ok, "over: its source no longer reports it")
        } else {
            figure::holder(canvas, (VALUES, y), w.saturating_sub(VALUES + 1), self.incident, self.view)
        };
        if self.incident.stale && !self.gone {
            at = canvas.text(at, y, w.saturating_sub(at + 1), Role::Stale, "; its source no longer answers, this is as it was then");
        }
        let Some(ack) = &self.incident.ack else { return y + 1 };
        if let Some(end) = ack.until {
            let lapses = ack.lapses.filter(|l| *l != end).map(|at| format!(", lapses {}", self.view.when(at, false)));
            let until = format!("   until {}{}", self.view.when(end, false), lapses.unwrap_or_default());
            at = canvas.text(at, y, w.saturating_sub(at + 1), Role::Text, &until);
        }
        if let Some(silence) = &ack.silence {
            let silence = format!("   silence {}", super::super::receipts::short(silence));
            canvas.text(at, y, w.saturating_sub(at + 1), Role::Muted, &silence);
        }
        let mut y = y + 1;
        if let Some(why) = ack.why.as_ref().filter(|_| ack.delivery != Delivery::Done) {
            canvas.text(1, y, 11, Role::Muted, "delivery");
            canvas.text(VALUES, y, w.saturating_sub(VALUES + 1), Role::Warning, why.as_str());
            y += 1;
        }
        y
    }

    /// How long until somebody had it, how long until it is over, and how long these usually take. Returns the next line.
    fn clocks(&self, canvas: &mut Canvas<'_>, y: u16) -> u16 {
        let means = self.chronicle.and_then(|c| c.response).unwrap_or_default();
        let running = |span: Span| match span {
            Span::Running(age) => format!("{age} so far"),
            Span::Over(age) => age.to_string(),
            Span::Unknown => "—".to_owned(),
        };
        let response = format!("first response {} · MTTA {}", running(self.first_response()), mean(means.acknowledge));
        let resolution = format!("resolution {} · MTTR {}", running(self.resolution()), mean(means.resolve));
        canvas.text(1, y, 11, Role::Muted, "clocks");
        let w = canvas.width();
        let role =
            if matches!(self.first_response(), Span::Running(_)) && self.incident.wants_somebody() { Role::Emphasis } else { Role::Text };
        let at = canvas.text(VALUES, y, w.saturating_sub(VALUES + 1), role, &response);
        let (x, y) = if at + cells(&resolution) + 12 < w { (at + 4, y) } else { (VALUES, y + 1) };
        let at = canvas.text(x, y, w.saturating_sub(x + 1), Role::Text, &resolution);
        canvas.text(at, y, w.saturating_sub(at + 1), Role::Muted, " · 30d");
        y + 1
    }

    fn first_response(&self) -> Span {
        match (self.incident.since, taken_at(self.incident, &self.happened)) {
            (Some(since), Some(at)) => Span::Over(Age::between(since, at)),
            (Some(since), None) if !self.gone => Span::Running(self.view.age(since)),
            _ => Span::Unknown,
        }
    }

    fn resolution(&self) -> Span {
        let over = over_at(self.incident, &self.happened).filter(|_| self.gone || self.incident.status == Status::Resolved);
        match (self.incident.since, over) {
            (Some(since), Some(at)) => Span::Over(Age::between(since, at)),
            (Some(since), None) if !self.gone => Span::Running(self.view.age(since)),
            _ => Span::Unknown,
        }
    }

    /// What says that there is trouble, each thing by itself. Returns the next line.
    fn fires(&self, canvas: &mut Canvas<'_>, y: u16) -> u16 {
        canvas.rule(y, "what fires", format_args!("{}", self.incident.id), false);
        let mut y = y + 1;
        // Those that wish for somebody stand first.
        let (count, first) = (self.incident.count(), self.first());
        for part in self.incident.parts().take(first) {
            y = self.part(canvas, y, part);
        }
        if count > first {
            let more = several::thousands(count - first);
            canvas.write(1, y, canvas.width().saturating_sub(2), Role::Muted, format_args!("and {more} more, at the end of this page"));
            y += 1;
        }
        y
    }

    /// How many parts stand above what happened: of a few all.
    fn first(&self) -> usize {
        let count = self.incident.count();
        if count <= FIRST_PARTS + 2 { count } else { FIRST_PARTS }
    }

    /// The parts of a big group that have not been told of above, one by one. Returns the next line.
    fn others(&self, canvas: &mut Canvas<'_>, y: u16) -> u16 {
        let (count, first) = (self.incident.count(), self.first());
        if count <= first {
            return y;
        }
        let title = format!("the other {} that fire", several::thousands(count - first));
        canvas.rule(y + self.gap, &title, format_args!("{}", self.incident.id), false);
        let mut y = y + self.gap + 1;
        for part in self.incident.parts().take(MOST_PARTS).skip(first) {
            y = self.part(canvas, y, part);
        }
        let more = count.saturating_sub(MOST_PARTS);
        if more > 0 {
            let (w, id) = (canvas.width().saturating_sub(2), &self.incident.id);
            canvas.write(1, y, w, Role::Muted, format_args!("and {} more: burnwatch incidents {id}", several::thousands(more)));
            y += 1;
        }
        y
    }

    /// What sets an alert of a group apart from the others: `instance=web-17`.
    fn apart(&self, part: &Incident) -> String {
        let shared = &self.incident.labels;
        let own = part.labels.0.iter().filter(|(name, value)| shared.0.get(*name) != Some(*value));
        let named = own.filter(|(name, _)| !matches!(name.raw(), "alertname" | "severity"));
        let told = |(name, value): (&Untrusted, &Untrusted)| format!("{}={}", name.text(), value.text());
        named.map(told).collect::<Vec<_>>().join("  ")
    }

    /// Who has one part of a group, and how that is kept.
    fn part_held(part: &Incident) -> String {
        match (&part.ack, &part.origin) {
            (Some(ack), Origin::Alertmanager { .. }) if matches!(ack.target, Target::PagerDuty { .. }) => {
                format!("not silenced; {} has it in {}", ack.by, ack.target.source().map_or("—", |s| s.as_str()))
            }
            (Some(ack), Origin::Alertmanager { .. }) if ack.silence.is_some() => format!("silenced by {}", ack.by),
            (Some(ack), _) => format!("ack {}", ack.by),
            (None, _) if part.is_held_back() => String::new(),
            (None, _) => "unacked".to_owned(),
        }
    }

    fn part(&self, canvas: &mut Canvas<'_>, y: u16, part: &Incident) -> u16 {
        let (mut y, w) = (y, canvas.width());
        let one_of_several = !self.incident.members.is_empty();
        let mut line = |who: &str, role, what: &str| {
            canvas.text(1, y, 11, Role::Muted, who);
            canvas.text(VALUES, y, w.saturating_sub(VALUES + 1), role, what);
            y += 1;
        };
        let labelled = |name: &str| part.labels.get(name).map(|v| v.text().to_string()).unwrap_or_default();
        match &part.origin {
            Origin::Alertmanager { source, .. } => {
                let loud = if part.is_held_back() || !part.severity.pages() { Role::Text } else { Role::Critical };
                // What all of a group share stands above: a row has what sets it apart.
                let titled = self.incident.title.as_str().contains(&labelled("alertname"));
                let shared = |name: &str| one_of_several && self.incident.labels.get(name).is_some() && (titled || name != "alertname");
                let own =
                    ["alertname", "severity"].into_iter().filter(|name| !shared(name)).map(labelled).filter(|value| !value.is_empty());
                let mut words: Vec<String> = own.collect();
                words.extend(one_of_several.then(|| self.apart(part)).filter(|apart| !apart.is_empty()));
                if words.is_empty() {
                    words.push(labelled("alertname"));
                }
                line(source.as_str(), loud, &words.join("  "));
            }
            Origin::PagerDuty { source, incident, .. } => {
                let kept = self.view.snapshot.paged.get(source).and_then(|all| all.iter().find(|p| p.id == *incident));
                let assigned: Vec<_> = kept.map(|k| k.assigned.iter().map(ToString::to_string).collect()).unwrap_or_default();
                let state = if kept.is_some_and(|k| k.acknowledged) { "acknowledged" } else { "triggered" };
                let to = if assigned.is_empty() { String::new() } else { format!(", assigned to {}", assigned.join(", ")) };
                let number = kept.and_then(|k| k.number).map_or_else(|| crate::domain::clean(incident).into_owned(), |n| format!("#{n}"));
                line(source.as_str(), Role::Text, &format!("{number} {state}{to}"));
                if let Some(policy) = kept.and_then(|k| k.policy.as_ref()) {
                    line("", Role::Muted, &format!("escalates by {policy}"));
                }
            }
            Origin::Queue { queue, .. } => {
                let row = self.view.snapshot.queue(queue);
                let why = row.and_then(|r| r.verdict.stall).map_or("no longer listed", Stall::words);
                line("own rule", Role::Text, &format!("work waits in {queue} and none gets done: {why}"));
                if let Some(row) = row {
                    line("", Role::Critical, &super::queues::sentence(row, self.view.now));
                }
            }
            Origin::Own { slo, grade, .. } => {
                let row = self.view.snapshot.slos.iter().find(|r| r.id == *slo);
                line("own rule", Role::Text, &format!("{} of {slo}", grade.word()));
                for (rule, _) in row.iter().flat_map(|r| firing(r)) {
                    let burn = |window| Burn(row.and_then(|r| r.burn(window)).map(|b| b.0));
                    let both = format!("{} {} and {} {}", rule.long, burn(rule.long), rule.short, burn(rule.short));
                    line("", Role::Critical, &format!("{both} > {}", Burn(Some(rule.factor))));
                }
            }
        }
        if part.is_held_back() {
            line("", Role::Muted, if part.silenced { "held back by a silence" } else { "held back by another alert" });
        }
        // Where all are alike what is said above is enough.
        let alike = self.incident.partly_held().is_none() || self.incident.ack.is_some() && self.incident.sources.len() == 1;
        let held = Self::part_held(part);
        if one_of_several && !alike && !held.is_empty() && !matches!(part.origin, Origin::PagerDuty { .. }) {
            line("", Role::Muted, &held);
        }
        y
    }

    /// What happened, newest first. Returns the next line.
    fn timeline(&self, canvas: &mut Canvas<'_>, y: u16) -> u16 {
        canvas.rule(y, "what happened", format_args!("{}", self.tellers()), false);
        if self.happened.is_empty() {
            canvas.text(1, y + 1, canvas.width(), Role::Muted, "nothing is known to have happened");
            return y + 2;
        }
        let w = canvas.width();
        let mut y = y + 1;
        for passage in &self.happened {
            let teller = if w >= WIDE { passage.told_by.word() } else { "" };
            let room = if teller.is_empty() { 0 } else { 13 };
            canvas.write(1, y, 9, Role::Muted, format_args!("{}", self.view.when(passage.at, true)));
            canvas.text(11, y, 8, happenings::role(passage.what), passage.what);
            canvas.text(20, y, w.saturating_sub(21 + room), Role::Text, &passage.sentence());
            canvas.text(w.saturating_sub(room), y, room.saturating_sub(1), Role::Muted, teller);
            y += 1;
        }
        y
    }

    /// Who tells, how old that is, and what is wrong with it.
    fn tellers(&self) -> String {
        let mut words = vec!["journal".to_owned()];
        match self.chronicle {
            Some(chronicle) => words.extend(chronicle.logs.iter().map(|log| match (&log.fault, log.as_of) {
                (None, Some(at)) => format!("{} {} ago", log.source, self.view.age(at)),
                (Some(fault), Some(at)) => format!("{}: {}, as of {}", log.source, fault.class.words(), self.view.when(at, false)),
                (Some(fault), None) => format!("{}: {}", log.source, fault.class.words()),
                (None, None) => log.source.to_string(),
            })),
            None if !self.gone => words.extend(self.incident.all_paged().take(5).map(|(source, _)| format!("asking {source}"))),
            None => {}
        }
        words.join(" · ")
    }

    /// What was said, in full. Returns the next line.
    fn notes(&self, canvas: &mut Canvas<'_>, y: u16) -> u16 {
        let said: Vec<_> = self.happened.iter().filter_map(|p| p.said.as_ref().map(|said| (p, said))).collect();
        if said.is_empty() {
            return y;
        }
        canvas.rule(y + self.gap, "notes", format_args!(""), false);
        let (mut y, w) = (y + self.gap + 1, canvas.width());
        for (passage, said) in said {
            let who = passage.who.as_ref().map_or_else(|| passage.told_by.word().to_owned(), ToString::to_string);
            canvas.write(1, y, 9, Role::Muted, format_args!("{}", self.view.when(passage.at, false)));
            canvas.text(11, y, 16, Role::Emphasis, &who);
            for line in wrap(said.as_str(), w.saturating_sub(29)).iter().take(12) {
                canvas.text(28, y, w.saturating_sub(29), Role::Text, line);
                y += 1;
            }
        }
        y
    }

    /// Names and values, values wrapped where they are long. Returns the next line.
    fn pairs(&self, canvas: &mut Canvas<'_>, y: u16, title: &str, labels: &Labels) -> u16 {
        if labels.0.is_empty() {
            return y;
        }
        canvas.rule(y + self.gap, title, format_args!(""), false);
        let widest = labels.shown().map(|(name, _)| cells(name.as_str())).max().unwrap_or_default().clamp(8, 24);
        let x = 1 + widest + 2;
        let mut y = y + self.gap + 1;
        for (name, value) in labels.shown() {
            canvas.text(1, y, widest, Role::Muted, name.as_str());
            for line in wrap(value.as_str(), canvas.width().saturating_sub(x + 1)).iter().take(12) {
                canvas.text(x, y, canvas.width().saturating_sub(x + 1), Role::Text, line);
                y += 1;
            }
        }
        y
    }

    /// Where to read on; each address stands there whole. Returns the next line.
    fn links(&self, canvas: &mut Canvas<'_>, y: u16) -> u16 {
        let links = &self.incident.links;
        if links.is_empty() {
            return y;
        }
        canvas.rule(y + self.gap, "links", format_args!(""), false);
        let widest = links.iter().map(|l| cells(l.name.as_str())).max().unwrap_or_default().clamp(8, 24);
        let (x, mut y) = (widest + 3, y + self.gap + 1);
        for link in links {
            canvas.text(1, y, widest, Role::Muted, link.name.as_str());
            let url = link.url.as_str();
            for line in wrap(url, canvas.width().saturating_sub(x + 1)).iter().take(12) {
                canvas.link(x, y, canvas.width().saturating_sub(x + 1), Role::Accent, line, url);
                y += 1;
            }
        }
        y
    }
}

/// How long something took, or takes.
enum Span {
    Running(Age),
    Over(Age),
    Unknown,
}

fn mean(mean: Option<Mean>) -> String {
    let secs = |span: TimeDelta| span.num_seconds() as f64;
    mean.map_or_else(|| "—".to_owned(), |m| format!("{} of {}", Age::secs(secs(m.span)), m.of))
}

/// The rules of an SLO that fire.
fn firing(row: &SloRow) -> impl Iterator<Item = (&Rule, &RuleState)> {
    row.definition.rules.iter().zip(&row.rules).filter(|(_, state)| state.firing == Some(true))
}
