//! The Prometheus text format 0.0.4, read line by line without copying.
//!
//! Format: "Exposition formats" in the Prometheus documentation. `OpenMetrics` 1.0 is read by the same rules: an exemplar behind a value is
//! passed over, a timestamp may have decimals, `_created` is a series like any other; that its text is whole is told by `# EOF`. A line that is not understood is an error that names it; what
//! to make of that is the caller's. No input makes it panic.

use std::borrow::Cow;

/// One sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample<'a> {
    /// The metric's name.
    pub name: &'a str,
    /// Its value; NaN and the infinities are legal.
    pub value: f64,
    /// When it was taken, as written (milliseconds in 0.0.4, seconds in `OpenMetrics`); `None` for now.
    pub timestamp: Option<f64>,
    labels: &'a str,
}

/// A line that is not of the format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct BadLine {
    /// Which, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: &'static str,
}

impl<'a> Sample<'a> {
    /// Label names and values, in the order written.
    pub fn labels(&self) -> impl Iterator<Item = (&'a str, Cow<'a, str>)> + use<'a> {
        let mut rest = self.labels;
        std::iter::from_fn(move || {
            let (label, after) = label(rest).ok()??;
            rest = after;
            Some((label.name, unescape(label.value)))
        })
    }
}

/// The samples of a body. Lines after a bad one are read all the same.
pub fn parse(body: &[u8]) -> impl Iterator<Item = Result<Sample<'_>, BadLine>> {
    let (text, broken) = match std::str::from_utf8(body) {
        Ok(text) => (text, false),
        Err(e) => (body.get(..e.valid_up_to()).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or_default(), true),
    };
    Lines { rest: Some(text), broken, number: 0 }.filter_map(|(number, line)| match line.and_then(sample) {
        Ok(None) => None,
        Ok(Some(sample)) => Some(Ok(sample)),
        Err(what) => Some(Err(BadLine { line: number, what })),
    })
}

/// Whether this is the type of `OpenMetrics`.
pub fn is_open_metrics(kind: &str) -> bool {
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/openmetrics-text"))
}

/// Whether a body of `OpenMetrics` is whole: it ends with `# EOF`, and nothing follows that.
pub fn whole(body: &[u8]) -> Result<(), BadLine> {
    let number = || body.split(|b| *b == b'\n').count();
    let end = body.strip_suffix(b"\n").unwrap_or(body);
    let last = end.rsplit(|b| *b == b'\n').next().unwrap_or_default();
    if last.strip_suffix(b"\r").unwrap_or(last) == b"# EOF" {
        Ok(())
    } else {
        Err(BadLine { line: number(), what: "is cut off: `# EOF` is missing at the end" })
    }
}

/// Lines with their numbers. What follows the last line feed is no line but a piece of one.
struct Lines<'a> {
    rest: Option<&'a str>,
    broken: bool,
    number: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = (usize, Result<&'a str, &'static str>);
    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        self.number += 1;
        match rest.split_once('\n') {
            Some((line, after)) => {
                self.rest = Some(after);
                Some((self.number, Ok(line.strip_suffix('\r').unwrap_or(line))))
            }
            None if self.broken => Some((self.number, Err("is not UTF-8"))),
            None if rest.is_empty() || rest == "# EOF" => None,
            None => Some((self.number, Err("is cut off: the text ends without a line feed"))),
        }
    }
}

/// One line; `None` for an empty one and for a comment.
fn sample(line: &str) -> Result<Option<Sample<'_>>, &'static str> {
    let line = line.trim_matches([' ', '\t']);
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (name, rest) = name(line, true);
    if name.is_empty() {
        return Err("a metric name is missing");
    }
    let (labels, rest) = match rest.trim_start_matches([' ', '\t']).strip_prefix('{') {
        Some(inside) => braces(inside)?,
        None => ("", rest),
    };
    if !rest.starts_with([' ', '\t']) && labels.is_empty() && !rest.is_empty() && !line.contains('}') {
        return Err("a metric name holds a character that it cannot hold");
    }
    let mut words = rest.split([' ', '\t']).filter(|w| !w.is_empty());
    let value = words.next().ok_or("a value is missing")?;
    let value = value.parse().map_err(|_| "the value is not a number")?;
    let timestamp = match words.next() {
        None | Some("#") => return Ok(Some(Sample { name, value, timestamp: None, labels })),
        Some(word) => word.parse().ok().filter(|t: &f64| t.is_finite()).ok_or("the timestamp is not a number")?,
    };
    match words.next() {
        None | Some("#") => Ok(Some(Sample { name, value, timestamp: Some(timestamp), labels })),
        Some(_) => Err("something follows the timestamp"),
    }
}

