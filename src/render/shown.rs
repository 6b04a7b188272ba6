//! The HTML of a stranger, made safe to show: no script, no form, no style, nothing that leads back into the hub. Pictures
//! stay as they are named; whoever shows the page lets none be fetched, for each would tell that the mail was read.

use std::collections::HashSet;

use crate::domain::html::to_text;

/// Octets of HTML that are looked at; what comes after is cut off.
pub const HTML_MAX: usize = 2 * 1024 * 1024;
/// Tags of a page that is shown as one; of one with more only the text is shown. Work grows with the square of how deep they
/// lie in each other, and a stranger chooses that.
pub const TAGS_MAX: usize = 10_000;

/// The page, without what could act.
pub fn shown(html: &str) -> String {
    let end = html.floor_char_boundary(HTML_MAX);
    let cut = html.get(..end).unwrap_or_default();
    if cut.bytes().filter(|octet| *octet == b'<').count() > TAGS_MAX {
        let text = to_text(cut, HTML_MAX);
        return format!("<pre>{}</pre>", html_escape::encode_text(&text));
    }
    ammonia::Builder::default()
        .url_schemes(HashSet::from(["http", "https", "mailto", "tel"]))
        .url_relative(ammonia::UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer nofollow"))
        .strip_comments(true)
        .clean(cut)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_acts_is_left() {
        let page = r#"<p onclick="x()" style="position:fixed">Hi <b>you</b></p><script>x()</script><style>*{}</style>
            <a href="javascript:x()">a</a><a href="/v1/tokens">b</a><a href="//evil.example">c</a>
            <a href="https://shop.example/?a=1">d</a><img src=x onerror=x()><img src="https://pixel.example/1.gif">
            <iframe src="https://evil.example"></iframe><form action="/v1/x"><input name=a></form><svg onload=x()></svg>
            <base href="https://evil.example"><meta http-equiv=refresh content="0;url=https://evil.example">
            <math><mtext><table><mglyph><style><img src=x onerror=x()></style></mglyph></table></mtext></math>"#;
        let safe = shown(page);
        for bad in [
            "script",
            "onclick",
            "onerror",
            "onload",
            "javascript",
            "style",
            "/v1/",
            "//evil",
            "iframe",
            "<form",
            "<input",
            "<base",
            "<meta",
            "<svg",
            "<math",
        ] {
            assert!(!safe.contains(bad), "{bad}: {safe}");
        }
        assert!(safe.contains("<b>you</b>") && safe.contains("rel=\"noopener noreferrer nofollow\""), "{safe}");
        assert!(safe.contains("https://shop.example/?a=1"), "{safe}");
        let deep = shown(&format!("{}so <deep> & well", "<div>".repeat(200_000)));
        assert!(deep.starts_with("<pre>") && deep.contains("well"));
        assert!(!deep.contains("<div>"));
        let long = shown(&"ä".repeat(HTML_MAX));
        assert!(long.len() <= HTML_MAX);
    }
}
