//! PURE: what the two directors of a pair say that does not go together. Each is right for itself, so that only the
//! two files, or the two readings of one shared file, show it.

use vrrp::{SignatureMode, SignatureSpec, Version};

use super::diagnostic::Diagnostic;
use super::landmarks::{Landmarks, Subject};
use super::model::{Config, Tracked, VrrpInstance};
use super::source::Span;

/// What is told of `own`, at its places. `name` is what the peer is called.
pub(super) fn contradictions(
    own: &Config,
    marks: &Landmarks,
    peer: &Config,
    name: &str,
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for instance in &own.instances {
        let same =
            |other: &&VrrpInstance| (other.vrid, other.family) == (instance.vrid, instance.family);
        // One router id may serve on several interfaces; the name tells which.
        let others = || peer.instances.iter().filter(same);
        let other = others().find(|other| other.name == instance.name).or_else(|| others().next());
        if let Some(other) = other {
            Pair { own: instance, other, marks, name }.tell(&mut found);
        }
    }
    found
}

/// One router id on both directors.
struct Pair<'a> {
    own: &'a VrrpInstance,
    other: &'a VrrpInstance,
    marks: &'a Landmarks,
    name: &'a str,
}

impl Pair<'_> {
    fn tell(&self, found: &mut Vec<Diagnostic>) {
        let Self { own, other, name, .. } = self;
        let mut differ = |keyword, what: String, help: &str| {
            if let Some(span) = self.place(keyword) {
                found.push(Diagnostic::warning("pair", span, what).help(help));
            }
        };
        if own.version != other.version {
            let (mine, theirs) = (number(own.version), number(other.version));
            let what =
                format!("version {mine} here, version {theirs} on {name}: neither hears the other");
            differ("version", what, "both become MASTER so: write one version on both");
        } else if own.version == Version::V2 && own.advert_int != other.advert_int {
            let (mine, theirs) = (own.advert_int.as_secs_f64(), other.advert_int.as_secs_f64());
            let what = format!(
                "advert_int {mine} s here, {theirs} s on {name}: version 2 refuses such a peer"
            );
            differ("advert_int", what, "both become MASTER so: write one interval on both");
        }
        if !is_heard(own.signature.as_ref(), other.signature.as_ref()) {
            let what = format!("{name} signs otherwise or not at all: it is not heard here");
            differ("auth_hmac", what, "both become MASTER so: write the same keys on both");
        }
        if own.authentication != other.authentication {
            let what = format!("another password or none on {name}: neither hears the other");
            differ("authentication", what, "both become MASTER so: write the same on both");
        }
        if own.priority.is_owner() && other.priority.is_owner() {
            let what = format!("priority 255 here and on {name}: both hold the addresses at once");
            differ("priority", what, "give one of them a lower priority");
        }
        self.addresses(found);
        self.weights(found);
    }

    /// Where a keyword stands, else the instance.
    fn place(&self, keyword: &'static str) -> Option<Span> {
        let name = || self.own.name.clone();
        let keyword = self.marks.place(&Subject::InstanceKeyword(name(), keyword));
        keyword.or_else(|| self.marks.place(&Subject::Instance(name())))
    }

    fn addresses(&self, found: &mut Vec<Diagnostic>) {
        let Self { own, other, name, .. } = self;
        for held in &own.virtual_addresses {
            let address = held.address;
            if other.virtual_addresses.iter().any(|theirs| theirs.address == address) {
                continue;
            }
            let subject = Subject::Address(own.name.clone(), address);
            let Some(span) = self.marks.place(&subject) else { continue };
            let message =
                format!("{address} is not among the addresses of router {} on {name}", own.vrid);
            let help = "it has no director once that one is MASTER: write it on both";
            found.push(Diagnostic::warning("pair", span, message).help(help));
        }
    }

    /// Whether everything that is tracked, failing together, lets the peer take over.
    fn weights(&self, found: &mut Vec<Diagnostic>) {
        let Self { own, other, name, .. } = self;
        let trackers = || own.track_scripts.iter().chain(&own.track_interfaces);
        let weighted: Vec<&Tracked> = trackers().filter(|one| one.weight.weight != 0).collect();
        // A tracker without weight is a fault, which always moves the addresses.
        let faults = trackers().any(|one| one.weight.weight == 0);
        let (mine, theirs) = (Reach::of(own), Reach::of(other));
        let usually_master = mine.best > theirs.best;
        if weighted.is_empty() || faults || !usually_master || own.priority.is_owner() {
            return;
        }
        let subject = |tracker: &Tracked| Subject::Tracker(own.name.clone(), tracker.name.clone());
        let Some(place) = self.marks.place(&subject(weighted[0])) else { return };
        let sum = mine.arithmetic(own);
        let told = if mine.worst >= theirs.best {
            let tie = if mine.worst == theirs.best { " (at a tie nobody takes over)" } else { "" };
            let message = format!(
                "too small to move the addresses: {sum}, and {name} has {}{tie}",
                theirs.best
            );
            let more = mine.best - theirs.best + 1;
            Diagnostic::warning("weak-weight", place, message).help(format!(
                "the weights must add up to {more} or more, or bring the priorities closer"
            ))
        } else if !other.preempt {
            let message = format!(
                "{sum} is below {} of {name}, but `nopreempt` there keeps it from taking over",
                theirs.best
            );
            Diagnostic::warning("weak-weight", place, message)
                .help("leave out the weight: what fails then is a fault, and the peer takes over")
        } else {
            return;
        };
        let mut told = told.with(self.place("priority"), "the priority");
        for tracker in &weighted[1..] {
            told = told.with(self.marks.place(&subject(tracker)), "counted too");
        }
        found.push(told);
    }
}

