//! Reads settings out of a parsed tree, key by key, and collects everything that is wrong on the way.
//!
//! A key is known because something read it, so the list of known keys can't go out of date.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::finding::{Finding, Severity, one_line};
use super::source::{Sources, Span};
use super::suggest::nearest;
use super::tree::{self, Node, Table, Value};

/// What to do about secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// Read them; one that can't be read is an error. For the daemon.
    Load,
    /// Read what can be read here: credentials exist only within the service. For `config check`.
    Check,
    /// Leave them alone; they are empty. For commands that only look at the store.
    Skip,
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Found<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
    pub(crate) key: String,
}

impl<T> Found<T> {
    fn with<U>(&self, value: U) -> Found<U> {
        Found { value, span: self.span, key: self.key.clone() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Syntax,
    Missing,
    Unknown,
    Plain,
}

#[derive(Debug)]
struct Raised {
    code: Option<&'static str>,
    severity: Severity,
    sort: Sort,
    key: String,
    message: String,
    at: Option<Span>,
    related: Vec<(String, Span)>,
    hint: Option<String>,
}

/// Everything a reading needs, and what it found wrong.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) sources: Sources,
    /// The environment of the process.
    pub(crate) env: BTreeMap<String, String>,
    /// The folder of the main file: relative paths count from it.
    pub(crate) folder: PathBuf,
    pub(crate) secrets: Secrets,
    /// Every key that was asked for, in that order.
    pub(crate) known: Vec<String>,
    /// Those of them that hold secrets.
    pub(crate) secret_keys: Vec<String>,
    raised: Vec<Raised>,
    /// Codes of findings by their sort, where findings have codes.
    codes: Option<SortCodes>,
}

/// The codes of what a reading finds by itself: syntax, a missing key, an unknown key, a value that does not fit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SortCodes {
    pub(crate) syntax: &'static str,
    pub(crate) missing: &'static str,
    pub(crate) unknown: &'static str,
    pub(crate) value: &'static str,
}

impl Reader {
    pub(crate) fn new(folder: &Path, env: BTreeMap<String, String>, secrets: Secrets) -> Self {
        Self {
            sources: Sources::default(),
            env,
            folder: folder.to_owned(),
            secrets,
            known: Vec::new(),
            secret_keys: Vec::new(),
            raised: Vec::new(),
            codes: None,
        }
    }

    /// Gives findings codes from here on.
    pub(crate) fn with_codes(mut self, codes: SortCodes) -> Self {
        self.codes = Some(codes);
        self
    }

    /// Gives the finding raised last a code of its own.
    pub(crate) fn code(&mut self, code: &'static str) {
        if let Some(last) = self.raised.last_mut() {
            last.code = Some(code);
        }
    }

    fn raise(&mut self, sort: Sort, key: &str, at: Option<Span>, message: &str) {
        let code = self.codes.map(|codes| match sort {
            Sort::Syntax => codes.syntax,
            Sort::Missing => codes.missing,
            Sort::Unknown => codes.unknown,
            Sort::Plain => codes.value,
        });
        self.raised.push(Raised {
            code,
            severity: Severity::Error,
            sort,
            key: key.to_owned(),
            message: one_line(message),
            at,
            related: Vec::new(),
            hint: None,
        });
    }

    /// An error; `hint` says what to do.
    pub(crate) fn error<T>(&mut self, found: &Found<T>, message: impl AsRef<str>, hint: &str) {
        self.raise(Sort::Plain, &found.key, Some(found.span), message.as_ref());
        self.hint(hint);
    }

    /// A warning; `hint` says what to do.
    pub(crate) fn warn<T>(&mut self, found: &Found<T>, message: impl AsRef<str>, hint: &str) {
        self.error(found, message, hint);
        if let Some(last) = self.raised.last_mut() {
            last.severity = Severity::Warning;
        }
    }

    /// A warning about nothing that stands in a file.
    pub(crate) fn warn_bare(&mut self, message: &str, hint: &str) {
        self.raise(Sort::Missing, "", None, message);
        self.hint(hint);
        if let Some(last) = self.raised.last_mut() {
            last.severity = Severity::Warning;
        }
    }

    /// An error about a file that can't be read.
    pub(crate) fn bare(&mut self, message: &str, hint: &str) {
        self.raise(Sort::Plain, "", None, message);
        self.hint(hint);
    }

    fn hint(&mut self, hint: &str) {
        if let Some(last) = self.raised.last_mut() {
            last.hint = Some(one_line(hint)).filter(|h| !h.is_empty());
        }
    }

