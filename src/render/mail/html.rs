//! A plain HTML form of a text: paragraphs, line breaks, links. Everything from the text is escaped.

use crate::domain::html::escape;

/// A whole HTML document made from a text.
pub fn document(text: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head><body>\n{}</body></html>\n",
        text_to_html(text)
    )
}

/// Paragraphs (`<p>`, parted by blank lines), line breaks and clickable http(s) links; a fragment, not a document.
pub fn text_to_html(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut html = String::with_capacity(text.len() * 2);
    let mut open = false;
    for line in text.lines() {
        let line = line.trim_end();
        if line.is_empty() {
            if open {
                html.push_str("</p>\n");
            }
            open = false;
            continue;
        }
        html.push_str(if open { "<br>\n" } else { "<p>" });
        open = true;
        push_line(&mut html, line);
    }
    if open {
        html.push_str("</p>\n");
    }
    html
}

fn push_line(html: &mut String, line: &str) {
    let mut rest = line;
    while let Some(start) = link_start(rest) {
        let (before, from_there) = rest.split_at(start);
        let (url, after) = from_there.split_at(link_end(from_there));
        escape(html, before);
        html.push_str("<a href=\"");
        escape(html, url);
        html.push_str("\">");
        escape(html, url);
        html.push_str("</a>");
        rest = after;
    }
    escape(html, rest);
}

/// Where a link begins: a scheme with a host after it, not in the middle of a word.
fn link_start(text: &str) -> Option<usize> {
    text.char_indices().map(|(at, _)| at).find(|&at| {
        let (before, here) = text.split_at(at);
        let host = here.strip_prefix("https://").or_else(|| here.strip_prefix("http://"));
        host.is_some_and(|h| h.starts_with(char::is_alphanumeric)) && !before.ends_with(char::is_alphanumeric)
    })
}

/// Where a link ends: at white space or a bracket or quote that can't be in one; closing punctuation belongs to the sentence.
fn link_end(link: &str) -> usize {
    let stop =
        link.find(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"')).unwrap_or(link.len());
    let mut kept = link.get(..stop).unwrap_or(link);
    loop {
        let shorter = kept.trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', '*']);
        let balanced = shorter.matches('(').count() >= shorter.matches(')').count();
        let shorter = if balanced { shorter } else { shorter.strip_suffix(')').unwrap_or(shorter) };
        if shorter.len() == kept.len() {
            return kept.len();
        }
        kept = shorter;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_paragraphs_with_breaks() {
        assert_eq!(text_to_html("Hi\r\nthere\r\n\r\n\r\nBye\r\n"), "<p>Hi<br>\nthere</p>\n<p>Bye</p>\n");
        assert_eq!(text_to_html(""), "");
    }

    #[test]
    fn links_are_clickable_and_sentence_marks_stay_outside() {
        let html = text_to_html("see https://example.org/a?b=1&c=2. (http://example.org/w_(x)) xhttp://no https://");
        assert_eq!(
            html,
            "<p>see <a href=\"https://example.org/a?b=1&amp;c=2\">https://example.org/a?b=1&amp;c=2</a>. \
             (<a href=\"http://example.org/w_(x)\">http://example.org/w_(x)</a>) xhttp://no https://</p>\n"
        );
    }

    #[test]
    fn markup_in_the_text_stays_text() {
        let html = text_to_html("<script>alert('x')</script> https://a\"onclick=\"x javascript:alert(1)");
        assert!(!html.contains("<script") && !html.contains("\"onclick"), "{html}");
        assert_eq!(html.matches("<a ").count(), 1);
    }
}
