//! A runbook that is open: its steps and how they stand, what the one that is looked at would do or has done, and whether it helped.
//!
//! ```text
//!  Roll back a bad canary    run 0192 for P1 checkout…    began 14:34 by maya    burn 82.2× ▁▁▁▅█
//!  enter  run step 2, Shift traffic back
//! ━━ steps ━━━━━━━━━━━━━━━━━━━━━━ ── 2 Shift traffic back ──────────────── run · timeout 2m ──
//!  ✓ 1 Confirm it is the canary 4s   Sends all traffic to v41.
//! ▌▸ 2 Shift traffic back     next   $ ./traffic set checkout stable=100 canary=0
//!    3 Tell support         manual   stable 90 → 100 … ok
//!                                   ── effect: burn checkout/availability < 1.0× within 10m ──
//!                                    burn 82.2× before · 41.0× now · settling, judged from 14:40
//! ```
//!
//! Below 100 columns the panes stand one below the other.

use ratatui::layout::Rect;

use super::{
    super::{
        runbooks::{Open, undoable},
        theme::Role,
    },
    View,
    canvas::{Canvas, cells, wrap},
    dry::{dry_lines, facts, pieces, span},
    prompt::brief,
    runbooks, slos,
};
use crate::domain::{
    Attempt, How, Judgement, Run, RunState, RunStep, Runbook, Settled, Stands, Step, StepName, StepState, Text, Window, aftermath,
};

/// From this width on the panes stand beside each other.
const WIDE: u16 = 100;

/// Draw the runbook. Returns how many lines of the right pane lie below it.
pub fn draw(canvas: &mut Canvas<'_>, body: Rect, open: &Open, view: View<'_>) -> u16 {
    let page = Page { open, book: open.book(view.ui).map(|b| &**b), run: open.run(view.ui).map(|r| &**r), view };
    if open.dry {
        return page.dry(&mut canvas.piece(body));
    }
    page.title(&mut canvas.piece(Rect { height: 1, ..body }));
    page.next(&mut canvas.piece(Rect { y: body.y + 1, height: 1, ..body }));
    let gap = u16::from(body.height >= 22);
    let panes = Rect { y: body.y + 2 + gap, height: body.height.saturating_sub(2 + gap), ..body };
    let order = open.order(view.ui);
    let (left, right) = if body.width >= WIDE {
        let left = (body.width * 2 / 5).min(52);
        (Rect { width: left, ..panes }, Rect { x: panes.x + left + 1, width: panes.width - left - 1, ..panes })
    } else {
        let rows = u16::try_from(order.len()).unwrap_or(u16::MAX).saturating_add(1).clamp(2, (panes.height / 2).max(2));
        (Rect { height: rows, ..panes }, Rect { y: panes.y + rows, height: panes.height.saturating_sub(rows), ..panes })
    };
    page.steps(&mut canvas.piece(left), &order);
    page.step(canvas, right)
}

/// What is drawn.
struct Page<'a> {
    open: &'a Open,
    book: Option<&'a Runbook>,
    run: Option<&'a Run>,
    view: View<'a>,
}

