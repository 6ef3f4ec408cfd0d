//! `[[slo]]`: promises, fanned out over label values.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use toml::Spanned;

use super::{
    model::Kind,
    model::SourceRow,
    problem::did_you_mean,
    section::{Section, is_label},
};
use crate::domain::{
    Bound, Counted, Definition, DefinitionId, Grade, HistogramLatency, Objective, ProbeEvents, Queries, Ratio, Rule, Selector, Side, Sli,
    SourceName, Text, WINDOW, Window, workbook,
};

/// A definition that has no id yet, and where its name stands.
struct Draft {
    definition: Definition,
    name: Range<usize>,
    row: Section,
}

/// All `[[slo]]` rows of `root`; a row with a mistake is reported and left out.
pub(super) fn definitions(root: &mut Section, sources: &[SourceRow], kinds: &[Kind]) -> Vec<Arc<Definition>> {
    let rows = root.sections("slo");
    identified(rows.into_iter().filter_map(|row| draft(row, &Counting { sources, kinds })).collect())
}

/// Sources, as far as an SLO is concerned.
struct Counting<'a> {
    sources: &'a [SourceRow],
    kinds: &'a [Kind],
}

impl Counting<'_> {
    fn counts(&self, row: &SourceRow) -> bool {
        self.kinds.iter().any(|k| k.word == row.kind && k.counts_events)
    }
    /// The source that `row` names, or the only one that counts events.
    fn of(&self, row: &mut Section) -> Option<SourceName> {
        match row.str("source") {
            Some(name) => self.named(row, &name),
            None if row.has("source") => None,
            None => self.only(row),
        }
    }
    fn named(&self, row: &Section, name: &Spanned<String>) -> Option<SourceName> {
        let Some(source) = self.sources.iter().find(|s| s.name.as_str() == name.get_ref()) else {
            if !row.context.lost_section {
                let help = did_you_mean(name.get_ref(), self.sources.iter().map(|s| s.name.as_str()));
                let help = help.unwrap_or_else(|| "add a [[source]] of this name".to_owned());
                row.error_with_help(&name.span(), &format!("unknown source `{}`", name.get_ref()), &help);
            }
            return None;
        };
        if !source.kind.is_empty() && !self.counts(source) {
            row.error(&name.span(), &format!("source `{}` is of kind {}, which counts no events", name.get_ref(), source.kind));
            return None;
        }
        Some(source.name.clone())
    }
    /// Whether a source checks for itself what its SLOs count.
    fn checks(&self, source: Option<&SourceName>) -> bool {
        let kind = self.sources.iter().find(|s| Some(&s.name) == source).map(|s| s.kind.as_str());
        self.kinds.iter().any(|k| Some(k.word) == kind && k.checks)
    }
    /// Whether a source is asked in a language of its own.
    fn asks(&self, source: &SourceName) -> bool {
        self.sources.iter().any(|s| s.name == *source && (s.kind == "prometheus" || s.kind.is_empty()))
    }
    fn only(&self, row: &Section) -> Option<SourceName> {
        // A probe counts its own checks only: beside others it is not meant unless it is named.
        let (probes, others): (Vec<_>, Vec<_>) = self.sources.iter().filter(|s| self.counts(s)).partition(|s| self.checks(Some(&s.name)));
        let able = if others.is_empty() { probes } else { others };
        match able.as_slice() {
            [one] => return Some(one.name.clone()),
            [] if row.context.lost_section || self.sources.iter().any(|s| s.kind.is_empty()) => {}
            [] => {
                let kinds: Vec<_> = self.kinds.iter().filter(|k| k.counts_events).map(|k| k.word).collect();
                let help = format!("add a [[source]] of kind {}", kinds.join(" or "));
                row.error_with_help(&row.span(), "there is no source that counts events", &help);
            }
            many => {
                let names: Vec<_> = many.iter().map(|s| format!("\"{}\"", s.name)).collect();
                let help = format!("add `source = {}`", names.join("` or `source = "));
                row.error_with_help(&row.span(), "`source` is missing: several could count this", &help);
            }
        }
        None
    }
}

