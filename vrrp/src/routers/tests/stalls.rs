//! A process that gets no time to run: alone, or together with the Master on the same busy host; a kernel that holds back
//! what came in.

use std::time::{Duration, Instant};

use super::{Bench, LESSER, SECOND, expect, id, spec};
use crate::id::Version;
use crate::routers::Routers;
use crate::spec::RouterSpec;
use crate::state::State;

/// Nothing of what came in after this has been heard.
fn hear_until(until: Instant) -> impl Fn(&mut Routers, Instant) {
    move |routers, now| {
        routers.handle_heard(until, now);
    }
}

fn stall(routers: &mut Routers, now: Instant) {
    routers.handle_stall(SECOND * 2, now);
}

#[test]
fn a_delay_of_half_an_interval_is_no_stall() {
    let mut bench = Bench::started(spec(1));
    let before = bench.wait();
    expect(&bench.call(|routers, now| routers.handle_stall(SECOND / 2, now)), "");
    assert_eq!(bench.wait(), before);
}

#[test]
fn after_a_stall_a_backup_listens_once_more_but_not_for_ever() {
    let mut bench = Bench::started(spec(1));
    for _ in 0..3 {
        bench.now += SECOND * 20;
        expect(&bench.call(stall), "");
        assert_eq!(bench.wait(), SECOND);
    }
    // A machine that is always late takes over all the same.
    bench.now += SECOND * 2;
    bench.call(stall);
    assert!(bench.routers.is_election_due(bench.now));
    bench.hear(id(1), LESSER, 200);
    bench.now += SECOND * 20;
    bench.call(stall);
    assert_eq!(bench.wait(), SECOND, "what was heard ends the silence that was doubted");
}

#[test]
fn a_stall_that_costs_nothing_uses_no_doubt_up() {
    let mut bench = Bench::started(spec(1));
    let before = bench.wait();
    (0..10).for_each(|_| drop(bench.call(stall)));
    assert_eq!(bench.wait(), before);
    bench.now += SECOND * 20;
    bench.call(stall);
    assert_eq!(bench.wait(), SECOND);
}

#[test]
fn a_silence_that_the_kernel_makes_is_put_off_but_not_for_ever() {
    let mut bench = Bench::started(spec(1));
    let wait = bench.wait();
    bench.now += wait;
    let unheard = bench.now - SECOND - Duration::from_millis(1);
    // (until when all was heard; how long it waits then)
    for (until, waits) in [(bench.now, Duration::ZERO), (unheard, SECOND / 2)] {
        bench.call(hear_until(until));
        assert_eq!(bench.wait(), waits);
    }
    let begun = bench.now;
    while !bench.routers.is_election_due(bench.now) {
        bench.now += bench.wait();
        bench.call(hear_until(unheard));
        assert!(bench.now < begun + SECOND * 10, "for ever");
    }
    assert!(bench.now >= begun + SECOND * 3, "given up soon");
    expect(&bench.call(hear_until(unheard)), "");
    assert!(bench.routers.is_election_due(bench.now), "one silence is put off once");
    bench.hear(id(1), LESSER, 200);
    bench.now += bench.wait();
    bench.call(hear_until(unheard));
    assert_eq!(bench.wait(), SECOND / 2, "the next one is another");
}

#[test]
fn a_master_that_says_farewell_or_is_lesser_is_no_silence() {
    let long_ago = |routers: &mut Routers, now: Instant| {
        assert_eq!(routers.handle_heard(now - SECOND * 9, now), 0);
    };
    for priority in [0, 1] {
        let mut bench = Bench::started(spec(1));
        bench.hear(id(1), LESSER, priority);
        bench.now += bench.wait();
        expect(&bench.call(long_ago), "");
        assert!(bench.routers.is_election_due(bench.now), "priority {priority}");
    }
    let mut bench = Bench::started(spec(1));
    let before = bench.wait();
    bench.call(long_ago);
    assert_eq!(bench.wait(), before, "nothing is due");
    // Told to resign, and nobody comes: it goes on, without a moment as Backup.
    let mut bench = Bench::master(spec(1));
    bench.call(|routers, now| routers.resign(id(1), now));
    while bench.state(id(1)) == State::HandingOver {
        bench.now += bench.wait();
        bench.call(long_ago);
        bench.call(|routers, now| routers.handle_timeout(now));
    }
    assert_eq!(bench.state(id(1)), State::Master);
}

