//! PURE: the screen: who runs, what is wrong, the list, the latest events, and a line for keys and questions.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};
use vrrp::State;

use super::columns::Columns;
use super::rates::{Measured, plot};
use super::rows::Row;
use super::state::{Prompt, Top, Weighed};
use crate::cli::clock;
use crate::cli::events::Told;
use crate::explain::duration;
use crate::lvs::status::{RealServerStatus, VirtualServerStatus};
use crate::ops::severity::Severity;
use crate::router::status::InstanceStatus;

/// Most lines of what is wrong; more are counted.
const WRONG: usize = 3;
/// Lines of events, where there is room.
const TAIL: u16 = 5;
/// Without so many lines there is no room for events.
const ROOM_FOR_EVENTS: u16 = 16;

const KEYS: &str = "q quit  ? help  ↑↓ move  ↵ fold  d drain  D disable  e enable  w weight  c check now  f failover  / search  ! problems";
const HELP: &[(&str, &str)] = &[
    ("↑ ↓ j k", "move; PgUp PgDn Home End too"),
    ("↵", "fold or unfold a virtual server; a: all of them"),
    ("/", "show what contains a text; Esc shows all"),
    ("!", "only what is not as it should be"),
    ("d", "drain the real server: no new connections"),
    ("D", "disable it: out of the pool at once"),
    ("e", "enable it: its checks decide again"),
    ("w", "give it another weight: N, or N% of its own"),
    ("c", "ask its checks now"),
    ("f", "hand the VRRP instance over to the peer"),
    ("q", "quit"),
];

/// Whether there are colours. Without them (`NO_COLOR`) bold and reversed letters remain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paint {
    Colours,
    Plain,
}

impl Paint {
    /// <https://no-color.org>: the variable's presence counts.
    pub(super) fn of_environment(no_color: bool) -> Self {
        if no_color { Self::Plain } else { Self::Colours }
    }

    fn colour(self, colour: Color) -> Style {
        match self {
            Self::Colours => Style::new().fg(colour),
            Self::Plain => Style::new(),
        }
    }

    fn good(self) -> Style {
        self.colour(Color::Green)
    }

    fn odd(self) -> Style {
        self.colour(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    fn bad(self) -> Style {
        self.colour(Color::Red).add_modifier(Modifier::BOLD)
    }

    fn quiet(self) -> Style {
        self.colour(Color::DarkGray)
    }
}

/// The whole screen, whatever its size.
pub(super) fn draw(top: &mut Top, frame: &mut Frame<'_>) {
    let area = frame.area();
    let head = head(top);
    let tail = if area.height >= ROOM_FOR_EVENTS { TAIL + 1 } else { 0 };
    let above = u16::try_from(head.len()).unwrap_or(u16::MAX).min(area.height.saturating_sub(2));
    let parts = Layout::vertical([
        Constraint::Length(above),
        Constraint::Length(1),
        Constraint::Min(0),
        Constraint::Length(tail),
        Constraint::Length(1),
    ]);
    let [above, titles, list, tail, last] = parts.areas(area);
    top.fit(list.height.into());
    let columns = Columns::of(area.width.into());
    frame.render_widget(Paragraph::new(head), above);
    frame.render_widget(Paragraph::new(title(columns, top.paint)), titles);
    frame.render_widget(Paragraph::new(lines(top, columns, list)), list);
    frame.render_widget(Paragraph::new(events(top, tail)), tail);
    frame.render_widget(Paragraph::new(prompt(top)), last);
    if top.help {
        help(frame, area);
    }
}

// --- who runs and what is wrong ---

fn head(top: &Top) -> Vec<Line<'static>> {
    let mut lines = vec![summary(top)];
    let mut wrong = wrong(top);
    let hidden = wrong.len().saturating_sub(WRONG);
    if hidden > 0 {
        wrong.truncate(WRONG);
        wrong.push(Line::styled(format!("and {hidden} more"), top.paint.bad()));
    }
    lines.extend(wrong);
    lines
}

fn summary(top: &Top) -> Line<'static> {
    let mut spans = Vec::new();
    if let Some(director) = &top.status.director {
        let file = director.config.rsplit('/').next().unwrap_or_default();
        let bold = Style::new().add_modifier(Modifier::BOLD);
        spans.push(Span::styled(format!("evenkeel {} {file}", director.version), bold));
        for worker in director.workers.iter().filter(|worker| worker.state != "idle") {
            let well = worker.state == "running";
            let style = if well { top.paint.good() } else { top.paint.bad() };
            spans.push(Span::styled(format!("  {}", worker.role), style));
        }
    }
    if let Some(lvs) = &top.status.lvs {
        let servers = || lvs.virtual_servers.iter().flat_map(|service| &service.real_servers);
        let services =
            (lvs.virtual_servers.iter().filter(|it| it.up).count(), lvs.virtual_servers.len());
        let servers = (servers().filter(|it| it.up).count(), servers().count());
        for ((up, all), what) in [(services, "virtual"), (servers, "real servers")] {
            let style = if up == all { Style::new() } else { top.paint.odd() };
            spans.push(Span::styled(format!("  {up}/{all} {what}"), style));
        }
        let new = top.rates.total().back().copied().unwrap_or(0);
        spans.push(Span::raw(format!("  {new} conn/s ")));
        spans.push(Span::styled(plot(top.rates.total(), 20), top.paint.quiet()));
    }
    Line::from(spans)
}

