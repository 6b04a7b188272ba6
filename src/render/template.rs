//! From a template and what is known of a person to one message: subject, text, HTML.
//!
//! Pure. Strict: what is not known is an error, never an empty place. Values are never markup and never a header. Nothing
//! is included, loaded or fetched, and the engine has a budget.

use std::ops::Range;

use crate::domain::expression::ExpressionError;
use crate::domain::html;
use crate::domain::sequence::{Definition, Format, Template, Unsubscribe};
use crate::domain::words::Channel;

mod context;
mod engine;
mod markup;

pub use context::{Context, Given, Owner, Sender, Writer};
pub use engine::judge_link;
pub use markup::{judge_markup, judge_targets};

use engine::{Escape, escaped};

/// Characters of a subject.
pub const SUBJECT_MAX: usize = 250;
/// Characters of a preheader.
pub const PREHEADER_MAX: usize = 500;
/// Octets of a rendered text or HTML.
pub const RENDERED_MAX: usize = 1024 * 1024;
/// Characters of a short text: a task.
pub const INLINE_MAX: usize = 4_000;

/// A message, rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The subject; without one the mail stays in the thread of the one above.
    pub subject: Option<String>,
    /// What mail programs show beside the subject. It is in the HTML already.
    pub preheader: Option<String>,
    /// The text part, with its footer.
    pub text: String,
    /// The HTML part, a whole document; `None` for templates that are text alone.
    pub html: Option<String>,
    /// What `link` gave, in order, each once.
    pub links: Vec<String>,
}

/// Which part of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The subject.
    Subject,
    /// The preheader.
    Preheader,
    /// The text.
    Body,
}

/// Why a message can't be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{template}: {message}")]
pub struct TemplateError {
    /// The name of the template.
    pub template: String,
    /// Which part of it.
    pub part: Part,
    /// What is wrong, in one sentence.
    pub message: String,
    /// Where in that part, in octets, if that is known.
    pub at: Option<Range<usize>>,
    /// Whether something it uses is not known, rather than the template being wrong.
    pub undefined: bool,
}

/// Renders a template of a sequence.
pub fn render(definition: &Definition, name: &str, context: &Context) -> Result<Rendered, TemplateError> {
    let wrong = |part: Part| {
        move |error: ExpressionError| TemplateError {
            template: name.to_owned(),
            part,
            message: error.message,
            at: error.at,
            undefined: error.undefined,
        }
    };
    let bad = |message: String| wrong(Part::Body)(ExpressionError::new(message, None));
    let Some(template) = definition.templates.get(name) else {
        return Err(bad("there is no such template".to_owned()));
    };
    let line = |text: &Option<String>, part: Part, max: usize| {
        text.as_deref().map(|text| write_line(text, context, max)).transpose().map_err(wrong(part))
    };
    let subject = line(&template.subject, Part::Subject, SUBJECT_MAX)?;
    let preheader = line(&template.preheader, Part::Preheader, PREHEADER_MAX)?;
    let (text, page, mut links) = write_body(template, context).map_err(wrong(Part::Body))?;
    let footer = footer(definition.unsubscribe, context).map_err(bad)?;
    if definition.unsubscribe == Unsubscribe::Inline {
        let url = context.unsubscribe_url.as_deref().filter(|url| !url.is_empty());
        if !url.is_some_and(|url| text.contains(url)) {
            return Err(bad("the text has no link to unsubscribe: write {{ unsubscribe_url }}".to_owned()));
        }
    }
    if let (Some(footer), Some(page)) = (&footer, &page)
        && template.body.contains('<')
        && !html::own_to_text(&document(page, None, Some(footer))).contains(FOOTER_WORD)
    {
        let why = "the footer with the link to unsubscribe can't be seen in the HTML: end every comment (-->) and close every element";
        return Err(bad(why.to_owned()));
    }
    let text = footer.as_ref().map_or_else(|| format!("{text}\n"), |footer| format!("{text}\n\n{}", footer.text));
    let html = page
        .map(|page| markup::inlined(document(&page, preheader.as_deref(), footer.as_ref())))
        .transpose()
        .map_err(bad)?;
    if text.len() > RENDERED_MAX || html.as_ref().is_some_and(|html| html.len() > RENDERED_MAX) {
        return Err(bad(format!("the message has more than {RENDERED_MAX} octets")));
    }
    let mut seen = std::collections::BTreeSet::new();
    links.retain(|link| seen.insert(link.clone()));
    Ok(Rendered { subject, preheader, text, html, links })
}

/// Renders a short text: a task.
pub fn render_inline(text: &str, context: &Context) -> Result<String, TemplateError> {
    render_words(text, context, Channel::Email)
}

