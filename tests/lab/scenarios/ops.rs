//! What operators see and steer, shown by the kernel's table and by ipvsadm.

use std::sync::Arc;
use std::time::Duration;

use super::pair::{PRIORITIES, Pace, SERVICE, instance, service};
use crate::daemon::Daemon;
use crate::daemon::Kind::Evenkeel;
use crate::daemon::evenkeel;
use crate::host::{Host, wait_for};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::runner::Scenario;
use crate::topology::{Forwarding, Plan};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together("ops_table_prints_what_ipvsadm_prints", 60, table),
    Scenario::together("ops_overrides_survive_restart_and_reload", 90, overrides),
    Scenario::together("ops_drain_counts_down_until_connections_are_gone", 90, drain),
    Scenario::together("ops_explain_and_events_say_why_a_server_is_out", 60, explain),
    Scenario::together("ops_metrics_are_served_and_foreign_requests_are_not", 60, metrics),
    Scenario::together("ops_examples_of_the_admin_api_page", 60, examples),
    Scenario::together("ops_a_thousand_clients_do_not_reach_the_director", 150, crowd),
    Scenario::together("ops_signals_leave_dumps_as_keepalived", 60, dumps),
    Scenario::together("ops_a_reader_without_rights_changes_nothing", 60, rights),
];

/// One director with two real servers.
fn alone(
    keeper: &Arc<Keeper>,
    more: &str,
) -> (crate::topology::Topology, Daemon, Vec<crate::responder::Responder>) {
    let plan = Plan::new().directors(1).servers(2, Forwarding::Direct).clients(1);
    let net = plan.vips(&["10.0.0.100"]).build(keeper);
    let servers = ["r1", "r2"].map(|name| crate::responder::Responder::start(net.host(name)));
    let config = instance(Pace::Tenth, PRIORITIES[0], "") + &service(80, [2, 2]) + more;
    let daemon = Daemon::start(Evenkeel, net.host("d1"), &config);
    wait_for(Duration::from_secs(40), "a full table", || {
        kernel_view::weights(net.host("d1"), SERVICE).len() == 2
    });
    (net, daemon, servers.into())
}

fn weights(host: &Host) -> Vec<u32> {
    kernel_view::weights(host, SERVICE).into_values().collect()
}

/// Every kind of service that ipvsadm can make, byte by byte.
fn table(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).build(keeper);
    let d1 = net.host("d1");
    let services = [
        "-A -t 10.0.0.100:80 -s wlc",
        "-a -t 10.0.0.100:80 -r 10.0.0.11:80 -g -w 3",
        "-a -t 10.0.0.100:80 -r 10.0.0.9:8080 -m -w 65535",
        "-a -t 10.0.0.100:80 -r 10.0.0.10:80 -i",
        "-A -u 10.0.0.100:53 -s rr -o",
        "-A -t 10.0.0.99:443 -s sh -b sh-fallback,sh-port",
        "-A -t 10.0.0.101:443 -s mh -b mh-port -p 90",
        "-A -t 9.0.0.1:9 -s wrr -p 300 -M 255.255.255.0",
        "-A -t [fd00::100]:80 -s lc -p 60 -M 64",
        "-a -t [fd00::100]:80 -r [fd00::11]:80 -g",
        "-A -f 7 -s wlc",
        "-a -f 7 -r 10.0.0.11:0 -g",
        "-A -f 3 -6 -s rr -p 10",
        "-A --sctp-service 10.0.0.100:3868 -s rr",
    ];
    for line in services {
        d1.run(&format!("ipvsadm {line}"));
    }
    for (ours, theirs) in [("", "-Ln"), ("--stats", "-Ln --stats"), ("--rate", "-Ln --rate")] {
        let theirs = d1.run(&format!("ipvsadm {theirs}"));
        let ours = d1.run(&format!("{} table {ours}", evenkeel()));
        assert_eq!(ours, theirs, "evenkeel:\n{ours}\nipvsadm:\n{theirs}");
    }
    let json = d1.run(&format!("{} table --json", evenkeel()));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json.as_array().map(Vec::len), Some(9), "{json}");
}

