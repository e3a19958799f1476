//! Who looks at the director from outside: Debian's Prometheus and promtool, and Debian's Chromium.

use std::fs::{self, File};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::wire::Wire;
use super::{HERE, THERE};
use crate::browser::{Browser, Look};

/// For something to come true outside, while a server inside is dead and alive for 15 s each.
const WITHIN: Duration = Duration::from_secs(60);

/// Prometheus; it ends with this value, and that tells the inside that it is over.
struct Prometheus<'a> {
    wire: &'a Wire,
    child: Child,
    folder: tempfile::TempDir,
}

impl<'a> Prometheus<'a> {
    fn start(wire: &'a Wire) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/dist/prometheus/evenkeel.rules.yml");
        let config = format!(
            "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\nrule_files: ['{rules}']\nscrape_configs:\n  \
             - job_name: evenkeel\n    static_configs:\n      - targets: ['{THERE}:9650']\n"
        );
        let file = folder.path().join("prometheus.yml");
        fs::write(&file, config).unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let child = wire
            .command("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={HERE}:9090"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { wire, child, folder }
    }

    /// The values of a query, by one label.
    fn ask(&self, query: &str, label: &str) -> Vec<(String, f64)> {
        let out = self
            .wire
            .command("curl")
            .args(["-sfG", "--max-time", "5", "--data-urlencode", &format!("query={query}")])
            .arg(format!("http://{HERE}:9090/api/v1/query"))
            .output()
            .unwrap();
        let read: Value = serde_json::from_slice(&out.stdout).unwrap_or_default();
        let results = read["data"]["result"].as_array().cloned().unwrap_or_default();
        let value = |it: &Value| {
            let name = it["metric"][label].as_str().unwrap_or_default().to_owned();
            it["value"][1].as_str().and_then(|text| text.parse().ok()).map(|value| (name, value))
        };
        results.iter().filter_map(value).collect()
    }

    fn wait(&self, what: &str, query: &str, label: &str, wanted: impl Fn(&str, f64) -> bool) {
        let deadline = Instant::now() + WITHIN;
        loop {
            let now = self.ask(query, label);
            if now.iter().any(|(name, value)| wanted(name, *value)) {
                println!("outside: {what}: {query} is {now:?}");
                return;
            }
            if Instant::now() > deadline {
                let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                panic!("waited in vain for {what}: {query} is {now:?}; Prometheus says:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

impl Drop for Prometheus<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Panics with what was not seen.
pub(super) fn watch(wire: &Wire) {
    let prometheus = Prometheus::start(wire);
    prometheus.wait("a scrape", "up", "job", |job, value| job == "evenkeel" && value > 0.0);
    well_formed(wire);
    look(wire);
    let up = "evenkeel_real_server_up";
    let second = |name: &str| name == "10.0.0.12:80";
    prometheus
        .wait("the dead server", up, "real_server", |name, value| second(name) && value < 0.5);
    prometheus.wait("its return", up, "real_server", |name, value| second(name) && value > 0.5);
    let latency =
        "histogram_quantile(0.9, sum by (le) (rate(evenkeel_check_latency_seconds_bucket[30s])))";
    prometheus.wait("a latency", latency, "", |_, value| value > 0.0 && value < 1.0);
    let downs = "evenkeel_events_total{event=\"real_server_down\"}";
    prometheus.wait("the event", downs, "event", |_, value| value >= 1.0);
}

fn well_formed(wire: &Wire) {
    let checked = wire
        .command("sh")
        .args(["-c", &format!("curl -sf http://{THERE}:9650/metrics | promtool check metrics")])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stdout).into_owned()
        + &String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success() && said.trim().is_empty(), "promtool: {said}");
    println!("outside: promtool finds no fault in the metrics");
}

fn look(wire: &Wire) {
    let mut browser = Browser::start_in(Some(wire.namespace()));
    let mut page = browser.open(&format!("http://{THERE}:9650/"), Look::SCREEN);
    let row = "[...document.querySelectorAll('#list .server')].find(row => row.textContent.includes('10.0.0.12:80'))";
    for turn in 0..2 {
        for word in ["UP", "DOWN"] {
            let start = Instant::now();
            page.wait(word, &format!("{row}?.textContent.includes('{word}')"));
            println!("outside: the page shows {word} after {:?} (turn {turn})", start.elapsed());
        }
    }
    page.wait("the cause", &format!("{row}.textContent.includes('refused')"));
    page.wait(
        "the event",
        "document.getElementById('event-list').textContent.includes('10.0.0.12:80 of TCP 10.0.0.100:80')",
    );
    page.screenshot("outside");
    page.close();
}
