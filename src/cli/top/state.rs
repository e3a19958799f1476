//! PURE: what `top` knows, where its cursor stands and what it asks the operator: inputs in, orders out.

use std::collections::VecDeque;
use std::time::Instant;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::draw::Paint;
use super::rates::Rates;
use super::rows::{Filter, Name, Row, rows};
use crate::cli::client::quoted;
use crate::cli::events::Told;
use crate::lvs::counters::Counters;
use crate::status::Status;

/// Events that are kept for the tail.
const EVENTS: usize = 100;
/// With more real servers than this, virtual servers begin folded.
const UNFOLDED: usize = 200;

/// What was read from the director.
#[derive(Debug)]
pub(super) struct Look {
    /// When.
    pub(super) at: Instant,
    pub(super) status: Status,
    pub(super) counters: Counters,
}

/// What comes in.
#[derive(Debug)]
pub(super) enum Input {
    /// The director answered.
    Looked(Box<Look>),
    /// It did not, and why.
    Lost(String),
    /// Something happened.
    Event(Told),
    /// So many events did not reach us.
    Missed(u64),
    /// The operator pressed a key.
    Key(KeyEvent),
    /// The terminal has another size.
    Resized,
    /// How an order went.
    Done(Result<String, String>),
    /// The terminal is gone, or somebody wants us to end.
    End,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    None,
    /// POST this path.
    Order(String),
    Quit,
}

/// What the last line of the screen is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Prompt {
    /// The keys.
    #[default]
    Keys,
    /// A question, and the path that a yes orders.
    Question(String, String),
    /// A text to search for is being typed.
    Search,
    /// A weight is being typed.
    Weight(Weighed),
    /// How the last order went.
    Said(Result<String, String>),
}

/// The real server that is to have another weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Weighed {
    service: String,
    pub(super) server: String,
    /// What is typed until now: `N` or `N%`.
    pub(super) text: String,
}

impl Weighed {
    /// The longest that means something is 2147483647.
    const LENGTH: usize = 10;

    fn handle(mut self, code: KeyCode) -> Prompt {
        match code {
            KeyCode::Esc => return Prompt::Said(Ok("not done".to_owned())),
            KeyCode::Enter => return self.asked(),
            KeyCode::Backspace => drop(self.text.pop()),
            KeyCode::Char(letter @ ('0'..='9' | '%')) if self.text.len() < Self::LENGTH => {
                self.text.push(letter);
            }
            _ => {}
        }
        Prompt::Weight(self)
    }

    fn asked(self) -> Prompt {
        let Self { service, server, text } = self;
        if let Err(why) = crate::ops::wished_weight(&text) {
            return Prompt::Said(Err(why));
        }
        let path = format!(
            "/v1/real-servers/weight?servers={}&weight={}",
            quoted(&format!("{service}/{server}")),
            quoted(&text)
        );
        let question =
            format!("weight {text} for {server} of {service}: it stays until it is enabled?");
        Prompt::Question(question, path)
    }
}

/// Everything.
#[derive(Debug)]
pub(super) struct Top {
    pub(super) paint: Paint,
    pub(super) status: Status,
    pub(super) rates: Rates,
    /// Why the director does not answer, while it does not.
    pub(super) lost: Option<String>,
    /// The latest events, oldest first.
    pub(super) events: VecDeque<Told>,
    pub(super) filter: Filter,
    pub(super) prompt: Prompt,
    /// The page of keys lies over the list.
    pub(super) help: bool,
    /// The first line in sight.
    pub(super) offset: usize,
    /// Lines that the list has room for.
    height: usize,
    cursor: Option<Name>,
    /// Where it last stood, for when its line is gone.
    at: usize,
    is_started: bool,
}

