//! Every change that ipvsadm was asked for, and what it should have understood.

use std::net::Ipv4Addr;
use std::num::{NonZeroU16, NonZeroU32};

use ipvs::{
    Checksum, Destination, DestinationKey, Family, Forwarding, Netmask, Op, Persistence,
    PersistenceEngine, Protocol, Scheduler, ServiceFlags, ServiceKey, Settings, Tunnel,
};

pub(crate) fn v4(port: u16) -> ServiceKey {
    ServiceKey::address(Protocol::Tcp, "10.0.0.100".parse().unwrap(), port)
}

pub(crate) fn udp(port: u16) -> ServiceKey {
    ServiceKey::address(Protocol::Udp, "10.0.0.100".parse().unwrap(), port)
}

pub(crate) fn sctp() -> ServiceKey {
    ServiceKey::address(Protocol::Sctp, "10.0.0.100".parse().unwrap(), 3868)
}

pub(crate) fn v6(protocol: Protocol, port: u16) -> ServiceKey {
    ServiceKey::address(protocol, "2001:db8::100".parse().unwrap(), port)
}

pub(crate) fn mark(family: Family) -> ServiceKey {
    ServiceKey::fwmark(NonZeroU32::new(7).unwrap(), family)
}

pub(crate) fn settings(scheduler: &str) -> Settings {
    Settings::new(Scheduler::new(scheduler).unwrap())
}

pub(crate) fn persistent(settings: Settings, timeout: u32, netmask: Netmask) -> Settings {
    Settings { persistence: Some(Persistence { timeout, netmask }), ..settings }
}

pub(crate) const EACH: Netmask = Netmask::V4(Ipv4Addr::BROADCAST);

/// Every service that ipvsadm was asked to add or edit, and what it should have understood.
pub(crate) fn service_changes() -> Vec<(&'static str, Op)> {
    let new = |key, settings| Op::NewService { key, settings };
    let sh = persistent(settings("sh"), 50, EACH);
    let hashing = ServiceFlags::SCHED1 | ServiceFlags::SCHED2;
    let sip = Settings {
        engine: Some(PersistenceEngine::new("sip").unwrap()),
        flags: ServiceFlags::ONEPACKET,
        ..persistent(settings("rr"), 60, EACH)
    };
    vec![
        ("-A -t 10.0.0.100:80 -s wlc", new(v4(80), settings("wlc"))),
        (
            "-E -t 10.0.0.100:80 -s wrr -p 360 -M 255.255.255.0",
            Op::SetService {
                key: v4(80),
                settings: persistent(
                    settings("wrr"),
                    360,
                    Netmask::V4(Ipv4Addr::new(255, 255, 255, 0)),
                ),
            },
        ),
        (
            "-A -t 10.0.0.100:0 -s sh -p 50 -b sh-port,sh-fallback",
            new(v4(0), Settings { flags: hashing, ..sh }),
        ),
        (
            "-A -u 10.0.0.100:53 -s rr --ops",
            new(udp(53), Settings { flags: ServiceFlags::ONEPACKET, ..settings("rr") }),
        ),
        ("-A -u 10.0.0.100:5060 -s rr -p 60 --pe sip --ops", new(udp(5060), sip)),
        ("-A --sctp-service 10.0.0.100:3868 -s rr", new(sctp(), settings("rr"))),
        (
            "-A -t [2001:db8::100]:80 -s mh -b mh-port",
            new(v6(Protocol::Tcp, 80), Settings { flags: ServiceFlags::SCHED2, ..settings("mh") }),
        ),
        (
            "-A -u [2001:db8::100]:53 -s rr -p 300 -M 64",
            new(v6(Protocol::Udp, 53), persistent(settings("rr"), 300, Netmask::V6(64))),
        ),
        ("-A -f 7 -s lc", new(mark(Family::V4), settings("lc"))),
        ("-A -f 7 -6 -s lc", new(mark(Family::V6), settings("lc"))),
    ]
}

