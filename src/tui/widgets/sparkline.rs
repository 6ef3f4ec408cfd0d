//! The sparkline of burn: a ladder, the same for all rows and screens, so that heights compare.

use super::super::theme::Role;
use crate::domain::{Cell, History, QueueTrail};

/// Burns from which each step above the lowest is drawn.
pub const LADDER: [f32; 7] = [0.5, 1.0, 3.0, 6.0, 14.4, 28.8, 57.6];
const STEPS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// Glyph and meaning of a burn.
pub fn step(burn: f32) -> (&'static str, Role) {
    let rung = LADDER.iter().filter(|from| burn >= **from).count();
    let role = match rung {
        5.. => Role::Critical,
        3.. => Role::Warning,
        _ => Role::Chart,
    };
    (STEPS.get(rung).copied().unwrap_or("█"), role)
}

/// Glyph and meaning of a cell: a gap is a blank, no traffic a dot.
pub fn glyph(cell: Cell) -> (&'static str, Role) {
    match cell {
        Cell::Burn(burn) if burn.is_finite() => step(burn),
        Cell::NoTraffic => ("·", Role::Muted),
        Cell::Gap | Cell::Burn(_) => (" ", Role::Muted),
    }
}

/// Cell `index` of `width` when the six hours that end at `now` (Unix seconds) are drawn in `width` cells: the worst of its time.
pub fn worst(history: &History, now: i64, index: u16, width: u16) -> Cell {
    let keep = History::KEEP as i64;
    let newest = now.div_euclid(History::CELL);
    let bound = |i: u16| newest - keep + 1 + i64::from(i) * keep / i64::from(width.max(1));
    let first = history.start.div_euclid(History::CELL);
    let (from, to) = (bound(index), bound(index + 1).max(bound(index) + 1));
    let cells = (from..to).filter_map(|slot| history.cells.get(usize::try_from(slot - first).ok()?).copied());
    cells.fold(Cell::Gap, worse)
}

fn worse(a: Cell, b: Cell) -> Cell {
    match (a, b) {
        (Cell::Burn(x), Cell::Burn(y)) => Cell::Burn(x.max(y)),
        (burn @ Cell::Burn(_), _) | (_, burn @ Cell::Burn(_)) => burn,
        (Cell::NoTraffic, _) | (_, Cell::NoTraffic) => Cell::NoTraffic,
        (Cell::Gap, Cell::Gap) => Cell::Gap,
    }
}

/// The most that waited in cell `index` of `width`, when the hour that ends at `now` (Unix seconds) is drawn in `width` cells; `None` if
/// nothing was seen.
pub fn depth(trail: &QueueTrail, now: i64, index: u16, width: u16) -> Option<u64> {
    let keep = QueueTrail::KEEP as i64;
    let newest = now.div_euclid(60);
    let bound = |i: u16| newest - keep + 1 + i64::from(i) * keep / i64::from(width.max(1));
    let (from, to) = (bound(index), bound(index + 1).max(bound(index) + 1));
    let cells = (from..to).filter_map(|minute| trail.cells.get(usize::try_from(minute - trail.start).ok()?));
    cells.filter_map(|cell| cell.depth).max()
}

/// The glyph of a depth beside the largest that is drawn: nothing is the lowest, the largest the highest.
pub fn share(depth: u64, most: u64) -> &'static str {
    let rung = if most == 0 { 0 } else { u128::from(depth.min(most)) * 7 / u128::from(most) };
    let rung = if depth > 0 { rung.max(1) } else { 0 };
    usize::try_from(rung).ok().and_then(|rung| STEPS.get(rung)).copied().unwrap_or("█")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(cells: Vec<Cell>) -> History {
        History { start: 0, cells, filled: true }
    }

    #[test]
    fn heights_follow_the_ladder() {
        let drawn: String = [0.0, 0.5, 1.0, 3.0, 6.0, 14.4, 28.8, 57.6, 900.0].map(|b| step(b).0).concat();
        assert_eq!(drawn, "▁▂▃▄▅▆▇██");
        assert_eq!((step(2.9).1, step(3.0).1, step(14.4).1), (Role::Chart, Role::Warning, Role::Critical));
    }

    #[test]
    fn depths_have_their_own_maximum() {
        let cell = |depth| crate::domain::QueueCell { depth, ..Default::default() };
        let cells = (0..60).map(|n| cell((n != 7).then_some(if n == 30 { 700 } else { 0 }))).collect();
        let trail = QueueTrail { start: 0, cells, ..QueueTrail::default() };
        let now = 60 * 60 - 1;
        assert_eq!((depth(&trail, now, 7, 60), depth(&trail, now, 30, 60), depth(&trail, now, 6, 12)), (None, Some(700), Some(700)));
        assert_eq!(depth(&trail, now + 3_600, 0, 60), None);
        let drawn = [0, 1, 100, 350, 699, 700, 900].map(|n| share(n, 700)).concat();
        assert_eq!((drawn.as_str(), share(0, 0), share(u64::MAX, u64::MAX)), ("▁▂▂▄▇██", "▁", "█"));
    }

    #[test]
    fn a_cell_shows_the_worst_of_its_time_and_gaps_stay_blank() {
        let mut cells = vec![Cell::Burn(0.1); 72];
        cells[70] = Cell::Burn(20.0);
        let line = history(cells);
        let now = 72 * History::CELL - 1;
        assert_eq!(worst(&line, now, 11, 12), Cell::Burn(20.0));
        assert_eq!(worst(&line, now, 10, 12), Cell::Burn(0.1));
        assert_eq!(worst(&line, now, 70, 72), Cell::Burn(20.0));
        assert_eq!(worst(&line, now + 12 * History::CELL, 11, 12), Cell::Gap);
        assert_eq!(glyph(worst(&history(vec![Cell::NoTraffic; 72]), now, 3, 12)).0, "·");
        assert_eq!(glyph(Cell::Burn(f32::NAN)).0, " ");
    }
}
