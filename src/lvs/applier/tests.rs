//! The applier against a table in memory that can refuse.

use std::net::{IpAddr, Ipv4Addr};

use ipvs::{Destination, DestinationKey, Forwarding, Protocol, Scheduler, Settings, Weight};

use super::*;

#[derive(Debug, Default)]
struct Fake {
    table: Table,
    refuses: bool,
    reads: Vec<usize>,
}

impl Kernel for Fake {
    type Error = &'static str;

    fn apply(&mut self, ops: &[Op]) -> Vec<Result<(), Self::Error>> {
        let refuses = self.refuses;
        let one = |op| if !refuses && self.table.apply(op) { Ok(()) } else { Err("No such thing") };
        ops.iter().map(one).collect()
    }

    fn read(&mut self, keys: &[ServiceKey]) -> Result<Table, Self::Error> {
        assert!(keys.len() <= SLICE);
        self.reads.push(keys.len());
        let service = |key: &ServiceKey| Some((*key, self.table.services.get(key)?.clone()));
        Ok(Table { services: keys.iter().filter_map(service).collect() })
    }
}

const RESYNC: Duration = Duration::from_secs(5);

fn key(port: u16) -> ServiceKey {
    let addr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 100));
    ServiceKey::Address { protocol: Protocol::Tcp, addr, port }
}

fn service(weights: &[u16]) -> Service {
    let mut service = Service::new(Settings::new("wlc".parse::<Scheduler>().unwrap()));
    for (at, weight) in weights.iter().enumerate() {
        let host = u8::try_from(at + 3).unwrap();
        let key = DestinationKey::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, host)), 80);
        let destination = Destination::new(Forwarding::Route, Weight::from(*weight));
        service.destinations.insert(key, destination);
    }
    service
}

#[expect(clippy::disallowed_methods, reason = "any instant serves as the origin")]
fn start(kernel: Fake) -> (Applier<Fake>, Instant) {
    let now = Instant::now();
    (Applier::new(kernel, Table::default(), RESYNC, now), now)
}

fn want(applier: &mut Applier<Fake>, plans: &[(u16, Option<Service>)], now: Instant) {
    let plans = plans.iter().map(|(port, plan)| (key(*port), plan.clone().map(Arc::new)));
    applier.want(plans.collect(), now);
}

#[test]
fn what_is_planned_is_in_the_kernel_and_nothing_else_is_touched() {
    let mut kernel = Fake::default();
    kernel.table.services.insert(key(9), service(&[7]));
    let (mut applier, now) = start(kernel);
    want(&mut applier, &[(80, Some(service(&[1, 2])))], now);
    want(&mut applier, &[(80, Some(service(&[1, 3]))), (443, Some(service(&[1])))], now);
    want(&mut applier, &[(443, None)], now);
    let table = &applier.kernel.table;
    assert_eq!(table.services.get(&key(80)), Some(&service(&[1, 3])));
    assert_eq!(table.services.get(&key(443)), None);
    assert_eq!(table.services.get(&key(9)), Some(&service(&[7])), "a foreign service stays");
    assert!(applier.take_reports().is_empty());
}

#[test]
fn drift_is_found_within_a_resync_period_and_repaired() {
    let (mut applier, now) = start(Fake::default());
    want(&mut applier, &[(80, Some(service(&[1, 2])))], now);
    let held = &mut applier.kernel.table.services.get_mut(&key(80)).unwrap().destinations;
    let first = held.at(0).unwrap().0;
    held.remove(&first);
    let due = applier.poll_timeout().unwrap();
    assert!(due <= now + RESYNC);
    applier.handle_timeout(due);
    assert_eq!(applier.kernel.table.services.get(&key(80)), Some(&service(&[1, 2])));
    let found = vec!["10.0.0.3:80 is missing".to_owned()];
    let drift = Report::Drifted(Drift { key: key(80), found, repaired: true });
    assert_eq!((applier.take_reports(), applier.drifts()), (vec![drift], 1));
    applier.handle_timeout(due + RESYNC);
    assert_eq!(applier.take_reports(), []);
}

