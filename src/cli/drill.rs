//! `evenkeel drill`: a planned failover with the gap measured that a client sees, and back again where that is asked for.
//!
//! The director that holds an address cannot see what a client sees (under direct routing the answers do not even pass
//! it), so the probing is done where clients are: `--from "ssh client1"` names the command that reaches such a host, which
//! has evenkeel too.
#![expect(clippy::disallowed_methods, reason = "the edge: it waits for the prober and the routers")]

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use vrrp::State;

use super::client::{self, ClientError};
use super::instances;
use super::probe::Report;
use crate::status::Status;

/// How long the prober may take until its first good connection: a name to be looked up, a login.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How long it probes before and after each move: what comes late is seen too.
const AROUND: Duration = Duration::from_secs(2);
/// How long the way back may take: a preemption waits for its delay.
const BACK_WITHIN: Duration = Duration::from_secs(60);
/// Exit status when the gap was longer than allowed.
const TOO_LONG: u8 = 7;

/// What is moved, and what is measured.
#[derive(Debug, Clone, Args)]
pub(super) struct Options {
    /// Name of a vrrp_instance or a sync group that is MASTER here
    instance: String,
    /// The virtual server that is probed
    #[arg(long, value_name = "VIP:PORT")]
    probe: SocketAddr,
    /// The command that reaches a client's host, which has evenkeel too: "ssh client1"
    #[arg(long, value_name = "COMMAND")]
    from: String,
    /// evenkeel on that host
    #[arg(long, value_name = "PATH", default_value = "evenkeel")]
    program: String,
    /// How often the client connects
    #[arg(long, value_name = "TIME", default_value = "10ms", value_parser = super::parse_time)]
    every: Duration,
    /// Take the addresses back afterwards, and measure that too
    #[arg(long)]
    back: bool,
    /// The longest gap that is good
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = super::parse_time)]
    limit: Duration,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Exit status 0 handed over (and back) within the limit, 1 not, 7 with a longer gap.
pub(super) fn run(runtime_dir: &Path, options: &Options) -> ExitCode {
    match drill(runtime_dir, options) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("evenkeel: {why}");
            ExitCode::FAILURE
        }
    }
}

fn drill(runtime_dir: &Path, options: &Options) -> Result<ExitCode, String> {
    let Options { instance, back, limit, json, .. } = options;
    if !is_master(runtime_dir, instance)? {
        return Err(format!("{instance} is not MASTER here: drill on the director that is"));
    }
    let mut prober = Prober::start(options)?;
    std::thread::sleep(AROUND);
    let began = Instant::now();
    let moved = instances::failover(runtime_dir, instance);
    let took = began.elapsed();
    if moved != ExitCode::SUCCESS {
        // Nobody took over; the prober ends with its input.
        return Ok(moved);
    }
    std::thread::sleep(AROUND);
    let there = prober.report()?;
    let mut reports = vec![("handing over", took, there)];
    if *back {
        let mut prober = Prober::start(options)?;
        std::thread::sleep(AROUND);
        let began = Instant::now();
        client::post(runtime_dir, &instances::path("rejoin", Some(instance)))
            .map_err(|cause| cause.to_string())?;
        wait_until_master(runtime_dir, instance)?;
        let took = began.elapsed();
        std::thread::sleep(AROUND);
        reports.push(("taking back", took, prober.report()?));
    }
    for (what, took, report) in &reports {
        match json {
            true => sayln!("{}", as_json(what, *took, report)),
            false => sayln!("{what} took {} ms: {}", took.as_millis(), report.line()),
        }
    }
    let longest = reports.iter().map(|(.., report)| report.gap_us).max().unwrap_or(0);
    let is_good = Duration::from_micros(longest) <= *limit;
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::from(TOO_LONG) })
}

