//! Tries the crate on the kernel of this network namespace: every kind of entry goes in, is read back and
//! compared, then 5,000 destinations, timed. It refuses to touch a table that is not empty. With the name
//! of an interface that is up, sync daemons are started and stopped there too.
//!
//! `unshare --net sh -c 'ip link set lo up; cargo run -p ipvs --example roundtrip'` (root, and the module
//! ip_vs loaded; without an interface that is up the kernel takes no destination)

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr};
use std::num::{NonZeroU8, NonZeroU16, NonZeroU32};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ipvs::{
    Checksum, Destination, DestinationKey, Family, Forwarding, InterfaceName, Kernel, Netmask, Op,
    Persistence, Protocol, Scheduler, Service, ServiceFlags, ServiceKey, Settings, SyncDaemon,
    SyncRole, Table, Timeouts, Tunnel, Weight, diff,
};

fn main() -> ExitCode {
    match run(std::env::args().nth(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

type Outcome = Result<(), Box<dyn Error>>;

fn run(interface: Option<String>) -> Outcome {
    let mut kernel = Kernel::open()?;
    let info = kernel.info()?;
    println!("IPVS {:?}, {} buckets", info.version, info.connection_table_size);
    ensure(kernel.dump()? == Table::default(), "the table is empty to begin with")?;
    let outcome = all(&mut kernel, interface);
    kernel.flush()?;
    outcome?;
    ensure(kernel.dump()? == Table::default(), "the table is empty in the end")?;
    ensure(kernel.skipped() == 0, "every entry was understood")
}

fn all(kernel: &mut Kernel, interface: Option<String>) -> Outcome {
    kinds(kernel)?;
    refusals(kernel)?;
    timeouts(kernel)?;
    if let Some(interface) = interface {
        daemons(kernel, InterfaceName::new(&interface)?)?;
    }
    many(kernel, 100, 50)?;
    many(kernel, 1, 5_000)
}

fn ensure(holds: bool, promise: &str) -> Outcome {
    println!("{} {promise}", if holds { "ok  " } else { "FAIL" });
    if holds { Ok(()) } else { Err(promise.into()) }
}

/// Every kind of service and destination, then every setting changed, then all gone.
fn kinds(kernel: &mut Kernel) -> Outcome {
    let first = table(|weight| weight, "wlc", 300);
    let second = table(|weight| 3 - weight, "wrr", 60);
    for (desired, promise) in [
        (&first, "every kind of entry reads back as it was added"),
        (&second, "every kind of entry reads back as it was edited"),
    ] {
        let actual = kernel.dump()?;
        for result in kernel.apply(&diff(&actual, desired)) {
            result?;
        }
        let now = kernel.dump()?;
        ensure(now == *desired, promise)?;
        let keys: Vec<ServiceKey> = desired.services.keys().copied().collect();
        ensure(kernel.dump_services(&keys)? == now, "a slice is what the dump is")?;
    }
    let keys: Vec<ServiceKey> = second.services.keys().copied().collect();
    let counters = kernel.counters(&keys)?;
    let counted: usize = counters.values().map(|service| service.destinations.len()).sum();
    let held: usize = second.services.values().map(|service| service.destinations.len()).sum();
    ensure(counters.len() == keys.len() && counted == held, "every entry has counters")?;
    kernel.zero(None)?;
    kernel.zero(keys.first().copied())?;
    for result in kernel.apply(&diff(&second, &Table::default())) {
        result?;
    }
    ensure(kernel.dump()? == Table::default(), "all of it goes again")
}

fn changes(kernel: &mut Kernel, ops: &[Op]) -> Vec<(Op, Result<(), ipvs::Error>)> {
    ops.iter().copied().zip(kernel.apply(ops)).collect()
}

fn table(weight: impl Fn(u16) -> u16, scheduler: &str, timeout: u32) -> Table {
    let vip4 = IpAddr::from([10, 0, 0, 100]);
    let vip6: IpAddr = "2001:db8::100".parse().unwrap_or(vip4);
    let mark = |family| ServiceKey::fwmark(NonZeroU32::MIN, family);
    let keys = [
        ServiceKey::address(Protocol::Tcp, vip4, 80),
        ServiceKey::address(Protocol::Udp, vip4, 53),
        ServiceKey::address(Protocol::Sctp, vip4, 3868),
        ServiceKey::address(Protocol::Tcp, vip6, 80),
        ServiceKey::address(Protocol::Udp, vip6, 53),
        mark(Family::V4),
        mark(Family::V6),
    ];
    let mut table = Table::default();
    for key in keys {
        let mut service = Service::new(settings(key, scheduler, timeout));
        for (index, forwarding) in forwardings().into_iter().enumerate() {
            let limited = Destination {
                upper_threshold: 100 + timeout,
                lower_threshold: timeout,
                ..Destination::new(forwarding, weight(index as u16 % 4).into())
            };
            let last = index as u8 + 1;
            let own = match key.family() {
                Family::V4 => IpAddr::from([10, 0, 0, last]),
                Family::V6 => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last.into()]),
            };
            let other = match key.family() {
                Family::V4 => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 1, last.into()]),
                Family::V6 => IpAddr::from([10, 0, 1, last]),
            };
            service.destinations.insert(DestinationKey::new(own, 8080), limited);
            if let Forwarding::Tunnel(_) = forwarding {
                service.destinations.insert(DestinationKey::new(other, 8080), limited);
            }
        }
        table.services.insert(key, service);
    }
    table
}

