use super::*;

/// Enough to meet every kind of trouble in every kind of scenario; long runs are a command of their own.
const SCHEDULES: u64 = 1000;

#[expect(clippy::disallowed_methods, reason = "an Instant has no other beginning")]
fn origin() -> Instant {
    Instant::now()
}

#[test]
fn after_every_schedule_there_is_one_master_and_no_two_for_long() {
    let start = origin();
    if let Ok(seed) = std::env::var("EVENKEEL_SEED") {
        let seed = seed.parse().expect("EVENKEEL_SEED is a number");
        let mut show =
            |at: Duration, what: String| println!("{:>10.3} ms {what}", at.as_secs_f64() * 1e3);
        let outcome = simulate(seed, start, Some(&mut show));
        println!("{outcome:?}");
        outcome.unwrap();
        return;
    }
    let mut total = Summary::default();
    for seed in (0..SCHEDULES).chain(HOLDING_BACK..HOLDING_BACK + SCHEDULES / 2) {
        let summary = simulate(seed, start, None).unwrap_or_else(|broken| panic!("{broken}"));
        total.changes += summary.changes;
        total.packets += summary.packets;
    }
    // Schedules in which nothing happens would prove nothing.
    assert!(total.changes > SCHEDULES * 10, "{total:?}");
    assert!(total.packets > SCHEDULES * 100, "{total:?}");
    println!("{total:?}");
}

/// Schedules beyond the first thousand that once broke a rule, and what it was.
const MENDED: [(u64, &str); 7] = [
    (4_034, "where all speak two versions, the silence of version 2's whole seconds is waited for"),
    (
        20_761,
        "two groups are each better in a member, and each yields to the other, again and again",
    ),
    (55_413, "the same among four machines"),
    (76_175, "the same among two"),
    (83_042, "the same, and addresses stay on a machine that waits for the other"),
    (89_193, "a better machine is not yielded to, for another one was heard to be lesser"),
    (90_299, "the same, and the better one leaves lesser ones without an answer"),
];

#[test]
fn what_was_mended_stays_mended() {
    let start = origin();
    for (seed, what) in MENDED {
        let outcome = simulate(seed, start, None);
        assert!(outcome.is_ok(), "{what}: {outcome:?}");
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..20 {
        let run = |origin| {
            let mut events = Vec::new();
            let mut keep = |at: Duration, what: String| events.push((at, what));
            let outcome = simulate(seed, origin, Some(&mut keep));
            (events, outcome)
        };
        let start = origin();
        assert_eq!(run(start), run(start + Duration::from_secs(1000)));
    }
}
