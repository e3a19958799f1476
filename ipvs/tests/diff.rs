//! What the order of a diff promises: the table for cases that have a name, then random walks.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use ipvs::{
    Destination, DestinationKey, Family, Forwarding, Netmask, Op, Persistence, Protocol, Scheduler,
    Service, ServiceFlags, ServiceKey, Settings, Table, Tunnel, Weight, diff, diff_service,
};
use proptest::prelude::*;

fn key(port: u16) -> ServiceKey {
    ServiceKey::address(Protocol::Tcp, [10, 0, 0, 100].into(), port)
}

fn host(last: u8) -> DestinationKey {
    DestinationKey::new([10, 0, 0, last].into(), 80)
}

fn weighing(weight: u16) -> Destination {
    Destination::new(Forwarding::Route, weight.into())
}

fn settings(scheduler: &str) -> Settings {
    Settings::new(Scheduler::new(scheduler).expect("a scheduler's name"))
}

fn service(scheduler: &str, destinations: &[(u8, u16)]) -> Service {
    Service {
        settings: settings(scheduler),
        destinations: destinations.iter().map(|&(last, w)| (host(last), weighing(w))).collect(),
    }
}

/// The changes of one service, as the rules that they print as.
fn rules(actual: Option<&Service>, desired: Option<&Service>) -> Vec<String> {
    diff_service(key(80), actual, desired).iter().map(Op::to_string).collect()
}

#[test]
fn equal_services_need_no_change() {
    let service = service("wlc", &[(3, 1)]);
    assert_eq!(rules(Some(&service), Some(&service)), [""; 0]);
    assert_eq!(rules(None, None), [""; 0]);
}

#[test]
fn a_new_service_comes_with_its_destinations() {
    assert_eq!(
        rules(None, Some(&service("wlc", &[(3, 1), (4, 0)]))),
        [
            "-A -t 10.0.0.100:80 -s wlc",
            "-a -t 10.0.0.100:80 -r 10.0.0.3:80 -g -w 1",
            "-a -t 10.0.0.100:80 -r 10.0.0.4:80 -g -w 0",
        ]
    );
}

#[test]
fn a_service_goes_with_one_op() {
    assert_eq!(rules(Some(&service("wlc", &[(3, 1)])), None), ["-D -t 10.0.0.100:80"]);
}

#[test]
fn a_sorry_server_stays_until_the_real_servers_are_there() {
    let (sorry, real) = (service("wlc", &[(9, 1)]), service("wlc", &[(3, 1), (4, 1)]));
    assert_eq!(
        rules(Some(&sorry), Some(&real)),
        [
            "-a -t 10.0.0.100:80 -r 10.0.0.3:80 -g -w 1",
            "-a -t 10.0.0.100:80 -r 10.0.0.4:80 -g -w 1",
            "-d -t 10.0.0.100:80 -r 10.0.0.9:80",
        ]
    );
    assert_eq!(
        rules(Some(&real), Some(&sorry)),
        [
            "-a -t 10.0.0.100:80 -r 10.0.0.9:80 -g -w 1",
            "-d -t 10.0.0.100:80 -r 10.0.0.3:80",
            "-d -t 10.0.0.100:80 -r 10.0.0.4:80",
        ]
    );
}

#[test]
fn a_weight_rises_before_another_is_cut() {
    assert_eq!(
        rules(Some(&service("wlc", &[(3, 1), (4, 0)])), Some(&service("wlc", &[(3, 0), (4, 1)]))),
        [
            "-e -t 10.0.0.100:80 -r 10.0.0.4:80 -g -w 1",
            "-e -t 10.0.0.100:80 -r 10.0.0.3:80 -g -w 0",
        ]
    );
}

#[test]
fn settings_are_edited_in_place() {
    assert_eq!(
        rules(Some(&service("wlc", &[(3, 1)])), Some(&service("mh", &[(3, 1)]))),
        ["-E -t 10.0.0.100:80 -s mh"]
    );
}

#[test]
fn new_services_come_first_and_gone_ones_last() {
    let table = |ports: &[(u16, u16)]| Table {
        services: ports
            .iter()
            .map(|&(port, weight)| (key(port), service("rr", &[(3, weight)])))
            .collect(),
    };
    let ops = diff(&table(&[(80, 1), (81, 1)]), &table(&[(81, 2), (443, 1)]));
    let rules: Vec<String> = ops.iter().map(Op::to_string).collect();
    assert_eq!(
        rules,
        [
            "-A -t 10.0.0.100:443 -s rr",
            "-a -t 10.0.0.100:443 -r 10.0.0.3:80 -g -w 1",
            "-e -t 10.0.0.100:81 -r 10.0.0.3:80 -g -w 2",
            "-D -t 10.0.0.100:80",
        ]
    );
}

