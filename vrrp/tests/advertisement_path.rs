//! From a deadline to a datagram nothing is allocated: what must go out on time waits for no allocator. Counted by one, in a
//! process that does nothing else.
#![expect(
    unsafe_code,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: an allocator is unsafe to write, what cannot go on fails, and a clock begins somewhere"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::{IpAddr, UdpSocket};
use std::time::{Duration, Instant};

use sys::envelope::{self, Envelope};
use vrrp::{
    Action, Family, Link, Priority, RouterId, RouterSpec, Routers, State, Tracking, Transport,
    Version, Vrid,
};

/// The system's allocator; it counts what this thread asks for.
struct Counting;

thread_local! {
    static ASKED: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is handed to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.with(|asked| asked.set(asked.get() + 1));
        // SAFETY: the caller keeps GlobalAlloc's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above; the pointer came from the same allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn asked() -> usize {
    ASKED.with(Cell::get)
}

/// Versions, families, with authentication and without.
fn specs() -> Vec<RouterSpec> {
    let spec = |vrid: u8, family: Family, version: Version| {
        let interface = "lo".parse().unwrap();
        let id = RouterId { interface, vrid: Vrid::try_from(vrid).unwrap(), family };
        let mut spec = RouterSpec::new(id, format!("v{vrid}"), version);
        spec.priority = Priority::try_from(255).unwrap();
        spec.advert_int = Duration::from_millis(100);
        let addresses = match family {
            Family::V4 => vec!["10.0.0.100".parse().unwrap(), "10.0.0.101".parse().unwrap()],
            Family::V6 => vec!["fe80::100".parse().unwrap()],
        };
        spec.transport = Transport::Multicast { group: Transport::group_of(family) };
        spec.with_addresses(addresses)
    };
    vec![
        spec(1, Family::V4, Version::V3),
        spec(2, Family::V6, Version::V3),
        spec(3, Family::V4, Version::V2),
    ]
}

#[test]
fn nothing_is_allocated_between_a_deadline_and_a_datagram() {
    let mut now = Instant::now();
    let mut routers = Routers::new();
    let specs = specs();
    let ids: Vec<RouterId> = specs.iter().map(|spec| spec.id).collect();
    routers.configure(specs, Vec::new(), now);
    for id in &ids {
        let source: IpAddr = match id.family {
            Family::V4 => "127.0.0.1".parse().unwrap(),
            Family::V6 => "fe80::1".parse().unwrap(),
        };
        routers.handle_tracking(*id, Tracking::default(), now);
        routers.handle_link(*id, Link { up: true, source: Some(source) }, now);
    }
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let sender = UdpSocket::bind("0.0.0.0:0").unwrap();
    let mut packet = Vec::with_capacity(4096);
    let mut sent = 0;
    // The first rounds announce and fill what is kept for its room.
    for round in 0..300 {
        now = routers.poll_timeout().unwrap().max(now);
        let before = asked();
        routers.advertise_if_due(now);
        routers.handle_timeout(now);
        while let Some(action) = routers.poll_action() {
            let Action::Advertise { router, priority } = action else { continue };
            let group = Transport::group_of(router.family);
            packet.clear();
            assert!(routers.advertisement(router, priority, group, &mut packet));
            // In the place of VRRP's own socket, which has to be privileged, by the same call.
            let envelope = Envelope {
                source: "127.0.0.1".parse().unwrap(),
                destination: "127.0.0.1".parse().unwrap(),
                port: receiver.local_addr().unwrap().port(),
                interface: 1,
                hop_limit: 255,
            };
            envelope::send(&sender, &envelope, &packet).unwrap();
            sent += usize::from(round >= 50);
        }
        let allocated = asked() - before;
        assert!(round < 50 || allocated == 0, "{allocated} allocations in round {round}");
    }
    let is_master = |id: &RouterId| routers.view(*id).unwrap().state == State::Master;
    assert!(ids.iter().all(is_master));
    assert!(sent > 200, "{sent} advertisements");
}
