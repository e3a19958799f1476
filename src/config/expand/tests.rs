//! What comes of a text, and where a mistake in it is told.

use crate::config::context::Context;
use crate::config::{Asked, Diagnostics, Grammar, Host, finish, parse};

/// The tree of a text, as words.
fn read(text: &str) -> Vec<String> {
    let asked = Asked { host: Host::Any, id: Some("lb1".to_owned()) };
    let mut diagnostics = Diagnostics::default();
    let context = asked.context("x".as_ref());
    let tree = parse("x", text.as_bytes(), Grammar::Keepalived, &context, &mut diagnostics);
    let told: Vec<String> = diagnostics.lines().collect();
    assert_eq!(told, [""; 0]);
    let mut out = Vec::new();
    fn walk(block: &crate::config::tree::Block, out: &mut Vec<String>) {
        for one in &block.directives {
            let words = std::iter::once(&one.name).chain(&one.arguments);
            out.push(words.map(|word| &*word.text).collect::<Vec<_>>().join(" "));
            if let Some(block) = &one.block {
                out.push("{".to_owned());
                walk(block, out);
                out.push("}".to_owned());
            }
        }
    }
    walk(&tree.unwrap().whole(), &mut out);
    out
}

fn told(text: &str) -> Vec<String> {
    let asked = Asked { host: Host::Any, id: Some("lb1".to_owned()) };
    let context = Context { lines: 10_000, ..asked.context("x".as_ref()) };
    let mut diagnostics = Diagnostics::default();
    let tree = parse("x", text.as_bytes(), Grammar::Keepalived, &context, &mut diagnostics);
    finish(tree, Host::Any, diagnostics).diagnostics.lines().collect()
}

#[test]
fn a_name_is_expanded_where_and_when_it_is_used() {
    let text = "$BASE=10.2.${SUB}\n$SUB=0\na ${BASE}.100/32\n$SUB=10\nb ${BASE}.100/32 $SUB\nc $SUB.x $OTHER ${OTHER}\n";
    assert_eq!(read(text), ["a 10.2.0.100/32", "b 10.2.10.100/32 10", "c $SUB.x $OTHER ${OTHER}"]);
}

#[test]
fn conditions_hold_for_their_line() {
    let text =
        "@lb1 $P=240\n@lb2 $P=200\n@^lb2 a $P\n@^lb1 b $P\n$IF=@lb1\n$IF c\n$NOT=@lb2\n$NOT d\n";
    assert_eq!(read(text), ["a 240", "c"]);
}

#[test]
fn a_definition_of_several_lines_is_a_text_of_several_lines() {
    let text = "$RS= \\\nreal_server ${VS}.${RS_NUM} { \\\n  weight 1 \\\n}\n\
                $V= \\\nv ${VS} { \\\n $RS_NUM=1 \\\n $RS \\\n $RS_NUM=2 \\\n $RS \\\n}\n$VS=7\n$V\n";
    let wanted = [
        "v 7",
        "{",
        "real_server 7.1",
        "{",
        "weight 1",
        "}",
        "real_server 7.2",
        "{",
        "weight 1",
        "}",
        "}",
    ];
    assert_eq!(read(text), wanted);
}

#[test]
fn words_behind_a_name_of_several_lines_are_its_arguments() {
    let text =
        "$RS= \\\nreal_server $1 ${2} { \\\n weight $3 \\\n}\n$RS 10.0.0.3 80 5\n$RS 10.0.0.4 81\n";
    let wanted = [
        "real_server 10.0.0.3 80",
        "{",
        "weight 5",
        "}",
        "real_server 10.0.0.4 81",
        "{",
        "weight $3",
        "}",
    ];
    assert_eq!(read(text), wanted);
}

#[test]
fn repetitions_nest_and_stand_before_macros() {
    let text = "$M= \\\na ${I}.${J} \\\nb\n~SEQ(I,1,2) ~LST(J,x,y) $M\n~LST({K,L},{1,2},{3,4}) c $K $L\n$N=2\n~SEQx(I,9,${N}0) d $I\n";
    let mut wanted = vec!["a 1.x", "b", "a 1.y", "b", "a 2.x", "b", "a 2.y", "b", "c 1 2", "c 3 4"];
    let hex: Vec<String> = (9..=20).map(|number| format!("d {number:x}")).collect();
    wanted.extend(hex.iter().map(String::as_str));
    assert_eq!(read(text), wanted);
}

