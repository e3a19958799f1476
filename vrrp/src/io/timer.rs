//! The one timer of a real-time thread: a timerfd on CLOCK_MONOTONIC, set to absolute instants.
//!
//! An absolute deadline that has passed fires at once; nothing is lost between reading the clock and arming.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::time::clock_gettime;

use super::error::Error;

/// How often a clock is read until it is known.
const READINGS: u8 = 4;

/// CLOCK_MONOTONIC as nanoseconds beside [`Instant`], which hides them: deadlines for the kernel, and times
/// that another process of the same boot can compare with.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    instant: Instant,
    nanoseconds: u64,
}

/// A timer that makes a descriptor readable when it fires.
#[derive(Debug)]
pub struct Timer {
    timer: TimerFd,
    clock: Clock,
    armed: Option<Instant>,
}

impl Clock {
    /// The time of day: so long since 1970 (UTC), as it is set now.
    #[expect(clippy::disallowed_methods, reason = "this is the edge that time comes in by")]
    pub fn time_of_day() -> Duration {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
    }

    /// Reads both faces of the clock, nanoseconds last: what they are apart makes a timer late, by the time of one
    /// reading, and never early. One that is early wakes for nothing, and again at once. Of a few readings the nearest
    /// counts.
    #[expect(clippy::disallowed_methods, reason = "this is the edge that time comes in by")]
    pub fn new() -> Self {
        let read = || {
            let instant = Instant::now();
            let now = clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC);
            let nanoseconds =
                now.map_or(0, |now| Duration::from(now).as_nanos().try_into().unwrap_or(u64::MAX));
            (instant.elapsed(), Self { instant, nanoseconds })
        };
        let mut nearest = read();
        for _ in 1..READINGS {
            let next = read();
            if next.0 < nearest.0 {
                nearest = next;
            }
        }
        nearest.1
    }

    /// Now.
    #[expect(clippy::disallowed_methods, reason = "this is the edge that time comes in by")]
    pub fn now(&self) -> Instant {
        Instant::now()
    }

    /// Nanoseconds of CLOCK_MONOTONIC at `instant`.
    pub fn nanoseconds(&self, instant: Instant) -> u64 {
        let later = instant.saturating_duration_since(self.instant).as_nanos();
        let earlier = self.instant.saturating_duration_since(instant).as_nanos();
        let narrow = |value: u128| u64::try_from(value).unwrap_or(u64::MAX);
        self.nanoseconds.saturating_add(narrow(later)).saturating_sub(narrow(earlier))
    }

    /// The instant of `nanoseconds` of CLOCK_MONOTONIC, as near as an [`Instant`] can say it.
    pub fn instant(&self, nanoseconds: u64) -> Instant {
        let later = Duration::from_nanos(nanoseconds.saturating_sub(self.nanoseconds));
        let earlier = Duration::from_nanos(self.nanoseconds.saturating_sub(nanoseconds));
        let at = self.instant.checked_add(later).unwrap_or(self.instant);
        at.checked_sub(earlier).unwrap_or(self.instant)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Timer {
    /// A timer that is not armed.
    pub fn open(clock: Clock) -> Result<Self, Error> {
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let timer =
            TimerFd::new(ClockId::CLOCK_MONOTONIC, flags).map_err(broken("timerfd_create"))?;
        Ok(Self { timer, clock, armed: None })
    }

    /// Fires at `deadline`, or never. Costs no system call when nothing changes.
    pub fn arm(&mut self, deadline: Option<Instant>) -> Result<(), Error> {
        if self.armed == deadline {
            return Ok(());
        }
        match deadline {
            None => self.timer.unset().map_err(broken("timerfd_settime"))?,
            Some(deadline) => {
                // Zero would disarm.
                let at = Duration::from_nanos(self.clock.nanoseconds(deadline).max(1));
                let at = Expiration::OneShot(TimeSpec::from(at));
                let absolute = TimerSetTimeFlags::TFD_TIMER_ABSTIME;
                self.timer.set(at, absolute).map_err(broken("timerfd_settime"))?;
            }
        }
        self.armed = deadline;
        Ok(())
    }

    /// Clears the descriptor after it became readable; the deadline that it was armed for, if it has fired.
    pub fn acknowledge(&mut self) -> Option<Instant> {
        // The descriptor does not block: EAGAIN means that it was armed anew meanwhile.
        self.timer.wait().is_ok().then(|| self.armed.take()).flatten()
    }
}

impl AsFd for Timer {
    /// Readable when the timer has fired.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}

fn broken(step: &'static str) -> impl Fn(Errno) -> Error {
    move |errno| Error::Socket { what: "timer".into(), step, cause: errno.into() }
}

#[cfg(test)]
mod tests {
    use nix::poll::{PollFd, PollFlags, poll};

    use super::*;

    #[test]
    fn both_faces_of_the_clock_agree() {
        let clock = Clock::new();
        let now = clock.now();
        assert_eq!(clock.instant(clock.nanoseconds(now)), now);
        let earlier = now - Duration::from_millis(5);
        assert_eq!(clock.nanoseconds(now) - clock.nanoseconds(earlier), 5_000_000);
        assert_eq!(clock.instant(clock.nanoseconds(earlier)), earlier);
    }

    #[test]
    fn a_deadline_that_has_passed_fires_at_once_and_once() {
        let clock = Clock::new();
        let mut timer = Timer::open(clock).unwrap();
        let deadline = clock.now() - Duration::from_millis(1);
        timer.arm(Some(deadline)).unwrap();
        let ready = poll(&mut [PollFd::new(timer.as_fd(), PollFlags::POLLIN)], 1000_u16).unwrap();
        assert_eq!(ready, 1);
        assert_eq!(timer.acknowledge(), Some(deadline));
        assert_eq!(timer.acknowledge(), None);
    }

    #[test]
    fn no_timer_is_early() {
        for _ in 0..50 {
            let clock = Clock::new();
            let mut timer = Timer::open(clock).unwrap();
            let deadline = clock.now() + Duration::from_micros(200);
            timer.arm(Some(deadline)).unwrap();
            poll(&mut [PollFd::new(timer.as_fd(), PollFlags::POLLIN)], 1000_u16).unwrap();
            assert!(clock.now() >= deadline);
        }
    }

    #[test]
    fn a_disarmed_timer_stays_silent() {
        let clock = Clock::new();
        let mut timer = Timer::open(clock).unwrap();
        timer.arm(Some(clock.now() + Duration::from_secs(60))).unwrap();
        timer.arm(None).unwrap();
        let ready = poll(&mut [PollFd::new(timer.as_fd(), PollFlags::POLLIN)], 0_u8).unwrap();
        assert_eq!(ready, 0);
    }
}
