//! What operators may order: of real servers (drain, disable, weight), of routers (failover, resign), of the log. Each is
//! a POST whose parameters stand in the query string.

use std::time::Duration;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::post;
use ipvs::Weight;
use serde::Deserialize;

use super::api::{command, outcome, read, said};
use super::desk::{Asks, Errand};
use super::refusal::{Code, Refusal};
use crate::lvs::overrides::{Deed, Order, Override, Wish};
use crate::lvs::selector::Selector;
use crate::message::RouterOrder;
use crate::router::pair_order::PairOrder;

/// Longest words that an operator may leave with an override.
const REASON_MAX: usize = 200;

/// The paths.
pub(super) fn routes() -> Router<Asks> {
    Router::new()
        .route("/v1/real-servers/drain", post(drain))
        .route("/v1/real-servers/disable", post(disable))
        .route("/v1/real-servers/weight", post(weight))
        .route("/v1/real-servers/enable", post(enable))
        .route("/v1/real-servers/check-now", post(check_now))
        .route("/v1/instances/failover", post(failover))
        .route("/v1/instances/resign", post(resign))
        .route("/v1/instances/rejoin", post(rejoin))
}

/// An override: of which real servers, how long, why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Overriding {
    servers: String,
    /// It ends by itself after so many milliseconds.
    for_ms: Option<u64>,
    reason: Option<String>,
    /// drain: out of the pool after so many milliseconds.
    deadline_ms: Option<u64>,
    /// weight: `7` or `50%`.
    weight: Option<String>,
    /// The same on the other director.
    #[serde(default)]
    pair: bool,
}

impl Overriding {
    fn order(self, wish: Wish) -> Result<Order, Refusal> {
        let reason = self.reason.filter(|reason| !reason.is_empty());
        if reason.as_ref().is_some_and(|reason| reason.len() > REASON_MAX) {
            return Err(bad(format!("reason: at most {REASON_MAX} bytes")));
        }
        let lasts = self.for_ms.map(Duration::from_millis);
        let deed = Deed::Override(Override { wish, lasts, reason });
        Ok(Order { servers: servers(&self.servers)?, deed })
    }

    /// Each order has parameters that the others lack.
    fn lacks(&self, deadline: bool, weight: bool) -> Result<(), Refusal> {
        if deadline && self.deadline_ms.is_some() {
            return Err(bad("deadline_ms: only a drain has one"));
        }
        if weight && self.weight.is_some() {
            return Err(bad("weight: only /v1/real-servers/weight takes it"));
        }
        Ok(())
    }
}

type Asked<T> = Result<Query<T>, QueryRejection>;
type Answer = Result<Response, Refusal>;

async fn drain(State(asks): State<Asks>, query: Asked<Overriding>) -> Answer {
    let asked = read(query)?;
    asked.lacks(false, true)?;
    let wish = Wish::Drain(asked.deadline_ms.map(Duration::from_millis));
    let pair = asked.pair;
    ordered(&asks, asked.order(wish)?, pair).await
}

async fn disable(State(asks): State<Asks>, query: Asked<Overriding>) -> Answer {
    let asked = read(query)?;
    asked.lacks(true, true)?;
    let pair = asked.pair;
    ordered(&asks, asked.order(Wish::Disable)?, pair).await
}

async fn weight(State(asks): State<Asks>, query: Asked<Overriding>) -> Answer {
    let asked = read(query)?;
    asked.lacks(true, false)?;
    let text = asked.weight.as_deref().ok_or_else(|| bad("weight: is missing"))?;
    let wish = wished_weight(text).map_err(bad)?;
    let pair = asked.pair;
    ordered(&asks, asked.order(wish)?, pair).await
}

/// Which real servers, to end what is ordered of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ending {
    servers: String,
    /// The same on the other director.
    #[serde(default)]
    pair: bool,
}

/// Which real servers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    servers: String,
}

async fn enable(State(asks): State<Asks>, query: Asked<Ending>) -> Answer {
    let Ending { servers: named, pair } = read(query)?;
    ordered(&asks, Order { servers: servers(&named)?, deed: Deed::Clear }, pair).await
}

async fn check_now(State(asks): State<Asks>, query: Asked<Named>) -> Answer {
    let servers = servers(&read(query)?.servers)?;
    order(&asks, Errand::Lvs(Order { servers, deed: Deed::CheckNow })).await
}

/// Which instance or sync group.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Routers {
    instance: Option<String>,
}

async fn failover(State(asks): State<Asks>, query: Asked<Routers>) -> Answer {
    let instance = read(query)?.instance.ok_or_else(|| bad("instance: is missing"))?;
    order(&asks, Errand::Vrrp(RouterOrder::Failover { instance })).await
}

async fn resign(State(asks): State<Asks>, query: Asked<Routers>) -> Answer {
    let instance = read(query)?.instance;
    order(&asks, Errand::Vrrp(RouterOrder::Resign { instance })).await
}

async fn rejoin(State(asks): State<Asks>, query: Asked<Routers>) -> Answer {
    let instance = read(query)?.instance;
    order(&asks, Errand::Vrrp(RouterOrder::Rejoin { instance })).await
}

/// Carries an override out here and, where it is for the pair, on the other director after that. Where there is no way to
/// that one, nothing is done here either.
async fn ordered(asks: &Asks, ordered: Order, pair: bool) -> Answer {
    let there = PairOrder::of(&ordered).filter(|_| pair);
    if there.is_some() {
        outcome(asks, Errand::Pair(None)).await.map_err(|mut refusal| {
            refusal.message = format!("nothing was done: {}", refusal.message);
            refusal
        })?;
    }
    let here = outcome(asks, Errand::Lvs(ordered)).await.map_err(told_apart)?;
    let done = match there {
        None => here,
        Some(there) => match outcome(asks, Errand::Pair(Some(there))).await {
            Ok(there) => format!("{here}; on the other director: {there}"),
            Err(Refusal { code, message }) => {
                let message =
                    format!("done here ({here}), but not on the other director: {message}");
                return Err(Refusal::new(code, message));
            }
        },
    };
    Ok(said(done))
}

/// Carries out; that there is no such object is told apart from other refusals.
async fn order(asks: &Asks, errand: Errand) -> Answer {
    command(asks, errand).await.map_err(told_apart)
}

fn told_apart(mut refusal: Refusal) -> Refusal {
    let nowhere = ["no virtual server has", "no vrrp_instance"];
    if refusal.code == Code::Refused && nowhere.iter().any(|it| refusal.message.starts_with(it)) {
        refusal.code = Code::NoSuchTarget;
    }
    refusal
}

fn servers(text: &str) -> Result<Selector, Refusal> {
    text.parse().map_err(|cause| bad(format!("servers: {cause}")))
}

fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(Code::BadRequest, message)
}

/// `7` or `50%`.
pub(crate) fn wished_weight(text: &str) -> Result<Wish, String> {
    let wrong =
        || format!("`{text}` is no weight; wanted 0 to {} or 0% to 1000%", Weight::MAX.value());
    match text.strip_suffix('%') {
        Some(share) => {
            let share = share.parse().ok().filter(|share| *share <= 1000);
            share.map(Wish::Percent).ok_or_else(wrong)
        }
        None => {
            let weight = text.parse::<u32>().ok().and_then(|weight| Weight::try_from(weight).ok());
            weight.map(Wish::Weight).ok_or_else(wrong)
        }
    }
}
