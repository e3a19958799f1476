//! The story that `cargo xtask demo` tells: a pair of directors and two web servers, real output, each step measured.
//!
//! Each step says what it should show; the story ends with a table of what it did show. A step that does not makes
//! the exit status non-zero.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::capture::Capture;
use crate::client::{Client, PACE, Report};
use crate::daemon::{Daemon, Kind};
use crate::host::{Host, holds_within};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::responder::Responder;
use crate::topology::{Forwarding, Plan, Topology};

const VIP: &str = "10.0.0.100";
const TARGET: &str = "10.0.0.100:80";
const SERVICE: &str = "-t 10.0.0.100:80";
const VRID: u8 = 51;

/// The configuration of a director, as people write it.
fn config(priority: u8, weights: [u32; 2]) -> String {
    let [first, second] = weights;
    format!(
        "vrrp_instance web {{
    interface eth0
    virtual_router_id {VRID}
    version 3
    priority {priority}
    advert_int 0.1
    preempt_delay 3
    virtual_ipaddress {{
        {VIP}/32
    }}
}}
virtual_server {VIP} 80 {{
    delay_loop 1
    lb_algo wrr
    lb_kind DR
    protocol TCP
    retry 1
    delay_before_retry 1
    real_server 10.0.0.11 80 {{
        weight {first}
        HTTP_GET {{
            url {{
                path /
                status_code 200
            }}
            connect_timeout 1
        }}
    }}
    real_server 10.0.0.12 80 {{
        weight {second}
        HTTP_GET {{
            url {{
                path /
                status_code 200
            }}
            connect_timeout 1
        }}
    }}
}}
"
    )
}

/// One line of the closing table.
struct Row {
    step: &'static str,
    measured: String,
    wanted: &'static str,
    is_good: bool,
}

/// The network, what runs in it, and what was measured.
pub(super) struct Story {
    pub(super) net: Topology,
    capture: Capture,
    directors: [Daemon; 2],
    servers: [Option<Responder>; 2],
    rows: Vec<Row>,
    began: Instant,
}

/// Tells it from begin to end; the daemon is evenkeel, or keepalived for comparison.
pub(super) fn run(kind: Kind) -> ExitCode {
    let keeper = Arc::new(Keeper::new("demo"));
    std::panic::set_hook(Box::new(|info| println!("\n  NOT SO: {info}")));
    let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut story = Story::begin(&keeper, kind);
        story.tell();
        story.rows
    }));
    let code = match told {
        Ok(rows) => close(&rows),
        Err(_) => {
            println!("\nThe story broke off. What the programs said:\n{}", keeper.logs());
            ExitCode::FAILURE
        }
    };
    keeper.end();
    code
}

impl Story {
    pub(super) fn begin(keeper: &Arc<Keeper>, kind: Kind) -> Self {
        let plan = Plan::new().directors(2).servers(2, Forwarding::Direct).clients(1).vips(&[VIP]);
        let net = plan.build(keeper);
        let capture = Capture::start(net.host("c1"));
        let servers = ["r1", "r2"].map(|name| Some(Responder::start(net.host(name))));
        let began = Instant::now();
        let start = |name, priority| Daemon::start(kind, net.host(name), &config(priority, [3, 1]));
        let first = start("d1", 150);
        let is_master = || kernel_view::holds(net.host("d1"), VIP);
        assert!(
            holds_within(Duration::from_secs(15), POLL, is_master),
            "the first does not come up"
        );
        let directors = [first, start("d2", 100)];
        Self { net, capture, directors, servers, rows: Vec::new(), began }
    }

    fn tell(&mut self) {
        self.start();
        self.spread();
        self.server_dies();
        self.server_returns();
        self.weight_changes();
        self.director_is_cut_off();
        self.director_returns();
        self.planned_stop();
    }

    fn d1(&self) -> &Host {
        self.net.host("d1")
    }

    fn d2(&self) -> &Host {
        self.net.host("d2")
    }

    fn load(&self) -> Client {
        Client::asking(self.net.host("c1"), TARGET, PACE)
    }

    pub(super) fn wait_until_up(&self) {
        let is_up = || {
            kernel_view::holds(self.d1(), VIP)
                && ["d1", "d2"].iter().all(|d| self.weights_on(d).len() == 2)
        };
        assert!(holds_within(Duration::from_secs(15), POLL, is_up), "the pair does not come up");
    }

