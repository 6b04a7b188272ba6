//! From octets to text: transfer encodings, character sets and encoded words (RFC 2045, 2047).
//!
//! Everything here is lenient and linear: what is wrong in the input costs its own place, never the rest.

use std::borrow::Cow;
use std::io::{self, Read};

use mail_parser::decoders::charsets::map::charset_decoder;

/// How the octets of a part are wrapped (RFC 2045 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Encoding {
    /// 7bit, 8bit, binary, or a word nobody knows.
    #[default]
    Plain,
    /// base64.
    Base64,
    /// quoted-printable.
    QuotedPrintable,
    /// uuencode, older than MIME and still met.
    Uuencode,
}

impl Encoding {
    /// Reads a `Content-Transfer-Encoding` value.
    pub(super) fn from_value(value: &[u8]) -> Self {
        let word = value.trim_ascii();
        let end = word.iter().position(|b| matches!(b, b';' | b' ' | b'\t' | b'\r' | b'\n')).unwrap_or(word.len());
        let word = word.get(..end).unwrap_or_default();
        if word.eq_ignore_ascii_case(b"base64") {
            Self::Base64
        } else if word.eq_ignore_ascii_case(b"quoted-printable") {
            Self::QuotedPrintable
        } else if [b"x-uuencode".as_slice(), b"uuencode", b"x-uue", b"uue"].iter().any(|n| word.eq_ignore_ascii_case(n))
        {
            Self::Uuencode
        } else {
            Self::Plain
        }
    }

    /// The octets inside.
    pub(super) fn decode(self, body: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Self::Plain => Cow::Borrowed(body),
            Self::Base64 => Cow::Owned(base64(body)),
            Self::QuotedPrintable => Cow::Owned(quoted_printable(body)),
            Self::Uuencode => Cow::Owned(uuencoded(body)),
        }
    }

    /// How many octets [`Self::decode`] would give, without keeping them.
    pub(super) fn decoded_len(self, body: &[u8]) -> u64 {
        let length = match self {
            Self::Plain => body.len(),
            Self::Base64 => {
                let end = body.iter().position(|&b| b == b'=').unwrap_or(body.len());
                let digits = body.iter().take(end).filter(|&&b| sextet(b).is_some()).count();
                if end == body.len() || !has_digit_after(body, end) { digits * 3 / 4 } else { base64(body).len() }
            }
            Self::QuotedPrintable => quoted_printable(body).len(),
            Self::Uuencode => uuencoded(body).len(),
        };
        u64::try_from(length).unwrap_or(u64::MAX)
    }
}

/// Where base64 ends for [`base64`]: at a padding after which something else comes, or with the body.
pub(super) fn base64_end(body: &[u8]) -> usize {
    let mut held = 0_u8;
    for (at, &octet) in body.iter().enumerate() {
        if sextet(octet).is_some() {
            held = (held + 1) % 4;
        } else if octet == b'=' && held >= 2 {
            let rest = body.get(at..).unwrap_or_default();
            let is_digit = |b: &u8| sextet(*b).is_some() || matches!(b, b'=' | b'\r' | b'\n');
            return if rest.trim_ascii_end().iter().all(is_digit) { body.len() } else { at };
        }
    }
    body.len()
}

/// Decodes base64 up to [`base64_end`] as it is read.
pub(super) struct Base64Reader<R> {
    inner: R,
    /// Encoded octets, as they came.
    raw: Vec<u8>,
    /// Decoded ones, and how many of them were given out.
    ready: Vec<u8>,
    given: usize,
    group: u32,
    held: u8,
    over: bool,
}

/// Encoded octets that are read at once.
const READ_AT_ONCE: usize = 32 * 1024;

impl<R: Read> Base64Reader<R> {
    pub(super) fn new(inner: R) -> Self {
        let (raw, ready) = (vec![0; READ_AT_ONCE], Vec::with_capacity(READ_AT_ONCE));
        Self { inner, raw, ready, given: 0, group: 0, held: 0, over: false }
    }

