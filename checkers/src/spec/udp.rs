//! What a UDP check sends, and which reply it wants.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Connection;

/// `UDP_CHECK`: one datagram. An ICMP error is a failure; silence is one only where a reply is required.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UdpSpec {
    /// The socket, and how long an ICMP error or a reply is waited for.
    pub connection: Connection,
    /// What is sent (`payload`).
    pub payload: Payload,
    /// The reply without which the check fails (`require_reply`).
    pub reply: Option<Reply>,
}

/// A reply that is required.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reply {
    /// How it begins; an empty pattern fits all.
    pub pattern: ReplyPattern,
    /// Least length in bytes (`min_reply_length`; keepalived: 0).
    pub min: u16,
    /// Greatest length in bytes (`max_reply_length`; keepalived: 255).
    pub max: u16,
}

/// Bytes written as hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Payload(Box<[u8]>);

/// Bytes written as hexadecimal digits, where an `x` stands for any digit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReplyPattern {
    /// Value and mask of each byte.
    bytes: Box<[(u8, u8)]>,
}

/// Why a payload or pattern is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HexError {
    /// Half a byte is left.
    #[error("a byte has two hexadecimal digits: one is missing at the end")]
    Odd,
    /// No digit.
    #[error("{found:?} at position {at} is no hexadecimal digit")]
    Digit {
        /// The character.
        found: char,
        /// Its place, blanks not counted, from 1.
        at: usize,
    },
    /// More than a datagram takes.
    #[error("{0} bytes are more than the 65,507 of a datagram")]
    Long(usize),
}

/// The most that a UDP datagram carries over IPv4.
const LONGEST: usize = 65_507;

impl Default for Reply {
    fn default() -> Self {
        Self { pattern: ReplyPattern::default(), min: 0, max: 255 }
    }
}

/// 32 bytes that say who asks; keepalived's default has the same length.
impl Default for Payload {
    fn default() -> Self {
        Self((*b"evenkeel UDP_CHECK: are you up?\n").into())
    }
}

impl Payload {
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl ReplyPattern {
    /// Whether `reply` begins like this.
    #[must_use]
    pub fn fits(&self, reply: &[u8]) -> bool {
        reply.len() >= self.bytes.len()
            && reply.iter().zip(&self.bytes).all(|(seen, (value, mask))| seen & mask == *value)
    }
}

impl FromStr for Payload {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        let bytes = bytes(text, false)?;
        Ok(Self(bytes.into_iter().map(|(value, _)| value).collect()))
    }
}

impl FromStr for ReplyPattern {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        Ok(Self { bytes: bytes(text, true)?.into() })
    }
}

/// As it is written.
impl fmt::Display for ReplyPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (value, mask) in &self.bytes {
            for shift in [4, 0] {
                match mask >> shift & 0xf {
                    0 => f.write_str("x")?,
                    _ => write!(f, "{:x}", value >> shift & 0xf)?,
                }
            }
        }
        Ok(())
    }
}

fn bytes(text: &str, wildcards: bool) -> Result<Vec<(u8, u8)>, HexError> {
    let mut nibbles = Vec::with_capacity(text.len());
    for (at, found) in (1..).zip(text.chars().filter(|c| !c.is_ascii_whitespace())) {
        let digit = found.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        nibbles.push(match digit {
            Some(digit) => (digit, 0xf),
            None if wildcards && matches!(found, 'x' | 'X') => (0, 0),
            None => return Err(HexError::Digit { found, at }),
        });
    }
    let (pairs, rest) = nibbles.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(HexError::Odd);
    }
    if pairs.len() > LONGEST {
        return Err(HexError::Long(pairs.len()));
    }
    Ok(pairs.iter().map(|[high, low]| (high.0 << 4 | low.0, high.1 << 4 | low.1)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_replies_that_begin_like_it() {
        let pattern: ReplyPattern = "01 xF x0 xx".parse().unwrap();
        assert_eq!(pattern.to_string(), "01xfx0xx");
        assert!(pattern.fits(&[1, 0x2f, 0x30, 9]));
        assert!(pattern.fits(&[1, 0xff, 0, 0, 7]));
        for wrong in [&[1, 0x2f, 0x30][..], &[2, 0x2f, 0x30, 9], &[1, 0x2e, 0x30, 9], &[]] {
            assert!(!pattern.fits(wrong), "{wrong:?}");
        }
        assert!(ReplyPattern::default().fits(&[]));
    }

    #[test]
    fn what_is_no_hexadecimal_is_refused() {
        assert_eq!("00fF".parse::<Payload>().unwrap().as_bytes(), [0, 255]);
        assert_eq!("".parse::<Payload>().unwrap().as_bytes(), []);
        assert_eq!("123".parse::<Payload>(), Err(HexError::Odd));
        assert_eq!("1x".parse::<Payload>(), Err(HexError::Digit { found: 'x', at: 2 }));
        assert_eq!("1 2g".parse::<ReplyPattern>(), Err(HexError::Digit { found: 'g', at: 3 }));
        assert_eq!("0".repeat(131_016).parse::<Payload>(), Err(HexError::Long(65_508)));
        assert_eq!(Payload::default().as_bytes().len(), 32);
    }
}
