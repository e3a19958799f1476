//! Short names that the kernel takes: schedulers, persistence engines and interfaces.
//!
//! The kernel loads `ip_vs_NAME` for a scheduler and `ip_vs_pe_NAME` for an engine when a service asks
//! for one, so any name that fits is taken here and the kernel alone knows which exist.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest name in bytes: `IP_VS_SCHEDNAME_MAXLEN`, `IP_VS_PENAME_MAXLEN` and `IFNAMSIZ` (16 each) less
/// the NUL.
const MAX_LEN: usize = 15;

/// A name that the kernel cannot take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no name for the kernel: 1 to 15 bytes without space, control character or `/` are wanted"
)]
pub struct NameError(String);

/// The bytes of a name, padded with NUL: no allocation, since each of many services carries one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Name([u8; MAX_LEN]);

impl Name {
    fn as_str(&self) -> &str {
        let len = self.0.iter().position(|&byte| byte == 0).unwrap_or(MAX_LEN);
        str::from_utf8(&self.0[..len]).unwrap_or_default()
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Name, NameError> {
        let fits = (1..=MAX_LEN).contains(&text.len())
            && !text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '/');
        if !fits {
            return Err(NameError(text.to_owned()));
        }
        let mut bytes = [0; MAX_LEN];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Name(bytes))
    }
}

macro_rules! kernel_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Name);

        impl $name {
            /// Takes a name of 1 to 15 bytes.
            pub fn new(name: &str) -> Result<$name, NameError> {
                name.parse().map($name)
            }

            /// The name as the kernel spells it.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(name: &str) -> Result<$name, NameError> {
                $name::new(name)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(name: String) -> Result<$name, NameError> {
                $name::new(&name)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.as_str())
            }
        }
    };
}

kernel_name! {
    /// A scheduler: how a service picks a destination for a new connection (`rr`, `wlc`, `sh`, `mh`, ...).
    Scheduler
}

kernel_name! {
    /// A persistence engine: what besides the client's address ties connections together (`sip`).
    PersistenceEngine
}

kernel_name! {
    /// A network interface.
    InterfaceName
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_one_to_fifteen_bytes_is_kept() {
        for name in ["rr", "wlc", "none", "fifteen-bytes-x"] {
            assert_eq!(Scheduler::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn a_name_that_the_kernel_cannot_take_is_refused() {
        for name in ["", "sixteen-bytes-xx", "w lc", "wl\0c", "wl/c"] {
            assert_eq!(Scheduler::new(name), Err(NameError(name.to_owned())));
        }
    }
}
