//! evenkeel, an LVS director.
//!
//! The map of the code, in the order in which a start runs through it:
//!
//! - [`cli`]: the command line; one file per subcommand
//! - [`supervisor`]: the parent process: starts the workers, watches them, passes their messages on
//! - [`message`], [`link`], [`spec_file`]: what processes say to each other, and over what
//! - [`config`]: two grammars, one model; [`specs`]: what it comes to for each worker; [`change`]: what differs
//!   between two of them; [`archive`]: what was in force before
//! - [`log`]: what is logged, where and how; [`status`] and [`explain`]: how the director is, and why
//! - [`router`]: the vrrp worker: who holds the addresses
//! - [`lvs`]: the lvs worker: checkers, plan, the kernel's table
//! - [`ops`]: the ops worker: the admin API
//! - [`process`]: nice value, processors and limits of a worker's process
//!
//! The three crates `checkers`, `ipvs` and `vrrp` know nothing of each other nor of this one; here is the only
//! place where health, table and VRRP meet.

pub mod archive;
mod boot;
pub mod change;
pub mod cli;
pub mod config;
pub mod explain;
pub mod fifo;
pub mod link;
pub mod log;
pub mod lvs;
pub mod message;
pub mod notify;
pub mod ops;
pub mod process;
pub mod router;
pub mod spec_file;
pub mod specs;
pub mod status;
pub mod supervisor;
