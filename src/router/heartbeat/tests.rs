//! Two ends that speak, and everything that may come between them.

use proptest::prelude::*;

use super::*;

#[expect(clippy::disallowed_methods, reason = "where a test's own clock begins")]
fn start() -> Instant {
    Instant::now()
}

fn ip(last: u8) -> IpAddr {
    IpAddr::from([10, 9, 0, last])
}

fn spec(peer: u8, key: &str) -> HeartbeatSpec {
    HeartbeatSpec {
        peer: SocketAddr::new(ip(peer), 694),
        local: SocketAddr::new(ip(0), 694),
        key: key.into(),
        interval: Duration::from_secs(1),
    }
}

fn says(state: State) -> Says {
    let router = RouterSays {
        name: "web".into(),
        vrid: 51,
        family: Family::V4,
        state,
        priority: 100,
        effective: 100,
        addresses: 7,
    };
    let digests = Some(Digests { services: 1, verdicts: 2, table: 3 });
    Says {
        version: "0.1.0".into(),
        routers: vec![router],
        digests,
        waits: true,
        connections: Some(9),
    }
}

fn pair(now: Instant) -> (Heartbeat, Heartbeat) {
    (Heartbeat::new(&spec(2, "k"), 11, now), Heartbeat::new(&spec(1, "k"), 22, now))
}

/// What a datagram says, without its mail.
fn heard(
    end: &mut Heartbeat,
    from: IpAddr,
    bytes: &[u8],
    now: Instant,
) -> Result<Option<Says>, Refusal> {
    end.handle_datagram(from, bytes, now).map(|it| it.map(|(says, ..)| says.clone()))
}

#[test]
fn a_peer_is_believed_once_it_has_answered_us() {
    let now = start();
    let (mut one, mut two) = pair(now);
    let first = one.beat(says(State::Master), &Mail::default(), now);
    assert_eq!(heard(&mut two, ip(1), &first, now), Ok(None), "it may be a recording");
    let answer = two.beat(says(State::Backup), &Mail::default(), now);
    assert_eq!(heard(&mut one, ip(2), &answer, now), Ok(Some(says(State::Backup))));
    let second = one.beat(says(State::Master), &Mail::default(), now);
    assert_eq!(heard(&mut two, ip(1), &second, now), Ok(Some(says(State::Master))));
    assert!(two.peer(now + Duration::from_millis(3400)).is_some());
    assert!(two.peer(now + Duration::from_millis(3500)).is_none());
    assert!(two.is_lost(now + Duration::from_millis(3500)));
}

#[test]
fn what_is_old_strange_or_of_another_key_is_refused() {
    let now = start();
    let (mut one, mut two) = pair(now);
    let beat = one.beat(says(State::Master), &Mail::default(), now);
    assert_eq!(heard(&mut two, ip(3), &beat, now), Err(Refusal::Stranger));
    assert_eq!(heard(&mut two, ip(1), &beat, now), Ok(None));
    assert_eq!(heard(&mut two, ip(1), &beat, now), Err(Refusal::Old), "sent again");
    let mut other = Heartbeat::new(&spec(2, "K"), 11, now);
    let forged = other.beat(says(State::Master), &Mail::default(), now);
    assert_eq!(heard(&mut two, ip(1), &forged, now), Err(Refusal::Key));
    assert_eq!((two.refused, two.wrong_key), (3, 1));
    // Our own, reflected.
    let own = one.beat(says(State::Master), &Mail::default(), now);
    assert_eq!(heard(&mut one, ip(2), &own, now), Err(Refusal::Old));
}

#[test]
fn a_recording_proves_nothing() {
    let now = start();
    let (mut one, mut two) = pair(now);
    let mut recorded = Vec::new();
    for _ in 0..20 {
        let beat = one.beat(says(State::Master), &Mail::default(), now);
        let _ = heard(&mut two, ip(1), &beat, now);
        recorded.push(beat);
        let beat = two.beat(says(State::Backup), &Mail::default(), now);
        let _ = heard(&mut one, ip(2), &beat, now);
    }
    // Another process at the receiver's end hears the whole recording.
    let mut fresh = Heartbeat::new(&spec(1, "k"), 33, now);
    fresh.beat(says(State::Backup), &Mail::default(), now);
    for beat in &recorded {
        assert_eq!(fresh.handle_datagram(ip(1), beat, now), Ok(None));
    }
    assert_eq!(fresh.peer(now), None);
}

#[test]
fn a_peer_that_was_restarted_is_believed_again() {
    let now = start();
    let (mut one, mut two) = pair(now);
    for _ in 0..3 {
        let beat = one.beat(says(State::Master), &Mail::default(), now);
        let _ = heard(&mut two, ip(1), &beat, now);
        let beat = two.beat(says(State::Backup), &Mail::default(), now);
        let _ = heard(&mut one, ip(2), &beat, now);
    }
    let mut two = Heartbeat::new(&spec(1, "k"), 44, now);
    let beat = two.beat(says(State::Fault), &Mail::default(), now);
    assert_eq!(heard(&mut one, ip(2), &beat, now), Ok(None));
    let beat = one.beat(says(State::Master), &Mail::default(), now);
    assert!(heard(&mut two, ip(1), &beat, now).unwrap().is_some());
    let beat = two.beat(says(State::Fault), &Mail::default(), now);
    assert!(heard(&mut one, ip(2), &beat, now).unwrap().is_some());
}

