//! Bytes of keepalived 2.2.7, captured between two network namespaces with
//! `tcpdump -i eb -s0 -w F 'proto 112 or icmp6 or ip6 proto 112'`, shown with `tcpdump -r F -xx`, IP headers cut off.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::spec::Password;

/// `version 2`, `auth_type PASS`, `auth_pass secret`, two addresses, priority 150, `advert_int 1`.
const V2_PASS: [u8; 24] = [
    0x21, 0x33, 0x96, 0x02, 0x01, 0x01, 0xf6, 0xb3, 0x0a, 0x00, 0x00, 0x64, 0x0a, 0x00, 0x00, 0x65,
    0x73, 0x65, 0x63, 0x72, 0x65, 0x74, 0x00, 0x00,
];
/// The same router's last word.
const V2_RELEASE: [u8; 24] = [
    0x21, 0x33, 0x00, 0x02, 0x01, 0x01, 0x8c, 0xb4, 0x0a, 0x00, 0x00, 0x64, 0x0a, 0x00, 0x00, 0x65,
    0x73, 0x65, 0x63, 0x72, 0x65, 0x74, 0x00, 0x00,
];
/// `version 3`, `advert_int 0.1`, multicast.
const V3_PSEUDO: [u8; 12] =
    [0x31, 0x33, 0x96, 0x01, 0x00, 0x0a, 0x43, 0xcd, 0x0a, 0x00, 0x00, 0x64];
/// `version 3`, `advert_int 0.5`, `unicast_peer { 10.0.0.2 }`.
const V3_UNICAST: [u8; 12] =
    [0x31, 0x33, 0x96, 0x01, 0x00, 0x32, 0x19, 0xb6, 0x0a, 0x00, 0x00, 0x64];
/// As `V3_PSEUDO` without the pseudo-header: keepalived 2.2.7 does not know `v3_checksum_as_v2`, so the checksum is
/// worked out by hand: !(3133 + 9601 + 000a + 0a00 + 0064) = !d1a2.
const V3_PLAIN: [u8; 12] = [0x31, 0x33, 0x96, 0x01, 0x00, 0x0a, 0x2e, 0x5d, 0x0a, 0x00, 0x00, 0x64];
/// IPv6, `advert_int 0.5`, fe80::100 and 2001:db8::100.
const V3_IPV6: [u8; 40] = [
    0x31, 0x34, 0x96, 0x02, 0x00, 0x32, 0x0d, 0x25, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0x01, 0x00, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0x00,
];

const SENDER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const SENDER6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 0xa));

fn multicast() -> Header {
    Header { source: SENDER, destination: Transport::group_of(Family::V4), ttl: Some(255) }
}

fn unicast() -> Header {
    Header { destination: IpAddr::from([10, 0, 0, 2]), ..multicast() }
}

fn multicast6() -> Header {
    Header { source: SENDER6, destination: Transport::group_of(Family::V6), ttl: Some(255) }
}

fn secret() -> Auth {
    Auth::Pass(Password::truncated(b"secret"))
}

/// Whatever was decoded, as it would be sent.
fn again(advertisement: &Advertisement<'_>, header: &Header, auth: Auth) -> Vec<u8> {
    let addresses: Vec<_> = advertisement.addresses.iter().collect();
    let outgoing = Outgoing {
        version: advertisement.version,
        vrid: advertisement.vrid,
        priority: advertisement.priority,
        interval: advertisement.interval,
        addresses: &addresses,
        auth,
        checksum: advertisement.checksum,
    };
    let mut buffer = vec![0xff; 3];
    outgoing.encode(header.source, header.destination, &mut buffer);
    buffer
}

#[test]
fn version_2_with_a_password_as_keepalived_sends_it() {
    for (bytes, priority) in [(V2_PASS, 150), (V2_RELEASE, 0)] {
        let advertisement = Advertisement::decode(&bytes, &multicast()).unwrap();
        let expected = Advertisement {
            version: Version::V2,
            vrid: 51.try_into().unwrap(),
            priority,
            interval: Duration::from_secs(1),
            addresses: AddressList { family: Family::V4, bytes: &[10, 0, 0, 100, 10, 0, 0, 101] },
            auth: WireAuth { kind: 1, data: *b"secret\0\0" },
            checksum: ChecksumForm::Plain,
            trailer: None,
        };
        assert_eq!(advertisement, expected);
        assert_eq!(again(&advertisement, &multicast(), secret()), bytes);
    }
}

