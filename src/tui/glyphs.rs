//! Terminals without Unicode: every glyph of ours has a twin in ASCII that is as wide.
//!
//! The screen is drawn in Unicode; for such a terminal the finished buffer is translated cell by cell, so no view has to know.

use ratatui::buffer::Buffer;

/// Which characters the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glyphs {
    /// All of them.
    Unicode,
    /// ASCII only.
    Ascii,
}

impl Glyphs {
    /// What the locale says, through `var`: the first of `LC_ALL`, `LC_CTYPE`, `LANG` that is not empty names UTF-8 or does not.
    /// None of them set means UTF-8: that is what bare containers look like.
    pub fn of_environment(var: impl Fn(&str) -> Option<String>) -> Self {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| var(name).filter(|v| !v.is_empty()));
        let locale = locale.unwrap_or_else(|| "UTF-8".to_owned()).to_ascii_lowercase();
        if locale.contains("utf-8") || locale.contains("utf8") { Self::Unicode } else { Self::Ascii }
    }

    /// Replace in `buffer` whatever the terminal cannot show.
    pub fn apply(self, buffer: &mut Buffer) {
        if self == Self::Ascii {
            for cell in buffer.content.iter_mut().filter(|c| !c.symbol().is_ascii()) {
                let symbol = twin(cell.symbol());
                cell.set_char(symbol);
            }
        }
    }
}

fn twin(symbol: &str) -> char {
    match symbol {
        "●" => '!',
        "▲" => '^',
        "○" => 'o',
        "·" => '.',
        "✓" => '+',
        "✗" | "×" => 'x',
        "▸" | "▌" | "→" | "≥" => '>',
        "…" | "▅" => '~',
        "━" => '=',
        "╸" | "─" | "−" | "—" | "–" => '-',
        "│" | "┃" => '|',
        "▁" => '_',
        "▂" => ',',
        "▃" => ':',
        "▄" => ';',
        "▆" => '%',
        "▇" => '&',
        "█" => '#',
        "≤" => '<',
        "“" | "”" => '"',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locale_tells_the_glyphs() {
        let glyphs =
            |pairs: &[(&str, &str)]| Glyphs::of_environment(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()));
        assert_eq!(glyphs(&[("LANG", "en_GB.UTF-8")]), Glyphs::Unicode);
        assert_eq!(glyphs(&[("LANG", "en_GB.UTF-8"), ("LC_ALL", "C")]), Glyphs::Ascii);
        assert_eq!(glyphs(&[("LANG", "POSIX")]), Glyphs::Ascii);
        assert_eq!(glyphs(&[]), Glyphs::Unicode);
    }
}