fn draft(mut row: Section, sources: &Counting<'_>) -> Option<Draft> {
    let name = row.name("name", "\"availability\"");
    let source = sources.of(&mut row);
    let checks = sources.checks(source.as_ref());
    let (by, service) = grouping(&mut row, checks);
    let objective = required_objective(&mut row);
    let overrides = overrides(&mut row, by.is_empty());
    let period = row.window("period");
    let bad_period = row.has("period") && period.is_none();
    let period = period.map_or(Window::days(30), Spanned::into_inner);
    let asks = source.as_ref().is_none_or(|name| sources.asks(name));
    let sli = if checks { probed(&mut row) } else { sli(&mut row, asks) };
    let min_events = row.number("min_events").map_or(0.0, Spanned::into_inner);
    let rules = rules(&mut row, period);
    if !bad_period {
        check_rules(&row, &rules, period, objective.as_ref(), &overrides);
    }
    row.clone().finish();
    let (name, objective) = (name?, objective?.into_inner());
    let definition = Definition {
        id: DefinitionId::new(name.get_ref()),
        name: Text::clean(name.get_ref()),
        source: source?,
        by,
        service,
        objective,
        overrides: overrides.into_iter().map(|(group, o)| (group, o.into_inner())).collect(),
        period,
        sli: sli?,
        rules: rules.into_iter().map(Spanned::into_inner).collect(),
        min_events,
        qualified: false,
    };
    Some(Draft { definition, name: name.span(), row })
}

/// `by` and `service`: one of them must tell which service a figure belongs to; the targets of a probe tell it themselves.
fn grouping(row: &mut Section, checks: bool) -> (Vec<String>, Option<Text>) {
    let (names, service) = (row.strings("by"), row.name_if_there("service", "\"checkout\""));
    let mut by: Vec<String> = Vec::new();
    for label in names.into_iter().flatten() {
        let text = label.get_ref();
        if !is_label(text) {
            row.error(&label.span(), &format!("`{text}` is not the name of a label"));
        } else if by.contains(text) {
            row.error(&label.span(), &format!("`{text}` stands in `by` twice"));
        } else {
            by.push(label.into_inner());
        }
    }
    if checks && !row.has("by") && !row.has("service") {
        by.push("service".to_owned());
    } else if !row.has("by") && !row.has("service") {
        let help = "add `by = [\"service\"]` for one row per label value, or `service = \"checkout\"`";
        row.missing_with_help("an SLO says which service it belongs to", help);
    }
    if let Some(service) = service.as_ref().filter(|_| by.iter().any(|l| l == "service")) {
        row.error_with_help(&service.span(), "`by` already tells the service", "leave out one of the two");
    }
    (by, service.map(|s| Text::clean(s.get_ref())))
}

fn required_objective(row: &mut Section) -> Option<Spanned<Objective>> {
    if !row.has("objective") {
        row.missing("objective", "\"99.9%\"");
    }
    objective(row, "objective")
}

/// `"99.9%"`, `99.9` or `0.999`.
pub(super) fn objective(row: &mut Section, key: &str) -> Option<Spanned<Objective>> {
    let raw = row.figure(key)?;
    row.parse(&raw)
}

/// `[slo.objectives]`: what is promised to particular groups.
fn overrides(row: &mut Section, single: bool) -> BTreeMap<String, Spanned<Objective>> {
    let Some(mut table) = row.table("objectives") else { return BTreeMap::new() };
    if single {
        table.error(&table.span(), "`objectives` are for the groups of `by`; this SLO has no `by`");
    }
    let mut found = BTreeMap::new();
    for group in table.keys() {
        let value = objective(&mut table, group.get_ref());
        found.extend(value.map(|o| (Text::clean(group.get_ref()).as_str().to_owned(), o)));
    }
    table.finish();
    found
}

