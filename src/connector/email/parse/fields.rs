//! Header fields of one block: finding them, unfolding them, and reading addresses, ids, dates and parameters.
//!
//! Nothing here allocates for a header that is not asked for.

use std::borrow::Cow;

use mail_parser::parsers::MessageStream;
use mail_parser::{ContentType, HeaderValue};

use super::decode::{to_text, words};
use crate::domain::mail::{ADDRESSES_MAX, FIELD_MAX, Mailbox};
use crate::domain::time::Micros;

/// Octets read of one header value; an address list of [`ADDRESSES_MAX`] fits.
const VALUE_MAX: usize = 64 * 1024;
/// Fields read of one block.
const FIELDS_MAX: usize = 2_000;

/// One header field as it stands in the mail.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    /// The name, as written.
    pub(super) name: &'a [u8],
    /// The value with its folding, without the last line end.
    pub(super) value: &'a [u8],
}

/// The fields of one header block.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields<'a>(Vec<Field<'a>>);

/// The first line of `input` with its end, and the rest.
pub(super) fn split_line(input: &[u8]) -> (&[u8], &[u8]) {
    let end = input.iter().position(|&b| b == b'\n').map_or(input.len(), |at| at + 1);
    input.split_at_checked(end).unwrap_or((input, &[]))
}

/// Whether a line without its end could begin a field (RFC 5322 §2.2): name characters up to a colon.
fn field_name(line: &[u8]) -> Option<&[u8]> {
    let colon = line.iter().position(|&b| b == b':' || !(b'!'..=b'~').contains(&b))?;
    let name = line.get(..colon)?;
    match line.get(colon..)? {
        [b':', ..] if !name.is_empty() => Some(name),
        // "Subject : x" is obsolete syntax and still seen
        [b' ' | b'\t', rest @ ..] if !name.is_empty() && rest.trim_ascii_start().starts_with(b":") => Some(name),
        _ => None,
    }
}

impl<'a> Fields<'a> {
    /// Reads the header block at the start of `input`; gives it, what follows, and whether it ended as it should.
    pub(super) fn read(input: &'a [u8]) -> (Self, &'a [u8], bool) {
        let mut fields: Vec<Field<'a>> = Vec::with_capacity(24);
        let mut rest = input;
        // the name of the field being read, and where its value begins
        let mut current: Option<(&'a [u8], usize)> = None;
        let mut close = |current: &mut Option<(&'a [u8], usize)>, rest: &[u8]| {
            if let Some((name, start)) = current.take()
                && fields.len() < FIELDS_MAX
            {
                let value = input.get(start..input.len() - rest.len()).unwrap_or_default();
                fields.push(Field { name, value });
            }
        };
        let clean = loop {
            if rest.is_empty() {
                close(&mut current, rest);
                break true;
            }
            let (line, after) = split_line(rest);
            let content = line.trim_ascii_end();
            let folded = matches!(line.first(), Some(b' ' | b'\t'));
            if folded && !(content.is_empty() && current.is_none()) {
                rest = after; // belongs to the field before, or to none
                continue;
            }
            close(&mut current, rest);
            if content.is_empty() {
                rest = after;
                break true;
            }
            if let Some(name) = field_name(content) {
                let colon = line.iter().position(|&b| b == b':').unwrap_or_default();
                current = Some((name, input.len() - rest.len() + colon + 1));
            } else if !(line.starts_with(b"From ") || line.starts_with(b">From ")) || rest.len() != input.len() {
                break false;
            }
            rest = after;
        };
        (Self(fields), rest, clean)
    }

    /// The value of the first field of that name.
    pub(super) fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// The values of all fields of that name, in order.
    pub(super) fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + 's {
        self.0.iter().filter(move |f| f.name.eq_ignore_ascii_case(name.as_bytes())).map(|f| f.value)
    }

    /// The decoded text of the first field of that name.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(one_line)
    }

    /// Whether there is no field at all.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The text of a value: character set guessed, unfolded, encoded words decoded, control characters gone, cut.
pub(super) fn one_line(value: &[u8]) -> String {
    cut(&words(&unfold(value)), FIELD_MAX)
}

