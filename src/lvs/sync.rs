//! The kernel's connection synchronisation (`lvs_sync_daemon`): which daemons should run, and keeping them so.
//!
//! A director that is master sends its connections, one that is not takes in those of others; so a failover cuts none.
//! By level, like the table: what runs is read, and what differs is changed.

use std::time::{Duration, Instant};

use ipvs::{Kernel, SyncDaemon, SyncRole};
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

/// Pause before a refused change is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// From look to look at what runs: two questions to the kernel, which nobody else changes as a rule.
const LOOK: Duration = Duration::from_secs(10);

/// What the configuration asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncSpec {
    /// The `vrrp_instance` that decides between master and backup; `None`: both run.
    pub instance: Option<String>,
    /// The daemon, in whatever role.
    pub daemon: SyncDaemon,
}

/// What `status` says of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncStatus {
    /// The instance that is followed.
    pub instance: Option<String>,
    /// Daemons that run: `master on eth1, id 51` ...
    pub running: Vec<String>,
    /// Daemons that should and do not.
    #[serde(default)]
    pub missing: Vec<String>,
    /// How often daemons of ours were found stopped or changed by others, and put right.
    #[serde(default)]
    pub repairs: u64,
    /// Why it is not as it should be.
    pub error: Option<String>,
}

/// The daemons of ours.
#[derive(Debug, Default)]
pub(super) struct Sync {
    spec: Option<SyncSpec>,
    /// What the followed instance is, once it is known.
    is_master: Option<bool>,
    running: Vec<SyncDaemon>,
    /// What was last carried out.
    done: Option<Vec<SyncDaemon>>,
    repairs: u64,
    error: Option<String>,
    look_at: Option<Instant>,
}

impl Sync {
    /// Takes a configuration over. Where none is given, daemons of ours stop and others are left alone.
    pub(super) fn configure(&mut self, spec: Option<SyncSpec>, kernel: &mut Kernel, now: Instant) {
        if self.spec == spec {
            return;
        }
        let instance = |spec: &Option<SyncSpec>| spec.as_ref().and_then(|one| one.instance.clone());
        if instance(&self.spec) != instance(&spec) {
            self.is_master = None;
        }
        let ended = self.spec.is_some() && spec.is_none();
        self.spec = spec;
        if ended {
            self.carry_out(&[], kernel, now);
        }
        self.apply(kernel, now);
    }

    /// The instance whose state decides, if one does.
    pub(super) fn instance(&self) -> Option<&str> {
        self.spec.as_ref()?.instance.as_deref()
    }

    /// An instance is master, or is not.
    pub(super) fn handle_instance(
        &mut self,
        name: &str,
        is_master: bool,
        kernel: &mut Kernel,
        now: Instant,
    ) {
        if self.instance() == Some(name) && self.is_master != Some(is_master) {
            self.is_master = Some(is_master);
            self.apply(kernel, now);
        }
    }

    /// When to look again, or to try a refused change again.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.look_at
    }

    /// Looks again.
    pub(super) fn handle_timeout(&mut self, kernel: &mut Kernel, now: Instant) {
        if self.look_at.is_some_and(|at| now >= at) {
            self.apply(kernel, now);
        }
    }

    /// At a stop: none of ours goes on.
    pub(super) fn stop(&mut self, kernel: &mut Kernel, now: Instant) {
        if self.spec.take().is_some() {
            self.carry_out(&[], kernel, now);
        }
    }

    pub(super) fn status(&self) -> Option<SyncStatus> {
        let spec = self.spec.as_ref()?;
        let words = |daemon: &SyncDaemon| {
            format!("{} on {}, id {}", role(daemon.role), daemon.interface, daemon.id)
        };
        let wanted = wanted(spec, self.is_master).unwrap_or_default();
        let runs = |wanted: &&SyncDaemon| self.running.iter().any(|is| wanted.is_met_by(is));
        Some(SyncStatus {
            instance: spec.instance.clone(),
            running: self.running.iter().map(words).collect(),
            missing: wanted.iter().filter(|wanted| !runs(wanted)).map(words).collect(),
            repairs: self.repairs,
            error: self.error.clone(),
        })
    }

    fn apply(&mut self, kernel: &mut Kernel, now: Instant) {
        let wanted = self.spec.as_ref().and_then(|spec| wanted(spec, self.is_master));
        if let Some(wanted) = wanted {
            self.carry_out(&wanted, kernel, now);
        }
    }

    fn carry_out(&mut self, wanted: &[SyncDaemon], kernel: &mut Kernel, now: Instant) {
        let is_ours = self.done.as_deref() == Some(wanted);
        let mut meddled = false;
        let outcome = kernel.daemons().and_then(|running| {
            for step in steps(wanted, &running) {
                meddled |= is_ours;
                match step {
                    Step::Stop(which) => {
                        kernel.stop_daemon(which)?;
                        info!("sync daemon stopped: {}", role(which));
                    }
                    Step::Start(daemon) => {
                        kernel.start_daemon(&daemon)?;
                        let (interface, id) = (daemon.interface, daemon.id);
                        info!(%interface, id, "sync daemon started: {}", role(daemon.role));
                    }
                }
            }
            kernel.daemons()
        });
        match outcome {
            Ok(running) => {
                if meddled {
                    self.repairs += 1;
                    warn!("a sync daemon was stopped or changed by something else: put right");
                }
                (self.running, self.error) = (running, None);
                self.done = Some(wanted.to_vec());
                self.look_at = self.spec.is_some().then_some(now + LOOK);
            }
            Err(cause) => {
                let why = cause.to_string();
                if self.error.as_ref() != Some(&why) {
                    warn!("lvs_sync_daemon: {why}; tried again every {} s", RETRY.as_secs());
                }
                (self.error, self.look_at) = (Some(why), Some(now + RETRY));
            }
        }
    }
}

