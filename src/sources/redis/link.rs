//! The connection of one source, and the questions that go over it many at a time.
//!
//! What can be asked is listed in [`Ask`]: commands that change nothing. The connection lives from poll to poll; one on which anything
//! went wrong is closed, and the next poll makes another.

use std::time::Duration;

use tokio::{
    io::{AsyncWriteExt, BufReader},
    time::{Instant, timeout},
};

use super::{
    dial::{Dialer, Stream, Undialled},
    refusal,
    resp::{self, Allowance, Broken, Reply},
};
use crate::{
    domain::{FaultClass, SourceName},
    sources::{
        failure::{Failure, Reached},
        settings::RedisSettings,
    },
};

/// A question. Nothing else is ever sent, besides our name and who we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    Exists,
    Get,
    HGet,
    HLen,
    HMGet,
    LIndex,
    LLen,
    LRange,
    SMembers,
    Scan,
    Time,
    ZCard,
    ZCount,
    ZRange,
}

impl Ask {
    const fn word(self) -> &'static [u8] {
        match self {
            Self::Exists => b"EXISTS",
            Self::Get => b"GET",
            Self::HGet => b"HGET",
            Self::HLen => b"HLEN",
            Self::HMGet => b"HMGET",
            Self::LIndex => b"LINDEX",
            Self::LLen => b"LLEN",
            Self::LRange => b"LRANGE",
            Self::SMembers => b"SMEMBERS",
            Self::Scan => b"SCAN",
            Self::Time => b"TIME",
            Self::ZCard => b"ZCARD",
            Self::ZCount => b"ZCOUNT",
            Self::ZRange => b"ZRANGE",
        }
    }
}

/// Questions to be sent together.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    len: usize,
}

impl Batch {
    /// One more.
    pub fn ask(&mut self, ask: Ask, words: &[&[u8]]) {
        let mut all = vec![ask.word()];
        all.extend_from_slice(words);
        self.raw(&all);
    }
    /// Whether there is nothing to ask.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    fn raw(&mut self, words: &[&[u8]]) {
        resp::encode(&mut self.bytes, words);
        self.len += 1;
    }
}

/// How a source gets connections, and what they are greeted with.
pub struct Server {
    source: SourceName,
    dialer: Dialer,
    login: Option<(Option<String>, String)>,
    db: u32,
    max_bytes: u64,
}

/// A connection on which all went well so far.
pub struct Connection(BufReader<Box<dyn Stream>>);

/// One poll's use of a connection.
pub struct Link<'a> {
    server: &'a Server,
    connection: Option<Connection>,
    /// Whether the connection is of an earlier poll: it may have been closed meanwhile.
    kept: bool,
    allowance: Allowance,
    /// When half of the poll's time is gone.
    half: Instant,
}

