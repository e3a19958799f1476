//! The watch over the pair from the desk's side: samples of our routers, probes for their addresses, beats to and from the
//! other director; what alarms come of it, in log, events and `status`. It changes no state of any router.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::time::sleep_until;
use tracing::{debug, info, warn};

use vrrp::RouterId;

use super::Desk;
use crate::message::{Message, Role};
use crate::router::channel::Order;
use crate::router::heartbeat::{
    Digests, Heartbeat, HeartbeatSpec, LONGEST, RouterSays, Says, digest,
};
use crate::router::pair_order::{PairOrder, PairOrders, Told};
use crate::router::spec::RouterWorkerSpec;
use crate::router::split_brain::{Alarm, Change, FADE, Sample, SplitBrain, Standing};
use crate::router::split_brain_probe::{Answer, Probers};
use crate::router::status::{AlarmStatus, PeerStatus, VrrpStatus};

/// From sample to sample.
const SAMPLE: Duration = Duration::from_secs(1);
/// After the heartbeat's socket could not be opened.
const PAUSE: Duration = Duration::from_secs(2);

/// Everything that the watch owns.
#[derive(Debug)]
pub(super) struct Watch {
    is_on: bool,
    brain: SplitBrain,
    probers: Probers,
    next_sample: Instant,
    samples: Vec<Sample>,
    pub(super) path: Option<Path>,
    digests: Option<Digests>,
    /// Our connections as last counted, for a peer that waits for them.
    connections: Option<u64>,
}

/// The heartbeat path.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) spec: HeartbeatSpec,
    pub(super) heartbeat: Heartbeat,
    pub(super) orders: PairOrders,
    socket: Option<UdpSocket>,
    open_at: Instant,
    said: Option<String>,
    differences: Vec<String>,
}

/// What is to be done.
pub(super) enum Due {
    /// Our routers want sampling, and alarms may be over.
    Sample,
    /// An address wants asking for.
    Probe,
    /// Somebody has answered.
    Answer(Answer),
    /// A beat of ours is due, or the peer has not answered an order.
    Beat,
    /// A datagram came.
    Datagram(IpAddr, Vec<u8>),
}

pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl Watch {
    /// Off until it is configured. Inside a tokio runtime.
    pub(super) fn new() -> Self {
        Self {
            is_on: false,
            brain: SplitBrain::default(),
            probers: Probers::default(),
            next_sample: now(),
            samples: Vec::new(),
            path: None,
            digests: None,
            connections: None,
        }
    }

    /// What comes next. May be dropped at any point.
    pub(super) async fn due(&mut self) -> Due {
        if !self.is_on {
            return std::future::pending().await;
        }
        let probe = self.brain.poll_timeout().unwrap_or(self.next_sample);
        let path = self.path.as_ref();
        let beat = path.map_or(self.next_sample, Path::poll_timeout);
        tokio::select! {
            biased;
            () = sleep_until(self.next_sample.into()) => Due::Sample,
            () = sleep_until(beat.into()), if self.path.is_some() => Due::Beat,
            Some(answer) = self.probers.answer() => Due::Answer(answer),
            (from, bytes) = receive(self.path.as_ref()) => Due::Datagram(from, bytes),
            () = sleep_until(probe.into()) => Due::Probe,
        }
    }

    /// Orders that went with the old path are told.
    fn configure(&mut self, spec: &RouterWorkerSpec) -> Vec<Told> {
        self.is_on = !spec.routers.is_empty() && spec.watch_holders || spec.heartbeat.is_some();
        if !self.is_on {
            (self.brain, self.probers) = (SplitBrain::default(), Probers::default());
        }
        if self.path.as_ref().map(|path| &path.spec) == spec.heartbeat.as_ref() {
            return Vec::new();
        }
        let old = self.path.take();
        self.path = spec.heartbeat.clone().map(Path::new);
        old.map(|mut path| path.orders.give_up()).unwrap_or_default()
    }

    /// What we tell the peer.
    fn says(&self, waits: bool) -> Says {
        let router = |sample: &Sample| RouterSays {
            name: sample.name.clone(),
            vrid: sample.router.vrid.into(),
            family: sample.router.family,
            state: sample.state,
            priority: sample.priorities.0.into(),
            effective: sample.priorities.1.into(),
            addresses: {
                let mut addresses: Vec<IpAddr> = sample.addresses.iter().map(|it| it.1).collect();
                addresses.sort();
                digest(&addresses)
            },
        };
        Says {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            routers: self.samples.iter().map(router).collect(),
            digests: self.digests,
            waits,
            connections: self.connections,
        }
    }

    /// What the other director says, while it does.
    fn peer(&self) -> Option<&Says> {
        self.path.as_ref()?.heartbeat.peer(now())
    }

    fn handle_samples(&mut self, samples: Vec<Sample>) {
        let now = now();
        self.brain.handle_samples(samples.clone(), now);
        self.samples = samples;
        if let Some(path) = &self.path
            && path.heartbeat.is_lost(now)
        {
            let subject = format!("peer {}", path.spec.peer.ip());
            let text = "the other director is silent on the heartbeat path".to_owned();
            let lasts = SAMPLE * 2;
            self.brain.see(Alarm::HeartbeatLost, (&subject, None), text, lasts, now);
        }
    }

    /// How an order of ours went, and one of the peer's, with its ticket.
    fn handle_datagram(
        &mut self,
        from: IpAddr,
        bytes: &[u8],
    ) -> (Option<Told>, Option<(u64, PairOrder)>) {
        let now = now();
        let ours = self.says(false);
        let Some(path) = &mut self.path else { return (None, None) };
        let (theirs, node, mail) = match path.heartbeat.handle_datagram(from, bytes, now) {
            Ok(Some((says, node, mail))) => (says.clone(), node, mail),
            Ok(None) => return (None, None),
            Err(refusal) => {
                debug!(%from, "heartbeat: {refusal}");
                return (None, None);
            }
        };
        let brought = path.orders.handle_mail(node, mail);
        path.differences = ours.differences(&theirs);
        let lasts = path.spec.interval * 2 + Duration::from_secs(1);
        let differences = path.differences.join("; ");
        let peer = format!("peer {}", path.spec.peer.ip());
        if differences.is_empty() {
            self.brain.end(Alarm::PeerDiffers, &peer, now);
        } else {
            self.brain.see(Alarm::PeerDiffers, (&peer, None), differences, lasts, now);
        }
        for (alarm, sample, text) in compare(&self.samples, &ours, &theirs) {
            let subject = (sample.name.as_str(), Some(sample.router));
            self.brain.see(alarm, subject, text, lasts, now);
        }
        brought
    }
}

