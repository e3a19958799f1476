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
    let one = |address: &SocketAddr| {
        let socket = match held.get(address) {
            Some(socket) => socket.try_clone(),
            None => listen(*address),
        };
        socket
            .map(|socket| (*address, socket))
            .map_err(|cause| format!("web: cannot listen on {address}: {cause}"))
    };
    header.listen.iter().flatten().map(one).collect()
}

fn listen(address: SocketAddr) -> io::Result<OwnedFd> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener.into())
}

impl Supervisor {
    /// At start a taken port is no reason not to serve: a director without metrics is better than none.
    pub(super) fn open_web_or_say(header: &Header) -> Sockets {
        open(header, &Sockets::new()).unwrap_or_else(|why| {
            error!("{why}; the director starts without");
            Sockets::new()
        })
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
        assert!(refused.contains(&at.to_string()), "{refused}");
        let held: Sockets = [(at, taken.into())].into();
        assert_eq!(open(&header(at), &held).unwrap().len(), 1);
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        assert_eq!(open(&header(any), &held).unwrap().into_keys().collect::<Vec<_>>(), [any]);
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
