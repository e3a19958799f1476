//! What stands beside a row in the kernel: flags, thresholds, timeouts, engines, connection synchronisation, settings; and how
//! much may be asked at once.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::checks::{config, row, settle};
use crate::daemon::Daemon;
use crate::daemon::Kind::{self, Evenkeel, Keepalived};
use crate::host::{Host, holds_within, wait_for};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::responder::Responder;
use crate::runner::Scenario;
use crate::tool::responder::Mode;
use crate::topology::{Forwarding, Plan};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together("options_of_services_and_of_the_table_as_keepalived", 180, table),
    Scenario::together("options_sync_daemon_of_both_roles_without_an_instance", 60, sync_daemon),
    Scenario::together("options_lvs_sysctl_is_set_and_put_back", 60, sysctl),
    Scenario::together("options_of_a_connection_are_those_of_its_packets", 90, connection),
    Scenario::together("options_bounds_on_probes_at_once_and_on_new_ones", 90, bounds),
];

const SOON: Duration = Duration::from_secs(40);

/// Services one by one: the words after `virtual_server`, what stands in it, and what stands in its first real server.
const SERVICES: &[(&str, &str, &str)] = &[
    ("10.0.0.100 1", "lb_algo rr\nlb_kind DR\nprotocol TCP", ""),
    ("10.0.0.100 2", "lb_algo wrr\nlb_kind DR\nprotocol TCP", "weight 65535"),
    ("10.0.0.100 3", "lb_algo lc\nlb_kind DR\nprotocol TCP", ""),
    ("10.0.0.100 4", "lb_algo wlc\nlb_kind DR\nprotocol TCP", ""),
    ("10.0.0.100 5", "lb_algo lblc\nlb_kind DR\nprotocol TCP", ""),
    ("10.0.0.100 6", "lb_algo lblcr\nlb_kind DR\nprotocol TCP", ""),
    ("10.0.0.100 7", "lb_algo dh\nlb_kind DR\nprotocol TCP", ""),
    ("10.0.0.100 8", "lb_algo sed\nlb_kind DR\nprotocol TCP", ""),
    ("10.0.0.100 9", "lb_algo nq\nlb_kind DR\nprotocol TCP", ""),
    ("10.0.0.100 10", "lb_algo fo\nlb_kind DR\nprotocol TCP", ""),
    ("10.0.0.100 12", "lb_algo sh\nlb_kind DR\nprotocol TCP\nsh-port\nsh-fallback", ""),
    ("10.0.0.100 13", "lb_algo mh\nlb_kind DR\nprotocol TCP\nmh-port\nmh-fallback", ""),
    ("10.0.0.100 14", "lb_algo sh\nlb_kind DR\nprotocol TCP\nsh-port", ""),
    ("10.0.0.100 15", "lb_algo wrr\nlb_kind DR\nprotocol TCP\nflag-1\nflag-3", ""),
    ("10.0.0.100 16", "lb_algo rr\nlb_kind DR\nprotocol UDP\nops", ""),
    ("10.0.0.100 17", "lb_algo rr\nlb_kind DR\nprotocol TCP\npersistence_timeout", ""),
    (
        "10.0.0.100 18",
        "lb_algo rr\nlb_kind DR\nprotocol TCP\npersistence_timeout 50\n\
         persistence_granularity 255.255.255.0",
        "",
    ),
    (
        "10.0.0.100 19",
        "lb_algo rr\nlb_kind DR\nprotocol UDP\npersistence_timeout 50\npersistence_engine sip",
        "",
    ),
    (
        "10.0.0.100 20",
        "lb_algo wlc\nlb_kind DR\nprotocol TCP",
        "lvs_method TUN\nuthreshold 2000\nlthreshold 1500",
    ),
    ("10.0.0.100 21", "lb_algo wlc\nlb_kind TUN\nprotocol TCP", "lvs_method NAT"),
    ("fwmark 3", "lb_algo rr\nlb_kind DR\npersistence_timeout 60", ""),
    ("group many", "lb_algo wrr\nlb_kind NAT\nprotocol TCP", "weight 3"),
];

