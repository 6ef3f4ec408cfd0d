//! A program in a pseudo-terminal, read by a terminal emulator: what a person would see, and the bytes that made it so.
//!
//! A thread reads what the program writes, keeps it, and feeds the emulator; [`Pty::wait_for`] is woken by each piece. The terminal can
//! be made to misbehave: to stop reading ([`Pty::stall`]) and to go away ([`Pty::hang_up`]).

use std::{
    fs,
    io::{Read, Write},
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use rustix::{
    fs::{Mode, OFlags},
    process::{Pid, Signal, kill_process},
    termios::{LocalModes, tcgetattr},
};

use super::{DEADLINE, environment, poll, poll_within};

/// An operating-system command that no terminal shows: what was written before it has been read once it has been read.
const MARK: &[u8] = b"\x1b]777;burnwatch-tests\x07";

/// What the reading thread shares with the test.
struct Seen {
    parser: vt100::Parser,
    bytes: Vec<u8>,
    marks: usize,
    stalled: bool,
    closing: bool,
}

#[derive(Clone)]
struct Shared(Arc<(Mutex<Seen>, Condvar)>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.lock());
        self.0.1.notify_all();
    }

    /// Waits until `ready` holds; false if `limit` has passed first.
    fn wait_until(&self, limit: Duration, mut ready: impl FnMut(&Seen) -> bool) -> bool {
        let end = Instant::now() + limit;
        let mut seen = self.lock();
        while !ready(&seen) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            seen = self.0.1.wait_timeout(seen, left).unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
        true
    }

    /// Waits while the terminal is told not to read; true if it goes away meanwhile.
    fn wait_for_leave_to_read(&self) -> bool {
        let seen = self.lock();
        let seen = self.0.1.wait_while(seen, |seen| seen.stalled && !seen.closing).unwrap_or_else(std::sync::PoisonError::into_inner);
        seen.closing
    }
}

/// A program in a terminal.
pub struct Pty {
    child: Box<dyn Child + Send + Sync>,
    /// The terminal's own end; gone after [`Pty::hang_up`].
    master: Option<(Box<dyn MasterPty + Send>, Box<dyn Write + Send>)>,
    /// The program's end, kept open: modes are asked of it, and a mark written to it wakes the reader.
    slave: Option<fs::File>,
    shared: Shared,
    reader: Option<JoinHandle<()>>,
    ended: Option<ExitStatus>,
}

impl Pty {
    /// The program under test, at home in `home`, on a terminal of that many columns and rows.
    pub fn burnwatch(home: &Path, args: &[&str], columns: u16, rows: u16) -> Self {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_burnwatch"));
        command.args(args);
        Self::start(home, command, columns, rows)
    }

