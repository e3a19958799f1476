//! What we send is faultless in the eyes of others: Wireshark's dissector finds nothing to object to in any packet, and
//! every field that the standards fix is as they fix it (docs/vrrp-conformance.md).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::daemon::{Daemon, Kind::Evenkeel};
use crate::host::{Host, wait_for};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::runner::Scenario;
use crate::topology::Plan;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together("conformance_the_dissector_finds_no_fault_in_any_packet", 90, no_fault),
    Scenario::together("conformance_a_backup_answers_nobody", 60, backup_is_silent),
];

/// RFC 9568 section 6.4.2: whoever asks a Backup for the addresses, by ARP, by neighbour solicitation or by a packet
/// sent to it, gets no answer from it; the Master answers.
fn backup_is_silent(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(2).clients(1).build(keeper);
    let (d1, d2, client) = (net.host("d1"), net.host("d2"), net.host("c1"));
    let config = |priority: u8| {
        let one = |vrid: u8, addresses: &str| {
            format!(
                "vrrp_instance v{vrid} {{\ninterface eth0\nvirtual_router_id {vrid}\npriority {priority}\n\
                 version 3\nadvert_int 0.1\nvirtual_ipaddress {{\n    {addresses}\n}}\n}}\n"
            )
        };
        one(1, "10.0.0.100") + &one(2, "fe80::100/64\n    fd00::100")
    };
    let _first = Daemon::start(Evenkeel, d1, &config(150));
    let _second = Daemon::start(Evenkeel, d2, &config(100));
    let has_both =
        |host| kernel_view::holds(host, "10.0.0.100") && kernel_view::holds(host, "fd00::100");
    wait_for(Duration::from_secs(10), "d1 to hold both", || has_both(d1));
    thread::sleep(Duration::from_secs(1));
    // A packet that is not theirs they would send on to the one whose it is.
    for host in [d1, d2] {
        host.sysctl(&["net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0"]);
    }
    // Nobody listens on that port: whoever has the address says so, nobody else says anything.
    let refuses = |address: &str| {
        let address =
            if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        let asked = client.try_run(&format!("curl -gsS -m 1 http://{address}:9/"));
        asked.is_err_and(|error| error.contains("curl: (7)"))
    };
    // Whether a host of this hardware address answers a packet sent straight to it, as a switch behind the times would.
    let answers = |host: &Host| {
        let mac = host.run("cat /sys/class/net/eth0/address").trim().to_owned();
        let mut answered = Vec::new();
        for (address, family) in [("10.0.0.100", "-4"), ("fd00::100", "-6")] {
            client.run(&format!(
                "ip {family} neigh replace {address} lladdr {mac} nud permanent dev eth0"
            ));
            answered.push(refuses(address));
            client.run(&format!("ip {family} neigh del {address} dev eth0"));
        }
        answered
    };
    assert_eq!(answers(d2), [false; 2], "the backup takes nothing");
    assert_eq!(answers(d1), [true; 2], "the master does");
    // And whoever asks whose address it is hears the Master alone.
    let asked = |address: &str, family: &str| {
        assert!(refuses(address));
        client.run(&format!("ip {family} neigh show {address} dev eth0"))
    };
    let mac = d1.run("cat /sys/class/net/eth0/address").trim().to_owned();
    for (address, family) in [("10.0.0.100", "-4"), ("fd00::100", "-6")] {
        let known = asked(address, family);
        assert!(known.contains(&mac), "{known}");
    }
}

