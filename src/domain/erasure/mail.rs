//! Blots out somebody in the raw mail of somebody else: in its headers, its texts and its files, however they are encoded.
//!
//! What comes out is looked through again. Where anything is still found, the raw mail is given up rather than kept: what the
//! message says stays, as text, without it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{Encoding, Header, HeaderName, HeaderValue, Message, MessageParser, MessagePart, PartType};

use super::blot::{BLOT, Blot};

/// Mails within mails that are looked into.
const DEPTH_MAX: usize = 8;
/// Characters of an encoded line.
const LINE: usize = 76;

/// What became of a raw mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blotted {
    /// They are not in it.
    Same,
    /// Without them.
    Changed(Vec<u8>),
    /// They can't be taken out of it.
    Lost,
}

/// Whether somebody is found in octets that are no mail.
pub fn is_in_octets(blot: &Blot, octets: &[u8]) -> bool {
    // A piece of a text may begin or end within a character.
    blot.is_in(&String::from_utf8_lossy(octets))
        || (std::str::from_utf8(octets).is_err() && blot.is_in(&text_of(octets)))
}

/// A mail without somebody.
pub fn blot_mail(raw: &[u8], blot: &Blot) -> Blotted {
    blot_within(raw, blot, 0)
}

fn blot_within(raw: &[u8], blot: &Blot, depth: usize) -> Blotted {
    if !is_still_in(raw, blot, depth) {
        return Blotted::Same;
    }
    let parsed = if depth < DEPTH_MAX { MessageParser::new().parse(raw) } else { None };
    let Some(Ok(edits)) = parsed.map(|mail| edits(raw, &mail, blot, depth)) else { return Blotted::Lost };
    let Some(clean) = applied(raw, edits) else { return Blotted::Lost };
    if is_still_in(&clean, blot, depth) { Blotted::Lost } else { Blotted::Changed(clean) }
}

/// Whether they are found in a mail, as it stands or decoded.
fn is_still_in(raw: &[u8], blot: &Blot, depth: usize) -> bool {
    if blot.is_in(&text_of(raw)) {
        return true;
    }
    if depth >= DEPTH_MAX {
        return false;
    }
    let Some(mail) = MessageParser::new().parse(raw) else { return false };
    mail.parts.iter().any(|part| {
        part.headers.iter().any(|header| blot.is_in(&shown(header)))
            || match &part.body {
                PartType::Message(inner) => is_still_in(inner.raw_message(), blot, depth + 1),
                PartType::Multipart(_) => false,
                PartType::Text(_) | PartType::Html(_) | PartType::Binary(_) | PartType::InlineBinary(_) => {
                    blot.is_in(&text_of(part.contents()))
                }
            }
    })
}

/// What a header says, decoded, in whatever shape it was read.
fn shown(header: &Header<'_>) -> String {
    format!("{:?}", header.value)
}

/// Octets as text: UTF-8, or else one character each, so that they can be put back.
fn text_of(octets: &[u8]) -> String {
    std::str::from_utf8(octets).map_or_else(|_| octets.iter().map(|o| char::from(*o)).collect(), str::to_owned)
}

fn blotted_octets(octets: &[u8], blot: &Blot) -> Vec<u8> {
    if let Ok(text) = std::str::from_utf8(octets) {
        return blot.text(text).map_or_else(|| octets.to_vec(), String::into_bytes);
    }
    let text: String = octets.iter().map(|o| char::from(*o)).collect();
    let clean = blot.text(&text).unwrap_or(text);
    clean.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
}

/// From where to where, and what stands there instead.
type Edit = (usize, usize, Vec<u8>);

fn place(offset: u32) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// That they can't be taken out of a part.
struct Stuck;

fn edits(raw: &[u8], mail: &Message<'_>, blot: &Blot, depth: usize) -> Result<Vec<Edit>, Stuck> {
    let mut edits = Vec::new();
    for part in &mail.parts {
        for header in &part.headers {
            edits.extend(header_edit(raw, header, blot)?);
        }
        edits.extend(body_edit(raw, part, blot, depth)?);
    }
    Ok(edits)
}

#[allow(clippy::wildcard_enum_match_arm, reason = "another crate's enum")]
fn header_edit(raw: &[u8], header: &Header<'_>, blot: &Blot) -> Result<Option<Edit>, Stuck> {
    let (from, to) = (place(header.offset_start), place(header.offset_end));
    let written = text_of(raw.get(from..to).ok_or(Stuck)?);
    if !blot.is_in(&written) && !blot.is_in(&shown(header)) {
        return Ok(None);
    }
    let value = match &header.name {
        // The mail is taken apart by these: only what stands in them plainly can be taken out.
        HeaderName::ContentType | HeaderName::ContentDisposition | HeaderName::ContentTransferEncoding => {
            blot.text(&written).ok_or(Stuck)?
        }
        _ if matches!(header.value, HeaderValue::Address(_)) => " erased:;\r\n".to_owned(),
        _ => format!(" {BLOT}\r\n"),
    };
    Ok(Some((from, to, value.into_bytes())))
}