#[test]
fn predefined_names_have_values() {
    assert_eq!(read("a ${_INSTANCE} x${_HASH}y${_BANG} \"${_HASH}1\""), ["a lb1 x#y! #1"]);
    let random = read("${_RANDOM 5 7}").remove(0).parse::<u32>().unwrap();
    assert!((5..=7).contains(&random));
    let folder = read("a ${_PWD}/x").remove(0);
    assert!(folder.starts_with("a /"), "{folder}");
    assert_eq!(read("a ${_ENV NO_SUCH_VARIABLE_HERE}"), ["a ${_ENV NO_SUCH_VARIABLE_HERE}"]);
}

#[test]
fn a_mistake_in_a_macro_is_told_once_at_its_text_with_the_line_that_used_it() {
    let text = "$G= \\\nvrrp_script a${I} { \\\n  intervall 2 \\\n  script \"/bin/true\" \\\n}\n~SEQ(I,1,2) $G\n";
    let told = told(text);
    let misspelt: Vec<&String> = told.iter().filter(|line| line.contains("intervall")).collect();
    assert_eq!(misspelt.len(), 1, "{told:#?}");
    assert!(misspelt[0].contains("in the expansion of $G at x:6:13"), "{misspelt:?}");
    assert!(misspelt[0].contains("the repetition (I=1) at x:6:1"), "{misspelt:?}");
}

#[test]
fn what_never_ends_is_refused() {
    for (text, why) in [
        ("$A=x $A\na $A\n", "names within names, deeper than 32"),
        ("$A=$B$B\n$B=$A$A\na ${A}\n", "names within names"),
        ("$A=\\\nx\\\n$A\n$A\n", "nested deeper than 64"),
        ("~SEQ(I,1,1000000) ~SEQ(J,1,1000000) $K\n", "more than 10000 lines"),
        ("~SEQ(I,1,1,4000000000) a\n", "4000000000 turns: at most 1000000 are made"),
    ] {
        let told = told(text);
        assert!(told.iter().any(|line| line.contains(why)), "{text}: {told:#?}");
    }
    let doubling: String =
        (0..40).map(|n| format!("$A{n}=${{A{m}}}${{A{m}}}\n", m = n + 1)).collect();
    let doubling = format!("{doubling}$A31=0123456789\na $A0\n");
    let lines = told(&doubling);
    assert!(
        lines.iter().any(|line| line.contains("becomes a line of more than 65536 bytes")),
        "{lines:#?}"
    );
}

#[test]
fn files_are_included_where_they_are_named_and_not_in_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    };
    write(
        "conf.d/a.conf",
        "virtual_server 10.0.0.1 80 {\n protocol TCP\n lb_kind DR\n include part/rs.inc\n}\n",
    );
    write("conf.d/b.conf", "include b.conf\n");
    write("conf.d/part/rs.inc", "real_server 10.0.0.3 80 {\n wait 3\n}\n");
    let main = write("main.conf", "include conf.d/a.conf\n@lb1 includem conf.d/{b,c}.conf\n");
    let asked = Asked { host: Host::Any, id: Some("lb1".to_owned()) };
    let loaded = crate::config::load_as(&main, &asked);
    let prefix = folder.path().display().to_string();
    let told: Vec<String> =
        loaded.diagnostics.lines().map(|line| line.replace(&prefix, "D")).collect();
    for wanted in [
        "D/main.conf:2:6: error: there is no file `conf.d/c.conf` [include] (help: it is looked for in D/)",
        "D/conf.d/b.conf:1:1: error: D/conf.d/b.conf includes itself [include]",
        "D/conf.d/part/rs.inc:2:2: warning: `wait` is no keyword of `real_server` [unknown-keyword]",
    ] {
        assert!(told.iter().any(|line| line.starts_with(wanted)), "{wanted}\n{told:#?}");
    }
}