/// The same over IPv6.
const SERVICES6: &[(&str, &str, &str)] = &[
    (
        "fd00::100 18",
        "lb_algo rr\nlb_kind DR\nprotocol TCP\npersistence_timeout 50\npersistence_granularity 64",
        "",
    ),
    ("fd00::100 12", "lb_algo sh\nlb_kind DR\nprotocol TCP\nsh-port", "uthreshold 7"),
    ("fwmark 4", "ip_family inet6\nlb_algo rr\nlb_kind DR", ""),
    ("group many6", "lb_algo wrr\nlb_kind NAT\nprotocol TCP", "weight 3"),
];

fn services() -> String {
    let mut text = String::new();
    let families = [(SERVICES, ["10.0.0.11", "10.0.0.12"]), (SERVICES6, ["fd00::b", "fd00::c"])];
    for (services, servers) in families {
        for (words, options, first) in services {
            // One that translates no port takes that of its service.
            let port =
                words.split(' ').nth(1).filter(|_| words.contains("::") || words.contains('.'));
            let port = port.unwrap_or(if words.starts_with("group") { "80" } else { "0" });
            let _ = write!(text, "virtual_server {words} {{\ndelay_loop 1\n{options}\n");
            for (server, own) in servers.iter().zip([*first, ""]) {
                let own = if own.contains("weight") {
                    own.to_owned()
                } else {
                    format!("weight 1\n{own}")
                };
                let _ = write!(
                    text,
                    "real_server {server} {port} {{\n{own}\nTCP_CHECK {{\nconnect_port 80\n\
                     connect_timeout 1\nretry 1\ndelay_before_retry 1\n}}\n}}\n"
                );
            }
            text.push_str("}\n");
        }
    }
    text
}

/// All that ipvsadm says of a table: the rules, then what the rules leave out.
fn shown(host: &Host) -> Vec<String> {
    let mut all = kernel_view::rules(host);
    for more in ["ipvsadm -Ln --thresholds", "ipvsadm -L --timeout"] {
        all.extend(host.run(more).lines().map(|line| line.trim_end().to_owned()));
    }
    // Services stand in the order of the kernel's hash.
    all.sort();
    all
}

/// The same sequence of tables under both: whole, without the first real server, whole again, and what a stop leaves.
fn table(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).servers(2, Forwarding::Direct).build(keeper);
    let d1 = net.host("d1");
    let servers = ["r1", "r2"].map(|name| Responder::start(net.host(name)));
    let config = include_str!("../tables/options.conf").replace("{services}", &services());
    let tables = |kind: Kind| {
        servers[0].switch(Mode::Fine);
        let daemon = Daemon::start(kind, d1, &config);
        let rows = |wanted: usize| {
            let rules = kernel_view::rules(d1);
            rules.iter().filter(|rule| rule.starts_with("-a ")).count() == wanted
        };
        // The groups are eleven services, each other entry one.
        let whole = (SERVICES.len() + SERVICES6.len() - 2 + 7 + 4) * 2;
        let mut seen = Vec::new();
        wait_for(SOON, &format!("{}: all {whole} rows", kind.name()), || rows(whole));
        seen.push(settled(d1));
        servers[0].switch(Mode::Refuse);
        wait_for(SOON, &format!("{}: half the rows", kind.name()), || rows(whole / 2));
        seen.push(settled(d1));
        servers[0].switch(Mode::Fine);
        wait_for(SOON, &format!("{}: all rows again", kind.name()), || rows(whole));
        seen.push(settled(d1));
        daemon.stop();
        seen.push(kernel_view::rules(d1));
        seen
    };
    let (theirs, ours) = (tables(Keepalived), tables(Evenkeel));
    for ((theirs, ours), when) in
        theirs.iter().zip(&ours).zip(["whole", "failed", "back", "stopped"])
    {
        let only = |one: &[String], other: &[String]| -> Vec<String> {
            one.iter().filter(|line| !other.contains(line)).cloned().collect()
        };
        assert_eq!(
            ours,
            theirs,
            "{when}: only ours {:#?}, only theirs {:#?}",
            only(ours, theirs),
            only(theirs, ours)
        );
    }
    let all = ours[0].join("\n");
    keeper.figure(&format!("{} lines", ours[0].len()));
    for word in
        ["-b sh-fallback,sh-port", " -o", "--pe sip", "-M 255.255.255.0", "2000", "901 31 61"]
    {
        assert!(all.contains(word), "{word} is not in\n{all}");
    }
    assert_eq!(ours[3], Vec::<String>::new());
}

