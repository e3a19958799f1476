use super::*;
use crate::config::{Asked, Host, load_text_as};

/// The model of a text for a director.
fn model(id: &str, text: &str, grammar: Grammar) -> crate::config::Config {
    let asked = Asked { host: Host::Any, id: Some(id.to_owned()) };
    let loaded = load_text_as("x", text.as_bytes(), grammar, &asked);
    let told: Vec<String> = loaded.diagnostics.lines().collect();
    loaded.config.unwrap_or_else(|| panic!("{told:#?}"))
}

#[test]
fn a_pair_shares_one_file_in_either_grammar() {
    let kdl = r#"
        define "NET" "10.0.0"
        when "lb1" { define "PRIORITY" 150 }
        unless "lb1" { define "PRIORITY" 100 }
        define "RS" { real_server "${NET}.${1}" 80 { weight "${2}" } }
        vrrp_instance "V" {
            interface "eth0"; virtual_router_id 51; priority "${PRIORITY}"
            virtual_ipaddress { "${NET}.100/24" }
        }
        virtual_server "${NET}.100" 80 {
            lb_kind "DR"; protocol "TCP"
            repeat "I" from=3 to=5 { use "RS" "${I}" 7 }
            repeat "I,W" "6,1" "7,2" { real_server "${NET}.${I}" 80 { weight "${W}" } }
            when "lb2" "lb3" { delay_loop 9 }
        }"#;
    let conf = "$NET=10.0.0\n@lb1 $PRIORITY=150\n@^lb1 $PRIORITY=100\n\
        $RS= \\\nreal_server ${NET}.${1} 80 { \\\n weight $2 \\\n}\n\
        vrrp_instance V {\n interface eth0\n virtual_router_id 51\n priority $PRIORITY\n \
        virtual_ipaddress {\n  ${NET}.100/24\n }\n}\n\
        virtual_server ${NET}.100 80 {\n lb_kind DR\n protocol TCP\n \
        ~SEQ(I, 3, 5) $RS $I 7\n\
        $RW= \\\nreal_server ${NET}.${I} 80 { \\\n weight $W \\\n}\n\
        ~LST({I, W}, {6, 1}, {7, 2}) $RW\n@lb2 delay_loop 9\n}\n";
    for id in ["lb1", "lb2"] {
        let [one, two] = [(kdl, Grammar::Kdl), (conf, Grammar::Keepalived)]
            .map(|(text, grammar)| model(id, text, grammar));
        assert_eq!(one, two, "{id}");
        assert_eq!(one.virtual_servers[0].real_servers.len(), 5);
    }
}

#[test]
fn what_never_ends_and_what_is_written_wrong_is_told() {
    for (text, wanted) in [
        ("define \"A\" { use \"A\" }\nuse \"A\"", "nested deeper than 64"),
        ("define \"A\" \"${A}x\"\nrouter_id \"${A}\"", "names within names"),
        ("repeat \"I\" to=4000000 { a }", "4000000 turns: at most 1000000 are made"),
        ("repeat \"I\" from=1 { a }", "neither values nor `to`"),
        ("when { a }", "this is not how `when` is written"),
        ("use \"B\"", "nothing defines `B` as a block before this"),
        ("include \"/nonexistent/x.kdl\"", "there is no file `/nonexistent/x.kdl`"),
    ] {
        let asked = Asked { host: Host::Any, id: None };
        let loaded = load_text_as("x", text.as_bytes(), Grammar::Kdl, &asked);
        let told: Vec<String> = loaded.diagnostics.lines().collect();
        assert!(loaded.config.is_none(), "{text}");
        assert!(told.iter().any(|line| line.contains(wanted)), "{text}: {told:#?}");
    }
}

#[test]
fn what_repeats_too_often_ends_at_its_bound() {
    let text = "repeat \"I\" to=1000000 { repeat \"J\" to=1000000 { repeat \"K\" to=2 { a } } }";
    let mut diagnostics = Diagnostics::default();
    let added = diagnostics.sources_mut().add("x", text.as_bytes(), Grammar::Kdl, None);
    let file = added.unwrap();
    let tree = crate::config::kdl::parse(file, &mut diagnostics);
    let context = Context { lines: 10_000, ..Context::new(None, "".into()) };
    let filled = fill(None, tree, &context, &mut diagnostics);
    let told: Vec<String> = diagnostics.lines().collect();
    assert!(told.iter().any(|line| line.contains("more than 10000 nodes")), "{told:#?}");
    assert!(filled.directives().count() <= 10_000);
}

#[test]
fn include_check_holds_for_the_file_that_it_stands_in() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name)
    };
    write("inner.kdl", "global_defs { include_check }\n");
    write("inner.conf", "global_defs {\n include_check\n}\n");
    let errors = |path: &Path| {
        let loaded = crate::config::load_as(path, &Asked { host: Host::Any, id: None });
        let lines: Vec<String> = loaded.diagnostics.lines().collect();
        lines.into_iter().filter(|line| line.contains("there is no file")).collect::<Vec<_>>()
    };
    let kdl = "global_defs { include_check \"-\" \"match\" }\n\
        include \"inner.kdl\"\ninclude \"away.kdl\"\ninclude \"away*.kdl\"\n";
    let told = errors(&write("a.kdl", kdl));
    assert!(told.len() == 2 && told.iter().all(|line| line.contains("warning")), "{told:#?}");
    let conf = "include away.conf\nglobal_defs {\n include_check +match\n}\n\
        include inner.conf\ninclude away.conf\ninclude away*.conf\n";
    let told = errors(&write("a.conf", conf));
    let severities = ["warning", "error", "warning"];
    assert_eq!(told.len(), 3, "{told:#?}");
    let each = told.iter().zip(severities);
    assert!(each.clone().all(|(line, wanted)| line.contains(wanted)), "{told:#?}");
}
