//! What the kernel answers.

use std::collections::BTreeMap;

use ipvs::attr::{Attribute, DestinationAttribute};
use ipvs::message::{Command, Message};
use ipvs::record::{DestinationRecord, ServiceRecord};
use ipvs::{
    Connections, Destination, Family, Forwarding, Netmask, Op, Protocol, Rates, Service,
    ServiceKey, Stats, Table, Weight,
};

use super::bytes::{Captured, emit, of, parse};
use super::changes::{EACH, mark, persistent, sctp, settings, to, udp, v4, v6};

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
