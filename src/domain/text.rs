//! Text from outside: labels, annotations, names, error bodies. Anyone may have written it.
//!
//! [`Text`] is safe to show anywhere: every control character, escape, direction override, tag and zero-width character has
//! become a visible placeholder. It is made once, at the door. [`Untrusted`] keeps the bytes as they came, for the wire only (a
//! silence must name the label exactly); it has no `Display` and its `Debug` is cleaned.

use std::{borrow::Cow, fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize};
use unicode_width::UnicodeWidthChar;

/// The longest text kept for the screen, in characters; longer ones are cut with `…`.
pub const LONGEST: usize = 4_096;

/// Text that is harmless on every terminal, in every log and in every document. A clone shares its characters.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Text(Arc<str>);

impl Text {
    /// Clean `raw`: what could act on a terminal or deceive a reader becomes a visible placeholder.
    pub fn clean(raw: &str) -> Self {
        Self(clean(raw).into())
    }
    /// The cleaned characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// Whether nothing is left to show.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
impl From<&str> for Text {
    fn from(raw: &str) -> Self {
        Self::clean(raw)
    }
}
impl From<String> for Text {
    fn from(raw: String) -> Self {
        Self::clean(&raw)
    }
}
impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self::clean(&Cow::<str>::deserialize(from)?))
    }
}

/// Text exactly as it came from outside, for sending back; show it with [`Untrusted::text`]. A clone shares its characters.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Untrusted(Arc<str>);

impl Untrusted {
    /// Take text as it came.
    pub fn new(raw: impl Into<Arc<str>>) -> Self {
        Self(raw.into())
    }
    /// The bytes as they came: for the wire and for comparing, never for a screen, a log or a shell.
    pub fn raw(&self) -> &str {
        &self.0
    }
    /// The form that may be shown.
    pub fn text(&self) -> Text {
        Text::clean(&self.0)
    }
}
impl fmt::Debug for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text(), f)
    }
}

/// Replace what is not plain visible text. Borrowed if there is nothing to replace.
pub fn clean(raw: &str) -> Cow<'_, str> {
    let plain = |c: char| (' '..='~').contains(&c) || placeholder(c).is_none() && c.width() != Some(0);
    if raw.len() <= LONGEST && raw.chars().all(plain) {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len().min(LONGEST * 4));
    let mut piled = MOST_MARKS;
    for (n, c) in raw.chars().enumerate() {
        if n >= LONGEST {
            out.push('…');
            break;
        }
        let seen = placeholder(c).unwrap_or(c);
        piled = if seen.width() == Some(0) { piled.saturating_add(1) } else { 0 };
        out.push(if piled > MOST_MARKS { '\u{fffd}' } else { seen });
    }
    Cow::Owned(out)
}

/// Marks that may stand over and under one letter; more are no writing, and a lone one has nothing to stand on.
const MOST_MARKS: usize = 3;

/// Whether a character may be shown as it is.
pub fn is_plain(c: char) -> bool {
    placeholder(c).is_none()
}

/// The visible stand-in of a character that must not be printed, if it is one.
///
/// C0 controls map to their Unicode control pictures; C1 controls, direction marks, isolates and overrides (UAX #9), zero-width
/// and joining characters, marks of format, variation selectors, tag characters, private-use and non-characters become `�`.
fn placeholder(c: char) -> Option<char> {
    match u32::from(c) {
        n @ 0..=0x1f => char::from_u32(0x2400 + n),
        0x7f => Some('␡'),
        0x80..=0x9f
        | 0xad
        | 0x300..=0x36f
        | 0x483..=0x489
        | 0x600..=0x605
        | 0x61c
        | 0x6dd
        | 0x70f
        | 0x890..=0x891
        | 0x8e2
        | 0x115f..=0x1160
        | 0x17b4..=0x17b5
        | 0x180b..=0x180f
        | 0x1ab0..=0x1aff
        | 0x1dc0..=0x1dff
        | 0x200b..=0x200f
        | 0x2028..=0x202e
        | 0x2060..=0x206f
        | 0x20d0..=0x20ff
        | 0x3164
        | 0xd800..=0xf8ff
        | 0xfdd0..=0xfdef
        | 0xfe00..=0xfe0f
        | 0xfe20..=0xfe2f
        | 0xfeff
        | 0xffa0
        | 0xfff0..=0xfffc
        | 0xfffe..=0xffff
        | 0x110bd
        | 0x110cd
        | 0x13430..=0x1345f
        | 0x1bca0..=0x1bca3
        | 0x1d173..=0x1d17a
        | 0xe0000..=0x10_ffff => Some('\u{fffd}'),
        n if n & 0xfffe == 0xfffe => Some('\u{fffd}'),
        0xa0 | 0x1680 | 0x2000..=0x200a | 0x202f | 0x205f | 0x3000 => Some(' '),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_acts_on_a_terminal_gets_through() {
        for raw in
            ["\x1b[2J", "\x1b]52;c;YQ==\x07", "a\nb", "\u{9b}31m", "\u{202e}txt.exe", "\u{e0041}", "a\u{200d}b", "e\u{301}", "\u{7f}"]
        {
            let shown = Text::clean(raw);
            assert!(shown.as_str().chars().all(|c| placeholder(c).is_none() && !c.is_control()), "{shown:?}");
            assert!(!shown.is_empty());
        }
        assert_eq!(Text::clean("שָׁלוֹם ज़िन्दगी 각").as_str(), "שָׁלוֹם ज़िन्दगी 각");
        assert_eq!(Text::clean("a\u{e47}\u{e47}\u{e47}\u{e47}\u{e47}b").as_str(), "a\u{e47}\u{e47}\u{e47}\u{fffd}\u{fffd}b");
        assert_eq!(Text::clean("Zürich 東京 ok").as_str(), "Zürich 東京 ok");
        assert_eq!(Text::clean(&"x".repeat(10_000)).as_str().chars().count(), LONGEST + 1);
        assert_eq!(format!("{:?}", Untrusted::new("\x1b")), "\"␛\"");
    }
}