fn overrides(keeper: &Arc<Keeper>) {
    let (net, mut daemon, _servers) = alone(keeper, "");
    let d1 = net.host("d1");
    let said = daemon.command("weight 10.0.0.11 7 --reason 'new disk'").unwrap();
    assert!(said.contains("10.0.0.11:80 of TCP 10.0.0.100:80"), "{said}");
    assert_eq!(weights(d1), [7, 2], "in the kernel when the command returns");
    daemon.command("weight 10.0.0.100:80/10.0.0.12:80 50% --for 1h").unwrap();
    assert_eq!(weights(d1), [7, 1]);
    let listed = daemon.command("overrides").unwrap();
    assert!(listed.contains("weight 50%") && listed.contains("(new disk)"), "{listed}");

    daemon.reload(&(instance(Pace::Tenth, PRIORITIES[0], "") + &service(80, [4, 4])));
    wait_for(Duration::from_secs(40), "the reload", || weights(d1) == [7, 2]);
    let pid = daemon.worker("lvs").unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL)
        .unwrap();
    wait_for(Duration::from_secs(40), "a new lvs worker", || {
        daemon.worker("lvs").is_some_and(|new| new != pid) && daemon.command("overrides").is_ok()
    });
    assert_eq!(weights(d1), [7, 2], "after a killed worker");
    daemon.stop();
    daemon.start_again();
    wait_for(Duration::from_secs(40), "a full table again", || weights(d1) == [7, 2]);

    daemon.command("disable 10.0.0.11").unwrap();
    assert_eq!(weights(d1), [2]);
    daemon.command("enable 10.0.0.11").unwrap();
    daemon.command("enable 10.0.0.12").unwrap();
    assert_eq!(weights(d1), [4, 4]);
    assert_eq!(daemon.command("overrides").unwrap(), "no overrides\n");
    daemon.command("disable 10.0.0.12 --for 1500ms").unwrap();
    assert_eq!(weights(d1), [4]);
    wait_for(Duration::from_secs(40), "the end of the override", || weights(d1) == [4, 4]);
    for (wrong, status) in
        [("drain 10.0.0.99", 5), ("weight 10.0.0.11 many", 2), ("explain nothing", 5)]
    {
        let said = daemon.command(wrong).unwrap_err();
        assert!(said.contains(&format!("exit status: {status}")), "{wrong}: {said}");
    }
}

fn drain(keeper: &Arc<Keeper>) {
    let (net, daemon, _servers) = alone(keeper, "");
    let d1 = net.host("d1");
    // Closing connections linger for two minutes; here they may go sooner.
    d1.run("ipvsadm --set 900 1 300");
    wait_for(Duration::from_secs(40), "the VIP", || kernel_view::holds(d1, "10.0.0.100"));
    let talk = "exec 3<>/dev/tcp/10.0.0.100/80; sleep 4";
    let log = keeper.log("held connections");
    let held: Vec<_> = (0..4)
        .map(|_| net.host("c1").spawn(&["bash".into(), "-c".into(), talk.into()], &log))
        .collect();
    wait_for(Duration::from_secs(40), "connections", || {
        d1.run("ipvsadm -Ln").lines().any(|line| line.contains("Route   2      2"))
    });
    let counted = daemon.command("drain 10.0.0.11 --deadline 60 --wait").unwrap();
    assert_eq!(weights(d1), [0, 2]);
    assert!(counted.contains(" active, ") && counted.contains(" left"), "{counted}");
    assert!(counted.trim_end().ends_with("drained"), "{counted}");
    keeper.figure(&format!("{} lines of countdown", counted.lines().count()));
    drop(held);
    daemon.command("drain 10.0.0.12 --deadline 1").unwrap();
    wait_for(Duration::from_secs(40), "the deadline", || weights(d1) == [0]);
}