fn wrong(top: &Top) -> Vec<Line<'static>> {
    let mut texts = Vec::new();
    texts.extend(top.lost.as_ref().map(|why| format!("NO ANSWER: {why}")));
    if let Some(vrrp) = &top.status.vrrp {
        let alarm = |it: &crate::router::status::AlarmStatus| {
            let (name, lasted) = (it.alarm.name(), duration(it.for_ms));
            format!("ALARM {name}: {}: {} (for {lasted})", it.subject, it.text)
        };
        texts.extend(vrrp.alarms.iter().map(alarm));
        let down = vrrp.bfd.iter().filter(|session| session.state != bfd::State::Up);
        texts.extend(
            down.map(|it| format!("bfd_instance {}: {} ({})", it.name, it.state, it.diagnostic)),
        );
    }
    if let Some(lvs) = &top.status.lvs {
        let lagging = |it: &VirtualServerStatus| {
            it.lagging
                .as_ref()
                .map(|why| format!("{}: the kernel's table lags behind: {why}", it.key))
        };
        texts.extend(lvs.virtual_servers.iter().filter_map(lagging));
        texts.extend(lvs.sysctl_errors.iter().map(|why| format!("lvs_sysctl: {why}")));
    }
    for receiver in &top.status.told {
        let why = receiver.error.as_ref();
        texts.extend(why.map(|why| format!("{}: {why} ({} wait)", receiver.to, receiver.waiting)));
    }
    texts.into_iter().map(|text| Line::styled(text, top.paint.bad())).collect()
}

// --- the list ---

fn title(columns: Columns, paint: Paint) -> Line<'static> {
    let mut line = Cells::new();
    line.left("NAME", columns.name, Style::new());
    line.left("STATE", columns.state, Style::new());
    for (title, width) in [
        ("WEIGHT", columns.weight),
        ("ACTIVE", columns.active),
        ("INACTIVE", columns.inactive),
        ("CONN/S", columns.rate),
        ("BYTES/S", columns.bytes),
    ] {
        line.right(title, width, Style::new());
    }
    line.plot(String::new(), columns.plot, Style::new());
    line.why("  SINCE, WHY", columns.why, Style::new());
    line.line().style(match paint {
        Paint::Colours => Style::new().fg(Color::Black).bg(Color::Gray),
        Paint::Plain => Style::new().add_modifier(Modifier::UNDERLINED),
    })
}

fn lines(top: &Top, columns: Columns, area: Rect) -> Vec<Line<'static>> {
    let rows = top.rows();
    if rows.is_empty() {
        let why = match (top.filter.text.as_str(), top.filter.problems) {
            ("", false) => "nothing is configured".to_owned(),
            ("", true) => "everything is as it should be".to_owned(),
            (text, _) => format!("nothing contains `{text}`"),
        };
        return vec![Line::styled(why, top.paint.quiet())];
    }
    let selected = top.selected(&rows);
    let shown = rows.iter().enumerate().skip(top.offset).take(area.height.into());
    let line = |(at, row): (usize, &Row<'_>)| {
        let line = match row {
            Row::Instance(it) => instance(it, columns, top.paint),
            Row::Service(it, folded) => service(it, *folded, columns, top),
            Row::Server(of, it) => server(of, it, columns, top),
        };
        let reversed = Style::new().add_modifier(Modifier::REVERSED);
        if at == selected { line.patch_style(reversed) } else { line }
    };
    shown.map(line).collect()
}

