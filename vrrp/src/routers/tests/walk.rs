//! Random walks: whatever comes in whatever order, what is asked for fits together.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// Something that may happen to the set of routers 1, 2 and 3, of which 1 and 2 are a group.
#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Late(u64),
    Hear { vrid: u8, from: u8, priority: u8, interval: u64 },
    Garbage(Vec<u8>),
    Link { vrid: u8, up: bool, source: bool },
    Track { vrid: u8, adjustment: i32, fault: bool, pending: bool },
    Announced(u8),
    HoldFailed(u8),
    Resume { vrid: u8, as_master: bool },
    Resign(u8),
    Configure { routers: u8, grouped: bool, priority: u8 },
    Shutdown,
}

fn step() -> impl Strategy<Value = Step> {
    let vrid = || 1u8..=3;
    prop_oneof![
        8 => (0u64..5000).prop_map(Step::Pass),
        2 => (0u64..20_000).prop_map(Step::Late),
        8 => (vrid(), prop_oneof![Just(LESSER), Just(GREATER), Just(US)],
              prop_oneof![Just(0), Just(50), Just(100), Just(200), Just(255)], 1u64..300)
            .prop_map(|(vrid, from, priority, interval)| Step::Hear { vrid, from, priority, interval }),
        1 => proptest::collection::vec(any::<u8>(), 0..40).prop_map(Step::Garbage),
        4 => (vrid(), prop::bool::weighted(0.8), prop::bool::weighted(0.9))
            .prop_map(|(vrid, up, source)| Step::Link { vrid, up, source }),
        3 => (vrid(), -120i32..120, prop::bool::weighted(0.2), prop::bool::weighted(0.1)).prop_map(
            |(vrid, adjustment, fault, pending)| Step::Track { vrid, adjustment, fault, pending }),
        3 => vrid().prop_map(Step::Announced),
        1 => vrid().prop_map(Step::HoldFailed),
        1 => (vrid(), any::<bool>()).prop_map(|(vrid, as_master)| Step::Resume { vrid, as_master }),
        1 => vrid().prop_map(Step::Resign),
        1 => (0u8..8, any::<bool>(), prop_oneof![Just(100u8), Just(255u8), Just(1u8)])
            .prop_map(|(routers, grouped, priority)| Step::Configure { routers, grouped, priority }),
        1 => prop::bool::weighted(0.1).prop_map(|now| if now { Step::Shutdown } else { Step::Pass(1) }),
    ]
}

fn specs(routers: u8, priority: u8) -> Vec<RouterSpec> {
    let chosen = (1..=3).filter(|vrid| routers & (1 << (vrid - 1)) != 0);
    chosen.map(|vrid| RouterSpec { priority: prio(priority), ..spec(vrid) }).collect()
}

fn groups(grouped: bool) -> Vec<GroupSpec> {
    let group = GroupSpec { name: "G".into(), members: vec![id(1), id(2)] };
    if grouped { vec![group] } else { vec![] }
}

/// What an observer knows from actions alone.
#[derive(Default)]
struct Shadow {
    states: BTreeMap<RouterId, State>,
    held: BTreeSet<RouterId>,
    watched: BTreeSet<RouterId>,
}

impl Shadow {
    fn take(&mut self, action: &Action) {
        match action {
            Action::Hold { router } => assert!(self.held.insert(*router), "held already"),
            Action::Release { router } => assert!(self.held.remove(router), "not held"),
            Action::Readdress { router } | Action::Announce { router, .. } => {
                assert!(self.held.contains(router), "{action:?}");
            }
            Action::Watch { router } => assert!(self.watched.insert(*router)),
            Action::Unwatch { router } => assert!(self.watched.remove(router)),
            Action::Changed { router, from, to, .. } => {
                let told = self.states.insert(*router, *to).unwrap_or(State::Initialize);
                assert_eq!(told, *from);
                assert_ne!(from, to);
            }
            Action::GroupChanged { from, to, .. } => assert_ne!(from, to),
            Action::PriorityChanged { from, to, .. } => assert_ne!(from, to),
            Action::Advertise { .. } | Action::Noticed { .. } => {}
        }
    }

    /// After every input.
    fn compare(&self, bench: &Bench) {
        for view in bench.routers.views() {
            let router = view.spec.id;
            let told = self.states.get(&router).copied().unwrap_or(State::Initialize);
            assert_eq!(view.state, told, "{router}");
            assert_eq!(view.holding, self.held.contains(&router), "{router}");
            let watches = self.watched.contains(&router);
            assert_eq!(view.state == State::HandingOver, watches, "{router}");
            match view.state {
                State::Master | State::HandingOver => assert!(view.holding, "{router}"),
                State::Fault => assert!(!view.holding, "{router}"),
                // One that resumes holds.
                State::Initialize | State::Backup => {}
            }
        }
        let state =
            |vrid| bench.routers.view(id(vrid)).filter(|v| v.group.is_some()).map(|v| v.state);
        if let (Some(one), Some(two)) = (state(1), state(2)) {
            let pair = [one, two];
            let is_mixed = pair.contains(&State::Master)
                && (pair.contains(&State::Fault) || pair.contains(&State::Backup));
            assert!(!is_mixed, "{pair:?}");
        }
    }
}

