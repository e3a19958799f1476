//! Inside the booted kernel: a director with two real servers and a web address on the wire; the second real server dies
//! and comes back until nobody outside scrapes any more.

use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{HERE, LIMIT, READY, THERE};
use crate::daemon::{Daemon, Kind::Evenkeel};
use crate::host::{Host, wait_for};
use crate::keeper::Keeper;
use crate::kernel;
use crate::kernel_view;
use crate::responder::Responder;
use crate::tool::responder::Mode;
use crate::topology::{Forwarding, Plan};

/// How long the real server is dead, and then alive.
const TURN: Duration = Duration::from_secs(15);

const CONFIG: &str = "vrrp_instance web {
    interface eth0
    virtual_router_id 51
    priority 150
    version 3
    advert_int 0.1
    virtual_ipaddress {
        10.0.0.100/32
    }
}
virtual_server 10.0.0.100 80 {
    delay_loop 1
    lb_algo wrr
    lb_kind DR
    protocol TCP
    real_server 10.0.0.11 80 {
        weight 2
        TCP_CHECK {
            connect_timeout 1
            retry 0
        }
    }
    real_server 10.0.0.12 80 {
        weight 2
        TCP_CHECK {
            connect_timeout 1
            retry 0
        }
    }
}
";

pub(super) fn run() -> ExitCode {
    if let Err(message) = kernel::prepare() {
        eprintln!("outside: {message}");
        return ExitCode::from(2);
    }
    let keeper = Arc::new(Keeper::new("outside"));
    serve(&keeper);
    keeper.end();
    ExitCode::SUCCESS
}

fn serve(keeper: &Arc<Keeper>) {
    let net =
        Plan::new().directors(1).servers(2, Forwarding::Direct).vips(&["10.0.0.100"]).build(keeper);
    let d1 = net.host("d1");
    let moved = Command::new("ip").args(["link", "set", "vec0", "netns", &d1.namespace]).status();
    assert!(moved.is_ok_and(|status| status.success()), "vec0 is not there");
    d1.ip(&format!("address add {THERE}/24 dev vec0\nlink set vec0 up\n"));
    let servers = ["r1", "r2"].map(|name| Responder::start(net.host(name)));
    let config = format!("{CONFIG}web {{\n    listen {THERE}:9650\n}}\n");
    let daemon = Daemon::start(Evenkeel, d1, &config);
    let full = || kernel_view::weights(d1, "-t 10.0.0.100:80").len() == 2;
    wait_for(Duration::from_secs(60), "a full table", full);
    println!("{READY}");
    let deadline = Instant::now() + LIMIT - Duration::from_secs(60);
    let mut was_scraped = false;
    while Instant::now() < deadline && (is_scraped(d1) || !was_scraped) {
        was_scraped |= is_scraped(d1);
        for mode in [Mode::Fine, Mode::Refuse] {
            servers[1].switch(mode);
            std::thread::sleep(TURN);
        }
    }
    assert!(daemon.is_running(), "{}", daemon.logged());
    daemon.stop();
}

/// Whether Prometheus, at the other end, is there.
fn is_scraped(d1: &Host) -> bool {
    d1.try_run(&format!("curl -sf --max-time 5 http://{HERE}:9090/-/ready")).is_ok()
}
