//! The firewall of `no_accept` from the desk's side: rules before the real-time thread hears of the configuration, looked
//! after while it stands, taken away when everything is released.

use std::path::PathBuf;
use std::time::Duration;

use tracing::{info, warn};

use super::Desk;
use crate::router::firewall::FirewallSpec;
use crate::router::firewall::program::{self, Made};
use crate::router::status::{FirewallStatus, VrrpStatus};

/// How often it is seen whether the rules still stand, and tried again where none could be made.
const LOOK: Duration = Duration::from_secs(30);

/// What should stand and what does.
#[derive(Debug)]
pub(super) struct Barrier {
    runtime_dir: PathBuf,
    wanted: FirewallSpec,
    made: Option<Made>,
    trouble: Option<String>,
    look_at: tokio::time::Instant,
}

impl Barrier {
    /// With what a previous process left.
    pub(super) fn new(runtime_dir: PathBuf) -> Self {
        let made = program::read(&runtime_dir);
        let look_at = tokio::time::Instant::now();
        Self { runtime_dir, wanted: FirewallSpec::default(), made, trouble: None, look_at }
    }

    /// These rules from now on. Without them the addresses answer, which is told and never keeps a router from serving.
    pub(super) async fn apply(&mut self, spec: &FirewallSpec) {
        self.wanted = spec.clone();
        self.settle().await;
    }

    async fn settle(&mut self) {
        self.look_at = tokio::time::Instant::now() + LOOK;
        let outcome = match (&self.made, self.wanted.closed.is_empty()) {
            (None, true) => Ok(()),
            (Some(made), true) => match program::remove(made, &self.runtime_dir).await {
                Ok(()) => {
                    self.made = None;
                    Ok(())
                }
                Err(cause) => Err(format!("firewall rules are left behind: {cause}")),
            },
            (before, false) => {
                match program::make(&self.wanted, before.as_ref(), &self.runtime_dir).await {
                    Ok(made) => {
                        let addresses = self.wanted.closed.len();
                        info!(by = %made.backend, addresses, "firewall rules stand (no_accept)");
                        self.made = Some(made);
                        Ok(())
                    }
                    Err(cause) => Err(format!(
                        "no firewall rules for {} addresses under no_accept, which answer all the same: {cause}",
                        self.wanted.closed.len()
                    )),
                }
            }
        };
        if let Some(text) =
            outcome.as_ref().err().filter(|text| self.trouble.as_ref() != Some(*text))
        {
            warn!("{text}");
        }
        self.trouble = outcome.err();
    }

    /// When to look at it again; for ever where nothing is to stand.
    pub(super) async fn due(&self) {
        match self.made.is_none() && self.wanted.closed.is_empty() {
            true => std::future::pending().await,
            false => tokio::time::sleep_until(self.look_at).await,
        }
    }

    /// Makes again what somebody has taken away, or what could not be made before.
    pub(super) async fn look_after(&mut self) {
        self.look_at = tokio::time::Instant::now() + LOOK;
        let stands = match &self.made {
            Some(made) if self.trouble.is_none() => made.stands().await,
            Some(_) | None => false,
        };
        if !stands {
            if self.trouble.is_none() {
                warn!("firewall rules (no_accept) are missing and are made again");
            }
            self.settle().await;
        }
    }

    /// At the end.
    pub(super) async fn take_down(&mut self) {
        self.apply(&FirewallSpec::default()).await;
    }
}

impl Desk<'_> {
    pub(super) fn complete_firewall(&self, status: &mut VrrpStatus) {
        let Barrier { wanted, made, trouble, .. } = &self.barrier;
        let is_idle = made.is_none() && trouble.is_none();
        status.firewall = (!is_idle).then(|| FirewallStatus {
            by: made.as_ref().map(|made| made.backend.to_string()),
            addresses: wanted.closed.iter().map(|closed| closed.address).collect(),
            trouble: trouble.clone(),
        });
    }
}