#[test]
fn drift_that_is_only_observed_is_told_once_and_left() {
    let (mut applier, now) = start(Fake::default());
    applier.set_resync(RESYNC, DriftPolicy::Observe, now);
    want(&mut applier, &[(80, Some(service(&[1, 2])))], now);
    applier.kernel.table.services.insert(key(80), service(&[1, 9]));
    let found = vec!["10.0.0.4:80 has weight 9, should have 2".to_owned()];
    let drift = Report::Drifted(Drift { key: key(80), found: found.clone(), repaired: false });
    let mut at = now;
    for told in [vec![drift], Vec::new()] {
        at += RESYNC;
        applier.handle_timeout(at);
        assert_eq!(applier.take_reports(), told);
        assert_eq!((applier.observed(key(80)), applier.drifts()), (&found[..], 1));
    }
    assert_eq!(applier.kernel.table.services.get(&key(80)), Some(&service(&[1, 9])));
    // Put right by hand, it is forgotten; repaired when that is the policy again.
    applier.kernel.table.services.insert(key(80), service(&[1, 2]));
    applier.handle_timeout(at + RESYNC);
    assert_eq!((applier.observed(key(80)).len(), applier.drifts()), (0, 1));
    applier.kernel.table.services.insert(key(80), service(&[3]));
    applier.set_resync(RESYNC, DriftPolicy::Repair, at);
    applier.handle_timeout(at + 2 * RESYNC);
    assert_eq!(applier.kernel.table.services.get(&key(80)), Some(&service(&[1, 2])));
}

#[test]
fn a_refused_change_is_read_back_and_tried_again_until_it_is_in() {
    let (mut applier, now) = start(Fake { refuses: true, ..Fake::default() });
    applier.set_resync(Duration::ZERO, DriftPolicy::Repair, now);
    want(&mut applier, &[(80, Some(service(&[1])))], now);
    let why = "No such thing".to_owned();
    assert_eq!(applier.take_reports(), [Report::Refused { key: key(80), why }]);
    assert_eq!(applier.lag(key(80)), Some(("No such thing", now)));
    let mut at = now;
    for pause in [500, 1000, 2000] {
        let due = applier.poll_timeout().unwrap();
        assert_eq!(due - at, Duration::from_millis(pause));
        at = due;
        applier.handle_timeout(at);
        assert_eq!(applier.take_reports(), [], "the same reason is told once");
    }
    applier.kernel.refuses = false;
    at = applier.poll_timeout().unwrap();
    applier.handle_timeout(at);
    assert_eq!(applier.take_reports(), [Report::Caught(key(80))]);
    assert_eq!(applier.lag(key(80)), None);
    assert_eq!(applier.kernel.table.services.get(&key(80)), Some(&service(&[1])));
}

#[test]
fn a_large_table_is_read_in_slices_spread_over_the_period() {
    let (mut applier, now) = start(Fake::default());
    let plans: Vec<_> = (1..=150).map(|port| (port, Some(service(&[1])))).collect();
    want(&mut applier, &plans, now);
    applier.set_resync(Duration::from_secs(6), DriftPolicy::Repair, now);
    let mut at = now;
    for _ in 0..4 {
        let due = applier.poll_timeout().unwrap();
        assert_eq!(due - at, Duration::from_millis(1800));
        at = due;
        applier.handle_timeout(at);
    }
    assert_eq!(applier.kernel.reads, [64, 64, 22, 64]);
}

#[test]
fn adopted_services_that_are_no_longer_wanted_go() {
    let mut kernel = Fake::default();
    kernel.table.services.insert(key(80), service(&[1, 2]));
    kernel.table.services.insert(key(443), service(&[1]));
    let adopted = kernel.table.clone();
    #[expect(clippy::disallowed_methods, reason = "any instant serves as the origin")]
    let now = Instant::now();
    let mut applier = Applier::new(kernel, adopted, RESYNC, now);
    want(&mut applier, &[(80, Some(service(&[1, 2]))), (443, None)], now);
    assert_eq!(applier.kernel.table.services.keys().collect::<Vec<_>>(), [&key(80)]);
    assert_eq!(applier.keys().collect::<Vec<_>>(), [key(80)]);
}
