//! The questions that are sent to a Prometheus, as text.
//!
//! Both sides of an SLI travel in one request: each is one grouped `increase`, tagged with a label of our own and joined by `or`. So a
//! definition costs one request for each window, however many groups it fans out to, and both sides are of the same instant.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Counted, Definition, Grade, Group, HistogramLatency, Measure, Queries, QueueGauges, Selector, Sli, Window};

/// The label that says which side of the question a series answers.
pub const TAG: &str = "burnwatch_side";
/// Events that the SLI's selector tells apart.
pub const PART: &str = "part";
/// All events.
pub const TOTAL: &str = "total";
/// How often the period was looked at and found to hold a sample.
pub const COVERED: &str = "covered";
/// Looks at the period for [`COVERED`].
pub const LOOKS: u32 = 240;
/// Up to so many groups a question names the groups it wants.
const NARROW: usize = 200;

/// Both sides over `window`; for the period also how much of it is covered.
pub fn counts(definition: &Definition, window: Window) -> Option<String> {
    let mut question = sides(definition, window, &BTreeMap::new())?;
    if window == definition.period {
        let step = Window::from_secs(u64::from(window.secs() / LOOKS).max(1)).unwrap_or(window);
        let there = match &definition.sli {
            Sli::Queries(queries) => Queries::over(&queries.total, definition.shortest()),
            sli => sli.ratio()?.total.to_string(),
        };
        let count = grouped("count", definition, &there);
        question = format!("{question} or {}", tagged(&format!("count_over_time(({count})[{window}:{step}])"), COVERED));
    }
    Some(question)
}

/// The tag of when a queue's samples were taken in [`queues`].
pub const TAKEN: &str = "taken";

/// Everything that is told of the queues of one row, each measure tagged with its key.
pub fn queues(gauges: &QueueGauges) -> String {
    let by = gauges.by.join(", ");
    let measure = |(measure, selector): &(Measure, Selector)| {
        let aggregate = if measure.is_greatest() { "max" } else { "sum" };
        tagged(&format!("{aggregate} by ({by}) ({selector})"), measure.key())
    };
    let taken = gauges.measures.first().map(|(_, selector)| tagged(&format!("max by ({by}) (timestamp({selector}))"), TAKEN));
    gauges.measures.iter().map(measure).chain(taken).collect::<Vec<_>>().join(" or ")
}

/// When each group's newest sample was taken.
pub fn presence(definition: &Definition) -> Option<String> {
    if let Sli::Queries(queries) = &definition.sli {
        // A query has no samples of its own: its groups are there as long as the shortest window gives any.
        let total = grouped("sum", definition, &Queries::over(&queries.total, definition.shortest()));
        return Some(format!("{total} * 0 + time()"));
    }
    Some(grouped("max", definition, &format!("timestamp({})", definition.sli.ratio()?.total)))
}

/// Both sides over `window`, narrowed to `groups` where they are few.
pub fn history(definition: &Definition, groups: &[Group], window: Window) -> Option<String> {
    sides(definition, window, &narrow(definition, groups))
}

/// Both sides of one group over every window of the rules of `grade`, tagged `part:5m`, `total:5m` and so on.
pub fn start(definition: &Definition, group: &Group, grade: Grade) -> Option<String> {
    let only = narrow(definition, std::slice::from_ref(group));
    let windows: BTreeSet<Window> = definition.rules_of(grade).flat_map(|r| [r.short, r.long]).collect();
    let both = |w: &Window| two_sides(definition, *w, &only).map(|sides| sides.map(|(tag, side)| tagged(&side, &start_tag(tag, *w))));
    let all = windows.iter().map(both).collect::<Option<Vec<_>>>()?;
    Some(all.into_iter().flatten().collect::<Vec<_>>().join(" or "))
}

/// The tag of one side over one window in [`start`].
pub fn start_tag(side: &str, window: Window) -> String {
    format!("{side}:{window}")
}

fn sides(definition: &Definition, window: Window, only: &BTreeMap<String, String>) -> Option<String> {
    let [part, total] = two_sides(definition, window, only)?.map(|(tag, side)| tagged(&side, tag));
    Some(format!("{part} or {total}"))
}

