//! A piece of the screen to write on, in its own coordinates.
//!
//! Text that does not fit is cut with `…`, after a whole word where that keeps half of it; what lies outside is dropped. Nothing here
//! can panic, whatever the size.

use std::fmt::{self, Write as _};

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Modifier, Style},
};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::super::{
    links::{Linked, is_safe},
    theme::{Role, Theme},
};

/// A piece of the screen.
pub struct Canvas<'a> {
    buffer: &'a mut Buffer,
    links: Option<&'a mut Vec<Linked>>,
    theme: &'a Theme,
    area: Rect,
    scroll: u16,
    line: String,
}

impl<'a> Canvas<'a> {
    /// The piece `area` of `buffer`.
    pub fn new(buffer: &'a mut Buffer, theme: &'a Theme, area: Rect) -> Self {
        let area = area.intersection(buffer.area);
        Self { buffer, links: None, theme, area, scroll: 0, line: String::new() }
    }
    /// The same piece; cells that lead somewhere are told to `links`.
    #[must_use]
    pub fn linking(mut self, links: &'a mut Vec<Linked>) -> Self {
        self.links = Some(links);
        self
    }
    /// A piece of the screen, whatever part this one is.
    pub fn piece(&mut self, area: Rect) -> Canvas<'_> {
        let links = self.links.as_deref_mut();
        Canvas { links, ..Canvas::new(self.buffer, self.theme, area) }
    }
    /// The `width` columns from `x` of this piece, scrolled as it is.
    pub fn columns(&mut self, x: u16, width: u16) -> Canvas<'_> {
        let (scroll, x) = (self.scroll, x.min(self.area.width));
        let area = Rect { x: self.area.x + x, width: width.min(self.area.width - x), ..self.area };
        self.piece(area).scrolled(scroll)
    }
    /// The same piece, its first `lines` lines scrolled away.
    #[must_use]
    pub fn scrolled(mut self, lines: u16) -> Self {
        self.scroll = lines;
        self
    }
    /// Its width in cells.
    pub fn width(&self) -> u16 {
        self.area.width
    }
    /// Its height in rows.
    pub fn height(&self) -> u16 {
        self.area.height
    }

    /// Write `text` at (x, y) in at most `width` cells, cut with `…`, after a word where it can be. Returns the column after it.
    pub fn text(&mut self, x: u16, y: u16, width: u16, role: Role, text: &str) -> u16 {
        self.styled(x, y, width, self.theme.style(role), text)
    }
    /// Write at (x, y) in at most `width` cells. Returns the column after it.
    pub fn write(&mut self, x: u16, y: u16, width: u16, role: Role, text: fmt::Arguments<'_>) -> u16 {
        let line = self.formatted(text);
        let end = self.text(x, y, width, role, &line);
        self.line = line;
        end
    }
    /// Write so that it ends at the last of the `width` cells from (x, y). Returns the column where it begins.
    pub fn right(&mut self, x: u16, y: u16, width: u16, role: Role, text: fmt::Arguments<'_>) -> u16 {
        let line = self.formatted(text);
        let from = x + width.saturating_sub(cells(&line));
        self.text(from, y, width, role, &line);
        self.line = line;
        from
    }
    /// Write `text` as [`Canvas::text`] does; it leads to `url`, where the terminal knows links.
    pub fn link(&mut self, x: u16, y: u16, width: u16, role: Role, text: &str, url: &str) -> u16 {
        let end = self.text(x, y, width, role, text);
        let row = y.checked_sub(self.scroll).filter(|row| *row < self.area.height);
        if let (Some(row), Some(links)) = (row, self.links.as_deref_mut())
            && is_safe(url)
            && end > x
        {
            let (x, y) = (self.area.x.saturating_add(x), self.area.y + row);
            links.push(Linked { y, x, width: end.min(self.area.width).saturating_sub(x - self.area.x), url: url.to_owned() });
        }
        end
    }
    /// Write a word on a field of its meaning. Returns the column after it.
    pub fn chip(&mut self, x: u16, y: u16, width: u16, role: Role, text: &str) -> u16 {
        self.styled(x, y, width, self.theme.chip(role), text)
    }

    fn formatted(&mut self, text: fmt::Arguments<'_>) -> String {
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        // Writing to a String does not fail.
        let _ = line.write_fmt(text);
        line
    }

    fn styled(&mut self, x: u16, y: u16, width: u16, style: Style, text: &str) -> u16 {
        let used = cells(text);
        let room = width.min(self.area.width.saturating_sub(x));
        let after = x.saturating_add(used.min(room));
        let Some(row) = y.checked_sub(self.scroll).filter(|row| *row < self.area.height) else { return after };
        let (left, top) = (self.area.x.saturating_add(x), self.area.y + row);
        if room == 0 || x >= self.area.width {
            return x;
        }
        if used <= room {
            self.buffer.set_stringn(left, top, text, usize::from(room), style);
        } else {
            let kept = whole_words(text, room - 1);
            let (end, _) = self.buffer.set_stringn(left, top, kept, usize::from(room - 1), style);
            self.buffer.set_stringn(end, top, "…", 1, style);
            let (from, to) = (end.saturating_add(1), left.saturating_add(room));
            self.buffer.set_stringn(from, top, " ".repeat(usize::from(to.saturating_sub(from))), usize::from(room), style);
        }
        after
    }

    /// The title rule of a pane, heavy where the keys are.
    pub fn rule(&mut self, y: u16, title: &str, note: fmt::Arguments<'_>, focused: bool) {
        let width = self.area.width;
        let (line, role) = if focused { ("━", Role::Focus) } else { ("─", Role::Border) };
        for x in 0..width {
            self.text(x, y, 1, role, line);
        }
        let title_role = if focused { Role::Emphasis } else { Role::Accent };
        let end = self.write(2, y, width.saturating_sub(4), title_role, format_args!(" {title} "));
        let note = self.formatted(note);
        let used = cells(&note);
        if used > 0 && end.saturating_add(used + 6) <= width {
            self.write(width - used - 4, y, used + 2, Role::Muted, format_args!(" {note} "));
        }
        self.line = note;
    }

    /// Make row `y` the selected one: another background, a bar at its left.
    pub fn select(&mut self, y: u16) {
        let theme = self.theme;
        self.each(y, |cell| {
            let style = theme.selected(Style::new().fg(cell.fg));
            cell.set_style(style);
        });
        let style = self.theme.style(Role::Accent);
        self.styled(0, y, 1, style, "▌");
    }
    /// Invert row `y`: it is new.
    pub fn invert(&mut self, y: u16) {
        self.each(y, |cell| {
            cell.modifier.toggle(Modifier::REVERSED);
        });
    }
    /// Blank row `y`.
    pub fn blank(&mut self, y: u16) {
        let row = y.checked_sub(self.scroll).map(|row| self.area.y.saturating_add(row));
        if let Some(links) = self.links.as_deref_mut() {
            links.retain(|link| Some(link.y) != row);
        }
        let base = self.theme.base();
        self.each(y, |cell| {
            cell.reset();
            cell.set_style(base);
        });
    }

    fn each(&mut self, y: u16, change: impl Fn(&mut ratatui::buffer::Cell)) {
        let Some(row) = y.checked_sub(self.scroll).filter(|row| *row < self.area.height) else { return };
        for x in self.area.left()..self.area.right() {
            if let Some(cell) = self.buffer.cell_mut((x, self.area.y + row)) {
                change(cell);
            }
        }
    }
}

