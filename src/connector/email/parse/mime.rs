//! The parts of a mail (RFC 2046): where each begins and ends in the raw octets. Nothing is decoded here.
//!
//! Built by ourselves rather than with a library's message type because a mail is a stranger's input: depth, number of
//! parts and octets looked at are all bounded here, so nothing nested or repeated can cost more than a plain mail of
//! the same size.

use super::decode::Encoding;
use super::fields::{Fields, parameters, split_line, unfold};

/// How deep parts are opened; deeper ones are left closed.
const DEPTH_MAX: usize = 24;
/// How many parts are opened in one mail.
const PARTS_MAX: usize = 10_000;
/// How often the octets of a mail may be looked at while searching for boundaries.
const SCANS_MAX: usize = 12;

/// One part: a container, or a leaf.
#[derive(Debug)]
pub(super) struct Part<'a> {
    /// Index of the container it stands in; itself for the mail.
    pub(super) parent: usize,
    /// Its header fields.
    pub(super) fields: Fields<'a>,
    /// Its body, still encoded.
    pub(super) body: &'a [u8],
    /// Media type, lower case, without parameters.
    pub(super) media: String,
    /// Whether parts were found in it.
    pub(super) container: bool,
    depth: usize,
}

impl Part<'_> {
    /// How the body is encoded.
    pub(super) fn encoding(&self) -> Encoding {
        self.fields.get("Content-Transfer-Encoding").map_or(Encoding::Plain, Encoding::from_value)
    }

    /// The character set it names.
    pub(super) fn charset(&self) -> Option<String> {
        let value = self.fields.get("Content-Type")?;
        parameters(value)?.attribute("charset").map(str::to_owned)
    }

    /// The file name it names, as written.
    pub(super) fn file_name(&self) -> Option<String> {
        let named = |header: &str, parameter: &str| {
            let parsed = parameters(self.fields.get(header)?)?;
            parsed.attribute(parameter).map(str::to_owned)
        };
        named("Content-Disposition", "filename").or_else(|| named("Content-Type", "name"))
    }

    /// The word of `Content-Disposition`, lower case.
    pub(super) fn disposition(&self) -> Option<String> {
        let value = unfold(self.fields.get("Content-Disposition")?);
        Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    }
}

/// A mail in parts, outermost first, each container before what it holds.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    /// The parts; never empty.
    pub(super) list: Vec<Part<'a>>,
    /// What was wrong, in words.
    pub(super) flaws: Vec<&'static str>,
}

impl<'a> Parts<'a> {
    /// Finds the parts of `raw`. With `open_mails`, attached mails are opened too.
    pub(super) fn read(raw: &'a [u8], open_mails: bool) -> Self {
        let mut parts = Self { list: Vec::new(), flaws: Vec::new() };
        let mut budget = raw.len().saturating_mul(SCANS_MAX);
        // (where it stands, container, depth, default type)
        let mut waiting = vec![(raw, 0, 0, "text/plain")];
        while let Some((octets, parent, depth, default)) = waiting.pop() {
            let (fields, body, clean) = Fields::read(octets);
            if !clean {
                parts.flaw("a header block ends in something that is no header");
            }
            let media = media_type(&fields, default);
            let index = parts.list.len();
            parts.list.push(Part { parent, fields, body, media, container: false, depth });
            let inner = parts.open(index, open_mails, &mut budget);
            // last in, first out: the order of the mail is kept by pushing the last part first
            waiting.extend(inner.into_iter().rev());
            if parts.list.len() >= PARTS_MAX && !waiting.is_empty() {
                parts.flaw("too many parts; the rest is left closed");
                break;
            }
        }
        parts
    }

    fn flaw(&mut self, words: &'static str) {
        if !self.flaws.contains(&words) {
            self.flaws.push(words);
        }
    }

    /// What stands in the part at `index`, if it is a container.
    fn open(&mut self, index: usize, mails: bool, budget: &mut usize) -> Vec<(&'a [u8], usize, usize, &'static str)> {
        let Some(part) = self.list.get_mut(index) else { return Vec::new() };
        let multipart = part.media.starts_with("multipart/");
        let mail = mails && matches!(part.media.as_str(), "message/rfc822" | "message/global");
        if !multipart && !mail {
            return Vec::new();
        }
        if part.depth >= DEPTH_MAX || *budget < part.body.len() {
            self.flaw("parts nested too deep; the innermost are left closed");
            return Vec::new();
        }
        if mail {
            if part.encoding() != Encoding::Plain {
                return Vec::new();
            }
            part.container = true;
            return vec![(part.body, index, part.depth + 1, "text/plain")];
        }
        let boundary = part.fields.get("Content-Type").and_then(parameters);
        let boundary = boundary.as_ref().and_then(|p| p.attribute("boundary")).unwrap_or_default().trim_end();
        if boundary.is_empty() {
            self.flaw("a multipart without a boundary");
            return Vec::new();
        }
        *budget -= part.body.len();
        let (found, closed) = split_parts(part.body, boundary.as_bytes());
        let (depth, digest) = (part.depth + 1, part.media == "multipart/digest");
        part.container = !found.is_empty();
        if found.is_empty() {
            self.flaw("a multipart whose boundary never comes");
        } else if !closed {
            self.flaw("a multipart that is not closed (the mail may have been cut)");
        }
        let default = if digest { "message/rfc822" } else { "text/plain" };
        found.into_iter().map(|octets| (octets, index, depth, default)).collect()
    }

