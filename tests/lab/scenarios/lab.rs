//! The lab proves itself: what the other tests build on does what it says, with Debian's tools alone.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::capture::{Capture, Saying};
use crate::client::{Client, PACE};
use crate::daemon::{Daemon, Kind};
use crate::host::{Host, wait_for};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::responder::Responder;
use crate::runner::Scenario;
use crate::tool::responder::Mode;
use crate::topology::{Forwarding, Plan, Topology};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together("lab_direct_routing_serves_every_client", 60, direct_routing),
    Scenario::together("lab_tunnel_reaches_its_servers", 60, tunnel),
    Scenario::together("lab_nat_reaches_its_servers", 60, nat),
    Scenario::together("lab_links_can_be_slow_and_lossy", 60, netem),
    Scenario::alone("lab_client_sees_a_cut_link_as_a_gap", 60, cut_link),
    Scenario::together("lab_client_tells_failures_apart", 60, failures),
    Scenario::together("lab_responder_behaves_as_told", 60, responder_modes),
    Scenario::together("lab_keepalived_pair_fails_over_on_a_cut_link", 60, keepalived_pair),
];

const VIP: &str = "10.0.0.100";
const TARGET: &str = "10.0.0.100:80";

/// One director by hand: the VIP on eth0, two servers in the table.
fn by_hand(keeper: &Arc<Keeper>, forwarding: Forwarding, flag: &str) -> (Topology, Vec<Responder>) {
    let plan = Plan::new().directors(1).servers(2, forwarding).clients(1).vips(&[VIP]);
    let net = plan.build(keeper);
    let d1 = net.host("d1");
    d1.run(&format!("ip addr add {VIP}/32 dev eth0"));
    d1.run(&format!("ipvsadm -A -t {TARGET} -s rr"));
    let servers = ["r1", "r2"].map(|name| {
        let host = net.host(name);
        d1.run(&format!("ipvsadm -a -t {TARGET} -r {}:80 {flag} -w 1", host.address));
        Responder::start(host)
    });
    (net, servers.into())
}

fn direct_routing(keeper: &Arc<Keeper>) {
    let (net, servers) = by_hand(keeper, Forwarding::Direct, "-g");
    let client = Client::asking(net.host("c1"), TARGET, PACE);
    thread::sleep(Duration::from_secs(2));
    let report = client.stop();
    keeper.figure(&format!("{report:?}"));

    assert_eq!(report.failed(), 0, "{report:?}");
    assert!(report.ok > 500, "{report:?}");
    let [r1, r2] = ["r1", "r2"].map(|name| report.servers[name]);
    assert!(r1.abs_diff(r2) <= 1, "round robin: {report:?}");
    assert_eq!(servers[0].count().requests, r1);
    // The kernel adds its counters up every 2 s.
    wait_for(Duration::from_secs(5), "the kernel's count of connections", || {
        kernel_view::connections(net.host("d1"))["10.0.0.11:80"] == r1
    });
}

fn tunnel(keeper: &Arc<Keeper>) {
    let (net, _servers) = by_hand(keeper, Forwarding::Tunnel, "-i");
    both_serve(&net);
}

fn nat(keeper: &Arc<Keeper>) {
    let (net, _servers) = by_hand(keeper, Forwarding::Nat, "-m");
    net.host("d1").run("ip addr add 10.1.0.254/32 dev eth1");
    both_serve(&net);
}

fn both_serve(net: &Topology) {
    let client = Client::asking(net.host("c1"), TARGET, Duration::from_millis(20));
    thread::sleep(Duration::from_secs(1));
    let report = client.stop();
    assert_eq!(report.failed(), 0, "{report:?}");
    assert_eq!(report.servers.len(), 2, "{report:?}");
}

fn cut_link(keeper: &Arc<Keeper>) {
    let (net, _servers) = by_hand(keeper, Forwarding::Direct, "-g");
    let mut client = Client::connecting(net.host("c1"), TARGET, PACE);
    thread::sleep(Duration::from_secs(1));
    let before = client.phase();
    net.cut("d1");
    thread::sleep(Duration::from_millis(1200));
    net.mend("d1");
    thread::sleep(Duration::from_secs(2));
    let report = client.stop();
    keeper.figure(&format!("before {before:?}, with a cut of 1.2 s {report:?}"));

    assert_eq!(before.failed(), 0, "{before:?}");
    assert!(before.gap < Duration::from_millis(200), "{before:?}");
    assert!(report.gap > Duration::from_millis(1100), "{report:?}");
    assert!(report.gap < Duration::from_millis(3000), "{report:?}");
    assert!(report.late + report.unanswered + report.unreachable > 300, "{report:?}");
    assert_eq!(report.refused + report.reset + report.wrong, 0, "{report:?}");
}

