//! The keyword reference: every keyword of keepalived's and ours, the block it stands in, and what it does here. Made
//! from the tables that decode, so that it cannot say anything else.

mod values;
mod would;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write as _;
use std::sync::LazyLock;

use self::values::Value;
pub(super) use self::would::would;
use super::decode::{self, Row};

/// Blocks that keepalived has and this version does not read: their keywords, so that one that strays is recognised.
const UNREAD: &[(&str, &str)] = &[("SSL", "password ca certificate key")];

/// The keywords of keepalived.
const KEEPALIVED: &str = include_str!("keywords/keepalived.txt");

/// Stands for all blocks.
const ANY_BLOCK: &str = "any block";

/// Where each keyword belongs.
static BLOCKS: LazyLock<BTreeMap<&'static str, Vec<&'static str>>> = LazyLock::new(|| {
    let mut blocks: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in rows() {
        let known = blocks.entry(row.name).or_default();
        if !known.contains(&row.block) {
            known.push(row.block);
        }
    }
    blocks
});

/// Keywords that do here something else than in keepalived, on purpose; `docs/migration.md` has the reasons.
pub(super) const DIFFERS: [(&str, &str); 10] = [
    (
        "vrrp_instance",
        "a stop hands over: the addresses stay until the peer has announced them (hand_over off ends that)",
    ),
    (
        "virtual_server",
        "the kernel's table is read again every lvs_resync seconds, and what was changed by hand is repaired",
    ),
    ("skip_check_adv_addr", "off means off; keepalived turns it on"),
    ("retry", "0 is taken at every level; keepalived takes it in checkers alone"),
    ("connect_timeout", "the deadline of the whole probe; keepalived's is for each read anew"),
    ("regex", "an engine of linear time: no look-around, no back references"),
    (
        "DNS_CHECK",
        "an answer that may be forged is waited out; one that is cut off is asked for again over TCP",
    ),
    ("UDP_CHECK", "lengths are judged only with require_reply"),
    ("PING_CHECK", "net.ipv4.ping_group_range is left as it is"),
    ("unicast_peer", "under vrrp_strict it goes on working, with a warning"),
];

/// What takes effect before keywords are looked at, in any block.
const ANYWHERE: [(&str, &str, &str); 6] = [
    ("include", "PATTERN", "what is missing is a warning; in KDL an error unless it has wildcards"),
    ("includer", "PATTERN", "keepalived.conf: a file that cannot be read is an error"),
    ("includem", "PATTERN", "keepalived.conf: likewise a plain name without a file"),
    ("includew", "PATTERN", "keepalived.conf: likewise wildcards that match nothing"),
    ("includeb", "PATTERN", "keepalived.conf: likewise each alternative in braces"),
    ("includea", "PATTERN", "keepalived.conf: all of this"),
];

/// Every keyword with its block, in the order of the tables.
pub(super) fn rows() -> Vec<Row> {
    let mut rows = decode::all_rows();
    rows.extend(ANYWHERE.map(|(name, form, note)| Row {
        block: ANY_BLOCK,
        name,
        form,
        support: "acts",
        note,
    }));
    rows.push(Row {
        block: "virtual_server_group",
        name: "fwmark",
        form: "MARK",
        support: "acts",
        note: "",
    });
    let ours = super::template::FORMS.iter().filter(|(name, _)| *name != "include");
    rows.extend(ours.map(|(name, form)| Row {
        block: ANY_BLOCK,
        name,
        form,
        support: "acts",
        note: "KDL",
    }));
    for (block, names) in UNREAD {
        rows.extend(names.split_whitespace().map(|name| Row {
            block,
            name,
            form: "...",
            support: "not yet",
            note: "the block is not read",
        }));
    }
    rows
}

/// Whether keepalived has this keyword: the others are ours.
pub(super) fn is_of_keepalived(name: &str) -> bool {
    static WORDS: LazyLock<HashSet<&str>> =
        LazyLock::new(|| KEEPALIVED.split_whitespace().collect());
    WORDS.contains(name)
}

/// Whether a word is a keyword anywhere.
pub(super) fn is_keyword(word: &str) -> bool {
    BLOCKS.contains_key(word)
}

/// Where a keyword may stand, in words; empty if it is none.
pub(super) fn blocks_of(name: &str) -> Vec<String> {
    let blocks = BLOCKS.get(name).map_or(&[][..], Vec::as_slice);
    // A keyword with many homes helps nobody.
    let few = blocks.iter().take(3);
    few.map(|block| match *block {
        "" => "at the outermost level".to_owned(),
        ANY_BLOCK => "in any block".to_owned(),
        block => format!("in `{block}`"),
    })
    .collect()
}

/// Whether a keyword takes on or off wherever it stands.
pub(super) fn is_switch(name: &str) -> bool {
    SWITCHES.contains(name)
}

static SWITCHES: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
    let rows = rows();
    let other: BTreeSet<&str> =
        rows.iter().filter(|row| row.form != "[BOOL]").map(|row| row.name).collect();
    let switches = rows.iter().filter(|row| row.form == "[BOOL]").map(|row| row.name);
    switches.filter(|name| !other.contains(name)).collect()
});