impl Server {
    pub fn new(settings: &RedisSettings, dialer: Dialer) -> Self {
        let login = settings.password.clone().map(|password| (settings.username.clone(), password));
        Self { source: settings.name.clone(), dialer, login, db: settings.db, max_bytes: settings.max_bytes }
    }
    /// A poll's link, over the connection of the poll before if there is one.
    /// `half` is when half of its time is gone.
    pub fn link(&self, connection: Option<Connection>, half: Instant) -> Link<'_> {
        Link { server: self, kept: connection.is_some(), connection, allowance: Allowance::new(self.max_bytes), half }
    }
    /// A failure of this source at this server.
    fn failure(&self, class: FaultClass, reached: Reached, what: &str) -> Failure {
        Failure::new(&self.source, class, reached, &format!("{} {what}", self.dialer.shown()))
    }
    /// Nothing came within the poll's deadline.
    pub fn late(&self, limit: Duration) -> Failure {
        let what = format!(
            "no whole answer from {} within {:.1} s; look at its load, or raise `timeout`",
            self.dialer.shown(),
            limit.as_secs_f64()
        );
        Failure::new(&self.source, FaultClass::Timeout, Reached::Perhaps, &what)
    }
    /// What the server refused, as a failure of the whole poll.
    fn refused(&self, said: &str) -> Failure {
        let secret = self.login.as_ref().map(|(_, password)| password.as_str());
        let (class, what) = refusal::words(said, self.login.is_some(), secret);
        self.failure(class, Reached::Answered(200), &what)
    }

    async fn connect(&self, allowance: &mut Allowance) -> Result<Connection, Failure> {
        let undialled = |u: Undialled| Failure::unsent(&self.source, u.class, &u.what);
        let mut connection = Connection(BufReader::with_capacity(64 << 10, self.dialer.dial().await.map_err(undialled)?));
        let mut greeting = Batch::default();
        if let Some((user, password)) = &self.login {
            let mut words: Vec<&[u8]> = vec![b"AUTH"];
            words.extend(user.as_ref().map(String::as_bytes));
            words.push(password.as_bytes());
            greeting.raw(&words);
        }
        if self.db != 0 {
            greeting.raw(&[b"SELECT", self.db.to_string().as_bytes()]);
        }
        let needed = greeting.len;
        // So that whoever looks at the server's list of clients sees who this is. It is no harm if that is not allowed.
        greeting.raw(&[b"CLIENT", b"SETNAME", b"burnwatch"]);
        let replies = connection.exchange(&greeting, allowance).await.map_err(|e| self.broken(&e.1))?;
        let refused = replies.iter().take(needed).find_map(|r| if let Reply::Refused(said) = r { Some(said) } else { None });
        refused.map_or(Ok(connection), |said| Err(self.refused(said)))
    }

    fn broken(&self, broken: &Broken) -> Failure {
        match broken {
            Broken::Lost { midway: true, .. } => self.failure(
                FaultClass::Malformed,
                Reached::Answered(200),
                "hung up in the middle of an answer; look at the server's log and at proxies before it",
            ),
            Broken::Lost { why, .. } => {
                let why = if why.kind() == std::io::ErrorKind::UnexpectedEof { String::new() } else { format!(" ({why})") };
                let what = format!("hung up without an answer{why}; look at the server's log, and whether that port speaks TLS");
                self.failure(FaultClass::Unreachable, Reached::Perhaps, &what)
            }
            Broken::TooLarge(what) => {
                let what = format!("answers with more {what} than may be read; name the queues in `queues`, or raise `max_bytes`");
                self.failure(FaultClass::TooLarge, Reached::Answered(200), &what)
            }
            Broken::Garbage(what) => self.failure(
                FaultClass::Malformed,
                Reached::Answered(200),
                &format!("does not speak as a Redis does ({what}); check `url`"),
            ),
        }
    }
}

