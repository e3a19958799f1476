//! What holds of every plan, whatever the situation.

use proptest::prelude::*;

use super::*;

fn wish() -> impl Strategy<Value = Wish> {
    prop_oneof![
        Just(Wish::Disable),
        (0_u64..100).prop_map(|within| Wish::Drain(Some(Duration::from_secs(within)))),
        (0_u16..50).prop_map(|weight| Wish::Weight(weight.into())),
        (0_u16..300).prop_map(Wish::Percent),
    ]
}

/// One real server: weight, up, has failed after it was up, wish, seconds since it came back.
type One = (u16, bool, bool, Option<Wish>, Option<u64>);

fn situation(servers: &[One], least: Option<MinInPool>, slow: bool) -> (ServiceSpec, Facts) {
    let weights: Vec<u16> = servers.iter().map(|one| one.0).collect();
    let mut spec = spec(&weights);
    spec.min_in_pool = least;
    let ramp = SlowStart { duration: Duration::from_secs(60), floor: 10 };
    spec.slow_start = slow.then(|| Box::new(ramp));
    let mut facts = Facts::default();
    let now = start();
    for (at, (server, (_, up, failed, wish, back))) in spec.servers.iter().zip(servers).enumerate()
    {
        facts.verdicts.set(at, 0, if *up { UP } else { DOWN });
        if *failed && !*up {
            facts.failed.push(server.key);
        }
        if let Some(wish) = *wish {
            let ordered = Override { wish, lasts: None, reason: None };
            facts.overrides.insert(server.key, Held { ordered, since: now });
        }
        if let Some(back) = back {
            let since = now.checked_sub(Duration::from_secs(*back)).unwrap_or(now);
            facts.rising.insert(server.key, since);
        }
    }
    (spec, facts)
}

fn least() -> impl Strategy<Value = Option<MinInPool>> {
    proptest::option::of(prop_oneof![
        (1_u32..9).prop_map(MinInPool::Count),
        (1_u8..=100).prop_map(MinInPool::Share),
    ])
}

fn servers() -> impl Strategy<Value = Vec<One>> {
    let one = (
        0_u16..40,
        any::<bool>(),
        any::<bool>(),
        proptest::option::of(wish()),
        proptest::option::of(0_u64..90),
    );
    proptest::collection::vec(one, 1..9)
}

proptest! {
    #[test]
    fn a_server_is_in_the_pool_for_a_reason(
        servers in servers(), least in least(), slow in any::<bool>()
    ) {
        let (spec, facts) = situation(&servers, least, slow);
        let now = start();
        let planned = super::super::plan(&spec, &facts, now);
        let serving = planned.service.destinations.values();
        let serving = serving.filter(|row| row.weight.value() > 0).count();
        let needed = least.map_or(0, |least| least.of(servers.len()));
        for ((_, up, _, wish, _), server) in servers.iter().zip(spec.servers.iter()) {
            let row = planned.service.destinations.get(&server.key);
            let kept = planned.kept.contains(&server.key);
            if *wish == Some(Wish::Disable) {
                prop_assert!(row.is_none() && !kept);
            }
            if matches!(wish, Some(Wish::Drain(_))) {
                prop_assert!(row.is_none_or(|row| row.weight == Weight::ZERO) && !kept);
            }
            if !*up && !kept {
                prop_assert!(row.is_none(), "down and not kept");
            }
            prop_assert!(!(kept && *up));
        }
        // None is kept beyond the minimum.
        prop_assert!(planned.kept.is_empty() || serving <= needed);
        prop_assert!(planned.next.is_none_or(|at| at > now));
    }

    #[test]
    fn nothing_changes_before_the_plan_says_so(
        servers in servers(), least in least(), part in 0_u32..1000
    ) {
        let (spec, facts) = situation(&servers, least, true);
        let now = start();
        let planned = super::super::plan(&spec, &facts, now);
        let until = planned.next.unwrap_or(now + Duration::from_secs(10_000));
        let between = now + (until - now) * part / 1000;
        let later = super::super::plan(&spec, &facts, between);
        prop_assert_eq!(later.service, planned.service);
    }
}
