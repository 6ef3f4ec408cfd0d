//! Checks of our own, from outside: does it answer, how fast, until when is its certificate good.
//!
//! Each check is a connection of its own, without a proxy and without following redirects, so that every phase is seen and counts. A
//! check that fails says in which of them. Whether a failure is the target's or ours is asked of the self check, which must answer
//! for any failure to be believed: while it does not, nothing at all is known of any target, and the source says that it is offline.

mod expect;
mod line;
mod page;
mod place;
mod promises;
mod row;
mod settings;
mod tls;

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use chrono::TimeDelta;
use futures::future::join_all;
use hyper::{HeaderMap, Method};
use rustls::ClientConfig;
use tokio::{sync::Semaphore, time::timeout};

use self::{
    expect::Answer as Answered,
    line::{Broken, Trace, connect, secure, since},
    page::{Asked, Page, fetch},
    place::Place,
};
pub use self::{
    expect::Expectation,
    promises::promises,
    row::read,
    settings::{ProbeSettings, ProbeTarget, Promises},
};
use super::{
    client,
    failure::Failure,
    settings::{BadSettings, Deadlines},
    source::{Gives, Now, Piece, Source, Turn},
};
use crate::domain::{Answer, Ask, Certificate, Fault, FaultClass, Labels, Lane, Probed, Reading, SourceName, Want};

/// How many targets are checked at the same time.
const AT_ONCE: usize = 64;

/// Checks of a set of targets.
#[derive(Debug)]
pub struct Probe {
    name: SourceName,
    deadlines: Deadlines,
    targets: Vec<Target>,
    self_check: Option<Place>,
    headers: HeaderMap,
    tls: Option<Arc<ClientConfig>>,
    cap: usize,
    warning: TimeDelta,
    gate: Semaphore,
}

#[derive(Debug)]
struct Target {
    place: Place,
    labels: Labels,
    method: Method,
    expect: Expectation,
}

/// A check, and whether its failure is surely our own.
struct Seen {
    probed: Probed,
    ours: bool,
}

impl Probe {
    /// Checks as a row describes them.
    pub fn new(settings: ProbeSettings) -> Result<Self, BadSettings> {
        let target = |t: ProbeTarget| {
            let place = Place::new(&t.url)?;
            let labels = t.labels.into_iter().chain([("target".to_owned(), place.shown().to_string())]).collect();
            Ok(Target { place, labels, method: t.method, expect: t.expect })
        };
        let targets = settings.targets.into_iter().map(target).collect::<Result<Vec<_>, BadSettings>>()?;
        let self_check = settings.self_check.as_ref().map(Place::new).transpose()?;
        let secure = targets.iter().map(|t| &t.place).chain(&self_check).any(Place::is_tls);
        Ok(Self {
            tls: secure.then(|| tls::config(&settings.http)).transpose()?,
            headers: client::headers(&settings.http, "*/*")?,
            cap: usize::try_from(settings.http.max_bytes).unwrap_or(usize::MAX),
            warning: TimeDelta::from_std(settings.certificate_warning).unwrap_or_default(),
            name: settings.name,
            deadlines: settings.deadlines,
            targets,
            self_check,
            gate: Semaphore::new(AT_ONCE),
        })
    }

    async fn piece(&self, want: &Want, turn: Turn<'_>) -> Piece {
        if *want != Want::Probe {
            return turn.not_ours(&self.name);
        }
        let seen = join_all(self.targets.iter().map(|target| self.check(target, turn))).await;
        let outcome = match self.offline(&seen, turn).await {
            Some(fault) => Err(fault),
            None => Ok(Answer::Probed(seen.into_iter().map(|s| s.probed).collect())),
        };
        Piece { as_of: turn.began, outcome, partial: None, skew: None }
    }

