//! `burnwatch oncall`: who has the pager at some time, or over some time, and where nobody has or two have.

use anyhow::Result;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

use super::{
    args::{Common, OncallLook},
    run::{Code, block_on, print},
    setup,
    status::{maybe, time},
};
use crate::{
    domain::{
        DoubleCover, Doubled, Freshness, GapInCover, Held, Interval, Place, Rota, Shift, Snapshot, Text, Window, instant, read_moment,
        read_time, wall,
    },
    engine::{self, Setup},
    sources::Gives,
    tui::figures::Age,
};

/// How far ahead gaps and double cover are told where no end was asked for.
const AHEAD: TimeDelta = TimeDelta::days(14);

/// Tell who is on call.
pub fn look(common: &Common, look: &OncallLook) -> Result<Code> {
    let (setup, snapshot) = snapshot(common)?;
    let (zone, now) = (setup.plan.time_zone, setup.clock.now());
    let span = match span(look, zone, now) {
        Ok(span) => span,
        Err(why) => return Ok(usage(&why)),
    };
    let rotas: Vec<&Rota> =
        snapshot.rotas.iter().map(|r| &**r).filter(|r| look.rotation.as_deref().is_none_or(|n| n == r.name.as_str())).collect();
    if rotas.is_empty() {
        return Ok(missing(&snapshot, look.rotation.as_deref()));
    }
    let mut found = Found::of(&rotas, span, look.until.is_some(), &snapshot);
    if look.rotation.is_none() {
        found.unknown.extend(silent(&snapshot).map(|why| (None, why)));
    }
    for source in snapshot.sources.iter().filter(|s| s.state == Freshness::Fresh) {
        if let Some(partial) = &source.partial {
            eprintln!("burnwatch: {}: {partial}", source.name);
        }
    }
    let said = if look.json { format!("{:#}\n", found.json(span, look.until.is_some())) } else { found.text(zone, span.from) };
    print(&said)?;
    Ok(found.code())
}

/// What is known of who is on call: what the store remembers, and a fresh look at the sources that tell it.
pub(super) fn snapshot(common: &Common) -> Result<(Setup, Snapshot)> {
    let loaded = setup::load(common)?;
    let mut setup = setup::setup(&loaded, common)?;
    setup.sources.retain(|s| matches!(s.gives(), Gives::Duties | Gives::Incidents));
    let snapshot = block_on(engine::once(&setup))?;
    Ok((setup, snapshot))
}

/// Wrong words: say so.
pub(super) fn usage(why: &str) -> Code {
    eprintln!("burnwatch: {}", crate::domain::clean(why));
    Code::Usage
}

/// No such rotation; where a source that may have it does not answer, that cannot be told.
fn missing(snapshot: &Snapshot, name: Option<&str>) -> Code {
    let all: Vec<_> = snapshot.rotas.iter().map(|r| r.name.as_str()).collect();
    let blind = snapshot.sources.iter().find(|s| s.kind == "pagerduty" && s.state != Freshness::Fresh);
    let (code, why) = match (name, blind) {
        (_, Some(source)) => {
            (Code::Unknown, format!("{} is {} and may keep it; `burnwatch status` tells why", source.name, source.state.word()))
        }
        (Some(name), None) if all.is_empty() => (Code::Usage, format!("there is no rotation `{name}`: nothing tells who is on call")),
        (Some(name), None) => (Code::Usage, format!("there is no rotation `{name}`; there are {}", all.join(", "))),
        (None, None) => (Code::Unknown, "nothing tells who is on call: add a [[rotation]], or a source that keeps a rota".to_owned()),
    };
    eprintln!("burnwatch: {}", crate::domain::clean(&why));
    code
}

fn span(look: &OncallLook, zone: Tz, now: DateTime<Utc>) -> Result<Interval, String> {
    let from = look.at.as_deref().map_or(Ok(now), |text| moment(text, zone, now))?;
    let to = look.until.as_deref().map_or(Ok(from + AHEAD), |text| moment(text, zone, now))?;
    if from < to { Ok(Interval { from, to }) } else { Err("--until is not after --at; swap them".to_owned()) }
}

/// A time as it is written on a command line.
pub(super) fn moment(text: &str, zone: Tz, now: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
    let text = text.trim();
    let present = (text == "now").then_some(now);
    let later = || text.strip_prefix('+')?.parse::<Window>().ok().map(|span| now + span.delta());
    let today = || read_time(text).map(|time| instant(zone, NaiveDateTime::new(wall(zone, now).date(), time)));
    let told = "write \"2026-12-24 18:00\", \"18:00\" for today, \"+3h\", \"now\", or with an offset \"2026-12-24T18:00:00+01:00\"";
    present.or_else(later).or_else(today).or_else(|| read_moment(text, zone)).ok_or_else(|| format!("`{text}` is not a time; {told}"))
}