impl Watch {
    /// The core has heard another owner. One that steps back at once is in no sample.
    pub(super) fn hear_second_owner(&mut self, router: RouterId, name: &str, source: IpAddr) {
        if self.is_on {
            let text = format!("{source} has priority 255 too");
            self.brain.see(Alarm::DuplicateOwner, (name, Some(router)), text, FADE, now());
        }
    }
}

/// What two lists of routers contradict each other in.
fn compare<'a>(
    samples: &'a [Sample],
    ours: &Says,
    theirs: &Says,
) -> Vec<(Alarm, &'a Sample, String)> {
    use vrrp::State::{HandingOver, Master};
    let mut found = Vec::new();
    for (sample, own) in samples.iter().zip(&ours.routers) {
        let Some(other) = theirs.routers.iter().find(|it| it.is_like(own)) else { continue };
        let holds = |state| matches!(state, Master | HandingOver);
        if (own.state, other.state) == (Master, Master) {
            let text = "we and the other director are both MASTER".to_owned();
            found.push((Alarm::TwoMasters, sample, text));
        }
        if !holds(own.state) && !holds(other.state) {
            let text = format!("we are {}, the other director is {}", own.state, other.state);
            found.push((Alarm::NobodyHolds, sample, text));
        }
        if own.priority == other.priority {
            let is_owner = own.priority == u8::MAX;
            let alarm = if is_owner { Alarm::DuplicateOwner } else { Alarm::SamePriority };
            let text = format!("the other director has priority {} too", own.priority);
            found.push((alarm, sample, text));
        }
        if own.addresses != other.addresses {
            let text = "the other director has other addresses for it".to_owned();
            found.push((Alarm::AddressListMismatch, sample, text));
        }
    }
    found
}

impl Path {
    fn new(spec: HeartbeatSpec) -> Self {
        let heartbeat = Heartbeat::new(&spec, random(), now());
        Self {
            orders: PairOrders::new(heartbeat.node()),
            heartbeat,
            socket: None,
            open_at: now(),
            said: None,
            differences: Vec::new(),
            spec,
        }
    }

    fn poll_timeout(&self) -> Instant {
        let beat = self.heartbeat.poll_timeout();
        self.orders.poll_timeout().map_or(beat, |late| late.min(beat))
    }

    fn open(&mut self) {
        let now = now();
        if self.socket.is_some() || now < self.open_at {
            return;
        }
        match bind(self.spec.local) {
            Ok(socket) => (self.socket, self.said) = (Some(socket), None),
            Err(cause) => {
                self.open_at = now + PAUSE;
                let text = format!("heartbeat: {}: {cause}", self.spec.local);
                if self.said.as_ref() != Some(&text) {
                    warn!("{text}; tried again");
                    self.said = Some(text);
                }
            }
        }
    }
}

