//! Lines and components of iCalendar (RFC 5545, sections 3.1 and 3.6): the form, without any meaning.
//!
//! Makers take liberties, so what is not a line is passed over; only a text that is no calendar at all is refused.

use std::borrow::Cow;

/// How deep components may lie in each other; a calendar has three levels.
const DEEPEST: usize = 16;

/// One line: `NAME;PARAM=a,b:value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// In capitals.
    pub name: String,
    /// Names in capitals, values without quotes.
    pub params: Vec<(String, String)>,
    /// As it was written.
    pub value: String,
}

impl Line {
    /// The value of a parameter.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
    /// The value as text: `\n`, `\,`, `\;` and `\\` are what they stand for.
    pub fn text(&self) -> String {
        let mut out = String::with_capacity(self.value.len());
        let mut rest = self.value.chars();
        while let Some(c) = rest.next() {
            match (c, if c == '\\' { rest.next() } else { None }) {
                ('\\', Some('n' | 'N')) => out.push('\n'),
                ('\\', Some(escaped)) => out.push(escaped),
                (other, _) => out.push(other),
            }
        }
        out
    }
}

/// What stands between `BEGIN` and `END`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Component {
    /// `VCALENDAR`, `VEVENT`, …
    pub name: String,
    /// Its own lines.
    pub lines: Vec<Line>,
    /// What lies in it.
    pub parts: Vec<Component>,
}

impl Component {
    /// The first line of this name.
    pub fn line(&self, name: &str) -> Option<&Line> {
        self.lines.iter().find(|l| l.name == name)
    }
    /// All lines of this name.
    pub fn lines<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Line> {
        self.lines.iter().filter(move |l| l.name == name)
    }
    /// What lies in it of this name.
    pub fn parts<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Component> {
        self.parts.iter().filter(move |p| p.name == name)
    }
}

/// The calendars of `body`; `None` if it is none, or is cut off within one.
pub fn calendars(body: &[u8]) -> Option<Vec<Component>> {
    let (mut open, mut done): (Vec<Component>, Vec<Component>) = (Vec::new(), Vec::new());
    for line in unfolded(body).lines().filter_map(line) {
        match line.name.as_str() {
            "BEGIN" if open.len() < DEEPEST => {
                open.push(Component { name: line.value.trim().to_ascii_uppercase(), ..Component::default() });
            }
            "BEGIN" => return None,
            "END" => {
                let closed = open.pop().filter(|c| c.name.eq_ignore_ascii_case(line.value.trim()))?;
                open.last_mut().map_or(&mut done, |outer| &mut outer.parts).push(closed);
            }
            _ => {
                if let Some(component) = open.last_mut() {
                    component.lines.push(line);
                }
            }
        }
    }
    done.retain(|c| c.name == "VCALENDAR");
    (open.is_empty() && !done.is_empty()).then_some(done)
}

/// Lines that were folded made one again. Folds may part the bytes of a character, so this is done before they are read as text.
fn unfolded(body: &[u8]) -> Cow<'_, str> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if !body.windows(2).any(|w| matches!(w, b"\n " | b"\n\t")) {
        return String::from_utf8_lossy(body);
    }
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        if byte == b'\n' && rest.next_if(|next| matches!(next, b' ' | b'\t')).is_some() {
            if out.last() == Some(&b'\r') {
                out.pop();
            }
        } else {
            out.push(byte);
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

/// `None` for what is not a line.
fn line(text: &str) -> Option<Line> {
    let mut quoted = false;
    let unquoted = |c: char| {
        quoted ^= c == '"';
        !quoted && matches!(c, ':' | ';')
    };
    let mut ends = Vec::new();
    for (at, c) in text.match_indices(unquoted) {
        ends.push(at);
        if c == ":" {
            break;
        }
    }
    let colon = *ends.last()?;
    let value = text.get(colon..)?.strip_prefix(':')?.to_owned();
    let begins = ends.iter().map(|at| at + 1);
    let first = *ends.first()?;
    let params = begins.zip(ends.iter().skip(1)).filter_map(|(from, to)| {
        let (name, value) = text.get(from..*to)?.split_once('=')?;
        Some((name.trim().to_ascii_uppercase(), value.replace('"', "")))
    });
    let name = text.get(..first)?.trim().to_ascii_uppercase();
    (!name.is_empty()).then(|| Line { name, params: params.collect(), value })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_is_a_name_parameters_and_a_value() {
        let read = |text: &str| line(text).unwrap();
        let plain = read("summary:Maya: on call; first");
        assert_eq!((plain.name.as_str(), plain.params.len(), plain.value.as_str()), ("SUMMARY", 0, "Maya: on call; first"));
        let rich = read(r#"ATTENDEE;CN="Lin; Maya: ops";role=CHAIR:mailto:maya@acme.example"#);
        assert_eq!((rich.param("CN"), rich.param("ROLE")), (Some("Lin; Maya: ops"), Some("CHAIR")));
        assert_eq!(rich.value, "mailto:maya@acme.example");
        assert_eq!(read(r"SUMMARY:a\, b\; c\\d\ne\").text(), "a, b; c\\d\ne\\");
        for bad in ["", "no colon", ":", "X;Y", "\"X:Y"] {
            assert_eq!(line(bad), None, "{bad}");
        }
    }

    #[test]
    fn folded_lines_are_one_even_within_a_character() {
        let body = b"BEGIN:VCALENDAR\r\nX-A:Z\xc3\r\n \xbcri\r\n\tch\r\nEND:VCALENDAR\r\n";
        let all = calendars(body).unwrap();
        assert_eq!(all[0].line("X-A").unwrap().value, "Zürich");
    }

    #[test]
    fn components_lie_in_each_other() {
        let body = "BEGIN:VCALENDAR\nA:1\nBEGIN:VEVENT\nB:2\nBEGIN:VALARM\nB:3\nEND:VALARM\nEND:VEVENT\nEND:VCALENDAR";
        let all = calendars(body.as_bytes()).unwrap();
        let event = all[0].parts("VEVENT").next().unwrap();
        assert_eq!(event.lines("B").map(|l| l.value.as_str()).collect::<Vec<_>>(), ["2"]);
        assert_eq!(event.parts("VALARM").count(), 1);
    }

    #[test]
    fn what_is_no_whole_calendar_is_none() {
        let deep = "BEGIN:X\n".repeat(40);
        for bad in
            ["", "hello", "BEGIN:VCALENDAR\nA:1", "BEGIN:VEVENT\nEND:VEVENT", "BEGIN:VCALENDAR\nEND:VEVENT", deep.as_str(), "END:VCALENDAR"]
        {
            assert_eq!(calendars(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_stop_it(body in prop::collection::vec(prop::sample::select(b"BEGINDVCALR:;=,\"\\\r\n \xc3\xff".to_vec()), 0..200)) {
            calendars(&body);
        }
    }
}