/// A time in `zone` with its offset: `Thu 2026-12-24 18:00 +01:00`.
pub(super) fn shown(at: DateTime<Utc>, zone: Tz) -> String {
    at.with_timezone(&zone).format("%a %Y-%m-%d %H:%M %:z").to_string()
}

/// One place of a rota at a time, or one of its shifts.
struct Row<'a> {
    rota: &'a Rota,
    place: Place,
    held: Held,
}

struct Found<'a> {
    rows: Vec<Row<'a>>,
    gaps: Vec<GapInCover>,
    double: Vec<DoubleCover>,
    /// Why something cannot be told, and of which rotation.
    unknown: Vec<(Option<&'a Text>, String)>,
    /// Whether somebody has each pager for all of what was asked.
    held: bool,
}

impl<'a> Found<'a> {
    fn of(rotas: &[&'a Rota], span: Interval, whole: bool, snapshot: &Snapshot) -> Self {
        let rows: Vec<_> =
            rotas.iter().flat_map(|rota| rota.places().into_iter().flat_map(|place| rows(rota, place, span, whole))).collect();
        let gaps: Vec<_> = rotas.iter().flat_map(|r| r.gaps(span)).collect();
        let double = rotas.iter().flat_map(|r| r.double_cover(span)).collect();
        let asked = if whole { span } else { Interval { from: span.from, to: span.from + TimeDelta::nanoseconds(1) } };
        let held = !gaps.iter().any(|g| g.from.is_none_or(|from| from < asked.to) && g.to.is_none_or(|to| to > asked.from));
        let unknown = rotas.iter().filter_map(|rota| Some((Some(&rota.name), untold(rota, asked, snapshot)?))).collect();
        Self { rows, gaps, double, unknown, held }
    }

    fn code(&self) -> Code {
        match (self.held, self.unknown.is_empty()) {
            (false, _) => Code::No,
            (true, false) => Code::Unknown,
            (true, true) => Code::Yes,
        }
    }

    fn json(&self, span: Interval, whole: bool) -> Value {
        let gap = |g: &GapInCover| json!({"rotation": g.rotation, "seat": g.seat, "from": maybe(g.from), "until": maybe(g.to)});
        let double = |d: &DoubleCover| {
            let (who, seats) = match &d.what {
                Doubled::People(seat, one, other) => (vec![one, other], vec![*seat]),
                Doubled::Seats(who, one, other) => (vec![who], vec![*one, *other]),
            };
            json!({"rotation": d.rotation, "who": who, "seats": seats, "from": time(d.during.from), "until": time(d.during.to)})
        };
        json!({
            "version": 1, "at": time(span.from), "until": whole.then(|| time(span.to)), "looked_until": time(span.to),
            "on_call": self.rows.iter().flat_map(Row::json).collect::<Vec<_>>(),
            "gaps": self.gaps.iter().map(gap).collect::<Vec<_>>(), "double": self.double.iter().map(double).collect::<Vec<_>>(),
            "unknown": self.unknown.iter().map(|(rotation, why)| json!({"rotation": rotation, "why": why})).collect::<Vec<_>>(),
        })
    }

    fn text(&self, zone: Tz, at: DateTime<Utc>) -> String {
        let width = |of: &dyn Fn(&Row<'_>) -> usize| self.rows.iter().map(of).max().unwrap_or(0);
        let widths =
            [width(&|r| r.rota.name.as_str().chars().count()), width(&|r| r.place.to_string().len()), width(&|r| r.who().chars().count())];
        let rows = self.rows.iter().map(|row| row.text(widths, zone, at));
        let gaps = self.gaps.iter().map(|gap| format!("gap: {}", gap_words(gap, zone)));
        let double = self.double.iter().map(|d| format!("double cover: {}", double_words(d, zone)));
        let unknown = self.unknown.iter().map(|(_, why)| format!("not known: {why}"));
        rows.chain(gaps).chain(double).chain(unknown).fold(String::new(), |all, line| all + line.trim_end() + "\n")
    }
}

/// `data: nobody is primary from Fri 2026-11-27 18:00 +01:00 until …`
pub(super) fn gap_words(gap: &GapInCover, zone: Tz) -> String {
    let from = gap.from.map_or_else(String::new, |from| format!(" from {}", shown(from, zone)));
    let to = gap.to.map_or_else(|| " from then on".to_owned(), |to| format!(" until {}", shown(to, zone)));
    format!("{}: nobody is {}{from}{to}", gap.rotation, gap.seat)
}

/// `data: sam and lena are both primary from … until …`
pub(super) fn double_words(double: &DoubleCover, zone: Tz) -> String {
    let what = match &double.what {
        Doubled::People(seat, one, other) => format!("{one} and {other} are both {seat}"),
        Doubled::Seats(who, one, other) => format!("{who} is both {one} and {other}"),
    };
    format!("{}: {what} from {} until {}", double.rotation, shown(double.during.from, zone), shown(double.during.to, zone))
}

/// How a place is held at the beginning of `span`, or all of its shifts in it.
fn rows(rota: &Rota, place: Place, span: Interval, whole: bool) -> Vec<Row<'_>> {
    if !whole {
        return vec![Row { rota, place, held: rota.held(place, span.from) }];
    }
    rota.shifts(place, span).into_iter().map(|shift| Row { rota, place, held: Held::By(vec![shift]) }).collect()
}

/// Paging services that have told nothing, so that nobody knows which rotas they keep.
fn silent(snapshot: &Snapshot) -> impl Iterator<Item = String> {
    let silent = snapshot.sources.iter().filter(|s| s.kind == "pagerduty" && !snapshot.on_call.contains_key(&s.name));
    silent.map(|s| format!("{} is {} and may keep more; `burnwatch status` tells why", s.name, s.state.word()))
}

/// Why who is on call in `asked` cannot be told for sure; `None` if it can.
fn untold(rota: &Rota, asked: Interval, snapshot: &Snapshot) -> Option<String> {
    let silent = rota.sources().iter().filter_map(|name| snapshot.source(name)).find(|s| !s.tells_on_call());
    match silent {
        Some(source) if source.state == Freshness::Fresh => Some(format!("{}: {} does not tell who is on call", rota.name, source.name)),
        Some(source) => Some(format!("{}: {} is {}; `burnwatch status` tells why", rota.name, source.name, source.state.word())),
        None if rota.knows(asked.from) && rota.knows(asked.to - TimeDelta::nanoseconds(1)) => None,
        None => Some(format!("{}: its source tells a shorter time than was asked for", rota.name)),
    }
}

impl Row<'_> {
    fn who(&self) -> String {
        match &self.held {
            Held::By(shifts) => shifts.iter().map(|s| s.who.as_str()).collect::<Vec<_>>().join(" and "),
            Held::Nobody(_) => "nobody".to_owned(),
            Held::Unknown => "?".to_owned(),
        }
    }

