//! `[[queue]]`: what is expected of queues.

use std::sync::Arc;

use chrono::TimeDelta;
use toml::Spanned;

use super::{
    model::{Kind, SourceRow},
    people::known,
    section::Section,
};
use crate::domain::{QueuePattern, QueueRule, SourceName, Text};

/// All `[[queue]]` rows of `root`; a row with a mistake is reported and left out.
pub(super) fn queues(root: &mut Section, sources: &[SourceRow], kinds: &[Kind]) -> Vec<Arc<QueueRule>> {
    let mut rules: Vec<Arc<QueueRule>> = Vec::new();
    for mut row in root.sections("queue") {
        let name = row.required_str("name", "\"orders\"");
        let read = queue(&mut row, name.as_ref(), sources, kinds);
        if let (Some(rule), Some(name)) = (&read, &name) {
            warn_if_hidden(&row, name, rule, &rules);
        }
        row.finish();
        rules.extend(read.map(Arc::new));
    }
    rules
}

fn queue(row: &mut Section, name: Option<&Spanned<String>>, sources: &[SourceRow], kinds: &[Kind]) -> Option<QueueRule> {
    let queues = name.and_then(|name| row.parse::<QueuePattern>(name)).map(Spanned::into_inner);
    let source = source(row, sources, kinds);
    let well = source.is_some() || !row.has("source");
    let service = row.name_if_there("service", "\"checkout\"").map(|s| Text::clean(s.get_ref()));
    let max_age = row.duration("max_age").and_then(|age| TimeDelta::from_std(age.into_inner()).ok());
    let workers = row.bool("workers").is_none_or(Spanned::into_inner);
    if !workers && row.has("max_age") {
        row.error_with_help(&row.key_span("max_age"), "`max_age` where no `workers` are", "leave out one of the two");
    }
    let rule = QueueRule { queues: queues?, source, service, max_age, workers };
    well.then_some(rule)
}

/// The source that is named, if one is and it knows of queues.
fn source(row: &mut Section, sources: &[SourceRow], kinds: &[Kind]) -> Option<SourceName> {
    let name = row.str("source")?;
    if !known(row, "source", &name, sources.iter().map(|s| s.name.as_str())) {
        return None;
    }
    let source = sources.iter().find(|s| s.name.as_str() == name.get_ref())?;
    let able = |kind: &Kind| kind.word == source.kind && kind.has_queues;
    if !source.kind.is_empty() && !kinds.iter().any(able) {
        row.error(&name.span(), &format!("source `{}` is of kind {}, which knows of no queues", source.name, source.kind));
        return None;
    }
    Some(source.name.clone())
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

    const KINDS: [Kind; 2] = [
        Kind { word: "rabbitmq", counts_events: false, checks: false, has_queues: true },
        Kind { word: "alertmanager", counts_events: false, checks: false, has_queues: false },
    ];

    fn found(text: &str) -> (Vec<Arc<QueueRule>>, Vec<String>) {
        let mut rules = Vec::new();
        let sources = "[[source]]\nname = 'rabbit'\nkind = 'rabbitmq'\n[[source]]\nname = 'am'\nkind = 'alertmanager'\n";
        let problems = read(&format!("{sources}{text}"), |root| {
            let rows = super::super::model::sources(root, &KINDS);
            rules = queues(root, &rows, &KINDS);
        });
        (rules, problems)
    }

    #[test]
    fn a_row_says_what_is_expected_of_queues() {
        let (rules, problems) = found(
            "[[queue]]\nname = 'shop/*'\nsource = 'rabbit'\nservice = 'checkout'\nmax_age = '2m'\n[[queue]]\nname = '*.dlq'\nworkers = false",
        );
        assert_eq!(problems, [""; 0]);
        let [orders, dead] = rules.as_slice() else { panic!("{rules:?}") };
        assert_eq!((orders.max_age, orders.workers), (Some(TimeDelta::minutes(2)), true));
        assert_eq!((orders.source.as_ref().map(SourceName::as_str), dead.workers), (Some("rabbit"), false));
    }

    #[test]
    fn mistakes_are_told_at_their_places() {
        for (text, expected) in [
            ("max_age = '5m'", "7:1 `name` is missing (add `name = \"orders\"`)"),
            ("name = 'orders'\nsource = 'rabit'", "9:10 unknown source `rabit` (did you mean `rabbit`?)"),
            ("name = 'orders'\nsource = 'am'", "9:10 source `am` is of kind alertmanager, which knows of no queues"),
            ("name = 'orders'\nmax_age = 300", "9:11 `max_age` is a number without a unit (write \"300s\" or \"300m\")"),
            ("name = 'orders'\nmax_age = '5m'\nworkers = false", "9:1 `max_age` where no `workers` are (leave out one of the two)"),
            (
                "name = '*'\n[[queue]]\nname = 'orders'",
                "10:8 the row of `*` before this one speaks of all of these queues (the first row counts; move this one up)",
            ),
        ] {
            assert_eq!(found(&format!("[[queue]]\n{text}")).1, [expected], "{text}");
        }
    }
}
