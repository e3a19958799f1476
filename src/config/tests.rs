//! What the two grammars promise: every mistake is told with its place, and nothing that is read makes us panic or
//! wait.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

/// Cases and answers; see its first lines.
const MISTAKES: &str = include_str!("tests/mistakes.txt");

struct Case {
    title: String,
    text: String,
    says: String,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for part in MISTAKES.split("\n=== ").skip(1) {
        let (title, body) = part.split_once('\n').unwrap_or((part, ""));
        let (text, says) = body.split_once("\n--- says\n").unwrap_or((body, ""));
        let [title, text, says] = [title, text.trim_end(), says.trim_end()].map(str::to_owned);
        cases.push(Case { title, text, says });
    }
    cases
}

/// What `check` would say, without the file's name.
fn says(case: &Case) -> String {
    let grammar = if case.title.starts_with("kdl") { Grammar::Kdl } else { Grammar::Keepalived };
    let Loaded { config, diagnostics, .. } =
        load_text("", case.text.as_bytes(), grammar, Host::Any);
    assert_eq!(config.is_none(), diagnostics.has_errors(), "{}", case.title);
    let lines: Vec<String> = diagnostics
        .lines()
        .map(|line| line.trim_start_matches(':').replace(" at :", " at "))
        .collect();
    lines.join("\n")
}

#[test]
fn mistakes_are_told_with_line_column_and_what_would_be_right() {
    let cases = cases();
    if std::env::var_os("EVENKEEL_WRITE").is_some() {
        let mut file = MISTAKES.split("\n=== ").next().unwrap().to_owned();
        for case in &cases {
            file += &format!("\n=== {}\n{}\n--- says\n{}\n", case.title, case.text, says(case));
        }
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/tests/mistakes.txt"), file)
            .unwrap();
        return;
    }
    for case in &cases {
        assert_eq!(says(case), case.says, "{}", case.title);
    }
    let told = cases.iter().map(|case| case.says.lines().count()).sum::<usize>();
    assert!(told >= 100, "{told} diagnostics in {} cases", cases.len());
}

#[test]
fn the_grammar_follows_from_the_ending_or_from_the_text() {
    let cases = [
        ("a.kdl", "", Grammar::Kdl),
        ("a.conf", "// x", Grammar::Keepalived),
        ("a", "! Configuration File\n", Grammar::Keepalived),
        ("a", "\n  # x\n", Grammar::Keepalived),
        ("a", "// x\n", Grammar::Kdl),
        ("a", "global_defs {\n}\nvrrp_instance \"VI_1\" {\n", Grammar::Kdl),
        ("a", "global_defs {\n}\nvirtual_server 10.0.0.1 80 {\n", Grammar::Keepalived),
        ("keepalived.conf.old", "global_defs {\n  router_id x\n}\n", Grammar::Keepalived),
    ];
    for (name, text, grammar) in cases {
        assert_eq!(grammar_of(Path::new(name), text.as_bytes()), grammar, "{name} {text:?}");
    }
}

#[test]
fn a_file_that_is_not_there_is_an_error_with_its_name() {
    let Loaded { config, diagnostics, .. } = load(Path::new("/nonexistent/keepalived.conf"));
    assert_eq!(config, None);
    let told: Vec<String> = diagnostics.lines().collect();
    assert_eq!(
        told,
        [
            "error: /nonexistent/keepalived.conf: No such file or directory (os error 2) [unreadable]"
        ]
    );
}

/// On this host, what cannot run is told and left out, and what is missing keeps the file from running.
#[test]
fn scripts_accounts_and_interfaces_are_those_of_this_host() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::write(&data, "#!/bin/sh\n").unwrap();
    let text = format!(
        "vrrp_script missing {{\n script /nonexistent/check\n}}\n\
         vrrp_script data {{\n script {}\n}}\n\
         vrrp_script good {{\n script true\n user root\n}}\n\
         vrrp_instance V {{\n interface no-such-if0\n virtual_router_id 1\n notify \"true\" no-such-user\n \
         track_script {{\n  missing\n  data\n  good\n }}\n virtual_ipaddress {{\n  10.0.0.1\n }}\n}}\n",
        data.display()
    );
    let text = text.as_bytes();
    let Loaded { config, diagnostics, .. } = load_text("k", text, Grammar::Keepalived, Host::This);
    assert_eq!(config, None);
    let told: Vec<String> = diagnostics
        .lines()
        .map(|line| line.split(" (help").next().unwrap().replace(&*data.to_string_lossy(), "DATA"))
        .filter(|line| !line.contains("script-security"))
        .collect();
    assert_eq!(
        told,
        [
            "k:2:9: warning: `/nonexistent/check` cannot be run: No such file or directory (os error 2); it is left \
             out [script]",
            "k:5:9: warning: `DATA` is not executable; it is left out [script]",
            "k:12:12: error: this host has no interface `no-such-if0` [no-interface]",
            "k:14:2: warning: this host has no user `no-such-user`; `notify` is not run [no-account]",
        ]
    );
}

