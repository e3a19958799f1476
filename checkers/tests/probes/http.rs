//! `HTTP_GET`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use checkers::spec::{
    BodySearch, HttpSpec, HttpVersion, Pattern, PatternOptions, StatusRange, Statuses, Url,
};
use checkers::{Outcome, ProbeKind, Target, Weight};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{
    AMPLE, SHORT, ask, ask_step, connection, failure, failure_in_time, hold, nobody, serve,
};

const PASSED: Outcome = Outcome::Passed(Weight::Configured);

pub(crate) fn url(path: &str) -> Url {
    Url {
        path: path.parse().unwrap(),
        statuses: Statuses::default(),
        digest: None,
        search: None,
        virtualhost: None,
        tls_compliant: false,
    }
}

pub(crate) fn http(timeout: Duration, url: Url) -> HttpSpec {
    HttpSpec {
        connection: connection(timeout),
        tls: None,
        version: HttpVersion::Http10,
        urls: vec![url],
        fast_recovery: false,
        body_limit: None,
    }
}

fn get(timeout: Duration) -> ProbeKind {
    ProbeKind::Http(http(timeout, url("/")))
}

/// Reads the request to its empty line.
pub(crate) async fn request(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read_exact(&mut byte).await.is_err() {
            break;
        }
        request.push(byte[0]);
    }
    String::from_utf8(request).unwrap()
}

/// Answers each request with these bytes, and closes.
async fn answering(answer: impl AsRef<[u8]> + Clone + Send + Sync + 'static) -> Target {
    serve(move |mut stream: TcpStream| {
        let answer = answer.clone();
        async move {
            request(&mut stream).await;
            stream.write_all(answer.as_ref()).await.unwrap();
        }
    })
    .await
}

/// Answers each request with `head`, then with `piece` again and again at this interval.
async fn endless(head: &'static str, piece: &'static [u8], every: Duration) -> Target {
    serve(move |mut stream: TcpStream| async move {
        request(&mut stream).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        while stream.write_all(piece).await.is_ok() {
            if !every.is_zero() {
                tokio::time::sleep(every).await;
            }
        }
    })
    .await
}

/// What the server was sent.
async fn sent(spec: HttpSpec) -> (Target, String) {
    let requests = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&requests);
    let target = serve(move |mut stream: TcpStream| {
        let seen = Arc::clone(&seen);
        async move {
            *seen.lock().unwrap() = request(&mut stream).await;
            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").await.unwrap();
        }
    })
    .await;
    assert_eq!(ask(target, ProbeKind::Http(spec)).await, PASSED);
    let request = requests.lock().unwrap().clone();
    (target, request)
}

#[tokio::test]
async fn an_answer_to_the_end_of_the_connection_passes() {
    let target = answering("HTTP/1.0 200 OK\r\n\r\nhello").await;
    assert_eq!(ask(target, get(AMPLE)).await, PASSED);
}

