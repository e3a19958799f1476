//! `evenkeel doctor dr FILE`: who on the link answers ARP or neighbour discovery for the VIPs.
//!
//! Under direct routing every real server holds the VIP, and only the director may say so: one whose `arp_ignore` was
//! forgotten draws clients past the director, some of them and at times.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use checkers::LocalFault;
use checkers::lan::{Lan, Mac};
use ipvs::{Forwarding, ServiceKey};
use nix::ifaddrs::getifaddrs;

use crate::config::{self, Asked, Config, Style};

/// Real servers that are asked at the same time.
const AT_ONCE: usize = 64;

/// Exit status 0 all as it should be, 1 somebody answers who should not, 2 it could not be asked.
pub(super) fn run(file: &Path, id: Option<&str>, wait: Duration) -> ExitCode {
    let loaded = config::load_with_peers(file, &Asked::to_run(id));
    let Some(config) = loaded.config else {
        eprint!("{}", loaded.diagnostics.render(Style::Plain));
        return ExitCode::from(2);
    };
    let vips = vips(&config);
    if vips.is_empty() {
        say(&format!("{}: no virtual server with real servers under DR\n", file.display()));
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let asked = match runtime {
        Ok(runtime) => runtime.block_on(ask_all(&vips, wait)),
        Err(cause) => Err(cause.to_string()),
    };
    match asked {
        Ok(seen) => {
            let held = held();
            let (text, wrong) = report(&seen, &held);
            say(&text);
            ExitCode::from(u8::from(wrong > 0))
        }
        Err(cause) => {
            eprintln!("evenkeel: {cause}");
            ExitCode::from(2)
        }
    }
}

fn say(text: &str) {
    // Nobody is left to tell where the reader of standard output went.
    let _ = io::stdout().write_all(text.as_bytes());
}

/// VIPs under direct routing, and the real servers behind each.
fn vips(config: &Config) -> BTreeMap<IpAddr, BTreeSet<IpAddr>> {
    let mut vips: BTreeMap<IpAddr, BTreeSet<IpAddr>> = BTreeMap::new();
    for server in &config.virtual_servers {
        let ServiceKey::Address { addr, .. } = server.key else { continue };
        let direct = server.real_servers.iter().filter(|one| one.forwarding == Forwarding::Route);
        let real = direct.map(|one| one.key.addr).filter(|real| real.is_ipv4() == addr.is_ipv4());
        let mut real = real.peekable();
        if real.peek().is_some() {
            vips.entry(addr).or_default().extend(real);
        }
    }
    vips
}

/// What the link says of one VIP.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    vip: IpAddr,
    interface: String,
    /// Who answers for the VIP.
    answers: BTreeSet<Mac>,
    /// Real servers behind it, by hardware address.
    real: BTreeMap<Mac, IpAddr>,
    /// Real servers that do not answer for themselves.
    missing: BTreeSet<IpAddr>,
}

async fn ask_all(
    vips: &BTreeMap<IpAddr, BTreeSet<IpAddr>>,
    wait: Duration,
) -> Result<Vec<Seen>, String> {
    let mut all = Vec::new();
    for (vip, real) in vips {
        all.push(ask(*vip, real, wait).await.map_err(|fault| format!("{vip}: {fault}"))?);
    }
    Ok(all)
}

async fn ask(vip: IpAddr, real: &BTreeSet<IpAddr>, wait: Duration) -> Result<Seen, LocalFault> {
    let nobody = || LocalFault { step: "no real server".to_owned(), errno: 0 };
    let first = *real.first().ok_or_else(nobody)?;
    // Direct routing has all of them on one link.
    let lan = Lan::towards(first, None)?;
    let answers = lan.who_has(vip, wait).await?.into_iter().collect();
    let mut found = BTreeMap::new();
    let mut missing = BTreeSet::new();
    let all: Vec<IpAddr> = real.iter().copied().collect();
    for some in all.chunks(AT_ONCE) {
        let mut asking = tokio::task::JoinSet::new();
        for &address in some {
            let lan = lan.clone();
            asking.spawn(async move { (address, lan.find(address, wait).await) });
        }
        while let Some(asked) = asking.join_next().await {
            let Ok((address, asked)) = asked else { continue };
            match asked? {
                Some(mac) => drop(found.insert(mac, address)),
                None => drop(missing.insert(address)),
            }
        }
    }
    Ok(Seen { vip, interface: lan.name().to_owned(), answers, real: found, missing })
}

