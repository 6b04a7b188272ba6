//! Markdown into HTML, styles into elements, and what has no place in a mail.

use std::ops::Range;

use pulldown_cmark::{BrokenLink, CowStr, Event, LinkType, Options, Parser, Tag, TagEnd, TextMergeStream, html};

use super::engine::{MARKS, Written, escaped, judge_link};
use crate::domain::html::{decode, tags};

/// Elements that mail programs refuse or that do something by themselves.
const FORBIDDEN: [&str; 12] =
    ["script", "iframe", "frame", "frameset", "object", "embed", "applet", "form", "input", "button", "base", "link"];

/// The HTML of a text in Markdown whose values are still marks. Nothing in a value becomes markup.
#[allow(clippy::wildcard_enum_match_arm, reason = "the crate adds kinds; whatever they are, this is right for them")]
pub(super) fn from_markdown(written: &Written) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let mut events: Vec<Event<'_>> = Vec::new();
    let mut links = 0_usize;
    let mut code = false;
    for event in TextMergeStream::new(Parser::new_ext(&written.text, options)) {
        match event {
            Event::Text(text) if code => events.push(Event::Text(fill(&text, written, str::to_owned).into())),
            Event::Text(text) => put_text(&mut events, &text, written, links == 0),
            Event::Code(text) => events.push(Event::Code(fill(&text, written, str::to_owned).into())),
            Event::Html(text) => events.push(Event::Html(fill(&text, written, escaped).into())),
            Event::InlineHtml(text) => events.push(Event::InlineHtml(fill(&text, written, escaped).into())),
            Event::Start(tag) => {
                links += usize::from(matches!(tag, Tag::Link { .. }));
                code |= matches!(tag, Tag::CodeBlock(_));
                events.push(Event::Start(filled(tag, written)));
            }
            Event::End(tag) => {
                links = links.saturating_sub(usize::from(matches!(tag, TagEnd::Link)));
                code &= !matches!(tag, TagEnd::CodeBlock);
                events.push(Event::End(tag));
            }
            other => events.push(other),
        }
    }
    let mut out = String::new();
    html::push_html(&mut out, events.into_iter());
    out
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the crate adds kinds; whatever they are, this is right for them")]
fn filled<'a>(tag: Tag<'a>, written: &Written) -> Tag<'a> {
    let text = |text: &CowStr<'_>| -> CowStr<'a> { fill(text, written, str::to_owned).into() };
    match tag {
        Tag::Link { link_type, dest_url, title, id } => {
            Tag::Link { link_type, dest_url: text(&dest_url), title: text(&title), id }
        }
        Tag::Image { link_type, dest_url, title, id } => {
            Tag::Image { link_type, dest_url: text(&dest_url), title: text(&title), id }
        }
        other => other,
    }
}

/// Text with its values in place: line ends in a value stay line ends, and a value that is a link can be followed.
fn put_text(events: &mut Vec<Event<'_>>, text: &str, written: &Written, may_link: bool) {
    for piece in pieces(text, written) {
        match piece {
            Piece::Text(text) => events.push(Event::Text(text.to_owned().into())),
            Piece::Value(value) if may_link && is_link(value) => {
                let (link_type, dest_url) = (LinkType::Autolink, CowStr::from(value.to_owned()));
                events.push(Event::Start(Tag::Link { link_type, dest_url, title: "".into(), id: "".into() }));
                events.push(Event::Text(value.to_owned().into()));
                events.push(Event::End(TagEnd::Link));
            }
            Piece::Value(value) => {
                for (at, line) in value.lines().enumerate() {
                    if at > 0 {
                        events.push(Event::HardBreak);
                    }
                    events.push(Event::Text(line.to_owned().into()));
                }
            }
        }
    }
}

fn is_link(value: &str) -> bool {
    let schemed = value.starts_with("https://") || value.starts_with("http://");
    schemed && !value.contains(char::is_whitespace) && judge_link(value).is_ok()
}

