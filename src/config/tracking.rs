//! `[tracking]`: what is counted of sequence mail, and what machines are known by.

use std::sync::Arc;

use super::reader::{Found, Reader, Section};
use super::source::without_passwords;
use crate::domain::hit::{Agents, Books, Networks};

/// `[tracking]`.
#[derive(Debug, Clone)]
pub struct Tracking {
    /// Whether opens are counted, where a sequence does not say. Default true.
    pub opens: bool,
    /// Whether clicks are. Default true.
    pub clicks: bool,
    /// The host of tracking links, where it is not that of the hub.
    pub host: Option<String>,
    /// What machines are known by: the shipped lists, or those of the files that `agents` and `networks` name.
    pub books: Arc<Books>,
}

impl Default for Tracking {
    fn default() -> Self {
        Self { opens: true, clicks: true, host: None, books: Arc::new(Books::shipped()) }
    }
}

pub(super) fn read(mut s: Section<'_>, r: &mut Reader) -> Tracking {
    let mut tracking = Tracking::default();
    let mut books = Books::shipped();
    if let Some(opens) = s.flag(r, "opens") {
        tracking.opens = opens.value;
    }
    if let Some(clicks) = s.flag(r, "clicks") {
        tracking.clicks = clicks.value;
    }
    if let Some(agents) = s.text(r, "agents").and_then(|path| read_list(r, &path, Agents::read)) {
        books.agents = agents;
    }
    if let Some(networks) = s.text(r, "networks").and_then(|path| read_list(r, &path, Networks::read)) {
        books.networks = networks;
    }
    tracking.books = Arc::new(books);
    tracking.host = s.text(r, "host").and_then(|host| read_host(r, &host));
    s.finish(r);
    tracking
}

/// A name alone: links in mail are always https.
fn read_host(r: &mut Reader, host: &Found<String>) -> Option<String> {
    let plain = !host.value.contains(['/', '@', ':', '*', ' ']) && host.value.contains('.');
    let parsed = url::Host::parse(&host.value).ok().filter(|_| plain).map(|host| host.to_string());
    if parsed.is_none() {
        let shown: String = without_passwords(&host.value).chars().take(60).collect();
        r.error(host, format!("`{shown}` is no host"), "a name alone, as in \"links.your-domain.example\"");
    }
    parsed
}

/// Reads a list of an operator's own; what is wrong with it is a finding at the key that names it.
fn read_list<T>(r: &mut Reader, named: &Found<String>, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
    let path = r.path(&named.value);
    let list = match super::read_text(&path) {
        Ok(text) => read(&text)
            .map_err(|why| (format!("{}: {why}", path.display()), "the shipped list shows how it is written")),
        Err((why, _)) => Err((why, "relative paths count from the main file; without the key, the shipped list holds")),
    };
    match list {
        Ok(list) => Some(list),
        Err((message, hint)) => {
            r.error(named, message, hint);
            None
        }
    }
}