impl Link<'_> {
    /// Ask all of a batch at once: one round trip. As many replies as questions, in their order. A refusal that is about one key or one
    /// command stands among them, unless there is nothing else; any other is a failure.
    pub async fn all(&mut self, batch: &Batch) -> Result<Vec<Reply>, Failure> {
        let replies = self.raw(batch).await?;
        let refusals = || replies.iter().filter_map(|r| if let Reply::Refused(said) = r { Some(said) } else { None });
        let whole = refusals().find(|said| !refusal::is_of_one(said));
        let none = refusals().next().filter(|_| refusals().count() == replies.len());
        match whole.or(none) {
            Some(said) => Err(self.server.refused(said)),
            None => Ok(replies),
        }
    }
    /// The same, where every refusal is a failure.
    pub async fn need(&mut self, batch: &Batch) -> Result<Vec<Reply>, Failure> {
        let replies = self.raw(batch).await?;
        let refused = replies.iter().find_map(|r| if let Reply::Refused(said) = r { Some(self.server.refused(said)) } else { None });
        refused.map_or(Ok(replies), Err)
    }
    /// Whether half of the poll's time is gone.
    pub fn half_gone(&self) -> bool {
        Instant::now() >= self.half
    }
    async fn raw(&mut self, batch: &Batch) -> Result<Vec<Reply>, Failure> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        loop {
            let kept = std::mem::take(&mut self.kept);
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => self.server.connect(&mut self.allowance).await?,
            };
            match connection.exchange(batch, &mut self.allowance).await {
                Ok(replies) => {
                    self.connection = Some(connection);
                    return Ok(replies);
                }
                // The server closed an idle connection, or was started anew: that is no failure yet.
                Err((0, Broken::Lost { midway: false, .. })) if kept => {}
                Err((_, broken)) => return Err(self.server.broken(&broken)),
            }
        }
    }
    /// The same, where replies may be large and none is needed: those that came before the poll's allowance was used up. Then the
    /// connection is closed, so that the server is rid of the rest.
    pub async fn as_many_as_may(&mut self, batch: &Batch) -> Result<Vec<Reply>, Failure> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let Some(mut connection) = self.connection.take() else { return Ok(Vec::new()) };
        let mut replies = Vec::new();
        match connection.gather(batch, &mut self.allowance, &mut replies).await {
            Ok(()) => self.connection = Some(connection),
            Err(Broken::TooLarge(_)) => {}
            Err(broken) => return Err(self.server.broken(&broken)),
        }
        Ok(replies)
    }
    /// The reply to the first question of a batch, which is a list or the poll has failed.
    pub fn list<'r>(&self, replies: &'r [Reply]) -> Result<&'r Reply, Failure> {
        match replies.first() {
            Some(list @ Reply::List(_)) => Ok(list),
            Some(Reply::Refused(said)) => Err(self.server.refused(said)),
            _ => Err(self.odd("answers with something else where a list belongs; check `url`")),
        }
    }
    /// The failure of an answer that is not of the expected form.
    pub fn odd(&self, what: &str) -> Failure {
        self.server.failure(FaultClass::Malformed, Reached::Answered(200), what)
    }
    /// The connection, for the next poll.
    pub fn end(self) -> Option<Connection> {
        self.connection
    }
}

impl Connection {
    /// Send a batch and read its replies; on failure also how many came.
    async fn exchange(&mut self, batch: &Batch, allowance: &mut Allowance) -> Result<Vec<Reply>, (usize, Broken)> {
        let mut replies = Vec::with_capacity(batch.len);
        match self.gather(batch, allowance, &mut replies).await {
            Ok(()) => Ok(replies),
            Err(broken) => Err((replies.len(), broken)),
        }
    }
    async fn gather(&mut self, batch: &Batch, allowance: &mut Allowance, replies: &mut Vec<Reply>) -> Result<(), Broken> {
        let lost = |why| Broken::Lost { why, midway: false };
        // A server that refuses whom it does not know may say so and hang up before it has read all: then its word is still there.
        let sent = async {
            self.0.write_all(&batch.bytes).await?;
            self.0.flush().await
        };
        let sent = sent.await;
        while replies.len() < batch.len {
            let last = replies.last();
            match resp::read(&mut self.0, allowance).await {
                Ok(reply) => replies.push(reply),
                Err(Broken::Lost { .. }) if matches!(last, Some(Reply::Refused(_))) => {
                    let said = last.cloned().unwrap_or(Reply::Nil);
                    replies.resize(batch.len, said);
                }
                Err(Broken::Lost { midway: false, .. }) if sent.is_err() => return Err(sent.err().map_or(Broken::Garbage(""), lost)),
                Err(Broken::Lost { why, midway }) => return Err(Broken::Lost { why, midway: midway || !replies.is_empty() }),
                Err(broken) => return Err(broken),
            }
        }
        Ok(())
    }
}

/// Run `work` for at most `limit`.
pub async fn within<T>(limit: Duration, server: &Server, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    timeout(limit, work).await.unwrap_or_else(|_| Err(server.late(limit)))
}
