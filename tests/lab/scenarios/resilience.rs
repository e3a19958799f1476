//! What is killed, deleted or left behind comes right again, and clients do not notice.

use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::stat;
use nix::unistd::{Pid, mkfifo};

use super::pair::{PRIORITIES, Pace, Pair, SERVICE, TARGET, VIP, instance, service};
use crate::client::{Client, PACE};
use crate::daemon::Daemon;
use crate::daemon::Kind::Evenkeel;
use crate::host::{Host, wait_for};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::responder::Responder;
use crate::runner::Scenario;
use crate::tool::responder::Mode;
use crate::topology::{Forwarding, Plan};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::alone("resilience_lvs_worker_killed", 60, |keeper| worker_killed(keeper, "lvs")),
    Scenario::alone("resilience_ops_worker_killed", 60, |keeper| worker_killed(keeper, "ops")),
    Scenario::alone("resilience_load_child_killed", 60, load_child_killed),
    Scenario::alone("resilience_vrrp_worker_killed_at_1_s", 60, vrrp_killed_slow),
    Scenario::alone("resilience_vrrp_worker_killed_at_100_ms", 60, |keeper| {
        vrrp_killed_fast(keeper, Pace::Tenth);
    }),
    Scenario::alone("resilience_vrrp_worker_killed_at_10_ms", 60, |keeper| {
        vrrp_killed_fast(keeper, Pace::Hundredth);
    }),
    Scenario::alone("resilience_supervisor_killed_peer_takes_over", 60, supervisor_killed),
    Scenario::together("resilience_table_cleared_by_hand_is_repaired", 60, table_cleared),
    Scenario::together("resilience_leftovers_go_at_start_and_foreign_stays", 60, leftovers),
    Scenario::alone("resilience_restart_adopts_the_table", 60, restart_adopts),
];

/// `lvs_resync` when nothing is said.
const RESYNC: Duration = Duration::from_secs(5);

/// Kills a worker of the master under load: it comes back as another process, no rule ever changes, nothing fails.
fn worker_killed(keeper: &Arc<Keeper>, role: &str) {
    let pair = Pair::start(keeper, [Evenkeel; 2], Pace::Tenth);
    let before = kernel_view::rules(pair.d1());
    let client = pair.load();
    thread::sleep(Duration::from_millis(500));
    let took = kill_and_wait(&pair.directors[0], role);
    // Long enough for every check to have run again twice.
    for _ in 0..10 {
        assert_eq!(kernel_view::rules(pair.d1()), before, "no real server flaps");
        thread::sleep(Duration::from_millis(300));
    }
    let report = client.stop();
    keeper.figure(&format!(
        "{role} worker back after {took:?}; {} of {} failed",
        report.failed(),
        report.total
    ));
    assert_eq!(report.failed(), 0, "{report:?}");
    assert_eq!(pair.who_advertises(Duration::from_millis(500)), ["d1"]);

    // It works on: a server that fails now is found.
    pair.servers[1].switch(Mode::Refuse);
    wait_for(Duration::from_secs(10), "the failed server to be removed", || {
        kernel_view::weights(pair.d1(), SERVICE).len() == 1
    });
}

/// Kills the child that reads the file, in the middle of a reload: the director runs on with what it has.
fn load_child_killed(keeper: &Arc<Keeper>) {
    let pair = Pair::start(keeper, [Evenkeel; 2], Pace::Tenth);
    let before = kernel_view::rules(pair.d1());
    let client = pair.load();
    let daemon = &pair.directors[0];
    // A pipe that nobody writes to: the child waits in its open or read.
    fs::remove_file(&daemon.config).unwrap();
    mkfifo(&daemon.config, stat::Mode::S_IRWXU).unwrap();
    daemon.hang_up();
    let mut child = None;
    let load = |line: &str| line.split(' ').nth(1) == Some("load");
    wait_for(Duration::from_secs(5), "the load child", || {
        child = daemon.children().into_iter().find(|(_, line)| load(line));
        child.is_some()
    });
    kill(Pid::from_raw(child.unwrap().0), Signal::SIGKILL).unwrap();
    thread::sleep(Duration::from_secs(2));
    assert!(daemon.is_running());
    assert_eq!(kernel_view::rules(pair.d1()), before);

    fs::remove_file(&daemon.config).unwrap();
    daemon.reload(&(instance(Pace::Tenth, PRIORITIES[0], "") + &service(80, [5, 1])));
    wait_for(Duration::from_secs(5), "the next reload to take effect", || {
        kernel_view::weights(pair.d1(), SERVICE).get("10.0.0.11:80") == Some(&5)
    });
    let report = client.stop();
    assert_eq!(report.failed(), 0, "{report:?}");
    assert_eq!(pair.who_advertises(Duration::from_millis(500)), ["d1"]);
}

