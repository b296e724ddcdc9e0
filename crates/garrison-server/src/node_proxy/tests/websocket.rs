//! Streams of clients that speak `WebSocket`.

use super::*;
use futures::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message, client::IntoClientRequest as _, protocol::frame::coding::CloseCode},
};

type Client = WebSocketStream<TcpStream>;

impl Room {
    async fn open(&self, path: &str, protocols: &str) -> Result<(Client, String), tungstenite::Error> {
        let mut request = format!("ws://{}{path}", self.address).into_client_request()?;
        if !protocols.is_empty() {
            request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_str(protocols).unwrap());
        }
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (client, answer) = timeout(DEADLINE, client_async(request, stream)).await.unwrap()?;
        let protocol = answer.headers().get(SEC_WEBSOCKET_PROTOCOL).map_or("", |protocol| protocol.to_str().unwrap());
        Ok((client, protocol.to_owned()))
    }
}

async fn next(client: &mut Client) -> Message {
    timeout(DEADLINE, client.next()).await.unwrap().unwrap().unwrap()
}

async fn binary(client: &mut Client) -> Vec<u8> {
    let Message::Binary(bytes) = next(client).await else { panic!("a binary message is expected") };
    bytes.to_vec()
}

async fn check_end(client: &mut Client) {
    let Message::Close(Some(frame)) = next(client).await else { panic!("the end is expected") };
    assert_eq!(frame.code, CloseCode::Normal);
    assert!(timeout(DEADLINE, client.next()).await.unwrap().is_none());
}

#[tokio::test]
async fn channels_become_streams_of_the_node() {
    let mut room = room("n1").await;
    let bearer = "base64url.bearer.authorization.k8s.io.YQ";
    let path = "/a/p/exec?command=spdy&stdin=true&stdout=true&stderr=true";
    let (mut client, protocol) = room.open(path, &format!("{bearer}, v5.channel.k8s.io, v4.channel.k8s.io")).await.unwrap();
    assert_eq!(protocol, "v5.channel.k8s.io");
    assert_eq!(room.asked.recv().await.unwrap(), "POST /exec/a/p/main?command=spdy&input=1&output=1&error=1");
    assert_eq!(binary(&mut client).await, [1], "there is a session");
    client.send(Message::Ping("are you there".into())).await.unwrap();
    assert_eq!(next(&mut client).await, Message::Pong("are you there".into()));

    // More than all buffers on the way together, written while it comes back.
    let sent: Vec<u8> = (0..3_000_000_u32).map(|number| u8::try_from(number % 251).unwrap()).collect();
    let (mut sink, mut stream) = client.split();
    let send = async {
        for piece in sent.chunks(70_000) {
            sink.send(Message::Binary([&[0][..], piece].concat().into())).await.unwrap();
        }
        // What comes after the end of a channel is dropped, and what belongs to none as well.
        for last in [&[9, 1][..], &[255, 0], &[0, 1], &[255, 0]] {
            sink.send(Message::Binary(last.to_vec().into())).await.unwrap();
        }
    };
    let hear = async {
        let mut heard = Vec::new();
        loop {
            let Some(Ok(Message::Binary(message))) = stream.next().await else { panic!("the outcome is missing") };
            match message[0] {
                1 => heard.extend_from_slice(&message[1..]),
                channel => return (heard, channel, message.slice(1..)),
            }
        }
    };
    let ((), (heard, channel, status)) = timeout(DEADLINE, async { tokio::join!(send, hear) }).await.unwrap();
    assert!(heard == sent, "{} bytes came back", heard.len());
    let status: Value = serde_json::from_slice(&status).unwrap();
    assert_eq!((channel, &status["details"]["causes"][0]["message"]), (3, &json!("7")));
    check_end(&mut sink.reunite(stream).unwrap()).await;
}

#[tokio::test]
async fn a_terminal_has_a_size() {
    let room = room("n1").await;
    let path = "/a/p/exec?command=spdy&stdin=true&stdout=true&stderr=true&tty=true";
    // The node is asked for no errors of a terminal, and opens no stream for them.
    let (mut client, _) = room.open(&path.replace("&stderr=true", ""), "v5.channel.k8s.io").await.unwrap();
    assert_eq!(binary(&mut client).await, [1]);
    client.send(Message::text("\u{4}{\"Width\":80,\"Height\":24}")).await.unwrap();
    assert_eq!(binary(&mut client).await, b"\x01{\"Width\":80,\"Height\":24}");
}