pub(crate) fn to(addr: &str, port: u16) -> DestinationKey {
    DestinationKey::new(addr.parse().unwrap(), port)
}

pub(crate) fn plain(forwarding: Forwarding, weight: u16) -> Destination {
    Destination::new(forwarding, weight.into())
}

pub(crate) fn gue(checksum: Checksum) -> Forwarding {
    Forwarding::Tunnel(Tunnel::Gue { port: NonZeroU16::new(6080).unwrap(), checksum })
}

pub(crate) const IPIP: Forwarding = Forwarding::Tunnel(Tunnel::Ipip);
pub(crate) const GRE: Forwarding = Forwarding::Tunnel(Tunnel::Gre { checksum: Checksum::Full });

/// Every destination that ipvsadm was asked to add or edit, and what it should have understood.
pub(crate) fn destination_changes() -> Vec<(&'static str, Op)> {
    let new = |service, key, destination| Op::NewDest { service, key, destination };
    let limited = Destination {
        upper_threshold: 100,
        lower_threshold: 50,
        ..plain(Forwarding::Masquerade, 1)
    };
    let v6_web = v6(Protocol::Tcp, 80);
    vec![
        (
            "-a -t 10.0.0.100:80 -r 10.0.0.3:80 -g -w 3",
            new(v4(80), to("10.0.0.3", 80), plain(Forwarding::Route, 3)),
        ),
        (
            "-a -t 10.0.0.100:80 -r 10.0.0.4:8080 -m -w 1 -x 100 -y 50",
            new(v4(80), to("10.0.0.4", 8080), limited),
        ),
        (
            "-a -t 10.0.0.100:80 -r 10.0.0.5:80 -i -w 0",
            new(v4(80), to("10.0.0.5", 80), plain(IPIP, 0)),
        ),
        (
            "-a -t 10.0.0.100:80 -r 10.0.0.6:80 -i --tun-type gue --tun-port 6080 --tun-csum",
            new(v4(80), to("10.0.0.6", 80), plain(gue(Checksum::Full), 1)),
        ),
        (
            "-a -t 10.0.0.100:80 -r 10.0.0.7:80 -i --tun-type gue --tun-port 6080 --tun-remcsum",
            new(v4(80), to("10.0.0.7", 80), plain(gue(Checksum::Remote), 1)),
        ),
        (
            "-a -t 10.0.0.100:80 -r 10.0.0.8:80 -i --tun-type gre --tun-csum",
            new(v4(80), to("10.0.0.8", 80), plain(GRE, 1)),
        ),
        (
            "-a -u 10.0.0.100:53 -r 10.0.0.3:53 -m",
            new(udp(53), to("10.0.0.3", 53), plain(Forwarding::Masquerade, 1)),
        ),
        (
            "-a --sctp-service 10.0.0.100:3868 -r 10.0.0.3:3868 -m",
            new(sctp(), to("10.0.0.3", 3868), plain(Forwarding::Masquerade, 1)),
        ),
        (
            "-a -t [2001:db8::100]:80 -r [2001:db8::3]:80 -g -w 2",
            new(v6_web, to("2001:db8::3", 80), plain(Forwarding::Route, 2)),
        ),
        (
            "-a -t [2001:db8::100]:80 -r 10.0.0.3:80 -i -w 2",
            new(v6_web, to("10.0.0.3", 80), plain(IPIP, 2)),
        ),
        (
            "-a -f 7 -r 10.0.0.3 -g",
            new(mark(Family::V4), to("10.0.0.3", 0), plain(Forwarding::Route, 1)),
        ),
        (
            "-a -f 7 -6 -r [2001:db8::3]:0 -g",
            new(mark(Family::V6), to("2001:db8::3", 0), plain(Forwarding::Route, 1)),
        ),
        (
            "-e -t 10.0.0.100:80 -r 10.0.0.3:80 -g -w 0",
            Op::SetDest {
                service: v4(80),
                key: to("10.0.0.3", 80),
                destination: plain(Forwarding::Route, 0),
            },
        ),
    ]
}
