//! Any bytes as an advertisement, on either family and in an authentication header: to the decoder, and to a set of routers
//! in every state that it leads them to, some alone and some in a group. Each input is a row of steps, of which the first
//! byte says the kind and the time that passes before: a packet with its length and bytes, or what a well-formed
//! advertisement says.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use vrrp::packet::Outgoing;
use vrrp::{
    Advertisement, Auth, Family, GroupSpec, Header, Link, Password, RouterId, RouterSpec, Routers,
    State, Version, Vrid,
};

const FOUR: Header = Header {
    source: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
    destination: IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18)),
    ttl: Some(255),
};
const SIX: Header = Header {
    source: IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1)),
    destination: IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12)),
    ttl: Some(255),
};

fn specs() -> Vec<RouterSpec> {
    let router = |vrid: u8, family, version, auth, address: &str| {
        let vrid = Vrid::try_from(vrid).expect("not 0");
        let interface = "eth0".parse().expect("a name");
        let id = RouterId { interface, vrid, family };
        let address = address.parse().expect("an address");
        let spec = RouterSpec::new(id, "fuzzed", version).with_addresses(vec![address]);
        RouterSpec { auth, ..spec }
    };
    let password = Password::truncated(b"secret");
    let (two, three) = (Version::V2, Version::V3);
    vec![
        router(1, Family::V4, two, Auth::None, "10.0.0.100"),
        router(2, Family::V4, two, Auth::Pass(password), "10.0.0.101"),
        router(3, Family::V4, two, Auth::Header(password), "10.0.0.102"),
        router(4, Family::V4, three, Auth::None, "10.0.0.103"),
        router(5, Family::V6, three, Auth::None, "fe80::100"),
        router(6, Family::V4, three, Auth::None, "10.0.0.104"),
        router(7, Family::V4, two, Auth::None, "10.0.0.105"),
        router(7, Family::V6, three, Auth::None, "fe80::101"),
    ]
}

/// What another router with this spec says, of any priority.
fn said_by(
    spec: &RouterSpec,
    host: u8,
    priority: Option<u8>,
    interval: Option<u8>,
    into: &mut Vec<u8>,
) -> Header {
    let outgoing = Outgoing {
        version: spec.version,
        vrid: spec.id.vrid,
        priority: priority.unwrap_or(100),
        interval: interval
            .map_or(spec.advert_int, |tenths| Duration::from_millis(100) * tenths.into()),
        addresses: &spec.addresses,
        auth: spec.auth,
        checksum: spec.checksum,
    };
    let header = match spec.id.family {
        Family::V4 => Header { source: IpAddr::from([10, 0, 0, host]), ..FOUR },
        Family::V6 => {
            Header { source: Ipv6Addr::from(0xfe80 << 112 | u128::from(host)).into(), ..SIX }
        }
    };
    outgoing.encode(header.source, header.destination, into);
    header
}

/// All members of a group have the same configuration and links here: either all are Master, or none.
fn assert_group_is_one(routers: &Routers) {
    let members = || routers.views().filter(|view| view.group.is_some());
    let masters = members().filter(|view| view.state == State::Master).count();
    assert!(masters == 0 || masters == members().count(), "{masters} members are Master");
}

fuzz_target!(|bytes: &[u8]| {
    for header in [FOUR, SIX] {
        if let Ok(advertisement) = Advertisement::decode(bytes, &header) {
            let addresses: Vec<_> = advertisement.addresses.iter().collect();
            assert!(advertisement.addresses.is_same_set(&addresses));
        }
    }
    let mut now = Instant::now();
    let (specs, mut routers) = (specs(), Routers::new());
    let known = specs.clone();
    let interface = specs[0].id.interface;
    let ids: Vec<RouterId> = specs.iter().map(|spec| spec.id).collect();
    let members = ids.iter().copied().filter(|id| u8::from(id.vrid) > 5).collect();
    let group = GroupSpec { name: "G".into(), members };
    routers.configure(specs, vec![group], now);
    for id in ids {
        let source = match id.family {
            Family::V4 => IpAddr::from([10, 0, 0, 2]),
            Family::V6 => IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2)),
        };
        routers.handle_link(id, Link { up: true, source: Some(source) }, now);
    }
    let mut rest = bytes;
    let mut written = Vec::new();
    while let [way, length, after @ ..] = rest {
        now += Duration::from_millis(u64::from(way >> 2) * 40);
        routers.handle_timeout(now);
        let (packet, next) = after.split_at(after.len().min(usize::from(*length)));
        rest = next;
        let _ = match way % 4 {
            0 => routers.handle_packet(interface, &SIX, packet, now),
            1 => routers.handle_sealed(interface, packet, now),
            2 => routers.handle_packet(interface, &FOUR, packet, now),
            _ => {
                let [which, host, priority, interval] =
                    [0, 1, 2, 3].map(|at| packet.get(at).copied());
                let spec = &known[usize::from(which.unwrap_or(0)) % known.len()];
                let header = said_by(spec, host.unwrap_or(0) % 4, priority, interval, &mut written);
                routers.handle_packet(interface, &header, &written, now)
            }
        };
        while routers.poll_action().is_some() {}
        assert_group_is_one(&routers);
    }
    // Whatever came: soon nothing is due before the future.
    for _ in 0..8 {
        routers.handle_timeout(now);
        while routers.poll_action().is_some() {}
    }
    assert!(routers.poll_timeout().is_none_or(|at| at > now));
});
