//! Events for others to read: FIFOs as keepalived writes them, to the byte.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::pair::{PRIORITIES, Pace, instance, service};
use crate::daemon::Daemon;
use crate::daemon::Kind::{self, Evenkeel, Keepalived};
use crate::host::holds_within;
use crate::keeper::Keeper;
use crate::responder::Responder;
use crate::runner::Scenario;
use crate::topology::{Forwarding, Plan};

pub(super) const SCENARIOS: &[Scenario] =
    &[Scenario::together("events_fifos_are_those_of_keepalived_to_the_byte", 150, fifos)];

/// The same life under both daemons writes the same bytes into each of the three FIFOs.
fn fifos(keeper: &Arc<Keeper>) {
    let theirs = written(keeper, Keepalived);
    keeper.figure(&format!("keepalived writes {theirs:?}"));
    assert!(theirs.iter().all(|text| !text.is_empty()), "{theirs:?}");
    let ours = written(keeper, Evenkeel);
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs, "(ours, theirs)");
    }
}

/// What stands in the common FIFO (its lines sorted: two processes write it), that of routers, that of servers.
fn written(keeper: &Arc<Keeper>, kind: Kind) -> [String; 3] {
    let net = Plan::new()
        .directors(1)
        .servers(2, Forwarding::Direct)
        .vips(&[super::pair::VIP])
        .build(keeper);
    let d1 = net.host("d1");
    let servers = ["r1", "r2"].map(|name| Responder::start(net.host(name)));
    let folder = keeper.folder().join(format!("fifos-{}", kind.name()));
    fs::create_dir_all(&folder).unwrap();
    let reader = folder.join("reader");
    fs::write(&reader, "#!/bin/sh\nexec cat \"$2\" > \"$1\"\n").unwrap();
    fs::set_permissions(&reader, fs::Permissions::from_mode(0o755)).unwrap();
    let names = ["all", "vrrp", "lvs"];
    let keyword = ["notify_fifo", "vrrp_notify_fifo", "lvs_notify_fifo"];
    let mut global =
        "global_defs {\nscript_user root\nvrrp_notify_priority_changes on\n".to_owned();
    for (name, keyword) in names.iter().zip(keyword) {
        let at = folder.join(name);
        global += &format!(
            "{keyword} {0}.fifo\n{keyword}_script \"{1} {0}.out\"\n",
            at.display(),
            reader.display()
        );
    }
    let number = folder.join("number");
    fs::write(&number, "0\n").unwrap();
    let file = format!("vrrp_track_file load {{\nfile {}\nweight 1\n}}\n", number.display());
    let router = instance(Pace::Tenth, PRIORITIES[0], "");
    let group = "vrrp_sync_group G {\ngroup {\n    web\n}\ntrack_file {\n    load\n}\n}\n";
    let config = global + "}\n" + &file + &router + group + &service(80, [1, 1]);
    let daemon = Daemon::start(kind, d1, &config);
    let text = |name: &str| {
        let bytes = fs::read(folder.join(format!("{name}.out"))).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let has = |name: &str, wanted: &str| {
        let came = holds_within(Duration::from_secs(12), Duration::from_millis(50), || {
            text(name).ends_with(wanted)
        });
        assert!(came, "{wanted:?} of {}: {:?}", kind.name(), text(name));
        thread::sleep(Duration::from_millis(300));
    };
    let holds = |name: &str, wanted: &str| {
        let came = holds_within(Duration::from_secs(12), Duration::from_millis(50), || {
            text(name).contains(wanted)
        });
        assert!(came, "{wanted:?} of {}: {:?}", kind.name(), text(name));
        thread::sleep(Duration::from_millis(500));
    };
    holds("vrrp", "MASTER 150\n");
    fs::write(&number, "20\n").unwrap();
    has("vrrp", "INSTANCE \"web\" MASTER_PRIORITY 170\n");
    // Both servers go: real servers and the quorum; and one comes back.
    for server in ["10.0.0.11", "10.0.0.12"] {
        d1.ip(&format!("route add unreachable {server}/32\n"));
        holds("lvs", &format!("RS [{server}]:tcp:80 [10.0.0.100]:tcp:80 DOWN\n"));
    }
    holds("lvs", "VS [10.0.0.100]:tcp:80 DOWN\n");
    d1.ip("route del unreachable 10.0.0.11/32\n");
    holds("lvs", "VS [10.0.0.100]:tcp:80 UP\n");
    net.cut("d1");
    holds("vrrp", "INSTANCE \"web\" FAULT 170\n");
    net.mend("d1");
    thread::sleep(Duration::from_secs(3));
    daemon.stop();
    thread::sleep(Duration::from_millis(500));
    // keepalived ends the readers before they have read of the stop.
    let lines = |name: &str| -> Vec<String> {
        let text = text(name);
        let lines = text.split_inclusive('\n').filter(|line| !line.contains(" STOP "));
        lines.map(str::to_owned).collect()
    };
    let (mut common, mut routers) = (lines("all"), lines("vrrp"));
    common.sort();
    // At the start, and only then, it tells of the group before its members.
    routers[..2].sort();
    drop(servers);
    let all = [common.concat(), routers.concat(), lines("lvs").concat()];
    keeper.end();
    all
}