    /// The mail itself.
    pub(super) fn top(&self) -> Option<&Part<'a>> {
        self.list.first()
    }

    /// The media type of the container a part stands in.
    pub(super) fn container_of(&self, part: &Part<'_>) -> &str {
        self.list.get(part.parent).filter(|p| p.container).map_or("", |p| p.media.as_str())
    }
}

/// The media type of a part; `text/plain` where the header makes no sense (RFC 2045 §5.2).
fn media_type(fields: &Fields<'_>, default: &str) -> String {
    let Some(value) = fields.get("Content-Type") else { return default.to_owned() };
    let value = unfold(value.get(..1_000).unwrap_or(value));
    let word = value.split(';').next().unwrap_or_default().trim();
    let word = word.split_whitespace().next().unwrap_or_default();
    match word.split_once('/') {
        Some((kind, sub)) if !kind.is_empty() && !sub.is_empty() && !sub.contains('/') && word.len() <= 127 => {
            word.to_ascii_lowercase()
        }
        _ => "text/plain".to_owned(),
    }
}

/// What a line is to a boundary.
#[derive(PartialEq, Eq)]
enum Delimiter {
    No,
    Next,
    Last,
}

fn delimiter(line: &[u8], boundary: &[u8]) -> Delimiter {
    let Some(rest) = line.strip_prefix(b"--").and_then(|l| l.strip_prefix(boundary)) else { return Delimiter::No };
    match rest.trim_ascii_end() {
        b"" => Delimiter::Next,
        b"--" => Delimiter::Last,
        _ => Delimiter::No,
    }
}

/// The octets between the boundary lines of `body`, and whether the closing one came.
fn split_parts<'a>(body: &'a [u8], boundary: &[u8]) -> (Vec<&'a [u8]>, bool) {
    let mut found = Vec::new();
    let mut start: Option<usize> = None;
    let mut rest = body;
    let mut at = 0;
    while !rest.is_empty() {
        let (line, after) = split_line(rest);
        let kind = if line.starts_with(b"--") { delimiter(line, boundary) } else { Delimiter::No };
        if kind != Delimiter::No {
            // boundary lines that follow each other directly are one
            if let Some(from) = start.filter(|from| *from < at) {
                found.push(without_line_end(body.get(from..at).unwrap_or_default()));
            }
            if kind == Delimiter::Last || found.len() >= PARTS_MAX {
                return (found, true);
            }
            start = Some(at + line.len());
        }
        at += line.len();
        rest = after;
    }
    if let Some(from) = start
        && from < body.len()
    {
        found.push(without_line_end(body.get(from..).unwrap_or_default()));
    }
    (found, false)
}

/// The line end before a boundary belongs to the boundary (RFC 2046 §5.1.1).
fn without_line_end(octets: &[u8]) -> &[u8] {
    let octets = octets.strip_suffix(b"\n").unwrap_or(octets);
    octets.strip_suffix(b"\r").unwrap_or(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(raw: &[u8], open: bool) -> Vec<String> {
        Parts::read(raw, open).list.iter().map(|p| p.media.clone()).collect()
    }

    #[test]
    fn parts_come_in_the_order_of_the_mail() {
        let raw = b"Content-Type: multipart/mixed; boundary=a\n\npre\n--a\nContent-Type: multipart/alternative; boundary=\"b\"\n\n--b\n\nhi\n--b\nContent-Type: text/html\n\n<p>hi\n--b--\n--a\nContent-Type: image/png\n\nx\n--a--\npost\n";
        assert_eq!(
            media(raw, false),
            ["multipart/mixed", "multipart/alternative", "text/plain", "text/html", "image/png"]
        );
        let parts = Parts::read(raw, false);
        assert_eq!(parts.list.get(2).unwrap().body, b"hi");
        assert!(parts.flaws.is_empty());
    }

    #[test]
    fn nesting_is_bounded() {
        let mut raw = Vec::new();
        for level in 0..5_000 {
            raw.extend_from_slice(
                format!("Content-Type: multipart/mixed; boundary=b{level}\n\n--b{level}\n").as_bytes(),
            );
        }
        let parts = Parts::read(&raw, true);
        assert!(parts.list.len() <= DEPTH_MAX + 1);
        assert!(!parts.flaws.is_empty());
        let mails = b"Content-Type: message/rfc822\n\n".repeat(50_000);
        assert!(Parts::read(&mails, true).list.len() <= DEPTH_MAX + 1);
        let mut many = b"Content-Type: multipart/mixed; boundary=a\n\n".to_vec();
        many.extend_from_slice(&b"--a\n\n".repeat(100_000));
        assert!(Parts::read(&many, true).list.len() <= PARTS_MAX);
    }
}
