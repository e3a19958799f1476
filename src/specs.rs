//! What one configuration comes to: the specs of each worker. Made in the load child, compared by `evenkeel plan`.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use crate::config::model::{Config, Global};
use crate::lvs::spec::LvsSpec;
use crate::lvs::{self, parcel};
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
        Self {
            vrrp: has_routers(config).then(|| RouterWorkerSpec::from(config)),
            lvs: has_services(config).then(|| LvsSpec::from(config)),
            ops: OpsSpec::from(config),
        }
    }
}

impl Specs {
    /// Reads a whole spec file, as no worker does.
    pub fn read(file: &OwnedFd) -> io::Result<Self> {
        Ok(Self {
            vrrp: spec_file::read(file, Role::Vrrp)?,
            lvs: spec_file::section(file, Role::Lvs)?.map(parcel::unpack).transpose()?,
            ops: spec_file::read(file, Role::Ops)?.unwrap_or_default(),
        })
    }
}

/// Writes and seals a spec file: what [`Specs::from`] gives, but that of thousands of virtual servers one is there at a
/// time. `files` are those that the configuration stands in: where `auto_reload` asks for it, the supervisor watches
/// them. `wrong_values` is what [`crate::config::Diagnostics::wrong_values`] says.
pub fn write(
    config: &Config,
    file: OwnedFd,
    files: &[&str],
    wrong_values: &BTreeSet<String>,
) -> io::Result<()> {
    let mut sections = Sections::default();
    let mut child_wait = config.global.child_wait_time;
    if has_routers(config) {
        let vrrp = RouterWorkerSpec::from(config);
        sections.set(Role::Vrrp, &vrrp)?;
        // A hand-over may ask for longer.
        child_wait = child_wait.max(vrrp.stop_within);
    }
    if has_services(config) {
        sections.put(Role::Lvs, parcel::pack(&LvsSpec::head(config), lvs::spec::services(config))?);
    }
    sections.set(Role::Ops, &OpsSpec::from(config))?;
    let Global { daemon, web, log_format, .. } = &config.global;
    let watched = files.iter().filter(|_| daemon.auto_reload).map(PathBuf::from).collect();
    let (daemon, wrong_values) = (daemon.clone(), wrong_values.clone());
    sections.set(Role::Supervisor, &SupervisorSpec { daemon, files: watched, wrong_values })?;
    let listen = web.as_ref().map_or(&[][..], |web| &web.listen);
    sections.write(file, child_wait, listen, *log_format)
}

fn has_routers(config: &Config) -> bool {
    !config.instances.is_empty()
        || !config.bfd_instances.is_empty()
        || !config.has_nothing_standing()
}

fn has_services(config: &Config) -> bool {
    !config.virtual_servers.is_empty() || config.global.lvs_sync_daemon.is_some()
}
