//! `[[group]]`: what is one incident, where the usual rules do not say it well.

use super::{people::Taken, section::Section};
use crate::domain::{GroupBy, GroupRule, LabelMatcher, Matchers, Text};

/// What stands for no grouping at all, as in an Alertmanager's `group_by`.
const NOTHING: &str = "...";

/// All `[[group]]` rows of `root`, in the order of the file.
pub(super) fn groups(root: &mut Section) -> Vec<GroupRule> {
    let mut names = Taken::default();
    root.sections("group").into_iter().filter_map(|row| group(row, &mut names)).collect()
}

fn group(mut row: Section, names: &mut Taken) -> Option<GroupRule> {
    let name = row.name("name", "\"checkout down\"").filter(|name| names.take(&row, "group", name));
    let matchers = matchers(&mut row);
    let labels = row.strings("by");
    if labels.is_none() && !row.has("by") {
        row.missing("by", "[\"service\", \"region\"], or [] for all in one, or [\"...\"] for each by itself");
    }
    row.finish();
    let labels: Vec<_> = labels?.into_iter().map(toml::Spanned::into_inner).collect();
    let by = if labels.iter().any(|label| label == NOTHING) { GroupBy::Nothing } else { GroupBy::Labels(labels) };
    Some(GroupRule { name: Text::clean(name?.get_ref()), matchers: matchers?, by })
}

/// `match = 'service="checkout", severity=~"page|critical"'`; everything if it is not there, `None` if it cannot be read.
fn matchers(row: &mut Section) -> Option<Matchers> {
    let Some(text) = row.str("match") else { return Matchers::new(&[]).ok().filter(|_| !row.has("match")) };
    let read = LabelMatcher::list(text.get_ref()).and_then(|list| Matchers::new(&list));
    if let Err(why) = &read {
        row.error_with_help(&text.span(), &format!("`match` is no list of matchers: {why}"), "such as 'service=\"checkout\"'");
    }
    read.ok()
}
