//! What the hosts are told, how often, and whose announcements count.

use super::*;
use crate::spec::AnnounceSpec;

#[test]
fn announcements_come_in_two_bursts_and_refreshes() {
    let announce = AnnounceSpec {
        repeat: 3,
        delay: milliseconds(1500),
        refresh: milliseconds(4500),
        refresh_repeat: 2,
        ..AnnounceSpec::default()
    };
    let mut bench = Bench::master(with(|s| (s.announce, s.advert_int) = (announce, SECOND * 10)));
    let start = bench.now - bench.start;
    let lines = bench.advance(SECOND * 9 + milliseconds(500));
    let at = |after: u64| (start + milliseconds(after)).as_millis();
    let (second, first_refresh, second_refresh) = (at(1500), at(4500), at(9000));
    expect(
        &lines,
        &format!(
            "at {second} ms\nannounce 1 x3\nat {first_refresh} ms\nannounce 1 x2\n\
             at {second_refresh} ms\nannounce 1 x2"
        ),
    );
}

#[test]
fn nothing_is_announced_where_that_is_configured() {
    let silent = AnnounceSpec { repeat: 0, lower_prio_repeat: 0, ..AnnounceSpec::default() };
    let mut bench = Bench::started(with(|s| s.announce = silent));
    let mut lines = bench.advance(SECOND * 20);
    lines += &bench.hear(id(1), LESSER, 1);
    assert!(!lines.contains("announce"), "{lines}");
    assert!(lines.contains("-> MASTER"));
}

#[test]
fn a_lesser_master_is_announced_against_twice() {
    let mut bench = Bench::master(with(|s| s.announce.lower_prio_delay = milliseconds(500)));
    bench.hear(id(1), LESSER, 1);
    let lines = bench.advance(milliseconds(600));
    assert_eq!(lines.lines().filter(|line| line.starts_with("announce")).count(), 1, "{lines}");
}

#[test]
fn link_local_announcements_count_on_their_own_interface_only() {
    let local: IpAddr = "fe80::100".parse().unwrap();
    let mut bench = Bench::master(spec(1).with_addresses(vec![local, vip(1)]));
    bench.call(|routers, now| routers.shutdown(now));
    let elsewhere: IfName = "eth1".parse().unwrap();
    bench.call(|routers, now| routers.handle_announcement(elsewhere, local, now));
    // An address may be on another interface than its router's.
    bench.call(|routers, now| routers.handle_announcement(elsewhere, vip(1), now));
    assert_eq!(bench.state(id(1)), State::HandingOver);
    bench.announced(local);
    assert!(bench.routers.is_stopped());
}
