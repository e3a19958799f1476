//! What this worker's configuration, verdicts and table come to, each as one number: the directors of a pair compare them
//! over their heartbeat path. Virtual servers and their checkers count, and nothing else that is configured. Files that give
//! the same checkers in another order count as different.

use super::{Served, Worker};
use crate::router::heartbeat::{Digests, digest};

impl Worker {
    /// What the other director of a pair compares.
    pub(super) fn digests(&self) -> Digests {
        let down = |served: &Served| -> Vec<(u32, u16)> { served.facts.verdicts.down().collect() };
        let specs: Vec<_> = self.served.values().map(|served| &served.spec).collect();
        let verdicts: Vec<_> = self.served.values().map(|served| down(served)).collect();
        let table: Vec<_> =
            self.served.iter().map(|(key, served)| (key, &*served.planned.service)).collect();
        Digests { services: digest(&specs), verdicts: digest(&verdicts), table: digest(&table) }
    }
}
