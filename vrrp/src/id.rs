//! Names of things: which interface, which virtual router, which protocol. Values only; nothing here knows state.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU8;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A network interface's name, 1 to 15 bytes (`IFNAMSIZ` of `linux/if.h` less the closing NUL).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IfName([u8; IfName::SIZE]);

impl IfName {
    const SIZE: usize = 16;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        let length = self.0.iter().position(|byte| *byte == 0).unwrap_or(Self::SIZE);
        // Only `from_str` makes one, from a `str`, whole.
        std::str::from_utf8(&self.0[..length]).unwrap_or_default()
    }
}

impl FromStr for IfName {
    type Err = BadName;

    fn from_str(name: &str) -> Result<Self, BadName> {
        // The kernel's dev_valid_name() refuses these too.
        let allowed = |c: char| !c.is_whitespace() && c != '/' && c != ':' && c != '\0';
        if name.is_empty() || name.len() >= Self::SIZE || name == "." || name == ".." {
            return Err(BadName(name.to_owned()));
        }
        if !name.chars().all(allowed) {
            return Err(BadName(name.to_owned()));
        }
        let mut bytes = [0; Self::SIZE];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for IfName {
    type Error = BadName;

    fn try_from(name: String) -> Result<Self, BadName> {
        name.parse()
    }
}

impl From<IfName> for String {
    fn from(name: IfName) -> Self {
        name.as_str().to_owned()
    }
}

impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Text that cannot name a network interface.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` cannot be an interface name: 1 to 15 bytes without blanks, `/` or `:`")]
pub struct BadName(pub String);

/// A number outside 1 to 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("0 is not in 1 to 255")]
pub struct IsZero;

/// A virtual router's number on its link, 1 to 255 (RFC 9568 section 5.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Vrid(NonZeroU8);

/// An election priority, 1 to 255; 255 is the address owner (RFC 9568 section 5.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Priority(NonZeroU8);

impl Priority {
    /// The address owner's priority.
    pub const OWNER: Self = Self(NonZeroU8::MAX);
    /// The highest that is not the owner's.
    pub const BELOW_OWNER: Self = Self(NonZeroU8::new(254).unwrap());
    /// The default of RFC 9568 section 5.2.4 and of keepalived.
    pub const DEFAULT: Self = Self(NonZeroU8::new(100).unwrap());

    /// True for the address owner.
    pub fn is_owner(self) -> bool {
        self == Self::OWNER
    }

    /// What tracking makes of this base priority: the sum held within 1 to 254; an owner stays one
    /// (keepalived's vrrp_set_effective_priority).
    pub fn adjusted(self, adjustment: i32) -> Self {
        if self.is_owner() {
            return self;
        }
        let sum = i32::from(self.0.get()).saturating_add(adjustment).clamp(1, 254);
        Self(u8::try_from(sum).ok().and_then(NonZeroU8::new).unwrap_or(NonZeroU8::MIN))
    }
}

macro_rules! one_to_255 {
    ($name:ident) => {
        impl TryFrom<u8> for $name {
            type Error = IsZero;

            fn try_from(number: u8) -> Result<Self, IsZero> {
                NonZeroU8::new(number).map(Self).ok_or(IsZero)
            }
        }

        impl From<$name> for u8 {
            fn from(number: $name) -> u8 {
                number.0.get()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

one_to_255!(Vrid);
one_to_255!(Priority);

/// The IP version that a virtual router speaks and whose addresses it moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Bytes that one address takes on the wire.
    pub fn address_size(self) -> usize {
        match self {
            Self::V4 => 4,
            Self::V6 => 16,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// The protocol's version: 2 (RFC 3768, IPv4 only) or 3 (RFC 9568).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Version {
    /// RFC 3768, with the authentication field of RFC 2338.
    V2,
    /// RFC 9568.
    V3,
}

/// What makes a virtual router the same one before and after a reload (keepalived compares likewise, not the name).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RouterId {
    /// Where it speaks.
    pub interface: IfName,
    /// Its number there.
    pub vrid: Vrid,
    /// IPv4 and IPv6 with one number are two routers (RFC 9568 section 5.2.3).
    pub family: Family,
}

impl fmt::Display for RouterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.interface, self.vrid, self.family)
    }
}

#[cfg(test)]
mod tests;
