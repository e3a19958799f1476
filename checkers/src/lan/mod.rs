//! The wire that real servers hang on: who answers for an address there, and frames to a given host, past the host's own
//! routing and neighbour table.
//!
//! It knows Ethernet, ARP, neighbour discovery and as much TCP as opens a connection, asks one thing over it and takes it back. What an answer
//! means for a check is the probe's business. It needs CAP_NET_RAW.

#[cfg(feature = "io")]
pub(crate) mod exchange;
#[cfg(feature = "io")]
pub(crate) mod frame;
#[cfg(feature = "io")]
mod link;
mod mac;
#[cfg(feature = "io")]
pub(crate) mod segment;

#[cfg(feature = "io")]
pub use self::link::Lan;
#[cfg(feature = "io")]
pub(crate) use self::link::{Port, Tap};
pub use self::mac::Mac;
