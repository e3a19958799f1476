use super::*;

const MAC: Mac = [0x02, 0, 0, 0, 0, 0x0a];
const VIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
const VIP6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100);

#[test]
fn gratuitous_arp_claims_its_address_in_both_forms() {
    for form in [ArpForm::Request, ArpForm::Reply] {
        let frame = gratuitous_arp(form, MAC, VIP);
        assert_eq!(Claim::decode(&frame), Some(Claim { address: VIP.into(), hardware: MAC }));
        // A switch pads to 60 bytes.
        let mut padded = frame.to_vec();
        padded.resize(60, 0);
        assert_eq!(Claim::decode(&padded), Claim::decode(&frame));
    }
}

#[test]
fn gratuitous_arp_is_these_bytes() {
    let frame = gratuitous_arp(ArpForm::Request, MAC, VIP);
    let expected = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 0, 0, 0, 0x0a, 0x08, 0x06, // Ethernet
        0, 1, 8, 0, 6, 4, 0, 1, // request
        0x02, 0, 0, 0, 0, 0x0a, 10, 0, 0, 100, // sender
        0x02, 0, 0, 0, 0, 0x0a, 10, 0, 0, 100, // target: the same
    ];
    assert_eq!(frame, expected);
}

#[test]
fn an_arp_probe_claims_nothing() {
    let mut frame = gratuitous_arp(ArpForm::Request, MAC, VIP);
    frame[ETHERNET + 14..ETHERNET + 18].fill(0);
    assert_eq!(Claim::decode(&frame), None);
}

#[test]
fn a_neighbour_advertisement_goes_to_all_nodes_and_overrides() {
    let frame = neighbour_advertisement(MAC, VIP6, true);
    assert_eq!(frame[..6], ALL_NODES_MAC);
    assert_eq!(frame[ETHERNET + 7], 255, "hop limit");
    assert_eq!(frame[ETHERNET + IPV6 + 4], ROUTER | OVERRIDE);
    let host = neighbour_advertisement(MAC, VIP6, false);
    assert_eq!(host[ETHERNET + IPV6 + 4], OVERRIDE);
    for frame in [frame, host] {
        assert_eq!(Claim::decode(&frame), Some(Claim { address: VIP6.into(), hardware: MAC }));
    }
}

#[test]
fn a_neighbour_advertisement_that_was_forwarded_broken_or_solicited_claims_nothing() {
    let good = neighbour_advertisement(MAC, VIP6, true);
    for (at, value) in [(7, 64), (IPV6 + 2, 0), (IPV6 + 4, ROUTER | OVERRIDE | SOLICITED)] {
        let mut frame = good;
        frame[ETHERNET + at] = value;
        assert_eq!(Claim::decode(&frame), None, "byte {at}");
    }
}

#[test]
fn no_cut_and_no_changed_byte_makes_it_panic_or_claim_another_address() {
    for good in
        [&gratuitous_arp(ArpForm::Reply, MAC, VIP)[..], &neighbour_advertisement(MAC, VIP6, true)]
    {
        for length in 0..good.len() {
            assert_eq!(Claim::decode(&good[..length]), None, "{length} bytes");
        }
        for at in 0..good.len() {
            for value in 0..=255 {
                let mut frame = good.to_vec();
                frame[at] = value;
                Claim::decode(&frame);
            }
        }
    }
}

/// keepalived 2.2.7 for 2001:db8::100, captured with `tcpdump -i eb -s0 -w F icmp6` and shown with `-xx`.
#[test]
fn a_neighbour_advertisement_is_the_bytes_of_keepalived() {
    let captured = [
        0x33, 0x33, 0x00, 0x00, 0x00, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x0a, 0x86, 0xdd, 0x60,
        0x00, 0x00, 0x00, 0x00, 0x20, 0x3a, 0xff, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0xff, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x88, 0x00, 0xf7, 0x23, 0x20, 0x00,
        0x00, 0x00, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x01, 0x00, 0x02, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x0a,
    ];
    assert_eq!(neighbour_advertisement(MAC, VIP6, false), captured);
}

/// keepalived 2.2.7 for 10.0.0.100: it leaves the target hardware address at broadcast.
#[test]
fn a_gratuitous_arp_of_keepalived_is_a_claim() {
    let captured = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x00, 0x00, 0x00, 0x00, 0x0a, 0x08, 0x06, 0x00,
        0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x0a, 0x0a, 0x00,
        0x00, 0x64, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0a, 0x00, 0x00, 0x64,
    ];
    let claim = Claim { address: VIP.into(), hardware: MAC };
    assert_eq!(Claim::decode(&captured), Some(claim));
}