    /// Names a second place in the finding raised last.
    pub(crate) fn relate(&mut self, label: &str, span: Span) {
        if let Some(last) = self.raised.last_mut() {
            last.related.push((label.to_owned(), span));
        }
    }

    /// A syntax error, in the words of the parser.
    pub(crate) fn syntax(&mut self, span: Span, message: &str) {
        self.raise(Sort::Syntax, "", Some(span), &format!("not valid TOML: {}", message.trim()));
        self.hint(if message.trim() == tree::DUPLICATE {
            "a section or key stands once in a file: give the other one a name of its own, or take it out"
        } else {
            "text stands in \"quotes\"; one setting per line, as in key = \"value\"; see https://toml.io"
        });
    }

    /// A key that two files set.
    pub(crate) fn twice(&mut self, key: &str, again: Span, first: Span) {
        self.raise(Sort::Plain, key, Some(again), &format!("`{key}` is set twice"));
        self.relate("set here first", first);
        self.hint("keep one of the two; files of conf.d add to each other and never replace");
    }

    /// How many errors there are so far.
    pub(crate) fn has_errors(&self) -> bool {
        self.raised.iter().any(|r| r.severity == Severity::Error)
    }

    /// All findings in the order of the files. Echoes of syntax errors are left out: what seems to be missing then, and
    /// whatever is said of the same line.
    pub(crate) fn findings(self) -> Vec<Finding> {
        let sources = self.sources;
        let line = |r: &Raised| r.at.map(|span| (span.source, sources.line_and_column(span).0));
        let broken: Vec<_> = self.raised.iter().filter(|r| r.sort == Sort::Syntax).filter_map(line).collect();
        let is_header = |r: &&Raised| {
            r.sort == Sort::Syntax
                && r.at.and_then(|at| sources.place(at)).is_some_and(|p| p.text.trim_start().starts_with('['))
        };
        let headers: Vec<_> = self.raised.iter().filter(is_header).filter_map(line).collect();
        // Below a broken [header] keys seem to belong to the section above it.
        let astray = |r: &Raised| {
            line(r).is_some_and(|(s, at)| headers.iter().any(|(other, broken)| s == *other && at > *broken))
        };
        let mut raised = self.raised.iter().collect::<Vec<_>>();
        raised.retain(|r| match r.sort {
            Sort::Syntax => true,
            Sort::Missing => broken.is_empty(),
            Sort::Unknown if astray(r) => false,
            Sort::Unknown | Sort::Plain => line(r).is_none_or(|at| !broken.contains(&at)),
        });
        raised.sort_by_key(|r| (r.at.is_none(), r.at));
        raised
            .into_iter()
            .map(|r| Finding {
                code: r.code,
                severity: r.severity,
                key: r.key.clone(),
                message: r.message.clone(),
                place: r.at.and_then(|span| sources.place(span)),
                related: r
                    .related
                    .iter()
                    .filter_map(|(label, span)| Some((label.clone(), sources.place(*span)?)))
                    .collect(),
                hint: r.hint.clone(),
            })
            .collect()
    }

    /// A path as written, counted from the folder of the main file.
    pub(crate) fn path(&self, written: &str) -> PathBuf {
        self.folder.join(written)
    }
}

/// One table while it is read.
#[derive(Debug)]
pub(crate) struct Section<'t> {
    pub(crate) table: &'t Table,
    path: String,
    known: Vec<&'static str>,
    /// Keys that were refused: told already, and nothing to offer to anybody.
    refused: Vec<&'static str>,
}

impl<'t> Section<'t> {
    pub(crate) fn new(table: &'t Table, path: &str) -> Self {
        Self { table, path: path.to_owned(), known: Vec::new(), refused: Vec::new() }
    }

    /// The dotted path of a key in here.
    pub(crate) fn full(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// This table as something to point at.
    pub(crate) fn here(&self) -> Found<()> {
        Found { value: (), span: self.table.span, key: self.path.clone() }
    }

    /// Whether the key is set, to whatever.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.get(key).is_some()
    }

    /// A key that is set, as something to point at.
    pub(crate) fn place(&self, key: &str) -> Option<Found<()>> {
        let entry = self.table.get(key)?;
        Some(Found { value: (), span: entry.node.span, key: self.full(key) })
    }

