//! The smallest thing that can ask: what a check costs the machine when nothing is judged, kept or planned.
//!
//! One thread, epoll, one timer of 10 ms; each question costs socket, SO_LINGER, connect, one registration, close, and over
//! HTTP a write and a read.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{read, write};
use socket2::{Domain, Protocol, Socket, Type};

const TICK: Duration = Duration::from_millis(10);
const REQUEST: &[u8] = b"GET /health HTTP/1.0\r\nHost: lab\r\n\r\n";

struct Prober {
    epoll: Epoll,
    sockets: Vec<Option<Socket>>,
    http: bool,
    answered: u64,
}

/// Tool: `prober FIRST_ADDRESS COUNT LOOP_SECONDS SECONDS tcp|http`; 250 addresses in each /24. Prints how many answered.
pub(super) fn ask(
    first: &str,
    count: &str,
    period: &str,
    seconds: &str,
    kind: &str,
) -> Result<(), Box<dyn Error>> {
    let first = u32::from(first.parse::<Ipv4Addr>()?);
    let count: u32 = count.parse()?;
    let gap = Duration::from_secs(period.parse()?) / count;
    let (start, length) = (Instant::now(), Duration::from_secs(seconds.parse()?));
    // On a busy machine thousands of questions wait for their answers at once.
    setrlimit(Resource::RLIMIT_NOFILE, 65_536, 65_536)?;
    let epoll = Epoll::new(EpollCreateFlags::empty())?;
    let mut prober = Prober { epoll, sockets: Vec::new(), http: kind == "http", answered: 0 };
    let mut events = [EpollEvent::empty(); 256];
    let mut asked: u32 = 0;
    loop {
        let now = start.elapsed();
        if now >= length {
            break;
        }
        while gap * asked <= now {
            let place = asked % count;
            let address = Ipv4Addr::from(first + (place / 250) * 256 + place % 250);
            prober.start(SocketAddr::V4(SocketAddrV4::new(address, 80)))?;
            asked += 1;
        }
        let pause = TICK.saturating_sub(Duration::from_nanos(u64::from(
            (start.elapsed().as_nanos() % TICK.as_nanos()) as u32,
        )));
        let pause = EpollTimeout::try_from(pause)?;
        let ready = prober.epoll.wait(&mut events, pause)?;
        for event in &events[..ready] {
            prober.advance(*event)?;
        }
    }
    println!("{}", prober.answered);
    Ok(())
}

impl Prober {
    fn start(&mut self, target: SocketAddr) -> Result<(), Box<dyn Error>> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        socket.set_linger(Some(Duration::ZERO))?;
        let _in_progress = socket.connect(&target.into());
        let at = socket.as_raw_fd();
        let flags = EpollFlags::EPOLLOUT | EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
        self.epoll.add(&socket, EpollEvent::new(flags, at.cast_unsigned().into()))?;
        let place = usize::try_from(at)?;
        if self.sockets.len() <= place {
            self.sockets.resize_with(place + 1, || None);
        }
        self.sockets[place] = Some(socket);
        Ok(())
    }

    fn advance(&mut self, event: EpollEvent) -> Result<(), Box<dyn Error>> {
        let place = usize::try_from(event.data())?;
        let Some(socket) = self.sockets.get_mut(place).and_then(Option::take) else {
            return Ok(());
        };
        let is_bad = event.events().intersects(EpollFlags::EPOLLERR | EpollFlags::EPOLLHUP);
        if is_bad || !self.http {
            self.answered += u64::from(!is_bad);
            return Ok(());
        }
        if event.events().contains(EpollFlags::EPOLLIN) {
            let mut answer = [0; 4096];
            let socket = OwnedFd::from(socket);
            self.answered += u64::from(read(&socket, &mut answer).is_ok_and(|length| length > 12));
            return Ok(());
        }
        write(&socket, REQUEST)?;
        self.sockets[place] = Some(socket);
        Ok(())
    }
}
