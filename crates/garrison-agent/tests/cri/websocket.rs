//! Sessions of clients that are not kubectl: the older `WebSocket` protocols, which containerd itself understands.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures::{SinkExt as _, StreamExt as _};
use std::{net::SocketAddr, time::Duration};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

const DEADLINE: Duration = Duration::from_secs(30);

type Client = WebSocketStream<TcpStream>;

async fn open(server: SocketAddr, path: &str, protocol: &str) -> Client {
    let mut request = format!("ws://{server}/api/v1/namespaces/tests/pods/web/{path}").into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", protocol.parse().unwrap());
    let stream = TcpStream::connect(server).await.unwrap();
    let (client, answer) = timeout(DEADLINE, client_async(request, stream)).await.unwrap().unwrap();
    assert_eq!(answer.headers()["sec-websocket-protocol"], protocol);
    client
}

/// Everything that comes on each of the channels until the end, or until `enough` is on the first.
async fn heard(client: &mut Client, base64: bool, channel: u8, enough: &str) -> Vec<Vec<u8>> {
    let mut channels = vec![Vec::new(); 5];
    let hearing = async {
        while let Some(Ok(message)) = client.next().await {
            let (number, bytes) = match message {
                Message::Binary(bytes) if !base64 => (bytes[0], bytes[1..].to_vec()),
                Message::Text(text) if base64 => (text.as_bytes()[0] - b'0', BASE64_STANDARD.decode(&text[1..]).unwrap()),
                Message::Close(_) => break,
                other => panic!("{other:?}"),
            };
            channels[usize::from(number)].extend(bytes);
            if !enough.is_empty() && String::from_utf8_lossy(&channels[usize::from(channel)]).contains(enough) {
                break;
            }
        }
    };
    timeout(DEADLINE, hearing).await.expect("it is heard in time");
    channels
}

fn message(base64: bool, channel: u8, bytes: &[u8]) -> Message {
    match base64 {
        true => Message::text(format!("{channel}{}", BASE64_STANDARD.encode(bytes))),
        false => Message::Binary([&[channel][..], bytes].concat().into()),
    }
}

pub(crate) async fn sessions(server: SocketAddr) {
    let path = "exec?command=sh&command=-c&command=read+line;+echo+out+$line;+echo+err+>%262;+exit+7&stdin=1&stdout=1&stderr=1";
    let path = path.replace('>', "%3E");
    for (protocol, base64) in [
        ("v4.channel.k8s.io", false),
        ("v4.base64.channel.k8s.io", true),
        ("channel.k8s.io", false),
        ("base64.channel.k8s.io", true),
        ("v5.channel.k8s.io", false),
    ] {
        let mut client = open(server, &path, protocol).await;
        client.send(message(base64, 0, b"in\n")).await.unwrap();
        let heard = heard(&mut client, base64, 0, "").await;
        assert_eq!((&*heard[1], &*heard[2]), (&b"out in\n"[..], &b"err\n"[..]), "{protocol}");
        if protocol.starts_with('v') {
            let status: serde_json::Value = serde_json::from_slice(&heard[3]).unwrap();
            assert_eq!(status["details"]["causes"][0]["message"], "7", "{protocol}: {status}");
        }
    }
    for (protocol, base64) in [("v4.channel.k8s.io", false), ("v4.base64.channel.k8s.io", true)] {
        let mut client = open(server, "portforward?ports=8080", protocol).await;
        client.send(message(base64, 0, b"GET / HTTP/1.0\r\n\r\n")).await.unwrap();
        let heard = heard(&mut client, base64, 0, "hello from the pod\n").await;
        // Both channels of a port begin with its number.
        assert!(heard[0].starts_with(b"\x90\x1fHTTP/1.") && heard[1] == b"\x90\x1f", "{heard:?}");
    }
    for (protocol, base64) in [("binary.k8s.io", false), ("base64.binary.k8s.io", true)] {
        let mut client = open(server, "log?tailLines=1", protocol).await;
        let mut log = Vec::new();
        while let Some(Ok(message)) = timeout(DEADLINE, client.next()).await.unwrap() {
            match message {
                Message::Binary(bytes) if !base64 => log.extend_from_slice(&bytes),
                Message::Text(text) if base64 => log.extend(BASE64_STANDARD.decode(&*text).unwrap()),
                Message::Close(_) => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(String::from_utf8_lossy(&log), "heard you\n");
    }
}
