//! Tables of keywords: what the row of a keyword holds, and the list of all rows for the keyword reference. A table says
//! what stands in a block; it reads nothing.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::{
    Decoder, agent, authentication, bfd, checker, dns, dr, file, global, grpc, heartbeat, http,
    idle, instance, lvs_sysctl, operating, ping, real_server, root, script, signature, smtp,
    sync_group, tls, track_group, track_process, udp, virtual_server,
};
use crate::config::tree::Directive;

/// A keyword of a block whose draft is `T`.
pub(in crate::config) struct Keyword<T: 'static> {
    pub(super) name: &'static str,
    /// What follows it: for messages and the keyword reference. A `{` in it means that it takes a block.
    pub(super) form: &'static str,
    /// Whether it may stand more than once in a block.
    pub(super) many: bool,
    pub(super) support: Support<T>,
}

/// What a keyword does here.
pub(super) enum Support<T> {
    /// This function takes it.
    Acts(fn(&mut Decoder<'_>, &Directive, &mut T)),
    /// Not in this version; what that means for the user.
    NotYet(&'static str),
    /// It never will; why that is right.
    NoEffect(&'static str),
}

pub(super) const fn acts<T>(
    name: &'static str,
    form: &'static str,
    take: fn(&mut Decoder<'_>, &Directive, &mut T),
) -> Keyword<T> {
    Keyword { name, form, many: false, support: Support::Acts(take) }
}

pub(super) const fn many<T>(
    name: &'static str,
    form: &'static str,
    take: fn(&mut Decoder<'_>, &Directive, &mut T),
) -> Keyword<T> {
    Keyword { name, form, many: true, support: Support::Acts(take) }
}

pub(super) const fn not_yet<T>(
    name: &'static str,
    form: &'static str,
    what: &'static str,
) -> Keyword<T> {
    Keyword { name, form, many: true, support: Support::NotYet(what) }
}

pub(super) const fn no_effect<T>(
    name: &'static str,
    form: &'static str,
    why: &'static str,
) -> Keyword<T> {
    Keyword { name, form, many: true, support: Support::NoEffect(why) }
}

/// A block: the draft that its keywords fill.
pub(in crate::config) trait Keywords: Sized + 'static {
    /// The block's keyword, for messages.
    const BLOCK: &'static str;
    /// Its tables.
    const TABLES: &'static [&'static [Keyword<Self>]];
}

/// A row of the keyword reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) struct Row {
    /// The block that the keyword stands in; empty at the outermost level.
    pub(in crate::config) block: &'static str,
    /// The keyword.
    pub(in crate::config) name: &'static str,
    /// What follows it.
    pub(in crate::config) form: &'static str,
    /// `acts`, `not yet`, `no effect`, `refused`.
    pub(in crate::config) support: &'static str,
    /// What is to be said about that.
    pub(in crate::config) note: &'static str,
}

fn rows<T: Keywords>(into: &mut Vec<Row>) {
    for Keyword { name, form, support, .. } in T::TABLES.iter().flat_map(|table| table.iter()) {
        let (support, note) = match support {
            Support::Acts(_) => ("acts", ""),
            Support::NotYet(note) => ("not yet", *note),
            Support::NoEffect(note) => ("no effect", *note),
        };
        into.push(Row { block: T::BLOCK, name, form, support, note });
    }
}

/// Whether a keyword's properties are keywords of its block.
pub(super) fn takes_properties(name: &str) -> bool {
    static DRAFTS: LazyLock<HashSet<&str>> =
        LazyLock::new(|| all_rows().iter().map(|row| row.block).chain(["SSL_GET"]).collect());
    DRAFTS.contains(name)
}

/// All keywords that have a table here.
pub(in crate::config) fn all_rows() -> Vec<Row> {
    let mut all = Vec::new();
    rows::<root::Draft>(&mut all);
    rows::<global::Draft>(&mut all);
    rows::<lvs_sysctl::Draft>(&mut all);
    rows::<operating::WebDraft>(&mut all);
    rows::<operating::LogDraft>(&mut all);
    rows::<script::Draft>(&mut all);
    rows::<track_process::Draft>(&mut all);
    rows::<heartbeat::Draft>(&mut all);
    rows::<bfd::Draft>(&mut all);
    rows::<bfd::CheckDraft>(&mut all);
    rows::<sync_group::Draft>(&mut all);
    rows::<instance::Draft>(&mut all);
    rows::<authentication::Authentication>(&mut all);
    rows::<signature::Draft>(&mut all);
    rows::<virtual_server::Draft>(&mut all);
    rows::<real_server::Draft>(&mut all);
    rows::<checker::TcpDraft>(&mut all);
    rows::<http::HttpDraft>(&mut all);
    rows::<http::UrlDraft>(&mut all);
    rows::<checker::MiscDraft>(&mut all);
    rows::<smtp::SmtpDraft>(&mut all);
    rows::<dns::DnsDraft>(&mut all);
    rows::<udp::UdpDraft>(&mut all);
    rows::<ping::PingDraft>(&mut all);
    rows::<tls::TlsCheckDraft>(&mut all);
    rows::<agent::AgentDraft>(&mut all);
    rows::<grpc::GrpcDraft>(&mut all);
    rows::<idle::IdleDraft>(&mut all);
    rows::<dr::DrDraft>(&mut all);
    rows::<file::Draft>(&mut all);
    rows::<file::FileDraft>(&mut all);
    rows::<track_group::Draft>(&mut all);
    rows::<crate::config::model::GarpGroup>(&mut all);
    all
}