/// A value as text on one line, encoded words as they are.
pub(super) fn unfold(value: &[u8]) -> String {
    let value = value.get(..VALUE_MAX).unwrap_or(value).trim_ascii();
    let text: Cow<'_, str> = to_text(value, None);
    let mut out = String::with_capacity(text.len());
    let mut breaking = false;
    for c in text.chars() {
        match c {
            '\r' | '\n' => breaking = true,
            ' ' | '\t' if breaking => {}
            c if c.is_control() && c != '\t' => {}
            c => {
                if breaking {
                    out.push(' ');
                    breaking = false;
                }
                out.push(if c == '\t' { ' ' } else { c });
            }
        }
    }
    out
}

/// `text` without control characters, cut to `max` octets at a character.
pub(super) fn cut(text: &str, max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max));
    for c in text.trim().chars() {
        let c = if c.is_control() { ' ' } else { c };
        if out.len() + c.len_utf8() > max {
            break;
        }
        out.push(c);
    }
    out
}

/// Every id in a value: what stands in angle brackets, or, where nothing does, the words with an at sign.
pub(super) fn ids(value: &[u8]) -> Vec<String> {
    let text = unfold(value);
    let mut found = Vec::new();
    let mut rest = text.as_str();
    while let Some((_, after)) = rest.split_once('<') {
        let Some((id, behind)) = after.split_once('>') else { break };
        // an id that lost its closing bracket swallows the next one
        let id = id.rsplit_once('<').map_or(id, |(_, last)| last);
        let id: String = id.chars().filter(|c| !c.is_whitespace()).collect();
        if !id.is_empty() {
            found.push(cut(&id, FIELD_MAX));
        }
        rest = behind;
    }
    if found.is_empty() {
        let bare = text.split_whitespace().map(|w| w.trim_matches(['<', '>', '"', ',', ';', '(', ')']));
        found.extend(bare.filter(|w| w.contains('@')).map(|w| cut(w, FIELD_MAX)));
    }
    found
}

/// A `Date` value.
pub(super) fn date(value: &[u8]) -> Option<Micros> {
    let mut line = value.get(..200).unwrap_or(value).to_vec();
    line.push(b'\n');
    let HeaderValue::DateTime(at) = MessageStream::new(&line).parse_date() else { return None };
    at.is_valid().then(|| Micros::from_seconds(at.to_timestamp()))
}

/// The instant at the end of a `Received` value.
pub(super) fn stamp(value: &[u8]) -> Option<Micros> {
    let at = value.iter().rposition(|octet| *octet == b';')?;
    date(unfold(value.get(at.saturating_add(1)..)?).as_bytes())
}

/// A `Content-Type` or `Content-Disposition` value with its parameters (RFC 2231 included).
pub(super) fn parameters(value: &[u8]) -> Option<ContentType<'static>> {
    let mut line = unfold(value.get(..8_192).unwrap_or(value)).into_bytes();
    line.push(b'\n');
    MessageStream::new(&line).parse_content_type().into_owned().into_content_type()
}

/// Where the reader of an address list is.
#[derive(Default)]
struct Reader {
    found: Vec<Mailbox>,
    /// Words outside brackets: a display name, or a bare address.
    words: String,
    /// Words in quotation marks were among them.
    quoted: bool,
    comment: String,
    angle: Option<String>,
}

impl Reader {
    /// Ends the mailbox that is being read.
    fn finish(&mut self) {
        let plain = std::mem::take(&mut self.words);
        let comment = std::mem::take(&mut self.comment);
        let quoted = std::mem::take(&mut self.quoted);
        let (name, address) = match self.angle.take() {
            Some(address) => (if plain.trim().is_empty() { comment } else { plain }, address),
            None if plain.contains('@') || (!plain.trim().is_empty() && !quoted && !plain.trim().contains(' ')) => {
                (comment, plain)
            }
            None => (plain, String::new()),
        };
        let address = if address.contains('(') { without_comments(&address) } else { address };
        let address: String = address.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect();
        // a source route (RFC 5322 §4.4) is not part of the address
        let address = match address.strip_prefix('@').and_then(|_| address.split_once(':')) {
            Some((_, behind)) => behind.to_owned(),
            None => address,
        };
        let name = cut(&words(name.trim()), FIELD_MAX);
        if self.found.len() < ADDRESSES_MAX && !(name.is_empty() && address.is_empty()) {
            self.found.push(Mailbox { name, address: cut(&address, FIELD_MAX) });
        }
    }
}

