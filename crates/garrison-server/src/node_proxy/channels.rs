//! The channels of `v5.channel.k8s.io`: the first byte of a message says which stream it belongs to.

use bytes::{BufMut as _, Bytes, BytesMut};

/// The protocol's name.
pub(super) const PROTOCOL: &str = "v5.channel.k8s.io";
/// The channel on which a client says that another has ended.
const CLOSE: u8 = 255;

/// A stream of a session, by the number of its channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Channel {
    Stdin = 0,
    Stdout = 1,
    Stderr = 2,
    Error = 3,
    Resize = 4,
}

impl Channel {
    /// What a node calls such a stream.
    pub(super) fn stream_type(self) -> &'static str {
        match self {
            Self::Stdin => "stdin",
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Error => "error",
            Self::Resize => "resize",
        }
    }

    /// A message on this channel.
    pub(super) fn message(self, bytes: &[u8]) -> Bytes {
        let mut message = BytesMut::with_capacity(bytes.len() + 1);
        message.put_u8(self as u8);
        message.put_slice(bytes);
        message.freeze()
    }
}

/// What a client may say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    Data(Channel, Bytes),
    End(Channel),
    /// Nothing, or something on a channel that is not a client's to speak on.
    Nothing,
}

/// Reads a client's message.
pub(super) fn read(message: &Bytes) -> Said {
    let channel = |number: u8| [Channel::Stdin, Channel::Resize].into_iter().find(|channel| *channel as u8 == number);
    match **message {
        [CLOSE, number] => channel(number).map_or(Said::Nothing, Said::End),
        [number, _, ..] => channel(number).map_or(Said::Nothing, |channel| Said::Data(channel, message.slice(1..))),
        _ => Said::Nothing,
    }
}

/// The channels of a session, in the order in which a node expects its streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted(Vec<Channel>);

impl Wanted {
    /// A terminal has one output only, and a size.
    pub(super) fn new(stdin: bool, stdout: bool, stderr: bool, tty: bool) -> Self {
        let all = [
            (Channel::Error, true),
            (Channel::Stdin, stdin),
            (Channel::Stdout, stdout),
            (Channel::Stderr, stderr && !tty),
            (Channel::Resize, tty),
        ];
        Self(all.into_iter().filter(|(_, wanted)| *wanted).map(|(channel, _)| channel).collect())
    }

    /// The channels and the numbers of their streams, which are odd.
    pub(super) fn streams(&self) -> impl Iterator<Item = (u32, Channel)> + '_ {
        (1..).step_by(2).zip(self.0.iter().copied())
    }

    /// The stream of a channel.
    pub(super) fn stream(&self, wanted: Channel) -> Option<u32> {
        self.streams().find(|(_, channel)| *channel == wanted).map(|(stream, _)| stream)
    }

    /// The channel of a stream.
    pub(super) fn channel(&self, wanted: u32) -> Option<Channel> {
        self.streams().find(|(stream, _)| *stream == wanted).map(|(_, channel)| channel)
    }

    /// The first channel on which the client hears something.
    pub(super) fn first_output(&self) -> Channel {
        let mut outputs = self.0.iter().copied().filter(|channel| matches!(channel, Channel::Stdout | Channel::Stderr));
        outputs.next().unwrap_or(Channel::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_session_has_the_streams_that_are_wanted() {
        let streams = |stdin, stdout, stderr, tty| Wanted::new(stdin, stdout, stderr, tty).streams().collect::<Vec<_>>();
        use Channel::{Error, Resize, Stderr, Stdin, Stdout};
        assert_eq!(streams(true, true, true, false), [(1, Error), (3, Stdin), (5, Stdout), (7, Stderr)]);
        assert_eq!(streams(true, true, true, true), [(1, Error), (3, Stdin), (5, Stdout), (7, Resize)]);
        assert_eq!(streams(false, false, true, false), [(1, Error), (3, Stderr)]);
        assert_eq!(Wanted::new(false, false, true, false).first_output(), Stderr);
        assert_eq!(Wanted::new(true, false, false, true).first_output(), Error);
    }

    #[test]
    fn messages_are_understood() {
        let said = |message: &[u8]| read(&Bytes::copy_from_slice(message));
        assert_eq!(said(b"\0abc"), Said::Data(Channel::Stdin, Bytes::from("abc")));
        assert_eq!(said(b"\x04{}"), Said::Data(Channel::Resize, Bytes::from("{}")));
        assert_eq!(said(b"\xff\0"), Said::End(Channel::Stdin));
        for nothing in [&b""[..], b"\0", b"\x01abc", b"\x03x", b"\x09x", b"\xff", b"\xff\x07", b"\xff\0\0"] {
            assert_eq!(said(nothing), Said::Nothing, "{nothing:?}");
        }
    }

    proptest! {
        #[test]
        fn no_message_makes_it_panic(message in prop::collection::vec(any::<u8>(), 0..50)) {
            let message = Bytes::from(message);
            if let Said::Data(channel, bytes) = read(&message) {
                prop_assert_eq!(channel.message(&bytes), message);
            }
        }
    }
}
