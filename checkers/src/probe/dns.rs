//! `DNS_CHECK`: a question over UDP, and over TCP where the answer says that it is cut off (RFC 1035 section 4.2,
//! RFC 7766 section 5).
//!
//! A datagram that is no answer to the question may be forged, so the true one is still waited for; at the deadline it is
//! what is told. Of an answer only the code decides: an empty one is good, as for keepalived.

use std::sync::Mutex;

use hickory_proto::op::{Header, Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
use socket2::{Protocol, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::datagram::Datagram;
use super::progress::{Progress, Watched, broken};
use super::{Miss, PASSED, tcp};
use crate::failure::{DnsFault, Failure, LocalFault, Stage};
use crate::outcome::Weight;
use crate::spec::{DnsSpec, Target};

/// We announce no more than the 512 bytes of RFC 1035; servers that send more anyway are read up to here.
const DATAGRAM: usize = 4096;

/// Asks, and waits for an answer to this very question.
pub(super) async fn run(target: Target, spec: &DnsSpec) -> Result<Weight, Miss> {
    let within = spec.connection.timeout;
    let question = Question::new(spec)?;
    let progress = Progress::default();
    let strange = Mutex::new(None);
    match timeout(within, ask(target, spec, &question, &progress, &strange)).await {
        Ok(asked) => asked,
        Err(_elapsed) => Err(match strange.into_inner() {
            Ok(Some(fault)) => Failure::Dns(fault).into(),
            Ok(None) | Err(_) => progress.overdue(within).into(),
        }),
    }
}

async fn ask(
    target: Target,
    spec: &DnsSpec,
    question: &Question,
    progress: &Progress,
    strange: &Mutex<Option<DnsFault>>,
) -> Result<Weight, Miss> {
    let socket = Datagram::open(target, &spec.connection, (Type::DGRAM, Protocol::UDP), &[])?;
    socket.send(&question.bytes).await?;
    progress.enter(Stage::Request);
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let length = socket.receive(&mut buffer).await?;
        match question.judge(&buffer[..length]) {
            Ok(Answer::Whole) => return PASSED,
            Ok(Answer::CutOff) => break,
            Err(fault @ DnsFault::Code { .. }) => return Err(Failure::Dns(fault).into()),
            Err(fault) => {
                if let Ok(mut last) = strange.lock() {
                    *last = Some(fault);
                }
            }
        }
    }
    drop((socket, buffer));
    repeat(target, spec, question, progress).await
}

/// What a single datagram comes to, where the question had this identifier.
pub(super) fn judge(spec: &DnsSpec, id: u16, datagram: &[u8]) -> Result<Weight, Miss> {
    let question = Question { id, ..Question::new(spec)? };
    match question.judge(datagram) {
        Ok(Answer::Whole) => PASSED,
        Ok(Answer::CutOff) => Err(Failure::Dns(DnsFault::CutOff).into()),
        Err(fault) => Err(Failure::Dns(fault).into()),
    }
}

/// Over TCP nothing is forged and nothing cut off: what does not fit is a fault at once.
async fn repeat(
    target: Target,
    spec: &DnsSpec,
    question: &Question,
    progress: &Progress,
) -> Result<Weight, Miss> {
    progress.enter(Stage::Connect);
    let stream = tcp::connect(target, &spec.connection, tcp::Close::Reset).await?;
    progress.enter(Stage::Request);
    let mut stream = Watched { stream, progress };
    let length = u16::try_from(question.bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
    let message = [&length, &*question.bytes].concat();
    stream.write_all(&message).await.map_err(|error| broken(&error, progress))?;
    let mut length = [0; 2];
    read(&mut stream, &mut length).await?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    read(&mut stream, &mut answer).await?;
    judge(spec, question.id, &answer)
}

async fn read<T>(stream: &mut Watched<'_, T>, into: &mut [u8]) -> Result<(), Failure>
where
    T: tokio::io::AsyncRead + Unpin,
{
    match stream.read_exact(into).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Err(Failure::Closed { bytes: stream.progress.received() })
        }
        Err(error) => Err(broken(&error, stream.progress)),
    }
}

/// A question as it goes over the wire, and what an answer to it must have.
struct Question {
    id: u16,
    query: Query,
    bytes: Vec<u8>,
}

enum Answer {
    Whole,
    CutOff,
}

impl Question {
    fn new(spec: &DnsSpec) -> Result<Self, LocalFault> {
        let fault = |error: String| LocalFault { step: format!("question: {error}"), errno: 0 };
        let mut name = Name::from_ascii(spec.name.as_str()).map_err(|e| fault(e.to_string()))?;
        name.set_fqdn(true);
        let query = Query::query(name, RecordType::from(spec.record.number()));
        // With an identifier nobody can guess.
        let mut message = Message::query();
        message.metadata.recursion_desired = true;
        message.add_query(query.clone());
        let bytes = message.to_vec().map_err(|e| fault(e.to_string()))?;
        Ok(Self { id: message.metadata.id, query, bytes })
    }

    /// What RFC 5452 section 9.1 wants an answer to have, and code 0. The records of a whole answer must be whole, too.
    fn judge(&self, bytes: &[u8]) -> Result<Answer, DnsFault> {
        let malformed = || DnsFault::Malformed { bytes: bytes.len() };
        let mut decoder = BinDecoder::new(bytes);
        let Header { metadata, counts } = Header::read(&mut decoder).map_err(|_| malformed())?;
        if metadata.id != self.id {
            return Err(DnsFault::OtherId);
        }
        if metadata.message_type != MessageType::Response {
            return Err(DnsFault::NoAnswer);
        }
        // Servers that refuse may leave out the question.
        if counts.queries != 0 || metadata.response_code == ResponseCode::NoError {
            let query = Query::read(&mut decoder).map_err(|_| malformed())?;
            if counts.queries != 1 || query != self.query {
                return Err(DnsFault::OtherQuestion { seen: query.to_string() });
            }
        }
        if metadata.response_code != ResponseCode::NoError {
            let code = u16::from(metadata.response_code);
            return Err(DnsFault::Code { code, name: metadata.response_code.to_string() });
        }
        if metadata.truncation {
            return Ok(Answer::CutOff);
        }
        Message::from_vec(bytes).map(|_| Answer::Whole).map_err(|_| malformed())
    }
}
