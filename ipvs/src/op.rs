//! One change of the kernel's table, with all it needs by value. It does not know who carries it out.

use serde::{Deserialize, Serialize};

use crate::destination::{Destination, DestinationKey};
use crate::key::ServiceKey;
use crate::service::Settings;

/// One change: one request to the kernel, which answers each for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Op {
    /// Add a service, as yet without destinations (`IPVS_CMD_NEW_SERVICE`).
    NewService {
        /// Which service.
        key: ServiceKey,
        /// What it is to be.
        settings: Settings,
    },
    /// Edit a service in place; its destinations and connections stay (`IPVS_CMD_SET_SERVICE`).
    SetService {
        /// Which service.
        key: ServiceKey,
        /// What it is to be.
        settings: Settings,
    },
    /// Remove a service with its destinations (`IPVS_CMD_DEL_SERVICE`).
    DelService {
        /// Which service.
        key: ServiceKey,
    },
    /// Add a destination (`IPVS_CMD_NEW_DEST`).
    NewDest {
        /// To which service.
        service: ServiceKey,
        /// Which destination.
        key: DestinationKey,
        /// What it is to be.
        destination: Destination,
    },
    /// Edit a destination in place; its connections stay (`IPVS_CMD_SET_DEST`).
    SetDest {
        /// Of which service.
        service: ServiceKey,
        /// Which destination.
        key: DestinationKey,
        /// What it is to be.
        destination: Destination,
    },
    /// Remove a destination (`IPVS_CMD_DEL_DEST`). One that comes back soon is revived by the kernel with
    /// its connections.
    DelDest {
        /// From which service.
        service: ServiceKey,
        /// Which destination.
        key: DestinationKey,
    },
}

impl Op {
    /// The service that the change touches.
    pub fn service(&self) -> ServiceKey {
        match *self {
            Op::NewService { key, .. } | Op::SetService { key, .. } | Op::DelService { key } => key,
            Op::NewDest { service, .. }
            | Op::SetDest { service, .. }
            | Op::DelDest { service, .. } => service,
        }
    }
}
