//! The control packet (RFC 5880 section 4.1): bytes to value and back, with every receive check of section 6.8.6 that
//! needs no session.

use std::num::{NonZeroU8, NonZeroU32};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::state::{Diagnostic, State};

/// Bytes of a packet without authentication.
pub const LENGTH: usize = 24;
/// Least bytes of a packet with authentication.
const LENGTH_WITH_AUTH: usize = 26;
const VERSION: u8 = 1;

const POLL: u8 = 0x20;
const FINAL: u8 = 0x10;
const INDEPENDENT: u8 = 0x08;
const AUTH: u8 = 0x04;
const DEMAND: u8 = 0x02;
const MULTIPOINT: u8 = 0x01;

/// One control packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// The sender's state.
    pub state: State,
    /// Why the sender's session fell last.
    pub diagnostic: Diagnostic,
    /// P: asks for an answer at once.
    pub poll: bool,
    /// F: is that answer.
    pub is_final: bool,
    /// C: the sender's BFD does not share fate with its control plane.
    pub independent: bool,
    /// D: wants no periodic packets while both are up.
    pub demand: bool,
    /// Detect Mult.
    pub multiplier: NonZeroU8,
    /// The sender's discriminator.
    pub mine: NonZeroU32,
    /// Ours, as far as the sender knows it.
    pub yours: Option<NonZeroU32>,
    /// The sender's Desired Min TX Interval; the wire has whole microseconds.
    pub desired_min_tx: Duration,
    /// The sender's Required Min RX Interval; zero: send nothing periodically.
    pub required_min_rx: Duration,
    /// The sender's Required Min Echo RX Interval; zero: no echo function.
    pub required_min_echo_rx: Duration,
}

/// Why a packet was refused (RFC 5880 section 6.8.6). Nothing changed by it but a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Refusal {
    /// Not version 1.
    #[error("version {0}")]
    Version(u8),
    /// Shorter than a packet, than it says, or than authentication makes it.
    #[error("{seen} bytes, says {said}")]
    Length {
        /// Bytes received.
        seen: usize,
        /// Its length field.
        said: u8,
    },
    /// Detect Mult 0.
    #[error("multiplier 0")]
    NoMultiplier,
    /// The multipoint bit.
    #[error("multipoint bit set")]
    Multipoint,
    /// My Discriminator 0.
    #[error("sender's discriminator 0")]
    NoDiscriminator,
    /// Your Discriminator 0 in a packet that says Init or Up.
    #[error("our discriminator 0 in state {0}")]
    NotAddressed(State),
    /// It carries authentication, which no session here uses.
    #[error("authentication is not in use")]
    Auth,
}