/// Lines, and the shadow of the actions behind them.
fn apply(bench: &mut Bench, step: &Step) {
    let now = bench.now;
    let routers = &mut bench.routers;
    match step {
        Step::Pass(_) | Step::Late(_) => {}
        Step::Hear { vrid, from, priority, interval } => {
            let sender =
                RouterSpec { advert_int: Duration::from_millis(10 * interval), ..spec(*vrid) };
            let outgoing = Outgoing {
                version: sender.version,
                vrid: sender.id.vrid,
                priority: *priority,
                interval: sender.advert_int,
                addresses: &sender.addresses,
                auth: sender.auth,
                checksum: sender.checksum,
            };
            let destination = Transport::group_of(Family::V4);
            let header = Header { source: host(*from), destination, ttl: Some(255) };
            let mut bytes = Vec::new();
            outgoing.encode(header.source, destination, &mut bytes);
            let _ = routers.handle_packet(sender.id.interface, &header, &bytes, now);
        }
        Step::Garbage(bytes) => {
            let destination = Transport::group_of(Family::V4);
            let header = Header { source: host(LESSER), destination, ttl: Some(255) };
            assert!(routers.handle_packet(id(1).interface, &header, bytes, now).is_err());
        }
        Step::Link { vrid, up, source } => {
            let link = Link { up: *up, source: source.then(|| host(US)) };
            routers.handle_link(id(*vrid), link, now);
        }
        Step::Track { vrid, adjustment, fault, pending } => {
            let tracking = Tracking { adjustment: *adjustment, fault: *fault, pending: *pending };
            routers.handle_tracking(id(*vrid), tracking, now);
        }
        Step::Announced(vrid) => {
            routers.handle_announcement(id(1).interface, vip(*vrid), now);
        }
        Step::HoldFailed(vrid) => routers.handle_held(id(*vrid), Held::Failed, now),
        Step::Resume { vrid, as_master } => {
            let resume = if *as_master { ResumeAs::Master } else { ResumeAs::BackupHolding };
            routers.resume(id(*vrid), resume, now);
        }
        Step::Resign(vrid) => routers.resign(id(*vrid), now),
        Step::Configure { routers: chosen, grouped, priority } => {
            routers.configure(specs(*chosen, *priority), groups(*grouped), now);
        }
        Step::Shutdown => routers.shutdown(now),
    }
}

fn drain(bench: &mut Bench, shadow: &mut Shadow) {
    // Resuming says what was held before we were there.
    for view in bench.routers.views() {
        if view.state == State::Initialize && view.holding {
            shadow.held.insert(view.spec.id);
        }
    }
    while let Some(action) = bench.routers.poll_action() {
        shadow.take(&action);
    }
    shadow.compare(bench);
}

fn walk(steps: &[Step]) -> Bench {
    let mut bench = Bench::new(specs(7, 100), groups(true));
    let mut shadow = Shadow::default();
    for step in steps {
        let (pass, late) = match step {
            Step::Pass(by) => (Duration::from_millis(*by), false),
            Step::Late(by) => (Duration::from_millis(*by), true),
            _ => (Duration::ZERO, false),
        };
        let end = bench.now + pass;
        while let Some(at) = bench.routers.poll_timeout().filter(|at| !late && *at <= end) {
            bench.now = at.max(bench.now);
            bench.routers.handle_timeout(bench.now);
            drain(&mut bench, &mut shadow);
        }
        bench.now = end;
        if let Step::Resume { vrid, .. } = step
            && let Some(view) = bench.routers.view(id(*vrid))
            && view.state == State::Initialize
            && !bench.routers.is_stopping
        {
            shadow.held.insert(id(*vrid));
        }
        apply(&mut bench, step);
        drain(&mut bench, &mut shadow);
        bench.routers.handle_timeout(bench.now);
        drain(&mut bench, &mut shadow);
        let next = bench.routers.poll_timeout();
        assert!(next.is_none_or(|at| at > bench.now), "a deadline was left behind");
    }
    bench
}

proptest! {


    #[test]
    fn whatever_happens_the_actions_fit_together(steps in proptest::collection::vec(step(), 1..60)) {
        walk(&steps);
    }

    #[test]
    fn whatever_happened_it_stops(steps in proptest::collection::vec(step(), 1..40)) {
        let mut bench = walk(&steps);
        bench.call(|routers, now| routers.shutdown(now));
        bench.advance(SECOND * 10);
        prop_assert!(bench.routers.is_stopped());
        prop_assert!(bench.routers.views().all(|view| !view.holding));
        prop_assert_eq!(bench.routers.poll_timeout(), None);
    }
}
