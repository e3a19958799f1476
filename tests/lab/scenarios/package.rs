//! The Debian package installs, and a director started as its unit does it can do its work; the samples' scripts too. A
//! newer one is installed over it, and nobody notices.

use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::client::{Client, PACE};
use crate::host::wait_for;
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::package::{Installed, Service, bounding_mask};
use crate::responder::Responder;
use crate::runner::Scenario;
use crate::topology::{Forwarding, Plan, Topology};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together(
        "package_runs_as_its_unit_says_and_lets_scripts_run",
        240,
        installs_and_runs,
    ),
    Scenario::alone("package_upgrade_by_dpkg_is_not_noticed", 240, |keeper| {
        upgrade(keeper, Installed::install);
    }),
    Scenario::alone("package_upgrade_by_apt_is_not_noticed", 300, |keeper| {
        upgrade(keeper, Installed::install_by_apt);
    }),
];

const SOON: Duration = Duration::from_secs(40);
const VIP: &str = "10.0.0.100";
const WORKERS: [&str; 3] = ["lvs", "vrrp", "ops"];

/// What a script of root finds: what the unit keeps works, what it takes away is refused.
const TRIES: &str = "#!/bin/sh
try() {
    what=$1
    shift
    if \"$@\" >/dev/null 2>&1; then echo \"$what: yes\"; else echo \"$what: no\"; fi
}
{
    try 'write to /usr' touch /usr/share/evenkeel-was-here
    try 'write to /etc' touch /etc/evenkeel-was-here
    try 'write to /root' touch /root/evenkeel-was-here
    try 'mount' mount -t tmpfs tmpfs /mnt
    try 'load a module' modprobe dummy
    try 'make a device' mknod FOLDER/device c 1 3
    try 'write to /tmp' touch FOLDER/was-here
    try 'add an address' ip address add 10.0.7.7/32 dev lo
    try 'set a sysctl' sysctl -qw net.ipv4.conf.lo.arp_ignore=0
    try 'end a process of another user' kill OTHER
    try 'log' logger -t tries hello
} >FOLDER/tries.part
mv FOLDER/tries.part FOLDER/tries
";

/// One installation for both: packing and unpacking are most of the time.
fn installs_and_runs(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).servers(2, Forwarding::Direct).build(keeper);
    let start = Instant::now();
    let package = Installed::on(net.host("d1"));
    keeper.figure(&format!("packed and installed in {:.1?}", start.elapsed()));
    runs_as_its_unit_says(&net, &package);
    samples_scripts_run(&net, &package);
}

fn runs_as_its_unit_says(net: &Topology, package: &Installed) {
    let (d1, keeper) = (net.host("d1"), &net.host("d1").keeper);
    let user = package.user("evenkeel").expect("the account is made");
    assert!(package.file("/etc/evenkeel/evenkeel.kdl").is_some());

    let folder = keeper.folder().display().to_string();
    let sleeper = shell_words::split("setpriv --reuid=65534 --clear-groups sleep 600").unwrap();
    let other = d1.spawn(&sleeper, &keeper.log("process of nobody"));
    let script = TRIES.replace("FOLDER", &folder).replace("OTHER", &other.pid.to_string());
    fs::write(format!("{folder}/tries.sh"), script).unwrap();
    let service = package.start(&format!(
        "global_defs {{
    script_user root
}}
vrrp_instance web {{
    state MASTER
    interface eth0
    virtual_router_id 51
    priority 150
    advert_int 0.1
    version 3
    virtual_ipaddress {{
        10.0.0.100/24
    }}
    notify_master \"/bin/sh {folder}/tries.sh\"
}}
virtual_server 10.0.0.100 80 {{
    lb_algo wlc
    lb_kind DR
    protocol TCP
    real_server 10.0.0.11 80 {{
    }}
}}
"
    ));
    wait_for(SOON, "the script's findings", || fs::exists(format!("{folder}/tries")).unwrap());
    let found = fs::read_to_string(format!("{folder}/tries")).unwrap();
    let expected = "write to /usr: no