#[test]
fn a_missing_script_is_left_out_as_in_keepalived_and_refused_in_kdl() {
    let conf = "vrrp_script a {\n script /nonexistent/x\n}\nvirtual_server 10.0.0.1 80 {\n protocol TCP\n lb_kind DR\n \
                real_server 10.0.0.2 80 {\n }\n}\n";
    let loaded = load_text("k", conf.as_bytes(), Grammar::Keepalived, Host::This);
    assert_eq!(loaded.config.unwrap().scripts, []);
    let kdl = convert_text("k", conf.as_bytes(), Grammar::Keepalived).kdl.unwrap();
    assert!(load_text("k", kdl.as_bytes(), Grammar::Kdl, Host::This).config.is_none(), "{kdl}");
}

/// `weight=3` on the line of a block is `weight 3` inside it.
#[test]
fn properties_are_keywords_of_their_block() {
    let model = |text: &str| {
        let loaded = load_text("k", text.as_bytes(), Grammar::Kdl, Host::Any);
        loaded.config.unwrap_or_else(|| panic!("{}", loaded.diagnostics.render(Style::Plain)))
    };
    let one = r#"
        vrrp_script "chk" script="true" weight=-20
        vrrp_instance "V" interface="eth0" virtual_router_id=51 nopreempt=#true {
            track_script "chk" weight=-10
            virtual_ipaddress "10.0.0.100/24" dev="eth1"
        }
        virtual_server "10.0.0.100" 80 lb_kind="DR" protocol="TCP" {
            real_server "10.0.0.3" 80 weight=3
            real_server "10.0.0.4" 80 weight=4 { TCP_CHECK connect_timeout="2s" }
        }"#;
    let other = r#"
        vrrp_script "chk" { script "true"; weight -20 }
        vrrp_instance "V" {
            interface "eth0"; virtual_router_id 51; nopreempt
            track_script { "chk" weight=-10 }
            virtual_ipaddress { "10.0.0.100/24" dev="eth1" }
        }
        virtual_server "10.0.0.100" 80 {
            lb_kind "DR"; protocol "TCP"
            real_server "10.0.0.3" 80 { weight 3 }
            real_server "10.0.0.4" 80 { weight 4; TCP_CHECK { connect_timeout 2 } }
        }"#;
    assert_eq!(model(one), model(other));
    assert_eq!(model(one).instances[0].virtual_addresses[0].dev.as_str(), "eth1");
}

#[test]
fn the_older_form_of_the_sync_daemon_means_the_same_and_the_first_one_counts() {
    let text = |global: &str, one: &str, other: &str| {
        format!(
            "global_defs {{\n {global}\n}}\n\
             vrrp_instance A {{\n interface eth0\n virtual_router_id 1\n {one}\n virtual_ipaddress {{\n 10.0.0.1\n }}\n}}\n\
             vrrp_instance B {{\n interface eth0\n virtual_router_id 2\n {other}\n virtual_ipaddress {{\n 10.0.0.2\n }}\n}}\n"
        )
    };
    let model = |text: String| {
        let loaded = load_text("k", text.as_bytes(), Grammar::Keepalived, Host::Any);
        loaded
            .config
            .unwrap_or_else(|| panic!("{:?}", loaded.diagnostics.lines().collect::<Vec<_>>()))
    };
    let old = |interface: &str| format!("lvs_sync_daemon_interface {interface}");
    let new = model(text("lvs_sync_daemon eth1 A", "", ""));
    assert!(new.global.lvs_sync_daemon.is_some());
    assert_eq!(model(text("", &old("eth1"), "")), new);
    assert_eq!(model(text("", &old("eth1"), &old("eth2"))), new);
    assert_eq!(model(text("lvs_sync_daemon eth1 A", "", &old("eth2"))), new);
}

#[test]
fn a_second_line_that_is_skipped_leaves_the_first() {
    let model = |more: &str| {
        let text = format!(
            "vrrp_instance A {{\n interface eth0\n virtual_router_id 1\n advert_int 2\n {more}\n virtual_ipaddress {{\n \
             10.0.0.1\n }}\n}}\n"
        );
        load_text("k", text.as_bytes(), Grammar::Keepalived, Host::Any).config.unwrap()
    };
    assert_eq!(model("advert_int two"), model(""));
    assert_ne!(model("advert_int 3"), model(""));
}

