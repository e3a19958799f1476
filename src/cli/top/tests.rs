//! Whole screens, compared with `screens.txt`; EVENKEEL_REWRITE=1 writes it anew, to be read by eye. And what each key
//! does, for each kind of line.

use std::fmt::Write;
use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::{Color, Modifier};
use vrrp::{Counters as Counted, Family, State, Tracking, Version};

use super::draw::{Paint, draw};
use super::state::{Effect, Input, Look, Prompt, Top};
use crate::cli::events::Told;
use crate::lvs::counters::{Counters, RealServerCounters, VirtualServerCounters};
use crate::lvs::status::{
    CheckStatus, LvsStatus, OverrideStatus, RealServerStatus, VirtualServerStatus,
};
use crate::ops::severity::Severity;
use crate::ops::told::ReceiverStatus;
use crate::router::status::{AddressStatus, InstanceStatus, MasterStatus, VrrpStatus};
use crate::status::Status;
use crate::supervisor::status::{DirectorStatus, WorkerStatus};

const SCREENS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/top/screens.txt");

fn instance(name: &str, state: State) -> InstanceStatus {
    let master = MasterStatus {
        address: [10, 0, 0, 2].into(),
        priority: 150,
        interval_ms: 1000,
        heard_ms_ago: 400,
    };
    InstanceStatus {
        name: name.into(),
        interface: "eth0".into(),
        virtual_router_id: 51,
        family: Family::V4,
        version: Version::V2,
        state,
        for_ms: 125_000,
        priority: 120,
        effective_priority: 100,
        tracking: Tracking::default(),
        trackers: Vec::new(),
        resigned: false,
        waits_for_connections: false,
        transitions: Vec::new(),
        holding: state == State::Master,
        source: None,
        sync_group: None,
        master: (state == State::Backup).then_some(master),
        addresses: vec![AddressStatus {
            address: [10, 0, 0, 100].into(),
            prefix_length: 24,
            interface: "eth0".into(),
            present: state == State::Master,
        }],
        counters: Counted::default(),
        send_failures: 0,
    }
}

fn server(number: usize) -> RealServerStatus {
    let check = CheckStatus { kind: "HTTP_GET".into(), up: true, ..CheckStatus::default() };
    RealServerStatus {
        key: format!("10.0.0.{number}:80"),
        up: true,
        for_ms: Some(3_600_000),
        weight: Some(3),
        configured_weight: 3,
        checks: vec![check],
        ..RealServerStatus::default()
    }
}

fn service(key: &str, real_servers: Vec<RealServerStatus>) -> VirtualServerStatus {
    VirtualServerStatus {
        key: key.into(),
        scheduler: "wlc".into(),
        up: real_servers.iter().any(|server| server.up),
        live_weight: 6,
        quorum: 1,
        real_servers,
        ..VirtualServerStatus::default()
    }
}

fn status() -> Status {
    let worker = |role: &str| WorkerStatus {
        role: role.into(),
        state: "running".into(),
        pid: Some(7),
        restarts: 0,
    };
    let director = DirectorStatus {
        version: "0.1.0".into(),
        pid: 1,
        started_ms: 0,
        config: "/etc/evenkeel/evenkeel.kdl".into(),
        config_id: None,
        loaded_ms: 0,
        dropped_messages: 0,
        workers: ["lvs", "vrrp", "ops"].map(worker).into(),
    };
    let drained = RealServerStatus {
        weight: Some(0),
        overridden: Some(OverrideStatus {
            wish: "draining".into(),
            reason: Some("new disk".into()),
            ..OverrideStatus::default()
        }),
        ..server(4)
    };
    let failed = RealServerStatus {
        up: false,
        weight: None,
        for_ms: Some(242_000),
        // What a server answered is foreign text.
        cause: Some("answered 503 \u{1b}[2J (wanted 200-299)".into()),
        ..server(5)
    };
    let dead = RealServerStatus {
        up: false,
        weight: None,
        cause: Some("connect timed out after 3 s".into()),
        ..server(7)
    };
    let virtual_servers = vec![
        service("TCP 10.0.0.100:80", vec![server(3), drained, failed]),
        service("UDP 10.0.0.100:53", vec![dead]),
        service("FWM 1", vec![server(8), server(9)]),
    ];
    Status {
        director: Some(director),
        vrrp: Some(VrrpStatus {
            instances: vec![instance("VI_1", State::Master), instance("VI_2", State::Backup)],
            ..VrrpStatus::default()
        }),
        lvs: Some(LvsStatus { virtual_servers, ..LvsStatus::default() }),
        told: vec![ReceiverStatus {
            to: "mail relay:25".into(),
            waiting: 2,
            error: Some("connection refused".into()),
            ..ReceiverStatus::default()
        }],
    }
}