#[test]
fn differences_are_named() {
    let ours = says(State::Master);
    let mut theirs = says(State::Backup);
    assert_eq!(ours.differences(&theirs), [""; 0], "state is no difference");
    theirs.version = "0.2.0".into();
    theirs.routers[0].vrid = 52;
    theirs.digests = Some(Digests { services: 1, verdicts: 9, table: 9 });
    let wanted = [
        "version 0.2.0, ours is 0.1.0",
        "no virtual router 51 (IPv4)",
        "a virtual router 52 (IPv4) that we lack",
        "other real servers up",
        "another table",
    ];
    assert_eq!(ours.differences(&theirs), wanted);
}

#[test]
fn the_largest_director_fits_a_beat() {
    let mut all = says(State::Master);
    let router = all.routers[0].clone();
    all.routers =
        (0..=255).map(|vrid| RouterSays { vrid, name: "n".repeat(60), ..router.clone() }).collect();
    let (mut one, _) = pair(start());
    assert!(one.beat(all, &Mail::default(), start()).len() <= LONGEST);
}

proptest! {
    #[test]
    fn noise_and_changed_beats_are_refused(
        noise in prop::collection::vec(any::<u8>(), 0..200),
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
        cut in any::<prop::sample::Index>(),
    ) {
        let now = start();
        let (mut one, mut two) = pair(now);
        prop_assert!(heard(&mut two, ip(1), &noise, now).is_err());
        let mut with_magic = MAGIC.to_vec();
        with_magic.extend(&noise);
        prop_assert!(heard(&mut two, ip(1), &with_magic, now).is_err());
        let beat = one.beat(says(State::Master), &Mail::default(), now);
        let mut changed = beat.clone();
        changed[at.index(beat.len())] ^= 1 << bit;
        prop_assert!(heard(&mut two, ip(1), &changed, now).is_err());
        prop_assert!(heard(&mut two, ip(1), &beat[..cut.index(beat.len())], now).is_err());
        prop_assert_eq!(two.peer(now), None);
    }

    #[test]
    fn signed_noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..200)) {
        let now = start();
        let (_, mut two) = pair(now);
        let mut bytes = MAGIC.to_vec();
        bytes.extend(noise);
        let tag = hmac::sign(&two.key, &bytes);
        bytes.extend(tag.as_ref());
        let _ = heard(&mut two, ip(1), &bytes, now);
        prop_assert_eq!(two.peer(now), None);
    }
}

/// A director that does not know the fields added since ends its beat before them; one that knows more goes on.
#[test]
fn beats_of_an_older_and_a_newer_form_are_read() {
    let now = start();
    let told = says(State::Backup);
    let beat = Beat { node: 22, count: 1, echo: None, says: told.clone() };
    let whole = postcard::to_stdvec(&beat).unwrap();
    // `waits` is one byte, `Some(9)` two.
    let older = &whole[..whole.len() - 3];
    let newer = [&whole[..], b"more"].concat();
    let silent = Says { waits: false, connections: None, ..told.clone() };
    for (body, wanted) in [(older, silent), (&newer[..], told)] {
        let (one, _) = pair(now);
        let mut bytes = [MAGIC, body].concat();
        let tag = hmac::sign(&one.key, &bytes);
        bytes.extend(tag.as_ref());
        assert_eq!(one.read(ip(2), &bytes).unwrap().0.says, wanted);
    }
}

#[test]
fn mail_comes_with_a_beat_that_proves_itself_and_a_version_without_mail_reads_the_rest() {
    use crate::router::pair_order::PairOrders;
    let now = start();
    let (mut one, mut two) = pair(now);
    let mut orders = PairOrders::new(one.node());
    let order =
        crate::router::pair_order::PairOrder { servers: "10.0.0.3".parse().unwrap(), wanted: None };
    orders.handle_order(1, order, now).unwrap();
    let early = one.beat(says(State::Master), &orders.mail(), now);
    assert_eq!(two.handle_datagram(ip(1), &early, now), Ok(None), "nobody's mail yet");
    let answer = two.beat(says(State::Backup), &Mail::default(), now);
    one.handle_datagram(ip(2), &answer, now).unwrap();
    let beat = one.beat(says(State::Master), &orders.mail(), now);
    let told = two.handle_datagram(ip(1), &beat, now).unwrap().unwrap();
    assert_eq!(told, (&says(State::Master), 11, orders.mail()));
    assert_eq!(two.handle_datagram(ip(1), &beat, now), Err(Refusal::Old), "once");
    // As a version reads it that takes the beat and leaves what is behind it.
    let body = &beat[MAGIC.len()..beat.len() - TAG];
    let (read, rest) = postcard::take_from_bytes::<Beat>(body).unwrap();
    assert_eq!((read.says, rest.is_empty()), (says(State::Master), false));
}