fn as_json(what: &str, took: Duration, report: &Report) -> serde_json::Value {
    serde_json::json!({ "move": what, "took_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX), "client": report })
}

fn is_master(runtime_dir: &Path, name: &str) -> Result<bool, String> {
    let status = client::get(runtime_dir, "/v1/status")
        .and_then(|body| serde_json::from_slice::<Status>(&body).map_err(ClientError::Unreadable))
        .map_err(|cause| cause.to_string())?;
    let mut named = instances::named(&status, name).peekable();
    if named.peek().is_none() {
        return Err(format!("no vrrp_instance and no sync group {name} here"));
    }
    Ok(named.all(|it| it.state == State::Master))
}

/// It comes back by preemption, where the configuration has it so.
fn wait_until_master(runtime_dir: &Path, name: &str) -> Result<(), String> {
    let deadline = Instant::now() + BACK_WITHIN;
    while !is_master(runtime_dir, name)? {
        if Instant::now() > deadline {
            return Err(format!(
                "{name} did not become MASTER again within {} s: it has no higher priority, or nopreempt. `evenkeel \
                 drill` on the other director brings it back",
                BACK_WITHIN.as_secs()
            ));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// `evenkeel probe` on a client's host. It ends when its input does, so also when this process dies.
struct Prober {
    child: Child,
    input: Option<ChildStdin>,
}

impl Prober {
    fn start(options: &Options) -> Result<Self, String> {
        let words = words(options)?;
        let (program, rest) = words.split_first().ok_or("--from: names no command")?;
        let mut child = Command::new(program)
            .args(rest)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|cause| format!("--from: {program}: {cause}"))?;
        let (input, errors) = (child.stdin.take(), child.stderr.take());
        let mut prober = Self { child, input };
        let ready = format!("{} answers", options.probe);
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        // Ends with the prober's errors, thus with the prober.
        std::thread::spawn(move || {
            for line in errors.into_iter().flat_map(|errors| BufReader::new(errors).lines()) {
                match line {
                    Ok(line) if line.ends_with(&ready) => drop(tell.try_send(())),
                    Ok(line) => eprintln!("{line}"),
                    Err(_) => return,
                }
            }
        });
        if told.recv_timeout(READY_WITHIN).is_err() {
            prober.input = None;
            return Err(format!(
                "no connection from there to {} within {} s: nothing was moved",
                options.probe,
                READY_WITHIN.as_secs()
            ));
        }
        Ok(prober)
    }

    /// Ends it.
    fn report(&mut self) -> Result<Report, String> {
        self.input = None;
        let mut text = String::new();
        if let Some(output) = &mut self.child.stdout {
            output.read_to_string(&mut text).map_err(|cause| format!("the prober: {cause}"))?;
        }
        let _ = self.child.wait();
        serde_json::from_str(text.trim()).map_err(|_| format!("the prober said: {}", text.trim()))
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn words(options: &Options) -> Result<Vec<String>, String> {
    let mut words =
        shell_words::split(&options.from).map_err(|cause| format!("--from: {cause}"))?;
    let every = format!("{}ms", options.every.as_millis().max(1));
    let target = options.probe.to_string();
    words.extend(
        [&options.program, "probe", &target, "--every", &every, "--json"].map(str::to_owned),
    );
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_s_command_probes_through_the_one_that_reaches_it() {
        let options = Options {
            instance: "web".into(),
            probe: "[fd00::100]:80".parse().unwrap(),
            from: "ssh -p 2222 'client 1'".into(),
            program: "/opt/evenkeel".into(),
            every: Duration::from_millis(5),
            back: false,
            limit: Duration::from_secs(1),
            json: false,
        };
        let wanted = [
            "ssh",
            "-p",
            "2222",
            "client 1",
            "/opt/evenkeel",
            "probe",
            "[fd00::100]:80",
            "--every",
            "5ms",
            "--json",
        ];
        assert_eq!(words(&options).unwrap(), wanted);
        assert!(words(&Options { from: "ssh 'half".into(), ..options }).is_err());
    }

    #[test]
    fn a_drill_reads_as_json() {
        let told = as_json("handing over", Duration::from_millis(12), &Report::default());
        assert_eq!((&told["took_ms"], &told["client"]["failed"]), (&12.into(), &0.into()));
    }
}
