//! What operators do on purpose, and what the doctor finds: a drill there and back, mistakes made on purpose, an order for
//! both directors, a command line that was written for keepalived.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use super::pair::{PRIORITIES, Pace, Pair, SERVICE, VIP, director};
use crate::daemon::{Daemon, Kind::Evenkeel, evenkeel};
use crate::host::wait_for;
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::runner::Scenario;
use crate::topology::{Forwarding, Plan};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::alone("drill_moves_there_and_back_and_says_the_clients_gap", 90, drill),
    Scenario::together("drill_doctor_host_names_two_mistakes_and_what_mends_them", 60, doctor),
    Scenario::together("drill_orders_reach_the_other_director_by_a_login", 60, pair),
    Scenario::together("drill_keepalived_options_run_the_director", 60, options),
];

fn drill(keeper: &Arc<Keeper>) {
    let pair = Pair::start(keeper, [Evenkeel; 2], Pace::Tenth);
    let client = format!("ip netns exec {}", pair.net.host("c1").namespace);
    let words = format!(
        "drill web --probe {VIP}:80 --from '{client}' --program {} --back --json",
        evenkeel()
    );
    let said = pair.directors[0].command(&words).unwrap();
    keeper.figure(said.trim());
    let moves: Vec<serde_json::Value> =
        said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(moves.len(), 2, "{said}");
    for it in &moves {
        assert!(it["client"]["total"].as_u64() > Some(100), "{it}");
        // What was in flight at the switch may be lost under rr.
        let lost = it["client"]["in_flight"].as_u64();
        assert!(lost.is_some_and(|lost| lost < 5), "{it}");
        assert_eq!(it["client"]["failed"].as_u64(), lost, "no new connection fails: {it}");
        assert!(it["client"]["gap_us"].as_u64() < Some(1_000_000), "{it}");
    }
    pair.wait_for_master("d1");
    // Nothing is moved where nobody could say what it did to clients, nor by a director that has nothing to move.
    let refused = pair.directors[0]
        .command(&format!("drill web --probe 10.0.0.99:80 --from '{client} false'"))
        .unwrap_err();
    assert!(refused.contains("nothing was moved"), "{refused}");
    let words = format!("drill web --probe {VIP}:80 --from '{client}'");
    let refused = pair.directors[1].command(&words).unwrap_err();
    assert!(refused.contains("not MASTER here"), "{refused}");
    assert!(kernel_view::holds(pair.d1(), VIP));
}

fn doctor(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).servers(2, Forwarding::Direct).build(keeper);
    let d1 = net.host("d1");
    let daemon = Daemon::start(Evenkeel, d1, &director(Pace::Tenth, PRIORITIES[0]));
    wait_for(Duration::from_secs(20), "the VIP", || kernel_view::holds(d1, VIP));
    let file = daemon.config.display().to_string();
    let found = || -> Vec<(String, String)> {
        let said =
            daemon.command(&format!("doctor host {file} --json")).unwrap_or_else(|said| said);
        let from = said.find("[\n").or(said.find('{')).unwrap_or_else(|| panic!("{said}"));
        let to = said.rfind([']', '}']).unwrap();
        let read: serde_json::Value = serde_json::from_str(&said[from..=to]).unwrap();
        let list = read.as_array().cloned().or_else(|| read["diagnostics"].as_array().cloned());
        let text = |it: &serde_json::Value| it.as_str().unwrap_or_default().to_owned();
        list.unwrap_or_else(|| panic!("{read}"))
            .iter()
            .map(|it| (text(&it["message"]), text(&it["help"])))
            .collect()
    };
    let has = |words: &str| found().iter().any(|(why, _)| why.contains(words));
    let mistakes = ["eth0 does no multicast", "eth0 answers no ARP at all"];
    for mistake in mistakes {
        assert!(!has(mistake), "{:?}", found());
    }
    d1.run("ip link set eth0 multicast off");
    d1.sysctl(&["net.ipv4.conf.eth0.arp_ignore=8"]);
    let now = found();
    for mistake in mistakes {
        let (why, mend) = now
            .iter()
            .find(|(why, _)| why.contains(mistake))
            .unwrap_or_else(|| panic!("{mistake}: {now:?}"));
        keeper.figure(&format!("{why}\n    {mend}"));
        // What mends it, as it is printed, up to the alternative.
        let line = mend.split(", ").next().unwrap();
        d1.run(line);
    }
    for mistake in mistakes {
        assert!(!has(mistake), "{:?}", found());
    }
}

