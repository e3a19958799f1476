//! The draft's own wire images, RFC 4231, and what must not pass.

use proptest::prelude::*;

use super::*;

/// draft-cassen-vrrp-auth-hmac, appendix: key 00 to 1f, virtual router 51, priority 200, stamp 0x6800000080000000.
const OVER_IPV4: &str = "3133c80100644402c0000264010100006800000080000000\
                         1b84bc4e8e43892dc6d98448f8ee2265";
const OVER_IPV6: &str = "3133c8010064a2e9fe800000000000000000000000000100\
                         010100006800000080000000c8c56146ebfd66ee10ec4d8186461b78";
const STAMP: u64 = 0x6800_0000_8000_0000;

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn spec(window: Option<u64>) -> SignatureSpec {
    SignatureSpec {
        keys: vec![(1, SecretKey::new((0..32).collect()).unwrap())],
        active: 1,
        window: window.map(Duration::from_secs),
        mode: SignatureMode::Enforce,
    }
}

fn claim(source: &str) -> Claim {
    let (version, vrid) = (Version::V3, Vrid::try_from(51).unwrap());
    Claim { version, vrid, source: source.parse().unwrap() }
}

#[expect(clippy::disallowed_methods, reason = "an Instant has no other beginning")]
fn start() -> Instant {
    Instant::now()
}

/// Checks a packet as one that has heard nothing before.
fn check(spec: &SignatureSpec, claim: Claim, packet: &[u8], wall: Wall) -> Result<(), Refusal> {
    let trailer = Trailer::split(packet, packet.len() - TRAILER);
    Stamps::default().check(spec, claim, trailer.as_ref(), wall, start())
}

