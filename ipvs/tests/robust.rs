//! Whatever bytes come, the decoders give a value or a refusal and never panic; what they accept, they emit
//! and read again the same.

use std::sync::LazyLock;

use ipvs::message::Message;
use ipvs::record::{DestinationRecord, ServiceRecord};
use ipvs::{Family, Info, SyncDaemon, Timeouts};
use netlink_packet_core::{Emitable, ParseableParametrized};
use netlink_packet_generic::{GenlFamily, GenlHeader};
use proptest::prelude::*;
use proptest::sample::Index;

/// Decodes all that can be made of a message; returns whether it was one.
fn decode(bytes: &[u8]) -> bool {
    let Some((&[cmd, version, _, _], attributes)) = bytes.split_first_chunk() else { return false };
    let Ok(message) = Message::parse_with_param(attributes, GenlHeader { cmd, version }) else {
        return false;
    };
    let _ = ServiceRecord::read(&message);
    let _ = DestinationRecord::read(&message, Family::V6);
    let _ = SyncDaemon::read(&message);
    let _ = Timeouts::read(&message);
    let _ = Info::read(&message);
    // Compared as emitted: netlink-packet-core emits an unknown attribute that has both flags, nested and
    // network order, with one of them.
    let once = emit(&message);
    let header = GenlHeader { cmd: message.command(), version: message.version() };
    let again = Message::parse_with_param(&once[..], header).map(|again| emit(&again));
    assert_eq!(again.ok(), Some(once));
    true
}

fn emit(message: &Message) -> Vec<u8> {
    let mut bytes = vec![0; message.buffer_len()];
    message.emit(&mut bytes);
    bytes
}

/// The bytes of every captured message.
static CAPTURED: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    include_str!("captured.txt")
        .lines()
        .filter_map(|line| line.strip_prefix("> ").or(line.strip_prefix("< ")))
        .map(|hex| {
            hex.as_bytes()
                .chunks(2)
                .filter_map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok())
                .collect()
        })
        .collect()
});

#[test]
fn every_captured_message_decodes() {
    for bytes in CAPTURED.iter() {
        assert!(decode(bytes), "{bytes:02x?}");
    }
}

#[test]
fn a_message_cut_anywhere_is_a_value_or_a_refusal() {
    for bytes in CAPTURED.iter() {
        let whole = (0..=bytes.len()).filter(|&len| decode(&bytes[..len])).max();
        assert_eq!(whole, Some(bytes.len()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4000) })]

    #[test]
    fn random_bytes_never_panic(cmd in 0_u8..20, bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut message = vec![cmd, 1, 0, 0];
        message.extend(bytes);
        let decoded = decode(&message);
        prop_assert!(!decoded || (1..=17).contains(&cmd));
    }

    #[test]
    fn mutated_messages_never_panic(
        which in any::<Index>(),
        changes in proptest::collection::vec((any::<Index>(), any::<u8>()), 1..6),
        cut in any::<Index>(),
    ) {
        let mut bytes = which.get(&CAPTURED).clone();
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        let decoded = decode(&bytes);
        prop_assert!(!decoded || (1..=17).contains(&bytes[0]));
        bytes.truncate(cut.index(bytes.len()));
        decode(&bytes);
    }
}
