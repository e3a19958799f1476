//! Virtual MAC addresses on other interfaces than the instance's (`use_vmac_addr`, `use_vmac` of an address): the same
//! interfaces, names and places as keepalived makes, claims with the virtual MAC address, nothing left after a stop.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::daemon::{Daemon, Kind};
use crate::host::{Host, wait_for};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::runner::Scenario;
use crate::topology::{Plan, Topology};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together("vmac_addresses_stand_where_keepalived_puts_them", 120, as_keepalived),
    Scenario::together("vmac_addresses_are_claimed_with_the_virtual_mac", 90, claims),
    Scenario::together(
        "vmac_addresses_of_ipv6_leave_the_base_its_link_local_address",
        150,
        link_local,
    ),
];

const PATIENCE: Duration = Duration::from_secs(30);
const VIRTUAL_MAC_6: &str = "00:00:5e:00:02:33";

fn config(global: &str, words: &str) -> String {
    format!(
        "global_defs {{\n{global}\n}}\nvrrp_instance v51 {{\ninterface eth0\nvirtual_router_id 51\npriority 150\n\
         version 3\nadvert_int 0.1\n{words}\nvirtual_ipaddress {{\n10.0.0.100\n10.7.0.100 dev eth1\n\
         10.8.0.100 dev eth2\n}}\nvirtual_ipaddress_excluded {{\nfd00::77 dev eth1\nfd00::78\n}}\n}}\n"
    )
}

/// One director with two more interfaces.
fn director(keeper: &Arc<Keeper>) -> Topology {
    let net = Plan::new().directors(1).build(keeper);
    let more = |name: &str, address: &str| {
        format!("link add {name} type dummy\naddr add {address} dev {name}\nlink set {name} up\n")
    };
    net.host("d1").ip(&(more("eth1", "10.7.0.1/24") + &more("eth2", "10.8.0.1/24")));
    net
}

/// Interfaces by name, base and MAC address, and the virtual addresses by interface.
fn picture(host: &Host) -> BTreeSet<String> {
    let links = host.run("ip -o link show type macvlan");
    let links = links.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mac = words.iter().skip_while(|word| **word != "link/ether").nth(1)?;
        Some(format!("{} {mac}", words.get(1)?))
    });
    let addresses = host.run("ip -o addr");
    let held = addresses.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_ours = ["100/32", "::77/128", "::78/128"].iter().any(|end| words[3].ends_with(end));
        is_ours.then(|| format!("{} on {}", words[3], words[1]))
    });
    links.chain(held).collect()
}

fn as_keepalived(keeper: &Arc<Keeper>) {
    let net = director(keeper);
    let d1 = net.host("d1");
    let per_address = config("", "").replace("dev eth1\n", "dev eth1 use_vmac\n");
    let cases = [
        config("", "use_vmac_addr"),
        config("", "use_vmac"),
        config("vmac_addr_prefix aa\nvmac_prefix bb", "use_vmac\nuse_vmac_addr"),
        per_address,
    ];
    for text in cases {
        let seen = [Kind::Keepalived, Kind::Evenkeel].map(|kind| {
            let daemon = Daemon::start(kind, d1, &text);
            wait_for(PATIENCE, "every address", || {
                let all = ["10.0.0.100", "10.7.0.100", "10.8.0.100", "fd00::77", "fd00::78"];
                all.iter().all(|address| kernel_view::holds(d1, address))
            });
            let seen = picture(d1);
            daemon.stop();
            wait_for(PATIENCE, "nothing to be left", || picture(d1).is_empty());
            seen
        });
        assert_eq!(seen[1], seen[0], "{text}");
        keeper
            .figure(&format!("{} interfaces and addresses as keepalived has them", seen[0].len()));
    }
}