fn instance(it: &InstanceStatus, columns: Columns, paint: Paint) -> Line<'static> {
    let style = match it.state {
        State::Master => paint.good().add_modifier(Modifier::BOLD),
        State::Backup => Style::new(),
        State::HandingOver | State::Initialize => paint.odd(),
        State::Fault => paint.bad(),
    };
    // The state's longest words need the room of the weight, which an instance has not.
    let numbers = columns.active + columns.inactive + columns.rate + columns.bytes + columns.plot;
    let mut line = Cells::new();
    line.left(&it.name, columns.name, Style::new().add_modifier(Modifier::BOLD));
    line.left(it.state.as_str(), columns.state + columns.weight, style);
    let held = it.addresses.iter().filter(|address| address.present).count();
    let mut why = format!("  {} {}", duration(it.for_ms), it.interface);
    why += &format!(" vrid {}, priority {}", it.virtual_router_id, it.effective_priority);
    if it.effective_priority != it.priority {
        why += &format!(" of {}", it.priority);
    }
    why += &format!(", {held} of {} addresses here", it.addresses.len());
    if let Some(master) = it.master.as_ref().filter(|_| it.state == State::Backup) {
        why += &format!(", master {} has {}", master.address, master.priority);
    }
    if it.resigned {
        why += ", resigned";
    }
    line.why(&why, columns.why + numbers, Style::new());
    line.line()
}

fn service(it: &VirtualServerStatus, folded: bool, columns: Columns, top: &Top) -> Line<'static> {
    let paint = top.paint;
    let (word, style) = match (it.up, it.sorry) {
        (true, _) => ("UP", paint.good()),
        (false, true) => ("SORRY", paint.bad()),
        (false, false) => ("DOWN", paint.bad()),
    };
    let mut line = Cells::new();
    let mark = if folded { "+ " } else { "" };
    line.left(
        &format!("{mark}{}", it.key),
        columns.name,
        Style::new().add_modifier(Modifier::BOLD),
    );
    line.left(word, columns.state, style);
    line.right(&it.live_weight.to_string(), columns.weight, Style::new());
    line.measured(top.rates.service(&it.key), columns);
    let history =
        top.rates.history(&it.key).map(|history| plot(history, columns.plot.saturating_sub(2)));
    line.plot(history.unwrap_or_default(), columns.plot, paint.quiet());
    let up = it.real_servers.iter().filter(|server| server.up).count();
    let mut why = format!("  {} {up} of {} up", it.scheduler, it.real_servers.len());
    if it.quorum > 1 {
        why += &format!(", quorum {}", it.quorum);
    }
    if it.sorry {
        why += ", sorry server serves";
    }
    if it.kept > 0 {
        why += &format!(", {} failing kept", it.kept);
    }
    line.why(&why, columns.why, Style::new());
    line.line()
}

fn server(
    of: &VirtualServerStatus,
    it: &RealServerStatus,
    columns: Columns,
    top: &Top,
) -> Line<'static> {
    let paint = top.paint;
    let (word, style) = match (&it.overridden, it.up) {
        (Some(held), _) if held.wish == "draining" => ("DRAIN", paint.odd()),
        (Some(held), _) if held.wish == "disabled" => ("OFF", paint.odd()),
        (_, false) => ("DOWN", paint.bad()),
        (Some(_), true) => ("UP", paint.odd()),
        (None, true) => ("UP", paint.good()),
    };
    let mut line = Cells::new();
    line.left(&format!("  {}", it.key), columns.name, Style::new());
    line.left(word, columns.state, style);
    let weight = it.weight.map_or_else(|| "out".to_owned(), |weight| weight.to_string());
    line.right(&weight, columns.weight, Style::new());
    line.measured(top.rates.server(&of.key, &it.key), columns);
    line.plot(String::new(), columns.plot, Style::new());
    let mut why = it.for_ms.map_or_else(String::new, |held| format!("  {}", duration(held)));
    if let Some(held) = &it.overridden {
        why += &format!("  {} by an operator", held.wish);
        why += &held.reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
    }
    let cause = it.cause.as_ref().or_else(|| it.checks.iter().find_map(|it| it.cause.as_ref()));
    why += &cause.map_or_else(String::new, |cause| format!("  {cause}"));
    line.why(&why, columns.why, if it.up { paint.quiet() } else { Style::new() });
    line.line()
}

