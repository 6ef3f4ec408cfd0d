//! Where things stand: the same places on every screen, pure functions of the terminal's size.
//!
//! ```text
//! 0      identity, verdict, counts                clock
//! 1      screens
//! 3–4    the answers (one line, row 2, below 100 columns)
//! 5      what is about to lapse, if anything (row 3 below 100 columns)
//! 6 …    body: panes
//! h−2    sources
//! h−1    keys, prompt or toast
//! ```

use ratatui::layout::Rect;

use crate::domain::Snapshot;

/// The smallest terminal on which anything is drawn.
pub const SMALLEST: (u16, u16) = (60, 15);
/// From this width on the answers stand in columns and the lower panes side by side.
const WIDE: u16 = 100;
/// From this height on there are blank rows between the zones, and the answers may take two.
const TALL: u16 = 20;
/// From this width on a detail stands to the right of a list.
const WITH_DETAIL: u16 = 180;
/// Width of a list that has a detail at its right.
const LIST: u16 = 122;

/// The zones of a screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zones {
    /// Identity and verdict.
    pub head: Rect,
    /// The screens.
    pub tabs: Rect,
    /// The answers: two rows, or one.
    pub band: Rect,
    /// What is about to lapse; blank else.
    pub banner: Rect,
    /// Panes.
    pub body: Rect,
    /// Sources and their ages.
    pub sources: Rect,
    /// Keys.
    pub keys: Rect,
}

/// The zones of a screen of this size; `None` if it is too small.
pub fn zones(area: Rect) -> Option<Zones> {
    let (w, h) = (area.width, area.height);
    if w < SMALLEST.0 || h < SMALLEST.1 {
        return None;
    }
    let row = |y, height| Rect::new(area.x, area.y + y, w, height);
    let (band, top) = if w >= WIDE && h >= TALL { (row(3, 2), 6) } else { (row(2, 1), 4) };
    let end = if h >= TALL { h - 3 } else { h - 2 };
    Some(Zones {
        head: row(0, 1),
        tabs: row(1, 1),
        band,
        banner: row(top - 1, 1),
        body: row(top, end - top),
        sources: row(h - 2, 1),
        keys: row(h - 1, 1),
    })
}

/// The panes of the overview.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overview {
    /// SLOs: rule, head, rows.
    pub slos: Rect,
    /// Incidents: rule, rows.
    pub incidents: Rect,
    /// Who is on call: rule, rows. Gone where there is no room, or nothing to tell.
    pub on_call: Option<Rect>,
    /// Queues: rule, rows. Gone where there is no room, or no queue.
    pub queues: Option<Rect>,
    /// What happened: rule, rows. Gone where there is no room.
    pub latest: Option<Rect>,
    /// What is selected, in full. Only on the widest.
    pub detail: Option<Rect>,
}

/// How many there are of what the overview shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// SLOs.
    pub slos: usize,
    /// Rotas.
    pub rotas: usize,
    /// Queues.
    pub queues: usize,
}

impl Counts {
    /// Those of a snapshot.
    pub fn of(snapshot: &Snapshot) -> Self {
        Self { slos: snapshot.slos.len(), rotas: snapshot.rotas.len(), queues: snapshot.queues.len() }
    }
}

/// Queues that the overview's pane shows at most.
const QUEUES: u16 = 10;
/// From this height of the body on a narrow screen has a line of queues.
const QUEUE_LINE: u16 = 16;

/// Rotas that the overview's pane shows at most.
const ROTAS: u16 = 5;
/// The least rows of the incidents' pane.
const INCIDENTS: u16 = 4;

/// Split `body` for so many SLOs, rotas and queues. It depends on nothing that changes by the minute, so that panes stay where they are.
pub fn overview(body: Rect, counts: Counts) -> Overview {
    let Counts { slos, rotas, queues } = counts;
    let (list, detail) = with_detail(body);
    let gap = u16::from(list.height >= 14);
    let least = if list.height >= 14 { 4 } else { 4.min(list.height / 2) };
    let stacked = list.width < WIDE;
    let duty = u16::try_from(rotas).unwrap_or(u16::MAX).min(ROTAS);
    let halved = if stacked { list.height >= 28 } else { duty > 0 && list.height >= 24 };
    let share = if halved { list.height / 2 } else { list.height * 3 / 10 };
    let line = if stacked && queues > 0 && list.height >= QUEUE_LINE { 3 } else { 0 };
    let wanted = u16::try_from(slos).unwrap_or(u16::MAX).saturating_add(2).max(6);
    let upper = (list.height.saturating_sub(gap + share.max(least) + line)).min(wanted);
    let lower = Rect { y: list.y + upper + gap, height: list.height.saturating_sub(upper + gap), ..list };
    let (left, queues, latest) = if stacked { below(lower, duty, line > 0) } else { beside(lower, queues) };
    let (incidents, on_call) = with_duty(left, duty);
    Overview { slos: Rect { height: upper, ..list }, incidents, on_call, queues, latest, detail }
}

