//! The content as DATA wants it (RFC 5321 §4.5.2): every line ends with CRLF, a leading dot is doubled.
//!
//! Lone CR and LF become CRLF, so that no server can see an end of the content where we did not put one.

/// Octets of the source that are turned at a time.
pub(super) const BLOCK_OCTETS: usize = 64 * 1024;

/// Turns content into blocks for the wire, one at a time.
#[derive(Debug)]
pub(super) struct Blocks<'a> {
    rest: &'a [u8],
    line_start: bool,
    after_cr: bool,
    done: bool,
}

impl<'a> Blocks<'a> {
    /// Begins with the first octet of the content.
    pub(super) fn of(content: &'a [u8]) -> Self {
        Self { rest: content, line_start: true, after_cr: false, done: false }
    }

    fn turn(&mut self, octet: u8, out: &mut Vec<u8>) {
        if self.after_cr {
            self.after_cr = false;
            self.end_line(out);
            if octet == b'\n' {
                return;
            }
        }
        match octet {
            b'\r' => self.after_cr = true,
            b'\n' => self.end_line(out),
            _ => {
                if self.line_start && octet == b'.' {
                    out.push(b'.');
                }
                self.line_start = false;
                out.push(octet);
            }
        }
    }

    fn end_line(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\r\n");
        self.line_start = true;
    }
}

impl Iterator for Blocks<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if self.done {
            return None;
        }
        let (now, rest) = self.rest.split_at(self.rest.len().min(BLOCK_OCTETS));
        self.rest = rest;
        let mut out = Vec::with_capacity(now.len() + now.len() / 32 + 8);
        for &octet in now {
            self.turn(octet, &mut out);
        }
        if self.rest.is_empty() {
            if self.after_cr || !self.line_start {
                self.end_line(&mut out);
            }
            out.extend_from_slice(b".\r\n");
            self.done = true;
        }
        Some(out)
    }
}

/// Whether the header section has octets above 127, which needs SMTPUTF8 (RFC 6532).
pub(super) fn headers_are_international(content: &[u8]) -> bool {
    let end = content.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(content.len());
    content.iter().take(end).any(|b| !b.is_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(content: &[u8]) -> Vec<u8> {
        Blocks::of(content).flatten().collect()
    }

    #[test]
    fn dots_are_doubled_and_lines_end_with_crlf() {
        assert_eq!(whole(b".a\r\n..\r\nb.c\r\n"), b"..a\r\n...\r\nb.c\r\n.\r\n");
        assert_eq!(whole(b"no end"), b"no end\r\n.\r\n");
        assert_eq!(whole(b""), b".\r\n");
    }

    #[test]
    fn lone_line_ends_cannot_end_the_content() {
        assert_eq!(whole(b"a\n.\nMAIL FROM:<x@y>\n"), b"a\r\n..\r\nMAIL FROM:<x@y>\r\n.\r\n");
        assert_eq!(whole(b"a\r.\rb\r"), b"a\r\n..\r\nb\r\n.\r\n");
        assert_eq!(whole(b"a\r\r\n.\r\n"), b"a\r\n\r\n..\r\n.\r\n");
    }

    #[test]
    fn line_end_split_over_two_blocks_stays_one() {
        let mut content = vec![b'x'; BLOCK_OCTETS - 1];
        content.extend_from_slice(b"\r\n.y\r\n");
        let turned = whole(&content);
        assert!(turned.ends_with(b"x\r\n..y\r\n.\r\n"));
        assert_eq!(turned.len(), content.len() + 4);
    }

    #[test]
    fn only_the_header_section_counts_as_international() {
        assert!(!headers_are_international("To: a@b\r\n\r\nÜ".as_bytes()));
        assert!(headers_are_international("To: ü@b\r\n\r\nx".as_bytes()));
    }
}
