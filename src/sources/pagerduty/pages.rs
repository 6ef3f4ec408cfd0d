//! Reading a list page by page without losing anything.
//!
//! Pages are cut by counting from the front, so an item that leaves the list while it is read pulls the ones behind it forward, past the
//! place where the next page begins. Each page therefore begins with the last item of the one before: if it does not, the list has moved
//! and reading goes back until a page begins with something seen. That proves that nothing is missing, as long as the list keeps its
//! order and grows at its end only.

use std::collections::HashSet;

use serde::de::DeserializeOwned;

use super::{super::failure::Failure, PagerDuty};
use crate::{
    domain::{FaultClass, Text},
    sources::{failure::Reached, source::Turn},
};

/// Items on a page; more is refused.
const LIMIT: usize = 100;
/// How far from the front a page may end; more is refused.
const FARTHEST: usize = 10_000;
/// The most requests for one list.
const MOST_REQUESTS: usize = 300;
/// Pages in a row that may bring nothing new before the list is not believed.
const MOST_IN_VAIN: usize = 5;

/// Whether a list keeps its order from request to request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequence {
    /// It does: what moved is noticed.
    Kept,
    /// Nobody says so: pages are taken as they come, and what comes twice counts once.
    Loose,
}

/// One page of a list.
pub trait Page: DeserializeOwned + Send {
    /// What it lists.
    type Item: Send;
    /// Its items, and whether more come behind them.
    fn open(self) -> (Vec<Self::Item>, bool);
    /// What tells one item from the others.
    fn key(item: &Self::Item) -> String;
}

/// A list that was read.
pub struct Listed<T> {
    /// Its items, each once.
    pub items: Vec<T>,
    /// Why it is not whole.
    pub partial: Option<Text>,
    /// How far the clock there is ahead, in seconds.
    pub skew: Option<f64>,
}

impl PagerDuty {
    /// Every item of a list.
    pub(super) async fn all<P: Page>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        sequence: Sequence,
        turn: &Turn<'_>,
    ) -> Result<Listed<P::Item>, Failure> {
        let (mut seen, mut found) = (HashSet::new(), Listed { items: Vec::new(), partial: None, skew: None });
        let (mut offset, mut in_vain) = (0_usize, 0);
        for _ in 0..MOST_REQUESTS {
            let (items, more) = self.page::<P>(path, query, offset, turn, &mut found.skew).await?;
            let overlap = sequence == Sequence::Kept && offset > 0;
            if overlap && !items.first().is_some_and(|first| seen.contains(&P::key(first))) {
                offset = offset.saturating_sub(LIMIT - 1);
                continue;
            }
            let (here, before) = (items.len(), seen.len());
            found.items.extend(items.into_iter().filter(|item| seen.insert(P::key(item))));
            if !more {
                return Ok(found);
            }
            in_vain = if seen.len() == before { in_vain + 1 } else { 0 };
            let step = if sequence == Sequence::Kept { here.saturating_sub(1) } else { here };
            if step == 0 || in_vain > MOST_IN_VAIN {
                break;
            }
            offset += step;
            if offset + LIMIT > FARTHEST {
                let what = format!("{}: only the first {} are read; narrow the row with `services` or `teams`", self.name, seen.len());
                found.partial = Some(Text::clean(&what));
                return Ok(found);
            }
        }
        let what = format!("the pages of `{}` do not come to an end; look at proxies before it", path.join("/"));
        Err(Failure::new(&self.name, FaultClass::Malformed, Reached::Answered(200), &what))
    }

    async fn page<P: Page>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        offset: usize,
        turn: &Turn<'_>,
        skew: &mut Option<f64>,
    ) -> Result<(Vec<P::Item>, bool), Failure> {
        let (limit, offset) = (LIMIT.to_string(), offset.to_string());
        let mut query = query.to_vec();
        query.extend([("limit", limit.as_str()), ("offset", offset.as_str())]);
        let good = self.ask(path, &query, turn).await?;
        *skew = skew.or(good.skew);
        Ok(self.decode::<P>(&good.body)?.open())
    }
}