/// How many cells `text` takes.
pub fn cells(text: &str) -> u16 {
    let width = if text.is_ascii() { text.len() } else { text.width() };
    u16::try_from(width).unwrap_or(u16::MAX)
}

/// The beginning of `text` that fits in `width` cells without a word cut in two, unless that would take more than half of what fits:
/// a single long name is cut where it must be.
fn whole_words(text: &str, width: u16) -> &str {
    let mut used = 0_u16;
    let end = text.char_indices().find(|(_, c)| {
        used = used.saturating_add(c.width().and_then(|n| u16::try_from(n).ok()).unwrap_or(0));
        used > width
    });
    let Some((kept, rest)) = end.and_then(|(at, _)| text.split_at_checked(at)) else { return text };
    if rest.starts_with(' ') {
        return kept.trim_end();
    }
    let whole = kept.rfind(' ').and_then(|at| kept.get(..at)).map_or("", str::trim_end);
    // What stands before a colon says of what it is, and what follows what it is: that is worth more than a whole word.
    if cells(whole) * 2 >= width && !whole.ends_with(':') { whole } else { kept }
}

/// Break `text` at spaces into lines of at most `width` cells; a longer word is cut where it must be.
pub fn wrap(text: &str, width: u16) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut rest = word.to_owned();
        loop {
            let Some(line) = lines.last_mut() else { return lines };
            let gap = u16::from(!line.is_empty());
            if cells(line).saturating_add(gap).saturating_add(cells(&rest)) <= width {
                if gap == 1 {
                    line.push(' ');
                }
                line.push_str(&rest);
                break;
            }
            if line.is_empty() {
                let head = head_of(&rest, width);
                rest = rest.chars().skip(head.chars().count()).collect();
                line.push_str(&head);
                if rest.is_empty() {
                    break;
                }
            }
            lines.push(String::new());
        }
    }
    lines
}

