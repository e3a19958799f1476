//! What is refused, what is odd, and what is written.
//! Section numbers are those of RFC 9568, "v2" of RFC 3768; what neither says is keepalived's.

use super::*;
use crate::action::Notice;
use crate::spec::{Auth, ChecksumForm, Password};

#[test]
fn our_own_address_as_source_changes_nothing_and_is_told_once() {
    let mut bench = Bench::master(spec(1));
    expect(
        &bench.hear(id(1), US, 200),
        "refused: own
        notice 1: OwnAddress { source: 10.0.0.10, priority: 200 }",
    );
    expect(&bench.hear(id(1), US, 100), "refused: own");
    assert_eq!(bench.state(id(1)), State::Master);
}

#[test]
fn without_source_address_there_is_no_advertisement() {
    let mut bench = Bench::new(vec![spec(1)], vec![]);
    let group = Transport::group_of(Family::V4);
    let mut bytes = vec![1];
    assert!(!bench.routers.advertisement(id(1), 100, group, &mut bytes));
    assert!(!bench.routers.advertisement(id(2), 100, group, &mut bytes));
    bench.link(id(1), up());
    assert!(bench.routers.advertisement(id(1), 100, group, &mut bytes));
    assert_eq!(bytes[..6], [0x31, 1, 100, 1, 0, 100]);
}

#[test]
fn packets_for_nobody_and_broken_ones_are_counted_and_change_nothing() {
    let mut bench = Bench::started(spec(1));
    expect(&bench.hear_as(&spec(2), LESSER, 200), "refused: vrid");
    let other =
        RouterSpec { id: RouterId { interface: "eth1".parse().unwrap(), ..id(1) }, ..spec(1) };
    expect(&bench.hear_as(&other, LESSER, 200), "refused: vrid");
    let header =
        Header { source: host(LESSER), destination: Transport::group_of(Family::V4), ttl: Some(1) };
    let interface = id(1).interface;
    let now = bench.now;
    assert!(bench.routers.handle_packet(interface, &header, &[], now).is_err());
    let header = Header { ttl: Some(255), ..header };
    assert!(bench.routers.handle_packet(interface, &header, &[], now).is_err());
    let refused = bench.routers.refused();
    assert_eq!((refused.vrid, refused.ttl, refused.length, refused.total()), (2, 1, 1, 4));
    assert_eq!(bench.wait(), SECOND * 3 + SECOND * 156 / 256);
}

#[test]
fn a_wrong_password_is_counted_at_its_router() {
    let secret = |text: &[u8]| {
        with(|s| {
            s.version = Version::V2;
            s.auth = Auth::Pass(Password::truncated(text));
        })
    };
    let mut bench = Bench::started(secret(b"right"));
    expect(&bench.hear_as(&secret(b"wrong"), LESSER, 200), "refused: auth-data");
    expect(&bench.hear_as(&secret(b"right"), LESSER, 200), "");
    let counters = bench.routers.view(id(1)).unwrap().counters;
    assert_eq!((counters.refused.auth_data, counters.received), (1, 1));
}

#[test]
fn other_addresses_and_checksum_forms_are_told_once_per_sender() {
    let mut bench = Bench::started(spec(1));
    let odd = RouterSpec { checksum: ChecksumForm::Plain, ..spec(1) };
    let odd = odd.with_addresses(vec![vip(7), vip(8)]);
    let notices = |from| {
        format!(
            "notice 1: {:?}\nnotice 1: {:?}",
            Notice::AddressMismatch { source: host(from), theirs: 2, ours: 1 },
            Notice::ChecksumForm { source: host(from), theirs: ChecksumForm::Plain },
        )
    };
    expect(&bench.hear_as(&odd, LESSER, 200), &notices(LESSER));
    expect(&bench.hear_as(&odd, LESSER, 200), "");
    expect(&bench.hear_as(&odd, GREATER, 200), &notices(GREATER));
    assert_eq!(bench.routers.view(id(1)).unwrap().counters.address_mismatch, 3);
    // Right, and wrong again: that is news.
    bench.hear(id(1), GREATER, 200);
    let lines = bench.hear_as(&odd, GREATER, 200);
    assert!(lines.contains("AddressMismatch"), "{lines}");
}

#[test]
fn skip_check_adv_addr_looks_again_only_at_a_new_sender() {
    let mut bench = Bench::started(with(|s| s.skip_check_adv_addr = true));
    let odd = spec(1).with_addresses(vec![vip(7)]);
    bench.hear(id(1), LESSER, 200);
    expect(&bench.hear_as(&odd, LESSER, 200), "");
    let lines = bench.hear_as(&odd, GREATER, 200);
    assert!(lines.contains("AddressMismatch"), "{lines}");
}

#[test]
fn one_number_in_both_families_is_two_routers() {
    // RFC 9568 section 5.2.3
    let six = RouterId { family: Family::V6, ..id(1) };
    let link_local: IpAddr = "fe80::100".parse().unwrap();
    let v6 = RouterSpec::new(six, "six", Version::V3).with_addresses(vec![link_local]);
    let mut bench = Bench::new(vec![spec(1), v6], vec![]);
    bench.link(id(1), up());
    let source = Some("fe80::a".parse().unwrap());
    bench.link(six, Link { up: true, source });
    bench.hear(id(1), LESSER, 150);
    bench.advance(SECOND * 3);
    bench.hear(id(1), LESSER, 150);
    bench.advance(SECOND);
    assert_eq!((bench.state(id(1)), bench.state(six)), (State::Backup, State::Master));
}

#[test]
fn the_checksum_form_of_each_master_is_remembered() {
    let mut bench = Bench::started(spec(1));
    for (from, checksum) in [
        (LESSER, ChecksumForm::Plain),
        (GREATER, ChecksumForm::PseudoHeader),
        (LESSER, ChecksumForm::Plain),
    ] {
        bench.hear_as(&RouterSpec { checksum, ..spec(1) }, from, 200);
        let master = bench.routers.view(id(1)).unwrap().master.unwrap();
        assert_eq!((master.address, master.checksum), (host(from), checksum));
    }
}
