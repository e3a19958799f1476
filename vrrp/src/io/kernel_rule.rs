//! Rules in the kernel: put there, taken away, listed. A listing is compared with what is wanted by [`is_rule`].

use std::io;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::route::RouteProtocol;
use netlink_packet_route::rule::{
    RuleAction as Action, RuleAttribute, RuleFlags, RuleMessage, RulePortRange, RuleUidRange,
};
use netlink_packet_route::{IpProtocol, RouteNetlinkMessage};
use nix::errno::Errno;

use super::address::Applied;
use super::error::Error;
use super::kernel_route::{family_of, one};
use super::netlink::{Request, Requests};
use crate::id::Family;
use crate::route::{Rule, RuleAction};

/// A rule as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentRule(RuleMessage);

impl Requests {
    /// Every rule of a family.
    pub fn list_rules(&mut self, family: Family) -> Result<Vec<PresentRule>, Error> {
        let mut request = RuleMessage::default();
        request.header.family = family_of(family);
        let mut found = Vec::new();
        self.dump(RouteNetlinkMessage::GetRule(request), |message| {
            if let RouteNetlinkMessage::NewRule(message) = message {
                found.push(PresentRule(message));
            }
        })?;
        Ok(found)
    }

    /// Puts a rule there.
    pub fn add_rule(&mut self, rule: &Rule) -> Result<io::Result<Applied>, Error> {
        let message = RouteNetlinkMessage::NewRule(rule_message(rule));
        let answer = self.transact(vec![Request { message, flags: NLM_F_CREATE | NLM_F_EXCL }])?;
        Ok(one(answer, &[Errno::EEXIST]))
    }

    /// Takes a rule away.
    pub fn remove_rule(&mut self, rule: &Rule) -> Result<io::Result<Applied>, Error> {
        let message = RouteNetlinkMessage::DelRule(rule_message(rule));
        let answer = self.transact(vec![Request { message, flags: 0 }])?;
        Ok(one(answer, &[Errno::ENOENT]))
    }
}

/// Whether a rule of the kernel's is the wanted one.
pub fn is_rule(wanted: &Rule, present: &PresentRule) -> bool {
    let PresentRule(RuleMessage { header, attributes, .. }) = present;
    let RuleMessage { header: own, attributes: needed, .. } = rule_message(wanted);
    let unspoken = |it: &RuleAttribute| matches!(it, RuleAttribute::Protocol(_));
    header.family == own.family
        && (header.src_len, header.dst_len, header.tos) == (own.src_len, own.dst_len, own.tos)
        && header.action == own.action
        && needed.iter().all(|it| unspoken(it) || attributes.contains(it))
}

fn rule_message(rule: &Rule) -> RuleMessage {
    let Rule {
        family,
        inverted,
        from,
        to,
        priority,
        tos,
        mark,
        input,
        output,
        suppress_prefix_length,
        suppress_interface_group,
        users,
        ip_protocol,
        source_ports,
        destination_ports,
        protocol,
        action,
        untracked: _,
    } = rule;
    let mut message = RuleMessage::default();
    message.header.family = family_of(*family);
    message.header.tos = *tos;
    message.header.src_len = from.map_or(0, |from| from.length);
    message.header.dst_len = to.map_or(0, |to| to.length);
    if *inverted {
        message.header.flags |= RuleFlags::Invert;
    }
    let ports = |(start, end): (u16, u16)| RulePortRange { start, end };
    let attributes = &mut message.attributes;
    attributes.push(RuleAttribute::Priority(*priority));
    attributes.extend(from.map(|from| RuleAttribute::Source(from.address)));
    attributes.extend(to.map(|to| RuleAttribute::Destination(to.address)));
    attributes.extend(input.map(|name| RuleAttribute::Iifname(name.to_string())));
    attributes.extend(output.map(|name| RuleAttribute::Oifname(name.to_string())));
    if let Some((mark, mask)) = mark {
        attributes.push(RuleAttribute::FwMark(*mark));
        attributes.push(RuleAttribute::FwMask(*mask));
    }
    attributes.extend(suppress_prefix_length.map(RuleAttribute::SuppressPrefixLen));
    attributes.extend(suppress_interface_group.map(RuleAttribute::SuppressIfGroup));
    attributes
        .extend(users.map(|(start, end)| RuleAttribute::UidRange(RuleUidRange { start, end })));
    attributes
        .extend(ip_protocol.map(|it| RuleAttribute::IpProtocol(IpProtocol::from(i32::from(it)))));
    attributes.extend(source_ports.map(|it| RuleAttribute::SourcePortRange(ports(it))));
    attributes.extend(destination_ports.map(|it| RuleAttribute::DestinationPortRange(ports(it))));
    attributes.push(RuleAttribute::Protocol(RouteProtocol::from(*protocol)));
    message.header.action = match action {
        RuleAction::Lookup(table) => {
            message.header.table = u8::try_from(*table).unwrap_or(0);
            attributes.push(RuleAttribute::Table(*table));
            Action::ToTable
        }
        RuleAction::LookupVrf => {
            // FRA_L3MDEV, which the crate does not name: one byte.
            attributes
                .push(RuleAttribute::Other(netlink_packet_core::DefaultNla::new(19, vec![1])));
            Action::ToTable
        }
        RuleAction::Goto(priority) => {
            attributes.push(RuleAttribute::Goto(*priority));
            Action::Goto
        }
        RuleAction::Nop => Action::Nop,
        RuleAction::Blackhole => Action::Blackhole,
        RuleAction::Unreachable => Action::Unreachable,
        RuleAction::Prohibit => Action::Prohibit,
    };
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Prefix;

    #[test]
    fn a_rule_is_known_by_all_that_it_says() {
        let rule = Rule {
            family: Family::V4,
            inverted: false,
            from: Some(Prefix::new("10.0.0.100".parse().unwrap(), 32)),
            to: None,
            priority: 100,
            tos: 0,
            mark: Some((5, 0xff)),
            input: None,
            output: None,
            suppress_prefix_length: None,
            suppress_interface_group: None,
            users: None,
            ip_protocol: None,
            source_ports: None,
            destination_ports: None,
            protocol: crate::route::VRRP_PROTOCOL,
            action: RuleAction::Lookup(1000),
            untracked: false,
        };
        let present = PresentRule(rule_message(&rule));
        assert!(is_rule(&rule, &present));
        assert!(!is_rule(&Rule { priority: 101, ..rule }, &present));
        assert!(!is_rule(&Rule { action: RuleAction::Nop, ..rule }, &present));
        assert!(!is_rule(&Rule { mark: Some((6, 0xff)), ..rule }, &present));
    }

    #[test]
    fn the_rules_of_this_host_are_listed() {
        let rules = Requests::open().unwrap().list_rules(Family::V4).unwrap();
        assert!(rules.len() >= 3, "local, main and default");
    }
}
