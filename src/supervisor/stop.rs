//! The stop: the addresses go first, the table second, the witness last.
#![expect(clippy::disallowed_methods, reason = "the edge: a stop has deadlines")]

use std::time::Instant;

use tracing::info;

use super::Supervisor;
use crate::message::{Message, Role};

impl Supervisor {
    pub(super) fn begin_stop(&mut self) {
        if self.stop.is_none() {
            info!("stopping");
            self.service_manager.stopping(Instant::now());
            if let Some(loading) = &mut self.loading {
                loading.loader.kill();
            }
            self.stop_next(Role::Vrrp);
        }
    }

    /// The addresses go first, the table second, the witness last.
    pub(super) fn stop_next(&mut self, role: Role) {
        self.stop = Some(role);
        let now = Instant::now();
        self.stop_worker(role, now);
        if self.workers.get(&role).is_none_or(|worker| worker.child.is_none()) {
            match role {
                Role::Vrrp => self.stop_next(Role::Lvs),
                Role::Lvs => self.stop_next(Role::Ops),
                Role::Ops | Role::Supervisor => {
                    info!("stopped");
                    self.finished = true;
                }
            }
        }
    }

    pub(super) fn stop_worker(&mut self, role: Role, now: Instant) {
        let kill_at = now + self.header.child_wait;
        if let Some(worker) = self.workers.get_mut(&role) {
            worker.watch.stopping(kill_at);
        }
        self.send(role, &Message::Stop, None);
    }
}
