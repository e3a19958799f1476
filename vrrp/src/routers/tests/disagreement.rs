//! Two machines with the same sync group of which each is better in some member: one of them is Master, the other yields,
//! whatever arrives first.

use super::*;

const THEM: u8 = 9;

/// A machine with the members 1, 2 … of these priorities in one group, become Master.
fn machine(address: u8, priorities: &[u8]) -> Bench {
    let numbered = (1..).zip(priorities);
    let specs: Vec<_> = numbered
        .map(|(vrid, own)| RouterSpec { priority: prio(*own), hand_over: false, ..spec(vrid) })
        .collect();
    let members: Vec<_> = specs.iter().map(|spec| spec.id).collect();
    let mut bench =
        Bench::new(specs, vec![GroupSpec { name: "G".into(), members: members.clone() }]);
    for member in members {
        bench.link(member, Link { up: true, source: Some(host(address)) });
    }
    bench.advance_to_next();
    assert!(is_master(&bench));
    bench
}

fn is_master(bench: &Bench) -> bool {
    bench.routers.groups().all(|(_, state)| state == State::Master)
}

fn us_and(priorities: &[u8]) -> Bench {
    machine(US, priorities)
}

#[test]
fn a_later_member_waits_for_the_word_of_the_first() {
    let mut bench = us_and(&[100, 100]);
    // Whatever the other one says of 1, it decides, and it is asked for that: for 2 we are lesser.
    expect(&bench.hear(id(2), THEM, 150), "advertise 1 as 100");
    // A copy of the same, or its answer to what we said of 2.
    expect(&bench.hear(id(2), THEM, 150), "advertise 1 as 100");
    expect(
        &bench.hear(id(1), THEM, 150),
        "release 1
        release 2
        1 MASTER -> BACKUP, priority 100: Yielded { master: 10.0.0.9, priority: 150 }
        2 MASTER -> BACKUP, priority 100: with 1
        group G MASTER -> BACKUP",
    );
}

#[test]
fn who_says_nothing_of_the_first_member_for_an_interval_is_yielded_to_for_a_later_one() {
    let mut bench = us_and(&[100, 100]);
    bench.hear(id(2), THEM, 150);
    bench.advance(SECOND - Duration::from_millis(1));
    expect(
        &bench.hear(id(2), THEM, 150),
        "release 1
        release 2
        1 MASTER -> BACKUP, priority 100: with 2
        2 MASTER -> BACKUP, priority 100: Yielded { master: 10.0.0.9, priority: 150 }
        group G MASTER -> BACKUP",
    );
}

#[test]
fn who_is_lesser_in_the_first_member_is_not_yielded_to_for_a_later_one() {
    let mut bench = us_and(&[100, 100]);
    for _ in 0..10 {
        bench.hear(id(1), THEM, 50);
        // It is to hear 1: for 2 it would only insist, and so on.
        expect(&bench.hear(id(2), THEM, 150), "advertise 1 as 100");
        bench.advance(SECOND);
        assert!(is_master(&bench));
    }
    // It goes on with one of them only: from then on that one counts.
    for _ in 0..3 {
        bench.hear(id(2), THEM, 150);
        bench.advance(SECOND);
    }
    assert!(!is_master(&bench));
}

#[test]
fn the_word_of_another_machine_on_the_first_member_is_not_that_one_s() {
    let mut bench = us_and(&[100, 100]);
    bench.hear(id(1), GREATER, 50);
    // A third machine that we do not hear for 1.
    bench.hear(id(2), THEM, 150);
    bench.advance(SECOND);
    bench.hear(id(1), GREATER, 50);
    bench.hear(id(2), THEM, 150);
    assert!(!is_master(&bench));
}

#[test]
fn where_members_are_on_different_networks_nobody_knows_who_is_who() {
    let other = RouterId { interface: "eth1".parse().unwrap(), ..id(2) };
    let specs = vec![spec(1), RouterSpec { id: other, ..spec(2) }];
    let groups = vec![GroupSpec { name: "G".into(), members: vec![id(1), other] }];
    let mut bench = Bench::new(specs, groups);
    bench.link(id(1), up());
    bench.link(other, up());
    bench.advance_to_next();
    bench.hear(id(1), THEM, 50);
    for _ in 0..2 {
        bench.hear(other, GREATER, 150);
        bench.advance(SECOND);
        assert!(is_master(&bench), "the same machine, by another address");
    }
}

