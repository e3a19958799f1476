//! `DR_CHECK`: asks for a connection to the virtual address at one real server's hardware address, as IPVS sends it under
//! direct routing, and takes it back at once.
//!
//! The answer is read off a packet socket: where this host holds the virtual address itself, its own kernel would throw
//! away a packet from there.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{Miss, PASSED};
use crate::failure::{DrFault, Failure, LocalFault};
use crate::lan::segment::{Answer, Call};
use crate::lan::{Lan, Port, Tap};
use crate::outcome::Weight;
use crate::spec::{DrSpec, Target};

/// Most of a probe's time is for the connection; the link answers at once or not at all.
const LINK_SHARE: u32 = 3;

/// How often the connection is asked for: one packet may be lost.
const TRIES: u32 = 3;

/// Asks once.
pub(super) async fn run(target: Target, spec: &DrSpec) -> Result<Weight, Miss> {
    let DrSpec { connection, vip } = spec;
    let lan = Lan::towards(target.addr, connection.bind_to)?;
    let Some(host) = lan.find(target.addr, connection.timeout / LINK_SHARE).await? else {
        return Err(Failure::Dr(DrFault::NoPath { host: target.addr }).into());
    };
    let port = Port::of(lan.address())?;
    let call = Call {
        us: lan.us(),
        port: port.number,
        host,
        vip: *vip,
        vip_port: target.port,
        sequence: sequence(port.number),
    };
    let rest = connection.timeout - connection.timeout / LINK_SHARE;
    match call_for(&lan, &call, rest).await? {
        Some(Answer::Open(mac)) if mac == host => PASSED,
        Some(Answer::Open(mac)) => Err(Failure::Dr(DrFault::Elsewhere { vip: *vip, mac }).into()),
        Some(Answer::Reset(_)) => Err(Failure::Dr(DrFault::ServiceDown { vip: *vip }).into()),
        Some(Answer::Icmp(_, kind, code)) => {
            Err(Failure::Dr(DrFault::NoVip { vip: *vip, icmp: Some((kind, code)) }).into())
        }
        None => Err(Failure::Dr(DrFault::NoVip { vip: *vip, icmp: None }).into()),
    }
}

/// What comes back within this time.
async fn call_for(lan: &Lan, call: &Call, within: Duration) -> Result<Option<Answer>, Miss> {
    let other = || LocalFault { step: "an address of another family".to_owned(), errno: 0 };
    let tap = lan.tap(call)?;
    let syn = call.syn().ok_or_else(other)?;
    let mut buffer = Tap::buffer();
    for _ in 0..TRIES {
        let until = Instant::now() + within / TRIES;
        tap.send(&syn).await?;
        while let Ok(frame) = timeout_at(until, tap.receive(&mut buffer)).await {
            let Some(answer) = call.answer(frame?) else { continue };
            if let (Answer::Open(_), Some(reset)) = (answer, call.reset()) {
                tap.send(&reset).await?;
            }
            return Ok(Some(answer));
        }
    }
    Ok(None)
}

/// Not to be guessed, so that nobody can answer without having seen the question.
fn sequence(port: u16) -> u32 {
    let bytes = RandomState::new().hash_one(port).to_le_bytes();
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}
