//! A director that is made up: the page as the real one serves it, and its API with as many virtual servers as a test
//! wants. `tests/lab` shows the page on a real one.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::stream::{self, Stream};
use serde_json::{Value, json};
use tokio::sync::broadcast;

/// What it would say, and who listens.
#[derive(Debug)]
struct Shown {
    services: usize,
    servers: usize,
    /// Real servers that are down, each with its cause.
    failed: Vec<(String, String)>,
    /// Asked so often; connections move with it.
    asked: u64,
    is_silent: bool,
    events: Vec<Value>,
    live: broadcast::Sender<Value>,
}

type Share = Arc<Mutex<Shown>>;

/// It serves until the test program ends.
pub(crate) struct Director {
    address: SocketAddr,
    shown: Share,
}

impl Director {
    pub(crate) fn start(services: usize, servers: usize) -> Self {
        let (live, _) = broadcast::channel(64);
        let shown = Shown {
            services,
            servers,
            failed: Vec::new(),
            asked: 0,
            is_silent: false,
            events: Vec::new(),
            live,
        };
        let shown = Arc::new(Mutex::new(shown));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let api = Router::new()
            .route("/api/v1/status", get(status))
            .route("/api/v1/counters", get(counters))
            .route("/api/v1/events/follow", get(follow))
            .with_state(Arc::clone(&shown));
        let router = evenkeel::ops::page::routes().merge(api);
        thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                listener.set_nonblocking(true).unwrap();
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                axum::serve(listener, router).await.unwrap();
            });
        });
        Self { address, shown }
    }

    pub(crate) fn address(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// This real server of the first virtual server that has it dies.
    pub(crate) fn fail(&self, server: &str, cause: &str) {
        let mut shown = self.shown.lock().unwrap();
        shown.failed.push((server.to_owned(), cause.to_owned()));
        let number = server.split('.').nth(2).unwrap();
        let id = 1_790_000_000_000_000 + shown.events.len() as u64;
        let event = json!({ "id": id, "severity": "warning", "at_ms": id / 1000, "name": "real_server_down",
            "subject": format!("{server} of TCP 10.7.{number}.100:80"), "cause": cause });
        shown.events.push(event.clone());
        let _ = shown.live.send(event);
    }

    /// From now on it refuses every question.
    pub(crate) fn silence(&self) {
        self.shown.lock().unwrap().is_silent = true;
    }

    /// Status line and headers of an answer, in small letters.
    pub(crate) fn head(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split("\r\n\r\n").next().unwrap().to_lowercase()
    }
}

/// The first is 10.7.0.100, the two thousandth 10.14.207.100.
fn address_of(service: usize) -> String {
    format!("TCP 10.{}.{}.100:80", 7 + service / 256, service % 256)
}

async fn status(State(share): State<Share>) -> Response {
    let mut shown = share.lock().unwrap();
    if shown.is_silent {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    shown.asked += 1;
    let services: Vec<Value> = (0..shown.services).map(|number| service(&shown, number)).collect();
    let instance = json!({ "name": "VI_1", "interface": "eth0", "virtual_router_id": 51, "family": "V4", "version": "V2",
        "state": "Master", "for_ms": 432_000, "priority": 150, "effective_priority": 150, "holding": true,
        "source": "10.0.0.1", "sync_group": null, "master": null,
        "addresses": [{ "address": "10.7.0.100", "prefix_length": 24, "interface": "eth0", "present": true }] });
    let backup = json!({ "name": "VI_2", "interface": "eth0", "virtual_router_id": 52, "family": "V4", "version": "V2",
        "state": "Backup", "for_ms": 432_000, "priority": 100, "effective_priority": 80, "holding": false,
        "source": "10.0.0.1", "sync_group": null,
        "master": { "address": "10.0.0.2", "priority": 150, "interval_ms": 1000, "heard_ms_ago": 412 },
        "addresses": [{ "address": "10.7.1.100", "prefix_length": 24, "interface": "eth0", "present": false }] });
    let script = json!({ "name": "chk_uplink", "condition": "Bad", "last": "exit status: 1", "runs": 40, "failures": 4, "skipped": 0 });
    Json(json!({
        "director": { "version": "0.1.0", "pid": 1, "started_ms": 0, "config": "/etc/evenkeel/evenkeel.kdl", "workers": [] },
        "vrrp": { "real_time": true, "instances": [instance, backup], "sync_groups": [], "scripts": [script] },
        "lvs": { "virtual_servers": services, "probes": 1, "in_flight": 0, "drifts": 0 },
    }))
    .into_response()
}

fn service(shown: &Shown, number: usize) -> Value {
    let servers: Vec<Value> = (1..=shown.servers).map(|host| server(shown, number, host)).collect();
    let live = servers.iter().filter(|server| server["up"] == true).count();
    json!({ "key": address_of(number), "scheduler": "wlc", "up": live > 0, "live_weight": live, "quorum": 1, "hysteresis": 0,
        "sorry": false, "sorry_server": null, "lagging": null, "lagging_ms": null, "drifts": 0, "real_servers": servers })
}

fn server(shown: &Shown, service: usize, host: usize) -> Value {
    let key = key_of(service, host);
    let failed = shown.failed.iter().find(|failed| failed.0 == key);
    let check = json!({ "kind": "HTTP_GET", "target": key, "up": failed.is_none(), "for_ms": 61_000, "cause": failed.map(|failed| &failed.1),
        "failures_in_a_row": 0, "last_ms_ago": 700, "took_us": 900, "presumed": false, "in_flight": false, "probes": 90, "failures": 3 });
    json!({ "key": key, "up": failed.is_none(), "for_ms": 61_000, "cause": failed.map(|failed| &failed.1),
        "weight": if failed.is_none() { json!(1) } else { Value::Null }, "configured_weight": 1, "why": "as configured",
        "override": null, "checks": [check] })
}

fn key_of(service: usize, host: usize) -> String {
    format!("10.{}.{}.{host}:80", 1 + service / 256, service % 256)
}

async fn counters(State(share): State<Share>) -> Json<Value> {
    let shown = share.lock().unwrap();
    let row = |service: usize, host: usize| {
        let wave = (shown.asked as usize * (3 + host) + service * 7) % 40;
        json!({ "key": key_of(service, host), "connections": { "active": 100 + wave, "inactive": wave / 3, "persistent": 0 } })
    };
    let service = |number: usize| {
        let rows: Vec<Value> = (1..=shown.servers).map(|host| row(number, host)).collect();
        json!({ "key": address_of(number), "real_servers": rows })
    };
    Json(
        json!({ "virtual_servers": (0..shown.services).map(service).collect::<Vec<_>>(), "error": null }),
    )
}

async fn follow(State(share): State<Share>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (kept, live) = {
        let shown = share.lock().unwrap();
        (shown.events.clone(), shown.live.subscribe())
    };
    let sent = |event: &Value| {
        Ok(Event::default().event("event").id(event["id"].to_string()).data(event.to_string()))
    };
    Sse::new(stream::unfold((kept.into_iter(), live), move |(mut kept, mut live)| async move {
        let event = match kept.next() {
            Some(event) => event,
            None => live.recv().await.ok()?,
        };
        Some((sent(&event), (kept, live)))
    }))
}
