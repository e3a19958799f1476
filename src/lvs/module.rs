//! Opening the kernel's table, with the module loaded if it has to be, as keepalived does.

use std::process::{Command, Stdio};

use ipvs::{Error, Kernel};
use tracing::info;

/// Opens the table; where the kernel has no IPVS yet, asks modprobe for it once.
pub(super) fn open() -> Result<Kernel, Error> {
    match Kernel::open() {
        Err(Error::Unavailable) if load() => {
            info!("loaded the kernel module ip_vs");
            Kernel::open()
        }
        opened => opened,
    }
}

/// Schedulers need no such help: the kernel loads `ip_vs_NAME` itself when a service asks for it.
fn load() -> bool {
    let mut modprobe = Command::new("modprobe");
    modprobe.args(["-q", "ip_vs"]).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    modprobe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    modprobe.status().is_ok_and(|status| status.success())
}
