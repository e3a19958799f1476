//! From a reload with one weight changed, among 20,000 real servers in 2,000 virtual servers, to the weight in the
//! kernel; while all of them are being checked.

use std::fmt::Write;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::daemon::{Daemon, Kind};
use crate::host::{Host, wait_for};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::responder::Responder;
use crate::runner::Scenario;
use crate::topology::{Forwarding, Plan};

pub(super) const BENCHES: &[Scenario] = &[
    Scenario::alone("bench_config_evenkeel", 200, |keeper| reload(keeper, Kind::Evenkeel)),
    // Its reload of such a file takes minutes, and so does its start.
    Scenario::alone("bench_config_keepalived", 900, |keeper| reload(keeper, Kind::Keepalived)),
];

const SERVICES: u32 = 2000;
/// What is changed: a real server in the middle.
const SERVICE: &str = "10.1.4.1:80";

/// Each real server is asked a question of its own, once a minute, and all of them by one responder.
fn config(weight: u32) -> String {
    let mut text = String::new();
    for at in 0..SERVICES {
        let vip = format!("10.1.{}.{}", at / 250, 1 + at % 250);
        let _ = writeln!(text, "virtual_server {vip} 80 {{\n delay_loop 60\n lb_algo wlc");
        text.push_str(" lb_kind DR\n protocol TCP\n");
        for place in at * 10..at * 10 + 10 {
            let real =
                format!("10.{}.{}.{}", 2 + place / 62_500, place / 250 % 250, 1 + place % 250);
            let weight = if vip == "10.1.4.1" && place % 10 == 0 { weight } else { 3 };
            let _ = writeln!(text, " real_server {real} 80 {{\n  weight {weight}\n  HTTP_GET {{");
            let _ = writeln!(text, "   url {{\n    path /{place}\n    status_code 200\n   }}");
            text.push_str("   connect_ip 10.0.0.11\n   connect_timeout 3\n   retry 3\n  }\n }\n");
        }
        text.push_str("}\n");
    }
    text
}

fn has_weight(host: &Host, weight: u32) -> bool {
    let text = host.run(&format!("ipvsadm -Ln -t {SERVICE}"));
    text.lines().any(|line| line.split_whitespace().nth(3) == Some(&weight.to_string()))
}

fn reload(keeper: &Arc<Keeper>, kind: Kind) {
    let net = Plan::new().directors(1).servers(1, Forwarding::Direct).build(keeper);
    let d1 = net.host("d1");
    let _server = Responder::start(net.host("r1"));
    let is_peer = kind == Kind::Keepalived;
    let prefix = if is_peer { "keepalived " } else { "" };
    let start = Instant::now();
    let daemon = Daemon::start(kind, d1, &config(3));
    let limit = Duration::from_secs(if is_peer { 400 } else { 60 });
    wait_for(limit, "the whole table", || {
        kernel_view::has_service(d1, "-t 10.1.7.250:80") && kernel_view::rules(d1).len() == 22_000
    });
    keeper.figure(&format!("{prefix}start to the whole table = {:.1?}", start.elapsed()));
    thread::sleep(Duration::from_secs(3));
    let mut took = Vec::new();
    for weight in if is_peer { 7..8 } else { 7..14 } {
        let text = config(weight);
        std::fs::write(&daemon.config, &text).unwrap();
        let said = daemon.logged().matches("reloaded: ").count();
        let start = Instant::now();
        daemon.hang_up();
        if is_peer {
            wait_for(limit, "the new weight", || has_weight(d1, weight));
        } else {
            // The log says it once the kernel has taken it; looking at the table meanwhile would cost what is measured.
            while daemon.logged().matches("reloaded: ").count() == said {
                assert!(start.elapsed() < limit, "not reloaded");
                thread::sleep(Duration::from_millis(2));
            }
        }
        took.push(start.elapsed());
        assert!(has_weight(d1, weight), "weight {weight}");
        thread::sleep(Duration::from_millis(500));
    }
    took.sort();
    let (least, most) = (took[0], took[took.len() - 1]);
    keeper.figure(&format!(
        "{prefix}reload with one weight changed, signal to kernel = {:.0?} ({least:.0?}-{most:.0?})",
        took[took.len() / 2]
    ));
}
