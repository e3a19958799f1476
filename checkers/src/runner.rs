//! Probes in flight: one task for each, all owned and joined here, on the caller's runtime.
//!
//! [`Runner::next`] may be dropped at any point without losing an outcome. Dropping the runner drops its probes: sockets
//! close, scripts are killed; [`Runner::shutdown`] ends scripts in good order and waits for them.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{oneshot, watch};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

use crate::checkers::RunId;
use crate::failure::LocalFault;
use crate::outcome::{Outcome, Weight};
use crate::probe::opening::Opening;
use crate::probe::{self, Ended, Held, told};
use crate::spec::{CheckSpec, ProbeKind, Step, Target};

/// Performs what the engine asks for.
#[derive(Debug, Default)]
pub struct Runner {
    tasks: JoinSet<(RunId, Ended)>,
    runs: HashMap<RunId, Run>,
    /// What BFD sessions say, by name.
    told: HashMap<Box<str>, watch::Sender<Option<bool>>>,
    /// Where `TCP_CHECK`s wait, from the first one on.
    opening: Option<Arc<Opening>>,
}

/// A task and how to stop it.
#[derive(Debug)]
struct Run {
    task: AbortHandle,
    /// Scripts are asked, so that they can be ended in good order; all else is just dropped.
    ask: Option<oneshot::Sender<()>>,
}

impl Runner {
    /// Nothing in flight.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a probe. Must be called within a tokio runtime with I/O and time.
    pub fn start(&mut self, run: RunId, target: Target, spec: Arc<CheckSpec>, step: Step) {
        self.start_at(run, target, spec, step, None);
    }

    /// The same where the caller knows the time: its deadline counts from there, and the clock need not be asked again.
    pub fn start_at(
        &mut self,
        run: RunId,
        target: Target,
        spec: Arc<CheckSpec>,
        step: Step,
        now: Option<Instant>,
    ) {
        let (ask, cancelled) = oneshot::channel();
        let ask = spec.kind.forks().then_some(ask);
        let signal = match &spec.kind {
            ProbeKind::Bfd(name) => Some(self.told.entry(name.clone()).or_default().subscribe()),
            _ => None,
        };
        let opening = matches!(spec.kind, ProbeKind::Tcp(_)).then(|| self.opening()).flatten();
        let probe = async move {
            let opening = opening.as_deref();
            let ended = match signal {
                Some(signal) => Box::pin(told::run(signal)).await,
                None => probe::run(target, &spec, step, cancelled, opening, now).await,
            };
            (run, ended)
        };
        let task = self.tasks.spawn(probe);
        self.runs.insert(run, Run { task, ask });
    }

    /// A BFD session is (now) up or down; `BFD_CHECK`s of it hear that at once.
    pub fn tell(&mut self, session: &str, up: bool) {
        self.told.entry(session.into()).or_default().send_replace(Some(up));
    }

    /// Stops a probe: its outcome will not be given out.
    pub fn cancel(&mut self, run: RunId) {
        if let Some(run) = self.runs.remove(&run) {
            run.stop();
        }
    }

    /// The next outcome, of a kind that holds what it has opened also the second; waits for ever while nothing is in flight.
    pub async fn next(&mut self) -> (RunId, Outcome) {
        loop {
            let joined = match &self.opening {
                None => self.tasks.join_next_with_id().await,
                Some(opening) => tokio::select! {
                    biased;
                    joined = self.tasks.join_next_with_id() => joined,
                    never = opening.drive() => match never {},
                },
            };
            let Some(joined) = joined else { return pending().await };
            if let Some(outcome) = self.outcome(joined) {
                return outcome;
            }
        }
    }

    /// An outcome that is there already.
    pub fn try_next(&mut self) -> Option<(RunId, Outcome)> {
        while let Some(joined) = self.tasks.try_join_next_with_id() {
            let outcome = self.outcome(joined);
            if outcome.is_some() {
                return outcome;
            }
        }
        None
    }

    /// How many are in flight or held.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.tasks.len()
    }

    /// Stops all probes and waits until they have ended, which takes a script two seconds at most.
    pub async fn shutdown(mut self) {
        for (_, run) in self.runs.drain() {
            run.stop();
        }
        while self.tasks.join_next().await.is_some() {}
    }

    /// `None` without a descriptor for it: a probe waits by itself then.
    fn opening(&mut self) -> Option<Arc<Opening>> {
        if self.opening.is_none() {
            self.opening = Opening::new().ok().map(Arc::new);
        }
        self.opening.clone()
    }

    /// `None` for a probe that was cancelled. A probe that broke is a fault of ours, and must not stay in flight.
    fn outcome(
        &mut self,
        joined: Result<(Id, (RunId, Ended)), JoinError>,
    ) -> Option<(RunId, Outcome)> {
        match joined {
            Ok((_, (run, Ended::With(outcome)))) => self.runs.remove(&run).map(|_| (run, outcome)),
            Ok((_, (run, Ended::Held(held)))) => self.hold(run, held),
            Err(error) => {
                let broke = |(_, run): &(&RunId, &Run)| run.task.id() == error.id();
                let run = *self.runs.iter().find(broke)?.0;
                self.runs.remove(&run);
                let step = format!("the probe broke: {error}");
                Some((run, Outcome::NotAsked(LocalFault { step, errno: 0 })))
            }
        }
    }
}

impl Runner {
    /// A probe that passed and goes on, under the same name: its end is a second outcome.
    fn hold(&mut self, run: RunId, mut held: Held) -> Option<(RunId, Outcome)> {
        let known = self.runs.get_mut(&run)?;
        let hold = async move { (run, Ended::With(Outcome::Failed(held.end().await))) };
        known.task = self.tasks.spawn(hold);
        Some((run, Outcome::Passed(Weight::Configured)))
    }
}

impl Run {
    fn stop(self) {
        match self.ask {
            // An error means that the script has ended meanwhile.
            Some(ask) => ask.send(()).unwrap_or_default(),
            None => self.task.abort(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_probe_that_breaks_is_a_fault_of_ours_and_does_not_stay_in_flight() {
        let mut runner = Runner::new();
        let task = runner.tasks.spawn(async { panic!("broken on purpose") });
        runner.runs.insert(RunId(3), Run { task, ask: None });
        let (run, outcome) = runner.next().await;
        assert_eq!((run, runner.in_flight()), (RunId(3), 0));
        let Outcome::NotAsked(fault) = outcome else { panic!("{outcome:?}") };
        assert!(fault.to_string().contains("broken on purpose"), "{fault}");
        assert!(runner.try_next().is_none());
    }
}
