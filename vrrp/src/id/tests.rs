use super::*;

#[test]
fn an_interface_name_has_one_to_fifteen_bytes() {
    assert_eq!("eth0".parse::<IfName>().unwrap().as_str(), "eth0");
    assert_eq!("a23456789012345".parse::<IfName>().unwrap().to_string(), "a23456789012345");
    for bad in ["", "a234567890123456", "eth 0", "a/b", "eth0:1", ".", "..", "a\0b"] {
        assert_eq!(bad.parse::<IfName>(), Err(BadName(bad.to_owned())), "{bad:?}");
    }
}

#[test]
fn vrid_and_priority_refuse_zero() {
    assert_eq!(Vrid::try_from(0), Err(IsZero));
    assert_eq!(Priority::try_from(0), Err(IsZero));
    assert_eq!(u8::from(Vrid::try_from(255).unwrap()), 255);
}

#[test]
fn tracking_moves_a_priority_within_1_and_254_and_never_an_owner() {
    let base = Priority::try_from(100).unwrap();
    let cases = [(0, 100), (20, 120), (-20, 80), (-100, 1), (-1000, 1), (i32::MIN, 1), (154, 254)];
    for (adjustment, effective) in cases {
        assert_eq!(u8::from(base.adjusted(adjustment)), effective, "{adjustment}");
    }
    assert_eq!(u8::from(base.adjusted(i32::MAX)), 254);
    assert_eq!(Priority::OWNER.adjusted(-50), Priority::OWNER);
    assert_eq!(u8::from(Priority::DEFAULT), 100);
}
