//! RabbitMQ, through the HTTP API of its management plugin: how its queues stand.
//!
//! One request brings five hundred queues, narrowed to the columns that are looked at. The API has been seen to answer with negative
//! counts, with zeros for full queues and with `[]` where an object belongs: what cannot be is left out and named beside the answer, and
//! never becomes a figure. Reading an item is in `wire`, doubting it in `doubts`.
//!
//! Ages are those that publishers tell: a broker knows when a message was published only if it carries a `timestamp`.

mod doubts;
mod wire;

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use futures::future::join_all;
use serde_json::Value;

use self::{
    doubts::{Doubts, Standing},
    wire::{Item, Page},
};
use super::{
    address::Address,
    failure::Failure,
    http::{Call, Http},
    settings::{BadSettings, Deadlines, RabbitMqSettings},
    source::{Gives, Lanes, Now, Piece, Source, Turn},
};
use crate::domain::{Answer, Ask, Lane, QueueSample, Reading, SourceName, Text, Want};

/// Queues on a page: the most that the API allows.
const PAGE: &str = "500";
/// The most pages read: fifty thousand queues.
const MOST_PAGES: u64 = 100;
/// What is looked at of a queue.
const COLUMNS: &str = "name,vhost,state,messages,messages_ready,messages_unacknowledged,consumers,head_message_timestamp,arguments,\
    effective_policy_definition,message_stats.publish,message_stats.ack,message_stats.deliver,message_stats.deliver_no_ack,\
    message_stats.deliver_get,message_stats.get_no_ack";

/// A RabbitMQ.
#[derive(Debug)]
pub struct RabbitMq {
    name: SourceName,
    http: Http,
    base: Address,
    deadlines: Deadlines,
    vhosts: Vec<String>,
    lanes: Lanes,
    /// How the counters of each queue stood at the poll before.
    stood: Mutex<HashMap<Text, Standing>>,
}

/// What was found, why it is not whole, and how far the clock there is ahead.
type Found = (Vec<QueueSample>, Option<Text>, Option<f64>);

impl RabbitMq {
    /// A broker. Fails if a certificate or a password cannot be used.
    pub fn new(settings: RabbitMqSettings) -> Result<Self, BadSettings> {
        let base = Address::new(&settings.http.base)?;
        let http = Http::new(&settings.name, &settings.http, std::slice::from_ref(&base), "application/json")?;
        let (name, deadlines, vhosts) = (settings.name, settings.deadlines, settings.vhosts);
        Ok(Self { name, http, base, deadlines, vhosts, lanes: Lanes::new(), stood: Mutex::default() })
    }

    async fn piece(&self, want: &Want, turn: Turn<'_>) -> Piece {
        if *want != Want::Queues {
            return turn.not_ours(&self.name);
        }
        match self.queues(&turn).await {
            Ok((queues, partial, skew)) => Piece { as_of: turn.began, outcome: Ok(Answer::Queues(queues)), partial, skew },
            Err(failure) => Piece { as_of: turn.began, outcome: Err(failure.fault()), partial: None, skew: None },
        }
    }

    async fn queues(&self, turn: &Turn<'_>) -> Result<Found, Failure> {
        let (mut items, mut skew) = (Vec::new(), None);
        if self.vhosts.is_empty() {
            self.pages(&["api", "queues"], turn, &mut items, &mut skew).await?;
        }
        for vhost in &self.vhosts {
            self.pages(&["api", "queues", vhost], turn, &mut items, &mut skew).await?;
        }
        let mut doubts = Doubts::default();
        let read: Vec<Item> = items.iter().filter_map(|item| Item::read(item, turn.began, &mut doubts)).collect();
        let (mut read, mut names) = (read, HashSet::new());
        // A queue that moved from page to page while they were read comes twice.
        read.retain(|item| names.insert(item.sample.name.clone()));
        self.doubt_counters(&mut read, &mut doubts);
        wire::dead_letters(&mut read);
        Ok((read.into_iter().map(|item| item.sample).collect(), doubts.words(), skew))
    }

    async fn pages(&self, path: &[&str], turn: &Turn<'_>, into: &mut Vec<Value>, skew: &mut Option<f64>) -> Result<(), Failure> {
        let to = self.base.join(path);
        for number in 1..=MOST_PAGES {
            let number = number.to_string();
            let query = [("page", number.as_str()), ("page_size", PAGE), ("columns", COLUMNS)];
            let place = self.lanes.enter(&self.name, turn).await?;
            let good = self.http.call(&to, Call::Get(&query), turn.left(), turn.now).await?;
            drop(place);
            *skew = skew.or(good.skew);
            let page = Page::read(&good.body).map_err(|what| Failure::malformed(&self.name, &what))?;
            into.extend(page.items);
            if !page.more {
                return Ok(());
            }
        }
        Err(Failure::malformed(&self.name, "its pages of queues do not come to an end; look at proxies before it"))
    }

    /// Counters that stand still while the backlog grows are not believed: publishers and consumers are seen elsewhere, or not at all.
    fn doubt_counters(&self, read: &mut [Item], doubts: &mut Doubts) {
        let mut stood = self.stood.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::take(&mut *stood);
        for item in read {
            let standing = Standing::after(before.get(&item.sample.name), item);
            if standing.contradicts() {
                doubts.counters(&item.sample.name);
                (item.sample.entered, item.sample.taken, item.sample.left) = (None, None, None);
            }
            stood.insert(item.sample.name.clone(), standing);
        }
    }
}

#[async_trait]
impl Source for RabbitMq {
    fn name(&self) -> &SourceName {
        &self.name
    }
    fn gives(&self) -> Gives {
        Gives::Queues
    }
    async fn poll(&self, ask: &Ask, lane: Lane, now: Now<'_>) -> Reading {
        let turn = Turn::begin(lane, self.deadlines, now);
        let pieces = join_all(ask.wants.iter().map(|want| self.piece(want, turn))).await;
        turn.reading(&self.name, &ask.wants, pieces)
    }
}
