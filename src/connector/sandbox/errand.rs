//! What somebody asks of the hub over the web because of a mail: its picture, a link, or to hear no more.
//!
//! The sandbox only says who wants what, and when; it opens no connection. Whoever holds the world fetches.

use std::time::Duration;

use crate::connector::email::parse;

/// Octets of an address that is taken out of a mail.
const URL_MAX: usize = 2_000;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wish {
    /// The picture at the end of the mail, as programs do that show one.
    Picture,
    /// The first link that people can see.
    Link,
    /// To hear no more, by one click (RFC 8058): a POST.
    Unsubscribe,
}

/// A visit that a mail brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// How long after the mail.
    pub after: Duration,
    /// What is asked for.
    pub wish: Wish,
    /// What the program says it is.
    pub agent: String,
}

/// A visit whose time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errand {
    /// Whose mail it was in.
    pub who: String,
    /// What is asked for.
    pub wish: Wish,
    /// What the program says it is.
    pub agent: String,
    /// The address as it stood in the mail.
    pub url: String,
}

/// The address in a mail that a wish is about; `None` where the mail has none.
pub(super) fn find_url(raw: &[u8], wish: Wish) -> Option<String> {
    let html = parse::html(raw)?;
    let path = match wish {
        Wish::Picture => "/t/o/",
        // The link that nobody sees stands behind all others.
        Wish::Link => "/t/c/",
        Wish::Unsubscribe => "/u/",
    };
    let attributes = html.split('"').skip(1).step_by(2);
    let mut ours = attributes.filter(|value| value.starts_with("http") && value.contains(path));
    ours.next().filter(|url| url.len() <= URL_MAX).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &[u8] = b"From: a@brand.example\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
        <p class=\"x\">Hi <a href=\"http://hub.example/t/c/one\">size</a> <a href=\"http://hub.example/u/no\">no more</a></p>\
        <a href=\"http://hub.example/t/c/hidden\" aria-hidden=\"true\"></a><img src=\"http://hub.example/t/o/seen.gif\">";

    #[test]
    fn each_wish_finds_its_address_and_nobody_follows_the_hidden_link() {
        assert_eq!(find_url(MAIL, Wish::Link).as_deref(), Some("http://hub.example/t/c/one"));
        assert_eq!(find_url(MAIL, Wish::Picture).as_deref(), Some("http://hub.example/t/o/seen.gif"));
        assert_eq!(find_url(MAIL, Wish::Unsubscribe).as_deref(), Some("http://hub.example/u/no"));
        assert_eq!(find_url(b"From: a@brand.example\r\n\r\nhttp://hub.example/t/c/one", Wish::Link), None);
    }
}
