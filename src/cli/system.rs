//! What only this host can say of a configuration: kernel modules, sysctls, addresses, who may run what. Each finding
//! has its place in the file and the command that mends it. It reads /proc, /sys, /lib/modules and the interfaces
//! with their addresses, in the namespace where the director would run, and changes nothing.

mod ipvs;
mod vmac;

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ::ipvs::{Forwarding, ServiceKey};
use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::SockaddrStorage;
use vrrp::Family;

use crate::config::landmarks::{Landmarks, Subject};
use crate::config::model::{Script, VirtualServer};
use crate::config::source::Span;
use crate::config::{Config, Diagnostic, Loaded};
use crate::supervisor::namespace;

/// Adds what stands in the way here: for good in the namespace that `net_namespace` names.
pub(super) fn examine(loaded: &mut Loaded) {
    let Some(config) = &loaded.config else { return };
    if let Some(name) = &config.global.daemon.net_namespace
        && let Err(refused) = namespace::enter(name)
    {
        // What is outside of it would be told as if it were inside.
        loaded.diagnostics.push(Diagnostic::of_host("system", refused));
        return;
    }
    let host = System::of_this_namespace();
    let marks = loaded.diagnostics.landmarks();
    let mut findings = Findings { host: &host, marks, found: Vec::new() };
    findings.look(config);
    let found = findings.found;
    found.into_iter().for_each(|finding| loaded.diagnostics.push(finding));
    loaded.diagnostics.sort();
}

/// An address of this host: interface, address, netmask.
type Network = (String, IpAddr, IpAddr);

/// This host, or a folder that looks like one.
struct System {
    root: PathBuf,
    networks: Vec<Network>,
    /// Interfaces that are down. Not from /sys, which shows the namespace of who mounted it.
    down: BTreeSet<String>,
}

impl System {
    fn of_this_namespace() -> Self {
        let (mut networks, mut down) = (Vec::new(), BTreeSet::new());
        for InterfaceAddress { interface_name: name, flags, address, netmask, .. } in
            getifaddrs().into_iter().flatten()
        {
            if !flags.contains(InterfaceFlags::IFF_UP) {
                down.insert(name.clone());
            }
            if let (Some(address), Some(netmask)) = (address.and_then(ip), netmask.and_then(ip)) {
                networks.push((name, address, netmask));
            }
        }
        Self { root: PathBuf::from("/"), networks, down }
    }

    fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root.join(path)).ok().map(|text| text.trim().to_owned())
    }

    /// A sysctl that is a number; names as in `net.ipv4.ip_forward`, parts divided by slashes.
    fn number(&self, sysctl: &str) -> Option<i64> {
        self.read(&format!("proc/sys/{sysctl}"))?.parse().ok()
    }

    /// A sysctl of an interface where the larger of `all` and its own holds.
    fn larger(&self, group: &str, interface: &str, name: &str) -> Option<i64> {
        let own = self.number(&format!("{group}/{interface}/{name}"))?;
        Some(own.max(self.number(&format!("{group}/all/{name}")).unwrap_or_default()))
    }

    /// Whether a module is loaded, built in, or can be loaded.
    fn has_module(&self, name: &str) -> bool {
        let release = self.read("proc/sys/kernel/osrelease").unwrap_or_default();
        let lists = ["modules.dep", "modules.builtin"];
        let listed = |list: &str| {
            let text = self.read(&format!("lib/modules/{release}/{list}")).unwrap_or_default();
            text.contains(&format!("/{name}.ko"))
        };
        self.root.join("sys/module").join(name).exists() || lists.into_iter().any(listed)
    }

    fn holds(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|(_, own, _)| *own == address)
    }
}

struct Findings<'a> {
    host: &'a System,
    marks: &'a Landmarks,
    found: Vec<Diagnostic>,
}

