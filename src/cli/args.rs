//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::domain::{RunId, Window};

/// A reliability cockpit for the terminal: what burns, since when, who has it, what to do next.
#[derive(Debug, Parser)]
#[command(name = "burnwatch", version, disable_help_subcommand = true, max_term_width = 100)]
#[command(
    after_help = "Without a command the cockpit opens. Exit codes: 0 yes, done, ok; 1 no, refused, problems found, status warning or \
                        critical; 2 could not tell or not delivered; 64 wrong usage."
)]
pub struct Cli {
    /// What to do; the cockpit if nothing is said
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How and where
    #[command(flatten)]
    pub common: Common,
}

/// What every command understands.
#[derive(Clone, Debug, Default, Args)]
pub struct Common {
    /// Configuration file [default: `$BURNWATCH_CONFIG`, then the user's, /etc/burnwatch/, ./burnwatch.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Another folder for the store than the configured one
    #[arg(long, global = true, value_name = "FOLDER")]
    pub store: Option<PathBuf>,
    /// Watch only: no acts from here
    #[arg(long, global = true)]
    pub read_only: bool,
    /// Who acts, where the operating system cannot tell (root without a login, a shared account); recorded as unverified
    #[arg(id = "as", long = "as", global = true, value_name = "NAME")]
    pub who: Option<String>,
    /// Write a structured, redacted log to this file
    #[arg(long, global = true, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// How the cockpit looks
    #[command(flatten)]
    pub look: Look,
}

