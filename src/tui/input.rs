//! Keys from bytes, and the thread that reads them.
//!
//! The descriptor is watched before it is read: a terminal that is gone is an end, not something to read again and again. Bytes are
//! turned into keys here, not by a library, because the one at hand spins on a lost terminal and leaves pasted text lying.

use std::{
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use tokio::sync::mpsc::UnboundedSender;

use super::keymap::{Chord, Key};

/// Something from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A key.
    Key(Chord),
    /// Pasted text.
    Paste(String),
    /// A signal.
    Signal(i32),
    /// The terminal is gone.
    HangUp,
    /// The writer's slot is free again.
    Free,
}

/// How long the rest of an escape sequence may take before it is taken as the escape key, in milliseconds.
const PATIENCE_MS: i64 = 50;
/// The most of a paste that is kept.
const LONGEST_PASTE: usize = 64 * 1024;

/// Start the thread that reads keys from `tty`. It ends when the terminal is gone or the returned end of a pair is dropped.
pub fn start(tty: OwnedFd, to: UnboundedSender<Input>) -> io::Result<UnixStream> {
    let (ours, theirs) = UnixStream::pair()?;
    std::thread::Builder::new().name("keys".into()).spawn(move || read_keys(&tty, &theirs, &to))?;
    Ok(ours)
}

fn read_keys(tty: &OwnedFd, stop: &UnixStream, to: &UnboundedSender<Input>) {
    let mut parser = Parser::default();
    let mut bytes = [0_u8; 4096];
    loop {
        let patience = parser.is_waiting().then_some(Timespec { tv_sec: 0, tv_nsec: PATIENCE_MS * 1_000_000 });
        let mut watched = [PollFd::new(tty, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
        let ready = poll(&mut watched, patience.as_ref());
        let [tty_has, stopped] = watched.map(|w| w.revents());
        let inputs = match ready {
            Err(Errno::INTR) => continue,
            _ if !stopped.is_empty() => return,
            Err(_) => vec![Input::HangUp],
            Ok(0) => parser.give_up(),
            Ok(_) if is_gone(tty_has) => vec![Input::HangUp],
            Ok(_) => match rustix::io::read(tty, &mut bytes) {
                Ok(0) => vec![Input::HangUp],
                Ok(n) => parser.take(bytes.get(..n).unwrap_or_default()),
                Err(Errno::INTR | Errno::AGAIN) => continue,
                Err(_) => vec![Input::HangUp],
            },
        };
        for input in inputs {
            let end = input == Input::HangUp;
            if to.send(input).is_err() || end {
                return;
            }
        }
    }
}

fn is_gone(flags: PollFlags) -> bool {
    flags.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)
}

/// Whether the terminal behind `tty` is gone.
pub fn has_hung_up(tty: impl AsFd) -> bool {
    let mut watched = [PollFd::new(&tty, PollFlags::empty())];
    let none = Timespec { tv_sec: 0, tv_nsec: 0 };
    let [flags] = match poll(&mut watched, Some(&none)) {
        Ok(_) => watched.map(|w| w.revents()),
        Err(_) => return false,
    };
    is_gone(flags)
}

/// Turns bytes into keys; keeps what is not whole yet.
#[derive(Debug, Default)]
pub struct Parser {
    rest: Vec<u8>,
    pasted: Option<Vec<u8>>,
}

const PASTE_BEGINS: &[u8] = b"\x1b[200~";
const PASTE_ENDS: &[u8] = b"\x1b[201~";

/// What the front of the bytes is.
enum Front {
    /// So many bytes mean this.
    Means(usize, Option<Chord>),
    /// More must come before it is known.
    Unfinished,
}

impl Parser {
    /// Whether a sequence has begun and not ended.
    pub fn is_waiting(&self) -> bool {
        self.pasted.is_none() && !self.rest.is_empty()
    }

    /// Take bytes; returns what they mean.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Input> {
        self.rest.extend_from_slice(bytes);
        let mut inputs = Vec::new();
        while !self.rest.is_empty() {
            if self.pasted.is_some() {
                let Some(text) = self.paste() else { break };
                inputs.push(text);
            } else if self.rest.starts_with(PASTE_BEGINS) {
                self.rest.drain(..PASTE_BEGINS.len());
                self.pasted = Some(Vec::new());
            } else {
                let Front::Means(length, chord) = front(&self.rest) else { break };
                self.rest.drain(..length.clamp(1, self.rest.len()));
                inputs.extend(chord.map(Input::Key));
            }
        }
        inputs
    }

    /// Nothing more has come: a lone escape is the key, anything else unfinished is dropped.
    pub fn give_up(&mut self) -> Vec<Input> {
        let rest = std::mem::take(&mut self.rest);
        if rest == b"\x1b" { vec![Input::Key(Chord::plain(Key::Esc))] } else { Vec::new() }
    }

    /// Move bytes into the paste; the paste, once it has ended.
    fn paste(&mut self) -> Option<Input> {
        let pasted = self.pasted.as_mut()?;
        let end = self.rest.windows(PASTE_ENDS.len()).position(|w| w == PASTE_ENDS);
        let ready = end.unwrap_or_else(|| self.rest.len().saturating_sub(PASTE_ENDS.len() - 1));
        pasted.extend(self.rest.drain(..ready));
        pasted.truncate(LONGEST_PASTE);
        end?;
        self.rest.drain(..PASTE_ENDS.len().min(self.rest.len()));
        let text = self.pasted.take()?;
        Some(Input::Paste(String::from_utf8_lossy(&text).into_owned()))
    }
}

