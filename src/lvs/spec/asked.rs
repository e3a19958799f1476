//! Which checks a real server has.

use checkers::Target;
use ipvs::DestinationKey;
use serde::{Deserialize, Serialize};

/// One check of a real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRef {
    /// Who is asked.
    pub target: Target,
    /// Index into [`super::ServiceSpec::checks`].
    pub check: u32,
}

/// The checks of a real server. Most have one, and it asks where the real server serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked<'a> {
    /// One check of the real server's own address and port: its index.
    Itself(u32),
    /// Anything else, in the order of the configuration.
    List(&'a [CheckRef]),
}

impl<'a> Asked<'a> {
    /// How many there are.
    pub fn count(self) -> usize {
        match self {
            Self::Itself(_) => 1,
            Self::List(list) => list.len(),
        }
    }

    /// All of them; `of` is whose they are.
    pub fn each(self, of: DestinationKey) -> impl Iterator<Item = CheckRef> + 'a {
        let (one, list) = match self {
            Self::Itself(check) => (Some(CheckRef { target: own(of), check }), &[][..]),
            Self::List(list) => (None, list),
        };
        one.into_iter().chain(list.iter().copied())
    }
}

pub(super) fn own(DestinationKey { addr, port }: DestinationKey) -> Target {
    Target { addr, port }
}
