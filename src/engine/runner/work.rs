//! The runner at work: this program, started anew for one attempt of one step.

use std::{
    cell::Cell,
    io::{self, PipeReader, Read},
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use chrono::Utc;
use rustix::{
    event::{PollFd, PollFlags, Timespec},
    fs::{Mode, OFlags},
    process::{WaitOptions, WaitStatus},
};

use super::{
    Job, Task,
    process::{self, GRACE},
    variables,
};
use crate::{
    domain::{End, Expectation, Hash, How, Observed, OutputMark, Run, RunEvent, Untrusted, What},
    sources,
    store::{JournalError, Spool, Store, StoreError},
};

/// How long a store that somebody else has locked is asked for.
const OPENING: Duration = Duration::from_secs(20);
/// How long the end is tried to be written.
const WRITING: Duration = Duration::from_mins(15);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(200);
/// Between two looks at whether somebody wants the step to end.
const LOOK: Duration = Duration::from_millis(250);
/// How long those may take to end that a step has left behind.
const STRAYS: Duration = Duration::from_secs(1);
/// What is read in one go, in bytes.
const PIECE: usize = 64 << 10;
/// Of the output, what the journal itself keeps, in bytes.
const LAST: usize = 4 << 10;
/// The largest answer to a request, in bytes.
const ANSWER: u64 = 4 << 20;

/// Do the job that this process was given, as `launch` started it. Whatever there is to tell is in the journal.
pub fn run_step() -> io::Result<()> {
    // Before anything is opened: what we were handed down, nobody gets from us.
    close_fds::set_fds_cloexec(3, &[]);
    let job = Job::receive()?;
    let told_to_end = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&told_to_end))?;
    }
    signal_hook::flag::register(signal_hook::consts::SIGHUP, Arc::new(AtomicBool::new(false)))?;
    rustix::process::setsid()?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    rustix::process::umask(Mode::from_raw_mode(0o022));

    let Some(store) = patiently(OPENING, || Store::open(&job.store)) else { return Err(io::Error::other("the store cannot be opened")) };
    let runner = Runner { job, store, told_to_end, seen: Cell::new(0) };
    if let Some(before) = runner.come_up() {
        let end = match before {
            Ok(spool) => runner.work(spool),
            Err(why) => End::told(How::NotRun, &why),
        };
        runner.write_down(end);
    }
    Ok(())
}

