//! The wire of Redis (RESP2), bounded on every side.
//!
//! Written here and not taken from a client library, because those hold a reply whole in memory before they hand it on: among two hundred
//! replies, one job of ten megabytes would have to be held too, or would fail all of them. This one passes over what is longer than it
//! keeps, says how long it was, and stops at a sum of bytes, at a number of elements and at a depth, whatever the other side announces.
//!
//! Protocol: <https://redis.io/docs/latest/develop/reference/protocol-spec/>.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// The longest text that is kept of a reply, in bytes; of a longer one only its length.
pub const KEPT: u64 = 256 << 10;
/// The longest line, in bytes: a length, a number, a refusal.
const LINE: usize = 64 << 10;
/// How deep lists may stand in lists.
const DEPTH: u8 = 4;
/// How many elements the replies of one poll may have.
const ELEMENTS: usize = 500_000;

/// What came for one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// There is no such thing.
    Nil,
    /// A number.
    Int(i64),
    /// A text.
    Bytes(Vec<u8>),
    /// A text that was passed over, and its length in bytes.
    Long(u64),
    /// Several.
    List(Vec<Self>),
    /// A refusal: `WRONGTYPE Operation against …`.
    Refused(String),
}

impl Reply {
    /// A number, also where it came as text.
    pub fn int(&self) -> Option<i64> {
        match self {
            Self::Int(n) => Some(*n),
            Self::Bytes(text) => std::str::from_utf8(text).ok()?.trim().parse().ok(),
            _ => None,
        }
    }
    /// How many there are, where the reply is a number that counts.
    pub fn count(&self) -> Option<u64> {
        self.int().and_then(|n| u64::try_from(n).ok())
    }
    /// A finite number that may have a fraction.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Int(n) => Some(*n as f64),
            Self::Bytes(text) => std::str::from_utf8(text).ok()?.trim().parse().ok().filter(|n: &f64| n.is_finite()),
            _ => None,
        }
    }
    /// A text as it came.
    pub fn bytes(&self) -> Option<&[u8]> {
        if let Self::Bytes(text) = self { Some(text) } else { None }
    }
    /// Its elements; none if it is no list.
    pub fn list(&self) -> &[Self] {
        if let Self::List(all) = self { all } else { &[] }
    }
    /// Its elements that are texts, and how many others there are.
    pub fn texts(&self) -> (Vec<Vec<u8>>, usize) {
        let texts: Vec<_> = self.list().iter().filter_map(|r| r.bytes().map(<[u8]>::to_vec)).collect();
        let others = self.list().len().saturating_sub(texts.len());
        (texts, others)
    }
}

/// Why nothing more can be read.
#[derive(Debug)]
pub enum Broken {
    /// The connection ended or failed; an end before anything of a reply came is told apart.
    Lost {
        /// What the system said.
        why: io::Error,
        /// Whether the reply had begun.
        midway: bool,
    },
    /// More than may be read.
    TooLarge(&'static str),
    /// This is no Redis.
    Garbage(&'static str),
}

/// What may still be read in one poll.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    bytes: u64,
    elements: usize,
}

impl Allowance {
    /// So many bytes.
    pub fn new(bytes: u64) -> Self {
        Self { bytes, elements: ELEMENTS }
    }
    fn take(&mut self, bytes: u64) -> Result<(), Broken> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or(Broken::TooLarge("bytes"))?;
        Ok(())
    }
    fn element(&mut self) -> Result<(), Broken> {
        self.elements = self.elements.checked_sub(1).ok_or(Broken::TooLarge("elements"))?;
        Ok(())
    }
}

