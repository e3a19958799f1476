//! `net_namespace` and `instance`: a director goes where its file says, and several have one runtime directory.

use std::sync::Arc;
use std::time::Duration;

use super::pair::{PRIORITIES, Pace, SERVICE, VIP, instance, service};
use crate::daemon::{Daemon, Kind, evenkeel};
use crate::host::{Host, wait_for};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::responder::Responder;
use crate::runner::Scenario;
use crate::topology::{Forwarding, Plan};

pub(super) const SCENARIOS: &[Scenario] =
    &[Scenario::together("net_namespace_and_instance_say_where", 90, namespaces)];

const SOON: Duration = Duration::from_secs(30);

fn has_all(host: &Host) -> bool {
    kernel_view::holds(host, VIP) && kernel_view::weights(host, SERVICE).len() == 2
}

fn namespaces(keeper: &Arc<Keeper>) {
    let plan = Plan::new().directors(2).servers(2, Forwarding::Direct).clients(1).vips(&[VIP]);
    let net = plan.build(keeper);
    let [d1, d2, c1] = ["d1", "d2", "c1"].map(|name| net.host(name).clone());
    let _servers = ["r1", "r2"].map(|name| Responder::start(net.host(name)));
    let text = |priority| instance(Pace::Tenth, priority, "") + &service(80, [1, 1]);

    // It is started on c1, and works on d1.
    let named = |host: &Host, name: &str, priority| {
        format!("net_namespace {}\ninstance {name}\n{}", host.namespace, text(priority))
    };
    let daemon = Daemon::start(Kind::Evenkeel, &c1, &named(&d1, "blue", PRIORITIES[0]));
    wait_for(SOON, "address and table on d1", || has_all(&d1));
    assert!(!kernel_view::holds(&c1, VIP) && kernel_view::rules(&c1).is_empty());
    let here = std::fs::read_link("/proc/self/ns/net").unwrap();
    let theirs: Vec<_> = daemon
        .pids()
        .into_iter()
        .map(|pid| std::fs::read_link(format!("/proc/{pid}/ns/net")).unwrap())
        .collect();
    assert_eq!(theirs.len(), 4, "the supervisor and three workers");
    assert!(theirs.iter().all(|space| *space == theirs[0] && *space != here), "{theirs:?}");

    // A second one beside it in the same runtime directory has another name.
    let folder = daemon.runtime.join(format!("{}_blue", d1.namespace));
    let pid = std::fs::read_to_string(folder.join("evenkeel.pid")).unwrap();
    assert_eq!(pid.trim(), daemon.pids()[0].to_string());
    let second = Daemon::start(Kind::Evenkeel, &c1, &named(&d2, "green", PRIORITIES[1]));
    assert_eq!(second.runtime, daemon.runtime);
    wait_for(SOON, "the table on d2", || kernel_view::weights(&d2, SERVICE).len() == 2);
    let status = |folder: &std::path::Path| {
        c1.run(&format!("{} status --runtime-dir {}", evenkeel(), folder.display()))
    };
    assert!(status(&folder).contains("MASTER"), "{}", status(&folder));
    let other = daemon.runtime.join(format!("{}_green", d2.namespace));
    wait_for(SOON, "the second as backup", || status(&other).contains("BACKUP"));

    // A reload that names another place changes what it can, and says what it cannot.
    let moved = named(&d2, "green", PRIORITIES[1]).replace("instance green", "instance red");
    second.reload(&moved.replace("weight 1", "weight 5"));
    let weights = || kernel_view::weights(&d2, SERVICE).into_values().collect::<Vec<_>>();
    wait_for(SOON, "the weights of the reload", || weights() == [5, 5]);
    assert!(second.logged().contains("instance cannot change"), "{}", second.logged());

    // What a file says is held against the namespace that it names, wherever it is checked.
    d1.run("ip link add lan7 type dummy");
    let path = daemon.runtime.join("lan7.conf");
    let there = format!("net_namespace {}\n", d1.namespace);
    let here = text(PRIORITIES[0]).replace("eth0", "lan7");
    let check = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let line = format!("{} check --against-system {}", evenkeel(), path.display());
        c1.try_run(&line).unwrap_or_else(|said| said)
    };
    let said = check(&(there + &here));
    assert!(said.contains("lan7 is down") && said.contains("would run"), "{said}");
    let said = check(&here);
    assert!(said.contains("no interface `lan7`"), "{said}");

    // One that is not there is named.
    let lost = named(&d1, "x", 1).replace(&d1.namespace, "nowhere");
    let refused = Daemon::start(Kind::Evenkeel, net.host("r1"), &lost);
    assert!(refused.logs_within(SOON, "ip netns add nowhere"), "{}", refused.logged());
    wait_for(SOON, "the refused one's end", || !refused.is_running());
}
