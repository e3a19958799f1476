//! The vrrp worker: who holds the addresses?
//!
//! Two threads. The real-time one owns the VRRP core, its sockets, the interfaces and the addresses on them; the desk
//! owns everything that may wait: the supervisor's link, scripts, notifications, logs, the state file. They exchange
//! values over bounded queues and share nothing.
//!
//! - [`spec`]: what the worker needs of a configuration
//! - `core_loop`, `perform`, `announcing`, `watching`, `report`: the real-time thread; `channel` is what passes between
//!   it and the desk
//! - `sockets`, `holdings`, `paths`, [`virtual_links`], `kernel_setting`: what it keeps open, which addresses, routes,
//!   rules and interfaces stand where, and what is set for them
//! - `facts`, `damping`, [`priority`]: PURE: what interfaces and tracked objects mean for a router
//! - [`firewall`]: PURE but for its programs: the rules of `no_accept`
//! - `script`, `file`, `process`, `process_events`: what watches tracked objects
//! - `bfd`: the thread of the BFD sessions
//! - `desk`, `notify`, `state_file`, `words`: the ordinary thread
//! - [`sync_wait`]: PURE: how long a director that starts waits for the other's connections
//! - [`status`]: what the worker tells of itself

mod announcing;
mod bfd;
mod channel;
mod core_loop;
mod damping;
mod desk;
mod difference;
mod facts;
mod file;
pub mod firewall;
pub mod heartbeat;
mod holdings;
mod kernel_setting;
mod notify;
pub mod pair_order;
mod paths;
mod perform;
pub mod priority;
mod process;
mod process_events;
mod report;
mod script;
mod sockets;
pub mod spec;
pub mod split_brain;
mod split_brain_probe;
mod state_file;
pub mod status;
pub mod sync_wait;
pub mod virtual_links;
mod watching;
mod words;

use std::io;
use std::path::Path;
use std::process::ExitCode;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, warn};

use self::desk::{Desk, End};
use self::spec::RouterWorkerSpec;
use crate::link::{Incoming, Link};
use crate::message::{Message, Role};
use crate::spec_file;
use crate::supervisor::EXIT_CANNOT_RUN;

/// Real-time priority unless configured: above every ordinary task, below the kernel's interrupt threads (50), which
/// bring our packets.
const REAL_TIME_PRIORITY: u8 = 10;

/// Runs the worker until the supervisor stops it or is gone; both end with the addresses handed over and released.
pub fn run(runtime_dir: &Path) -> ExitCode {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(cause) => {
            error!("cannot start: {cause}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(work(runtime_dir)) {
        Ok(None | Some(End::Stopped)) => ExitCode::SUCCESS,
        Ok(Some(End::CannotRun)) => ExitCode::from(EXIT_CANNOT_RUN),
        Ok(Some(End::CoreLost)) => ExitCode::FAILURE,
        Err(cause) => {
            error!("{cause}");
            ExitCode::FAILURE
        }
    }
}

async fn work(runtime_dir: &Path) -> io::Result<Option<End>> {
    // Whoever signals the whole process group means the supervisor: it stops its workers in order.
    let _passed_over = [
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
        signal(SignalKind::hangup())?,
    ];
    let mut link = Link::from_stdin(Role::Vrrp)?;
    let Some((spec, died_at)) = first_configuration(&mut link).await? else { return Ok(None) };
    if let Err(cause) = sys::sched::lock_memory_as_touched() {
        warn!("memory may be paged out ({cause}): grant CAP_IPC_LOCK or LimitMEMLOCK=infinity");
    }
    if let Err(cause) = sys::sched::limit_real_time(spec.process.fuse()) {
        warn!("no limit on real-time CPU use: {cause}");
    }
    let (core, desk, woken) = channel::pair()?;
    let priority = spec.real_time_priority.unwrap_or(REAL_TIME_PRIORITY);
    let thread = match core_loop::start(core, priority) {
        Ok(thread) => thread,
        Err(cause) => {
            let summary = Err(cause.to_string());
            link.send(Role::Supervisor, &Message::Configured { summary }).await?;
            return Ok(Some(End::CannotRun));
        }
    };
    let mut desk = Desk::new(link, desk, woken, thread, runtime_dir)?;
    desk.begin(spec, died_at).await;
    desk.run().await.map(Some)
}

/// Waits for what to work by; `None` if the worker is stopped before that.
async fn first_configuration(
    link: &mut Link,
) -> io::Result<Option<(RouterWorkerSpec, Option<u64>)>> {
    let missing = || io::Error::new(io::ErrorKind::InvalidData, "no specs came along");
    loop {
        match link.receive().await? {
            None | Some(Incoming { message: Message::Stop, .. }) => return Ok(None),
            Some(Incoming { message: Message::Configure(configure), descriptor, .. }) => {
                let spec = spec_file::read(&descriptor.ok_or_else(missing)?, Role::Vrrp)?;
                return Ok(Some((spec.unwrap_or_default(), configure.died_at)));
            }
            Some(Incoming { message: Message::Ping(number), .. }) => {
                link.send(Role::Supervisor, &Message::Pong(number)).await?;
            }
            Some(_) => {}
        }
    }
}