    fn more(&mut self) -> io::Result<()> {
        (self.given, self.over) = (0, false);
        self.ready.clear();
        let n = self.inner.read(&mut self.raw)?;
        for &octet in self.raw.get(..n).unwrap_or_default() {
            if let Some(value) = sextet(octet) {
                self.group = self.group << 6 | u32::from(value);
                self.held += 1;
                if self.held == 4 {
                    let [_, a, b, c] = self.group.to_be_bytes();
                    self.ready.extend_from_slice(&[a, b, c]);
                    (self.group, self.held) = (0, 0);
                }
            } else if octet == b'=' && self.held >= 2 {
                flush(&mut self.ready, self.group, self.held);
                (self.group, self.held) = (0, 0);
            }
        }
        if n == 0 {
            flush(&mut self.ready, self.group, self.held);
            (self.group, self.held, self.over) = (0, 0, true);
        }
        Ok(())
    }
}

impl<R: Read> Read for Base64Reader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.given >= self.ready.len() && !self.over {
            self.more()?;
        }
        let rest = self.ready.get(self.given..).unwrap_or_default();
        let n = rest.len().min(into.len());
        for (to, from) in into.iter_mut().zip(rest) {
            *to = *from;
        }
        self.given += n;
        Ok(n)
    }
}

/// Whether base64 goes on after a padding sign (two encodings glued together).
fn has_digit_after(body: &[u8], padding: usize) -> bool {
    body.get(padding..).unwrap_or_default().iter().any(|&b| b != b'=' && sextet(b).is_some())
}

/// The value of each base64 digit; 255 for what is none.
const SEXTETS: [u8; 256] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut table = [255_u8; 256];
    let mut at = 0;
    while at < 64 {
        #[allow(
            clippy::indexing_slicing,
            clippy::cast_possible_truncation,
            reason = "constant evaluation, bounded by the alphabet"
        )]
        {
            table[alphabet[at] as usize] = at as u8;
        }
        at += 1;
    }
    table
};

fn sextet(octet: u8) -> Option<u8> {
    SEXTETS.get(usize::from(octet)).copied().filter(|&v| v != 255)
}

/// Base64, skipping what is not a digit. Padding ends it, unless all that follows is base64 too: some senders encode
/// piece by piece.
pub(super) fn base64(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() / 4 * 3 + 3);
    let (mut group, mut held) = (0_u32, 0_u8);
    let mut goes_on: Option<bool> = None;
    for (at, &octet) in body.iter().enumerate() {
        if let Some(value) = sextet(octet) {
            group = group << 6 | u32::from(value);
            held += 1;
            if held == 4 {
                let [_, a, b, c] = group.to_be_bytes();
                out.extend_from_slice(&[a, b, c]);
                (group, held) = (0, 0);
            }
        } else if octet == b'=' && held >= 2 {
            flush(&mut out, group, held);
            (group, held) = (0, 0);
            // looked at once, so that many paddings cost no more than one
            let rest = body.get(at..).unwrap_or_default();
            let is_digit = |b: &u8| sextet(*b).is_some() || matches!(b, b'=' | b'\r' | b'\n');
            if !*goes_on.get_or_insert_with(|| rest.trim_ascii_end().iter().all(is_digit)) {
                return out;
            }
        }
    }
    flush(&mut out, group, held);
    out
}

/// The octets of a group that is not full.
fn flush(out: &mut Vec<u8>, group: u32, held: u8) {
    match held {
        2 => out.extend_from_slice((group << 12).to_be_bytes().get(1..2).unwrap_or_default()),
        3 => out.extend_from_slice((group << 6).to_be_bytes().get(1..3).unwrap_or_default()),
        _ => {}
    }
}

fn hex(octet: Option<u8>) -> Option<u8> {
    let value = char::from(octet?).to_digit(16)?;
    u8::try_from(value).ok()
}

