//! The template engine as messages use it: where a value lands decides how it is escaped, and `link` is there.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::value::{Kwargs, Serde, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Value};
use url::Url;

use super::context::Context;
use crate::domain::expression::{self, ExpressionError};
use crate::domain::html;
use crate::domain::words::{Channel, Word as _};

/// What one part of a message may cost, in steps of the engine; one step also pays for 64 octets.
const FUEL: u64 = 100_000;
/// Octets of a URL given to `link`.
const URL_MAX: usize = 2_000;
/// Around the number of a value that waits to be put in: nobody writes these two.
pub(super) const MARKS: [char; 2] = ['\u{e000}', '\u{e001}'];

/// How values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escape {
    /// As they are.
    Nothing,
    /// For HTML.
    Html,
    /// As marks: Markdown must not see them, for nothing in a value is markup.
    Mark,
}

/// What came of a template.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) text: String,
    /// What the marks stand for.
    pub(super) values: Vec<String>,
    /// What `link` gave.
    pub(super) links: Vec<String>,
}

/// Writes one part of a message.
/// How it travels is where visits from its links are said to come from.
pub(super) fn write(
    source: &str,
    context: &Context,
    (escape, channel): (Escape, Channel),
) -> Result<Written, ExpressionError> {
    let values: Arc<Mutex<Vec<String>>> = Arc::default();
    let links: Arc<Mutex<Vec<String>>> = Arc::default();
    let mut engine = expression::engine(FUEL);
    let syntax = minijinja::syntax::SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    engine.set_syntax(syntax.map_err(|error| ExpressionError::of(&error))?);
    set_formatter(&mut engine, escape, &values);
    let given = Arc::clone(&links);
    engine.add_function("link", move |url: String, options: Kwargs| {
        let link = link(&url, channel, &options)?;
        given.lock().unwrap_or_else(PoisonError::into_inner).push(link.clone());
        Ok(link)
    });
    let (doubled, added) = keep_line_ends(source);
    let explain = |error: Error| in_source(explain(&error, &doubled), &added);
    let template = engine.template_from_named_str("template", &doubled).map_err(explain)?;
    let text = template.render(Serde(context.values())).map_err(explain)?;
    let take = |list: &Mutex<Vec<String>>| std::mem::take(&mut *list.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Written { text, values: take(&values), links: take(&links) })
}

/// A tag that stands alone on its line takes the line with it; one behind other text leaves the end of the line where it is. The
/// engine takes the end of the line behind every tag, so that one is doubled. With it, the places where ends were added.
fn keep_line_ends(source: &str) -> (String, Vec<usize>) {
    let (mut out, mut added) = (String::with_capacity(source.len() + 16), Vec::new());
    let mut rest = source;
    // Whether something else than tags and blanks stands on this line so far.
    let mut has_text = false;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        let line = before.rsplit('\n').next().unwrap_or_default();
        has_text = (has_text && !before.contains('\n')) || !line.trim().is_empty();
        out.push_str(before);
        let end = match from.as_bytes().get(1) {
            Some(b'%') => "%}",
            Some(b'#') => "#}",
            Some(b'{') => "}}",
            _ => "{",
        };
        let Some(length) = tag_length(from, end) else {
            out.push('{');
            has_text = true;
            rest = from.get(1..).unwrap_or_default();
            continue;
        };
        let (mut tag, mut behind) = from.split_at_checked(length).unwrap_or((from, ""));
        let words = tag.trim_matches(['{', '%', '-', '+', '}']).trim();
        if end == "%}" && words == "raw" {
            // Nothing in it is a tag.
            let to = behind.find("endraw").and_then(|at| Some(at + behind.get(at..)?.find("%}")? + 2));
            (tag, behind) = from.split_at_checked(length + to.unwrap_or(behind.len())).unwrap_or((from, ""));
            has_text = true;
        }
        out.push_str(tag);
        if end == "}}" {
            has_text = true;
        } else if has_text && (behind.starts_with('\n') || behind.starts_with("\r\n")) && !is_told(tag) {
            added.push(out.len());
            out.push('\n');
        }
        rest = behind;
    }
    out.push_str(rest);
    (out, added)
}

/// Whether a tag says itself what becomes of the line end behind it: `-%}` takes it, `+%}` leaves it.
fn is_told(tag: &str) -> bool {
    ["-%}", "+%}", "-#}", "+#}"].iter().any(|end| tag.ends_with(end))
}

