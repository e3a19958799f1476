//! Asks a network who has an address: an ARP probe (RFC 5227 section 2.1.1: it claims nothing and changes nobody's table)
//! or a neighbour solicitation (RFC 4861 section 4.3), and hears the answers. One task for each interface and family, all
//! owned and joined here. Who should have the address is not known here.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV6};
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::if_nametoindex;
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use sys::batch::{Datagram, Inbox};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::debug;
use vrrp::{Family, IfName};

use super::split_brain::{Mac, Question};

/// Questions that wait for one interface; more are not asked.
const QUESTIONS: usize = 64;
/// Answers that wait; more are lost, and asked for again.
const ANSWERS: usize = 256;
/// After a socket has failed.
const PAUSE: Duration = Duration::from_secs(2);

const ETHER_ARP: u16 = 0x0806;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// The hop limit of what was not forwarded (RFC 4861 section 7.1.2).
const HOPS: u8 = 255;

/// An answer: what was asked for, and who says to have it.
pub(super) type Answer = (Question, Mac);

/// All tasks.
#[derive(Debug)]
pub(super) struct Probers {
    tasks: JoinSet<()>,
    to: BTreeMap<(IfName, Family), mpsc::Sender<IpAddr>>,
    answer_to: mpsc::Sender<Answer>,
    answers: mpsc::Receiver<Answer>,
}

impl Default for Probers {
    fn default() -> Self {
        let (answer_to, answers) = mpsc::channel(ANSWERS);
        Self { tasks: JoinSet::new(), to: BTreeMap::new(), answer_to, answers }
    }
}

impl Probers {
    /// Asks. Inside a tokio runtime.
    pub(super) fn ask(&mut self, (interface, address): Question) {
        let family = Family::of(address);
        let (tasks, answers) = (&mut self.tasks, &self.answer_to);
        let to = self.to.entry((interface, family)).or_insert_with(|| {
            let (to, from) = mpsc::channel(QUESTIONS);
            tasks.spawn(run(interface, family, from, answers.clone()));
            to
        });
        // Full: the interface does not work, and the questions would be answered by nobody.
        let _ = to.try_send(address);
    }

    /// The next answer. May be dropped at any point.
    pub(super) async fn answer(&mut self) -> Option<Answer> {
        self.answers.recv().await
    }
}

/// Opens the socket anew whenever it fails: an interface may go and come back.
async fn run(
    interface: IfName,
    family: Family,
    mut questions: mpsc::Receiver<IpAddr>,
    answers: mpsc::Sender<Answer>,
) {
    loop {
        match Prober::open(interface, family) {
            Ok(prober) => {
                let Err(cause) = prober.serve(&mut questions, &answers).await else { return };
                debug!(%interface, %family, "probe socket: {cause}");
            }
            Err(cause) => debug!(%interface, %family, "no probe socket: {cause}"),
        }
        sleep(PAUSE).await;
    }
}

/// One socket.
struct Prober {
    socket: AsyncFd<OwnedFd>,
    interface: IfName,
    index: u32,
    own: Mac,
    inbox: Inbox,
}

impl Prober {
    #[expect(deprecated, reason = "sound here: the OwnedFd lives as long as the AsyncFd")]
    fn open(interface: IfName, family: Family) -> io::Result<Self> {
        let index = if_nametoindex(interface.as_str())?;
        let own = hardware(interface).ok_or(io::ErrorKind::AddrNotAvailable)?;
        let socket = match family {
            Family::V4 => open_arp(index)?,
            Family::V6 => open_icmpv6(interface, index)?,
        };
        let socket = AsyncFd::with_interest(OwnedFd::from(socket), Interest::READABLE)?;
        Ok(Self { socket, interface, index, own, inbox: Inbox::new(16, 128) })
    }

