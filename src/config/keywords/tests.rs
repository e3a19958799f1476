//! The reference is whole, and what it says of values is what decoding does.

use super::*;
use crate::config::{Grammar, Host, load_text};

#[test]
fn every_keyword_of_keepalived_has_a_row() {
    let known: BTreeSet<&str> = rows().iter().map(|row| row.name).collect();
    let all = KEEPALIVED.split_whitespace();
    // 361 that its parsers install, and the include family.
    assert_eq!(all.clone().collect::<BTreeSet<_>>().len(), 369);
    let missing: Vec<&str> = all.filter(|name| !known.contains(name)).collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn a_keyword_is_explained_for_each_of_its_blocks() {
    let text = explain(Some("quorum")).unwrap();
    assert!(
        text.contains(
            "quorum 1..\n    block:   virtual_server\n    unit:    weight\n    range:   1..4294967295\n    default: 1\n    \
             support: acts\n"
        ),
        "{text}"
    );
    let text = explain(Some("include")).unwrap();
    assert!(text.contains("in any block"), "{text}");
    assert_eq!(explain(Some("quorun")), Err(Some("quorum".to_owned())));
    assert_eq!(explain(Some("nothing_like_it")), Err(None));
    let all = explain(None).unwrap();
    assert!(all.lines().count() > 300 && all.contains("\nvirtual_server_group\n"));
}

#[test]
fn no_table_names_a_keyword_twice() {
    let mut seen = BTreeSet::new();
    for row in decode::all_rows() {
        assert!(seen.insert((row.block, row.name)), "{row:?}");
    }
}

#[test]
fn every_value_has_its_default() {
    let all: BTreeSet<&str> = KEEPALIVED.split_whitespace().collect();
    let mut silent: Vec<(&str, &str, &str)> = rows()
        .into_iter()
        .filter(|row| all.contains(row.name) && !row.form.contains('{') && row.block != ANY_BLOCK)
        .filter(|row| values::value(row.block, row.name, row.form).default.is_empty())
        .map(|row| (row.block, row.name, row.form))
        .collect();
    // Their lines are lists, or the words have no default of their own.
    let lists = ["interface", "interfaces", "group"];
    let flags = ["full_command", "passive", "multihop", "vrrp", "checker", "alpha"];
    silent.retain(|(_, name, _)| !lists.contains(name) && !flags.contains(name));
    assert_eq!(silent, []);
}

/// A file with a line in a block.
fn with(block: &str, line: &str) -> Option<String> {
    let server = |inside: String| {
        format!(
            "virtual_server 10.0.0.1 80 {{\nlb_kind NAT\nprotocol TCP\nreal_server 10.0.0.2 80 {{\n{inside}\n}}\n}}\n"
        )
    };
    Some(match block {
        "" => line.to_owned(),
        "global_defs" => format!("global_defs {{\n{line}\n}}\n"),
        "vrrp_script" => format!("vrrp_script s {{\nscript true\n{line}\n}}\n"),
        "vrrp_instance" => format!(
            "vrrp_instance V {{\ninterface eth0\nvirtual_router_id 7\nvirtual_ipaddress {{\n10.0.0.1\n}}\n{line}\n}}\n"
        ),
        "virtual_server_group" => format!("virtual_server_group G {{\n{line}\n}}\n"),
        "virtual_server" => {
            server("weight 1".to_owned()).replacen("real", &format!("{line}\nreal"), 1)
        }
        "real_server" => server(line.to_owned()),
        "url" => server(format!("HTTP_GET {{\nurl {{\npath /\n{line}\n}}\n}}")),
        check if check.ends_with("_CHECK") || check.ends_with("_GET") => {
            server(format!("{check} {{\n{line}\n}}"))
        }
        _ => return None,
    })
}

/// Whether decoding refuses a keyword's value.
fn refuses(block: &str, name: &str, value: &str) -> Option<bool> {
    let text = with(block, &format!("{name} {value}"))?;
    let loaded = load_text("k", text.as_bytes(), Grammar::Keepalived, Host::Any);
    let about =
        |line: &String| line.contains("[bad-value]") && line.contains(&format!("`{value}`"));
    Some(loaded.diagnostics.lines().any(|line| about(&line)))
}

#[test]
fn ranges_are_those_that_decoding_takes() {
    let mut tried = 0;
    let mut wrong = Vec::new();
    for Row { block, name, form, support, .. } in rows() {
        let Value { range, .. } = values::value(block, name, form);
        let Some((low, high)) = range.split_once("..") else { continue };
        let number = |text: &str| text.parse::<f64>().ok();
        let (Some(low_number), true) = (number(low), high.is_empty() || number(high).is_some())
        else {
            continue;
        };
        if support != "acts" || form.contains("[tcp") {
            continue;
        }
        let below = if low_number.fract() > 0.0 { 0.0 } else { low_number - 1.0 };
        let above = number(high).map(|high| (high + 1.0).to_string());
        let cases = [
            (Some(low.to_owned()), false),
            (Some(below.to_string()), true),
            (Some(high.to_owned()).filter(|high| !high.is_empty()), false),
            (above, true),
        ];
        for (value, wanted) in cases {
            let Some(value) = value else { continue };
            // 0 switches persistence off, and is refused in words of its own.
            if name == "persistence_timeout" && value == "0" {
                continue;
            }
            match refuses(block, name, &value) {
                Some(refused) if refused != wanted => wrong.push((block, name, value, wanted)),
                Some(_) => tried += 1,
                None => {}
            }
        }
    }
    assert_eq!(wrong, []);
    assert!(tried > 500, "{tried} values");
}

/// Nothing that is written is passed over in silence: each keyword tells a property that it does not know.
#[test]
fn a_property_that_no_keyword_knows_is_told() {
    let mut silent = Vec::new();
    for Row { block, name, form, .. } in decode::all_rows() {
        let Some(text) = with(block, "LINE") else { continue };
        // The surroundings in KDL: their words are addresses and names, and need quotes.
        let text = text
            .replace("10.0.0.1 80", "\"10.0.0.1\" 80")
            .replace("10.0.0.2 80", "\"10.0.0.2\" 80")
            .replace("\n10.0.0.1\n", "\n\"10.0.0.1\"\n")
            .replace("path /", "path \"/\"")
            .replace("script true", "script \"true\"");
        let block = if form.contains('{') { " { }" } else { "" };
        let text = text.replace("LINE", &format!("{name} \"x\" zzz=\"1\"{block}"));
        for text in [&text, &text.replace(" \"x\"", "")] {
            let loaded = load_text("k", text.as_bytes(), Grammar::Kdl, Host::Any);
            if !loaded.diagnostics.lines().any(|line| {
                line.contains("zzz") || line.contains("has no effect") || line.contains("[not-yet]")
            }) {
                silent.push((name, text.clone()));
            }
        }
    }
    assert_eq!(silent, []);
}

#[test]
fn what_does_nothing_here_says_what_it_does_in_keepalived() {
    let all: BTreeSet<&str> = KEEPALIVED.split_whitespace().collect();
    let rows = rows();
    let idle = rows.iter().filter(|row| ["not yet", "no effect"].contains(&row.support));
    let mut silent: Vec<&str> = idle
        .filter(|row| all.contains(row.name) && would(row.name).is_none())
        .map(|row| row.name)
        .collect();
    silent.dedup();
    assert_eq!(silent, [""; 0]);
}
