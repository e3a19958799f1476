//! What is asked of the kernel, beside what ipvsadm asks.

use std::net::IpAddr;
use std::num::{NonZeroU8, NonZeroU16};
use std::time::Duration;

use ipvs::attr::Attribute;
use ipvs::message::{Command, Message};
use ipvs::record::{DestinationRecord, ServiceRecord};
use ipvs::{
    Connections, Family, Info, InterfaceName, Op, Protocol, Stats, SyncDaemon, SyncRole, Timeouts,
};

use super::bytes::{Captured, captured, emit, of, parse, parse_request};
use super::changes::{destination_changes, mark, service_changes, to, v4, v6};

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
