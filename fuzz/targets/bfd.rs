//! Any bytes as BFD control packets: to the decoder, which must read what it writes, and to sessions in every state that
//! a row of packets leads them to.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use bfd::{Action, Arrival, Packet, Path, SessionSpec, Sessions};
use libfuzzer_sys::fuzz_target;

const NEIGHBOR: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

fuzz_target!(|bytes: &[u8]| {
    if let Ok(packet) = Packet::decode(bytes) {
        assert_eq!(Packet::decode(&packet.encode()), Ok(packet));
    }
    let mut now = Instant::now();
    let mut sessions = Sessions::new(7);
    sessions.configure(vec![SessionSpec::new("fuzzed", NEIGHBOR)], now);
    let mut ours = 0;
    for packet in bytes.chunks(25) {
        let Some((way, packet)) = packet.split_first() else { continue };
        now += Duration::from_millis(u64::from(way >> 1) * 10);
        sessions.handle_timeout(now);
        let mut packet = packet.to_vec();
        // A neighbour knows our discriminator by now; random bytes would never find it.
        if way & 1 == 1
            && let Some(yours) = packet.get_mut(8..12)
        {
            yours.copy_from_slice(&u32::to_be_bytes(ours));
        }
        let path = Path::SingleHop;
        let arrival = Arrival { source: NEIGHBOR, destination: None, ttl: Some(255), path };
        let _ = sessions.handle_packet(&packet, &arrival, now);
        while let Some(action) = sessions.poll_action() {
            if let Action::Open { session, .. } = action {
                ours = session.get();
            }
        }
    }
    for _ in 0..8 {
        sessions.handle_timeout(now);
    }
    assert!(sessions.poll_timeout().is_none_or(|at| at > now));
});
