//! Queues: a pane on the overview, a table on their own screen.
//!
//! ```text
//! ━━ Queues ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ worst first · 1 stalled of 503 ━━
//!    queue                     waiting  oldest      in     out  empty in  workers  failed  1 hour          most  state
//! ▌● rabbit/shop/orders         12,431     14m   120/s     0/s         —        0       3  ▁▁▁▁▂▃▄▅▆▇  12,431  no consumers
//!  · rabbit                   490 quiet                                                                  enter to unfold
//! ```
//!
//! What a system does not tell is `—`; an age that is only a bound has `≥` before it.

use chrono::{DateTime, Utc};

use super::{
    super::{
        queues::{Line, What},
        state::Sort,
        theme::Role,
        widgets::{
            figures::{Age, Count, Rate},
            sparkline,
        },
    },
    View,
    canvas::{Canvas, cells},
    figure,
};
use crate::domain::{Freshness, QueueRow, QueueState};

/// A queue in a sentence: `12,431 wait, the oldest for 14m, 0 consumers`.
pub fn sentence(row: &QueueRow, now: DateTime<Utc>) -> String {
    let ready = row.now.ready.map_or_else(|| "work waits".to_owned(), |n| format!("{} wait", Count(n as f64)));
    let age = row.age(now).map_or_else(
        || ", nobody tells how long".to_owned(),
        |age| format!(", the oldest for {}{}", if age.at_least { "at least " } else { "" }, Age::secs(age.span.num_seconds() as f64)),
    );
    let consumers = match row.now.consumers {
        None => String::new(),
        Some(1) => ", 1 consumer".to_owned(),
        Some(n) => format!(", {n} consumers"),
    };
    format!("{ready}{age}{consumers}")
}

/// What is to be said of a queue beside its figures, in a few words.
pub fn words(row: &QueueRow, view: View<'_>) -> String {
    let verdict = &row.verdict;
    match row.state {
        QueueState::Stale => format!("{} old", view.age(row.as_of)),
        QueueState::Stalled => verdict.stall.map_or("stalled", crate::domain::Stall::words).to_owned(),
        QueueState::Backlog if verdict.filling => "backlog, filling".to_owned(),
        QueueState::Backlog => "backlog".to_owned(),
        _ if verdict.failed_grew > 0 => format!("{} more failed", Count(verdict.failed_grew as f64)),
        _ if row.now.dead_letters => "dead letters".to_owned(),
        _ if row.now.paused => "paused".to_owned(),
        QueueState::Unknown if row.now.waits() == Some(true) => "age unknown".to_owned(),
        QueueState::Unknown => "unknown".to_owned(),
        QueueState::Ok if verdict.filling => "filling".to_owned(),
        QueueState::Ok => "ok".to_owned(),
    }
}

/// The age of the oldest job that waits, as of when the queue was seen if that is long ago.
pub fn oldest(row: &QueueRow, view: View<'_>) -> Option<String> {
    let at = if row.state == QueueState::Stale { row.as_of } else { view.now };
    let age = row.age(at)?;
    let span = Age::secs(age.span.num_seconds() as f64).in_steps(view.ui.settings.low_bandwidth);
    Some(format!("{}{span}", if age.at_least { "≥" } else { "" }))
}

/// The pane of the overview: ` ● rabbit/orders    12,431 ▁▁▁▁▁▁▂▃▄▅▆▇  10m stalled`.
pub fn pane(canvas: &mut Canvas<'_>, view: View<'_>, focused: bool) {
    rule(canvas, view, focused);
    let w = canvas.width();
    let spark = if w >= 56 { 12 } else { 0 };
    let words_at = w.saturating_sub(14);
    let age_at = words_at.saturating_sub(6);
    let spark_at = age_at.saturating_sub(spark + u16::from(spark > 0));
    let depth_at = spark_at.saturating_sub(8);
    for (y, (at, line)) in (1..canvas.height()).zip(visible(view)) {
        match &line.what {
            What::Quiet(source, count, _) => quiet(canvas, y, source.as_str(), *count, ""),
            What::Queue(index) => {
                let Some(row) = view.snapshot.queues.get(*index) else { continue };
                let tone = mark(canvas, y, row);
                name(canvas, (3, y), depth_at.saturating_sub(4), tone, row);
                count(canvas, (depth_at, y), 7, tone, row.now.ready);
                line_of(canvas, (spark_at, y), spark, row, view);
                age(canvas, (age_at, y), 5, tone, row, view);
                let (_, role) = figure::of_queue(row.state);
                let said = if row.state >= QueueState::Backlog { row.state.word().to_owned() } else { words(row, view) };
                canvas.text(words_at, y, w.saturating_sub(words_at), loud(role, row), &said);
            }
        }
        if focused && at == view.ui.queues.at() {
            canvas.select(y);
        }
    }
}