/// The beginning of `text` that fits in `width` cells, at least one character.
fn head_of(text: &str, width: u16) -> String {
    let mut head = String::new();
    for c in text.chars() {
        head.push(c);
        if cells(&head) > width && head.chars().count() > 1 {
            head.pop();
            break;
        }
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(draw: impl FnOnce(&mut Canvas<'_>)) -> String {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 10, 1));
        draw(&mut Canvas::new(&mut buffer, &Theme::default(), Rect::new(0, 0, 10, 1)));
        buffer.content.iter().map(ratatui::buffer::Cell::symbol).collect()
    }

    #[test]
    fn lines_are_cut_after_a_word_and_long_words_at_cells() {
        assert_eq!(drawn(|c| _ = c.text(1, 0, 5, Role::Text, "checkout")), " chec…    ");
        assert_eq!(drawn(|c| _ = c.text(1, 0, 6, Role::Text, "東京タワー")), " 東 京 …    ");
        assert_eq!(drawn(|c| _ = c.text(0, 0, 99, Role::Text, "a very long line")), "a very…   ");
        assert_eq!(drawn(|c| _ = c.text(0, 0, 8, Role::Text, "a page of 340×")), "a page…   ");
        assert_eq!(drawn(|c| _ = c.text(0, 0, 7, Role::Text, "a page of 340×")), "a page…   ");
        assert_eq!(drawn(|c| _ = c.text(0, 0, 7, Role::Text, "a gatewaygateway")), "a gate…   ");
        assert_eq!(drawn(|c| _ = c.text(0, 0, 9, Role::Text, "cart: NodeDown")), "cart: No… ");
        assert_eq!(drawn(|c| _ = c.right(0, 0, 8, Role::Text, format_args!("1.5×"))), "    1.5×  ");
        assert_eq!(drawn(|c| _ = c.text(12, 0, 5, Role::Text, "off")), "          ");
        assert_eq!(drawn(|c| _ = c.text(0, 3, 5, Role::Text, "off")), "          ");
    }

    #[test]
    fn lines_break_at_spaces() {
        assert_eq!(wrap("the quick brown fox", 9), ["the quick", "brown fox"]);
        assert_eq!(wrap("abcdefghijkl x", 5), ["abcde", "fghij", "kl x"]);
        assert_eq!(wrap("", 5), [""]);
        assert_eq!(wrap("東京", 1), ["東", "京"]);
    }
}
