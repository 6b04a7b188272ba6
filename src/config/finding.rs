//! What is wrong with a configuration, and how people are told: file, line, column, the line itself, a caret, a hint.
//!
//! Holds no secret: the lines it carries were masked before they came here.

use std::fmt;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value, json};

/// Most findings that are shown; the rest is counted.
pub const FINDINGS_SHOWN_MAX: usize = 100;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The configuration can't be used.
    Error,
    /// It can be used, but a person should look.
    Warning,
}

/// A place in a file or an environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, or `environment`.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// Where it ends, from 1: the line.
    pub end_line: usize,
    /// And the column just behind it, from 1, in characters.
    pub end_column: usize,
    /// The line, secrets masked.
    pub text: String,
    /// What of [`Self::text`] is meant, in octets.
    pub caret: Range<usize>,
}

/// One thing that is wrong, or doubtful.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its stable code, where its kind has one: `L012`.
    pub code: Option<&'static str>,
    /// How bad it is.
    pub severity: Severity,
    /// The key it is about, dotted, for instance `accounts.hello.imap`; empty where it is about a whole file.
    pub key: String,
    /// What is wrong, in one sentence.
    pub message: String,
    /// Where. `None` where there is nothing to point at, as with a missing file.
    pub place: Option<Place>,
    /// Other places that belong to it, each with what it is.
    pub related: Vec<(String, Place)>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Finding {
    /// As people read it, over several lines, without a line end at its end.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() }.decor_style(DecorStyle::Ascii);
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(self.message.as_str());
        let title = match self.code {
            Some(code) => title.id(code),
            None => title,
        };
        let mut group = match &self.place {
            Some(place) => title.element(snippet(place, "", AnnotationKind::Primary)),
            None => Group::with_title(title),
        };
        for (label, place) in &self.related {
            // Within one file both places go under one heading only if each is its own snippet with its own path.
            group = group.element(snippet(place, label, AnnotationKind::Primary));
        }
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.message(hint.as_str()));
        }
        renderer.render(&[group])
    }

    /// As programs read it.
    pub fn to_json(&self) -> Value {
        json!({
            "code": self.code,
            "severity": match self.severity { Severity::Error => "error", Severity::Warning => "warning" },
            "key": self.key,
            "message": self.message,
            "file": self.place.as_ref().map(|p| p.file.as_str()),
            "line": self.place.as_ref().map(|p| p.line),
            "column": self.place.as_ref().map(|p| p.column),
            "end_line": self.place.as_ref().map(|p| p.end_line),
            "end_column": self.place.as_ref().map(|p| p.end_column),
            "source": self.place.as_ref().map(|p| p.text.as_str()),
            "related": self.related.iter().map(|(label, p)| json!({
                "label": label, "file": p.file, "line": p.line, "column": p.column,
            })).collect::<Vec<_>>(),
            "hint": self.hint,
        })
    }
}

fn snippet<'a>(
    place: &'a Place,
    label: &'a str,
    kind: AnnotationKind,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let mut annotation = kind.span(place.caret.clone());
    if !label.is_empty() {
        annotation = annotation.label(label);
    }
    Snippet::source(place.text.as_str()).line_start(place.line).path(place.file.as_str()).annotation(annotation)
}

/// Everything that makes a configuration unusable, and the warnings beside it. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    /// As people read it, errors in the order of the files, with a count at the end.
    pub fn render(&self, colour: bool) -> String {
        let text = render_all(&self.0, colour);
        let errors = self.0.iter().filter(|f| f.severity == Severity::Error).count();
        text + &count(errors, "error") + " found; nothing was changed\n"
    }

    /// As programs read it: a list.
    pub fn to_json(&self) -> Value {
        Value::Array(self.0.iter().map(Finding::to_json).collect())
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

/// Findings one after the other, an empty line between them.
pub(crate) fn render_all(findings: &[Finding], colour: bool) -> String {
    let mut text = String::new();
    for finding in findings.iter().take(FINDINGS_SHOWN_MAX) {
        text.push_str(&finding.render(colour));
        text.push_str("\n\n");
    }
    if findings.len() > FINDINGS_SHOWN_MAX {
        text = text + "… and " + &count(findings.len() - FINDINGS_SHOWN_MAX, "more finding") + "\n\n";
    }
    text
}

/// `1 error`, `2 errors`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// Without control characters, so that a hostile key can't paint the terminal.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