/// Quoted-printable; an equals sign that introduces nothing stays.
fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    for line in body.split_inclusive(|&b| b == b'\n') {
        let content = line.trim_ascii_end();
        let ending = line.strip_prefix(content).unwrap_or_default();
        let (content, soft) = match content.strip_suffix(b"=") {
            Some(rest) if !ending.is_empty() || rest.len() < content.len() => (rest, true),
            _ => (content, false),
        };
        let mut rest = content;
        while let Some(at) = rest.iter().position(|&b| b == b'=') {
            out.extend_from_slice(rest.get(..at).unwrap_or_default());
            if let (Some(high), Some(low)) = (hex(rest.get(at + 1).copied()), hex(rest.get(at + 2).copied())) {
                out.push(high << 4 | low);
                rest = rest.get(at + 3..).unwrap_or_default();
            } else {
                out.push(b'=');
                rest = rest.get(at + 1..).unwrap_or_default();
            }
        }
        out.extend_from_slice(rest);
        if !soft {
            // white space at the end of a line is the transport's, the line end itself is the writer's
            let ending = if ending.ends_with(b"\r\n") {
                b"\r\n".as_slice()
            } else if ending.ends_with(b"\n") {
                b"\n".as_slice()
            } else {
                b"".as_slice()
            };
            out.extend_from_slice(ending);
        }
    }
    out
}

/// Uuencode: lines between `begin` and `end`, each with its length in front.
fn uuencoded(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() / 4 * 3);
    let lines = body.split(|&b| b == b'\n').map(<[u8]>::trim_ascii_end);
    for line in lines.skip_while(|l| !l.starts_with(b"begin ")).skip(1).take_while(|l| *l != b"end") {
        let Some((&first, digits)) = line.split_first() else { continue };
        let wanted = usize::from(first.wrapping_sub(b' ') & 63);
        let start = out.len();
        for group in digits.chunks(4) {
            let mut bits = 0_u32;
            for at in 0..4 {
                let digit = group.get(at).map_or(0, |b| b.wrapping_sub(b' ') & 63);
                bits = bits << 6 | u32::from(digit);
            }
            let [_, a, b, c] = bits.to_be_bytes();
            out.extend_from_slice(&[a, b, c]);
        }
        out.truncate(start + wanted);
    }
    out
}

/// Octets in a character set as text; UTF-8 where the set is unknown and they are that, else Windows-1252.
pub(super) fn to_text<'a>(octets: &'a [u8], charset: Option<&str>) -> Cow<'a, str> {
    let named = charset.unwrap_or("utf-8").trim();
    let is_utf8 = ["utf-8", "utf8", "us-ascii", "ascii"].iter().any(|n| named.eq_ignore_ascii_case(n));
    if !is_utf8 && let Some(decoder) = charset_decoder(named.as_bytes()) {
        return Cow::Owned(decoder(octets));
    }
    if let Ok(text) = std::str::from_utf8(octets) {
        return Cow::Borrowed(text.strip_prefix('\u{feff}').unwrap_or(text));
    }
    // a mail cut in the middle of a character is still UTF-8
    let valid_prefix = std::str::from_utf8(octets).map_or_else(|e| e.valid_up_to(), str::len);
    if is_utf8 && (charset.is_some() || octets.len().saturating_sub(valid_prefix) < 4) {
        return String::from_utf8_lossy(octets);
    }
    match charset_decoder(b"windows-1252") {
        Some(decoder) => Cow::Owned(decoder(octets)),
        None => String::from_utf8_lossy(octets),
    }
}

/// One encoded word at the start of `text`: character set, octets, and how long the word was.
fn encoded_word(text: &str) -> Option<(&str, Vec<u8>, usize)> {
    // a word is at most 75 long by the standard; those who break it stay well below this
    let limit = text.char_indices().nth(2_000).map_or(text.len(), |(at, _)| at);
    let inner = text.get(..limit)?.strip_prefix("=?")?;
    let (charset, rest) = inner.split_once('?')?;
    if charset.is_empty() || charset.len() > 60 || charset.contains(char::is_whitespace) {
        return None;
    }
    let (kind, rest) = rest.split_once('?')?;
    let (content, _) = rest.split_once("?=")?;
    let octets = match kind {
        "B" | "b" => base64(content.as_bytes()),
        "Q" | "q" => quoted_printable(content.replace('_', " ").replace(' ', "=20").as_bytes()),
        _ => return None,
    };
    let length = "=?".len() + charset.len() + 1 + kind.len() + 1 + content.len() + "?=".len();
    // octets above ASCII have no place here; they were taken for text before, so they are UTF-8 by now
    let charset = if content.is_ascii() { charset } else { "utf-8" };
    // RFC 2231 allows a language after an asterisk
    let charset = charset.split_once('*').map_or(charset, |(set, _)| set);
    Some((charset, octets, length))
}

