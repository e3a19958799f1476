//! PURE: what FIFOs hear of virtual and real servers, in the words of keepalived 2.2 (ipwrapper.c). Later versions put a
//! NUL byte behind each line, which readers of lines find in front of the next one; we do not.

use ipvs::{DestinationKey, Protocol, ServiceKey};

/// A real server of a virtual server went up or down.
pub(super) fn real_server(server: DestinationKey, service: ServiceKey, up: bool) -> String {
    let address = format!("[{}]:{}:{}", server.addr, protocol_of(service), server.port);
    format!("RS {address} {} {}\n", name(service), word(up))
}

/// A virtual server has its quorum, or has lost it.
pub(super) fn virtual_server(service: ServiceKey, up: bool) -> String {
    format!("VS {} {}\n", name(service), word(up))
}

fn word(up: bool) -> &'static str {
    if up { "UP" } else { "DOWN" }
}

fn name(service: ServiceKey) -> String {
    match service {
        ServiceKey::Address { addr, port, .. } => {
            format!("[{addr}]:{}:{port}", protocol_of(service))
        }
        ServiceKey::Fwmark { mark, .. } => format!("FWM {mark}"),
    }
}

fn protocol_of(service: ServiceKey) -> &'static str {
    match service {
        ServiceKey::Address { protocol: Protocol::Udp, .. } => "udp",
        ServiceKey::Address { protocol: Protocol::Sctp, .. } => "sctp",
        ServiceKey::Address { protocol: Protocol::Tcp, .. } | ServiceKey::Fwmark { .. } => "tcp",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_keepalived() {
        let service: ServiceKey = "TCP 10.0.0.100:80".parse().unwrap();
        let server = DestinationKey { addr: "10.0.0.11".parse().unwrap(), port: 80 };
        assert_eq!(
            real_server(server, service, false),
            "RS [10.0.0.11]:tcp:80 [10.0.0.100]:tcp:80 DOWN\n"
        );
        assert_eq!(virtual_server(service, true), "VS [10.0.0.100]:tcp:80 UP\n");
        let mark: ServiceKey = "FWM 7".parse().unwrap();
        assert_eq!(virtual_server(mark, false), "VS FWM 7 DOWN\n");
    }
}