fn counters(step: u64) -> Counters {
    let stats = |connections| ipvs::Stats {
        connections,
        bytes_in: connections * 700,
        ..ipvs::Stats::default()
    };
    let row = |number, connections| RealServerCounters {
        key: format!("10.0.0.{number}:80"),
        connections: ipvs::Connections { active: 12, inactive: 12_345, persistent: 0 },
        stats: stats(connections),
    };
    // 10 connections in the first second, 20 in the second, 30 ...
    let counted = 5 * step * (step + 1);
    let first = VirtualServerCounters {
        key: "TCP 10.0.0.100:80".into(),
        stats: stats(counted),
        real_servers: vec![row(3, counted / 2), row(4, counted / 2)],
    };
    Counters { virtual_servers: vec![first], error: None }
}

#[expect(clippy::disallowed_methods, reason = "a base to count from")]
fn looked(paint: Paint) -> Top {
    let start = Instant::now();
    let mut top = Top::new(paint);
    for step in 0..12 {
        let at = start + Duration::from_secs(step);
        let look = Look { at, status: status(), counters: counters(step) };
        assert_eq!(top.handle(Input::Looked(Box::new(look))), Effect::None);
    }
    for (id, severity, name) in
        [(1, Severity::Warning, "real_server_down"), (2, Severity::Info, "override_set")]
    {
        top.handle(Input::Event(Told {
            id,
            // Noon, so that no time zone of a test's machine changes how wide it is.
            at_ms: 43_200_000,
            severity,
            name: name.into(),
            subject: "10.0.0.5:80 of TCP 10.0.0.100:80".into(),
            cause: "answered 503".into(),
        }));
    }
    top
}

fn press(top: &mut Top, keys: &str) -> Effect {
    let code = |letter| match letter {
        '↓' => KeyCode::Down,
        '↑' => KeyCode::Up,
        '↵' => KeyCode::Enter,
        '⎋' => KeyCode::Esc,
        '⌫' => KeyCode::Backspace,
        '⇣' => KeyCode::End,
        other => KeyCode::Char(other),
    };
    let event = |letter| KeyEvent::new(code(letter), KeyModifiers::NONE);
    keys.chars().fold(Effect::None, |_, letter| top.handle(Input::Key(event(letter))))
}

fn screen(top: &mut Top, width: u16, height: u16) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(top, frame)).unwrap();
    terminal
}

fn text(top: &mut Top, width: u16, height: u16) -> String {
    let terminal = screen(top, width, height);
    let buffer = terminal.backend().buffer();
    let mut text = String::new();
    for y in 0..height {
        let line: String = (0..width).map(|x| buffer[(x, y)].symbol()).collect();
        // The time of day is of the zone of whoever looks.
        let line = match line.get(..8).filter(|time| time.ends_with(":00:00")) {
            Some(_) => format!("HH:MM:SS{}", &line[8..]),
            None => line,
        };
        writeln!(text, "{}", line.trim_end()).unwrap();
    }
    text
}

#[test]
fn screens_are_as_they_stand_in_the_file() {
    let mut told = String::new();
    let mut show = |what: &str, keys: &str, width, height| {
        let mut top = looked(Paint::Colours);
        press(&mut top, keys);
        let screen = text(&mut top, width, height);
        writeln!(told, "=== {what}, {width} x {height}\n{screen}").unwrap();
    };
    show("at the start", "", 160, 24);
    show("usual", "↓↓↓", 100, 20);
    show("narrow", "↓↓↓", 60, 14);
    show("a phone", "", 36, 12);
    show("tiny", "", 12, 4);
    show("problems only", "!", 100, 18);
    show("searched", "/FWM↵", 100, 16);
    show("nothing found", "/nowhere", 100, 10);
    show("folded", "↓↓↵", 100, 14);
    show("a question", "↓↓↓d", 100, 14);
    show("a weight", "↓↓↓w50%", 100, 14);
    show("a weight is asked for", "↓↓↓w50%↵", 100, 14);
    show("not there", "d", 100, 14);
    show("scrolled to the end", "⇣", 100, 9);
    show("help", "?", 100, 18);
    if std::env::var_os("EVENKEEL_REWRITE").is_some() {
        std::fs::write(SCREENS, &told).unwrap();
    }
    let wanted = std::fs::read_to_string(SCREENS).unwrap_or_default();
    for (line, (told, wanted)) in told.lines().zip(wanted.lines()).enumerate() {
        assert_eq!(told, wanted, "line {}", line + 1);
    }
    assert_eq!(told.lines().count(), wanted.lines().count());
}

#[test]
fn no_size_of_terminal_breaks_the_screen() {
    let mut top = looked(Paint::Plain);
    press(&mut top, "⇣?");
    for width in [1, 2, 7, 23, 39, 40, 41, 80, 500] {
        for height in [1, 2, 3, 5, 15, 16, 60] {
            top.handle(Input::Resized);
            screen(&mut top, width, height);
        }
    }
}

