//! Reading server replies (RFC 5321 §4.2) and their enhanced status (RFC 2034, RFC 3463). Pure; no IO.

use crate::connector::Reply;

/// Octets kept of the text of a reply.
const TEXT_MAX: usize = 500;

/// One line of a reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ReplyLine<'a> {
    /// The three digits.
    pub(super) code: u16,
    /// Whether it is the last line of its reply.
    pub(super) last: bool,
    /// What stands after them.
    pub(super) text: &'a [u8],
}

/// Reads one line, without its line end; `None` where it is not a reply line.
pub(super) fn read_line(line: &[u8]) -> Option<ReplyLine<'_>> {
    let (digits, rest) = line.split_at_checked(3)?;
    let code = std::str::from_utf8(digits).ok().filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()?;
    if !(200..600).contains(&code) {
        return None;
    }
    match rest.split_first() {
        None => Some(ReplyLine { code, last: true, text: rest }),
        Some((b' ', text)) => Some(ReplyLine { code, last: true, text }),
        Some((b'-', text)) => Some(ReplyLine { code, last: false, text }),
        Some(_) => None,
    }
}

/// Makes a reply of a code and the texts of its lines.
pub(super) fn assemble(code: u16, lines: &[String]) -> Reply {
    let enhanced = lines.first().and_then(|l| enhanced_status(code, l)).map(str::to_owned);
    let mut text = String::new();
    for line in lines {
        let line = match &enhanced {
            Some(status) => line.strip_prefix(status.as_str()).unwrap_or(line),
            None => line,
        };
        let line = line.trim();
        if !text.is_empty() && !line.is_empty() {
            text.push(' ');
        }
        text.extend(line.chars().map(|c| if c.is_control() { ' ' } else { c }));
        if text.len() > TEXT_MAX {
            break;
        }
    }
    text.truncate(text.floor_char_boundary(TEXT_MAX));
    Reply { code, enhanced, text }
}

/// The enhanced status a reply text begins with; it counts only where its class agrees with the code.
fn enhanced_status(code: u16, text: &str) -> Option<&str> {
    let status = text.split(' ').next()?;
    let mut parts = status.split('.');
    let class = parts.next()?;
    let agrees = class.len() == 1 && class.parse::<u16>().ok() == Some(code / 100);
    let number =
        |part: Option<&str>| part.is_some_and(|p| (1..=3).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit()));
    (agrees && number(parts.next()) && number(parts.next()) && parts.next().is_none()).then_some(status)
}

/// A reply of our own, for what is refused before the server is asked.
pub(super) fn own(code: u16, enhanced: &str, text: impl Into<String>) -> Reply {
    Reply { code, enhanced: Some(enhanced.to_owned()), text: text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reply_lines_are_read_and_garbage_is_not() {
        assert_eq!(read_line(b"250-SIZE 10"), Some(ReplyLine { code: 250, last: false, text: b"SIZE 10" }));
        assert_eq!(read_line(b"354"), Some(ReplyLine { code: 354, last: true, text: b"" }));
        for bad in [&b""[..], b"25", b"2500 x", b"25x ok", b"150 ok", b"+OK", b"HTTP/1.1 400"] {
            assert_eq!(read_line(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn enhanced_status_is_taken_off_the_text_of_every_line() {
        let reply = assemble(550, &["5.1.1 <a@b>: no such user".into(), "5.1.1 see\u{7} https://x".into()]);
        assert_eq!(reply.enhanced.as_deref(), Some("5.1.1"));
        assert_eq!(reply.text, "<a@b>: no such user see  https://x");
        assert_eq!(assemble(250, &["2.0.0.0 ok".into()]).enhanced, None);
        assert_eq!(assemble(250, &["5.0.0 ok".into()]).enhanced, None);
    }

    #[test]
    fn long_reply_text_is_cut_between_characters() {
        let reply = assemble(550, &["ü".repeat(900)]);
        assert!(reply.text.len() <= TEXT_MAX && reply.text.chars().all(|c| c == 'ü'));
    }
}