/// Try until it works, or for so long.
fn patiently<T, E: std::fmt::Display>(limit: Duration, mut attempt: impl FnMut() -> Result<T, E>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        match attempt() {
            Ok(done) => return Some(done),
            Err(error) if Instant::now() >= end => {
                tracing::warn!(%error, "gave up");
                return None;
            }
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

struct Runner {
    job: Job,
    store: Store,
    told_to_end: Arc<AtomicBool>,
    /// The newest entry of the journal that was looked at.
    seen: Cell<u64>,
}

/// Why a step is ended before its end.
enum Stop {
    Time,
    Wish(String),
}

impl Runner {
    /// Say in the journal that we are here: from then on the step may have run. `None` if it was given up meanwhile; an error if it is ours
    /// and cannot be begun.
    fn come_up(&self) -> Option<Result<Spool, String>> {
        let up = RunEvent::Up { key: self.job.key.clone(), runner: process::this() };
        let mut version = self.job.version;
        let end = Instant::now() + OPENING;
        loop {
            match self.store.append(self.job.entry(up.clone(), Utc::now()), Some(version)) {
                Ok(written) => {
                    self.seen.set(written.id);
                    return Some(self.store.make_spool(&self.job.key).map_err(|e| format!("its output could not be kept: {e}")));
                }
                // Somebody wrote on this run: what they wrote decides whether the step is still wanted.
                Err(JournalError::Conflict { .. }) => version = self.still_wanted()?,
                Err(JournalError::Store(_)) if Instant::now() < end => thread::sleep(PAUSE),
                Err(JournalError::Store(_)) => return None,
            }
        }
    }

    /// The version of the run in which the attempt still waits for its runner; `None` if it does not, and then how that is to be is written.
    fn still_wanted(&self) -> Option<u64> {
        let run = self.run()?;
        let (_, attempt) = run.attempt(&self.job.key)?;
        if attempt.end.is_some() || attempt.runner.is_some() {
            return None;
        }
        let Some((by, _)) = &attempt.cancel else { return Some(run.version) };
        let event = RunEvent::Ended { key: self.job.key.clone(), end: End::told(How::NotRun, &format!("{by} ended it before it began")) };
        let _ = self.store.append(self.job.entry(event, Utc::now()), Some(run.version));
        None
    }

    fn run(&self) -> Option<Run> {
        let thread = self.store.thread(&self.job.run.subject()).ok()?;
        Run::of(&thread)
    }

    fn work(&self, spool: Spool) -> End {
        match &self.job.task {
            Task::Command { shell, text } => self.command(shell, text, spool),
            Task::Http { call, acts } => self.request(call, *acts, spool),
        }
    }

    /// Why the step is to be ended, if somebody wants that.
    fn wish(&self) -> Option<Stop> {
        if self.told_to_end.load(Ordering::Relaxed) {
            return Some(Stop::Wish("its runner was told to end".to_owned()));
        }
        if self.job.stops && process::is_alive(&self.job.starter) == Some(false) {
            return Some(Stop::Wish("the cockpit that started it is gone".to_owned()));
        }
        let (key, subject) = (&self.job.key, self.job.run.subject());
        let news = self.store.entries_since(self.seen.get()).ok()?;
        self.seen.set(news.last().map_or(self.seen.get(), |e| e.id));
        let ends = |what: &What| match what {
            What::Run { event: RunEvent::CancelAsked { key: of } } => of == key,
            What::Run { event: RunEvent::Aborted { .. } } => true,
            _ => false,
        };
        let entry = news.into_iter().find(|e| e.subject == subject && ends(&e.what))?;
        Some(Stop::Wish(format!("by {}", entry.who)))
    }

    // ---- commands

    fn command(&self, shell: &str, text: &str, spool: Spool) -> End {
        let began = Instant::now();
        let (reader, child) = match self.spawn(shell, text) {
            Ok(started) => started,
            Err(error) => return End::told(How::NotRun, &format!("{shell} could not be started: {error}")),
        };
        let mut output = Output { reader: Some(reader), spool, trouble: None };
        let mut reaped = Reaped { child, status: None };
        let stop = self.watch(began, &mut output, &mut reaped);
        let grace = if stop.is_some() { GRACE } else { STRAYS };
        let (ended, rest) = process::end_all(process::descendants, grace, |pause| {
            output.read(pause);
            reaped.reap();
        });
        reaped.reap();
        output.read(Duration::ZERO);
        let took = began.elapsed();
        let mut end = match stop {
            Some(Stop::Time) => End::told(How::TimedOut, ""),
            Some(Stop::Wish(why)) => End::told(How::Cancelled, &why),
            None => self.judge(reaped.status, ended),
        };
        end.took_ms = u64::try_from(took.as_millis()).ok();
        end.left = process::as_left(&rest);
        self.mark(&mut end, &output);
        end
    }

    fn spawn(&self, shell: &str, text: &str) -> io::Result<(PipeReader, i32)> {
        let (reader, writer) = io::pipe()?;
        rustix::fs::fcntl_setfl(&reader, OFlags::NONBLOCK)?;
        let mut command = Command::new(shell);
        command.args(["-e", "-c", "--", text]);
        command.env_clear().envs(variables::environment(&self.job.variables, |name| std::env::var_os(name)));
        command.current_dir(&self.job.folder).stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
        // A group of its own within our session, so that it can be stopped and gone on with as one.
        let child = command.process_group(0).spawn()?;
        Ok((reader, i32::try_from(child.id()).unwrap_or(i32::MAX)))
    }

    /// Until the command has ended, or should; gives why it should.
    fn watch(&self, began: Instant, output: &mut Output, reaped: &mut Reaped) -> Option<Stop> {
        let mut looked = Instant::now();
        loop {
            output.read(Duration::from_millis(50));
            reaped.reap();
            if reaped.status.is_some() {
                return None;
            }
            if began.elapsed() >= self.job.timeout {
                return Some(Stop::Time);
            }
            if looked.elapsed() >= LOOK || self.told_to_end.load(Ordering::Relaxed) {
                looked = Instant::now();
                if let Some(stop) = self.wish() {
                    return Some(stop);
                }
            }
        }
    }

    fn judge(&self, status: Option<WaitStatus>, strays: usize) -> End {
        let code = status.and_then(WaitStatus::exit_status);
        let signal = status.and_then(WaitStatus::terminating_signal);
        let output = self.store.spooled(&self.job.key).ok().flatten().map(|s| s.kept()).unwrap_or_default();
        let output = String::from_utf8_lossy(&output);
        let seen = Observed { exit: code, status: None, figure: None, output: &output };
        let verdict = match signal {
            Some(signal) => Err(format!("signal {signal} ended it")),
            None if code.is_none() => Err("its exit code was not told".to_owned()),
            None => Expectation::judge_or_usual(self.job.expect.as_ref(), &seen),
        };
        let mut end = match verdict {
            Ok(()) => End::told(How::Ok, ""),
            Err(why) => End::told(How::Failed, &why),
        };
        (end.code, end.signal) = (code, signal);
        if strays > 0 && end.why.is_none() {
            end.why = Some(format!("what it had left behind was ended ({strays})").into());
        }
        end
    }

    /// What was written, as the journal keeps it.
    fn mark(&self, end: &mut End, output: &Output) {
        let kept = self.store.spooled(&self.job.key).ok().flatten().map(|s| s.kept()).unwrap_or_default();
        let last = kept.get(kept.len().saturating_sub(LAST)..).unwrap_or_default();
        let last = Untrusted::new(String::from_utf8_lossy(last).into_owned());
        end.output = Some(OutputMark { bytes: output.spool.bytes(), hash: Hash::of(&kept), last });
        if let (Some(trouble), None) = (&output.trouble, &end.why) {
            end.why = Some(format!("its output could not be kept: {trouble}").into());
        }
    }

    // ---- requests

    fn request(&self, call: &crate::domain::HttpCall, acts: bool, mut spool: Spool) -> End {
        let began = Instant::now();
        let answer = tokio::runtime::Builder::new_current_thread().enable_all().build().map(|runtime| {
            runtime.block_on(async {
                tokio::select! {
                    answer = sources::send(call, self.job.timeout, ANSWER) => Ok(answer),
                    stop = self.wished() => Err(stop),
                }
            })
        });
        let mut end = match answer {
            Err(error) => End::told(How::NotRun, &error.to_string()),
            Ok(Err(why)) => End::told(if acts { How::Unknown } else { How::Cancelled }, &why),
            Ok(Ok(Err(failure))) => {
                // What may have been done there is neither done nor failed.
                let how = if acts && failure.perhaps_done { How::Unknown } else { How::Failed };
                End::told(how, &failure.why)
            }
            Ok(Ok(Ok(answer))) => {
                let trouble = spool.write(&answer.body).err().map(|e| e.to_string());
                let text = String::from_utf8_lossy(&answer.body);
                let seen = Observed { exit: None, status: Some(answer.status), figure: None, output: &text };
                let mut end = match Expectation::judge_or_usual(self.job.expect.as_ref(), &seen) {
                    Ok(()) => End::told(How::Ok, &format!("status {}", answer.status)),
                    Err(why) => End::told(How::Failed, &why),
                };
                self.mark(&mut end, &Output { reader: None, spool, trouble });
                end
            }
        };
        end.took_ms = u64::try_from(began.elapsed().as_millis()).ok();
        end
    }

    /// Wait until somebody wants the request to end.
    async fn wished(&self) -> String {
        loop {
            tokio::time::sleep(LOOK).await;
            if let Some(Stop::Wish(why)) = self.wish() {
                return why;
            }
        }
    }

    fn write_down(&self, end: End) {
        let event = RunEvent::Ended { key: self.job.key.clone(), end };
        let write = || match self.store.append(self.job.entry(event.clone(), Utc::now()), None) {
            Ok(_) => Ok(()),
            Err(JournalError::Store(error)) => Err(error),
            Err(conflict @ JournalError::Conflict { .. }) => {
                Err(StoreError::Other { place: self.job.title.clone(), what: conflict.to_string().into() })
            }
        };
        patiently(WRITING, write);
    }
}

/// What the command writes, on its way to the file.
struct Output {
    /// `None` once it has said all.
    reader: Option<PipeReader>,
    spool: Spool,
    trouble: Option<String>,
}

impl Output {
    /// Take what there is, or wait so long for something.
    fn read(&mut self, wait: Duration) {
        let Some(reader) = self.reader.as_mut() else { return thread::sleep(wait) };
        let timeout = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() };
        let _ = rustix::event::poll(&mut [PollFd::new(&*reader, PollFlags::IN)], Some(&timeout));
        let mut piece = vec![0; PIECE];
        // As much as a pipe holds and some: who floods must not keep us from looking at the time.
        for _ in 0..16 {
            match reader.read(&mut piece) {
                Ok(0) => {
                    self.reader = None;
                    return;
                }
                Ok(n) => {
                    let written = self.spool.write(piece.get(..n).unwrap_or_default());
                    self.trouble = self.trouble.take().or(written.err().map(|e| e.to_string()));
                }
                Err(_) => return,
            }
        }
    }
}

/// Ended children: the command itself, and orphans that fell to us.
struct Reaped {
    child: i32,
    status: Option<WaitStatus>,
}

impl Reaped {
    fn reap(&mut self) {
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            if pid.as_raw_nonzero().get() == self.child {
                self.status = Some(status);
            }
        }
    }
}
