//! The wire between this machine and a booted one: a tap device in a network namespace. It goes with this value.

use std::path::Path;
use std::process::Command;

use super::HERE;
use crate::boot::Plug;

/// The device's name in its namespace.
const DEVICE: &str = "tap0";

pub(super) struct Wire {
    namespace: String,
}

impl Wire {
    /// Needs root and /dev/net/tun; what it lacks is said.
    pub(super) fn lay() -> Result<Self, String> {
        if !Path::new("/dev/net/tun").exists() {
            return Err("there is no /dev/net/tun".to_owned());
        }
        let wire = Self { namespace: format!("evenkeel-outside-{}", std::process::id()) };
        ip(&["netns", "add", &wire.namespace])?;
        let address = format!("{HERE}/24");
        for words in [
            &["link", "set", "lo", "up"][..],
            &["tuntap", "add", DEVICE, "mode", "tap"],
            &["address", "add", &address, "dev", DEVICE],
            &["link", "set", DEVICE, "up"],
        ] {
            wire.inside(words)?;
        }
        Ok(wire)
    }

    fn inside(&self, words: &[&str]) -> Result<(), String> {
        ip(&[&["-n", self.namespace.as_str()], words].concat())
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// What a machine is plugged into.
    pub(super) fn plug(&self) -> Plug {
        Plug { namespace: self.namespace.clone(), device: DEVICE.to_owned() }
    }

    /// A program on this end of the wire.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace, program]);
        command
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let _ = ip(&["netns", "delete", &self.namespace]);
    }
}

fn ip(words: &[&str]) -> Result<(), String> {
    let out = Command::new("ip").args(words).output().map_err(|e| format!("ip: {e}"))?;
    if out.status.success() {
        return Ok(());
    }
    Err(format!("ip {}: {}", words.join(" "), String::from_utf8_lossy(&out.stderr).trim()))
}
