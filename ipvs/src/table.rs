//! All services of one kernel (one network namespace): the value that the plan and the kernel both speak.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::{Deserialize, Serialize};

use crate::destination::{Destination, DestinationKey};
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
            Op::NewDest { service, key, destination } => match self.destination(service, key) {
                Some(Entry::Vacant(entry)) => {
                    entry.insert(destination);
                    true
                }
                Some(Entry::Occupied(_)) | None => false,
            },
            Op::SetDest { service, key, destination } => match self.destination(service, key) {
                Some(Entry::Occupied(mut entry)) => {
                    entry.insert(destination);
                    true
                }
                Some(Entry::Vacant(_)) | None => false,
            },
            Op::DelDest { service, key } => match self.destination(service, key) {
                Some(Entry::Occupied(entry)) => {
                    entry.remove();
                    true
                }
                Some(Entry::Vacant(_)) | None => false,
            },
        }
    }

    fn destination(
        &mut self,
        service: ServiceKey,
        key: DestinationKey,
    ) -> Option<Entry<'_, DestinationKey, Destination>> {
        Some(self.services.get_mut(&service)?.destinations.entry(key))
    }
}
