//! The sealed memory file in which the load child leaves the typed specs: a fixed header that the supervisor
//! reads, then one section per worker that only that worker reads.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::model::{LogFormat, Web};
use crate::message::Role;

const MAGIC: [u8; 4] = *b"EVKL";
const VERSION: u32 = 4;
const HEADER: usize = 168;
/// Where the listening addresses begin: how many, then [`LISTEN`] bytes each: family, address, port.
const LISTENS: usize = 64;
const LISTEN: usize = 19;
/// Where the supervisor's own section is told.
const FILES: usize = 144;
/// Where the log format stands: 1 for JSON.
const LOG_FORMAT: usize = 160;

/// What the supervisor needs to know of a configuration: which workers have work, how long a stop may take, and where
/// to listen for the ops worker, which may not do so itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    sections: [Section; 4],
    /// `child_wait_time`.
    pub child_wait: Duration,
    /// `web { listen }`.
    pub listen: [Option<SocketAddr>; Web::LISTEN_MAX],
    /// `log { format }`.
    pub log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Section {
    offset: u64,
    length: u64,
}

impl Header {
    /// Whether the configuration has work for `role`.
    pub fn has(&self, role: Role) -> bool {
        self.section(role).is_some()
    }

    /// The same, but that there is no work for `role`.
    pub fn without(mut self, role: Role) -> Self {
        if let Some(at) = Role::WORKERS.iter().position(|worker| *worker == role) {
            self.sections[at] = Section::default();
        }
        self
    }

    fn section(&self, role: Role) -> Option<Section> {
        Some(self.sections[place(role)]).filter(|section| section.length > 0)
    }

    fn to_bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let mut fields = Vec::with_capacity(HEADER);
        fields.extend_from_slice(&MAGIC);
        fields.extend_from_slice(&VERSION.to_le_bytes());
        let [workers @ .., own] = self.sections;
        for section in workers {
            fields.extend_from_slice(&section.offset.to_le_bytes());
            fields.extend_from_slice(&section.length.to_le_bytes());
        }
        let millis = u64::try_from(self.child_wait.as_millis()).unwrap_or(u64::MAX);
        fields.extend_from_slice(&millis.to_le_bytes());
        bytes[..fields.len()].copy_from_slice(&fields);
        bytes[LOG_FORMAT] = u8::from(self.log_format == LogFormat::Json);
        bytes[FILES..FILES + 8].copy_from_slice(&own.offset.to_le_bytes());
        bytes[FILES + 8..FILES + 16].copy_from_slice(&own.length.to_le_bytes());
        let slots = bytes[LISTENS..FILES].chunks_exact_mut(LISTEN);
        for (slot, address) in slots.zip(self.listen.iter().flatten()) {
            let (family, octets) = match address.ip() {
                IpAddr::V4(ip) => (4, ip.to_ipv6_mapped().octets()),
                IpAddr::V6(ip) => (6, ip.octets()),
            };
            slot[0] = family;
            slot[1..17].copy_from_slice(&octets);
            slot[17..].copy_from_slice(&address.port().to_be_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8; HEADER]) -> io::Result<Self> {
        let word = |at: usize| -> u64 {
            let mut eight = [0; 8];
            eight.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(eight)
        };
        if bytes[..4] != MAGIC || bytes[4..8] != VERSION.to_le_bytes() {
            return Err(refused("not a spec file of this version"));
        }
        let section = |at| Section { offset: word(at), length: word(at + 8) };
        let sections = [section(8), section(24), section(40), section(FILES)];
        let mut listen = [None; Web::LISTEN_MAX];
        for (listen, slot) in listen.iter_mut().zip(bytes[LISTENS..FILES].chunks_exact(LISTEN)) {
            let mut octets = [0; 16];
            octets.copy_from_slice(&slot[1..17]);
            let address = match slot[0] {
                0 => continue,
                4 => IpAddr::from(octets).to_canonical(),
                _ => IpAddr::from(octets),
            };
            *listen = Some(SocketAddr::new(address, u16::from_be_bytes([slot[17], slot[18]])));
        }
        let log_format = if bytes[LOG_FORMAT] == 1 { LogFormat::Json } else { LogFormat::Text };
        Ok(Self { sections, child_wait: Duration::from_millis(word(56)), listen, log_format })
    }
}

/// Where the section of a role stands.
fn place(role: Role) -> usize {
    Role::WORKERS.iter().position(|worker| *worker == role).unwrap_or(Role::WORKERS.len())
}