    fn weights_on(&self, director: &str) -> Vec<u32> {
        kernel_view::weights(self.net.host(director), SERVICE).into_values().collect()
    }

    /// How long until the table of the first director has these weights.
    fn until_weights(&self, wanted: &[u32]) -> Duration {
        let start = Instant::now();
        let came = holds_within(Duration::from_secs(20), POLL, || self.weights_on("d1") == wanted);
        assert!(came, "the table has weights {:?}, wanted {wanted:?}", self.weights_on("d1"));
        start.elapsed()
    }

    fn show(&self, host: &Host, line: &str) {
        println!("\n  {host}# {line}");
        for text in host.run(line).lines() {
            println!("  {text}");
        }
    }

    fn note(&mut self, step: &'static str, measured: String, wanted: &'static str, is_good: bool) {
        println!(
            "\n  {} {measured} (should be: {wanted})",
            if is_good { "ok:" } else { "NOT SO:" }
        );
        self.rows.push(Row { step, measured, wanted, is_good });
    }

    // ---- the steps ----

    fn start(&mut self) {
        title("Two directors start with this file (the second with priority 100)");
        print!("\n{}", indent(&config(150, [3, 1])));
        self.wait_until_up();
        let took = self.began.elapsed();
        self.show(self.d1(), "ipvsadm -Ln");
        self.show(self.d1(), "ip -br addr show eth0");
        self.show(self.d2(), "ip -br addr show eth0");
        let is_single = kernel_view::holds(self.d1(), VIP) != kernel_view::holds(self.d2(), VIP);
        let measured = format!("both tables full, address on d1, after {}", seconds(took));
        self.note(
            "start of the pair",
            measured,
            "within 5 s, one master",
            is_single && took < Duration::from_secs(5),
        );
    }

    fn spread(&mut self) {
        title("A client opens a connection every 2 ms; weights are 3 and 1");
        let report = self.loaded(|_| thread::sleep(Duration::from_secs(2)));
        let [r1, r2] = ["r1", "r2"].map(|name| report.servers.get(name).copied().unwrap_or(0));
        println!("\n  r1 answered {r1}, r2 answered {r2}");
        let is_good = report.failed() == 0 && r2 > 100 && r1.abs_diff(3 * r2) <= 4;
        let measured = format!("{r1} : {r2} answers, {} failed", report.failed());
        self.note("requests by weight", measured, "3 : 1, none failed", is_good);
    }

    fn server_dies(&mut self) {
        title("The second web server dies (kill -9)");
        let mut client = self.load();
        if let Some(server) = self.servers[1].take() {
            server.kill();
        }
        let took = self.until_weights(&[3]);
        thread::sleep(Duration::from_millis(100)); // what is on its way to the dead server still fails
        let during = client.phase();
        thread::sleep(Duration::from_secs(1));
        let after = client.stop();
        self.show(self.d1(), "ipvsadm -Ln");
        println!("\n  the client until then: {during}\n  and from then on: {after}");
        let is_good = took < Duration::from_secs(5) && after.failed() == 0;
        let measured = format!(
            "removed after {}; from then on {} of {} failed",
            seconds(took),
            after.failed(),
            after.total
        );
        self.note("a server dies", measured, "within 5 s, then none failed", is_good);
    }

    fn server_returns(&mut self) {
        title("It comes back");
        let mut took = Duration::ZERO;
        let report = self.loaded(|story| {
            story.servers[1] = Some(Responder::start(story.net.host("r2")));
            took = story.until_weights(&[3, 1]);
        });
        self.show(self.d1(), "ipvsadm -Ln");
        let is_good = took < Duration::from_secs(5) && report.failed() == 0;
        let measured =
            format!("back after {}; {} of {} failed", seconds(took), report.failed(), report.total);
        self.note("it comes back", measured, "within 5 s, none failed", is_good);
    }

    fn weight_changes(&mut self) {
        title("The weights become 1 and 3: edit the file, SIGHUP");
        let mut took = Duration::ZERO;
        let report = self.loaded(|story| {
            story.directors[0].reload(&config(150, [1, 3]));
            story.directors[1].reload(&config(100, [1, 3]));
            took = story.until_weights(&[1, 3]);
            thread::sleep(Duration::from_secs(1));
        });
        self.show(self.d1(), "ipvsadm -Ln");
        let is_good = took < Duration::from_secs(3) && report.failed() == 0;
        let measured = format!(
            "changed after {}; {} of {} failed",
            seconds(took),
            report.failed(),
            report.total
        );
        self.note("weights by reload", measured, "within 3 s, none failed", is_good);
    }