impl Findings<'_> {
    fn look(&mut self, config: &Config) {
        self.modules(config);
        self.forwarding(config);
        self.ipvs_settings(config);
        self.interfaces(config);
        self.paths_back(config);
        self.virtual_links(config);
        self.local_real_servers(config);
        self.sources(config);
        self.strangers(config);
        self.scripts(config);
    }

    fn tell(&mut self, subjects: &[Subject], message: String, mend: String) {
        let span: Option<Span> = subjects.iter().find_map(|subject| self.marks.place(subject));
        let told = match span {
            Some(span) => Diagnostic::warning("system", span, message),
            None => Diagnostic::of_host("system", message),
        };
        self.found.push(told.help(mend));
    }

    /// IPVS, the schedulers and the persistence engines: in the kernel, or modules that can be loaded.
    fn modules(&mut self, config: &Config) {
        let Some(first) = config.virtual_servers.first() else { return };
        if !self.host.root.join("proc/net/ip_vs").exists() && !self.host.has_module("ip_vs") {
            let message = "this kernel has no IPVS, and there is no module ip_vs for it".to_owned();
            let mend = "install the kernel's module package (linux-image-$(uname -r), on some systems \
                        linux-modules-extra-$(uname -r)), then: modprobe ip_vs";
            return self.tell(&[Subject::Service(first.key)], message, mend.to_owned());
        }
        let mut seen = BTreeSet::new();
        for server in &config.virtual_servers {
            let engine = server.persistence_engine.as_ref();
            let engine = engine.map(|engine| format!("ip_vs_pe_{engine}"));
            let modules = [Some(format!("ip_vs_{}", server.scheduler.as_str())), engine];
            for module in modules.into_iter().flatten() {
                if self.host.has_module(&module) || !seen.insert(module.clone()) {
                    continue;
                }
                let subjects = [Subject::Scheduler(server.key), Subject::Service(server.key)];
                let message = format!("there is no module {module} for this kernel");
                let mend = format!(
                    "modprobe {module} would load it; it comes with the kernel's module package, or write another lb_algo"
                );
                self.tell(&subjects, message, mend);
            }
        }
    }

    /// NAT goes through this host, so it must forward.
    fn forwarding(&mut self, config: &Config) {
        let families = [
            (::ipvs::Family::V4, "net/ipv4/ip_forward"),
            (::ipvs::Family::V6, "net/ipv6/conf/all/forwarding"),
        ];
        for (family, sysctl) in families {
            let masquerades = |server: &&VirtualServer| {
                server.key.family() == family
                    && server
                        .real_servers
                        .iter()
                        .any(|one| one.forwarding == Forwarding::Masquerade)
            };
            let Some(server) = config.virtual_servers.iter().find(masquerades) else { continue };
            if self.host.number(sysctl) == Some(0) {
                let message = "NAT goes through this host, and it does not forward".to_owned();
                self.tell(&[Subject::Service(server.key)], message, set(sysctl, 1));
            }
        }
    }

    /// Interfaces that are down, that have no IPv6, or that answer no ARP.
    fn interfaces(&mut self, config: &Config) {
        for instance in &config.instances {
            let name = || instance.name.clone();
            let interface = instance.interface.to_string();
            if self.host.down.contains(&interface) {
                let subjects = [Subject::InstanceKeyword(name(), "interface")];
                let message = format!("{interface} is down: the instance begins in FAULT");
                self.tell(&subjects, message, format!("ip link set {interface} up"));
            }
            for held in instance.virtual_addresses.iter().chain(&instance.excluded_addresses) {
                let subjects = [Subject::Address(name(), held.address)];
                let dev = held.dev.to_string();
                if held.address.is_ipv6() {
                    let sysctl = format!("net/ipv6/conf/{dev}/disable_ipv6");
                    if self.host.number(&sysctl) == Some(1) {
                        let message = format!("{dev} has IPv6 switched off");
                        self.tell(&subjects, message, set(&sysctl, 0));
                    }
                } else if self.host.larger("net/ipv4/conf", &dev, "arp_ignore") == Some(8) {
                    // 1 and 2, which real servers of DR have, answer for the address on its own interface.
                    let message =
                        format!("{dev} answers no ARP at all: nobody finds {}", held.address);
                    self.tell(
                        &subjects,
                        message,
                        set(&format!("net/ipv4/conf/{dev}/arp_ignore"), 0),
                    );
                }
            }
        }
    }

    /// DR and TUN: answers go to clients past this host, and what clients send may come in by another interface than the
    /// one that leads back to them. A strict reverse path filter drops that.
    fn paths_back(&mut self, config: &Config) {
        let past = |server: &VirtualServer| {
            let methods = server.real_servers.iter().map(|one| one.forwarding);
            methods.into_iter().any(|one| matches!(one, Forwarding::Route | Forwarding::Tunnel(_)))
        };
        let interfaces: BTreeSet<&str> =
            self.host.networks.iter().map(|(name, ..)| name.as_str()).collect();
        let several = interfaces.iter().filter(|name| **name != "lo").count() > 1;
        if !several || !config.virtual_servers.iter().any(past) {
            return;
        }
        let mut seen = BTreeSet::new();
        for instance in config.instances.iter().filter(|one| one.family == Family::V4) {
            let interface = instance.interface.to_string();
            let strict = self.host.larger("net/ipv4/conf", &interface, "rp_filter") == Some(1);
            if strict && seen.insert(interface.clone()) {
                let message = format!(
                    "{interface} filters by reverse path: what clients send is dropped where the way back to them is \
                     another interface"
                );
                let subjects = [Subject::InstanceKeyword(instance.name.clone(), "interface")];
                self.tell(
                    &subjects,
                    message,
                    set(&format!("net/ipv4/conf/{interface}/rp_filter"), 2),
                );
            }
        }
    }

    /// A director that is one of its own real servers under DR: while it is BACKUP it has the virtual address for
    /// itself, and must not answer ARP for it.
    fn local_real_servers(&mut self, config: &Config) {
        for server in &config.virtual_servers {
            let ServiceKey::Address { addr: address, .. } = server.key else { continue };
            let local = server
                .real_servers
                .iter()
                .find(|one| one.forwarding == Forwarding::Route && self.host.holds(one.key.addr));
            let Some(interface) = local.and_then(|one| {
                let of = |network: &&Network| network.1 == one.key.addr;
                self.host.networks.iter().find(of).map(|(name, ..)| name.clone())
            }) else {
                continue;
            };
            for (name, wanted) in [("arp_ignore", 1), ("arp_announce", 2)] {
                let held = self.host.larger("net/ipv4/conf", &interface, name);
                if address.is_ipv4() && held.is_some_and(|held| held < wanted) {
                    let message = format!(
                        "this host is a real server of it under DR: as BACKUP it must not answer ARP for {address}, and \
                         {name} of {interface} is {}",
                        held.unwrap_or_default()
                    );
                    let mend = set(&format!("net/ipv4/conf/{interface}/{name}"), wanted);
                    self.tell(&[Subject::Service(server.key)], message, mend);
                }
            }
        }
    }

    /// Addresses that something is sent from: they must be here, or a director that is BACKUP must be let to use those
    /// that it would get.
    fn sources(&mut self, config: &Config) {
        for instance in &config.instances {
            let is_own = |source: IpAddr| {
                let link = instance.own_link.as_ref();
                link.is_some_and(|link| link.address().is_some_and(|own| own.address == source))
            };
            let source = instance.source.filter(|source| !self.host.holds(*source));
            let Some(source) = source.filter(|source| !is_own(*source)) else {
                continue;
            };
            let message = format!("no interface of this host has {source}");
            let mend = format!("ip address add {source}/PREFIX dev {}", instance.interface);
            let subjects = ["source", "interface"]
                .map(|keyword| Subject::InstanceKeyword(instance.name.clone(), keyword));
            self.tell(&subjects, message, mend);
        }
        let held = |address| {
            let held = |instance: &crate::config::model::VrrpInstance| {
                let all = instance.virtual_addresses.iter().chain(&instance.excluded_addresses);
                all.into_iter().any(|held| held.address == address)
            };
            config.instances.iter().any(held)
        };
        for source in self.marks.bound() {
            if self.host.holds(source) {
                continue;
            }
            let sysctl = match source {
                IpAddr::V4(_) => "net/ipv4/ip_nonlocal_bind",
                IpAddr::V6(_) => "net/ipv6/ip_nonlocal_bind",
            };
            let subjects = [Subject::Bind(source)];
            if !held(source) {
                let message =
                    format!("no interface of this host has {source}: every check from it fails");
                self.tell(&subjects, message, "write an address of this host".to_owned());
            } else if self.host.number(sysctl) == Some(0) {
                let message = format!(
                    "{source} is a virtual address: while this director is BACKUP, checks from it fail"
                );
                self.tell(&subjects, message, set(sysctl, 1));
            }
        }
    }

    /// Virtual addresses that no network of their interface holds: neighbours would not look for them there.
    fn strangers(&mut self, config: &Config) {
        for instance in &config.instances {
            for held in &instance.virtual_addresses {
                let dev = held.dev.to_string();
                let own: Vec<&Network> = self
                    .host
                    .networks
                    .iter()
                    .filter(|(name, at, _)| {
                        *name == dev
                            && *at != held.address
                            && at.is_ipv4() == held.address.is_ipv4()
                    })
                    .collect();
                let known = own.iter().any(|(_, at, mask)| same_network(*at, held.address, *mask));
                if own.is_empty() || known {
                    continue;
                }
                let networks: Vec<String> =
                    own.iter().map(|(_, at, mask)| format!("{at}/{}", length(*mask))).collect();
                let message = format!(
                    "{} is in no subnet of {dev}, which has {}",
                    held.address,
                    networks.join(", ")
                );
                let mend = format!("mend the address, or: ip address add ADDRESS/PREFIX dev {dev}");
                self.tell(&[Subject::Address(instance.name.clone(), held.address)], message, mend);
            }
        }
    }

    /// Programs that their user cannot reach or run.
    fn scripts(&mut self, config: &Config) {
        let tracked = config.scripts.iter();
        let tracked = tracked.map(|one| (Subject::Script(one.name.clone()), &one.script));
        let notified = config.instances.iter().flat_map(|instance| {
            let subject = Subject::Instance(instance.name.clone());
            let all = instance.notify.all();
            all.map(move |script| (subject.clone(), script))
        });
        let all: Vec<(Subject, &Script)> = tracked.chain(notified).collect();
        for (subject, script) in all {
            let Some(user) = script.user.as_ref().filter(|user| user.uid != 0) else { continue };
            let Some(program) = script.command.program().filter(|path| path.starts_with('/'))
            else {
                continue;
            };
            if let Some((part, bits)) = self.closed(Path::new(program), user.uid, user.gid) {
                let message = format!(
                    "user {} cannot run {program}: {} is closed to it",
                    user.name,
                    part.display()
                );
                self.tell(&[subject], message, format!("chmod {bits} {}", part.display()));
            }
        }
    }

    /// The outermost part of a path that a user cannot pass, and the mode that would let it.
    fn closed(&self, path: &Path, uid: u32, gid: u32) -> Option<(PathBuf, &'static str)> {
        let mut parts: Vec<&Path> = path.ancestors().collect();
        parts.reverse();
        for part in parts {
            let inside = part.strip_prefix("/").unwrap_or(part);
            let Ok(seen) = fs::metadata(self.host.root.join(inside)) else { return None };
            let mode = seen.permissions().mode();
            let (bit, mend) = match (seen.uid() == uid, seen.gid() == gid) {
                (true, _) => (0o100, "u+x"),
                (false, true) => (0o010, "g+x"),
                (false, false) => (0o001, "o+x"),
            };
            if mode & bit == 0 {
                return Some((part.to_owned(), mend));
            }
        }
        None
    }
}

/// `sysctl -w` for a name with slashes, since interfaces may have dots.
fn set(sysctl: &str, value: i64) -> String {
    format!("sysctl -w {sysctl}={value}, and in /etc/sysctl.d/ for the next boot")
}

fn ip(address: SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
    v4.or(address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
}

fn same_network(one: IpAddr, other: IpAddr, mask: IpAddr) -> bool {
    match (one, other, mask) {
        (IpAddr::V4(one), IpAddr::V4(other), IpAddr::V4(mask)) => one & mask == other & mask,
        (IpAddr::V6(one), IpAddr::V6(other), IpAddr::V6(mask)) => one & mask == other & mask,
        _ => false,
    }
}

fn length(mask: IpAddr) -> u32 {
    match mask {
        IpAddr::V4(mask) => mask.to_bits().count_ones(),
        IpAddr::V6(mask) => mask.to_bits().count_ones(),
    }
}

#[cfg(test)]
mod tests;