/// A router in every form that we speak, by its number.
const FORMS: &[(u8, &str, &str)] = &[
    (1, "version 2", "10.0.0.101/24"),
    (2, "version 2\nauthentication {\nauth_type PASS\nauth_pass k@l4ve\n}", "10.0.0.102/24"),
    (3, "version 3\nadvert_int 0.2", "10.0.0.103/24"),
    (4, "version 3\nadvert_int 0.2\nv3_checksum_as_v2", "10.0.0.104/24"),
    (5, "version 3\nadvert_int 0.2", "fe80::5/64\n    fd00::105/64"),
    (
        6,
        "version 3\nadvert_int 0.2\nunicast_src_ip 10.0.0.1\nunicast_peer {\n    10.0.0.2\n}",
        "10.0.0.106/24",
    ),
    (7, "version 2\nunicast_src_ip 10.0.0.1\nunicast_peer {\n    10.0.0.2\n}", "10.0.0.107/24"),
    (
        8,
        "version 3\nadvert_int 0.2\nunicast_src_ip fd00::1\nunicast_peer {\n    fd00::2\n}",
        "fe80::8/64\n    fd00::108/64",
    ),
    (9, "version 3\nadvert_int 0.2\nuse_vmac", "10.0.0.109/24"),
    (10, "version 3\nadvert_int 0.2\nuse_vmac", "fe80::10/64\n    fd00::110/64"),
    (11, "version 2\nauthentication {\nauth_type AH\nauth_pass k@l4ve\n}", "10.0.0.111/24"),
];
/// The one whose checksum leaves the pseudo-header out.
const PLAIN: u8 = 4;

fn config() -> String {
    let one = |(vrid, words, addresses): &(u8, &str, &str)| {
        format!(
            "vrrp_instance v{vrid} {{\ninterface eth0\nvirtual_router_id {vrid}\npriority 200\n{words}\n\
             virtual_ipaddress {{\n    {addresses}\n}}\n}}\n"
        )
    };
    FORMS.iter().map(one).collect()
}

const FIELDS: [&str; 17] = [
    "vrrp.virt_rtr_id",
    "vrrp.version",
    "vrrp.type",
    "vrrp.prio",
    "vrrp.addr_count",
    "vrrp.checksum.status",
    "ip.ttl",
    "ipv6.hlim",
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "eth.dst",
    "_ws.expert.message",
    "eth.src",
    "ip.dsfield",
    "ipv6.tclass",
];

fn no_fault(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(2).build(keeper);
    let d1 = net.host("d1");
    let file = keeper.folder().join("all.pcap");
    let log = keeper.log("capture to a file");
    let words = ["tcpdump", "-i", "eth0", "-U", "-Z", "root", "-Q", "out", "-w"];
    let mut words: Vec<String> = words.map(str::to_owned).to_vec();
    words.push(file.display().to_string());
    let capture = d1.spawn(&words, &log);
    wait_for(Duration::from_secs(5), "tcpdump to listen", || {
        std::fs::read_to_string(&log).unwrap().contains("listening on")
    });
    let daemon = Daemon::start(Evenkeel, d1, &config());
    wait_for(Duration::from_secs(15), "all addresses", || {
        [101, 102, 103, 104, 106, 107, 109, 111]
            .iter()
            .all(|last| kernel_view::holds(d1, &format!("10.0.0.{last}")))
            && [105, 108, 110].iter().all(|last| kernel_view::holds(d1, &format!("fd00::{last}")))
    });
    thread::sleep(Duration::from_millis(2500));
    daemon.stop();
    thread::sleep(Duration::from_millis(300));
    capture.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(capture.ends_within(Duration::from_secs(5)));

    let path = file.display().to_string();
    let not_plain = format!("vrrp and not vrrp.virt_rtr_id == {PLAIN}");
    let mut packets = dissect(d1, &path, &not_plain, "FALSE");
    packets.extend(dissect(d1, &path, &format!("vrrp.virt_rtr_id == {PLAIN}"), "TRUE"));
    // The dissector does look: told of the other form, it objects to every one of these.
    let mistaken = dissect(d1, &path, &format!("vrrp.virt_rtr_id == {PLAIN}"), "FALSE");
    assert!(!mistaken.is_empty() && mistaken.iter().all(|packet| !packet[13].is_empty()));
    let mut of: BTreeMap<u8, Vec<&Vec<String>>> = BTreeMap::new();
    for packet in &packets {
        of.entry(packet[0].parse().unwrap()).or_default().push(packet);
    }
    keeper.figure(&format!("{} advertisements dissected", packets.len()));
    for (vrid, words, addresses) in FORMS {
        let packets = &of[vrid];
        assert!(packets.len() >= 3, "router {vrid}: {} packets", packets.len());
        let releases = packets.iter().filter(|packet| packet[3] == "0").count();
        assert_eq!(releases, 1, "router {vrid} releases once");
        assert_eq!(packets.last().unwrap()[3], "0", "and that is its last word");
        let is_v6 = addresses.contains("::");
        for packet in packets {
            check(packet, words, is_v6, addresses.lines().count());
        }
    }
    // Announcements: nothing worse than Wireshark's remark that an ARP request is gratuitous.
    let others = "(arp or icmpv6.type == 136) and _ws.expert.severity >= \"Warning\"";
    assert_eq!(dissect(d1, &path, others, "FALSE"), Vec::<Vec<String>>::new());
    // Routes to the world are a routing daemon's business, in every state.
    assert_eq!(dissect(d1, &path, "icmpv6.type == 134", "FALSE"), Vec::<Vec<String>>::new());
}

