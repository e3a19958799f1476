//! Lines, drawings and JSON of one diagnostic.

use super::*;
use crate::config::source::Grammar;

fn sample() -> Diagnostics {
    let mut diagnostics = Diagnostics::default();
    let text = b"global_defs {\n  router_id a\n  vrrp_versio 3\n}\n";
    let file = diagnostics.sources_mut().add("k.conf", text, Grammar::Keepalived, None).unwrap();
    let span = Span::new(file, 30, 41);
    let first = Span::new(file, 0, 11);
    diagnostics.push(
        Diagnostic::warning("unknown-keyword", span, "`vrrp_versio` is not known")
            .help("did you mean `vrrp_version`?")
            .related(first, "in this block"),
    );
    diagnostics
}

#[test]
fn a_line_tells_place_message_and_help() {
    let diagnostics = sample();
    assert_eq!(
        diagnostics.lines().collect::<Vec<_>>(),
        ["k.conf:3:3: warning: `vrrp_versio` is not known [unknown-keyword]; in this block at \
          k.conf:1:1 (help: did you mean `vrrp_version`?)"]
    );
    assert_eq!(diagnostics.summary(), "0 errors, 1 warning");
}

#[test]
fn json_has_every_part() {
    assert_eq!(
        sample().to_json(),
        json!([{
            "severity": "warning",
            "code": "unknown-keyword",
            "message": "`vrrp_versio` is not known",
            "help": "did you mean `vrrp_version`?",
            "place": { "file": "k.conf", "line": 3, "column": 3, "end": 14 },
            "related": [{
                "what": "in this block",
                "place": { "file": "k.conf", "line": 1, "column": 1, "end": 12 },
            }],
            "expansions": [],
        }])
    );
}

#[test]
fn a_drawing_shows_the_line_and_the_related_place() {
    let text = sample().render(Style::Plain);
    for wanted in ["k.conf:3:3", "vrrp_versio 3", "in this block", "did you mean"] {
        assert!(text.contains(wanted), "{wanted:?} is missing in\n{text}");
    }
}

#[test]
fn a_line_of_a_megabyte_is_not_drawn() {
    let mut diagnostics = Diagnostics::default();
    let text = vec![b'x'; 1 << 20];
    let file = diagnostics.sources_mut().add("big", text, Grammar::Keepalived, None).unwrap();
    diagnostics.push(Diagnostic::error("syntax", Span::new(file, 0, 1 << 20), "no keyword"));
    let text = diagnostics.render(Style::Plain);
    assert!(text.contains("big:1:1: no keyword") && text.len() < 1000, "{text}");
}
