//! When the kernel's table is full, by asking for the last service alone: reading all of a large table takes longer than
//! some directors take to fill it.

use std::error::Error;
use std::io::{self, Write};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ipvs::{Kernel, Protocol, ServiceKey};

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(2);
/// Nobody waits longer.
const LIMIT: u32 = 150_000;

/// Says "ready", and seconds since the epoch when the last service has `each` destinations and all have `count`.
pub(super) fn watch(last: &str, each: &str, count: &str) -> Result<(), Box<dyn Error>> {
    let last = ServiceKey::address(Protocol::Tcp, last.parse()?, 80);
    let (each, count): (usize, usize) = (each.parse()?, count.parse()?);
    let mut kernel = Kernel::open()?;
    let mut out = io::stdout().lock();
    writeln!(out, "ready")?;
    out.flush()?;
    for _ in 0..LIMIT {
        // No such service yet is an error.
        if kernel.destinations(last).is_ok_and(|found| found.len() == each) {
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
            let rows: usize =
                kernel.dump()?.services.values().map(|it| it.destinations.len()).sum();
            if rows == count {
                writeln!(out, "{}", now.as_secs_f64())?;
                return Ok(());
            }
        }
        thread::sleep(PAUSE);
    }
    Err("the table does not fill".into())
}
