//! The nouns of the field and their arithmetic. No clock, no input or output: `now` is always a parameter.
//!
//! Everything else is built of these: the backends turn their wire formats into them, the engine folds them into a [`Snapshot`], the
//! screen and the commands read that. What is computed here is the same everywhere.

mod aftermath;
mod alert;
mod audit;
mod burn;
mod calendar;
mod called;
mod double;
mod drill;
mod duty;
mod fairness;
mod grouping;
mod handoff;
mod holds;
mod hours;
mod incident;
mod latencies;
mod latency_sli;
mod leg;
mod matcher;
mod on_call;
mod paged;
mod plan;
mod probe;
mod queue;
mod request;
mod response;
mod rota;
mod rotation;
mod run;
mod runbook;
mod selector;
mod shift;
mod sli;
mod slo;
mod snapshot;
mod taking;
mod text;
mod thread;
mod timeline;
mod told;
mod window;

pub use aftermath::{Aftermath, Over, PATIENCE, SETTLE, Sighting, Stands, Watched, aftermath, baseline, judge, sight, undecided};
pub use alert::{Episode, Labels, Severity};
pub use audit::{ACK_PREFIX, Ack, Actor, Delivery, Effect, Entry, Escalation, Outcome, Release, Target, What, ack_comment, mark};
pub use burn::{BurnRate, Grade, Rule, burn_rate, time_to_exhaustion, workbook};
pub use calendar::{instant, midnight, read_day, read_moment, wall};
pub use called::{Call, Calls, TOGETHER};
pub use double::{DoubleCover, Doubled, double_cover};
pub use drill::{DRILL_PREFIX, Drill, DrillEnd, Drilled, Played, Taken, drill_subject, last_rehearsed, outcome};
pub use duty::{Duty, gaps_of, shifts_of};
pub use fairness::{Balance, Burden, Fairness, Page, USUAL_NIGHT, balance, fairness};
pub use grouping::{GroupBy, GroupRule, common, grouped, order};
pub use handoff::{BadHandoff, Every};
pub use holds::{Coverage, Hold, HoldState, Lapsing, WARNING, board, coverage, hold_subject, lapsing, silence_comment, spoken};
pub use hours::{BadHours, Hours, read_time};
pub use incident::{Incident, Link, Origin, Status};
pub use latencies::{Latencies, Minute, Quantiles, quantiles};
pub use latency_sli::{Bound, HistogramLatency};
pub use leg::{Leg, LegState, Seen, together};
pub use matcher::{LabelMatcher, Matchers, shown_matchers, silence_subject};
pub use on_call::{OnCallEntry, on_call_for};
pub use paged::{Holder, Moment, PagedIncident, person_of};
pub use plan::{AckPolicy, Ask, Definition, Feed, Lane, Person, Plan, Service, SourcePlan, Want};
pub use probe::{Certificate, Phases, Probed};
pub use queue::{
    Age, BadPattern, GaugeTable, Measure, QueueCell, QueueGauges, QueueMark, QueueMemory, QueuePattern, QueueRow, QueueRule, QueueSample,
    QueueState, QueueTrail, QueueVerdict, STALLED, Stall, UNLESS_TOLD, worst_first,
};
pub use request::{Act, Question, Request, RunVerb, Verb};
pub use response::{LOOKS_BACK, Mean, Response, SERVICE_LABELS, response, service_of_labels};
pub use rota::{Book, Handoff, HandoffNote, Held, MadeOverride, Place, ROTATION_PREFIX, Rota, RotationLog, SeatRow, rotation_subject};
pub use rotation::{BadRotation, Layer, Override, Rotation};
pub use run::{
    Attempt, BadVariable, Begun, End, Facts, GIVEN_LATER, How, Judgement, Left, Outline, OutputMark, Process, RUN_KEY, RUN_PREFIX, Run,
    RunEvent, RunId, RunRefusal, RunState, RunStep, Settled, Started, StepOutput, StepState, Variables, legible, variables,
};
pub use runbook::{
    Check, Command, Comparison, EffectWish, Expectation, Hangup, Hash, HttpCall, Input, LastRun, Library, Observed, Reason, Runbook, Shell,
    Signal, Step, StepKind, Unusable, variable_name,
};
pub use selector::{BadSelector, Matcher, Op, Selector, quote};
pub use shift::{Cover, GapInCover, Seat, Shift};
pub use sli::{Counted, ProbeEvents, Queries, QueueEvents, Ratio, Side, Sli, WINDOW};
pub use slo::{
    ActId, BadObjective, DefinitionId, EventCounts, Group, IncidentId, Objective, QueueId, RunbookId, SloId, SourceName, StepName,
    error_budget_remaining, events_left, outage_left_secs,
};
pub use snapshot::{
    Alerts, Answer, Cell, Counter, Duties, Event, Fault, FaultClass, Figure, FiringAlert, Freshness, GroupCounts, History, LeaseView, Part,
    Points, Reading, RuleState, Scraped, Silence, SloRow, Snapshot, SourceRow, State, StoreState, Toast, Verdict,
};
pub use taking::{Keeping, MOST_PLACES, Silencing, books, legs_to_take};
pub use text::{Text, Untrusted, clean, is_plain};
pub use thread::{Open, Thread};
pub use timeline::{Chronicle, Log, Passage, Teller, over_at, taken_at, timeline};
pub use told::{Told, rotas_of};
pub use window::{BadWindow, Interval, Window};
