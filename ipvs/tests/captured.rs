//! The codec against what ipvsadm and the kernel really say: `captured.txt` holds their bytes, each with the
//! command that produced them.
#![cfg(target_endian = "little")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::num::{NonZeroU8, NonZeroU16, NonZeroU32};
use std::time::Duration;

use ipvs::attr::{Attribute, DestinationAttribute};
use ipvs::message::{Command, Message};
use ipvs::record::{DestinationRecord, ServiceRecord};
use ipvs::{
    Checksum, Connections, Destination, DestinationKey, Family, Forwarding, Info, InterfaceName,
    Netmask, Op, Persistence, PersistenceEngine, Protocol, Rates, Scheduler, Service, ServiceFlags,
    ServiceKey, Settings, Stats, SyncDaemon, SyncRole, Table, Timeouts, Tunnel, Weight,
};
use netlink_packet_core::Emitable;
use netlink_packet_core::ParseableParametrized;
use netlink_packet_generic::{GenlFamily, GenlHeader};

/// What a command sent and got, in the order of the wire.
struct Captured {
    command: &'static str,
    requests: Vec<Vec<u8>>,
    answers: Vec<Vec<u8>>,
}

fn captured() -> Vec<Captured> {
    let mut all: Vec<Captured> = Vec::new();
    for line in include_str!("captured.txt").lines().filter(|line| !line.starts_with('#')) {
        let (kind, rest) = line.split_once(' ').unwrap();
        if kind == "$" {
            let command = rest.strip_prefix("ipvsadm ").unwrap();
            all.push(Captured { command, requests: Vec::new(), answers: Vec::new() });
            continue;
        }
        let last = all.last_mut().unwrap();
        match kind {
            ">" => last.requests.push(bytes(rest)),
            "<" => last.answers.push(bytes(rest)),
            other => panic!("{other}"),
        }
    }
    all
}