/// A line, cell by cell: each is padded or cut to its width.
struct Cells(Vec<Span<'static>>);

impl Cells {
    fn new() -> Self {
        Self(Vec::new())
    }

    fn left(&mut self, text: &str, width: usize, style: Style) {
        // A blank always parts it from the next.
        let cut: String = text.chars().take(width.saturating_sub(1)).collect();
        self.0.push(Span::styled(format!("{cut:width$}"), style));
    }

    fn right(&mut self, text: &str, width: usize, style: Style) {
        let cut: String = text.chars().take(width).collect();
        self.0.push(Span::styled(format!("{cut:>width$}"), style));
    }

    fn plot(&mut self, bars: String, width: usize, style: Style) {
        if width > 0 {
            self.0.push(Span::styled(format!("  {bars:<0$}", width - 2), style));
        }
    }

    fn why(&mut self, text: &str, width: usize, style: Style) {
        let cut: String = text.chars().take(width).collect();
        self.0.push(Span::styled(cut, style));
    }

    fn measured(&mut self, measured: Option<Measured>, columns: Columns) {
        let shown = |of: fn(&Measured) -> Option<u64>| {
            measured.as_ref().and_then(of).map_or_else(|| "-".to_owned(), short)
        };
        let cells = [
            (shown(|it| Some(it.connections.active.into())), columns.active),
            (shown(|it| Some(it.connections.inactive.into())), columns.inactive),
            (shown(|it| it.new), columns.rate),
            (shown(|it| it.bytes), columns.bytes),
        ];
        for (text, width) in cells.into_iter().filter(|(_, width)| *width > 0) {
            self.right(&text, width, Style::new());
        }
    }

    fn line(self) -> Line<'static> {
        Line::from(self.0)
    }
}

/// `999`, `12.3k`, `4.0M`.
fn short(count: u64) -> String {
    const UNITS: [(u64, char); 4] =
        [(1_000_000_000_000, 'T'), (1_000_000_000, 'G'), (1_000_000, 'M'), (1_000, 'k')];
    // Four digits still fit their column.
    match UNITS.into_iter().find(|(unit, _)| count >= 10_000 && count >= *unit) {
        Some((unit, letter)) => format!("{}.{}{letter}", count / unit, count % unit / (unit / 10)),
        None => count.to_string(),
    }
}

// --- below the list ---

fn events(top: &Top, area: Rect) -> Vec<Line<'static>> {
    let Some(count) = usize::from(area.height).checked_sub(1) else { return Vec::new() };
    let newest = top.events.iter().skip(top.events.len().saturating_sub(count));
    let line = |told: &Told| {
        let style = match told.severity {
            Severity::Info => Style::new(),
            Severity::Warning => top.paint.odd(),
            Severity::Critical => top.paint.bad(),
        };
        let when = clock::local(told.at_ms);
        let time = when.get(11..19).unwrap_or(&when).to_owned();
        let colon = if told.cause.is_empty() { "" } else { ": " };
        let text = format!(" {} {}{colon}{}", told.name, told.subject, told.cause);
        Line::from(vec![Span::styled(time, top.paint.quiet()), Span::styled(text, style)])
    };
    let rule = Line::styled("─".repeat(area.width.into()), top.paint.quiet());
    std::iter::once(rule).chain(newest.map(line)).collect()
}

fn prompt(top: &Top) -> Line<'static> {
    let reversed = |style: Style| style.add_modifier(Modifier::REVERSED);
    match &top.prompt {
        Prompt::Question(question, _) => {
            Line::styled(format!("{question} [y/N] "), reversed(top.paint.odd()))
        }
        Prompt::Weight(Weighed { server, text, .. }) => Line::styled(
            format!("weight of {server}, N or N%: {text}_  (↵ asks, Esc leaves it)"),
            reversed(top.paint.odd()),
        ),
        Prompt::Search => Line::raw(format!("/{}_", top.filter.text)),
        Prompt::Said(Ok(said)) => Line::styled(said.clone(), top.paint.good()),
        Prompt::Said(Err(said)) => Line::styled(said.clone(), top.paint.bad()),
        Prompt::Keys => {
            let mut shown = String::new();
            if !top.filter.text.is_empty() {
                shown += &format!("[{}: Esc shows all]  ", top.filter.text);
            }
            if top.filter.problems {
                shown += "[problems only: ! shows all]  ";
            }
            Line::styled(shown + KEYS, top.paint.quiet())
        }
    }
}

fn help(frame: &mut Frame<'_>, area: Rect) {
    let line = |(key, what): &(&str, &str)| Line::raw(format!(" {key:<8} {what}"));
    let lines: Vec<Line<'_>> = HELP.iter().map(line).collect();
    let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX);
    let over = area.centered(Constraint::Length(60), Constraint::Length(height));
    frame.render_widget(Clear, over);
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" keys ")), over);
}
