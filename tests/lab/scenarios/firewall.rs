//! Addresses that take no packets (`no_accept`, strict mode), by the rules that this kernel can have: it has no nftables
//! for IP, so that the director falls back to iptables and says so.

use std::sync::Arc;
use std::time::Duration;

use crate::daemon::{Daemon, Kind};
use crate::host::{Host, wait_for};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::runner::Scenario;
use crate::topology::Plan;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together("no_accept_drops_what_is_sent_to_the_addresses", 120, drops),
    Scenario::together("no_accept_rules_removed_by_hand_come_back", 180, put_back),
    Scenario::together(
        "no_accept_without_nft_and_iptables_serves_and_says_so",
        180,
        without_programs,
    ),
];

const PATIENCE: Duration = Duration::from_secs(40);
const OPEN: &str = "10.0.0.100";
const CLOSED: &str = "10.0.0.101";
const CLOSED_6: &str = "fd00::101";

fn config(words: &str) -> String {
    let instance = |vrid: u8, words: &str, addresses: &str| {
        format!(
            "vrrp_instance v{vrid} {{\ninterface eth0\nvirtual_router_id {vrid}\npriority 150\n\
             version 3\nadvert_int 0.1\n{words}\nvirtual_ipaddress {{\n{addresses}\n}}\n}}\n"
        )
    };
    instance(51, "", OPEN)
        + &instance(52, words, CLOSED)
        + &instance(53, words, &format!("fe80::101/64\n{CLOSED_6}"))
}

/// Nobody listens on that port: an open address says so, a closed one says nothing.
fn answers(client: &Host, address: &str) -> bool {
    let address = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
    let asked = client.try_run(&format!("curl -gsS -m 2 http://{address}:9/"));
    asked.is_err_and(|error| error.contains("curl: (7)"))
}

/// Every rule and chain of both families, as the kernel has them.
fn rules(host: &Host) -> String {
    host.run("iptables-legacy -S") + &host.run("ip6tables-legacy -S")
}

/// How many packets this host has sent on, of either family.
fn forwarded_by(host: &Host) -> [u64; 2] {
    let [four, six] =
        ["/proc/net/snmp", "/proc/net/snmp6"].map(|file| host.run(&format!("cat {file}")));
    let mut lines = four.lines().filter(|line| line.starts_with("Ip:")).map(str::split_whitespace);
    let (names, numbers) = (lines.next().unwrap(), lines.next().unwrap());
    let of_four = names.zip(numbers).find(|(name, _)| *name == "ForwDatagrams").unwrap().1;
    let of_six =
        six.lines().find_map(|line| line.strip_prefix("Ip6OutForwDatagrams")).unwrap().trim();
    [of_four, of_six].map(|number| number.parse().unwrap())
}

fn drops(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).clients(1).build(keeper);
    let (director, client) = (net.host("d1"), net.host("c1"));
    director.run("iptables-legacy -A INPUT -s 192.0.2.1 -j DROP");
    let empty = rules(director);

    let mut daemon = Daemon::start(Kind::Evenkeel, director, &config("no_accept"));
    wait_for(PATIENCE, "all addresses", || {
        [OPEN, CLOSED, CLOSED_6].iter().all(|address| kernel_view::holds(director, address))
    });
    // The rules were there before any address was.
    let standing = rules(director);
    assert!(standing.contains(&format!("-A evenkeel-in -d {CLOSED}/32 -j DROP")), "{standing}");
    assert!(standing.contains("-A evenkeel-in -d fe80::101/128 -i eth0 -j DROP"), "{standing}");
    assert!(standing.contains("192.0.2.1"), "what was there stays: {standing}");
    wait_for(PATIENCE, "the open address to answer", || answers(client, OPEN));
    // Not by one that forwards either: what is sent to the addresses stays here and goes round nowhere.
    director.sysctl(&["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"]);
    let forwarded = forwarded_by(director);
    assert!(!answers(client, CLOSED), "closed");
    assert!(!answers(client, CLOSED_6), "closed");
    assert_eq!(forwarded_by(director), forwarded, "nothing goes round");
    // It is found by its neighbours all the same.
    wait_for(PATIENCE, "neighbour discovery of the closed address", || {
        answers(client, CLOSED_6);
        let neighbour = client.run(&format!("ip -6 neigh show {CLOSED_6}"));
        neighbour.contains("lladdr")
    });
    let status = daemon.command("status --json").expect("status");
    assert!(status.contains("\"by\":\"iptables-legacy\""), "{status}");

    // Whatever its router's state: nothing is to be done at a takeover.
    director.run("ip link set eth0 down");
    assert_eq!(rules(director), standing);
    director.run("ip link set eth0 up");

    daemon.kill_all();
    assert_eq!(rules(director), standing, "outlives a crash with the addresses");
    daemon.start_again();
    wait_for(PATIENCE, "all addresses again", || kernel_view::holds(director, CLOSED_6));
    assert_eq!(rules(director), standing, "and is taken over as it is");

    daemon.reload(&config("accept"));
    wait_for(PATIENCE, "the rules to go", || rules(director) == empty);
    wait_for(PATIENCE, "the address to answer", || answers(client, CLOSED));
    daemon.reload(&config("no_accept"));
    wait_for(PATIENCE, "the rules again", || rules(director) == standing);
    daemon.stop();
    assert_eq!(rules(director), empty, "gone after a stop");
}

