//! Plans as an operator reads them.

use super::*;
use crate::config::{self, Grammar, Host};

fn specs(text: &str) -> Specs {
    let loaded = config::load_text("t.conf", text.as_bytes(), Grammar::Keepalived, Host::Any);
    let lines: Vec<String> = loaded.diagnostics.lines().collect();
    Specs::from(&loaded.config.unwrap_or_else(|| panic!("{lines:#?}")))
}

fn plan(old: &str, new: &str) -> String {
    let lines: Vec<String> =
        changes(&specs(old), &specs(new)).iter().map(Change::to_string).collect();
    lines.join("\n")
}

fn service(port: u16, more: &str, servers: &[(u8, u32)]) -> String {
    let server = |(host, weight): &(u8, u32)| {
        format!(
            "real_server 10.0.0.{host} {port} {{\nweight {weight}\nTCP_CHECK {{\nconnect_timeout 3\n}}\n}}\n"
        )
    };
    let servers: String = servers.iter().map(server).collect();
    format!(
        "virtual_server 10.0.0.100 {port} {{\nlb_algo wlc\nlb_kind DR\nprotocol TCP\n{more}\n{servers}}}\n"
    )
}

fn instance(priority: u8, addresses: &str) -> String {
    format!(
        "vrrp_instance VI_1 {{\ninterface lo\nvirtual_router_id 51\npriority {priority}\n\
         virtual_ipaddress {{\n{addresses}\n}}\n}}\n"
    )
}

#[test]
fn an_unchanged_file_changes_nothing() {
    let text = service(80, "", &[(3, 1), (4, 2)]) + &instance(100, "10.0.0.100/24");
    assert_eq!(plan(&text, &text), "");
}

#[test]
fn order_and_layout_of_a_file_mean_nothing() {
    let (a, b) = (service(80, "", &[(3, 1)]), service(81, "", &[(3, 5), (4, 2)]));
    let other = service(81, "# as before", &[(4, 2), (3, 5)]);
    assert_eq!(plan(&(a.clone() + &b), &(other + &a)), "");
}

#[test]
fn additions_come_first_and_removals_last_with_what_they_cut() {
    let old = service(80, "", &[(3, 1), (4, 2)]) + &service(81, "", &[(3, 1)]);
    let new = service(80, "quorum 2", &[(4, 7), (5, 1)]) + &service(82, "", &[(3, 1)]);
    let wanted = "\
+ real server 10.0.0.5:80 of TCP 10.0.0.100:80
    weight 1
+ virtual server TCP 10.0.0.100:82
    1 real servers
~ virtual server TCP 10.0.0.100:80
    quorum: 1 -> 2
~ real server 10.0.0.4:80 of TCP 10.0.0.100:80
    weight: 2 -> 7
- real server 10.0.0.3:80 of TCP 10.0.0.100:80   [cuts its established connections, unless drained (reload --drain)]
- virtual server TCP 10.0.0.100:81   [cuts its established connections]";
    assert_eq!(plan(&old, &new), wanted);
}

#[test]
fn a_router_is_the_same_by_vrid_interface_and_family() {
    let old = instance(100, "10.0.0.100/24\n10.0.0.101/24");
    let new = instance(150, "10.0.0.100/24\n10.0.0.102/24").replace("VI_1", "VI_WEB");
    let wanted = "\
~ vrrp_instance VI_WEB
    name: \"VI_1\" -> \"VI_WEB\"
    priority: 100 -> 150
    + 10.0.0.102/24
    - 10.0.0.101/24";
    assert_eq!(plan(&old, &new), wanted);
}

#[test]
fn passwords_are_never_shown() {
    let with = |password: &str| {
        let auth =
            format!("priority 100\nauthentication {{\nauth_type PASS\nauth_pass {password}\n}}");
        instance(100, "10.0.0.100/24").replace("priority 100", &auth)
    };
    let wanted = "\
~ vrrp_instance VI_1
    authentication changes: the peer must change with it";
    assert_eq!(plan(&with("secret1"), &with("secret2")), wanted);
}
