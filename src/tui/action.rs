//! What a key can mean.

use super::state::Screen;

/// What a key means, once mode and keymap have had their say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Show a screen.
    Go(Screen),
    /// Move the selection so many rows down (up if negative); in a detail, scroll.
    Step(i32),
    /// Move the selection so many pages down (up if negative).
    Page(i32),
    /// Select the first row, and stay with whatever is first.
    First,
    /// Select the last row.
    Last,
    /// Open what is selected.
    Open,
    /// Close what is open: detail, filter, failure, in this order of nearness.
    Back,
    /// Give the keys to the next pane.
    NextPane,
    /// Ask for a filter.
    Filter,
    /// Sort by the next key.
    Sort,
    /// Ask whether to take what is selected.
    Acknowledge,
    /// Ask whether to give back what is selected.
    Unacknowledge,
    /// Write a silence for what is selected or marked.
    Silence,
    /// Ask whether to end the silence that is selected.
    Expire,
    /// Mark the selected row, or take its mark away.
    Mark,
    /// Mark all rows of the list, or take all marks away.
    MarkAll,
    /// Take a matcher of a silence in, or leave it out.
    Toggle,
    /// Compare a matcher's label in the next way.
    Compare,
    /// Add a matcher to a silence.
    Add,
    /// Ask whether to send the silence.
    Send,
    /// Ask whether to end what is selected where it is kept.
    Resolve,
    /// Ask how long to hold what is selected.
    Snooze,
    /// Ask to whom to hand what is selected.
    Escalate,
    /// Open the runbook that matches what is selected.
    Runbook,
    /// Show exactly what would run.
    DryRun,
    /// Ask why to leave a step out.
    Skip,
    /// Ask whether to take a step back.
    Undo,
    /// Ask whether to end what runs.
    Cancel,
    /// Ask why to end a run.
    Abort,
    /// Copy the id of what is selected.
    Copy,
    /// Ask every source now.
    Refresh,
    /// Show the keys.
    Help,
    /// Leave.
    Quit,
    /// Stop until the shell says `fg`.
    Suspend,
    /// Draw everything anew.
    Redraw,
    /// Do what the prompt says.
    Accept,
    /// Write a note: on what is selected; at a prompt, along with what it says; on the on-call screen, to whoever takes over.
    Note,
    /// A character typed into a prompt.
    Type(char),
    /// Text pasted into a prompt.
    Paste(String),
    /// Take back the last character.
    Erase,
    /// Take back the last word.
    EraseWord,
    /// Take back all of it.
    EraseAll,
}
