//! From HTML to text that keeps lines, links and quotes: a block is a line, a `blockquote` becomes lines that begin
//! with `> `, so the quote cutter sees what the reader saw. And the tags of a page, one by one. Nothing is loaded, run or
//! trusted.

/// Longest target of a link that a text shows, octets, where strangers wrote it.
const HREF_MAX: usize = 300;
/// The same where we wrote it.
const OWN_HREF_MAX: usize = 4_000;
/// How deep quotes are marked.
const QUOTES_MAX: usize = 20;
/// The longest tag that is read; a longer one is text.
const TAG_MAX: usize = 64 * 1024;

/// Adds text so that it is nothing but text, as content of an element and within a quoted attribute alike.
pub fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
}

/// The text being written.
struct Page {
    out: String,
    /// Octets after which nothing is added.
    max: usize,
    quotes: usize,
    /// White space is due before the next word.
    space: bool,
    /// Line ends at the end of `out` (two make an empty line); starts as if there were an empty line.
    breaks: usize,
    /// Within `pre`.
    kept: usize,
    /// Longer targets of links are left out.
    href_max: usize,
}

impl Page {
    fn new(max: usize, href_max: usize) -> Self {
        Self { out: String::new(), max, quotes: 0, space: false, breaks: 2, kept: 0, href_max }
    }

    fn full(&self) -> bool {
        self.out.len() >= self.max
    }

    /// Ends the line; with 2, leaves an empty one.
    fn line(&mut self, wanted: usize) {
        self.space = false;
        while self.breaks < wanted && !self.out.is_empty() {
            if self.breaks > 0 {
                self.mark();
                while self.out.ends_with(' ') {
                    self.out.pop();
                }
            }
            self.out.push('\n');
            self.breaks += 1;
        }
    }

    /// Starts a line inside quotes.
    fn mark(&mut self) {
        for _ in 0..self.quotes.min(QUOTES_MAX) {
            self.out.push_str("> ");
        }
    }

    fn push(&mut self, c: char) {
        if self.full() {
            return;
        }
        if c == '\n' && self.kept > 0 {
            if self.breaks > 0 {
                self.mark();
            }
            self.out.push('\n');
            self.breaks += 1;
            return;
        }
        if c.is_whitespace() && c != '\u{a0}' && self.kept == 0 {
            self.space = true;
            return;
        }
        if self.breaks > 0 || self.out.is_empty() {
            self.mark();
        } else if self.space {
            self.out.push(' ');
        }
        self.space = false;
        self.breaks = 0;
        self.out.push(if c == '\u{a0}' { ' ' } else { c });
    }

    fn text(&mut self, text: &str) {
        let mut rest = text;
        while let Some(at) = rest.find('&') {
            let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
            before.chars().for_each(|c| self.push(c));
            let body = from.get(1..).unwrap_or_default();
            let end = body.char_indices().take(32).find(|(_, c)| !(c.is_ascii_alphanumeric() || *c == '#'));
            let (end, has_semicolon) = end.map_or((body.len().min(32), false), |(at, c)| (at, c == ';'));
            let name = body.get(..end).unwrap_or_default();
            if let Some(decoded) = entity(name, has_semicolon) {
                decoded.chars().for_each(|c| self.push(c));
                rest = body.get(end + usize::from(has_semicolon)..).unwrap_or_default();
            } else {
                self.push('&');
                rest = body;
            }
        }
        rest.chars().for_each(|c| self.push(c));
    }
}

/// The text of a character reference.
fn entity(name: &str, has_semicolon: bool) -> Option<String> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        let c = char::from_u32(code.ok()?).filter(|c| !c.is_control() || matches!(c, '\n' | '\t'));
        return Some(c.unwrap_or(' ').to_string());
    }
    if !has_semicolon && !matches!(name, "nbsp" | "amp" | "lt" | "gt" | "quot") {
        return None;
    }
    let mut out = String::new();
    let token = format!("&{name};");
    mail_parser::decoders::html::add_html_token(&mut out, token.as_bytes(), false);
    (out != token).then_some(out)
}

/// One tag.
#[derive(Debug)]
pub struct Tag<'a> {
    /// Its name, lower case.
    pub name: String,
    /// Whether it ends an element.
    pub closing: bool,
    inside: &'a str,
}

