//! The operations guide, typed as it stands: every command of its shell blocks is run where it belongs, on directors that
//! the package has installed, and says what the guide promises.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::daemon::{Daemon, Kind};
use crate::host::{holds_within, wait_for};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::package::Installed;
use crate::responder::Responder;
use crate::runner::Scenario;
use crate::tool::responder::Mode;
use crate::topology::{Forwarding, Plan, Topology};

pub(super) const SCENARIOS: &[Scenario] =
    &[Scenario::alone("guide_every_command_does_what_it_says", 400, guide)];

const SOON: Duration = Duration::from_secs(60);
const VIP: &str = "10.0.0.100";

/// Systemd's part: what the unit says for start, stop and reload. `keepalived` is started by the test.
const SYSTEMCTL: &str = "#!/bin/sh
verb= unit= now=
for word; do
    case $word in
    --now) now=1 ;;
    -*) ;;
    *) if [ -z \"$verb\" ]; then verb=$word; else unit=${word%.service}; fi ;;
    esac
done
. /etc/default/evenkeel
runs() { evenkeel status >/dev/null 2>&1; }
start() {
    setsid /usr/bin/evenkeel run --config $CONFIG $OPTIONS >>/run/evenkeel/log 2>&1 </dev/null &
    for turn in $(seq 120); do
        if runs; then return; fi
        sleep 0.5
    done
    exit 1
}
case \"$verb $unit\" in
'start evenkeel') start ;;
'enable evenkeel') [ -z \"$now\" ] || start ;;
'stop evenkeel') evenkeel stop ;;
'reload-or-restart evenkeel') if runs; then evenkeel reload; else start; fi ;;
'restart evenkeel') evenkeel stop && start ;;
'stop keepalived' | 'disable keepalived') : ;;
*) echo \"systemctl: $*?\" >&2; exit 1 ;;
esac
";

/// Commands of the guide that are not run here, and what runs them.
const ELSEWHERE: [&str; 3] = [
    // `package_upgrade_by_apt_is_not_noticed`
    "apt install ./evenkeel_*.deb",
    // `told_page_and_alert_rules_fit_the_director`, where promtool is.
    "promtool check rules /usr/share/evenkeel/prometheus/evenkeel.rules.yml",
    // There is no journal in the lab.
    "journalctl -u evenkeel",
];

/// The guide, and what of it has been typed.
struct Page {
    text: String,
    lines: BTreeSet<String>,
    typed: BTreeSet<String>,
}

impl Page {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide.md");
        let text = fs::read_to_string(path).unwrap();
        let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
        let command = |line: &str| line.split(" #").next().unwrap_or_default().trim().to_owned();
        let lines = blocks.flat_map(str::lines).map(command).filter(|line| !line.is_empty());
        Self { lines: lines.collect(), text: text.clone(), typed: BTreeSet::new() }
    }

    /// The first configuration of the guide.
    fn configuration(&self) -> String {
        let block = self.text.split("```kdl\n").nth(1).and_then(|rest| rest.split("```").next());
        block.unwrap().to_owned()
    }

    /// The block of the guide that begins so.
    fn block(&self, begins: &str) -> String {
        let mut blocks =
            self.text.split("```kdl\n").skip(1).filter_map(|it| it.split("```").next());
        blocks.find(|block| block.starts_with(begins)).unwrap().to_owned()
    }

    /// Marks a command as typed; it must stand in the guide.
    fn line(&mut self, line: &str) {
        assert!(self.lines.contains(line), "not in the guide: {line}");
        self.typed.insert(line.to_owned());
    }

    /// Types it on a director; what it said.
    #[track_caller]
    fn on(&mut self, director: &Installed, line: &str) -> String {
        self.line(line);
        director.shell(line).unwrap_or_else(|said| panic!("{line}: {said}"))
    }
}

