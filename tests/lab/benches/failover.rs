//! A VIP that moves: the link of its holder is cut, or the holder is stopped and comes back, at three paces over IPv4 and
//! IPv6, under evenkeel and under Debian's keepalived with the same file.
//!
//! What counts is on the wire: the first claim of the VIP by the second director, less the last advertisement of the
//! first, less the time that the protocol has a backup wait. A client with a connection every 2 ms tells the gap.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use crate::capture::{Capture, Saying};
use crate::client::{Client, PACE};
use crate::daemon::{Daemon, Kind};
use crate::host::wait_for;
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::responder::Responder;
use crate::runner::Scenario;
use crate::topology::{Forwarding, Plan, Topology};

use Kind::{Evenkeel, Keepalived};
use Pace::{Hundredth, Second, Tenth};

/// A scenario for each kind, pace and family; xtask asks for them by name, one machine each.
macro_rules! cells {
    ($run:ident: $($name:literal $kind:ident $pace:ident $family:ident,)*) => {
        &[$(Scenario::alone($name, 1100, |keeper| {
            $run(keeper, Cell { kind: $kind, pace: $pace, family: Family::$family })
        }),)*]
    };
}

pub(super) const CUTS: &[Scenario] = cells! { cut:
    "bench_failover_cut_evenkeel_10_ms_v4" Evenkeel Hundredth V4,
    "bench_failover_cut_keepalived_10_ms_v4" Keepalived Hundredth V4,
    "bench_failover_cut_evenkeel_10_ms_v6" Evenkeel Hundredth V6,
    "bench_failover_cut_keepalived_10_ms_v6" Keepalived Hundredth V6,
    "bench_failover_cut_evenkeel_100_ms_v4" Evenkeel Tenth V4,
    "bench_failover_cut_keepalived_100_ms_v4" Keepalived Tenth V4,
    "bench_failover_cut_evenkeel_100_ms_v6" Evenkeel Tenth V6,
    "bench_failover_cut_keepalived_100_ms_v6" Keepalived Tenth V6,
    "bench_failover_cut_evenkeel_1_s_v4" Evenkeel Second V4,
    "bench_failover_cut_keepalived_1_s_v4" Keepalived Second V4,
    "bench_failover_cut_evenkeel_1_s_v6" Evenkeel Second V6,
    "bench_failover_cut_keepalived_1_s_v6" Keepalived Second V6,
};

pub(super) const STOPS: &[Scenario] = cells! { stop:
    "bench_failover_stop_evenkeel_10_ms_v4" Evenkeel Hundredth V4,
    "bench_failover_stop_keepalived_10_ms_v4" Keepalived Hundredth V4,
    "bench_failover_stop_evenkeel_100_ms_v4" Evenkeel Tenth V4,
    "bench_failover_stop_keepalived_100_ms_v4" Keepalived Tenth V4,
    "bench_failover_stop_evenkeel_1_s_v4" Evenkeel Second V4,
    "bench_failover_stop_keepalived_1_s_v4" Keepalived Second V4,
    "bench_failover_stop_evenkeel_100_ms_v6" Evenkeel Tenth V6,
    "bench_failover_stop_keepalived_100_ms_v6" Keepalived Tenth V6,
};

pub(super) const ORDERS: &[Scenario] = cells! { order:
    "bench_failover_order_evenkeel_10_ms_v4" Evenkeel Hundredth V4,
    "bench_failover_order_evenkeel_100_ms_v4" Evenkeel Tenth V4,
    "bench_failover_order_evenkeel_1_s_v4" Evenkeel Second V4,
    "bench_failover_order_evenkeel_100_ms_v6" Evenkeel Tenth V6,
};

/// Before each change: Linux keeps an ARP entry that was just updated for a second, whatever is claimed meanwhile
/// (`locktime`), and the claims repeated after five seconds must not fall into it either.
const QUIET: Duration = Duration::from_secs(2);

/// Priorities of the two directors.
const PRIORITIES: [u8; 2] = [150, 100];
pub(super) const VRID: u8 = 51;

/// How often routers advertise.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// Version 2 over IPv4, version 3 over IPv6.
    Second,
    /// Version 3.
    Tenth,
    /// Version 3.
    Hundredth,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

/// What one run of the bench is about.
#[derive(Clone, Copy)]
pub(super) struct Cell {
    pub(super) kind: Kind,
    pub(super) pace: Pace,
    pub(super) family: Family,
}

impl Pace {
    fn interval(self) -> Duration {
        Duration::from_millis(match self {
            Self::Second => 1000,
            Self::Tenth => 100,
            Self::Hundredth => 10,
        })
    }
}

impl Cell {
    /// How long the second director waits: RFC 9568 section 6.1; in version 2 the skew is a part of a second.
    fn master_down(self) -> Duration {
        let unit = match (self.pace, self.family) {
            (Second, Family::V4) => Duration::from_secs(1),
            _ => self.pace.interval(),
        };
        3 * self.pace.interval() + unit * (256 - u32::from(PRIORITIES[1])) / 256
    }

