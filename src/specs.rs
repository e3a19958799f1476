//! What one configuration comes to: the specs of each worker. Made in the load child, compared by `evenkeel plan`.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::model::Config;
use crate::lvs::parcel;
use crate::lvs::spec::LvsSpec;
use crate::message::Role;
use crate::ops::spec::OpsSpec;
use crate::router::spec::RouterWorkerSpec;
use crate::spec_file::{self, Sections};
use crate::supervisor::spec::SupervisorSpec;

/// One value for each worker; `None` where there is no work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Specs {
    /// For the vrrp worker.
    pub vrrp: Option<RouterWorkerSpec>,
    /// For the lvs worker.
    pub lvs: Option<LvsSpec>,
    /// For the ops worker, which always has work.
    pub ops: OpsSpec,
}

impl From<&Config> for Specs {
    fn from(config: &Config) -> Self {
        let has_routers = !config.instances.is_empty()
            || !config.bfd_instances.is_empty()
            || !config.has_nothing_standing();
        let has_services =
            !config.virtual_servers.is_empty() || config.global.lvs_sync_daemon.is_some();
        Self {
            vrrp: has_routers.then(|| RouterWorkerSpec::from(config)),
            lvs: has_services.then(|| LvsSpec::from(config)),
            ops: OpsSpec::from(config),
        }
    }
}

impl Specs {
    /// Writes and seals a spec file. `files` are those that the configuration stands in: where `auto_reload` asks for
    /// it, the supervisor watches them.
    pub fn write(&self, file: OwnedFd, files: &[&str]) -> io::Result<()> {
        let mut sections = Sections::default();
        if let Some(vrrp) = &self.vrrp {
            sections.set(Role::Vrrp, vrrp)?;
        }
        if let Some(lvs) = &self.lvs {
            sections.put(Role::Lvs, parcel::pack(lvs)?);
        }
        sections.set(Role::Ops, &self.ops)?;
        let daemon = self.ops.global.daemon.clone();
        let watched = files.iter().filter(|_| daemon.auto_reload).map(PathBuf::from).collect();
        sections.set(Role::Supervisor, &SupervisorSpec { daemon, files: watched })?;
        let listen = self.ops.global.web.as_ref().map_or(&[][..], |web| &web.listen);
        sections.write(file, self.child_wait(), listen, self.ops.global.log_format)
    }

    /// Reads a whole spec file, as no worker does.
    pub fn read(file: &OwnedFd) -> io::Result<Self> {
        Ok(Self {
            vrrp: spec_file::read(file, Role::Vrrp)?,
            lvs: spec_file::section(file, Role::Lvs)?.map(parcel::unpack).transpose()?,
            ops: spec_file::read(file, Role::Ops)?.unwrap_or_default(),
        })
    }

    /// `child_wait_time`, or longer where a hand-over asks for it.
    fn child_wait(&self) -> Duration {
        let vrrp = self.vrrp.as_ref().map_or(Duration::ZERO, |vrrp| vrrp.stop_within);
        self.ops.global.child_wait_time.max(vrrp)
    }
}