    fn director_is_cut_off(&mut self) {
        title("The first director drops off the network");
        let report = self.loaded(|story| {
            thread::sleep(Duration::from_millis(500));
            story.net.cut("d1");
            thread::sleep(Duration::from_secs(2));
        });
        self.show(self.d2(), "ip -br addr show eth0");
        self.show(self.d2(), "ipvsadm -Ln");
        let takeover = self.capture.takeover(VRID, self.d1(), VIP);
        let took = takeover.map(|(last, claim)| claim.at.saturating_sub(last.at));
        let limit = Duration::from_millis(500);
        let is_good = took.is_some_and(|took| took < limit)
            && kernel_view::holds(self.d2(), VIP)
            && report.gap < limit + Duration::from_millis(100);
        let measured = format!(
            "address claimed {} after the last advertisement; client gap {}",
            took.map_or("never".to_owned(), millis),
            millis(report.gap)
        );
        self.note(
            "a director is cut off",
            measured,
            "361 ms by the protocol, under 500 ms here",
            is_good,
        );
    }

    fn director_returns(&mut self) {
        title("It is plugged in again; 3 s later (preempt_delay) the higher priority takes over");
        let report = self.loaded(|story| {
            story.net.mend("d1");
            let is_back =
                || kernel_view::holds(story.d1(), VIP) && !kernel_view::holds(story.d2(), VIP);
            assert!(holds_within(Duration::from_secs(10), POLL, is_back), "d1 does not take over");
            thread::sleep(Duration::from_secs(1));
        });
        self.show(self.d1(), "ip -br addr show eth0");
        let is_good = report.gap < Duration::from_millis(500);
        let measured = format!(
            "client gap {}, {} of {} failed",
            millis(report.gap),
            report.failed(),
            report.total
        );
        self.note("it is plugged in again", measured, "no gap over 500 ms", is_good);
    }

    fn planned_stop(&mut self) {
        title("The first director is stopped for maintenance (SIGTERM)");
        let report = self.loaded(|story| {
            thread::sleep(Duration::from_millis(500));
            story.directors[0].stop();
            thread::sleep(Duration::from_secs(1));
        });
        self.show(self.d1(), "ipvsadm -Ln");
        self.show(self.d1(), "ip -br addr show eth0");
        self.show(self.d2(), "ip -br addr show eth0");
        let is_clean =
            kernel_view::rules(self.d1()).is_empty() && !kernel_view::holds(self.d1(), VIP);
        let is_good = is_clean && kernel_view::holds(self.d2(), VIP) && report.failed_new() == 0;
        let measured = format!(
            "{} of {} new connections failed, {} reset in mid-request, client gap {}",
            report.failed_new(),
            report.total,
            report.after_connect,
            millis(report.gap)
        );
        self.note("planned stop", measured, "no new one refused, reset or late", is_good);
    }

    /// What a client saw while this happened.
    fn loaded(&mut self, mut happening: impl FnMut(&mut Self)) -> Report {
        let client = self.load();
        happening(self);
        let report = client.stop();
        println!("\n  the client: {report}");
        report
    }
}

/// Between two looks at the table; a look costs some 20 ms of the one CPU.
const POLL: Duration = Duration::from_millis(60);

fn title(text: &str) {
    println!("\n\x1b[1m== {text}\x1b[0m");
    let _ = std::io::stdout().flush();
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn millis(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

/// The closing table.
fn close(rows: &[Row]) -> ExitCode {
    title("What was measured");
    let width = |text: fn(&Row) -> &str| rows.iter().map(|row| text(row).len()).max().unwrap_or(0);
    let (steps, values) = (width(|row| row.step), width(|row| &row.measured));
    for Row { step, measured, wanted, is_good } in rows {
        let word = if *is_good { "ok" } else { "NOT SO" };
        println!("  {word:6}  {step:steps$}  {measured:values$}  {wanted}");
    }
    let bad = rows.iter().filter(|row| !row.is_good).count();
    if bad == 0 {
        println!("\n  Every step showed what it should.");
        return ExitCode::SUCCESS;
    }
    println!("\n  {bad} of {} steps did not show what they should.", rows.len());
    ExitCode::FAILURE
}