write to /etc: no
write to /root: no
mount: no
load a module: no
make a device: no
write to /tmp: yes
add an address: yes
set a sysctl: yes
end a process of another user: yes
log: yes
";
    assert_eq!(found, expected);
    service.must_log(SOON, "tries: hello");
    assert!(other.ends_within(SOON));

    assert!(kernel_view::holds(d1, "10.0.0.100"));
    assert!(kernel_view::has_service(d1, "-t 10.0.0.100:80"));
    assert_eq!(service.status()["vrrp"]["real_time"], true);
    assert_eq!(field(service.pid(), "CapBnd"), format!("{:016x}", bounding_mask()));
    let ops = worker(&service, "ops");
    assert_eq!(field(ops, "Uid").split_whitespace().next(), Some(user.to_string().as_str()));
    assert_eq!(field(ops, "CapEff"), "0000000000000000");
    service.must_live();
    service.must_live();
    service.stop();
    assert!(!kernel_view::has_service(d1, "-t 10.0.0.100:80"));
}

/// A newer package is installed over a director that serves: its files are put in place, the package's own script has the
/// director go on as the new program, and no client notices.
fn upgrade(keeper: &Arc<Keeper>, install: fn(&Installed, &str) -> String) {
    let net = Plan::new()
        .directors(1)
        .servers(2, Forwarding::Direct)
        .clients(1)
        .vips(&[VIP])
        .build(keeper);
    let d1 = net.host("d1");
    let _servers = ["r1", "r2"].map(|name| Responder::start(net.host(name)));
    let package = Installed::on(d1);
    let newer = package.packed(2);
    let service = package.start(&format!(
        "vrrp_instance web {{
    interface eth0
    virtual_router_id 51
    priority 150
    advert_int 0.1
    version 3
    virtual_ipaddress {{
        {VIP}/32
    }}
}}
virtual_server {VIP} 80 {{
    delay_loop 1
    lb_algo rr
    lb_kind DR
    protocol TCP
    real_server 10.0.0.11 80 {{
        TCP_CHECK {{
        }}
    }}
    real_server 10.0.0.12 80 {{
        TCP_CHECK {{
        }}
    }}
}}
"
    ));
    wait_for(SOON, "the address", || kernel_view::holds(d1, VIP));
    wait_for(SOON, "the table", || kernel_view::rules(d1).len() == 3);
    let rules = kernel_view::rules(d1);
    let program = |pid: i32| fs::read_link(format!("/proc/{pid}/exe")).unwrap();
    let before = WORKERS.map(|role| worker(&service, role));
    package.told_systemd();
    let client = Client::asking(net.host("c1"), &format!("{VIP}:80"), PACE);
    thread::sleep(Duration::from_secs(2));

    let said = install(&package, &newer);
    assert!(said.contains("over (") && said.contains("Unpacking evenkeel"), "{said}");
    let took = wait_for(SOON * 3, "all workers to be others", || {
        let status = service.try_status().unwrap_or_default();
        WORKERS
            .iter()
            .zip(before)
            .all(|(role, before)| worker_in(&status, role).is_some_and(|now| now != before))
    });
    keeper.figure(&format!("all workers replaced {took:?} after that"));
    thread::sleep(Duration::from_secs(4));
    let report = client.stop();
    keeper.figure(&report.to_string());
    let told = package.told_systemd();
    assert!(!told.iter().any(|line| line.contains("restart") || line.contains("stop")), "{told:?}");
    assert!(told.iter().any(|line| line.contains("daemon-reload")), "{told:?}");
    // dpkg unpacks on the lab's one CPU, in a kernel that is not preemptible: what is late is so by that. The upgrade alone has
    // its own scenarios, which allow no lateness either.
    assert_eq!(report.failed() - report.late, 0, "{report:?}");
    assert!(report.ok > 500, "{report:?}");
    for pid in [service.pid()].into_iter().chain(WORKERS.map(|role| worker(&service, role))) {
        let program = program(pid);
        assert!(program.ends_with("usr/bin/evenkeel"), "{program:?} was replaced, and still runs");
    }
    assert_eq!(kernel_view::rules(d1), rules);
    cannot_be_executed(keeper, &package, &service);
    service.must_live();
    service.stop();
    assert!(!kernel_view::holds(d1, VIP));
}