/// What should run; `None` while that is not known, and what runs is left alone.
fn wanted(spec: &SyncSpec, is_master: Option<bool>) -> Option<Vec<SyncDaemon>> {
    let roles = match (&spec.instance, is_master) {
        (None, _) => vec![SyncRole::Master, SyncRole::Backup],
        (Some(_), Some(true)) => vec![SyncRole::Master],
        (Some(_), Some(false)) => vec![SyncRole::Backup],
        (Some(_), None) => return None,
    };
    Some(roles.into_iter().map(|role| SyncDaemon { role, ..spec.daemon }).collect())
}

/// One change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Stop(SyncRole),
    Start(SyncDaemon),
}

/// From what runs to what should: stops first, as the kernel has room for one of each role.
fn steps(wanted: &[SyncDaemon], running: &[SyncDaemon]) -> Vec<Step> {
    let is_wanted = |is: &SyncDaemon| wanted.iter().any(|wanted| wanted.is_met_by(is));
    let stops = running.iter().filter(|is| !is_wanted(is)).map(|is| Step::Stop(is.role));
    let runs = |wanted: &&SyncDaemon| !running.iter().any(|is| wanted.is_met_by(is));
    stops.chain(wanted.iter().filter(runs).map(|daemon| Step::Start(*daemon))).collect()
}

fn role(role: SyncRole) -> &'static str {
    match role {
        SyncRole::Master => "master",
        SyncRole::Backup => "backup",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(instance: Option<&str>) -> SyncSpec {
        let interface = "eth1".parse().unwrap();
        let daemon = SyncDaemon::new(SyncRole::Backup, interface, 51);
        SyncSpec { instance: instance.map(str::to_owned), daemon }
    }

    #[test]
    fn alone_both_run_and_behind_an_instance_the_one_that_fits() {
        let roles = |spec: &SyncSpec, is_master| {
            let daemons = wanted(spec, is_master)?;
            Some(daemons.iter().map(|daemon| role(daemon.role)).collect::<Vec<_>>())
        };
        assert_eq!(roles(&spec(None), None), Some(vec!["master", "backup"]));
        let follows = spec(Some("VI_1"));
        assert_eq!(roles(&follows, Some(true)), Some(vec!["master"]));
        assert_eq!(roles(&follows, Some(false)), Some(vec!["backup"]));
        assert_eq!(roles(&follows, None), None);
    }

    #[test]
    fn only_what_differs_is_changed_and_stops_come_first() {
        let daemon = spec(None).daemon;
        let backup = SyncDaemon { role: SyncRole::Backup, ..daemon };
        let master = SyncDaemon { role: SyncRole::Master, ..daemon };
        let other = SyncDaemon { id: 7, ..backup };
        assert_eq!(steps(&[backup], &[backup]), []);
        let turned = [Step::Stop(SyncRole::Backup), Step::Start(master)];
        assert_eq!(steps(&[master], &[backup]), turned);
        let renewed = [Step::Stop(SyncRole::Backup), Step::Start(backup)];
        assert_eq!(steps(&[master, backup], &[master, other]), renewed);
        assert_eq!(steps(&[], &[backup]), [Step::Stop(SyncRole::Backup)]);
    }
}