/// Reads one reply.
pub async fn read<R: AsyncBufRead + Unpin>(from: &mut R, allowance: &mut Allowance) -> Result<Reply, Broken> {
    let mut reader = Reader { from, allowance, begun: false };
    let mut open: Vec<(Vec<Reply>, usize)> = Vec::new();
    loop {
        let mut reply = match reader.head().await? {
            Head::Done(reply) => reply,
            Head::Bulk(length) => reader.bulk(length).await?,
            Head::List(0) => Reply::List(Vec::new()),
            Head::List(_) if open.len() >= usize::from(DEPTH) => return Err(Broken::Garbage("lists in lists in lists")),
            Head::List(length) => {
                open.push((Vec::new(), length));
                continue;
            }
        };
        // A reply that ends its list is the list, and so on upward.
        loop {
            let Some((mut all, length)) = open.pop() else { return Ok(reply) };
            all.push(reply);
            if all.len() < length {
                open.push((all, length));
                break;
            }
            reply = Reply::List(all);
        }
    }
}

enum Head {
    Done(Reply),
    Bulk(u64),
    List(usize),
}

struct Reader<'a, R> {
    from: &'a mut R,
    allowance: &'a mut Allowance,
    begun: bool,
}

impl<R: AsyncBufRead + Unpin> Reader<'_, R> {
    async fn head(&mut self) -> Result<Head, Broken> {
        self.allowance.element()?;
        let line = self.line().await?;
        let (kind, rest) = line.split_first().ok_or(Broken::Garbage("an empty line"))?;
        let text = String::from_utf8_lossy(rest);
        let number = || text.parse::<i64>().map_err(|_| Broken::Garbage("a length that is no number"));
        Ok(match kind {
            b'+' => Head::Done(Reply::Bytes(rest.to_vec())),
            b'-' => Head::Done(Reply::Refused(text.into_owned())),
            b':' => Head::Done(Reply::Int(number()?)),
            b'$' | b'*' => match (kind, number()?) {
                (_, -1) => Head::Done(Reply::Nil),
                (b'$', length) => Head::Bulk(u64::try_from(length).map_err(|_| Broken::Garbage("a negative length"))?),
                (_, length) => Head::List(usize::try_from(length).map_err(|_| Broken::Garbage("a negative length"))?),
            },
            _ => return Err(Broken::Garbage("an answer that is not in its protocol")),
        })
    }

    /// A text of a length that was announced: kept, or passed over if it is long. An announcement beyond the allowance is not waited for.
    async fn bulk(&mut self, length: u64) -> Result<Reply, Broken> {
        self.allowance.take(length)?;
        let mut kept = Vec::new();
        let mut left = length;
        while left > 0 {
            let piece = self.piece().await?;
            let most = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            if length <= KEPT {
                kept.extend(piece.iter().take(most));
            }
            self.from.consume(most);
            left = left.saturating_sub(most as u64);
        }
        if !self.line().await?.is_empty() {
            return Err(Broken::Garbage("a text that is longer than was said"));
        }
        Ok(if length <= KEPT { Reply::Bytes(kept) } else { Reply::Long(length) })
    }

    /// A line without its end.
    async fn line(&mut self) -> Result<Vec<u8>, Broken> {
        let mut line = Vec::new();
        loop {
            let piece = self.piece().await?;
            let end = piece.iter().position(|b| *b == b'\n');
            let most = end.map_or(piece.len(), |at| at + 1);
            line.extend(piece.iter().take(most));
            self.from.consume(most);
            self.allowance.take(most as u64)?;
            if line.len() > LINE {
                return Err(Broken::Garbage("a line without an end"));
            }
            if end.is_some() {
                let kept = line.strip_suffix(b"\r\n").ok_or(Broken::Garbage("a line with another end"))?.len();
                line.truncate(kept);
                return Ok(line);
            }
        }
    }

    /// Whatever has come, at least a byte.
    async fn piece(&mut self) -> Result<&[u8], Broken> {
        let midway = self.begun;
        let piece = self.from.fill_buf().await.map_err(|why| Broken::Lost { why, midway })?;
        if piece.is_empty() {
            return Err(Broken::Lost { why: io::ErrorKind::UnexpectedEof.into(), midway });
        }
        self.begun = true;
        Ok(piece)
    }
}

