//! The kernel's IPVS table: what it holds, how two of them differ, and how to read and write it.
//!
//! A [`Table`] is the one value that the plan and the kernel both speak. [`diff()`] turns two tables into
//! [`Op`]s in an order that never leaves a service empty; with the feature `io` (default) a `Kernel`
//! carries them out over generic netlink and reads the table back.
//!
//! | module | holds |
//! |---|---|
//! | `key` | [`ServiceKey`]: which packets a service takes |
//! | `name` | [`Scheduler`], [`PersistenceEngine`], [`InterfaceName`] |
//! | `service`, `destination`, `table` | [`Service`], [`Destination`], [`Table`]: what is wanted or is |
//! | `stats` | [`ServiceCounters`], [`Connections`]: what the kernel counts |
//! | `daemon`, `timeouts`, `info` | [`SyncDaemon`], [`Timeouts`], [`Info`]: what belongs to no service |
//! | `op`, `diff`, `rule` | [`Op`]: one change, the changes between two tables, their form as `ipvsadm` rules |
//! | [`attr`], [`message`] | the codec: attributes and messages of the netlink family `IPVS` |
//! | `request`, [`record`] | values to messages, messages to values |
//! | `error` | [`Error`]: what can go wrong, and what to do about it |
//! | `window`, `socket`, `kernel` | answers matched to requests, the socket, `Kernel` (feature `io`) |
//!
//! The words are the kernel's: a virtual server is a service, a real server is a destination. Nothing
//! here knows of checks, configuration or VRRP. All but `socket` and `kernel` is pure.

pub mod attr;
mod daemon;
mod destination;
mod destinations;
mod diff;
mod error;
mod info;
#[cfg(feature = "io")]
mod kernel;
mod key;
pub mod message;
mod name;
mod op;
pub mod record;
mod request;
mod rule;
mod service;
#[cfg(feature = "io")]
mod socket;
mod stats;
mod table;
mod timeouts;
#[cfg(feature = "io")]
mod window;

pub use daemon::{SyncDaemon, SyncRole};
pub use destination::{
    Checksum, Destination, DestinationKey, Forwarding, Tunnel, Weight, WeightRange,
};
pub use destinations::Destinations;
pub use diff::{diff, diff_service};
pub use error::{Error, Request};
pub use info::Info;
#[cfg(feature = "io")]
pub use kernel::Kernel;
pub use key::{Family, ParseKeyError, Protocol, ServiceKey};
pub use name::{InterfaceName, NameError, PersistenceEngine, Scheduler};
pub use op::Op;
pub use request::MaskMismatch;
pub use service::{Netmask, Persistence, Service, ServiceFlags, Settings};
pub use stats::{Connections, DestinationCounters, Rates, ServiceCounters, Stats};
pub use table::Table;
pub use timeouts::Timeouts;
