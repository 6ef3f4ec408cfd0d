//! The lines of the queues' list: source by source, the worst first, and of each source the quiet ones folded into one line.

use std::collections::HashSet;

use super::{filter::Filter, state::Sort};
use crate::domain::{QueueRow, Snapshot, SourceName, Text};

/// A line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Names the line, whatever its place.
    pub key: Text,
    /// What it is.
    pub what: What,
}

/// What a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The queue at this place of the snapshot.
    Queue(usize),
    /// So many queues of this source in which there is nothing to look at, and whether they stand below.
    Quiet(SourceName, usize, bool),
}

/// The queues of one source, by their places in the snapshot.
struct Group<'a> {
    source: &'a SourceName,
    loud: Vec<usize>,
    quiet: Vec<usize>,
}

/// The lines. What a filter keeps is shown whether it is quiet or not.
pub fn lines(snapshot: &Snapshot, filter: Option<&Filter>, sort: Sort, unfolded: &HashSet<SourceName>) -> Vec<Line> {
    // The queues stand worst first, and so do the sources whose worst they are.
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (at, row) in snapshot.queues.iter().enumerate().filter(|(_, row)| filter.is_none_or(|f| f.keeps(&text(row)))) {
        let place = groups.iter().position(|g| *g.source == row.source).unwrap_or_else(|| {
            groups.push(Group { source: &row.source, loud: Vec::new(), quiet: Vec::new() });
            groups.len() - 1
        });
        if let Some(group) = groups.get_mut(place) {
            if filter.is_none() && row.is_quiet() { group.quiet.push(at) } else { group.loud.push(at) }
        }
    }
    groups.into_iter().flat_map(|group| group.lines(snapshot, sort, unfolded)).collect()
}

impl Group<'_> {
    fn lines(mut self, snapshot: &Snapshot, sort: Sort, unfolded: &HashSet<SourceName>) -> Vec<Line> {
        let name = |at: &usize| snapshot.queues.get(*at).map(|row| &row.id);
        if sort == Sort::Name {
            self.loud.sort_by_key(name);
        }
        self.quiet.sort_by_key(name);
        let queue = |at: usize| snapshot.queues.get(at).map(|row| Line { key: Text::from(row.id.as_str()), what: What::Queue(at) });
        let mut lines: Vec<Line> = self.loud.into_iter().filter_map(queue).collect();
        let (count, open) = (self.quiet.len(), unfolded.contains(self.source));
        if count > 0 {
            let key = Text::from(format!("{}: quiet", self.source));
            lines.push(Line { key, what: What::Quiet(self.source.clone(), count, open) });
        }
        if open {
            lines.extend(self.quiet.into_iter().filter_map(queue));
        }
        lines
    }
}

/// What a filter looks at.
fn text(row: &QueueRow) -> String {
    let service = row.service.as_ref().map_or("", Text::as_str);
    let why = row.verdict.stall.map_or("", crate::domain::Stall::words);
    format!("{} {} {why} {service}", row.id, row.state.word())
}
