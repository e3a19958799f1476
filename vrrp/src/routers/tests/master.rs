//! A Master: when it speaks, whom it answers, to whom it yields.
//! Section numbers are those of RFC 9568, "v2" of RFC 3768; what neither says is keepalived's.

use super::*;

#[test]
fn a_master_advertises_every_interval_and_does_not_drift() {
    let mut bench = Bench::master(with(|s| s.announce.delay = Duration::ZERO));
    let first = bench.now;
    for beat in 1..=5 {
        // Late by a fifth.
        bench.now = first + SECOND * beat + SECOND / 5;
        let now = bench.now;
        expect(&bench.call(|routers, _| routers.handle_timeout(now)), "advertise 1 as 100");
        assert_eq!(bench.wait(), SECOND * 4 / 5);
    }
    // Whole intervals lost are not made up for.
    bench.now += SECOND * 10;
    let now = bench.now;
    expect(&bench.call(|routers, _| routers.handle_timeout(now)), "advertise 1 as 100");
    assert_eq!(bench.wait(), SECOND);
}

#[test]
fn priority_0_and_lesser_masters_are_answered_at_once() {
    // Section 6.4.3
    let mut bench = Bench::master(spec(1));
    bench.now += SECOND / 2;
    expect(&bench.hear(id(1), LESSER, 0), "advertise 1 as 100");
    assert_eq!(bench.wait(), SECOND);
    bench.now += SECOND / 2;
    expect(
        &bench.hear(id(1), GREATER, 99),
        "notice 1: LesserMaster { source: 10.0.0.11, priority: 99 }
        advertise 1 as 100
        announce 1 x5",
    );
    let view = bench.routers.view(id(1)).unwrap();
    assert_eq!((view.counters.lesser_master, view.counters.received_release), (1, 1));
}

#[test]
fn lower_prio_no_advert_answers_the_hosts_only() {
    let mut bench = Bench::master(with(|s| s.lower_prio_no_advert = true));
    expect(
        &bench.hear(id(1), GREATER, 99),
        "notice 1: LesserMaster { source: 10.0.0.11, priority: 99 }
        announce 1 x5",
    );
}

#[test]
fn higher_prio_send_advert_has_one_last_word() {
    let mut bench = Bench::master(with(|s| s.higher_prio_send_advert = true));
    expect(
        &bench.hear(id(1), LESSER, 101),
        "advertise 1 as 100
        watch 1
        1 MASTER -> HANDING OVER, priority 100: Yielded { master: 10.0.0.9, priority: 101 }",
    );
}

#[test]
fn equal_priority_is_decided_by_the_greater_address_as_a_number() {
    // Section 6.4.3; 10.0.0.9 < 10.0.0.10 though not as text
    let mut bench = Bench::master(spec(1));
    bench.hear(id(1), LESSER, 100);
    assert_eq!(bench.state(id(1)), State::Master);
    bench.hear(id(1), GREATER, 100);
    assert_eq!(bench.state(id(1)), State::HandingOver);
}

#[test]
fn who_yields_learns_the_interval_of_the_better_one_and_waits_for_it() {
    // Section 6.4.3
    let mut bench = Bench::master(with(|s| s.hand_over = false));
    let slow = with(|s| s.advert_int = SECOND * 4);
    bench.hear_as(&slow, LESSER, 150);
    assert_eq!(bench.state(id(1)), State::Backup);
    assert_eq!(bench.wait(), SECOND * 12 + SECOND * 4 * 156 / 256);
}
