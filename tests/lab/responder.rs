//! A real server on a host, from the test's side: switch what it does, ask what it has counted.

use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::host::{Host, Process, holds_within};
use crate::tool;
use crate::tool::responder::{Count, Mode, Order};

/// A running server.
pub(crate) struct Responder {
    control: PathBuf,
    process: Process,
}

impl Responder {
    /// Listens on port 80 of all addresses of both families.
    pub(crate) fn start(host: &Host) -> Self {
        Self::listening(host, &["0.0.0.0:80", "[::]:80"])
    }

    /// Listens on these addresses; `tls:` before one makes it speak TLS.
    pub(crate) fn listening(host: &Host, addresses: &[&str]) -> Self {
        let log = host.keeper.log(&format!("responder on {host}"));
        let control = log.with_extension("control");
        let path = control.display().to_string();
        let words = tool::command(&[&["responder", &host.name, &path], addresses].concat());
        let process = host.spawn(&words, &log);
        let answers = || tool::responder::order(&control, &Order::Count).is_ok();
        let is_up = holds_within(Duration::from_secs(5), Duration::from_millis(20), answers);
        assert!(is_up, "responder on {host} does not listen on {addresses:?}");
        Self { control, process }
    }

    /// From now on new connections are treated so.
    pub(crate) fn switch(&self, mode: Mode) {
        tool::responder::order(&self.control, &Order::Mode(mode)).unwrap();
    }

    /// `kill -9`: its port is closed, its connections are reset.
    pub(crate) fn kill(self) {
        self.process.signal(Signal::SIGKILL);
        assert!(self.process.ends_within(Duration::from_secs(2)), "the responder does not die");
    }

    /// Asked again where the answer is lost: thousands of probes arrive at the same time.
    pub(crate) fn count(&self) -> Count {
        let mut answer = tool::responder::order(&self.control, &Order::Count);
        for _ in 0..10 {
            if answer.is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
            answer = tool::responder::order(&self.control, &Order::Count);
        }
        answer.unwrap()
    }
}