/// At one second the worker is back before the peer has missed it: no transition.
fn vrrp_killed_slow(keeper: &Arc<Keeper>) {
    let pair = Pair::start(keeper, [Evenkeel; 2], Pace::Second);
    let spoke = pair.adverts_of(pair.d2()).len(); // at the start, before it had heard the first
    let client = pair.load();
    thread::sleep(Duration::from_millis(500));
    let took = kill_and_wait(&pair.directors[0], "vrrp");
    thread::sleep(Duration::from_secs(4));
    let report = client.stop();
    keeper.figure(&format!("vrrp worker back after {took:?}; {}", report));
    assert_eq!(report.failed(), 0, "{report:?}");
    assert_eq!(pair.adverts_of(pair.d2()).len(), spoke, "the peer had no reason to speak");
    assert!(kernel_view::holds(pair.d1(), VIP) && !kernel_view::holds(pair.d2(), VIP));
}

/// Faster than the restart the peer may take over for a moment: every new connection is established, and one master is
/// left. A connection that was open on one director and continues on the other, which does not know it, is reset; how
/// many were is told.
fn vrrp_killed_fast(keeper: &Arc<Keeper>, pace: Pace) {
    let pair = Pair::start(keeper, [Evenkeel; 2], pace);
    let client = pair.load();
    thread::sleep(Duration::from_millis(500));
    let spoke = pair.adverts_of(pair.d2()).len(); // at the start, before it had heard the first
    kill_and_wait(&pair.directors[0], "vrrp");
    thread::sleep(Duration::from_secs(2));
    let report = client.stop();
    let spoke = pair.adverts_of(pair.d2()).len() - spoke;
    let silence = pair.longest_silence(pair.d1());
    keeper
        .figure(&format!("silent for {silence:.1?}, the peer advertised {spoke} times; {report}"));
    assert_eq!(report.failed_new(), 0, "{report:?}");
    assert_eq!(pair.who_advertises(3 * pace.interval() + Duration::from_millis(300)).len(), 1);
    let holders = [pair.d1(), pair.d2()].map(|host| kernel_view::holds(host, VIP));
    assert_eq!(holders.iter().filter(|holds| **holds).count(), 1, "one holds the VIP");
}

/// The parent is the one that must not die: when it does, its workers give way to the peer.
fn supervisor_killed(keeper: &Arc<Keeper>) {
    let pair = Pair::start(keeper, [Evenkeel; 2], Pace::Tenth);
    let workers: Vec<i32> = pair.directors[0].children().into_iter().map(|(pid, _)| pid).collect();
    assert!(workers.len() >= 2, "workers: {workers:?}");
    let client = pair.load();
    thread::sleep(Duration::from_millis(500));
    pair.directors[0].kill();
    pair.wait_for_master("d2");
    thread::sleep(Duration::from_secs(1));
    let report = client.stop();
    keeper.figure(&report.to_string());
    assert!(report.gap < Duration::from_millis(600), "{report:?}");
    assert_eq!(pair.who_advertises(Duration::from_millis(500)), ["d2"]);
    wait_for(Duration::from_secs(5), "the orphaned workers to end", || {
        workers.iter().all(|pid| !has_process(*pid))
    });
}

/// Deletions and changes by hand are repaired within the resync period; what is not ours is not touched.
fn table_cleared(keeper: &Arc<Keeper>) {
    let pair = Pair::start(keeper, [Evenkeel; 2], Pace::Tenth);
    let d1 = pair.d1();
    let full = kernel_view::rules(d1);
    let mend = |what: &str, line: &str, wanted: &[String]| {
        d1.run(line);
        let changed = Instant::now();
        wait_for(RESYNC + Duration::from_secs(2), what, || kernel_view::rules(d1) == wanted);
        keeper.figure(&format!("{what}: repaired after {:.1?}", changed.elapsed()));
    };
    mend("cleared table", "ipvsadm -C", &full);
    assert!(
        pair.directors[0].logs_within(Duration::from_secs(2), VIP),
        "the log tells of the repair"
    );
    mend("deleted server", "ipvsadm -d -t 10.0.0.100:80 -r 10.0.0.11:80", &full);
    mend("changed weight", "ipvsadm -e -t 10.0.0.100:80 -r 10.0.0.12:80 -g -w 77", &full);
    mend("changed scheduler", "ipvsadm -E -t 10.0.0.100:80 -s rr", &full);
    mend("added server", "ipvsadm -a -t 10.0.0.100:80 -r 10.0.0.99:80 -g -w 1", &full);

    d1.run("ipvsadm -A -t 10.0.0.77:7 -s rr");
    d1.run("ipvsadm -a -t 10.0.0.77:7 -r 10.0.0.78:7 -g -w 9");
    let with_foreign = kernel_view::rules(d1);
    thread::sleep(RESYNC + Duration::from_secs(2));
    assert_eq!(kernel_view::rules(d1), with_foreign, "a foreign service stays");
    pair.directors[0].stop();
    let left = kernel_view::rules(d1);
    assert_eq!(left.len(), 2, "only the foreign service is left: {left:?}");
    assert!(left.iter().all(|rule| rule.contains("10.0.0.77:7")), "{left:?}");
}

