//! The plan, case by case: weights in the table as `ipvsadm -Ln` would show them.

mod properties;

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use ipvs::{DestinationKey, Forwarding, Protocol, Scheduler, ServiceKey, Settings};

use super::super::overrides::{Override, Wish};
use super::super::spec::{Server, ServerSpec, Servers, SorrySpec};
use super::*;
use crate::config::model::{MinInPool, SlowStart};
use checkers::{Verdict, Weight as Asked};

const UP: Verdict = Verdict::UP;
const DOWN: Verdict = Verdict::Down;

pub(in crate::lvs) fn key(host: u8) -> DestinationKey {
    DestinationKey::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, host)), 80)
}

fn server(host: u8, weight: u16) -> ServerSpec {
    ServerSpec {
        key: key(host),
        destination: Destination::new(Forwarding::Route, Weight::from(weight)),
        inhibit: false,
        notify_up: None,
        notify_down: None,
        checks: Vec::new(),
    }
}

/// Real servers 10.0.0.3 and following with these weights.
pub(in crate::lvs) fn spec(weights: &[u16]) -> ServiceSpec {
    let addr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 100));
    ServiceSpec {
        key: ServiceKey::Address { protocol: Protocol::Tcp, addr, port: 80 },
        quorum: 1,
        hysteresis: 0,
        omega: false,
        quorum_up: None,
        quorum_down: None,
        sorry: None,
        min_in_pool: None,
        slow_start: None,
        ha_suspend: false,
        checks: Default::default(),
        servers: servers((3..).zip(weights).map(|(host, weight)| server(host, *weight))),
    }
}

fn servers(servers: impl IntoIterator<Item = ServerSpec>) -> Servers {
    Servers::new(Settings::new("wlc".parse::<Scheduler>().unwrap()), servers)
}

/// Those of these hosts.
pub(in crate::lvs) fn spec_of(hosts: &[u8]) -> ServiceSpec {
    ServiceSpec { servers: servers(hosts.iter().map(|host| server(*host, 1))), ..spec(&[]) }
}

/// With another real server at a place.
fn changed(spec: &mut ServiceSpec, at: usize, change: impl FnOnce(&mut ServerSpec)) {
    let mut all: Vec<ServerSpec> = spec.servers.iter().map(|one| server_spec(one)).collect();
    change(&mut all[at]);
    spec.servers = servers(all);
}

pub(in crate::lvs) fn server_spec(server: Server<'_>) -> ServerSpec {
    let Server { key, destination, inhibit, notify_up, notify_down, checks } = server;
    let checks = checks.each(key).collect();
    let (notify_up, notify_down) = (notify_up.cloned(), notify_down.cloned());
    ServerSpec { key, destination, inhibit, notify_up, notify_down, checks }
}

/// The plan at some instant: where time plays no part.
fn plan(spec: &ServiceSpec, facts: &Facts) -> Planned {
    super::plan(spec, facts, start())
}

#[expect(clippy::disallowed_methods, reason = "any instant serves as the origin")]
pub(in crate::lvs) fn start() -> Instant {
    Instant::now()
}

fn sorry(inhibit: bool) -> Option<Box<SorrySpec>> {
    let destination = Destination::new(Forwarding::Route, Weight::ONE);
    Some(Box::new(SorrySpec { key: key(200), destination, inhibit }))
}

fn facts(verdicts: &[&[Verdict]], quorum_met: Option<bool>) -> Facts {
    Facts { verdicts: held(verdicts), quorum_met, ..Facts::default() }
}

fn held(verdicts: &[&[Verdict]]) -> Verdicts {
    let mut held = Verdicts::default();
    for (place, checks) in verdicts.iter().enumerate() {
        (0..).zip(*checks).for_each(|(check, verdict)| held.set(place, check, *verdict));
    }
    held
}

/// The last byte of each address, with its weight.
pub(in crate::lvs) fn rows(planned: &Planned) -> Vec<(u8, u32)> {
    let row = |(key, row): &(DestinationKey, Destination)| match key.addr {
        IpAddr::V4(addr) => (addr.octets()[3], row.weight.value()),
        IpAddr::V6(_) => panic!("no IPv6 here"),
    };
    planned.service.destinations.iter().map(row).collect()
}

#[test]
fn live_servers_have_their_weight_and_failed_ones_are_out() {
    let planned = plan(&spec(&[1, 5, 3]), &facts(&[&[UP], &[DOWN], &[]], None));
    assert_eq!(rows(&planned), [(3, 1), (5, 3)]);
    assert_eq!((planned.live_weight, planned.quorum_met), (4, true));
}