fn pair(keeper: &Arc<Keeper>) {
    let pair = Pair::start(keeper, [Evenkeel; 2], Pace::Tenth);
    // The way from one director to the other, as ssh would be.
    let way = keeper.folder().join("lb2");
    let [_, other] = &pair.directors;
    let script = format!(
        "#!/bin/sh\nshift\nexec ip netns exec {} {} \"$@\" --runtime-dir {}\n",
        other.host.namespace,
        evenkeel(),
        other.runtime.display()
    );
    fs::write(&way, script).unwrap();
    fs::set_permissions(&way, fs::Permissions::from_mode(0o755)).unwrap();
    let weights = |at: usize| {
        let host = &pair.directors[at].host;
        kernel_view::weights(host, SERVICE).into_values().collect::<Vec<u32>>()
    };
    let order =
        |words: &str| pair.directors[0].command(&format!("{words} --pair={}", way.display()));
    order("drain 10.0.0.11 --reason 'new disk; and fan'").unwrap();
    assert_eq!((weights(0), weights(1)), (vec![0, 1], vec![0, 1]));
    let listed = other.command("overrides").unwrap();
    assert!(listed.contains("new disk; and fan"), "{listed}");
    order("enable 10.0.0.11").unwrap();
    assert_eq!((weights(0), weights(1)), (vec![1, 1], vec![1, 1]));
    other.stop();
    let said = order("weight 10.0.0.11 7").unwrap_err();
    assert!(said.contains("done here, but not on the other director"), "{said}");
    assert_eq!(weights(0), [7, 1]);
}

fn options(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).servers(2, Forwarding::Direct).build(keeper);
    let d1 = net.host("d1");
    let folder = keeper.folder();
    let (config, pid) = (folder.join("keepalived.conf"), folder.join("k.pid"));
    fs::write(&config, director(Pace::Tenth, PRIORITIES[0])).unwrap();
    let log = keeper.log("evenkeel as keepalived");
    let runtime = folder.join("as-keepalived");
    let line = |more: &str| {
        let (config, pid) = (config.display(), pid.display());
        let (program, runtime) = (evenkeel(), runtime.display());
        let line =
            format!("{program} run -n -l -D -f {config} -p {pid} --runtime-dir {runtime} {more}");
        shell_words::split(&line).unwrap()
    };
    assert!(d1.run(&line("-t").join(" ")).contains("ok: "), "-t checks and ends");
    let worker_pid = folder.join("v.pid");
    let checks = d1.spawn(&line("-C"), &log);
    wait_for(Duration::from_secs(20), "a table", || kernel_view::weights(d1, SERVICE).len() == 2);
    let written = fs::read_to_string(&pid).unwrap();
    assert_eq!(written.trim(), checks.pid.to_string());
    assert!(!kernel_view::holds(d1, VIP), "-C: no VRRP");
    checks.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(checks.ends_within(Duration::from_secs(20)));
    assert!(!pid.exists(), "the pid file went with it");
    let routers = d1.spawn(&line(&format!("-P -r {}", worker_pid.display())), &log);
    wait_for(Duration::from_secs(20), "the VIP", || kernel_view::holds(d1, VIP));
    let written = fs::read_to_string(&worker_pid).unwrap();
    let name = fs::read_to_string(format!("/proc/{}/cmdline", written.trim())).unwrap();
    assert!(name.contains("worker\0vrrp"), "{name}");
    assert_eq!(kernel_view::weights(d1, SERVICE).len(), 0, "-P: no table");
    routers.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(routers.ends_within(Duration::from_secs(20)));
    assert!(!worker_pid.exists(), "nor does the worker's");

    // From elsewhere into this host's namespace; what has no meaning here is said and harms nothing.
    let words = line(&format!("-C -s {} -u 027 -V -R -S 3", d1.namespace));
    let elsewhere = net.host("r1").spawn(&words, &log);
    wait_for(Duration::from_secs(20), "a table", || kernel_view::weights(d1, SERVICE).len() == 2);
    let mode = fs::metadata(&pid).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640, "the umask");
    let logged = fs::read_to_string(&log).unwrap();
    for option in ["-V: a stop hands", "-R: a worker that dies", "-S: logs go"] {
        assert!(logged.contains(&format!("no effect: {option}")), "{option}: {logged}");
    }
    elsewhere.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(elsewhere.ends_within(Duration::from_secs(20)));
}
