//! What one configuration comes to: the specs of each worker. Made in the load child, compared by `evenkeel plan`.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use crate::config::model::{Config, Global, VirtualServer};
use crate::lvs::parcel::{self, Packer};
use crate::lvs::spec::{LvsSpec, ServiceSpec};
use crate::message::Role;
use crate::ops::spec::OpsSpec;
use crate::ops::told::Said;
use crate::router::spec::{RouterWorkerSpec, with_user};
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

/// What the workers need of virtual servers, gathered one at a time: the model of twenty thousand real servers takes
/// 12 MB, what is needed of it 2 MB.
#[derive(Debug, Default)]
pub struct Services {
    packer: Packer,
    mail: Said,
    failed: Option<io::Error>,
}

impl Services {
    /// Adds the next.
    pub fn add(&mut self, service: &VirtualServer) {
        self.mail.gather(service);
        if let Err(cause) = self.packer.add(&ServiceSpec::from(service)) {
            self.failed = Some(cause);
        }
    }
}

/// Writes and seals a spec file: what [`Specs::from`] gives of a model without its virtual servers and of these. `files` are those that the configuration stands in: where `auto_reload` asks for it, the supervisor watches
/// them. `wrong_values` is what [`crate::config::Diagnostics::wrong_values`] says.
pub fn write(
    config: &Config,
    services: Services,
    file: OwnedFd,
    files: &[&str],
    wrong_values: &BTreeSet<String>,
) -> io::Result<()> {
    let Services { packer, mail, failed } = services;
    failed.map_or(Ok(()), Err)?;
    let mut sections = Sections::default();
    let mut child_wait = config.global.child_wait_time;
    if has_routers(config) {
        let vrrp = RouterWorkerSpec::from(config);
        sections.set(Role::Vrrp, &vrrp)?;
        // A hand-over may ask for longer.
        child_wait = child_wait.max(vrrp.stop_within);
    }
    if !packer.is_empty() || config.global.lvs_sync_daemon.is_some() {
        sections.put(Role::Lvs, packer.finish(&LvsSpec::head(config))?);
    }
    sections.set(Role::Ops, &OpsSpec::of(config, mail))?;
    let Global { daemon, web, log_format, .. } = &config.global;
    let watched = files.iter().filter(|_| daemon.auto_reload).map(PathBuf::from).collect();
    let (mut daemon, wrong_values) = (daemon.clone(), wrong_values.clone());
    for errand in [&mut daemon.startup, &mut daemon.shutdown] {
        errand.script = errand.script.as_ref().map(|script| with_user(config, script));
    }
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
