//! Figures as words, for text output: the same forms as on the screen.

/// A burn rate: one decimal under 100, none above.
pub fn burn(rate: f64) -> String {
    if rate < 99.95 { format!("{rate:.1}×") } else { format!("{rate:.0}×") }
}

/// A share in percent, with a true minus.
pub fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0).replace('-', "−")
}

/// A span of time: two units at most.
pub fn span(secs: f64) -> String {
    let s = secs.max(0.0) as u64;
    match s {
        0..60 => format!("{s}s"),
        60..3_600 => format!("{}m", s / 60),
        3_600..86_400 => format!("{}h{:02}m", s / 3_600, s % 3_600 / 60),
        86_400..864_000 => format!("{}d{:02}h", s / 86_400, s % 86_400 / 3_600),
        _ => format!("{}d", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn figures_keep_their_forms() {
        assert_eq!([super::burn(18.24), super::burn(312.4)], ["18.2×", "312×"]);
        assert_eq!([super::percent(-0.124), super::percent(0.342)], ["−12.4%", "34.2%"]);
        assert_eq!([4.0, 725.0, 11_520.0, 187_200.0, 3_542_400.0].map(super::span), ["4s", "12m", "3h12m", "2d04h", "41d"]);
    }
}
