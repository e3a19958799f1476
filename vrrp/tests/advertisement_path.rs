//! From a deadline to a datagram nothing is allocated, nor from a datagram to its verdict, signed or not: what must go out on
//! time waits for no allocator. Counted by one, per thread, in a process that does nothing else.
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
    Action, Auth, Family, Header, Link, Password, Priority, RouterId, RouterSpec, Routers,
    SecretKey, SignatureMode, SignatureSpec, State, Tracking, Transport, Version, Vrid,
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

/// Versions, families, each way to prove who sent it.
fn specs(priority: u8) -> Vec<RouterSpec> {
    let password = Password::truncated(b"s3cret");
    let signature = SignatureSpec {
        keys: vec![(1, SecretKey::new(vec![7; 32]).unwrap())],
        active: 1,
        window: Some(Duration::from_secs(30)),
        mode: SignatureMode::Enforce,
    };
    let spec = |vrid: u8, family: Family, version: Version, auth: Auth, is_signed: bool| {
        let interface = "lo".parse().unwrap();
        let id = RouterId { interface, vrid: Vrid::try_from(vrid).unwrap(), family };
        let mut spec = RouterSpec::new(id, format!("v{vrid}"), version);
        spec.priority = Priority::try_from(priority).unwrap();
        spec.advert_int = Duration::from_millis(100);
        spec.auth = auth;
        spec.signature = is_signed.then(|| signature.clone());
        let addresses = match family {
            Family::V4 => vec!["10.0.0.100".parse().unwrap(), "10.0.0.101".parse().unwrap()],
            Family::V6 => vec!["fe80::100".parse().unwrap()],
        };
        spec.transport = Transport::Multicast { group: Transport::group_of(family) };
        spec.with_addresses(addresses)
    };
    vec![
        spec(1, Family::V4, Version::V3, Auth::None, false),
        spec(2, Family::V6, Version::V3, Auth::None, false),
        spec(3, Family::V4, Version::V2, Auth::None, false),
        spec(4, Family::V4, Version::V2, Auth::Pass(password), false),
        spec(5, Family::V4, Version::V2, Auth::Header(password), false),
        spec(6, Family::V4, Version::V3, Auth::None, true),
        spec(7, Family::V6, Version::V3, Auth::None, true),
        spec(8, Family::V4, Version::V2, Auth::None, true),
    ]
}

/// One end: its routers, and the last number of its address.
struct Side {
    routers: Routers,
    ids: Vec<RouterId>,
    last: u8,
}

impl Side {
    fn new(priority: u8, last: u8, now: Instant) -> Self {
        let specs = specs(priority);
        let ids: Vec<RouterId> = specs.iter().map(|spec| spec.id).collect();
        let mut routers = Routers::new();
        routers.configure(specs, Vec::new(), now);
        let mut side = Self { routers, ids, last };
        for id in side.ids.clone() {
            let source = side.source(id.family);
            side.routers.handle_tracking(id, Tracking::default(), now);
            side.routers.handle_link(id, Link { up: true, source: Some(source) }, now);
        }
        side
    }

    fn source(&self, family: Family) -> IpAddr {
        match family {
            Family::V4 => [127, 0, 0, self.last].into(),
            Family::V6 => [0xfe80, 0, 0, 0, 0, 0, 0, self.last.into()].into(),
        }
    }

    /// Writes what is to be sent, as the worker does; true if into `sealed`.
    fn write(
        &mut self,
        (router, priority): (RouterId, u8),
        now: Instant,
        packet: &mut Vec<u8>,
        sealed: &mut Vec<u8>,
    ) -> bool {
        let group = Transport::group_of(router.family);
        packet.clear();
        assert!(self.routers.advertisement(router, priority, group, packet));
        self.routers.sign(router, group, now, packet);
        self.routers.seal(router, group, 255, packet, sealed)
    }

    fn all_are(&self, state: State) -> bool {
        self.ids.iter().all(|id| self.routers.view(*id).unwrap().state == state)
    }
}

#[test]
fn nothing_is_allocated_on_either_end_of_an_advertisement() {
    let mut now = Instant::now();
    let mut utc = Duration::from_secs(1_800_000_000);
    let mut master = Side::new(255, 1, now);
    let mut backup = Side::new(100, 2, now);
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let sender = UdpSocket::bind("0.0.0.0:0").unwrap();
    let [mut packet, mut sealed] = [(); 2].map(|()| Vec::with_capacity(4096));
    let mut sent = 0;
    // The first rounds announce and fill what is kept for its room.
    for round in 0..300 {
        let due = master.routers.poll_timeout().unwrap().max(now);
        utc += due - now;
        now = due;
        let before = asked();
        master.routers.handle_time(utc, now);
        backup.routers.handle_time(utc, now);
        master.routers.advertise_if_due(now);
        master.routers.handle_timeout(now);
        while let Some(action) = master.routers.poll_action() {
            let Action::Advertise { router, priority } = action else { continue };
            let is_sealed = master.write((router, priority), now, &mut packet, &mut sealed);
            // In the place of VRRP's own socket, which has to be privileged, by the same call.
            let envelope = Envelope {
                source: "127.0.0.1".parse().unwrap(),
                destination: "127.0.0.1".parse().unwrap(),
                port: receiver.local_addr().unwrap().port(),
                interface: 1,
                hop_limit: 255,
            };
            let bytes = if is_sealed { &sealed } else { &packet };
            envelope::send(&sender, &envelope, bytes).unwrap();
            let heard = if is_sealed {
                backup.routers.handle_sealed(router.interface, bytes, now)
            } else {
                let header = Header {
                    source: master.source(router.family),
                    destination: Transport::group_of(router.family),
                    ttl: Some(255),
                };
                backup.routers.handle_packet(router.interface, &header, bytes, now)
            };
            assert_eq!(heard, Ok(router));
            sent += usize::from(round >= 50);
        }
        while backup.routers.poll_action().is_some() {}
        let allocated = asked() - before;
        assert!(round < 50 || allocated == 0, "{allocated} allocations in round {round}");
    }
    assert!(master.all_are(State::Master) && backup.all_are(State::Backup));
    assert!(sent > 200, "{sent} advertisements");
    for id in &backup.ids {
        let received = backup.routers.view(*id).unwrap().counters.received;
        assert!(received > 20, "{id}: {received} received");
    }
}
