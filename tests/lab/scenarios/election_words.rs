//! Words of an instance that change who becomes Master, when, and with which last word: each run with keepalived and the same
//! file where it has the word, with an instance beside it that has not.

use std::net::IpAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::instance_words::second_instance;
use super::pair::{Pace, VIP, VRID, instance};
use crate::capture::{Capture, Stamp};
use crate::daemon::Daemon;
use crate::daemon::Kind::{self, Evenkeel, Keepalived};
use crate::host::{Host, wait_for};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::runner::Scenario;
use crate::tool::forger;
use crate::topology::Plan;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together("election_words_a_better_router_waits_before_it_preempts", 180, delayed),
    Scenario::together("election_words_more_adverts_are_missed_before_a_takeover", 180, patient),
    Scenario::together("election_words_the_own_interface_is_no_fault", 120, untracked),
    Scenario::together("election_words_addresses_of_the_same_master_are_let_be", 120, unread),
    Scenario::together("election_words_what_a_master_answers", 240, answers),
    Scenario::together("election_words_a_late_master_yields", 120, late),
];

const PATIENCE: Duration = Duration::from_secs(40);
/// The instance beside the first: its number and address.
const OTHER: (u8, &str) = (52, "10.0.0.102");

fn holds(host: &Host) -> bool {
    kernel_view::holds(host, VIP)
}

fn holds_other(host: &Host) -> bool {
    kernel_view::holds(host, OTHER.1)
}

/// The first instance with the words, the other without; both at this priority.
fn both(priority: u8, words: &str) -> String {
    instance(Pace::Tenth, priority, words) + &second_instance("plain", priority, "")
}

/// When this host advertised the virtual router.
fn spoken(capture: &Capture, host: &Host, vrid: u8) -> Vec<Stamp> {
    let mut adverts = capture.adverts(vrid);
    adverts.retain(|packet| packet.source == IpAddr::V4(host.address));
    adverts.into_iter().map(|packet| packet.at).collect()
}

/// `preempt_delay`: that long a lesser Master is left alone, but not the place of a dead one.
fn delayed(keeper: &Arc<Keeper>) {
    const DELAY: Duration = Duration::from_secs(3);
    for kind in [Keepalived, Evenkeel] {
        let net = Plan::new().directors(2).clients(1).build(keeper);
        let [d1, d2] = ["d1", "d2"].map(|name| net.host(name));
        let capture = Capture::start(net.host("c1"));
        let lesser = Daemon::start(Evenkeel, d2, &both(100, ""));
        wait_for(PATIENCE, "the lesser one", || holds(d2) && holds_other(d2));

        let waits = |delay: Duration| both(150, &format!("preempt_delay {}", delay.as_secs()));
        let begun = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let better = Daemon::start(kind, d1, &waits(DELAY));
        wait_for(PATIENCE, "the better one", || {
            holds(d1) && holds_other(d1) && !holds(d2) && !holds_other(d2)
        });
        let first = spoken(&capture, d1, VRID)[0];
        let at_once = spoken(&capture, d1, OTHER.0)[0];
        keeper.figure(&format!(
            "{kind:?} preempted after {:?}, without the word after {:?}",
            first.saturating_sub(begun),
            at_once.saturating_sub(begun)
        ));
        assert!(first >= begun + DELAY, "{kind:?} did not wait");
        assert!(at_once + Duration::from_secs(1) < first, "{kind:?}: the other does not wait");

        // The holder dies without a word while the better one waits.
        better.stop();
        wait_for(PATIENCE, "the lesser one again", || holds(d2) && holds_other(d2));
        let better = Daemon::start(kind, d1, &waits(Duration::from_secs(300)));
        wait_for(PATIENCE, "the one without the word", || holds_other(d1));
        assert!(holds(d2) && !holds(d1), "{kind:?} waits");
        lesser.kill_all();
        wait_for(PATIENCE, "a takeover", || holds(d1));
        better.stop();
        keeper.end();
    }
}