#[test]
fn version_3_over_ipv4_in_both_forms_of_checksum() {
    let cases = [
        (V3_PSEUDO, multicast(), ChecksumForm::PseudoHeader, 100),
        (V3_PLAIN, multicast(), ChecksumForm::Plain, 100),
        (V3_UNICAST, unicast(), ChecksumForm::PseudoHeader, 500),
    ];
    for (bytes, header, checksum, interval) in cases {
        let advertisement = Advertisement::decode(&bytes, &header).unwrap();
        let expected = Advertisement {
            version: Version::V3,
            vrid: 51.try_into().unwrap(),
            priority: 150,
            interval: Duration::from_millis(interval),
            addresses: AddressList { family: Family::V4, bytes: &[10, 0, 0, 100] },
            auth: WireAuth::ABSENT,
            checksum,
            trailer: None,
        };
        assert_eq!(advertisement, expected);
        assert_eq!(again(&advertisement, &header, Auth::None), bytes);
    }
}

#[test]
fn version_3_over_ipv6_as_keepalived_sends_it() {
    let advertisement = Advertisement::decode(&V3_IPV6, &multicast6()).unwrap();
    let addresses: Vec<_> = advertisement.addresses.iter().collect();
    let expected: [IpAddr; 2] = ["fe80::100".parse().unwrap(), "2001:db8::100".parse().unwrap()];
    assert_eq!(addresses, expected);
    assert_eq!(advertisement.interval, Duration::from_millis(500));
    assert_eq!(advertisement.checksum, ChecksumForm::PseudoHeader);
    assert_eq!(again(&advertisement, &multicast6(), Auth::None), V3_IPV6);
}

#[test]
fn unicast_with_the_group_in_the_pseudo_header_is_accepted() {
    // keepalived before 1.3.6: the bytes of multicast in a packet to a peer.
    let advertisement = Advertisement::decode(&V3_PSEUDO, &unicast()).unwrap();
    assert_eq!(advertisement.checksum, ChecksumForm::PseudoHeader);
}

/// Changes one byte and puts the checksum right again.
fn altered<const N: usize>(mut bytes: [u8; N], at: usize, value: u8) -> [u8; N] {
    bytes[at] = value;
    bytes[6..8].fill(0);
    let sum = Sum::default().add(&bytes).complement();
    bytes[6..8].copy_from_slice(&sum.to_be_bytes());
    bytes
}

#[test]
fn what_may_have_been_forwarded_is_refused() {
    for ttl in [Some(254), Some(1), Some(0), None] {
        for (bytes, header) in [(&V3_PSEUDO[..], multicast()), (&V3_IPV6[..], multicast6())] {
            let refusal = Advertisement::decode(bytes, &Header { ttl, ..header });
            assert_eq!(refusal, Err(Refusal::Ttl { seen: ttl }));
        }
    }
    // A peer's limits are checked against its configuration.
    assert!(Advertisement::decode(&V3_UNICAST, &Header { ttl: Some(3), ..unicast() }).is_ok());
}

#[test]
fn other_versions_and_types_are_refused() {
    for seen in (0..=15).filter(|version| *version != 2 && *version != 3) {
        let bytes = altered(V3_PLAIN, 0, seen << 4 | 1);
        let refusal = Advertisement::decode(&bytes, &multicast());
        assert_eq!(refusal, Err(Refusal::Version { seen }));
    }
    // Version 2 has no IPv6.
    let mut bytes = V3_IPV6;
    bytes[0] = 0x21;
    let refusal = Advertisement::decode(&bytes, &multicast6());
    assert_eq!(refusal, Err(Refusal::Version { seen: 2 }));
    for seen in (0..=15).filter(|kind| *kind != 1) {
        let bytes = altered(V3_PLAIN, 0, 0x30 | seen);
        assert_eq!(Advertisement::decode(&bytes, &multicast()), Err(Refusal::Type { seen }));
    }
}

#[test]
fn every_other_length_is_refused_whatever_the_count() {
    for bytes in [&V2_PASS[..], &V3_PLAIN, &V3_IPV6] {
        let header = if bytes.len() == V3_IPV6.len() { multicast6() } else { multicast() };
        for length in 0..bytes.len() {
            let refusal = Advertisement::decode(&bytes[..length], &header);
            assert!(matches!(refusal, Err(Refusal::Length { seen, .. }) if seen == length));
        }
        for count in 0..=255 {
            let mut changed = bytes.to_vec();
            changed[3] = count;
            let refusal = Advertisement::decode(&changed, &header);
            assert_eq!(refusal.is_ok(), count == bytes[3], "count {count} of {}", bytes.len());
        }
        let mut longer = bytes.to_vec();
        longer.resize(60, 0);
        let refusal = Advertisement::decode(&longer, &header);
        assert_eq!(refusal, Err(Refusal::Length { seen: 60, wanted: bytes.len() }));
    }
}

