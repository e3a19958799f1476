//! One that an operator told to leave its addresses to others.

use super::*;

#[test]
fn one_that_resigns_to_nobody_keeps_its_addresses_and_goes_on() {
    let mut bench = Bench::master(spec(1));
    expect(
        &bench.call(|routers, now| routers.resign(id(1), now)),
        "watch 1
        advertise 1 as 0
        1 MASTER -> HANDING OVER, priority 100: Resigned",
    );
    assert_eq!(bench.wait(), SECOND * 2 + SECOND * 156 / 256);
    expect(
        &bench.advance_to_next(),
        "unwatch 1
        advertise 1 as 100
        readdress 1
        announce 1 x5
        1 HANDING OVER -> MASTER, priority 100: MasterDown { master: None }",
    );
    assert!(!bench.routers.view(id(1)).unwrap().resigned);
}

#[test]
fn a_group_that_resigns_to_nobody_keeps_the_addresses_of_all_its_members() {
    let slow = RouterSpec { advert_int: SECOND * 2, ..spec(2) };
    let members = vec![id(1), id(2)];
    let group = GroupSpec { name: "G".into(), members };
    let mut bench = Bench::new(vec![spec(1), slow], vec![group]);
    bench.link(id(1), up());
    bench.link(id(2), up());
    bench.advance(SECOND * 9);
    assert_eq!([id(1), id(2)].map(|id| bench.state(id)), [State::Master; 2]);
    bench.call(|routers, now| routers.resign(id(1), now));
    let lines = bench.advance(SECOND * 9);
    assert!(!lines.contains("release"), "{lines}");
    assert_eq!([id(1), id(2)].map(|id| bench.state(id)), [State::Master; 2]);
}

#[test]
fn one_that_resigned_leaves_a_lesser_master_alone_until_it_is_gone() {
    let mut bench = Bench::master(spec(1));
    bench.call(|routers, now| routers.resign(id(1), now));
    bench.announced(vip(1));
    for _ in 0..20 {
        bench.hear(id(1), LESSER, 50);
        expect(&bench.advance(SECOND), "");
    }
    bench.hear(id(1), LESSER, 0);
    bench.advance_to_next();
    assert_eq!(bench.state(id(1)), State::Master);
    // From then on it is its old self.
    bench.hear(id(1), LESSER, 150);
    bench.announced(vip(1));
    for _ in 0..4 {
        bench.hear(id(1), LESSER, 50);
        bench.advance(SECOND);
    }
    assert_eq!(bench.state(id(1)), State::Master);
}

#[test]
fn a_backup_that_resigned_takes_nothing_until_it_is_told_so() {
    let mut bench = Bench::started(spec(1));
    bench.call(|routers, now| routers.resign(id(1), now));
    for _ in 0..20 {
        bench.hear(id(1), LESSER, 50);
        expect(&bench.advance(SECOND), "");
    }
    // A fault that comes and goes changes nothing of it.
    bench.track(id(1), Tracking { fault: true, ..Tracking::default() });
    bench.track(id(1), Tracking::default());
    for _ in 0..20 {
        bench.hear(id(1), LESSER, 50);
        expect(&bench.advance(SECOND), "");
    }
    bench.call(|routers, _| routers.rejoin(id(1)));
    for _ in 0..4 {
        bench.hear(id(1), LESSER, 50);
        bench.advance(SECOND);
    }
    assert_eq!(bench.state(id(1)), State::Master);
}
