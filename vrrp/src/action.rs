//! What the set of routers asks its caller to do. The caller performs actions in the order they come and reports what
//! failed as an input; it decides nothing.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{Priority, RouterId};
use crate::spec::ChecksumForm;
use crate::state::State;

/// One thing to do, or to tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Send one advertisement (`Routers::advertisement` encodes it) to the group or to each peer.
    Advertise {
        /// The virtual router.
        router: RouterId,
        /// The priority to send; 0 releases the addresses.
        priority: u8,
    },
    /// Add every address of the router. Consecutive ones may share a batch.
    Hold {
        /// The virtual router.
        router: RouterId,
    },
    /// Remove every address of the router. Consecutive ones may share a batch.
    Release {
        /// The virtual router.
        router: RouterId,
    },
    /// The router holds its addresses, but they may not be those of its configuration: compare, add and remove just
    /// the difference. Comes after a reload and on resuming.
    Readdress {
        /// The virtual router.
        router: RouterId,
    },
    /// Send gratuitous ARP or unsolicited neighbour advertisements.
    Announce {
        /// The virtual router.
        router: RouterId,
        /// For which addresses.
        addresses: Addresses,
        /// Packets per address, 1 or more.
        repeat: u8,
    },
    /// From now on report what others announce (`Routers::handle_announcement`) for this router's addresses.
    Watch {
        /// The virtual router.
        router: RouterId,
    },
    /// No longer report it.
    Unwatch {
        /// The virtual router.
        router: RouterId,
    },
    /// A router changed its state; comes after the actions that made it so.
    Changed {
        /// The virtual router.
        router: RouterId,
        /// Before.
        from: State,
        /// After.
        to: State,
        /// Its effective priority.
        priority: Priority,
        /// Why.
        cause: Cause,
    },
    /// A sync group changed its state; comes after its members' changes.
    GroupChanged {
        /// Its name.
        name: Arc<str>,
        /// Before.
        from: State,
        /// After.
        to: State,
    },
    /// Tracking changed the effective priority.
    PriorityChanged {
        /// The virtual router.
        router: RouterId,
        /// Before.
        from: Priority,
        /// After.
        to: Priority,
    },
    /// Something that an operator should know; no state changed by it.
    Noticed {
        /// The virtual router.
        router: RouterId,
        /// What.
        notice: Notice,
    },
}

/// Which addresses of a router.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Addresses {
    /// `RouterSpec::announced`, all of it.
    All,
    /// Only these of it.
    Only(Vec<IpAddr>),
}

/// Why a router changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// Everything needed is there: interface, source address, first results.
    Started,
    /// It owns the addresses and waits for nobody.
    Owner,
    /// It was Master when its process ended, and goes on.
    Resumed,
    /// No Master has been heard for the master-down time.
    MasterDown {
        /// Who was Master, if anybody was heard.
        master: Option<IpAddr>,
    },
    /// The Master released the addresses (priority 0).
    MasterReleased {
        /// Who was Master.
        master: IpAddr,
    },
    /// The Master's priority is lower than ours.
    Preempted {
        /// Who was Master.
        master: IpAddr,
        /// Its priority.
        priority: u8,
    },
    /// A better Master speaks: of higher priority, or of the same and a greater address.
    Yielded {
        /// Who.
        master: IpAddr,
        /// Its priority.
        priority: u8,
    },
    /// The interface is down.
    LinkDown,
    /// The interface has no address to send from.
    NoSource,
    /// Something tracked with weight 0 failed.
    Tracking,
    /// Nothing is failing any more.
    Recovered,
    /// The addresses could not be added.
    HoldFailed,
    /// Told to let another router take over.
    Resigned,
    /// Told to stop.
    Stopped,
    /// No longer configured.
    Removed,
    /// The next Master has announced every address.
    HandedOver,
    /// Nobody announced every address in time.
    HandOverTimedOut {
        /// How many were still unseen.
        unseen: usize,
    },
    /// Another member of the sync group took it along.
    Member {
        /// Which.
        router: RouterId,
    },
}

/// Something odd that was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notice {
    /// While Master, another Master of lower rank was heard.
    LesserMaster {
        /// Who.
        source: IpAddr,
        /// Its priority.
        priority: u8,
    },
    /// Two routers say that they own the addresses (RFC 9568 section 8.3.2).
    SecondOwner {
        /// The other.
        source: IpAddr,
    },
    /// Somebody advertises this router with our own address as source.
    OwnAddress {
        /// The address.
        source: IpAddr,
        /// The priority that it sends.
        priority: u8,
    },
    /// Version 3: the Master's interval is not ours. Ours follows while it is Master.
    IntervalMismatch {
        /// Who.
        source: IpAddr,
        /// Its interval.
        theirs: Duration,
        /// Ours.
        ours: Duration,
    },
    /// The addresses advertised are not ours.
    AddressMismatch {
        /// Who.
        source: IpAddr,
        /// How many it advertises.
        theirs: usize,
        /// How many we do.
        ours: usize,
    },
    /// The Master's checksum is right, but of the form that we do not send.
    ChecksumForm {
        /// Who.
        source: IpAddr,
        /// The form it sends.
        theirs: ChecksumForm,
    },
}
