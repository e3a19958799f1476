//! States and diagnostics of a session, and the table of RFC 5880 section 6.8.6 that leads from one to the next.

use std::fmt;

use serde::{Deserialize, Serialize};

/// State of a session (RFC 5880 section 4.1), in the order of its codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum State {
    /// Held down by an operator, or about to end.
    AdminDown,
    /// The neighbour is silent, or says that it does not hear us.
    Down,
    /// We hear the neighbour.
    Init,
    /// Each hears the other.
    Up,
}

/// Why a session left Up last (RFC 5880 section 4.1). Codes without a name here are kept as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic(u8);

/// What a session says of the way to the neighbour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Open in both directions.
    Up,
    /// Closed, or not known to be open.
    Down,
}

impl State {
    /// Of two bits on the wire; higher bits do not count.
    pub fn from_code(code: u8) -> Self {
        match code & 3 {
            0 => Self::AdminDown,
            1 => Self::Down,
            2 => Self::Init,
            _ => Self::Up,
        }
    }

    /// Two bits for the wire.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The state after a packet, and the reason where that is a fall (RFC 5880 section 6.8.6). A session in AdminDown
    /// takes no packets.
    pub fn after(self, remote: Self) -> (Self, Option<Diagnostic>) {
        let fallen = (Self::Down, Some(Diagnostic::NEIGHBOR_DOWN));
        match (self, remote) {
            (Self::AdminDown, _) => (Self::AdminDown, None),
            (Self::Down, Self::AdminDown) => (Self::Down, None),
            (Self::Init | Self::Up, Self::AdminDown) => fallen,
            (Self::Down, Self::Down) => (Self::Init, None),
            (Self::Down, Self::Init) => (Self::Up, None),
            (Self::Down, Self::Up) => (Self::Down, None),
            (Self::Init, Self::Down) => (Self::Init, None),
            (Self::Init, Self::Init | Self::Up) => (Self::Up, None),
            (Self::Up, Self::Down) => fallen,
            (Self::Up, Self::Init | Self::Up) => (Self::Up, None),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::AdminDown => "AdminDown",
            Self::Down => "Down",
            Self::Init => "Init",
            Self::Up => "Up",
        })
    }
}

impl Diagnostic {
    /// Nothing has happened yet.
    pub const NONE: Self = Self(0);
    /// No packet within the detection time.
    pub const EXPIRED: Self = Self(1);
    /// The neighbour signalled that the session is down.
    pub const NEIGHBOR_DOWN: Self = Self(3);
    /// Held down by an operator.
    pub const ADMIN_DOWN: Self = Self(7);

    /// Of five bits on the wire; higher bits do not count.
    pub fn from_code(code: u8) -> Self {
        Self(code & 31)
    }

    /// Five bits for the wire.
    pub fn code(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self.0 {
            0 => "no diagnostic",
            1 => "detection time expired",
            2 => "echo function failed",
            3 => "neighbour signalled session down",
            4 => "forwarding plane reset",
            5 => "path down",
            6 => "concatenated path down",
            7 => "administratively down",
            8 => "reverse concatenated path down",
            code => return write!(f, "diagnostic {code}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::State::{AdminDown, Down, Init, Up};
    use super::*;

    /// The whole table of RFC 5880 section 6.8.6.
    #[test]
    fn the_state_after_a_packet_is_that_of_the_table() {
        let fell = Some(Diagnostic::NEIGHBOR_DOWN);
        let table = [
            (Down, AdminDown, Down, None),
            (Down, Down, Init, None),
            (Down, Init, Up, None),
            (Down, Up, Down, None),
            (Init, AdminDown, Down, fell),
            (Init, Down, Init, None),
            (Init, Init, Up, None),
            (Init, Up, Up, None),
            (Up, AdminDown, Down, fell),
            (Up, Down, Down, fell),
            (Up, Init, Up, None),
            (Up, Up, Up, None),
            (AdminDown, AdminDown, AdminDown, None),
            (AdminDown, Down, AdminDown, None),
            (AdminDown, Init, AdminDown, None),
            (AdminDown, Up, AdminDown, None),
        ];
        for (local, remote, next, diagnostic) in table {
            assert_eq!(local.after(remote), (next, diagnostic), "{local} hears {remote}");
        }
    }

    #[test]
    fn codes_are_those_of_the_wire() {
        for (state, code) in [(AdminDown, 0), (Down, 1), (Init, 2), (Up, 3)] {
            assert_eq!((state.code(), State::from_code(code)), (code, state));
        }
    }
}