/// What there is to say of one keyword, a paragraph for each block that has it; without a word, all of them, one a
/// line. `Err` holds the nearest keyword, if one is near.
pub fn explain(word: Option<&str>) -> Result<String, Option<String>> {
    let rows = rows();
    let Some(word) = word else {
        let names: BTreeSet<&str> = rows.iter().map(|row| row.name).collect();
        return Ok(names.into_iter().map(|name| format!("{name}\n")).collect());
    };
    let mut text = String::new();
    for Row { block, name, form, support, note } in rows.iter().filter(|row| row.name == word) {
        let place = match *block {
            "" => "at the outermost level",
            ANY_BLOCK => "in any block",
            block => block,
        };
        let _ = writeln!(text, "{name} {form}");
        let _ = writeln!(text, "    block:   {place}");
        let Value { unit, range, default } = values::value(block, name, form);
        for (what, said) in [("unit", unit), ("range", range), ("default", default)] {
            if !said.is_empty() {
                let _ = writeln!(text, "    {:<8} {said}", format!("{what}:"));
            }
        }
        for (_, how) in DIFFERS.iter().filter(|(keyword, _)| keyword == name) {
            let _ = writeln!(text, "    differs: {how}");
        }
        let note = if note.is_empty() { String::new() } else { format!(": {note}") };
        let _ = writeln!(text, "    support: {support}{note}");
    }
    let near = || super::suggest::nearest(word, rows.iter().map(|row| row.name));
    if text.is_empty() { Err(near().map(str::to_owned)) } else { Ok(text) }
}

/// The reference as Markdown: `docs/keywords.md`.
pub fn reference() -> String {
    let mut text = String::from(INTRODUCTION);
    let rows = rows();
    let mut blocks: Vec<&str> = Vec::new();
    for row in &rows {
        if !blocks.contains(&row.block) {
            blocks.push(row.block);
        }
    }
    for block in blocks {
        let title =
            if block.is_empty() { "The outermost level".to_owned() } else { format!("`{block}`") };
        let _ = write!(
            text,
            "\n## {title}\n\n| keyword | what follows | unit | range | default | here |\n\
             | --- | --- | --- | --- | --- | --- |\n"
        );
        for Row { name, form, support, note, .. } in rows.iter().filter(|row| row.block == block) {
            let Value { unit, range, default } = values::value(block, name, form);
            let form = if form.is_empty() {
                String::new()
            } else {
                format!("`{}`", form.replace('|', "\\|"))
            };
            let note = if note.is_empty() { String::new() } else { format!(": {note}") };
            let _ = writeln!(
                text,
                "| `{name}` | {form} | {unit} | {range} | {default} | {support}{note} |"
            );
        }
    }
    text
}

const INTRODUCTION: &str = "\
# Keywords

Written by a test from the tables that read configurations (`src/config/decode/`); do not edit.

The keywords are keepalived's, in both grammars. *Acts*: it does what keepalived documents, but for the differences in
[migration.md](migration.md). *Not yet*: it is read, and `evenkeel check` and the start log warn with its line.
*No effect*: likewise, and it stays so. A word in no table is a warning in keepalived.conf and an error in KDL.

In the second column, `[ ]` may be left out, `|` parts alternatives, `...` repeats, and words in capitals stand for
values: SECONDS is a decimal number of seconds (in KDL also a string with a unit: `\"250ms\"`, `\"2m\"`), BOOL is on, off,
yes, no, true or false (in KDL also `#true`, `#false`), COMMAND is one word, in quotes if it has arguments.

Ours, unknown to keepalived: `lvs_resync`, `lvs_sysctl` ([table.md](table.md)), `lvs_sync_wait`, `checker_max_in_flight`,
`checker_max_per_second`, `vrrp_hand_over` and `hand_over`, `vrrp_watch_holders`, `also_version_2`, `heartbeat`; for virtual servers
`min_in_pool` and `slow_start` ([table.md](table.md)); for checkers, real servers and virtual
servers `rise`, `fall`, `jitter`, `first_check`, `interval_down`; for HTTP_GET `body_limit`; for SSL_GET `tls_verify`, `tls_ca` and
`tls_min_days`; `TLS_CHECK`, `GRPC_CHECK`, `AGENT_CHECK`, `IDLE_CHECK` and `DR_CHECK` with all that is in them.

Before keywords, a keepalived.conf is expanded as keepalived does: `include` and its kin, conditional lines (`@ID`,
`@^ID`), definitions (`$NAME=VALUE`, over several lines with `\\`, with `$1` for words behind the name), the predefined
`${_PWD}`, `${_INSTANCE}`, `${_RANDOM MIN MAX}`, `${_ENV NAME}`, `${_HASH}`, `${_BANG}`, and repetitions (`~SEQ`, `~SEQx`,
`~LST`). At most 1,000,000 turns of a repetition, 2,000,000 lines and a nesting of 64; beyond that the file is refused.

KDL has nodes for the same: `include`, `when`, `unless`, `define`, `use`, `repeat`, and `${NAME}` in any word
([migration.md](migration.md)).
";

#[cfg(test)]
mod tests;
