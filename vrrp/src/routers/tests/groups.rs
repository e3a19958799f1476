//! Sync groups: one election for all members.

use super::*;

fn group(members: &[u8]) -> GroupSpec {
    GroupSpec { name: "G".into(), members: members.iter().map(|vrid| id(*vrid)).collect() }
}

/// Routers 1 and 2 in one group, links up.
fn pair() -> Bench {
    let mut bench = Bench::new(vec![spec(1), spec(2)], vec![group(&[1, 2])]);
    bench.link(id(1), up());
    bench.link(id(2), up());
    bench
}

fn pair_of_masters() -> Bench {
    let mut bench = pair();
    bench.advance_to_next();
    assert_eq!(bench.routers.groups().collect::<Vec<_>>(), [("G", State::Master)]);
    bench
}

#[test]
fn members_become_master_in_one_turn_and_one_batch_per_step() {
    let mut bench = pair();
    let lines = bench.advance(SECOND * 5);
    expect(
        &lines,
        "at 3609 ms
        advertise 1 as 100
        advertise 2 as 100
        hold 1
        hold 2
        announce 1 x5
        announce 2 x5
        1 BACKUP -> MASTER, priority 100: with 2
        2 BACKUP -> MASTER, priority 100: MasterDown { master: None }
        group G BACKUP -> MASTER
        at 4609 ms
        advertise 1 as 100
        advertise 2 as 100",
    );
}

#[test]
fn a_member_that_hears_its_master_keeps_the_group_back() {
    // The network of router 2 is cut off, that of router 1 is not.
    let mut bench = pair();
    for _ in 0..30 {
        bench.hear(id(1), LESSER, 150);
        expect(&bench.advance(SECOND), "");
    }
    // The Master of 1 falls silent: both go at its time.
    let lines = bench.advance(SECOND * 3);
    assert!(
        lines.contains("1 BACKUP -> MASTER, priority 100: MasterDown { master: Some"),
        "{lines}"
    );
    assert!(lines.contains("2 BACKUP -> MASTER, priority 100: with 1"), "{lines}");
}

#[test]
fn a_member_that_hears_a_better_master_takes_all_along() {
    let mut bench = pair_of_masters();
    expect(
        &bench.hear(id(1), LESSER, 150),
        "watch 1
        watch 2
        1 MASTER -> HANDING OVER, priority 100: Yielded { master: 10.0.0.9, priority: 150 }
        2 MASTER -> HANDING OVER, priority 100: with 1
        group G MASTER -> HANDING OVER",
    );
    expect(&bench.hear(id(2), LESSER, 150), "");
    expect(
        &bench.announced(vip(1)),
        "unwatch 1
        release 1
        1 HANDING OVER -> BACKUP, priority 100: HandedOver",
    );
    expect(
        &bench.announced(vip(2)),
        "unwatch 2
        release 2
        2 HANDING OVER -> BACKUP, priority 100: HandedOver
        group G HANDING OVER -> BACKUP",
    );
}

#[test]
fn a_member_whose_link_fails_releases_at_once_and_the_others_hand_over() {
    let mut bench = pair_of_masters();
    expect(
        &bench.link(id(1), Link { up: false, source: Some(host(US)) }),
        "watch 2
        advertise 2 as 0
        release 1
        1 MASTER -> FAULT, priority 100: LinkDown
        2 MASTER -> HANDING OVER, priority 100: with 1
        group G MASTER -> HANDING OVER",
    );
    expect(
        &bench.announced(vip(2)),
        "unwatch 2
        release 2
        2 HANDING OVER -> FAULT, priority 100: HandedOver
        group G HANDING OVER -> FAULT",
    );
}

