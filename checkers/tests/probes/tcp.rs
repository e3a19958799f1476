//! `TCP_CHECK`.

use std::num::NonZeroU16;

use checkers::{Outcome, ProbeKind, Weight};
use socket2::{Domain, Socket, Type};
use tokio::net::TcpListener;

use super::{AMPLE, SHORT, ask, connection, failure, failure_in_time, hold, nobody, serve};

#[tokio::test]
async fn a_listener_passes() {
    let target = serve(hold).await;
    let outcome = ask(target, ProbeKind::Tcp(connection(AMPLE))).await;
    assert_eq!(outcome, Outcome::Passed(Weight::Configured));
}

#[tokio::test]
async fn a_listener_on_ipv6_passes() {
    let Ok(listener) = TcpListener::bind("[::1]:0").await else { return };
    let target = listener.local_addr().unwrap().into();
    let outcome = ask(target, ProbeKind::Tcp(connection(AMPLE))).await;
    assert_eq!(outcome, Outcome::Passed(Weight::Configured));
}

#[tokio::test]
async fn nobody_listening_is_refused() {
    let outcome = ask(nobody().await, ProbeKind::Tcp(connection(AMPLE))).await;
    assert_eq!(failure(outcome), ("refused", "connect refused".to_owned()));
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    // A full backlog drops the first packet of the handshake.
    let full = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    full.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    full.listen(0).unwrap();
    let address = full.local_addr().unwrap().as_socket().unwrap();
    let _first = std::net::TcpStream::connect(address).unwrap();
    assert_eq!(
        failure_in_time(address.into(), ProbeKind::Tcp(connection(SHORT))).await,
        ("connect-timeout", "no answer within 200ms after connect started".to_owned())
    );
}

#[tokio::test]
async fn no_route_is_unreachable() {
    // 240.0.0.0/4 is reserved: Linux has no route there, or refuses at connect.
    let target = "255.255.255.255:80".parse::<std::net::SocketAddr>().unwrap().into();
    let outcome = ask(target, ProbeKind::Tcp(connection(SHORT))).await;
    assert_eq!(failure(outcome), ("unreachable", "network unreachable".to_owned()));
}

#[tokio::test]
async fn the_connection_comes_from_the_bound_source_and_is_reset() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap().into();
    let port = nobody().await.port;
    let mut from = connection(AMPLE);
    from.bind_to = Some("127.0.0.5".parse().unwrap());
    from.bind_port = NonZeroU16::new(port);
    assert_eq!(ask(target, ProbeKind::Tcp(from)).await, Outcome::Passed(Weight::Configured));
    let (stream, source) = listener.accept().await.unwrap();
    assert_eq!(source.to_string(), format!("127.0.0.5:{port}"));
    stream.readable().await.unwrap();
    let end = stream.try_read(&mut [0]).unwrap_err();
    assert_eq!(end.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_source_that_is_not_ours_is_no_failure_of_the_real_server() {
    let mut from = connection(AMPLE);
    from.bind_to = Some("192.0.2.1".parse().unwrap());
    let outcome = ask(nobody().await, ProbeKind::Tcp(from)).await;
    let Outcome::NotAsked(fault) = outcome else { panic!("{outcome:?}") };
    let wanted = "bind 192.0.2.1:0: Cannot assign requested address (os error 99)";
    assert_eq!(fault.to_string(), wanted);
}

#[tokio::test]
async fn an_interface_that_is_not_there_is_no_failure_of_the_real_server() {
    let mut from = connection(AMPLE);
    from.bind_if = Some("nosuch0".into());
    let outcome = ask(nobody().await, ProbeKind::Tcp(from)).await;
    let Outcome::NotAsked(fault) = outcome else { panic!("{outcome:?}") };
    assert_eq!(fault.to_string(), "bind to nosuch0: No such device (os error 19)");
}
