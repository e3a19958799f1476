//! Many VRRP instances on one interface, with several addresses each.

use std::fmt::Write;

use crate::host::Host;

/// So many instances, and addresses of each.
#[derive(Clone, Copy)]
pub(crate) struct Crowd {
    pub(crate) instances: u8,
    pub(crate) vips_each: u8,
}

impl Crowd {
    /// All addresses.
    pub(crate) fn vips(self) -> usize {
        usize::from(self.instances) * usize::from(self.vips_each)
    }

    /// A director's keepalived.conf, one second between two advertisements.
    pub(crate) fn config(self, priority: u8) -> String {
        let mut text = String::new();
        for vrid in 1..=self.instances {
            let _ = writeln!(
                text,
                "vrrp_instance i{vrid} {{\nstate BACKUP\ninterface eth0\nvirtual_router_id {vrid}\n\
                 priority {priority}\nversion 3\nadvert_int 1\nvirtual_ipaddress {{"
            );
            for place in 1..=self.vips_each {
                let _ = writeln!(text, "10.20.{vrid}.{place}/32");
            }
            text.push_str("}\n}\n");
        }
        text
    }

    /// How many of the addresses a host holds.
    pub(crate) fn held(self, host: &Host) -> usize {
        let text = host.run("ip -o -4 addr show dev eth0");
        text.lines().filter(|line| line.contains(" 10.20.")).count()
    }
}