/// Where each column begins and how wide it is; a column of no width is not there.
struct Columns {
    name: (u16, u16),
    ready: (u16, u16),
    oldest: (u16, u16),
    rate_in: (u16, u16),
    rate_out: (u16, u16),
    drain: (u16, u16),
    workers: (u16, u16),
    failed: (u16, u16),
    spark: (u16, u16),
    most: (u16, u16),
    state: (u16, u16),
}

impl Columns {
    fn of(w: u16) -> Self {
        let (failed, spark) = if w >= 118 { (7, 12) } else { (0, 0) };
        // Names first: where there is less room the greatest depth stands in the detail alone.
        let most = if w >= 140 { 7 } else { 0 };
        let failed = if w >= 100 { 7 } else { failed };
        let drain = match w {
            100.. => 8,
            76.. => 6,
            _ => 0,
        };
        // From the right: each column with a gap before it.
        let mut end = w.saturating_sub(1);
        let mut take = |width: u16, gap: u16| {
            if width == 0 {
                return (end, 0);
            }
            end = end.saturating_sub(width);
            let at = (end, width);
            end = end.saturating_sub(gap);
            at
        };
        let state = take(16, 2);
        let (most, spark) = (take(most, 1), take(spark, 2));
        let (failed, workers, drain) = (take(failed, 1), take(if w >= 76 { 7 } else { 0 }, 1), take(drain, 1));
        let (rate_out, rate_in) = (take(if w >= 100 { 7 } else { 6 }, 1), take(if w >= 100 { 7 } else { 6 }, 1));
        let (oldest, ready) = (take(7, 1), take(7, 1));
        Self { name: (3, end.saturating_sub(3)), ready, oldest, rate_in, rate_out, drain, workers, failed, spark, most, state }
    }
}

/// The screen.
pub fn screen(canvas: &mut Canvas<'_>, view: View<'_>) {
    rule(canvas, view, true);
    if view.ui.queue_lines.is_empty() {
        return nothing(canvas, view);
    }
    let columns = Columns::of(canvas.width());
    head(canvas, &columns);
    for (y, (at, line)) in (2..canvas.height()).zip(visible(view)) {
        match &line.what {
            What::Quiet(source, count, open) => {
                quiet(canvas, y, source.as_str(), *count, if *open { "enter folds them" } else { "enter shows them" });
            }
            What::Queue(index) => {
                if let Some(row) = view.snapshot.queues.get(*index) {
                    one(canvas, y, row, &columns, view);
                }
            }
        }
        if at == view.ui.queues.at() {
            canvas.select(y);
        }
    }
}

fn rule(canvas: &mut Canvas<'_>, view: View<'_>, focused: bool) {
    let rows = &view.snapshot.queues;
    let of = |state| rows.iter().filter(|row| row.state == state).count();
    let counts = [(of(QueueState::Stalled), "stalled"), (of(QueueState::Backlog), "backlog"), (of(QueueState::Stale), "stale")];
    let counts = counts.into_iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect::<Vec<_>>().join(", ");
    let all = if counts.is_empty() { rows.len().to_string() } else { format!("{counts} of {}", rows.len()) };
    match &view.ui.queue_filter {
        Some(filter) => canvas.rule(0, "Queues", format_args!("/{} · {all}", filter.text()), focused),
        None if view.ui.queue_sort == Sort::Worst => canvas.rule(0, "Queues", format_args!("{all}"), focused),
        None => canvas.rule(0, "Queues", format_args!("{} · {all}", view.ui.queue_sort.words()), focused),
    }
}

/// What the pane says when it has no row: why.
fn nothing(canvas: &mut Canvas<'_>, view: View<'_>) {
    let w = canvas.width().saturating_sub(4);
    let starting = view.snapshot.sources.iter().find(|s| s.state == Freshness::Starting);
    let failing = view.snapshot.sources.iter().find(|s| s.state == Freshness::Failing);
    match (&view.ui.queue_filter, starting, failing) {
        (Some(filter), _, _) if !view.snapshot.queues.is_empty() => {
            canvas.write(3, 2, w, Role::Muted, format_args!("no queue matches /{}/; esc clears the filter", filter.text()))
        }
        (_, Some(source), _) => canvas.write(3, 2, w, Role::Muted, format_args!("waiting for the first answer of {}", source.name)),
        (_, None, Some(source)) => canvas.text(3, 2, w, Role::Warning, &super::chrome::trouble(source, view)),
        (_, None, None) => canvas.text(3, 2, w, Role::Muted, "no queues: add a [[source]] that has some, such as kind = \"rabbitmq\""),
    };
}

