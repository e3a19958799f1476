//! The listening sockets of `web`. They live here because the ops worker has no right to ports below 1024, and so that
//! they outlast a restart of that worker.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use tracing::error;

use super::Supervisor;
use crate::message::{Message, Role};
use crate::spec_file::Header;

/// Listening sockets by address.
pub(super) type Sockets = BTreeMap<SocketAddr, OwnedFd>;

/// What `header` asks for: sockets that `held` has are shared, the others are opened.
pub(super) fn open(header: &Header, held: &Sockets) -> Result<Sockets, String> {
    header.listen.iter().flatten().map(|address| one(*address, held)).collect()
}

fn one(address: SocketAddr, held: &Sockets) -> Result<(SocketAddr, OwnedFd), String> {
    let socket = match held.get(&address) {
        Some(socket) => socket.try_clone(),
        None => listen(address),
    };
    socket
        .map(|socket| (address, socket))
        .map_err(|cause| format!("web: cannot listen on {address}: {}", explained(address, &cause)))
}

/// What the operator can do about it.
fn explained(address: SocketAddr, cause: &io::Error) -> String {
    let port = address.port();
    match cause.kind() {
        io::ErrorKind::AddrInUse => {
            format!("another program has that port (`ss -ltnp sport = :{port}` names it)")
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("no interface of this host has {} (`ip address` lists them)", address.ip())
        }
        _ => cause.to_string(),
    }
}

fn listen(address: SocketAddr) -> io::Result<OwnedFd> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener.into())
}

impl Supervisor {
    /// At start a taken port is no reason not to serve: a director without metrics is better than none, and one address
    /// less is no reason to leave out the others.
    pub(super) fn open_web_or_say(header: &Header) -> Sockets {
        let opened = header.listen.iter().flatten().map(|address| one(*address, &Sockets::new()));
        let said = opened.filter_map(|opened| {
            opened
                .inspect_err(|why| {
                    error!("{why}; no page and no metrics there until a reload finds it free");
                })
                .ok()
        });
        said.collect()
    }

    /// Gives the ops worker its sockets.
    pub(super) fn send_web(&mut self) {
        let shared =
            |(address, socket): (&SocketAddr, &OwnedFd)| Some((*address, socket.try_clone().ok()?));
        let sockets: Vec<_> = self.web.iter().filter_map(shared).collect();
        for (address, socket) in sockets {
            self.send(Role::Ops, &Message::ListenWeb(address), Some(socket));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_shared_opened_and_refused() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = taken.local_addr().unwrap();
        let header = |address| {
            let mut listen = [None; 4];
            listen[0] = Some(address);
            header_with(listen)
        };
        let refused = open(&header(at), &Sockets::new()).unwrap_err();
        assert!(refused.contains(&format!("{at}: another program has that port")), "{refused}");
        let held: Sockets = [(at, taken.into())].into();
        assert_eq!(open(&header(at), &held).unwrap().len(), 1);
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        assert_eq!(open(&header(any), &held).unwrap().into_keys().collect::<Vec<_>>(), [any]);
    }

    #[test]
    fn at_start_a_taken_port_leaves_the_others() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = taken.local_addr().unwrap();
        let nowhere: SocketAddr = "192.0.2.1:9650".parse().unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let header = header_with([Some(at), Some(nowhere), Some(any), None]);
        let opened = Supervisor::open_web_or_say(&header);
        assert_eq!(opened.into_keys().collect::<Vec<_>>(), [any]);
        let refused = open(&header_with([Some(nowhere), None, None, None]), &Sockets::new());
        assert!(refused.unwrap_err().contains("no interface of this host has 192.0.2.1"));
    }

    fn header_with(listen: [Option<SocketAddr>; 4]) -> Header {
        let file = crate::spec_file::create().unwrap();
        let addresses: Vec<SocketAddr> = listen.into_iter().flatten().collect();
        let wait = std::time::Duration::ZERO;
        let sections = crate::spec_file::Sections::default();
        sections.write(file.try_clone().unwrap(), wait, &addresses, Default::default()).unwrap();
        crate::spec_file::header(&file).unwrap()
    }
}
