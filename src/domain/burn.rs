//! Burn rates and the rules that alert on them.
//!
//! Source: Google, *The Site Reliability Workbook*, chapter 5, "Alerting on SLOs", approach 6: multiwindow, multi-burn-rate alerts.

use serde::{Deserialize, Serialize};

use super::{Objective, Window};

/// Rate of budget use: 1.0 spends exactly the whole budget over the compliance period.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BurnRate(pub f64);

/// `error_ratio ÷ (1 − objective)`, ≥ 0.
pub fn burn_rate(error_ratio: f64, objective: Objective) -> BurnRate {
    BurnRate(error_ratio / objective.budget())
}

/// Seconds until the budget is empty at `burn`; `None` when overspent, when burn is 0, or when longer than the period.
pub fn time_to_exhaustion(remaining: f64, burn: BurnRate, period: Window) -> Option<f64> {
    let secs = remaining * period.secs_f64() / burn.0;
    (remaining > 0.0 && burn.0 > 0.0 && secs <= period.secs_f64()).then_some(secs)
}

/// How loud an alert of our own is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// Look at it in working hours.
    Ticket,
    /// Wake somebody.
    Page,
}

impl Grade {
    /// The word for it: `page`, `ticket`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Ticket => "ticket",
        }
    }
    /// How far back, and how finely, the beginning of an alert is looked for.
    pub const fn look_back(self) -> (Window, Window) {
        match self {
            Self::Page => (Window::hours(6), Window::minutes(1)),
            Self::Ticket => (Window::days(3), Window::minutes(10)),
        }
    }
}

/// One multiwindow burn-rate rule: fires while the burn over both windows is above the factor.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// How loud.
    pub grade: Grade,
    /// The window that makes it sure.
    pub long: Window,
    /// The window that makes it end soon after recovery.
    pub short: Window,
    /// Burn rate above which it fires, > 0.
    pub factor: f64,
}

impl Rule {
    /// The rule that fires once `budget` (a share, 0.02 = 2 %) of a `period`'s budget is used within `long`:
    /// factor = budget × period ÷ long (Workbook, table 5-8).
    pub fn derived(grade: Grade, long: Window, short: Window, budget: f64, period: Window) -> Self {
        Self { grade, long, short, factor: budget * period.secs_f64() / long.secs_f64() }
    }
    /// Whether it fires at these burns; `None` if either is unknown.
    pub fn fires(&self, long: Option<BurnRate>, short: Option<BurnRate>) -> Option<bool> {
        Some(long?.0 > self.factor && short?.0 > self.factor)
    }
    /// Whether it could ever fire: a total outage burns at 1 ÷ (1 − objective) and no faster.
    pub fn can_fire(&self, objective: Objective) -> bool {
        self.factor * objective.budget() < 1.0
    }
    /// Seconds after the end of all errors until the short window falls to the factor, if errors of `ratio` filled it;
    /// `None` if that does not hold the rule up.
    pub fn clears_in_secs(&self, short_ratio: f64, objective: Objective) -> Option<f64> {
        let threshold = self.factor * objective.budget();
        (short_ratio > threshold).then(|| self.short.secs_f64() * (1.0 - threshold / short_ratio))
    }
}

/// The Workbook's recommended set for a `period` (table 5-8): 2 % in 1h/5m and 5 % in 6h/30m page; 10 % in 1d/2h and 10 % in 3d/6h make
/// a ticket. 14.4, 6, 3 and 1 are its factors at 30 days only.
pub fn workbook(period: Window) -> Vec<Rule> {
    let (m, h, d) = (Window::minutes, Window::hours, Window::days);
    [
        (Grade::Page, h(1), m(5), 0.02),
        (Grade::Page, h(6), m(30), 0.05),
        (Grade::Ticket, d(1), h(2), 0.10),
        (Grade::Ticket, d(3), h(6), 0.10),
    ]
    .map(|(grade, long, short, budget)| Rule::derived(grade, long, short, budget, period))
    .into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn factors_follow_the_period() {
        let factors = |days| workbook(Window::days(days)).iter().map(|r| r.factor).collect::<Vec<_>>();
        assert_eq!(factors(30), [14.4, 6.0, 3.0, 1.0]);
        let four_weeks = factors(28);
        assert!((four_weeks[0] - 13.44).abs() < 1e-12);
        assert!((four_weeks[1] - 5.6).abs() < 1e-12);
    }

    #[test]
    fn exhaustion_is_unknown_where_it_means_nothing() {
        let month = Window::days(30);
        assert_eq!(time_to_exhaustion(-0.1, BurnRate(3.0), month), None);
        assert_eq!(time_to_exhaustion(0.5, BurnRate(0.0), month), None);
        assert_eq!(time_to_exhaustion(0.9, BurnRate(0.5), month), None);
        assert_eq!(time_to_exhaustion(0.5, BurnRate(5.0), month), Some(259_200.0));
        assert_eq!(time_to_exhaustion(f64::NAN, BurnRate(5.0), month), None);
    }

    #[test]
    fn a_rule_above_the_total_outage_can_never_fire() {
        let rule = workbook(Window::days(30))[0];
        assert!(!rule.can_fire(Objective::new(0.9).unwrap()));
        assert!(rule.can_fire(Objective::new(0.99).unwrap()));
        assert_eq!(rule.fires(None, Some(BurnRate(99.0))), None);
    }

    proptest! {
        /// In a total outage the long window decides when a rule fires, the short one when it clears; both against exact fractions.
        #[test]
        fn detection_and_reset_times(days in 7_u32..91, nines in 1_u32..6) {
            let objective = Objective::new(1.0 - 10_f64.powi(-(nines as i32))).unwrap();
            for rule in workbook(Window::days(days)).into_iter().filter(|r| r.can_fire(objective)) {
                let detect = rule.factor * objective.budget() * rule.long.secs_f64();
                let at = |t: f64, w: Window| Some(burn_rate((t / w.secs_f64()).min(1.0), objective));
                prop_assert_eq!(rule.fires(at(detect + 1.0, rule.long), at(detect + 1.0, rule.short)), Some(true));
                prop_assert_eq!(rule.fires(at(detect - 1.0, rule.long), at(detect - 1.0, rule.short)), Some(false));
                let clear = rule.clears_in_secs(1.0, objective).unwrap();
                prop_assert!((clear - rule.short.secs_f64() * (1.0 - rule.factor * objective.budget())).abs() < 1e-6);
            }
        }
    }
}
