//! The caller's one timer for the engine, on a grid: probes that are due within one tick start together.
//!
//! Registering a tokio timer that is earlier than all that its driver has costs a write to an eventfd and a turn of epoll.
//! Armed anew for each of 1,000 checks a second that was a quarter of all system calls. On the grid it would happen once a
//! tick, when the timer that has rung was the earliest; so a second one stands a tick behind the first, and where the next
//! tick is as busy nothing is registered early. The deadlines of the probes themselves are timers as well: a guard that
//! always stands less than [`GUARD`] ahead keeps them from being the earliest.

use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::time::{Duration, Instant};

use tokio::time::{Sleep, sleep, sleep_until};

/// A probe starts at most so much late, and half as much on average: nothing beside a `delay_loop`.
const TICK: Duration = Duration::from_millis(10);

/// Wakes so often even if nothing is due, and covers probes with at least this `connect_timeout`.
const GUARD: Duration = Duration::from_secs(1);

/// Sleeps until the engine wants to be called.
#[derive(Debug)]
pub struct Alarm {
    origin: Instant,
    armed: Option<Instant>,
    sleep: Pin<Box<Sleep>>,
    /// A tick behind `sleep`; that it rings means nothing.
    behind: Pin<Box<Sleep>>,
    guard: Pin<Box<Sleep>>,
}

impl Alarm {
    /// Must be called within a tokio runtime with time.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            origin: now,
            armed: None,
            sleep: Box::pin(sleep_until(now.into())),
            behind: Box::pin(sleep_until(now.into())),
            guard: Box::pin(sleep(GUARD)),
        }
    }

    /// Waits for what [`crate::Checkers::poll_timeout`] said, for ever if that was nothing. May be dropped and called
    /// again with the same or another time.
    pub async fn until(&mut self, due: Option<Instant>) {
        let Some(due) = due else { return pending().await };
        let due = self.round_up(due);
        if self.armed != Some(due) {
            self.sleep.as_mut().reset(due.into());
            self.behind.as_mut().reset((due + TICK).into());
            self.armed = Some(due);
        }
        let (sleep, behind, guard) = (&mut self.sleep, &mut self.behind, &mut self.guard);
        poll_fn(|cx| {
            while guard.as_mut().poll(cx).is_ready() {
                guard.as_mut().reset(tokio::time::Instant::now() + GUARD);
            }
            // To be registered it must be polled.
            let _rung = !behind.is_elapsed() && behind.as_mut().poll(cx).is_ready();
            sleep.as_mut().poll(cx)
        })
        .await;
    }

    fn round_up(&self, due: Instant) -> Instant {
        let since = due.saturating_duration_since(self.origin);
        let over = since.as_nanos() % TICK.as_nanos();
        match u64::try_from(over) {
            Ok(0) | Err(_) => due,
            Ok(over) => due + TICK - Duration::from_nanos(over),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn times_of_one_tick_ring_together_and_never_early() {
        let origin = tokio::time::Instant::now();
        let mut alarm = Alarm::new(origin.into_std());
        let rung = |at: tokio::time::Instant| at.duration_since(origin).as_millis();
        let mut seen = Vec::new();
        for due in [0, 1, 9, 10, 11, 10, 35] {
            let due = origin.into_std() + Duration::from_millis(due);
            alarm.until(Some(due)).await;
            seen.push(rung(tokio::time::Instant::now()));
        }
        assert_eq!(seen, [0, 10, 10, 10, 20, 20, 40]);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_time_it_never_rings() {
        let mut alarm = Alarm::new(tokio::time::Instant::now().into_std());
        let rung = tokio::time::timeout(Duration::from_secs(3600), alarm.until(None)).await;
        assert!(rung.is_err());
    }
}
