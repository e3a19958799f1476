//! What a real server costs while nothing is due: counted by the allocator, in a process that does nothing else.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: what cannot go on fails, and something has to begin"
)]

use std::fmt::Write;
use std::time::Instant;

use evenkeel::config::{self, Grammar, Host};
use evenkeel::lvs::idle::Idle;
use evenkeel::lvs::parcel::Packer;
use evenkeel::lvs::spec::{LvsSpec, ServiceSpec};

/// Bytes.
const BOUND: usize = 250;
/// With two notify scripts that others have as well.
const BOUND_TOLD: usize = 300;

/// Ten in each virtual server, each with a `TCP_CHECK` and with these lines.
fn section(servers: usize, lines: &str) -> Vec<u8> {
    let mut text = String::new();
    for service in 0..servers / 10 {
        let _ = writeln!(text, "virtual_server 10.1.{}.{} 80 {{", service / 250, 1 + service % 250);
        text.push_str(" delay_loop 10\n lb_algo wlc\n lb_kind DR\n protocol TCP\n");
        for at in service * 10..service * 10 + 10 {
            let _ = writeln!(text, " real_server 10.2.{}.{} 80 {{", at / 250, 1 + at % 250);
            text.push_str(lines);
            text.push_str("  weight 1\n  TCP_CHECK {\n   connect_timeout 3\n  }\n }\n");
        }
        text.push_str("}\n");
    }
    let read = config::load_text("idle.conf", text.as_bytes(), Grammar::Keepalived, Host::Any);
    let config = read.config.expect("a file without mistakes");
    let mut packer = Packer::default();
    let services = config.virtual_servers.iter().map(ServiceSpec::from);
    services.for_each(|service| packer.add(&service).unwrap());
    packer.finish(&LvsSpec::head(&config)).unwrap().concat()
}

#[test]
fn an_idle_real_server_is_small() {
    let allocated = || sys::memory::allocated().expect("a C library that counts");
    let mut held = Vec::new();
    let mut costs = |servers: usize, lines: &str| {
        let section = section(servers, lines);
        let before = allocated() - section.capacity();
        held.push(Idle::of(section, Instant::now()).unwrap());
        allocated() - before
    };
    let told =
        "  notify_up \"/usr/local/bin/told up\"\n  notify_down \"/usr/local/bin/told down\"\n";
    for (lines, bound) in [("", BOUND), (told, BOUND_TOLD)] {
        let (few, many) = (costs(1_000, lines), costs(11_000, lines));
        let each = (many - few) / 10_000;
        println!("{each} bytes");
        assert!(each <= bound, "{each} bytes of {bound}, with {lines:?}");
    }
}
