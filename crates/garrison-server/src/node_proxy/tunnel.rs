//! SPDY within `WebSocket` messages, as port-forward speaks it: the messages carry a byte stream, wherever they are cut.

use crate::websocket::{self, Socket};
use bytes::BytesMut;
use futures::{SinkExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, split};
use tokio_tungstenite::tungstenite::Message;

/// What the names of tunnelled protocols begin with.
pub(super) const PREFIX: &str = "SPDY/3.1+";
/// Bytes in one message.
const PIECE: usize = 32 << 10;

/// Passes bytes both ways until a side ends.
pub(super) async fn run(client: Socket, node: Upgraded) {
    let (mut to_client, mut from_client) = client.split();
    let (mut from_node, mut to_node) = split(TokioIo::new(node));
    let up = async {
        // Text is no part of a byte stream.
        while let Some(Ok(message)) = from_client.next().await {
            match message {
                Message::Binary(bytes) if to_node.write_all(&bytes).await.is_err() => return,
                Message::Text(_) | Message::Close(_) => return,
                _ => {}
            }
        }
    };
    let down = async {
        loop {
            let mut piece = BytesMut::with_capacity(PIECE);
            if !matches!(from_node.read_buf(&mut piece).await, Ok(1..)) {
                return true;
            }
            if to_client.send(Message::Binary(piece.freeze())).await.is_err() {
                return false;
            }
        }
    };
    let is_listening = tokio::select! {
        () = up => true,
        is_listening = down => is_listening,
    };
    drop((from_node, to_node));
    if let (true, Ok(client)) = (is_listening, to_client.reunite(from_client)) {
        websocket::finish(client).await;
    }
}
