//! Advertisements in authentication headers: read like others, from a socket of their own.

use vrrp::IfName;
use vrrp::io::socket::PACKETS_PER_TURN;

use super::CoreLoop;
use crate::router::channel::Report;

impl CoreLoop {
    /// Takes a turn's worth of packets from the socket, `rounds` times at most.
    pub(super) fn read_sealed(&mut self, interface: IfName, rounds: usize) {
        for _ in 0..rounds {
            let now = self.clock.now();
            let Some(socket) = self.sockets.sealed(interface) else { return };
            let routers = &mut self.routers;
            let received = socket.receive(&mut self.inbox, |packet| {
                // A refusal is counted by the core; nothing else comes of it.
                let _ = routers.handle_sealed(interface, packet, now);
            });
            match received {
                Ok(PACKETS_PER_TURN) => {}
                Ok(_) => return,
                Err(error) => {
                    if self.sockets.handle_sealed_error(interface, &error, now) {
                        let text =
                            format!("VRRP socket (AH) on {interface}: {error}; opened again soon");
                        self.end.report(Report::Trouble(text));
                    }
                    return;
                }
            }
        }
    }
}