fn guide(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(2).servers(2, Forwarding::Direct).clients(1).build(keeper);
    for (host, address) in [("r1", "10.0.0.3/24"), ("r2", "10.0.0.4/24")] {
        net.host(host).run(&format!("ip addr add {address} dev eth0"));
    }
    let servers = ["r1", "r2"].map(|name| Responder::listening(net.host(name), &["0.0.0.0:80"]));
    let directors = ["d1", "d2"].map(|name| {
        let installed = Installed::on(net.host(name));
        installed.place("/usr/bin/systemctl", SYSTEMCTL);
        installed
    });
    let mut page = Page::read();
    first_pair(&mut page, &net, &directors, &servers);
    moves(&mut page, &net, &directors);
    changes(&mut page, &directors[0]);
    takes_out(&mut page, &directors);
    drill(&mut page, &net, &directors[0]);
    looks(&mut page, &directors[0]);
    for director in &directors {
        director.shell("systemctl stop evenkeel").unwrap();
    }
    from_keepalived(&mut page, keeper, &net, &directors);
    for director in &directors {
        director.shell("systemctl stop evenkeel").unwrap();
    }
    let elsewhere = ELSEWHERE.map(str::to_owned).into();
    let typed: BTreeSet<String> = page.typed.union(&elsewhere).cloned().collect();
    assert_eq!(page.lines, typed, "every command of the guide is typed");
    keeper.figure(&format!("{} commands of the guide typed", page.typed.len()));
}

fn status(director: &Installed) -> String {
    director.shell("evenkeel status").unwrap_or_default()
}

fn first_pair(page: &mut Page, net: &Topology, directors: &[Installed; 2], servers: &[Responder]) {
    let configuration = page.configuration();
    let [first, second] = directors;
    first.place("/etc/evenkeel/evenkeel.kdl", &configuration);
    let lower = configuration.replace("priority 150", "priority 100");
    second.place("/etc/evenkeel/evenkeel.kdl", &lower);
    for director in directors {
        page.on(director, "sysctl -w net.ipv4.ip_forward=1");
        let said = page.on(director, "evenkeel check --against-system /etc/evenkeel/evenkeel.kdl");
        assert!(said.contains("ok: 1 vrrp_instance"), "{said}");
        page.on(director, "systemctl reload-or-restart evenkeel");
    }
    wait_for(SOON, "the first to be MASTER", || kernel_view::holds(net.host("d1"), VIP));
    let said = page.on(first, "evenkeel status");
    assert!(said.contains("VI_1 MASTER") && said.contains("10.0.0.3:80 UP weight 1"), "{said}");
    assert!(page.on(first, "ipvsadm -Ln").contains("TCP  10.0.0.100:80 wlc"));

    page.line("sysctl --system");
    page.line("ip address add 10.0.0.100/32 dev lo");
    for name in ["r1", "r2"] {
        net.host(name).run("sysctl --system");
        net.host(name).run("ip address add 10.0.0.100/32 dev lo");
    }
    let said = page.on(first, "evenkeel doctor dr /etc/evenkeel/evenkeel.kdl");
    assert!(said.contains("2 real servers are silent"), "{said}");
    let client = net.host("c1");
    let asks = || client.try_run("curl -s -m 2 http://10.0.0.100/health");
    wait_for(SOON, "a client to be answered", || asks().is_ok());

    // "then try it"
    servers[0].switch(Mode::Refuse);
    wait_for(SOON, "the real server to be out", || status(first).contains("10.0.0.3:80 DOWN out"));
    assert!(status(first).contains("refused"), "with the cause: {}", status(first));
    servers[0].switch(Mode::Fine);
    wait_for(SOON, "it to be back", || status(first).contains("10.0.0.3:80 UP weight 1"));
    first.shell("systemctl stop evenkeel").unwrap();
    assert!(kernel_view::holds(net.host("d2"), VIP), "before the first lets go of it");
    first.shell("systemctl start evenkeel").unwrap();
    wait_for(SOON, "the first to be MASTER again", || kernel_view::holds(net.host("d1"), VIP));
}

