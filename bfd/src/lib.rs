//! Is the way to a neighbour open? Bidirectional Forwarding Detection, asynchronous mode, for one machine with any
//! number of sessions: single hop (RFC 5881) and multihop (RFC 5883).
//!
//! The core is pure: [`Sessions`] takes packets and the time, and gives [`Action`]s and the next deadline. It has no
//! clock, no socket and no task, and the same inputs give the same outputs.
//!
//! | module | what it is for |
//! |---|---|
//! | [`spec`] | what a session should be |
//! | [`packet`] | the wire form, and the checks that need no session |
//! | [`state`] | states, diagnostics, and the one table that joins them |
//! | `session` | one session: timers, poll sequence, what it sends |
//! | [`sessions`] | the set: configuration by difference, packets to the right session |
//! | `random` | jitter and discriminators that can be repeated |
//! | `io` | sockets; decides nothing |
//!
//! Not here: authentication (packets that carry it are refused), the echo function and demand mode of our own; a
//! neighbour's demand mode is honoured.

#[cfg(feature = "io")]
pub mod io;
pub mod packet;
mod random;
mod session;
pub mod sessions;
pub mod spec;
pub mod state;

pub use packet::{Packet, Refusal};
pub use session::{Counters, SessionView};
pub use sessions::{Action, Arrival, Sessions, Unmatched};
pub use spec::{Path, SessionSpec};
pub use state::{Diagnostic, State, Verdict};
