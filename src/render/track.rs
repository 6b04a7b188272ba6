//! An HTML part whose links and opens can be counted: links lead to us, a pixel and a hidden link stand at the end.
//!
//! Pure. Where a link leads is given back, to be kept by the caller: nothing of it stands in the mail. What people read as
//! an address is left as it is, for a text that says one thing and a link that does another is what phishing looks like.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::rc::Rc;

use lol_html::html_content::ContentType;
use lol_html::{RewriteStrSettings, element, end, end_tag, rewrite_str, text};
use url::Url;

use crate::domain::words::HitKind;

/// Links counted in one message; those beyond stay as they are.
pub const LINKS_MAX: usize = 200;
/// Octets of a destination; a longer one stays in the mail as it is.
pub const URL_MAX: usize = 4_000;
/// Characters of a label.
pub const LABEL_MAX: usize = 120;

/// Whether something is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// It is.
    On,
    /// It is not.
    Off,
}

/// What to count, and how links of ours look.
pub struct Wanted<'a> {
    /// Whether to add the pixel.
    pub opens: Counting,
    /// Whether to rewrite links.
    pub clicks: Counting,
    /// `https://host`, without a slash at its end.
    pub base_url: &'a str,
    /// A link that is left as it is.
    pub unsubscribe_url: Option<&'a str>,
    /// Makes the token of a kind and a link number.
    pub token: &'a dyn Fn(HitKind, u16) -> String,
}

/// Where a link of the message leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number, from 1.
    pub n: u16,
    /// Where it leads, in ASCII.
    pub url: String,
    /// What people see of it.
    pub label: String,
}

/// A rewritten part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracked {
    /// The HTML.
    pub html: String,
    /// Where its links lead, in order.
    pub links: Vec<Link>,
}

/// Why a part can't be rewritten.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the links of the HTML part can't be rewritten: {0}")]
pub struct TrackError(String);

/// An anchor as it was found.
#[derive(Debug, Default, Clone)]
struct Anchor {
    href: String,
    text: String,
    alt: String,
}

/// Rewrites the links of an HTML part and adds the pixel and the hidden link.
///
/// # Errors
/// Where the HTML nests so deeply that it can't be parsed within limits.
pub fn rewrite(html: &str, wanted: &Wanted<'_>) -> Result<Tracked, TrackError> {
    let anchors = if wanted.clicks == Counting::On { find_anchors(html)? } else { Vec::new() };
    let mut links: Vec<Link> = Vec::new();
    let places: Vec<Option<u16>> = anchors
        .iter()
        .map(|anchor| {
            let url = destination(anchor, wanted.unsubscribe_url)?;
            let n = u16::try_from(links.len() + 1).ok().filter(|n| usize::from(*n) <= LINKS_MAX)?;
            links.push(Link { n, url, label: label(anchor) });
            Some(n)
        })
        .collect();
    let html = write(html, wanted, places, &tail(wanted, &links))?;
    Ok(Tracked { html, links })
}

fn failed(error: impl std::fmt::Display) -> TrackError {
    TrackError(error.to_string())
}

/// Every `a` with an `href`, in order, with what is seen of it.
fn find_anchors(html: &str) -> Result<Vec<Anchor>, TrackError> {
    let found: RefCell<Vec<Anchor>> = RefCell::default();
    let settings = RewriteStrSettings::new()
        .with_strict(false)
        .append_element_content_handler(element!("a[href]", |el| {
            let href = decoded(&el.get_attribute("href").unwrap_or_default());
            found.borrow_mut().push(Anchor { href, ..Anchor::default() });
            Ok(())
        }))
        .append_element_content_handler(text!("a[href]", |piece| {
            if let Some(anchor) = found.borrow_mut().last_mut()
                && anchor.text.len() < URL_MAX
            {
                anchor.text.push_str(piece.as_str());
            }
            Ok(())
        }))
        .append_element_content_handler(element!("a[href] img[alt]", |el| {
            if let Some(anchor) = found.borrow_mut().last_mut() {
                anchor.alt = decoded(&el.get_attribute("alt").unwrap_or_default());
            }
            Ok(())
        }));
    rewrite_str(html, settings).map_err(failed)?;
    Ok(found.into_inner())
}

fn decoded(text: &str) -> String {
    html_escape::decode_html_entities(text).into_owned()
}

/// What is seen of an anchor, on one line.
fn seen(anchor: &Anchor) -> String {
    let text = decoded(&anchor.text);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() { anchor.alt.split_whitespace().collect::<Vec<_>>().join(" ") } else { text }
}

