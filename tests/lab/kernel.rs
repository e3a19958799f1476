//! What the kernel under our feet offers: IPVS, and the modules that the lab uses.
//! It must not know whether that kernel was booted for us.

use std::path::Path;
use std::process::{Command, Stdio};

/// Loaded up front: a module that loads in the middle of a measurement stalls the one CPU.
const MODULES: &[&str] = &[
    "ipv6",
    "veth",
    "bridge",
    "macvlan",
    "ipvlan",
    "dummy",
    "sch_netem",
    "ipip",
    "ip_gre",
    "fou",
    "tunnel6",
    "ip_vs",
    "ip_vs_rr",
    "ip_vs_wrr",
    "ip_vs_lc",
    "ip_vs_wlc",
    "ip_vs_sh",
    "ip_vs_dh",
    "ip_vs_mh",
    "ip_vs_sed",
    "ip_vs_nq",
    "ip_vs_lblc",
    "ip_vs_lblcr",
    "ip_vs_fo",
    "ip_vs_ovf",
    "ip_vs_pe_sip",
    "iptable_mangle",
    "xt_mark",
    "ip_tables",
    "af_packet",
];

/// Loads what the lab uses; of all that only IPVS must be there, what else is absent the test that needs it says.
pub(crate) fn prepare() -> Result<(), String> {
    for module in MODULES {
        let _ = Command::new("modprobe")
            .args(["-q", module])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
    if has_ipvs() {
        return Ok(());
    }
    Err("this kernel has no IPVS: /proc/net/ip_vs does not exist after modprobe ip_vs".to_owned())
}

/// True when this kernel has IPVS, after a try to load it.
fn has_ipvs() -> bool {
    let table = Path::new("/proc/net/ip_vs");
    if !table.exists() {
        let _ = Command::new("modprobe").args(["-q", "ip_vs"]).stderr(Stdio::null()).status();
    }
    table.exists()
}

/// True when we may make namespaces and change IPVS without a boot.
pub(crate) fn is_enough() -> bool {
    nix::unistd::geteuid().is_root() && has_ipvs()
}