#[test]
fn one_failed_check_of_several_takes_a_server_out() {
    let planned = plan(&spec(&[1, 1]), &facts(&[&[UP, DOWN, UP], &[UP, UP]], None));
    assert_eq!(rows(&planned), [(4, 1)]);
}

#[test]
fn inhibit_on_failure_keeps_the_row_with_weight_zero() {
    let mut spec = spec(&[2, 2]);
    changed(&mut spec, 0, |server| server.inhibit = true);
    assert_eq!(rows(&plan(&spec, &facts(&[&[DOWN], &[UP]], None))), [(3, 0), (4, 2)]);
}

#[test]
fn the_weights_that_checks_ask_for_add_up_and_never_fall_below_zero() {
    let exactly = |weight| Verdict::Up { weight: Asked::Exactly(weight) };
    let spec = spec(&[10]);
    for (checks, weight) in [
        (vec![exactly(3)], 3),
        (vec![exactly(0)], 0),
        (vec![exactly(12), exactly(7)], 9),
        (vec![exactly(2), exactly(1)], 0),
    ] {
        let planned = plan(&spec, &facts(&[&checks], None));
        assert_eq!(rows(&planned), [(3, weight)], "{checks:?}");
    }
}

#[test]
fn a_share_of_the_weight_is_none_only_if_it_is_nothing() {
    let percent = |share| Verdict::Up { weight: Asked::Percent(share) };
    for (configured, checks, weight) in [
        (10, vec![percent(75)], 7),
        (10, vec![percent(250)], 25),
        (3, vec![percent(1)], 1),
        (3, vec![percent(0)], 0),
        (0, vec![percent(50)], 0),
        (100, vec![percent(50), percent(80)], 30),
    ] {
        let planned = plan(&spec(&[configured]), &facts(&[&checks], None));
        assert_eq!(rows(&planned), [(3, weight)], "{configured} {checks:?}");
    }
}

#[test]
fn the_sorry_server_serves_alone_while_the_quorum_is_lost() {
    let mut spec = spec(&[1, 1, 1]);
    (spec.quorum, spec.sorry) = (2, sorry(false));
    let lost = plan(&spec, &facts(&[&[UP], &[DOWN], &[DOWN]], Some(true)));
    assert_eq!((rows(&lost), lost.quorum_met, lost.sorry), (vec![(200, 1)], false, true));
    let back = plan(&spec, &facts(&[&[UP], &[UP], &[DOWN]], Some(false)));
    assert_eq!((rows(&back), back.quorum_met), (vec![(3, 1), (4, 1)], true));
}

#[test]
fn without_a_sorry_server_live_servers_stay_below_the_quorum() {
    let mut spec = spec(&[1, 1]);
    spec.quorum = 2;
    let planned = plan(&spec, &facts(&[&[UP], &[DOWN]], Some(true)));
    assert_eq!((rows(&planned), planned.quorum_met), (vec![(3, 1)], false));
}

#[test]
fn an_inhibited_sorry_server_waits_with_weight_zero() {
    let mut spec = spec(&[4]);
    spec.sorry = sorry(true);
    changed(&mut spec, 0, |server| server.inhibit = true);
    assert_eq!(rows(&plan(&spec, &facts(&[&[UP]], None))), [(3, 4), (200, 0)]);
    assert_eq!(rows(&plan(&spec, &facts(&[&[DOWN]], None))), [(3, 0), (200, 1)]);
}

#[test]
fn a_sorry_server_that_is_also_a_real_server_keeps_its_row() {
    let mut spec = spec(&[4, 2]);
    spec.sorry = sorry(true).map(|spare| Box::new(SorrySpec { key: key(3), ..*spare }));
    assert_eq!(rows(&plan(&spec, &facts(&[&[UP], &[UP]], None))), [(3, 4), (4, 2)]);
    assert_eq!(rows(&plan(&spec, &facts(&[&[DOWN], &[DOWN]], None))), [(3, 1)]);
}