/// `down_timer_adverts`, `vrrp_down_timer_adverts`: so many intervals of silence, and the skew.
fn patient(keeper: &Arc<Keeper>) {
    const MISSED: u32 = 12;
    let forms = [("", format!("down_timer_adverts {MISSED}")), ("vrrp_", String::new())];
    for (kind, (global, own)) in
        [Keepalived, Evenkeel].into_iter().flat_map(|kind| forms.iter().map(move |it| (kind, it)))
    {
        let net = Plan::new().directors(2).clients(1).build(keeper);
        let [d1, d2] = ["d1", "d2"].map(|name| net.host(name));
        let capture = Capture::start(net.host("c1"));
        let first = Daemon::start(Evenkeel, d1, &both(150, ""));
        wait_for(PATIENCE, "the first", || holds(d1) && holds_other(d1));
        let before = match *global {
            "" => String::new(),
            prefix => format!("global_defs {{\n{prefix}down_timer_adverts {MISSED}\n}}\n"),
        };
        let text = before
            + &both(100, own)
                .replace("vrrp_instance plain {", "vrrp_instance plain {\ndown_timer_adverts 3");
        let second = Daemon::start(kind, d2, &text);
        let heard = if kind == Keepalived { "BACKUP STATE" } else { "to=BACKUP" };
        wait_for(PATIENCE, "both to wait", || second.logged().matches(heard).count() >= 2);
        thread::sleep(Duration::from_millis(500));
        first.kill_all();
        wait_for(PATIENCE, "both takeovers", || holds(d2) && holds_other(d2));
        let took = [(VRID, VIP), OTHER].map(|(vrid, address)| {
            let (last, claim) = capture.takeover(vrid, d1, address).unwrap();
            claim.at - last.at
        });
        keeper.figure(&format!(
            "{kind:?} {global}: {:?} after {MISSED}, {:?} after 3",
            took[0], took[1]
        ));
        let interval = Pace::Tenth.interval();
        let skew = interval * (256 - 100) / 256;
        let least = [interval * MISSED + skew, interval * 3 + skew];
        for (took, least) in took.into_iter().zip(least) {
            // By the capture's clock, and with the leap of a busy machine.
            assert!(took + Duration::from_millis(5) >= least, "{kind:?} {global}: {took:?}");
            assert!(took < least + Duration::from_secs(5), "{kind:?} {global}: {took:?}");
        }
        second.stop();
        keeper.end();
    }
}

/// `dont_track_primary`: without a carrier it stays what it is.
fn untracked(keeper: &Arc<Keeper>) {
    for kind in [Keepalived, Evenkeel] {
        let net = Plan::new().directors(1).clients(1).build(keeper);
        let d1 = net.host("d1");
        let daemon = Daemon::start(kind, d1, &both(150, "dont_track_primary"));
        wait_for(PATIENCE, "both addresses", || holds(d1) && holds_other(d1));
        net.cut("d1");
        wait_for(PATIENCE, "the fault of the other", || !holds_other(d1));
        thread::sleep(Duration::from_secs(1));
        assert!(holds(d1), "{kind:?}: {}", daemon.logged());
        net.mend("d1");
        wait_for(PATIENCE, "the other again", || holds_other(d1));
        assert!(holds(d1), "{kind:?}: {}", daemon.logged());
        daemon.stop();
        keeper.end();
    }
}

/// `skip_check_adv_addr`: another list of the same Master is not looked at. Without it keepalived 2.2.7 drops what has
/// another list than its own and takes over; later ones, and evenkeel, say so and believe it.
fn unread(keeper: &Arc<Keeper>) {
    for kind in [Keepalived, Evenkeel] {
        let net = Plan::new().directors(2).build(keeper);
        let [d1, d2] = ["d1", "d2"].map(|name| net.host(name));
        let master = Daemon::start(Evenkeel, d1, &both(150, ""));
        wait_for(PATIENCE, "the first", || holds(d1) && holds_other(d1));
        let backup = Daemon::start(kind, d2, &both(100, "skip_check_adv_addr"));
        let waits = if kind == Keepalived { "BACKUP STATE" } else { "to=BACKUP" };
        wait_for(PATIENCE, "both to wait", || backup.logged().matches(waits).count() >= 2);
        // It knows the sender by now.
        thread::sleep(Duration::from_secs(1));
        assert!(!holds(d2) && !holds_other(d2), "one list on both: {}", backup.logged());
        let more = both(150, "").replace("/32\n", "/32\n10.0.0.110/32\n10.0.0.111/32\n");
        master.reload(&more);
        wait_for(PATIENCE, "another list", || kernel_view::holds(d1, "10.0.0.111"));
        match kind {
            Keepalived => wait_for(PATIENCE, "the other to drop it", || holds_other(d2)),
            Evenkeel | Kind::Observer => {
                wait_for(PATIENCE, "the other to say so", || mismatches(&backup, "plain") > 10)
            }
        };
        thread::sleep(Duration::from_secs(1));
        assert!(!holds(d2), "{kind:?} believes it: {}", backup.logged());
        if kind == Evenkeel {
            assert!(!holds_other(d2), "evenkeel believes either: {}", backup.logged());
            assert_eq!(mismatches(&backup, "web"), 0);
        }
        backup.stop();
        master.stop();
        keeper.end();
    }
}

/// How many advertisements with another list than its own this instance has heard.
fn mismatches(daemon: &Daemon, name: &str) -> u64 {
    let json = daemon.command("status --json").unwrap_or_default();
    let status: Value = serde_json::from_str(&json).unwrap_or_default();
    let instances = status["vrrp"]["instances"].as_array().cloned().unwrap_or_default();
    let one = instances.iter().find(|it| it["name"] == name).unwrap();
    one["counters"]["address_mismatch"].as_u64().unwrap()
}

