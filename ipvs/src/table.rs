//! All services of one kernel (one network namespace): the value that the plan and the kernel both speak.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::{Deserialize, Serialize};

use crate::destinations::Destinations;
use crate::key::ServiceKey;
use crate::op::Op;
use crate::service::Service;

/// A table of services. Some 50 bytes for each destination, so 20,000 of them are 1 MB.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// The services by what they take.
    pub services: BTreeMap<ServiceKey, Service>,
}

impl Table {
    /// What a kernel that holds this table holds after carrying out `op`.
    ///
    /// It answers as the kernel does: `false`, and nothing changed, where the kernel would refuse (a
    /// second entry of the same key, a change of an entry that is not there).
    pub fn apply(&mut self, op: &Op) -> bool {
        match *op {
            Op::NewService { key, settings } => match self.services.entry(key) {
                Entry::Vacant(entry) => {
                    entry.insert(Service::new(settings));
                    true
                }
                Entry::Occupied(_) => false,
            },
            Op::SetService { key, settings } => match self.services.get_mut(&key) {
                Some(service) => {
                    service.settings = settings;
                    true
                }
                None => false,
            },
            Op::DelService { key } => self.services.remove(&key).is_some(),
            Op::NewDest { service, key, destination } => match self.destinations(service) {
                Some(held) if !held.contains_key(&key) => held.insert(key, destination).is_none(),
                Some(_) | None => false,
            },
            Op::SetDest { service, key, destination } => match self.destinations(service) {
                Some(held) if held.contains_key(&key) => held.insert(key, destination).is_some(),
                Some(_) | None => false,
            },
            Op::DelDest { service, key } => {
                self.destinations(service).is_some_and(|held| held.remove(&key).is_some())
            }
        }
    }

    fn destinations(&mut self, service: ServiceKey) -> Option<&mut Destinations> {
        Some(&mut self.services.get_mut(&service)?.destinations)
    }
}