impl Page<'_> {
    fn heading(&self) -> String {
        self.run.map(|r| &r.title).or(self.book.map(|b| &b.title)).map_or_else(|| self.open.id.to_string(), ToString::to_string)
    }

    fn title(&self, canvas: &mut Canvas<'_>) {
        let w = canvas.width();
        let signal = self.signal(canvas);
        let room = |at: u16| signal.saturating_sub(at + 2);
        let share = if w < WIDE { w / 2 } else { w / 3 };
        let mut at = canvas.text(1, 0, share.max(20), Role::Emphasis, &self.heading()) + 2;
        if let Some(run) = self.run {
            let of_drill = if run.drill.is_some() { "drill " } else { "" };
            at = canvas.write(at, 0, room(at), Role::Accent, format_args!("{of_drill}run {}", run.id));
            let by = format!("   began {} by {:#}", self.view.when(run.at, false), run.by);
            let title = run.incident_title.as_ref().map_or_else(String::new, |t| format!(" for {t}"));
            let left = room(at).saturating_sub(cells(&by));
            at = canvas.text(at, 0, if left > 12 { left } else { 0 }, Role::Text, &title);
            canvas.text(at, 0, room(at), Role::Muted, &by);
        } else {
            let title = self.open.incident.as_ref().map_or_else(|| "for no incident".to_owned(), |i| format!("for {}", i.title));
            canvas.text(at, 0, room(at), Role::Text, &title);
        }
    }

    /// The signal that is to change, at the right end. Returns where it begins.
    fn signal(&self, canvas: &mut Canvas<'_>) -> u16 {
        let w = canvas.width();
        let of = |s: &Step| s.effect.as_ref().map(|e| e.signal.clone());
        let signal = self.book.and_then(|b| b.steps.iter().find_map(of));
        let Some(signal) = signal else { return w };
        let value = crate::domain::sight(self.view.snapshot, &signal).ok().map(|s| s.value);
        let shown = value.map_or_else(|| "—".to_owned(), |v| signal.shown(v));
        let row = signal.slo().and_then(|id| self.view.snapshot.slos.iter().find(|r| r.id == *id));
        let spark = if row.is_some() && w >= WIDE { 13 } else { 0 };
        let at = w.saturating_sub(cells(&shown) + cells(signal.word()) + 2 + spark);
        let x = canvas.write(at, 0, 12, Role::Muted, format_args!("{} ", signal.word()));
        let role = value.map_or(Role::Muted, |v| if signal.word() == "burn" { super::figure::of_burn(Some(v)) } else { Role::Text });
        let x = canvas.text(x, 0, w.saturating_sub(x), role, &shown);
        if let (Some(row), true) = (row, spark > 0) {
            slos::spark(canvas, (x + 1, 0), 12, row, self.view);
        }
        at
    }

    /// What the next key does, in words.
    fn next(&self, canvas: &mut Canvas<'_>) {
        let w = canvas.width();
        let (key, role, words) = self.next_words();
        let at = if key.is_empty() { 1 } else { canvas.text(1, 0, w, Role::Accent, key) + 1 };
        canvas.text(at, 0, w.saturating_sub(at + 1), role, &words);
    }

    fn next_words(&self) -> (&'static str, Role, String) {
        if let Some(held) = &self.view.ui.snapshot.runbooks.held {
            return ("", Role::Warning, held.to_string());
        }
        if let Some(off) = self.view.ui.acting_is_off() {
            return ("", Role::Warning, off);
        }
        let Some(run) = self.run else {
            let gone = self.book.is_none();
            let words = if gone { "its file is gone".to_owned() } else { "begin a run; nothing runs before you say so".to_owned() };
            return (if gone { "" } else { "enter" }, Role::Emphasis, words);
        };
        if let Some((step, attempt)) = run.at_work() {
            let span = self.view.age(attempt.at);
            let limit = Window::from_secs(attempt.timeout_secs).map_or_else(String::new, |w| format!(" of at most {w}"));
            return ("", Role::Emphasis, format!("step `{}` runs for {span}{limit}; it goes on if you leave", step.plan.name));
        }
        match (run.state(), run.next()) {
            (RunState::Finished, _) if run.watched().is_some() => {
                ("", Role::Ok, "every step was taken; its effect is watched, and goes to the journal".to_owned())
            }
            (RunState::Finished, _) => ("", Role::Ok, "every step was taken; enter goes on to another run".to_owned()),
            (RunState::Aborted, _) => {
                let why = run.aborted.as_ref().map_or_else(String::new, |(by, _, why)| format!(" by {by:#}: {why}"));
                ("", Role::Muted, format!("this run was ended{why}; enter goes on to another"))
            }
            (_, None) => ("", Role::Text, String::new()),
            (_, Some(next)) => self.turn(run, next),
        }
    }

    /// What to do about the step whose turn it is.
    fn turn(&self, run: &Run, next: &RunStep) -> (&'static str, Role, String) {
        let name = format!("step {}, {}", self.number(&next.plan.name), next.plan.title);
        let undo = undoable(run).map_or("", |_| "U undoes · ");
        let failed = |what: &str| format!("{what}: {undo}s skips it with a reason · enter runs it again");
        match next.state() {
            _ if next.plan.approve > 0 => {
                let number = self.number(&next.plan.name);
                ("", Role::Warning, format!("step {number} needs others' approval, which cannot be asked for yet: s skips it"))
            }
            StepState::Unknown => ("", Role::Unknown, failed("nobody saw how it ended; look at what it did")),
            StepState::Failed | StepState::TimedOut | StepState::Cancelled | StepState::NotRun => {
                ("", Role::Critical, failed(next.state().word()))
            }
            _ if next.plan.is_manual() => ("enter", Role::Emphasis, format!("tick off {name}")),
            _ => ("enter", Role::Emphasis, format!("run {name} (it asks first)")),
        }
    }

    fn number(&self, name: &StepName) -> usize {
        self.open.order(self.view.ui).iter().position(|n| n == name).map_or(0, |at| at + 1)
    }

    fn steps(&self, canvas: &mut Canvas<'_>, order: &[StepName]) {
        let note = match (&self.run, self.open.others.len()) {
            (Some(run), _) => run.state().word().to_owned(),
            (None, 0 | 1) => String::new(),
            (None, n) => format!("tab: {n} match"),
        };
        canvas.rule(0, "steps", format_args!("{note}"), true);
        let selected = self.open.step_name(self.view.ui);
        let rows = usize::from(canvas.height().saturating_sub(1)).max(1);
        let at = order.iter().position(|n| Some(n) == selected.as_ref()).unwrap_or(0);
        let top = (at + 1).saturating_sub(rows);
        for (y, (n, name)) in (1..canvas.height()).zip(order.iter().enumerate().skip(top)) {
            self.step_line(canvas, y, n + 1, name);
            if n == at {
                canvas.select(y);
            }
        }
    }

    fn step_line(&self, canvas: &mut Canvas<'_>, y: u16, number: usize, name: &StepName) {
        let w = canvas.width();
        let of_run = self.run.and_then(|r| Some((r, r.step(name)?)));
        let of_book = self.book.and_then(|b| Some((b, b.step(name)?)));
        let title =
            of_run.map(|(_, s)| &s.plan.title).or(of_book.map(|(_, s)| &s.title)).map_or_else(|| name.to_string(), ToString::to_string);
        let (mark, role, word) = match (of_run, of_book) {
            (Some((run, step)), _) => self.state_of(run, step),
            (None, Some((book, step))) => {
                let word = if book.is_undo(&step.name) {
                    "undo"
                } else if step.approve > 0 {
                    "gate"
                } else {
                    step.kind.word()
                };
                (" ", Role::Muted, word.to_owned())
            }
            (None, None) => (" ", Role::Muted, String::new()),
        };
        canvas.text(1, y, 1, role, mark);
        let right = canvas.right(w.saturating_sub(13), y, 12, role, format_args!("{word}"));
        let muted = word == "undo" || word == "waiting";
        canvas.write(3, y, right.saturating_sub(4), if muted { Role::Muted } else { Role::Text }, format_args!("{number} {title}"));
    }

    /// Mark, role and word of a step.
    fn state_of(&self, run: &Run, step: &RunStep) -> (&'static str, Role, String) {
        let state = run.state_of(step);
        let took =
            step.attempts.last().and_then(|a| a.end.as_ref()?.took_ms).map(|ms| format!("{}", super::Age::secs(ms as f64 / 1_000.0)));
        match state {
            StepState::Waiting if step.plan.undoes_only => (" ", Role::Muted, "undo".to_owned()),
            StepState::Waiting if step.plan.approve > 0 => ("…", Role::Accent, "gate".to_owned()),
            StepState::Waiting => (" ", Role::Muted, if step.plan.is_manual() { "manual".to_owned() } else { "waiting".to_owned() }),
            StepState::NeedsApproval => ("…", Role::Accent, "gate".to_owned()),
            StepState::Ready => ("▸", Role::Accent, "next".to_owned()),
            StepState::Starting | StepState::Running | StepState::Cancelling => {
                let since = step.attempts.last().map_or_else(String::new, |a| self.view.age(a.at).to_string());
                let word = if state == StepState::Running { since } else { format!("{} {since}", state.word()) };
                ("▸", Role::Accent, word)
            }
            StepState::Done => ("✓", Role::Ok, took.unwrap_or_else(|| "done".to_owned())),
            StepState::Skipped => ("○", Role::Muted, "skipped".to_owned()),
            StepState::Unknown => ("?", Role::Unknown, "unknown".to_owned()),
            StepState::Failed | StepState::TimedOut | StepState::Cancelled | StepState::NotRun => {
                ("✗", Role::Critical, state.word().to_owned())
            }
        }
    }

    /// The step that is looked at: what it says and would do, what it has written, whether it helped.
    fn step(&self, canvas: &mut Canvas<'_>, area: Rect) -> u16 {
        let Some(name) = self.open.step_name(self.view.ui) else {
            canvas.piece(area).text(1, 0, area.width, Role::Muted, "this runbook has no steps");
            return 0;
        };
        let of_run = self.run.and_then(|r| Some((r, r.step(&name)?)));
        let effect = self.effect_lines(of_run, &name, area.width);
        // The effect keeps its place at the bottom; what is above scrolls.
        let below = u16::try_from(effect.len()).unwrap_or(0).min(area.height / 2);
        let upper = Rect { height: area.height - below, ..area };
        let rest = self.upper(canvas, upper, &name, of_run);
        let mut lower = canvas.piece(Rect { y: upper.bottom(), height: below, ..area });
        for (y, (role, line)) in (0..below).zip(effect) {
            if y == 0 {
                lower.rule(0, &line, format_args!(""), false);
            } else {
                lower.text(1, y, area.width.saturating_sub(2), role, &line);
            }
        }
        rest
    }

    fn upper(&self, canvas: &mut Canvas<'_>, area: Rect, name: &StepName, of_run: Option<(&Run, &RunStep)>) -> u16 {
        let w = area.width;
        let step = self.open.step(self.view.ui, name);
        let mut lines: Vec<(Role, String)> = Vec::new();
        let room = w.saturating_sub(2);
        for line in step.map(|s| s.prose.as_slice()).unwrap_or_default() {
            lines.extend(wrap(line.as_str(), room).into_iter().map(|l| (Role::Text, l)));
        }
        if let (None, true) = (step, self.run.is_some()) {
            lines.push((Role::Warning, "the file has changed since this run began: its text is not shown".to_owned()));
        }
        if let Some(step) = step {
            if !lines.is_empty() && area.height >= 10 {
                lines.push((Role::Text, String::new()));
            }
            let what = step.kind.does();
            let most = if of_run.is_some_and(|(_, s)| !s.attempts.is_empty()) { 3 } else { 12 };
            let more = what.len().saturating_sub(most);
            for (n, line) in what.iter().take(most).enumerate() {
                lines.push((Role::Emphasis, format!("{} {line}", if n == 0 { "$" } else { " " })));
            }
            if more > 0 {
                lines.push((Role::Muted, format!("  {more} more lines: d shows all")));
            }
            lines.extend(facts(step).into_iter().flat_map(|(role, fact)| wrap(&fact, room).into_iter().map(move |l| (role, l))));
        }
        let fixed = lines.len();
        if let Some((_, step)) = of_run {
            lines.extend(self.done(step, room));
        }
        if self.run.is_none() && self.book.is_some() {
            return self.with_history(canvas, area, name, &lines);
        }
        let output = lines.len() > fixed;
        self.scrolled(canvas, area, name, &lines, output)
    }

    /// Draw lines; what a step writes is followed at its end.
    fn scrolled(&self, canvas: &mut Canvas<'_>, area: Rect, name: &StepName, lines: &[(Role, String)], follow: bool) -> u16 {
        let mut piece = canvas.piece(area);
        piece.rule(0, &self.titled(name), format_args!("{}", self.kind(name)), false);
        let rows = usize::from(area.height.saturating_sub(1));
        let surplus = lines.len().saturating_sub(rows);
        let back = usize::from(self.open.scroll);
        let top = if follow { surplus.saturating_sub(back) } else { back.min(surplus) };
        for (y, (role, line)) in (1..area.height).zip(lines.iter().skip(top)) {
            piece.text(1, y, area.width.saturating_sub(2), *role, line);
        }
        u16::try_from(if follow { top } else { surplus - top }).unwrap_or(u16::MAX)
    }

    fn with_history(&self, canvas: &mut Canvas<'_>, area: Rect, name: &StepName, lines: &[(Role, String)]) -> u16 {
        let Some(book) = self.book else { return 0 };
        let runs = self.view.snapshot.runs.values().filter(|r| r.runbook == book.id).count().min(4);
        let height = if runs > 0 && area.height >= 10 { u16::try_from(runs).unwrap_or(4) + 1 } else { 0 };
        let upper = Rect { height: area.height - height, ..area };
        let below = self.scrolled(canvas, upper, name, lines, false);
        if height > 0 {
            let mut lower = canvas.piece(Rect { y: upper.bottom(), height, ..area });
            lower.rule(0, "runs before", format_args!(""), false);
            runbooks::history(&mut lower, 1, usize::from(height - 1), book, self.view);
        }
        below
    }

    fn titled(&self, name: &StepName) -> String {
        let title = self.run.and_then(|r| r.step(name)).map(|s| &s.plan.title);
        let title = title.or(self.book.and_then(|b| b.step(name)).map(|s| &s.title)).map_or("", |t| t.as_str());
        format!("{} {title}", self.number(name))
    }

    fn kind(&self, name: &StepName) -> String {
        let Some(step) = self.open.step(self.view.ui, name) else { return String::new() };
        match step.hash() {
            None => step.kind.word().to_owned(),
            Some(hash) => format!("{} · timeout {} · {}", step.kind.word(), span(step.timeout), hash.short()),
        }
    }

    /// What became of a step so far.
    fn done(&self, step: &RunStep, room: u16) -> Vec<(Role, String)> {
        let mut lines = Vec::new();
        match &step.settled {
            Some(Settled::Skipped { by, at, reason }) => {
                lines.push((Role::Muted, format!("skipped {} by {by:#}: {reason}", self.view.when(*at, false))));
            }
            Some(Settled::Ticked { by, at, note }) => {
                let note = note.as_ref().map_or_else(String::new, |n| format!(": {n}"));
                lines.push((Role::Ok, format!("done {} by {by:#}{note}", self.view.when(*at, false))));
            }
            None => {}
        }
        let Some(attempt) = step.attempts.last() else { return lines };
        let times = if step.attempts.len() > 1 { format!(", attempt {}", step.attempts.len()) } else { String::new() };
        lines.push((Role::Muted, format!("── output, started {} by {:#}{times} ──", self.view.when(attempt.at, true), attempt.by)));
        // Every character where it stands, and none of them cut off.
        lines.extend(self.output(attempt).into_iter().flat_map(|(role, line)| pieces(&line, room).into_iter().map(move |l| (role, l))));
        lines.extend(self.ended(attempt));
        lines
    }

    /// What an attempt has written, as far as it is here.
    fn output(&self, attempt: &Attempt) -> Vec<(Role, String)> {
        let live = self.view.snapshot.output.as_ref().filter(|o| o.key == attempt.key);
        let Some(output) = live else {
            let kept = attempt.end.as_ref().and_then(|e| e.output.as_ref());
            let last = kept.map(|o| o.last.raw().lines().map(Text::clean).collect::<Vec<_>>()).unwrap_or_default();
            return last.into_iter().map(|l| (Role::Text, l.to_string())).collect();
        };
        let omitted = (output.omitted > 0).then(|| (Role::Muted, format!("({} bytes before are not shown)", output.omitted)));
        omitted.into_iter().chain(output.lines.iter().map(|l| (Role::Text, l.to_string()))).collect()
    }

    fn ended(&self, attempt: &Attempt) -> Vec<(Role, String)> {
        let Some(end) = &attempt.end else {
            let asked = attempt.cancel.as_ref().map(|(by, at)| format!("{by:#} wants it to end since {}", self.view.when(*at, true)));
            return asked.map(|words| (Role::Warning, words)).into_iter().collect();
        };
        let (mark, role) = match end.how {
            How::Ok => ("✓", Role::Ok),
            How::Unknown => ("?", Role::Unknown),
            _ => ("✗", Role::Critical),
        };
        let mut lines = vec![(role, format!("{mark} {end}"))];
        lines.extend(end.left.iter().map(|left| (Role::Warning, format!("still there: {} (pid {})", left.name, left.process.pid))));
        lines
    }

    /// The effect that is wished for and how it stands; the first line is its head.
    fn effect_lines(&self, of_run: Option<(&Run, &RunStep)>, name: &StepName, width: u16) -> Vec<(Role, String)> {
        let own = of_run.and_then(|(_, s)| s.plan.effect.as_ref()).or_else(|| self.book?.step(name)?.effect.as_ref());
        // Beside a step that is to change nothing what the one before has changed stays in sight.
        let before = || {
            let run = self.run?;
            let ran = |s: &&RunStep| s.plan.effect.is_some() && s.attempts.iter().any(|a| a.ended_at.is_some());
            run.steps.iter().rev().find(ran).map(|step| (run, step))
        };
        let of_run = if own.is_some() { of_run } else { before() };
        let Some(wish) = own.or_else(|| of_run?.1.plan.effect.as_ref()) else { return Vec::new() };
        let whose = if own.is_some() {
            String::new()
        } else {
            of_run.map_or_else(String::new, |(_, s)| format!(" of step {}", self.number(&s.plan.name)))
        };
        let head = (Role::Muted, format!("effect{whose}: {wish}"));
        let after = of_run.and_then(|(run, step)| aftermath(run, step, self.view.snapshot, self.view.now));
        let judged = of_run.and_then(|(_, s)| s.attempts.iter().rev().find_map(|a| a.judged.as_ref()));
        let told = match (judged, after) {
            (Some(judgement), _) => vec![of_judgement(judgement)],
            (None, Some(after)) => {
                let stands = match &after.stands {
                    Stands::Settling { until } => (Role::Muted, format!("settling, judged from {}", self.view.when(*until, false))),
                    Stands::Watching { until } => (Role::Muted, format!("not yet; watched until {}", self.view.when(*until, false))),
                    Stands::Judged(judgement) => of_judgement(judgement),
                };
                vec![(Role::Emphasis, after.values()), stands]
            }
            (None, None) => {
                let now =
                    crate::domain::baseline(self.view.snapshot, &wish.signal).map_or_else(|| "—".to_owned(), |v| wish.signal.shown(v));
                vec![(Role::Text, format!("{} {now} now; watched once the step has run", wish.signal.word()))]
            }
        };
        let room = width.saturating_sub(2);
        let lines = told.into_iter().flat_map(|(role, text)| wrap(&text, room).into_iter().map(move |l| (role, l)).collect::<Vec<_>>());
        std::iter::once(head).chain(lines).collect()
    }

    /// Exactly what would run: all of it, to the last byte.
    fn dry(&self, canvas: &mut Canvas<'_>) -> u16 {
        let Some(name) = self.open.step_name(self.view.ui) else { return 0 };
        let w = canvas.width();
        let step = self.open.step(self.view.ui, &name).zip(self.book);
        let lines = step.map_or_else(
            || vec![(Role::Warning, "the file has changed since this run began, or is gone".to_owned())],
            |(step, book)| dry_lines(step, self.open, self.run, book, w.saturating_sub(2)),
        );
        let rows = usize::from(canvas.height().saturating_sub(1));
        let top = usize::from(self.open.scroll).min(lines.len().saturating_sub(rows));
        let below = lines.len().saturating_sub(top + rows);
        let note = if below > 0 { format!("nothing runs here · j for {below} more") } else { "nothing runs here".to_owned() };
        let title = format!("dry run: {}", self.titled(&name));
        canvas.rule(0, &brief(&title, w.saturating_sub(cells(&note) + 12)), format_args!("{note}"), true);
        for (y, (role, line)) in (1..canvas.height()).zip(lines.iter().skip(top)) {
            canvas.text(1, y, w.saturating_sub(2), *role, line);
        }
        u16::try_from(below).unwrap_or(u16::MAX)
    }
}

fn of_judgement(judgement: &Judgement) -> (Role, String) {
    match judgement {
        Judgement::Reached { .. } => (Role::Ok, format!("✓ {judgement}")),
        Judgement::CannotTell { .. } => (Role::Unknown, format!("? {judgement}")),
        _ => (Role::Warning, format!("▲ {judgement}")),
    }
}
