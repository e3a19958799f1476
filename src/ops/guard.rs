//! PURE: which requests over TCP are answered. There is no password there, so what keeps other people's web pages out
//! is that a browser says where a request comes from and under which name it asked.

use std::net::IpAddr;

use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};

use super::refusal::{Code, Refusal};

/// Names under which this host may be asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    names: Vec<String>,
}

impl Names {
    /// Those of the configuration, and the host's own, which is `own`, with and without its domain.
    pub(super) fn new(configured: &[String], own: &str) -> Self {
        let own = own.to_ascii_lowercase();
        let short = own.split('.').next().unwrap_or_default().to_owned();
        let names = configured.iter().cloned().chain([own, short, "localhost".to_owned()]);
        Self { names: names.filter(|name| !name.is_empty()).collect() }
    }

    /// Refuses a request that asks under a foreign name (a page that had its own name lead here, "DNS rebinding") or
    /// comes from a page of another site.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let foreign = |message: &str| Err(Refusal::new(Code::ForeignRequest, message));
        let mut hosts = headers.get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return foreign("one Host header is wanted");
        };
        let Some(host) = host.to_str().ok().filter(|host| self.knows(host)) else {
            return foreign(
                "this host is not known by that name; add `host NAME` to the `web` block",
            );
        };
        if let Some(site) = headers.get("sec-fetch-site")
            && ![&b"same-origin"[..], b"none"].contains(&site.as_bytes())
        {
            return foreign("this request was made by a page of another site");
        }
        match headers.get(ORIGIN).map(|origin| origin.to_str().unwrap_or_default()) {
            None => Ok(()),
            Some(origin) if origin.split_once("://").is_some_and(|(_, at)| at == host) => Ok(()),
            Some(_) => foreign("this request was made by a page of another site"),
        }
    }

    /// Addresses cannot be rebound, so any will do.
    fn knows(&self, host: &str) -> bool {
        let name = name_of(host);
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        bare.parse::<IpAddr>().is_ok()
            || self.names.iter().any(|known| name.eq_ignore_ascii_case(known))
    }
}

/// Without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) | None => host,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn checked(lines: &[(&'static str, &'static str)]) -> bool {
        let names = Names::new(&["lb.example.com".to_owned()], "D1.example.org");
        let header = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let mut headers = HeaderMap::new();
        for (name, value) in lines.iter().map(header) {
            headers.append(name, value);
        }
        names.check(&headers).is_ok()
    }

    #[test]
    fn only_own_names_and_addresses_are_answered() {
        for host in [
            "127.0.0.1:9650",
            "10.0.0.1",
            "[::1]:9650",
            "[::1]",
            "localhost:9650",
            "LB.example.com",
            "d1.example.org:1",
            "d1",
        ] {
            assert!(checked(&[("host", host)]), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "",
            ":9650",
            "127.0.0.1.evil.example",
            "d1:x",
        ] {
            assert!(!checked(&[("host", host)]), "{host}");
        }
        assert!(!checked(&[]));
        assert!(!checked(&[("host", "d1"), ("host", "d1")]));
    }

    #[test]
    fn pages_of_other_sites_are_refused() {
        let host = ("host", "d1:9650");
        assert!(checked(&[host, ("origin", "http://d1:9650")]));
        assert!(checked(&[host, ("sec-fetch-site", "same-origin")]));
        assert!(checked(&[host, ("sec-fetch-site", "none")]));
        for line in [
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("origin", "http://d1:9651"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            assert!(!checked(&[host, line]), "{line:?}");
        }
    }
}
