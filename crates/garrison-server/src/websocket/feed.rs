//! An answer that goes on and on, such as a followed log or a watch, as messages instead of a body.

use super::{Socket, finish, open};
use crate::{
    body::{Body, Error},
    respond::Response,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::{Buf as _, Bytes, BytesMut};
use futures::{SinkExt as _, StreamExt as _};
use garrison_api::Status;
use http::{HeaderMap, Request, StatusCode, header::CONTENT_TYPE};
use http_body_util::BodyExt as _;
use tokio_tungstenite::tungstenite::Message;

/// Bytes of a log in one message; upstream reads its log in pieces of this size.
const LOG_PIECE: usize = 2048;

/// What one message holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Split {
    /// What there is of a log.
    Pieces,
    /// One event of a watch.
    Events,
}

/// How the content of a message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Binary,
    Text,
    Base64,
}

/// Answers a request with the body of `response` in messages, if that is what the client asks for and there is a body to show.
pub(crate) fn answer<B>(mut request: Request<B>, response: Response, split: Split) -> Result<Response, Status> {
    if !super::is_asked(request.headers()) || response.status() != StatusCode::OK {
        return Ok(response);
    }
    let is_text = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let (protocol, coding) = match split {
        Split::Pieces => log_protocol(request.headers())?,
        // A watch has no protocol of its own: it takes whatever is proposed.
        Split::Events => (super::protocols(request.headers()).next(), if is_text { Coding::Text } else { Coding::Binary }),
    };
    let switching = super::accept(request.headers(), protocol)?;
    let upgrade = hyper::upgrade::on(&mut request);
    let body = response.into_body();
    tokio::spawn(async move {
        match open(upgrade).await {
            Ok(socket) => send(socket, body, split, coding).await,
            Err(error) => tracing::debug!(%error, "stream not upgraded"),
        }
    });
    Ok(switching)
}

/// The first proposed protocol that logs are served in.
fn log_protocol(headers: &HeaderMap) -> Result<(Option<&str>, Coding), Status> {
    let mut proposed = super::protocols(headers).peekable();
    if proposed.peek().is_none() {
        return Ok((None, Coding::Binary));
    }
    let known = proposed.find_map(|protocol| match protocol {
        "binary.k8s.io" => Some((Some(protocol), Coding::Binary)),
        "base64.binary.k8s.io" => Some((Some(protocol), Coding::Base64)),
        _ => None,
    });
    let unknown = "requested protocol(s) are not supported; supports \"\", \"base64.binary.k8s.io\" and \"binary.k8s.io\"";
    known.ok_or_else(|| Status { code: 403, reason: "Forbidden".into(), ..Status::bad_request(unknown) })
}

/// Sends until the body or the client is at its end. What the client says is of no interest.
async fn send(socket: Socket, mut body: Body, split: Split, coding: Coding) {
    let (mut sink, mut stream) = socket.split();
    let sending = async {
        if split == Split::Pieces {
            // Tells the client at once that there is a stream.
            sink.send(coding.message(Bytes::new())).await.ok()?;
        }
        let mut waiting = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let piece = frame.map_err(|error: Error| tracing::debug!(%error, "a streamed answer broke off")).ok()?;
            waiting.extend_from_slice(&piece.into_data().unwrap_or_default());
            while let Some(content) = split.next(&mut waiting, coding) {
                sink.send(coding.message(content)).await.ok()?;
            }
        }
        Some(())
    };
    let hearing = async { while stream.next().await.is_some_and(|message| message.is_ok()) {} };
    let ended = tokio::select! {
        ended = sending => ended,
        () = hearing => None,
    };
    if let (Some(()), Ok(socket)) = (ended, sink.reunite(stream)) {
        finish(socket).await;
    }
}

impl Split {
    /// Takes the content of the next message, if it is there.
    fn next(self, waiting: &mut BytesMut, coding: Coding) -> Option<Bytes> {
        let length = match self {
            Self::Pieces => Some(waiting.len().min(LOG_PIECE)).filter(|length| *length > 0)?,
            Self::Events if coding == Coding::Text => waiting.iter().position(|byte| *byte == b'\n')? + 1,
            Self::Events => {
                // Binary events come with their length before them, which a message need not have.
                let (head, rest) = waiting.split_first_chunk()?;
                let length = usize::try_from(u32::from_be_bytes(*head)).ok().filter(|length| *length <= rest.len())?;
                waiting.advance(head.len());
                length
            }
        };
        Some(waiting.split_to(length).freeze())
    }
}

impl Coding {
    fn message(self, content: Bytes) -> Message {
        match self {
            Self::Binary => Message::Binary(content),
            Self::Base64 => Message::text(BASE64_STANDARD.encode(content)),
            // Events are made of JSON, which is text.
            Self::Text => Message::text(String::from_utf8_lossy(&content).into_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_where_their_content_ends() {
        let cut = |split: Split, coding, text: &[u8]| {
            let mut waiting = BytesMut::from(text);
            let whole: Vec<_> = std::iter::from_fn(|| split.next(&mut waiting, coding)).collect();
            (whole, waiting.len())
        };
        let events = |text: &[u8], coding| cut(Split::Events, coding, text);
        assert_eq!(events(b"{1}\n{2}\n{", Coding::Text), (vec![Bytes::from("{1}\n"), Bytes::from("{2}\n")], 1));
        let framed = b"\0\0\0\x02ab\0\0\0\x01c\0\0\0\x05d";
        assert_eq!(events(framed, Coding::Binary), (vec![Bytes::from("ab"), Bytes::from("c")], 5));
        let log = vec![b'x'; LOG_PIECE + 1];
        let (pieces, left) = cut(Split::Pieces, Coding::Binary, &log);
        assert_eq!((pieces.iter().map(Bytes::len).collect::<Vec<_>>(), left), (vec![LOG_PIECE, 1], 0));
    }
}
