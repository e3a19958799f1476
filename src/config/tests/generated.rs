//! Random configurations that are right, written as people write keepalived.conf: each loads without an error, and
//! to the same model once it is converted.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// A keyword's line, or nothing.
fn maybe(line: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    proptest::option::of(line).prop_map(Option::unwrap_or_default)
}

/// `keyword VALUE` for one of some values, or nothing.
fn one_of(keyword: &'static str, values: &'static [&'static str]) -> impl Strategy<Value = String> {
    maybe(select(values).prop_map(move |value| format!("{keyword} {value}\n")))
}

/// A keyword that stands alone, or nothing.
fn flag(keyword: &'static str) -> impl Strategy<Value = String> {
    maybe(Just(format!("{keyword}\n")))
}

fn lines<const N: usize>(parts: [BoxedStrategy<String>; N]) -> impl Strategy<Value = String> {
    Vec::from(parts).prop_map(|parts| parts.concat())
}

fn comment() -> impl Strategy<Value = String> {
    maybe(
        select(vec![
            "# of what follows\n",
            "\n! two\n! lines\n",
            "\n",
            "#\u{4e2d}\u{6587} \"{\" \\ */\n",
        ])
        .prop_map(str::to_owned),
    )
}

fn global() -> impl Strategy<Value = String> {
    let inside = lines([
        one_of("router_id", &["lvs", "\"a b\"", "LVS_DEVEL"]).boxed(),
        maybe(Just("notification_email {\na@b.c\nd@e.f g@h.i\n}\n".to_owned())).boxed(),
        one_of("smtp_server", &["127.0.0.1", "mail.example.org 587"]).boxed(),
        one_of("script_user", &["root", "nobody nogroup", "nobody:nogroup"]).boxed(),
        flag("enable_script_security").boxed(),
        one_of("vrrp_version", &["2", "3"]).boxed(),
        one_of("vrrp_strict", &["on", "off", ""]).boxed(),
        one_of("vrrp_garp_master_delay", &["0", "10"]).boxed(),
        one_of("vrrp_garp_master_repeat", &["0", "3"]).boxed(),
        one_of("vrrp_min_garp", &["yes", "no"]).boxed(),
        one_of("lvs_timeouts", &["tcp 900", "tcpfin 30 udp 5"]).boxed(),
        one_of("lvs_flush_on_stop", &["", "VS"]).boxed(),
        one_of(
            "lvs_sync_daemon",
            &["eth1", "eth1 id 5 port 8848 maxlen 1400", "eth1 inst V0 ttl 3"],
        )
        .boxed(),
        one_of("lvs_resync", &["0", "2.5"]).boxed(),
        one_of("vrrp_startup_delay", &["1.25"]).boxed(),
    ]);
    maybe(inside.prop_map(|inside| format!("global_defs {{ # all of it\n{inside}}}\n")))
}

fn scripts() -> impl Strategy<Value = String> {
    let inside = lines([
        one_of("interval", &["1", "2.5", "0.1"]).boxed(),
        one_of("timeout", &["3"]).boxed(),
        one_of("weight", &["-20", "5", "5 reverse", "0"]).boxed(),
        one_of("rise", &["2"]).boxed(),
        one_of("fall", &["3"]).boxed(),
        one_of("user", &["nobody", "nobody nogroup"]).boxed(),
        flag("init_fail").boxed(),
    ]);
    let command = select(vec![
        "\"killall -0 nginx\"",
        "/bin/true",
        "\"/bin/sh -c 'exit 0'\"",
        "'/bin/echo \"a b\" \\\\ c'",
        "\"</dev/tcp/127.0.0.1/80\"",
        "\"/bin/sh -c \\\"exit 0\\\"\"",
    ]);
    (comment(), command, inside).prop_map(|(comment, command, inside)| {
        format!("{comment}vrrp_script chk {{\nscript {command}\n{inside}}}\n")
    })
}

fn instance(number: usize) -> impl Strategy<Value = String> {
    let command: &'static [&'static str] = &[
        "/etc/n.sh",
        "\"/etc/n.sh a 'b c'\"",
        "\"/etc/n.sh a\" nobody",
        "/etc/n.sh nobody nogroup # x",
    ];
    let inside = lines([
        one_of("state", &["MASTER", "BACKUP"]).boxed(),
        one_of("priority", &["1", "100", "254", "255"]).boxed(),
        one_of("version", &["2", "3"]).boxed(),
        one_of("advert_int", &["1", "0.1", "2.005", "50"]).boxed(),
        maybe(Just("authentication {\nauth_type PASS\nauth_pass 0123\n}\n".to_owned())).boxed(),
        maybe(Just("unicast_src_ip 10.0.0.1\nunicast_peer {\n10.0.0.2\n10.0.0.3 min_ttl 254 max_ttl 255\n}\n".to_owned())).boxed(),
        flag("nopreempt").boxed(),
        one_of("preempt_delay", &["5", "0.5"]).boxed(),
        flag("no_accept").boxed(),
        one_of("strict_mode", &["on", "off"]).boxed(),
        one_of("garp_master_refresh", &["60"]).boxed(),
        one_of("down_timer_adverts", &["5"]).boxed(),
        maybe(Just("track_script {\nchk weight -2 reverse\n}\n".to_owned())).boxed(),
        maybe(Just("track_interface {\neth1\neth2 weight 10\n}\n".to_owned())).boxed(),
        one_of("notify_master", command).boxed(),
        one_of("notify", command).boxed(),
        one_of("notify_deleted", &["", "/etc/d.sh"]).boxed(),
        one_of("smtp_alert", &["true", "off"]).boxed(),
        maybe(Just("virtual_ipaddress_excluded {\nfe80::7/64 dev eth2 -nodad\n10.0.9.9\n}\n".to_owned())).boxed(),
    ]);
    let options = select(vec![
        "",
        "/24",
        "/24 dev eth1",
        "/24 brd + label eth0:1",
        "/16 brd 10.0.255.255 scope link no_track",
    ]);
    (comment(), inside, options).prop_map(move |(comment, inside, options)| {
        format!(
            "{comment}vrrp_instance V{number} {{\n{comment}interface eth0\nvirtual_router_id {}\n{inside}\
             virtual_ipaddress {{\n10.0.{number}.100{options} # x\n10.0.{number}.101\n{comment}}}\n}}\n",
            number + 1
        )
    })
}