    /// Counts keys as known without reading them.
    pub(crate) fn know(&mut self, keys: &[&'static str]) {
        let new = keys.iter().filter(|key| !self.known.contains(key)).copied().collect::<Vec<_>>();
        self.known.extend(new);
    }

    /// Counts a key as told: it is refused, and is none that may stand here.
    pub(crate) fn refuse(&mut self, key: &'static str) {
        self.refused.push(key);
    }

    /// The value of a key, whatever it is.
    pub(crate) fn node(&mut self, key: &'static str) -> Option<Found<&'t Node>> {
        self.known.push(key);
        let entry = self.table.get(key)?;
        Some(Found { value: &entry.node, span: entry.node.span, key: self.full(key) })
    }

    /// Text, trimmed; empty text is an error.
    pub(crate) fn text(&mut self, r: &mut Reader, key: &'static str) -> Option<Found<String>> {
        let node = self.node(key)?;
        text_of(r, &node)
    }

    /// A list of texts; one text alone is a list of one. In a variable, commas separate them.
    pub(crate) fn texts(&mut self, r: &mut Reader, key: &'static str) -> Vec<Found<String>> {
        let Some(node) = self.node(key) else { return Vec::new() };
        let value = &node.value.value;
        if let Value::List(items) = value {
            return items.iter().filter_map(|item| text_of(r, &item_of(&node, item))).collect();
        }
        if let Value::Raw(text) = value {
            let parts = text.split(',').map(|part| part.trim().trim_matches(['[', ']', '"', '\'', ' ']));
            let parts = parts.filter(|part| !part.is_empty());
            return parts.map(|part| node.with(part.to_owned())).collect();
        }
        if value.text().is_some() {
            return text_of(r, &node).into_iter().collect();
        }
        let message = format!("`{}` takes a list of texts, not {}", node.key, value.describe());
        r.error(&node, message, &format!("write {key} = [\"…\", \"…\"]"));
        Vec::new()
    }

    /// A whole number within bounds.
    pub(crate) fn integer(
        &mut self,
        r: &mut Reader,
        key: &'static str,
        bounds: RangeInclusive<i64>,
    ) -> Option<Found<i64>> {
        let node = self.node(key)?;
        let number = node.value.value.integer();
        let (low, high) = (bounds.start(), bounds.end());
        match number {
            Some(n) if bounds.contains(&n) => Some(node.with(n)),
            Some(n) => {
                r.error(
                    &node,
                    format!("`{}` is {n}, which is out of bounds", node.key),
                    &format!("from {low} to {high}"),
                );
                None
            }
            None => {
                let message = format!("`{}` takes a whole number, not {}", node.key, node.value.value.describe());
                r.error(&node, message, &format!("a number from {low} to {high}, without quotes"));
                None
            }
        }
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, r: &mut Reader, key: &'static str) -> Option<Found<bool>> {
        let node = self.node(key)?;
        let flag = node.value.value.flag();
        if flag.is_none() {
            let message = format!("`{}` takes true or false, not {}", node.key, node.value.value.describe());
            r.error(&node, message, "without quotes");
        }
        flag.map(|flag| node.with(flag))
    }

    /// One word of a closed list.
    pub(crate) fn choice<T: Copy>(
        &mut self,
        r: &mut Reader,
        key: &'static str,
        allowed: &[(&'static str, T)],
    ) -> Option<Found<T>> {
        let text = self.text(r, key)?;
        choose(r, &text, allowed)
    }

    /// A table.
    pub(crate) fn section(&mut self, r: &mut Reader, key: &'static str) -> Option<Section<'t>> {
        let node = self.node(key)?;
        as_section(r, &node)
    }

    /// Every entry as a table of its own: for `[accounts.NAME]`. Names are checked.
    pub(crate) fn named(&mut self, r: &mut Reader, key: &'static str) -> Vec<(Found<String>, Section<'t>)> {
        let Some(all) = self.section(r, key) else { return Vec::new() };
        let mut sections = Vec::new();
        for entry in &all.table.entries {
            let name = Found { value: entry.key.clone(), span: entry.key_span, key: all.full(&entry.key) };
            check_name(r, &name);
            let node = Found { value: &entry.node, span: entry.node.span, key: name.key.clone() };
            if let Some(section) = as_section(r, &node) {
                sections.push((name, section));
            }
        }
        sections
    }

    /// An error if the key is not set. A misspelt one is told as that, not as missing.
    pub(crate) fn require(&self, r: &mut Reader, key: &'static str, hint: &str) {
        self.require_any(r, &[key], hint);
    }

    /// The same where one of several keys is enough.
    pub(crate) fn require_any(&self, r: &mut Reader, keys: &[&'static str], hint: &str) {
        let misspelt = |e: &tree::Entry| !self.known.contains(&e.key.as_str()) && nearest(&e.key, keys).is_some();
        let Some(first) = keys.first().filter(|_| !keys.iter().any(|key| self.has(key))) else { return };
        if !self.table.entries.iter().any(misspelt) {
            let of = if self.path.is_empty() { String::new() } else { format!(" in `{}`", self.path) };
            let message = format!("`{}` is missing{of}", keys.join("` or `"));
            r.raise(Sort::Missing, &self.full(first), Some(self.table.span), &message);
            r.hint(hint);
        }
    }

    /// Finds keys that nothing read.
    pub(crate) fn finish(self, r: &mut Reader) {
        r.known.extend(self.known.iter().map(|key| self.full(key)));
        for entry in &self.table.entries {
            if self.known.contains(&entry.key.as_str()) || self.refused.contains(&entry.key.as_str()) {
                continue;
            }
            // What stands behind a misspelt `password` is a secret all the same.
            mask_all(r, &entry.node);
            let shown: String = entry.key.chars().take(60).collect();
            let within = if self.path.is_empty() { "here".to_owned() } else { format!("in `{}`", self.path) };
            r.raise(
                Sort::Unknown,
                &self.full(&entry.key),
                Some(entry.key_span),
                &format!("unknown key `{shown}` {within}"),
            );
            let near = nearest(&entry.key, &self.known);
            r.hint(&near.map_or_else(
                || format!("known keys: {}", self.known.join(", ")),
                |word| format!("did you mean `{word}`?"),
            ));
        }
    }
}

fn mask_all(r: &mut Reader, node: &Node) {
    match &node.value {
        Value::Text(_) | Value::Raw(_) => r.sources.mask(node.span),
        Value::List(items) => items.iter().for_each(|item| mask_all(r, item)),
        Value::Table(table) => table.entries.iter().for_each(|entry| mask_all(r, &entry.node)),
        Value::Integer(_) | Value::Float(_) | Value::Flag(_) | Value::Moment => {}
    }
}

/// The text a node holds.
pub(crate) fn text_of(r: &mut Reader, node: &Found<&Node>) -> Option<Found<String>> {
    match node.value.value.text().map(str::trim) {
        Some("") => {
            r.error(node, format!("`{}` is empty", node.key), "set it, or take the line out");
            None
        }
        Some(text) => Some(node.with(text.to_owned())),
        None => {
            let message = format!("`{}` takes text, not {}", node.key, node.value.value.describe());
            r.error(node, message, "put it in \"quotes\"");
            None
        }
    }
}

/// The value a word of a closed list stands for.
pub(crate) fn choose<T: Copy>(r: &mut Reader, text: &Found<String>, allowed: &[(&'static str, T)]) -> Option<Found<T>> {
    if let Some((_, value)) = allowed.iter().find(|(word, _)| *word == text.value) {
        return Some(text.with(*value));
    }
    let words: Vec<&str> = allowed.iter().map(|(word, _)| *word).collect();
    let list = words.join("\", \"");
    let hint = nearest(&text.value, &words)
        .map_or_else(|| format!("one of \"{list}\""), |word| format!("did you mean \"{word}\"? There is \"{list}\""));
    let shown: String = text.value.chars().take(60).collect();
    r.error(text, format!("`{}` can't be \"{shown}\"", text.key), &hint);
    None
}

fn item_of<'t>(list: &Found<&Node>, item: &'t Node) -> Found<&'t Node> {
    Found { value: item, span: item.span, key: list.key.clone() }
}

fn as_section<'t>(r: &mut Reader, node: &Found<&'t Node>) -> Option<Section<'t>> {
    if let Value::Table(table) = &node.value.value {
        return Some(Section::new(table, &node.key));
    }
    let message = format!("`{}` is a section, not {}", node.key, node.value.value.describe());
    r.error(node, message, &format!("write [{}] on a line of its own and its keys below", node.key));
    None
}

/// Longest name of an account or teammate.
const NAME_CHARACTERS_MAX: usize = 40;

fn check_name(r: &mut Reader, name: &Found<String>) {
    let fits = name.value.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.value.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'))
        && name.value.len() <= NAME_CHARACTERS_MAX;
    if !fits {
        let shown: String = name.value.chars().take(60).collect();
        let hint =
            format!("lower-case letters, digits, - and _, at most {NAME_CHARACTERS_MAX}, a letter or digit first");
        r.error(name, format!("`{shown}` can't be a name"), &hint);
    }
}

/// A table given in an environment variable, parsed.
pub(crate) fn parsed(node: &Found<&Node>) -> Option<Value> {
    let Value::Raw(text) = &node.value.value else { return Some(node.value.value.clone()) };
    let mut value = tree::parse_value(text)?;
    tree::settle(&mut value, node.span);
    Some(value)
}
