//! A pair of directors in front of two web servers, as most scenarios use it.

use std::sync::Arc;
use std::time::Duration;

use crate::capture::{Capture, Packet};
use crate::client::{Client, PACE};
use crate::daemon::{Daemon, Kind};
use crate::host::{Host, wait_for};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::responder::Responder;
use crate::topology::{Forwarding, Plan, Topology};

pub(super) const VIP: &str = "10.0.0.100";
pub(super) const TARGET: &str = "10.0.0.100:80";
pub(super) const SERVICE: &str = "-t 10.0.0.100:80";
pub(super) const VRID: u8 = 51;
/// Priorities of the first and the second director.
pub(super) const PRIORITIES: [u8; 2] = [150, 100];

/// How fast routers advertise, in which version of the protocol.
#[derive(Clone, Copy)]
pub(super) enum Pace {
    /// VRRPv2 with a password, every second.
    Second,
    /// VRRPv3, every 100 ms.
    Tenth,
    /// VRRPv3, every 10 ms.
    Hundredth,
}

impl Pace {
    pub(super) fn interval(self) -> Duration {
        Duration::from_millis(match self {
            Self::Second => 1000,
            Self::Tenth => 100,
            Self::Hundredth => 10,
        })
    }

    /// How long the second director waits for an advertisement before it takes over: RFC 3768 section 6.1 (the skew
    /// is a part of a second), RFC 9568 section 6.1 (a part of the interval).
    pub(super) fn master_down(self) -> Duration {
        let unit = match self {
            Self::Second => Duration::from_secs(1),
            Self::Tenth | Self::Hundredth => self.interval(),
        };
        3 * self.interval() + unit * (256 - u32::from(PRIORITIES[1])) / 256
    }

    fn words(self) -> &'static str {
        match self {
            Self::Second => "advert_int 1 authentication { auth_type PASS auth_pass k@l4ve }",
            Self::Tenth => "version 3 advert_int 0.1",
            Self::Hundredth => "version 3 advert_int 0.01",
        }
    }
}

/// A VRRP instance alone, a line per block as people write it.
pub(super) fn instance(pace: Pace, priority: u8, more: &str) -> String {
    let words = pace.words().replace(" { ", " {\n").replace(" }", "\n}\n");
    let words =
        words.replace(" advert_int", "\nadvert_int").replace(" authentication", "\nauthentication");
    let words = words.replace(" auth_pass", "\nauth_pass");
    format!(
        "vrrp_instance web {{
state BACKUP
interface eth0
virtual_router_id {VRID}
priority {priority}
{words}
{more}
virtual_ipaddress {{
    {VIP}/32
}}
}}
"
    )
}

/// A virtual server with these weights on the two web servers, checked every second on port 80.
pub(super) fn service(port: u16, weights: [u32; 2]) -> String {
    let server = |last: u8, weight: u32| {
        format!(
            "    real_server 10.0.0.{last} {port} {{
        weight {weight}
        TCP_CHECK {{
            connect_port 80
            connect_timeout 1
            retry 1
            delay_before_retry 1
        }}
    }}
"
        )
    };
    format!(
        "virtual_server {VIP} {port} {{
    delay_loop 1
    lb_algo wrr
    lb_kind DR
    protocol TCP
{}{}}}
",
        server(11, weights[0]),
        server(12, weights[1])
    )
}

/// What a director of the pair is given.
pub(super) fn director(pace: Pace, priority: u8) -> String {
    instance(pace, priority, "") + &service(80, [1, 1])
}

/// The running pair.
pub(super) struct Pair {
    pub(super) net: Topology,
    pub(super) capture: Capture,
    pub(super) directors: [Daemon; 2],
    pub(super) servers: [Responder; 2],
}

impl Pair {
    /// Starts it and waits until the first director holds the VIP and both tables are full.
    pub(super) fn start(keeper: &Arc<Keeper>, kinds: [Kind; 2], pace: Pace) -> Self {
        Self::start_with(keeper, kinds, PRIORITIES.map(|priority| director(pace, priority)))
    }

    pub(super) fn start_with(keeper: &Arc<Keeper>, kinds: [Kind; 2], configs: [String; 2]) -> Self {
        let plan = Plan::new().directors(2).servers(2, Forwarding::Direct).clients(1).vips(&[VIP]);
        let net = plan.build(keeper);
        let capture = Capture::start(net.host("c1"));
        let servers = ["r1", "r2"].map(|name| Responder::start(net.host(name)));
        let start = |at: usize, name| Daemon::start(kinds[at], net.host(name), &configs[at]);
        let directors = [start(0, "d1"), start(1, "d2")];
        let pair = Self { net, capture, directors, servers };
        pair.wait_for_master("d1");
        wait_for(Duration::from_secs(40), "full tables on both directors", || {
            ["d1", "d2"].iter().all(|d| kernel_view::weights(pair.net.host(d), SERVICE).len() == 2)
        });
        pair
    }

    pub(super) fn d1(&self) -> &Host {
        self.net.host("d1")
    }

    pub(super) fn d2(&self) -> &Host {
        self.net.host("d2")
    }

    /// The client's load, a connection every 2 ms with a request on each.
    pub(super) fn load(&self) -> Client {
        Client::asking(self.net.host("c1"), TARGET, PACE)
    }

    /// Waits until this director holds the VIP and the other does not.
    #[track_caller]
    pub(super) fn wait_for_master(&self, name: &str) {
        let other = if name == "d1" { "d2" } else { "d1" };
        wait_for(Duration::from_secs(40), &format!("the VIP on {name} and not on {other}"), || {
            kernel_view::holds(self.net.host(name), VIP)
                && !kernel_view::holds(self.net.host(other), VIP)
        });
    }

    /// Advertisements that this director has sent, the farewell of priority 0 aside.
    pub(super) fn adverts_of(&self, host: &Host) -> Vec<Packet> {
        let mut adverts = self.capture.adverts(VRID);
        adverts.retain(|p| p.source == std::net::IpAddr::V4(host.address));
        adverts
    }

    /// The longest time between two advertisements of this director.
    pub(super) fn longest_silence(&self, host: &Host) -> Duration {
        let adverts = self.adverts_of(host);
        let silences = adverts.windows(2).map(|pair| pair[1].at.saturating_sub(pair[0].at));
        silences.max().unwrap_or_default()
    }

    /// Who advertises during this time: the names of the directors, sorted.
    pub(super) fn who_advertises(&self, during: Duration) -> Vec<String> {
        let count = |host: &Host| self.adverts_of(host).len();
        let hosts = [self.d1(), self.d2()];
        let before = hosts.map(count);
        std::thread::sleep(during);
        let talks = |at: &usize| count(hosts[*at]) > before[*at];
        [0, 1].iter().filter(|at| talks(at)).map(|at| hosts[*at].name.clone()).collect()
    }
}
