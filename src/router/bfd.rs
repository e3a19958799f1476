//! The thread of the BFD sessions: sockets, one timer, and the pure set of sessions. Intervals are down to 10 ms, so it
//! runs in real time like the VRRP core's thread, but apart from it: what a neighbour sends must not delay an
//! advertisement.
//!
//! Verdicts go straight to the VRRP core; verdicts and changes go to the desk, for logs, events and the lvs worker. Packets
//! are read before deadlines: whoever is about to take a neighbour for silent has first read what it sent.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ::bfd::io::{Listener, PACKETS_PER_TURN, Place, Sender, inbox};
use ::bfd::{Action, Diagnostic, SessionSpec, SessionView, Sessions, State, Verdict};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use sys::batch::Inbox;
use tokio::sync::{mpsc, oneshot};
use vrrp::io::{Clock, Timer};

/// Orders that may wait: the desk gives one for each reload and query.
const ORDERS: usize = 64;
/// Reports that may wait: every session of a large host changing its state several times.
const REPORTS: usize = 1024;
/// How long after a failure a socket is opened again.
const PAUSE: Duration = Duration::from_secs(1);
/// A full queue of the core's is tried again so soon.
const CORE_AGAIN: Duration = Duration::from_millis(5);
/// Turns of [`PACKETS_PER_TURN`] that one socket may take before deadlines are looked at.
const TURNS: usize = 4;

const TIMER: u64 = 0;
const ORDERED: u64 = 1;
const FIRST_LISTENER: u64 = 2;

/// What the thread tells the VRRP core: a session's name, and whether the way is open. False: no room, try again.
pub(super) type TellCore = Box<dyn FnMut(&str, bool) -> bool + Send>;

/// From the desk.
#[derive(Debug)]
enum Order {
    Configure(Vec<SessionSpec>),
    Views(oneshot::Sender<Vec<SessionView>>),
    Stop,
}

/// To the desk.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// A session changed its state.
    Changed {
        /// Its name.
        name: String,
        /// Before.
        from: State,
        /// After.
        to: State,
        /// Why it fell last.
        diagnostic: Diagnostic,
    },
    /// What a session says of the way to its neighbour, from its beginning on.
    Judged {
        /// Its name.
        name: String,
        /// Open.
        up: bool,
    },
    /// Something on the edge does not work at present; it is tried again.
    Trouble(String),
}

/// The desk's end; dropping it ends the sessions with a farewell.
#[derive(Debug)]
pub(super) struct Bfd {
    orders: SyncSender<Order>,
    ordered: Arc<EventFd>,
    reports: mpsc::Receiver<Report>,
    thread: Option<JoinHandle<()>>,
}

impl Bfd {
    /// Starts the thread, without sessions.
    pub(super) fn start(priority: u8, tell_core: TellCore) -> io::Result<Self> {
        let (orders, ordered_from) = sync_channel(ORDERS);
        let (report_to, reports) = mpsc::channel(REPORTS);
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let ordered = Arc::new(EventFd::from_value_and_flags(0, flags)?);
        let wake = Arc::clone(&ordered);
        let sessions = Loop::open(ordered_from, wake, report_to, tell_core)?;
        let builder = std::thread::Builder::new().name("bfd".into());
        let thread = builder.spawn(move || sessions.run(priority))?;
        Ok(Self { orders, ordered, reports, thread: Some(thread) })
    }

    /// These sessions from now on.
    pub(super) fn configure(&self, specs: Vec<SessionSpec>) {
        self.order(Order::Configure(specs));
    }

    /// Every session as it is now; empty if the thread does not answer.
    pub(super) async fn views(&self) -> Vec<SessionView> {
        let (to, from) = oneshot::channel();
        self.order(Order::Views(to));
        let within = Duration::from_millis(500);
        tokio::time::timeout(within, from).await.ok().and_then(Result::ok).unwrap_or_default()
    }

    /// The next report; `None` when the thread has ended.
    pub(super) async fn next_report(&mut self) -> Option<Report> {
        self.reports.recv().await
    }

    fn order(&self, order: Order) {
        // 64 orders wait only behind a thread that has ended, which `next_report` tells.
        let _ = self.orders.try_send(order);
        let _ = self.ordered.write(1);
    }
}

impl Drop for Bfd {
    fn drop(&mut self) {
        self.order(Order::Stop);
        if let Some(thread) = self.thread.take() {
            // It says AdminDown and ends within a turn; a panic before that changes nothing any more.
            let _ = thread.join();
        }
    }
}