fn any_key() -> impl Strategy<Value = ServiceKey> {
    let mark = |family| ServiceKey::fwmark(NonZeroU32::MIN, family);
    prop_oneof![
        (80_u16..84).prop_map(key),
        Just(ServiceKey::address(Protocol::Udp, [10, 0, 0, 100].into(), 80)),
        Just(mark(Family::V4)),
        Just(mark(Family::V6)),
    ]
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let scheduler = prop_oneof![Just("rr"), Just("wlc")];
    let persistence = proptest::option::of(
        (1_u32..3)
            .prop_map(|timeout| Persistence { timeout, netmask: Netmask::single(Family::V4) }),
    );
    (scheduler, any::<bool>(), persistence).prop_map(|(scheduler, flag, persistence)| Settings {
        flags: if flag { ServiceFlags::SCHED1 } else { ServiceFlags::empty() },
        persistence,
        ..settings(scheduler)
    })
}

fn any_destination() -> impl Strategy<Value = Destination> {
    let forwarding = prop_oneof![Just(Forwarding::Route), Just(Forwarding::Tunnel(Tunnel::Ipip))];
    (forwarding, 0_u16..3, 0_u32..2).prop_map(|(forwarding, weight, upper_threshold)| Destination {
        upper_threshold,
        ..Destination::new(forwarding, Weight::from(weight))
    })
}

fn any_service() -> impl Strategy<Value = Service> {
    let destinations =
        proptest::collection::btree_map((3_u8..8).prop_map(host), any_destination(), 0..5);
    (any_settings(), destinations)
        .prop_map(|(settings, rows)| Service { settings, destinations: rows.into_iter().collect() })
}

fn any_table() -> impl Strategy<Value = Table> {
    proptest::collection::btree_map(any_key(), any_service(), 0..6)
        .prop_map(|services| Table { services })
}

/// Services that are in both tables and answer `question` in both.
fn in_both<'a>(
    actual: &'a Table,
    desired: &'a Table,
    question: impl Fn(&Service) -> bool + 'a,
) -> impl Iterator<Item = ServiceKey> + 'a {
    actual.services.iter().filter_map(move |(key, before)| {
        let after = desired.services.get(key)?;
        (question(before) && question(after)).then_some(*key)
    })
}

fn is_peopled(service: &Service) -> bool {
    !service.destinations.is_empty()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn applying_the_changes_yields_what_is_desired(actual in any_table(), desired in any_table()) {
        let mut table = actual.clone();
        for op in diff(&actual, &desired) {
            prop_assert!(table.apply(&op), "the kernel would refuse {op}");
        }
        prop_assert_eq!(&table, &desired);
        prop_assert_eq!(diff(&table, &desired), []);
    }

    #[test]
    fn no_service_stands_empty_in_between(actual in any_table(), desired in any_table()) {
        let mut table = actual.clone();
        for op in diff(&actual, &desired) {
            table.apply(&op);
            for key in in_both(&actual, &desired, is_peopled) {
                prop_assert!(is_peopled(&table.services[&key]), "{key} is empty after {op}");
            }
            for key in in_both(&actual, &desired, Service::is_serving) {
                prop_assert!(table.services[&key].is_serving(), "{key} serves nobody after {op}");
            }
        }
    }

    #[test]
    fn each_entry_is_touched_once_and_only_where_it_changes(actual in any_table(), desired in any_table()) {
        let mut touched = BTreeMap::new();
        for op in diff(&actual, &desired) {
            let destination = match op {
                Op::NewService { .. } | Op::SetService { .. } | Op::DelService { .. } => None,
                Op::NewDest { key, .. } | Op::SetDest { key, .. } | Op::DelDest { key, .. } => Some(key),
            };
            let service = op.service();
            prop_assert_eq!(touched.insert((service, destination), op), None);
            let (before, after) = (actual.services.get(&service), desired.services.get(&service));
            match destination {
                None => prop_assert_ne!(before.map(|s| s.settings), after.map(|s| s.settings)),
                Some(key) => prop_assert_ne!(
                    before.and_then(|s| s.destinations.get(&key)),
                    after.and_then(|s| s.destinations.get(&key))
                ),
            }
        }
    }

    #[test]
    fn a_table_comes_back_from_where_it_is_stored(table in any_table()) {
        let stored = serde_json::to_string(&table).expect("a table is JSON");
        prop_assert_eq!(serde_json::from_str::<Table>(&stored).expect("it reads back"), table);
    }
}