/// Selectors, a histogram with a bound, or queries.
fn sli(row: &mut Section, asks: bool) -> Option<Sli> {
    const WAYS: [(&str, &[&str]); 3] = [
        ("histogram", &["histogram", "under"]),
        ("queries", &["query", "good_query", "bad_query", "total_query"]),
        ("selectors", &["good", "bad", "total"]),
    ];
    let given: Vec<_> = WAYS.iter().filter_map(|(way, keys)| Some((*way, *keys.iter().find(|key| row.has(key))?))).collect();
    row.asked.extend(WAYS.iter().flat_map(|(_, keys)| keys.iter().map(|key| (*key).to_owned())));
    if let [(_, first), (_, second), ..] = given.as_slice() {
        row.error_with_help(&row.key_span(second), &format!("`{first}` and `{second}` are two ways to count"), "keep one of them");
        return None;
    }
    match given.first() {
        Some(("histogram", _)) => latency(row),
        Some(("queries", _)) => queries(row, asks),
        _ => selectors(row),
    }
}

/// `histogram` and `under`.
fn latency(row: &mut Section) -> Option<Sli> {
    for (key, example) in [("histogram", "'http_request_duration_seconds'"), ("under", "\"300ms\"")] {
        if !row.has(key) {
            row.missing(key, example);
        }
    }
    let histogram = row.selector("histogram");
    let is_text = row.is_text("under");
    let under =
        if is_text { row.duration("under").map(|d| d.get_ref().as_secs_f64()) } else { row.number("under").map(Spanned::into_inner) };
    let (histogram, under) = (histogram?, under?);
    let name = histogram.get_ref().metric();
    let name = name.strip_suffix("_bucket").unwrap_or(name);
    let Some(bound) = (if is_text { Bound::of_seconds(under, name) } else { Bound::new(under) }) else {
        row.error(&row.key_span("under"), "`under` is greater than 0");
        return None;
    };
    let latency = HistogramLatency::new(histogram.get_ref(), bound);
    if latency.is_none() {
        row.error_with_help(&histogram.span(), "the bound stands in `under`, not in `le`", "leave out `le`");
    }
    latency.map(Sli::Latency)
}

/// `total_query`, and one of `good_query`, `bad_query` and `query`, which gives the share of bad events.
fn queries(row: &mut Section, asks: bool) -> Option<Sli> {
    const PARTS: [(&str, Counted); 3] = [("good_query", Counted::Good), ("bad_query", Counted::Bad), ("query", Counted::BadShare)];
    let given: Vec<_> = PARTS.into_iter().filter(|(key, _)| row.has(key)).collect();
    if !asks {
        let at = given.first().map_or("total_query", |(key, _)| key);
        row.error_with_help(&row.key_span(at), "only a `prometheus` source takes queries", "count with `good` and `total`");
    }
    if !row.has("total_query") {
        let help = "add `total_query = 'sum by (service) (increase(…[$window]))'`: a share alone has no events, and no budget in events";
        row.missing_with_help("`total_query` is missing", help);
    }
    let missing = row.one_of("missing", &["zero"]).is_some();
    let total = query(row, "total_query");
    let (key, told) = match given.as_slice() {
        [one] => *one,
        [] => {
            row.missing("bad_query", "'sum by (service) (increase(…[$window]))'");
            return None;
        }
        [(first, _), (second, _), ..] => {
            row.error_with_help(&row.key_span(second), &format!("`{first}` and `{second}` both"), "keep one of them");
            return None;
        }
    };
    let (part, total) = (query(row, key)?, total?);
    asks.then_some(Sli::Queries(Queries { told, part, total, missing_is_zero: missing }))
}

/// A query, in which the window is left open.
fn query(row: &mut Section, key: &str) -> Option<String> {
    if !row.has(key) {
        return None;
    }
    let text = row.required_str(key, "'sum by (service) (increase(…[$window]))'")?;
    if !text.get_ref().contains(WINDOW) {
        row.error_with_help(&text.span(), &format!("`{key}` has no {WINDOW}"), "burnwatch asks it over several windows: write [$window]");
        return None;
    }
    Some(text.into_inner())
}

