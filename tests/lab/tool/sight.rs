//! When something is in the kernel's table, by asking for one service alone: reading all of a large table takes longer than
//! some directors take to fill it.

use std::error::Error;
use std::io::{self, Write};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ipvs::{DestinationKey, Destinations, Kernel, Protocol, ServiceKey};

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(2);
/// Nobody waits longer.
const LIMIT: u32 = 150_000;

/// Says "ready", and seconds since the epoch when the last service has `each` destinations and all have `count`.
pub(super) fn filled(last: &str, each: &str, count: &str) -> Result<(), Box<dyn Error>> {
    let (each, count): (usize, usize) = (each.parse()?, count.parse()?);
    watch(last, |kernel, found| {
        if found.len() != each {
            return Ok(false);
        }
        let rows: usize = kernel.dump()?.services.values().map(|it| it.destinations.len()).sum();
        Ok(rows == count)
    })
}

/// Likewise when a destination of a service has this weight.
pub(super) fn weighs(service: &str, destination: &str, weight: &str) -> Result<(), Box<dyn Error>> {
    let key = DestinationKey::new(destination.parse()?, 80);
    let weight: u32 = weight.parse()?;
    watch(service, |_, found| Ok(found.get(&key).is_some_and(|it| it.weight.value() == weight)))
}

fn watch(
    service: &str,
    is_so: impl Fn(&mut Kernel, &Destinations) -> Result<bool, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let service = ServiceKey::address(Protocol::Tcp, service.parse()?, 80);
    let mut kernel = Kernel::open()?;
    let mut out = io::stdout().lock();
    writeln!(out, "ready")?;
    out.flush()?;
    for _ in 0..LIMIT {
        // No such service yet is an error.
        if let Ok(found) = kernel.destinations(service) {
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
            if is_so(&mut kernel, &found)? {
                writeln!(out, "{}", now.as_secs_f64())?;
                return Ok(());
            }
        }
        thread::sleep(PAUSE);
    }
    Err("it does not come".into())
}
