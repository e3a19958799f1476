//! Opening the kernel's table, with the module loaded if it has to be, as keepalived does.

use std::process::{Command, Stdio};

use ipvs::{Error, Kernel, Op, ServiceKey, Table};
use tracing::info;

use super::applier;

/// Opens the table; where the kernel has no IPVS yet, asks modprobe for it once.
pub(super) fn open() -> Result<Socket, Error> {
    let kernel = match Kernel::open() {
        Err(Error::Unavailable) if load() => {
            info!("loaded the kernel module ip_vs");
            Kernel::open()
        }
        opened => opened,
    };
    Ok(Socket { kernel: kernel?, is_absent: false })
}

/// Opens the table to look at it only; where there is no IPVS, there is nothing to look at, and that is told where it is read.
pub(super) fn open_to_observe() -> Result<Socket, Error> {
    match Kernel::open() {
        Ok(kernel) => Ok(Socket { kernel, is_absent: false }),
        Err(Error::Unavailable) => Ok(Socket { kernel: Kernel::absent()?, is_absent: true }),
        Err(cause) => Err(cause),
    }
}

/// Schedulers need no such help: the kernel loads `ip_vs_NAME` itself when a service asks for it.
fn load() -> bool {
    let mut modprobe = Command::new("modprobe");
    modprobe.args(["-q", "ip_vs"]).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    modprobe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    modprobe.status().is_ok_and(|status| status.success())
}

/// The kernel behind the applier, opened anew when its socket or the module has gone.
pub(super) struct Socket {
    pub(super) kernel: Kernel,
    /// There was no IPVS, and nobody needs it enough to load it.
    pub(super) is_absent: bool,
}

impl Socket {
    /// After such an error no further request can succeed: the module was unloaded, and has another family number
    /// when it comes back, or the socket is broken.
    fn reopen_after(&mut self, error: &Error) {
        if matches!(error, Error::Unavailable | Error::Socket { .. })
            && let Ok(socket) = if self.is_absent { open_to_observe() } else { open() }
        {
            *self = socket;
        }
    }
}

impl applier::Kernel for Socket {
    type Error = Error;

    fn apply(&mut self, ops: &[Op]) -> Vec<Result<(), Error>> {
        let outcomes = self.kernel.apply(ops);
        if let Some(error) = outcomes.iter().find_map(|outcome| outcome.as_ref().err()) {
            self.reopen_after(error);
        }
        outcomes
    }

    fn read(&mut self, keys: &[ServiceKey]) -> Result<Table, Error> {
        self.kernel.dump_services(keys).inspect_err(|error| self.reopen_after(error))
    }
}