/// Reads anything in a grammar, shows what is wrong with it, and rewrites it. A second is far more than it takes;
/// what is quadratic takes minutes.
fn survive(text: &[u8], grammar: Grammar) {
    #[expect(clippy::disallowed_methods, reason = "the promise is about time")]
    let begin = Instant::now();
    let Loaded { config, diagnostics, .. } = load_text("x", text, grammar, Host::Any);
    assert_eq!(config.is_none(), diagnostics.has_errors());
    let drawn = diagnostics.render(Style::Plain);
    assert!(drawn.len() < 4_000_000, "{} bytes of drawing", drawn.len());
    drop(convert_text("x", text, grammar));
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

#[test]
fn large_and_deep_texts_end() {
    let pieces: [&[u8]; 16] = [
        b"{",
        b"}",
        b"a {\n",
        b"\"",
        b"\\",
        b"#",
        b"/*",
        b"/-",
        b"a ",
        b"\n",
        b"\0",
        b"\xff",
        b"(",
        b"a=",
        b"=",
        b"\"\"\"\n",
    ];
    for piece in pieces {
        let text = piece.repeat(200_000 / piece.len());
        for grammar in [Grammar::Keepalived, Grammar::Kdl] {
            survive(&text, grammar);
        }
    }
    let line = [b"router_id ".as_slice(), &b"x".repeat(5 << 20)].concat();
    survive(&line, Grammar::Keepalived);
    survive(&line, Grammar::Kdl);
}

/// Words that lead into the decoders, and some that lead astray.
fn word() -> impl Strategy<Value = String> {
    let names: Vec<&str> = keywords::rows().iter().map(|row| row.name).collect();
    prop_oneof![
        4 => proptest::sample::select(names).prop_map(str::to_owned),
        2 => proptest::sample::select(vec![
            "{", "}", "\n", "\n", ";", "\"", "10.0.0.1", "10.0.0.1/24", "fe80::1", "80", "0", "-1", "254", "255", "eth0",
            "VI_1", "fwmark", "group", "PASS", "MASTER", "on", "off", "1.5", "weight", "dev", "label", "#", "!", "//x",
            "\u{4e2d}", "<x", "'", "$A=1", "@x", "=", "#true", "\"10.0.0.1\"",
        ]).prop_map(str::to_owned),
        1 => "[ -~]{0,12}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_end_without_panic(text in proptest::collection::vec(any::<u8>(), 0..400)) {
        survive(&text, Grammar::Keepalived);
        survive(&text, Grammar::Kdl);
    }

    #[test]
    fn any_words_end_without_panic(words in proptest::collection::vec(word(), 0..80)) {
        let text = words.join(" ");
        survive(text.as_bytes(), Grammar::Keepalived);
        survive(text.as_bytes(), Grammar::Kdl);
    }
}

mod damaged;
mod generated;

#[test]
fn what_is_told_of_a_file_repeats_none_of_its_secrets() {
    const SECRETS: [&str; 4] = ["Pa55word", "SignsIt", "T0K3N", "BeatKey"];
    let [password, signs, token, key] = SECRETS;
    let conf = format!(
        "global_defs {{
 smtp_auth lb1 {password} {password}
 router_idd x
 webhook http://h/{token} secret={signs}
}}
heartbeat {{
 peer 10.0.0.2
 key {key} {key}
 intervall 1
}}
vrrp_instance V {{
 interface eth0
 virtual_router_id 1
 authentication {{
  auth_type PASSS
  auth_pass {password} {password}
  auth_pas {password}
 }}
 virtual_ipaddress {{
  10.0.0.1
 }}
}}
"
    );
    let kdl = format!(
        "global_defs {{
 smtp_auth \"lb1\" \"{password}\" \"{password}\"
 webhook \"http://h/{token}\" secrett=\"{signs}\"
}}
heartbeat {{
 peer \"10.0.0.2\"; key \"{key}\" \"{key}\"
}}
vrrp_instance \"V\" {{
 authentication {{
  auth_type \"PASS\"; auth_pass \"{password}\" \"{password}\"
 }}
}}
"
    );
    for (text, grammar) in [(conf, Grammar::Keepalived), (kdl, Grammar::Kdl)] {
        let Loaded { diagnostics, .. } = load_text("x", text.as_bytes(), grammar, Host::Any);
        let wrong: Vec<&str> = diagnostics.wrong_values().iter().map(String::as_str).collect();
        let told = [
            diagnostics.render(Style::Plain),
            diagnostics.lines().collect::<Vec<_>>().join("\n"),
            diagnostics.to_json().to_string(),
            wrong.join("\n"),
        ]
        .join("\n");
        assert!(told.contains("***"), "{told}");
        for secret in SECRETS {
            assert!(!told.contains(secret), "{secret} in:\n{told}");
        }
    }
}
