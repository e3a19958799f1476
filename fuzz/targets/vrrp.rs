//! Any bytes as an advertisement, on either family and in an authentication header: to the decoder, and to a set of routers
//! in every state that it leads them to. Each input is a row of packets, the first byte saying which way it comes.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use vrrp::{
    Advertisement, Auth, Family, Header, Link, Password, RouterId, RouterSpec, Routers, Version,
    Vrid,
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
    ]
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
    let interface = specs[0].id.interface;
    let ids: Vec<RouterId> = specs.iter().map(|spec| spec.id).collect();
    routers.configure(specs, Vec::new(), now);
    for id in ids {
        let source = match id.family {
            Family::V4 => IpAddr::from([10, 0, 0, 2]),
            Family::V6 => IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2)),
        };
        routers.handle_link(id, Link { up: true, source: Some(source) }, now);
    }
    for packet in bytes.chunks(64) {
        let Some((way, packet)) = packet.split_first() else { continue };
        now += Duration::from_millis(u64::from(way >> 2) * 40);
        routers.handle_timeout(now);
        let _ = match way % 4 {
            0 => routers.handle_packet(interface, &SIX, packet, now),
            1 => routers.handle_sealed(interface, packet, now),
            _ => routers.handle_packet(interface, &FOUR, packet, now),
        };
        while routers.poll_action().is_some() {}
    }
    // Whatever came: soon nothing is due before the future.
    for _ in 0..8 {
        routers.handle_timeout(now);
        while routers.poll_action().is_some() {}
    }
    assert!(routers.poll_timeout().is_none_or(|at| at > now));
});