/// The labels, checked, and what follows the closing brace.
fn braces(inside: &str) -> Result<(&str, &str), &'static str> {
    let mut rest = inside;
    while let Some((_, after)) = label(rest)? {
        rest = after;
    }
    let labels = inside.get(..inside.len().saturating_sub(rest.len())).unwrap_or_default();
    let rest = rest.trim_start_matches([' ', '\t', ',']).strip_prefix('}').ok_or("a closing brace is missing")?;
    Ok((labels, rest))
}

struct Label<'a> {
    name: &'a str,
    value: &'a str,
}

/// The next label and what follows it; `None` before the closing brace and at the end.
fn label(text: &str) -> Result<Option<(Label<'_>, &str)>, &'static str> {
    let text = text.trim_start_matches([' ', '\t']);
    if text.is_empty() || text.starts_with('}') {
        return Ok(None);
    }
    let (name, rest) = name(text, false);
    if name.is_empty() {
        return Err("a label name is missing");
    }
    let blank = [' ', '\t'];
    let rest = rest.trim_start_matches(blank).strip_prefix('=').ok_or("a label has no `=`")?;
    let rest = rest.trim_start_matches(blank).strip_prefix('"').ok_or("a label value does not stand in quotes")?;
    let end = closing_quote(rest).ok_or("a label value has no closing quote")?;
    let (value, rest) = (rest.get(..end).unwrap_or_default(), rest.get(end + 1..).unwrap_or_default());
    let rest = rest.trim_start_matches(blank);
    match rest.strip_prefix(',') {
        Some(rest) => Ok(Some((Label { name, value }, rest))),
        None if rest.is_empty() || rest.starts_with('}') => Ok(Some((Label { name, value }, rest))),
        None => Err("between labels stands a comma"),
    }
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|b| {
        let closes = b == b'"' && !escaped;
        escaped = b == b'\\' && !escaped;
        closes
    })
}

