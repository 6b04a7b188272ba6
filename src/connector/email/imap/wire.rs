//! The octets under an IMAP session: one buffered stream, watched so that no server makes the parser above it hold,
//! or go through, more than a bounded amount. It knows lines and literals and no more of the protocol.
//!
//! The parser of `async-imap` makes room for a literal as soon as it is announced (up to 512 MiB), reads an unfinished
//! line again from its start for each 4 KiB that arrive, and recurses on parentheses. So all three are limited here,
//! before it sees the octets.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, BufReader, BufWriter, ReadBuf};

/// Largest literal a server may send, octets. Parts of mails are asked for in far smaller pieces.
pub(super) const LITERAL_MAX: u64 = 8 * 1024 * 1024;
/// Longest line between literals, octets.
const LINE_MAX: u64 = 1024 * 1024;
/// Largest response with all its lines and literals, octets.
const RESPONSE_MAX: u64 = LITERAL_MAX + 2 * LINE_MAX;
/// Deepest nesting of parentheses in a line.
const DEPTH_MAX: u32 = 200;
const READ_BUFFER: usize = 64 * 1024;
const WRITE_BUFFER: usize = 16 * 1024;

/// A TCP or TLS stream.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A stream with buffers both ways.
pub(super) type Buffered<S> = BufReader<BufWriter<S>>;

/// Puts buffers around a stream.
pub(super) fn buffered<S: AsyncRead + AsyncWrite>(stream: S) -> Buffered<S> {
    BufReader::with_capacity(READ_BUFFER, BufWriter::with_capacity(WRITE_BUFFER, stream))
}

/// The watched stream.
pub(super) struct Wire {
    inner: Buffered<Box<dyn Stream>>,
    watch: Watch,
}

impl Wire {
    pub(super) fn new(inner: Buffered<Box<dyn Stream>>) -> Self {
        Self { inner, watch: Watch::default() }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("watch", &self.watch).finish_non_exhaustive()
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let fresh = buf.filled().get(before..).unwrap_or_default();
        Poll::Ready(self.watch.see(fresh).map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why)))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Where in the server's talk we are.
#[derive(Debug, Default)]
struct Watch {
    /// Octets of the running literal still to come.
    literal_left: u64,
    /// Octets of the running response so far.
    response: u64,
    /// Octets of the running line so far.
    line: u64,
    depth: u32,
    brace: Brace,
    /// The first octets of the response, which tell free text from data.
    head: [u8; 10],
}

/// How much of `{123}` at the end of a line was seen.
#[derive(Debug, Default, Clone, Copy)]
enum Brace {
    #[default]
    None,
    Open(u64),
    Closed(u64),
}

impl Watch {
    /// Goes through fresh octets; the error says which limit they break.
    fn see(&mut self, mut fresh: &[u8]) -> Result<(), &'static str> {
        while !fresh.is_empty() {
            if self.literal_left > 0 {
                let skip = fresh.len().min(usize::try_from(self.literal_left).unwrap_or(usize::MAX));
                self.literal_left = self.literal_left.saturating_sub(skip as u64);
                fresh = fresh.get(skip..).unwrap_or_default();
                continue;
            }
            let end = fresh.iter().position(|octet| *octet == b'\n').map_or(fresh.len(), |at| at + 1);
            let (line, rest) = fresh.split_at_checked(end).unwrap_or((fresh, &[]));
            for octet in line {
                self.see_octet(*octet)?;
            }
            fresh = rest;
        }
        Ok(())
    }

    fn see_octet(&mut self, octet: u8) -> Result<(), &'static str> {
        let at = usize::try_from(self.response).unwrap_or(usize::MAX);
        if let Some(place) = self.head.get_mut(at) {
            *place = octet;
        }
        self.response = self.response.saturating_add(1);
        self.line = self.line.saturating_add(1);
        if self.line > LINE_MAX {
            return Err("the server sent a line of more than 1 MiB");
        }
        if octet == b'\n' {
            return self.end_line();
        }
        self.brace = match (octet, self.brace) {
            (b'{', _) => Brace::Open(0),
            (b'0'..=b'9', Brace::Open(n)) => Brace::Open(n.saturating_mul(10).saturating_add(u64::from(octet - b'0'))),
            (b'}', Brace::Open(n)) => Brace::Closed(n),
            (b'\r', closed @ Brace::Closed(_)) => closed,
            _ => Brace::None,
        };
        match octet {
            b'(' => self.depth = self.depth.saturating_add(1),
            b')' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        if self.depth > DEPTH_MAX && !self.is_free_text() {
            return Err("the server sent a list nested more than 200 deep");
        }
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), &'static str> {
        self.line = 0;
        let brace = std::mem::take(&mut self.brace);
        match brace {
            Brace::Closed(length) if !self.is_free_text() => {
                if length > LITERAL_MAX {
                    return Err("the server announced a literal of more than 8 MiB");
                }
                self.response = self.response.saturating_add(length);
                if self.response > RESPONSE_MAX {
                    return Err("the server sent a response of more than 10 MiB");
                }
                self.literal_left = length;
            }
            Brace::Closed(_) | Brace::Open(_) | Brace::None => {
                self.response = 0;
                self.depth = 0;
                self.head = [0; 10];
            }
        }
        Ok(())
    }

    /// Whether the line ends in text for people, where `{5}` is no literal: tagged answers, `+`, and status lines.
    fn is_free_text(&self) -> bool {
        let Some(rest) = self.head.strip_prefix(b"* ") else { return true };
        [&b"OK"[..], b"NO", b"BAD", b"BYE", b"PREAUTH"]
            .iter()
            .any(|word| rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(octets: &[u8], step: usize) -> Result<(), &'static str> {
        let mut watch = Watch::default();
        octets.chunks(step).try_for_each(|chunk| watch.see(chunk))
    }

    #[test]
    fn usual_talk_passes_however_it_is_cut() {
        let talk = b"* OK hi {99999999999}\r\n* 1 FETCH (UID 1 BODY[] {12}\r\n({99999999\r\n ) X {3}\r\nabc)\r\nA1 OK {9}\r\n* 2 EXISTS\r\n";
        for step in [1, 2, 3, 7, 64, 4096] {
            assert_eq!(judge(talk, step), Ok(()), "cut into {step}");
        }
    }

    #[test]
    fn absurd_literal_is_refused_as_soon_as_it_is_announced() {
        for length in ["8388609", "4294967295", "9223372036854775808", "99999999999999999999999999"] {
            let talk = format!("* 1 FETCH (BODY[] {{{length}}}\r\n");
            assert!(judge(talk.as_bytes(), 5).is_err(), "{length}");
        }
        assert_eq!(judge(b"* 1 FETCH (BODY[] {8388608}\r\n", 5), Ok(()));
    }

    #[test]
    fn endless_lines_responses_and_lists_are_refused() {
        assert!(judge(&vec![b'x'; 1024 * 1024 + 1], 4096).is_err());
        let mut many = b"* 1 FETCH (X ".to_vec();
        for _ in 0..20 {
            many.extend_from_slice(b"{1048576}\r\n");
            many.extend(std::iter::repeat_n(b'a', 1_048_576));
        }
        assert!(judge(&many, 4096).is_err());
        let deep = [&b"* 1 FETCH (BODYSTRUCTURE "[..], &[b'('; 300]].concat();
        assert!(judge(&deep, 16).is_err());
    }
}