    /// Works until the questions end (`Ok`) or the socket fails.
    async fn serve(
        mut self,
        questions: &mut mpsc::Receiver<IpAddr>,
        answers: &mpsc::Sender<Answer>,
    ) -> io::Result<()> {
        loop {
            let mut readable = false;
            let asked = tokio::select! {
                question = questions.recv() => match question {
                    Some(address) => Some(address),
                    None => return Ok(()),
                },
                ready = self.socket.readable() => {
                    ready?.clear_ready();
                    readable = true;
                    None
                }
            };
            if let Some(address) = asked {
                self.ask(address)?;
            }
            if readable {
                match self.inbox.receive(self.socket.get_ref()) {
                    Ok(_) => {}
                    Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => continue,
                    Err(cause) => return Err(cause),
                }
                for datagram in self.inbox.datagrams() {
                    let answer = arp_answer(datagram.bytes).or_else(|| nd_answer(&datagram));
                    if let Some((address, mac)) = answer.filter(|(_, mac)| *mac != self.own) {
                        // Full: asked again soon.
                        let _ = answers.try_send(((self.interface, address), mac));
                    }
                }
            }
        }
    }

    fn ask(&self, address: IpAddr) -> io::Result<()> {
        let socket = socket2::SockRef::from(self.socket.get_ref());
        match address {
            IpAddr::V4(address) => {
                let frame = arp_probe(self.own, address);
                let to = sys::link::frame_destination(self.index, ETHER_ARP, [0xff; 6]);
                socket.send_to(&frame, &to)?;
            }
            IpAddr::V6(address) => {
                let message = solicitation(self.own, address);
                let to = SocketAddrV6::new(solicited_node(address), 0, 0, self.index);
                socket.send_to(&message, &to.into())?;
            }
        }
        Ok(())
    }
}

fn hardware(interface: IfName) -> Option<Mac> {
    let mut all = getifaddrs().ok()?;
    all.find_map(|one| {
        let link = one.address?.as_link_addr()?.addr()?;
        (one.interface_name == interface.as_str()).then_some(link)
    })
}

/// The interface's own link-local address: not a virtual one, which the kernel might choose as source, and which the
/// other holder would take for its own. Those that are generated have prefix 64 and come first.
fn link_local(interface: IfName) -> Option<Ipv6Addr> {
    let mut all = getifaddrs().ok()?;
    all.find_map(|one| {
        let address = one.address?.as_sockaddr_in6()?.ip();
        let is_own = one.interface_name == interface.as_str();
        (is_own && address.is_unicast_link_local()).then_some(address)
    })
}

fn open_arp(index: u32) -> io::Result<Socket> {
    // No protocol yet: nothing arrives before the filter stands.
    let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking().cloexec(), None)?;
    // Operation (half word at 20) is "reply": what claims are made by requests is heard by others.
    let filter = [
        SockFilter::new(0x28, 0, 0, 20),
        SockFilter::new(0x15, 0, 1, 2),
        SockFilter::new(0x06, 0, 0, 128),
        SockFilter::new(0x06, 0, 0, 0),
    ];
    socket.attach_filter(&filter)?;
    socket.bind(&sys::link::interface_address(index, ETHER_ARP))?;
    Ok(socket)
}

fn open_icmpv6(interface: IfName, index: u32) -> io::Result<Socket> {
    let kind = Type::RAW.nonblocking().cloexec();
    let socket = Socket::new(Domain::IPV6, kind, Some(Protocol::ICMPV6))?;
    sys::ip::receive_only_icmp6_type(&socket, ADVERTISEMENT)?;
    socket.bind_device(Some(interface.as_str().as_bytes()))?;
    socket.set_recv_hoplimit_v6(true)?;
    socket.set_multicast_hops_v6(u32::from(HOPS))?;
    socket.set_multicast_if_v6(index)?;
    socket.set_multicast_loop_v6(false)?;
    let source = link_local(interface).ok_or(io::ErrorKind::AddrNotAvailable)?;
    socket.bind(&SocketAddrV6::new(source, 0, 0, index).into())?;
    Ok(socket)
}

