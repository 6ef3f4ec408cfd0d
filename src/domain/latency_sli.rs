//! Latency by the buckets of a classic histogram: a bound, in whatever way it is written, and the two counters that it takes.

use std::fmt;

use super::{Matcher, Op, Ratio, Selector, Side};

/// Answers that came in time.
#[derive(Clone, Debug)]
pub struct HistogramLatency {
    /// The histogram, without `_bucket`.
    pub histogram: Selector,
    /// What is quick enough, in the histogram's unit.
    pub under: Bound,
    /// The counters: those in the bucket among all.
    pub ratio: Ratio,
}

/// The upper bound of a bucket, in the unit of its histogram.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Bound(f64);

impl Bound {
    /// A bound; `None` unless it is positive and finite.
    pub fn new(value: f64) -> Option<Self> {
        (value.is_finite() && value > 0.0).then_some(Self(value))
    }
    /// So many seconds as a bound of a histogram of this name, whose unit its ending tells; seconds if it does not.
    pub fn of_seconds(secs: f64, histogram: &str) -> Option<Self> {
        const UNITS: [(&[&str], f64); 3] = [
            (&["_milliseconds", "_millis", "_ms"], 1e3),
            (&["_microseconds", "_micros", "_us"], 1e6),
            (&["_nanoseconds", "_nanos", "_ns"], 1e9),
        ];
        let factor = UNITS.iter().find(|(ends, _)| ends.iter().any(|end| histogram.ends_with(end))).map_or(1.0, |(_, factor)| *factor);
        // Through the nearest decimal: 0.29 s are 290 ms, not 289.99999999999994.
        Self::new(format!("{:.12e}", secs * factor).parse().ok()?)
    }
    /// The value.
    pub const fn value(self) -> f64 {
        self.0
    }
    /// A regular expression that matches the bound however it is written, `0.3`, `0.30`, `3e-1`, and nothing else. It means the same
    /// anchored in Prometheus (RE2) and here.
    pub fn regex(self) -> String {
        // The shortest digits that mean it, and the power of ten of the first.
        let written = format!("{:e}", self.0);
        let (mantissa, power) = written.split_once('e').unwrap_or((&written, "0"));
        let (digits, power) = (mantissa.replace('.', ""), power.parse::<i32>().unwrap_or(0));
        format!("{}|{}", plain(&digits, power), scientific(&digits, power))
    }
}

/// `0*\.30*`, `0*25(\.0*)?`, `0*2\.50*`
fn plain(digits: &str, power: i32) -> String {
    let whole = power + 1;
    let zeros = |n: i32| "0".repeat(usize::try_from(n).unwrap_or(0));
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    if whole <= 0 {
        return format!(r"0*\.{}{digits}0*", zeros(-whole));
    }
    match digits.split_at_checked(usize::try_from(whole).unwrap_or(0)) {
        Some((before, after)) if !after.is_empty() => format!(r"0*{before}\.{after}0*"),
        _ => format!(r"0*{digits}{}(\.0*)?", zeros(whole.saturating_sub(count))),
    }
}

