//! One table: which chord means which [`Action`], where. Help and footer are made from it.

use std::fmt;

use super::{
    action::Action,
    state::{Mode, Screen, Ui},
};

/// A key without its modifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// A printable character, as typed (capital with shift).
    Char(char),
    /// Return.
    Enter,
    /// Escape.
    Esc,
    /// Tab.
    Tab,
    /// Shift and tab.
    BackTab,
    /// Backspace.
    Backspace,
    /// Cursor up.
    Up,
    /// Cursor down.
    Down,
    /// Cursor left.
    Left,
    /// Cursor right.
    Right,
    /// To the beginning.
    Home,
    /// To the end.
    End,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
}

/// A key with or without control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Chord {
    /// The key.
    pub key: Key,
    /// Whether control was held.
    pub ctrl: bool,
}

impl Chord {
    /// A key by itself.
    pub const fn plain(key: Key) -> Self {
        Self { key, ctrl: false }
    }
    /// A character by itself.
    pub const fn char(c: char) -> Self {
        Self::plain(Key::Char(c))
    }
    /// Control and a character.
    pub const fn ctrl(c: char) -> Self {
        Self { key: Key::Char(c), ctrl: true }
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = if self.ctrl { "ctrl-" } else { "" };
        match self.key {
            Key::Char(' ') => write!(f, "{prefix}space"),
            Key::Char(c) => write!(f, "{prefix}{c}"),
            Key::Enter => f.write_str("enter"),
            Key::Esc => f.write_str("esc"),
            Key::Tab => f.write_str("tab"),
            Key::BackTab => f.write_str("shift-tab"),
            Key::Backspace => f.write_str("backspace"),
            Key::Up => f.write_str("up"),
            Key::Down => f.write_str("down"),
            Key::Left => f.write_str("left"),
            Key::Right => f.write_str("right"),
            Key::Home => f.write_str("home"),
            Key::End => f.write_str("end"),
            Key::PageUp => f.write_str("pgup"),
            Key::PageDown => f.write_str("pgdn"),
        }
    }
}

/// Where a binding holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Everywhere, whatever is open.
    Always,
    /// On the screens.
    Screens,
    /// In a runbook.
    Runbook,
    /// While a prompt waits for yes or no.
    Prompt,
    /// While a silence is written.
    Editor,
    /// While text is typed.
    Typing,
}

impl Scope {
    /// The head in help.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Always => "everywhere",
            Self::Screens => "on a screen",
            Self::Runbook => "in a runbook",
            Self::Prompt => "at a prompt",
            Self::Editor => "in a silence",
            Self::Typing => "while typing",
        }
    }
    const fn of(mode: &Mode) -> Self {
        match mode {
            Mode::Normal | Mode::Help(_) => Self::Screens,
            Mode::Handing(handing) if handing.is_typing() => Self::Typing,
            Mode::Confirm(_) | Mode::Deeds(_) | Mode::Handing(_) | Mode::RunConfirm(_) => Self::Prompt,
            Mode::Silence(_) => Self::Editor,
            Mode::Filter(_)
            | Mode::Note(..)
            | Mode::Name(..)
            | Mode::NoteAll(..)
            | Mode::NameAll(..)
            | Mode::Field(..)
            | Mode::Length(..)
            | Mode::Whom(..)
            | Mode::RunWords(..)
            | Mode::Naming(_) => Self::Typing,
        }
    }
}

/// One line of the table. Chords that mean the same stand in one line.
#[derive(Clone, Debug)]
pub struct Binding {
    /// Where.
    pub scope: Scope,
    /// Which keys.
    pub chords: Vec<Chord>,
    /// What they mean.
    pub action: Action,
    /// In a few words, for help.
    pub help: &'static str,
    /// In one or two words, for the footer; empty if it does not stand there.
    pub footer: &'static str,
}

/// The table.
#[derive(Clone, Debug)]
pub struct Keymap {
    bindings: Vec<Binding>,
}

impl Keymap {
    /// All lines, in the order of help.
    pub fn bindings(&self) -> &[Binding] {
        &self.bindings
    }

    /// What `chord` means; `None` if nothing.
    pub fn lookup_in(&self, ui: &Ui, chord: Chord) -> Option<Action> {
        if !ui.reads() {
            return self.lookup(&ui.mode, chord);
        }
        let own = self.bindings.iter().find(|b| b.scope == Scope::Runbook && b.chords.contains(&chord)).map(|b| b.action.clone());
        // Of the other screens' keys those that only move or look.
        let looks = |action: &Action| {
            let moves = matches!(action, Action::Go(_) | Action::Step(_) | Action::Page(_) | Action::First | Action::NextPane);
            moves || matches!(action, Action::Copy | Action::Help | Action::Refresh | Action::Quit | Action::Suspend | Action::Redraw)
        };
        own.or_else(|| self.lookup(&ui.mode, chord).filter(looks))
    }

