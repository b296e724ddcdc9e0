//! SPDY/3.1 as far as one needs it who opens streams on a node: frames to send and frames to read.
//!
//! Kubernetes speaks a dialect without flow control: nobody grants windows, and the connection as a whole is what holds back.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// The version, and the bit that marks a control frame.
const CONTROL: u16 = 0x8003;
const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const RST_STREAM: u16 = 3;
const PING: u16 = 6;
/// In the flags of a frame: its sender says no more on the stream.
const FIN: u8 = 1;
const HEAD: usize = 8;
/// Largest control frame that is read. They hold a few headers.
const CONTROL_LIMIT: usize = 64 << 10;
/// Bytes in one data frame that is sent.
const DATA_PIECE: usize = 32 << 10;

/// What a node says. Data comes in pieces as it arrives, however long its frame is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    Data {
        stream: u32,
        bytes: Bytes,
        /// Whether nothing follows on this stream.
        last: bool,
    },
    /// The stream is open.
    Reply { stream: u32, last: bool },
    /// The stream is gone.
    Reset { stream: u32 },
    /// To be sent back as it is.
    Ping(u32),
    /// Nothing that matters here.
    Other,
}

/// What cannot be SPDY.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("the node does not speak SPDY/3.1")]
    Version,
    #[error("a control frame of {0} bytes is too long")]
    TooLong(usize),
    #[error("a control frame of type {0} is too short")]
    TooShort(u16),
}

/// Makes frames of bytes, however they are cut.
#[derive(Debug, Default)]
pub(super) struct Parser {
    /// What is to come of a data frame.
    rest: Option<Rest>,
}

#[derive(Debug)]
struct Rest {
    stream: u32,
    length: usize,
    last: bool,
}

impl Parser {
    /// Takes the next frame, or piece of one, from the front of what has been read; `None` if more has to be read.
    pub(super) fn next(&mut self, read: &mut BytesMut) -> Result<Option<Frame>, Fault> {
        if let Some(rest) = self.rest.take() {
            return Ok(self.data(rest, read));
        }
        let Some(head) = read.first_chunk::<HEAD>() else { return Ok(None) };
        let mut head = &head[..];
        let (first, second, word) = (head.get_u16(), head.get_u16(), head.get_u32());
        let [flags, high, middle, low] = word.to_be_bytes();
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        let last = flags & FIN != 0;
        if first & 0x8000 == 0 {
            read.advance(HEAD);
            let stream = u32::from(first) << 16 | u32::from(second);
            return Ok(self.data(Rest { stream, length, last }, read));
        }
        if first != CONTROL {
            return Err(Fault::Version);
        }
        if length > CONTROL_LIMIT {
            return Err(Fault::TooLong(length));
        }
        if read.len() < HEAD + length {
            return Ok(None);
        }
        read.advance(HEAD);
        control(second, last, read.split_to(length).freeze()).map(Some)
    }

    fn data(&mut self, rest: Rest, read: &mut BytesMut) -> Option<Frame> {
        let Rest { stream, length, last } = rest;
        if read.len() >= length {
            return Some(Frame::Data { stream, bytes: read.split_to(length).freeze(), last });
        }
        let bytes = read.split().freeze();
        self.rest = Some(Rest { stream, length: length - bytes.len(), last });
        (!bytes.is_empty()).then_some(Frame::Data { stream, bytes, last: false })
    }
}

fn control(kind: u16, last: bool, mut payload: Bytes) -> Result<Frame, Fault> {
    let mut number = || payload.try_get_u32().map_err(|_| Fault::TooShort(kind));
    // The highest bit of a stream's number means nothing.
    Ok(match kind {
        SYN_REPLY => Frame::Reply { stream: number()? & 0x7fff_ffff, last },
        RST_STREAM => Frame::Reset { stream: number()? & 0x7fff_ffff },
        PING => Frame::Ping(number()?),
        _ => Frame::Other,
    })
}

/// Opens streams: their headers are one compressed whole, whatever number of frames they come in.
#[derive(Debug, Default)]
pub(super) struct Opener {
    begun: bool,
}

impl Opener {
    /// A frame that opens a stream with one header.
    pub(super) fn open(&mut self, stream: u32, name: &str, value: &str) -> Vec<u8> {
        let mut headers = Vec::new();
        headers.put_u32(1);
        for text in [name, value] {
            headers.put_u32(u32::try_from(text.len()).expect("headers are words of this file's users"));
            headers.put_slice(text.as_bytes());
        }
        // A zlib stream may hold blocks that are stored as they are: some forty bytes are not worth compressing.
        let mut block: Vec<u8> = if self.begun { Vec::new() } else { vec![0x78, 0x01] };
        self.begun = true;
        let length = u16::try_from(headers.len()).expect("headers are words of this file's users");
        block.put_u8(0);
        block.put_u16_le(length);
        block.put_u16_le(!length);
        block.extend(headers);
        // An empty block is what makes a reader hand out what it has.
        block.extend([0, 0, 0, 0xff, 0xff]);
        let mut frame = head(SYN_STREAM, 10 + block.len());
        frame.put_u32(stream);
        // No associated stream, no priority, no slot.
        frame.put_bytes(0, 6);
        frame.extend(block);
        frame
    }
}

/// The answer to a ping.
pub(super) fn ping(number: u32) -> Vec<u8> {
    let mut frame = head(PING, 4);
    frame.put_u32(number);
    frame
}

/// Frames that carry data.
pub(super) fn data(stream: u32, bytes: &[u8]) -> Vec<u8> {
    let mut frames = Vec::with_capacity(bytes.len() + HEAD * bytes.len().div_ceil(DATA_PIECE));
    for piece in bytes.chunks(DATA_PIECE) {
        frames.put_u32(stream);
        frames.put_u32(u32::try_from(piece.len()).expect("a piece is short"));
        frames.extend(piece);
    }
    frames
}