/// Exactly one of `good` and `bad`, and `total`.
fn selectors(row: &mut Section) -> Option<Sli> {
    let (has_good, has_bad) = (row.has("good"), row.has("bad"));
    let (good, bad) = (row.selector("good"), row.selector("bad"));
    if !row.has("total") {
        row.missing("total", "'http_requests_total'");
    }
    let total = row.selector("total");
    let missing = row.one_of("missing", &["zero"]);
    if has_good && has_bad {
        row.error_with_help(&row.key_span("bad"), "`good` and `bad` both", "keep one: the other is the rest of `total`");
        return None;
    }
    if !has_good && !has_bad {
        row.missing("good", "'http_requests_total{code!~\"5..\"}'");
    }
    let (part, selector) = good.map(|s| (Side::Good, s)).or_else(|| bad.map(|s| (Side::Bad, s)))?;
    let (span, selector, total) = (selector.span(), selector.into_inner(), total?.into_inner());
    warn_if_all(row, &span, &selector, &total);
    let missing_is_zero = selector.metric() == total.metric() || missing.is_some();
    Some(Sli::Ratio(Ratio { part, selector, total, missing_is_zero }))
}

/// A probe's checks: all of them, or the quick ones among those that succeeded.
fn probed(row: &mut Section) -> Option<Sli> {
    for key in ["good", "bad", "total", "missing", "histogram", "query", "good_query", "bad_query", "total_query"] {
        row.asked.insert(key.to_owned());
        if row.has(key) {
            row.error(&row.key_span(key), &format!("a probe counts its own checks; leave out `{key}`"));
        }
    }
    let given = row.has("under");
    let under = row.duration("under").map(Spanned::into_inner);
    (!given || under.is_some()).then_some(Sli::Probe(ProbeEvents { under }))
}

fn warn_if_all(row: &Section, span: &Range<usize>, part: &Selector, total: &Selector) {
    if part == total {
        row.warning(span, "this selects the same events as `total`", "select the good or the bad ones only");
    }
}

/// `rules = "workbook"` (also the default), or `[[slo.rules]]`. Most urgent first.
pub(super) fn rules(row: &mut Section, period: Window) -> Vec<Spanned<Rule>> {
    if !row.has("rules") || row.is_text("rules") {
        let span = if row.has("rules") { row.key_span("rules") } else { row.key_span("objective") };
        row.one_of("rules", &["workbook"]);
        return workbook(period).into_iter().map(|rule| Spanned::new(span.clone(), rule)).collect();
    }
    let tables = row.sections("rules");
    if tables.is_empty() {
        row.error_with_help(&row.key_span("rules"), "`rules` is empty", "leave it out for the usual ones");
    }
    let mut rules: Vec<_> = tables.into_iter().filter_map(|table| rule(table, period)).collect();
    rules.sort_by_key(|r| std::cmp::Reverse(r.get_ref().grade));
    rules
}

fn rule(mut table: Section, period: Window) -> Option<Spanned<Rule>> {
    for (key, example) in [("severity", "\"page\""), ("long", "\"1h\""), ("short", "\"5m\"")] {
        if !table.has(key) {
            table.missing(key, example);
        }
    }
    let grade = table.one_of("severity", &["page", "ticket"]).map(|s| if *s.get_ref() == "page" { Grade::Page } else { Grade::Ticket });
    let (long, short) = (table.window("long"), table.window("short"));
    let (budget, factor) = (budget(&mut table), factor(&mut table));
    match (table.has("budget"), table.has("factor")) {
        (true, true) => table.error(&table.key_span("factor"), "`budget` and `factor` both; keep one"),
        (false, false) => table.missing("budget", "\"2%\""),
        _ => {}
    }
    table.clone().finish();
    let (grade, long, short) = (grade?, long?.into_inner(), short?.into_inner());
    let rule = match (budget, factor) {
        (Some(share), None) => Rule::derived(grade, long, short, share, period),
        (None, Some(factor)) => Rule { grade, long, short, factor },
        _ => return None,
    };
    Some(Spanned::new(table.span(), rule))
}

