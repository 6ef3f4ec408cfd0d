//! What must not be shown when a line of the file is printed beside a mistake.
//!
//! Looked for in the text and not in the tree: a line that cannot be parsed may hold a token as well. Where in doubt it is masked.

use std::ops::Range;

use super::{document::Document, syntax};

/// Keys whose values are secrets; a key that ends in one of them counts, and so does one that nearly spells it.
const SECRET: [&str; 11] =
    ["token", "password", "passwd", "passphrase", "secret", "api-key", "api_key", "apikey", "authorization", "cookie", "credentials"];

/// Everything in `document` that may be a secret.
pub(super) fn all(document: &Document) -> Vec<Range<usize>> {
    let mut masks = Vec::new();
    let mut headers = false;
    for n in 0..document.line_count() {
        let (span, line) = (document.line_span(n), document.line(n));
        if syntax::is_header(line) {
            headers = line.contains("headers]");
            continue;
        }
        let value = if headers { line.find('=').map(|at| at + 1) } else { secret_value(line) };
        let value = value.map(|at| at + line.get(at..).map_or(0, |v| v.len() - v.trim_start().len()));
        masks.extend(value.map(|at| span.start + at..span.end));
        masks.extend(userinfo(line).map(|r| span.start + r.start..span.start + r.end));
    }
    masks
}

/// Whether the value of `key` is to be kept secret.
pub(super) fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let near = |word: &str| key.len() > 3 && strsim::damerau_levenshtein(&key, word) <= 2;
    SECRET.iter().any(|word| key.ends_with(word) || near(word))
}

/// Where the value of a secret key begins, if the line holds one.
fn secret_value(line: &str) -> Option<usize> {
    let mut start = None;
    for (at, c) in line.char_indices().chain([(line.len(), '\n')]) {
        let inside = c.is_alphanumeric() || c == '_' || c == '-';
        match (start, inside) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                let word = line.get(from..at).unwrap_or_default();
                let assigned = line.get(at..).unwrap_or_default().trim_start_matches(['"', '\'']).trim_start().starts_with('=');
                let first = line.get(..from).unwrap_or_default().trim().is_empty();
                if (assigned || first) && (is_secret(word) || word == "headers") {
                    let tail = line.get(at..).unwrap_or_default();
                    let rest = tail.trim_start_matches(['"', '\'']).trim_start();
                    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
                    return Some(line.len() - rest.len());
                }
                start = None;
            }
            _ => {}
        }
    }
    None
}

/// `user:password` in a URL.
fn userinfo(line: &str) -> Option<Range<usize>> {
    let start = line.find("://")? + 3;
    let rest = line.get(start..)?;
    let end = rest.find(['/', ' ', '"', '\'']).unwrap_or(rest.len());
    let at = rest.get(..end)?.rfind('@')?;
    Some(start..start + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_in_any_shape() {
        for line in [
            "token = \"s3cret\"",
            "tokn=s3cret",
            "  \"password\" = s3cret",
            "client_secret = 's3cret",
            "headers = { X-Anything = \"s3cret\" }",
            "url = \"https://maya:s3cret@host/\"",
            "url = \"postgres://maya:s3c@ret:s3cret@host/\"",
            "token \"s3cret\"",
            "a = { Authorization = \"Bearer s3cret\" }",
            "[source.headers]\nX-Foo = \"s3cret\"",
        ] {
            let doc = Document::new("x", line);
            let last = doc.line_span(doc.line_count() - 1);
            let shown = doc.place(&last, &all(&doc)).text;
            assert!(!shown.contains("s3c") && shown.contains("***"), "{shown}");
        }
    }

    #[test]
    fn the_rest_is_shown() {
        for line in ["token_file = \"~/x\"", "name = \"checkout\"", "url = \"http://host:9090/a@b\"", "objectve = 99.9"] {
            let doc = Document::new("x", line);
            assert_eq!(doc.place(&(0..1), &all(&doc)).text, line);
        }
    }
}