fn check(packet: &[String], words: &str, is_v6: bool, addresses: usize) {
    let [
        vrid,
        version,
        kind,
        priority,
        count,
        status,
        ttl,
        hops,
        src,
        dst,
        src6,
        dst6,
        mac,
        expert,
        mac_from,
        service,
        class,
    ] = packet
    else {
        panic!("{packet:?}")
    };
    // RFC 9568 section 7.2: frames of a virtual router with a MAC address of its own carry that.
    let number: u8 = vrid.parse().unwrap();
    let virtual_mac = format!("00:00:5e:00:0{}:{number:02x}", if is_v6 { 2 } else { 1 });
    assert_eq!(*mac_from == virtual_mac, words.contains("use_vmac"), "{packet:?}");
    assert_eq!(expert, "", "the dissector objects: {packet:?}");
    let wanted = if words.contains("version 2") { "2" } else { "3" };
    assert_eq!((version.as_str(), kind.as_str()), (wanted, "1"), "{packet:?}");
    assert!(["200", "0"].contains(&priority.as_str()), "{packet:?}");
    assert_eq!(count.parse(), Ok(addresses), "{packet:?}");
    assert!(status == "1" || status == "Good", "the checksum is right: {packet:?}");
    // Network control, as keepalived marks them.
    let marks = if is_v6 { class } else { service };
    assert!(marks.ends_with("c0"), "{packet:?}");
    let is_unicast = words.contains("unicast");
    if is_v6 {
        assert_eq!(hops, "255", "{packet:?}");
        let (from, to, mac_to) = match is_unicast {
            true => ("fd00::1", "fd00::2", ""),
            false => ("fe80::", "ff02::12", "33:33:00:00:00:12"),
        };
        assert!(src6.starts_with(from) && dst6 == to, "{packet:?}");
        assert!(mac_to.is_empty() || mac == mac_to, "{packet:?}");
    } else {
        assert_eq!(ttl, "255", "{packet:?}");
        let (to, mac_to) = match is_unicast {
            true => ("10.0.0.2", ""),
            false => ("224.0.0.18", "01:00:5e:00:00:12"),
        };
        assert_eq!((src.as_str(), dst.as_str()), ("10.0.0.1", to), "{packet:?}");
        assert!(mac_to.is_empty() || mac == mac_to, "{packet:?}");
    }
}

/// The fields of each packet that passes `filter`, the dissector told which checksum form version 3 has.
fn dissect(host: &Host, file: &str, filter: &str, as_v2: &str) -> Vec<Vec<String>> {
    let fields: String = FIELDS.iter().map(|field| format!(" -e {field}")).collect();
    let text = host.run(&format!(
        "tshark -r {file} -Y '{filter}' -o vrrp.v3_checksum_as_in_v2:{as_v2} -o ip.check_checksum:TRUE \
         -T fields -E separator=| -E occurrence=f{fields}"
    ));
    let packet = |line: &str| line.split('|').map(str::to_owned).collect();
    text.lines().filter(|line| line.contains('|')).map(packet).collect()
}