/// The new program reads the configuration and is gone when it is to take over: whoever asked is told, and all stays.
fn cannot_be_executed(keeper: &Arc<Keeper>, package: &Installed, service: &Service<'_>) {
    let before = WORKERS.map(|role| worker(service, role));
    package.replace_by_one_that_runs_once();
    let said = service.command("upgrade").expect_err("it cannot take over");
    keeper.figure(said.lines().last().unwrap_or_default());
    assert!(said.contains("cannot be executed") && said.contains("stays"), "{said}");
    assert_eq!(WORKERS.map(|role| worker(service, role)), before);
}

fn samples_scripts_run(net: &Topology, package: &Installed) {
    let _servers = servers(net);

    let service = package.start(include_str!("../../../configs/dr-pair-a.conf"));
    service.must_log(SOON, "lvs: now MASTER");
    end(service);

    let service = package.start(include_str!("../../../configs/nat.conf"));
    service.must_log(SOON, "lvs: 10.0.0.3 is back");
    end(service);

    let service = package.start(include_str!("../../../configs/misc-check.conf"));
    wait_for(SOON, "both check scripts to pass", || {
        let status = service.status();
        let servers = status["lvs"]["virtual_servers"][0]["real_servers"].as_array().cloned();
        let servers = servers.unwrap_or_default();
        servers.len() == 2 && servers.iter().all(is_found_up)
    });
    end(service);

    nginx_pair(net, package);
}

/// The priority falls when no nginx is left, and rises with one.
fn nginx_pair(net: &Topology, package: &Installed) {
    let d1 = net.host("d1");
    let nginx = d1.keeper.folder().join("nginx");
    fs::copy("/bin/sleep", &nginx).unwrap();
    let words = [nginx.display().to_string(), "600".to_owned()];
    let running = d1.spawn(&words, &d1.keeper.log("nginx"));
    let service = package.start(include_str!("../../../configs/nginx-pair-a.conf"));
    service.must_log(SOON, "nginx-pair: INSTANCE VI_1 MASTER");
    let priority = || service.status()["vrrp"]["instances"][0]["effective_priority"].clone();
    wait_for(SOON, "the script to find nginx", || priority() == 150);
    running.signal(Signal::SIGKILL);
    assert!(running.ends_within(SOON));
    wait_for(SOON, "the script to miss nginx", || priority() == 90);
    end(service);
}

fn servers(net: &Topology) -> Vec<Responder> {
    net.host("d1").run("ip addr add 10.0.1.1/24 dev eth0");
    for (host, address) in [("r1", "10.0.0.3/24"), ("r2", "10.0.0.4/24")] {
        net.host(host).run(&format!("ip addr add {address} dev eth0"));
    }
    let ports = ["0.0.0.0:80", "0.0.0.0:443", "0.0.0.0:3306", "0.0.0.0:8080"];
    ["r1", "r2"].map(|name| Responder::listening(net.host(name), &ports)).into()
}

/// Up, and by a check that has run: a server counts as up before its first check unless told otherwise.
fn is_found_up(server: &serde_json::Value) -> bool {
    server["up"] == true && server["checks"][0]["probes"].as_u64() > Some(0)
}

fn end(service: Service<'_>) {
    let logged = service.logged();
    for complaint in ["script failed", "cannot run the notify script", "did not end in time"] {
        assert!(!logged.contains(complaint), "{logged}");
    }
    service.stop();
}

fn worker(service: &Service<'_>, role: &str) -> i32 {
    worker_in(&service.status(), role).expect("the status names the worker")
}

fn worker_in(status: &serde_json::Value, role: &str) -> Option<i32> {
    let workers = status["director"]["workers"].as_array()?;
    let own = workers.iter().find(|worker| worker["role"] == role)?;
    i32::try_from(own["pid"].as_i64()?).ok()
}

/// A line of `/proc/PID/status`.
fn field(pid: i32, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let value = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim().to_owned());
    status.lines().find_map(value).unwrap_or_else(|| panic!("no {name} in {status}"))
}
