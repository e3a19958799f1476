//! `UDP_CHECK`: one datagram, and what comes back of it until the deadline.

use socket2::{Protocol, Type};
use tokio::time::timeout;

use super::datagram::Datagram;
use super::{Miss, PASSED};
use crate::failure::{Failure, Stage};
use crate::outcome::Weight;
use crate::spec::{Reply, Target, UdpSpec};

/// So much of a reply is told.
const SHOWN: usize = 32;

/// Sends the payload. A reply that is not required passes at once, whatever it is; silence passes at the deadline.
pub(super) async fn run(target: Target, spec: &UdpSpec) -> Result<Weight, Miss> {
    let within = spec.connection.timeout;
    match (timeout(within, ask(target, spec)).await, &spec.reply) {
        (Ok(asked), _) => asked,
        (Err(_elapsed), None) => PASSED,
        (Err(_elapsed), Some(_)) => Err(Failure::NoAnswer { within, after: Stage::Request }.into()),
    }
}

async fn ask(target: Target, spec: &UdpSpec) -> Result<Weight, Miss> {
    let socket = Datagram::open(target, &spec.connection, (Type::DGRAM, Protocol::UDP), &[])?;
    socket.send(spec.payload.as_bytes()).await?;
    // One more than is wanted, to see that there is more.
    let room = spec.reply.as_ref().map_or(1, |reply| usize::from(reply.max) + 1);
    let mut buffer = vec![0; room.max(SHOWN)];
    let length = socket.receive(&mut buffer).await?;
    if let Some(reply) = &spec.reply {
        judge(reply, &buffer[..length])?;
    }
    PASSED
}

fn judge(wanted: &Reply, seen: &[u8]) -> Result<(), Failure> {
    let Reply { pattern, min, max } = wanted;
    if !(usize::from(*min)..=usize::from(*max)).contains(&seen.len()) {
        return Err(Failure::ReplyLength {
            over: seen.len() > usize::from(*max),
            min: *min,
            max: *max,
        });
    }
    if !pattern.fits(seen) {
        let shown = seen.iter().take(SHOWN).map(|byte| format!("{byte:02x}")).collect();
        return Err(Failure::Reply { seen: shown, wanted: pattern.to_string() });
    }
    Ok(())
}
