//! Findings of a host that is a folder.

use super::*;
use crate::config::{Asked, Grammar, Host, load_text_as};

/// A folder with these files; that named `down` holds the name of an interface.
fn host(files: &[(&str, &str)], networks: &[(&str, &str)]) -> (tempfile::TempDir, System) {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let networks = networks.iter().map(|(name, address)| {
        let mask = if address.contains(':') { "ffff:ffff:ffff:ffff::" } else { "255.255.255.0" };
        ((*name).to_owned(), address.parse().unwrap(), mask.parse().unwrap())
    });
    let down = files.iter().filter(|(path, _)| *path == "down");
    let down = down.map(|(_, name)| (*name).to_owned()).collect();
    let system = System { root: folder.path().to_owned(), networks: networks.collect(), down };
    (folder, system)
}

/// What the host says of a configuration, a line each.
fn told(text: &str, files: &[(&str, &str)], networks: &[(&str, &str)]) -> Vec<String> {
    let (_folder, host) = host(files, networks);
    let asked = Asked { host: Host::Any, id: None };
    let mut loaded = load_text_as("k", text.as_bytes(), Grammar::Keepalived, &asked);
    let before: Vec<String> = loaded.diagnostics.lines().collect();
    let config = loaded.config.as_ref().unwrap_or_else(|| panic!("{before:#?}"));
    let mut findings =
        Findings { host: &host, marks: loaded.diagnostics.landmarks(), found: Vec::new() };
    findings.look(config);
    let found = findings.found;
    found.into_iter().for_each(|finding| loaded.diagnostics.push(finding));
    loaded.diagnostics.sort();
    loaded.diagnostics.lines().filter(|line| line.contains("[system]")).collect()
}

const INSTANCE: &str = "vrrp_instance V {\n interface eth0\n virtual_router_id 1\n virtual_ipaddress {\n  10.0.0.9\n  \
                        10.1.0.9\n }\n}\n";
const SERVER: &str = "virtual_server 10.0.0.9 80 {\n lb_algo mh\n lb_kind DR\n protocol TCP\n \
                      real_server 10.0.0.3 80 {\n  TCP_CHECK {\n   bindto 10.0.0.9\n  }\n }\n}\n";
const IPVS: (&str, &str) = ("proc/net/ip_vs", "");
const MH: (&str, &str) = ("sys/module/ip_vs_mh/refcnt", "0");

#[test]
fn an_address_outside_of_its_interface_is_told_with_its_place() {
    let networks = [("eth0", "10.0.0.1"), ("eth1", "10.1.0.1")];
    assert_eq!(
        told(INSTANCE, &[], &networks),
        [
            "k:6:3: warning: 10.1.0.9 is in no subnet of eth0, which has 10.0.0.1/24 [system] (help: mend the address, \
             or: ip address add ADDRESS/PREFIX dev eth0)"
        ]
    );
    assert_eq!(told(INSTANCE, &[], &[]), [""; 0]);
}

#[test]
fn modules_are_loaded_listed_or_told() {
    let lines = told(SERVER, &[], &[("eth0", "10.0.0.9")]);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].starts_with("k:1:1: warning: this kernel has no IPVS"), "{lines:#?}");
    let lines = told(SERVER, &[IPVS], &[("eth0", "10.0.0.9")]);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(
        lines[0].starts_with("k:2:10: warning: there is no module ip_vs_mh for this kernel"),
        "{lines:#?}"
    );
    assert!(lines[0].contains("modprobe ip_vs_mh"), "{lines:#?}");
    let listed = [
        IPVS,
        ("proc/sys/kernel/osrelease", "6.1\n"),
        ("lib/modules/6.1/modules.dep", "kernel/net/netfilter/ipvs/ip_vs_mh.ko.xz: x\n"),
    ];
    assert_eq!(told(SERVER, &listed, &[("eth0", "10.0.0.9")]), [""; 0]);
}