/// An empty memory file, to be filled by [`write`] in the load child.
pub fn create() -> io::Result<OwnedFd> {
    Ok(memfd_create(c"evenkeel-specs", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?)
}

/// The sections of a configuration, in the order of [`Role::WORKERS`], the supervisor's last; an empty one means no work.
#[derive(Debug, Default)]
pub struct Sections {
    parts: [Vec<Vec<u8>>; 4],
}

impl Sections {
    /// Sets what `role` gets.
    pub fn set<T: Serialize>(&mut self, role: Role, spec: &T) -> io::Result<()> {
        self.put(role, vec![postcard::to_stdvec(spec).map_err(io::Error::other)?]);
        Ok(())
    }

    /// The same for one that has an encoding of its own: its bytes, in pieces that follow each other.
    pub fn put(&mut self, role: Role, pieces: Vec<Vec<u8>>) {
        self.parts[place(role)] = pieces;
    }

    /// Writes everything to `file` and seals it against any change. Of `listen` as many count as a header holds.
    pub fn write(
        self,
        file: OwnedFd,
        child_wait: Duration,
        listen: &[SocketAddr],
        log_format: LogFormat,
    ) -> io::Result<()> {
        let listen = std::array::from_fn(|at| listen.get(at).copied());
        let mut sections = [Section::default(); 4];
        let mut offset = HEADER as u64;
        for (section, part) in sections.iter_mut().zip(&self.parts) {
            let length = part.iter().map(|piece| piece.len() as u64).sum();
            *section = Section { offset, length };
            offset += length;
        }
        let mut file = File::from(file);
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&Header { sections, child_wait, listen, log_format }.to_bytes())?;
        for piece in self.parts.iter().flatten() {
            file.write_all(piece)?;
        }
        let seals = SealFlag::F_SEAL_WRITE
            | SealFlag::F_SEAL_SHRINK
            | SealFlag::F_SEAL_GROW
            | SealFlag::F_SEAL_SEAL;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
        Ok(())
    }
}

/// The header of a spec file.
pub fn header(file: &OwnedFd) -> io::Result<Header> {
    let mut bytes = [0; HEADER];
    File::from(file.try_clone()?).read_exact_at(&mut bytes, 0)?;
    Header::from_bytes(&bytes)
}

/// The section of `role`; `None` when the configuration has no work for it.
pub fn read<T: DeserializeOwned>(file: &OwnedFd, role: Role) -> io::Result<Option<T>> {
    let Some(bytes) = section(file, role)? else { return Ok(None) };
    postcard::from_bytes(&bytes).map(Some).map_err(|error| refused(&error.to_string()))
}

/// The same as it stands there.
pub fn section(file: &OwnedFd, role: Role) -> io::Result<Option<Vec<u8>>> {
    let Some(section) = header(file)?.section(role) else { return Ok(None) };
    let file = File::from(file.try_clone()?);
    let size = file.metadata()?.len();
    let end = section.offset.checked_add(section.length).filter(|end| *end <= size);
    if end.is_none() {
        return Err(refused("section beyond the end of the spec file"));
    }
    let length = usize::try_from(section.length).map_err(|_| refused("section too long"))?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, section.offset)?;
    Ok(Some(bytes))
}

/// Everything in a memory file, wherever its offset stands.
pub fn read_bytes(file: &OwnedFd) -> io::Result<Vec<u8>> {
    let file = File::from(file.try_clone()?);
    let size = usize::try_from(file.metadata()?.len()).map_err(|_| refused("too long"))?;
    let mut bytes = vec![0; size];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// The same as text: the load child's report.
pub fn read_text(file: &OwnedFd) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&read_bytes(file)?).into_owned())
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTEN_AT: [&str; 3] = ["127.0.0.1:9650", "[::1]:80", "[::ffff:10.0.0.1]:8080"];

    fn written() -> OwnedFd {
        let file = create().unwrap();
        let mut sections = Sections::default();
        sections.set(Role::Vrrp, &vec![1_u32, 2, 3]).unwrap();
        sections.set(Role::Ops, &"mail").unwrap();
        let listen = LISTEN_AT.map(|at| at.parse().unwrap());
        sections
            .write(file.try_clone().unwrap(), Duration::from_secs(5), &listen, LogFormat::Json)
            .unwrap();
        file
    }

    #[test]
    fn each_worker_reads_its_own_section() {
        let file = written();
        let header = header(&file).unwrap();
        assert_eq!(header.child_wait, Duration::from_secs(5));
        let listen: Vec<String> = header.listen.iter().flatten().map(|at| at.to_string()).collect();
        assert_eq!(listen, LISTEN_AT);
        assert_eq!(header.log_format, LogFormat::Json);
        assert_eq!(
            Role::WORKERS.map(|role| header.has(role)),
            [false, true, true],
            "lvs has no work"
        );
        assert_eq!(read::<Vec<u32>>(&file, Role::Vrrp).unwrap(), Some(vec![1, 2, 3]));
        assert_eq!(read::<String>(&file, Role::Ops).unwrap().as_deref(), Some("mail"));
        assert_eq!(read::<String>(&file, Role::Lvs).unwrap(), None);
    }

    #[test]
    fn a_sealed_file_cannot_be_changed() {
        let mut file = File::from(written());
        assert!(file.write_all(b"x").is_err());
        assert!(file.set_len(0).is_err());
    }

    #[test]
    fn what_is_not_a_spec_file_is_refused() {
        let file = create().unwrap();
        assert!(header(&file).is_err());
        File::from(file.try_clone().unwrap()).write_all(&[0; 256]).unwrap();
        assert_eq!(header(&file).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