impl<'a> Tag<'a> {
    /// The value of an attribute, quotation marks removed, references not decoded.
    fn attribute(&self, name: &str) -> Option<&'a str> {
        self.attributes().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Attributes that have a value, with it: quotation marks removed, references not decoded.
    pub fn attributes(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let mut rest = self.inside;
        std::iter::from_fn(move || {
            loop {
                rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
                let end = rest.find(|c: char| c == '=' || c.is_whitespace())?;
                let (key, after) = rest.split_at_checked(end)?;
                let Some(value) = after.trim_start().strip_prefix('=') else {
                    rest = after;
                    continue;
                };
                let value = value.trim_start();
                let (value, after) = match value.chars().next() {
                    Some(q @ ('"' | '\'')) => value.get(1..)?.split_once(q)?,
                    _ => value.split_once(char::is_whitespace).unwrap_or((value, "")),
                };
                rest = after;
                return Some((key, value));
            }
        })
    }
}

/// A text with its character references decoded.
pub fn decode(text: &str) -> String {
    let mut page = Page::new(usize::MAX, 0);
    page.kept = 1;
    page.text(text);
    page.out
}

/// The tags of a page in order, comments left out.
pub fn tags(html: &str) -> Vec<Tag<'_>> {
    let mut found = Vec::new();
    let mut rest = html;
    while let Some((_, behind)) = rest.split_once('<') {
        if let Some(comment) = behind.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        rest = behind;
        if let Some((tag, after)) = read_tag(behind) {
            found.push(tag);
            rest = after;
        }
    }
    found
}

/// Reads the tag behind a `<`; gives it and what follows its `>`.
fn read_tag(rest: &str) -> Option<(Tag<'_>, &str)> {
    let (closing, body) = match rest.strip_prefix('/') {
        Some(body) => (true, body),
        None => (false, rest),
    };
    let first = body.chars().next()?;
    if !(first.is_ascii_alphabetic() || first == '!' || first == '?') {
        return None;
    }
    let mut quote = None;
    let end = body.bytes().take(TAG_MAX).position(|c| match (quote, c) {
        (None, b'"' | b'\'') => {
            quote = Some(c);
            false
        }
        (Some(q), c) if c == q => {
            quote = None;
            false
        }
        (None, b'>') => true,
        _ => false,
    });
    // a quotation mark that never closes must not swallow the page
    let end = end.or_else(|| body.bytes().take(TAG_MAX).position(|c| c == b'>'))?;
    let whole = body.get(..end)?;
    let split = whole.find(|c: char| c.is_whitespace() || c == '/').unwrap_or(whole.len());
    let (name, inside) = whole.split_at_checked(split)?;
    Some((Tag { name: name.to_ascii_lowercase(), closing, inside }, body.get(end + 1..)?))
}

/// What follows the end of an element whose content is not text; all is dropped if it never ends.
fn skip_element<'a>(rest: &'a str, name: &str) -> &'a str {
    let mut from = rest;
    while let Some((_, after)) = from.split_once("</") {
        let matches = after.get(..name.len()).is_some_and(|n| n.eq_ignore_ascii_case(name));
        if matches {
            return after.split_once('>').map_or("", |(_, behind)| behind);
        }
        from = after;
    }
    ""
}

/// The text of a page that a stranger wrote, at most about `max` octets of it.
pub fn to_text(html: &str, max: usize) -> String {
    write_text(Page::new(max, HREF_MAX), html)
}

/// The text of a page of ours: no link is left out because it is long.
pub fn own_to_text(html: &str) -> String {
    write_text(Page::new(usize::MAX, OWN_HREF_MAX), html)
}

fn write_text(mut page: Page, html: &str) -> String {
    page.out.reserve(html.len().min(page.max) / 2);
    // where a link goes and where its text began
    let mut link: Option<(String, usize)> = None;
    let mut dead_ends = 0_usize;
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        page.text(before);
        if page.full() {
            return finish(page);
        }
        let behind = from.get(1..).unwrap_or_default();
        if let Some(comment) = behind.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        // each failed try looks ahead; a page of nothing but "<a" is text from some point on
        let tag = if dead_ends < 200 { read_tag(behind) } else { None };
        let Some((tag, after)) = tag else {
            dead_ends += usize::from(behind.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/'));
            page.push('<');
            rest = behind;
            continue;
        };
        rest = after;
        if !tag.closing && matches!(tag.name.as_str(), "style" | "script" | "head" | "title" | "template" | "noscript")
        {
            // a head may be left open: then only what is known not to be text is dropped
            if tag.name != "head" {
                rest = skip_element(after, &tag.name);
            }
            continue;
        }
        apply(&mut page, &tag, &mut link);
    }
    page.text(rest);
    finish(page)
}

