//! `cargo xtask bench config`: reading a configuration of 20,000 real servers in 2,000 virtual servers, and the time
//! from a reload with one weight changed to the weight in the kernel.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::memfd::{MFdFlags, memfd_create};

use super::clock::{self, Runs};
use super::lab;
use super::table::Table;
use crate::step;

/// Words on the command line.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Virtual servers, with ten real servers each
    #[arg(long, default_value_t = 2000)]
    services: u32,
    /// Leave out the reloads in the lab
    #[arg(long)]
    no_lab: bool,
    /// Have keepalived reload in the lab too: ten minutes
    #[arg(long)]
    peer: bool,
}

/// How often each is run.
const RUNS: usize = 9;

pub(crate) fn run(options: &Options) -> Result<(), String> {
    println!("xtask: building the release");
    if !step::cargo(&["build", "--quiet", "--release", "--package", "evenkeel"], &[]) {
        return Err("the build failed".to_owned());
    }
    let folder = step::target().join("bench-config");
    let files = Files::write(&folder, options.services)
        .map_err(|cause| format!("{}: {cause}", folder.display()))?;
    let servers = options.services * 10;
    let mut table = Table::new(&["what", "evenkeel", "keepalived (Debian)", "bound"]);

    let conf = Runs::of(RUNS, || load(&files.conf))?;
    let peer = keepalived(&files.conf);
    let reads = format!("{servers} real servers: keepalived.conf read, checked, specs left");
    table.row(&[&reads, &conf.text(), &peer, "150 ms"]);

    let kdl = Runs::of(RUNS, || load(&files.kdl))?;
    let text = fs::read_to_string(&files.kdl).map_err(|cause| cause.to_string())?;
    let krate = Runs::of(3, || {
        let (document, took) = clock::time(|| text.parse::<kdl::KdlDocument>());
        document.map(|_| took).map_err(|error| format!("the kdl crate: {error}"))
    })?;
    let bound = format!("1.2 x {:.0} ms", krate.median().as_secs_f64() * 1e3);
    table.row(&["the same in KDL", &kdl.text(), "-", &bound]);
    table.row(&["the kdl crate alone, text to nodes", &krate.text(), "-", "-"]);
    if !options.no_lab {
        let word = if options.peer { "bench_config" } else { "bench_config_evenkeel" };
        for figure in lab::measure(word)? {
            let (what, ours, theirs) = match figure.what.strip_prefix("keepalived ") {
                Some(what) => (what, "-", figure.value.as_str()),
                None => (figure.what.as_str(), figure.value.as_str(), "-"),
            };
            let bound = if what.starts_with("reload") { "300 ms" } else { "-" };
            table.row(&[what, ours, theirs, bound]);
        }
    }
    println!("\n{table}");
    println!("median (least-most) of {RUNS} runs, from the start of a process to its end");
    Ok(())
}

/// The release's load child, as the supervisor runs it: with a memory file for the specs.
fn load(file: &Path) -> Result<Duration, String> {
    let specs = memfd_create(c"specs", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)
        .map_err(|cause| format!("memfd: {cause}"))?;
    let mut command = Command::new(step::target().join("release/evenkeel"));
    command.arg("load").arg(file).stdout(specs);
    clock::program(&mut command, &[0, 1])
}

/// `keepalived -t` on the same file; it reads and checks.
fn keepalived(file: &Path) -> String {
    let limit = Duration::from_secs(300).as_secs().to_string();
    let mut command = Command::new("timeout");
    command.args([&limit, "keepalived", "--config-test", "--use-file"]).arg(file);
    command.stdout(Stdio::null());
    // Its exit status tells of warnings; 124 is the limit of time.
    match Runs::of(1, || clock::program(&mut command, &[0, 1, 2, 4, 5])) {
        Ok(runs) => runs.text(),
        Err(why) => format!("cannot run here ({why})"),
    }
}

struct Files {
    conf: PathBuf,
    kdl: PathBuf,
}

impl Files {
    fn write(folder: &Path, services: u32) -> std::io::Result<Self> {
        fs::create_dir_all(folder)?;
        let files = Self { conf: folder.join("large.conf"), kdl: folder.join("large.kdl") };
        fs::write(&files.conf, conf(services))?;
        fs::write(&files.kdl, kdl(services))?;
        Ok(files)
    }
}

/// Where virtual server `at` and its `server`th real server live.
fn addresses(at: u32, server: u32) -> (String, String) {
    let place = at * 10 + server;
    let vip = format!("10.1.{}.{}", at / 250, 1 + at % 250);
    let real = format!("10.{}.{}.{}", 2 + place / 62_500, place / 250 % 250, 1 + place % 250);
    (vip, real)
}

fn conf(services: u32) -> String {
    let mut text = String::new();
    for at in 0..services {
        let (vip, _) = addresses(at, 0);
        let _ = writeln!(text, "virtual_server {vip} 80 {{\n    delay_loop 6\n    lb_algo wlc");
        text.push_str("    lb_kind DR\n    protocol TCP\n");
        for server in 0..10 {
            let (_, real) = addresses(at, server);
            let _ = writeln!(text, "    real_server {real} 80 {{\n        weight 3");
            text.push_str("        HTTP_GET {\n            url {\n                path /health\n");
            text.push_str("                status_code 200\n            }\n");
            text.push_str("            connect_timeout 3\n            retry 3\n        }\n    }\n");
        }
        text.push_str("}\n");
    }
    text
}

fn kdl(services: u32) -> String {
    let mut text = String::new();
    for at in 0..services {
        let (vip, _) = addresses(at, 0);
        let _ = writeln!(text, "virtual_server \"{vip}\" 80 {{\n    delay_loop 6\n    lb_algo wlc");
        text.push_str("    lb_kind DR\n    protocol TCP\n");
        for server in 0..10 {
            let (_, real) = addresses(at, server);
            let _ = writeln!(text, "    real_server \"{real}\" 80 {{\n        weight 3");
            text.push_str(
                "        HTTP_GET {\n            url {\n                path \"/health\"\n",
            );
            text.push_str("                status_code 200\n            }\n");
            text.push_str("            connect_timeout 3\n            retry 3\n        }\n    }\n");
        }
        text.push_str("}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_real_server_has_an_address_of_its_own() {
        let all: BTreeSet<String> =
            (0..2000).flat_map(|at| (0..10).map(move |server| addresses(at, server).1)).collect();
        assert_eq!(all.len(), 20_000);
        assert!(all.iter().all(|address| address.parse::<std::net::Ipv4Addr>().is_ok()));
    }
}