#[test]
fn padding_of_a_short_frame_is_borne() {
    let mut padded = V3_PSEUDO.to_vec();
    padded.resize(ETHERNET_LEAST_PAYLOAD - IPV4_HEADER, 0);
    let advertisement = Advertisement::decode(&padded, &multicast()).unwrap();
    assert_eq!(advertisement, Advertisement::decode(&V3_PSEUDO, &multicast()).unwrap());
    padded.push(0);
    assert!(matches!(
        Advertisement::decode(&padded, &multicast()),
        Err(Refusal::Length { wanted: 12, .. })
    ));
}

#[test]
fn a_checksum_that_fits_no_form_is_refused() {
    for (bytes, header) in [
        (&V2_PASS[..], multicast()),
        (&V3_PSEUDO, multicast()),
        (&V3_PLAIN, multicast()),
        (&V3_UNICAST, unicast()),
        (&V3_IPV6, multicast6()),
    ] {
        let mut changed = bytes.to_vec();
        changed[2] ^= 1;
        assert_eq!(Advertisement::decode(&changed, &header), Err(Refusal::Checksum));
    }
    // The pseudo-header counts: from another sender, or to another destination over IPv6, it is wrong.
    let other = Header { source: IpAddr::from([10, 0, 0, 9]), ..multicast() };
    assert_eq!(Advertisement::decode(&V3_PSEUDO, &other), Err(Refusal::Checksum));
    let other = Header { destination: "fe80::b".parse().unwrap(), ..multicast6() };
    assert_eq!(Advertisement::decode(&V3_IPV6, &other), Err(Refusal::Checksum));
    let mut with_pseudo_header = V2_PASS;
    with_pseudo_header[6..8].fill(0);
    let sum = Sum::default().add(&with_pseudo_header);
    let sum = sum.add_pseudo_header(SENDER, multicast().destination, PROTOCOL, 24).complement();
    with_pseudo_header[6..8].copy_from_slice(&sum.to_be_bytes());
    let refusal = Advertisement::decode(&with_pseudo_header, &multicast());
    assert_eq!(refusal, Err(Refusal::Checksum));
    // Version 2 has no pseudo-header, and its password is covered.
    let mut forged = V2_PASS;
    forged[16] = b'S';
    assert_eq!(Advertisement::decode(&forged, &multicast()), Err(Refusal::Checksum));
}

#[test]
fn vrid_0_no_address_and_interval_0_are_refused() {
    let decode = |bytes: &[u8]| Advertisement::decode(bytes, &multicast()).map(|_| ());
    assert_eq!(decode(&altered(V3_PLAIN, 1, 0)), Err(Refusal::NoVrid));
    assert_eq!(decode(&altered(V3_PLAIN, 5, 0)), Err(Refusal::NoInterval));
    assert_eq!(decode(&altered(V2_PASS, 5, 0)), Err(Refusal::NoInterval));
    let bare = altered([0x31, 51, 150, 0, 0, 100, 0, 0], 3, 0);
    assert_eq!(decode(&bare), Err(Refusal::NoAddress));
}

#[test]
fn the_first_ipv6_address_is_link_local() {
    let first: Ipv6Addr = "2001:db8::100".parse().unwrap();
    let addresses = [IpAddr::V6(first), "fe80::100".parse().unwrap()];
    let outgoing = Outgoing {
        version: Version::V3,
        vrid: 52.try_into().unwrap(),
        priority: 100,
        interval: Duration::from_secs(1),
        addresses: &addresses,
        auth: Auth::None,
        checksum: ChecksumForm::PseudoHeader,
    };
    let mut bytes = Vec::new();
    outgoing.encode(SENDER6, multicast6().destination, &mut bytes);
    let refusal = Advertisement::decode(&bytes, &multicast6());
    assert_eq!(refusal, Err(Refusal::NotLinkLocal { first }));
}