/// How the cockpit looks.
#[derive(Clone, Debug, Default, Args)]
pub struct Look {
    /// Theme: night, day, high-contrast, colorblind
    #[arg(long, global = true, value_name = "NAME")]
    pub theme: Option<String>,
    /// Marks and lines in ASCII only
    #[arg(long, global = true)]
    pub ascii: bool,
    /// Fewer bytes: the clock by the minute, ages in steps, 256 colours
    #[arg(long, global = true)]
    pub low_bandwidth: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The cockpit, or with --headless only its collecting: it polls, keeps the figures and extends acknowledgements, without a screen
    Watch {
        /// Without a screen: for a service that runs when nobody looks
        #[arg(long)]
        headless: bool,
    },
    /// The cockpit on a practice fleet: nothing to install, nothing left behind
    Demo,
    /// Rehearse an incident on the practice fleet; what comes of it is journalled
    Drill(DrillArgs),
    /// An order to the practice fleet, for the steps of its runbooks
    #[command(hide = true)]
    Shop {
        /// The order: look checkout
        words: Vec<String>,
    },
    /// Every mistake of the configuration with its file, line and column
    Check {
        /// Also ask each source once and say what it found
        #[arg(long)]
        live: bool,
    },
    /// What the cockpit would show, without a screen
    Status {
        /// As JSON, documented in docs/STATUS.md
        #[arg(long)]
        json: bool,
    },
    /// What is open, or one incident in full with what happened to it
    Incidents {
        /// The incident; a unique beginning is enough. All that are open if left out
        id: Option<String>,
        /// As JSON, documented in docs/STATUS.md
        #[arg(long)]
        json: bool,
    },
    /// Acknowledge an incident: it is yours until it clears
    Ack {
        /// The incident, as `incidents` names it; a unique beginning is enough
        id: String,
        /// What to say about it
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
        /// Take it also from somebody who has it, or hold it anew
        #[arg(long)]
        take_over: bool,
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
    /// Give an acknowledged incident back
    Unack {
        /// The incident, as `incidents` names it; a unique beginning is enough
        id: String,
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
    /// End an incident where it is kept (PagerDuty)
    Resolve {
        /// The incident, as `incidents` names it; a unique beginning is enough
        id: String,
        /// How it was resolved
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
    /// Say something about an incident: in its own book if it has one, and in the journal
    Note {
        /// The incident, as `incidents` names it; a unique beginning is enough
        id: String,
        /// What to say
        text: String,
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
    /// Hold an incident for a while, after which it is nobody's again (PagerDuty)
    Snooze {
        /// The incident, as `incidents` names it; a unique beginning is enough
        id: String,
        /// How long: 30m, 4h, at most 7d
        #[arg(long = "for", value_name = "DURATION")]
        span: Window,
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
    /// Hand an incident to the next level or to a person (PagerDuty)
    #[command(group = clap::ArgGroup::new("whom").required(true).args(["level", "to"]))]
    Escalate {
        /// The incident, as `incidents` names it; a unique beginning is enough
        id: String,
        /// The level of its escalation policy, from 1
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        level: Option<u32>,
        /// The person, as [[person]] names them
        #[arg(long, value_name = "NAME")]
        to: Option<String>,
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
    /// Hold back alerts by their labels; list what is held back, or end a silence
    #[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
    Silence {
        /// What to do with silences that are there
        #[command(subcommand)]
        what: Option<SilenceCommand>,
        /// What to hold back
        #[command(flatten)]
        new: NewSilence,
    },
    /// Who has the pager; 1 if nobody has, 2 if a source cannot tell
    #[command(args_conflicts_with_subcommands = true)]
    Oncall {
        /// When and of which rotation
        #[command(flatten)]
        look: OncallLook,
        /// What to do
        #[command(subcommand)]
        what: Option<OncallCommand>,
    },
    /// What to do about a trouble, step by step
    Runbook {
        /// What to do with runbooks
        #[command(subcommand)]
        what: RunbookCommand,
    },
    /// Let a ./burnwatch.toml run commands, as it stands now; only one that is merely found has to be trusted
    Trust {
        /// Which
        #[arg(default_value = "./burnwatch.toml", value_name = "FILE")]
        file: PathBuf,
    },
    /// One step of a runbook, as burnwatch starts itself to run it
    #[command(name = "__run-step", hide = true)]
    RunStep,
    /// What was done here, and whether the journal is as it was written
    Audit {
        /// What to tell of it
        #[command(subcommand)]
        what: AuditCommand,
    },
    /// The store: where acts are written down and readings shared
    Store {
        /// What to do with it
        #[command(subcommand)]
        what: StoreCommand,
    },
}

/// What to rehearse.
#[derive(Debug, Args)]
pub struct DrillArgs {
    /// A scenario's name, or a file of one's own; the one that was rehearsed longest ago if left out
    #[arg(value_name = "NAME|FILE", conflicts_with = "list")]
    pub scenario: Option<String>,
    /// The scenarios and how they went last, runbooks never rehearsed, and alerts without a runbook
    #[arg(long)]
    pub list: bool,
    /// Without a screen: others join by the command that is told. Ends when nothing is wrong any more and every effect is judged
    #[arg(long, conflicts_with = "list")]
    pub headless: bool,
    /// How long it may take without a screen, as 10m [default: 30m]
    #[arg(long = "for", value_name = "DURATION", requires = "headless")]
    pub limit: Option<Window>,
    /// As JSON, documented in docs/STATUS.md
    #[arg(long)]
    pub json: bool,
}

/// A silence to make.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["id", "matcher"]))]
pub struct NewSilence {
    /// The incident whose labels it asks for, as `status` names it; a unique beginning is enough
    pub id: Option<String>,
    /// What it asks of alerts: service="checkout", zone!="eu", alertname=~"Slow.*"; may be given several times
    #[arg(long, value_name = "MATCHER")]
    pub matcher: Vec<String>,
    /// In which Alertmanager, where there are several
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// How long: 30m, 2h, 1d
    #[arg(long = "for", value_name = "DURATION", required = true)]
    pub span: Option<Window>,
    /// Why
    #[arg(long, value_name = "TEXT", required = true)]
    pub comment: Option<String>,
    /// Say what it would hold back, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print the outcome as JSON, documented in docs/STATUS.md
    #[arg(long)]
    pub json: bool,
}

/// When to look, and at which rotation.
#[derive(Clone, Debug, Default, Args)]
pub struct OncallLook {
    /// At that time: "2026-12-24 18:00" in the cockpit's zone, "18:00" for today, "+3h", or with an offset [default: now]
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub at: Option<String>,
    /// All shifts until then
    #[arg(long, value_name = "T")]
    pub until: Option<String>,
    /// Only this rotation
    #[arg(long, value_name = "R")]
    pub rotation: Option<String>,
    /// As JSON, documented in docs/STATUS.md
    #[arg(long)]
    pub json: bool,
}

/// What to run.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct RunWords {
    /// Which runbook, by its file's name without .md; or the number of a run, to go on in that one
    pub name: String,
    /// For which incident; a unique beginning is enough. Its labels reach the steps as variables
    #[arg(long, value_name = "ID")]
    pub incident: Option<String>,
    /// What a step asks for: region=eu; may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    pub input: Vec<String>,
    /// This step, instead of the one whose turn it is
    #[arg(long, value_name = "NAME", conflicts_with = "all")]
    pub step: Option<String>,
    /// One step after the other, until one fails or is for a person
    #[arg(long)]
    pub all: bool,
    /// Run a step again of which nobody knows how it ended: you have looked at what it did
    #[arg(long)]
    pub again: bool,
    /// Also what the runbook calls dangerous
    #[arg(long)]
    pub yes: bool,
    /// Show exactly what would run, and run nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print how the run stands in the end as JSON, documented in docs/STATUS.md, and no output
    #[arg(long)]
    pub json: bool,
}

/// What to take back.
#[derive(Debug, Args)]
pub struct UndoWords {
    /// Which run: 0192
    pub run: RunId,
    /// The step to take back
    pub step: String,
    /// What the step that takes it back asks for: region=eu; may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    pub input: Vec<String>,
    /// Print how the run stands in the end as JSON, and no output
    #[arg(long)]
    pub json: bool,
}

/// What to do with silences that are there.
#[derive(Debug, Subcommand)]
pub enum SilenceCommand {
    /// Acknowledgements and silences, what ends first on top
    List {
        /// As JSON, documented in docs/STATUS.md
        #[arg(long)]
        json: bool,
    },
    /// End a silence; of an acknowledgement, give it back
    Expire {
        /// The silence, as `silence list` names it; a unique beginning is enough
        id: String,
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
}

/// What to do about who is on call.
#[derive(Debug, Subcommand)]
pub enum OncallCommand {
    /// Give a seat of a rotation to somebody for some time
    Override {
        /// What to do
        #[command(subcommand)]
        what: OverrideCommand,
    },
    /// Leave a note to whoever takes over at the next handoff: what is open, what was promised
    Note {
        /// Of which rotation
        #[arg(long, value_name = "R")]
        rotation: String,
        /// What to say
        text: String,
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
    /// Say that the note of a rotation was read
    Read {
        /// Of which rotation
        #[arg(long, value_name = "R")]
        rotation: String,
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
}

/// What to do about overrides.
#[derive(Debug, Subcommand)]
pub enum OverrideCommand {
    /// Give a seat to somebody; times as with --at
    Add(OverrideAdd),
    /// Those in force and ahead, of the configuration and of the journal
    List {
        /// Only of this rotation
        #[arg(long, value_name = "R")]
        rotation: Option<String>,
        /// As JSON, documented in docs/STATUS.md
        #[arg(long)]
        json: bool,
    },
}

/// An override to be made.
#[derive(Clone, Debug, Args)]
pub struct OverrideAdd {
    /// Of which rotation
    #[arg(long, value_name = "R")]
    pub rotation: String,
    /// Who, as [[person]] names them
    #[arg(long, value_name = "NAME")]
    pub who: String,
    /// From when
    #[arg(long, value_name = "T")]
    pub from: String,
    /// Until when
    #[arg(long, value_name = "T")]
    pub to: String,
    /// Which seat: primary, secondary, mentor
    #[arg(long, value_name = "S", default_value = "primary", value_parser = ["primary", "secondary", "mentor"])]
    pub seat: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Print the outcome as JSON
    #[arg(long)]
    pub json: bool,
}

/// What to do with runbooks.
#[derive(Debug, Subcommand)]
pub enum RunbookCommand {
    /// The runbooks there are, when each was last run and what came of it
    List {
        /// Only those that match this incident, the fittest first; 1 if there is none
        #[arg(long = "for", value_name = "INCIDENT")]
        incident: Option<String>,
        /// As JSON, documented in docs/STATUS.md
        #[arg(long)]
        json: bool,
    },
    /// One runbook in full, with exactly what its steps would run
    Show {
        /// Which, as `list` names it; a unique beginning is enough
        id: String,
        /// As JSON, documented in docs/STATUS.md
        #[arg(long)]
        json: bool,
    },
    /// Every mistake of runbooks at its line; 1 if there is any
    Lint {
        /// Which files; all that the configuration names if left out
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Run the next step of a runbook, in the run that is open or in a new one; its output goes to stdout
    Run(RunWords),
    /// How a run stands; those that are open and the newest others if none is named
    Status {
        /// Which run: 0192
        run: Option<RunId>,
        /// As JSON, documented in docs/STATUS.md
        #[arg(long)]
        json: bool,
    },
    /// Come back to the step that runs, or ran last: what it wrote, and what it writes until it ends
    Attach {
        /// Which run: 0192
        run: RunId,
        /// No output, and how the run stands in the end as JSON
        #[arg(long)]
        json: bool,
    },
    /// Say that the step whose turn it is was done by hand
    Tick {
        /// Which run: 0192
        run: RunId,
        /// What to say about it
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
        /// Print how the run stands as JSON
        #[arg(long)]
        json: bool,
    },
    /// Leave the step whose turn it is out
    Skip {
        /// Which run: 0192
        run: RunId,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Print how the run stands as JSON
        #[arg(long)]
        json: bool,
    },
    /// Take a step back by the step that the runbook names for that
    Undo(UndoWords),
    /// End the step that runs, or what a lost one has left running
    Cancel {
        /// Which run: 0192
        run: RunId,
        /// Print how the run stands as JSON
        #[arg(long)]
        json: bool,
    },
    /// End a run before its end, and the step that runs
    Abort {
        /// Which run: 0192
        run: RunId,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Print how the run stands as JSON
        #[arg(long)]
        json: bool,
    },
}

/// What to tell of the journal.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// The newest entries, oldest first
    List {
        /// How many
        #[arg(long, default_value_t = 50, value_name = "COUNT")]
        last: u32,
        /// As JSON, documented in docs/STATUS.md
        #[arg(long)]
        json: bool,
    },
    /// Go through the whole journal: is every entry as it was written, and is the end still there?
    Verify {
        /// Print the verdicts as JSON
        #[arg(long)]
        json: bool,
    },
}

/// What to do with the store.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Make a store that a group of people on this host shares
    Init {
        /// The group that may read and write it
        #[arg(long, value_name = "GROUP")]
        group: String,
    },
}