fn visible(view: View<'_>) -> impl Iterator<Item = (usize, &Line)> {
    let lines = &view.ui.queue_lines;
    view.ui.queues.visible().filter_map(|(at, i)| lines.get(i).map(|line| (at, line)))
}

fn head(canvas: &mut Canvas<'_>, columns: &Columns) {
    canvas.text(columns.name.0, 1, columns.name.1, Role::Muted, "queue");
    for ((x, width), head) in [
        (columns.ready, "waiting"),
        (columns.oldest, "oldest"),
        (columns.rate_in, "in"),
        (columns.rate_out, "out"),
        (columns.drain, if columns.drain.1 < 8 { "eta" } else { "empty in" }),
        (columns.workers, "workers"),
        (columns.failed, "failed"),
        (columns.most, "most"),
    ] {
        if width > 0 {
            canvas.right(x, 1, width, Role::Muted, format_args!("{head}"));
        }
    }
    canvas.text(columns.spark.0, 1, columns.spark.1, Role::Muted, "1 hour");
    canvas.text(columns.state.0, 1, columns.state.1, Role::Muted, "state");
}

fn one(canvas: &mut Canvas<'_>, y: u16, row: &QueueRow, columns: &Columns, view: View<'_>) {
    let tone = mark(canvas, y, row);
    let (_, role) = figure::of_queue(row.state);
    let emphasis = if row.state >= QueueState::Backlog { Role::Emphasis } else { tone };
    name(canvas, (columns.name.0, y), columns.name.1, emphasis, row);
    count(canvas, (columns.ready.0, y), columns.ready.1, tone, row.now.ready);
    age(canvas, (columns.oldest.0, y), columns.oldest.1, tone, row, view);
    for ((x, width), rate) in [(columns.rate_in, row.verdict.rate_in), (columns.rate_out, row.verdict.rate_out)] {
        match rate {
            Some(rate) => canvas.right(x, y, width, tone, format_args!("{}", Rate(rate))),
            None => canvas.right(x, y, width, Role::Muted, format_args!("—")),
        };
    }
    let (x, width) = columns.drain;
    match row.verdict.drain_secs {
        _ if width == 0 => x,
        Some(secs) => canvas.right(x, y, width, tone, format_args!("{}", Age::secs(secs).in_steps(view.ui.settings.low_bandwidth))),
        None => canvas.right(x, y, width, Role::Muted, format_args!("—")),
    };
    let no_workers = row.now.consumers == Some(0) && row.now.waits() == Some(true) && !row.now.dead_letters;
    count(canvas, (columns.workers.0, y), columns.workers.1, if no_workers { role } else { tone }, row.now.consumers);
    let grows = if row.verdict.failed_grew > 0 { Role::Warning } else { tone };
    count(canvas, (columns.failed.0, y), columns.failed.1, grows, row.now.failed);
    if columns.spark.1 > 0 {
        let most = line_of(canvas, (columns.spark.0, y), columns.spark.1, row, view);
        count(canvas, (columns.most.0, y), columns.most.1, Role::Muted, most);
    }
    canvas.text(columns.state.0, y, columns.state.1, loud(role, row), &words(row, view));
}

/// Its mark. Returns how the figures of the row are written.
fn mark(canvas: &mut Canvas<'_>, y: u16, row: &QueueRow) -> Role {
    let (mark, role) = figure::of_queue(row.state);
    if row.state == QueueState::Ok && (row.verdict.failed_grew > 0 || row.now.paused) {
        canvas.text(1, y, 1, Role::Warning, "▲");
    } else {
        canvas.text(1, y, 1, role, mark);
    }
    if row.state == QueueState::Stale { Role::Stale } else { Role::Text }
}

/// How loud the words are.
fn loud(role: Role, row: &QueueRow) -> Role {
    match row.state {
        QueueState::Ok if row.verdict.failed_grew > 0 || row.now.paused => Role::Warning,
        QueueState::Ok => Role::Muted,
        _ => role,
    }
}

/// A queue stands among those of its source, so of a long name the source gives way: `rab…/invoices`, `…/invoices`, `invoices`. Where
/// not even that has room its end tells it from others.
fn name(canvas: &mut Canvas<'_>, (x, y): (u16, u16), width: u16, role: Role, row: &QueueRow) {
    canvas.text(x, y, width, role, &short(row, width));
}

