//! `GRPC_CHECK`.

use checkers::Connection;
use checkers::spec::{GrpcSpec, Host, ServiceName};

use super::checker::{ConnectDraft, Connects};
use super::pace::{Pace, Paced};
use super::tls::{Secured, TlsDraft};
use super::{Decoder, Keyword, Keywords, acts};

/// `GRPC_CHECK`.
#[derive(Debug, Clone, Default)]
pub(super) struct GrpcDraft {
    pace: Pace,
    connect: ConnectDraft,
    secured: bool,
    tls: TlsDraft,
    service: ServiceName,
    virtualhost: Option<Host>,
}

impl Paced for GrpcDraft {
    fn pace(&mut self) -> &mut Pace {
        &mut self.pace
    }
}

impl Connects for GrpcDraft {
    fn connect(&mut self) -> &mut ConnectDraft {
        &mut self.connect
    }
}

impl Secured for GrpcDraft {
    fn tls(&mut self) -> &mut TlsDraft {
        &mut self.tls
    }
}

impl Keywords for GrpcDraft {
    const BLOCK: &'static str = "GRPC_CHECK";
    const TABLES: &'static [&'static [Keyword<Self>]] =
        &[GRPC, &Self::TLS, &Self::CONNECT_TIMEOUT, &Self::PACE, &Self::LOG, &Self::CONNECT];
}

const GRPC: &[Keyword<GrpcDraft>] = &[
    acts("grpc_service", "NAME", |decoder, directive, draft| {
        let service = decoder.word(directive).and_then(|word| decoder.parsed(word));
        draft.service = service.unwrap_or_default();
    }),
    acts("grpc_tls", "[BOOL]", |decoder, directive, draft| {
        draft.secured = decoder.switch(directive).unwrap_or_default();
    }),
    acts("virtualhost", "NAME", |decoder, directive, draft| {
        draft.virtualhost = decoder.word(directive).and_then(|word| decoder.parsed(word));
    }),
];

impl GrpcDraft {
    /// With what is resolved.
    pub(super) fn spec(
        self,
        decoder: &mut Decoder<'_>,
        connection: Connection,
        outer: Option<&Host>,
    ) -> GrpcSpec {
        let tls = if self.secured {
            Some(self.tls.spec(decoder))
        } else {
            self.tls.unused(decoder);
            None
        };
        let virtualhost = self.virtualhost.or_else(|| outer.cloned());
        GrpcSpec { connection, tls, service: self.service, virtualhost }
    }
}
