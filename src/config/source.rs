//! The texts that settings come from (files, environment variables), and what of them may be shown.
//!
//! A finding shows the line it is about; what looks like a secret on that line is replaced by asterisks here and
//! nowhere else. Reads no file.

use std::ops::Range;

use super::finding::Place;

/// A stretch of one source, in octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) source: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

#[derive(Debug)]
struct Source {
    name: String,
    text: String,
    masks: Vec<Range<usize>>,
    /// Of an environment variable: where its value begins.
    value_at: Option<usize>,
}

/// Every text that was read, in order, and whether all of it may be shown.
#[derive(Debug, Default)]
pub(crate) struct Sources(Vec<Source>, bool);

/// Words that make a key look like a secret's.
const SECRET_WORDS: [&str; 4] = ["pass", "secret", "token", "pwd"];
/// Further keys that may hold secrets, where a line is all there is to go by: a provider's `api_key` is none at another.
const SECRET_KEYS: [&str; 2] = ["api_key", "master_key"];
/// A line is shown up to here, unless what it is about stands later.
const LINE_SHOWN_MAX: usize = 500;

/// Whether a key of this name probably holds a secret.
pub(crate) fn looks_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

impl Sources {
    /// Takes in a text; `name` is shown to people.
    pub(crate) fn add(&mut self, name: String, text: String) -> usize {
        let mut masks = Vec::new();
        mask_lines(&text, &mut masks);
        mask_urls(&text, &mut masks);
        self.0.push(Source { name, text, masks, value_at: None });
        self.0.len() - 1
    }

    /// Takes in an environment variable. Its value is shown only where the value itself is what is wrong.
    pub(crate) fn add_variable(&mut self, name: &str, value: &str) -> usize {
        let source = self.add("environment".to_owned(), format!("{name}={value}"));
        if let Some(last) = self.0.last_mut() {
            last.value_at = Some(name.len() + 1);
        }
        source
    }

    /// Shows every text as it is from now on: for files that hold no secrets.
    pub(crate) fn show_everything(&mut self) {
        self.1 = true;
    }

    /// The name of a source, as people are shown it.
    pub(crate) fn name(&self, span: Span) -> &str {
        self.0.get(span.source).map_or("", |source| source.name.as_str())
    }

    /// The environment variable that a value comes from, where it comes from one.
    pub(crate) fn variable(&self, span: Span) -> Option<&str> {
        let source = self.0.get(span.source)?;
        source.text.get(..source.value_at?.checked_sub(1)?)
    }

    /// What stands there.
    pub(crate) fn text(&self, span: Span) -> &str {
        self.0.get(span.source).and_then(|source| source.text.get(span.start..span.end)).unwrap_or_default()
    }

    /// Shows asterisks instead of this stretch from now on.
    pub(crate) fn mask(&mut self, span: Span) {
        if let Some(source) = self.0.get_mut(span.source) {
            source.masks.push(span.start..span.end);
        }
    }

    /// Line (from 1) and column (from 1, in characters) of the beginning of a stretch.
    pub(crate) fn line_and_column(&self, span: Span) -> (usize, usize) {
        let Some(source) = self.0.get(span.source) else { return (1, 1) };
        let start = floor(&source.text, span.start);
        let before = source.text.get(..start).unwrap_or("");
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        (line, before.get(line_start..).unwrap_or("").chars().count() + 1)
    }

    /// Where a stretch is, with its line as it may be shown.
    pub(crate) fn place(&self, span: Span) -> Option<Place> {
        let source = self.0.get(span.source)?;
        let (line, column) = self.line_and_column(span);
        let start = floor(&source.text, span.start);
        let line_start = source.text.get(..start)?.rfind('\n').map_or(0, |at| at + 1);
        let line_end = source.text.get(start..)?.find('\n').map_or(source.text.len(), |at| start + at);
        let end = floor(&source.text, span.end).clamp(start, line_end);
        let shown_end = line_end.min(ceil(&source.text, end.max(line_start + LINE_SHOWN_MAX)));
        let mut shown = source.text.get(line_start..shown_end)?.as_bytes().to_vec();
        let value = source.value_at.filter(|at| span.start < *at).map(|at| at..source.text.len());
        for mask in source.masks.iter().chain(&value).filter(|_| !self.1) {
            let from = ceil(&source.text, mask.start).max(line_start);
            let to = floor(&source.text, mask.end).min(shown_end);
            for at in from..to {
                if let Some(octet) = shown.get_mut(at - line_start)
                    && !matches!(*octet, b'"' | b'\'')
                {
                    *octet = b'*';
                }
            }
        }
        let text = String::from_utf8_lossy(&shown).into_owned();
        let text = text.strip_suffix('\r').unwrap_or(&text).to_owned();
        let caret = (start - line_start).min(text.len())..(end - line_start).min(text.len());
        let last = Span { start: span.end.max(span.start), ..span };
        let (end_line, end_column) = self.line_and_column(last);
        Some(Place { file: source.name.clone(), line, column, end_line, end_column, text, caret })
    }
}

/// The character boundary at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The character boundary at or after `at`.
fn ceil(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

/// Masks what follows a secret's key on its line, also where the file is too broken to be parsed.
fn mask_lines(text: &str, masks: &mut Vec<Range<usize>>) {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let lower = line.to_ascii_lowercase();
        let word = SECRET_WORDS.iter().chain(&SECRET_KEYS).filter_map(|word| lower.find(word)).min();
        if let Some(equals) = word.and_then(|at| lower.get(at..)?.find('=').map(|e| at + e + 1)) {
            let rest = lower.get(equals..).unwrap_or("");
            let by_reference = is_reference(rest);
            if !by_reference {
                let spaces = rest.len() - rest.trim_start().len();
                masks.push(start + equals + spaces..start + line.trim_end().len());
            }
        }
        start += line.len();
    }
}

/// Whether this is `{ credential = "…" }` or one of its like, and nothing else.
fn is_reference(rest: &str) -> bool {
    let Some((inner, after)) = rest.trim().strip_prefix('{').and_then(|r| r.split_once('}')) else { return false };
    let mut parts = inner.split('=');
    let (key, value) = (parts.next().unwrap_or("").trim(), parts.next().unwrap_or("").trim());
    let after = after.trim_start_matches([' ', '}', ',']);
    matches!(key, "credential" | "file" | "env")
        && parts.next().is_none()
        && !value.contains(',')
        && (after.is_empty() || after.starts_with('#'))
}

/// A text with asterisks for the password of every `scheme://user:password@host` in it.
pub(crate) fn without_passwords(text: &str) -> String {
    let mut masks = Vec::new();
    mask_urls(text, &mut masks);
    let mut shown = text.to_owned();
    for mask in masks.into_iter().rev() {
        shown.replace_range(mask, "********");
    }
    shown
}

/// Masks the password of every `scheme://user:password@host`.
fn mask_urls(text: &str, masks: &mut Vec<Range<usize>>) {
    for (at, _) in text.match_indices("://") {
        let from = at + 3;
        let rest = text.get(from..).unwrap_or("");
        let end = rest.find(['"', '\'', '\n', ' ']).unwrap_or(rest.len());
        let rest = rest.get(..end).unwrap_or("");
        if let Some(host) = rest.rfind('@')
            && let Some(colon) = rest.get(..host).and_then(|user| user.find(':'))
        {
            masks.push(from + colon + 1..from + host);
        }
    }
}