/// The frame that says: no more on this stream.
pub(super) fn end(stream: u32) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEAD);
    frame.put_u32(stream);
    frame.put_u32(u32::from(FIN) << 24);
    frame
}

fn head(kind: u16, length: usize) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEAD + length);
    frame.put_u16(CONTROL);
    frame.put_u16(kind);
    frame.put_u32(u32::try_from(length).expect("control frames are short"));
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Decompress, FlushDecompress};
    use proptest::prelude::*;

    /// Everything that `bytes` mean when they arrive cut into pieces of these lengths; pieces of data are joined.
    fn frames(bytes: &[u8], cuts: &[usize]) -> Result<Vec<Frame>, Fault> {
        let (mut parser, mut read, mut found) = (Parser::default(), BytesMut::new(), Vec::<Frame>::new());
        let (mut rest, mut cuts) = (bytes, cuts.iter().cycle());
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(cuts.next().map_or(rest.len(), |cut| (*cut).min(rest.len())));
            rest = later;
            read.extend_from_slice(piece);
            while let Some(frame) = parser.next(&mut read)? {
                match (found.last_mut(), &frame) {
                    (Some(Frame::Data { stream, bytes, last }), Frame::Data { stream: next, bytes: more, last: end })
                        if stream == next && !*last =>
                    {
                        *bytes = [&bytes[..], more].concat().into();
                        *last = *end;
                    }
                    _ => found.push(frame),
                }
            }
        }
        Ok(found)
    }

    #[test]
    fn streams_are_opened_with_headers_that_any_zlib_reads() {
        let (mut opener, mut inflate, mut plain) = (Opener::default(), Decompress::new(true), Vec::with_capacity(1000));
        for (stream, value) in [(1, "error"), (3, "stdin")] {
            let frame = opener.open(stream, "streamtype", value);
            assert_eq!(&frame[..8], [0x80, 3, 0, 1, 0, 0, 0, u8::try_from(frame.len() - 8).unwrap()]);
            assert_eq!(&frame[8..18], [&[0, 0, 0, u8::try_from(stream).unwrap()][..], &[0; 6]].concat());
            inflate.decompress_vec(&frame[18..], &mut plain, FlushDecompress::Sync).unwrap();
            assert_eq!(plain, [b"\0\0\0\x01\0\0\0\x0astreamtype\0\0\0\x05", value.as_bytes()].concat());
            plain.clear();
        }
    }

    #[test]
    fn what_is_no_spdy_is_refused() {
        assert_eq!(frames(b"\x80\x02\0\x04\0\0\0\0", &[]), Err(Fault::Version));
        assert_eq!(frames(b"HTTP/1.1 400 Bad Request", &[]).map(|frames| frames.len()), Ok(1), "data of a long frame");
        assert_eq!(frames(b"\x80\x03\0\x04\0\xff\0\0", &[]), Err(Fault::TooLong(0xff_0000)));
        assert_eq!(frames(b"\x80\x03\0\x06\0\0\0\x02ab", &[]), Err(Fault::TooShort(PING)));
    }

    fn a_frame() -> impl Strategy<Value = (Vec<u8>, Frame)> {
        let stream = 0..0x7fff_ffff_u32;
        let control = |kind: u16, payload: u32, flags: u8| {
            let mut frame = head(kind, 4);
            frame[4] = flags;
            frame.put_u32(payload);
            frame
        };
        prop_oneof![
            (stream.clone(), prop::collection::vec(any::<u8>(), 1..2000)).prop_map(|(stream, bytes)| {
                let mut frame = data(stream, &bytes);
                frame[4] |= FIN;
                (frame, Frame::Data { stream, bytes: bytes.into(), last: true })
            }),
            stream.clone().prop_map(|stream| (end(stream), Frame::Data { stream, bytes: Bytes::new(), last: true })),
            any::<u32>().prop_map(|number| (ping(number), Frame::Ping(number))),
            (stream.clone(), any::<bool>()).prop_map(move |(stream, last)| {
                (control(SYN_REPLY, stream | 1 << 31, u8::from(last)), Frame::Reply { stream, last })
            }),
            stream.prop_map(move |stream| (control(RST_STREAM, stream, 0), Frame::Reset { stream })),
            any::<u32>().prop_map(move |number| (control(7, number, 0), Frame::Other)),
        ]
    }

    proptest! {
        #[test]
        fn frames_are_read_however_they_are_cut(
            sent in prop::collection::vec(a_frame(), 0..20),
            cuts in prop::collection::vec(1..100_usize, 1..20),
        ) {
            let (bytes, expected): (Vec<_>, Vec<_>) = sent.into_iter().unzip();
            prop_assert_eq!(frames(&bytes.concat(), &cuts), Ok(expected));
        }

        #[test]
        fn long_data_is_cut_and_comes_whole(length in 0..100_000_usize, cut in 1..50_000_usize) {
            let bytes: Vec<u8> = (0..length).map(|number| u8::try_from(number % 251).unwrap()).collect();
            let sent = [data(5, &bytes), end(5)].concat();
            prop_assert_eq!(frames(&sent, &[cut]), Ok(vec![Frame::Data { stream: 5, bytes: bytes.into(), last: true }]));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 1..50_usize) {
            drop(frames(&bytes, &[cut]));
        }

        #[test]
        fn no_control_frames_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 1..50_usize) {
            drop(frames(&[&[0x80, 3, 0][..], &bytes].concat(), &[cut]));
        }
    }
}