/// `lower_prio_no_advert`, `higher_prio_send_advert`, and both for all instances.
fn answers(keeper: &Arc<Keeper>) {
    const OWN: &str = "lower_prio_no_advert\nhigher_prio_send_advert";
    const NOT: &str = "lower_prio_no_advert off\nhigher_prio_send_advert off";
    let globally = "global_defs {\nvrrp_lower_prio_no_advert\nvrrp_higher_prio_send_advert\n}\n";
    let own = |kind| (kind, String::new(), OWN, "");
    let forms = [own(Keepalived), own(Evenkeel), (Evenkeel, globally.to_owned(), "", NOT)];
    for (kind, before, with, without) in forms {
        let net = Plan::new().directors(1).clients(1).build(keeper);
        let (d1, client) = (net.host("d1"), net.host("c1"));
        let capture = Capture::start(client);
        // So seldom that an answer is not taken for the next advertisement.
        let slow = |text: String| {
            text.replace("advert_int 0.1", "advert_int 3").replace("state BACKUP", "state MASTER")
        };
        let text = before
            + &slow(instance(Pace::Tenth, 150, with))
            + &slow(second_instance("plain", 150, without));
        let daemon = Daemon::start(kind, d1, &text);
        wait_for(PATIENCE, "a word of both", || {
            [VRID, OTHER.0].iter().all(|vrid| !spoken(&capture, d1, *vrid).is_empty())
        });
        lesser(keeper, kind, &capture, [d1, client]);
        better(&capture, [d1, client]);
        // A planned stop would wait for the next Master, as slowly as they advertise.
        daemon.kill_all();
        keeper.end();
    }
}

/// The first is silent to a lesser Master, the other answers.
fn lesser(keeper: &Arc<Keeper>, kind: Kind, capture: &Capture, [d1, client]: [&Host; 2]) {
    const SAID: usize = 6;
    let count = || [VRID, OTHER.0].map(|vrid| spoken(capture, d1, vrid).len());
    let before = count();
    for _ in 0..SAID {
        forger::advertise(client, VRID, 50, VIP, "224.0.0.18", 255);
        forger::advertise(client, OTHER.0, 50, OTHER.1, "224.0.0.18", 255);
    }
    let answered = || [0, 1].map(|at| count()[at] - before[at]);
    wait_for(PATIENCE, "an answer to each", || answered()[1] >= SAID);
    let [silent, answers] = answered();
    keeper.figure(&format!("{kind:?} to {SAID} lesser: {silent} with the word, {answers} without"));
    assert!(silent < SAID / 2, "{kind:?}: {silent} of {answers}");
}

/// The first has a last word for a better Master, the other yields in silence and speaks again when that one is missed.
fn better(capture: &Capture, [d1, client]: [&Host; 2]) {
    // What is forged is to be followed by another in 100 ms: before three of them nobody is missed.
    let missed = Pace::Tenth.interval() * 3;
    let has_last_word = |vrid| {
        let forged = spoken(capture, client, vrid).pop().unwrap();
        spoken(capture, d1, vrid).into_iter().any(|at| at > forged && at < forged + missed)
    };
    wait_for(PATIENCE, "a last word", || {
        forger::advertise(client, VRID, 200, VIP, "224.0.0.18", 255);
        forger::advertise(client, OTHER.0, 200, OTHER.1, "224.0.0.18", 255);
        thread::sleep(Duration::from_millis(1500));
        assert!(!has_last_word(OTHER.0), "without the word it yields in silence");
        has_last_word(VRID)
    });
}

/// `timer_expired_backup` (keepalived 2.2.7 does not know it): a Master whose process stood still leaves the addresses to who took
/// them meanwhile, if that one's priority is no higher than the word says.
fn late(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(2).clients(1).build(keeper);
    let [d1, d2] = ["d1", "d2"].map(|name| net.host(name));
    let text = instance(Pace::Tenth, 150, "nopreempt\ntimer_expired_backup 120")
        + &second_instance("plain", 150, "nopreempt");
    let first = Daemon::start(Evenkeel, d1, &text);
    wait_for(PATIENCE, "the first", || holds(d1) && holds_other(d1));
    let second = Daemon::start(Evenkeel, d2, &both(100, ""));
    wait_for(PATIENCE, "both to wait", || second.logged().matches("to=BACKUP").count() >= 2);
    let worker = Pid::from_raw(first.worker("vrrp").unwrap());
    kill(worker, Signal::SIGSTOP).unwrap();
    wait_for(PATIENCE, "the second, of both", || holds(d2) && holds_other(d2));
    kill(worker, Signal::SIGCONT).unwrap();
    wait_for(PATIENCE, "the better one of the other only", || {
        holds(d2) && !holds(d1) && holds_other(d1) && !holds_other(d2)
    });
    thread::sleep(Duration::from_secs(1));
    assert!(holds(d2) && !holds(d1), "and it stays so: {}", first.logged());
    assert_eq!(first.worker("vrrp"), Some(worker.as_raw()), "the same process");
}
