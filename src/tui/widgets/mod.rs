//! The small things that every screen is made of: figures, bars, sparklines.

pub mod budget_bar;
pub mod figures;
pub mod sparkline;
