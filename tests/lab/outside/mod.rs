//! The director from outside: a booted kernel with a network card of its own, a tap device in a network namespace of this
//! machine. There a real browser looks at the page and a real Prometheus scrapes the metrics, while inside a real server
//! dies and comes back again and again.
//!
//! It needs root and /dev/net/tun on this machine; where it has them not, it says so and shows nothing.

mod inside;
mod watchers;
mod wire;

use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::boot::{self, End, Job};
use wire::Wire;

/// Addresses on the two ends of the wire (RFC 5737: for documentation, so nobody's).
const HERE: &str = "192.0.2.1";
const THERE: &str = "192.0.2.2";
/// What the inside says when the director serves.
const READY: &str = "outside: ready";
/// For the whole of it.
const LIMIT: Duration = Duration::from_secs(300);
/// A boot, and a director with a full table.
const READY_WITHIN: Duration = Duration::from_secs(90);

/// `--outside`; exit status 0 shown or not possible here, 101 failed.
pub(crate) fn main(args: &[String]) -> ExitCode {
    if args.iter().any(|arg| arg == "--inside") {
        return inside::run();
    }
    if let Err(message) = boot::check_packages() {
        eprintln!("outside: {message}");
        return ExitCode::from(2);
    }
    let wire = match Wire::lay() {
        Ok(wire) => wire,
        Err(why) => {
            println!(
                "outside: NOT SHOWN: this machine lets us have no tap device in a network namespace ({why}). What the page \
                 does with a made-up director is shown by `cargo test --test page`, what the director serves by the \
                 lab's told and ops scenarios."
            );
            return ExitCode::SUCCESS;
        }
    };
    let (tell, lines) = sync_channel(1024);
    let job = Job {
        args: vec!["--outside".to_owned(), "--inside".to_owned()],
        limit: LIMIT,
        wire: Some(wire.plug()),
    };
    let machine = thread::spawn(move || {
        boot::run(&job, |line| {
            println!("  inside: {line}");
            // Nobody listens any more once something has failed.
            let _ = tell.send(line.to_owned());
        })
    });
    let shown = thread::scope(|scope| {
        // Lines go on coming; they are read so that the console never waits.
        let ready = wait_until_ready(&lines);
        scope.spawn(move || while lines.recv().is_ok() {});
        let wire = &wire;
        let watched = scope.spawn(move || {
            assert!(ready, "the director did not serve within {READY_WITHIN:?}");
            watchers::watch(wire);
        });
        watched.join().is_ok()
    });
    let end = machine.join();
    println!("outside: the machine ended: {end:?}");
    let is_good = shown && matches!(end, Ok(Ok(End::Status(0))));
    println!(
        "test outside_browser_and_prometheus_see_the_director ... {}",
        if is_good { "ok" } else { "FAILED" }
    );
    if is_good { ExitCode::SUCCESS } else { ExitCode::from(101) }
}

fn wait_until_ready(lines: &Receiver<String>) -> bool {
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) if line.contains(READY) => return true,
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return false,
        }
    }
}
