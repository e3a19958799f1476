//! Authentication headers (`auth_type AH`): who is heard, and who is not.

use super::{Bench, LESSER, SECOND, US, expect, host, id, spec};
use crate::id::Version;
use crate::packet::{Outgoing, Refusal};
use crate::spec::{Auth, Password, RouterSpec, Transport};
use crate::state::State;

fn sealed(text: &[u8]) -> RouterSpec {
    RouterSpec { version: Version::V2, auth: Auth::Header(Password::truncated(text)), ..spec(1) }
}

/// A packet of the host 10.0.0.9's.
fn packet(password: &[u8], priority: u8, sequence: u32) -> Vec<u8> {
    let from = sealed(password);
    let group = Transport::group_of(from.id.family);
    let outgoing = Outgoing {
        version: from.version,
        vrid: from.id.vrid,
        priority,
        interval: from.advert_int,
        addresses: &from.addresses,
        auth: from.auth,
        checksum: from.checksum,
    };
    let (mut message, mut packet) = (Vec::new(), Vec::new());
    outgoing.encode(host(LESSER), group, &mut message);
    let ends = [[10, 0, 0, LESSER], [224, 0, 0, 18]].map(Into::into);
    let password = Password::truncated(password);
    crate::seal::seal(password, sequence, ends, 255, &message, &mut packet);
    packet
}

fn hear(bench: &mut Bench, packet: &[u8]) -> Result<(), Refusal> {
    let now = bench.now;
    bench.routers.handle_sealed(id(1).interface, packet, now).map(drop)
}

#[test]
fn only_what_is_sealed_with_the_password_and_new_is_heard() {
    let mut bench = Bench::started(sealed(b"right"));
    assert_eq!(hear(&mut bench, &packet(b"wrong", 200, 9)), Err(Refusal::AuthData));
    expect(&bench.hear(id(1), LESSER, 200), "refused: auth-data");
    assert_eq!(hear(&mut bench, &packet(b"right", 200, 9)), Ok(()));
    for old in [9, 8] {
        let refusal = Err(Refusal::Replay { seen: old, last: 9 });
        assert_eq!(hear(&mut bench, &packet(b"right", 255, old)), refusal);
    }
    assert_eq!(hear(&mut bench, &packet(b"right", 200, 10)), Ok(()));
    let counters = bench.routers.view(id(1)).unwrap().counters;
    let refused = counters.refused;
    assert_eq!((refused.auth_data, refused.replay, counters.received), (2, 2, 2));
}

#[test]
fn a_router_without_seals_takes_none() {
    let plain = RouterSpec { version: Version::V2, ..spec(1) };
    let mut bench = Bench::started(plain);
    let refusal = Err(Refusal::AuthType { seen: 2, wanted: 0 });
    assert_eq!(hear(&mut bench, &packet(b"right", 200, 9)), refusal);
    assert_eq!(bench.routers.refused().total(), 0, "it is known whose it was");
    assert!(hear(&mut bench, &[0x45; 19]).is_err());
    assert_eq!(bench.routers.refused().length, 1);
}

#[test]
fn what_it_sends_follows_what_it_has_heard_and_what_another_process_sent() {
    let mut bench = Bench::started(sealed(b"right"));
    bench.routers.begin_numbers(1000);
    assert_eq!(hear(&mut bench, &packet(b"right", 200, 5000)), Ok(()));
    bench.advance(SECOND * 5);
    assert_eq!(bench.state(id(1)), State::Master);
    let group = Transport::group_of(id(1).family);
    let (mut message, mut first, mut second) = (Vec::new(), Vec::new(), Vec::new());
    assert!(bench.routers.advertisement(id(1), 100, group, &mut message));
    assert!(bench.routers.seal(id(1), group, 255, &message, &mut first));
    assert!(bench.routers.seal(id(1), group, 255, &message, &mut second));
    assert_eq!(
        first[..20],
        [0x45, 0xc0, 0, 64, 0x13, 0x89, 0, 0, 255, 51, 0, 0, 10, 0, 0, US, 224, 0, 0, 18]
    );
    assert_eq!(
        (&first[28..32], &second[28..32]),
        (&5001u32.to_be_bytes()[..], &5002u32.to_be_bytes()[..])
    );
    let mut other = Bench::started(sealed(b"right"));
    other.routers.begin_numbers(1000);
    assert!(other.routers.seal(id(1), group, 255, &message, &mut first));
    assert_eq!(first[28..32], 1001u32.to_be_bytes());
    let mut plain = Bench::started(spec(1));
    assert!(!plain.routers.seal(id(1), group, 255, &message, &mut first));
}