#[test]
fn reserved_bits_mean_nothing() {
    // RFC 9568 section 5.2.6
    let bytes = altered(V3_PLAIN, 4, 0xf0);
    let advertisement = Advertisement::decode(&bytes, &multicast()).unwrap();
    assert_eq!(advertisement.interval, Duration::from_millis(100));
}

#[test]
fn intervals_saturate_in_the_field_and_reserved_bits_are_zero() {
    let cases = [(0, 1, 1), (9, 1, 1), (10, 1, 1), (2_500, 250, 2), (40_950, 4095, 40)];
    for (milliseconds, in_v3, in_v2) in cases {
        let interval = Duration::from_millis(milliseconds);
        assert_eq!((centiseconds(interval), whole_seconds(interval)), (in_v3, in_v2));
    }
    let longest = Duration::from_secs(100_000_000);
    assert_eq!((centiseconds(longest), whole_seconds(longest)), (0x0fff, 255));
}

#[test]
fn at_most_255_addresses_of_one_family_are_sent() {
    let mut addresses: Vec<IpAddr> = vec!["2001:db8::1".parse().unwrap()];
    addresses.extend((0..300u32).map(|n| IpAddr::V4(Ipv4Addr::from(0x0a01_0000 + n))));
    let outgoing = Outgoing {
        version: Version::V3,
        vrid: 1.try_into().unwrap(),
        priority: 100,
        interval: Duration::from_secs(1),
        addresses: &addresses,
        auth: Auth::None,
        checksum: ChecksumForm::Plain,
    };
    let mut bytes = Vec::new();
    outgoing.encode(SENDER, multicast().destination, &mut bytes);
    let advertisement = Advertisement::decode(&bytes, &multicast()).unwrap();
    assert_eq!(advertisement.addresses.len(), 255);
    assert!(advertisement.addresses.iter().eq(addresses[1..=255].iter().copied()));
}

#[test]
fn lists_of_addresses_compare_as_sets() {
    let list = AddressList { family: Family::V4, bytes: &[10, 0, 0, 100, 10, 0, 0, 101] };
    let [a, b, c] = [100, 101, 102].map(|last| IpAddr::from([10, 0, 0, last]));
    assert!(list.is_same_set(&[a, b]));
    assert!(list.is_same_set(&[b, a]));
    assert!(!list.is_same_set(&[a]));
    assert!(!list.is_same_set(&[a, c]));
    assert!(!list.is_same_set(&[a, b, c]));
}

#[test]
fn a_password_does_not_show_itself() {
    let advertisement = Advertisement::decode(&V2_PASS, &multicast()).unwrap();
    for shown in [format!("{advertisement:?}"), format!("{:?}", secret())] {
        assert!(!shown.contains("secret") && !shown.contains("115"), "{shown}");
    }
}

proptest! {
    #[test]
    fn what_is_sent_is_understood(
        version in prop_oneof![Just(Version::V2), Just(Version::V3)],
        vrid in 1u8..,
        priority: u8,
        units in 1u64..=255,
        plain: bool,
        last in proptest::collection::vec(1u8.., 1..20),
        to_peer: bool,
    ) {
        let addresses: Vec<_> = last.iter().map(|last| IpAddr::from([10, 0, 0, *last])).collect();
        let header = if to_peer { unicast() } else { multicast() };
        let unit = match version {
            Version::V2 => Duration::from_secs(1),
            Version::V3 => Duration::from_millis(10),
        };
        let form = match version {
            Version::V3 if !plain => ChecksumForm::PseudoHeader,
            Version::V2 | Version::V3 => ChecksumForm::Plain,
        };
        let outgoing = Outgoing {
            version,
            vrid: vrid.try_into().unwrap(),
            priority,
            interval: unit * u32::try_from(units).unwrap(),
            addresses: &addresses,
            auth: Auth::None,
            checksum: form,
        };
        let mut bytes = Vec::new();
        outgoing.encode(header.source, header.destination, &mut bytes);
        let heard = Advertisement::decode(&bytes, &header).unwrap();
        prop_assert_eq!(u8::from(heard.vrid), vrid);
        prop_assert_eq!((heard.version, heard.priority, heard.interval, heard.checksum),
            (version, priority, outgoing.interval, form));
        prop_assert!(heard.addresses.iter().eq(addresses));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), six: bool) {
        let header = if six { multicast6() } else { multicast() };
        if let Ok(advertisement) = Advertisement::decode(&bytes, &header) {
            prop_assert!(!advertisement.addresses.is_empty());
        }
    }
}
