//! A configuration as it was given to the worker: what concerns all, and of the virtual servers only those that are new
//! to it or not as they were.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;

use ipvs::ServiceKey;

use crate::lvs::parcel::{Digest, Section};
use crate::lvs::spec::{LvsSpec, ServiceSpec};
use crate::message::Role;
use crate::spec_file;

/// See the module.
pub(super) struct Given {
    /// What concerns all.
    pub(super) head: LvsSpec,
    /// Every virtual server that is configured.
    pub(super) parcels: Parcels,
    /// Those that are not known, opened.
    pub(super) opened: Vec<ServiceSpec>,
}

/// Virtual servers by the digest of the parcel that they came in.
pub(in crate::lvs) type Parcels = BTreeMap<Digest, ServiceKey>;

impl Given {
    /// Opens the parcels that are not among the known ones.
    pub(super) fn read(specs: Option<OwnedFd>, known: &Parcels) -> io::Result<Self> {
        let missing = || io::Error::new(io::ErrorKind::InvalidData, "no specs came along");
        let bytes = spec_file::section(&specs.ok_or_else(missing)?, Role::Lvs)?;
        let section = Section::read(bytes.ok_or_else(missing)?)?;
        let mut parcels = Vec::with_capacity(section.digests().size_hint().0);
        let mut opened = Vec::new();
        for (at, digest) in section.digests() {
            let key = match known.get(&digest) {
                Some(key) => *key,
                None => {
                    let service = section.open(at)?;
                    let key = service.key;
                    opened.push(service);
                    key
                }
            };
            parcels.push((digest, key));
        }
        // Made in one go, so that no place in it is free.
        let parcels = parcels.into_iter().collect();
        Ok(Self { head: section.head, parcels, opened })
    }

    /// For one that writes nothing and runs no script.
    pub(super) fn silent(self) -> Self {
        let opened = self.opened.into_iter().map(ServiceSpec::silent).collect();
        Self { head: self.head.silent(), opened, ..self }
    }
}
