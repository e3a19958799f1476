//! The states of a virtual router. [`State`] is the word that everybody uses; a `Phase` is the same with what only
//! that state needs, its deadlines above all: they die with it.

use std::fmt;
use std::net::IpAddr;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::rivals::Rivals;

/// What a virtual router, or a sync group as a whole, is at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum State {
    /// Not started: interface unknown, a first script result outstanding, or stopped.
    Initialize,
    /// Listens to a Master, or waits for one to be missing.
    Backup,
    /// Holds the addresses and advertises.
    Master,
    /// Still holds the addresses, advertises no more, and waits until the next Master has announced them.
    HandingOver,
    /// Cannot serve: interface, source address or something tracked failed.
    Fault,
}

impl State {
    /// The word of configuration and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Initialize => "INIT",
            Self::Backup => "BACKUP",
            Self::Master => "MASTER",
            Self::HandingOver => "HANDING OVER",
            Self::Fault => "FAULT",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A state with what belongs to it alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Initialize,
    Backup(Backup),
    Master(Master),
    HandingOver(HandingOver),
    Fault,
}

/// See [`State::Backup`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Backup {
    /// When the silence has lasted long enough.
    pub(crate) master_down: Instant,
    /// What the silence will mean.
    pub(crate) silence: Silence,
    /// When a running `preempt_delay` ends; stays set after that, until a Master of our rank is heard.
    pub(crate) preempt_at: Option<Instant>,
    /// How often the end of the silence was put off: this process did not run, and may have missed what was sent.
    pub(crate) doubts: u8,
    /// Until when its end is put off at most, for the kernel holds back what was sent; set since that was first done.
    pub(crate) held_back: Option<Instant>,
    /// When it last looked whether it is on time.
    pub(crate) checked: Instant,
}

/// Why nothing has restarted the master-down timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// Nobody speaks.
    Nobody,
    /// The Master released the addresses.
    Released(IpAddr),
    /// A Master of lower priority speaks and is not accepted.
    Lesser(IpAddr, u8),
}

/// See [`State::Master`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Master {
    /// The next advertisement.
    pub(crate) advertise: Instant,
    /// The second burst of announcements.
    pub(crate) announce_again: Option<Instant>,
    /// The next refreshing burst.
    pub(crate) refresh: Option<Instant>,
    /// The second burst that answers a lesser Master.
    pub(crate) insist_again: Option<Instant>,
    /// The next announcement where advertisements do not leave.
    pub(crate) extra: Option<Instant>,
    /// Who else speaks as Master.
    pub(crate) rivals: Rivals,
}

/// See [`State::HandingOver`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HandingOver {
    /// When waiting ends in any case.
    pub(crate) until: Instant,
    /// Addresses that nobody else has announced yet.
    pub(crate) unseen: Vec<IpAddr>,
    /// When the next Master has been silent too long and we go on as Master; only where we yielded to one.
    pub(crate) yielded: Option<Backup>,
}

impl Phase {
    /// The word for it.
    pub(crate) fn state(&self) -> State {
        match self {
            Self::Initialize => State::Initialize,
            Self::Backup(_) => State::Backup,
            Self::Master(_) => State::Master,
            Self::HandingOver(_) => State::HandingOver,
            Self::Fault => State::Fault,
        }
    }

    /// While Master: who else speaks as one.
    pub(crate) fn rivals(&self) -> Option<&Rivals> {
        match self {
            Self::Master(master) => Some(&master.rivals),
            Self::Initialize | Self::Backup(_) | Self::HandingOver(_) | Self::Fault => None,
        }
    }

    /// The same, to be changed.
    pub(crate) fn rivals_mut(&mut self) -> Option<&mut Rivals> {
        match self {
            Self::Master(master) => Some(&mut master.rivals),
            Self::Initialize | Self::Backup(_) | Self::HandingOver(_) | Self::Fault => None,
        }
    }
}