/// The director looks every 30 s.
const LOOKED_AFTER: Duration = Duration::from_secs(75);

/// Somebody removes a rule, then the way to the chain, then everything.
fn put_back(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).clients(1).build(keeper);
    let (director, client) = (net.host("d1"), net.host("c1"));
    let daemon = Daemon::start(Kind::Evenkeel, director, &config("no_accept"));
    wait_for(PATIENCE, "all addresses", || kernel_view::holds(director, CLOSED_6));
    let standing = rules(director);
    // All at once in each family: the rule itself in one, the way to the chain in the other.
    director.run("iptables-legacy -F evenkeel-in");
    director.run("ip6tables-legacy -D INPUT -j evenkeel-in");
    assert_ne!(rules(director), standing);
    wait_for(LOOKED_AFTER, "the rules as they were", || rules(director) == standing);
    assert!(!answers(client, CLOSED), "closed again");
    assert!(daemon.logged().contains("are missing and are made again"), "{}", daemon.logged());
    for program in ["iptables-legacy", "ip6tables-legacy"] {
        ["-F", "-X"].iter().for_each(|word| drop(director.run(&format!("{program} {word}"))));
    }
    wait_for(LOOKED_AFTER, "chains and rules as they were", || rules(director) == standing);
    daemon.stop();
    assert!(!rules(director).contains("evenkeel"), "gone after a stop");
}

/// Neither program is there: the addresses are served and answer, which the director says, with what to install; and once
/// the programs are there the rules are too, without a restart.
fn without_programs(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(2).clients(1).build(keeper);
    let [d1, d2] = ["d1", "d2"].map(|name| net.host(name));
    let client = net.host("c1");
    let strict =
        config("no_accept").replace("vrrp_instance v52 {", "vrrp_instance v52 {\nstrict_mode");
    let daemon = Daemon::start_without(d1, &strict, "/usr/sbin");
    let all = [OPEN, CLOSED, CLOSED_6];
    let holds = |host: &Host| all.map(|address| kernel_view::holds(host, address));
    wait_for(PATIENCE, "all addresses", || holds(d1) == [true; 3]);
    let said = daemon.logged();
    for words in [
        "no firewall rules for",
        "answer all the same",
        "nft: not installed",
        "iptables-restore: not installed",
        "install the package nftables or iptables",
    ] {
        assert!(said.contains(words), "{words}\n{said}");
    }
    let status = || -> serde_json::Value {
        serde_json::from_str(&daemon.command("status --json").unwrap()).unwrap()
    };
    let text = status()["vrrp"].to_string();
    assert!(text.contains("nft: not installed"), "{text}");
    let states = || -> Vec<String> {
        let instances = status()["vrrp"]["instances"].as_array().cloned().unwrap_or_default();
        instances.iter().map(|it| it["state"].as_str().unwrap_or("").to_uppercase()).collect()
    };
    assert_eq!(states(), ["MASTER"; 3], "each serves: {text}");
    wait_for(PATIENCE, "the address that should be closed to answer", || answers(client, CLOSED));

    // A lesser one beside it hears its advertisements and stays back.
    let lesser = config("no_accept").replace("priority 150", "priority 100");
    let _other = Daemon::start(Kind::Evenkeel, d2, &lesser);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!((holds(d1), holds(d2), states()), ([true; 3], [false; 3], vec!["MASTER".into(); 3]));

    let pid = daemon.pids()[0];
    d1.run(&format!("nsenter -t {pid} -m umount /usr/sbin"));
    wait_for(LOOKED_AFTER, "the rules", || rules(d1).contains(&format!("-d {CLOSED}/32 -j DROP")));
    assert!(!answers(client, CLOSED), "closed now");
    wait_for(PATIENCE, "no more complaint", || {
        !status()["vrrp"].to_string().contains("not installed")
    });
    daemon.stop();
    assert!(!rules(d1).contains("evenkeel"), "gone after a stop");
}