/// How long a tag is that begins here, its quotes respected; nothing where it has no end.
fn tag_length(from: &str, end: &str) -> Option<usize> {
    if end == "{" {
        return None;
    }
    let mut quote = None;
    for (at, c) in from.char_indices().skip(2) {
        match quote {
            Some(open) => quote = Some(open).filter(|open| c != *open),
            None if matches!(c, '"' | '\'') && end != "#}" => quote = Some(c),
            None if from.get(at..)?.starts_with(end) => return Some(at + end.len()),
            None => {}
        }
    }
    None
}

/// The place of a mistake in the text as it was written.
fn in_source(mut error: ExpressionError, added: &[usize]) -> ExpressionError {
    let back = |at: usize| at - added.iter().filter(|added| **added < at).count();
    error.at = error.at.map(|at| back(at.start)..back(at.end));
    error
}

fn explain(error: &Error, source: &str) -> ExpressionError {
    let mut told = ExpressionError::of(error);
    if told.undefined {
        let name = told.at.clone().and_then(|at: Range<usize>| source.get(at)).map(str::trim);
        let name = name.map(|n| n.trim_start_matches("{{").trim_end_matches("}}").trim()).filter(|n| !n.is_empty());
        told.message = name.map_or_else(
            || "something it uses is not known".to_owned(),
            |name| format!("`{name}` is not known; give it a default"),
        );
    }
    told
}

fn set_formatter(engine: &mut Environment<'_>, escape: Escape, values: &Arc<Mutex<Vec<String>>>) {
    let values = Arc::clone(values);
    engine.set_formatter(move |out, _, value| {
        let text = shown(value)?;
        let result = match escape {
            Escape::Nothing => out.write_str(&text),
            Escape::Html => out.write_str(&escaped(&text)),
            Escape::Mark => {
                let mut values = values.lock().unwrap_or_else(PoisonError::into_inner);
                values.push(text);
                let [open, close] = MARKS;
                out.write_str(&format!("{open}{}{close}", values.len() - 1))
            }
        };
        result.map_err(Error::from)
    });
}

/// A value as people read it. What nobody would want to read in a mail is an error.
#[allow(clippy::wildcard_enum_match_arm, reason = "the crate adds kinds; whatever they are, this is right for them")]
fn shown(value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::Undefined => Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::None => Err(Error::new(ErrorKind::InvalidOperation, "null can't be written; give it a default")),
        ValueKind::String | ValueKind::Number | ValueKind::Bool => {
            Ok(value.to_string().chars().filter(|c| !MARKS.contains(c) && *c != '\0').collect())
        }
        kind => Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("a {kind} can't be written; pick a part of it, or use `| join(\", \")`"),
        )),
    }
}

/// Text that stands in HTML, also within quotes.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    html::escape(&mut out, text);
    out
}

/// Why a URL can't be a link.
pub fn judge_link(url: &str) -> Result<Url, String> {
    if url.len() > URL_MAX {
        return Err(format!("the link has more than {URL_MAX} octets"));
    }
    let shown: String = url.chars().take(100).collect();
    let parsed = Url::parse(url.trim()).map_err(|error| format!("`{shown}` is no URL: {error}"))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(format!("`{shown}` begins with {}:, a link begins with https://", parsed.scheme()));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(format!("`{shown}` holds a user name"));
    }
    Ok(parsed)
}

/// The URL with what tells where a visit came from: `utm_source` with the channel, and `utm_campaign` where one is named. What the
/// URL says itself stays.
fn link(url: &str, channel: Channel, options: &Kwargs) -> Result<String, Error> {
    let wrong = |why: String| Error::new(ErrorKind::InvalidOperation, why);
    let campaign: Option<String> = options.get("campaign")?;
    options.assert_all_used()?;
    let mut parsed = judge_link(url).map_err(wrong)?;
    let has = |parsed: &Url, name: &str| parsed.query_pairs().any(|(key, _)| key == name);
    let mut add = Vec::new();
    if !has(&parsed, "utm_source") {
        add.push(("utm_source", channel.as_str()));
    }
    if let Some(campaign) = campaign.as_deref().filter(|_| !has(&parsed, "utm_campaign")) {
        if campaign.trim().is_empty() || campaign.chars().count() > 100 {
            return Err(wrong("the campaign of a link has 1 to 100 characters".to_owned()));
        }
        add.push(("utm_campaign", campaign));
    }
    if !add.is_empty() {
        parsed.query_pairs_mut().extend_pairs(add);
    }
    Ok(parsed.into())
}
