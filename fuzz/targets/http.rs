//! Any bytes as an answer to HTTP_GET, whose body is digested and searched.
#![no_main]

use checkers::spec::{
    BodySearch, Connection, Digest, HttpSpec, HttpVersion, Pattern, PatternOptions, ProbeKind,
    Statuses, Url,
};
use checkers::{Cadence, CheckSpec, Outcome, Target, answers};
use libfuzzer_sys::fuzz_target;

fn kind(bytes: &[u8]) -> ProbeKind {
    let pattern = Pattern::new("ok|[0-9]{3}$", PatternOptions::default()).expect("an expression");
    let url = |digest, search| Url {
        path: "/".parse().expect("a path"),
        statuses: Statuses::default(),
        digest,
        search,
        virtualhost: None,
        tls_compliant: false,
    };
    let searched = BodySearch { pattern, no_match: false, min_offset: 0, max_offset: Some(64) };
    let urls = match bytes.first().is_some_and(|byte| byte % 2 == 0) {
        true => vec![url(None, Some(searched))],
        false => vec![url(Some(Digest([0; 16])), None)],
    };
    ProbeKind::Http(HttpSpec {
        connection: Connection::default(),
        tls: None,
        version: HttpVersion::Http11,
        urls,
        fast_recovery: false,
        body_limit: Some(2048),
    })
}

fuzz_target!(|bytes: &[u8]| {
    let spec = CheckSpec { kind: kind(bytes), cadence: Cadence::default() };
    let target = Target { addr: [192, 0, 2, 1].into(), port: 80 };
    match answers::judge(&spec, target, bytes) {
        Some(Outcome::Failed(failure)) => assert!(!failure.to_string().is_empty()),
        Some(Outcome::Passed(_)) => assert!(!bytes.is_empty(), "silence is no answer"),
        other => panic!("{other:?}"),
    }
});
