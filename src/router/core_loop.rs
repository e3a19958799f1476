//! The real-time thread: one epoll, one timer, the VRRP core and everything on the edge that must not wait for
//! anybody. It performs what the core asks and decides nothing; it never blocks, writes no log and runs no script.
//! Here are its parts and its turn; `orders` and `deadlines` are what else a turn works off.
//!
//! In one turn, our own advertisements come first, so that nobody's packets delay them. Then packets come before
//! deadlines: whoever is about to declare a Master dead has first read all that the Master sent. A thread that was
//! itself not running for longer than half an interval says so to the core, which then doubts the silence.

mod deadlines;
mod orders;
mod sealed;
mod strangers;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollTimeout};
use sys::batch::Inbox;
use vrrp::io::socket::PACKETS_PER_TURN;
use vrrp::io::{Announcer, Changes, Clock, Echo, Error, Links, Requests, SharedPause, Timer};
use vrrp::{Action, IfName, Refusal, RouterId, Routers};

use super::announcing::Waiting;
use super::channel::{CoreEnd, Report};
use super::damping::Damping;
use super::facts;
use super::holdings::{Holdings, Place};
use super::kernel_setting::KernelSettings;
use super::paths::Paths;
use super::priority::Findings;
use super::sockets::{Sockets, Source, Spot, register};
use super::spec::RouterWork;
use super::status::LoopCounters;
use super::virtual_links;
use super::watching::ToWatch;
use crate::config::model::GarpGroup;
use crate::process::Raise;

/// How often what should be on the interfaces is compared with what is, beyond every notification.
const RESYNC: Duration = Duration::from_secs(5);
/// Between two parts of many addresses: on one processor nothing else runs beside a real-time thread.
const BREATH: Duration = Duration::from_micros(500);

const TIMER: u64 = 0;
const LINKS: u64 = 1;
const ORDERS: u64 = 2;

/// Everything that the thread owns.
pub(super) struct CoreLoop {
    pub(super) end: CoreEnd,
    pub(super) clock: Clock,
    pub(super) epoll: Epoll,
    timer: Timer,
    pub(super) requests: Requests,
    pub(super) links: Links,
    pub(super) announcer: Announcer,
    /// `garp_group`.
    pub(super) garp_groups: Vec<GarpGroup>,
    /// Some router signs its advertisements.
    pub(super) signs: bool,
    pub(super) sockets: Sockets,
    pub(super) inbox: Inbox,
    /// Nothing where there is no loopback interface.
    echo: Option<Echo>,
    pub(super) routers: Routers,
    /// Configured routers, and those that still hand over after their removal.
    pub(super) works: BTreeMap<RouterId, RouterWork>,
    pub(super) holdings: Holdings,
    pub(super) paths: Paths,
    pub(super) settings: KernelSettings,
    pub(super) found: Findings,
    pub(super) damping: Damping,
    pub(super) told: BTreeMap<RouterId, Told>,
    pub(super) sends: BTreeMap<RouterId, Sends>,
    pub(super) failed: BTreeSet<Place>,
    pub(super) waiting: Waiting,
    /// Until then the desk is told nothing: something has just been announced.
    pub(super) hush: Option<Instant>,
    pub(super) to_watch: ToWatch,
    /// Who advertised routers that are not ours (`log_unknown_vrids`), just now and ever.
    strangers: Vec<(RouterId, IpAddr)>,
    known_strangers: BTreeSet<(RouterId, IpAddr)>,
    /// What the core asked for and is being performed; kept for its room.
    pub(super) actions: Vec<Action>,
    /// When the next part of many addresses may be applied.
    apply_at: Instant,
    /// The desk does not know yet what is held now.
    pub(super) standing_due: bool,
    /// Routes and rules are to be compared, when the addresses stand.
    pub(super) paths_due: bool,
    /// The kernel may have others than should be.
    pub(super) paths_astray: bool,
    /// Some are to go, before any address does.
    pub(super) paths_released: bool,
    pub(super) counters: LoopCounters,
    pub(super) real_time: bool,
    pub(super) raise: Raise,
    pub(super) packet: Vec<u8>,
    /// The same in its authentication header.
    pub(super) sealed: Vec<u8>,
    configured: bool,
    stop_within: Duration,
    resync_at: Instant,
    /// Until then the core hears of no link, and no router starts (`vrrp_startup_delay`).
    quiet_until: Option<Instant>,
    stop_by: Option<Instant>,
    forced: bool,
    /// How late this turn came, if that was late enough to doubt what was not heard.
    stalled: Option<Duration>,
}