#[test]
fn hmac_sha_256_is_that_of_rfc_4231() {
    // Test case 7: a key longer than a block; test case 5 is cut to 128 bits.
    let tag = |key: &[u8], text: &[u8]| {
        hex(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref())
    };
    assert_eq!(
        tag(b"Jefe", b"what do ya want for nothing?"),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
    assert!(
        tag(&[0x0c; 20], b"Test With Truncation").starts_with("a3b6167473100ee06e0c796c2955552b")
    );
}

#[test]
fn the_draft_s_images_are_read_and_made_again() {
    for (image, source) in [(OVER_IPV4, "198.51.100.10"), (OVER_IPV6, "fe80::10")] {
        let image = bytes(image);
        let (spec, claim) = (spec(None), claim(source));
        assert_eq!(check(&spec, claim, &image, Wall::default()), Ok(()), "{source}");

        let utc = Duration::new(STAMP >> 32, 500_000_000);
        let now = start();
        let mut again = image[..image.len() - TRAILER].to_vec();
        assert!(Stamps::default().sign(&spec, claim, Wall::new(utc, now), now, &mut again));
        assert_eq!(hex(&again), hex(&image), "{source}");
    }
}

#[test]
fn every_bit_but_the_checksum_is_signed() {
    let image = bytes(OVER_IPV6);
    for at in 0..image.len() {
        let mut packet = image.clone();
        packet[at] ^= 1;
        let checked = check(&spec(None), claim("fe80::10"), &packet, Wall::default());
        let wanted = match at {
            6 | 7 => Ok(()),
            25 => Err(Refusal::UnknownKey { number: 0 }),
            _ => Err(Refusal::Signature),
        };
        assert_eq!(checked, wanted, "byte {at}");
    }
    let other =
        [claim("fe80::20"), Claim { vrid: Vrid::try_from(52).unwrap(), ..claim("fe80::10") }];
    for claim in other {
        assert_eq!(check(&spec(None), claim, &image, Wall::default()), Err(Refusal::Signature));
    }
}

#[test]
fn only_what_is_signed_within_the_window_counts() {
    let image = bytes(OVER_IPV4);
    let at = |utc: u64| {
        let wall = Wall::new(Duration::from_secs(utc), start());
        check(&spec(Some(5)), claim("198.51.100.10"), &image, wall)
    };
    let signed = STAMP >> 32;
    for late in [-5_i64, 0, 5] {
        assert_eq!(at(signed.saturating_add_signed(late)), Ok(()), "{late}");
    }
    for late in [-6_i64, 6, 3600] {
        let skew = i32::try_from(late).unwrap();
        assert_eq!(at(signed.saturating_add_signed(late)), Err(Refusal::Stale { skew }));
    }
}

#[test]
fn what_is_not_signed_passes_while_a_network_moves() {
    let unsigned = |mode| {
        let spec = SignatureSpec { mode, ..spec(None) };
        let claim = claim("198.51.100.10");
        Stamps::default().check(&spec, claim, None, Wall::default(), start())
    };
    assert_eq!(unsigned(SignatureMode::Enforce), Err(Refusal::Unsigned));
    assert_eq!(unsigned(SignatureMode::Permissive), Ok(()));
    assert_eq!(unsigned(SignatureMode::ReceiveOnly), Ok(()));
    let mut wrong = bytes(OVER_IPV4);
    wrong[2] ^= 1;
    let receiving = SignatureSpec { mode: SignatureMode::ReceiveOnly, ..spec(None) };
    let refused = check(&receiving, claim("198.51.100.10"), &wrong, Wall::default());
    assert_eq!(refused, Err(Refusal::Signature), "a wrong one is wrong in any mode");
    let mut message = wrong[..12].to_vec();
    let now = start();
    let signs = |spec: &SignatureSpec, message: &mut Vec<u8>| {
        Stamps::default().sign(spec, claim("198.51.100.10"), Wall::default(), now, message)
    };
    assert!(!signs(&receiving, &mut message));
    assert_eq!(message.len(), 12);
    let permissive = SignatureSpec { mode: SignatureMode::Permissive, ..spec(None) };
    assert!(signs(&permissive, &mut message));
    assert_eq!(message.len(), 12 + TRAILER);
}

#[test]
fn a_recording_is_refused_and_a_key_may_change() {
    let now = start();
    let wall = Wall::new(Duration::from_secs(1_800_000_000), now);
    let second = (2, SecretKey::new(vec![7; 64]).unwrap());
    let mut both = spec(Some(5));
    both.keys.push(second);
    let next = SignatureSpec { active: 2, ..both.clone() };
    let (mut sender, mut receiver) = (Stamps::default(), Stamps::default());
    let message = &bytes(OVER_IPV4)[..12];
    let mut sent = Vec::new();
    for spec in [&both, &both, &next] {
        let mut packet = message.to_vec();
        assert!(sender.sign(spec, claim("198.51.100.10"), wall, now, &mut packet));
        sent.push(packet);
    }
    let mut hear = |packet: &Vec<u8>| {
        let trailer = Trailer::split(packet, 12);
        receiver.check(&both, claim("198.51.100.10"), trailer.as_ref(), wall, now)
    };
    assert_eq!(hear(&sent[0]), Ok(()));
    assert_eq!(hear(&sent[0]), Err(Refusal::Repeated));
    assert_eq!(hear(&sent[2]), Ok(()), "the other key is known");
    assert_eq!(hear(&sent[1]), Err(Refusal::Repeated), "older");
    assert_eq!(sent[2][13], 2);
}

#[test]
fn a_clock_that_is_set_back_is_followed_beyond_the_window_alone() {
    let mut stamps = Stamps::default();
    let of = |seconds: u64| stamp_of(Duration::from_secs(seconds));
    let window = Some(Duration::from_secs(5));
    assert_eq!(stamps.next(of(1000), window), of(1000));
    assert_eq!(stamps.next(of(1000), window), of(1000) + 1);
    assert_eq!(stamps.next(of(996), window), of(1000) + 2, "a small step");
    assert_eq!(stamps.next(of(900), window), of(900), "nobody believed 1000 now");
    assert_eq!(stamps.next(of(800), None), of(900) + 1, "without a window it only grows");

    let source: IpAddr = "10.0.0.1".parse().unwrap();
    assert_eq!(stamps.hear(source, of(5000), window, 5000), Ok(()));
    assert_eq!(stamps.hear(source, of(4000), window, 4000), Ok(()), "the clocks were set back");
    assert_eq!(stamps.hear(source, of(3999), None, 4000), Err(Refusal::Repeated));
    let (old, new) = (of(u64::from(u32::MAX)), of(u64::from(u32::MAX) + 1));
    assert!(is_after(new, old) && !is_after(old, new), "the field wraps");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(packet in proptest::collection::vec(any::<u8>(), 0..80), message in 0_usize..90) {
        let trailer = Trailer::split(&packet, message);
        prop_assert_eq!(trailer.is_some(), message + TRAILER == packet.len());
        let checked = Stamps::default().check(&spec(None), claim("10.0.0.1"), trailer.as_ref(), Wall::default(), start());
        prop_assert!(checked.is_err());
    }
}
