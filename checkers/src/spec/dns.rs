//! What a DNS check asks.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Connection;

/// `DNS_CHECK`: one question with recursion desired; any answer with response code 0 is good.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DnsSpec {
    /// The socket, and the deadline of question and answer, with the repetition over TCP where it is needed.
    pub connection: Connection,
    /// What is asked for (`type`).
    pub record: DnsRecord,
    /// About what name (`name`).
    pub name: DnsName,
}

/// Type of the records that are asked for: those that keepalived knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DnsRecord {
    /// IPv4 addresses.
    A,
    /// Name servers.
    Ns,
    /// The canonical name.
    Cname,
    /// Start of authority.
    #[default]
    Soa,
    /// Mail exchanges.
    Mx,
    /// Texts.
    Txt,
    /// IPv6 addresses.
    Aaaa,
    /// Signatures.
    Rrsig,
    /// Keys.
    Dnskey,
}

/// A domain name: labels of 1 to 63 letters, digits, `-` and `_` with dots between, 253 in all, or `.` for the root
/// (RFC 1035 section 2.3.4).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DnsName(Box<str>);

/// Why a question is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DnsSpecError {
    /// No domain name.
    #[error("a domain name has labels of 1 to 63 letters, digits, - and _, found {0:?}")]
    Name(String),
    /// None of the types.
    #[error("a type is A, NS, CNAME, SOA, MX, TXT, AAAA, RRSIG or DNSKEY, found {0:?}")]
    Record(String),
}

impl DnsRecord {
    /// All of them, with the names that configurations use.
    pub const ALL: [(&str, Self); 9] = [
        ("A", Self::A),
        ("NS", Self::Ns),
        ("CNAME", Self::Cname),
        ("SOA", Self::Soa),
        ("MX", Self::Mx),
        ("TXT", Self::Txt),
        ("AAAA", Self::Aaaa),
        ("RRSIG", Self::Rrsig),
        ("DNSKEY", Self::Dnskey),
    ];

    /// The number on the wire (IANA, DNS parameters).
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Ns => 2,
            Self::Cname => 5,
            Self::Soa => 6,
            Self::Mx => 15,
            Self::Txt => 16,
            Self::Aaaa => 28,
            Self::Rrsig => 46,
            Self::Dnskey => 48,
        }
    }
}

impl DnsName {
    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The root.
impl Default for DnsName {
    fn default() -> Self {
        Self(".".into())
    }
}

impl TryFrom<String> for DnsName {
    type Error = DnsSpecError;

    fn try_from(text: String) -> Result<Self, DnsSpecError> {
        let plain = text.strip_suffix('.').unwrap_or(&text);
        let label = |label: &str| {
            let known = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            (1..=63).contains(&label.len()) && label.bytes().all(known)
        };
        if text == "." || (plain.len() <= 253 && plain.split('.').all(label)) {
            return Ok(Self(text.into()));
        }
        Err(DnsSpecError::Name(text))
    }
}

impl FromStr for DnsName {
    type Err = DnsSpecError;

    fn from_str(text: &str) -> Result<Self, DnsSpecError> {
        Self::try_from(text.to_owned())
    }
}

impl From<DnsName> for String {
    fn from(name: DnsName) -> Self {
        name.0.into()
    }
}

impl FromStr for DnsRecord {
    type Err = DnsSpecError;

    fn from_str(text: &str) -> Result<Self, DnsSpecError> {
        let known = Self::ALL.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        known.map(|&(_, record)| record).ok_or_else(|| DnsSpecError::Record(text.to_owned()))
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_labels_of_1_to_63_characters() {
        for good in [".", "example.org", "example.org.", "_sip._udp.a-1", &"a".repeat(63)] {
            assert_eq!(good.parse::<DnsName>().unwrap().as_str(), good);
        }
        let long = ["a"; 128].join(".");
        for wrong in ["", "..", ".a", "a..b", "a b", "ä.org", &"a".repeat(64), &long] {
            assert!(wrong.parse::<DnsName>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn types_have_their_numbers() {
        let numbers = DnsRecord::ALL.map(|(name, _)| name.parse::<DnsRecord>().unwrap().number());
        assert_eq!(numbers, [1, 2, 5, 6, 15, 16, 28, 46, 48]);
        assert_eq!("aaaa".parse(), Ok(DnsRecord::Aaaa));
        assert!("ANY".parse::<DnsRecord>().is_err());
    }
}
