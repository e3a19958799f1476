//! The few system calls that need `unsafe`, each with its reason.
//!
//! Everything that `nix`, `socket2` or `std` offer safely is used from there. What stands here is what they
//! lack, wrapped so that no caller can misuse it: no raw pointer, no borrowed number that pretends to own a
//! descriptor, no length that the caller must get right. Nothing here decides anything or knows what it is
//! used for.
//!
//! - [`batch`]: many datagrams per receive call, with destination, hop limit and interface
//! - [`child`]: what a child process does between fork and exec
//! - [`envelope`]: one datagram with its source address, interface and hop limit, without an allocation
//! - [`inherited`]: descriptors that outlive exec
//! - [`ip`]: socket options of IPv4 and IPv6 that the crates do not offer
//! - [`link`]: link-layer addresses for packet sockets
//! - [`memory`]: free memory given back to the kernel
//! - [`outbox`]: many datagrams per send call
//! - [`passing`]: packets that carry a descriptor along
//! - [`peer`]: the groups of who is at the other end of a Unix socket
//! - [`rights`]: capabilities that are given up
//! - [`signals`]: real-time signals
//! - [`sched`]: real-time scheduling and memory that stays in memory
#![expect(unsafe_code, reason = "this crate is where it lives; each block states why it holds")]

pub mod batch;
pub mod child;
pub mod envelope;
pub mod inherited;
pub mod ip;
pub mod link;
pub mod memory;
pub mod outbox;
pub mod passing;
pub mod peer;
pub mod rights;
pub mod sched;
pub mod signals;