/// Both sides over `window`, each with the name of what it tells.
fn two_sides(definition: &Definition, window: Window, only: &BTreeMap<String, String>) -> Option<[(&'static str, String); 2]> {
    if let Sli::Queries(queries) = &definition.sli {
        // Of shares no sum can be made: there is one for each group, and of several the worst is taken.
        let aggregate = if queries.told == Counted::BadShare { "max" } else { "sum" };
        let part = grouped(aggregate, definition, &Queries::over(&queries.part, window));
        return Some([(PART, part), (TOTAL, grouped("sum", definition, &Queries::over(&queries.total, window)))]);
    }
    let ratio = definition.sli.ratio()?;
    let side = |selector| increase(definition, &narrowed(selector, only), window);
    Some([(PART, side(&ratio.selector)), (TOTAL, side(&ratio.total))])
}

/// Which bounds a histogram has: one series for each way that one is written.
pub fn bounds(latency: &HistogramLatency) -> String {
    format!("count by (le) ({})", latency.buckets())
}

fn increase(definition: &Definition, selector: &str, window: Window) -> String {
    grouped("sum", definition, &format!("increase({selector}[{window}])"))
}

fn grouped(aggregate: &str, definition: &Definition, inner: &str) -> String {
    format!("{aggregate} by ({}) ({inner})", definition.by.join(", "))
}

fn tagged(inner: &str, tag: &str) -> String {
    format!(r#"label_replace({inner}, "{TAG}", "{tag}", "", "")"#)
}

fn narrowed(selector: &Selector, only: &BTreeMap<String, String>) -> String {
    if only.is_empty() { selector.to_string() } else { selector.with(only) }
}

/// A regular expression for each label that lets these groups through. With several labels it may let more through: the answer is
/// looked through again.
fn narrow(definition: &Definition, groups: &[Group]) -> BTreeMap<String, String> {
    if groups.is_empty() || groups.len() > NARROW {
        return BTreeMap::new();
    }
    let values = |at: usize| -> BTreeSet<String> { groups.iter().filter_map(|g| g.0.get(at)).map(|v| regex::escape(v.raw())).collect() };
    let matcher = |(at, label): (usize, &String)| (label.clone(), values(at).into_iter().collect::<Vec<_>>().join("|"));
    definition.by.iter().enumerate().map(matcher).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::Untrusted, sources::tests::definition};

    #[test]
    fn both_sides_travel_in_one_question() {
        let good = definition("availability", &["service"]);
        assert_eq!(
            counts(&good, Window::minutes(5)).unwrap(),
            r#"label_replace(sum by (service) (increase(http_requests_total{code!~"5.."}[5m])), "burnwatch_side", "part", "", "") or label_replace(sum by (service) (increase(http_requests_total[5m])), "burnwatch_side", "total", "", "")"#
        );
        let period = counts(&good, good.period).unwrap();
        assert!(period.ends_with(
            r#" or label_replace(count_over_time((count by (service) (http_requests_total))[30d:3h]), "burnwatch_side", "covered", "", "")"#
        ));
        assert_eq!(presence(&good).unwrap(), "max by (service) (timestamp(http_requests_total))");
        assert!(counts(&definition("all", &[]), Window::minutes(5)).unwrap().starts_with("label_replace(sum by () (increase("));
    }

    #[test]
    fn a_question_names_the_groups_it_wants_as_texts_not_as_patterns() {
        let group = |values: &[&str]| Group(values.iter().map(|v| Untrusted::new(*v)).collect());
        let one = definition("availability", &["service"]);
        let asked = history(&one, &[group(&["a.b"]), group(&["c|\"d"])], Window::minutes(5)).unwrap();
        assert!(asked.contains(r#"http_requests_total{code!~"5..",service=~"a\\.b|c\\|\"d"}[5m]"#), "{asked}");
        let two = definition("availability", &["service", "zone"]);
        let asked = history(&two, &[group(&["a", "eu"]), group(&["b", "eu"])], Window::minutes(5)).unwrap();
        assert!(asked.contains(r#"http_requests_total{service=~"a|b",zone=~"eu"}"#), "{asked}");
        let many: Vec<_> = (0..=NARROW).map(|n| group(&[&n.to_string()])).collect();
        assert!(!history(&one, &many, Window::minutes(5)).unwrap().contains("=~"));
        let asked = start(&one, &group(&["a"]), Grade::Page).unwrap();
        assert_eq!(asked.matches(" or ").count(), 7, "four windows, two sides: {asked}");
        assert!(asked.contains(r#"(increase(http_requests_total{service=~"a"}[1h])), "burnwatch_side", "total:1h", "", "")"#), "{asked}");
    }
}