    fn vip(self) -> &'static str {
        match self.family {
            Family::V4 => "10.0.0.100",
            Family::V6 => "fd00::64",
        }
    }

    fn target(self) -> &'static str {
        match self.family {
            Family::V4 => "10.0.0.100:80",
            Family::V6 => "[fd00::64]:80",
        }
    }

    fn service(self) -> String {
        format!("-t {}", self.target())
    }

    pub(super) fn config(self, priority: u8) -> String {
        let (addresses, servers) = match self.family {
            Family::V4 => ("10.0.0.100/32", ["10.0.0.11", "10.0.0.12"]),
            Family::V6 => ("fe80::64/64\nfd00::64/128", ["fd00::b", "fd00::c"]),
        };
        let pace = match (self.pace, self.family) {
            (Second, Family::V4) => "version 2\nadvert_int 1",
            (Second, Family::V6) => "version 3\nadvert_int 1",
            (Tenth, _) => "version 3\nadvert_int 0.1",
            (Hundredth, _) => "version 3\nadvert_int 0.01",
        };
        let server = |address: &str| {
            format!(
                "real_server {address} 80 {{\nweight 1\nTCP_CHECK {{\nconnect_timeout 1\n}}\n}}\n"
            )
        };
        format!(
            "vrrp_instance web {{\nstate BACKUP\ninterface eth0\nvirtual_router_id {VRID}\n\
             priority {priority}\n{pace}\nvirtual_ipaddress {{\n{addresses}\n}}\n}}\n\
             virtual_server {} 80 {{\ndelay_loop 1\nlb_algo rr\nlb_kind DR\nprotocol TCP\n{}{}}}\n",
            self.vip(),
            server(servers[0]),
            server(servers[1]),
        )
    }
}

/// What is asked of xtask's options.
pub(super) fn number(name: &str, default: u32) -> u32 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Two directors, two web servers, a client that watches the wire.
struct Setup {
    cell: Cell,
    net: Topology,
    capture: Capture,
    directors: [Daemon; 2],
    _servers: [Responder; 2],
}

impl Setup {
    fn start(keeper: &Arc<Keeper>, cell: Cell) -> Self {
        let plan = Plan::new().directors(2).servers(2, Forwarding::Direct).clients(1);
        let net = plan.vips(&[cell.vip()]).build(keeper);
        let capture = Capture::start(net.host("c1"));
        let servers = ["r1", "r2"].map(|name| Responder::start(net.host(name)));
        let start = |at: usize, name| {
            Daemon::start(cell.kind, net.host(name), &cell.config(PRIORITIES[at]))
        };
        let directors = [start(0, "d1"), start(1, "d2")];
        let setup = Self { cell, net, capture, directors, _servers: servers };
        setup.wait_for_first();
        setup.wait_for_table("d1");
        setup.wait_for_table("d2");
        setup
    }

    fn holds(&self, name: &str) -> bool {
        kernel_view::holds(self.net.host(name), self.cell.vip())
    }

    fn wait_for_first(&self) {
        wait_for(Duration::from_secs(20), "the VIP on d1 alone", || {
            self.holds("d1") && !self.holds("d2")
        });
    }

    fn wait_for_table(&self, name: &str) {
        wait_for(Duration::from_secs(20), "a full table", || {
            kernel_view::weights(self.net.host(name), &self.cell.service()).len() == 2
        });
    }

    fn load(&self) -> Client {
        Client::asking(self.net.host("c1"), self.cell.target(), PACE)
    }

    /// Half an interval after an advertisement. When a link is cut decides about more of the gap than what is to be
    /// compared; this way it is the same for everybody, and the median of the gaps is one of equals.
    fn wait_for_phase(&self) {
        let interval = self.cell.pace.interval();
        let last = self.capture.adverts(VRID).pop().expect("an advertisement").at;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let since = Duration::from_nanos(
            u64::try_from(now.saturating_sub(last).as_nanos() % interval.as_nanos()).unwrap(),
        );
        let wanted = interval / 2;
        thread::sleep(if since <= wanted { wanted - since } else { wanted + interval - since });
    }

    /// From the last advertisement of the first director to the first claim by the other, and when that was.
    fn takeover(&self) -> Option<(Duration, Duration)> {
        let packets = self.capture.packets();
        let is_first = |saying: &Saying| matches!(saying, Saying::Advert { vrid: VRID, priority, .. } if *priority == PRIORITIES[0]);
        let last = packets.iter().rfind(|packet| is_first(&packet.saying))?;
        let claim = Saying::Claim(self.cell.vip().parse().ok()?);
        let claims = packets.iter().filter(|packet| packet.saying == claim);
        let first = claims.into_iter().find(|it| it.at > last.at && it.mac != last.mac)?;
        Some((first.at.saturating_sub(last.at), first.at))
    }

    fn figure(&self, keeper: &Keeper, what: &str, sample: &Sample) {
        let prefix = if self.cell.kind == Keepalived { "keepalived " } else { "" };
        keeper.figure(&format!("{prefix}{what} = {}", sample.text()));
    }
}