#[test]
fn a_member_that_others_cannot_hear_decides_nothing() {
    let mut bench = us_and(&[100, 100]);
    let mut specs: Vec<_> = bench.routers.views().map(|view| view.spec.clone()).collect();
    specs[0].track_primary = false;
    let groups = vec![GroupSpec { name: "G".into(), members: vec![id(1), id(2)] }];
    bench.call(|routers, now| routers.configure(specs, groups, now));
    bench.link(id(1), Link { up: false, source: Some(host(US)) });
    assert!(is_master(&bench));
    bench.hear(id(2), THEM, 150);
    assert!(!is_master(&bench));
}

/// One of the same number on two interfaces: what they serve is what both machines have alike.
#[test]
fn of_two_members_with_the_same_number_the_lesser_address_decides() {
    let inside = RouterId { interface: "eth1".parse().unwrap(), ..id(1) };
    let specs = vec![spec(1), RouterSpec { id: inside, ..spec(1) }.with_addresses(vec![vip(0)])];
    let groups = vec![GroupSpec { name: "G".into(), members: vec![id(1), inside] }];
    let mut bench = Bench::new(specs, groups);
    bench.link(id(1), up());
    bench.link(inside, up());
    bench.advance_to_next();
    bench.hear(id(1), THEM, 150);
    assert!(is_master(&bench));
    bench.hear(inside, THEM, 150);
    assert!(!is_master(&bench));
}

/// Two machines and what is on the way between them: to which of them, of which member, with which priority.
#[derive(Clone)]
struct Both {
    machines: [Bench; 2],
    flying: Vec<(usize, RouterId, u8)>,
}

const ADDRESSES: [u8; 2] = [US, THEM];

impl Both {
    /// Become Master at the same moment, with their first words on the way.
    fn elected(ours: &[u8], theirs: &[u8]) -> Self {
        let machines = [machine(US, ours), machine(THEM, theirs)];
        let mut both = Self { machines, flying: Vec::new() };
        for from in 0..2 {
            let ids: Vec<_> =
                both.machines[from].routers.views().map(|view| view.spec.id).collect();
            for id in ids {
                let priority = both.machines[from].routers.view(id).unwrap().priority;
                both.flying.push((1 - from, id, priority.into()));
            }
        }
        both
    }

    fn deliver(&mut self, number: usize) {
        let (to, id, priority) = self.flying.remove(number);
        let lines = self.machines[to].hear(id, ADDRESSES[1 - to], priority);
        for line in lines.lines().filter_map(|line| line.strip_prefix("advertise ")) {
            let (vrid, priority) = line.split_once(" as ").unwrap();
            let vrid = vrid.parse().unwrap();
            self.flying.push((1 - to, super::id(vrid), priority.parse().unwrap()));
        }
    }

    /// Every order in which what is on the way may arrive, to the end: how many there are.
    fn every_order(self, check: &mut impl FnMut(&Self)) -> u64 {
        if self.flying.is_empty() {
            check(&self);
            return 1;
        }
        let mut orders = 0;
        for number in 0..self.flying.len() {
            // The same twice makes the same order twice.
            if self.flying[..number].contains(&self.flying[number]) {
                continue;
            }
            let mut next = self.clone();
            next.deliver(number);
            orders += next.every_order(check);
        }
        orders
    }
}

#[test]
fn whatever_arrives_first_one_of_two_that_disagree_stays_and_the_other_yields() {
    // Their priorities in the members, ours, and who is better in the first one.
    let table: [(&[u8], &[u8], usize); 6] = [
        (&[150, 100], &[100, 150], 0),
        (&[100, 150], &[150, 100], 1),
        (&[100, 150], &[100, 100], 0),
        (&[100, 100], &[100, 150], 0),
        (&[150, 150], &[100, 100], 0),
        (&[100, 100], &[150, 150], 1),
    ];
    for (ours, theirs, better) in table {
        let orders = Both::elected(ours, theirs).every_order(&mut |both| {
            let masters = both.machines.each_ref().map(is_master);
            assert_eq!(masters, [better == 0, better == 1], "{ours:?} {theirs:?}");
        });
        assert!(orders > 4, "{orders}");
    }
}
