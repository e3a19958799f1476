use super::*;
use crate::config::source::Grammar;

/// The tree in a short notation, and what was wrong.
fn read(text: &str) -> (String, Vec<String>) {
    let mut diagnostics = Diagnostics::default();
    let sources = diagnostics.sources_mut();
    let file = sources.add("k", text.as_bytes(), Grammar::Keepalived, None).unwrap();
    let block = parse(file, &Context::new(None, "".into()), &mut diagnostics).whole();
    (show(&block), diagnostics.lines().collect())
}

fn show(block: &Block) -> String {
    let mut parts = Vec::new();
    for directive in &block.directives {
        let Directive { name, arguments, properties, block, comments } = directive;
        assert!(properties.is_empty());
        parts.extend(comments.before.iter().map(|comment| format!("<{}>", comment.text)));
        parts.push(name.text.to_string());
        parts.extend(arguments.iter().map(|word| word.text.to_string()));
        if let Some(block) = block {
            parts.push(format!("{{{}}}", show(block)));
        }
        parts.extend(comments.after.iter().map(|comment| format!("<{}>", comment.text)));
        parts.push(";".to_owned());
    }
    parts.extend(block.closing.iter().map(|comment| format!("<{}>", comment.text)));
    parts.join(" ")
}

#[test]
fn blocks_share_a_line_or_have_their_own() {
    let wanted = "a x {b 1 ; c {d ;} ;} ;";
    for text in [
        "a x { b 1\n c { d } }",
        "a x\n{\nb 1\n\nc\n{\nd\n}\n}\n",
        "a x{\r\n\tb 1\r\n\tc {\r\nd }}\r\n",
    ] {
        assert_eq!(read(text), (wanted.to_owned(), vec![]), "{text:?}");
    }
    assert_eq!(read("a { b 1 c 2 }").0, "a {b 1 c 2 ;} ;");
    assert_eq!(read("a { } b { }").0, "a {} ; b {} ;");
}

#[test]
fn comments_stay_where_they_stood() {
    let text = "! head\n\n# of a\na { # after a\n  # of b\n  b 1 # after b\n  # last in a\n} # after all of a\n# end\n";
    let wanted =
        "<head> <of a> a {<of b> b 1 <after b> ; <last in a>} <after a> ; <after all of a> <end>";
    assert_eq!(read(text), (wanted.to_owned(), vec![]));
}

#[test]
fn braces_that_do_not_match_are_told_with_their_place() {
    let cases = [
        (
            "a {\n b {\n}\n",
            vec![
                "k:1:3: warning: the block that opens here is never closed [syntax] (help: add the missing `}`)",
            ],
        ),
        (
            "a {\n}\n}\nb 1\n",
            vec![
                "k:3:1: warning: `}` without a block that is open [syntax] (help: one `}` too many, here or further up)",
            ],
        ),
        (
            "{\n a\n}\n",
            vec![
                "k:1:1: error: a block without a keyword before it [syntax] (help: a block is written `keyword arguments {`, with its end `}` further down; `{{ ... }}` is a template's, to be filled in first)",
            ],
        ),
    ];
    for (text, wanted) in cases {
        assert_eq!(read(text).1, wanted, "{text:?}");
    }
    assert_eq!(read("a {\n}\n}\nb 1\n").0, "a {} ; b 1 ;");
}

#[test]
fn remarks_without_a_mark_are_skipped_and_told() {
    let (tree, told) = read(
        "\u{5168}\u{5c40}\u{914d}\u{7f6e}\nglobal_defs { //\u{5168}\u{5c40}\n router_id kl1 // its name\n path //x\n}\ngroup { \u{4e3b} }\n",
    );
    assert_eq!(
        tree,
        "<\u{5168}\u{5c40}\u{914d}\u{7f6e}> global_defs {<\u{5168}\u{5c40}> router_id kl1 <its name> ; path //x ;} ; group {\u{4e3b} ;} ;"
    );
    let places: Vec<&str> = told.iter().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(places, ["k:1:1", "k:2:15", "k:3:16"]);
    assert!(told[1].contains("`//\u{5168}\u{5c40}` is no keyword; it is skipped"), "{told:?}");
}

#[test]
fn a_hundred_thousand_braces_end_quickly() {
    let (_, told) = read(&"a {\n".repeat(100_000));
    assert_eq!(
        told,
        [format!("k:{0}:3: error: blocks nested deeper than {0} [syntax]", MAX_DEPTH)]
    );
}
