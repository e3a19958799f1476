//! What passes between the real-time thread and the desk, and over what: two bounded queues, each with a descriptor
//! that wakes the other side. Neither side ever waits for the other.
//!
//! A full queue of orders is the desk's to notice: it keeps the order and tries again. A full queue of reports means
//! that the desk is stuck; the report is dropped and counted, for the real-time thread has addresses to look after.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use nix::sys::eventfd::{EfdFlags, EventFd};
use vrrp::io::Watcher;
use vrrp::{Cause, Notice, Priority, ResumeAs, RouterId, State};

use super::holdings::Place;
use super::kernel_setting::KernelSettings;
use super::paths::Path;
use super::priority::{Condition, Finding, TrackerId};
use super::spec::RouterWorkerSpec;
use super::split_brain::Sample;
use super::status::VrrpStatus;
use crate::message::RouterOrder;

/// Orders that may wait: one reload, and a verdict of each of a few hundred scripts.
const ORDERS: usize = 256;
/// Reports that may wait: every router of a large host changing its state several times.
const REPORTS: usize = 4096;

/// From the desk to the real-time thread.
#[derive(Debug)]
pub(super) enum Order {
    /// Work by this from now on; answered by [`Report::Configured`].
    Configure(Box<Configuration>),
    /// This was found about a tracked object.
    Found {
        /// Which.
        tracker: TrackerId,
        /// What.
        finding: Finding,
    },
    /// What an operator wants; answered by [`Report::Operated`] with the same number.
    Operate(u64, RouterOrder),
    /// Answered by [`Report::Pong`] with the same number.
    Ping(u64),
    /// Answered by [`Report::Status`] with the same number.
    Status(u64),
    /// Answered by [`Report::Samples`].
    Sample,
    /// This process is about to be replaced: ask the other routers to wait. Answered by [`Report::Pausing`].
    Pause,
    /// A router has what it needs as Master.
    Prepared(RouterId),
    /// Announce the addresses of a router that is Master once more.
    Announce(RouterId),
    /// Hand over, release, end; answered by [`Report::Stopped`].
    Stop,
}

/// A configuration, and what to begin with.
#[derive(Debug)]
pub(super) struct Configuration {
    /// What to work by.
    pub spec: RouterWorkerSpec,
    /// Seconds since the epoch: what numbers of authentication headers begin above.
    pub seconds: u32,
    /// Set in the first configuration only.
    pub start: Option<Start>,
}

/// What a previous process left.
#[derive(Debug, Default)]
pub(super) struct Start {
    /// This process replaces one that died: go on with what works, whatever is missing.
    pub is_replacement: bool,
    /// How routers that held addresses go on.
    pub resume: Vec<(RouterId, ResumeAs)>,
    /// Addresses that it put on interfaces.
    pub left: Vec<Place>,
    /// Routes and rules that it put there.
    pub paths: Vec<Path>,
    /// Settings that it changed.
    pub settings: KernelSettings,
    /// What tracked scripts had come to.
    pub scripts: BTreeMap<String, Condition>,
    /// Routers that an operator had told to resign.
    pub resigned: Vec<RouterId>,
    /// Routers that leave a Master alone until [`Order::Prepared`].
    pub unprepared: Vec<RouterId>,
}

/// From the real-time thread to the desk.
#[derive(Debug)]
pub(super) enum Report {
    /// Something of the start or a reload was refused; nothing changed. Or it is in force.
    Configured(Result<(), String>),
    /// See [`Order::Ping`].
    Pong(u64),
    /// See [`Order::Status`].
    Status(u64, Box<VrrpStatus>),
    /// See [`Order::Operate`]: what came of it, in words.
    Operated(u64, Result<String, String>),
    /// A router changed its state.
    Changed(Changed),
    /// A sync group changed its state.
    GroupChanged {
        /// Its name.
        name: Arc<str>,
        /// Before.
        from: State,
        /// After.
        to: State,
    },
    /// Tracking changed a router's effective priority.
    PriorityChanged {
        /// The router.
        router: RouterId,
        /// Before.
        from: Priority,
        /// After.
        to: Priority,
    },
    /// Something odd was heard.
    Noticed {
        /// The router.
        router: RouterId,
        /// What.
        notice: Notice,
    },
    /// Addresses that should have been there were missing, and were put back.
    Repaired(Vec<Place>),
    /// Routes or rules that should have been there were missing, and were put back.
    PathsRepaired(Vec<Path>),
    /// Addresses that a previous process left were removed.
    Cleared(Vec<Place>),
    /// Addresses that could not be put or taken away, and why.
    AddressesFailed(Vec<(Place, String)>),
    /// Sending a router's advertisements fails (or, without a cause, works again).
    Sending {
        /// The router.
        router: RouterId,
        /// Where to.
        destination: IpAddr,
        /// The kernel's answer.
        cause: Option<io::Error>,
    },
    /// Something on the edge does not work at present; it is tried again.
    Trouble(String),
    /// This thread was not running when it should have been.
    Stalled {
        /// For how long.
        late: Duration,
    },
    /// A silence was put off: the kernel held back what came in.
    HeldBack,
    /// See [`Order::Pause`]; what is held has been told before.
    Pausing,
    /// See [`Order::Sample`].
    Samples(Vec<Sample>),
    /// What is held now, for the state file.
    Standing(Standing),
    /// To be dropped by the desk: closing it takes some 10 ms.
    Closed(Watcher),
    /// Everything has been handed over and released; the thread ends.
    Stopped,
}

/// See [`Report::Changed`].
#[derive(Debug, Clone)]
pub(super) struct Changed {
    /// The router.
    pub router: RouterId,
    /// Before.
    pub from: State,
    /// After.
    pub to: State,
    /// Its effective priority.
    pub priority: Priority,
    /// Why.
    pub cause: Cause,
    /// When.
    pub at: Instant,
}

