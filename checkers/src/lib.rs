//! Is a real server fit to serve?
//!
//! A [`CheckSpec`] says how a [`Target`] is to be asked and when; [`Checkers`] is the pure engine that decides when to
//! ask (`schedule`), what the answers mean (`judge`) and who wants to know (`fanout`); with the feature `io`,
//! [`Runner`] does the asking, one file of `probe` for each kind.
//!
//! ```text
//! configure ──> Checkers ──poll_action──> Start/Cancel ──> Runner ──next──> handle_outcome ──> Verdict
//! ```
//!
//! This crate knows nothing of virtual servers, weights in the kernel, configuration files or VRRP. A new kind of
//! check is a new file in `spec` and one in `probe`, an arm in each of their `match`es, and whatever new `Failure`s
//! it can see.

#[cfg(feature = "io")]
mod alarm;
mod checkers;
mod failure;
mod fanout;
mod judge;
pub mod lan;
mod lane;
mod moment;
mod outcome;
#[cfg(feature = "io")]
mod probe;
mod probed;
#[cfg(feature = "io")]
mod runner;
mod schedule;
mod snapshot;
pub mod spec;

#[cfg(feature = "io")]
pub use alarm::Alarm;
pub use checkers::{Action, Checkers, Load, Reconfigured, Report, RunId};
pub use failure::{DnsFault, DrFault, Failure, LocalFault, SmtpStep, Stage, Unreachable};
pub use judge::{Judge, Next, Ruling};
pub use lane::Limits;
pub use outcome::{Certificate, Outcome, Verdict, Weight};
#[cfg(feature = "io")]
pub use probe::answers;
pub use probed::{Counts, Last, Latency, Status};
#[cfg(feature = "io")]
pub use runner::Runner;
pub use snapshot::Snapshot;
pub use spec::{Cadence, CheckSpec, Connection, First, ProbeKey, ProbeKind, Step, Target};
