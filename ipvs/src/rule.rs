//! A change written as the line that `ipvsadm` takes: what logs and errors show, and what an operator may
//! repeat by hand. `ipvsadm -Sn` prints a table in the same words.

use std::fmt::{self, Display, Formatter};
use std::net::SocketAddr;

use crate::destination::{Checksum, Destination, Forwarding, Tunnel};
use crate::key::{Family, Protocol, ServiceKey};
use crate::op::Op;
use crate::service::{Netmask, ServiceFlags, Settings};
use crate::table::Table;

impl Display for Op {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match *self {
            Op::NewService { key, settings } => write!(f, "-A {}{}", Where(key), How(settings)),
            Op::SetService { key, settings } => write!(f, "-E {}{}", Where(key), How(settings)),
            Op::DelService { key } => write!(f, "-D {}", Where(key)),
            Op::NewDest { service, key, destination } => {
                write!(f, "-a {} -r {key}{}", Where(service), Share(destination))
            }
            Op::SetDest { service, key, destination } => {
                write!(f, "-e {} -r {key}{}", Where(service), Share(destination))
            }
            Op::DelDest { service, key } => write!(f, "-d {} -r {key}", Where(service)),
        }
    }
}

/// The table as `ipvsadm -Sn` prints it, one entry a line, in the order of the keys. Connection
/// thresholds are printed too, which `ipvsadm` leaves out.
impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (&key, service) in &self.services {
            writeln!(f, "{}", Op::NewService { key, settings: service.settings })?;
            for &(dest, destination) in &service.destinations {
                writeln!(f, "{}", Op::NewDest { service: key, key: dest, destination })?;
            }
        }
        Ok(())
    }
}

/// The options that name a service.
struct Where(ServiceKey);

impl Display for Where {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            ServiceKey::Address { protocol, addr, port } => {
                let option = match protocol {
                    Protocol::Tcp => "-t",
                    Protocol::Udp => "-u",
                    Protocol::Sctp => "--sctp-service",
                };
                write!(f, "{option} {}", SocketAddr::new(addr, port))
            }
            ServiceKey::Fwmark { mark, family: Family::V4 } => write!(f, "-f {mark}"),
            ServiceKey::Fwmark { mark, family: Family::V6 } => write!(f, "-f {mark} -6"),
        }
    }
}

/// The options of a service, each with a space before it.
struct How(Settings);

impl Display for How {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Settings { scheduler, flags, persistence, engine } = self.0;
        write!(f, " -s {scheduler}")?;
        if let Some(persistence) = persistence {
            write!(f, " -p {}", persistence.timeout)?;
            match persistence.netmask {
                mask if mask == Netmask::single(mask.family()) => {}
                Netmask::V4(mask) => write!(f, " -M {mask}")?,
                Netmask::V6(prefix) => write!(f, " -M {prefix}")?,
            }
        }
        if let Some(engine) = engine {
            write!(f, " --pe {engine}")?;
        }
        if flags.contains(ServiceFlags::ONEPACKET) {
            f.write_str(" -o")?;
        }
        scheduler_flags(f, scheduler.as_str(), flags)
    }
}

fn scheduler_flags(f: &mut Formatter<'_>, scheduler: &str, flags: ServiceFlags) -> fmt::Result {
    let own = match scheduler {
        "sh" => ["sh-fallback", "sh-port", "flag-3"],
        "mh" => ["mh-fallback", "mh-port", "flag-3"],
        _ => ["flag-1", "flag-2", "flag-3"],
    };
    let all = [ServiceFlags::SCHED1, ServiceFlags::SCHED2, ServiceFlags::SCHED3];
    let set = all.into_iter().zip(own).filter(|(flag, _)| flags.contains(*flag));
    for (index, (_, name)) in set.enumerate() {
        f.write_str(if index == 0 { " -b " } else { "," })?;
        f.write_str(name)?;
    }
    Ok(())
}

/// The options of a destination, each with a space before it.
struct Share(Destination);

impl Display for Share {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Destination { forwarding, weight, upper_threshold, lower_threshold } = self.0;
        let option = match forwarding {
            Forwarding::Masquerade => "-m",
            Forwarding::Local => "-l",
            Forwarding::Tunnel(_) => "-i",
            Forwarding::Route => "-g",
            Forwarding::Bypass => "-b",
        };
        write!(f, " {option} -w {weight}")?;
        if let Forwarding::Tunnel(tunnel) = forwarding {
            tunnel_options(f, tunnel)?;
        }
        if upper_threshold != 0 {
            write!(f, " -x {upper_threshold}")?;
        }
        if lower_threshold != 0 {
            write!(f, " -y {lower_threshold}")?;
        }
        Ok(())
    }
}

fn tunnel_options(f: &mut Formatter<'_>, tunnel: Tunnel) -> fmt::Result {
    let checksum = match tunnel {
        Tunnel::Ipip => return f.write_str(" --tun-type ipip"),
        Tunnel::Gue { port, checksum } => {
            write!(f, " --tun-type gue --tun-port {port}")?;
            checksum
        }
        Tunnel::Gre { checksum } => {
            f.write_str(" --tun-type gre")?;
            checksum
        }
    };
    f.write_str(match checksum {
        Checksum::Off => " --tun-nocsum",
        Checksum::Full => " --tun-csum",
        Checksum::Remote => " --tun-remcsum",
    })
}