impl Packet {
    /// Reads a UDP payload. Bytes behind the packet do not count.
    pub fn decode(bytes: &[u8]) -> Result<Self, Refusal> {
        let short = |said| Refusal::Length { seen: bytes.len(), said };
        let &[first, second, multiplier, said] = bytes.first_chunk::<4>().ok_or(short(0))?;
        if first >> 5 != VERSION {
            return Err(Refusal::Version(first >> 5));
        }
        let has_auth = second & AUTH != 0;
        let least = if has_auth { LENGTH_WITH_AUTH } else { LENGTH };
        if usize::from(said) < least || usize::from(said) > bytes.len() {
            return Err(short(said));
        }
        let bytes = bytes.first_chunk::<LENGTH>().ok_or(short(said))?;
        let multiplier = NonZeroU8::new(multiplier).ok_or(Refusal::NoMultiplier)?;
        if second & MULTIPOINT != 0 {
            return Err(Refusal::Multipoint);
        }
        let word = |at: usize| {
            u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let time = |at| Duration::from_micros(u64::from(word(at)));
        let mine = NonZeroU32::new(word(4)).ok_or(Refusal::NoDiscriminator)?;
        let yours = NonZeroU32::new(word(8));
        let state = State::from_code(second >> 6);
        if yours.is_none() && matches!(state, State::Init | State::Up) {
            return Err(Refusal::NotAddressed(state));
        }
        if has_auth {
            return Err(Refusal::Auth);
        }
        Ok(Self {
            state,
            diagnostic: Diagnostic::from_code(first),
            poll: second & POLL != 0,
            is_final: second & FINAL != 0,
            independent: second & INDEPENDENT != 0,
            demand: second & DEMAND != 0,
            multiplier,
            mine,
            yours,
            desired_min_tx: time(12),
            required_min_rx: time(16),
            required_min_echo_rx: time(20),
        })
    }

    /// The packet as bytes. Times past an hour and eleven minutes become that.
    pub fn encode(&self) -> [u8; LENGTH] {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let second = self.state.code() << 6
            | flag(self.poll, POLL)
            | flag(self.is_final, FINAL)
            | flag(self.independent, INDEPENDENT)
            | flag(self.demand, DEMAND);
        let micros = |time: Duration| u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        let mut bytes = [0; LENGTH];
        bytes[0] = VERSION << 5 | self.diagnostic.code();
        bytes[1] = second;
        bytes[2] = self.multiplier.get();
        // 24
        bytes[3] = LENGTH as u8;
        let words = [
            self.mine.get(),
            self.yours.map_or(0, NonZeroU32::get),
            micros(self.desired_min_tx),
            micros(self.required_min_rx),
            micros(self.required_min_echo_rx),
        ];
        for (slot, word) in bytes[4..].chunks_exact_mut(4).zip(words) {
            slot.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A packet as a Cisco router sends it first (version 1, Down, multiplier 3, 1 s, 1 s, no echo).
    const FIRST: [u8; LENGTH] = [
        0x20, 0x40, 3, 24, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0x0f, 0x42, 0x40, 0, 0x0f, 0x42, 0x40, 0, 0,
        0, 0,
    ];

    fn with(changes: &[(usize, u8)]) -> Vec<u8> {
        let mut bytes = FIRST.to_vec();
        for (at, value) in changes {
            bytes[*at] = *value;
        }
        bytes
    }

    #[test]
    fn fields_are_where_section_4_1_puts_them() {
        let packet = Packet::decode(&FIRST).unwrap();
        let expected = Packet {
            state: State::Down,
            diagnostic: Diagnostic::NONE,
            poll: false,
            is_final: false,
            independent: false,
            demand: false,
            multiplier: NonZeroU8::new(3).unwrap(),
            mine: NonZeroU32::new(7).unwrap(),
            yours: None,
            desired_min_tx: Duration::from_secs(1),
            required_min_rx: Duration::from_secs(1),
            required_min_echo_rx: Duration::ZERO,
        };
        assert_eq!(packet, expected);
        assert_eq!(packet.encode(), FIRST);
        let flagged = Packet::decode(&with(&[(0, 0x23), (1, 0xfa), (11, 9)])).unwrap();
        assert!(flagged.poll && flagged.is_final && flagged.independent && flagged.demand);
        assert_eq!((flagged.state, flagged.diagnostic), (State::Up, Diagnostic::NEIGHBOR_DOWN));
    }

    #[test]
    fn each_receive_rule_refuses_the_packet_that_breaks_it() {
        let refused = |changes: &[(usize, u8)]| Packet::decode(&with(changes)).unwrap_err();
        assert_eq!(refused(&[(0, 0x40)]), Refusal::Version(2));
        assert_eq!(refused(&[(0, 0)]), Refusal::Version(0));
        assert_eq!(refused(&[(3, 23)]), Refusal::Length { seen: 24, said: 23 });
        assert_eq!(refused(&[(3, 25)]), Refusal::Length { seen: 24, said: 25 });
        assert_eq!(refused(&[(1, 0x44)]), Refusal::Length { seen: 24, said: 24 });
        assert_eq!(refused(&[(2, 0)]), Refusal::NoMultiplier);
        assert_eq!(refused(&[(1, 0x41)]), Refusal::Multipoint);
        assert_eq!(refused(&[(7, 0)]), Refusal::NoDiscriminator);
        assert_eq!(refused(&[(1, 0x80)]), Refusal::NotAddressed(State::Init));
        assert_eq!(refused(&[(1, 0xc0)]), Refusal::NotAddressed(State::Up));
        let mut authenticated = with(&[(1, 0x44), (3, 26)]);
        authenticated.extend([1, 2]);
        assert_eq!(Packet::decode(&authenticated), Err(Refusal::Auth));
        assert!(Packet::decode(&with(&[(1, 0x00)])).is_ok(), "AdminDown needs no discriminator");
    }

    #[test]
    fn every_cut_is_refused_and_bytes_behind_do_not_count() {
        for length in 0..LENGTH {
            let refusal = Packet::decode(&FIRST[..length]).unwrap_err();
            assert!(matches!(refusal, Refusal::Length { seen, .. } if seen == length));
        }
        let mut longer = FIRST.to_vec();
        longer.push(0xff);
        assert_eq!(Packet::decode(&longer), Packet::decode(&FIRST));
    }

    proptest! {
        #[test]
        fn whatever_decodes_encodes_to_the_same_head(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(packet) = Packet::decode(&bytes) {
                let again = packet.encode();
                prop_assert_eq!(&again[..3], &bytes[..3]);
                prop_assert_eq!(&again[4..], &bytes[4..LENGTH]);
                prop_assert_eq!(Packet::decode(&again), Ok(packet));
            }
        }

        #[test]
        fn mutated_packets_are_read_or_refused(
            changes in prop::collection::vec((0..LENGTH, any::<u8>()), 0..4),
            length in 0..=LENGTH,
        ) {
            // Never panics; what is taken keeps the rules.
            if let Ok(packet) = Packet::decode(&with(&changes)[..length]) {
                prop_assert!(packet.yours.is_some() || packet.state <= State::Down);
            }
        }
    }
}