/// The share of the budget that a rule lets go before it fires.
fn budget(table: &mut Section) -> Option<f64> {
    let raw = table.figure("budget")?;
    let share = raw.get_ref().parse().ok().map(Objective::ratio);
    if share.is_none() {
        table.error_with_help(&raw.span(), "`budget` is a share between 0 % and 100 %", "such as \"2%\" or 0.02");
    }
    share
}

fn factor(table: &mut Section) -> Option<f64> {
    let factor = table.number("factor")?;
    if *factor.get_ref() <= 0.0 {
        table.error(&factor.span(), "`factor` is greater than 0");
        return None;
    }
    Some(factor.into_inner())
}

pub(super) fn check_rules(
    row: &Section,
    rules: &[Spanned<Rule>],
    period: Window,
    objective: Option<&Spanned<Objective>>,
    overrides: &BTreeMap<String, Spanned<Objective>>,
) {
    for (n, rule) in rules.iter().enumerate() {
        let (span, rule) = (rule.span(), rule.get_ref());
        if rule.short >= rule.long {
            row.error(&span, &format!("the short window ({}) is shorter than the long one ({})", rule.short, rule.long));
        }
        if rule.long > period {
            let at = if row.has("period") { row.key_span("period") } else { span.clone() };
            let message = format!("the period ({period}) is shorter than the long window of a rule ({})", rule.long);
            row.error_with_help(&at, &message, "lengthen the period, or give rules of your own in [[slo.rules]]");
        }
        let same = |other: &Spanned<Rule>| {
            let other = other.get_ref();
            (other.grade, other.long, other.short) == (rule.grade, rule.long, rule.short)
        };
        if rules.iter().take(n).any(same) {
            row.error(&span, &format!("a second rule of the same windows ({}/{})", rule.long, rule.short));
        }
    }
    for objective in objective.into_iter().chain(overrides.values()) {
        let deaf = rules.iter().map(Spanned::get_ref).filter(|r| !r.can_fire(*objective.get_ref()));
        let windows: Vec<_> = deaf.map(|r| format!("{}/{}", r.long, r.short)).collect();
        if !windows.is_empty() {
            let message = format!("at {} the rules over {} can never fire", objective.get_ref(), windows.join(", "));
            row.warning(&objective.span(), &message, "even a total outage burns too slowly; give rules of your own");
        }
    }
}

/// Give every definition its id: the name; `service/name` where rows without `by` share a name; `source/…` in front where SLOs of two
/// sources would collide. An id that is still taken is an error.
fn identified(drafts: Vec<Draft>) -> Vec<Arc<Definition>> {
    let ids: Vec<_> = drafts.iter().enumerate().map(|(n, d)| identity(n, d, &drafts)).collect();
    let mut taken: BTreeMap<DefinitionId, usize> = BTreeMap::new();
    let mut out = Vec::with_capacity(drafts.len());
    for (draft, (id, qualified)) in drafts.into_iter().zip(ids) {
        let line = draft.row.document().line_of(draft.name.start) + 1;
        if let Some(first) = taken.get(&id) {
            draft.row.error_with_help(&draft.name, &format!("SLO `{id}` is already on line {first}"), "give one of them another name");
            continue;
        }
        taken.insert(id.clone(), line);
        out.push(Arc::new(Definition { id, qualified, ..draft.definition }));
    }
    out
}

fn identity(own: usize, draft: &Draft, all: &[Draft]) -> (DefinitionId, bool) {
    let this = &draft.definition;
    let others = || all.iter().enumerate().filter(|(n, _)| *n != own).map(|(_, d)| &d.definition).filter(|d| d.name == this.name);
    let collides = |d: &Definition| d.source != this.source && (!d.by.is_empty() || !this.by.is_empty() || d.service == this.service);
    let qualified = others().any(collides);
    let service = this.service.as_ref().filter(|_| this.by.is_empty() && others().next().is_some());
    let parts = [qualified.then(|| this.source.as_str()), service.map(Text::as_str), Some(this.name.as_str())];
    (DefinitionId::new(&parts.into_iter().flatten().collect::<Vec<_>>().join("/")), qualified)
}