#[test]
fn sysctls_are_told_with_the_command_that_sets_them() {
    let nat = SERVER.replace("DR", "NAT");
    let files = [IPVS, MH, ("proc/sys/net/ipv4/ip_forward", "0\n")];
    assert_eq!(
        told(&nat, &files, &[("eth0", "10.0.0.9")]),
        [
            "k:1:1: warning: NAT goes through this host, and it does not forward [system] (help: sysctl -w \
             net/ipv4/ip_forward=1, and in /etc/sysctl.d/ for the next boot)"
        ]
    );
    // Checks from the virtual address, of a director that is not always MASTER.
    let both = format!("{SERVER}{INSTANCE}");
    let files = [
        IPVS,
        MH,
        ("proc/sys/net/ipv4/ip_nonlocal_bind", "0\n"),
        ("proc/sys/net/ipv4/conf/eth0/rp_filter", "0\n"),
        ("proc/sys/net/ipv4/conf/all/rp_filter", "1\n"),
        ("proc/sys/net/ipv4/conf/eth0/arp_ignore", "8\n"),
        ("down", "eth0"),
    ];
    let networks = [("eth0", "10.0.0.1"), ("eth0", "10.1.0.1"), ("eth1", "10.2.0.1")];
    let lines = told(&both, &files, &networks);
    for (place, wanted, mend) in [
        ("k:7:4", "checks from it fail", "net/ipv4/ip_nonlocal_bind=1"),
        ("k:12:12", "eth0 is down", "ip link set eth0 up"),
        ("k:12:12", "filters by reverse path", "net/ipv4/conf/eth0/rp_filter=2"),
        ("k:15:3", "answers no ARP", "net/ipv4/conf/eth0/arp_ignore=0"),
        ("k:16:3", "answers no ARP", "net/ipv4/conf/eth0/arp_ignore=0"),
    ] {
        let found = lines
            .iter()
            .any(|line| line.starts_with(place) && line.contains(wanted) && line.contains(mend));
        assert!(found, "{place} {wanted}: {lines:#?}");
    }
    assert_eq!(lines.len(), 5, "{lines:#?}");
    // One interface: every way back is the same.
    let lines = told(&both, &files, &networks[..2]);
    assert!(!lines.iter().any(|line| line.contains("reverse path")), "{lines:#?}");
}

#[test]
fn settings_of_ipvs_are_told_where_neither_the_host_nor_the_file_has_them() {
    let names = ["sloppy_tcp", "expire_nodest_conn", "expire_quiescent_template", "backup_only"];
    let paths = names.map(|name| format!("proc/sys/net/ipv4/vs/{name}"));
    let mut files: Vec<_> = paths.iter().map(|path| (path.as_str(), "0\n")).collect();
    files.extend([IPVS, MH]);
    let told_of = |text: &str, networks: &[(&str, &str)]| {
        let lines = told(text, &files, networks);
        let lines = lines.iter().filter(|line| line.contains("net/ipv4/vs/"));
        let name =
            |line: &String| names.iter().position(|name| line.contains(&format!("{name} is 0")));
        lines.filter_map(name).collect::<Vec<_>>()
    };
    let elsewhere = [("eth0", "10.0.0.1")];
    assert_eq!(told_of(SERVER, &elsewhere), [0, 1]);
    let set = format!(
        "global_defs {{\n lvs_sysctl {{\n  sloppy_tcp\n  expire_nodest_conn 1\n }}\n}}\n{SERVER}"
    );
    assert_eq!(told_of(&set, &elsewhere), [0; 0]);
    let quiet = SERVER
        .replace("mh", "wlc")
        .replace(" real_server", " persistence_timeout 50\n inhibit_on_failure\n real_server");
    assert_eq!(told_of(&quiet, &elsewhere), [2]);
    let both = format!("{quiet}{INSTANCE}");
    let mut own = told_of(&both, &[("eth0", "10.0.0.3")]);
    own.sort_unstable();
    assert_eq!(own, [2, 3]);
    files.iter_mut().for_each(|(_, text)| *text = "1\n");
    assert!(!told(&both, &files, &[("eth0", "10.0.0.3")]).iter().any(|line| line.contains("/vs/")));
}

