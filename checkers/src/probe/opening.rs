//! Connections that are opened to see whether they stand, and for nothing else: an epoll of their own, one descriptor to tokio.
//!
//! A socket that is closed leaves an epoll by itself, but tokio takes each of its own out by a call before. Of the few calls that a
//! `TCP_CHECK` costs that was one; here it is a share of a second `epoll_wait`, in which many are told of at once.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use socket2::Socket;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// So many are told of in one call.
const BATCH: usize = 128;

/// See the module. Whoever adds to it has [`Opening::drive`] polled by somebody.
#[derive(Debug)]
pub(crate) struct Opening {
    ready: AsyncFd<Ready>,
    waiting: Mutex<Waiting>,
}

/// As tokio takes it.
#[derive(Debug)]
struct Ready(Epoll);

impl AsRawFd for Ready {
    fn as_raw_fd(&self) -> RawFd {
        self.0.0.as_raw_fd()
    }
}

/// Who waits, by numbers that are never used again: what is told of a socket that has been closed since finds nobody.
#[derive(Debug, Default)]
struct Waiting {
    last: u64,
    states: HashMap<u64, State>,
}

#[derive(Debug)]
enum State {
    Waits(Option<Waker>),
    Told(EpollFlags),
}

impl Opening {
    /// Must be called within a tokio runtime with I/O.
    #[expect(deprecated, reason = "sound here: an `Epoll` owns its descriptor as long as it lives")]
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let ready = AsyncFd::with_interest(Ready(epoll), Interest::READABLE)?;
        Ok(Self { ready, waiting: Mutex::default() })
    }

    /// Waits until this connection stands or has failed; which of them, the flags say. The socket must outlive the waiting.
    pub(super) fn add(&self, socket: &Socket) -> io::Result<Told<'_>> {
        let number = {
            let mut waiting = self.waiting();
            waiting.last += 1;
            let number = waiting.last;
            waiting.states.insert(number, State::Waits(None));
            number
        };
        let told = Told { opening: self, number };
        let once = EpollFlags::EPOLLOUT | EpollFlags::EPOLLONESHOT;
        self.ready.get_ref().0.add(socket, EpollEvent::new(once, number))?;
        Ok(told)
    }

    /// Wakes those who are told of, for ever. May be dropped and called again at any point.
    pub(crate) async fn drive(&self) -> Infallible {
        loop {
            // An error means that the runtime is going.
            let Ok(mut ready) = self.ready.readable().await else { return pending().await };
            // All has been taken out: what comes after it will be a new edge.
            if self.take() < BATCH {
                ready.clear_ready();
            }
        }
    }

    /// Wakes those who can be told of in one call; how many they are.
    fn take(&self) -> usize {
        let mut events = [EpollEvent::empty(); BATCH];
        let count = self.ready.get_ref().0.wait(&mut events, EpollTimeout::ZERO).unwrap_or(0);
        let mut waiting = self.waiting();
        for event in events.iter().take(count) {
            waiting.tell(event.data(), event.events());
        }
        count
    }

    /// Nothing in here panics half-way: a poisoned lock guards what is whole.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn tell(&mut self, number: u64, flags: EpollFlags) {
        let Some(state) = self.states.get_mut(&number) else { return };
        if let State::Waits(Some(waker)) = std::mem::replace(state, State::Told(flags)) {
            waker.wake();
        }
    }
}

/// What becomes of one connection.
#[derive(Debug)]
pub(super) struct Told<'a> {
    opening: &'a Opening,
    number: u64,
}

impl Told<'_> {
    /// What is known when the time is over. Who was late himself has to look: an answer that came in time must count.
    pub(super) fn at_last(&self) -> Option<EpollFlags> {
        while self.opening.take() == BATCH {}
        match self.opening.waiting().states.get(&self.number) {
            Some(State::Told(flags)) => Some(*flags),
            Some(State::Waits(_)) | None => None,
        }
    }
}

impl Future for Told<'_> {
    type Output = EpollFlags;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<EpollFlags> {
        match self.opening.waiting().states.get_mut(&self.number) {
            Some(State::Told(flags)) => Poll::Ready(*flags),
            Some(State::Waits(waker)) => {
                *waker = Some(cx.waker().clone());
                Poll::Pending
            }
            // Only its own end takes it out.
            None => Poll::Pending,
        }
    }
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.opening.waiting().states.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Duration;

    use socket2::{Domain, Type};
    use tokio::time::timeout;

    use super::*;

    /// With room for all of them, as nobody accepts.
    fn listening() -> TcpListener {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(1024).unwrap();
        socket.into()
    }

    fn connecting(to: std::net::SocketAddr) -> Socket {
        let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None).unwrap();
        let _in_progress = socket.connect(&to.into());
        socket
    }

    #[tokio::test]
    async fn many_are_told_of_each_by_its_own_flags_and_leave_nothing_behind() {
        let opening = Opening::new().unwrap();
        let listener = listening();
        let good = listener.local_addr().unwrap();
        let bad = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let ask = async {
            for at in 0..3 * BATCH {
                let to = if at % 2 == 0 { good } else { bad };
                let socket = connecting(to);
                let flags = opening.add(&socket).unwrap().await;
                let failed = flags.intersects(EpollFlags::EPOLLERR | EpollFlags::EPOLLHUP);
                assert_eq!(failed, at % 2 == 1, "{at}: {flags:?}");
            }
        };
        tokio::select! {
            () = ask => {}
            never = opening.drive() => match never {},
        }
        assert!(opening.waiting().states.is_empty());
    }

    #[tokio::test]
    async fn what_nobody_has_driven_is_known_at_last() {
        let opening = Opening::new().unwrap();
        let listener = listening();
        let socket = connecting(listener.local_addr().unwrap());
        let mut told = opening.add(&socket).unwrap();
        timeout(Duration::from_millis(20), &mut told).await.expect_err("nobody drives");
        assert!(told.at_last().is_some_and(|flags| flags == EpollFlags::EPOLLOUT));
    }

    #[tokio::test]
    async fn more_than_one_call_tells_of_are_all_told_of() {
        let opening = Opening::new().unwrap();
        let listener = listening();
        let to = listener.local_addr().unwrap();
        let sockets: Vec<Socket> = (0..BATCH + 40).map(|_| connecting(to)).collect();
        let mut told: Vec<_> = sockets.iter().map(|socket| opening.add(socket).unwrap()).collect();
        // One is given up, and its socket with it, before it is told of.
        drop(told.pop());
        let all = async {
            for told in told {
                told.await;
            }
        };
        let within = timeout(Duration::from_secs(20), async {
            tokio::select! {
                () = all => {}
                never = opening.drive() => match never {},
            }
        });
        within.await.unwrap();
        assert!(opening.waiting().states.is_empty());
    }
}