fn checker() -> impl Strategy<Value = String> {
    let common = || {
        lines([
            one_of("connect_timeout", &["3", "0.5"]).boxed(),
            one_of("retry", &["0", "3"]).boxed(),
            one_of("delay_before_retry", &["2"]).boxed(),
            one_of("warmup", &["0", "7"]).boxed(),
            one_of("connect_port", &["8080"]).boxed(),
            one_of("bindto", &["10.0.0.1"]).boxed(),
            one_of("alpha", &["", "off"]).boxed(),
        ])
    };
    let http = lines([
        one_of("virtualhost", &["www.example.org"]).boxed(),
        one_of("http_protocol", &["1.0", "1.1", "1.0C"]).boxed(),
        one_of("enable_sni", &["", "true"]).boxed(),
        one_of("fast_recovery", &["on"]).boxed(),
    ]);
    let url = lines([
        Just("path /x?a=b&c=%20d\n".to_owned()).boxed(),
        one_of("status_code", &["200", "200-204 301", "404"]).boxed(),
        one_of("digest", &["640205b7b0fc66c1ea91c463fac6334d"]).boxed(),
    ]);
    let misc = lines([
        one_of("misc_timeout", &["5"]).boxed(),
        flag("misc_dynamic").boxed(),
        one_of("user", &["nobody"]).boxed(),
    ]);
    prop_oneof![
        common().prop_map(|common| format!("TCP_CHECK {{\n{common}}}\n")),
        (select(vec!["HTTP_GET", "SSL_GET"]), common(), http, url).prop_map(
            |(name, common, http, url)| format!("{name} {{\n{http}{common}url {{\n{url}}}\n}}\n")
        ),
        misc.prop_map(|misc| format!("MISC_CHECK {{\nmisc_path \"/bin/check 'a b'\"\n{misc}}}\n")),
    ]
}