/// The table once it has been the same for two seconds.
fn settled(host: &Host) -> Vec<String> {
    let (mut last, mut same) = (shown(host), 0);
    let is_settled = holds_within(SOON, Duration::from_millis(500), || {
        let now = shown(host);
        same = if now == last { same + 1 } else { 0 };
        last = now;
        same == 4
    });
    assert!(is_settled, "the table does not come to rest");
    last
}

/// Without an instance a director sends and takes in at once, as keepalived does; a stop ends both.
fn sync_daemon(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).servers(2, Forwarding::Direct).build(keeper);
    let d1 = net.host("d1");
    let config = include_str!("../tables/options.conf").replace("{services}", "")
        + &super::pair::service(80, [1, 1]);
    let shown = |kind: Kind| {
        let daemon = Daemon::start(kind, d1, &config);
        let runs = || d1.run("ipvsadm -L --daemon");
        wait_for(SOON, &format!("{}: both daemons", kind.name()), || {
            runs().contains("master") && runs().contains("backup")
        });
        let text = runs();
        daemon.stop();
        assert_eq!(runs().trim(), "", "{}: a stop ends both", kind.name());
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let (theirs, ours) = (shown(Keepalived), shown(Evenkeel));
    assert_eq!(ours, theirs);
    assert!(ours.join("\n").contains("syncid=7"), "{ours:?}");
}

/// All settings of the kernel's IPVS in a host.
fn settings(host: &Host) -> BTreeMap<String, String> {
    let text = host.run("sysctl -e net.ipv4.vs");
    let pair = |line: &str| {
        let (name, value) = line.split_once(" = ")?;
        Some((name.strip_prefix("net.ipv4.vs.")?.to_owned(), value.to_owned()))
    };
    text.lines().filter_map(pair).collect()
}

/// What is named is set, over a death of the worker too, nothing else is touched, and a stop puts it back.
fn sysctl(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).servers(2, Forwarding::Direct).build(keeper);
    let d1 = net.host("d1");
    let bare = settings(d1);
    assert!(bare.len() > 10, "{bare:?}");
    let names = [
        ("sloppy_tcp", "1"),
        ("expire_nodest_conn", "1"),
        ("expire_quiescent_template", "1"),
        ("backup_only", "1"),
        ("conn_reuse_mode", "2"),
    ];
    let block: String = names.iter().map(|(name, value)| format!("{name} {value}\n")).collect();
    let config = format!("global_defs {{\nlvs_sysctl {{\n{block}}}\n}}\n");
    let daemon = Daemon::start(Evenkeel, d1, &(config + &super::pair::service(80, [1, 1])));
    let mut wanted = bare.clone();
    wanted.extend(names.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_ne!(wanted, bare);
    wait_for(SOON, "the settings, and nothing else", || settings(d1) == wanted);
    let worker = daemon.worker("lvs").unwrap();
    kill(Pid::from_raw(worker), Signal::SIGKILL).unwrap();
    wait_for(SOON, "its successor", || daemon.worker("lvs").is_some_and(|next| next != worker));
    wait_for(SOON, "its answer", || daemon.command("status").is_ok());
    assert_eq!(settings(d1), wanted);
    daemon.stop();
    assert_eq!(settings(d1), bare, "all is as it was");
}