    /// Why what was seen tells nothing of the targets; `None` if it does.
    async fn offline(&self, seen: &[Seen], turn: Turn<'_>) -> Option<Fault> {
        let failed = seen.iter().filter(|s| s.probed.outcome.is_err()).count();
        let why = match &self.self_check {
            _ if failed == 0 => return None,
            Some(place) => match timeout(turn.limit, self.answers(place)).await {
                Ok(Ok(())) => return None,
                Ok(Err(broken)) => format!("the self check {} fails as well: {}", place.shown(), broken.what),
                Err(_) => format!("the self check {} does not answer either", place.shown()),
            },
            None if seen.iter().all(|s| s.ours) => "there is no network here, or no name service".to_owned(),
            None => return None,
        };
        let all = seen.len();
        let what = format!("offline: {failed} of {all} targets fail, and {why}; how the targets are is not known from here");
        Some(Failure::unsent(&self.name, FaultClass::Offline, &what).fault())
    }

    /// Whether anything at all answers there.
    async fn answers(&self, place: &Place) -> Result<(), Broken> {
        self.visit(place, &Method::HEAD, &HeaderMap::new(), &mut Trace::default()).await.map(drop)
    }

    async fn check(&self, target: &Target, turn: Turn<'_>) -> Seen {
        // A closed gate is none: it only bounds how many are checked at once.
        let _place = self.gate.acquire().await.ok();
        let (at, start) = ((turn.now)(), Instant::now());
        let mut trace = Trace::default();
        let visit = timeout(turn.limit, self.visit(&target.place, &target.method, &self.headers, &mut trace)).await;
        let took = since(start);
        let found = visit.unwrap_or_else(|_| Err(late(turn, trace, target.place.is_tls()))).and_then(|page| match page {
            Some(page) => expected(&target.expect, &page),
            None => Ok(()),
        });
        let ours = found.as_ref().is_err_and(|broken| broken.ours);
        let fault = |broken: Broken| Failure::unsent(&self.name, broken.class, &format!("{} {}", target.place.host(), broken.what)).fault();
        let certificate = trace.certificate_ends.map(|ends| Certificate { ends, warn_from: ends - self.warning });
        let (target, labels, phases) = (target.place.shown(), target.labels.clone(), trace.phases);
        Seen { probed: Probed { target, labels, at, outcome: found.map(|()| took).map_err(fault), phases, certificate }, ours }
    }

    /// Go there; a port has nothing to read.
    async fn visit(&self, place: &Place, method: &Method, headers: &HeaderMap, trace: &mut Trace) -> Result<Option<Page>, Broken> {
        let Some((host, port)) = place.end() else { return Err(Broken::theirs(FaultClass::Unreachable, "names no host; check `url`")) };
        let stream = connect(&host, port, trace).await?;
        let Place::Web(address) = place else { return Ok(None) };
        let asked = Asked { method, url: address.url(), headers, cap: self.cap };
        match self.tls.as_ref().filter(|_| address.is_tls()) {
            Some(config) => {
                let stream = secure(stream, &host, config, trace).await?;
                fetch(stream, asked, trace).await.map(Some)
            }
            None => fetch(stream, asked, trace).await.map(Some),
        }
    }
}

fn expected(expect: &Expectation, page: &Page) -> Result<(), Broken> {
    let answer = Answered { status: page.status, headers: &page.headers, body: &page.body, whole: page.whole };
    expect.unmet(answer).map_or(Ok(()), |what| Err(Broken::theirs(FaultClass::Unexpected, what)))
}

fn late(turn: Turn<'_>, trace: Trace, tls: bool) -> Broken {
    let what = format!("gave no whole answer within {:.1} s, stopped {}", turn.limit.as_secs_f64(), trace.stopped_in(tls));
    Broken::theirs(FaultClass::Timeout, what)
}

#[async_trait]
impl Source for Probe {
    fn name(&self) -> &SourceName {
        &self.name
    }
    fn gives(&self) -> Gives {
        Gives::Probe
    }
    async fn poll(&self, ask: &Ask, lane: Lane, now: Now<'_>) -> Reading {
        let turn = Turn::begin(lane, self.deadlines, now);
        let pieces = join_all(ask.wants.iter().map(|want| self.piece(want, turn))).await;
        turn.reading(&self.name, &ask.wants, pieces)
    }
}
