//! From cells to bytes: as few as will do.
//!
//! Compares two buffers and writes what makes a terminal that shows the one show the other. Colours and position are remembered
//! from frame to frame, for nobody else writes to the screen; a blank needs no ink, only its ground.

use std::io::Write as _;

use ratatui::{
    buffer::{Buffer, Cell},
    style::{Color, Modifier},
};

use super::links::Linked;

/// What the terminal is set to.
#[derive(Debug, Default)]
pub struct Encoder {
    ink: Option<Ink>,
    cursor: Option<(u16, u16)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ink {
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

impl Encoder {
    /// Forget what the terminal is set to, and clear it: it is to be drawn from nothing.
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\x1b[0m\x1b[2J");
        (self.ink, self.cursor) = (Some(Ink { fg: Color::Reset, bg: Color::Reset, modifier: Modifier::empty() }), None);
    }

    /// Append what turns `before` into `after`, in which some cells lead somewhere; nothing if they are the same.
    pub fn frame(&mut self, before: &Buffer, after: &Buffer, links: &[Linked], out: &mut Vec<u8>) {
        let mut open: Option<&str> = None;
        for (x, y, cell) in before.diff(after) {
            let wanted = links.iter().find(|link| link.covers(x, y)).map(|link| link.url.as_str());
            if wanted != open {
                lead(open, wanted, out);
                open = wanted;
            }
            self.go(x, y, out);
            self.ink(cell, out);
            out.extend_from_slice(cell.symbol().as_bytes());
            self.cursor = advance(x, y, cell, after.area.right());
        }
        if open.is_some() {
            lead(open, None, out);
        }
    }

    fn go(&mut self, x: u16, y: u16, out: &mut Vec<u8>) {
        // Writing to a Vec does not fail.
        let _ = match self.cursor {
            Some(at) if at == (x, y) => return,
            Some((at, row)) if row == y && at < x => match x - at {
                1 => write!(out, "\x1b[C"),
                by => write!(out, "\x1b[{by}C"),
            },
            _ => write!(out, "\x1b[{};{}H", u32::from(y) + 1, u32::from(x) + 1),
        };
    }

    fn ink(&mut self, cell: &Cell, out: &mut Vec<u8>) {
        let mut wanted = Ink { fg: cell.fg, bg: cell.bg, modifier: cell.modifier };
        let seen = Modifier::REVERSED | Modifier::UNDERLINED | Modifier::CROSSED_OUT;
        if let (" ", Some(now)) = (cell.symbol(), self.ink)
            && !wanted.modifier.intersects(seen)
            && !now.modifier.intersects(seen)
        {
            wanted = Ink { bg: wanted.bg, ..now };
        }
        if self.ink == Some(wanted) {
            return;
        }
        let mut codes = String::new();
        let kept = self.ink.unwrap_or_else(|| {
            codes.push_str("0;");
            Ink { fg: Color::Reset, bg: Color::Reset, modifier: Modifier::empty() }
        });
        let mut left = kept.modifier;
        for (group, off) in [(Modifier::BOLD | Modifier::DIM, "22;"), (Modifier::UNDERLINED, "24;"), (Modifier::REVERSED, "27;")] {
            if (left - wanted.modifier).intersects(group) {
                codes.push_str(off);
                left -= group;
            }
        }
        for (modifier, on) in [(Modifier::BOLD, "1;"), (Modifier::DIM, "2;"), (Modifier::UNDERLINED, "4;"), (Modifier::REVERSED, "7;")] {
            if (wanted.modifier - left).contains(modifier) {
                codes.push_str(on);
            }
        }
        if wanted.fg != kept.fg {
            colour(&mut codes, wanted.fg, 30);
        }
        if wanted.bg != kept.bg {
            colour(&mut codes, wanted.bg, 40);
        }
        codes.pop();
        if !codes.is_empty() {
            let _ = write!(out, "\x1b[{codes}m");
        }
        self.ink = Some(wanted);
    }
}

/// From now on cells lead `to` there, or nowhere. The pieces of one address are one link.
fn lead(from: Option<&str>, to: Option<&str>, out: &mut Vec<u8>) {
    // Writing to a Vec does not fail.
    let _ = match (from, to) {
        (_, Some(url)) => {
            let id = url.bytes().fold(0_u32, |id, b| id.wrapping_mul(31).wrapping_add(u32::from(b)));
            write!(out, "\x1b]8;id={id:x};{url}\x1b\\")
        }
        (Some(_), None) => write!(out, "\x1b]8;;\x1b\\"),
        (None, None) => Ok(()),
    };
}

/// Where the cursor stands after `cell`; `None` at the edge, and after characters about whose width terminals disagree.
fn advance(x: u16, y: u16, cell: &Cell, right: u16) -> Option<(u16, u16)> {
    let sure = cell.symbol().chars().all(|c| c.is_ascii() || ('\u{a1}'..'\u{250}').contains(&c) || ('\u{2010}'..'\u{2800}').contains(&c));
    (sure && x + 1 < right).then_some((x + 1, y))
}

fn colour(codes: &mut String, colour: Color, base: u8) {
    use std::fmt::Write as _;
    let (low, high) = (base, base + 60);
    // Writing to a String does not fail.
    let _ = match colour {
        Color::Rgb(r, g, b) => write!(codes, "{};2;{r};{g};{b};", low + 8),
        Color::Indexed(n) => write!(codes, "{};5;{n};", low + 8),
        Color::Reset => write!(codes, "{};", low + 9),
        Color::Black => write!(codes, "{low};"),
        Color::Red => write!(codes, "{};", low + 1),
        Color::Green => write!(codes, "{};", low + 2),
        Color::Yellow => write!(codes, "{};", low + 3),
        Color::Blue => write!(codes, "{};", low + 4),
        Color::Magenta => write!(codes, "{};", low + 5),
        Color::Cyan => write!(codes, "{};", low + 6),
        Color::Gray => write!(codes, "{};", low + 7),
        Color::DarkGray => write!(codes, "{high};"),
        Color::LightRed => write!(codes, "{};", high + 1),
        Color::LightGreen => write!(codes, "{};", high + 2),
        Color::LightYellow => write!(codes, "{};", high + 3),
        Color::LightBlue => write!(codes, "{};", high + 4),
        Color::LightMagenta => write!(codes, "{};", high + 5),
        Color::LightCyan => write!(codes, "{};", high + 6),
        Color::White => write!(codes, "{};", high + 7),
    };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ratatui::{layout::Rect, style::Style};

    use super::*;

    const AREA: Rect = Rect { x: 0, y: 0, width: 8, height: 3 };

    fn terminal_shows(parser: &vt100::Parser, buffer: &Buffer) -> bool {
        (0..AREA.height).all(|y| {
            (0..AREA.width).all(|x| {
                let (shown, cell) = (parser.screen().cell(y, x).unwrap(), &buffer[(x, y)]);
                let symbol = if shown.has_contents() { shown.contents() } else { " " };
                let blank = cell.symbol() == " " && !cell.modifier.contains(Modifier::REVERSED);
                let fg = match cell.fg {
                    Color::Rgb(r, g, b) => vt100::Color::Rgb(r, g, b),
                    _ => vt100::Color::Default,
                };
                symbol == cell.symbol()
                    && shown.inverse() == cell.modifier.contains(Modifier::REVERSED)
                    && (blank || (shown.bold() == cell.modifier.contains(Modifier::BOLD) && shown.fgcolor() == fg))
            })
        })
    }

    fn buffer(cells: &[(u16, u16, usize, u8)]) -> Buffer {
        let mut buffer = Buffer::empty(AREA);
        for (x, y, symbol, style) in cells {
            let mut wanted = Style::new();
            if style & 1 > 0 {
                wanted = wanted.fg(Color::Rgb(*style, 2, 3));
            }
            if style & 2 > 0 {
                wanted = wanted.add_modifier(Modifier::BOLD);
            }
            if style & 4 > 0 {
                wanted = wanted.add_modifier(Modifier::REVERSED);
            }
            buffer.set_string(*x, *y, ["a", " ", "━", "●", "z"][*symbol], wanted);
        }
        buffer
    }

    proptest! {
        #[test]
        fn a_terminal_shows_what_was_meant(
            frames in proptest::collection::vec(
                proptest::collection::vec((0_u16..8, 0_u16..3, 0_usize..5, 0_u8..8), 0..20), 1..6)
        ) {
            let mut parser = vt100::Parser::new(AREA.height, AREA.width, 0);
            let (mut encoder, mut out) = (Encoder::default(), Vec::new());
            encoder.begin(&mut out);
            let mut before = Buffer::empty(AREA);
            for cells in frames {
                let after = buffer(&cells);
                encoder.frame(&before, &after, &[], &mut out);
                parser.process(&std::mem::take(&mut out));
                prop_assert!(terminal_shows(&parser, &after), "{after:?}");
                before = after;
            }
        }
    }

    #[test]
    fn nothing_changed_is_nothing_written() {
        let (mut encoder, mut out) = (Encoder::default(), Vec::new());
        let shown = buffer(&[(1, 1, 0, 3)]);
        encoder.frame(&shown, &shown, &[], &mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn a_link_is_closed_before_anything_else_is_written() {
        let (mut encoder, mut out) = (Encoder::default(), Vec::new());
        let link = Linked { y: 1, x: 2, width: 2, url: "https://wiki/".into() };
        let after = buffer(&[(1, 1, 0, 0), (2, 1, 4, 0), (3, 1, 4, 0), (4, 1, 0, 0)]);
        encoder.frame(&Buffer::empty(AREA), &after, &[link], &mut out);
        let text = String::from_utf8(out).unwrap();
        let (_, linked) = text.split_once(";https://wiki/\x1b\\").unwrap();
        assert_eq!(linked, "zz\x1b]8;;\x1b\\a");
    }
}
