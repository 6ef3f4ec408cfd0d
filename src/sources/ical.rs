//! Rotas kept in a calendar: an iCalendar feed at an address or in a file, as Google, Outlook, `PagerDuty` and most others give them.
//!
//! A feed is read whole and laid out over the time that is asked for: recurring events with their exceptions, each in its own time zone.
//! What an event means is not guessed. One that cannot be read is left out, and the part then says that it is not whole, with the reason.
//! An address often is a secret of its own (whoever knows it may read), so no message shows more of it than the host.

mod event;
mod feed;
mod lines;
mod recur;
mod zone;

use std::{fs::File, io::Read, path::Path, path::PathBuf};

use async_trait::async_trait;
use futures::future::join_all;
use tokio::{task::spawn_blocking, time::timeout};

use self::feed::{Feed, Reader};
use super::{
    address::Address,
    failure::Failure,
    http::{Call, Http},
    settings::{BadSettings, Deadlines, HttpSettings, IcalPlace, IcalSettings},
    source::{Gives, Now, Piece, Source, Turn},
};
use crate::domain::{Answer, Ask, FaultClass, Interval, Lane, Reading, SourceName, Text, Want};

const ACCEPT: &str = "text/calendar, */*;q=0.1";

/// A calendar with a rota in it.
#[derive(Debug)]
pub struct Ical {
    name: SourceName,
    place: Place,
    deadlines: Deadlines,
    reader: Reader,
}

#[derive(Debug)]
enum Place {
    Web(Box<Http>, Address),
    File(PathBuf),
}

impl Ical {
    /// A calendar as `settings` tell.
    pub fn new(settings: IcalSettings) -> Result<Self, BadSettings> {
        let IcalSettings { name, place, deadlines, rotation, seat, summary, time_zone } = settings;
        let place = match place {
            IcalPlace::Web(http) => {
                let address = Address::new(&http.base)?;
                let client = Http::new(&name, &http, std::slice::from_ref(&address), ACCEPT)?;
                Place::Web(Box::new(client.with_secret_path(&address)), address)
            }
            IcalPlace::File(path) => Place::File(path),
        };
        Ok(Self { name, place, deadlines, reader: Reader { rotation, seat, summary, time_zone } })
    }

    async fn piece(&self, want: &Want, turn: Turn<'_>) -> Piece {
        let Want::Duties { between } = want else { return turn.not_ours(&self.name) };
        let (got, skew) = match self.body(turn).await {
            Ok((body, skew)) => (self.read(body, *between, turn).await, skew),
            Err(failure) => (Err(failure), None),
        };
        match got {
            Ok(feed) => {
                let partial = feed.trouble.map(|why| Text::clean(&why));
                Piece { as_of: turn.began, outcome: Ok(Answer::Duties(feed.duties)), partial, skew }
            }
            Err(failure) => Piece { as_of: turn.began, outcome: Err(failure.fault()), partial: None, skew },
        }
    }
    /// The feed's bytes, and how far its server's clock is ahead.
    async fn body(&self, turn: Turn<'_>) -> Result<(Vec<u8>, Option<f64>), Failure> {
        match &self.place {
            Place::Web(http, address) => {
                let good = http.call(address, Call::Get(&[]), turn.left(), turn.now).await?;
                Ok((good.body, good.skew))
            }
            Place::File(path) => {
                let (path, shown) = (path.clone(), path.display());
                let read = timeout(turn.left(), spawn_blocking(move || whole_file(&path))).await;
                let fail = |class, what: &str| Failure::unsent(&self.name, class, &format!("{shown} {what}"));
                match read {
                    Err(_) => Err(fail(FaultClass::Timeout, "could not be read in time; look at the file system")),
                    Ok(Err(_)) => Err(fail(FaultClass::Rejected, "could not be read; try again")),
                    Ok(Ok(Err(why))) => Err(fail(FaultClass::Unreachable, &format!("cannot be read ({why}); check `file`"))),
                    Ok(Ok(Ok(body))) if body.len() as u64 > HttpSettings::MAX_BYTES => {
                        Err(fail(FaultClass::TooLarge, "is larger than 32 MiB; keep old events elsewhere"))
                    }
                    Ok(Ok(Ok(body))) => Ok((body, None)),
                }
            }
        }
    }
    /// Lay the feed out, beside the tasks that wait for answers: it may be large.
    async fn read(&self, body: Vec<u8>, between: Interval, turn: Turn<'_>) -> Result<Feed, Failure> {
        let reader = self.reader.clone();
        let late = || Failure::unsent(&self.name, FaultClass::Timeout, "the calendar could not be laid out in time; raise `timeout`");
        let laid_out = timeout(turn.left(), spawn_blocking(move || reader.read(&body, between))).await.map_err(|_| late())?;
        let what = "what came is no whole calendar (BEGIN:VCALENDAR to END:VCALENDAR); check `url` or `file`";
        laid_out.ok().flatten().ok_or_else(|| Failure::malformed(&self.name, what))
    }
}

/// The bytes of a file, up to one more than may be.
fn whole_file(path: &Path) -> std::io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("not a file"));
    }
    let mut body = Vec::new();
    File::open(path)?.take(HttpSettings::MAX_BYTES + 1).read_to_end(&mut body)?;
    Ok(body)
}

#[async_trait]
impl Source for Ical {
    fn name(&self) -> &SourceName {
        &self.name
    }
    fn gives(&self) -> Gives {
        Gives::Duties
    }
    async fn poll(&self, ask: &Ask, lane: Lane, now: Now<'_>) -> Reading {
        let turn = Turn::begin(lane, self.deadlines, now);
        let pieces = join_all(ask.wants.iter().map(|want| self.piece(want, turn))).await;
        turn.reading(&self.name, &ask.wants, pieces)
    }
}