#[test]
fn an_order_is_given_after_a_yes_and_never_before() {
    let drain = "/v1/real-servers/drain?servers=TCP%2010.0.0.100:80/10.0.0.3:80";
    let mut top = looked(Paint::Colours);
    // The cursor begins on the first instance.
    assert_eq!(press(&mut top, "d"), Effect::None);
    assert!(matches!(&top.prompt, Prompt::Said(Err(why)) if why.contains("no real server")));
    assert_eq!(press(&mut top, "↓↓↓d"), Effect::None);
    for no in ["n", "↵", "⎋", "d", "q"] {
        assert_eq!(press(&mut top, no), Effect::None, "{no} is no yes");
        assert_eq!(press(&mut top, "d"), Effect::None);
    }
    assert_eq!(press(&mut top, "y"), Effect::Order(drain.into()));
    assert_eq!(press(&mut top, "y"), Effect::None, "a yes counts once");
    for (key, path) in [("D", "disable"), ("e", "enable"), ("c", "check-now")] {
        press(&mut top, key);
        let wanted = drain.replace("drain", path);
        assert_eq!(press(&mut top, "y"), Effect::Order(wanted));
    }
    top.handle(Input::Done(Ok("draining: 10.0.0.3:80".into())));
    assert!(text(&mut top, 80, 10).ends_with("draining: 10.0.0.3:80\n"));
    press(&mut top, "gf");
    assert_eq!(press(&mut top, "y"), Effect::Order("/v1/instances/failover?instance=VI_1".into()));
    assert_eq!(press(&mut top, "q"), Effect::Quit);
    assert_eq!(top.handle(Input::End), Effect::Quit);
}

#[test]
fn a_weight_is_typed_checked_and_asked_for() {
    let mut top = looked(Paint::Colours);
    press(&mut top, "w");
    assert!(matches!(&top.prompt, Prompt::Said(Err(why)) if why.contains("no real server")));
    let wanted = "/v1/real-servers/weight?servers=TCP%2010.0.0.100:80/10.0.0.3:80&weight=50%25";
    assert_eq!(press(&mut top, "↓↓↓wx57⌫0%↵"), Effect::None, "letters are passed over");
    assert_eq!(press(&mut top, "y"), Effect::Order(wanted.into()));
    for (typed, why) in
        [("w↵", "is no weight"), ("w2000%↵", "is no weight"), ("w5%5↵", "no weight")]
    {
        press(&mut top, typed);
        assert!(matches!(&top.prompt, Prompt::Said(Err(said)) if said.contains(why)), "{typed}");
    }
    press(&mut top, "w7⎋");
    assert_eq!(top.prompt, Prompt::Said(Ok("not done".into())));
    assert_eq!(press(&mut top, "y"), Effect::None);
}

#[test]
fn the_cursor_stays_on_its_line_when_others_come_and_go() {
    let mut top = looked(Paint::Colours);
    press(&mut top, "⇣");
    let last = |top: &Top| {
        let rows = top.rows();
        format!("{:?}", rows[top.selected(&rows)].name())
    };
    assert!(last(&top).contains("10.0.0.9:80"), "{}", last(&top));
    #[expect(clippy::disallowed_methods, reason = "a look needs some time")]
    let at = Instant::now();
    let look = |status| Input::Looked(Box::new(Look { at, status, counters: Counters::default() }));
    let mut fewer = status();
    fewer.lvs.as_mut().unwrap().virtual_servers.remove(0);
    top.handle(look(fewer.clone()));
    assert!(last(&top).contains("10.0.0.9:80"), "{}", last(&top));
    // Its line is gone: the last that there is.
    fewer.lvs.as_mut().unwrap().virtual_servers.pop();
    top.handle(look(fewer));
    assert!(last(&top).contains("10.0.0.7:80"), "{}", last(&top));
    top.handle(look(Status::default()));
    assert_eq!(top.rows().len(), 0);
    assert_eq!(press(&mut top, "↓↑⇣↵dy"), Effect::None);
    top.handle(Input::Lost("no director answers".into()));
    assert!(text(&mut top, 80, 10).contains("NO ANSWER: no director answers"));
}

#[test]
fn colours_say_how_bad_it_is_and_no_color_leaves_none() {
    let colours = |paint| {
        let mut top = looked(paint);
        let terminal = screen(&mut top, 120, 24);
        let buffer = terminal.backend().buffer().clone();
        let found = |wanted: &str| {
            let line = (0..24).find_map(|y| {
                let line: String = (0..120).map(|x| buffer[(x, y)].symbol()).collect();
                line.find(wanted).map(|at| (u16::try_from(at).unwrap(), y))
            });
            buffer[line.unwrap_or_else(|| panic!("no {wanted}"))].clone()
        };
        (["BACKUP", "DOWN", "DRAIN", "MASTER"].map(|word| found(word).fg), buffer)
    };
    let (coloured, _) = colours(Paint::Colours);
    assert_eq!(coloured, [Color::Reset, Color::Red, Color::Yellow, Color::Green]);
    let (_, plain) = colours(Paint::Plain);
    assert!(plain.content().iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    assert!(plain.content().iter().any(|cell| cell.modifier.contains(Modifier::REVERSED)));
}