    fn json(&self) -> Vec<Value> {
        let row = |state: &str, shift: Option<&Shift>, from, until: Option<DateTime<Utc>>| {
            let next = until.map(|at| json!({"at": time(at), "who": self.rota.held(self.place, at).shift().map(|s| s.who.clone())}));
            json!({
                "rotation": self.rota.name, "seat": self.place.to_string(), "state": state, "who": shift.map(|s| &s.who),
                "from": maybe(from), "until": maybe(until), "next": next, "cover": shift.map(|s| s.cover),
                "source": self.rota.sources().first(), "stale": self.rota.stale,
            })
        };
        match &self.held {
            Held::By(shifts) => {
                let from = |s: &Shift| Some(s.from).filter(|from| *from > DateTime::<Utc>::MIN_UTC);
                shifts.iter().map(|s| row("held", Some(s), from(s), s.to)).collect()
            }
            Held::Nobody(gap) => vec![row("nobody", None, gap.from, gap.to)],
            Held::Unknown => vec![row("unknown", None, None, None)],
        }
    }

    fn text(&self, [name, place, who]: [usize; 3], zone: Tz, at: DateTime<Utc>) -> String {
        let (from, to) = match &self.held {
            Held::By(shifts) => (shifts.first().map(|s| s.from), shifts.iter().filter_map(|s| s.to).min()),
            Held::Nobody(gap) => (gap.from, gap.to),
            Held::Unknown => (None, None),
        };
        let from = from.filter(|from| *from > at).map_or_else(String::new, |from| format!("from {} ", shown(from, zone)));
        let until = to.map_or_else(String::new, |to| {
            let next = self.rota.held(self.place, to);
            let next = next.shift().map_or("nobody", |s| s.who.as_str());
            let left = if from.is_empty() { format!(" ({})", Age::between(at, to)) } else { String::new() };
            format!("until {}{left}, then {next}", shown(to, zone))
        });
        let stale = if self.rota.stale { " (stale)" } else { "" };
        format!("{:<name$}  {:<place$}  {:<who$}  {from}{until}{stale}", self.rota.name.as_str(), self.place.to_string(), self.who())
    }
}