fn virtual_server(number: usize) -> impl Strategy<Value = String> {
    let inside = lines([
        one_of("delay_loop", &["6", "0.5"]).boxed(),
        one_of("lb_algo", &["rr", "wlc", "sh", "mh"]).boxed(),
        one_of("lb_kind", &["DR", "NAT", "TUN", "TUN type gre csum", "TUN type gue port 6080"])
            .boxed(),
        one_of("protocol", &["TCP", "UDP", "sctp"]).boxed(),
        one_of("persistence_timeout", &["", "50"]).boxed(),
        one_of("persistence_granularity", &["255.255.255.0"]).boxed(),
        one_of("persistence_engine", &["sip"]).boxed(),
        flag("sh-port").boxed(),
        flag("ops").boxed(),
        flag("alpha").boxed(),
        flag("omega").boxed(),
        one_of("quorum", &["1", "2", "99"]).boxed(),
        one_of("hysteresis", &["0", "1"]).boxed(),
        one_of("quorum_up", &["\"/bin/q up\" nobody"]).boxed(),
        one_of("min_in_pool", &["1", "40%"]).boxed(),
        one_of("slow_start", &["30", "2.5 20%"]).boxed(),
        one_of("sorry_server", &["10.9.9.9 8000", "10.9.9.9"]).boxed(),
        one_of("sorry_server_lvs_method", &["NAT"]).boxed(),
        one_of("retry", &["4"]).boxed(),
        one_of("weight", &["7"]).boxed(),
        one_of("inhibit_on_failure", &["", "off"]).boxed(),
        one_of("rise", &["2"]).boxed(),
    ]);
    let target = select(vec!["10.1.0.1 80", "10.1.0.1", "fwmark 3"]);
    let server = (
        select(vec!["80", "8080", ""]),
        lines([
            one_of("weight", &["0", "3"]).boxed(),
            one_of("inhibit_on_failure", &["on"]).boxed(),
            one_of("delay_loop", &["2"]).boxed(),
            one_of("notify_down", &["\"/bin/n down\" nobody nogroup"]).boxed(),
            one_of("lvs_method", &["NAT", "DR"]).boxed(),
        ]),
        proptest::collection::vec(checker(), 0..3),
    );
    let servers = proptest::collection::vec(server, 1..4);
    (comment(), target, inside, servers).prop_map(move |(comment, target, inside, servers)| {
        let target = target
            .replace("10.1.0.1", &format!("10.1.{number}.1"))
            .replace("fwmark 3", &format!("fwmark {}", number + 1));
        let mut text = format!("{comment}virtual_server {target} {{\n{inside}");
        for (at, (port, inside, checkers)) in servers.into_iter().enumerate() {
            // A port for the checkers, where neither the service nor the real server has one.
            let checkers = checkers
                .concat()
                .replace("_CHECK {\n", "_CHECK {\nconnect_port 81\n")
                .replace("_GET {\n", "_GET {\nconnect_port 81\n");
            let checkers = checkers
                .replace("connect_port 8080\n", "")
                .replace("MISC_CHECK {\nconnect_port 81\n", "MISC_CHECK {\n");
            text += &format!(
                "{comment}real_server 10.2.0.{at} {port} {{ # {at}\n{inside}{checkers}}}\n"
            );
        }
        text + "}\n"
    })
}

fn configuration() -> impl Strategy<Value = String> {
    (
        global(),
        scripts(),
        instance(0),
        instance(1),
        virtual_server(0),
        virtual_server(1),
        any::<bool>(),
    )
        .prop_map(|(global, scripts, one, two, first, second, grouped)| {
            let group = if grouped { "vrrp_sync_group G {\ngroup {\nV0 V1\n}\n}\n" } else { "" };
            [&global, &scripts, &one, &two, group, &first, &second]
                .map(|part| part.to_owned())
                .concat()
        })
}

/// The text with conditions before some of its lines that stand alone.
fn shared(text: &str, choices: &[usize]) -> String {
    const ALONE: [&str; 12] = [
        "router_id",
        "priority",
        "advert_int",
        "garp_",
        "notify",
        "delay_loop",
        "quorum",
        "retry",
        "weight",
        "rise",
        "persistence_timeout",
        "inhibit_on_failure",
    ];
    let mut choices = choices.iter().cycle();
    let lines = text.lines().map(|line| {
        let alone = ALONE.iter().any(|keyword| line.starts_with(keyword)) && !line.contains('{');
        let choice = if alone { choices.next().copied().unwrap_or_default() } else { 0 };
        let condition = ["", "", "", "", "@lb1 ", "@^lb1 ", "@lb2 ", "@^lb2 "][choice];
        format!("{condition}{line}\n")
    });
    lines.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_loads_loads_to_the_same_model_once_converted(text in configuration()) {
        let Loaded { config, diagnostics, .. } = load_text("k", text.as_bytes(), Grammar::Keepalived, Host::Any);
        prop_assert!(config.is_some(), "{}\n{}", diagnostics.render(Style::Plain), text);
        let kdl = convert_text("k", text.as_bytes(), Grammar::Keepalived).kdl.unwrap();
        let again = load_text("k", kdl.as_bytes(), Grammar::Kdl, Host::Any);
        prop_assert!(again.config == config, "{}\n{}\n{}", again.diagnostics.render(Style::Plain), text, kdl);
        let twice = convert_text("k", kdl.as_bytes(), Grammar::Kdl).kdl;
        prop_assert_eq!(twice, Some(kdl));
    }

    #[test]
    fn what_a_pair_shares_means_the_same_to_each_once_converted(
        text in configuration(),
        choices in proptest::collection::vec(0_usize..8, 64),
    ) {
        let text = shared(&text, &choices);
        let Converted { kdl, report, .. } = convert_text("k", text.as_bytes(), Grammar::Keepalived);
        let kdl = kdl.unwrap();
        prop_assert_eq!(&report.decided, &None, "{}\n{}", text, kdl);
        for id in ["lb1", "lb2", "lb3"] {
            let asked = Asked { host: Host::Any, id: Some(id.to_owned()) };
            let original = load_text_as("k", text.as_bytes(), Grammar::Keepalived, &asked).config;
            let again = load_text_as("k", kdl.as_bytes(), Grammar::Kdl, &asked);
            prop_assert!(again.config == original, "{id}\n{}\n{text}\n{kdl}", again.diagnostics.render(Style::Plain));
        }
    }
}
