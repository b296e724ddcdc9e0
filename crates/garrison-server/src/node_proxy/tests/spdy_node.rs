//! A node that runs commands over SPDY, as a runtime's streaming server does.

use super::*;
use crate::node_proxy::spdy::{self, Frame, Parser};
use bytes::{Buf as _, BytesMut};
use flate2::{Decompress, FlushDecompress};
use std::collections::BTreeMap;
use tokio::io::{ReadHalf, WriteHalf};

type Stream = TokioIo<hyper::upgrade::Upgraded>;

/// A session: what comes on `stdin` goes to `stdout`, what comes on `resize` to `stderr` or, for lack of it, to `stdout`.
/// When `stdin` ends, so does the command: with the code 7, or without a word if it is `command=spdy-breaks`.
pub(super) fn answer(mut request: Request<Incoming>) -> Response<Body> {
    assert_eq!((request.method(), &request.headers()[UPGRADE]), (&Method::POST, &HeaderValue::from_static("SPDY/3.1")));
    assert_eq!(request.headers()[STREAM_PROTOCOL], "v4.channel.k8s.io");
    let query = request.uri().query().unwrap().to_owned();
    let count = 1 + ["input=1", "output=1", "error=1", "tty=1"].iter().filter(|stream| query.contains(*stream)).count();
    tokio::spawn(async move {
        let stream = TokioIo::new(hyper::upgrade::on(&mut request).await.unwrap());
        let (from, to) = tokio::io::split(stream);
        session(from, to, count, query.contains("spdy-breaks")).await;
    });
    let answer = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS).header(CONNECTION, "Upgrade");
    answer.header(UPGRADE, "SPDY/3.1").header(STREAM_PROTOCOL, "v4.channel.k8s.io").body(body::empty()).unwrap()
}

async fn session(mut from: ReadHalf<Stream>, mut to: WriteHalf<Stream>, count: usize, breaks: bool) {
    let mut streams = BTreeMap::new();
    let mut inflate = Decompress::new(true);
    while streams.len() < count {
        let mut head = [0; 8];
        from.read_exact(&mut head).await.unwrap();
        assert_eq!(head[..4], [0x80, 3, 0, 1], "nothing else comes before all streams are open");
        let mut payload = vec![0; usize::from(head[7])];
        from.read_exact(&mut payload).await.unwrap();
        let mut plain = Vec::with_capacity(200);
        inflate.decompress_vec(&payload[10..], &mut plain, FlushDecompress::Sync).unwrap();
        let text = String::from_utf8(plain).unwrap();
        let name = text.split('\0').next_back().unwrap().trim_start_matches(|c: char| c.is_ascii_control()).to_owned();
        streams.insert(name, (&payload[..]).get_u32());
    }
    to.write_all(&spdy::ping(2)).await.unwrap();
    for stream in streams.values() {
        let mut reply = vec![0x80, 3, 0, 2, 0, 0, 0, 8];
        reply.extend(stream.to_be_bytes());
        reply.extend([0; 4]);
        to.write_all(&reply).await.unwrap();
    }
    let output = streams["stdout"];
    let (mut parser, mut read, mut pinged) = (Parser::default(), BytesMut::new(), false);
    loop {
        let Some(frame) = parser.next(&mut read).unwrap() else {
            assert!(from.read_buf(&mut read).await.unwrap() > 0, "the client says when its input ends");
            continue;
        };
        match frame {
            Frame::Data { stream, bytes, last } if stream == streams["stdin"] => {
                to.write_all(&spdy::data(output, &bytes)).await.unwrap();
                if last {
                    break;
                }
            }
            Frame::Data { stream, bytes, .. } if streams.get("resize") == Some(&stream) => {
                to.write_all(&spdy::data(streams.get("stderr").copied().unwrap_or(output), &bytes)).await.unwrap();
            }
            Frame::Ping(number) => {
                assert_eq!(number, 2);
                pinged = true;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(pinged, "pings are answered");
    if !breaks {
        let status =
            br#"{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"7"}]}}"#;
        let frames = [spdy::data(streams["error"], status), spdy::end(streams["error"])].concat();
        to.write_all(&frames).await.unwrap();
        // An output may end by being reset.
        let mut reset = vec![0x80, 3, 0, 3, 0, 0, 0, 8];
        reset.extend(output.to_be_bytes());
        reset.extend([0, 0, 0, 5]);
        to.write_all(&reset).await.unwrap();
        if let Some(stream) = streams.get("stderr") {
            to.write_all(&spdy::end(*stream)).await.unwrap();
        }
    }
    to.shutdown().await.unwrap();
}