/// Between which priorities trackers move a router.
struct Reach {
    best: i32,
    worst: i32,
}

impl Reach {
    fn of(instance: &VrrpInstance) -> Self {
        let base = i32::from(u8::from(instance.priority));
        if instance.priority.is_owner() {
            return Self { best: base, worst: base };
        }
        let (bonus, malus) = sums(instance);
        Self { best: (base + bonus).clamp(1, 254), worst: (base + malus).clamp(1, 254) }
    }

    /// `150 - 20 - 10 = 120 at worst`.
    fn arithmetic(&self, instance: &VrrpInstance) -> String {
        let mut text = instance.priority.to_string();
        for tracker in instance.track_scripts.iter().chain(&instance.track_interfaces) {
            let weight = tracker.weight.weight;
            if weight < 0 {
                text += &format!(" - {} (`{}`)", weight.unsigned_abs(), tracker.name);
            }
        }
        match sums(instance) {
            (0, _) => format!("{text} = {} at worst", self.worst),
            (bonus, _) => {
                format!("{text} = {} at worst, {bonus} less than with everything well", self.worst)
            }
        }
    }
}

/// What weights add at best and take at worst.
fn sums(instance: &VrrpInstance) -> (i32, i32) {
    let weights = instance.track_scripts.iter().chain(&instance.track_interfaces);
    weights
        .map(|one| i32::from(one.weight.weight))
        .fold((0, 0), |(bonus, malus), weight| (bonus + weight.max(0), malus + weight.min(0)))
}

fn number(version: Version) -> u8 {
    match version {
        Version::V2 => 2,
        Version::V3 => 3,
    }
}

/// Whether a router with the one signature takes what one with the other sends.
fn is_heard(own: Option<&SignatureSpec>, other: Option<&SignatureSpec>) -> bool {
    let signs = |it: &&SignatureSpec| it.mode != SignatureMode::ReceiveOnly;
    match (own, other.filter(signs)) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some(own), None) => own.mode != SignatureMode::Enforce,
        (Some(own), Some(other)) => {
            let key = other.keys.iter().find(|(number, _)| *number == other.active);
            key.is_some_and(|key| own.keys.contains(key))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Asked, Grammar, Host, compare_with, load_text_as};

    /// What `lb1` is told of `lb2` in a shared text.
    fn told(text: &str) -> Vec<String> {
        let read = |id: &str| {
            let asked = Asked { host: Host::Any, id: Some(id.to_owned()) };
            load_text_as("k", text.as_bytes(), Grammar::Keepalived, &asked)
        };
        let (mut own, peer) = (read("lb1"), read("lb2"));
        compare_with(&mut own, &peer.config.unwrap(), "lb2");
        own.diagnostics.lines().collect()
    }

    fn instance(inside: &str) -> String {
        format!(
            "vrrp_script chk {{\n script true\n}}\nvrrp_instance V {{\n interface eth0\n virtual_router_id 5\n {inside}\n \
             @lb1 priority 150\n @lb2 priority 100\n}}\n"
        )
    }

    #[test]
    fn weights_that_cannot_move_the_addresses_are_told_with_their_sum() {
        let weak = "virtual_ipaddress {\n10.0.0.9\n}\ntrack_script {\n chk weight -20\n}\n\
                    track_interface {\n eth1 weight -30\n}";
        assert_eq!(
            told(&instance(weak)),
            [
                "k:11:2: warning: too small to move the addresses: 150 - 20 (`chk`) - 30 (`eth1`) = 100 at worst, and lb2 \
                 has 100 (at a tie nobody takes over) [weak-weight]; the priority at k:16:16; counted too at k:14:2 \
                 (help: the weights must add up to 51 or more, or bring the priorities closer)"
            ]
        );
        let enough = weak.replace("-30", "-31");
        assert_eq!(told(&instance(&enough)), [""; 0]);
        let stubborn = format!("{enough}\n@lb2 nopreempt");
        assert!(told(&instance(&stubborn))[0].contains("`nopreempt` there keeps it"));
        let fault = weak.replace(" weight -20", "");
        assert_eq!(told(&instance(&fault)), [""; 0]);
        let bonus = weak.replace("-20", "10").replace("-30", "10");
        assert!(told(&instance(&bonus))[0].contains("150 = 150 at worst, 20 less than"));
    }

    #[test]
    fn what_keeps_two_directors_from_hearing_each_other_is_told() {
        let both = |one: &str, two: &str| {
            told(&instance(&format!("virtual_ipaddress {{\n10.0.0.9\n}}\n@lb1 {one}\n@lb2 {two}")))
        };
        for (one, two, wanted) in [
            ("version 3", "version 2", "version 3 here, version 2 on lb2"),
            ("advert_int 2", "advert_int 1", "advert_int 2 s here, 1 s on lb2"),
            (
                "authentication { auth_type PASS\nauth_pass a }",
                "accept",
                "another password or none on lb2",
            ),
            ("virtual_ipaddress {\n10.0.0.8\n}", "accept", "10.0.0.8 is not among the addresses"),
        ] {
            let told = match one.contains('\n') {
                // A condition holds for one line.
                true => told(&instance(
                    "virtual_ipaddress {\n10.0.0.9\n@lb1 10.0.0.8\n}\nauthentication {\n@lb1 auth_type PASS\n\
                     @lb1 auth_pass a\n}",
                )),
                false => both(one, two),
            };
            assert!(told.iter().any(|line| line.contains(wanted)), "{wanted}: {told:#?}");
        }
        assert_eq!(both("accept", "accept").len(), 1, "the script that nothing tracks");
    }
}
