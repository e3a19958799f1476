//! The network of the demo with a prompt in it, for looking around by hand.

use std::process::{Command, ExitCode};
use std::sync::Arc;

use super::story::Story;
use crate::daemon::{self, Kind};
use crate::keeper::Keeper;

/// Builds the same network, starts the same programs, and leaves them to the person at the prompt.
pub(super) fn run(kind: Kind) -> ExitCode {
    let keeper = Arc::new(Keeper::new("demo"));
    let story = Story::begin(&keeper, kind);
    story.wait_until_up();
    let profile = keeper.folder().join("profile");
    let name = |host: &str| story.net.host(host).namespace.clone();
    let names = ["d1", "d2", "r1", "r2", "c1"].map(|host| format!("{host}) ns={};;", name(host)));
    let status = match kind {
        Kind::Evenkeel => format!(
            "status() {{ on $1 {} status --runtime-dir {}/evenkeel-$1/run; }}\n",
            daemon::evenkeel(),
            keeper.folder().display()
        ),
        Kind::Keepalived | Kind::Observer => String::new(),
    };
    let text = format!(
        "on() {{ case $1 in {} *) echo 'hosts: d1 d2 r1 r2 c1'; return 1;; esac; shift; ip netns exec $ns \"$@\"; }}\n\
         {status}PS1='lab# '\n",
        names.join(" ")
    );
    std::fs::write(&profile, text).unwrap();
    println!("{SHELL_HELP}");
    let status = Command::new("bash").arg("--rcfile").arg(&profile).arg("-i").status();
    keeper.end();
    if status.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

const SHELL_HELP: &str = "
Two directors d1 d2, two web servers r1 r2, a client c1; the virtual address is 10.0.0.100. Try:
  status d1                                  what the first director says of itself
  on d1 ipvsadm -Ln                          the table
  on d2 ip -br addr                          who holds the address
  on c1 curl -s http://10.0.0.100/           a request (the answer is the server's name)
  on d1 ip link set eth0 down                take the first director off the network
  on c1 tcpdump -ni eth0 proto 112           the advertisements
exit (or Ctrl-D) ends the lab.";
