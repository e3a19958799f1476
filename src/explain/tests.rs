//! Every text for every cause, compared whole with `texts.txt`; EVENKEEL_REWRITE=1 writes it anew, to be read by eye.

use std::fmt::Write;

use vrrp::{Counters, Family, State, Tracking, Version};

use super::*;
use crate::lvs::plan::Why;
use crate::lvs::status::{
    CheckStatus, OverrideStatus, RealServerStatus, SorryServerStatus, VirtualServerStatus,
};
use crate::router::priority::{Condition, TrackerKind};
use crate::router::status::{
    AddressStatus, GroupStatus, InstanceStatus, MasterStatus, TrackerStatus, TransitionStatus,
    VrrpStatus,
};

const TEXTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/explain/texts.txt");

/// Half past twelve, less so many milliseconds.
fn clock(ago: u64) -> String {
    let at = (12 * 3600 + 30 * 60) - ago / 1000;
    format!("{:02}:{:02}:{:02}", at / 3600, at / 60 % 60, at % 60)
}

fn passing() -> CheckStatus {
    CheckStatus {
        kind: "HTTP_GET".into(),
        target: "10.0.0.3:80".into(),
        up: true,
        for_ms: 3_600_000,
        last_ms_ago: Some(2_000),
        took_us: Some(1_200),
        probes: 600,
        ..CheckStatus::default()
    }
}

fn failing() -> CheckStatus {
    CheckStatus {
        up: false,
        for_ms: 242_000,
        cause: Some("answered 503 (wanted 200-299)".into()),
        failures_in_a_row: 3,
        ..passing()
    }
}

fn serving() -> RealServerStatus {
    RealServerStatus {
        key: "10.0.0.3:80".into(),
        up: true,
        for_ms: Some(3_600_000),
        weight: Some(3),
        configured_weight: 3,
        why: Why::Configured.to_string(),
        checks: vec![passing()],
        ..RealServerStatus::default()
    }
}

fn failed() -> RealServerStatus {
    RealServerStatus {
        up: false,
        for_ms: Some(242_000),
        cause: failing().cause,
        weight: None,
        why: Why::Failed.to_string(),
        checks: vec![failing()],
        ..serving()
    }
}

fn draining(out_in_ms: Option<u64>) -> RealServerStatus {
    let overridden = OverrideStatus {
        wish: "draining".into(),
        for_ms: 60_000,
        out_in_ms,
        reason: Some("new disk".into()),
        ..OverrideStatus::default()
    };
    RealServerStatus {
        weight: Some(0).filter(|_| out_in_ms != Some(0)),
        why: Why::Draining.to_string(),
        overridden: Some(overridden),
        ..serving()
    }
}

fn set(wish: &str, weight: Option<u32>) -> RealServerStatus {
    let overridden = OverrideStatus {
        wish: wish.into(),
        for_ms: 60_000,
        ends_in_ms: Some(3_540_000),
        ..OverrideStatus::default()
    };
    RealServerStatus { weight, overridden: Some(overridden), ..serving() }
}

fn service(real_servers: Vec<RealServerStatus>) -> VirtualServerStatus {
    VirtualServerStatus {
        key: "TCP 10.0.0.100:80".into(),
        scheduler: "wlc".into(),
        up: true,
        live_weight: 6,
        quorum: 2,
        real_servers,
        ..VirtualServerStatus::default()
    }
}

