//! How the worker ends.

use std::time::Instant;

use ipvs::ServiceKey;
use tracing::{error, info, warn};

use super::{End, STOP_SCRIPTS_WITHIN, Worker};
use crate::config::model::FlushOnStop;

impl Worker {
    /// What is ours goes, as with keepalived.
    pub(super) async fn stop(mut self) {
        let left = self.state(Instant::now()).after_stop();
        let served = std::mem::take(&mut self.served);
        served.values().filter(|served| served.spec.omega).for_each(|served| self.farewell(served));
        let now = Instant::now();
        self.sysctl.restore();
        self.sync.stop(&mut self.applier.kernel().kernel, now);
        if self.spec.flush_on_stop == FlushOnStop::All {
            if let Err(cause) = self.applier.kernel().kernel.flush() {
                warn!("lvs_flush_on_stop: {cause}");
            }
        } else {
            let keys: Vec<ServiceKey> = self.applier.keys().collect();
            self.applier.want(keys.into_iter().map(|key| (key, None)).collect(), now);
        }
        self.tell_applier_reports();
        match left {
            _ if self.is_observing => {}
            None => self.state_file.remove(),
            Some(left) => {
                if let Err(cause) = self.state_file.write(left) {
                    warn!("overrides are forgotten, the state file cannot be written: {cause}");
                }
            }
        }
        self.notifier.finish(STOP_SCRIPTS_WITHIN * 2).await;
        self.runner.shutdown().await;
        info!("table released");
    }

    /// Without a supervisor nobody would restart us; without us the next director adopts what stands.
    pub(super) fn orphaned(mut self) -> End {
        error!("the supervisor is gone; the table stays as it is for the director that comes next");
        self.write_state(Instant::now());
        End::Orphaned
    }
}
