//! A network of hosts around one switch (and a second one behind the directors where servers sit behind NAT).
//!
//! Each switch is a bridge in a namespace of its own, so on a machine of somebody's nothing shows outside. The
//! switch's side of every link can be cut, delayed and made lossy: that is what a dead host looks like to the rest.
//!
//! | host | IPv4 | IPv6 |
//! |---|---|---|
//! | director n | 10.0.0.n (eth1 behind: 10.1.0.n) | fd00::n |
//! | server n | 10.0.0.10+n (NAT: 10.1.0.10+n, gateway 10.1.0.254) | fd00::a+n |
//! | client n | 10.0.0.200+n | fd00::c8+n |

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::host::Host;
use crate::keeper::Keeper;

/// How packets reach a server, and so how the server is set up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forwarding {
    /// The VIPs on lo, silent in ARP.
    Direct,
    /// Behind the directors, which are its gateway.
    Nat,
    /// The VIPs on tunl0 (and ip6tnl0), which unpacks IPIP.
    Tunnel,
}

/// What to build.
pub(crate) struct Plan {
    directors: u8,
    servers: Vec<Forwarding>,
    clients: u8,
    vips: Vec<IpAddr>,
}

impl Plan {
    /// No host yet.
    pub(crate) fn new() -> Self {
        Self { directors: 0, servers: Vec::new(), clients: 0, vips: Vec::new() }
    }

    pub(crate) fn directors(mut self, count: u8) -> Self {
        self.directors = count;
        self
    }

    pub(crate) fn servers(mut self, count: usize, forwarding: Forwarding) -> Self {
        self.servers.extend(std::iter::repeat_n(forwarding, count));
        self
    }

    pub(crate) fn clients(mut self, count: u8) -> Self {
        self.clients = count;
        self
    }

    /// Virtual addresses that the servers accept packets for.
    pub(crate) fn vips(mut self, vips: &[&str]) -> Self {
        self.vips.extend(vips.iter().map(|vip| vip.parse::<IpAddr>().unwrap()));
        self
    }

    pub(crate) fn build(self, keeper: &Arc<Keeper>) -> Topology {
        let mut net = Topology::bare(keeper);
        for number in 1..=self.directors {
            net.add_director(number, self.servers.contains(&Forwarding::Nat));
        }
        for (number, forwarding) in (1..).zip(&self.servers) {
            net.add_server(number, *forwarding, &self.vips);
        }
        for number in 1..=self.clients {
            net.add_host(&format!("c{number}"), 200 + number);
        }
        net
    }
}

/// The built network.
pub(crate) struct Topology {
    switch: Host,
    hosts: Vec<Host>,
    keeper: Arc<Keeper>,
}

impl Topology {
    fn bare(keeper: &Arc<Keeper>) -> Self {
        let switch = namespace(keeper, "sw", 0);
        switch.ip("link add front type bridge\nlink add back type bridge\n\
                   link set front up\nlink set back up\n");
        Self { switch, hosts: Vec::new(), keeper: Arc::clone(keeper) }
    }

    /// The host of this name.
    #[track_caller]
    pub(crate) fn host(&self, name: &str) -> &Host {
        self.hosts.iter().find(|host| host.name == name).unwrap_or_else(|| panic!("no host {name}"))
    }

    /// Takes a host off the network; it keeps running and its own carrier goes too, as with a pulled plug.
    pub(crate) fn cut(&self, name: &str) {
        self.switch.ip(&format!("link set {name} down\n"));
    }

    /// Plugs a host in again.
    pub(crate) fn mend(&self, name: &str) {
        self.switch.ip(&format!("link set {name} up\n"));
    }

    /// Takes a host off the network without a change of its carrier: a switch that died further away.
    pub(crate) fn blackhole(&self, name: &str) {
        self.blackhole_soon(name)();
    }

    /// The same when what this returns is called: prepared, so that it takes some microseconds then.
    pub(crate) fn blackhole_soon(&self, name: &str) -> impl FnOnce() {
        let (ip, line) = (self.switch.ip_soon(), format!("link set {name} nomaster\n"));
        move || ip.run(&line)
    }

