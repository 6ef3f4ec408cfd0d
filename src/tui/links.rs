//! Hyperlinks (OSC 8): which cells lead where, and whether the terminal is likely to know what that means.
//!
//! A link's text always holds its whole address, so that nothing is lost where they are not known. Only an http or https address of
//! printable ASCII becomes one: nothing in it can end the sequence that carries it.

/// The longest address that terminals take.
const LONGEST: usize = 2_000;

/// Cells of one row that lead somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linked {
    /// Their row.
    pub y: u16,
    /// The first of them.
    pub x: u16,
    /// How many.
    pub width: u16,
    /// Where to.
    pub url: String,
}

impl Linked {
    /// Whether the cell (x, y) is one of them.
    pub fn covers(&self, x: u16, y: u16) -> bool {
        self.y == y && (self.x..self.x.saturating_add(self.width)).contains(&x)
    }
}

/// Whether an address may stand in the sequence of a link.
pub fn is_safe(url: &str) -> bool {
    let web = url.starts_with("https://") || url.starts_with("http://");
    web && url.len() <= LONGEST && url.bytes().all(|b| b.is_ascii_graphic())
}

/// Whether the terminal is likely to know links, by what it says of itself through `var`: a name or a mark that only those leave that
/// do. `FORCE_HYPERLINK` decides where it is set: 0 is no.
pub fn of_environment(var: impl Fn(&str) -> Option<String>) -> bool {
    let is_set = |name: &str| var(name).is_some_and(|v| !v.is_empty());
    if let Some(forced) = var("FORCE_HYPERLINK").filter(|v| !v.is_empty()) {
        return forced != "0";
    }
    let term = var("TERM").unwrap_or_default();
    let program = var("TERM_PROGRAM").unwrap_or_default();
    let version = version(&var("TERM_PROGRAM_VERSION").unwrap_or_default());
    match program.as_str() {
        // A multiplexer passes on what it knows itself, whatever is behind it.
        "tmux" => return version >= (3, 4),
        "iTerm.app" => return version >= (3, 1),
        "WezTerm" | "vscode" | "ghostty" | "Hyper" | "rio" | "Tabby" | "mintty" => return true,
        _ => {}
    }
    if term.starts_with("tmux") || term.starts_with("screen") || term.is_empty() {
        return false;
    }
    let names = ["kitty", "alacritty", "foot", "ghostty", "wezterm", "contour", "rio"];
    names.iter().any(|name| term.contains(name))
        || ["KITTY_WINDOW_ID", "WT_SESSION", "KONSOLE_VERSION", "DOMTERM"].iter().any(|name| is_set(name))
        || var("VTE_VERSION").and_then(|v| v.parse::<u32>().ok()).is_some_and(|v| v >= 5_000)
}

/// The first two numbers of a version, as far as there are any: `3.5a` is (3, 5).
fn version(text: &str) -> (u32, u32) {
    let mut numbers = text.split('.').map(|part| part.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knows(pairs: &[(&str, &str)]) -> bool {
        of_environment(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
    }

    #[test]
    fn a_terminal_that_says_nothing_of_itself_gets_none() {
        for (likely, said) in [
            (false, vec![]),
            (false, vec![("TERM", "xterm-256color")]),
            (false, vec![("TERM", "linux")]),
            (true, vec![("TERM", "xterm-kitty")]),
            (true, vec![("TERM", "xterm-256color"), ("VTE_VERSION", "7200")]),
            (false, vec![("TERM", "xterm-256color"), ("VTE_VERSION", "4601")]),
            (true, vec![("TERM", "tmux-256color"), ("TERM_PROGRAM", "tmux"), ("TERM_PROGRAM_VERSION", "3.5a")]),
            (false, vec![("TERM", "screen"), ("TERM_PROGRAM", "tmux"), ("TERM_PROGRAM_VERSION", "3.3a")]),
            (false, vec![("TERM", "screen-256color"), ("VTE_VERSION", "7200")]),
            (true, vec![("TERM", "xterm-256color"), ("FORCE_HYPERLINK", "1")]),
            (false, vec![("TERM", "xterm-kitty"), ("FORCE_HYPERLINK", "0")]),
        ] {
            assert_eq!(knows(&said), likely, "{said:?}");
        }
    }

    #[test]
    fn nothing_in_an_address_can_end_the_sequence() {
        assert!(is_safe("https://wiki.acme.io/runbooks/checkout?a=b;c#d"));
        for bad in ["ftp://wiki", "javascript:alert(1)", "https://a\x1b\\", "https://a\u{9c}", "https://a b", "https://ä", "https://a\x07"]
        {
            assert!(!is_safe(bad), "{bad:?}");
        }
        assert!(!is_safe(&format!("https://a/{}", "x".repeat(3_000))));
    }
}