    /// What `chord` means in `mode`; `None` if nothing.
    pub fn lookup(&self, mode: &Mode, chord: Chord) -> Option<Action> {
        let scope = Scope::of(mode);
        let bound = |s: Scope| self.bindings.iter().find(|b| b.scope == s && b.chords.contains(&chord)).map(|b| b.action.clone());
        if matches!((mode, chord), (Mode::Help(_), Chord { key: Key::Char('q'), ctrl: false })) {
            return Some(Action::Back);
        }
        let typed = match (scope, chord) {
            (Scope::Typing, Chord { key: Key::Char(c), ctrl: false }) => Some(Action::Type(c)),
            _ => None,
        };
        bound(Scope::Always).or_else(|| bound(scope)).or(typed)
    }

    /// The key to name for `action`, if it is bound.
    pub fn chord_of(&self, action: &Action) -> Option<Chord> {
        self.bindings.iter().find(|b| b.action == *action).and_then(|b| b.chords.first().copied())
    }
}

impl Default for Keymap {
    fn default() -> Self {
        use Scope::{Always, Editor, Prompt, Runbook, Screens, Typing};
        let (c, k) = (Chord::char, Chord::plain);
        let line = |scope, chords: &[Chord], action, help, footer| Binding { scope, chords: chords.into(), action, help, footer };
        let bindings = vec![
            line(Screens, &[c('1')], Action::Go(Screen::Overview), "overview", ""),
            line(Screens, &[c('2')], Action::Go(Screen::Slos), "SLOs", ""),
            line(Screens, &[c('3')], Action::Go(Screen::Incidents), "incidents", ""),
            line(Screens, &[c('4')], Action::Go(Screen::Queues), "queues", ""),
            line(Screens, &[c('5')], Action::Go(Screen::OnCall), "on-call", ""),
            line(Screens, &[c('6')], Action::Go(Screen::Runbooks), "runbooks", ""),
            line(Screens, &[c('0')], Action::Go(Screen::Sources), "sources", ""),
            line(Screens, &[c('a')], Action::Acknowledge, "acknowledge, take over", "acknowledge"),
            line(Screens, &[c('A')], Action::Unacknowledge, "give it back", "give back"),
            line(Screens, &[c('r')], Action::Runbook, "the runbook that matches", "runbook"),
            line(Screens, &[c('S')], Action::Silence, "silence by labels", "silence"),
            line(Screens, &[c('x')], Action::Expire, "expire a silence (board)", "expire"),
            line(Screens, &[c('m')], Action::Mark, "mark the row, or not", "mark"),
            line(Screens, &[c('M')], Action::MarkAll, "mark all rows, or none", ""),
            line(Screens, &[c('n')], Action::Note, "note (on-call: handoff)", "note"),
            line(Screens, &[c('X')], Action::Resolve, "resolve it (PagerDuty)", "resolve"),
            line(Screens, &[c('Z')], Action::Snooze, "snooze it (PagerDuty)", "snooze"),
            line(Screens, &[c('E')], Action::Escalate, "escalate it (PagerDuty)", "escalate"),
            line(Screens, &[k(Key::Enter), k(Key::Right)], Action::Open, "open what is selected", "open"),
            line(Screens, &[k(Key::Esc), k(Key::Left)], Action::Back, "back; clears the filter", "back"),
            line(Screens, &[k(Key::Tab), k(Key::BackTab)], Action::NextPane, "other pane", "pane"),
            line(Screens, &[c('j'), k(Key::Down)], Action::Step(1), "down", "scroll"),
            line(Screens, &[c('k'), k(Key::Up)], Action::Step(-1), "up", ""),
            line(Screens, &[c('g'), k(Key::Home)], Action::First, "first row, stay on top", ""),
            line(Screens, &[c('G'), k(Key::End)], Action::Last, "last row", ""),
            line(Screens, &[k(Key::PageDown), c(' '), Chord::ctrl('f')], Action::Page(1), "page down", ""),
            line(Screens, &[k(Key::PageUp), Chord::ctrl('b')], Action::Page(-1), "page up", ""),
            line(Screens, &[c('/')], Action::Filter, "filter: regex, ! inverts", "filter"),
            line(Screens, &[c('s')], Action::Sort, "sort in the next way", "sort"),
            line(Screens, &[c('b')], Action::Go(Screen::Board), "acks and silences", "board"),
            line(Screens, &[c('y')], Action::Copy, "copy the id", "copy id"),
            line(Screens, &[c('R')], Action::Refresh, "ask every source now", "refresh"),
            line(Screens, &[c('?')], Action::Help, "these keys", "help"),
            line(Screens, &[c('q')], Action::Quit, "quit", "quit"),
            line(Runbook, &[k(Key::Enter), k(Key::Right)], Action::Open, "begin; the next step", "next"),
            line(Runbook, &[c('d')], Action::DryRun, "exactly what would run", "dry run"),
            line(Runbook, &[c('s')], Action::Skip, "skip it, with a reason", "skip"),
            line(Runbook, &[c('U')], Action::Undo, "undo a step", "undo"),
            line(Runbook, &[c('c')], Action::Cancel, "end what runs", "cancel step"),
            line(Runbook, &[c('x')], Action::Abort, "end the run", "abort"),
            line(Runbook, &[c('j'), k(Key::Down)], Action::Step(1), "look at the next step", "steps"),
            line(Runbook, &[c('k'), k(Key::Up)], Action::Step(-1), "at the one before", ""),
            line(Runbook, &[c('g'), k(Key::Home)], Action::First, "at the one that is next", ""),
            line(Runbook, &[k(Key::Tab), k(Key::BackTab)], Action::NextPane, "another that matches", "another"),
            line(Runbook, &[k(Key::Esc), k(Key::Left)], Action::Back, "leave; the step goes on", "leave"),
            line(Runbook, &[c('?')], Action::Help, "these keys", "help"),
            line(Prompt, &[k(Key::Enter)], Action::Accept, "do it", "do it"),
            line(Prompt, &[c('n')], Action::Note, "add a note", "note"),
            line(Prompt, &[k(Key::Esc), c('q')], Action::Back, "leave it", "leave"),
            line(Prompt, &[c('j'), k(Key::Down)], Action::Step(1), "down a long list", ""),
            line(Prompt, &[c('k'), k(Key::Up)], Action::Step(-1), "up", ""),
            line(Editor, &[c(' ')], Action::Toggle, "take it in, leave it out", "in or out"),
            line(Editor, &[c('o')], Action::Compare, "next of = != =~ !~", "= != =~ !~"),
            line(Editor, &[k(Key::Enter)], Action::Open, "change the line", "change"),
            line(Editor, &[c('+')], Action::Add, "add a matcher", "add"),
            line(Editor, &[c('S')], Action::Send, "ask whether to send it", "send"),
            line(Editor, &[k(Key::Esc)], Action::Back, "leave it", "leave"),
            line(Editor, &[c('j'), k(Key::Down), k(Key::Tab)], Action::Step(1), "down", ""),
            line(Editor, &[c('k'), k(Key::Up), k(Key::BackTab)], Action::Step(-1), "up", ""),
            line(Typing, &[k(Key::Enter)], Action::Accept, "done", ""),
            line(Typing, &[k(Key::Esc)], Action::Back, "leave it", ""),
            line(Typing, &[k(Key::Backspace), Chord::ctrl('h')], Action::Erase, "erase a character", ""),
            line(Typing, &[Chord::ctrl('w')], Action::EraseWord, "erase a word", ""),
            line(Typing, &[Chord::ctrl('u')], Action::EraseAll, "erase all", ""),
            line(Always, &[Chord::ctrl('l')], Action::Redraw, "draw everything anew", ""),
            line(Always, &[Chord::ctrl('z')], Action::Suspend, "to the shell until fg", ""),
            line(Always, &[Chord::ctrl('c')], Action::Quit, "quit", ""),
        ];
        Self { bindings }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_chord_means_two_things_in_one_place() {
        let keymap = Keymap::default();
        let mut seen = HashSet::new();
        for binding in keymap.bindings() {
            for chord in &binding.chords {
                assert!(seen.insert((binding.scope, *chord)), "{chord} twice {}", binding.scope.title());
                assert!(binding.scope == Scope::Always || !seen.contains(&(Scope::Always, *chord)), "{chord}");
            }
        }
    }

    #[test]
    fn global_keys_do_not_fire_while_typing() {
        let keymap = Keymap::default();
        let typing = Mode::Filter(super::super::state::Typed::default());
        assert_eq!(keymap.lookup(&typing, Chord::char('q')), Some(Action::Type('q')));
        assert_eq!(keymap.lookup(&typing, Chord::ctrl('c')), Some(Action::Quit));
        assert_eq!(keymap.lookup(&Mode::Normal, Chord::char('q')), Some(Action::Quit));
        assert_eq!(keymap.lookup(&Mode::Normal, Chord::char('Q')), None);
    }
}