fn short(row: &QueueRow, width: u16) -> String {
    let (id, name) = (row.id.as_str(), row.name().as_str());
    if cells(id) <= width {
        return id.to_owned();
    }
    if let Some(room) = width.checked_sub(cells(name) + 2) {
        return format!("{}…/{name}", fitting(row.source.as_str().chars(), room).collect::<String>());
    }
    if cells(name) <= width {
        return name.to_owned();
    }
    let tail: Vec<char> = fitting(name.chars().rev(), width.saturating_sub(1)).collect();
    format!("…{}", tail.into_iter().rev().collect::<String>())
}

/// As many of these as have room in so many cells.
fn fitting(chars: impl Iterator<Item = char>, room: u16) -> impl Iterator<Item = char> {
    let mut taken = String::new();
    chars.take_while(move |c| {
        taken.push(*c);
        cells(&taken) <= room
    })
}

fn count(canvas: &mut Canvas<'_>, (x, y): (u16, u16), width: u16, role: Role, count: Option<u64>) {
    match count {
        _ if width == 0 => x,
        Some(n) => canvas.right(x, y, width, role, format_args!("{}", Count(n as f64))),
        None => canvas.right(x, y, width, Role::Muted, format_args!("—")),
    };
}

fn age(canvas: &mut Canvas<'_>, (x, y): (u16, u16), width: u16, role: Role, row: &QueueRow, view: View<'_>) {
    match oldest(row, view) {
        Some(age) => canvas.right(x, y, width, if row.state == QueueState::Backlog { Role::Warning } else { role }, format_args!("{age}")),
        // Work waits, and nobody knows since when; else there is nothing to be old.
        None if row.now.waits() == Some(true) && !row.now.dead_letters => canvas.right(x, y, width, Role::Unknown, format_args!("?")),
        None => canvas.right(x, y, width, Role::Muted, format_args!("—")),
    };
}

/// The last hour in `width` cells, by its own maximum, which is returned.
pub fn line_of(canvas: &mut Canvas<'_>, (x, y): (u16, u16), width: u16, row: &QueueRow, view: View<'_>) -> Option<u64> {
    let now = view.now.timestamp();
    let depths = (0..width).map(|index| sparkline::depth(&row.trail, now, index, width));
    let most = depths.clone().flatten().max();
    let role = match row.state {
        QueueState::Stale => Role::Stale,
        QueueState::Stalled => Role::Critical,
        QueueState::Backlog => Role::Warning,
        QueueState::Ok | QueueState::Unknown => Role::Chart,
    };
    for (index, depth) in (0..width).zip(depths) {
        if let (Some(depth), Some(most)) = (depth, most) {
            canvas.text(x + index, y, 1, role, sparkline::share(depth, most));
        }
    }
    most
}

fn quiet(canvas: &mut Canvas<'_>, y: u16, source: &str, count: usize, hint: &str) {
    let w = canvas.width();
    canvas.text(1, y, 1, Role::Muted, "○");
    let at = canvas.text(3, y, w / 3, Role::Muted, source);
    let at = canvas.write(at + 1, y, w.saturating_sub(at + 2), Role::Muted, format_args!("{count} quiet"));
    if at + cells(hint) + 4 < w {
        canvas.text(at + 2, y, w, Role::Muted, hint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_name_the_source_gives_way_first() {
        let row = |name: &str| {
            let sample = crate::domain::QueueSample { name: name.into(), ..Default::default() };
            QueueRow::seen(None, &"rabbit".into(), &sample, DateTime::UNIX_EPOCH, &[]).unwrap()
        };
        for (name, width, shown) in [
            ("orders", 13, "rabbit/orders"),
            ("invoices", 13, "rab…/invoices"),
            ("orders.dead", 13, "…/orders.dead"),
            ("search-index", 13, "search-index"),
            ("search-index-v2", 13, "…rch-index-v2"),
            ("東京の注文", 13, "r…/東京の注文"),
            ("東京の注文", 8, "…の注文"),
            ("orders", 1, "…"),
            ("orders", 0, "…"),
        ] {
            assert_eq!(short(&row(name), width), shown, "{name} {width}");
        }
    }

    #[test]
    fn columns_never_overlap_and_names_keep_room() {
        for w in 60..250 {
            let c = Columns::of(w);
            let all = [c.ready, c.oldest, c.rate_in, c.rate_out, c.drain, c.workers, c.failed, c.spark, c.most, c.state];
            let mut at = c.name.0 + c.name.1;
            for (x, width) in all.into_iter().filter(|(_, width)| *width > 0) {
                assert!(x >= at, "{w}");
                at = x + width;
            }
            assert!(at <= w, "{w}");
            if w >= 80 {
                assert!(c.name.1 >= 13, "{w}: {}", c.name.1);
            }
        }
    }
}