fn explain(keeper: &Arc<Keeper>) {
    let (net, daemon, _servers) = alone(keeper, "");
    let text = daemon.command("explain 10.0.0.12:80").unwrap();
    assert!(text.contains("serves with weight 2") && text.contains("TCP_CHECK"), "{text}");
    net.host("r2").run("ip link set eth0 down");
    wait_for(Duration::from_secs(15), "the dead server's row to go", || {
        weights(net.host("d1")) == [2]
    });
    let text = daemon.command("explain 10.0.0.12:80").unwrap();
    assert!(text.contains("out; DOWN since ") && text.contains("a check fails"), "{text}");
    assert!(text.contains(", failed ") && text.contains("no answer within 1s"), "{text}");
    let events = daemon.command("events --since 1m").unwrap();
    let down = "warning  real_server_down 10.0.0.12:80 of TCP 10.0.0.100:80: TCP_CHECK";
    assert!(events.contains(down), "{events}");
    let line = daemon.command("events --json -n 1").unwrap();
    let event: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert!(event["id"].is_u64() && event["severity"].is_string(), "{line}");
    let asked = daemon.command("check-now 10.0.0.11").unwrap();
    assert!(asked.contains("passed in "), "{asked}");
    let failed = daemon.command("check-now 10.0.0.12").unwrap_err();
    assert!(failed.contains("exit status: 1") && failed.contains("failed in "), "{failed}");
}