#[tokio::test]
async fn an_answer_with_a_length_passes() {
    let target = answering("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(ask(target, get(AMPLE)).await, PASSED);
}

#[tokio::test]
async fn an_answer_in_chunks_passes() {
    let target =
        answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
            .await;
    let mut spec = http(AMPLE, url("/"));
    spec.version = HttpVersion::Http11;
    spec.urls[0].digest = Some("5d41402abc4b2a76b9719d911017c592".parse().unwrap());
    assert_eq!(ask(target, ProbeKind::Http(spec)).await, PASSED);
}

#[tokio::test]
async fn an_answer_shorter_than_announced_is_judged_as_it_is() {
    let target = answering("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello").await;
    assert_eq!(ask(target, get(AMPLE)).await, PASSED);
}

#[tokio::test]
async fn each_step_asks_its_own_url() {
    let target = serve(|mut stream: TcpStream| async move {
        let asked = request(&mut stream).await;
        let status = if asked.starts_with("GET /good?a=1 ") { "200" } else { "404" };
        stream.write_all(format!("HTTP/1.0 {status} x\r\n\r\n").as_bytes()).await.unwrap();
    })
    .await;
    let mut spec = http(AMPLE, url("/good?a=1"));
    spec.urls.push(url("/bad"));
    assert_eq!(ask_step(target, ProbeKind::Http(spec.clone()), 0).await, PASSED);
    let outcome = ask_step(target, ProbeKind::Http(spec), 1).await;
    assert_eq!(failure(outcome), ("status", "404, wanted 200-299".to_owned()));
}

#[tokio::test]
async fn the_request_is_the_one_that_keepalived_sends() {
    let (target, request) = sent(http(AMPLE, url("/"))).await;
    let wanted = format!("GET / HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: {target}\r\n\r\n");
    assert_eq!(request, wanted);
}

#[tokio::test]
async fn the_request_closes_and_names_the_virtualhost() {
    let mut spec = http(AMPLE, url("/a"));
    spec.urls[0].virtualhost = Some("www.example.org".parse().unwrap());
    for (version, line) in [(HttpVersion::Http10Close, "1.0"), (HttpVersion::Http11, "1.1")] {
        spec.version = version;
        let (_, request) = sent(spec.clone()).await;
        let wanted = format!(
            "GET /a HTTP/{line}\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\n\
             Host: www.example.org\r\n\r\n"
        );
        assert_eq!(request, wanted);
    }
}

#[tokio::test]
async fn nobody_listening_is_refused() {
    let outcome = ask(nobody().await, get(AMPLE)).await;
    assert_eq!(failure(outcome), ("refused", "connect refused".to_owned()));
}

#[tokio::test]
async fn accepted_and_silent_ends_at_the_deadline() {
    let target = serve(hold).await;
    assert_eq!(
        failure_in_time(target, get(SHORT)).await,
        ("answer-timeout", "no answer within 200ms after request sent".to_owned())
    );
}

#[tokio::test]
async fn closed_at_once_says_so() {
    let target = serve(|mut stream| async move {
        request(&mut stream).await;
    })
    .await;
    let outcome = ask(target, get(AMPLE)).await;
    assert_eq!(failure(outcome), ("closed", "closed after 0 bytes".to_owned()));
}

#[tokio::test]
async fn closed_in_the_headers_says_so() {
    let target = answering("HTTP/1.0 200 OK\r\nServ").await;
    let outcome = ask(target, get(AMPLE)).await;
    assert_eq!(failure(outcome), ("closed", "closed after 21 bytes".to_owned()));
}

#[tokio::test]
async fn reset_says_so() {
    let target = serve(|mut stream: TcpStream| async move {
        request(&mut stream).await;
        stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nhello").await.unwrap();
        tokio::time::sleep(SHORT).await;
        stream.set_zero_linger().unwrap();
    })
    .await;
    let outcome = ask(target, get(AMPLE)).await;
    assert_eq!(failure(outcome), ("reset", "reset after 43 bytes".to_owned()));
}

#[tokio::test]
async fn a_drip_ends_at_the_deadline() {
    let target = endless("", b"H", Duration::from_secs(1)).await;
    assert_eq!(
        failure_in_time(target, get(SHORT)).await,
        ("unfinished", "answer unfinished within 200ms, 1 bytes so far".to_owned())
    );
}

#[tokio::test]
async fn a_connection_kept_open_after_the_answer_ends_at_the_deadline() {
    let target = serve(|mut stream: TcpStream| async move {
        request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await.unwrap();
        hold(stream).await;
    })
    .await;
    assert_eq!(
        failure_in_time(target, get(SHORT)).await,
        ("unfinished", "answer unfinished within 200ms, 43 bytes so far".to_owned())
    );
}

#[tokio::test]
async fn garbage_is_shown() {
    let target = answering("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n").await;
    assert_eq!(
        failure(ask(target, get(AMPLE)).await),
        ("not-http", r#"not HTTP: "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n""#.to_owned())
    );
    let target = answering(vec![0xff; 100_000]).await;
    let (reason, text) = failure(ask(target, get(AMPLE)).await);
    assert_eq!((reason, text), ("not-http", format!("not HTTP: \"{}\"", r"\xff".repeat(40))));
}

#[tokio::test]
async fn endless_headers_stop_at_the_bound() {
    let too_long = ("headers-over-limit", "headers over 16384 bytes or 100 lines".to_owned());
    let lines = endless("HTTP/1.0 200 OK\r\n", b"X-Filler: 1\r\n", Duration::ZERO).await;
    assert_eq!(failure(ask(lines, get(AMPLE)).await), too_long);
    let line = endless("HTTP/1.0 200 OK\r\nX: ", &[b'x'; 4096], Duration::ZERO).await;
    assert_eq!(failure(ask(line, get(AMPLE)).await), too_long);
}

#[tokio::test]
async fn an_endless_body_ends_at_the_deadline_in_bounded_memory() {
    let before = resident();
    let target = endless("HTTP/1.0 200 OK\r\n\r\n", &[b'x'; 65_536], Duration::ZERO).await;
    let (reason, text) = failure_in_time(target, get(SHORT)).await;
    let bytes: u64 = text
        .strip_prefix("answer unfinished within 200ms, ")
        .and_then(|rest| rest.strip_suffix(" bytes so far"))
        .unwrap_or_else(|| panic!("{text}"))
        .parse()
        .unwrap();
    assert_eq!(reason, "unfinished");
    assert!(bytes > 8 << 20, "only {bytes} bytes came");
    let grown = resident().saturating_sub(before);
    assert!(grown < 8 << 20, "{bytes} bytes of body took {grown} bytes of memory");
}

#[tokio::test]
async fn a_body_over_its_limit_says_so() {
    let target = endless("HTTP/1.0 200 OK\r\n\r\n", &[b'x'; 1000], Duration::ZERO).await;
    let mut spec = http(AMPLE, url("/"));
    spec.body_limit = Some(100_000);
    let outcome = ask(target, ProbeKind::Http(spec)).await;
    assert_eq!(failure(outcome), ("body-over-limit", "body over 100000 bytes".to_owned()));
}

#[tokio::test]
async fn a_wrong_status_says_what_was_wanted() {
    let target = endless("HTTP/1.0 503 Busy\r\n\r\n", b"x", Duration::from_secs(1)).await;
    let outcome = ask(target, get(AMPLE)).await;
    assert_eq!(failure(outcome), ("status", "503, wanted 200-299".to_owned()));
    let target = answering("HTTP/1.0 200 OK\r\n\r\n").await;
    let ranges = [(301, 301), (404, 410)].map(|(first, last)| StatusRange { first, last });
    let mut spec = http(AMPLE, url("/"));
    spec.urls[0].statuses = Statuses::try_from(ranges.to_vec()).unwrap();
    let outcome = ask(target, ProbeKind::Http(spec)).await;
    assert_eq!(failure(outcome), ("status", "200, wanted 301,404-410".to_owned()));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let target = answering("HTTP/1.0 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n").await;
    let outcome = ask(target, get(AMPLE)).await;
    assert_eq!(failure(outcome), ("status", "302, wanted 200-299".to_owned()));
}

#[tokio::test]
async fn a_digest_is_compared() {
    let target = answering("HTTP/1.0 200 OK\r\n\r\nhello").await;
    let mut spec = http(AMPLE, url("/"));
    spec.urls[0].digest = Some("5D41402ABC4B2A76B9719D911017C592".parse().unwrap());
    assert_eq!(ask(target, ProbeKind::Http(spec.clone())).await, PASSED);
    spec.urls[0].digest = Some("00000000000000000000000000000001".parse().unwrap());
    let wanted = "digest 5d41402abc4b2a76b9719d911017c592, wanted 00000000000000000000000000000001";
    let outcome = ask(target, ProbeKind::Http(spec)).await;
    assert_eq!(failure(outcome), ("digest", wanted.to_owned()));
}

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096
}

fn searching(pattern: &str, no_match: bool, offsets: (u64, Option<u64>)) -> ProbeKind {
    let pattern = Pattern::new(pattern, PatternOptions::default()).unwrap();
    let (min_offset, max_offset) = offsets;
    let mut spec = http(AMPLE, url("/"));
    spec.urls[0].search = Some(BodySearch { pattern, no_match, min_offset, max_offset });
    ProbeKind::Http(spec)
}

#[tokio::test]
async fn a_body_is_searched() {
    let target = answering("HTTP/1.0 200 OK\r\n\r\nstatus: fine\n").await;
    for good in [
        searching("^status: (fine|good)$", false, (0, None)),
        searching("fine", false, (8, Some(8))),
        searching("bad", true, (0, None)),
        searching("status", true, (1, None)),
    ] {
        assert_eq!(ask(target, good).await, PASSED);
    }
    for (bad, reason, text) in [
        (searching("^fine", false, (0, None)), "no-match", "no match in 13 bytes of body"),
        (searching("fine", false, (0, Some(7))), "no-match", "no match in 13 bytes of body"),
        (searching("fi", true, (0, None)), "match", "match at byte 8 of the body, wanted none"),
    ] {
        assert_eq!(failure(ask(target, bad).await), (reason, text.to_owned()));
    }
}

#[tokio::test]
async fn a_match_that_must_not_be_ends_an_endless_body() {
    let target = endless("HTTP/1.0 200 OK\r\n\r\nbad", &[b'.'; 16 * 1024], Duration::ZERO).await;
    let outcome = ask(target, searching("bad", true, (0, None))).await;
    let wanted = "match at byte 0 of the body, wanted none";
    assert_eq!(failure(outcome), ("match", wanted.to_owned()));
}

#[tokio::test]
async fn what_cannot_be_an_expression_from_a_file_of_ours_is_a_fault_of_ours() {
    let good = Pattern::new("aa", PatternOptions::default()).unwrap();
    let mut bytes = postcard::to_allocvec(&good).unwrap();
    assert_eq!(postcard::from_bytes::<Pattern>(&bytes).unwrap(), good);
    bytes[1] = b'(';
    let pattern = postcard::from_bytes(&bytes).unwrap();
    let target = answering("HTTP/1.0 200 OK\r\n\r\nx").await;
    let mut spec = http(AMPLE, url("/"));
    spec.urls[0].search =
        Some(BodySearch { pattern, no_match: false, min_offset: 0, max_offset: None });
    let Outcome::NotAsked(fault) = ask(target, ProbeKind::Http(spec)).await else { panic!() };
    assert_eq!(fault.to_string(), "regex: unclosed group");
}