/// A header text with its encoded words decoded. Neighbouring words of one character set are joined before decoding,
/// because senders cut them in the middle of a character.
pub(super) fn words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut pending: Option<(String, Vec<u8>)> = None;
    let mut rest = text;
    while let Some(at) = rest.find("=?") {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        let Some((charset, octets, length)) = encoded_word(from) else {
            flush_word(&mut out, &mut pending);
            out.push_str(before);
            out.push_str("=?");
            rest = from.get(2..).unwrap_or_default();
            continue;
        };
        let glued = pending.is_some() && before.chars().all(char::is_whitespace);
        if !glued {
            flush_word(&mut out, &mut pending);
            out.push_str(before);
        }
        match &mut pending {
            // a set with states starts each word anew
            Some((set, held)) if set.eq_ignore_ascii_case(charset) && !set.starts_with(['i', 'I']) => {
                held.extend_from_slice(&octets);
            }
            _ => {
                flush_word(&mut out, &mut pending);
                pending = Some((charset.to_owned(), octets));
            }
        }
        rest = from.get(length..).unwrap_or_default();
    }
    flush_word(&mut out, &mut pending);
    out.push_str(rest);
    out
}

fn flush_word(out: &mut String, pending: &mut Option<(String, Vec<u8>)>) {
    if let Some((charset, octets)) = pending.take() {
        out.push_str(&to_text(&octets, Some(&charset)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfer_encodings_survive_damage() {
        assert_eq!(base64(b"aGVs\r\nbG8="), b"hello");
        assert_eq!(base64(b"aGVsbG8= and a footer"), b"hello");
        assert_eq!(base64(b"aGVsbG8=\r\naGVsbG8="), b"hellohello");
        assert_eq!(base64(b"a*G#Vsbg"), b"heln".get(..4).unwrap());
        assert_eq!(quoted_printable(b"a=3Db=\r\nc  \r\nd=ZZ"), b"a=bc\r\nd=ZZ");
        for body in [b"aGVsbG8=".as_slice(), b"aGVsbG8=aGVsbG8=", b"", b"a"] {
            assert_eq!(Encoding::Base64.decoded_len(body), base64(body).len() as u64);
        }
    }

    #[test]
    fn base64_that_is_read_piece_by_piece_is_the_same() {
        let long = b"aGVsbG8g".repeat(40_000);
        let glued = b"aGVsbG8=\r\naGVsbG8=\r\n".repeat(9_000);
        for body in [
            b"aGVs\r\nbG8=".as_slice(),
            b"aGVsbG8= and a footer",
            b"aGVsbG8=\r\naGVsbG8=",
            b"a*G#Vsbg",
            b"",
            b"a",
            b"ab",
            b"abc=",
            b"=ab==cd",
            &long,
            &glued,
        ] {
            let end = base64_end(body);
            let mut read = Vec::new();
            Base64Reader::new(&body[..end]).read_to_end(&mut read).unwrap();
            assert_eq!(read, base64(body));
            assert_eq!(Encoding::Base64.decoded_len(body), read.len() as u64);
        }
    }

    #[test]
    fn uuencode_is_read() {
        assert_eq!(uuencoded(b"x\nbegin 644 a\n%:&5L;&\\ \n`\nend\ny"), b"hello");
    }

    #[test]
    fn encoded_words_join_across_a_cut_character() {
        assert_eq!(words("=?utf-8?Q?Caf=C3?= =?utf-8?Q?=A9_au?= lait"), "Café au lait");
        assert_eq!(words("=?iso-8859-1?q?Andr=E9?= <a>"), "André <a>");
        assert_eq!(words("=?iso-8859-1?Q?Frö?="), "Frö");
        assert_eq!(words("x =?broken =?utf-8?B?aGk=?="), "x =?broken hi");
    }
}