impl Top {
    pub(super) fn new(paint: Paint) -> Self {
        Self {
            paint,
            status: Status::default(),
            rates: Rates::default(),
            lost: None,
            events: VecDeque::new(),
            filter: Filter::default(),
            prompt: Prompt::default(),
            help: false,
            offset: 0,
            height: 1,
            cursor: None,
            at: 0,
            is_started: false,
        }
    }

    /// Takes in what came.
    pub(super) fn handle(&mut self, input: Input) -> Effect {
        match input {
            Input::Looked(look) => self.handle_look(*look),
            Input::Lost(why) => self.lost = Some(why),
            Input::Event(told) => self.handle_event(told),
            Input::Missed(count) => {
                self.prompt = Prompt::Said(Err(format!("{count} events were not shown: too slow")));
            }
            Input::Key(key) => return self.handle_key(key),
            Input::Resized => {}
            Input::Done(outcome) => self.prompt = Prompt::Said(outcome),
            Input::End => return Effect::Quit,
        }
        Effect::None
    }

    /// The lines of the list.
    pub(super) fn rows(&self) -> Vec<Row<'_>> {
        rows(&self.status, &self.filter)
    }

    /// Index of the line under the cursor.
    pub(super) fn selected(&self, rows: &[Row<'_>]) -> usize {
        let here = |row: &Row<'_>| self.cursor.as_ref() == Some(&row.name());
        rows.iter().position(here).unwrap_or(self.at.min(rows.len().saturating_sub(1)))
    }

    /// The list has room for so many lines: the cursor stays in sight.
    pub(super) fn fit(&mut self, height: usize) {
        let (count, selected) = {
            let rows = self.rows();
            (rows.len(), self.selected(&rows))
        };
        self.height = height.max(1);
        self.offset = self.offset.min(count.saturating_sub(self.height)).min(selected);
        if selected >= self.offset + self.height {
            self.offset = selected + 1 - self.height;
        }
    }

    fn handle_look(&mut self, look: Look) {
        let Look { at, status, counters } = look;
        self.lost = None;
        self.rates.take(&counters, at);
        self.status = status;
        if !self.is_started && self.status.lvs.is_some() {
            self.is_started = true;
            let services = self.status.lvs.iter().flat_map(|lvs| &lvs.virtual_servers);
            let servers: usize = services.map(|service| service.real_servers.len()).sum();
            self.filter.fold_all = servers > UNFOLDED;
        }
        self.follow_cursor();
    }

    fn handle_event(&mut self, told: Told) {
        if self.events.len() == EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(told);
    }

    fn handle_key(&mut self, key: KeyEvent) -> Effect {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return if key.code == KeyCode::Char('c') { Effect::Quit } else { Effect::None };
        }
        if self.help {
            self.help = false;
            return Effect::None;
        }
        match std::mem::take(&mut self.prompt) {
            Prompt::Question(_, path) => match key.code {
                KeyCode::Char('y' | 'Y') => Effect::Order(path),
                _ => {
                    self.prompt = Prompt::Said(Ok("not done".to_owned()));
                    Effect::None
                }
            },
            Prompt::Search => self.handle_typed(key.code),
            Prompt::Weight(weighed) => {
                self.prompt = weighed.handle(key.code);
                Effect::None
            }
            Prompt::Keys | Prompt::Said(_) => self.handle_command(key.code),
        }
    }

    fn handle_typed(&mut self, code: KeyCode) -> Effect {
        match code {
            KeyCode::Enter => return Effect::None,
            KeyCode::Esc => {
                self.filter.text.clear();
                return Effect::None;
            }
            KeyCode::Backspace => drop(self.filter.text.pop()),
            KeyCode::Char(letter) => self.filter.text.extend(letter.to_lowercase()),
            _ => {}
        }
        self.prompt = Prompt::Search;
        Effect::None
    }

    fn handle_command(&mut self, code: KeyCode) -> Effect {
        let page = isize::try_from(self.height).unwrap_or(isize::MAX);
        match code {
            KeyCode::Char('q') => return Effect::Quit,
            KeyCode::Esc => self.filter.text.clear(),
            KeyCode::Up | KeyCode::Char('k') => self.step(-1),
            KeyCode::Down | KeyCode::Char('j') => self.step(1),
            KeyCode::PageUp => self.step(-page),
            KeyCode::PageDown | KeyCode::Char(' ') => self.step(page),
            KeyCode::Home | KeyCode::Char('g') => self.step(isize::MIN),
            KeyCode::End | KeyCode::Char('G') => self.step(isize::MAX),
            KeyCode::Enter => self.fold(),
            KeyCode::Char('a') => {
                self.filter.fold_all = !self.filter.fold_all;
                self.filter.turned.clear();
            }
            KeyCode::Char('!') => self.filter.problems = !self.filter.problems,
            KeyCode::Char('/') => self.prompt = Prompt::Search,
            KeyCode::Char('?') => self.help = true,
            KeyCode::Char('w') => self.weigh(),
            KeyCode::Char(letter) => self.ask(letter),
            _ => {}
        }
        Effect::None
    }

    fn step(&mut self, by: isize) {
        let (at, name) = {
            let rows = self.rows();
            let to = self.selected(&rows).saturating_add_signed(by);
            let at = to.min(rows.len().saturating_sub(1));
            (at, rows.get(at).map(Row::name))
        };
        (self.at, self.cursor) = (at, name);
    }

    /// The line under the cursor may have moved; where it is gone, its place stays.
    fn follow_cursor(&mut self) {
        let (at, name) = {
            let rows = self.rows();
            let at = self.selected(&rows);
            (at, rows.get(at).map(Row::name))
        };
        (self.at, self.cursor) = (at, name);
    }

    fn fold(&mut self) {
        let key = match self.named() {
            Some(Name::Service(key) | Name::Server(key, _)) => key,
            Some(Name::Instance(_)) | None => return,
        };
        if !self.filter.turned.remove(&key) {
            self.filter.turned.insert(key.clone());
        }
        self.cursor = Some(Name::Service(key));
    }

    fn named(&self) -> Option<Name> {
        let rows = self.rows();
        rows.get(self.selected(&rows)).map(Row::name)
    }

    fn weigh(&mut self) {
        self.prompt = match self.named() {
            Some(Name::Server(service, server)) => {
                Prompt::Weight(Weighed { service, server, text: String::new() })
            }
            Some(Name::Instance(_) | Name::Service(_)) | None => {
                Prompt::Said(Err("the cursor stands on no real server".to_owned()))
            }
        };
    }

    /// Nothing is ordered without a question.
    fn ask(&mut self, letter: char) {
        let wanted = match (letter, self.named()) {
            ('d' | 'D' | 'e' | 'c', Some(Name::Server(service, server))) => {
                let (path, words) = match letter {
                    'd' => ("drain", "it keeps its connections and gets no new ones"),
                    'D' => ("disable", "out of the pool at once, its connections are cut"),
                    'e' => ("enable", "what was ordered ends, its checks decide"),
                    _ => ("check-now", "its checks are asked at once"),
                };
                let named = quoted(&format!("{service}/{server}"));
                let question = format!("{path} {server} of {service}: {words}?");
                Ok((question, format!("/v1/real-servers/{path}?servers={named}")))
            }
            ('f', Some(Name::Instance(name))) => {
                let path = format!("/v1/instances/failover?instance={}", quoted(&name));
                Ok((format!("failover {name}: its addresses go to the peer?"), path))
            }
            ('d' | 'D' | 'e' | 'c', _) => Err("the cursor stands on no real server"),
            ('f', _) => Err("the cursor stands on no VRRP instance"),
            _ => Err("no such key; ? shows them all"),
        };
        self.prompt = match wanted {
            Ok((question, path)) => Prompt::Question(question, path),
            Err(why) => Prompt::Said(Err(why.to_owned())),
        };
    }
}