#[test]
fn a_director_that_is_its_own_real_server_must_not_answer_arp_as_backup() {
    let files = [
        IPVS,
        MH,
        ("proc/sys/net/ipv4/conf/eth0/arp_ignore", "1\n"),
        ("proc/sys/net/ipv4/conf/eth0/arp_announce", "0\n"),
    ];
    let networks = [("eth0", "10.0.0.3"), ("eth0", "10.0.0.9")];
    let lines = told(SERVER, &files, &networks);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains("arp_announce of eth0 is 0"), "{lines:#?}");
    assert!(lines[0].contains("net/ipv4/conf/eth0/arp_announce=2"), "{lines:#?}");
}

#[test]
fn sources_that_are_not_here_and_scripts_that_their_user_cannot_reach_are_told() {
    let text = "vrrp_script chk {\n script /opt/closed/chk\n user 4242\n}\n\
                vrrp_instance V {\n interface eth0\n virtual_router_id 1\n unicast_src_ip 10.0.0.5\n unicast_peer {\n  \
                10.0.0.6\n }\n track_script {\n  chk\n }\n virtual_ipaddress {\n  10.0.0.9\n }\n}\n";
    let asked = Asked { host: Host::Any, id: None };
    let loaded = load_text_as("k", text.as_bytes(), Grammar::Keepalived, &asked);
    let mut config = loaded.config.unwrap();
    // The accounts of another host have no number.
    config.scripts[0].script.user.as_mut().unwrap().uid = 4242;
    let (folder, host) = host(&[("opt/closed/chk", "#!/bin/sh\n")], &[("eth0", "10.0.0.1")]);
    for path in ["", "opt", "opt/closed/chk"] {
        fs::set_permissions(folder.path().join(path), fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(folder.path().join("opt/closed"), fs::Permissions::from_mode(0o750))
        .unwrap();
    let mut findings =
        Findings { host: &host, marks: loaded.diagnostics.landmarks(), found: Vec::new() };
    findings.look(&config);
    let said: Vec<(String, Option<String>)> =
        findings.found.into_iter().map(|one| (one.message, one.help)).collect();
    let owned = |text: &str| text.to_owned();
    assert_eq!(
        said,
        [
            (
                owned("no interface of this host has 10.0.0.5"),
                Some(owned("ip address add 10.0.0.5/PREFIX dev eth0"))
            ),
            (
                owned("user 4242 cannot run /opt/closed/chk: /opt/closed is closed to it"),
                Some(owned("chmod o+x /opt/closed"))
            ),
        ]
    );
}

#[test]
fn a_virtual_mac_needs_macvlan_and_no_filter_over_all() {
    let networks = [("eth0", "10.0.0.1"), ("eth0", "10.1.0.1")];
    let text = INSTANCE.replace("interface eth0\n", "interface eth0\n use_vmac\n");
    let loaded = ("sys/module/macvlan/refcnt", "0");
    assert_eq!(told(&text, &[loaded], &networks), [""; 0]);
    let lines = told(&text, &[], &networks);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains("no module macvlan"), "{lines:#?}");
    let ipvlan = text.replace("use_vmac", "use_ipvlan 10.0.0.7");
    let lines = told(&ipvlan, &[loaded], &networks);
    assert!(lines.len() == 1 && lines[0].contains("no module ipvlan"), "{lines:#?}");
    let sends = ipvlan.replace("use_ipvlan", "mcast_src_ip 10.0.0.7\n use_ipvlan");
    let lines = told(&sends, &[("sys/module/ipvlan/refcnt", "0")], &networks);
    assert_eq!(lines, [""; 0], "its own address will be there");
    let strict = ("proc/sys/net/ipv4/conf/all/rp_filter", "1\n");
    let deaf = |text: &str| {
        let lines = told(text, &[loaded, strict], &networks);
        lines.iter().any(|line| line.contains("two masters"))
    };
    assert!(deaf(&text));
    assert!(!deaf(&text.replace("use_vmac\n", "use_vmac\n vmac_xmit_base\n")));
    assert!(!deaf(INSTANCE));
}
