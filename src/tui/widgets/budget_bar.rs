//! The budget bar: ten cells of heavy line in half cells, then a light one as the track, so that rows do not grow into one wall and
//! the bar can be read without colours.

use super::super::theme::Role;

/// Cells of a budget bar.
pub const CELLS: u16 = 10;
const LINE: &str = "━━━━━━━━━━";
const HALVES: &str = "━━━━━━━━━╸";
const TRACK: &str = "──────────";

/// What of the bar is drawn for a share of budget left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// The line.
    pub line: &'static str,
    /// The track behind it.
    pub track: &'static str,
    /// The meaning of the line: amber under 40 %, red under 10 %.
    pub role: Role,
}

/// The bar of a budget of which `left` is left; `None` once nothing is, where the word *overspent* takes its place.
pub fn bar(left: f64) -> Option<Bar> {
    if left.is_nan() || left <= 0.0 {
        return None;
    }
    let halves = ((left * 2.0 * f64::from(CELLS)).round() as usize).clamp(1, 20);
    let cells = halves.div_ceil(2);
    let line = if halves % 2 == 1 { tail(HALVES, cells) } else { tail(LINE, cells) };
    Some(Bar { line, track: tail(TRACK, usize::from(CELLS) - cells), role: tint(left) })
}

/// The meaning of a share of budget left.
pub fn tint(left: f64) -> Role {
    if left < 0.1 {
        Role::Critical
    } else if left < 0.4 {
        Role::Warning
    } else {
        Role::Chart
    }
}

/// The last `cells` characters of `text`; each is three bytes long.
fn tail(text: &'static str, cells: usize) -> &'static str {
    text.get(text.len().saturating_sub(cells * 3)..).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_cells_and_tints() {
        let drawn = |left| bar(left).map(|b| format!("{}|{}", b.line, b.track)).unwrap_or_default();
        assert_eq!(drawn(0.342), "━━━╸|──────");
        assert_eq!(drawn(1.0), "━━━━━━━━━━|");
        assert_eq!(drawn(0.001), "╸|─────────");
        assert_eq!((bar(0.0), bar(-1.0), bar(f64::NAN)), (None, None, None));
        assert_eq!((tint(0.05), tint(0.39), tint(0.4)), (Role::Critical, Role::Warning, Role::Chart));
    }
}