fn moves(page: &mut Page, net: &Topology, [first, _]: &[Installed; 2]) {
    let master = |name: &str| {
        wait_for(SOON, "the address to have moved", || kernel_view::holds(net.host(name), VIP));
    };
    let said = page.on(first, "evenkeel failover VI_1");
    assert!(said.contains("handed over to 10.0.0.2"), "{said}");
    master("d2");
    page.on(first, "evenkeel rejoin VI_1");
    master("d1");
}

fn changes(page: &mut Page, first: &Installed) {
    let said = page.on(first, "evenkeel check /etc/evenkeel/evenkeel.kdl");
    assert!(said.contains("ok: "), "{said}");
    let said = page.on(first, "evenkeel plan /etc/evenkeel/evenkeel.kdl");
    assert_eq!(said, "no change\n");
    let said = page.on(first, "evenkeel reload --drain 10m");
    assert!(said.starts_with("reloaded"), "{said}");
}

fn takes_out(page: &mut Page, directors: &[Installed; 2]) {
    let first = &directors[0];
    for line in ["evenkeel drain 10.0.0.3", "evenkeel drain 10.0.0.3 --deadline 30m --wait"] {
        let said = page.on(first, line);
        assert!(said.contains("draining: 10.0.0.3:80 of TCP 10.0.0.100:80"), "{said}");
    }
    page.on(first, "evenkeel weight 10.0.0.3 50%");
    let listed = page.on(first, "evenkeel overrides");
    assert!(listed.contains("TCP 10.0.0.100:80/10.0.0.3:80 weight 50% since"), "{listed}");
    page.on(first, "evenkeel enable 10.0.0.3");
    assert_eq!(page.on(first, "evenkeel overrides"), "no overrides\n");

    let (beats, second) = (page.block("heartbeat"), &directors[1]);
    for (director, peer) in directors.iter().zip(["10.0.0.2", "10.0.0.1"]) {
        let old = director.file("/etc/evenkeel/evenkeel.kdl").unwrap();
        let new = old + &beats.replace("10.0.0.2", peer);
        director.place("/etc/evenkeel/evenkeel.kdl", &new);
        director.shell("evenkeel reload").unwrap();
    }
    let heard = || {
        let said = first.shell("curl -s http://127.0.0.1:9650/metrics").unwrap_or_default();
        said.lines().any(|line| line.starts_with("evenkeel_peer_heard") && line.ends_with(" 1"))
    };
    wait_for(SOON, "the directors to hear each other", heard);
    page.on(first, "evenkeel drain 10.0.0.3 --for 2h --reason \"new disk\" --pair");
    let listed = second.shell("evenkeel overrides").unwrap();
    assert!(listed.contains("10.0.0.3:80 draining") && listed.contains("new disk"), "{listed}");
    page.on(first, "evenkeel enable 10.0.0.3 --pair");
    assert_eq!(second.shell("evenkeel overrides").unwrap(), "no overrides\n");
}

/// The login to the client's host is the way into its namespace here.
fn drill(page: &mut Page, net: &Topology, first: &Installed) {
    let line = "evenkeel drill VI_1 --probe 10.0.0.100:80 --from \"ssh client1\" --back";
    page.line(line);
    let way = format!("ip netns exec {}", net.host("c1").namespace);
    let said = first.shell(&line.replace("ssh client1", &way)).unwrap();
    assert_eq!(said.matches(": 0 of ").count(), 2, "{said}");
}

fn looks(page: &mut Page, first: &Installed) {
    let said = page.on(first, "curl -s http://127.0.0.1:9650/metrics");
    assert!(said.contains("evenkeel_vrrp_instance_state{"), "{said}");
    // What the guide's table of metrics names is there, unless this pair has no such thing (BFD, a peer, mails).
    let names = page.text.split("evenkeel_").skip(1);
    let name = |rest: &str| -> String {
        rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect()
    };
    for name in names.map(name).filter(|name| !name.is_empty()) {
        let has_none = ["bfd_up", "told_failing", "told_lost_total", "vrrp_alarm"];
        let name = name.trim_end_matches("_bucket");
        assert!(has_none.contains(&name) || said.contains(&format!("evenkeel_{name}")), "{name}");
    }
    let said = page.on(first, "evenkeel doctor host /etc/evenkeel/evenkeel.kdl");
    assert!(said.contains("nothing stands in the way here"), "{said}");
    let said = page.on(first, "evenkeel explain 10.0.0.3:80");
    assert!(said.contains("operator override: none"), "{said}");
    let said = page.on(first, "evenkeel events");
    assert!(said.contains("override_over 10.0.0.3:80 of TCP 10.0.0.100:80"), "{said}");
}