/// What routers are and hold at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    /// Every router with its state, and since when (nanoseconds of CLOCK_MONOTONIC).
    pub routers: Vec<(RouterId, State, u64)>,
    /// Addresses of ours on interfaces.
    pub held: Vec<Place>,
    /// Routes and rules of ours.
    pub paths: Vec<Path>,
    /// Settings that we changed.
    pub settings: KernelSettings,
    /// Routers that an operator has told to resign.
    pub resigned: Vec<RouterId>,
    /// Routers whose others wait for them, and until when (nanoseconds of CLOCK_MONOTONIC).
    pub awaited: Vec<(RouterId, u64)>,
}

/// The real-time thread's end.
#[derive(Debug)]
pub(super) struct CoreEnd {
    orders: Receiver<Order>,
    ordered: Arc<EventFd>,
    reports: SyncSender<Report>,
    reported: UnixStream,
    /// Something was left since the desk was last woken.
    is_wake_due: bool,
    dropped: u64,
}

/// The desk's end.
#[derive(Debug)]
pub(super) struct DeskEnd {
    orders: SyncSender<Order>,
    ordered: Arc<EventFd>,
    reports: Receiver<Report>,
}

/// Both ends, and the stream that becomes readable when reports wait.
pub(super) fn pair() -> io::Result<(CoreEnd, DeskEnd, UnixStream)> {
    let (orders, ordered_from) = sync_channel(ORDERS);
    let (reports, reported_from) = sync_channel(REPORTS);
    let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
    let event = Arc::new(EventFd::from_value_and_flags(0, flags)?);
    let (wakes, woken) = UnixStream::pair()?;
    wakes.set_nonblocking(true)?;
    woken.set_nonblocking(true)?;
    let core = CoreEnd {
        orders: ordered_from,
        ordered: Arc::clone(&event),
        reports,
        reported: wakes,
        is_wake_due: false,
        dropped: 0,
    };
    Ok((core, DeskEnd { orders, ordered: event, reports: reported_from }, woken))
}

impl CoreEnd {
    /// The next order; an error when the desk is gone.
    pub(super) fn next_order(&self) -> Result<Option<Order>, DeskGone> {
        match self.orders.try_recv() {
            Ok(order) => Ok(Some(order)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(DeskGone),
        }
    }

    /// Clears the descriptor before the orders are taken.
    pub(super) fn acknowledge(&self) {
        // EAGAIN: nothing to clear.
        let _ = self.ordered.read();
    }

    /// Leaves a report for the desk, which takes it after [`CoreEnd::wake`].
    pub(super) fn report(&mut self, report: Report) {
        match self.reports.try_send(report) {
            Ok(()) => self.is_wake_due = true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.dropped += 1,
        }
    }

    /// Has the desk take what was left: once in a turn, however much that is.
    pub(super) fn wake(&mut self) {
        if std::mem::take(&mut self.is_wake_due) {
            // A full stream means that the desk has been woken already.
            let _ = self.reported.write(&[1]);
        }
    }

    /// Reports that found no room.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl AsFd for CoreEnd {
    /// Readable when orders wait.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ordered.as_fd()
    }
}

/// The other side has ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DeskGone;

/// Leaves orders too: for a thread that has news which must not wait for the desk.
#[derive(Debug, Clone)]
pub(super) struct Orders {
    orders: SyncSender<Order>,
    ordered: Arc<EventFd>,
}

impl Orders {
    /// Leaves an order; gives it back when the queue is full or the thread has ended.
    pub(super) fn order(&self, order: Order) -> Result<(), Order> {
        self.orders.try_send(order).map_err(|refused| match refused {
            TrySendError::Full(order) | TrySendError::Disconnected(order) => order,
        })?;
        // The counter cannot overflow before it is read.
        let _ = self.ordered.write(1);
        Ok(())
    }
}

impl DeskEnd {
    /// For another thread.
    pub(super) fn orders(&self) -> Orders {
        Orders { orders: self.orders.clone(), ordered: Arc::clone(&self.ordered) }
    }

    /// Leaves an order; gives it back when the queue is full or the thread has ended.
    pub(super) fn order(&self, order: Order) -> Result<(), Order> {
        self.orders().order(order)
    }

    /// The next report, if one waits.
    pub(super) fn next_report(&self) -> Option<Report> {
        self.reports.try_recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use nix::poll::{PollFd, PollFlags, poll};

    use super::*;

    fn is_readable(fd: &impl AsFd) -> bool {
        poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLIN)], 0_u8).unwrap() == 1
    }

    #[test]
    fn orders_and_reports_wake_the_other_side() {
        let (mut core, desk, woken) = pair().unwrap();
        assert!(!is_readable(&core) && !is_readable(&woken));
        desk.order(Order::Ping(7)).unwrap();
        assert!(is_readable(&core));
        core.acknowledge();
        assert!(!is_readable(&core));
        assert!(matches!(core.next_order(), Ok(Some(Order::Ping(7)))));
        assert!(matches!(core.next_order(), Ok(None)));
        core.report(Report::Pong(7));
        assert!(!is_readable(&woken), "nobody is woken in the middle of a turn");
        core.wake();
        assert!(is_readable(&woken));
        assert!(matches!(desk.next_report(), Some(Report::Pong(7))));
    }

    #[test]
    fn a_stuck_desk_costs_reports_and_nothing_else() {
        let (mut core, desk, _woken) = pair().unwrap();
        for number in 0..REPORTS as u64 + 3 {
            core.report(Report::Pong(number));
        }
        assert_eq!(core.dropped(), 3);
        drop(desk);
        assert_eq!(core.next_order().unwrap_err(), DeskGone);
    }
}