/// Who has `address`? From nobody.
fn arp_probe(own: Mac, address: Ipv4Addr) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend(own);
    frame.extend(ETHER_ARP.to_be_bytes());
    // Ethernet, IPv4, lengths, request (RFC 826).
    frame.extend([0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(own);
    frame.extend([0; 4 + 6]);
    frame.extend(address.octets());
    frame
}

fn solicitation(own: Mac, address: Ipv6Addr) -> Vec<u8> {
    // The kernel fills the checksum in. Option 1: source link-layer address.
    let mut message = vec![SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
    message.extend(address.octets());
    message.extend([1, 1]);
    message.extend(own);
    message
}

/// RFC 4291 section 2.7.1.
fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., high, low] = address.segments();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | high & 0xff, low)
}

/// The sender of an ARP reply, with the Ethernet header before it.
fn arp_answer(frame: &[u8]) -> Option<(IpAddr, Mac)> {
    let frame = frame.first_chunk::<42>()?;
    if frame[12..14] != ETHER_ARP.to_be_bytes() || frame[14..22] != [0, 1, 8, 0, 6, 4, 0, 2] {
        return None;
    }
    let mac = frame[22..28].try_into().ok()?;
    let address: [u8; 4] = frame[28..32].try_into().ok()?;
    Some((address.into(), mac))
}

/// The target of a neighbour advertisement that nobody forwarded.
fn nd_answer(datagram: &Datagram<'_>) -> Option<(IpAddr, Mac)> {
    let message = datagram.bytes.first_chunk::<32>()?;
    let is_answer = message[..2] == [ADVERTISEMENT, 0] && message[24..26] == [2, 1];
    if !is_answer || datagram.hop_limit != Some(HOPS) {
        return None;
    }
    let address: [u8; 16] = message[8..24].try_into().ok()?;
    let mac = message[26..32].try_into().ok()?;
    Some((address.into(), mac))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OWN: Mac = [2, 0, 0, 0, 0, 1];

    fn datagram(bytes: &[u8], hop_limit: Option<u8>) -> Datagram<'_> {
        let (source, destination, interface) = (None, None, None);
        Datagram { bytes, truncated: false, source, destination, interface, hop_limit }
    }

    #[test]
    fn an_arp_probe_is_a_request_from_nobody_and_no_answer() {
        let frame = arp_probe(OWN, Ipv4Addr::new(10, 0, 0, 100));
        assert_eq!(frame.len(), 42);
        assert_eq!(frame[28..32], [0; 4], "no sender address");
        assert_eq!(arp_answer(&frame), None);
        let mut reply = frame;
        (reply[21], reply[31]) = (2, 9);
        assert_eq!(arp_answer(&reply), Some((Ipv4Addr::new(0, 0, 0, 9).into(), OWN)));
        for cut in 0..42 {
            assert_eq!(arp_answer(&reply[..cut]), None);
        }
    }

    #[test]
    fn a_solicitation_goes_to_the_group_of_its_address() {
        let address: Ipv6Addr = "2001:db8::1:2345:6789".parse().unwrap();
        assert_eq!(solicited_node(address).to_string(), "ff02::1:ff45:6789");
        assert_eq!(solicitation(OWN, address)[8..24], address.octets());
    }

    #[test]
    fn only_an_unforwarded_advertisement_with_a_hardware_address_answers() {
        let address: Ipv6Addr = "2001:db8::100".parse().unwrap();
        let mut message = vec![ADVERTISEMENT, 0, 0, 0, 0x60, 0, 0, 0];
        message.extend(address.octets());
        message.extend([2, 1, 2, 0, 0, 0, 0, 7]);
        let wanted = (IpAddr::from(address), [2, 0, 0, 0, 0, 7]);
        assert_eq!(nd_answer(&datagram(&message, Some(255))), Some(wanted));
        assert_eq!(nd_answer(&datagram(&message, Some(254))), None);
        assert_eq!(nd_answer(&datagram(&message, None)), None);
        assert_eq!(nd_answer(&datagram(&message[..31], Some(255))), None);
    }

    proptest! {
        #[test]
        fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..80), hops in any::<u8>()) {
            if let Some((address, _)) = arp_answer(&bytes) {
                prop_assert!(address.is_ipv4() && bytes.len() >= 42);
            }
            if let Some((address, _)) = nd_answer(&datagram(&bytes, Some(hops))) {
                prop_assert!(address.is_ipv6() && hops == HOPS);
            }
        }
    }
}
