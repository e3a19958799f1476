//! `evenkeel digest`: the value for `digest` in a configuration, with genhash's options. The probe itself asks, so that it
//! cannot differ from what the check will see.

use std::net::{IpAddr, ToSocketAddrs};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use checkers::spec::{
    Digest, Host, HttpSpec, HttpVersion, Sni, StatusRange, TlsSpec, Url, UrlPath,
};
use checkers::{
    Cadence, CheckSpec, Connection, Failure, Outcome, ProbeKind, RunId, Runner, Step, Target,
};
use clap::Args;

/// What to ask, in the letters of genhash.
#[derive(Debug, Clone, Args)]
pub(super) struct Options {
    /// The server: an address or a name
    #[arg(short = 's', long, value_name = "HOST")]
    server: String,
    /// Its port
    #[arg(short = 'p', long, value_name = "PORT")]
    port: u16,
    /// Path and query
    #[arg(short = 'u', long, value_name = "PATH")]
    url: String,
    /// With TLS
    #[arg(short = 'S', long = "use-ssl")]
    tls: bool,
    /// With TLS, the name sent in the handshake
    #[arg(short = 'I', long = "use-sni", value_name = "NAME")]
    sni: Option<String>,
    /// The Host header
    #[arg(short = 'V', long, value_name = "NAME")]
    virtualhost: Option<String>,
    /// HTTP version
    #[arg(short = 'P', long, value_parser = ["1.0", "1.0c", "1.0C", "1.1"], default_value = "1.0")]
    protocol: String,
    /// Deadline
    #[arg(short = 't', long, value_name = "TIME", value_parser = super::parse_time, default_value = "5")]
    timeout: Duration,
    /// Mark of the packets
    #[arg(short = 'm', long, value_name = "MARK")]
    fwmark: Option<std::num::NonZeroU32>,
    /// Say more
    #[arg(short = 'v', long)]
    verbose: bool,
}

/// Exit status 0 when there was a body.
pub(super) fn run(options: &Options) -> ExitCode {
    match ask(options) {
        Ok(digest) if options.verbose => {
            sayln!("MD5SUM = {digest}");
            ExitCode::SUCCESS
        }
        Ok(digest) => {
            sayln!("{digest}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("evenkeel: {why}");
            ExitCode::FAILURE
        }
    }
}

fn ask(options: &Options) -> Result<Digest, String> {
    let target = target(&options.server, options.port)?;
    let spec = spec(options)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime.map_err(|cause| cause.to_string())?.block_on(async {
        let mut runner = Runner::new();
        runner.start(RunId(0), target, Arc::new(spec), Step(0));
        runner.next().await.1
    });
    match outcome {
        Outcome::Failed(Failure::Digest { seen, .. }) => Ok(seen),
        // The body's digest is the one that was wanted: nobody has met it, but it would be right.
        Outcome::Passed(_) | Outcome::PassedWith(..) => Ok(UNLIKELY),
        Outcome::Failed(failure) => Err(failure.to_string()),
        Outcome::NotAsked(fault) => Err(fault.to_string()),
    }
}

/// The digest that is wanted, so that the probe fails and tells the one that it has seen.
const UNLIKELY: Digest = Digest([0; 16]);

fn target(server: &str, port: u16) -> Result<Target, String> {
    let bare = server.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(server);
    let addr = match bare.parse::<IpAddr>() {
        Ok(addr) => addr,
        Err(_) => (server, port)
            .to_socket_addrs()
            .ok()
            .and_then(|mut found| found.next())
            .map(|socket| socket.ip())
            .ok_or_else(|| format!("{server}: no such host"))?,
    };
    Ok(Target { addr, port })
}

fn spec(options: &Options) -> Result<CheckSpec, String> {
    let host = |name: &String| Host::try_from(name.clone()).map_err(|cause| cause.to_string());
    let any = StatusRange { first: 100, last: 599 };
    let url = Url {
        path: UrlPath::try_from(options.url.clone()).map_err(|cause| cause.to_string())?,
        statuses: vec![any].try_into().map_err(|_| "statuses".to_owned())?,
        digest: Some(UNLIKELY),
        search: None,
        virtualhost: options.virtualhost.as_ref().map(host).transpose()?,
        tls_compliant: false,
    };
    let tls = if options.tls || options.sni.is_some() {
        let sni = match &options.sni {
            Some(name) => Sni::Name(host(name)?),
            None => Sni::Virtualhost,
        };
        Some(TlsSpec { sni, ..TlsSpec::default() })
    } else {
        None
    };
    let version = match options.protocol.as_str() {
        "1.1" => HttpVersion::Http11,
        "1.0" => HttpVersion::Http10,
        _ => HttpVersion::Http10Close,
    };
    let connection =
        Connection { timeout: options.timeout, fwmark: options.fwmark, ..Connection::default() };
    let urls = vec![url];
    let http = HttpSpec { connection, tls, version, urls, fast_recovery: false, body_limit: None };
    Ok(CheckSpec { kind: ProbeKind::Http(http), cadence: Cadence::default() })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a server of one answer, joined below")]
    fn the_digest_is_that_of_the_body_whatever_the_status() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let read = stream.read(&mut request).unwrap();
            stream.write_all(b"HTTP/1.0 404 Not Found\r\n\r\nabc").unwrap();
            String::from_utf8_lossy(&request[..read]).into_owned()
        });
        let options = Options {
            server: "127.0.0.1".into(),
            port,
            url: "/x?y".into(),
            tls: false,
            sni: None,
            virtualhost: Some("www.example.com".into()),
            protocol: "1.0".into(),
            timeout: Duration::from_secs(5),
            fwmark: None,
            verbose: false,
        };
        // RFC 1321, A.5.
        let digest = ask(&options).map(|digest| digest.to_string());
        assert_eq!(digest.as_deref(), Ok("900150983cd24fb0d6963f7d28e17f72"));
        let request = server.join().unwrap();
        assert!(request.starts_with("GET /x?y HTTP/1.0\r\n"), "{request}");
        assert!(request.contains("www.example.com"), "{request}");
    }
}
