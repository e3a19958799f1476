//! What the kernel says of IPVS itself.

use serde::{Deserialize, Serialize};

/// IPVS in this kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// Version of IPVS: major, minor, patch; 1.2.1 since Linux 2.6.
    pub version: (u8, u8, u8),
    /// Buckets of the connection table (module parameter `conn_tab_bits`).
    pub connection_table_size: u32,
}