fn front(bytes: &[u8]) -> Front {
    let key = |length, key| Front::Means(length, Some(Chord::plain(key)));
    match bytes {
        [] | [0x1b] | [0x1b, b'O'] => Front::Unfinished,
        [0x1b, b'[', rest @ ..] => control_sequence(rest),
        [0x1b, b'O', last, ..] => Front::Means(3, letter(*last).map(Chord::plain)),
        [0x1b, 0x1b, ..] => key(1, Key::Esc),
        // Alt and a key: no binding has it.
        [0x1b, _, ..] => Front::Means(2, None),
        [b'\r' | b'\n', ..] => key(1, Key::Enter),
        [b'\t', ..] => key(1, Key::Tab),
        [0x7f, ..] => key(1, Key::Backspace),
        [c @ 1..=26, ..] => Front::Means(1, Some(Chord::ctrl(char::from(c + 0x60)))),
        [0 | 0x1c..=0x1f, ..] => Front::Means(1, None),
        [c @ 0x20..=0x7e, ..] => key(1, Key::Char(char::from(*c))),
        [first, ..] => character(*first, bytes),
    }
}

/// One character of UTF-8.
fn character(first: u8, bytes: &[u8]) -> Front {
    let length = match first {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Front::Means(1, None),
    };
    let Some(encoded) = bytes.get(..length) else { return Front::Unfinished };
    match std::str::from_utf8(encoded).ok().and_then(|text| text.chars().next()) {
        Some(c) => Front::Means(length, Some(Chord::char(c))),
        None => Front::Means(1, None),
    }
}

/// What follows `ESC [`: parameters, then a final byte.
fn control_sequence(rest: &[u8]) -> Front {
    let Some(end) = rest.iter().position(|b| (0x40..=0x7e).contains(b)) else {
        return if rest.len() > 32 { Front::Means(rest.len() + 2, None) } else { Front::Unfinished };
    };
    let (parameters, last) = (rest.get(..end).unwrap_or_default(), rest.get(end).copied().unwrap_or_default());
    let key = match (last, parameters) {
        (b'~', b"1" | b"7") => Some(Key::Home),
        (b'~', b"4" | b"8") => Some(Key::End),
        (b'~', b"5") => Some(Key::PageUp),
        (b'~', b"6") => Some(Key::PageDown),
        (b'Z', _) => Some(Key::BackTab),
        (_, b"" | b"1") => letter(last),
        _ => None,
    };
    Front::Means(end + 3, key.map(Chord::plain))
}

const fn letter(last: u8) -> Option<Key> {
    match last {
        b'A' => Some(Key::Up),
        b'B' => Some(Key::Down),
        b'C' => Some(Key::Right),
        b'D' => Some(Key::Left),
        b'H' => Some(Key::Home),
        b'F' => Some(Key::End),
        b'M' => Some(Key::Enter),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Input> {
        let mut parser = Parser::default();
        let mut inputs = parser.take(bytes);
        inputs.extend(parser.give_up());
        inputs
    }

    #[test]
    fn bytes_become_keys() {
        let key = |k| Input::Key(Chord::plain(k));
        assert_eq!(keys(b"jG\r"), [key(Key::Char('j')), key(Key::Char('G')), key(Key::Enter)]);
        assert_eq!(keys(b"\x1b[A\x1bOB\x1b[5~\x1b[Z"), [key(Key::Up), key(Key::Down), key(Key::PageUp), key(Key::BackTab)]);
        assert_eq!(keys(b"\x1b"), [key(Key::Esc)]);
        assert_eq!(keys(b"\x1b\x1b[A"), [key(Key::Esc), key(Key::Up)]);
        assert_eq!(keys(b"\x03\x1a"), [Input::Key(Chord::ctrl('c')), Input::Key(Chord::ctrl('z'))]);
        assert_eq!(keys("é東".as_bytes()), [key(Key::Char('é')), key(Key::Char('東'))]);
        assert_eq!(keys(b"\x1b[1;5A\x1b[<0;3;4M\xff\x1b[999"), []);
        assert_eq!(keys(b"\x1b[200~q\x1b[A\n\x1b[201~x"), [Input::Paste("q\x1b[A\n".into()), key(Key::Char('x'))]);
    }

    proptest! {
        #[test]
        fn no_bytes_break_it_and_cuts_do_not_matter(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0_usize..200) {
            let cut = cut.min(bytes.len());
            let (mut whole, mut parts) = (Parser::default(), Parser::default());
            let all = whole.take(&bytes);
            let mut pieces = parts.take(&bytes[..cut]);
            pieces.extend(parts.take(&bytes[cut..]));
            prop_assert_eq!(all, pieces);
        }
    }

    #[test]
    fn a_terminal_that_is_gone_ends_the_thread() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (to, mut inputs) = tokio::sync::mpsc::unbounded_channel();
        let _keep = start(ours.into(), to).unwrap();
        drop(theirs);
        assert_eq!(inputs.blocking_recv(), Some(Input::HangUp));
        assert_eq!(inputs.blocking_recv(), None);
    }
}