/// A name and what follows it; only metric names hold colons.
fn name(text: &str, metric: bool) -> (&str, &str) {
    let fits = |(at, b): (usize, u8)| b.is_ascii_alphabetic() || b == b'_' || (metric && b == b':') || (at > 0 && b.is_ascii_digit());
    let end = text.bytes().enumerate().position(|x| !fits(x)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or(("", text))
}

fn unescape(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => out.push('\n'),
                Some(c @ ('\\' | '"')) => out.push(c),
                // Unknown escapes stay as they are, as in Prometheus.
                other => out.extend(['\\'].into_iter().chain(other)),
            },
            (c, false) => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Read = (String, Vec<(String, String)>, f64, Option<f64>);

    fn one(line: &str) -> Result<Read, BadLine> {
        let text = format!("{line}\n");
        let sample = parse(text.as_bytes()).next().unwrap()?;
        let labels = sample.labels().map(|(n, v)| (n.to_owned(), v.into_owned())).collect();
        Ok((sample.name.to_owned(), labels, sample.value, sample.timestamp))
    }
    fn labels(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn the_formats_own_example_is_read() {
        let text = r#"# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400"}    3 1395066363000

# Escaping in label values:
msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\""} 1.458255915e9

# Minimalistic line:
metric_without_timestamp_and_labels 12.47

# A weird metric from before the epoch:
something_weird{problem="division by zero"} +Inf -3982045
rpc_duration_seconds_count 2693
"#;
        let samples: Vec<_> = parse(text.as_bytes()).collect::<Result<_, _>>().unwrap();
        assert_eq!(samples.len(), 6);
        assert_eq!(samples[0].labels().collect::<Vec<_>>(), [("method", "post".into()), ("code", "200".into())]);
        assert_eq!((samples[0].value, samples[0].timestamp), (1027.0, Some(1_395_066_363_000.0)));
        let path = samples[2].labels().map(|(_, v)| v.into_owned()).collect::<Vec<_>>();
        assert_eq!(path, ["C:\\DIR\\FILE.TXT", "Cannot find file:\n\"FILE.TXT\""]);
        assert_eq!((samples[4].value, samples[4].timestamp), (f64::INFINITY, Some(-3_982_045.0)));
    }

    #[test]
    fn odd_but_legal_lines() {
        assert_eq!(one("a{} 1"), Ok(("a".into(), vec![], 1.0, None)));
        assert_eq!(one("a{b=\"}\",} 1e3"), Ok(("a".into(), labels(&[("b", "}")]), 1000.0, None)));
        assert_eq!(
            one("  a:b { c = \"d\" , e=\"\\x\" }\t-Inf"),
            Ok(("a:b".into(), labels(&[("c", "d"), ("e", "\\x")]), f64::NEG_INFINITY, None))
        );
        assert!(one("a NaN").unwrap().2.is_nan());
        assert_eq!(one("a_total 17 1520879607.789 # {trace=\"x\"} 0.67"), Ok(("a_total".into(), vec![], 17.0, Some(1_520_879_607.789))));
        assert_eq!(one("a_bucket{le=\"1\"} 4 # {trace=\"x\"} 0.67"), Ok(("a_bucket".into(), labels(&[("le", "1")]), 4.0, None)));
        assert_eq!(one("a 1\r"), Ok(("a".into(), vec![], 1.0, None)));
        assert_eq!(parse(b"a 1\n# EOF").count(), 1);
        assert_eq!(parse(b"").count(), 0);
    }

    #[test]
    fn open_metrics_says_when_it_is_whole() {
        assert!(is_open_metrics("application/openmetrics-text; version=1.0.0; charset=utf-8") && !is_open_metrics("text/plain"));
        for well in ["a_total 1\n# EOF\n", "a_total 1\n# EOF", "# EOF\n", "a 1\r\n# EOF\r\n"] {
            assert_eq!(whole(well.as_bytes()), Ok(()), "{well:?}");
        }
        for cut in ["", "a_total 1\n", "a_total 1\n# EO", "# EOF\na_total 1\n", "# EOF\n\n\n"] {
            assert!(whole(cut.as_bytes()).is_err(), "{cut:?}");
        }
        let text = "# TYPE d histogram\n# UNIT d seconds\nd_bucket{le=\"0.5\"} 4 # {trace_id=\"a b\"} 0.43 1.5e9\nd_bucket{le=\"+Inf\"} 6\nd_count 6\nd_sum 3.1\nd_created 1.7e9\n# TYPE r counter\nr_total 17.0 1520879607.789 # {t=\"x\"} 0.67\nr_created 1.7e9\n# EOF\n";
        let read: Vec<_> = parse(text.as_bytes()).map(|s| s.map(|s| (s.name, s.value))).collect::<Result<_, _>>().unwrap();
        assert_eq!(read.len(), 7);
        assert_eq!((read[0], read[5]), (("d_bucket", 4.0), ("r_total", 17.0)));
    }

    #[test]
    fn a_bad_line_is_named() {
        for bad in [
            "1a 1",
            "a",
            "a{",
            "a{b} 1",
            "a{b=} 1",
            "a{b=\"} 1",
            "a{b=\"c\"",
            "a{b=\"c\" d=\"e\"} 1",
            "a{b=\"c\"}",
            "a x",
            "a 1 x",
            "a 1 2 3",
            "a-b 1",
            "a{b=\"c\"}{ 1",
            "é 1",
        ] {
            assert_eq!(one(bad).unwrap_err().line, 1, "{bad}");
        }
        let read: Vec<_> = parse(b"a 1\nb ?\n\n# x\nc 3\nd 12").map(|s| s.map(|s| s.name).map_err(|e| e.line)).collect();
        assert_eq!(read, [Ok("a"), Err(2), Ok("c"), Err(6)], "a number cut in two is no number");
        let read: Vec<_> = parse(b"a 1\nb{c=\"\xff\"} 2\n").map(|s| s.map(|s| s.name).map_err(|e| e.line)).collect();
        assert_eq!(read, [Ok("a"), Err(2)]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            for sample in parse(&body).flatten() {
                sample.labels().count();
            }
        }
        #[test]
        fn no_text_made_of_its_own_signs_makes_it_panic(body in "[a{}=\",\\\\ #\n1é]{0,60}") {
            for sample in parse(body.as_bytes()).flatten() {
                sample.labels().count();
            }
        }
        #[test]
        fn any_label_value_comes_back(value in "\\PC{0,40}", n in 0_u32..1000) {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            prop_assert_eq!(one(&format!("a{{b=\"{escaped}\"}} {n}")), Ok(("a".into(), labels(&[("b", &value)]), f64::from(n), None)));
        }
    }
}
