//! Messages of the generic netlink family `IPVS`: a command and its attributes.
//!
//! Pure codec on netlink-packet-core and -generic. What to ask is in `request`, what an answer means in
//! `record`.

use netlink_packet_core::{DecodeError, Emitable, NlasIterator, Parseable, ParseableParametrized};
use netlink_packet_generic::{GenlFamily, GenlHeader};

use crate::attr::{Attribute, InfoAttribute, parse_set};

/// `IPVS_GENL_VERSION`
const VERSION: u8 = 1;

/// What a message asks or answers (`IPVS_CMD_*`); the value is the command's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Command {
    /// Add a service; also the answer to `GetService`.
    NewService = 1,
    /// Edit a service.
    SetService = 2,
    /// Remove a service.
    DelService = 3,
    /// Read one service, or all of them as a dump.
    GetService = 4,
    /// Add a destination; also the answer to `GetDest`.
    NewDest = 5,
    /// Edit a destination.
    SetDest = 6,
    /// Remove a destination.
    DelDest = 7,
    /// Read the destinations of a service as a dump.
    GetDest = 8,
    /// Start a sync daemon; also the answer to `GetDaemon`.
    NewDaemon = 9,
    /// Stop a sync daemon.
    DelDaemon = 10,
    /// Read the sync daemons as a dump.
    GetDaemon = 11,
    /// Set the timeouts; also the answer to `GetConfig`.
    SetConfig = 12,
    /// Read the timeouts.
    GetConfig = 13,
    /// The answer to `GetInfo`.
    SetInfo = 14,
    /// Read version and table size.
    GetInfo = 15,
    /// Set counters to zero, of one service or of all.
    Zero = 16,
    /// Remove all services.
    Flush = 17,
}

impl Command {
    const ALL: [Command; 17] = [
        Command::NewService,
        Command::SetService,
        Command::DelService,
        Command::GetService,
        Command::NewDest,
        Command::SetDest,
        Command::DelDest,
        Command::GetDest,
        Command::NewDaemon,
        Command::DelDaemon,
        Command::GetDaemon,
        Command::SetConfig,
        Command::GetConfig,
        Command::SetInfo,
        Command::GetInfo,
        Command::Zero,
        Command::Flush,
    ];

    fn from_number(number: u8) -> Option<Command> {
        Command::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }
}

/// A message without its netlink and generic netlink headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it asks or answers.
    pub command: Command,
    /// With which attributes, in the order of the wire.
    pub attributes: Vec<Attribute>,
}

impl Message {
    /// A message without attributes.
    pub fn bare(command: Command) -> Message {
        Message { command, attributes: Vec::new() }
    }
}

impl GenlFamily for Message {
    fn family_name() -> &'static str {
        "IPVS"
    }

    fn command(&self) -> u8 {
        self.command as u8
    }

    fn version(&self) -> u8 {
        VERSION
    }
}

impl Emitable for Message {
    fn buffer_len(&self) -> usize {
        self.attributes.as_slice().buffer_len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        self.attributes.as_slice().emit(buffer);
    }
}

impl ParseableParametrized<[u8], GenlHeader> for Message {
    fn parse_with_param(bytes: &[u8], header: GenlHeader) -> Result<Message, DecodeError> {
        let command = Command::from_number(header.cmd)
            .ok_or_else(|| DecodeError::from(format!("unknown IPVS command {}", header.cmd)))?;
        let attributes = match command {
            Command::SetInfo => NlasIterator::new(bytes)
                .map(|nla| Ok(Attribute::Info(InfoAttribute::parse(&nla?)?)))
                .collect::<Result<_, DecodeError>>()?,
            Command::NewService
            | Command::SetService
            | Command::DelService
            | Command::GetService
            | Command::NewDest
            | Command::SetDest
            | Command::DelDest
            | Command::GetDest
            | Command::NewDaemon
            | Command::DelDaemon
            | Command::GetDaemon
            | Command::SetConfig
            | Command::GetConfig
            | Command::GetInfo
            | Command::Zero
            | Command::Flush => parse_set(bytes)?,
        };
        Ok(Message { command, attributes })
    }
}