fn of(command: &str) -> Captured {
    captured().into_iter().find(|captured| captured.command == command).unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn parse(bytes: &[u8]) -> Message {
    let (header, attributes) = bytes.split_at(4);
    let header = GenlHeader { cmd: header[0], version: header[1] };
    Message::parse_with_param(attributes, header).unwrap()
}

/// Parses a request, and clears what ipvsadm leaves in the unused 12 bytes of an IPv4 destination of an
/// IPv6 service.
fn parse_request(bytes: &[u8]) -> Message {
    let mut message = parse(bytes);
    for attribute in &mut message.attributes {
        let Attribute::Destination(set) = attribute else { continue };
        if !set.contains(&DestinationAttribute::Family(2)) {
            continue;
        }
        for attribute in set {
            if let DestinationAttribute::Address(bytes) = attribute {
                bytes[4..].fill(0);
            }
        }
    }
    message
}

fn emit(message: &Message) -> Vec<u8> {
    let mut bytes = vec![message.command(), message.version(), 0, 0];
    bytes.resize(4 + message.buffer_len(), 0);
    message.emit(&mut bytes[4..]);
    bytes
}

fn v4(port: u16) -> ServiceKey {
    ServiceKey::address(Protocol::Tcp, "10.0.0.100".parse().unwrap(), port)
}

fn udp(port: u16) -> ServiceKey {
    ServiceKey::address(Protocol::Udp, "10.0.0.100".parse().unwrap(), port)
}

fn sctp() -> ServiceKey {
    ServiceKey::address(Protocol::Sctp, "10.0.0.100".parse().unwrap(), 3868)
}

fn v6(protocol: Protocol, port: u16) -> ServiceKey {
    ServiceKey::address(protocol, "2001:db8::100".parse().unwrap(), port)
}

fn mark(family: Family) -> ServiceKey {
    ServiceKey::fwmark(NonZeroU32::new(7).unwrap(), family)
}

fn settings(scheduler: &str) -> Settings {
    Settings::new(Scheduler::new(scheduler).unwrap())
}

fn persistent(settings: Settings, timeout: u32, netmask: Netmask) -> Settings {
    Settings { persistence: Some(Persistence { timeout, netmask }), ..settings }
}

const EACH: Netmask = Netmask::V4(Ipv4Addr::BROADCAST);

/// Every service that ipvsadm was asked to add or edit, and what it should have understood.
fn service_changes() -> Vec<(&'static str, Op)> {
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

fn to(addr: &str, port: u16) -> DestinationKey {
    DestinationKey::new(addr.parse().unwrap(), port)
}

fn plain(forwarding: Forwarding, weight: u16) -> Destination {
    Destination::new(forwarding, weight.into())
}

fn gue(checksum: Checksum) -> Forwarding {
    Forwarding::Tunnel(Tunnel::Gue { port: NonZeroU16::new(6080).unwrap(), checksum })
}

const IPIP: Forwarding = Forwarding::Tunnel(Tunnel::Ipip);
const GRE: Forwarding = Forwarding::Tunnel(Tunnel::Gre { checksum: Checksum::Full });

/// Every destination that ipvsadm was asked to add or edit, and what it should have understood.
fn destination_changes() -> Vec<(&'static str, Op)> {
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

#[test]
fn every_captured_request_is_emitted_as_it_was_parsed() {
    for Captured { command, requests, .. } in captured() {
        assert!(!requests.is_empty(), "{command}");
        for request in requests {
            assert_eq!(emit(&parse(&request)), request, "{command}");
        }
    }
}

/// The kernel leaves out the flag `NLA_F_NESTED`, so its bytes are compared after one round.
#[test]
fn every_captured_answer_means_the_same_after_a_round_trip() {
    for Captured { command, answers, .. } in captured() {
        for answer in answers {
            let message = parse(&answer);
            let again = emit(&message);
            assert_eq!(again.len(), answer.len(), "{command}");
            assert_eq!(parse(&again), message, "{command}");
        }
    }
}

#[test]
fn a_service_is_added_and_edited_with_the_bytes_of_ipvsadm() {
    for (command, op) in service_changes() {
        assert_eq!(of(command).requests, [emit(&Message::for_op(&op).unwrap())], "{command}");
    }
}

#[test]
fn a_service_is_understood_from_the_bytes_of_ipvsadm() {
    for (command, op) in service_changes() {
        let (Op::NewService { key, settings } | Op::SetService { key, settings }) = op else {
            panic!("{op}");
        };
        let record = ServiceRecord::read(&parse(&of(command).requests[0])).unwrap();
        assert_eq!(record, ServiceRecord { key, settings, stats: Stats::default() }, "{command}");
    }
}

/// ipvsadm repeats a service of no scheduler with each destination; we only name the service.
#[test]
fn a_destination_is_added_and_edited_with_the_attributes_of_ipvsadm() {
    for (command, op) in destination_changes() {
        let (ours, theirs) =
            (Message::for_op(&op).unwrap(), parse_request(&of(command).requests[0]));
        assert_eq!(ours.command, theirs.command, "{command}");
        let [Attribute::Service(named), Attribute::Destination(wanted)] = &ours.attributes[..]
        else {
            panic!("{ours:?}");
        };
        let [Attribute::Service(service), Attribute::Destination(destination)] =
            &theirs.attributes[..]
        else {
            panic!("{theirs:?}");
        };
        assert_eq!(named[..], service[..named.len()], "{command}");
        assert_eq!(wanted, destination, "{command}");
    }
}

#[test]
fn a_destination_is_understood_from_the_bytes_of_ipvsadm() {
    for (command, op) in destination_changes() {
        let (Op::NewDest { service, key, destination } | Op::SetDest { service, key, destination }) =
            op
        else {
            panic!("{op}");
        };
        let message = parse_request(&of(command).requests[0]);
        let record = DestinationRecord::read(&message, service.family()).unwrap();
        let expected = DestinationRecord {
            key,
            destination,
            connections: Connections::default(),
            stats: Stats::default(),
        };
        assert_eq!(record, expected, "{command}");
    }
}

#[test]
fn a_removal_names_what_ipvsadm_names() {
    let removals = [
        ("-D -f 7", Op::DelService { key: mark(Family::V4) }),
        (
            "-d -t 10.0.0.100:80 -r 10.0.0.5:80",
            Op::DelDest { service: v4(80), key: to("10.0.0.5", 80) },
        ),
        (
            "-d -t [2001:db8::100]:80 -r 10.0.0.3:80",
            Op::DelDest { service: v6(Protocol::Tcp, 80), key: to("10.0.0.3", 80) },
        ),
    ];
    for (command, op) in removals {
        let (ours, theirs) =
            (Message::for_op(&op).unwrap(), parse_request(&of(command).requests[0]));
        assert_eq!(ours.command, theirs.command, "{command}");
        assert_eq!(ours.attributes.len(), theirs.attributes.len(), "{command}");
        for (ours, theirs) in ours.attributes.iter().zip(&theirs.attributes) {
            match (ours, theirs) {
                (Attribute::Service(ours), Attribute::Service(theirs)) => {
                    assert_eq!(ours[..], theirs[..ours.len()], "{command}");
                }
                (Attribute::Destination(ours), Attribute::Destination(theirs)) => {
                    assert_eq!(ours[..], theirs[..ours.len()], "{command}");
                }
                other => panic!("{command}: {other:?}"),
            }
        }
    }
}

#[test]
fn zero_and_flush_are_the_bytes_of_ipvsadm() {
    assert_eq!(of("-Z").requests, [emit(&Message::zero(None))]);
    assert_eq!(of("-C").requests, [emit(&Message::bare(Command::Flush))]);
    let (ours, theirs) =
        (Message::zero(Some(v4(80))), parse(&of("-Z -t 10.0.0.100:80").requests[0]));
    let ([Attribute::Service(ours)], [Attribute::Service(theirs)]) =
        (&ours.attributes[..], &theirs.attributes[..])
    else {
        panic!("{theirs:?}");
    };
    assert_eq!(ours[..], theirs[..ours.len()]);
}

#[test]
fn timeouts_are_set_and_read() {
    let seconds = |s| Some(Duration::from_secs(s));
    let timeouts = Timeouts { tcp: seconds(900), tcp_fin: seconds(120), udp: seconds(300) };
    assert_eq!(of("--set 900 120 300").requests, [emit(&Message::set_timeouts(&timeouts))]);
    let shown = of("-L --timeout");
    assert_eq!(shown.requests, [emit(&Message::bare(Command::GetConfig))]);
    assert_eq!(Timeouts::read(&parse(shown.answers.last().unwrap())), timeouts);
}

#[test]
fn the_version_is_read() {
    let info = Info { version: (1, 2, 1), connection_table_size: 4096 };
    assert_eq!(Info::read(&parse(&of("-L --timeout").answers[0])).unwrap(), info);
}

#[test]
fn sync_daemons_are_started_stopped_and_read() {
    let on = InterfaceName::new("d0").unwrap();
    let master = SyncDaemon::new(SyncRole::Master, on, 12);
    let backup = SyncDaemon {
        max_len: NonZeroU16::new(1400),
        group: Some(IpAddr::from([239, 1, 2, 3])),
        port: NonZeroU16::new(9000),
        ttl: NonZeroU8::new(5),
        ..SyncDaemon::new(SyncRole::Backup, on, 13)
    };
    let start = "--start-daemon master --mcast-interface d0 --syncid 12";
    assert_eq!(of(start).requests, [emit(&Message::start_daemon(&master))]);
    let start = "--start-daemon backup --mcast-interface d0 --syncid 13 --sync-maxlen 1400 \
                 --mcast-group 239.1.2.3 --mcast-port 9000 --mcast-ttl 5";
    assert_eq!(of(start).requests, [emit(&Message::start_daemon(&backup))]);

    let shown = of("-L --daemon");
    assert_eq!(shown.requests, [emit(&Message::bare(Command::GetDaemon))]);
    let running: Vec<SyncDaemon> =
        shown.answers[1..].iter().map(|answer| SyncDaemon::read(&parse(answer)).unwrap()).collect();
    let filled_in = SyncDaemon {
        max_len: NonZeroU16::new(1472),
        group: Some(SyncDaemon::GROUP.into()),
        port: Some(SyncDaemon::PORT),
        ttl: Some(SyncDaemon::TTL),
        ..master
    };
    assert_eq!(running, [filled_in, backup]);
    assert!(master.is_met_by(&running[0]) && backup.is_met_by(&running[1]));

    // ipvsadm adds an empty interface and id 0, which the kernel does not read.
    let (ours, theirs) =
        (Message::stop_daemon(SyncRole::Master), parse(&of("--stop-daemon master").requests[0]));
    let ([Attribute::Daemon(ours)], [Attribute::Daemon(theirs)]) =
        (&ours.attributes[..], &theirs.attributes[..])
    else {
        panic!("{theirs:?}");
    };
    assert_eq!(ours[..], theirs[..ours.len()]);
}

/// The dump of everything that the commands above had made.
#[test]
fn a_dump_is_the_table_that_ipvsadm_saves() {
    let Captured { mut requests, answers, .. } = of("-S -n");
    let mut table = Table::default();
    let mut destinations: Vec<Message> = Vec::new();
    for message in answers.iter().map(|answer| parse(answer)) {
        match message.command {
            Command::NewService => {
                let ServiceRecord { key, settings, .. } = ServiceRecord::read(&message).unwrap();
                table.services.insert(key, Service::new(settings));
            }
            Command::NewDest => destinations.push(message),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(requests.remove(0), emit(&Message::bare(Command::GetService)));
    // The destinations came in the order of the requests, as many as each service has.
    let mut destinations = destinations.into_iter();
    let counts: BTreeMap<ServiceKey, usize> = BTreeMap::from([
        (v4(80), 5),
        (udp(53), 1),
        (sctp(), 1),
        (v6(Protocol::Tcp, 80), 2),
        (mark(Family::V4), 1),
        (mark(Family::V6), 1),
    ]);
    for request in requests {
        let (&key, service) = table
            .services
            .iter_mut()
            .find(|(key, _)| emit(&Message::get_destinations(**key)) == request)
            .unwrap();
        for message in destinations.by_ref().take(counts.get(&key).copied().unwrap_or(0)) {
            let record = DestinationRecord::read(&message, key.family()).unwrap();
            service.destinations.insert(record.key, record.destination);
        }
    }
    assert_eq!(destinations.next(), None);
    assert_eq!(
        table.to_string(),
        "\
-A -t 10.0.0.100:0 -s sh -p 50 -b sh-fallback,sh-port
-A -t 10.0.0.100:80 -s wrr -p 360 -M 255.255.255.0
-a -t 10.0.0.100:80 -r 10.0.0.3:80 -g -w 0
-a -t 10.0.0.100:80 -r 10.0.0.4:8080 -m -w 1 -x 100 -y 50
-a -t 10.0.0.100:80 -r 10.0.0.6:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum
-a -t 10.0.0.100:80 -r 10.0.0.7:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum
-a -t 10.0.0.100:80 -r 10.0.0.8:80 -i -w 1 --tun-type gre --tun-csum
-A -t [2001:db8::100]:80 -s mh -b mh-port
-a -t [2001:db8::100]:80 -r 10.0.0.3:80 -i -w 2 --tun-type ipip
-a -t [2001:db8::100]:80 -r [2001:db8::3]:80 -g -w 2
-A -u 10.0.0.100:53 -s rr -o
-a -u 10.0.0.100:53 -r 10.0.0.3:53 -m -w 1
-A -u 10.0.0.100:5060 -s rr -p 60 --pe sip -o
-A -u [2001:db8::100]:53 -s rr -p 300 -M 64
-A --sctp-service 10.0.0.100:3868 -s rr
-a --sctp-service 10.0.0.100:3868 -r 10.0.0.3:3868 -m -w 1
-A -f 7 -s lc
-a -f 7 -r 10.0.0.3:0 -g -w 1
-A -f 7 -6 -s lc
-a -f 7 -6 -r [2001:db8::3]:0 -g -w 1
"
    );
}

/// Five requests of curl through a NAT service with persistence; ipvsadm printed
/// `Conns 5, InPkts 34, OutPkts 26, InBytes 2168, OutBytes 3102` and `PersistConn 1, InActConn 5`.
#[test]
fn counters_are_what_ipvsadm_prints() {
    let shown = of("-L -n --stats");
    let stats = Stats {
        connections: 5,
        packets_in: 34,
        packets_out: 26,
        bytes_in: 2168,
        bytes_out: 3102,
        rates: Rates {
            connections: 0,
            packets_in: 3,
            packets_out: 2,
            bytes_in: 203,
            bytes_out: 291,
        },
    };
    let [_, service, destination] = &shown.answers[..] else { panic!("{}", shown.command) };
    let key = ServiceKey::address(Protocol::Tcp, "10.9.0.1".parse().unwrap(), 80);
    assert_eq!(
        ServiceRecord::read(&parse(service)).unwrap(),
        ServiceRecord { key, settings: persistent(settings("rr"), 300, EACH), stats }
    );
    assert_eq!(
        DestinationRecord::read(&parse(destination), Family::V4).unwrap(),
        DestinationRecord {
            key: to("10.9.0.1", 8080),
            destination: Destination::new(Forwarding::Masquerade, Weight::ONE),
            connections: Connections { active: 0, inactive: 5, persistent: 1 },
            stats,
        }
    );
}

/// Kernels before 4.1 know no 64-bit counters, and old ones no address family of a destination.
#[test]
fn a_destination_of_an_old_kernel_is_understood() {
    let shown = of("-L -n --stats");
    let mut message = parse(&shown.answers[2]);
    let full = DestinationRecord::read(&message, Family::V4).unwrap();
    let [Attribute::Destination(set)] = &mut message.attributes[..] else { panic!("{message:?}") };
    set.retain(|attribute| {
        !matches!(
            attribute,
            DestinationAttribute::Stats64(_)
                | DestinationAttribute::Family(_)
                | DestinationAttribute::TunnelType(_)
                | DestinationAttribute::TunnelPort(_)
                | DestinationAttribute::TunnelFlags(_)
        )
    });
    assert_eq!(set.len(), 10);
    assert_eq!(DestinationRecord::read(&message, Family::V4).unwrap(), full);
}

#[test]
fn an_attribute_of_a_newer_kernel_is_kept() {
    // Attribute 99 with four bytes behind the timeouts.
    let mut bytes = of("--set 900 120 300").requests.remove(0);
    bytes.extend([8, 0, 99, 0, 1, 2, 3, 4]);
    let message = parse(&bytes);
    assert!(matches!(message.attributes.last(), Some(Attribute::Other(_))));
    assert_eq!(emit(&message), bytes);
}

#[test]
fn a_mask_of_the_other_family_is_refused() {
    let op =
        Op::NewService { key: v4(80), settings: persistent(settings("rr"), 60, Netmask::V6(64)) };
    let refusal = Message::for_op(&op).unwrap_err();
    assert_eq!(refusal.service, v4(80));
}
