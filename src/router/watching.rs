//! Who else announces addresses that a router of ours holds: a successor that it hands over to, or another holder.

use std::time::{Duration, Instant};

use nix::errno::Errno;
use vrrp::RouterId;

use super::channel::Report;
use super::core_loop::CoreLoop;
use super::sockets::Spot;

/// From a router's addresses to its watch.
const WATCH_AFTER: Duration = Duration::from_millis(20);

/// Routers that hold addresses since just now and are not watched for yet.
#[derive(Debug, Default)]
pub(super) struct ToWatch {
    pub(super) routers: Vec<RouterId>,
    at: Option<Instant>,
}

impl ToWatch {
    /// When [`CoreLoop::watch_waiting`] has something to do.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.at
    }
}

impl CoreLoop {
    /// Whoever takes over from us does it later than this, and those that are to be answered now go first: a packet socket
    /// with its filter took three of the five milliseconds from our first claim to the first answer.
    pub(super) fn watch_soon(&mut self, router: Option<RouterId>) {
        self.to_watch.routers.extend(router);
        let soon = self.clock.now() + WATCH_AFTER;
        self.to_watch.at.get_or_insert(soon);
    }

    pub(super) fn watch_waiting(&mut self) {
        self.to_watch.at = None;
        while let Some(router) = self.to_watch.routers.pop() {
            self.watch(router);
        }
        self.narrow_watchers();
    }

    pub(super) fn watch(&mut self, router: RouterId) {
        let Some(work) = self.works.get(&router) else { return };
        let places = work.addresses.iter().map(|vip| (vip.interface, vip.address));
        // Without a watcher a hand-over ends by its deadline. It hears what is narrowed for in the same turn.
        if let Err(error) = self.sockets.watch(router, places, &self.links, &self.epoll) {
            self.end.report(Report::Trouble(error.to_string()));
        }
    }

    /// After all of a turn's changes: with thousands of addresses their list is not made for each router.
    pub(super) fn narrow_watchers(&mut self) {
        for error in self.sockets.narrow_watchers() {
            self.end.report(Report::Trouble(error.to_string()));
        }
    }

    pub(super) fn unwatch(&mut self, router: RouterId) {
        for watcher in self.sockets.unwatch(router, &self.epoll) {
            self.end.report(Report::Closed(watcher));
        }
    }

    pub(super) fn read_announcements(&mut self, spot: Spot) {
        let now = self.clock.now();
        let Some(watcher) = self.sockets.watcher(spot) else { return };
        let routers = &mut self.routers;
        let received = watcher.receive(&mut self.inbox, |address| {
            routers.handle_announcement(spot.0, address, now);
        });
        let is_down = |error: &std::io::Error| error.raw_os_error() == Some(Errno::ENETDOWN as i32);
        match received {
            Ok(_) => {}
            // The interface is down; the socket works again when it is up.
            Err(error) if is_down(&error) => {}
            Err(error) => {
                if let Some(watcher) = self.sockets.drop_watcher(spot, &self.epoll) {
                    self.end.report(Report::Closed(watcher));
                }
                let text = format!("announcement watcher on {}: {error}; given up", spot.0);
                self.end.report(Report::Trouble(text));
            }
        }
    }
}
