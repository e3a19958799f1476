//! `evenkeel top` as an operator sees it: in a terminal (tmux), against a director that works.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::pair::{PRIORITIES, Pace, SERVICE, instance, service};
use crate::daemon::Daemon;
use crate::daemon::Kind::Evenkeel;
use crate::daemon::evenkeel;
use crate::host::{Host, wait_for};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::responder::Responder;
use crate::runner::Scenario;
use crate::tool::responder::Mode;
use crate::topology::{Forwarding, Plan};

pub(super) const SCENARIOS: &[Scenario] =
    &[Scenario::together("live_top_shows_a_dying_server_and_drains_after_a_question", 120, top)];

const LONG: Duration = Duration::from_secs(30);

/// A terminal without a person: a tmux server of its own.
struct Terminal {
    host: Host,
    socket: PathBuf,
}

impl Terminal {
    fn start(host: &Host, line: &str, width: u16, height: u16) -> Self {
        let socket = host.keeper.folder().join("tmux.socket");
        let terminal = Self { host: host.clone(), socket };
        terminal.tmux(&format!("new-session -d -x {width} -y {height} '{line}; sleep 1000'"));
        terminal
    }

    fn tmux(&self, words: &str) -> String {
        let socket = self.socket.display();
        self.host
            .run(&format!("env -u TMUX LC_ALL=C.UTF-8 tmux -u -f /dev/null -S {socket} {words}"))
    }

    fn screen(&self) -> String {
        self.tmux("capture-pane -p")
    }

    fn press(&self, key: &str) {
        self.tmux(&format!("send-keys {key}"));
    }

    /// Waits for a line that has all these words.
    fn shows(&self, words: &[&str]) {
        let found = || {
            let screen = self.screen();
            screen.lines().any(|line| words.iter().all(|word| line.contains(word)))
        };
        if !crate::host::holds_within(LONG, Duration::from_millis(200), found) {
            panic!("no line with {words:?}:\n{}", self.screen());
        }
    }
}

fn top(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).servers(2, Forwarding::Direct).build(keeper);
    let servers = ["r1", "r2"].map(|name| Responder::start(net.host(name)));
    let d1 = net.host("d1");
    let config = instance(Pace::Tenth, PRIORITIES[0], "") + &service(80, [2, 2]);
    let daemon = Daemon::start(Evenkeel, d1, &config);
    wait_for(LONG, "a full table", || kernel_view::weights(d1, SERVICE).len() == 2);

    let line = format!("{} top --runtime-dir {}", evenkeel(), daemon.runtime.display());
    let terminal = Terminal::start(d1, &line, 110, 24);
    terminal.shows(&["web", "MASTER"]);
    terminal.shows(&["TCP 10.0.0.100:80", "UP", "4", "2 of 2 up"]);
    terminal.shows(&["1/1 virtual", "2/2 real servers"]);

    servers[1].switch(Mode::Refuse);
    terminal.shows(&["10.0.0.12:80", "DOWN", "out", "refused"]);
    terminal.shows(&["real_server_down", "10.0.0.12:80"]);
    keeper.figure(&format!("\n{}", terminal.screen()));

    // The cursor stands on the instance: two lines down is the first real server.
    terminal.press("Down");
    terminal.press("Down");
    terminal.press("d");
    terminal.shows(&["drain 10.0.0.11:80 of TCP 10.0.0.100:80", "[y/N]"]);
    let weight = || kernel_view::weights(d1, SERVICE).into_values().collect::<Vec<u32>>();
    assert_eq!(weight(), [2], "a question changes nothing");
    terminal.press("y");
    wait_for(LONG, "the drain", || weight() == [0]);
    terminal.shows(&["10.0.0.11:80", "DRAIN", "draining by an operator"]);
    terminal.press("e");
    terminal.press("y");
    wait_for(LONG, "the end of the drain", || weight() == [2]);

    terminal.tmux("resize-window -x 40 -y 12");
    terminal.shows(&["10.0.0.12:80", "DOWN", "out"]);
    let screen = terminal.screen();
    assert!(screen.lines().count() <= 12 && screen.lines().all(|it| it.chars().count() <= 40));
    daemon.stop();
    terminal.shows(&["NO ANSWER"]);
    terminal.press("q");
    wait_for(LONG, "the terminal as it was", || !terminal.screen().contains("NO ANSWER"));
    terminal.tmux("kill-server");
}