/// Where a check comes from, how it is marked, and where it goes instead of to the real server.
fn connection(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).servers(1, Forwarding::Direct).build(keeper);
    let (d1, r1) = (net.host("d1"), net.host("r1"));
    let _server = Responder::start(r1);
    d1.run("ip addr add 10.0.0.77/24 dev eth0");
    // Marked packets find no way.
    d1.run("ip rule add fwmark 7 unreachable");
    let elsewhere = format!("TCP_CHECK {{\n connect_ip {}\n connect_port 80", r1.address);
    let rows = vec![
        row(80, "IDLE_CHECK {\n bindto 10.0.0.77\n bind_port 40001", None),
        row(80, "TCP_CHECK {\n fwmark 6", None),
        row(80, "TCP_CHECK {\n fwmark 7", "network unreachable"),
        row(80, "HTTP_GET {\n url {\n path /\n }\n fwmark 7", "network unreachable"),
        row(80, "TCP_CHECK {\n bind_if eth0", None),
        row(80, "TCP_CHECK {\n bind_if lo", "unreachable|no answer within 1s"),
        row(9, &elsewhere, None),
    ];
    let daemon = Daemon::start(Evenkeel, d1, &config(&rows, r1));
    settle(&daemon, &rows);
    let from = r1.run("ss -Htn state established sport = :80");
    assert!(from.contains("10.0.0.77:40001"), "{from}");
    daemon.stop();
}

/// Twelve real servers that say nothing: two are asked at a time, all have their turn. And no more than so many a second.
fn bounds(keeper: &Arc<Keeper>) {
    const SERVERS: u16 = 12;
    let net = Plan::new().directors(1).servers(1, Forwarding::Nat).build(keeper);
    let (d1, r1) = (net.host("d1"), net.host("r1"));
    let server = Responder::start(r1);
    server.switch(Mode::Silent);
    let bounded = |bound: &str| {
        let mut text = format!(
            "global_defs {{\n{bound}\n}}\nvirtual_server 10.0.0.100 80 {{\ndelay_loop 1\nlb_kind NAT\n\
             protocol TCP\n"
        );
        for port in 1..=SERVERS {
            // Each question is one of its own by its path.
            let _ = write!(
                text,
                "real_server {} {port} {{\nHTTP_GET {{\nconnect_port 80\nurl {{\npath /{port}\n\
                 status_code 200\n}}\nconnect_timeout 1\nretry 0\n}}\n}}\n",
                r1.address
            );
        }
        text + "}\n"
    };
    let lvs = |daemon: &Daemon| -> Value {
        let json = daemon.command("status --json").unwrap_or_default();
        serde_json::from_str::<Value>(&json).unwrap_or_default()["lvs"].clone()
    };
    let all_asked = |daemon: &Daemon| {
        let lvs = lvs(daemon);
        let servers =
            lvs["virtual_servers"][0]["real_servers"].as_array().cloned().unwrap_or_default();
        let asked =
            |one: &Value| one["checks"][0]["probes"].as_u64().is_some_and(|count| count > 0);
        servers.len() == usize::from(SERVERS) && servers.iter().all(asked)
    };
    let daemon = Daemon::start(Evenkeel, d1, &bounded("checker_max_in_flight 2"));
    let mut most = 0;
    wait_for(SOON, "all to be asked, two at a time", || {
        let open = d1.run("ss -Htn state established state syn-sent dport = :80").lines().count();
        most = most.max(open);
        all_asked(&daemon)
    });
    keeper.figure(&format!("at most {most} connections at once"));
    assert!((1..=2).contains(&most), "{most} connections at once");
    // Those that were there when the file changed may still be under way.
    server.switch(Mode::Fine);
    daemon.reload(&bounded("checker_max_per_second 4"));
    wait_for(SOON, "the new bound", || daemon.logged().matches("reload").count() > 0);
    thread::sleep(Duration::from_secs(2));
    let before = server.count().connections;
    thread::sleep(Duration::from_secs(6));
    let asked = server.count().connections - before;
    keeper.figure(&format!("{asked} questions in 6 s"));
    assert!((6..=4 * 7).contains(&asked), "{asked} questions in 6 s, 12 of them wanted a second");
}
