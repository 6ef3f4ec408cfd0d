//! Values with a meaning of their own: durations, sizes, selectors, addresses, files. Further readers of a [`Section`].

use std::{ops::Range, path::PathBuf, time::Duration};

use chrono_tz::Tz;
use toml::Spanned;
use url::Url;

use super::{people, secret, section::Section, syntax::Value};
use crate::domain::{BadSelector, Selector, Window};

impl Section {
    /// A span of time in whole seconds: `"5m"`, `"1h30m"`, `"30d"`.
    pub fn window(&mut self, key: &str) -> Option<Spanned<Window>> {
        let node = self.node(key)?;
        match node.value {
            Value::Text(text) => self.parse(&Spanned::new(node.span, text)),
            Value::Number(raw, true) => {
                self.error_with_help(
                    &node.span,
                    &format!("`{key}` is a number without a unit"),
                    &format!("write \"{raw}s\" or \"{raw}m\""),
                );
                None
            }
            _ => self.wrong(key, &node, "a duration such as \"5m\""),
        }
    }
    /// A span of time, as [`Section::window`] and in milliseconds too: `"500ms"`. Never zero.
    pub fn duration(&mut self, key: &str) -> Option<Spanned<Duration>> {
        let milliseconds = match self.entries.iter().find(|e| e.key == key).map(|e| &e.node.value) {
            Some(Value::Text(text)) => text.trim().strip_suffix("ms").and_then(|n| n.trim().parse().ok()).filter(|n: &u32| *n > 0),
            _ => None,
        };
        match milliseconds {
            Some(n) => self.str(key).map(|t| Spanned::new(t.span(), Duration::from_millis(u64::from(n)))),
            None => self.window(key).map(|w| Spanned::new(w.span(), w.get_ref().duration())),
        }
    }
    /// A size in bytes: a number, or a text such as `"512KiB"`, `"32MiB"`. Never zero.
    pub fn size(&mut self, key: &str) -> Option<Spanned<u64>> {
        let raw = self.figure(key)?;
        let digits = raw.get_ref().trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match raw.get_ref().get(digits.len()..) {
            Some("" | "B") => Some(1),
            Some("KiB") => Some(1 << 10),
            Some("MiB") => Some(1 << 20),
            Some("GiB") => Some(1 << 30),
            _ => None,
        };
        let bytes = unit.and_then(|u: u64| digits.trim().parse::<u64>().ok()?.checked_mul(u)).filter(|n| *n > 0);
        if bytes.is_none() {
            self.error(&raw.span(), &format!("`{key}` is a size such as \"512KiB\" or \"32MiB\""));
        }
        Some(Spanned::new(raw.span(), bytes?))
    }
    /// A list of integers from `min` to `max`.
    pub fn integers(&mut self, key: &str, min: i64, max: i64) -> Option<Vec<i64>> {
        let node = self.node(key)?;
        let Value::List(items) = node.value else { return self.wrong(key, &node, "a list of integers") };
        let mut all = Vec::with_capacity(items.len());
        for item in items {
            let Value::Number(raw, true) = &item.value else { return self.wrong(key, &item, "a list of integers") };
            match raw.parse().ok().filter(|n| (min..=max).contains(n)) {
                Some(number) => all.push(number),
                None => self.error(&item.span, &format!("`{key}` holds numbers between {min} and {max}")),
            }
        }
        Some(all)
    }
    /// A selector; a mistake in it is placed inside the text.
    pub fn selector(&mut self, key: &str) -> Option<Spanned<Selector>> {
        let text = self.str(key)?;
        match text.get_ref().parse() {
            Ok(selector) => Some(Spanned::new(text.span(), selector)),
            Err(BadSelector { at, what }) => {
                self.error(&self.inside(&text, at), &what);
                None
            }
        }
    }
    /// The place of byte `at` of `text` in the file, if the text stands there as it is (no escapes); else the whole text.
    fn inside(&self, text: &Spanned<String>, at: usize) -> Range<usize> {
        let span = text.span();
        let raw = self.document().slice(span.clone());
        let Some(begin) = raw.find(text.get_ref().as_str()).filter(|_| !text.get_ref().is_empty()) else { return span };
        let from = span.start + begin + at;
        let width = self.document().slice(from..span.end).chars().next().map_or(1, char::len_utf8);
        from..from + width
    }
    /// The address of a server: `http` or `https`, no credentials in it, no query.
    pub fn url(&mut self, key: &str) -> Option<Spanned<Url>> {
        let text = self.required_str(key, "\"http://prometheus.internal:9090\"")?;
        let url = self.address(key, &text)?;
        if url.get_ref().query().is_some() {
            self.error_with_help(&text.span(), &format!("`{key}` has a query"), "leave out everything from `?` on");
            return None;
        }
        Some(url)
    }
    /// A list of addresses without a query; none if the key is not there.
    pub fn addresses(&mut self, key: &str) -> Vec<Url> {
        let texts = self.strings(key).unwrap_or_default();
        let mut read = |text: Spanned<String>| {
            let url = self.address(key, &text)?;
            if url.get_ref().query().is_some() {
                self.error_with_help(&text.span(), &format!("`{key}` has a query"), "leave out everything from `?` on");
            }
            Some(url.into_inner())
        };
        texts.into_iter().filter_map(&mut read).collect()
    }
    /// The whole address of a page, such as `/metrics`; it may have a query.
    pub fn page_url(&mut self, key: &str) -> Option<Spanned<Url>> {
        let text = self.required_str(key, "\"http://checkout:8080/metrics\"")?;
        self.address(key, &text)
    }
    /// The whole address of a feed, which often is a secret of its own: from `key`, `key_file`, `key_env` or `key_command`, and never
    /// shown. `webcal` is as good as `https`.
    pub fn feed_url(&mut self, key: &str) -> Option<Url> {
        let given = ["", "_file", "_env", "_command"].map(|end| format!("{key}{end}"));
        let span = given.iter().find(|k| self.has(k)).map_or_else(|| self.span(), |k| self.key_span(k));
        if !given.iter().any(|k| self.has(k)) {
            self.missing_with_help(
                &format!("`{key}` is missing"),
                &format!("add `{key}_file = \"~/.config/burnwatch/feed\"` or `file = \"rota.ics\"`"),
            );
        }
        let text = if self.has(key) {
            self.entries.iter().filter(|e| e.key == key).for_each(|e| self.context.hide(e.node.span.clone()));
            if let Some(second) = given.iter().skip(1).find(|k| self.has(k)) {
                self.error_with_help(&self.key_span(second), &format!("more than one `{key}`"), "keep exactly one of them");
            }
            self.asked.extend(given);
            self.str(key)?.into_inner()
        } else {
            self.secret(key)?.expose().to_owned()
        };
        let address = text.strip_prefix("webcal://").map_or(text.clone(), |rest| format!("https://{rest}"));
        let well = |url: &Url| matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
        let url = Url::parse(&address).ok().filter(well);
        if url.is_none() {
            self.error(&span, &format!("`{key}` is a whole address that begins with http:// or https:// and holds no login"));
        }
        url
    }
    /// A time zone such as `Europe/Berlin`.
    pub fn zone(&mut self, key: &str) -> Option<Tz> {
        people::zone(self, key)
    }
    fn address(&self, key: &str, text: &Spanned<String>) -> Option<Spanned<Url>> {
        let span = text.span();
        let url = match Url::parse(text.get_ref()) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => url,
            parsed => {
                let bare = !text.get_ref().contains("://") && !text.get_ref().contains('@');
                let message = match parsed {
                    Err(why) if !bare => format!("`{key}` is not an address: {why}"),
                    _ => format!("`{key}` begins with http:// or https://"),
                };
                let help =
                    if bare { format!("did you mean \"http://{}\"?", text.get_ref()) } else { "such as \"http://host:9090\"".into() };
                self.error_with_help(&span, &message, &help);
                return None;
            }
        };
        if !url.username().is_empty() || url.password().is_some() {
            self.context.hide(span.clone());
            self.error_with_help(&span, &format!("`{key}` holds credentials"), "use `username` and `password_file`, or `token_file`");
            return None;
        }
        if url.fragment().is_some() {
            self.error_with_help(&span, &format!("`{key}` has a fragment"), "leave out everything from `#` on");
            return None;
        }
        Some(Spanned::new(span, url))
    }
    /// A path as it is written: `~` is the home folder, a relative one starts at the config file's folder.
    pub(super) fn path(&self, written: &str) -> PathBuf {
        self.context.path(written)
    }
    /// Never show an address that may hold a login.
    pub(super) fn hide_if_login(&self, text: &Spanned<String>) {
        if text.get_ref().contains('@') {
            self.context.hide(text.span());
        }
    }
    /// A file that can be read; `~` is the home folder, a relative path starts at the config file's folder.
    pub fn file(&mut self, key: &str) -> Option<Spanned<PathBuf>> {
        if !self.has(key) {
            self.asked.insert(key.to_owned());
            return None;
        }
        let text = self.required_str(key, "\"~/.config/burnwatch/file\"")?;
        let path = self.context.path(text.get_ref());
        if let Err(why) = std::fs::File::open(&path) {
            self.error(&text.span(), &format!("cannot read {}: {}", path.display(), secret::cause(&why)));
            return None;
        }
        Some(Spanned::new(text.span(), path))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::section::tests::read, *};

    #[test]
    fn values_are_read_and_wrong_ones_placed() {
        let found = read("a = '500ms'\nb = '1h'\nc = 5\nd = '32MiB'\ne = 'pge'\nf = true\nextra = 1\nag = 2", |s| {
            assert_eq!(s.duration("a").map(Spanned::into_inner), Some(Duration::from_millis(500)));
            assert_eq!(s.duration("b").map(Spanned::into_inner), Some(Duration::from_hours(1)));
            assert!(s.duration("c").is_none());
            assert_eq!(s.size("d").map(Spanned::into_inner), Some(32 << 20));
            assert!(s.one_of("e", &["page", "ticket"]).is_none());
            assert!(s.str("f").is_none());
            assert!(s.integer("age", 0, 9).is_none());
        });
        let expected = [
            "3:5 `c` is a number without a unit (write \"5s\" or \"5m\")",
            "5:5 unknown e `pge` (did you mean `page`?)",
            "6:5 `f` wants a text in quotes, this is true or false",
            "7:1 unknown key `extra`",
            "8:1 unknown key `ag` (did you mean `age`?)",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_selector_is_wrong_inside_its_text() {
        let found = read("a = 'x{a=1}'\nb = \"é{\"\nc = \"x{a=\\\"1\\\"\"", |s| {
            assert!([s.selector("a"), s.selector("b"), s.selector("c")].iter().all(Option::is_none));
        });
        assert_eq!(found.len(), 3);
        assert!(found.first().unwrap().starts_with("1:10 "), "{found:?}");
        assert!(found.get(1).unwrap().starts_with("2:6 "), "{found:?}");
        assert!(found.get(2).unwrap().starts_with("3:5 "), "{found:?}");
    }

    #[test]
    fn addresses_hold_no_credentials() {
        let found = read("a = 'prometheus:9090'\nb = 'http://u:s3cret@h'\nc = 'http://h/?q=1'\nd = 'ftp://h'\ne = 'http://h:9/p'", |s| {
            assert!(["a", "b", "c", "d"].iter().all(|k| s.url(k).is_none()));
            assert!(s.url("e").is_some());
        });
        let expected = [
            "1:5 `a` begins with http:// or https:// (did you mean \"http://prometheus:9090\"?)",
            "2:5 `b` holds credentials (use `username` and `password_file`, or `token_file`)",
            "3:5 `c` has a query (leave out everything from `?` on)",
            "4:5 `d` begins with http:// or https:// (such as \"http://host:9090\")",
        ];
        assert_eq!(found, expected);
    }
}