/// `3(\.0*)?[eE]-0*1`
fn scientific(digits: &str, power: i32) -> String {
    let (first, rest) = digits.split_at_checked(1).unwrap_or((digits, ""));
    let rest = if rest.is_empty() { r"(\.0*)?".to_owned() } else { format!(r"\.{rest}0*") };
    let exponent = match power {
        0 => "[+-]?0+".to_owned(),
        ..0 => format!("-0*{}", power.unsigned_abs()),
        _ => format!(r"\+?0*{power}"),
    };
    format!("{first}{rest}[eE]{exponent}")
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl HistogramLatency {
    /// Answers under a bound, of the series that `histogram` selects; a `_bucket` at the end of its name is left out. `None` if it asks for
    /// something of `le` itself.
    pub fn new(histogram: &Selector, under: Bound) -> Option<Self> {
        if histogram.matchers().iter().any(|m| m.label == "le") {
            return None;
        }
        let name = histogram.metric().strip_suffix("_bucket").unwrap_or(histogram.metric());
        let with = |end: &str, more: Vec<Matcher>| {
            let matchers = histogram.matchers().iter().cloned().chain(more).collect();
            Selector::of(format!("{name}{end}"), matchers)
        };
        let le = Matcher::new("le", Op::Match, &under.regex()).ok()?;
        // A bound that is not there is no answer in time that did not come: it is not known.
        let ratio =
            Ratio { part: Side::Good, selector: with("_bucket", vec![le]), total: with("_count", Vec::new()), missing_is_zero: false };
        Some(Self { histogram: with("", Vec::new()), under, ratio })
    }
    /// All its buckets, whatever their bounds.
    pub fn buckets(&self) -> Selector {
        Selector::of(format!("{}_bucket", self.histogram.metric()), self.histogram.matchers().to_vec())
    }
    /// That the bound is not among those that there are, as they are written, and which are; `None` if it is, or if there are none.
    pub fn missing<'a>(&self, written: impl Iterator<Item = &'a str>) -> Option<String> {
        let mut there: Vec<f64> = written.filter_map(|le| le.parse().ok()).filter(|le: &f64| le.is_finite()).collect();
        there.sort_by(f64::total_cmp);
        there.dedup();
        if there.is_empty() || there.contains(&self.under.0) {
            return None;
        }
        let all = there.iter().map(f64::to_string).collect::<Vec<_>>().join(", ");
        Some(format!("{} has no bucket up to {}; there are {all}", self.histogram, self.under))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bound_written_in_many_ways_is_one_bound() {
        let ways: [(f64, &[&str]); 7] = [
            (0.3, &["0.3", "0.30", "3e-1", ".3", "3E-01", "3.0e-1", "00.300"]),
            (1.0, &["1", "1.0", "1e0", "1e+00", "1.", "01"]),
            (2.5, &["2.5", "2.50", "2.5e0", "2.5E+00"]),
            (10.0, &["10", "10.0", "1e1", "1e+01", "1.0E1"]),
            (0.00025, &["0.00025", "2.5e-4", "2.5e-04", "2.5E-4", "0.000250"]),
            (1_048_576.0, &["1048576", "1.048576e+06", "1048576.0", "1.048576E6"]),
            (120.0, &["120", "1.2e2", "1.20e+02", "120.000"]),
        ];
        for (value, written) in ways {
            let matcher = Matcher::new("le", Op::Match, &Bound::new(value).unwrap().regex()).unwrap();
            for text in written {
                assert!(matcher.matches(text), "{value}: {text}");
            }
            for (other, texts) in ways.iter().filter(|(other, _)| (other - value).abs() > 1e-12) {
                for text in *texts {
                    assert!(!matcher.matches(text), "{value} is not {other}: {text}");
                }
            }
            for text in ["", "+Inf", "0", "0.31", "0.03", "3", "30", "3e1", "1e-1", "25", "0x1", "100", "12"] {
                assert!(!matcher.matches(text), "{value}: {text}");
            }
        }
    }

    #[test]
    fn the_unit_is_that_of_the_name() {
        let bound = |secs, name| Bound::of_seconds(secs, name).unwrap().value().to_string();
        assert_eq!(bound(0.3, "http_request_duration_seconds"), "0.3");
        assert_eq!(bound(0.29, "latency_ms"), "290");
        assert_eq!(bound(0.007, "rpc_microseconds"), "7000");
        assert_eq!(bound(0.3, "latency"), "0.3");
        assert_eq!(Bound::new(0.0), None);
        assert_eq!(Bound::new(f64::INFINITY), None);
    }

    #[test]
    fn a_bound_that_is_not_there_is_answered_with_those_that_are() {
        let selector = "d_seconds_bucket{service=\"shop\"}".parse().unwrap();
        let latency = HistogramLatency::new(&selector, Bound::new(0.25).unwrap()).unwrap();
        assert_eq!(latency.ratio.total.to_string(), "d_seconds_count{service=\"shop\"}");
        assert!(latency.ratio.selector.to_string().starts_with("d_seconds_bucket{service=\"shop\",le=~"));
        let said = latency.missing(["+Inf", "1", "0.1", "1.0", "0.50"].into_iter());
        assert_eq!(said.unwrap(), "d_seconds{service=\"shop\"} has no bucket up to 0.25; there are 0.1, 0.5, 1");
        assert_eq!(latency.missing(["+Inf", "2.5e-1"].into_iter()), None);
        assert!(HistogramLatency::new(&"d{le=\"1\"}".parse().unwrap(), Bound::new(1.0).unwrap()).is_none());
    }
}
