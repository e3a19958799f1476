//! What the difference is, without a kernel.

use vrrp::io::Link;
use vrrp::{Family, Vrid};

use super::*;

fn router(vrid: u8) -> RouterId {
    let interface = "eth0".parse().unwrap();
    RouterId { interface, vrid: Vrid::try_from(vrid).unwrap(), family: Family::V4 }
}

fn vip(address: &str) -> AddressSpec {
    AddressSpec {
        interface: "eth0".parse().unwrap(),
        address: address.parse().unwrap(),
        prefix_length: 24,
        broadcast: None,
        scope: 0,
        label: None,
        without_prefix_route: false,
        options: AddressOptions::default(),
        untracked: false,
    }
}

fn eth0(addresses: &[(&str, u8)]) -> Link {
    let present = |(address, protocol): &(&str, u8)| PresentAddress {
        interface: 2,
        address: address.parse().unwrap(),
        prefix_length: 24,
        protocol: *protocol,
        tentative: false,
        peer: None,
    };
    Link {
        index: 2,
        name: "eth0".into(),
        is_up: true,
        hardware: None,
        is_loopback: false,
        mtu: 1500,
        addresses: addresses.iter().map(present).collect(),
    }
}

/// What the next part of the difference is.
fn difference(holdings: &mut Holdings, eth0: &Link) -> (Vec<String>, Vec<String>) {
    let next: Vec<Place> = holdings.next().into_iter().map(|(place, _)| place).collect();
    let (missing, surplus) = holdings.difference(&next, &by_name([eth0].into_iter()));
    let text = |place: Place| place.address.to_string();
    let missing = missing.iter().map(|spec| text(Place::from(spec))).collect();
    (missing, surplus.into_iter().map(text).collect())
}

