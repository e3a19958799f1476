//! What touches the kernel: sockets, interfaces, addresses, the timer. Plain blocking and non-blocking
//! descriptors for one real-time thread; no runtime, no task, no decision.
//!
//! - [`socket`]: VRRP packets out and in
//! - [`sealed_socket`]: those in an authentication header
//! - [`link`], [`address`] and [`present`]: interfaces, virtual addresses, what stands where, over [`netlink`]
//! - [`kernel_route`] and [`kernel_rule`]: routes and rules
//! - [`virtual_link`]: interfaces of a virtual router, with its own MAC address or an address of its own
//! - [`announcer`] and [`watcher`]: gratuitous ARP and neighbour advertisements, ours and those of others
//! - [`echo`]: whether the kernel hands over what comes in
//! - [`timer`]: the one timer

pub mod address;
mod announce_queue;
pub mod announcer;
pub mod echo;
pub mod error;
mod filter;
pub mod kernel_route;
pub mod kernel_rule;
pub mod link;
mod neighbour;
pub mod netlink;
pub mod present;
pub mod sealed_socket;
pub mod socket;
pub mod timer;
pub mod virtual_link;
mod vrid_filter;
pub mod watcher;

pub use address::{Applied, PresentAddress, VRRP_PROTOCOL, VirtualAddress};
pub use announcer::{Announcer, SharedPause};
pub use echo::Echo;
pub use error::{Error, Severity};
pub use kernel_route::{IndexOf, PresentRoute, is_route};
pub use kernel_rule::{PresentRule, is_rule};
pub use link::{Changes, Link, Links};
pub use netlink::Requests;
pub use present::AddressList;
pub use sealed_socket::SealedSocket;
pub use socket::{Outgoing, VrrpSocket};
pub use timer::{Clock, Timer};
pub use watcher::Watcher;