fn label(anchor: &Anchor) -> String {
    seen(anchor).chars().filter(|c| !c.is_control()).take(LABEL_MAX).collect()
}

/// Where a link leads, if it is one that is counted.
fn destination(anchor: &Anchor, unsubscribe_url: Option<&str>) -> Option<String> {
    let url = Url::parse(anchor.href.trim()).ok()?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    let is_ours = unsubscribe_url.and_then(|u| Url::parse(u).ok()).is_some_and(|u| u == url);
    let url = String::from(url);
    (is_web && !is_ours && url.len() <= URL_MAX && !is_address(&seen(anchor))).then_some(url)
}

/// Whether a text reads as an address of the web.
fn is_address(text: &str) -> bool {
    let lower = text.trim().trim_matches(['<', '>', '(', ')']).to_lowercase();
    if lower.contains("://") || lower.starts_with("www.") {
        return true;
    }
    let host = lower.split(['/', '?', '#', ':']).next().unwrap_or_default();
    let has_ending = host
        .rsplit_once('.')
        .is_some_and(|(before, end)| !before.is_empty() && end.len() >= 2 && end.chars().all(char::is_alphabetic));
    has_ending && !lower.contains(char::is_whitespace) && !lower.contains('@')
}

/// The pixel, and the link that people can't see.
fn tail(wanted: &Wanted<'_>, links: &[Link]) -> String {
    let mut tail = String::new();
    let base = wanted.base_url;
    if !links.is_empty() {
        let token = (wanted.token)(HitKind::Hidden, 0);
        // Writing into a String can't fail.
        let _written = write!(
            tail,
            "<a href=\"{base}/t/c/{token}\" aria-hidden=\"true\" tabindex=\"-1\" rel=\"nofollow\" \
             style=\"display:none;visibility:hidden;mso-hide:all;font-size:0;line-height:0;max-height:0;overflow:hidden\"></a>"
        );
    }
    if wanted.opens == Counting::On {
        let token = (wanted.token)(HitKind::Open, 0);
        let _written = write!(
            tail,
            "<img src=\"{base}/t/o/{token}.gif\" width=\"1\" height=\"1\" alt=\"\" aria-hidden=\"true\" \
             style=\"border:0;width:1px;height:1px\">"
        );
    }
    tail
}

