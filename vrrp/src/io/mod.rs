//! What touches the kernel: sockets, interfaces, addresses, the timer. Plain blocking and non-blocking
//! descriptors for one real-time thread; no runtime, no task, no decision.
//!
//! - [`socket`]: VRRP packets out and in
//! - [`link`] and [`address`]: interfaces and the virtual addresses on them, over [`netlink`]
//! - [`path`]: routes and rules
//! - [`announcer`] and [`watcher`]: gratuitous ARP and neighbour advertisements, ours and those of others
//! - [`timer`]: the one timer

pub mod address;
pub mod announcer;
pub mod error;
pub mod link;
pub mod netlink;
pub mod path;
pub mod socket;
pub mod timer;
pub mod watcher;

pub use address::{Applied, PresentAddress, VRRP_PROTOCOL, VirtualAddress};
pub use announcer::Announcer;
pub use error::{Error, Severity};
pub use link::{Link, Links};
pub use netlink::Requests;
pub use path::{IndexOf, PresentRoute, PresentRule, is_route, is_rule};
pub use socket::{Outgoing, VrrpSocket};
pub use timer::{Clock, Timer};
pub use watcher::Watcher;