/// Killed outright, then started with a file that has one service and one address fewer: those go, the rest is never
/// absent, what is not ours stays.
fn leftovers(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).servers(2, Forwarding::Direct).build(keeper);
    let d1 = net.host("d1");
    let _servers = ["r1", "r2"].map(|name| Responder::start(net.host(name)));
    let more = "10.0.0.101/32 }";
    let wide = instance(Pace::Tenth, 150, "").replacen(
        "10.0.0.100/32\n}",
        &format!("10.0.0.100/32\n{more}"),
        1,
    );
    assert!(wide.contains("10.0.0.101/32"), "{wide}");
    let mut daemon =
        Daemon::start(Evenkeel, d1, &(wide + &service(80, [1, 1]) + &service(81, [1, 1])));
    let up = |host: &Host| {
        kernel_view::weights(host, SERVICE).len() == 2 && kernel_view::holds(host, VIP)
    };
    wait_for(Duration::from_secs(10), "both services and addresses", || {
        up(d1)
            && kernel_view::has_service(d1, "-t 10.0.0.100:81")
            && kernel_view::holds(d1, "10.0.0.101")
    });
    d1.run("ipvsadm -A -t 10.0.0.77:7 -s rr");
    d1.run("ip addr add 10.0.0.66/32 dev eth0");
    daemon.kill_all();
    assert!(kernel_view::has_service(d1, "-t 10.0.0.100:81"), "a kill leaves the table as it is");

    fs::write(&daemon.config, instance(Pace::Tenth, 150, "") + &service(80, [1, 1])).unwrap();
    daemon.start_again();
    wait_for(Duration::from_secs(10), "the leftovers to go", || {
        assert_eq!(
            kernel_view::weights(d1, SERVICE).len(),
            2,
            "what is still wanted is never absent"
        );
        !kernel_view::has_service(d1, "-t 10.0.0.100:81") && !kernel_view::holds(d1, "10.0.0.101")
    });
    assert!(kernel_view::has_service(d1, "-t 10.0.0.77:7"), "a foreign service stays");
    assert!(kernel_view::holds(d1, "10.0.0.66"), "a foreign address stays");
    wait_for(Duration::from_secs(10), "the VIP", || up(d1));
}

/// Killed outright and started again under load, without a peer: the table is adopted, clients see nothing.
fn restart_adopts(keeper: &Arc<Keeper>) {
    let net = Plan::new()
        .directors(1)
        .servers(2, Forwarding::Direct)
        .clients(1)
        .vips(&[VIP])
        .build(keeper);
    let d1 = net.host("d1");
    let _servers = ["r1", "r2"].map(|name| Responder::start(net.host(name)));
    d1.run("ip addr add 10.0.0.100/32 dev eth0"); // somebody else's: no VRRP here
    let mut daemon = Daemon::start(Evenkeel, d1, &service(80, [1, 1]));
    wait_for(Duration::from_secs(10), "the table", || kernel_view::weights(d1, SERVICE).len() == 2);
    let before = kernel_view::rules(d1);
    let client = Client::asking(net.host("c1"), TARGET, PACE);
    thread::sleep(Duration::from_millis(500));
    daemon.kill_all();
    daemon.start_again();
    for _ in 0..15 {
        assert_eq!(kernel_view::rules(d1), before, "without a moment of absence");
        thread::sleep(Duration::from_millis(200));
    }
    let report = client.stop();
    keeper.figure(&report.to_string());
    assert_eq!(report.failed(), 0, "{report:?}");
    assert!(daemon.is_running());
}

/// `kill -9` of a worker; how long until another process has its role.
fn kill_and_wait(daemon: &Daemon, role: &str) -> Duration {
    let old =
        daemon.worker(role).unwrap_or_else(|| panic!("no {role} worker: {:?}", daemon.children()));
    kill(Pid::from_raw(old), Signal::SIGKILL).unwrap();
    wait_for(Duration::from_secs(5), "the worker to be replaced", || {
        daemon.worker(role).is_some_and(|pid| pid != old)
    })
}

fn has_process(pid: i32) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !state.is_empty() && !state.contains(") Z ")
}