/// Renders what is said on a channel that is no mail.
pub fn render_words(text: &str, context: &Context, channel: Channel) -> Result<String, TemplateError> {
    let wrong = |error: ExpressionError| TemplateError {
        template: "text".to_owned(),
        part: Part::Body,
        message: error.message,
        at: error.at,
        undefined: error.undefined,
    };
    let written = engine::write(text, context, (Escape::Nothing, channel)).map_err(wrong)?;
    let written = written.text.trim().to_owned();
    if written.chars().count() > INLINE_MAX {
        return Err(wrong(ExpressionError::new(format!("longer than {INLINE_MAX} characters"), None)));
    }
    Ok(written)
}

/// One line: whatever would end it or could not be seen becomes a blank, so nothing starts a header of its own.
fn write_line(text: &str, context: &Context, max: usize) -> Result<String, ExpressionError> {
    let written = engine::write(text, context, (Escape::Nothing, Channel::Email))?.text;
    let spaced: String = written
        .chars()
        .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{85}') { ' ' } else { c })
        .collect();
    let line = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.chars().count() {
        0 => Err(ExpressionError::new("it is empty", None)),
        n if n > max => Err(ExpressionError::new(format!("it has {n} characters, {max} at most"), None)),
        _ => Ok(line),
    }
}

/// The text, the page where there is one, and the links.
fn write_body(
    template: &Template,
    context: &Context,
) -> Result<(String, Option<String>, Vec<String>), ExpressionError> {
    let wrong = |message: String| ExpressionError::new(message, None);
    match template.format {
        Format::Text => {
            let written = engine::write(&template.body, context, (Escape::Nothing, Channel::Email))?;
            Ok((lines(&written.text), None, written.links))
        }
        Format::Html => {
            let written = engine::write(&template.body, context, (Escape::Html, Channel::Email))?;
            markup::judge_markup(&written.text).map_err(wrong)?;
            Ok((html::own_to_text(&written.text), Some(written.text), written.links))
        }
        Format::Markdown => {
            let written = engine::write(&template.body, context, (Escape::Mark, Channel::Email))?;
            let page = markup::from_markdown(&written);
            markup::judge_markup(&page).map_err(wrong)?;
            Ok((html::own_to_text(&page), Some(page), written.links))
        }
    }
}

fn lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").trim().to_owned()
}

/// What the link to unsubscribe is called.
const FOOTER_WORD: &str = "Unsubscribe";

/// What stands below.
struct Footer {
    text: String,
    html: String,
}

fn footer(unsubscribe: Unsubscribe, context: &Context) -> Result<Option<Footer>, String> {
    if unsubscribe != Unsubscribe::Footer {
        return Ok(None);
    }
    let url = context.unsubscribe_url.as_deref().ok_or("there is no link to unsubscribe for the footer")?;
    let sender = context.sender.as_ref().filter(|sender| !sender.address.trim().is_empty());
    let sender = sender.ok_or("there is no postal address for the footer: write [sender] into the configuration")?;
    let parts: Vec<&str> = [sender.name.trim(), sender.address.trim()].into_iter().filter(|p| !p.is_empty()).collect();
    let from = parts.join(", ").split_whitespace().collect::<Vec<_>>().join(" ");
    let text = format!("-- \n{from}\n{FOOTER_WORD}: {url}\n");
    let html = format!(
        "<p style=\"color:#666666;font-size:12px\">{}<br>\n<a href=\"{}\" style=\"color:#666666\">{FOOTER_WORD}</a></p>\n",
        escaped(&from),
        escaped(url)
    );
    Ok(Some(Footer { text, html }))
}

/// A whole document: what the template wrote, the preheader first, the footer last.
fn document(page: &str, preheader: Option<&str>, footer: Option<&Footer>) -> String {
    let hidden = preheader.map_or_else(String::new, |text| {
        let style = "display:none;max-height:0;overflow:hidden;mso-hide:all";
        format!("<div style=\"{style}\">{}</div>\n", escaped(text))
    });
    let footer = footer.map_or("", |footer| footer.html.as_str());
    let lower = page.to_ascii_lowercase();
    if !lower.contains("<body") {
        return format!(
            "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head><body>\n{hidden}{page}{footer}</body></html>\n"
        );
    }
    // A document of its own: put ours behind its <body> and before its end.
    let begin = lower.find("<body").and_then(|at| Some(at + lower.get(at..)?.find('>')? + 1)).unwrap_or(0);
    let end = lower.rfind("</body").filter(|end| *end >= begin).unwrap_or(page.len());
    let part = |range: Range<usize>| page.get(range).unwrap_or_default();
    format!("{}\n{hidden}{}{footer}{}", part(0..begin), part(begin..end), part(end..page.len()))
}

#[cfg(test)]
mod tests;
