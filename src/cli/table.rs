//! `evenkeel table`: the kernel's table as `ipvsadm -Ln` prints it, for hosts without it. It asks the kernel itself, so
//! that it shows the whole table, and works without a director.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;

use clap::Args;
use ipvs::{
    Destination, DestinationKey, Family, Forwarding, Info, Kernel, Netmask, Protocol, Service,
    ServiceCounters, ServiceFlags, ServiceKey, Settings, Stats, Table,
};

/// What is shown.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Options {
    /// Connections, packets and bytes since the start
    #[arg(long, conflicts_with = "rate")]
    stats: bool,
    /// The same per second
    #[arg(long)]
    rate: bool,
    /// The table as JSON
    #[arg(long, conflicts_with_all = ["stats", "rate"])]
    json: bool,
}

/// Exit status 0 when the kernel answered.
pub(super) fn run(options: &Options) -> ExitCode {
    match read() {
        Ok((_, table, _)) if options.json => match serde_json::to_string(&listed(&table)) {
            Ok(text) => {
                sayln!("{text}");
                ExitCode::SUCCESS
            }
            Err(cause) => {
                eprintln!("evenkeel: {cause}");
                ExitCode::FAILURE
            }
        },
        Ok((info, table, counters)) => {
            let what = match options {
                Options { stats: true, .. } => What::Stats,
                Options { rate: true, .. } => What::Rates,
                Options { .. } => What::Connections,
            };
            say!("{}", render(&info, &table, &counters, what));
            ExitCode::SUCCESS
        }
        Err(cause) => {
            eprintln!("evenkeel: the kernel's table cannot be read: {cause}");
            ExitCode::FAILURE
        }
    }
}

type Counters = BTreeMap<ServiceKey, ServiceCounters>;

fn read() -> Result<(Info, Table, Counters), ipvs::Error> {
    let mut kernel = Kernel::open()?;
    let info = kernel.info()?;
    let table = kernel.dump()?;
    let keys: Vec<ServiceKey> = table.services.keys().copied().collect();
    let counters = kernel.counters(&keys)?;
    Ok((info, table, counters))
}

/// A table whose keys are values, as JSON wants them.
fn listed(table: &Table) -> Vec<serde_json::Value> {
    let row = |(key, row): &(DestinationKey, Destination)| serde_json::json!({ "key": key.to_string(), "row": row });
    let service = |(key, service): (&ServiceKey, &Service)| {
        let rows: Vec<_> = service.destinations.iter().map(row).collect();
        serde_json::json!({ "key": key.to_string(), "settings": service.settings, "destinations": rows })
    };
    table.services.iter().map(service).collect()
}

/// Which columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Connections,
    Stats,
    Rates,
}

fn render(info: &Info, table: &Table, counters: &Counters, what: What) -> String {
    let mut page = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut page, info, table, counters, what);
    page
}

fn write(
    page: &mut String,
    info: &Info,
    table: &Table,
    counters: &Counters,
    what: What,
) -> std::fmt::Result {
    let ((major, minor, patch), size) = (info.version, info.connection_table_size);
    writeln!(page, "IP Virtual Server version {major}.{minor}.{patch} (size={size})")?;
    heading(page, what)?;
    let none = ServiceCounters::default();
    let mut services: Vec<(&ServiceKey, &Service)> = table.services.iter().collect();
    services.sort_by(|(a, _), (b, _)| order(a, b));
    for (key, service) in services {
        let counted = counters.get(key).unwrap_or(&none);
        match what {
            What::Connections => writeln!(page, "{} {}", name(key), settings(&service.settings))?,
            What::Stats | What::Rates => {
                writeln!(page, "{:<33}{}", name(key), numbers(&counted.stats, what))?;
            }
        }
        for (key, row) in &service.destinations {
            let counted = counted.destinations.get(key).copied().unwrap_or_default();
            let place = socket(key.addr, key.port);
            match what {
                What::Connections => {
                    let (weight, now) = (row.weight.value(), counted.connections);
                    let forward = forward(row.forwarding);
                    let (active, inactive) = (now.active, now.inactive);
                    writeln!(
                        page,
                        "  -> {place:<28} {forward:<7} {weight:<6} {active:<10} {inactive:<10}"
                    )?;
                }
                What::Stats | What::Rates => {
                    writeln!(page, "  -> {place:<28}{}", numbers(&counted.stats, what))?;
                }
            }
        }
    }
    Ok(())
}

fn heading(page: &mut String, what: What) -> std::fmt::Result {
    let columns = match what {
        What::Connections => {
            writeln!(page, "Prot LocalAddress:Port Scheduler Flags")?;
            return writeln!(
                page,
                "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn"
            );
        }
        What::Stats => ["Conns", "InPkts", "OutPkts", "InBytes", "OutBytes"],
        What::Rates => ["CPS", "InPPS", "OutPPS", "InBPS", "OutBPS"],
    };
    write!(page, "{:<33}", "Prot LocalAddress:Port")?;
    columns.iter().try_for_each(|column| write!(page, " {column:>8}"))?;
    writeln!(page, "\n  -> RemoteAddress:Port")
}