fn claims(keeper: &Arc<Keeper>) {
    let net = director(keeper);
    let d1 = net.host("d1");
    let log = keeper.log("claims");
    let words = "tcpdump -i any -e -n -l -Z root arp or icmp6";
    let _capture = d1.spawn(&words.split(' ').map(str::to_owned).collect::<Vec<_>>(), &log);
    let said = || std::fs::read_to_string(&log).unwrap_or_default();
    wait_for(PATIENCE, "tcpdump to listen", || said().contains("listening on"));
    let daemon = Daemon::start(Kind::Evenkeel, d1, &config("", "use_vmac_addr"));
    let is_claimed = |mac: &str, address: &str| {
        said().lines().any(|line| line.contains(mac) && line.contains(address))
    };
    for (mac, address) in [
        ("00:00:5e:00:01:33", "who-has 10.7.0.100"),
        ("00:00:5e:00:01:33", "who-has 10.8.0.100"),
        ("00:00:5e:00:02:33", "fd00::77"),
        ("00:00:5e:00:02:33", "fd00::78"),
    ] {
        wait_for(PATIENCE, &format!("{address} from {mac}"), || is_claimed(mac, address));
    }
    // Somebody removes one: it is made again, and the address is there again.
    d1.run("ip link del vrrp1.51");
    wait_for(PATIENCE, "the interface and its address again", || {
        let again = d1.try_run("ip -o addr show dev vrrp1.51");
        again.is_ok_and(|text| text.contains("10.8.0.100"))
    });
    daemon.reload(&config("", ""));
    wait_for(PATIENCE, "the interfaces to go, the addresses to stay", || {
        let seen = picture(d1);
        seen.contains("10.8.0.100/32 on eth2") && !seen.iter().any(|line| line.contains('@'))
    });
}

/// Neighbours of an IPv6 address on a virtual interface keep its virtual MAC address through a takeover, and have the base's
/// link-local address at the base's own MAC address all the time: it is nowhere else.
fn link_local(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(2).clients(1).build(keeper);
    let [d1, d2, client] = ["d1", "d2", "c1"].map(|name| net.host(name));
    let text = |priority: u8| {
        format!(
            "vrrp_instance v51 {{\ninterface eth0\nvirtual_router_id 51\npriority {priority}\nversion 3\n\
             advert_int 0.1\nuse_vmac_addr\nvirtual_ipaddress {{\n10.0.0.100\n}}\n\
             virtual_ipaddress_excluded {{\nfd00::78\n}}\n}}\n"
        )
    };
    let start = |kind, host: &Host, priority| Daemon::start(kind, host, &text(priority));
    let own = |host: &Host| {
        let words = host.run("ip -6 -o addr show dev eth0 scope link");
        let address = words.split_whitespace().nth(3).unwrap().split('/').next().unwrap();
        address.to_owned()
    };
    let mac = |host: &Host| host.run("cat /sys/class/net/eth0/address").trim().to_owned();
    let neighbour = |address: &str| {
        let text = client.run(&format!("ip -6 neigh show {address} dev eth0"));
        text.split_whitespace().skip_while(|word| *word != "lladdr").nth(1).unwrap_or("").to_owned()
    };
    // Nobody listens on that port, which the address says by itself.
    let asks = |host: &Host, words: &str, address: &str| {
        let asked = host.try_run(&format!("curl -gsS -m 2 {words} http://[{address}]:9/"));
        asked.is_err_and(|error| error.contains("curl: (7)"))
    };
    let reaches = |address: &str| {
        let zone = if address.starts_with("fe80:") { "%25eth0" } else { "" };
        asks(client, "", &format!("{address}{zone}"))
    };
    let link_locals = |host: &Host| {
        let links = host.run("ip -6 -o addr show scope link");
        links.lines().filter(|line| line.contains(" vrrp")).collect::<Vec<_>>().join("\n")
    };

    let other = start(Kind::Keepalived, d1, 150);
    wait_for(PATIENCE, "keepalived's address", || kernel_view::holds(d1, "fd00::78"));
    keeper.figure(&format!("keepalived has there: {:?}", link_locals(d1).trim()));
    other.stop();

    let first = start(Kind::Evenkeel, d1, 150);
    wait_for(PATIENCE, "the address", || kernel_view::holds(d1, "fd00::78"));
    let _second = start(Kind::Evenkeel, d2, 100);
    client.run("ip -6 neigh flush dev eth0");
    wait_for(PATIENCE, "an answer", || reaches("fd00::78"));
    assert_eq!(link_locals(d1).trim(), "", "none of its own, nor that of its base");
    let at = own(d1);
    for _ in 0..4 {
        client.run("ip -6 neigh flush dev eth0");
        wait_for(PATIENCE, "the base to answer", || reaches(&at) && reaches("fd00::78"));
        assert_eq!((neighbour(&at), neighbour("fd00::78")), (mac(d1), VIRTUAL_MAC_6.to_owned()));
    }
    // It speaks from that address too: to the client, which it has to find first.
    d1.run("ip -6 neigh flush dev eth0");
    wait_for(PATIENCE, "the client's answer to it", || {
        asks(d1, "--interface fd00::78", &client.address6.to_string())
    });
    first.stop();
    wait_for(PATIENCE, "the other director", || {
        kernel_view::holds(d2, "fd00::78") && reaches("fd00::78")
    });
    assert_eq!(neighbour("fd00::78"), VIRTUAL_MAC_6);
}