/// What all of it is.
fn whole(holdings: &mut Holdings, eth0: &Link) -> (Vec<String>, Vec<String>) {
    holdings.suspect_all();
    difference(holdings, eth0)
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn what_is_wanted_and_missing_is_added_once() {
    let mut holdings = Holdings::default();
    holdings.hold(router(1), &[vip("10.0.0.100"), vip("10.0.0.101")]);
    holdings.hold(router(2), &[vip("10.0.0.101")]);
    let eth0 = eth0(&[("10.0.0.1", 0), ("10.0.0.100", 18)]);
    assert_eq!(whole(&mut holdings, &eth0), (strings(&["10.0.0.101"]), strings(&[])));
}

#[test]
fn only_what_is_ours_and_unwanted_is_removed() {
    let mut holdings = Holdings::default();
    let [one, two] = [vip("10.0.0.100"), vip("10.0.0.101")];
    holdings.owned = [&one, &two].map(|vip| (Place::from(vip), None)).into();
    holdings.hold(router(1), &[one.clone(), two]);
    // The second moves to another router; the first was there before us in this run.
    holdings.hold(router(2), &[vip("10.0.0.101")]);
    holdings.release(router(1));
    let eth0 = eth0(&[("10.0.0.1", 0), ("10.0.0.100", 18), ("10.0.0.101", 18)]);
    assert_eq!(whole(&mut holdings, &eth0), (strings(&[]), strings(&["10.0.0.100"])));
    holdings.owned.remove(&Place::from(&one));
    assert_eq!(whole(&mut holdings, &eth0), (strings(&[]), strings(&[])));
}

#[test]
fn an_address_of_ours_in_another_form_goes_and_comes() {
    let mut holdings = Holdings::default();
    let plain = vip("10.0.0.100");
    holdings.owned = [(Place::from(&plain), Some(Form::from(&plain)))].into();
    holdings.hold(router(1), std::slice::from_ref(&plain));
    let eth0 = eth0(&[("10.0.0.100", 18)]);
    assert_eq!(whole(&mut holdings, &eth0), (strings(&[]), strings(&[])));
    let labelled = AddressSpec { label: Some("eth0:1".to_owned()), ..plain };
    holdings.hold(router(1), &[labelled]);
    let both = strings(&["10.0.0.100"]);
    assert_eq!(whole(&mut holdings, &eth0), (both.clone(), both));
    // In which form a process before us put it is not known: it stays as it is.
    holdings.owned.values_mut().for_each(|form| *form = None);
    assert_eq!(whole(&mut holdings, &eth0), (strings(&[]), strings(&[])));
}

#[test]
fn an_address_with_another_prefix_is_another_address() {
    let mut holdings = Holdings::default();
    let wide = AddressSpec { prefix_length: 16, ..vip("10.0.0.100") };
    holdings.hold(router(1), &[wide]);
    let eth0 = eth0(&[("10.0.0.100", 18)]);
    assert_eq!(whole(&mut holdings, &eth0).0, ["10.0.0.100"]);
}

#[test]
fn work_is_proportional_to_what_changed_and_a_turn_is_bounded() {
    let many: Vec<_> = (0..=99).map(|host| vip(&format!("10.0.1.{host}"))).collect();
    let mut holdings = Holdings::default();
    holdings.hold(router(1), &many);
    let eth0 = eth0(&[]);
    let (first, _) = difference(&mut holdings, &eth0);
    assert_eq!((first.len(), first[0].as_str()), (PLACES_PER_TURN, "10.0.1.0"));
    assert!(holdings.is_coming(&Place::from(&many[99])));
    assert_eq!(difference(&mut holdings, &eth0).0.len(), 100 - PLACES_PER_TURN);
    assert!(!holdings.is_pending());
    holdings.suspect(Place::from(&many[7]));
    holdings.suspect(Place::from(&vip("10.9.9.9")));
    assert_eq!(difference(&mut holdings, &eth0), (strings(&["10.0.1.7"]), strings(&[])));
    assert!(!holdings.is_pending() && !holdings.is_released());
    holdings.release(router(1));
    difference(&mut holdings, &eth0);
    difference(&mut holdings, &eth0);
    assert!(holdings.is_released());
}

#[test]
fn what_is_let_go_leaves_before_what_comes() {
    let mut holdings = Holdings::default();
    let [one, two] = [vip("10.0.0.100"), vip("10.0.0.101")];
    holdings.owned = [(Place::from(&one), None)].into();
    holdings.hold(router(1), std::slice::from_ref(&one));
    holdings.hold(router(1), &[two]);
    assert_eq!(holdings.next()[0], (Place::from(&one), false));
}

#[test]
fn what_a_late_notification_calls_lost_stays_ours() {
    let mut holdings = Holdings::default();
    let vip = vip("10.0.0.100");
    let (place, form) = (Place::from(&vip), Form::from(&vip));
    holdings.hold(router(1), std::slice::from_ref(&vip));
    assert!(holdings.note_applied(place, form.clone(), Applied::Changed));
    // The notification of a removal that came before: it looks lost, and is added again, and was there.
    assert_eq!(whole(&mut holdings, &eth0(&[])), (strings(&["10.0.0.100"]), strings(&[])));
    assert!(holdings.note_applied(place, form.clone(), Applied::AlreadySo));
    assert!(!holdings.is_pending());
    // In another form than the one that stands: compared again.
    assert!(holdings.note_applied(place, Form { scope: 253, ..form }, Applied::AlreadySo));
    assert!(holdings.is_pending());
    holdings.release(router(1));
    let there = eth0(&[("10.0.0.100", 18)]);
    assert_eq!(whole(&mut holdings, &there), (strings(&[]), strings(&["10.0.0.100"])));
}

#[test]
fn what_was_there_before_us_is_not_ours() {
    let mut holdings = Holdings::default();
    let vip = vip("10.0.0.100");
    holdings.hold(router(1), std::slice::from_ref(&vip));
    assert!(!holdings.note_applied(Place::from(&vip), Form::from(&vip), Applied::AlreadySo));
    holdings.release(router(1));
    let there = eth0(&[("10.0.0.100", 0)]);
    assert_eq!(whole(&mut holdings, &there), (strings(&[]), strings(&[])));
}
