//! Version 2 and 3 side by side (RFC 9568 section 8.4.2): three kinds of routers on one network, two that speak one version
//! each and one that speaks both.

use std::time::Duration;

use super::{Bench, GREATER, LESSER, SECOND, id, prio, spec};
use crate::id::Version;
use crate::input::Header;
use crate::packet::Advertisement;
use crate::spec::{Auth, Password, RouterSpec, Transport};
use crate::state::State;

const TENTH: Duration = Duration::from_millis(100);

fn both() -> RouterSpec {
    RouterSpec { also_version_2: true, advert_int: TENTH, ..spec(1) }
}

fn older() -> RouterSpec {
    RouterSpec { version: Version::V2, ..spec(1) }
}

fn written(bench: &Bench, version: Version) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let group = Transport::group_of(id(1).family);
    let is_written = match version {
        Version::V3 => bench.routers.advertisement(id(1), 100, group, &mut bytes),
        Version::V2 => bench.routers.version_2_advertisement(id(1), 100, group, &mut bytes),
    };
    is_written.then_some(bytes)
}

#[test]
fn both_versions_are_sent_and_version_2_tells_whole_seconds() {
    let auth = Auth::Pass(Password::truncated(b"secret"));
    let bench = Bench::master(RouterSpec { auth, ..both() });
    let header = Header {
        source: super::host(super::US),
        destination: Transport::group_of(id(1).family),
        ttl: Some(255),
    };
    let (newer, older) = (written(&bench, Version::V3), written(&bench, Version::V2));
    let (newer, older) = (newer.unwrap(), older.unwrap());
    let decoded = [&newer, &older].map(|bytes| Advertisement::decode(bytes, &header).unwrap());
    assert_eq!(decoded.each_ref().map(|it| it.version), [Version::V3, Version::V2]);
    assert_eq!(decoded.each_ref().map(|it| it.interval), [TENTH, SECOND]);
    assert_eq!(&older[older.len() - 8..], b"secret\0\0", "authentication goes with version 2");
    assert_eq!(written(&Bench::master(spec(1)), Version::V2), None, "only where it is asked for");
}

#[test]
fn a_master_of_version_2_is_heard_and_its_interval_is_learned() {
    let mut bench = Bench::started(both());
    assert!(bench.wait() > SECOND * 3, "one that starts may not have heard it yet");
    bench.hear_as(&older(), GREATER, 150);
    // Three of its seconds and our skew, not three tenths.
    assert!(bench.wait() > SECOND * 3, "{:?}", bench.wait());
    let mut bench = Bench::started(RouterSpec { also_version_2: false, ..both() });
    let before = bench.wait();
    bench.hear_as(&older(), GREATER, 150);
    assert_eq!(bench.wait(), before, "a router of version 3 alone refuses it");
    let refused = bench.routers.view(id(1)).unwrap().counters.refused.version;
    assert_eq!(refused, 1);
}

#[test]
fn version_2_of_a_master_that_sends_version_3_too_is_passed_over() {
    let mut bench = Bench::started(both());
    bench.hear(id(1), GREATER, 150);
    let quick = bench.wait();
    bench.hear_as(&older(), GREATER, 150);
    assert_eq!(bench.wait(), quick, "else its death would be noticed after three seconds");
    // Another one, or one that has ceased to speak version 3, is heard.
    bench.now += TENTH * 3;
    bench.hear_as(&older(), GREATER, 150);
    assert!(bench.wait() > SECOND * 3);
}

#[test]
fn it_takes_over_from_a_lesser_master_of_either_version_and_yields_to_a_better_one() {
    for theirs in [older(), both()] {
        let mut bench = Bench::started(both());
        for _ in 0..40 {
            bench.hear_as(&theirs, LESSER, 50);
            bench.advance(TENTH);
        }
        assert_eq!(bench.state(id(1)), State::Master);
        bench.hear_as(&theirs, LESSER, 50);
        assert_eq!(bench.state(id(1)), State::Master);
        bench.hear_as(&theirs, GREATER, 150);
        assert_eq!(bench.state(id(1)), State::HandingOver);
    }
}

#[test]
fn a_release_in_version_2_is_followed() {
    let mut bench = Bench::started(RouterSpec { priority: prio(200), ..both() });
    bench.hear_as(&older(), GREATER, 254);
    bench.hear_as(&older(), GREATER, 0);
    assert!(bench.wait() < SECOND, "{:?}", bench.wait());
}

#[test]
fn what_version_2_requires_is_required_of_it() {
    let auth = Auth::Pass(Password::truncated(b"secret"));
    let mut bench = Bench::started(RouterSpec { auth, ..both() });
    bench.now += SECOND;
    let before = bench.wait();
    let said = bench.hear_as(&older(), GREATER, 150);
    assert!(said.starts_with("refused: "), "{said}");
    assert_eq!(bench.wait(), before, "without the password");
    bench.hear_as(&RouterSpec { auth, ..older() }, GREATER, 150);
    assert!(bench.wait() > before);
    assert_eq!(bench.routers.view(id(1)).unwrap().counters.refused.auth_type, 1);
}