/// Everything that the thread owns.
struct Loop {
    sessions: Sessions,
    clock: Clock,
    epoll: Epoll,
    timer: Timer,
    orders: Receiver<Order>,
    ordered: Arc<EventFd>,
    reports: mpsc::Sender<Report>,
    tell_core: TellCore,
    untold: BTreeMap<String, bool>,
    listeners: BTreeMap<Place, (u64, Listener)>,
    senders: BTreeMap<NonZeroU32, Way>,
    /// What is wanted and does not open, with what was said of it.
    troubles: BTreeMap<String, ()>,
    again_at: Option<Instant>,
    inbox: Inbox,
    next_token: u64,
    stopping: bool,
}

/// How a session's packets leave.
struct Way {
    spec: SessionSpec,
    sender: Option<Sender>,
    failing: bool,
}

impl Loop {
    fn open(
        orders: Receiver<Order>,
        ordered: Arc<EventFd>,
        reports: mpsc::Sender<Report>,
        tell_core: TellCore,
    ) -> io::Result<Self> {
        let clock = Clock::new();
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let timer = Timer::open(clock).map_err(io::Error::other)?;
        epoll.add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, TIMER))?;
        epoll.add(&*ordered, EpollEvent::new(EpollFlags::EPOLLIN, ORDERED))?;
        // Differs from start to start, which is all that it has to.
        let seed = clock.nanoseconds(clock.now()) ^ u64::from(std::process::id()).rotate_left(32);
        Ok(Self {
            sessions: Sessions::new(seed),
            clock,
            epoll,
            timer,
            orders,
            ordered,
            reports,
            tell_core,
            untold: BTreeMap::new(),
            listeners: BTreeMap::new(),
            senders: BTreeMap::new(),
            troubles: BTreeMap::new(),
            again_at: None,
            inbox: inbox(),
            next_token: FIRST_LISTENER,
            stopping: false,
        })
    }

    fn run(mut self, priority: u8) {
        if let Err(cause) = sys::sched::run_in_real_time(priority) {
            self.trouble(format!("BFD: no real-time scheduling ({cause})"));
        }
        while !self.stopping {
            if let Err(cause) = self.turn() {
                self.trouble(format!("BFD: {cause}; the sessions end"));
                return;
            }
        }
        self.sessions.shutdown(self.clock.now());
        self.settle();
    }

    fn turn(&mut self) -> io::Result<()> {
        let again = (!self.untold.is_empty()).then(|| self.clock.now() + CORE_AGAIN);
        let deadline = [self.sessions.poll_timeout(), self.again_at, again].into_iter().flatten();
        self.timer.arm(deadline.min()).map_err(io::Error::other)?;
        let mut events = [EpollEvent::empty(); 8];
        let ready = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
            Ok(count) => &events[..count],
            Err(Errno::EINTR) => &[],
            Err(errno) => return Err(errno.into()),
        };
        for event in ready {
            match event.data() {
                TIMER => drop(self.timer.acknowledge()),
                ORDERED => self.handle_orders(),
                token => self.read(token),
            }
        }
        let now = self.clock.now();
        if self.sessions.poll_timeout().is_some_and(|at| at <= now) {
            // What waits came in time, however late this thread is.
            let tokens: Vec<u64> = self.listeners.values().map(|(token, _)| *token).collect();
            tokens.into_iter().for_each(|token| self.read(token));
            self.sessions.handle_timeout(self.clock.now());
        }
        if self.again_at.is_some_and(|at| at <= now) {
            self.again_at = None;
            self.open_sockets();
        }
        self.settle();
        Ok(())
    }

    fn handle_orders(&mut self) {
        // EAGAIN: nothing to clear.
        let _ = self.ordered.read();
        loop {
            match self.orders.try_recv() {
                Ok(Order::Configure(specs)) => {
                    self.sessions.configure(specs, self.clock.now());
                    // A core that was configured anew has forgotten what it did not track before.
                    let known = self.sessions.views();
                    self.untold.extend(known.map(|view| (view.name, view.verdict == Verdict::Up)));
                    self.settle();
                    self.open_sockets();
                }
                Ok(Order::Views(to)) => drop(to.send(self.sessions.views().collect())),
                Ok(Order::Stop) | Err(TryRecvError::Disconnected) => {
                    self.stopping = true;
                    return;
                }
                Err(TryRecvError::Empty) => return,
            }
        }
    }

    fn read(&mut self, token: u64) {
        let place = self.listeners.iter().find(|(_, (at, _))| *at == token).map(|(at, _)| *at);
        let Some(place) = place else { return };
        for _ in 0..TURNS {
            let now = self.clock.now();
            let Some((_, listener)) = self.listeners.get(&place) else { return };
            let sessions = &mut self.sessions;
            let received = listener.receive(&mut self.inbox, |arrival, bytes| {
                // A refusal changes nothing.
                let _ = sessions.handle_packet(bytes, arrival, now);
            });
            self.settle();
            match received {
                Ok(PACKETS_PER_TURN) => {}
                Ok(_) => return,
                Err(cause) => {
                    self.listeners.remove(&place);
                    self.later(format!("BFD: port {}: {cause}", place.path.port()));
                    return;
                }
            }
        }
    }

    /// Performs what the sessions ask.
    fn settle(&mut self) {
        while let Some(action) = self.sessions.poll_action() {
            match action {
                Action::Open { session, spec } => {
                    let way = Way { spec: *spec, sender: None, failing: false };
                    self.senders.insert(session, way);
                    self.open_sender(session);
                }
                Action::Send { session, bytes } => self.send(session, &bytes),
                Action::Close { session } => drop(self.senders.remove(&session)),
                Action::Changed { name, from, to, diagnostic } => {
                    self.report(Report::Changed { name, from, to, diagnostic });
                }
                Action::Judged { name, verdict } => {
                    let up = verdict == Verdict::Up;
                    self.untold.insert(name.clone(), up);
                    self.report(Report::Judged { name, up });
                }
            }
        }
        let tell = &mut self.tell_core;
        self.untold.retain(|name, up| !tell(name, *up));
    }

    fn send(&mut self, session: NonZeroU32, bytes: &[u8]) {
        let Some(way) = self.senders.get_mut(&session) else { return };
        let Some(sender) = &way.sender else { return };
        let outcome = sender.send(bytes);
        let failing = outcome.is_err();
        let was_failing = std::mem::replace(&mut way.failing, failing);
        if let (Err(cause), false) = (outcome, was_failing) {
            let text = format!("bfd_instance {}: cannot send: {cause}", way.spec.name);
            self.trouble(text);
        }
    }

    fn open_sender(&mut self, session: NonZeroU32) {
        let Some(way) = self.senders.get_mut(&session).filter(|way| way.sender.is_none()) else {
            return;
        };
        match Sender::open(&way.spec, session.get()) {
            Ok(sender) => way.sender = Some(sender),
            Err(cause) => {
                let text = format!("bfd_instance {}: socket: {cause}", way.spec.name);
                self.later(text);
            }
        }
    }

    /// Opens what is missing and closes what nobody needs.
    fn open_sockets(&mut self) {
        let sessions: Vec<NonZeroU32> = self.senders.keys().copied().collect();
        sessions.into_iter().for_each(|session| self.open_sender(session));
        let wanted: Vec<Place> = self.senders.values().map(|way| Place::of(&way.spec)).collect();
        self.listeners.retain(|place, _| wanted.contains(place));
        for place in wanted {
            if self.listeners.contains_key(&place) {
                continue;
            }
            let token = self.next_token;
            let opened = Listener::open(place).and_then(|listener| {
                self.epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, token))?;
                Ok(listener)
            });
            match opened {
                Ok(listener) => {
                    self.next_token += 1;
                    self.listeners.insert(place, (token, listener));
                }
                Err(cause) => {
                    self.later(format!("BFD: port {}: {cause}", place.path.port()));
                }
            }
        }
        if self.again_at.is_none() {
            self.troubles.clear();
        }
    }

    /// Tells of a trouble once, and tries again.
    fn later(&mut self, text: String) {
        self.again_at = Some(self.clock.now() + PAUSE);
        if self.troubles.insert(text.clone(), ()).is_none() {
            self.trouble(format!("{text}; tried again every second"));
        }
    }

    fn trouble(&mut self, text: String) {
        self.report(Report::Trouble(text));
    }

    /// A full queue means that the desk is stuck, and costs the report only: the core is told by another way.
    fn report(&mut self, report: Report) {
        let _ = self.reports.try_send(report);
    }
}