fn body_edit(raw: &[u8], part: &MessagePart<'_>, blot: &Blot, depth: usize) -> Result<Option<Edit>, Stuck> {
    let (from, to) = (place(part.offset_body), place(part.offset_end));
    let body = raw.get(from..to).ok_or(Stuck)?;
    let is_text = match &part.body {
        PartType::Multipart(_) => return Ok(None),
        PartType::Message(_) if part.encoding == Encoding::None => {
            return match blot_within(body, blot, depth + 1) {
                Blotted::Same => Ok(None),
                Blotted::Changed(clean) => Ok(Some((from, to, clean))),
                Blotted::Lost => Err(Stuck),
            };
        }
        PartType::Text(_) | PartType::Html(_) => true,
        PartType::Message(_) | PartType::Binary(_) | PartType::InlineBinary(_) => false,
    };
    if !blot.is_in(&text_of(part.contents())) && !blot.is_in(&text_of(body)) {
        return Ok(None);
    }
    let decoded = match part.encoding {
        Encoding::None => body.to_vec(),
        Encoding::Base64 => base64_decode(body).ok_or(Stuck)?,
        Encoding::QuotedPrintable => quoted_printable_decode(body).ok_or(Stuck)?,
    };
    // A file that names them is not mended but left out: what it is made of can't be told.
    let clean = if is_text { blotted_octets(&decoded, blot) } else { BLOT.as_bytes().to_vec() };
    let encoded = match part.encoding {
        Encoding::None => clean,
        Encoding::Base64 => lines(&STANDARD.encode(clean)),
        Encoding::QuotedPrintable => quoted_printable(&clean),
    };
    Ok(Some((from, to, encoded)))
}

fn applied(raw: &[u8], mut edits: Vec<Edit>) -> Option<Vec<u8>> {
    edits.sort_by_key(|(from, _, _)| *from);
    let mut out = Vec::with_capacity(raw.len());
    let mut at = 0;
    for (from, to, value) in edits {
        // One that lies within another was made by mistake: nothing is kept then.
        out.extend_from_slice(raw.get(at..from)?);
        out.extend(value);
        at = to;
    }
    out.extend_from_slice(raw.get(at..)?);
    Some(out)
}

fn lines(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(LINE).collect::<Vec<_>>().join(&b"\r\n"[..])
}

/// RFC 2045 §6.7.
fn quoted_printable(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len() * 2);
    let mut length = 0;
    let mut rest = octets;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'\n' || (*first == b'\r' && after.first() == Some(&b'\n')) {
            if *first == b'\r' {
                rest = after.get(1..).unwrap_or_default();
            }
            out.extend_from_slice(b"\r\n");
            length = 0;
            continue;
        }
        let plain = matches!(first, 33..=60 | 62..=126)
            || (*first == b' ' && !matches!(after.first(), None | Some(b'\r' | b'\n')));
        let written = if plain { char::from(*first).to_string() } else { format!("={first:02X}") };
        if length + written.len() >= LINE {
            out.extend_from_slice(b"=\r\n");
            length = 0;
        }
        length += written.len();
        out.extend_from_slice(written.as_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blot() -> Blot {
        Blot::new(["ana@example.org"], ["Ana Müller"])
    }

    fn clean(raw: &str) -> String {
        match blot_mail(raw.as_bytes(), &blot()) {
            Blotted::Changed(clean) => String::from_utf8(clean).unwrap(),
            other @ (Blotted::Same | Blotted::Lost) => panic!("{other:?}"),
        }
    }

    #[test]
    fn headers_texts_and_files_are_blotted_however_they_are_encoded() {
        let coded = STANDARD.encode("Ana Müller said so");
        let file = STANDARD.encode([b"\xff\x00 ana@example.org".as_slice(), &[7; 90]].concat());
        let raw = format!(
            "From: Bo <bo@example.org>\r\nTo: =?utf-8?q?Ana_M=C3=BCller?= <ana@example.org>, cy@example.org\r\nSubject: For ana@example.org\r\n\
             MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{coded}\r\n--b\r\nContent-Type: text/html; charset=iso-8859-1\r\n\
             Content-Transfer-Encoding: quoted-printable\r\n\r\n<p>Ana M=FCller =3D fine</p>\r\n--b\r\nContent-Type: application/pdf; name=a.pdf\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{file}\r\n--b\r\nContent-Type: text/plain\r\n\r\nkept as it is\r\n--b--\r\n"
        );
        let clean = clean(&raw);
        let mail = MessageParser::new().parse(clean.as_bytes()).unwrap();
        assert_eq!(mail.subject(), Some(BLOT));
        assert_eq!(mail.from().and_then(|a| a.first()).and_then(|a| a.address()), Some("bo@example.org"));
        assert_eq!(mail.body_text(0).as_deref().map(str::trim_end), Some("[erased] said so"));
        assert_eq!(mail.body_html(1).as_deref().map(str::trim_end), Some("<p>[erased] = fine</p>"));
        assert!(mail.parts.iter().any(|p| p.contents() == BLOT.as_bytes()), "{clean}");
        assert!(clean.contains("kept as it is"));
    }

    #[test]
    fn a_mail_within_a_mail_is_looked_into() {
        let raw = "From: bo@example.org\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n\
                   From: ana@example.org\r\nSubject: Old\r\n\r\nHello\r\n--b--\r\n";
        let clean = clean(raw);
        assert!(clean.contains("Subject: Old") && !clean.contains("ana@"), "{clean}");
    }

    #[test]
    fn mail_without_them_stays_octet_by_octet_and_what_can_t_be_taken_out_is_given_up() {
        assert_eq!(blot_mail(b"From: bo@example.org\r\n\r\nsusana@example.org", &blot()), Blotted::Same);
        let between = b"From: bo@example.org\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\nana@example.org\r\n--b\r\n\r\nx\r\n--b--\r\n";
        assert_eq!(blot_mail(between, &blot()), Blotted::Lost);
    }

    #[test]
    fn quoted_printable_reads_back() {
        for text in ["a = b\r\n ", "tab\there \r\nx", &"ü".repeat(200), "no end\n"] {
            let coded = quoted_printable(text.as_bytes());
            assert!(coded.split(|o| *o == b'\n').all(|line| line.len() <= LINE + 1));
            let back = quoted_printable_decode(&coded).unwrap();
            assert_eq!(String::from_utf8(back).unwrap().replace("\r\n", "\n"), text.replace("\r\n", "\n"));
        }
    }
}
