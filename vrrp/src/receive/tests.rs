use std::net::IpAddr;

use super::*;
use crate::id::{Family, RouterId};
use crate::packet::Outgoing;
use crate::spec::{Auth, Password, Peer};

const US: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
const THEM: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

fn spec(version: Version) -> RouterSpec {
    let id = RouterId {
        interface: "eth0".parse().unwrap(),
        vrid: 51.try_into().unwrap(),
        family: Family::V4,
    };
    RouterSpec::new(id, "V", version).with_addresses(vec![IpAddr::from([10, 0, 0, 100])])
}

/// What comes of an advertisement that `theirs` sends to us, if we are configured as `ours`.
fn outcome(theirs: &RouterSpec, ours: &RouterSpec, header: Header) -> Result<(), Refusal> {
    let outgoing = Outgoing {
        version: theirs.version,
        vrid: theirs.id.vrid,
        priority: theirs.priority.into(),
        interval: theirs.advert_int,
        addresses: &theirs.addresses,
        auth: theirs.auth,
        checksum: theirs.checksum,
    };
    let mut bytes = Vec::new();
    outgoing.encode(header.source, header.destination, &mut bytes);
    let advertisement = Advertisement::decode(&bytes, &header)?;
    check(&Received { interface: ours.id.interface, header, advertisement }, ours, Some(US))
}

fn multicast() -> Header {
    Header { source: THEM, destination: Transport::group_of(Family::V4), ttl: Some(255) }
}

fn unicast() -> Header {
    Header { source: THEM, destination: US, ttl: Some(64) }
}

fn peers(min_ttl: u8, max_ttl: u8, check_source: bool) -> Transport {
    Transport::Unicast { peers: vec![Peer { address: THEM, min_ttl, max_ttl }], check_source }
}

#[test]
fn the_configured_version_only() {
    let (v2, v3) = (spec(Version::V2), spec(Version::V3));
    assert_eq!(outcome(&v2, &v2, multicast()), Ok(()));
    assert_eq!(outcome(&v3, &v3, multicast()), Ok(()));
    assert_eq!(outcome(&v2, &v3, multicast()), Err(Refusal::Version { seen: 2 }));
    assert_eq!(outcome(&v3, &v2, multicast()), Err(Refusal::Version { seen: 3 }));
}

#[test]
fn unicast_does_not_reach_a_multicast_router_nor_the_reverse() {
    let ours = spec(Version::V3);
    let to_us = Refusal::Destination { destination: US };
    assert_eq!(outcome(&ours, &ours, unicast()), Err(to_us));
    let ours = RouterSpec { transport: peers(0, 255, false), ..spec(Version::V3) };
    let to_all = Refusal::Destination { destination: Transport::group_of(Family::V4) };
    assert_eq!(outcome(&ours, &ours, multicast()), Err(to_all));
    let elsewhere = IpAddr::from([224, 0, 0, 81]);
    let ours =
        RouterSpec { transport: Transport::Multicast { group: elsewhere }, ..spec(Version::V3) };
    assert_eq!(outcome(&ours, &ours, multicast()), Err(to_all));
    let header = Header { destination: elsewhere, ..multicast() };
    assert_eq!(outcome(&ours, &ours, header), Ok(()));
}

#[test]
fn a_peers_ttl_is_held_to_its_limits_and_no_other() {
    let sender = spec(Version::V3);
    for (least, most, ttl, fits) in [
        (0, 255, Some(1), true),
        (255, 255, Some(254), false),
        (64, 255, Some(64), true),
        (64, 255, Some(63), false),
        (0, 10, Some(11), false),
        (255, 255, None, true),
    ] {
        let ours = RouterSpec { transport: peers(least, most, true), ..spec(Version::V3) };
        let expected = if fits { Ok(()) } else { Err(Refusal::Ttl { seen: ttl }) };
        let header = Header { ttl, ..unicast() };
        assert_eq!(outcome(&sender, &ours, header), expected, "{least}..={most}, {ttl:?}");
    }
}

#[test]
fn strangers_are_refused_only_where_that_is_configured() {
    let sender = spec(Version::V3);
    let stranger = IpAddr::from([10, 0, 0, 9]);
    let header = Header { source: stranger, ..unicast() };
    let ours = RouterSpec { transport: peers(0, 255, true), ..spec(Version::V3) };
    let refusal = Refusal::Source { source_address: stranger };
    assert_eq!(outcome(&sender, &ours, header), Err(refusal));
    let ours = RouterSpec { transport: peers(0, 255, false), ..spec(Version::V3) };
    assert_eq!(outcome(&sender, &ours, header), Ok(()));
}

#[test]
fn our_own_packets_looped_back_are_refused() {
    let ours = spec(Version::V3);
    let header = Header { source: US, ..multicast() };
    let refusal = Refusal::Own { source_address: US };
    assert_eq!(outcome(&ours, &ours, header), Err(refusal));
}

#[test]
fn version_2_wants_type_and_password_as_configured() {
    let none = spec(Version::V2);
    let pass = |text: &[u8]| RouterSpec {
        auth: Auth::Pass(Password::truncated(text)),
        ..spec(Version::V2)
    };
    assert_eq!(outcome(&pass(b"secret"), &pass(b"secret"), multicast()), Ok(()));
    // Eight bytes are all that counts.
    assert_eq!(outcome(&pass(b"12345678x"), &pass(b"12345678y"), multicast()), Ok(()));
    let wrong = Err(Refusal::AuthData);
    assert_eq!(outcome(&pass(b"secret"), &pass(b"secreT"), multicast()), wrong);
    assert_eq!(outcome(&pass(b"secret"), &pass(b"secre"), multicast()), wrong);
    let refusal = Err(Refusal::AuthType { seen: 0, wanted: 1 });
    assert_eq!(outcome(&none, &pass(b"secret"), multicast()), refusal);
    let refusal = Err(Refusal::AuthType { seen: 1, wanted: 0 });
    assert_eq!(outcome(&pass(b"secret"), &none, multicast()), refusal);
}

#[test]
fn another_interval_is_refused_in_version_2_and_learned_in_version_3() {
    let slower = |version| RouterSpec { advert_int: Duration::from_secs(2), ..spec(version) };
    let (seen, wanted) = (Duration::from_secs(2), Duration::from_secs(1));
    let refusal = Err(Refusal::Interval { seen, wanted });
    assert_eq!(outcome(&slower(Version::V2), &spec(Version::V2), multicast()), refusal);
    assert_eq!(outcome(&slower(Version::V3), &spec(Version::V3), multicast()), Ok(()));
}

#[test]
fn other_addresses_are_borne() {
    // RFC 9568 section 7.1; keepalived only logs it in version 2 as well.
    for version in [Version::V2, Version::V3] {
        let theirs = spec(version).with_addresses(vec![IpAddr::from([10, 0, 0, 7])]);
        assert_eq!(outcome(&theirs, &spec(version), multicast()), Ok(()));
    }
}
