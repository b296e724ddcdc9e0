//! A session that speaks `v5.channel.k8s.io` with the client and SPDY with the node.

use super::{
    channels::{Channel, Said, Wanted, read},
    spdy::{self, Frame, Opener, Parser},
};
use crate::websocket::{self, Socket};
use bytes::{Bytes, BytesMut};
use futures::{SinkExt as _, StreamExt as _, stream::SplitSink, stream::SplitStream};
use garrison_api::Status;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::collections::BTreeSet;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split},
    sync::{Notify, mpsc},
};
use tokio_tungstenite::tungstenite::Message;

/// Bytes that are read from a node at a time.
const PIECE: usize = 32 << 10;
/// Largest outcome that a node may tell.
const OUTCOME_LIMIT: usize = 64 << 10;
/// Pings of a node that wait for their answer.
const PINGS: usize = 4;

/// What the way down tells the way up.
struct Notes {
    /// All streams are open: before that a node drops what is sent on them.
    open: Notify,
    pings: mpsc::Sender<u32>,
}

/// Runs the session to its end.
pub(super) async fn run(client: Socket, node: Upgraded, wanted: &Wanted) {
    let (mut to_client, mut from_client) = client.split();
    let (from_node, to_node) = split(TokioIo::new(node));
    let (pings, asked) = mpsc::channel(PINGS);
    let notes = Notes { open: Notify::new(), pings };
    let outcome = tokio::select! {
        outcome = down(from_node, &mut to_client, wanted, &notes) => outcome,
        () = up(&mut from_client, to_node, wanted, &notes, asked) => None,
    };
    // Without an outcome, it is the client who has gone.
    if let Some(outcome) = outcome {
        drop(to_client.send(Message::Binary(Channel::Error.message(&outcome))).await);
    }
    if let Ok(client) = to_client.reunite(from_client) {
        websocket::finish(client).await;
    }
}

/// From the client to the node, until the client leaves. A node that listens no more may still have something to say.
async fn up(
    client: &mut SplitStream<Socket>,
    mut node: impl AsyncWrite + Unpin,
    wanted: &Wanted,
    notes: &Notes,
    mut pings: mpsc::Receiver<u32>,
) {
    let mut opener = Opener::default();
    let opening: Vec<u8> =
        wanted.streams().flat_map(|(stream, channel)| opener.open(stream, "streamtype", channel.stream_type())).collect();
    let mut heard = node.write_all(&opening).await.is_ok();
    let mut is_open = false;
    // What has ended stays so, whatever the client sends.
    let mut ended = [false; 5];
    loop {
        let frames = tokio::select! {
            Some(number) = pings.recv() => spdy::ping(number),
            () = notes.open.notified(), if !is_open => {
                is_open = true;
                continue;
            }
            message = client.next(), if is_open => match message {
                None | Some(Err(_) | Ok(Message::Close(_))) => return,
                Some(Ok(Message::Binary(message))) => frames(&message, wanted, &mut ended),
                Some(Ok(Message::Text(message))) => frames(&message.into(), wanted, &mut ended),
                Some(Ok(_)) => continue,
            },
        };
        heard = heard && node.write_all(&frames).await.is_ok();
    }
}

/// What a client's message is to the node.
fn frames(message: &Bytes, wanted: &Wanted, ended: &mut [bool; 5]) -> Vec<u8> {
    match read(message) {
        Said::Data(channel, bytes) if !ended[channel as usize] => {
            wanted.stream(channel).map(|stream| spdy::data(stream, &bytes)).unwrap_or_default()
        }
        Said::End(channel) if !std::mem::replace(&mut ended[channel as usize], true) => {
            wanted.stream(channel).map(spdy::end).unwrap_or_default()
        }
        Said::Data(..) | Said::End(_) | Said::Nothing => Vec::new(),
    }
}

/// From the node to the client, until the node has told the outcome. `None` if the client takes no more.
async fn down(
    mut node: impl AsyncRead + Unpin,
    client: &mut SplitSink<Socket, Message>,
    wanted: &Wanted,
    notes: &Notes,
) -> Option<Bytes> {
    // Tells the client at once that there is a session.
    client.send(Message::Binary(wanted.first_output().message(b""))).await.ok()?;
    let (mut parser, mut read) = (Parser::default(), BytesMut::with_capacity(PIECE));
    let mut unopened: BTreeSet<u32> = wanted.streams().map(|(stream, _)| stream).collect();
    let outputs = |(_, channel): &(u32, Channel)| matches!(channel, Channel::Stdout | Channel::Stderr | Channel::Error);
    let mut unended: BTreeSet<u32> = wanted.streams().filter(outputs).map(|(stream, _)| stream).collect();
    let mut outcome = BytesMut::new();
    while !unended.is_empty() {
        let frame = match parser.next(&mut read) {
            Ok(Some(frame)) => frame,
            Ok(None) => {
                read.reserve(PIECE);
                match node.read_buf(&mut read).await {
                    Ok(1..) => continue,
                    Ok(0) => return Some(broken(&outcome, "the node ended the connection")),
                    Err(error) => return Some(broken(&outcome, &error.to_string())),
                }
            }
            Err(fault) => return Some(broken(&outcome, &fault.to_string())),
        };
        match frame {
            Frame::Data { stream, bytes, last } => {
                match wanted.channel(stream) {
                    Some(Channel::Error) if outcome.len() + bytes.len() <= OUTCOME_LIMIT => outcome.extend_from_slice(&bytes),
                    Some(channel @ (Channel::Stdout | Channel::Stderr)) if !bytes.is_empty() => {
                        client.send(Message::Binary(channel.message(&bytes))).await.ok()?;
                    }
                    _ => {}
                }
                if last {
                    unended.remove(&stream);
                }
            }
            Frame::Reply { stream, last } => {
                if unopened.remove(&stream) && unopened.is_empty() {
                    notes.open.notify_one();
                }
                if last {
                    unended.remove(&stream);
                }
            }
            Frame::Reset { stream } => {
                unended.remove(&stream);
            }
            // Who pings faster than it reads the answers has no need of them all.
            Frame::Ping(number) => drop(notes.pings.try_send(number)),
            Frame::Other => {}
        }
    }
    // No news is good news.
    if outcome.is_empty() {
        return Some(json!({"metadata": {}, "status": "Success"}).to_string().into());
    }
    Some(outcome.freeze())
}

/// The outcome when a connection breaks: what the node has told of it, or that it has told nothing.
fn broken(outcome: &[u8], why: &str) -> Bytes {
    if !outcome.is_empty() {
        return Bytes::copy_from_slice(outcome);
    }
    Status::internal(format!("error reading from error stream: {why}")).to_value().to_string().into()
}