/// What the core was last told about a router.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Told {
    link: Option<vrrp::Link>,
    pub(super) tracking: Option<vrrp::Tracking>,
}

/// How sending goes for a router.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sends {
    /// Advertisements that the kernel refused.
    pub failures: u64,
    /// The last one was refused.
    pub failing: bool,
}

/// Opens everything and starts the thread, which moves itself to real-time scheduling at `priority` where it may.
pub(super) fn start(end: CoreEnd, priority: u8) -> Result<JoinHandle<()>, Error> {
    let core = CoreLoop::open(end)?;
    let run = move || core.run(priority);
    let builder = std::thread::Builder::new().name("vrrp".into());
    builder.spawn(run).map_err(|cause| Error::Socket {
        what: "real-time thread".into(),
        step: "start",
        cause,
    })
}

impl CoreLoop {
    fn open(end: CoreEnd) -> Result<Self, Error> {
        let clock = Clock::new();
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(|errno| Error::Socket {
            what: "event loop".into(),
            step: "epoll_create",
            cause: errno.into(),
        })?;
        let timer = Timer::open(clock)?;
        let mut requests = Requests::open()?;
        requests.check_permission()?;
        let links = Links::open(&mut requests)?;
        let mut echo = links.by_name("lo").map(|lo| Echo::open(lo, clock)).transpose()?;
        if let Some(echo) = &mut echo {
            // Whether it can tell is known when it is needed.
            echo.ask(clock.now());
        }
        register(&epoll, &timer, TIMER)?;
        register(&epoll, &links, LINKS)?;
        register(&epoll, &end, ORDERS)?;
        Ok(Self {
            end,
            clock,
            epoll,
            timer,
            requests,
            links,
            announcer: Announcer::open()?,
            garp_groups: Vec::new(),
            signs: false,
            sockets: Sockets::default(),
            inbox: vrrp::io::socket::inbox(),
            echo,
            routers: Routers::new(),
            works: BTreeMap::new(),
            holdings: Holdings::default(),
            paths: Paths::default(),
            settings: KernelSettings::default(),
            found: Findings::default(),
            damping: Damping::default(),
            told: BTreeMap::new(),
            sends: BTreeMap::new(),
            failed: BTreeSet::new(),
            waiting: Waiting::default(),
            hush: None,
            to_watch: ToWatch::default(),
            strangers: Vec::new(),
            known_strangers: BTreeSet::new(),
            actions: Vec::new(),
            apply_at: clock.now(),
            standing_due: false,
            paths_due: false,
            paths_astray: false,
            paths_released: false,
            counters: LoopCounters::default(),
            real_time: false,
            raise: Raise::default(),
            packet: Vec::with_capacity(PACKET),
            sealed: Vec::new(),
            configured: false,
            stop_within: Duration::ZERO,
            resync_at: clock.now() + RESYNC,
            quiet_until: None,
            stop_by: None,
            forced: false,
            stalled: None,
        })
    }

    fn run(mut self, priority: u8) {
        match sys::sched::run_in_real_time(priority) {
            Ok(()) => {
                self.real_time = true;
                self.raise.note(priority);
            }
            Err(cause) => self.end.report(Report::Trouble(format!(
                "no real-time scheduling ({cause}); grant CAP_SYS_NICE or LimitRTPRIO={priority}, or a busy \
                 machine may delay advertisements"
            ))),
        }
        while !self.is_done() {
            if let Err(error) = self.turn() {
                self.end.report(Report::Trouble(format!("{error}; the worker ends")));
                self.end.wake();
                return;
            }
        }
        self.take_down();
        self.end.report(Report::Stopped);
        self.end.wake();
    }