fn netem(keeper: &Arc<Keeper>) {
    let net = Plan::new().servers(1, Forwarding::Direct).clients(1).build(keeper);
    let r1 = net.host("r1");
    let _server = Responder::start(r1);
    let line = format!("curl -s -m 2 -o /dev/null -w %{{time_connect}} http://{}/", r1.address);
    let connect = || net.host("c1").try_run(&line).map(|text| text.parse::<f64>().unwrap());
    assert!(connect().unwrap() < 0.06);
    net.netem("r1", "delay 40ms"); // each way
    assert!(connect().unwrap() >= 0.08);
    net.netem("r1", "loss 100%");
    connect().unwrap_err();
    net.netem("r1", "");
    assert!(connect().unwrap() < 0.06);
}

fn failures(keeper: &Arc<Keeper>) {
    let net = Plan::new().servers(1, Forwarding::Direct).clients(1).build(keeper);
    let r1 = net.host("r1");
    let target = format!("{}:80", r1.address);
    let server = Responder::start(r1);
    let seen = |mode: Mode| {
        server.switch(mode);
        let client = Client::asking(net.host("c1"), &target, Duration::from_millis(50));
        thread::sleep(Duration::from_secs(1));
        client.stop()
    };
    let all_are = |report: crate::client::Report, count: u64, after_connect: u64| {
        assert!(report.total > 10, "{report:?}");
        assert_eq!((count, report.ok), (report.total, 0), "{report:?}");
        assert_eq!(report.after_connect, after_connect, "{report:?}");
    };
    let report = seen(Mode::Refuse);
    all_are(report.clone(), report.refused, 0);
    let report = seen(Mode::Close);
    all_are(report.clone(), report.reset, report.total);
    let report = seen(Mode::Status(503));
    all_are(report.clone(), report.wrong, report.total);
    let report = seen(Mode::Silent);
    assert_eq!((report.unanswered, report.ok), (report.total, 0), "{report:?}");
    let report = seen(Mode::Fine);
    assert_eq!((report.failed(), report.servers.get("r1")), (0, Some(&report.ok)), "{report:?}");
}

fn responder_modes(keeper: &Arc<Keeper>) {
    let net = Plan::new().servers(1, Forwarding::Direct).clients(1).build(keeper);
    let (r1, c1) = (net.host("r1"), net.host("c1"));
    let server = Responder::listening(r1, &["0.0.0.0:80", "[::]:80", "tls:0.0.0.0:443"]);
    let curl = |host: &Host, options: &str, url: &str| {
        let line = format!("curl -s -k -m 3 -w %{{http_code}}/%{{size_download}} {options} {url}");
        host.try_run(&line)
    };
    let plain = format!("http://{}/", r1.address);
    let urls =
        [plain.clone(), format!("http://[{}]/", r1.address6), format!("https://{}/", r1.address)];
    for url in &urls {
        assert_eq!(curl(c1, "", url).unwrap(), "r1\n200/3", "{url}");
    }
    server.switch(Mode::Status(404));
    assert_eq!(curl(c1, "", &plain).unwrap(), "r1\n404/3");
    server.switch(Mode::Body("text".to_owned()));
    assert_eq!(curl(c1, "", &plain).unwrap(), "text200/4");

    let fails_with = |mode: Mode, exit: &str| {
        server.switch(mode);
        let error = curl(c1, "-o /dev/null", &plain).unwrap_err();
        assert!(error.contains(&format!("exit status: {exit}\n")), "{error}");
        error
    };
    fails_with(Mode::Refuse, "7");
    fails_with(Mode::Silent, "28");
    fails_with(Mode::Drip, "28");
    fails_with(Mode::Garbage, "1");
    fails_with(Mode::Close, "52");
    let before = server.count().bytes;
    fails_with(Mode::Endless, "28");
    assert!(server.count().bytes - before > 1 << 20);
    let count = server.count();
    assert!(count.requests >= 9 && count.connections >= count.requests, "{count:?}");
}

fn pair_config(priority: u8) -> String {
    format!(
        "vrrp_instance V {{
            state BACKUP
            interface eth0
            virtual_router_id 51
            priority {priority}
            advert_int 1
            virtual_ipaddress {{ {VIP}/32 }}
        }}"
    )
}

fn keepalived_pair(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(2).clients(1).build(keeper);
    let (d1, d2) = (net.host("d1"), net.host("d2"));
    let capture = Capture::start(net.host("c1"));
    let _first = Daemon::start(Kind::Keepalived, d1, &pair_config(150));
    let _second = Daemon::start(Kind::Keepalived, d2, &pair_config(100));
    wait_for(Duration::from_secs(10), "VIP on d1", || kernel_view::holds(d1, VIP));

    net.cut("d1");
    wait_for(Duration::from_secs(10), "VIP on d2", || kernel_view::holds(d2, VIP));
    assert!(!kernel_view::holds(d1, VIP), "a pulled plug takes keepalived's instance to FAULT");

    let (last, claim) = capture.takeover(51, d1, VIP).expect("a takeover on the wire");
    assert_eq!(last.saying, Saying::Advert { version: 2, vrid: 51, priority: 150 });
    let took = claim.at.saturating_sub(last.at);
    keeper.figure(&format!("gratuitous ARP {took:?} after the last advertisement"));
    assert!(took > Duration::from_secs(3) && took < Duration::from_secs(5), "{took:?}");
}
