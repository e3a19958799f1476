//! Being told, by a real director: a mail through Debian's aiosmtpd that was not there at first, the status page and
//! alert rules that know the metrics.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use super::pair::{PRIORITIES, Pace, SERVICE, instance, service};
use crate::daemon::Daemon;
use crate::daemon::Kind::Evenkeel;
use crate::host::wait_for;
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::responder::Responder;
use crate::runner::Scenario;
use crate::tool::responder::Mode;
use crate::topology::{Forwarding, Plan};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together("told_by_mail_once_the_relay_is_there", 90, by_mail),
    Scenario::together("told_by_page_and_alert_rules", 60, by_page),
];

const MAIL: &str = "global_defs {
    router_id lb1
    notification_email {
        ops@example.com
    }
    notification_email_from lb1@example.com
    smtp_server 10.0.0.201 2525
    smtp_connect_timeout 3
}
";

fn by_mail(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).servers(2, Forwarding::Direct).clients(1).build(keeper);
    let servers = ["r1", "r2"].map(|name| Responder::start(net.host(name)));
    let config = MAIL.to_owned() + &instance(Pace::Tenth, PRIORITIES[0], "") + &service(80, [1, 1]);
    let (d1, relay) = (net.host("d1"), net.host("c1"));
    let daemon = Daemon::start(Evenkeel, d1, &config);
    wait_for(Duration::from_secs(40), "a full table", || {
        kernel_view::weights(d1, SERVICE).len() == 2
    });
    servers[0].switch(Mode::Refuse);
    let told = || -> serde_json::Value {
        let status = daemon.command("status --json").unwrap();
        serde_json::from_str::<serde_json::Value>(&status).unwrap()["told"][0].clone()
    };
    wait_for(Duration::from_secs(40), "a try that fails", || told()["failures"].as_u64() > Some(0));
    assert_eq!(told()["waiting"], 1, "{}", told());
    assert!(told()["error"].as_str().unwrap().contains("refused"), "{}", told());

    let log = keeper.log("aiosmtpd");
    let words = "aiosmtpd -n -l 10.0.0.201:2525 -c aiosmtpd.handlers.Debugging stdout";
    let words = format!("env PYTHONUNBUFFERED=1 {words}");
    let _relay = relay.spawn(&shell_words::split(&words).unwrap(), &log);
    let received = || fs::read_to_string(&log).unwrap();
    wait_for(Duration::from_secs(45), "the mail", || received().contains("connect refused"));
    let mail = received();
    for line in ["To: ops@example.com", "From: lb1@example.com", "Subject: [lb1] Realserver"] {
        assert!(mail.contains(line), "{line:?} in {mail}");
    }
    assert!(mail.replace("\n ", " ").contains("[10.0.0.11]:tcp:80 of virtual server"), "{mail}");
    wait_for(Duration::from_secs(40), "the status to say so", || told()["delivered"] == 1);
    assert_eq!(told()["error"], serde_json::Value::Null);
}

fn by_page(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).servers(2, Forwarding::Direct).build(keeper);
    let _servers = ["r1", "r2"].map(|name| Responder::start(net.host(name)));
    let config = instance(Pace::Tenth, PRIORITIES[0], "")
        + &service(80, [1, 1])
        + "web {\n listen 127.0.0.1:9650\n}\n";
    let d1 = net.host("d1");
    let _daemon = Daemon::start(Evenkeel, d1, &config);
    let get = |path: &str| {
        let curl = "curl -sS -i --max-time 10";
        d1.try_run(&format!("{curl} http://127.0.0.1:9650{path}")).unwrap_or_else(|said| said)
    };
    wait_for(Duration::from_secs(40), "the page", || get("/").contains("<title>evenkeel</title>"));
    let page = get("/");
    assert!(page.contains("content-security-policy: default-src 'none'"), "{page}");
    assert!(get("/model.js").contains("api/v1/counters"));
    wait_for(Duration::from_secs(40), "counters of both servers", || {
        let counters = get("/api/v1/counters");
        let body = counters.split("\r\n\r\n").nth(1).unwrap_or_default();
        let read: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        let servers = &read["virtual_servers"][0]["real_servers"];
        servers.as_array().is_some_and(|servers| servers.len() == 2)
            && servers[0]["connections"]["active"].is_u64()
    });
    let status = get("/api/v1/status");
    for field in ["\"for_ms\":", "\"configured_weight\":", "\"override\":", "\"told\":[]"] {
        assert!(status.contains(field), "the page reads {field}: {status}");
    }

    // The rules are well formed, and speak of nothing that the director does not measure.
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/dist/prometheus/evenkeel.rules.yml");
    d1.run(&format!("promtool check rules {rules}"));
    let metrics = get("/metrics");
    let rules = fs::read_to_string(rules).unwrap();
    let names = rules.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names: Vec<&str> = names.filter(|name| name.starts_with("evenkeel_")).collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        assert!(metrics.contains(&format!("# TYPE {name} ")), "{name} is measured nowhere");
    }
    let text = metrics.split("\r\n\r\n").nth(1).unwrap();
    let file = keeper.folder().join("metrics");
    fs::write(&file, text).unwrap();
    d1.run(&format!("sh -c 'promtool check metrics <{}'", file.display()));
}
