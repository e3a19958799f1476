//! The lab: proves on a real kernel with IPVS what a fake one could not show.
//!
//! Where this machine's kernel has IPVS and we are root, the tests run here, in network namespaces. Elsewhere
//! this executable boots such a kernel (`boot`) and runs itself again inside it.
//!
//! | module | noun |
//! |---|---|
//! | `boot`, `kernel` | the machine: booting one, what it offers |
//! | `runner` | a scenario as a test: limits, sharing, what a failure prints |
//! | `keeper` | what a test has started and must end: processes, namespaces, logs |
//! | `topology`, `host` | a network of hosts with links that can be cut, delayed and made lossy |
//! | `daemon` | a director: evenkeel or Debian's keepalived, from a configuration text |
//! | `package` | the Debian package, installed and started as its unit says |
//! | `kernel_view` | what ipvsadm and ip say |
//! | `crowd` | many VRRP instances with several addresses each |
//! | `capture` | packets with the kernel's own times |
//! | `responder`, `client` | a real server with switchable behaviour, a client that misses nothing |
//! | `tool` | the programs behind those two, each run inside its host |
//! | `scenarios` | the tests, a file per theme |
//! | `benches` | what `cargo xtask bench` measures inside, run only with `--measure` |
//! | `outside` | a browser and Prometheus outside of the booted kernel, at the other end of a wire |
//! | `demo` | the story that `cargo xtask demo` tells |
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test program at the edge: it waits, measures, and fails by panicking"
)]

mod benches;
mod boot;
#[path = "../page/browser.rs"]
#[allow(dead_code, reason = "it does more for the tests of the page")]
mod browser;
mod capture;
mod client;
mod crowd;
mod daemon;
mod demo;
mod host;
mod keeper;
mod kernel;
mod kernel_view;
mod outside;
mod package;
mod responder;
mod runner;
mod scenarios;
mod tool;
mod topology;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.split_first() {
        Some((first, rest)) if first == "--tool" => tool::main(rest),
        Some((first, _)) if first.starts_with("--demo") => demo::main(&args),
        Some((first, _)) if first == "--outside" => outside::main(&args),
        _ => runner::main(args),
    }
}