/// The mailboxes of an address header; groups are opened, comments are names where there is no other.
pub(super) fn addresses(value: &[u8]) -> Vec<Mailbox> {
    let text = unfold(value);
    let mut reader = Reader::default();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if reader.angle.is_none() => {
                reader.quoted = true;
                quoted(&mut chars, &mut reader.words);
            }
            '(' => comment(&mut chars, &mut reader.comment),
            '<' => {
                let mut inner = String::new();
                for c in chars.by_ref() {
                    if c == '>' {
                        break;
                    }
                    inner.push(c);
                }
                if reader.angle.is_none() {
                    reader.angle = Some(inner);
                }
            }
            ',' | ';' => reader.finish(),
            // a group's name; an address never holds a bare colon
            ':' if reader.angle.is_none() && !reader.words.contains('@') => {
                reader.words.clear();
                reader.comment.clear();
            }
            '\\' => reader.words.extend(chars.next()),
            c => reader.words.push(c),
        }
        if reader.found.len() >= ADDRESSES_MAX {
            break;
        }
    }
    reader.finish();
    reader.found.retain(|m| !m.address.is_empty() || !m.name.is_empty());
    reader.found
}

fn quoted(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, into: &mut String) {
    while let Some(c) = chars.next() {
        match c {
            '"' => return,
            '\\' => into.extend(chars.next()),
            c => into.push(c),
        }
    }
}

fn without_comments(address: &str) -> String {
    let mut depth = 0_usize;
    let mut out = String::new();
    for c in address.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

fn comment(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, into: &mut String) {
    let mut depth = 1_usize;
    while let Some(c) = chars.next() {
        match c {
            '(' => depth += 1,
            ')' => {
                depth -= 1;
                if depth == 0 {
                    return;
                }
            }
            '\\' => {
                into.extend(chars.next());
                continue;
            }
            _ => {}
        }
        into.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(value: &str) -> Vec<(String, String)> {
        addresses(value.as_bytes()).into_iter().map(|m| (m.name, m.address)).collect()
    }

    #[test]
    fn address_lists_are_read_in_every_old_form() {
        let got = pairs("Ana <ana@a.test>, \"Lee, Bo\" <bo@b.test>, c@c.test (Cy), Team: d@d.test, e@e.test;");
        let want =
            [("Ana", "ana@a.test"), ("Lee, Bo", "bo@b.test"), ("Cy", "c@c.test"), ("", "d@d.test"), ("", "e@e.test")];
        assert_eq!(got, want.map(|(n, a)| (n.to_owned(), a.to_owned())));
        assert_eq!(pairs("<@relay.test:x@y.test>"), [(String::new(), "x@y.test".to_owned())]);
        assert!(pairs("undisclosed-recipients:;").is_empty());
        assert_eq!(pairs("=?utf-8?q?Zo=C3=AB?= <z@z.test>"), [("Zoë".to_owned(), "z@z.test".to_owned())]);
    }

    #[test]
    fn every_id_is_kept() {
        assert_eq!(ids(b" <ana@a.test>\r\n <1.2@b.test> (x)"), ["ana@a.test", "1.2@b.test"]);
        assert_eq!(ids(b"1@b.test"), ["1@b.test"]);
        assert_eq!(ids(b"<broken@a <2@b.test>"), ["2@b.test"]);
        assert_eq!(ids(b"Your message of Monday"), Vec::<String>::new());
    }

    #[test]
    fn header_block_ends_at_a_blank_line_or_at_what_is_no_field() {
        let (fields, rest, clean) = Fields::read(b"A: 1\r\n 2\r\nB:3\r\n\r\nbody");
        assert_eq!(
            (fields.text("a").as_deref(), fields.text("b").as_deref(), rest, clean),
            (Some("1 2"), Some("3"), b"body".as_slice(), true)
        );
        let (fields, rest, clean) = Fields::read(b"A: 1\nthis is text\n");
        assert_eq!((fields.text("A").as_deref(), rest, clean), (Some("1"), b"this is text\n".as_slice(), false));
    }
}