#[test]
fn before_anything_is_read_only_advertisements_that_are_due_leave() {
    let mut bench = Bench::master(spec(1));
    expect(&bench.call(Routers::advertise_if_due), "");
    bench.now += SECOND;
    expect(&bench.call(Routers::advertise_if_due), "advertise 1 as 100");
    expect(&bench.call(Routers::advertise_if_due), "");
    let mut bench = Bench::started(spec(1));
    bench.now += SECOND * 20;
    expect(&bench.call(Routers::advertise_if_due), "");
    assert_eq!(bench.state(id(1)), State::Backup, "an election is none of it");
}

#[test]
fn a_master_that_is_on_time_costs_a_backup_no_look_at_the_clock() {
    let mut bench = Bench::started(spec(1));
    for _ in 0..10 {
        bench.hear(id(1), LESSER, 200);
        let check = bench.routers.poll_check().unwrap();
        assert!(check > bench.now + SECOND, "later than the next advertisement");
        bench.now += SECOND;
    }
}

/// Two routers on one host of one processor, which stalls: a Master that advertises as soon as it runs again, and a Backup
/// that runs before it. What the Master sends takes a while.
struct Shared {
    master: Bench,
    backup: Bench,
    interval: Duration,
    on_the_way: Option<Instant>,
}

impl Shared {
    fn start(interval: Duration) -> Self {
        let spec = || RouterSpec { version: Version::V3, advert_int: interval, ..spec(1) };
        let (master, mut backup) = (Bench::master(spec()), Bench::started(spec()));
        backup.now = master.now;
        backup.hear(id(1), LESSER, 200);
        Self { master, backup, interval, on_the_way: None }
    }

    /// First the Backup, then the Master.
    fn run_at(&mut self, now: Instant) {
        (self.master.now, self.backup.now) = (now, now);
        let due = self.backup.routers.poll_timeout().into_iter();
        let due = due.chain(self.backup.routers.poll_check()).min().filter(|due| *due <= now);
        let late = due.map(|due| now - due);
        self.backup.call(|routers, now| routers.handle_check(now));
        if self.on_the_way.is_some_and(|at| at <= now) {
            self.on_the_way = None;
            self.backup.hear(id(1), LESSER, 200);
        }
        if let Some(late) = late.filter(|late| *late > self.interval / 2) {
            self.backup.call(|routers, now| routers.handle_stall(late, now));
        }
        self.backup.call(|routers, now| routers.handle_timeout(now));
        let said = self.master.call(|routers, now| routers.handle_timeout(now));
        if said.contains("advertise") {
            self.on_the_way = Some(now + self.interval / 10);
        }
    }
}

#[test]
fn a_host_that_stalls_with_both_routers_on_it_moves_nothing() {
    let interval = Duration::from_millis(10);
    let tick = Duration::from_millis(1);
    for begins in 0..40 {
        for lasts in 0..100 {
            let mut shared = Shared::start(interval);
            let start = shared.master.now;
            let (from, until) = (start + tick * begins, start + tick * (begins + lasts));
            for step in 0..200 {
                let now = start + tick * step;
                if now <= from || now >= until {
                    shared.run_at(now);
                    let state = shared.backup.state(id(1));
                    assert_eq!(state, State::Backup, "stalled from {begins} for {lasts} ticks");
                }
            }
        }
    }
}

#[test]
fn a_kernel_that_holds_back_what_comes_in_moves_nothing() {
    let (interval, tick) = (Duration::from_millis(10), Duration::from_millis(1));
    for begins in 0..40 {
        for lasts in (0..900).step_by(30) {
            let mut shared = Shared::start(interval);
            let start = shared.master.now;
            let (from, until) = (start + tick * begins, start + tick * (begins + lasts));
            let mut held_back = false;
            for step in 0..1000 {
                let now = start + tick * step;
                (shared.master.now, shared.backup.now) = (now, now);
                let holds_back = now > from && now < until;
                if held_back && !holds_back {
                    shared.backup.hear(id(1), LESSER, 200);
                    held_back = false;
                }
                let heard = if holds_back { from } else { now };
                shared.backup.call(|routers, now| {
                    routers.handle_check(now);
                    if routers.is_election_due(now) {
                        routers.handle_heard(heard, now);
                    }
                    routers.handle_timeout(now);
                });
                let state = shared.backup.state(id(1));
                assert_eq!(state, State::Backup, "held back from {begins} for {lasts} ticks");
                let said = shared.master.call(|routers, now| routers.handle_timeout(now));
                if said.contains("advertise") {
                    if holds_back {
                        held_back = true;
                    } else {
                        shared.backup.hear(id(1), LESSER, 200);
                    }
                }
            }
        }
    }
}
