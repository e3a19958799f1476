//! Any bytes as the frames of an answer to GRPC_CHECK.
#![no_main]

use checkers::spec::{Connection, GrpcSpec, ProbeKind, ServiceName};
use checkers::{Cadence, CheckSpec, Outcome, Target, answers};
use libfuzzer_sys::fuzz_target;

fn kind(_: &[u8]) -> ProbeKind {
    ProbeKind::Grpc(GrpcSpec {
        connection: Connection::default(),
        tls: None,
        service: ServiceName::default(),
        virtualhost: None,
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