fn metrics(keeper: &Arc<Keeper>) {
    let web = "web {\n listen 127.0.0.1:9650\n host lb.example.com\n}\n";
    let (net, daemon, _servers) = alone(keeper, web);
    let d1 = net.host("d1");
    let get = |more: &str, path: &str| {
        d1.try_run(&format!("curl -sS -i --max-time 10 {more} http://127.0.0.1:9650{path}"))
            .unwrap_or_else(|said| said)
    };
    wait_for(Duration::from_secs(40), "the web socket", || get("", "/healthz").contains("ok"));
    let text = get("", "/metrics");
    for line in [
        "evenkeel_real_server_up{virtual_server=\"TCP 10.0.0.100:80\",real_server=\"10.0.0.11:80\"} 1",
        "evenkeel_real_server_weight{virtual_server=\"TCP 10.0.0.100:80\",real_server=\"10.0.0.12:80\"} 2",
        "evenkeel_virtual_server_connections_total{virtual_server=\"TCP 10.0.0.100:80\"} 0",
        "evenkeel_worker_up{worker=\"lvs\"} 1",
        "# TYPE evenkeel_vrrp_adverts_sent_total counter",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let open = get("-H 'Accept: application/openmetrics-text'", "/metrics");
    assert!(
        open.ends_with("# EOF\n") && open.contains("openmetrics-text; version=1.0.0"),
        "{open}"
    );
    assert!(get("", "/readyz").contains("ready"));
    assert!(get("", "/api/v1/status").contains("\"virtual_servers\""));
    assert!(get("-H 'Host: lb.example.com'", "/healthz").starts_with("HTTP/1.1 200"));
    for refused in [
        "-H 'Host: evil.example'",
        "-H 'Origin: http://evil.example'",
        "-H 'Sec-Fetch-Site: cross-site'",
    ] {
        let said = get(refused, "/api/v1/status");
        assert!(said.contains("403 Forbidden") && said.contains("foreign_request"), "{said}");
    }
    let said = get("-X POST", "/api/v1/status");
    assert!(said.contains("405 ") && said.contains("method_not_allowed"), "{said}");
    for path in ["/v1/stop", "/api/v1/stop", "/../v1/stop", "/%2e%2e/v1/stop"] {
        let said = get("-X POST --path-as-is", path);
        assert!(said.contains("404 ") && said.contains("no_such_path"), "{path}: {said}");
    }
    assert!(daemon.is_running());
    // Another address takes effect; a taken one is refused and changes nothing.
    let other = daemon.config.display().to_string();
    d1.run(&format!("sed -i s/9650/9651/ {other}"));
    daemon.command("reload").unwrap();
    wait_for(Duration::from_secs(40), "the other port", || {
        d1.try_run("curl -sS --max-time 2 http://127.0.0.1:9651/healthz").is_ok()
    });
    assert!(d1.try_run("curl -sS --max-time 2 http://127.0.0.1:9650/healthz").is_err());
}

fn rights(keeper: &Arc<Keeper>) {
    let (net, daemon, _servers) = alone(keeper, "");
    let d1 = net.host("d1");
    let socket = daemon.runtime.join("admin.sock");
    let curl = |more: &str, path: &str| {
        let line = format!(
            "setpriv --reuid=65534 --regid=65534 --clear-groups curl -sS --max-time 5 \
             --unix-socket {} {more} http://evenkeel{path}",
            socket.display()
        );
        d1.try_run(&line).unwrap_or_else(|said| said)
    };
    let mode = d1.run(&format!("stat -c %a {}", socket.display()));
    assert_eq!(mode.trim(), "660");
    // Whoever the mode keeps out does not even connect; here the file lets everybody in.
    let folder = keeper.folder();
    d1.run(&format!("chmod -R a+rX {}", folder.display()));
    d1.run(&format!("chmod 666 {}", socket.display()));
    assert!(curl("", "/v1/status").contains("\"virtual_servers\""), "{}", curl("", "/v1/status"));
    for path in [
        "/v1/stop",
        "/v1/reload",
        "/v1/real-servers/disable?servers=10.0.0.11",
        "/v1/real-servers/enable?servers=10.0.0.11",
    ] {
        let said = curl("-X POST", path);
        assert!(said.contains("\"not_permitted\""), "{path}: {said}");
    }
    assert!(curl("", "/v1/specs").contains("\"not_permitted\""));
    assert!(daemon.is_running());
    assert_eq!(weights(d1), [2, 2]);
}

/// Every example of the page is run; what is answered has the shape of what stands there.
fn examples(keeper: &Arc<Keeper>) {
    let (net, daemon, _servers) = alone(keeper, "");
    let d1 = net.host("d1");
    wait_for(Duration::from_secs(40), "the VIP", || kernel_view::holds(d1, "10.0.0.100"));
    let socket = daemon.runtime.join("admin.sock").display().to_string();
    let page = include_str!("../../../docs/admin-api.md");
    let examples: Vec<&str> = page.split("```console\n").skip(1).collect();
    assert!(examples.len() >= 7, "{}", examples.len());
    for example in examples {
        let example = example.split("\n```").next().unwrap();
        let (line, wanted) = example.split_once('\n').unwrap();
        let line = line.strip_prefix("$ ").unwrap().replace("$SOCKET", &socket);
        // curl ends a stream that has no end with status 28.
        let got = d1.run(&format!("sh -c \"{line}; true\""));
        match serde_json::from_str::<serde_json::Value>(wanted) {
            Ok(wanted) => {
                let got =
                    serde_json::from_str(&got).unwrap_or_else(|e| panic!("{line}: {e}: {got}"));
                assert!(has_shape(&got, &wanted), "{line}\n{got}\nwanted\n{wanted}");
            }
            Err(_) => {
                for (got, wanted) in got.lines().zip(wanted.lines()) {
                    let field = |line: &str| line.split(':').next().unwrap_or_default().to_owned();
                    assert_eq!(field(got), field(wanted), "{line}");
                }
                assert!(got.lines().count() >= wanted.lines().count(), "{got}");
            }
        }
    }
    assert_eq!(weights(d1), [2, 2]);
}

/// Every key of `wanted` is there with a value of the same kind; lists have at least one such element.
fn has_shape(got: &serde_json::Value, wanted: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Object};
    match (got, wanted) {
        (Object(got), Object(wanted)) => wanted
            .iter()
            .all(|(key, wanted)| got.get(key).is_some_and(|got| has_shape(got, wanted))),
        (Array(got), Array(wanted)) => {
            wanted.iter().all(|wanted| got.iter().any(|got| has_shape(got, wanted)))
        }
        (got, wanted) => std::mem::discriminant(got) == std::mem::discriminant(wanted),
    }
}

