//! The wait for the other director's connections: asks the lvs worker how many there are, and ends the wait.

use std::time::Instant;

use tracing::info;

use super::Desk;
use crate::message::{Message, Role};
use crate::router::channel::{Order, Start};
use crate::router::spec::RouterWorkerSpec;
use crate::router::status::VrrpStatus;
use crate::router::sync_wait::{SyncWait, Waited};

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Returns when the wait has something to do; never without one. May be dropped at any point.
pub(super) async fn due(wait: Option<&SyncWait>) {
    match wait.and_then(SyncWait::poll_timeout) {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

impl Desk<'_> {
    /// A director that starts waits; a worker that replaces one that died goes on with what the kernel has.
    pub(super) fn begin_sync_wait(&mut self, spec: &RouterWorkerSpec, start: Start) -> Start {
        let Some(wait) = spec.sync_wait.as_ref().filter(|_| !start.is_replacement) else {
            return start;
        };
        let seconds = wait.limit.as_secs_f64();
        info!("waits for connections of the other director, {seconds} s at most");
        self.sync_wait = Some(SyncWait::new(wait, now()));
        Start { unprepared: wait.routers.clone(), ..start }
    }

    pub(super) fn handle_sync_due(&mut self) {
        let Some(wait) = &mut self.sync_wait else { return };
        if wait.poll_question(now()) {
            self.ask_connections();
        }
        let waited = self.sync_wait.as_mut().and_then(|wait| wait.handle_timeout(now()));
        self.end_sync_wait(waited);
    }

    /// Asks the lvs worker how many connections there are.
    pub(super) fn ask_connections(&self) {
        // Full, or no lvs worker yet: asked again in a second.
        let _ = self.link.offer(Role::Lvs, &Message::TellConnections);
    }

    pub(super) fn handle_connections(&mut self, count: u64) {
        self.watch_connections(count);
        let waited = self.sync_wait.as_mut().and_then(|it| it.handle_connections(count, now()));
        self.end_sync_wait(waited);
    }

    /// It waits for the other director's connections.
    pub(super) fn waits_for_connections(&self) -> bool {
        self.sync_wait.as_ref().is_some_and(SyncWait::is_waiting)
    }

    fn end_sync_wait(&mut self, waited: Option<Waited>) {
        let (Some(waited), Some(wait)) = (waited, &self.sync_wait) else { return };
        match waited {
            Waited::Settled(count) => info!("connections are here: {count}; may preempt"),
            Waited::Limit(Some(count)) => {
                info!(
                    "connections still come, {count} up to now, but lvs_sync_wait is over; may preempt"
                );
            }
            Waited::Limit(None) => {
                info!("no word of connections in the time of lvs_sync_wait; may preempt");
            }
        }
        let routers = wait.routers().to_vec();
        routers.into_iter().for_each(|router| self.order(Order::Prepared(router)));
    }

    /// Adds the wait to what the core tells.
    pub(super) fn complete_sync_wait(&self, status: &mut VrrpStatus) {
        status.sync_wait = self.sync_wait.as_ref().map(|wait| {
            let names = wait.routers().iter().map(|router| self.name(*router).to_owned());
            wait.status(names.collect(), self.peer_connections(), now())
        });
    }
}