fn settings(key: ServiceKey, scheduler: &str, timeout: u32) -> Settings {
    let netmask = match key.family() {
        Family::V4 => Netmask::V4(Ipv4Addr::new(255, 255, 255, 0)),
        Family::V6 => Netmask::V6(64),
    };
    let persistent = key != ServiceKey::fwmark(NonZeroU32::MIN, Family::V4);
    Settings {
        scheduler: Scheduler::new(scheduler).expect("the callers name real schedulers"),
        flags: if timeout > 100 { ServiceFlags::SCHED2 } else { ServiceFlags::ONEPACKET },
        persistence: persistent.then_some(Persistence { timeout, netmask }),
        engine: None,
    }
}

fn forwardings() -> Vec<Forwarding> {
    let port = NonZeroU16::new(6080).unwrap_or(NonZeroU16::MIN);
    let tunnels = [
        Tunnel::Ipip,
        Tunnel::Gue { port, checksum: Checksum::Off },
        Tunnel::Gue { port, checksum: Checksum::Full },
        Tunnel::Gue { port, checksum: Checksum::Remote },
        Tunnel::Gre { checksum: Checksum::Off },
        Tunnel::Gre { checksum: Checksum::Full },
    ];
    [Forwarding::Masquerade, Forwarding::Local, Forwarding::Route, Forwarding::Bypass]
        .into_iter()
        .chain(tunnels.map(Forwarding::Tunnel))
        .collect()
}

/// What the kernel refuses comes back with its own op, and what is gone is gone.
fn refusals(kernel: &mut Kernel) -> Outcome {
    let settings = |name| Scheduler::new(name).map(Settings::new);
    let key = ServiceKey::address(Protocol::Tcp, [10, 0, 0, 100].into(), 80);
    let absent = ServiceKey::address(Protocol::Tcp, [10, 0, 0, 100].into(), 81);
    let dest = DestinationKey::new([10, 0, 0, 3].into(), 80);
    let destination = Destination::new(Forwarding::Route, Weight::ONE);
    let ops = [
        Op::NewService { key, settings: settings("rr")? },
        Op::NewService { key, settings: settings("rr")? },
        Op::SetService { key, settings: settings("nonesuch")? },
        Op::NewDest { service: key, key: dest, destination },
        Op::NewDest { service: key, key: dest, destination },
        Op::NewDest { service: absent, key: dest, destination },
        Op::SetDest { service: key, key: DestinationKey { port: 81, ..dest }, destination },
        Op::SetDest {
            service: key,
            key: dest,
            destination: Destination { lower_threshold: 1, ..destination },
        },
        Op::DelDest { service: absent, key: dest },
        Op::DelDest { service: key, key: dest },
        Op::DelDest { service: key, key: dest },
        Op::DelService { key: absent },
        Op::DelService { key },
    ];
    let results = changes(kernel, &ops);
    for (op, result) in &results {
        match result {
            Ok(()) => println!("     {op}: done"),
            Err(error) => println!("     {error}"),
        }
    }
    let refused: Vec<usize> = results
        .iter()
        .enumerate()
        .filter_map(|(index, (_, result))| result.is_err().then_some(index))
        .collect();
    ensure(refused == [1, 2, 4, 5, 6, 7], "each refusal belongs to its own change")?;
    let there =
        |index: usize| results[index].1.as_ref().is_err_and(|error| error.is_already_there());
    ensure(there(1) && there(4), "what is there already is told apart")?;
    ensure(kernel.dump()? == Table::default(), "nothing stays behind")
}