#[test]
fn the_quorum_counts_weights_with_a_dead_band() {
    let mut spec = spec(&[4, 3, 2, 1]);
    (spec.quorum, spec.hysteresis) = (5, 2);
    let live = |up: [bool; 4], before| {
        let mut verdicts = Verdicts::default();
        let one = |(at, up)| verdicts.set(at, 0, if up { UP } else { DOWN });
        up.into_iter().enumerate().for_each(one);
        let planned = plan(&spec, &Facts { verdicts, quorum_met: before, ..Facts::default() });
        (planned.live_weight, planned.quorum_met)
    };
    // Lost below 3, back at 7; from the start the quorum itself counts.
    assert_eq!(live([false, true, false, false], Some(true)), (3, true));
    assert_eq!(live([false, false, true, false], Some(true)), (2, false));
    assert_eq!(live([true, false, true, false], Some(false)), (6, false));
    assert_eq!(live([true, true, false, false], Some(false)), (7, true));
    assert_eq!(live([true, false, false, true], None), (5, true));
    assert_eq!(live([true, false, false, false], None), (4, false));
}

#[test]
fn without_any_live_weight_the_quorum_is_never_met() {
    let mut spec = spec(&[0, 0]);
    spec.hysteresis = 1;
    let planned = plan(&spec, &facts(&[&[UP], &[UP]], Some(true)));
    assert_eq!((rows(&planned), planned.quorum_met), (vec![(3, 0), (4, 0)], false));
}

/// An override of 10.0.0.3 that began some seconds ago.
fn overridden(wish: Wish, lasts: Option<u64>, seconds_ago: u64) -> (Facts, Instant) {
    let since = start();
    let lasts = lasts.map(Duration::from_secs);
    let held = Held { ordered: Override { wish, lasts, reason: None }, since };
    let mut facts = facts(&[&[UP], &[UP]], Some(true));
    facts.overrides.insert(key(3), held);
    (facts, since + Duration::from_secs(seconds_ago))
}

#[test]
fn an_operators_wish_stands_above_what_checks_ask_for() {
    let weight = |weight: u16| Wish::Weight(weight.into());
    let minute = Some(Duration::from_secs(60));
    for (wish, ago, table, live, why) in [
        (Wish::Disable, 0, vec![(4, 20)], 20, Why::Disabled),
        (Wish::Drain(None), 9999, vec![(3, 0), (4, 20)], 20, Why::Draining),
        (Wish::Drain(minute), 59, vec![(3, 0), (4, 20)], 20, Why::Draining),
        (Wish::Drain(minute), 60, vec![(4, 20)], 20, Why::Disabled),
        (weight(7), 0, vec![(3, 7), (4, 20)], 27, Why::Set),
        (Wish::Percent(50), 0, vec![(3, 5), (4, 20)], 25, Why::Set),
        (Wish::Percent(1), 0, vec![(3, 1), (4, 20)], 21, Why::Set),
        (Wish::Percent(300), 0, vec![(3, 30), (4, 20)], 50, Why::Set),
    ] {
        let spec = spec(&[10, 20]);
        let (facts, now) = overridden(wish, None, ago);
        let planned = super::plan(&spec, &facts, now);
        assert_eq!((rows(&planned), planned.live_weight), (table, live), "{wish}");
        let seats: Vec<_> =
            explain(&spec, &facts, &planned, now).iter().map(|seat| seat.why).collect();
        assert_eq!(seats, [why, Why::Configured], "{wish}");
    }
}

#[test]
fn an_override_of_a_failed_server_does_not_bring_it_back() {
    for wish in [Wish::Weight(Weight::MAX), Wish::Percent(100), Wish::Drain(None)] {
        let (mut facts, now) = overridden(wish, None, 0);
        facts.verdicts.set(0, 0, DOWN);
        assert_eq!(rows(&super::plan(&spec(&[1, 2]), &facts, now)), [(4, 2)], "{wish}");
    }
}

#[test]
fn an_override_ends_by_time_and_the_plan_says_when() {
    let spec = spec(&[1, 2]);
    let (facts, since) = overridden(Wish::Disable, Some(60), 0);
    let (early, late) = (super::plan(&spec, &facts, since), since + Duration::from_secs(60));
    assert_eq!((rows(&early), early.next), (vec![(4, 2)], Some(late)));
    let after = super::plan(&spec, &facts, late);
    assert_eq!((rows(&after), after.next), (vec![(3, 1), (4, 2)], None));
}

#[test]
fn the_sorry_server_does_not_cut_the_connections_of_drained_servers() {
    let mut spec = spec(&[1, 2]);
    spec.sorry = sorry(false);
    let (mut facts, now) = overridden(Wish::Drain(None), None, 0);
    facts.verdicts.set(1, 0, DOWN);
    let planned = super::plan(&spec, &facts, now);
    assert_eq!((rows(&planned), planned.sorry), (vec![(3, 0), (200, 1)], true));
}

