//! What a TOML file says, with the place of every key and value; and how several files become one.
//!
//! Knows nothing of which keys there are.

use toml::de::{DeTable, DeValue};

use super::reader::Reader;
use super::source::{Span, looks_secret};

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Flag(bool),
    Moment,
    List(Vec<Node>),
    Table(Table),
    /// From an environment variable: text that becomes what the key wants.
    Raw(String),
}

impl Value {
    /// The text, if it is text.
    pub(crate) fn text(&self) -> Option<&str> {
        if let Self::Text(text) | Self::Raw(text) = self { Some(text) } else { None }
    }

    /// The whole number, if it is one.
    pub(crate) fn integer(&self) -> Option<i64> {
        if let Self::Integer(n) = self { Some(*n) } else { self.raw()?.parse().ok() }
    }

    /// The number, if it is one.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Float(n) => Some(*n),
            #[allow(
                clippy::cast_precision_loss,
                reason = "nobody writes whole numbers that large where shares are asked"
            )]
            Self::Integer(n) => Some(*n as f64),
            Self::Text(_) | Self::Flag(_) | Self::Moment | Self::List(_) | Self::Table(_) | Self::Raw(_) => {
                self.raw()?.parse().ok()
            }
        }
    }

    /// Whether, if that is what it says.
    pub(crate) fn flag(&self) -> Option<bool> {
        if let Self::Flag(flag) = self { Some(*flag) } else { self.raw()?.parse().ok() }
    }

    /// What a variable holds.
    fn raw(&self) -> Option<&str> {
        if let Self::Raw(text) = self { Some(text.trim()) } else { None }
    }

    /// What it is, for a message.
    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Value::Text(_) | Value::Raw(_) => "text",
            Value::Integer(_) => "a number",
            Value::Float(_) => "a number with a fraction",
            Value::Flag(_) => "true or false",
            Value::Moment => "a date or time",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) span: Span,
}

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) node: Node,
}

#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) entries: Vec<Entry>,
    pub(crate) span: Span,
}

impl Table {
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|e| e.key == key)
    }

    fn get_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|e| e.key == key)
    }
}

/// Most syntax errors told per file; the later ones are mostly echoes of the first.
const SYNTAX_ERRORS_MAX: usize = 5;

/// What the parser says of a key or section that is there twice.
pub(super) const DUPLICATE: &str = "duplicate key";

/// Whether an octet stands in the line of a `[section]`.
fn is_header(text: &str, at: usize) -> bool {
    let begun = text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1);
    text.get(begun..).is_some_and(|line| line.trim_start().starts_with('['))
}

/// Parses a file that [`Reader`] already knows as `source`. Syntax errors become findings; what could be read is read.
pub(crate) fn parse(reader: &mut Reader, source: usize, text: &str) -> Table {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut last_line = 0;
    let mut told = 0;
    let mut in_section_again = false;
    for error in errors {
        let range = error.span().unwrap_or(0..0);
        let span = Span { source, start: range.start, end: range.end };
        let (line, _) = reader.sources.line_and_column(span);
        // Where a whole section is there twice, every key of it is.
        let is_echo = in_section_again && error.message() == DUPLICATE && !is_header(text, range.start);
        if told < SYNTAX_ERRORS_MAX && line != last_line && !is_echo {
            in_section_again = error.message() == DUPLICATE && is_header(text, range.start);
            reader.syntax(span, error.message());
            told += 1;
        }
        last_line = line;
    }
    let range = table.span();
    let mut secrets = Vec::new();
    let table = convert_table(&mut secrets, table.get_ref(), Span { source, start: range.start, end: range.end });
    for secret in secrets {
        reader.sources.mask(secret);
    }
    table
}

/// Parses the value of an environment variable, for keys that are neither text nor a number. The places in it mean nothing
/// until [`settle`] sets them.
pub(crate) fn parse_value(text: &str) -> Option<Value> {
    let parsed = DeValue::parse(text).ok()?;
    Some(convert(&mut Vec::new(), parsed.get_ref(), Span { source: 0, start: 0, end: 0 }))
}

/// Every part of an environment variable's value points at the whole of it.
pub(crate) fn settle(value: &mut Value, at: Span) {
    match value {
        Value::List(items) => {
            for item in items {
                item.span = at;
                settle(&mut item.value, at);
            }
        }
        Value::Table(table) => {
            table.span = at;
            for entry in &mut table.entries {
                entry.key_span = at;
                entry.node.span = at;
                settle(&mut entry.node.value, at);
            }
        }
        Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Flag(_) | Value::Moment | Value::Raw(_) => {}
    }
}

fn convert_table(secrets: &mut Vec<Span>, table: &DeTable<'_>, span: Span) -> Table {
    let source = span.source;
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| {
            let (k, v) = (key.span(), value.span());
            let span = Span { source, start: v.start, end: v.end };
            let node = Node { value: convert(secrets, value.get_ref(), span), span };
            if looks_secret(key.get_ref()) && matches!(node.value, Value::Text(_) | Value::List(_)) {
                secrets.push(span);
            }
            let key_span = Span { source, start: k.start, end: k.end };
            Entry { key: key.get_ref().to_string(), key_span, node }
        })
        .collect();
    entries.sort_by_key(|e| e.key_span.start);
    Table { entries, span }
}

fn convert(secrets: &mut Vec<Span>, value: &DeValue<'_>, span: Span) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(n) => {
            let digits = n.as_str().replace('_', "");
            let huge = if digits.starts_with('-') { i64::MIN } else { i64::MAX };
            Value::Integer(i64::from_str_radix(&digits, n.radix()).unwrap_or(huge))
        }
        DeValue::Float(n) => Value::Float(n.as_str().replace('_', "").parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Datetime(_) => Value::Moment,
        DeValue::Array(items) => Value::List(
            items
                .iter()
                .map(|item| {
                    let range = item.span();
                    let span = Span { source: span.source, start: range.start, end: range.end };
                    Node { value: convert(secrets, item.get_ref(), span), span }
                })
                .collect(),
        ),
        DeValue::Table(table) => Value::Table(convert_table(secrets, table, span)),
    }
}

/// Takes what a later file says into what the earlier ones said. Tables merge; a key set twice is a finding.
pub(crate) fn merge(reader: &mut Reader, base: &mut Table, more: Table, path: &str) {
    for entry in more.entries {
        let key = if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
        let Some(old) = base.get_mut(&entry.key) else {
            base.entries.push(entry);
            continue;
        };
        match (&mut old.node.value, entry.node.value) {
            (Value::Table(old), Value::Table(new)) => merge(reader, old, new, &key),
            _ => reader.twice(&key, entry.key_span, old.key_span),
        }
    }
}
