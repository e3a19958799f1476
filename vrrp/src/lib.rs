//! Who holds the addresses? VRRP versions 2 and 3 (RFC 3768, RFC 9568) for one machine with any number of virtual
//! routers, alone or in sync groups.
//!
//! The core is pure: [`Routers`] takes packets, link states, tracking results and the time, and gives [`Action`]s and
//! the next deadline. It has no clock, no socket and no task, and the same inputs give the same outputs.
//!
//! | module | what it is for |
//! |---|---|
//! | [`id`] | names: interface, virtual router, priority, version |
//! | [`spec`] | what a router and a group should be |
//! | [`packet`], [`checksum`] | the wire form, and the checks that need no configuration |
//! | `signature` | the trailer of signed advertisements: bytes, check value, times |
//! | `seal` | authentication headers of version 2: bytes, check value, numbers |
//! | [`address_options`] | what may be said of an address besides where it stands |
//! | [`route`] | routes and rules that go with a router |
//! | `receive` | the checks that do |
//! | [`announce`] | gratuitous ARP and unsolicited neighbour advertisements as bytes |
//! | `timing` | the formulas for skew, master-down and hand-over times |
//! | [`state`], `router` | one router: its states, their deadlines, what it asks for |
//! | `hearing`, `oddity` | what an advertisement means to it, and what is odd about it |
//! | `speaking`, `lateness` | what it says and when, and what it makes of its own delays |
//! | `group` | the one election of routers that change state together |
//! | `rivals` | what a Master knows of other Masters |
//! | [`routers`] | the set: configuration by difference, inputs to the right group, outputs in order |
//! | [`input`], [`action`], [`counters`] | what goes in, what comes out, what is counted |
//! | `simulation` | a network on a virtual clock, for tests and long runs |
//! | `io` | sockets and links; decides nothing |

pub mod action;
pub mod address_options;
pub mod announce;
pub mod checksum;
pub mod counters;
mod group;
mod hearing;
mod holding;
pub mod id;
pub mod input;
#[cfg(feature = "io")]
pub mod io;
mod lateness;
mod oddity;
pub mod packet;
mod receive;
mod rivals;
pub mod route;
mod router;
pub mod routers;
mod seal;
mod signature;
#[cfg(any(test, feature = "simulation"))]
pub mod simulation;
mod speaking;
pub mod spec;
pub mod state;
mod timing;

pub use action::{Action, Addresses, Cause, Notice};
pub use address_options::AddressOptions;
pub use counters::{Counters, Refused};
pub use id::{Family, IfName, Priority, RouterId, Version, Vrid};
pub use input::{Header, Held, Link, MasterView, Received, ResumeAs, RouterView, Tracking};
pub use packet::{Advertisement, Refusal};
pub use route::{Hop, Metric, Prefix, Route, RouteKind, Rule, RuleAction};
pub use routers::Routers;
pub use signature::{SecretKey, SignatureMode, SignatureSpec, Trailer};
pub use spec::{
    AnnounceSpec, Auth, ChecksumForm, GroupSpec, Password, Peer, RouterSpec, Transport, Wish,
};
pub use state::State;