/// Facts of servers that are up (`+`) or down (`-`), failed in the order of the given hosts.
fn failing(standings: &str, order: &[u8]) -> Facts {
    let mut verdicts = Verdicts::default();
    let one = |(at, sign)| verdicts.set(at, 0, if sign == '+' { UP } else { DOWN });
    standings.chars().enumerate().for_each(one);
    let failed = order.iter().map(|host| key(*host)).collect();
    Facts { verdicts, failed, ..Facts::default() }
}

#[test]
fn min_in_pool_keeps_those_that_failed_last() {
    let (count, share) = (MinInPool::Count, MinInPool::Share);
    for (least, standings, order, hosts, kept) in [
        (count(2), "++++", vec![], vec![3, 4, 5, 6], vec![]),
        (count(2), "--++", vec![3, 4], vec![5, 6], vec![]),
        (count(2), "---+", vec![3, 4, 5], vec![5, 6], vec![5]),
        (count(2), "----", vec![6, 3, 4, 5], vec![4, 5], vec![5, 4]),
        (share(50), "---+", vec![3, 4, 5], vec![5, 6], vec![5]),
        (share(51), "---+", vec![5, 4, 3], vec![3, 4, 6], vec![3, 4]),
        (share(100), "----", vec![3, 4, 5, 6], vec![3, 4, 5, 6], vec![6, 5, 4, 3]),
        // One that has never been up, or that took itself out, is not among them.
        (count(4), "---+", vec![4], vec![4, 6], vec![4]),
    ] {
        let mut spec = spec(&[1, 2, 3, 4]);
        spec.min_in_pool = Some(least);
        let planned = plan(&spec, &failing(standings, &order));
        let wanted: Vec<_> = hosts.into_iter().map(|host| (host, u32::from(host) - 2)).collect();
        assert_eq!(rows(&planned), wanted, "{least:?} {standings}");
        let kept: Vec<_> = kept.into_iter().map(key).collect();
        assert_eq!(*planned.kept, *kept, "{least:?} {standings}");
    }
}

#[test]
fn what_is_kept_counts_for_the_quorum_and_what_an_operator_took_out_is_not_kept() {
    let mut spec = spec(&[1, 1]);
    (spec.min_in_pool, spec.sorry) = (Some(MinInPool::Count(1)), sorry(false));
    let mut facts = failing("--", &[3, 4]);
    let planned = plan(&spec, &facts);
    assert_eq!((rows(&planned), planned.live_weight, planned.sorry), (vec![(4, 1)], 1, false));
    for wish in [Wish::Disable, Wish::Drain(None)] {
        let ordered = Override { wish, lasts: None, reason: None };
        facts.overrides.insert(key(4), Held { ordered, since: start() });
        assert_eq!(rows(&plan(&spec, &facts)), [(3, 1)], "{wish}");
    }
}

#[test]
fn a_server_that_came_back_grows_to_its_weight_while_the_quorum_counts_all_of_it() {
    let mut spec = spec(&[10, 4]);
    spec.quorum = 14;
    spec.slow_start = Some(Box::new(SlowStart { duration: Duration::from_secs(5), floor: 20 }));
    let mut facts = failing("++", &[]);
    let since = start();
    facts.rising.insert(key(3), since);
    let mut at = since;
    let mut seen = Vec::new();
    loop {
        let planned = super::plan(&spec, &facts, at);
        assert_eq!((planned.live_weight, planned.quorum_met), (14, true));
        seen.push((at.duration_since(since).as_secs(), rows(&planned)[0].1));
        let Some(next) = planned.next else { break };
        at = next;
    }
    // A step is a tenth of a ramp that is shorter than ten seconds.
    let wanted = [(0, 2), (1, 3), (2, 4), (2, 5), (3, 6), (3, 7), (4, 8), (4, 9), (5, 10)];
    assert_eq!(seen, wanted);
    // An operator's wish is carried out at once and lessened alike.
    let ordered = Override { wish: Wish::Percent(50), lasts: None, reason: None };
    facts.overrides.insert(key(3), Held { ordered, since });
    let planned = super::plan(&spec, &facts, since + Duration::from_secs(4));
    assert_eq!(rows(&planned), [(3, 4), (4, 4)]);
}
