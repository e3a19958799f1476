//! The lvs worker's section of a spec file: what concerns all, then each virtual server in a parcel of its own, named by
//! a digest of its content.
//!
//! A reload of twenty thousand real servers mostly changes none of them. A worker that knows the digests of what it runs
//! opens only the parcels that it does not know; the others it need not even read.
//!
//! ```text
//! u32 count | u32 length of head | count x (digest, u32 length) | head | parcels
//! ```
//!
//! Numbers are little endian, head and parcels are postcard's.

use std::io;
use std::ops::Range;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::spec::{LvsSpec, ServiceSpec};

/// The first half of the SHA-256 of a parcel: two that differ never have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 16]);

const LEAD: usize = 8;
const ENTRY: usize = 16 + 4;

impl Digest {
    fn of(bytes: &[u8]) -> Self {
        let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
        Self(hash.as_ref().first_chunk().copied().unwrap_or_default())
    }
}

/// A section that was read; its parcels are opened one by one.
#[derive(Debug)]
pub struct Section {
    bytes: Vec<u8>,
    /// Everything but the virtual servers.
    pub head: LvsSpec,
    entries: Vec<(Digest, Range<usize>)>,
}

/// A section that is being written: virtual servers come one by one and need not be there at once.
#[derive(Debug, Default)]
pub struct Packer {
    parcels: Vec<u8>,
    entries: Vec<u8>,
}

impl Packer {
    /// Puts a virtual server behind the others.
    pub fn add(&mut self, service: &ServiceSpec) -> io::Result<()> {
        let start = self.parcels.len();
        let parcels = std::mem::take(&mut self.parcels);
        self.parcels = postcard::to_extend(service, parcels).map_err(io::Error::other)?;
        let parcel = &self.parcels[start..];
        self.entries.extend_from_slice(&Digest::of(parcel).0);
        self.entries.extend_from_slice(&length(parcel.len())?);
        Ok(())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The section in pieces that follow each other; `head` has no virtual servers.
    pub fn finish(self, head: &LvsSpec) -> io::Result<Vec<Vec<u8>>> {
        let head = encode(head)?;
        let lead = [length(self.entries.len() / ENTRY)?, length(head.len())?].concat();
        Ok(vec![lead, self.entries, head, self.parcels])
    }
}

/// Reads all of a section, as no worker does.
pub fn unpack(bytes: Vec<u8>) -> io::Result<LvsSpec> {
    let section = Section::read(bytes)?;
    let services =
        (0..section.entries.len()).map(|at| section.open(at)).collect::<Result<_, _>>()?;
    Ok(LvsSpec { services, ..section.head })
}

impl Section {
    /// Reads what concerns all, and where the parcels are.
    pub fn read(bytes: Vec<u8>) -> io::Result<Self> {
        let number = |at: usize| {
            let four = bytes.get(at..)?.first_chunk()?;
            usize::try_from(u32::from_le_bytes(*four)).ok()
        };
        let (Some(count), Some(head)) = (number(0), number(4)) else { return Err(refused()) };
        let index = count.checked_mul(ENTRY).and_then(|length| length.checked_add(LEAD));
        let head_end = index.and_then(|end| end.checked_add(head));
        let (Some(index), Some(mut at)) = (index, head_end) else { return Err(refused()) };
        let head = decode(bytes.get(index..at).ok_or_else(refused)?)?;
        let mut entries = Vec::with_capacity(count);
        for entry in bytes[LEAD..index].chunks_exact(ENTRY) {
            let (digest, length) = entry.split_first_chunk().ok_or_else(refused)?;
            let length = length.first_chunk().map(|four| u32::from_le_bytes(*four));
            let end = length.and_then(|length| at.checked_add(usize::try_from(length).ok()?));
            let end = end.filter(|end| *end <= bytes.len()).ok_or_else(refused)?;
            entries.push((Digest(*digest), at..end));
            at = end;
        }
        Ok(Self { head, entries, bytes })
    }

    /// The digests, each with its place for [`Section::open`].
    pub fn digests(&self) -> impl Iterator<Item = (usize, Digest)> + '_ {
        self.entries.iter().map(|(digest, _)| *digest).enumerate()
    }

    /// One virtual server.
    pub fn open(&self, at: usize) -> io::Result<ServiceSpec> {
        let (_, range) = self.entries.get(at).ok_or_else(refused)?;
        decode(&self.bytes[range.clone()])
    }
}

fn encode<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    postcard::to_stdvec(value).map_err(io::Error::other)
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    postcard::from_bytes(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn length(bytes: usize) -> io::Result<[u8; 4]> {
    u32::try_from(bytes).map(u32::to_le_bytes).map_err(io::Error::other)
}

fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the section of the lvs worker is damaged")
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::spec;
    use super::*;
    use crate::config::Config;

    fn services(weights: &[u16]) -> Vec<ServiceSpec> {
        let mut second = spec(weights);
        second.quorum = 7;
        vec![spec(&[1, 2]), second]
    }

    fn packed(services: &[ServiceSpec]) -> Vec<u8> {
        let mut packer = Packer::default();
        services.iter().for_each(|service| packer.add(service).unwrap());
        packer.finish(&LvsSpec::from(&Config::default())).unwrap().concat()
    }

    #[test]
    fn what_is_packed_comes_out_again() {
        for services in [services(&[3]), Vec::new()] {
            let spec = unpack(packed(&services)).unwrap();
            assert_eq!(spec, LvsSpec { services, ..LvsSpec::from(&Config::default()) });
        }
    }

    #[test]
    fn only_the_parcel_of_what_changed_has_another_digest() {
        let digests = |services: &[ServiceSpec]| {
            let section = Section::read(packed(services)).unwrap();
            section.digests().collect::<Vec<_>>()
        };
        let (before, after) = (digests(&services(&[3])), digests(&services(&[4])));
        assert_eq!(before[0], after[0]);
        assert_ne!(before[1], after[1]);
        assert_eq!(digests(&services(&[3])), before, "the same content, the same digest");
    }

    #[test]
    fn damage_is_refused_and_never_read_beyond_the_end() {
        let bytes = packed(&services(&[3]));
        for length in 0..bytes.len() {
            assert!(unpack(bytes[..length].to_vec()).is_err(), "{length} bytes");
        }
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0xff;
            // Some bytes make another spec; none makes a panic.
            let _ = unpack(bytes);
        }
        assert!(unpack(vec![0xff; 64]).is_err());
    }
}