/// Slow, silent and garbage clients by the hundred: the director goes on, and answers when they are gone.
fn crowd(keeper: &Arc<Keeper>) {
    let web = "web {\n listen 127.0.0.1:9650\n}\n";
    let (net, daemon, _servers) = alone(keeper, web);
    let d1 = net.host("d1");
    let memory = |pid: i32| -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap();
        stat.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap()
    };
    let ops = daemon.worker("ops").unwrap();
    let others = ["lvs", "vrrp"].map(|role| daemon.worker(role));
    let before = memory(ops);
    let socket = daemon.runtime.join("admin.sock");
    let log = keeper.log("crowd");
    // A thousand on the socket and a thousand over TCP at once, each with half a request that never ends.
    let crowd = format!(
        "import resource, socket, time
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
held = []
for number in range(1000):
    for family, to in ((socket.AF_INET, ('127.0.0.1', 9650)), (socket.AF_UNIX, '{}')):
        one = socket.socket(family)
        one.settimeout(1)
        try:
            one.connect(to)
            one.send(b'GET /v1/status HTTP/1.1\\r\\nx: ')
        except OSError:
            pass
        held.append(one)
print('held', len(held), flush=True)
time.sleep(3)
",
        socket.display()
    );
    let slow = d1.spawn(&["python3".into(), "-c".into(), crowd], &log);
    wait_for(Duration::from_secs(60), "the crowd", || {
        std::fs::read_to_string(&log).unwrap().contains("held 2000")
    });
    let garbage = "for i in $(seq 300); do head -c 4096 /dev/urandom >/dev/tcp/127.0.0.1/9650; done 2>/dev/null";
    let noisy = d1.spawn(&["bash".into(), "-c".into(), garbage.into()], &log);
    let many = format!(
        "for i in $(seq 200); do curl -s -o /dev/null --max-time 5 --unix-socket {} http://evenkeel/v1/status & done; wait",
        socket.display()
    );
    d1.run(&format!("bash -c \"{many}\""));
    drop((slow, noisy));
    wait_for(Duration::from_secs(30), "a place for root", || daemon.command("status").is_ok());
    wait_for(Duration::from_secs(15), "metrics again", || {
        let line = "curl -sSf -o /dev/null --max-time 5 http://127.0.0.1:9650/metrics";
        d1.try_run(line).is_ok()
    });
    let grown = memory(ops).saturating_sub(before) * 4 / 1024;
    keeper.figure(&format!("the ops worker grew by {grown} MiB"));
    assert!(grown < 32, "{grown} MiB");
    assert_eq!(daemon.worker("ops"), Some(ops), "the same process");
    assert_eq!(["lvs", "vrrp"].map(|role| daemon.worker(role)), others);
    assert_eq!(weights(d1), [2, 2]);
}

fn dumps(keeper: &Arc<Keeper>) {
    let (net, daemon, _servers) = alone(keeper, "");
    let d1 = net.host("d1");
    wait_for(Duration::from_secs(40), "the VIP", || kernel_view::holds(d1, "10.0.0.100"));
    let pid = d1.run(&format!("cat {}", daemon.runtime.join("evenkeel.pid").display()));
    for (name, file, word) in [
        ("DATA", "evenkeel.data", "virtual_servers"),
        ("STATS", "evenkeel.stats", "VRRP Instance: web"),
        ("JSON", "evenkeel.json", "\"iname\":\"web\""),
    ] {
        let signal = d1.run(&format!("{} signum {name}", evenkeel()));
        if name != "STATS" && name != "DATA" {
            assert_eq!(signal, d1.run(&format!("keepalived --signum={name}")));
        }
        d1.run(&format!("kill -{} {}", signal.trim(), pid.trim()));
        let path = daemon.runtime.join(file);
        wait_for(Duration::from_secs(40), file, || path.exists());
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.contains(word), "{file}: {text}");
    }
    assert!(daemon.is_running());
}
