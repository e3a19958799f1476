//! A router that lacks what it needs as Master: it waits behind a Master, and only there.

use super::{Bench, LESSER, SECOND, id, prio, spec, up};
use crate::id::Priority;
use crate::spec::{RouterSpec, Wish};
use crate::state::State;

fn unprepared(spec: RouterSpec) -> Bench {
    let mut bench = Bench::new(vec![spec], vec![]);
    bench.routers.prepare(id(1), false);
    bench.link(id(1), up());
    bench
}

fn specs() -> [RouterSpec; 3] {
    let owner = RouterSpec { priority: Priority::OWNER, ..spec(1) };
    let wishful = RouterSpec { wish: Wish::Master, ..spec(1) };
    [RouterSpec { priority: prio(200), ..spec(1) }, wishful, owner]
}

#[test]
fn a_lesser_master_is_left_alone_until_it_is_prepared() {
    for spec in specs() {
        let mut bench = unprepared(spec.clone());
        for _ in 0..20 {
            bench.hear(id(1), LESSER, 50);
            bench.advance(SECOND);
            assert_eq!(bench.state(id(1)), State::Backup, "{spec:?}");
        }
        bench.routers.prepare(id(1), true);
        for _ in 0..5 {
            bench.hear(id(1), LESSER, 50);
            bench.advance(SECOND);
        }
        assert_eq!(bench.state(id(1)), State::Master, "{spec:?}");
    }
}

#[test]
fn where_nobody_is_master_it_is_one() {
    for spec in specs() {
        let mut bench = unprepared(spec);
        bench.hear(id(1), LESSER, 50);
        bench.advance(SECOND * 4);
        assert_eq!(bench.state(id(1)), State::Master);
        assert!(!bench.routers.view(id(1)).unwrap().unprepared, "and is done with waiting");
    }
}

#[test]
fn a_master_does_without() {
    let mut bench = Bench::master(spec(1));
    bench.routers.prepare(id(1), false);
    assert!(!bench.routers.view(id(1)).unwrap().unprepared);
    bench.hear(id(1), LESSER, 50);
    assert_eq!(bench.state(id(1)), State::Master);
}