#[test]
fn a_group_leaves_fault_when_no_member_fails() {
    let fault = Tracking { fault: true, ..Tracking::default() };
    let mut bench = pair();
    expect(
        &bench.track(id(1), fault),
        "1 BACKUP -> FAULT, priority 100: Tracking
        2 BACKUP -> FAULT, priority 100: with 1
        group G BACKUP -> FAULT",
    );
    expect(&bench.track(id(2), fault), "");
    expect(&bench.track(id(1), Tracking::default()), "");
    expect(
        &bench.track(id(2), Tracking::default()),
        "1 FAULT -> BACKUP, priority 100: Recovered
        2 FAULT -> BACKUP, priority 100: Recovered
        group G FAULT -> BACKUP",
    );
}

#[test]
fn a_pending_member_keeps_the_group_back() {
    let mut bench = pair();
    bench.track(id(2), Tracking { pending: true, ..Tracking::default() });
    expect(&bench.advance(SECOND * 10), "");
    bench.track(id(2), Tracking::default());
    assert!(bench.routers.is_election_due(bench.now));
}

#[test]
fn all_members_insist_against_the_lesser_master_of_one() {
    let mut bench = pair_of_masters();
    expect(
        &bench.hear(id(1), LESSER, 50),
        "notice 1: LesserMaster { source: 10.0.0.9, priority: 50 }
        advertise 1 as 100
        announce 1 x5
        announce 2 x5",
    );
}

#[test]
fn a_group_steps_back_as_a_whole() {
    let mut bench = pair_of_masters();
    bench.call(|routers, now| routers.resign(id(1), now));
    bench.announced(vip(1));
    bench.announced(vip(2));
    for _ in 0..10 {
        bench.hear(id(1), LESSER, 50);
        bench.hear(id(2), LESSER, 50);
        expect(&bench.advance(SECOND), "");
    }
}

#[test]
fn owners_in_a_group_start_together() {
    let owner = |vrid| RouterSpec { priority: Priority::OWNER, ..spec(vrid) };
    let mut bench = Bench::new(vec![owner(1), owner(2)], vec![group(&[1, 2])]);
    bench.link(id(1), up());
    let lines = bench.link(id(2), up());
    // The first was ready before the second was known.
    assert_eq!((bench.state(id(1)), bench.state(id(2))), (State::Backup, State::Backup), "{lines}");
    bench.advance(Duration::ZERO);
    assert_eq!((bench.state(id(1)), bench.state(id(2))), (State::Master, State::Master));
}

#[test]
fn a_group_resumes_as_a_whole_or_not_at_all() {
    let specs = || vec![spec(1), spec(2)];
    let mut bench = Bench::new(specs(), vec![group(&[1, 2])]);
    bench.call(|r, now| r.resume(id(1), ResumeAs::Master, now));
    bench.call(|r, now| r.resume(id(2), ResumeAs::Master, now));
    expect(&bench.link(id(1), up()), "");
    expect(
        &bench.link(id(2), up()),
        "advertise 1 as 100
        advertise 2 as 100
        readdress 1
        readdress 2
        1 INIT -> MASTER, priority 100: Resumed
        2 INIT -> MASTER, priority 100: Resumed
        group G INIT -> MASTER",
    );
    let mut bench = Bench::new(specs(), vec![group(&[1, 2])]);
    bench.call(|r, now| r.resume(id(1), ResumeAs::Master, now));
    bench.link(id(1), up());
    bench.link(id(2), up());
    assert_eq!((bench.state(id(1)), bench.state(id(2))), (State::Backup, State::Backup));
    expect(&bench.hear(id(1), LESSER, 150), "release 1");
}

#[test]
fn a_member_that_is_not_master_yet_does_not_insist() {
    let mut bench = Bench::master(spec(1));
    let (specs, groups) = (vec![spec(1), spec(2)], vec![group(&[1, 2])]);
    bench.call(|routers, now| routers.configure(specs, groups, now));
    let lines = bench.hear(id(1), LESSER, 50);
    expect(
        &lines,
        "notice 1: LesserMaster { source: 10.0.0.9, priority: 50 }
        advertise 1 as 100
        announce 1 x5",
    );
}