fn bind(local: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::bind(local)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

async fn receive(path: Option<&Path>) -> (IpAddr, Vec<u8>) {
    let Some(socket) = path.and_then(|path| path.socket.as_ref()) else {
        return std::future::pending().await;
    };
    let mut bytes = vec![0; LONGEST];
    loop {
        match socket.recv_from(&mut bytes).await {
            Ok((length, from)) => {
                bytes.truncate(length);
                return (from.ip(), bytes);
            }
            // What ICMP says of a peer that is not there; the socket goes on.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Differs from process to process.
fn random() -> u64 {
    let mut bytes = [0; 8];
    // Without a source of randomness the clock has to do: a number that nobody had before.
    match ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes) {
        Ok(()) => u64::from_be_bytes(bytes),
        Err(_) => vrrp::io::Clock::new().nanoseconds(now()),
    }
}

impl Desk<'_> {
    /// Watches what this configures.
    pub(super) async fn configure_watch(&mut self, spec: &RouterWorkerSpec) {
        let told = self.watch.configure(spec);
        self.tell_of_orders(told).await;
    }

    /// Does what is due.
    pub(super) async fn handle_due(&mut self, due: Due) {
        match due {
            Due::Sample => {
                self.watch.next_sample = now() + SAMPLE;
                self.order(Order::Sample);
                if self.watch.path.is_some() {
                    // Full: the last answer stands a little longer.
                    let _ = self.link.offer(Role::Lvs, &Message::TellDigests);
                }
                if self.watch.peer().is_some_and(|peer| peer.waits) {
                    self.ask_connections();
                } else {
                    self.watch.connections = None;
                }
                let changes = self.watch.brain.poll_changes(now());
                self.note_alarms(changes);
            }
            Due::Probe => {
                if let Some(question) = self.watch.brain.poll_probe(now()) {
                    self.watch.probers.ask(question);
                }
            }
            Due::Answer((question, mac)) => self.watch.brain.handle_answer(question, mac, now()),
            Due::Beat => self.beat().await,
            Due::Datagram(from, bytes) => {
                let (told, order) = self.watch.handle_datagram(from, &bytes);
                self.tell_of_orders(told).await;
                if let Some((ticket, order)) = order {
                    self.carry_out(ticket, order);
                }
            }
        }
    }

    pub(super) fn handle_samples(&mut self, samples: Vec<Sample>) {
        self.watch.handle_samples(samples);
        let changes = self.watch.brain.poll_changes(now());
        self.note_alarms(changes);
    }

    /// What the lvs worker's table comes to.
    pub(super) fn handle_digests(&mut self, digests: Digests) {
        self.watch.digests = Some(digests);
    }

    /// So many connections are here.
    pub(super) fn watch_connections(&mut self, count: u64) {
        self.watch.connections = Some(count);
    }

    /// How many the other director has, where it says so.
    pub(super) fn peer_connections(&self) -> Option<u64> {
        self.watch.peer()?.connections
    }

    async fn beat(&mut self) {
        let says = self.watch.says(self.waits_for_connections());
        let Some(path) = &mut self.watch.path else { return };
        path.open();
        let late: Vec<Told> = std::iter::from_fn(|| path.orders.poll_late(now())).collect();
        let bytes = path.heartbeat.beat(says, &path.orders.mail(), now());
        if let Some(socket) = &path.socket
            && let Err(cause) = socket.try_send_to(&bytes, path.spec.peer)
        {
            debug!(peer = %path.spec.peer, "heartbeat: {cause}");
        }
        self.tell_of_orders(late).await;
    }

    fn note_alarms(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Raised(Standing { alarm, subject, text, .. }) => {
                    warn!(alarm = alarm.name(), subject, "ALARM: {text}");
                    self.event(&format!("alarm_{}", alarm.name()), subject, text);
                }
                Change::Cleared(Standing { alarm, subject, since, .. }) => {
                    let lasted_ms = now().saturating_duration_since(since).as_millis();
                    info!(alarm = alarm.name(), subject, lasted_ms, "alarm is over");
                    let cause = format!("{} is over", alarm.name());
                    self.event("alarm_cleared", subject, cause);
                }
                Change::Announce(router) => {
                    info!(instance = self.name(router), "announces its addresses again");
                    self.order(Order::Announce(router));
                }
            }
        }
    }

    /// Adds alarms and the peer to what the core tells.
    pub(super) fn complete_watch(&self, status: &mut VrrpStatus) {
        let now = now();
        let millis = |since: Instant| {
            u64::try_from(now.saturating_duration_since(since).as_millis()).unwrap_or(u64::MAX)
        };
        let alarm = |standing: Standing| AlarmStatus {
            alarm: standing.alarm,
            subject: standing.subject,
            text: standing.text,
            for_ms: millis(standing.since),
        };
        status.alarms = self.watch.brain.standing().into_iter().map(alarm).collect();
        status.peer = self.watch.path.as_ref().map(|path| {
            let says = path.heartbeat.peer(now);
            PeerStatus {
                address: path.spec.peer.ip(),
                heard: says.is_some(),
                routers: says.map(|says| says.routers.clone()).unwrap_or_default(),
                differences: if says.is_some() { path.differences.clone() } else { Vec::new() },
                refused: path.heartbeat.refused,
                wrong_key: path.heartbeat.wrong_key,
            }
        });
    }
}
