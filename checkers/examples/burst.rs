//! What one check costs, through engine and runner as the director uses them.
//!
//! ```text
//! burst listen               a listener on every loopback address; prints its port
//! burst ask PORT N SECONDS   N targets on 127.0.0.0/8, each asked once in so many seconds (0: as fast as it goes)
//! burst get PORT N SECONDS   the same with HTTP_GET
//! ```
//!
//! The listener is another process, so that `strace -c -f` and the CPU time are the prober's alone.
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::error::Error;
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use checkers::spec::{HttpSpec, HttpVersion, Statuses, Url};
use checkers::{Action, Alarm, Cadence, CheckSpec, Checkers, Connection, First, Limits, ProbeKind};
use checkers::{Runner, Target};
use nix::sys::resource::{UsageWho, getrusage};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["listen"] => listen(),
        [what @ ("ask" | "get"), port, number, seconds] => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let spec = Arc::new(spec(what == "get", seconds.parse()?)?);
            let (port, number) = (port.parse()?, number.parse()?);
            // In a task: each waking of the future that `block_on` itself polls would cost a write to an eventfd.
            let loops = async move { tokio::spawn(ask(spec, port, number)).await };
            println!("{}", runtime.block_on(loops)??);
            Ok(())
        }
        _ => Err("usage: burst listen | burst ask|get PORT N SECONDS".into()),
    }
}

fn listen() -> Result<(), Box<dyn Error>> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.bind(&std::net::SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into())?;
    socket.listen(4096)?;
    let listener = std::net::TcpListener::from(socket);
    println!("{}", listener.local_addr()?.port());
    loop {
        let (mut stream, _) = listener.accept()?;
        // A TCP check is gone by now, and reading says so.
        if stream.read(&mut [0; 1024]).is_ok_and(|length| length > 0) {
            stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nok\n")?;
        }
    }
}

fn spec(http: bool, seconds: u64) -> Result<CheckSpec, Box<dyn Error>> {
    let connection = Connection::default();
    let kind = if http {
        let path = "/".parse()?;
        let url = Url {
            path,
            statuses: Statuses::default(),
            digest: None,
            search: None,
            virtualhost: None,
            tls_compliant: false,
        };
        ProbeKind::Http(HttpSpec {
            connection,
            tls: None,
            version: HttpVersion::Http10,
            urls: vec![url],
            fast_recovery: false,
            body_limit: None,
        })
    } else {
        ProbeKind::Tcp(connection)
    };
    let warmup = Duration::from_secs(seconds);
    let first = if seconds == 0 { First::AtOnce } else { First::Spread };
    let delay_loop = Duration::from_secs(3600);
    Ok(CheckSpec { kind, cadence: Cadence { first, warmup, delay_loop, ..Cadence::default() } })
}

async fn ask(spec: Arc<CheckSpec>, port: u16, number: u32) -> Result<String, String> {
    let mut checkers = Checkers::new(Limits { sockets: 512, ..Limits::default() }, 1);
    let mut runner = Runner::new();
    let began = Instant::now();
    let mut alarm = Alarm::new(began);
    let target = |at| Target { addr: Ipv4Addr::from_bits(0x7f00_0101 + at).into(), port };
    checkers.configure((0..number).map(|at| (at, target(at), Arc::clone(&spec))), began);
    let cpu = cpu();
    let mut ended = 0;
    while ended < number {
        while let Some(action) = checkers.poll_action() {
            match action {
                Action::Start { run, target, spec, step } => runner.start(run, target, spec, step),
                Action::Cancel { run } => runner.cancel(run),
                Action::Verdict(report) => return Err(format!("{report:?}")),
                Action::Failed { .. } | Action::Certificate { .. } => {}
            }
        }
        tokio::select! {
            biased;
            (run, outcome) = runner.next() => {
                checkers.handle_outcome(run, outcome, Instant::now());
                ended += 1;
            }
            () = alarm.until(checkers.poll_timeout()) => checkers.handle_timeout(Instant::now()),
        }
    }
    let cpu = self::cpu() - cpu;
    Ok(format!("{number} checks in {:?}, {:?} CPU each", began.elapsed(), cpu / number))
}

fn cpu() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return Duration::ZERO };
    [usage.user_time(), usage.system_time()]
        .map(|time| time.tv_sec() * 1_000_000 + time.tv_usec())
        .map(|micros| Duration::from_micros(micros.unsigned_abs()))
        .iter()
        .sum()
}