/// What a tag does to the page.
fn apply(page: &mut Page, tag: &Tag<'_>, link: &mut Option<(String, usize)>) {
    match tag.name.as_str() {
        "br" => {
            let wanted = page.breaks + 1;
            if wanted <= 3 {
                page.line(wanted);
            }
        }
        "blockquote" => {
            page.line(1);
            page.quotes = if tag.closing { page.quotes.saturating_sub(1) } else { page.quotes + 1 };
        }
        "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "ul" | "ol" | "table" | "dl" => page.line(2),
        "hr" => {
            page.line(1);
            page.text("________________________________");
            page.line(1);
        }
        "div" | "tr" | "section" | "article" | "header" | "footer" | "form" | "address" | "dt" | "dd" | "center"
        | "body" | "main" => page.line(1),
        "li" => {
            page.line(1);
            if !tag.closing {
                page.text("* ");
                page.space = true;
            }
        }
        "pre" => {
            page.line(1);
            page.kept = if tag.closing { page.kept.saturating_sub(1) } else { page.kept + 1 };
        }
        "td" | "th" => page.space = true,
        "a" if tag.closing => {
            if let Some((href, start)) = link.take() {
                let shown = page.out.get(start..).unwrap_or_default();
                let bare = href.trim_start_matches("mailto:");
                if !shown.trim().is_empty() && !shown.contains(bare.trim_end_matches('/')) {
                    page.text(&format!(" <{href}>"));
                }
            }
        }
        "a" => {
            let href = tag.attribute("href").map(|h| h.trim().replace("&amp;", "&")).unwrap_or_default();
            let known = ["http://", "https://", "mailto:"].iter().any(|s| href.starts_with(s));
            *link = (known && href.len() <= page.href_max).then_some((href, page.out.len()));
        }
        _ => {}
    }
}

fn finish(page: Page) -> String {
    let mut out = page.out;
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_lines_and_quotes_are_marked() {
        let html = "<html><head><style>p{}</style></head><body><p>Hi&nbsp;Ana,<br>yes &amp; no</p><div>Bye</div>\
                    <blockquote type=cite><div>one</div><blockquote>two</blockquote></blockquote>after</body></html>";
        assert_eq!(to_text(html, 1_000), "Hi Ana,\nyes & no\n\nBye\n> one\n> > two\nafter");
    }

    #[test]
    fn links_keep_their_target_once() {
        assert_eq!(
            to_text("<a href='https://a.test/x'>here</a> <a href=https://b.test>https://b.test/</a>", 99),
            "here <https://a.test/x> https://b.test/"
        );
    }

    #[test]
    fn tags_are_told_with_their_attributes() {
        let found = tags("<a href='x' class = y on>t</a><!-- <b> --><IMG src=\"a&amp;b\"/>");
        let names: Vec<(&str, bool)> = found.iter().map(|t| (t.name.as_str(), t.closing)).collect();
        assert_eq!(names, [("a", false), ("a", true), ("img", false)]);
        assert_eq!(found[0].attributes().collect::<Vec<_>>(), [("href", "x"), ("class", "y")]);
        assert_eq!(found[2].attributes().map(|(_, v)| decode(v)).collect::<Vec<_>>(), ["a&b"]);
    }

    #[test]
    fn hostile_pages_are_text() {
        assert_eq!(to_text("1 < 2 & 3 &bogus; <", 99), "1 < 2 & 3 &bogus; <");
        assert!(to_text(&"<a ".repeat(100_000), 1_000_000).len() > 100_000);
        assert!(to_text(&"<blockquote>".repeat(50_000), 1_000).len() <= 1_000);
        assert_eq!(to_text("<script>alert(1)", 99), "");
        assert_eq!(to_text("<p title=\"x>y\">z</p>", 99), "z");
    }
}