/// Several measurements of the same, in milliseconds.
#[derive(Default)]
pub(super) struct Sample(Vec<f64>);

impl Sample {
    pub(super) fn add(&mut self, millis: f64) {
        self.0.push(millis);
        self.0.sort_by(f64::total_cmp);
    }

    fn at(&self, percent: usize) -> f64 {
        let place = (self.0.len() * percent).div_ceil(100).saturating_sub(1);
        self.0.get(place).copied().unwrap_or(f64::NAN)
    }

    /// Median, p95 and most.
    pub(super) fn text(&self) -> String {
        format!("{:.2} / {:.2} / {:.2}", self.at(50), self.at(95), self.at(100))
    }
}

pub(super) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The first director's link dies further away, and comes back.
fn cut(keeper: &Arc<Keeper>, cell: Cell) {
    let setup = Setup::start(keeper, cell);
    let (mut late, mut gaps, mut missed) = (Sample::default(), Sample::default(), 0);
    let (mut stalls, mut answered) = (Sample::default(), Sample::default());
    let mut silences = Sample::default();
    let due = cell.master_down();
    for _ in 0..number("EVENKEEL_BENCH_RUNS", 20) {
        let mut client = setup.load();
        let cut = setup.net.blackhole_soon("d1");
        thread::sleep(QUIET);
        client.phase();
        setup.wait_for_phase();
        cut();
        // A repeated SYN comes after a second; what is still open at the stop would count as a gap.
        thread::sleep(due + QUIET);
        let report = client.stop();
        match setup.takeover() {
            Some((took, claimed)) => {
                late.add(millis(took) - millis(due));
                let served = millis(report.gap_began + report.gap);
                answered.add(served - millis(claimed));
                silences.add(served - millis(claimed) + millis(took) - millis(due));
            }
            None => missed += 1,
        }
        gaps.add(millis(report.gap));
        stalls.add(millis(report.stall));
        setup.net.restore("d1");
        setup.wait_for_first();
    }
    setup.figure(keeper, "captured takeover beyond the protocol's time, ms", &late);
    setup.figure(keeper, "client gap, ms", &gaps);
    setup.figure(keeper, "of it, from the first claim on, ms", &answered);
    setup.figure(
        keeper,
        "last advertisement to first answer beyond the protocol's time, ms",
        &silences,
    );
    setup.figure(keeper, "the client itself was held up, ms", &stalls);
    if missed > 0 {
        keeper.figure(&format!("runs without a takeover on the wire = {missed}"));
    }
}

/// The first director is stopped as planned, is started again and takes the VIP back.
fn stop(keeper: &Arc<Keeper>, cell: Cell) {
    let go = |director: &mut Daemon| director.stop();
    there_and_back(keeper, cell, ["planned stop", "preemption back"], go, Daemon::start_again);
}

/// The first director is told to hand over, and to take part again.
fn order(keeper: &Arc<Keeper>, cell: Cell) {
    let order = |director: &mut Daemon, words: &str| {
        director.command(words).unwrap_or_else(|why| panic!("{words}: {why}"));
    };
    let go = |director: &mut Daemon| order(director, "failover web");
    let back = |director: &mut Daemon| order(director, "rejoin web");
    there_and_back(keeper, cell, ["failover command", "rejoin"], go, back);
}

fn there_and_back(
    keeper: &Arc<Keeper>,
    cell: Cell,
    what: [&str; 2],
    go: impl Fn(&mut Daemon),
    back: impl Fn(&mut Daemon),
) {
    let mut setup = Setup::start(keeper, cell);
    let settle = cell.pace.interval() * 4 + Duration::from_millis(500);
    let mut gaps = [Sample::default(), Sample::default()];
    let (mut failed, mut in_flight, mut total) = ([0, 0], [0, 0], [0, 0]);
    for _ in 0..number("EVENKEEL_BENCH_RUNS", 20) {
        let mut client = setup.load();
        thread::sleep(QUIET);
        client.phase();
        go(&mut setup.directors[0]);
        thread::sleep(settle + QUIET);
        let stopped = client.phase();
        back(&mut setup.directors[0]);
        setup.wait_for_first();
        thread::sleep(settle + QUIET);
        for (at, report) in [stopped, client.stop()].into_iter().enumerate() {
            gaps[at].add(millis(report.gap));
            failed[at] += report.failed_new();
            in_flight[at] += report.after_connect;
            total[at] += report.total;
            if report.failed_new() > 0 {
                keeper.figure(&format!("{}: {report}", what[at]));
            }
        }
        setup.wait_for_table("d1");
    }
    for (at, what) in what.into_iter().enumerate() {
        setup.figure(keeper, &format!("{what}: client gap, ms"), &gaps[at]);
        let prefix = if cell.kind == Keepalived { "keepalived " } else { "" };
        keeper.figure(&format!(
            "{prefix}{what}: new connections failed of all, requests in flight lost = {} of {}, {}",
            failed[at], total[at], in_flight[at]
        ));
    }
}
