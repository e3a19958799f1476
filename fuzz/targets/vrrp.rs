//! Any bytes as an advertisement, as if they had come by multicast on either family with the hop limit that is asked for.
#![no_main]

use std::net::{Ipv4Addr, Ipv6Addr};

use libfuzzer_sys::fuzz_target;
use vrrp::{Advertisement, Header};

fuzz_target!(|bytes: &[u8]| {
    let four = Header {
        source: Ipv4Addr::new(10, 0, 0, 1).into(),
        destination: Ipv4Addr::new(224, 0, 0, 18).into(),
        ttl: Some(255),
    };
    let six = Header {
        source: Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1).into(),
        destination: Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12).into(),
        ttl: Some(255),
    };
    for header in [four, six] {
        if let Ok(advertisement) = Advertisement::decode(bytes, &header) {
            let addresses: Vec<_> = advertisement.addresses.iter().collect();
            assert!(advertisement.addresses.is_same_set(&addresses));
        }
    }
});