fn servers_told() -> Vec<(&'static str, RealServerStatus)> {
    let presumed = CheckStatus {
        presumed: true,
        last_ms_ago: None,
        took_us: None,
        in_flight: true,
        ..passing()
    };
    let doubtful = CheckStatus {
        cause: Some("no answer within 1s".into()),
        failures_in_a_row: 1,
        ..passing()
    };
    let check = |check: CheckStatus| RealServerStatus { checks: vec![check], ..serving() };
    let mut told: Vec<(&'static str, RealServerStatus)> =
        Why::ALL.into_iter().flat_map(seated).collect();
    told.extend([
        (
            "one of two checks fails",
            RealServerStatus { checks: vec![passing(), failing()], ..failed() },
        ),
        ("no answers yet", check(presumed)),
        ("fails, not often enough yet", check(doubtful)),
        ("no checks", RealServerStatus { checks: Vec::new(), for_ms: None, ..serving() }),
        ("its checks rest", check(CheckStatus { suspended: true, ..passing() })),
        ("the way to it is down", check(CheckStatus { unasked: true, ..passing() })),
        ("its certificate expires", check(CheckStatus { certificate_soon: true, ..passing() })),
    ]);
    told
}

/// How a real server looks that has its row for this reason: each reason has its texts.
fn seated(why: Why) -> Vec<(&'static str, RealServerStatus)> {
    let mut told = match why {
        Why::Configured => vec![("serves", serving())],
        Why::Asked => vec![("a check asks for another weight", with_weight(Some(1)))],
        Why::Failed => vec![("a check fails", failed())],
        Why::Inhibited => vec![(
            "a check fails, inhibit_on_failure",
            RealServerStatus { weight: Some(0), ..failed() },
        )],
        Why::Sorry => vec![("the sorry server serves", with_weight(None))],
        Why::Disabled => vec![("disabled for a time", set("disabled", None))],
        Why::Draining => vec![
            ("draining without a deadline", draining(None)),
            ("draining with a deadline", draining(Some(1_740_000))),
            ("drained", draining(Some(0))),
        ],
        Why::Set => vec![("weight set", set("weight 50%", Some(1)))],
        Why::Rising => vec![("slow start", with_weight(Some(1)))],
        Why::Kept => {
            vec![("a check fails, kept", RealServerStatus { weight: Some(3), ..failed() })]
        }
    };
    for (_, server) in &mut told {
        server.why = why.to_string();
    }
    told
}

fn with_weight(weight: Option<u32>) -> RealServerStatus {
    RealServerStatus { weight, ..serving() }
}

fn services_told() -> Vec<(&'static str, VirtualServerStatus)> {
    let sorry =
        |inhibit, serves| Some(SorryServerStatus { key: "10.0.0.200:80".into(), serves, inhibit });
    let down = || VirtualServerStatus { up: false, live_weight: 0, ..service(vec![failed()]) };
    vec![
        ("all is well", service(vec![serving(), serving()])),
        ("some are not as configured", service(vec![serving(), failed(), draining(None)])),
        ("no quorum, no sorry server", down()),
        ("sorry", VirtualServerStatus { sorry: true, sorry_server: sorry(false, true), ..down() }),
        (
            "sorry server waits",
            VirtualServerStatus { sorry_server: sorry(false, false), ..service(vec![serving()]) },
        ),
        (
            "sorry server waits in the table",
            VirtualServerStatus { sorry_server: sorry(true, false), ..service(vec![serving()]) },
        ),
        ("hysteresis", VirtualServerStatus { hysteresis: 1, ..service(vec![serving()]) }),
        (
            "the kernel refuses",
            VirtualServerStatus {
                lagging: Some("-s nosuch: no such file".into()),
                lagging_ms: Some(5_000),
                drifts: 2,
                ..service(vec![serving()])
            },
        ),
        (
            "the kernel's table is left different",
            VirtualServerStatus {
                differs: vec!["10.0.0.3:80 has weight 1, should have 3".into()],
                drifts: 1,
                ..service(vec![serving()])
            },
        ),
        ("kept by min_in_pool", VirtualServerStatus { kept: 1, ..service(vec![failed()]) }),
    ]
}

#[test]
fn every_text_for_every_cause() {
    let mut told = String::new();
    for (title, server) in servers_told() {
        let status = status(service(vec![server]));
        let text = explain(&status, "10.0.0.100:80/10.0.0.3:80", &clock).unwrap();
        write!(told, "# real server: {title}\n{text}\n").unwrap();
    }
    for (title, service) in services_told() {
        let text = explain(&status(service), "10.0.0.100:80", &clock).unwrap();
        write!(told, "# virtual server: {title}\n{text}\n").unwrap();
    }
    for (title, instance) in instances_told() {
        let vrrp = VrrpStatus {
            sync_groups: vec![GroupStatus { name: "all".into(), state: instance.state }],
            instances: vec![instance],
            ..VrrpStatus::default()
        };
        let status = Status { vrrp: Some(vrrp), ..Status::default() };
        let text = explain(&status, "web", &clock).unwrap();
        write!(told, "# instance: {title}\n{text}\n").unwrap();
    }
    compare(&told);
}

fn instance(state: State, cause: &str) -> InstanceStatus {
    let is_master = state == State::Master;
    let master = MasterStatus {
        address: [10, 0, 0, 2].into(),
        priority: 110,
        interval_ms: 1000,
        heard_ms_ago: 400,
    };
    let address = AddressStatus {
        address: [10, 0, 0, 100].into(),
        prefix_length: 32,
        interface: "eth0".into(),
        present: is_master,
    };
    let change = |from, to, cause: &str, lasted_ms| TransitionStatus {
        at_ms: 0,
        from,
        to,
        priority: 120,
        cause: cause.into(),
        lasted_ms,
    };
    InstanceStatus {
        name: "web".into(),
        interface: "eth0".into(),
        virtual_router_id: 51,
        family: Family::V4,
        version: Version::V3,
        state,
        for_ms: 242_000,
        priority: 120,
        effective_priority: 120,
        tracking: Tracking::default(),
        trackers: Vec::new(),
        resigned: false,
        waits_for_connections: false,
        transitions: vec![
            change(State::Initialize, State::Backup, "started", None),
            change(State::Backup, state, cause, Some(3_610)),
        ],
        holding: is_master,
        source: None,
        sync_group: None,
        master: (!is_master).then_some(master),
        addresses: vec![address],
        counters: Counters::default(),
        send_failures: 0,
    }
}

fn tracker(kind: TrackerKind, name: &str, adjustment: i32) -> TrackerStatus {
    TrackerStatus {
        kind,
        name: name.into(),
        weight: -20,
        reverse: false,
        condition: Some(Condition::Bad),
        content: None,
        adjustment,
        fault: false,
        failures_in_a_row: None,
        last: None,
    }
}

/// Something that is tracked and fails, of each kind.
fn tracked(kind: TrackerKind) -> (&'static str, InstanceStatus) {
    let title = match kind {
        TrackerKind::Interface => "backup by an interface",
        TrackerKind::Script => "backup by a script that does not run yet",
        TrackerKind::File => "backup by a file without a number",
        TrackerKind::Process => "backup by a process",
        TrackerKind::VirtualServer => "backup by a virtual server",
        TrackerKind::Bfd => "backup by a BFD session",
    };
    let condition = (kind != TrackerKind::Script).then_some(Condition::Bad);
    let tracker = TrackerStatus { condition, ..tracker(kind, "it", -20) };
    let backup = instance(State::Backup, "10.0.0.2 has priority 110");
    (title, InstanceStatus { effective_priority: 100, trackers: vec![tracker], ..backup })
}

fn instances_told() -> Vec<(&'static str, InstanceStatus)> {
    let backup = || instance(State::Backup, "10.0.0.2 has priority 110");
    let master = || instance(State::Master, "no master heard for 3.61s");
    let script = TrackerStatus {
        failures_in_a_row: Some(4),
        last: Some("exit 1".into()),
        ..tracker(TrackerKind::Script, "chk_nginx", -20)
    };
    let file = TrackerStatus {
        condition: None,
        content: Some(5),
        ..tracker(TrackerKind::File, "load", 5)
    };
    let interface = TrackerStatus {
        fault: true,
        last: Some("it is down".into()),
        ..tracker(TrackerKind::Interface, "eth1", 0)
    };
    let unheard = InstanceStatus { master: None, ..backup() };
    let gone = backup().master.map(|master| MasterStatus { priority: 0, ..master });
    let mut missing = master();
    missing.addresses[0].present = false;
    let mut left = backup();
    left.addresses[0].present = true;
    let lesser = backup().master.map(|master| MasterStatus { priority: 90, ..master });
    let mut told: Vec<_> = TrackerKind::ALL.into_iter().map(tracked).collect();
    told.extend([
        ("initialize", instance(State::Initialize, "eth0 is not there yet")),
        ("master", master()),
        ("backup", backup()),
        (
            "backup by a script and a file",
            InstanceStatus { effective_priority: 105, trackers: vec![script, file], ..backup() },
        ),
        ("backup, nobody heard", unheard),
        ("backup, the master gave up", InstanceStatus { master: gone, ..backup() }),
        ("backup, resigned", InstanceStatus { resigned: true, ..backup() }),
        (
            "backup, waits for connections",
            InstanceStatus { waits_for_connections: true, ..backup() },
        ),
        ("backup, addresses left over", left),
        (
            "fault",
            InstanceStatus {
                trackers: vec![interface],
                ..instance(State::Fault, "interface eth1 is down")
            },
        ),
        ("handing over", instance(State::HandingOver, "told to hand over")),
        ("master in a sync group", InstanceStatus { sync_group: Some("all".into()), ..master() }),
        ("master, an address is missing", missing),
        ("master, another one is heard", InstanceStatus { master: lesser, ..master() }),
        ("master, cannot send", InstanceStatus { send_failures: 7, ..master() }),
    ]);
    told
}

fn status(service: VirtualServerStatus) -> Status {
    let lvs = LvsStatus { virtual_servers: vec![service], ..LvsStatus::default() };
    Status { lvs: Some(lvs), ..Status::default() }
}

fn compare(told: &str) {
    if std::env::var_os("EVENKEEL_REWRITE").is_some() {
        std::fs::write(TEXTS, told).unwrap();
    }
    let wanted = std::fs::read_to_string(TEXTS).unwrap_or_default();
    for (line, (told, wanted)) in told.lines().zip(wanted.lines()).enumerate() {
        assert_eq!(told, wanted, "line {}", line + 1);
    }
    assert_eq!(told.lines().count(), wanted.lines().count());
}

#[test]
fn a_target_is_named_in_several_ways_and_an_unknown_one_is_said() {
    let status = status(service(vec![serving()]));
    let first = |target: &str| {
        let text = explain(&status, target, &clock)?;
        Ok(text.lines().next().unwrap_or_default().to_owned())
    };
    let server = Ok("real server 10.0.0.3:80 of TCP 10.0.0.100:80: serves with weight 3; \
        UP since 11:30:00 (1h00m)"
        .to_owned());
    assert_eq!(first("10.0.0.3"), server);
    assert_eq!(first("10.0.0.3:80"), server);
    let service = Ok("virtual server TCP 10.0.0.100:80: UP".to_owned());
    for target in ["10.0.0.100", "10.0.0.100:80", "tcp 10.0.0.100:80"] {
        assert_eq!(first(target), service);
    }
    for target in ["10.0.0.9", "web", ""] {
        assert_eq!(first(target), Err(Unknown::Target(target.to_owned())));
    }
}

#[test]
fn durations_are_as_long_as_they_need_to_be() {
    let all = [0, 400, 59_999, 187_000, 7_500_000, 356_400_000].map(duration);
    assert_eq!(all, ["0.0s", "0.4s", "59s", "3m07s", "2h05m", "4d03h"]);
}

#[test]
fn programs_get_kind_name_and_the_same_reasons() {
    let mut whole = status(service(vec![failed(), serving()]));
    let told = explained(&whole, "10.0.0.3:80", &clock).unwrap();
    assert_eq!(told.len(), 2);
    let json = serde_json::to_value(&told).unwrap();
    assert_eq!(json[0]["kind"], "real_server");
    assert_eq!(json[0]["name"], "TCP 10.0.0.100:80/10.0.0.3:80");
    let text = explain(&whole, "10.0.0.3:80", &clock).unwrap();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let reasons = || told.iter().flat_map(|one| &one.reasons);
    assert!(reasons().eq(lines), "{told:?} is not {text}");
    let told = explained(&whole, "10.0.0.100:80", &clock).unwrap();
    assert_eq!((told.len(), told[0].kind), (1, Kind::VirtualServer));
    whole.vrrp = Some(VrrpStatus {
        instances: vec![instance(State::Master, "no master heard")],
        ..VrrpStatus::default()
    });
    assert_eq!(explained(&whole, "web", &clock).unwrap()[0].kind, Kind::Instance);
    assert!(explained(&whole, "nothing", &clock).is_err());
}