enum Piece<'a> {
    Text(&'a str),
    Value(&'a str),
}

/// A text, parted at its marks.
fn pieces<'a>(text: &'a str, written: &'a Written) -> Vec<Piece<'a>> {
    let [open, close] = MARKS;
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once(open) {
        let Some((number, after)) = behind.split_once(close) else { break };
        if !before.is_empty() {
            found.push(Piece::Text(before));
        }
        let value = number.parse().ok().and_then(|at: usize| written.values.get(at));
        found.extend(value.map(|value| Piece::Value(value)));
        rest = after;
    }
    if !rest.is_empty() {
        found.push(Piece::Text(rest));
    }
    found
}

fn fill(text: &str, written: &Written, put: impl Fn(&str) -> String) -> String {
    let parts = pieces(text, written).into_iter();
    parts
        .map(|piece| match piece {
            Piece::Text(text) => text.to_owned(),
            Piece::Value(value) => put(value),
        })
        .collect()
}

/// What a link may begin with.
const LINKS: &[&str] = &["https:", "http:", "mailto:", "tel:", "#"];
/// What the source of a picture may begin with.
const PICTURES: &[&str] = &["https:", "http:", "cid:"];

/// A target that begins with none of these, as it can be shown. Browsers read past white space and control characters.
fn leads_astray(target: &str, schemes: &[&str]) -> Option<String> {
    let target: String = target.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect();
    let lower = target.to_ascii_lowercase();
    (!schemes.iter().any(|scheme| lower.starts_with(scheme))).then(|| target.chars().take(80).collect())
}

/// Links of a text in Markdown that lead nowhere, each with its place in octets: targets that are no links, and references
/// that nothing defines.
#[allow(clippy::wildcard_enum_match_arm, reason = "the crate adds kinds; whatever they are, this is right for them")]
pub fn judge_targets(markdown: &str) -> Vec<(Range<usize>, String)> {
    let mut undefined = Vec::new();
    let note = |link: BrokenLink<'_>| -> Option<(CowStr<'_>, CowStr<'_>)> {
        // `[x]` alone may be meant as it is; `[x][y]` is a link.
        if !matches!(link.link_type, LinkType::Shortcut | LinkType::ShortcutUnknown) {
            undefined.push((link.span, format!("nothing says where `[{}]` leads", link.reference)));
        }
        None
    };
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let mut found = Vec::new();
    for (event, at) in Parser::new_with_broken_link_callback(markdown, options, Some(note)).into_offset_iter() {
        let (target, schemes) = match &event {
            Event::Start(Tag::Link { link_type: LinkType::Email, .. }) => continue,
            Event::Start(Tag::Link { dest_url, .. }) => (dest_url, LINKS),
            Event::Start(Tag::Image { dest_url, .. }) => (dest_url, PICTURES),
            _ => continue,
        };
        if let Some(shown) = leads_astray(target, schemes) {
            let begin = markdown.get(at.clone()).and_then(|link| link.rfind(&**target)).filter(|_| !target.is_empty());
            let at = begin.map_or(at.clone(), |inside| at.start + inside..at.start + inside + target.len());
            found.push((at, format!("the link leads to `{shown}`; it begins with https://")));
        }
    }
    found.extend(undefined);
    found
}

/// What has no place in a mail: scripts, frames, forms, handlers, and links that are none.
pub fn judge_markup(html: &str) -> Result<(), String> {
    for tag in tags(html).iter().filter(|tag| !tag.closing) {
        if FORBIDDEN.contains(&tag.name.as_str()) {
            return Err(format!("<{}> has no place in a mail", tag.name));
        }
        for (name, value) in tag.attributes() {
            let name = name.to_ascii_lowercase();
            if name.starts_with("on") || (tag.name == "meta" && name == "http-equiv" && !is_plain_meta(value)) {
                return Err(format!("`{name}` in <{}> has no place in a mail", tag.name));
            }
            let schemes = match name.as_str() {
                "href" => LINKS,
                "src" | "background" | "poster" => PICTURES,
                _ => continue,
            };
            if let Some(shown) = leads_astray(&decode(value), schemes) {
                return Err(format!("`{name}` of <{}> leads to `{shown}`; it begins with https://", tag.name));
            }
        }
    }
    Ok(())
}

fn is_plain_meta(value: &str) -> bool {
    ["content-type", "x-ua-compatible"].iter().any(|plain| value.eq_ignore_ascii_case(plain))
}

/// Puts what `<style>` says into the elements, as mail programs want it; `@media` stays where it is. Loads nothing.
pub(super) fn inlined(html: String) -> Result<String, String> {
    if !tags(&html).iter().any(|tag| tag.name == "style") {
        return Ok(html);
    }
    let inliner = css_inline::CSSInliner::options()
        .load_remote_stylesheets(false)
        .keep_style_tags(false)
        .keep_at_rules(true)
        .build();
    inliner.inline(&html).map_err(|error| format!("the styles can't be read: {error}"))
}
