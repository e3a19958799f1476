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
