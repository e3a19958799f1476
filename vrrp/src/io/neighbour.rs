//! Neighbours that did not answer. While a cable is out nobody does, and the kernel asks again only once a second: what
//! was asked during the outage would hold up, for up to a second after it, all that is sent to that neighbour.

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::neighbour::{NeighbourMessage, NeighbourState};

use super::error::Error;
use super::netlink::{Request, Requests};

impl Requests {
    /// Forgets who did not answer on this interface, so that the next packet asks at once; how many there were.
    pub fn forget_unanswered(&mut self, interface: u32) -> Result<usize, Error> {
        let mut unanswered = Vec::new();
        let all = RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default());
        self.dump(all, |message| {
            if let RouteNetlinkMessage::NewNeighbour(message) = message
                && is_unanswered(&message, interface)
            {
                unanswered.push(message);
            }
        })?;
        let count = unanswered.len();
        let request =
            |message| Request { message: RouteNetlinkMessage::DelNeighbour(message), flags: 0 };
        // Answered or gone meanwhile: all the better.
        self.transact(unanswered.into_iter().map(request).collect())?;
        Ok(count)
    }
}

fn is_unanswered(message: &NeighbourMessage, interface: u32) -> bool {
    let is_open =
        matches!(message.header.state, NeighbourState::Incomplete | NeighbourState::Failed);
    is_open && message.header.ifindex == interface
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_of_the_interface_that_did_not_answer_are_forgotten() {
        let neighbour = |ifindex, state| {
            let mut message = NeighbourMessage::default();
            message.header.ifindex = ifindex;
            message.header.state = state;
            message
        };
        assert!(is_unanswered(&neighbour(2, NeighbourState::Incomplete), 2));
        assert!(is_unanswered(&neighbour(2, NeighbourState::Failed), 2));
        assert!(!is_unanswered(&neighbour(3, NeighbourState::Failed), 2));
        for state in [NeighbourState::Reachable, NeighbourState::Permanent, NeighbourState::Probe] {
            assert!(!is_unanswered(&neighbour(2, state), 2));
        }
    }

    #[test]
    fn an_interface_without_neighbours_has_none_to_forget() {
        let mut requests = Requests::open().unwrap();
        assert_eq!(requests.forget_unanswered(0x7fff_fff0).unwrap(), 0);
    }
}