fn timeouts(kernel: &mut Kernel) -> Outcome {
    let before = kernel.timeouts()?;
    let udp = Some(Duration::from_secs(77));
    kernel.set_timeouts(&Timeouts { udp, ..Timeouts::default() })?;
    let now = kernel.timeouts()?;
    kernel.set_timeouts(&before)?;
    ensure(now == Timeouts { udp, ..before }, "one timeout changes, the others stay")
}

fn daemons(kernel: &mut Kernel, on: InterfaceName) -> Outcome {
    let master = SyncDaemon::new(SyncRole::Master, on, 12);
    let backup = SyncDaemon {
        max_len: NonZeroU16::new(1400),
        group: Some([239, 1, 2, 3].into()),
        port: NonZeroU16::new(9000),
        ttl: NonZeroU8::new(5),
        ..SyncDaemon::new(SyncRole::Backup, on, 13)
    };
    ensure(kernel.daemons()?.is_empty(), "no sync daemon runs to begin with")?;
    kernel.start_daemon(&master)?;
    kernel.start_daemon(&backup)?;
    let running = kernel.daemons()?;
    let met = |wanted: &SyncDaemon| running.iter().any(|daemon| wanted.is_met_by(daemon));
    ensure(met(&master) && met(&backup), "both sync daemons run as they were asked to")?;
    let again = kernel.start_daemon(&master);
    ensure(again.is_err_and(|error| error.is_already_there()), "a second of one role is refused")?;
    for role in [SyncRole::Master, SyncRole::Backup, SyncRole::Backup] {
        kernel.stop_daemon(role)?;
    }
    ensure(kernel.daemons()?.is_empty(), "both stop, and stopping again is no error")
}

/// Destinations in number: added, edited, read, removed.
fn many(kernel: &mut Kernel, services: u16, each: u16) -> Outcome {
    println!("     {services} services of {each} destinations:");
    let (empty, bare) = (Table::default(), crowd(services, 0, 1)?);
    let (light, heavy) = (crowd(services, each, 1)?, crowd(services, each, 2)?);
    for (what, from, to) in [
        ("added", &empty, &light),
        ("edited", &light, &heavy),
        ("removed", &heavy, &bare),
        ("removed", &bare, &empty),
    ] {
        let ops = diff(from, to);
        let start = now();
        let failed = kernel.apply(&ops).into_iter().find_map(Result::err);
        report(what, ops.len(), start.elapsed());
        if let Some(error) = failed {
            return Err(error.into());
        }
        let start = now();
        let read = kernel.dump()?;
        report(
            "read",
            to.services.values().map(|s| 1 + s.destinations.len()).sum(),
            start.elapsed(),
        );
        ensure(read == *to, "the kernel holds what was asked for")?;
    }
    Ok(())
}

fn crowd(services: u16, each: u16, weight: u16) -> Result<Table, ipvs::NameError> {
    let mut table = Table::default();
    for port in 1..=services {
        let key = ServiceKey::address(Protocol::Tcp, [10, 0, 0, 100].into(), port);
        let mut service = Service::new(Settings::new(Scheduler::new("wlc")?));
        service.destinations = (0..each)
            .map(|n| {
                let [high, low] = n.to_be_bytes();
                let to = DestinationKey::new([10, 1, high, low].into(), port);
                (to, Destination::new(Forwarding::Route, weight.into()))
            })
            .collect();
        table.services.insert(key, service);
    }
    Ok(table)
}

#[expect(clippy::disallowed_methods, reason = "an example that measures")]
fn now() -> Instant {
    Instant::now()
}

fn report(what: &str, count: usize, took: Duration) {
    let each = took / u32::try_from(count).unwrap_or(u32::MAX).max(1);
    println!("     {count} {what} in {took:.1?}, {each:.2?} each");
}