    /// Waits for something to happen and works it off.
    fn turn(&mut self) -> Result<(), Error> {
        self.follow_up();
        let deadline = self.poll_timeout();
        self.timer.arm(deadline)?;
        let mut events = [EpollEvent::empty(); 32];
        let ready = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
            Ok(count) => &events[..count],
            Err(Errno::EINTR) => &[],
            Err(errno) => {
                let what = "event loop".to_owned();
                return Err(Error::Socket { what, step: "epoll_wait", cause: errno.into() });
            }
        };
        let sources = ready.iter().filter_map(|event| self.sockets.source(event.data()));
        // VRRP first: what a successor announces means something only to a router that has heard of it.
        let sources: BTreeSet<Source> = sources.collect();
        let is_ready = |token| ready.iter().any(|event| event.data() == token);
        if is_ready(TIMER) {
            self.timer.acknowledge();
        }
        self.tell_time();
        self.handle_first();
        for source in sources {
            self.handle_source(source);
        }
        if is_ready(LINKS) {
            self.handle_links()?;
        }
        if is_ready(ORDERS) {
            self.handle_orders();
        }
        self.handle_deadlines()?;
        self.apply_part();
        if self.is_announced() {
            if self.paths_due {
                self.apply_paths();
            } else if self.paths_astray {
                self.repair_paths();
            }
            // Thousands of addresses come in many turns; what is held is told when all of them have.
            if self.standing_due && !self.is_hushed() {
                self.report_standing();
            }
        }
        Ok(())
    }

    /// Applies the next part of addresses that are due, and what comes of it.
    fn apply_part(&mut self) {
        if self.holdings.is_pending() && self.apply_at <= self.clock.now() {
            self.apply_holdings();
            // The kernel's own threads have work by that too.
            self.apply_at = self.clock.now() + BREATH;
            self.settle();
        }
    }

    /// Every address stands where it should, and none waits for the kernel to be announced: time for what comes after.
    pub(super) fn is_announced(&self) -> bool {
        !self.holdings.is_pending() && self.waiting.poll_timeout().is_none()
    }

    /// What comes after everything else of a turn. The desk waits for announcements that wait for the kernel, and for those
    /// that they are for: it has the same processor to work on, perhaps.
    fn follow_up(&mut self) {
        if self.to_watch.poll_timeout().is_some_and(|at| at <= self.clock.now()) {
            self.watch_waiting();
        }
        if !self.is_hushed() {
            self.hush = None;
            if self.waiting.poll_timeout().is_none() {
                self.end.wake();
            }
        }
    }

    fn is_hushed(&self) -> bool {
        self.hush.is_some_and(|until| self.clock.now() < until)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let now = self.clock.now();
        let deadlines = [
            self.holdings.is_pending().then_some(self.apply_at),
            self.routers.poll_timeout(),
            self.routers.poll_check(),
            self.announcer.poll_timeout(now),
            self.waiting.poll_timeout(),
            self.hush,
            self.to_watch.poll_timeout(),
            self.sockets.poll_timeout(),
            self.damping.poll_timeout(),
            self.quiet_until,
            self.stop_by,
            Some(self.resync_at),
        ];
        deadlines.into_iter().flatten().min()
    }

    fn is_done(&self) -> bool {
        let handed_over = self.stop_by.is_some() && self.routers.is_stopped();
        self.forced || handed_over && self.holdings.is_released()
    }

    /// Signatures say when they were made; the clock may have been set since the last turn.
    pub(super) fn tell_time(&mut self) {
        if self.signs {
            self.routers.handle_time(Clock::time_of_day(), self.clock.now());
        }
    }

    // --- what comes in ---

    fn handle_source(&mut self, source: Source) {
        match source {
            // One round, and then timers and the other sockets: what is left makes the socket readable again.
            Source::Vrrp(spot) => self.read_packets(spot, 1),
            Source::Sealed(interface) => self.read_sealed(interface, 1),
            Source::Watcher(spot) => self.read_announcements(spot),
        }
        self.tell_strangers();
        self.settle();
    }

    fn read_packets(&mut self, spot: Spot, rounds: usize) {
        for _ in 0..rounds {
            let now = self.clock.now();
            let Some(socket) = self.sockets.vrrp(spot) else { return };
            let routers = &mut self.routers;
            let (strangers, hears_all) = (&mut self.strangers, self.sockets.hears_all);
            let received = socket.receive(&mut self.inbox, |header, message| {
                // A refusal is counted by the core; nothing else comes of it but, where wanted, a word about strangers.
                if let Err(Refusal::UnknownRouter { router }) =
                    routers.handle_packet(spot.0, &header, message, now)
                    && hears_all
                {
                    strangers.push((router, header.source));
                }
            });
            match received {
                Ok(PACKETS_PER_TURN) => {}
                Ok(_) => return,
                Err(error) => {
                    if self.sockets.handle_error(spot, &error, now) {
                        let text = format!("VRRP socket on {}: {error}; opened again soon", spot.0);
                        self.end.report(Report::Trouble(text));
                    }
                    return;
                }
            }
        }
    }

    fn handle_links(&mut self) -> Result<(), Error> {
        let changes = self.links.drain(&mut self.requests)?;
        if !changes.is_empty() {
            if changes.everything && virtual_links::is_off(self.works.values(), &self.links) {
                self.apply_virtual_links();
            }
            self.paths_astray = true;
            self.compare(&changes);
            if self.waiting.poll_timeout().is_some() {
                // The kernel says that it uses an address: clients have waited for this announcement.
                self.apply_part();
            }
            self.stand_again();
            self.tell_core();
        }
        Ok(())
    }

    /// What changed is compared with what should be in this turn's end: what somebody took away is put back, what
    /// nobody wants is taken away.
    pub(super) fn compare(&mut self, changes: &Changes) {
        if changes.everything {
            self.holdings.suspect_all();
        }
        for (index, address, prefix_length) in &changes.addresses {
            let named = self.links.name(*index).and_then(|name| name.parse().ok());
            if let Some(interface) = named {
                let (address, prefix_length) = (*address, *prefix_length);
                self.holdings.suspect(Place { interface, address, prefix_length });
            }
        }
    }

    // --- facts ---

    fn open_sockets(&mut self, now: Instant) {
        let index = |name: &IfName| self.links.by_name(name.as_str()).map(|link| link.index);
        let pauses = self.garp_groups.iter().map(|group| SharedPause {
            interfaces: group.interfaces.iter().filter_map(index).collect(),
            arp: group.arp.unwrap_or_default(),
            neighbour: group.neighbour.unwrap_or_default(),
        });
        self.announcer.share(pauses.collect());
        let works = self.works.values();
        let first = works.clone().filter_map(|work| work.addresses.first());
        let v6 = first.filter(|vip| vip.address.is_ipv6());
        self.announcer.prepare(v6.filter_map(|vip| self.links.by_name(vip.interface.as_str())));
        let errors = self.sockets.adjust(works, &self.links, &self.epoll, now);
        for error in errors {
            self.end.report(Report::Trouble(error.to_string()));
        }
    }

    /// Tells the core what changed about links and tracking since it was last told.
    fn tell_core(&mut self) {
        let now = self.clock.now();
        self.open_sockets(now);
        let damped = self.damping.adjusted(self.links.iter(), now);
        let links = facts::by_name(self.links.iter().chain(&damped));
        for (id, work) in &self.works {
            let told = self.told.entry(*id).or_default();
            let can_send = self.sockets.can_send(work);
            let link = facts::link_of(work, &links, can_send);
            let tracking = facts::tracking_of(work, &links, &self.found);
            // Tracking first: a link that comes up starts an election, which needs the priority.
            if told.tracking != Some(tracking) {
                told.tracking = Some(tracking);
                self.routers.handle_tracking(*id, tracking, now);
            }
            if told.link != Some(link) && self.quiet_until.is_none() {
                told.link = Some(link);
                self.routers.handle_link(*id, link, now);
            }
        }
        self.settle();
    }
}

/// Room for the longest advertisement.
const PACKET: usize = 8 + 255 * 16 + 8;
