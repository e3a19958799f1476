//! What is due: elections and advertisements, announcements, sockets to be opened again, the resync, the end of a stop.

use std::time::{Duration, Instant};

use vrrp::io::Error;
use vrrp::io::socket::TURNS_OF_A_FULL_SOCKET;

use super::{CoreLoop, RESYNC};
use crate::router::channel::Report;

impl CoreLoop {
    pub(super) fn handle_deadlines(&mut self) -> Result<(), Error> {
        let now = self.clock.now();
        let is_due = self.routers.poll_timeout().is_some_and(|due| due <= now);
        if is_due || self.stalled.is_some() {
            self.handle_core_deadline(now);
        }
        let now = self.clock.now();
        if self.waiting.poll_timeout().is_some_and(|by| by <= now) {
            self.announce_overdue();
        }
        self.announcer.send_due(now);
        if self.quiet_until.is_some_and(|until| until <= now) {
            self.quiet_until = None;
            self.tell_core();
        }
        let again = [self.sockets.poll_timeout(), self.damping.poll_timeout()];
        if again.into_iter().flatten().any(|at| at <= now) {
            self.tell_core();
        }
        if self.resync_at <= now {
            self.resync_at = now + RESYNC;
            self.links.drain(&mut self.requests)?;
            self.failed.retain(|place| self.holdings.is_wanted(place));
            self.holdings.suspect_all();
            self.paths_astray = true;
            self.tell_core();
        }
        if self.stop_by.is_some_and(|by| by <= now) {
            self.release_now();
        }
        Ok(())
    }

    /// The supervisor's patience ends soon: a release without a successor is better than being killed with the
    /// addresses in place.
    pub(super) fn release_now(&mut self) {
        self.holdings.release_all();
        while self.holdings.is_pending() {
            self.apply_holdings();
        }
        if !self.routers.is_stopped() {
            let text = "the hand-over did not end in the time that a stop has; released";
            self.end.report(Report::Trouble(text.to_owned()));
        }
        self.forced = true;
    }

    /// First in a turn, before anything is read: is this thread on time, and which advertisements are due?
    pub(super) fn handle_first(&mut self) {
        let now = self.clock.now();
        let due = [self.routers.poll_timeout(), self.routers.poll_check()];
        let Some(due) = due.into_iter().flatten().min().filter(|due| *due <= now) else { return };
        let late = now - due;
        let micros = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        self.counters.latest_us = self.counters.latest_us.max(micros);
        if let Some(priority) = self.raise.handle_lateness(late) {
            self.go_up(priority);
        }
        if self.routers.poll_check().is_some_and(|check| check <= now)
            && let Some(echo) = &mut self.echo
        {
            echo.ask(now);
        }
        self.stalled = self.shortest_interval().is_some_and(|it| late > it / 2).then_some(late);
        self.routers.handle_check(now);
        self.routers.advertise_if_due(now);
        self.settle();
    }

    fn handle_core_deadline(&mut self, now: Instant) {
        let stalled = self.stalled.take();
        let mut unheard_since = None;
        if stalled.is_some() || self.routers.is_election_due(now) {
            // Before the packets that came in before it.
            let echo = self.echo.as_mut();
            unheard_since = echo.and_then(|echo| echo.unheard_since(&mut self.inbox, now));
            for spot in self.sockets.spots() {
                self.read_packets(spot, TURNS_OF_A_FULL_SOCKET);
            }
            for interface in self.sockets.sealed_spots() {
                self.read_sealed(interface, TURNS_OF_A_FULL_SOCKET);
            }
            self.settle();
        }
        let now = self.clock.now();
        if let Some(late) = stalled {
            self.routers.handle_stall(late, now);
            if self.shortest_interval().is_some_and(|interval| late > interval) {
                self.counters.stalls += 1;
                self.end.report(Report::Stalled { late });
            }
        }
        if let (Some(since), Some(echo)) = (unheard_since, &mut self.echo)
            && self.routers.is_election_due(now)
        {
            let put_off = self.routers.handle_heard(since, now);
            if put_off > 0 {
                self.counters.held_back += put_off as u64;
                self.end.report(Report::HeldBack);
                echo.ask(now);
            }
        }
        self.routers.handle_timeout(now);
        self.settle();
    }

    fn go_up(&mut self, priority: u8) {
        let text = match sys::sched::run_in_real_time(priority) {
            Ok(()) => format!("this thread was late: real-time priority {priority} from now on"),
            Err(cause) => {
                self.raise.set(None);
                format!(
                    "this thread was late, and may not go to real-time priority {priority}: {cause}"
                )
            }
        };
        self.end.report(Report::Trouble(text));
    }

    pub(super) fn shortest_interval(&self) -> Option<Duration> {
        self.works.values().map(|work| work.router.advert_int).min()
    }
}
