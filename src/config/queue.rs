//! `[[queue]]`: what is expected of queues, what is promised of them, and where metrics tell of them.

use std::{collections::BTreeMap, sync::Arc};

use chrono::TimeDelta;
use toml::Spanned;

use super::{
    model::{Kind, SourceRow},
    people::known,
    section::{Section, is_label},
    slo,
};
use crate::domain::{
    Definition, DefinitionId, Measure, QueueEvents, QueueGauges, QueuePattern, QueueRule, Selector, Sli, SourceName, Text, Window,
};

/// What the rows say.
#[derive(Debug, Default)]
pub(super) struct Queues {
    /// What is expected.
    pub rules: Vec<Arc<QueueRule>>,
    /// Where metrics tell of queues.
    pub gauges: Vec<Arc<QueueGauges>>,
    /// What is promised of ages.
    pub promises: Vec<Arc<Definition>>,
}

/// What an exporter is called, its labels that name a queue, and the series that tell of it.
type Preset = (&'static str, &'static [&'static str], &'static [(Measure, &'static str)]);

/// Well-known exporters: the labels that name a queue, and the series that tell of it.
const PRESETS: [Preset; 3] = [
    (
        "kafka-exporter",
        &["consumergroup", "topic"],
        &[(Measure::Depth, "kafka_consumergroup_lag"), (Measure::Finished, "kafka_consumergroup_current_offset")],
    ),
    (
        "kafka-lag-exporter",
        &["group", "topic"],
        &[(Measure::Depth, "kafka_consumergroup_group_lag"), (Measure::OldestAge, "kafka_consumergroup_group_lag_seconds")],
    ),
    (
        "sqs",
        &["queue_name"],
        &[
            (Measure::Depth, "aws_sqs_approximate_number_of_messages_visible_average"),
            (Measure::OldestAge, "aws_sqs_approximate_age_of_oldest_message_maximum"),
            (Measure::InFlight, "aws_sqs_approximate_number_of_messages_not_visible_average"),
            (Measure::Delayed, "aws_sqs_approximate_number_of_messages_delayed_average"),
        ],
    ),
];

/// Sources, as far as a queue is concerned.
struct Around<'a> {
    sources: &'a [SourceRow],
    kinds: &'a [Kind],
}

/// All `[[queue]]` rows of `root`; a row with a mistake is reported and left out.
pub(super) fn queues(root: &mut Section, sources: &[SourceRow], kinds: &[Kind]) -> Queues {
    let (around, mut all) = (Around { sources, kinds }, Queues::default());
    for mut row in root.sections("queue") {
        let name = row.required_str("name", "\"orders\"");
        let pattern = name.as_ref().and_then(|name| row.parse::<QueuePattern>(name)).map(Spanned::into_inner);
        let gauges = gauges(&mut row, name.as_ref(), pattern.as_ref());
        let told = around.source(&mut row, gauges.is_some());
        let rule = rule(&mut row, pattern, told.clone());
        let promise = promise(&mut row, rule.as_ref(), &around);
        if let (Some(rule), Some(name)) = (&rule, &name) {
            warn_if_hidden(&row, name, rule, &all.rules);
        }
        row.finish();
        let Some(rule) = rule else { continue };
        if let (Some(Some(gauges)), Some(source)) = (gauges, told) {
            all.gauges.push(Arc::new(QueueGauges { source, ..gauges }));
        }
        let promise = promise.filter(|promise| !all.promises.iter().any(|other| other.id == promise.id));
        all.rules.push(Arc::new(QueueRule { promise: promise.as_ref().map(|promise| promise.id.clone()), ..rule }));
        all.promises.extend(promise.map(Arc::new));
    }
    qualify(&mut all.promises);
    all
}

/// Where several sources have promises of queues, ids need the source in front.
fn qualify(promises: &mut [Arc<Definition>]) {
    let first = promises.first().map(|p| p.source.clone());
    let qualified = promises.iter().any(|p| Some(&p.source) != first.as_ref());
    for promise in promises {
        Arc::make_mut(promise).qualified = qualified;
    }
}

fn rule(row: &mut Section, queues: Option<QueuePattern>, source: Option<SourceName>) -> Option<QueueRule> {
    let well = source.is_some() || !row.has("source");
    let service = row.name_if_there("service", "\"checkout\"").map(|s| Text::clean(s.get_ref()));
    let max_age = row.duration("max_age").and_then(|age| TimeDelta::from_std(age.into_inner()).ok());
    let workers = row.bool("workers").is_none_or(Spanned::into_inner);
    if !workers && row.has("max_age") {
        row.error_with_help(&row.key_span("max_age"), "`max_age` where no `workers` are", "leave out one of the two");
    }
    let rule = QueueRule { queues: queues?, source, service, max_age, workers, promise: None };
    well.then_some(rule)
}

/// `objective`, `period` and `rules`: what is promised of the ages of these queues.
fn promise(row: &mut Section, rule: Option<&QueueRule>, around: &Around<'_>) -> Option<Definition> {
    if !row.has("objective") {
        return None;
    }
    if !row.has("max_age") {
        row.missing("max_age", "\"5m\"");
    }
    let objective = slo::objective(row, "objective");
    let period = row.window("period");
    let bad_period = row.has("period") && period.is_none();
    let period = period.map_or(Window::days(30), Spanned::into_inner);
    let rules = slo::rules(row, period);
    if !bad_period {
        slo::check_rules(row, &rules, period, objective.as_ref(), &BTreeMap::new());
    }
    let rule = rule?;
    let source = rule.source.clone().or_else(|| around.only(row, &|kind| kind.has_queues, "queues"))?;
    Some(Definition {
        id: DefinitionId::new(&format!("{source}/{}/age", rule.queues)),
        name: Text::from("age"),
        source,
        by: vec!["queue".to_owned()],
        service: rule.service.clone(),
        objective: objective?.into_inner(),
        overrides: BTreeMap::new(),
        period,
        sli: Sli::Queue(QueueEvents { max_age: rule.max_age? }),
        rules: rules.into_iter().map(Spanned::into_inner).collect(),
        min_events: 0.0,
        qualified: false,
    })
}

/// `preset`, `by` and the selectors; the outer `None` if the row has none of these, the inner if they are wrong.
#[expect(clippy::option_option, reason = "a row that tells of no series is not one whose series are wrong")]
fn gauges(row: &mut Section, name: Option<&Spanned<String>>, pattern: Option<&QueuePattern>) -> Option<Option<QueueGauges>> {
    let words = PRESETS.map(|(word, ..)| word);
    let preset = row.one_of("preset", &words).and_then(|word| PRESETS.into_iter().find(|(known, ..)| known == word.get_ref()));
    let labels = row.strings("by");
    let mut measures: BTreeMap<Measure, Selector> = BTreeMap::new();
    let known = preset.iter().flat_map(|(_, _, series)| series.iter());
    measures.extend(known.filter_map(|(measure, series)| Some((*measure, series.parse().ok()?))));
    let mut well = true;
    for measure in Measure::ALL {
        let selector = row.selector(measure.key());
        well &= selector.is_some() || !row.has(measure.key());
        measures.extend(selector.map(|s| (measure, s.into_inner())));
    }
    let told = row.has("preset") || Measure::ALL.iter().any(|m| row.has(m.key()));
    if !told {
        if row.has("by") {
            row.error_with_help(&row.key_span("by"), "`by` without `depth` or `oldest_age`", "say which series tell of these queues");
        }
        return None;
    }
    if well && !row.has("preset") && !measures.contains_key(&Measure::Depth) && !measures.contains_key(&Measure::OldestAge) {
        row.missing("depth", "'queue_depth'");
        well = false;
    }
    let mut by: Vec<String> = preset.iter().flat_map(|(_, by, _)| by.iter()).map(|label| (*label).to_owned()).collect();
    if let Some(labels) = labels {
        for label in labels.iter().filter(|label| !is_label(label.get_ref())) {
            row.error(&label.span(), &format!("`{}` is not the name of a label", label.get_ref()));
            well = false;
        }
        by = labels.into_iter().map(Spanned::into_inner).collect();
    }
    if let (true, Some(name), Some(pattern)) = (by.is_empty(), name, pattern)
        && !pattern.is_plain()
    {
        row.error_with_help(&name.span(), "`*` names many queues, and no label tells them apart", "add `by = [\"queue\"]`, or name one");
        well = false;
    }
    well &= row.has("preset") == preset.is_some();
    let name = name.map(|name| Text::clean(name.get_ref()));
    let read = name.map(|name| QueueGauges { source: SourceName::new(""), name, by, measures: measures.into_iter().collect() });
    Some(read.filter(|_| well))
}

impl Around<'_> {
    fn is(&self, source: &SourceRow, able: &dyn Fn(&Kind) -> bool) -> bool {
        self.kinds.iter().any(|kind| kind.word == source.kind && able(kind))
    }
    /// The source of a row: the one it names, if it names one; for series the only one that has some.
    fn source(&self, row: &mut Section, series: bool) -> Option<SourceName> {
        let able = |kind: &Kind| if series { kind.counts_events && !kind.checks } else { kind.has_queues };
        let what = if series { "series" } else { "queues" };
        let Some(name) = row.str("source") else {
            return if series && !row.has("source") { self.only(row, &able, what) } else { None };
        };
        if !known(row, "source", &name, self.sources.iter().map(|s| s.name.as_str())) {
            return None;
        }
        let source = self.sources.iter().find(|s| s.name.as_str() == name.get_ref())?;
        if !source.kind.is_empty() && !self.is(source, &able) {
            row.error(&name.span(), &format!("source `{}` is of kind {}, which knows of no {what}", source.name, source.kind));
            return None;
        }
        Some(source.name.clone())
    }
    /// The only source that is able.
    fn only(&self, row: &Section, able: &dyn Fn(&Kind) -> bool, what: &str) -> Option<SourceName> {
        let all: Vec<_> = self.sources.iter().filter(|s| self.is(s, able)).collect();
        match all.as_slice() {
            [one] => return Some(one.name.clone()),
            [] if row.context.lost_section || self.sources.iter().any(|s| s.kind.is_empty()) => {}
            [] => row.error_with_help(&row.span(), &format!("there is no source that knows of {what}"), "add a [[source]] that does"),
            many => {
                let names: Vec<_> = many.iter().map(|s| format!("\"{}\"", s.name)).collect();
                let help = format!("add `source = {}`", names.join("` or `source = "));
                row.error_with_help(&row.span(), "`source` is missing: several could tell of this", &help);
            }
        }
        None
    }
}

/// The first row that speaks of a queue counts: say so of one that a row before it leaves nothing to.
fn warn_if_hidden(row: &Section, name: &Spanned<String>, rule: &QueueRule, before: &[Arc<QueueRule>]) {
    let wider = |other: &Arc<QueueRule>| (other.source.is_none() || other.source == rule.source) && other.queues.fits(name.get_ref());
    if let Some(other) = before.iter().find(|other| wider(other)) {
        let message = format!("the row of `{}` before this one speaks of all of these queues", other.queues);
        row.warning(&name.span(), &message, "the first row counts; move this one up");
    }
}

#[cfg(test)]
mod tests {
    use super::{super::section::tests::read, *};

    const KINDS: [Kind; 3] = [
        Kind { word: "prometheus", counts_events: true, checks: false, has_queues: false },
        Kind { word: "rabbitmq", counts_events: false, checks: false, has_queues: true },
        Kind { word: "alertmanager", counts_events: false, checks: false, has_queues: false },
    ];

    fn found(text: &str) -> (Queues, Vec<String>) {
        let mut found = Queues::default();
        let sources = "[[source]]\nname = 'rabbit'\nkind = 'rabbitmq'\n[[source]]\nname = 'am'\nkind = 'alertmanager'\n[[source]]\nname = 'prom'\nkind = 'prometheus'\n";
        let problems = read(&format!("{sources}{text}"), |root| {
            let rows = super::super::model::sources(root, &KINDS);
            found = queues(root, &rows, &KINDS);
        });
        (found, problems)
    }

    #[test]
    fn a_row_says_what_is_expected_of_queues() {
        let (rules, problems) = found(
            "[[queue]]\nname = 'shop/*'\nsource = 'rabbit'\nservice = 'checkout'\nmax_age = '2m'\n[[queue]]\nname = '*.dlq'\nworkers = false",
        );
        assert_eq!(problems, [""; 0]);
        let [orders, dead] = rules.rules.as_slice() else { panic!("{rules:?}") };
        assert_eq!((orders.max_age, orders.workers), (Some(TimeDelta::minutes(2)), true));
        assert_eq!((orders.source.as_ref().map(SourceName::as_str), dead.workers), (Some("rabbit"), false));
    }

    #[test]
    fn mistakes_are_told_at_their_places() {
        for (text, expected) in [
            ("max_age = '5m'", "10:1 `name` is missing (add `name = \"orders\"`)"),
            ("name = 'orders'\nsource = 'rabit'", "12:10 unknown source `rabit` (did you mean `rabbit`?)"),
            ("name = 'orders'\nsource = 'am'", "12:10 source `am` is of kind alertmanager, which knows of no queues"),
            ("name = 'orders'\nmax_age = 300", "12:11 `max_age` is a number without a unit (write \"300s\" or \"300m\")"),
            ("name = 'orders'\nmax_age = '5m'\nworkers = false", "12:1 `max_age` where no `workers` are (leave out one of the two)"),
            (
                "name = '*'\n[[queue]]\nname = 'orders'",
                "13:8 the row of `*` before this one speaks of all of these queues (the first row counts; move this one up)",
            ),
        ] {
            assert_eq!(found(&format!("[[queue]]\n{text}")).1, [expected], "{text}");
        }
    }

    #[test]
    fn a_promise_of_age_is_an_slo_of_each_queue() {
        let (queues, problems) = found("[[queue]]\nname = 'shop/*'\nmax_age = '2m'\nobjective = '99%'\nservice = 'shop'");
        assert_eq!(problems, [""; 0]);
        let (rule, promise) = (&queues.rules[0], &queues.promises[0]);
        assert_eq!((rule.promise.as_ref(), promise.source.as_str()), (Some(&promise.id), "rabbit"));
        let group = crate::domain::Group(vec![crate::domain::Untrusted::new("shop/orders")]);
        assert_eq!((promise.slo_id(&group).as_str(), promise.service_of(&group).as_str()), ("shop/orders/age", "shop"));
        assert!(matches!(&promise.sli, Sli::Queue(events) if events.max_age == TimeDelta::minutes(2)));
        let (_, problems) = found("[[queue]]\nname = 'orders'\nobjective = '99%'");
        assert_eq!(problems, ["10:1 `max_age` is missing (add `max_age = \"5m\"`)"]);
    }

    #[test]
    fn series_tell_of_queues_by_selectors_or_by_the_name_of_an_exporter() {
        let (queues, problems) = found(
            "[[queue]]\nname = '*'\npreset = 'kafka-lag-exporter'\nconsumers = 'members'\n\
             [[queue]]\nname = 'orders'\ndepth = 'depth{queue=\"orders\"}'\noldest_age = 'age'",
        );
        assert_eq!(problems[1..], [""; 0], "the first row speaks of all: {problems:?}");
        let [lag, orders] = queues.gauges.as_slice() else { panic!("{queues:?}") };
        let told = |g: &QueueGauges| g.measures.iter().map(|(m, s)| format!("{}={s}", m.key())).collect::<Vec<_>>();
        assert_eq!(lag.by, ["group", "topic"]);
        assert_eq!(
            told(lag),
            ["depth=kafka_consumergroup_group_lag", "oldest_age=kafka_consumergroup_group_lag_seconds", "consumers=members"]
        );
        assert_eq!((orders.source.as_str(), orders.by.len(), told(orders).len()), ("prom", 0, 2));
        for (text, expected) in [
            ("name = '*'\ndepth = 'd'", "11:8 `*` names many queues, and no label tells them apart (add `by = [\"queue\"]`, or name one)"),
            ("name = 'o'\nconsumers = 'c'", "10:1 `depth` is missing (add `depth = 'queue_depth'`)"),
            ("name = 'o'\nby = ['q']", "12:1 `by` without `depth` or `oldest_age` (say which series tell of these queues)"),
            ("name = 'o'\ndepth = 'd'\nsource = 'rabbit'", "13:10 source `rabbit` is of kind rabbitmq, which knows of no series"),
            ("name = 'o'\npreset = 'kafka'", "12:10 unknown preset `kafka` (there is `kafka-exporter`, `kafka-lag-exporter`, `sqs`)"),
        ] {
            assert_eq!(found(&format!("[[queue]]\n{text}")).1, [expected], "{text}");
        }
    }
}