/// One command as it is sent.
pub fn encode(out: &mut Vec<u8>, words: &[&[u8]]) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn take(mut bytes: &[u8]) -> Result<Reply, String> {
        let mut allowance = Allowance::new(1 << 20);
        // Bytes in memory never make anybody wait.
        let read = read(&mut bytes, &mut allowance).now_or_never().unwrap();
        read.map_err(|e| match e {
            Broken::Lost { midway, .. } => format!("lost, midway {midway}"),
            Broken::TooLarge(what) => format!("too many {what}"),
            Broken::Garbage(what) => what.to_owned(),
        })
    }

    #[test]
    fn replies_of_every_kind_are_read() {
        let text = |t: &str| Reply::Bytes(t.as_bytes().to_vec());
        for (bytes, reply) in [
            (&b"+PONG\r\n"[..], text("PONG")),
            (b":-12\r\n", Reply::Int(-12)),
            (b"$-1\r\n", Reply::Nil),
            (b"*-1\r\n", Reply::Nil),
            (b"$0\r\n\r\n", text("")),
            (b"$5\r\na\r\nbc\r\n", text("a\r\nbc")),
            (b"*0\r\n", Reply::List(Vec::new())),
            (b"-WRONGTYPE no\r\n", Reply::Refused("WRONGTYPE no".into())),
            (
                b"*3\r\n*2\r\n:1\r\n:2\r\n*0\r\n$1\r\nx\r\n",
                Reply::List(vec![Reply::List(vec![Reply::Int(1), Reply::Int(2)]), Reply::List(Vec::new()), text("x")]),
            ),
        ] {
            assert_eq!(take(bytes), Ok(reply), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_long_text_is_passed_over_and_the_next_reply_is_in_its_place() {
        let length = KEPT + 1;
        let mut bytes = format!("*2\r\n${length}\r\n").into_bytes();
        bytes.extend(vec![b'x'; length as usize]);
        bytes.extend(b"\r\n:7\r\n");
        assert_eq!(take(&bytes), Ok(Reply::List(vec![Reply::Long(length), Reply::Int(7)])));
    }

    #[test]
    fn no_announcement_is_believed_beyond_the_bounds() {
        for (bytes, why) in [
            (&b"$1073741824\r\n"[..], "too many bytes"),
            (b"$99999999999999999999\r\n", "a length that is no number"),
            (b"$-2\r\n", "a negative length"),
            (b"*1073741824\r\n", "lost, midway true"),
            (b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", "lists in lists in lists"),
            (b"HTTP/1.1 400 Bad Request\r\n", "an answer that is not in its protocol"),
            (b"\r\n", "an empty line"),
            (b":1\n", "a line with another end"),
            (b"$3\r\nabcdef\r\n", "a text that is longer than was said"),
            (b"", "lost, midway false"),
            (b"$3\r\na", "lost, midway true"),
        ] {
            assert_eq!(take(bytes), Err(why.into()), "{}", bytes.escape_ascii());
        }
        assert_eq!(take(&vec![b'+'; LINE + 10]), Err("a line without an end".into()));
        assert_eq!(take(&b":1\r\n".repeat(1 << 20)), Ok(Reply::Int(1)));
        let mut flood = b"*400000\r\n".to_vec();
        flood.extend(b":1\r\n".repeat(400_000));
        assert_eq!(take(&flood), Err("too many bytes".into()));
    }

    #[test]
    fn a_command_is_sent_as_it_is_whatever_it_holds() {
        let mut out = Vec::new();
        encode(&mut out, &[b"LLEN", b"queue:a\r\nFLUSHALL"]);
        assert_eq!(out, b"*2\r\n$4\r\nLLEN\r\n$17\r\nqueue:a\r\nFLUSHALL\r\n");
    }
}
