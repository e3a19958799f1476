//! What the worker says of its virtual servers: written one by one and sent as the text grows. Twenty thousand real servers
//! are 9 MB of JSON, which no process on the way needs to hold at once.

use std::io;
use std::time::Instant;

use ipvs::ServiceKey;

use super::Worker;
use crate::explain;
use crate::link::Link;
use crate::lvs::counters::{Counters, Counting, Then};
use crate::lvs::host::Host;
use crate::lvs::served::Served;
use crate::lvs::status::{self, LvsStatus};
use crate::message::{ANSWER_PART, Form, Message, Role};
use crate::ops::facts;
use crate::status::page::{self, Counted};

/// Beyond so many real servers nobody reads each one's connections, and counting them takes the kernel a while.
const COUNTED_MAX: usize = 2000;

/// A question that is answered in parts.
#[derive(Debug, Clone, Copy)]
pub(in crate::lvs) struct Asked {
    /// Its number.
    pub(in crate::lvs) id: u64,
    /// Who waits.
    pub(in crate::lvs) from: Role,
}

impl Worker {
    /// Answers at once, but for a page of a few real servers: their connections are counted first.
    pub(super) async fn show(
        &mut self,
        asked: Asked,
        of: Option<String>,
        form: Form,
    ) -> io::Result<()> {
        if form == Form::Counts {
            let keys = self.served.keys().copied();
            self.counting.push_back(Counting::all(asked, Then::Facts, keys));
            return Ok(());
        }
        if form == Form::Page {
            let shown = || self.shown(of.as_deref());
            let servers: usize = shown().map(|(_, served)| served.spec.servers.len()).sum();
            if (1..=COUNTED_MAX).contains(&servers) {
                let keys: Vec<ServiceKey> = shown().map(|(key, _)| *key).collect();
                let counting = Counting::all(asked, Then::Page(of), keys.into_iter());
                self.counting.push_back(counting);
                return Ok(());
            }
        }
        self.write(asked, of.as_deref(), form, &Counters::default()).await
    }

    /// Writes and sends.
    pub(super) async fn write(
        &self,
        asked: Asked,
        of: Option<&str>,
        form: Form,
        counters: &Counters,
    ) -> io::Result<()> {
        let mut parts = Parts::new(&self.link, asked);
        if of.is_some() && self.shown(of).next().is_none() {
            if form == Form::Json {
                parts.text.extend_from_slice(b"null");
            }
            return parts.finish().await;
        }
        match form {
            Form::Json => self.write_json(&mut parts, of).await?,
            Form::Page => self.write_page(&mut parts, of, counters).await?,
            Form::Facts => self.write_facts(&mut parts, of).await?,
            Form::Counts => {
                for service in &counters.virtual_servers {
                    facts::write(&mut parts.text, service).map_err(io::Error::other)?;
                    parts.send_full().await?;
                }
            }
        }
        parts.finish().await
    }

    async fn write_json(&self, parts: &mut Parts<'_>, of: Option<&str>) -> io::Result<()> {
        let now = Instant::now();
        let all = serde_json::to_string(&self.heading())?;
        let (opening, rest) = all.split_at(LvsStatus::OPENING.len());
        parts.text.extend_from_slice(opening.as_bytes());
        for (at, (_, served)) in self.shown(of).enumerate() {
            if at > 0 {
                parts.text.push(b',');
            }
            let shown = status::virtual_server(served, &self.checkers, &self.applier, now);
            serde_json::to_writer(&mut parts.text, &shown)?;
            parts.send_full().await?;
        }
        parts.text.extend_from_slice(rest.as_bytes());
        Ok(())
    }

    async fn write_facts(&self, parts: &mut Parts<'_>, of: Option<&str>) -> io::Result<()> {
        let now = Instant::now();
        facts::write(&mut parts.text, &self.heading()).map_err(io::Error::other)?;
        for (_, served) in self.shown(of) {
            let shown = status::virtual_server(served, &self.checkers, &self.applier, now);
            facts::write(&mut parts.text, &shown).map_err(io::Error::other)?;
            parts.send_full().await?;
        }
        Ok(())
    }

    async fn write_page(
        &self,
        parts: &mut Parts<'_>,
        of: Option<&str>,
        counters: &Counters,
    ) -> io::Result<()> {
        let now = Instant::now();
        let counted = Counted::of(counters);
        let mut text = String::new();
        page::table_head(&mut text, &self.heading()).map_err(io::Error::other)?;
        for (_, served) in self.shown(of) {
            let shown = status::virtual_server(served, &self.checkers, &self.applier, now);
            page::virtual_server(&mut text, &shown, &counted).map_err(io::Error::other)?;
            parts.text.extend_from_slice(text.as_bytes());
            text.clear();
            parts.send_full().await?;
        }
        parts.text.extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// Those that are meant.
    fn shown<'a>(
        &'a self,
        of: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a ServiceKey, &'a Served)> {
        let is_meant = move |key: &ServiceKey| {
            of.is_none_or(|target| explain::is_named(&key.to_string(), target))
        };
        let meant = self.served.iter().filter(move |(key, _)| is_meant(key));
        meant.map(|(key, served)| (key, &**served))
    }

    /// What concerns all virtual servers, without them.
    fn heading(&self) -> LvsStatus {
        let load = self.checkers.load();
        let down = self.host.as_ref().map(Host::down).unwrap_or_default();
        LvsStatus {
            virtual_servers: Vec::new(),
            probes: load.probes,
            in_flight: load.in_flight,
            interfaces_down: down.into_iter().map(str::to_owned).collect(),
            sysctl_errors: self.sysctl.errors().to_vec(),
            observed: self.observed(),
            sync_daemon: self.sync.status(),
            unreadable: self.applier.unreadable().map(str::to_owned),
            drifts: self.applier.drifts(),
            latest_us: u64::try_from(self.latest.as_micros()).unwrap_or(u64::MAX),
        }
    }
}

/// An answer that is sent while it is written.
struct Parts<'a> {
    link: &'a Link,
    asked: Asked,
    text: Vec<u8>,
}

impl<'a> Parts<'a> {
    /// Room for a part and the virtual server that goes beyond it, as a rule.
    const ROOM: usize = ANSWER_PART * 5 / 4;

    fn new(link: &'a Link, asked: Asked) -> Self {
        Self { link, asked, text: Vec::with_capacity(Self::ROOM) }
    }

    async fn send_full(&mut self) -> io::Result<()> {
        while self.text.len() >= ANSWER_PART {
            let mut rest = Vec::with_capacity(Self::ROOM);
            rest.extend_from_slice(&self.text[ANSWER_PART..]);
            self.text.truncate(ANSWER_PART);
            self.send(rest, false).await?;
        }
        Ok(())
    }

    async fn finish(mut self) -> io::Result<()> {
        self.send_full().await?;
        self.send(Vec::new(), true).await
    }

    async fn send(&mut self, next: Vec<u8>, last: bool) -> io::Result<()> {
        let (id, json) = (self.asked.id, std::mem::replace(&mut self.text, next));
        self.link.send(self.asked.from, &Message::Answer { id, last, json }).await
    }
}