/// Incidents at the left; at the right queues, as many as there is room for, and what happened.
fn beside(lower: Rect, queues: usize) -> (Rect, Option<Rect>, Option<Rect>) {
    let left = lower.width / 2;
    let right = Rect { x: lower.x + left + 1, width: lower.width - left - 1, ..lower };
    let incidents = Rect { width: left, ..lower };
    let wanted = u16::try_from(queues).unwrap_or(u16::MAX).min(QUEUES) + 1;
    let height = wanted.min(right.height * 3 / 5);
    if queues == 0 || height < 2 {
        return (incidents, None, Some(right));
    }
    let latest = Rect { y: right.y + height + 1, height: right.height.saturating_sub(height + 1), ..right };
    (incidents, Some(Rect { height, ..right }), Some(latest).filter(|pane| pane.height >= 2))
}

/// Incidents, queues and what happened, one below the other.
fn below(lower: Rect, duty: u16, queues: bool) -> (Rect, Option<Rect>, Option<Rect>) {
    let tall = lower.height >= if queues { 16 } else { 12 };
    let height = match (queues, tall) {
        (false, _) => 0,
        (true, false) => 3,
        (true, true) => (lower.height / 4).clamp(3, QUEUES + 2),
    };
    let rest = lower.height.saturating_sub(height);
    let top = if tall { rest / 2 + duty.min(rest / 4) } else { rest };
    let incidents = Rect { height: top, ..lower };
    // Each with a blank line before it.
    let pane = |y: u16, height: u16| Rect { y: lower.y + y + 1, height: height.saturating_sub(1), ..lower };
    (incidents, queues.then(|| pane(top, height)), tall.then(|| pane(top + height, rest - top)))
}

/// Incidents and, where they keep enough rows, who is on call below them.
fn with_duty(pane: Rect, rotas: u16) -> (Rect, Option<Rect>) {
    let free = pane.height.saturating_sub(INCIDENTS + 1);
    if rotas == 0 || free < 2 {
        return (pane, None);
    }
    let height = free.min(rotas + 1);
    let upper = pane.height - height - 1;
    (Rect { height: upper, ..pane }, Some(Rect { y: pane.y + upper + 1, height, ..pane }))
}

/// A list and, where there is room, a detail at its right.
pub fn with_detail(body: Rect) -> (Rect, Option<Rect>) {
    if body.width < WITH_DETAIL {
        return (body, None);
    }
    let detail = Rect { x: body.x + LIST + 1, width: body.width - LIST - 1, ..body };
    (Rect { width: LIST, ..body }, Some(detail))
}

/// The panes of the sources screen: the table of `count` sources, and the selected one in full.
pub fn sources(body: Rect, count: usize) -> (Rect, Rect) {
    let wanted = u16::try_from(count).unwrap_or(u16::MAX).saturating_add(3);
    let upper = wanted.clamp(body.height / 3, body.height / 2);
    (Rect { height: upper, ..body }, Rect { y: body.y + upper, height: body.height - upper, ..body })
}

/// The panes of the library: the runbooks, and what is known of the selected one.
pub fn library(body: Rect) -> (Rect, Rect) {
    let lower = (body.height / 3).max(5).min(body.height / 2);
    let upper = body.height - lower;
    (Rect { height: upper, ..body }, Rect { y: body.y + upper, height: lower, ..body })
}

/// Rows of a pane below its rule and, if it has one, its head.
pub const fn rows(pane: Rect, head: bool) -> usize {
    pane.height.saturating_sub(if head { 2 } else { 1 }) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panes_never_leave_the_body_and_incidents_keep_three_rows() {
        for w in 60..240 {
            for h in 15..80 {
                let zones = zones(Rect::new(0, 0, w, h)).unwrap();
                assert!(zones.body.bottom() <= zones.sources.y);
                for (slos, rotas, queues) in [(0, 0, 0), (5, 1, 1), (18, 0, 3), (18, 3, 0), (10_000, 40, 500)] {
                    let panes = overview(zones.body, Counts { slos, rotas, queues });
                    let all = [Some(panes.slos), Some(panes.incidents), panes.on_call, panes.queues, panes.latest, panes.detail];
                    for pane in all.into_iter().flatten() {
                        assert_eq!(pane.intersection(zones.body), pane, "{w}x{h} {panes:?}");
                    }
                    assert!(rows(panes.incidents, false) >= 3, "{w}x{h} {panes:?}");
                    assert!(rows(panes.slos, true) >= 2, "{w}x{h} {panes:?}");
                }
            }
        }
        assert_eq!(super::zones(Rect::new(0, 0, 59, 40)), None);
        assert_eq!(super::zones(Rect::new(0, 0, 60, 14)), None);
    }
}