/// keepalived runs on both with a file of its own; the second is replaced, the traffic moves there, and the first follows.
fn from_keepalived(
    page: &mut Page,
    keeper: &Arc<Keeper>,
    net: &Topology,
    directors: &[Installed; 2],
) {
    let texts = [
        include_str!("../../../configs/dr-pair-a.conf"),
        include_str!("../../../configs/dr-pair-b.conf"),
    ];
    let mut old = Vec::new();
    for ((director, name), text) in directors.iter().zip(["d1", "d2"]).zip(texts) {
        // There is no system log here for the notify scripts.
        let text = text.replace("/usr/bin/logger", "/bin/true");
        director.place("/etc/keepalived/keepalived.conf", &text);
        old.push(Daemon::start(Kind::Keepalived, net.host(name), &text));
    }
    let [d1, d2] = ["d1", "d2"].map(|name| net.host(name));
    wait_for(SOON, "keepalived to hold the address", || kernel_view::holds(d1, VIP));
    wait_for(SOON, "its table", || kernel_view::has_service(d2, "-t 10.0.0.100:80"));
    let [first, second] = directors;

    let line = "evenkeel check --against-system /etc/keepalived/keepalived.conf";
    page.line(line);
    let said = second.shell(line).unwrap_or_else(|said| said);
    assert!(said.contains("would run, 0 errors") || said.contains("ok: "), "{said}");
    let line = "evenkeel run --observe -c /etc/keepalived/keepalived.conf";
    page.line(line);
    let log = keeper.folder().join("observer");
    let path = log.display();
    let look = format!(
        "timeout -s INT 60 {line} >{path} 2>&1 & for turn in $(seq 60); do sleep 0.5; \
         if evenkeel status | grep 'looks like backup'; then break; fi; done; kill -INT $!; wait"
    );
    let said = second.shell(&look).unwrap_or_else(|said| said);
    assert!(said.contains("instance VI_1 looks like backup"), "{said}");
    assert!(fs::read_to_string(&log).unwrap().contains("observing: nothing is written"));

    let lines = [
        "sed -i 's,^CONFIG=.*,CONFIG=/etc/keepalived/keepalived.conf,' /etc/default/evenkeel",
        "systemctl disable --now keepalived",
        "systemctl enable --now evenkeel",
    ];
    page.on(second, lines[0]);
    page.on(second, lines[1]);
    old.remove(1).stop();
    page.on(second, lines[2]);
    let backup =
        holds_within(SOON, Duration::from_millis(500), || status(second).contains("VI_1 BACKUP"));
    assert!(backup, "{}", status(second));
    old.remove(0).stop();
    wait_for(SOON, "the traffic to have moved", || kernel_view::holds(d2, VIP));
    for line in [lines[0], lines[2]] {
        page.on(first, line);
    }
    wait_for(SOON, "the first to be MASTER", || kernel_view::holds(d1, VIP));

    page.on(second, "evenkeel convert /etc/keepalived/keepalived.conf >/etc/evenkeel/evenkeel.kdl");
    let said = page.on(second, "evenkeel plan /etc/evenkeel/evenkeel.kdl");
    assert_eq!(said, "no change\n");
    page.on(
        second,
        "sed -i 's,^CONFIG=.*,CONFIG=/etc/evenkeel/evenkeel.kdl,' /etc/default/evenkeel",
    );
    page.on(second, "systemctl restart evenkeel");
    assert!(status(second).contains("/etc/evenkeel/evenkeel.kdl"), "{}", status(second));
}
