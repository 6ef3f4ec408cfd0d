//! Following a step: what it writes goes to stdout as it comes, until it has ended.

use std::{
    fmt::Write,
    io::IsTerminal,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::Result;

use super::{
    act::{Desk, code_of},
    shown::{self, Ended},
};
use crate::{
    cli::{
        args::Common,
        run::{Code, print},
    },
    domain::{ActId, RunId, legible},
    store::Spooled,
};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(120);

/// `burnwatch runbook attach`: what the step that runs, or ran last, has written so far, and what it writes until it has ended.
pub fn attach(common: &Common, id: RunId, json: bool) -> Result<Code> {
    let mut desk = Desk::open(common)?;
    let run = desk.run(id)?;
    let attempts = run.steps.iter().flat_map(|s| s.attempts.iter().map(move |a| (s, a)));
    let Some((step, attempt)) = run.at_work().or_else(|| attempts.max_by_key(|(_, a)| a.at)) else {
        return shown::run(&desk, id, json, Code::Yes);
    };
    if !json {
        eprintln!("step `{}` of run {id}, started by {} at {}", step.plan.name, attempt.by, attempt.at.format("%H:%M:%S UTC"));
    }
    let key = attempt.key.clone();
    match to_the_end(&mut desk, id, &key, !json)? {
        Ended::Left => Ok(Code::Signal(2)),
        Ended::How(how) => shown::run(&desk, id, json, code_of(how)),
    }
}

/// Wait until an attempt has ended, and print what it writes if `aloud`. Ctrl-C leaves it alone: it goes on.
pub fn to_the_end(desk: &mut Desk, id: RunId, key: &ActId, aloud: bool) -> Result<Ended> {
    let leave = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::clone(&leave))?;
    let mut printed = Printed { upto: 0, line: Vec::new() };
    loop {
        let end = desk.run(id)?.attempt(key).and_then(|(_, a)| a.how());
        if aloud && let Some(store) = desk.setup.store.clone() {
            let news = store.spooled_bytes(key).filter(|bytes| *bytes != printed.upto);
            if let Some(spooled) = news.and_then(|_| store.spooled(key).ok().flatten()) {
                print(&printed.news(&spooled))?;
            }
        }
        if let Some(how) = end {
            print(&printed.rest())?;
            return Ok(Ended::How(how));
        }
        if leave.load(Ordering::Relaxed) {
            if std::io::stderr().is_terminal() {
                eprintln!();
            }
            eprintln!("the step goes on; `burnwatch runbook attach {id}` comes back to it, `burnwatch runbook cancel {id}` ends it");
            return Ok(Ended::Left);
        }
        thread::sleep(LOOK);
        desk.refresh()?;
    }
}

impl Desk {
    /// Read what the journal has got since, and say what is not known of steps that nobody will end any more.
    fn refresh(&mut self) -> Result<()> {
        self.catch_up()?;
        if let Some(store) = self.setup.store.as_ref().filter(|_| !self.setup.plan.read_only) {
            crate::engine::look_after_runs(store, &self.snapshot, self.setup.clock.now());
        }
        Ok(())
    }
}

/// How far the output has been printed, and the line that is not whole yet.
struct Printed {
    upto: u64,
    line: Vec<u8>,
}

impl Printed {
    /// What is to be printed of what was written since.
    fn news(&mut self, spooled: &Spooled) -> String {
        let (gap, bytes) = since(spooled, self.upto);
        self.upto = spooled.bytes;
        let mut out = String::new();
        if gap > 0 {
            out += &self.rest();
            let _ = writeln!(out, "… {gap} bytes were not kept …");
        }
        self.line.extend(bytes);
        if let Some(end) = self.line.iter().rposition(|b| *b == b'\n') {
            let rest = self.line.split_off(end + 1);
            out += &lines(&std::mem::replace(&mut self.line, rest));
        }
        out
    }
    /// The line that is not whole, as it is.
    fn rest(&mut self) -> String {
        lines(&std::mem::take(&mut self.line))
    }
}

fn lines(bytes: &[u8]) -> String {
    legible(bytes).iter().fold(String::new(), |mut out, line| {
        let _ = writeln!(out, "{line}");
        out
    })
}

/// The bytes from `upto` on, and how many before them are lost.
fn since(spooled: &Spooled, upto: u64) -> (u64, Vec<u8>) {
    let from = |bytes: &[u8], at: u64| bytes.get(usize::try_from(at).unwrap_or(usize::MAX)..).unwrap_or_default().to_vec();
    let (head, tail_at) = (spooled.head.len() as u64, spooled.bytes.saturating_sub(spooled.tail.len() as u64));
    if upto < head {
        let first = from(&spooled.head, upto);
        // What is lost lies between the two; it is told of before what follows, which begins a line anew.
        return if spooled.gap == 0 { (0, [first, spooled.tail.clone()].concat()) } else { (spooled.gap, spooled.tail.clone()) };
    }
    if upto >= tail_at { (0, from(&spooled.tail, upto - tail_at)) } else { (tail_at - upto, spooled.tail.clone()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spooled(head: &str, gap: u64, tail: &str) -> Spooled {
        let bytes = head.len() as u64 + gap + tail.len() as u64;
        Spooled { bytes, head: head.into(), gap, tail: tail.into() }
    }

    #[test]
    fn what_was_printed_is_not_printed_again() {
        let mut printed = Printed { upto: 0, line: Vec::new() };
        assert_eq!(printed.news(&spooled("one\ntw", 0, "")), "one\n");
        assert_eq!(printed.news(&spooled("one\ntwo\n", 0, "thr")), "two\n");
        assert_eq!(printed.news(&spooled("one\ntwo\n", 0, "three\n")), "three\n");
        assert_eq!(printed.news(&spooled("one\ntwo\n", 100, "end\nla")), "… 94 bytes were not kept …\nend\n");
        assert_eq!((printed.rest(), printed.rest()), ("la\n".to_owned(), String::new()));
    }
}
