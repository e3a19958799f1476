//! Reloads in a loop: nothing that goes on is disturbed, however often the file changes.

use std::fmt::Write;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::pair::{PRIORITIES, Pace, Pair, SERVICE, VIP, director, instance, service};
use crate::capture::Capture;
use crate::daemon::{Daemon, Kind::Evenkeel};
use crate::host::wait_for;
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::responder::Responder;
use crate::runner::Scenario;
use crate::topology::{Forwarding, Plan};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::alone("reload_five_times_a_second_disturbs_nothing", 90, every_200_ms),
    Scenario::together("reload_follows_a_changed_file", 60, changed_file),
];

const EVERY: Duration = Duration::from_millis(200);
const FOR: Duration = Duration::from_secs(20);
/// Port of the responders that nobody but the first director's checks asks.
const CHECK_PORT: u16 = 8081;

/// A real server and how often it is checked; weight changes with each reload.
fn server(last: u8, weight: usize, every: f32) -> String {
    format!(
        "    real_server 10.0.0.{last} 80 {{
        weight {weight}
        TCP_CHECK {{
            connect_port {CHECK_PORT}
            connect_timeout 1
            delay_loop {every}
            warmup 0.05
        }}
    }}
"
    )
}

/// The file of reload `round`: two real servers stay, one is there for a second and away for a second, one for every
/// other reload; an address comes and goes too.
fn config(round: usize) -> String {
    let mut text = instance(Pace::Tenth, PRIORITIES[0], "");
    if round % 4 == 1 {
        text = text.replace("    10.0.0.100/32\n", "    10.0.0.100/32\n    10.0.0.101/32\n");
    }
    let _ = writeln!(
        text,
        "virtual_server {VIP} 80 {{\n    delay_loop 1\n    lb_algo wrr\n    lb_kind DR\n    protocol TCP"
    );
    text += &server(11, 1 + round % 3, 0.5);
    text += &server(12, 2, 1.0);
    if is_there(round) {
        text += &server(13, 1, 0.3);
    }
    if round % 2 == 1 {
        text += &server(14, 1, 1.0);
    }
    text + "}\n"
}

fn is_there(round: usize) -> bool {
    (round / 5).is_multiple_of(2)
}

fn every_200_ms(keeper: &Arc<Keeper>) {
    let plan = Plan::new().directors(2).servers(4, Forwarding::Direct).clients(1).vips(&[VIP]);
    let net = plan.build(keeper);
    let capture = Capture::start(net.host("c1"));
    let host = |number: u8| net.host(&format!("r{number}"));
    let _more = [3, 4].map(|number| Responder::start(host(number)));
    let checked = [1, 2, 3, 4]
        .map(|number| Responder::listening(host(number), &[&format!("0.0.0.0:{CHECK_PORT}")]));
    let servers = [1, 2].map(|number| Responder::start(host(number)));
    let directors = [
        Daemon::start(Evenkeel, net.host("d1"), &config(0)),
        Daemon::start(Evenkeel, net.host("d2"), &director(Pace::Tenth, PRIORITIES[1])),
    ];
    let pair = Pair { net, capture, directors, servers };
    pair.wait_for_master("d1");
    wait_for(Duration::from_secs(10), "a full table", || {
        kernel_view::weights(pair.d1(), SERVICE).len() == 3
    });
    thread::sleep(Duration::from_secs(1));

    let counts = || checked.each_ref().map(|responder| responder.count().connections);
    let spoke = pair.adverts_of(pair.d2()).len();
    let heard = pair.adverts_of(pair.d1()).len();
    let client = pair.load();
    let before = counts();
    let start = Instant::now();
    let (mut round, mut present) = (0, 0_u32);
    while start.elapsed() < FOR {
        round += 1;
        present += u32::from(is_there(round));
        // Who leaves keeps its open connections for a while; that is what draining is for.
        std::fs::write(&pair.directors[0].config, config(round)).unwrap();
        pair.directors[0].command("reload --drain 3s").unwrap();
        let next = EVERY * u32::try_from(round).unwrap();
        thread::sleep(next.saturating_sub(start.elapsed()));
    }
    let took = start.elapsed();
    let after = counts();
    let report = client.stop();
    let probed: Vec<u64> = before.iter().zip(after).map(|(before, after)| after - before).collect();
    let silence = pair.longest_silence(pair.d1());
    let adverts = pair.adverts_of(pair.d1()).len() - heard;
    keeper.figure(&format!(
        "{round} reloads in {took:.1?}; checks {probed:?}; {adverts} advertisements, longest silence {silence:.0?}; {report}"
    ));
    assert_eq!(report.failed() - report.late, 0, "{report:?}");
    assert_eq!(pair.adverts_of(pair.d2()).len(), spoke, "the peer had no reason to speak");
    // A machine that was held up held up the director as well: what came late then says nothing.
    if report.stall < Pace::Tenth.interval() {
        assert_eq!(report.late, 0, "{report:?}");
        assert!(silence < 2 * Pace::Tenth.interval(), "an advertisement was missed: {silence:?}");
        assert!(round >= 80, "only {round} reloads");
    }
    let wanted = took.saturating_sub(report.stall).as_millis() / Pace::Tenth.interval().as_millis();
    assert!(adverts as u128 + 4 >= wanted, "{adverts} advertisements of {wanted}");
    // Each at its own pace, whatever its weight did, and the one that comes and goes while it is there.
    let paces = [took.as_secs_f64() / 0.5, took.as_secs_f64(), f64::from(present) * 0.2 / 0.3];
    for (at, (probed, wanted)) in probed.iter().zip(paces).enumerate() {
        let (least, most) = (wanted * 0.85 - 1.0, wanted * 1.3 + 2.0);
        let probed = *probed as f64;
        assert!((least..=most).contains(&probed), "r{}: {probed} checks, {wanted} due", at + 1);
    }
    assert!(probed[3] > 0, "the one that is never there for long is checked too");
    wait_for(Duration::from_secs(5), "the last file's table", || {
        let wanted = 2 + usize::from(is_there(round)) + round % 2;
        kernel_view::weights(pair.d1(), SERVICE).values().filter(|w| **w > 0).count() == wanted
    });
}

/// `auto_reload`: the file is written in place, then another is moved over it as editors do; nobody says a word.
fn changed_file(keeper: &Arc<Keeper>) {
    let with = |weights| {
        let text = instance(Pace::Tenth, PRIORITIES[0], "") + &service(80, weights);
        format!("global_defs {{\n    auto_reload\n}}\n{text}")
    };
    let configs = [with([1, 1]), director(Pace::Tenth, PRIORITIES[1])];
    let pair = Pair::start_with(keeper, [Evenkeel; 2], configs);
    let spoke = pair.adverts_of(pair.d2()).len();
    let config = &pair.directors[0].config;
    let has = |weights: [u32; 2]| {
        let there: Vec<u32> = kernel_view::weights(pair.d1(), SERVICE).into_values().collect();
        there == weights
    };
    std::fs::write(config, with([3, 4])).unwrap();
    wait_for(Duration::from_secs(5), "the file written in place", || has([3, 4]));
    let beside = config.with_extension("new");
    std::fs::write(&beside, with([5, 6])).unwrap();
    std::fs::rename(&beside, config).unwrap();
    wait_for(Duration::from_secs(5), "the file moved into its place", || has([5, 6]));
    assert_eq!(pair.adverts_of(pair.d2()).len(), spoke, "the peer had no reason to speak");
}