    /// Ends [`Topology::blackhole`].
    pub(crate) fn restore(&self, name: &str) {
        self.switch.ip(&format!("link set {name} master front\n"));
    }

    /// Makes both directions of a host's link slow or lossy, in netem's words: `delay 20ms loss 5%`; empty ends it.
    pub(crate) fn netem(&self, name: &str, words: &str) {
        let sides = [(&self.switch, name), (self.host(name), "eth0")];
        for (side, device) in sides {
            let _ = side.try_run(&format!("tc qdisc del dev {device} root"));
            if !words.is_empty() {
                side.run(&format!("tc qdisc add dev {device} root netem {words}"));
            }
        }
    }

    fn add_director(&mut self, number: u8, has_back: bool) {
        let host = self.add_host(&format!("d{number}"), number);
        host.sysctl(&["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"]);
        if has_back {
            self.link(&host, &format!("d{number}b"), "eth1", "back");
            host.ip(&format!("addr add 10.1.0.{number}/24 dev eth1\nlink set eth1 up\n"));
        }
    }

    fn add_server(&mut self, number: u8, forwarding: Forwarding, vips: &[IpAddr]) {
        let name = format!("r{number}");
        let last = 10 + number;
        match forwarding {
            Forwarding::Direct => {
                let host = self.add_host(&name, last);
                keep_silent_in_arp(&host);
                host.ip(&hold(vips, "lo"));
            }
            Forwarding::Tunnel => {
                let host = self.add_host(&name, last);
                keep_silent_in_arp(&host);
                host.run("modprobe -q ipip");
                host.ip(&format!("link set tunl0 up\n{}", hold(vips, "tunl0")));
                host.sysctl(&["net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.tunl0.rp_filter=0"]);
            }
            Forwarding::Nat => {
                let mut host = namespace(&self.keeper, &name, last);
                host.address = Ipv4Addr::new(10, 1, 0, last);
                self.link(&host, &name, "eth0", "back");
                host.ip(&format!(
                    "addr add {}/24 dev eth0\nlink set eth0 up\nroute add default via 10.1.0.254\n",
                    host.address
                ));
                self.hosts.push(host);
            }
        }
    }

    /// A host on the front network with one IPv4 and one IPv6 address.
    fn add_host(&mut self, name: &str, last: u8) -> Host {
        let host = namespace(&self.keeper, name, last);
        self.link(&host, name, "eth0", "front");
        host.ip(&format!(
            "addr add {}/24 dev eth0\naddr add {}/64 dev eth0 nodad\nlink set eth0 up\n",
            host.address, host.address6
        ));
        self.hosts.push(host.clone());
        host
    }

    fn link(&self, host: &Host, port: &str, device: &str, bridge: &str) {
        self.switch.ip(&format!(
            "link add {port} type veth peer name {device} netns {}\n\
             link set {port} master {bridge} up\n",
            host.namespace
        ));
    }
}

fn namespace(keeper: &Arc<Keeper>, name: &str, last: u8) -> Host {
    let host = Host {
        name: name.to_owned(),
        namespace: keeper.unique(name),
        address: Ipv4Addr::new(10, 0, 0, last),
        address6: Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, u16::from(last)),
        keeper: Arc::clone(keeper),
    };
    let made = std::process::Command::new("ip").args(["netns", "add", &host.namespace]).status();
    assert!(made.is_ok_and(|status| status.success()), "ip netns add {}", host.namespace);
    keeper.keep_namespace(&host.namespace);
    // Duplicate address detection would hold an IPv6 address back for a second.
    host.sysctl(&["net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0"]);
    host.ip("link set lo up\n");
    host
}

/// DR and tunnel: answers ARP only for addresses of the asked interface, and never announces a VIP.
fn keep_silent_in_arp(host: &Host) {
    host.sysctl(&["net.ipv4.conf.all.arp_ignore=1", "net.ipv4.conf.all.arp_announce=2"]);
}

fn hold(vips: &[IpAddr], device: &str) -> String {
    let add = |vip: &IpAddr| match vip {
        IpAddr::V4(vip) => format!("addr add {vip}/32 dev {device}\n"),
        IpAddr::V6(vip) => format!("addr add {vip}/128 dev {device} nodad\n"),
    };
    vips.iter().map(add).collect()
}