#[tokio::test]
async fn a_node_that_breaks_off_is_told_of() {
    let room = room("n1").await;
    let path = "/a/p/exec?command=spdy-breaks&stdin=true&stdout=true";
    let (mut client, _) = room.open(path, "v5.channel.k8s.io").await.unwrap();
    assert_eq!(binary(&mut client).await, [1]);
    client.send(Message::Binary(vec![255, 0].into())).await.unwrap();
    let outcome = binary(&mut client).await;
    let status: Value = serde_json::from_slice(&outcome[1..]).unwrap();
    assert_eq!((outcome[0], &status["reason"]), (3, &json!("InternalError")));
    assert!(status["message"].as_str().unwrap().contains("the node ended the connection"), "{status}");
    check_end(&mut client).await;
}

#[tokio::test]
async fn refusals_come_before_the_switch() {
    let mut room = room("n1").await;
    let incomplete = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                      Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n";
    let refused = room.refusal("GET /a/p/exec?command=spdy&stdout=1", incomplete).await;
    assert_eq!(refused, (400, "missing or bad WebSocket key".into()));
    assert!(room.asked.try_recv().is_err(), "the node is left alone");
    for (path, code) in [
        ("/a/gone/exec?command=ls", 404),
        ("/a/p/exec?command=ls&container=x", 400),
        ("/a/p/exec?command=fail", 400),
        ("/a/gone/portforward", 404),
    ] {
        let protocol = if path.contains("exec") { "v5.channel.k8s.io" } else { "SPDY/3.1+portforward.k8s.io" };
        let Err(tungstenite::Error::Http(answer)) = room.open(path, protocol).await else { panic!("{path} is refused") };
        assert_eq!(answer.status(), code, "{path}");
    }
}

#[tokio::test]
async fn older_protocols_are_pipes() {
    let mut room = room("n1").await;
    let headers = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\
                   Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.YQ, v4.channel.k8s.io\r\n";
    for (line, asked) in [
        ("GET /a/p/exec?command=cat&stdin=1", "GET /exec/a/p/main?command=cat&input=1"),
        ("GET /a/p/portforward?ports=80&ports=81", "GET /portForward/a/p?port=80,81"),
    ] {
        let (head, mut stream) = room.ask(line, headers).await;
        assert!(head.starts_with("http/1.1 101 ") && head.contains("upgrade: websocket\r\n"), "{head}");
        assert!(head.contains("sec-websocket-protocol: v4.channel.k8s.io\r\n"), "{head}");
        assert!(head.contains("sec-websocket-accept: ") && !head.contains("extensions"), "{head}");
        assert_eq!(room.asked.recv().await.unwrap(), asked);
        stream.write_all(b"you").await.unwrap();
        assert_eq!(read(&mut stream, 9).await, b"hello you");
    }
}

#[tokio::test]
async fn forwarded_ports_come_in_a_tunnel() {
    let mut room = room("n1").await;
    let (mut client, protocol) = room.open("/a/p/portforward", "SPDY/3.1+portforward.k8s.io").await.unwrap();
    assert_eq!(protocol, "SPDY/3.1+portforward.k8s.io");
    assert_eq!(room.asked.recv().await.unwrap(), "POST /portForward/a/p");
    let mut heard = Vec::new();
    for piece in [&b"y"[..], b"", b"ou"] {
        client.send(Message::Binary(piece.to_vec().into())).await.unwrap();
    }
    while heard.len() < 9 {
        heard.extend(binary(&mut client).await);
    }
    assert_eq!(heard, b"hello you");
    client.close(None).await.unwrap();
    assert!(matches!(next(&mut client).await, Message::Close(_)));
}

#[tokio::test]
async fn logs_come_in_messages() {
    for (protocols, spoken, is_text) in [
        ("", "", false),
        ("binary.k8s.io", "binary.k8s.io", false),
        ("other, base64.binary.k8s.io", "base64.binary.k8s.io", true),
    ] {
        let room = room("n1").await;
        room.log.send("one\n").unwrap();
        let (mut client, protocol) = room.open("/a/p/log?follow=true", protocols).await.unwrap();
        assert_eq!(protocol, spoken);
        let message = |text: &str, encoded: &str| match is_text {
            true => Message::text(encoded),
            false => Message::Binary(text.to_owned().into()),
        };
        assert_eq!(next(&mut client).await, message("", ""));
        assert_eq!(next(&mut client).await, message("one\n", "b25lCg=="));
        room.log.send("two\n").unwrap();
        assert_eq!(next(&mut client).await, message("two\n", "dHdvCg=="));
        drop(room.log);
        check_end(&mut client).await;
    }
    let room = room("n1").await;
    let Err(tungstenite::Error::Http(answer)) = room.open("/a/p/log", "v4.channel.k8s.io").await else { panic!("it is refused") };
    assert_eq!(answer.status(), 403);
}
