//! Any bytes as an Ethernet frame in which a peer may claim an address.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vrrp::announce::Claim;

fuzz_target!(|bytes: &[u8]| {
    if let Some(claim) = Claim::decode(bytes) {
        assert!(bytes.len() >= 42, "a claim of {} stood in {} bytes", claim.address, bytes.len());
    }
});