fn write(html: &str, wanted: &Wanted<'_>, places: Vec<Option<u16>>, tail: &str) -> Result<String, TrackError> {
    let mut places = places.into_iter();
    let is_there: Rc<Cell<bool>> = Rc::new(Cell::new(tail.is_empty()));
    let seen_in_body = Rc::clone(&is_there);
    let settings = RewriteStrSettings::new()
        .with_strict(false)
        .append_element_content_handler(element!("a[href]", |el| {
            if let Some(n) = places.next().flatten() {
                let token = (wanted.token)(HitKind::Click, n);
                el.set_attribute("href", &format!("{}/t/c/{token}", wanted.base_url))?;
            }
            Ok(())
        }))
        .append_element_content_handler(element!("body", |el| {
            let (is_there, tail) = (Rc::clone(&seen_in_body), tail.to_owned());
            el.on_end_tag(end_tag!(move |end| {
                if !is_there.replace(true) {
                    end.before(&tail, ContentType::Html);
                }
                Ok(())
            }))
        }))
        .append_document_content_handler(end!(|end| {
            if !is_there.get() {
                end.append(tail, ContentType::Html);
            }
            Ok(())
        }));
    rewrite_str(html, settings).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "https://go.brand.example";

    fn token(kind: HitKind, n: u16) -> String {
        format!("{kind}-{n}")
    }

    fn tracked(html: &str) -> Tracked {
        let wanted = Wanted {
            opens: Counting::On,
            clicks: Counting::On,
            base_url: BASE,
            unsubscribe_url: Some("https://go.brand.example/u/TOKEN"),
            token: &token,
        };
        rewrite(html, &wanted).unwrap()
    }

    fn link(n: u16, url: &str, label: &str) -> Link {
        Link { n, url: url.into(), label: label.into() }
    }

    #[test]
    fn web_links_lead_to_us_and_their_destination_is_kept() {
        let html =
            "<html><body><p>See <A HREF='https://shop.example/a?b=1&amp;c=2#d' class=x>our &amp; <b>shop</b></A>,
            <a href=http://brand.example><img src=x alt='Our logo'></a></p></body></html>";
        let t = tracked(html);
        assert_eq!(
            t.links,
            [link(1, "https://shop.example/a?b=1&c=2#d", "our & shop"), link(2, "http://brand.example/", "Our logo")]
        );
        assert!(
            t.html.contains("HREF=\"https://go.brand.example/t/c/click-1\" class=x>our &amp; <b>shop</b></A>"),
            "{}",
            t.html
        );
        assert!(!t.html.contains("shop.example"), "{}", t.html);
        let tail = "style=\"border:0;width:1px;height:1px\"></body></html>";
        assert!(t.html.contains("/t/o/open-0.gif\"") && t.html.ends_with(tail), "{}", t.html);
        assert!(t.html.contains("/t/c/hidden-0\" aria-hidden=\"true\" tabindex=\"-1\""), "{}", t.html);
    }

    #[test]
    fn what_is_no_counted_link_stays_as_it_is() {
        for html in [
            "<a href=\"mailto:ana@example.org\">write</a>",
            "<a href=\"tel:+1503\">call</a>",
            "<a href=\"#top\">up</a>",
            "<a href=\"/relative\">x</a>",
            "<a href=\"javascript:alert(1)\">x</a>",
            "<a href=\"https://go.brand.example/u/TOKEN\">no more mail</a>",
            "<a href=\"https://shop.example/x\">https://shop.example/x</a>",
            "<a href=\"https://shop.example/x\"> www.shop.example </a>",
            "<a href=\"https://shop.example/x\"><b>shop</b>.example/x</a>",
            "<a name=x>anchor</a>",
            "<!-- <a href=\"https://shop.example\">x</a> -->",
            "<a href=\"https://\">x</a>",
        ] {
            let t = tracked(html);
            assert!(t.links.is_empty() && t.html.starts_with(html), "{}", t.html);
            assert!(!t.html.contains("/t/c/"), "a hidden link where nothing is followed: {}", t.html);
        }
    }

    #[test]
    fn text_that_only_has_a_dot_is_no_address() {
        for text in ["Read more.", "See e.g. this", "Version 2.0", "ana@example.org", "Hello"] {
            assert!(!is_address(text), "{text}");
        }
        for text in ["brand.example", "brand.example/shop?x=1", "HTTP://X", "(www.brand.example)"] {
            assert!(is_address(text), "{text}");
        }
    }

    #[test]
    fn broken_html_is_rewritten_all_the_same() {
        let t = tracked("<p>Hi <a href='https://a.example'>one <a href='https://b.example'>two");
        assert_eq!(t.links.iter().map(|l| l.label.as_str()).collect::<Vec<_>>(), ["one", "two"]);
        assert!(t.html.contains("open-0.gif"));
        for html in ["", "<", "<a href", "<a href=\"https://x.example", "<body", "<select><a href=https://x.example>x"]
        {
            tracked(html);
        }
        let deep = format!("{}<a href=https://x.example>x</a>", "<div>".repeat(20_000));
        assert_eq!(tracked(&deep).links.len(), 1);
    }

    #[test]
    fn what_is_switched_off_is_not_there() {
        let html = "<body><a href=\"https://a.example/\">one</a></body>";
        let wanted = |opens, clicks| Wanted { opens, clicks, base_url: BASE, unsubscribe_url: None, token: &token };
        let neither = rewrite(html, &wanted(Counting::Off, Counting::Off)).unwrap();
        assert_eq!((neither.html.as_str(), neither.links.len()), (html, 0));
        let opens = rewrite(html, &wanted(Counting::On, Counting::Off)).unwrap();
        assert!(
            opens.html.contains("open-0.gif") && opens.html.contains("https://a.example/") && opens.links.is_empty()
        );
        let clicks = rewrite(html, &wanted(Counting::Off, Counting::On)).unwrap();
        assert!(!clicks.html.contains("<img") && clicks.links.len() == 1);
    }

    #[test]
    fn links_of_one_message_are_limited() {
        let t = tracked(&"<a href=\"https://a.example/x\">one</a>".repeat(LINKS_MAX + 5));
        assert_eq!(t.links.len(), LINKS_MAX);
        assert_eq!(t.html.matches("https://a.example/x").count(), 5);
    }

    #[test]
    fn no_destination_can_break_a_header() {
        let t = tracked("<a href=\"https://a.example/&#13;&#10;Set-Cookie:&#x20;x&#9;y \u{e9}\">one</a>");
        let url = &t.links[0].url;
        assert!(url.bytes().all(|b| b.is_ascii_graphic()), "{url}");
    }
}