/// ipvsadm's order: address services before marks, IPv4 before IPv6, then protocol, address, port.
fn order(a: &ServiceKey, b: &ServiceKey) -> Ordering {
    let rank = |key: &ServiceKey| match *key {
        ServiceKey::Address { protocol, addr, port } => {
            (0, key.family() == Family::V6, protocol.number(), Some(addr), port)
        }
        ServiceKey::Fwmark { mark, family } => (mark.get(), family == Family::V6, 0, None, 0),
    };
    rank(a).cmp(&rank(b))
}

fn name(key: &ServiceKey) -> String {
    match *key {
        ServiceKey::Address { protocol, addr, port } => {
            let protocol = match protocol {
                Protocol::Tcp => "TCP",
                Protocol::Udp => "UDP",
                Protocol::Sctp => "SCTP",
            };
            format!("{protocol:<4} {}", socket(addr, port))
        }
        ServiceKey::Fwmark { mark, family: Family::V4 } => format!("FWM  {mark}"),
        ServiceKey::Fwmark { mark, family: Family::V6 } => format!("FWM  {mark} IPv6"),
    }
}

fn socket(addr: IpAddr, port: u16) -> String {
    SocketAddr::new(addr, port).to_string()
}

fn settings(settings: &Settings) -> String {
    let Settings { scheduler, flags, persistence, engine } = settings;
    let mut text = scheduler.to_string();
    let own = match scheduler.as_str() {
        "sh" => ["sh-fallback", "sh-port", "flag-3"],
        "mh" => ["mh-fallback", "mh-port", "flag-3"],
        _ => ["flag-1", "flag-2", "flag-3"],
    };
    let all = [ServiceFlags::SCHED1, ServiceFlags::SCHED2, ServiceFlags::SCHED3];
    let set: Vec<&str> = all
        .into_iter()
        .zip(own)
        .filter(|(flag, _)| flags.contains(*flag))
        .map(|(_, n)| n)
        .collect();
    if !set.is_empty() {
        text.push_str(&format!(" ({})", set.join(",")));
    }
    if let Some(persistence) = persistence {
        text.push_str(&format!(" persistent {}", persistence.timeout));
        match persistence.netmask {
            mask if mask == Netmask::single(mask.family()) => {}
            Netmask::V4(mask) => text.push_str(&format!(" mask {mask}")),
            Netmask::V6(prefix) => text.push_str(&format!(" mask {prefix}")),
        }
        if let Some(engine) = engine {
            text.push_str(&format!(" pe {engine}"));
        }
    }
    if flags.contains(ServiceFlags::ONEPACKET) {
        text.push_str(" ops");
    }
    text
}

fn forward(forwarding: Forwarding) -> &'static str {
    match forwarding {
        Forwarding::Masquerade => "Masq",
        Forwarding::Local => "Local",
        Forwarding::Tunnel(_) => "Tunnel",
        Forwarding::Route => "Route",
        Forwarding::Bypass => "Bypass",
    }
}

fn numbers(stats: &Stats, what: What) -> String {
    let rates = &stats.rates;
    let columns = match what {
        What::Rates => [
            rates.connections,
            rates.packets_in,
            rates.packets_out,
            rates.bytes_in,
            rates.bytes_out,
        ],
        What::Stats | What::Connections => [
            stats.connections,
            stats.packets_in,
            stats.packets_out,
            stats.bytes_in,
            stats.bytes_out,
        ],
    };
    columns.map(large).concat()
}

/// ipvsadm's nine columns: thousands, millions and so on once there are nine digits.
fn large(number: u64) -> String {
    match number {
        0..100_000_000 => format!("{number:>9}"),
        100_000_000..1_000_000_000 => format!("{:>8}K", number / 1_000),
        1_000_000_000..100_000_000_000 => format!("{:>8}M", number / 1_000_000),
        100_000_000_000..100_000_000_000_000 => format!("{:>8}G", number / 1_000_000_000),
        _ => format!("{:>8}T", number / 1_000_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_keep_their_columns() {
        let all =
            [0, 99_999_999, 100_000_000, 12_345_678_901, 123_456_789_012, u64::MAX].map(large);
        let wanted = ["        0", " 99999999", "  100000K", "   12345M", "     123G", "18446744T"];
        assert_eq!(all, wanted);
    }

    #[test]
    fn services_stand_in_the_order_of_ipvsadm() {
        let mut keys = [
            "FWM 2",
            "FWM 1 IPv6",
            "FWM 1",
            "TCP [fd00::1]:80",
            "UDP 10.0.0.1:53",
            "TCP 10.0.0.2:80",
            "TCP 10.0.0.2:9",
            "TCP 9.0.0.2:99",
        ]
        .map(|text| text.parse::<ServiceKey>().unwrap());
        keys.sort_by(order);
        let wanted = [
            "TCP  9.0.0.2:99",
            "TCP  10.0.0.2:9",
            "TCP  10.0.0.2:80",
            "UDP  10.0.0.1:53",
            "TCP  [fd00::1]:80",
            "FWM  1",
            "FWM  1 IPv6",
            "FWM  2",
        ];
        assert_eq!(keys.map(|key| name(&key)), wanted);
    }
}
