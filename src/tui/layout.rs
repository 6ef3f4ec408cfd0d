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
    /// What happened: rule, rows. Gone where there is no room.
    pub latest: Option<Rect>,
    /// What is selected, in full. Only on the widest.
    pub detail: Option<Rect>,
}

/// Rotas that the overview's pane shows at most.
const ROTAS: u16 = 5;
/// The least rows of the incidents' pane.
const INCIDENTS: u16 = 4;

/// Split `body` for `slos` SLOs and `rotas` rotas. It depends on nothing that changes by the minute, so that panes stay where they are.
pub fn overview(body: Rect, slos: usize, rotas: usize) -> Overview {
    let (list, detail) = with_detail(body);
    let gap = u16::from(list.height >= 14);
    let least = if list.height >= 14 { 4 } else { 4.min(list.height / 2) };
    let stacked = list.width < WIDE;
    let duty = u16::try_from(rotas).unwrap_or(u16::MAX).min(ROTAS);
    let halved = if stacked { list.height >= 28 } else { duty > 0 && list.height >= 24 };
    let share = if halved { list.height / 2 } else { list.height * 3 / 10 };
    let wanted = u16::try_from(slos).unwrap_or(u16::MAX).saturating_add(2).max(6);
    let upper = (list.height.saturating_sub(gap + share.max(least))).min(wanted);
    let lower = Rect { y: list.y + upper + gap, height: list.height.saturating_sub(upper + gap), ..list };
    let (left, latest) = if !stacked {
        let left = list.width / 2;
        let right = Rect { x: lower.x + left + 1, width: list.width - left - 1, ..lower };
        (Rect { width: left, ..lower }, Some(right))
    } else if lower.height >= 12 {
        let top = lower.height / 2 + duty.min(lower.height / 4);
        (Rect { height: top, ..lower }, Some(Rect { y: lower.y + top + 1, height: lower.height - top - 1, ..lower }))
    } else {
        (lower, None)
    };
    let (incidents, on_call) = with_duty(left, duty);
    Overview { slos: Rect { height: upper, ..list }, incidents, on_call, latest, detail }
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
                for (slos, rotas) in [(0, 0), (5, 1), (18, 0), (18, 3), (10_000, 40)] {
                    let panes = overview(zones.body, slos, rotas);
                    for pane in [Some(panes.slos), Some(panes.incidents), panes.on_call, panes.latest, panes.detail].into_iter().flatten() {
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