    /// Any program, with the environment of the one under test; what the command names itself stays.
    pub fn start(home: &Path, mut command: CommandBuilder, columns: u16, rows: u16) -> Self {
        let own: Vec<(String, String)> = command.iter_extra_env_as_str().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        command.env_clear();
        for (name, value) in environment(home) {
            command.env(name, value);
        }
        for (name, value) in own {
            command.env(name, value);
        }
        if command.get_cwd().is_none() {
            command.cwd(home);
        }
        let pair = native_pty_system().openpty(size(columns, rows)).expect("no pseudo-terminal");
        let name = pair.master.tty_name().expect("the terminal has no name");
        let slave =
            rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).expect("cannot open the terminal");
        let child = pair.slave.spawn_command(command).expect("cannot start the program");
        let parser = vt100::Parser::new(rows, columns, 0);
        let seen = Seen { parser, bytes: Vec::new(), marks: 0, stalled: false, closing: false };
        let shared = Shared(Arc::new((Mutex::new(seen), Condvar::new())));
        let from_program = pair.master.try_clone_reader().expect("cannot read the terminal");
        let reader = std::thread::spawn({
            let shared = shared.clone();
            move || read(from_program, &shared)
        });
        let to_program = pair.master.take_writer().expect("cannot write to the terminal");
        let master = Some((pair.master, to_program));
        Self { child, master, slave: Some(slave.into()), shared, reader: Some(reader), ended: None }
    }

    /// Waits until the screen is as wished; `what` names it when it never is.
    pub fn wait_for(&self, what: &str, wished: impl FnMut(&vt100::Screen) -> bool) {
        self.wait_for_within(DEADLINE, what, wished);
    }

    /// The same with a limit of its own, for what was promised within a time.
    pub fn wait_for_within(&self, limit: Duration, what: &str, mut wished: impl FnMut(&vt100::Screen) -> bool) {
        let came = self.shared.wait_until(limit, |seen| wished(seen.parser.screen()));
        assert!(came, "waited for {what}, and saw:\n{}", self.text());
    }

    pub fn wait_for_text(&self, text: &str) {
        self.wait_for(text, |screen| screen.contents().contains(text));
    }

    /// What stands on the screen now.
    pub fn text(&self) -> String {
        self.screen(vt100::Screen::contents)
    }

    pub fn screen<T>(&self, read: impl FnOnce(&vt100::Screen) -> T) -> T {
        read(self.shared.lock().parser.screen())
    }

    /// All bytes that the program has written so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.shared.lock().bytes.clone()
    }

    /// Types.
    pub fn send(&mut self, keys: &str) {
        let (_, writer) = self.master.as_mut().expect("the terminal is gone");
        writer.write_all(keys.as_bytes()).unwrap();
        writer.flush().unwrap();
    }

    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.shared.change(|seen| seen.parser.screen_mut().set_size(rows, columns));
        let (master, _) = self.master.as_ref().expect("the terminal is gone");
        master.resize(size(columns, rows)).unwrap();
    }

    /// The terminal takes no more output: what the program writes stays in the kernel's buffer, and then blocks.
    pub fn stall(&self) {
        self.shared.change(|seen| seen.stalled = true);
    }

    pub fn flow(&self) {
        self.shared.change(|seen| seen.stalled = false);
    }

    /// Closes the terminal under the program.
    pub fn hang_up(&mut self) {
        self.shared.change(|seen| seen.closing = true);
        // The thread may sit in a read that keeps the terminal open: something to read wakes it. If it is not reading any more the
        // buffer may be full, so whoever writes may have to wait until there is no terminal.
        if let Some(mut slave) = self.slave.take() {
            std::thread::spawn(move || slave.write_all(MARK));
        }
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        self.master = None;
    }

    /// The process in the terminal.
    pub fn pid(&self) -> Pid {
        self.child.process_id().and_then(|id| Pid::from_raw(id.cast_signed())).expect("the program has no process")
    }

    pub fn signal(&mut self, signal: Signal) {
        assert!(self.has_ended().is_none(), "the program has ended: {:?}", self.ended);
        kill_process(self.pid(), signal).expect("cannot signal the program");
    }

    /// The letter that the kernel gives its state (`S` sleeping, `T` stopped), and the processor time it has used, in ticks.
    pub fn process_state(&self) -> (char, u64) {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid().as_raw_nonzero())).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let fields: Vec<&str> = fields.split(' ').collect();
        let ticks = |at: usize| fields[at].parse::<u64>().unwrap();
        (fields[0].chars().next().unwrap(), ticks(11) + ticks(12))
    }

    pub fn wait_until_stopped(&self) {
        poll(|| (self.process_state().0 == 'T').then_some(())).unwrap_or_else(|| panic!("it does not stop; screen:\n{}", self.text()));
    }

    /// Whether the terminal reads whole lines and echoes, as a shell expects to find it.
    pub fn is_cooked(&self) -> bool {
        let modes = tcgetattr(self.slave.as_ref().expect("the terminal is gone")).unwrap().local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().unwrap();
        }
        self.ended.clone()
    }

    /// Waits until the program has ended and all that it wrote has been read.
    pub fn wait_exit(&mut self) -> ExitStatus {
        self.wait_exit_within(DEADLINE)
    }

    /// The same with a limit of its own, for an end that was promised within a time.
    pub fn wait_exit_within(&mut self, limit: Duration) -> ExitStatus {
        let ended = poll_within(limit, || self.has_ended()).unwrap_or_else(|| panic!("it does not end; screen:\n{}", self.text()));
        self.read_to_the_end();
        ended
    }

    fn read_to_the_end(&mut self) {
        let seen = self.shared.lock();
        let (marks, stalled) = (seen.marks, seen.stalled);
        drop(seen);
        if let Some(slave) = self.slave.as_mut()
            && !stalled
        {
            slave.write_all(MARK).unwrap();
            assert!(self.shared.wait_until(DEADLINE, |seen| seen.marks > marks), "the terminal was not read to its end");
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = kill_process(self.pid(), Signal::KILL);
            let _ = self.child.wait();
        }
        self.hang_up();
    }
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

fn read(mut from_program: Box<dyn Read + Send>, shared: &Shared) {
    let mut buffer = vec![0; 64 * 1024];
    let mut line = Marked::default();
    while !shared.wait_for_leave_to_read() {
        let Ok(count @ 1..) = from_program.read(&mut buffer) else { return };
        let (shown, marks) = line.take(&buffer[..count]);
        shared.change(|seen| {
            seen.parser.process(&shown);
            seen.bytes.extend(shown);
            seen.marks += marks;
        });
    }
}

/// Takes our marks out of what was written; one may be cut in two by the end of a read.
#[derive(Default)]
struct Marked {
    kept: Vec<u8>,
}

impl Marked {
    fn take(&mut self, bytes: &[u8]) -> (Vec<u8>, usize) {
        self.kept.extend(bytes);
        let (mut shown, mut marks, mut at) = (Vec::new(), 0, 0);
        while at < self.kept.len() {
            let rest = &self.kept[at..];
            if rest.starts_with(MARK) {
                marks += 1;
                at += MARK.len();
            } else if MARK.starts_with(rest) && rest.len() > 1 {
                break;
            } else {
                shown.push(rest[0]);
                at += 1;
            }
        }
        self.kept.drain(..at);
        (shown, marks)
    }
}
