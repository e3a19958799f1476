//! Addresses that the kernel does not take.

use super::*;

#[test]
fn a_failed_addition_resigns_and_lets_the_other_be() {
    let mut bench = Bench::master(spec(1));
    bench.call(|routers, now| routers.handle_held(id(1), Held::All, now));
    assert_eq!(bench.state(id(1)), State::Master);
    bench.call(|routers, now| routers.handle_held(id(1), Held::Failed, now));
    bench.announced(vip(1));
    for _ in 0..9 {
        bench.hear(id(1), LESSER, 50);
        expect(&bench.advance(SECOND), "");
    }
    assert_eq!(bench.routers.view(id(1)).unwrap().counters.hold_failed, 1);
}

#[test]
fn addresses_that_the_kernel_refuses_are_tried_later_and_later() {
    let mut bench = Bench::master(spec(1));
    let mut pauses = Vec::new();
    for _ in 0..8 {
        bench.call(|routers, now| routers.handle_held(id(1), Held::Failed, now));
        let failed = bench.now;
        while bench.state(id(1)) != State::Master {
            bench.advance_to_next();
        }
        pauses.push((bench.now - failed).as_secs());
    }
    assert!(pauses.is_sorted() && pauses[0] < 7, "{pauses:?}");
    assert_eq!(pauses[5..], [32, 60, 60], "{pauses:?}");
    // The interface comes back: what was refused there may not be any more.
    bench.call(|routers, now| routers.handle_held(id(1), Held::Failed, now));
    bench.link(id(1), Link { up: false, ..up() });
    bench.link(id(1), up());
    let back = bench.now;
    while bench.state(id(1)) != State::Master {
        bench.advance_to_next();
    }
    assert!(bench.now - back < SECOND * 5);
}