/// Addresses of this host.
fn held() -> BTreeSet<IpAddr> {
    let address = |held: nix::sys::socket::SockaddrStorage| {
        let v4 = held.as_sockaddr_in().map(|held| IpAddr::V4(held.ip()));
        v4.or_else(|| held.as_sockaddr_in6().map(|held| IpAddr::V6(held.ip())))
    };
    let all = getifaddrs().into_iter().flatten();
    all.filter_map(|one| one.address.and_then(address)).collect()
}

/// The report, and how many answer who should not.
fn report(seen: &[Seen], held: &BTreeSet<IpAddr>) -> (String, usize) {
    let mut text = String::new();
    let mut wrong = 0;
    for Seen { vip, interface, answers, real, missing } in seen {
        let here = held.contains(vip);
        let place = if here { "held by this host" } else { "not held by this host" };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{vip} on {interface}, {place}:");
        let others = answers.iter().filter(|mac| !real.contains_key(mac)).count();
        for mac in answers {
            let verdict = match real.get(mac) {
                Some(server) => {
                    wrong += 1;
                    format!("should be silent: it is real server {server}; {}", cure(*vip))
                }
                None if here || others > 1 => {
                    wrong += 1;
                    "should be silent: one director at a time holds the address".to_owned()
                }
                None => {
                    "answers: the director that holds the address, if this is its backup".to_owned()
                }
            };
            let _ = writeln!(text, "  {mac} {verdict}");
        }
        if answers.is_empty() {
            let who = if here { "nobody else answers" } else { "nobody answers" };
            let _ = writeln!(text, "  {who}; {} real servers are silent", real.len());
        }
        for server in missing {
            let _ =
                writeln!(text, "  real server {server} does not answer for itself: not looked at");
        }
    }
    (text, wrong)
}

fn cure(vip: IpAddr) -> String {
    match vip {
        IpAddr::V4(vip) => format!(
            "there: sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2, \
             and {vip}/32 on lo"
        ),
        IpAddr::V6(vip) => format!("there: {vip}/128 on lo, on no other interface"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: Mac = Mac([2, 0, 0, 0, 0, 11]);
    const OTHER: Mac = Mac([2, 0, 0, 0, 0, 2]);

    fn seen(answers: &[Mac]) -> Seen {
        Seen {
            vip: [10, 0, 0, 100].into(),
            interface: "eth0".to_owned(),
            answers: answers.iter().copied().collect(),
            real: BTreeMap::from([(SERVER, [10, 0, 0, 11].into())]),
            missing: BTreeSet::new(),
        }
    }

    #[test]
    fn a_real_server_that_answers_is_named_with_its_cure() {
        let (text, wrong) = report(&[seen(&[SERVER])], &BTreeSet::new());
        assert_eq!(wrong, 1);
        assert_eq!(
            text,
            "10.0.0.100 on eth0, not held by this host:\n  \
             02:00:00:00:00:0b should be silent: it is real server 10.0.0.11; there: sysctl -w \
             net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2, and 10.0.0.100/32 on lo\n"
        );
    }

    #[test]
    fn one_other_may_answer_unless_this_host_holds_the_address() {
        let vip: IpAddr = [10, 0, 0, 100].into();
        assert_eq!(report(&[seen(&[OTHER])], &BTreeSet::new()).1, 0);
        assert_eq!(report(&[seen(&[OTHER])], &BTreeSet::from([vip])).1, 1);
        let third = Mac([2, 0, 0, 0, 0, 3]);
        assert_eq!(report(&[seen(&[OTHER, third])], &BTreeSet::new()).1, 2);
        assert_eq!(report(&[seen(&[])], &BTreeSet::from([vip])).1, 0);
    }
}
