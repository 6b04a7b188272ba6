//! What a text of the template language speaks of: every name with its place, every call of `link`, and what the language
//! does not have. Answers from the text alone and runs nothing.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "the syntax tree is the engine's; of most of its nodes nothing is asked"
)]
#![cfg_attr(test, allow(clippy::string_slice, reason = "tests show what stands at a place"))]

use std::ops::Range;

use minijinja::machinery::ast::{BinOpKind, Call, CallArg, Expr, Spanned, Stmt, UnaryOpKind};
use minijinja::machinery::{Span, parse, parse_expr};
use serde_json::Value;

use super::{EXPRESSION_MAX, ExpressionError, engine};

/// A name as a text uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// Its parts: `["steps", "intro", "clicked"]`.
    pub path: Vec<String>,
    /// Where it stands, in octets.
    pub at: Range<usize>,
    /// It may be missing here: it has a `default`, or the text asks whether it is defined.
    pub guarded: bool,
}

impl Name {
    /// The parts with dots between them.
    pub fn dotted(&self) -> String {
        self.path.join(".")
    }

    /// Whether `known` has something under this name.
    pub fn is_in(&self, known: &Value) -> bool {
        let mut here = known;
        for part in &self.path {
            match here.get(part) {
                Some(inside) => here = inside,
                // Parts of a text or a number are for the engine to judge.
                None => return !(here.is_object() || here.is_null()),
            }
        }
        true
    }
}

/// A call of `link`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The URL, where it is written out.
    pub url: Option<String>,
    /// Where its first argument stands, in octets; else the call itself.
    pub at: Range<usize>,
}

/// What the language does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrangeWord {
    /// What is wrong, in one sentence.
    pub message: String,
    /// The word, where it is one that could be misspelt.
    pub word: Option<String>,
    /// Where it stands, in octets.
    pub at: Range<usize>,
}

/// A value that a text puts in: `{{ name }}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// The name, where it is put in as it is.
    pub path: Option<Vec<String>>,
    /// Whether its default is empty: `{{ name | default("") }}`.
    pub hollow: bool,
    /// Where it stands between its braces, in octets.
    pub at: Range<usize>,
}

/// What a text speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// Names that come from outside the text, in its order.
    pub names: Vec<Name>,
    /// Calls of `link`.
    pub links: Vec<Link>,
    /// Values it puts in, in its order.
    pub puts: Vec<Put>,
    /// What the language does not have.
    pub strange: Vec<StrangeWord>,
}

/// Filters that would write markup or undo escaping, which is done for each value where it stands.
const ESCAPES: [&str; 3] = ["e", "escape", "safe"];

/// Reads a condition.
pub fn read_expression(text: &str) -> Result<Reading, ExpressionError> {
    if text.trim().is_empty() {
        return Err(ExpressionError::new("the condition is empty", None));
    }
    if text.len() > EXPRESSION_MAX {
        return Err(ExpressionError::new(format!("longer than {EXPRESSION_MAX} octets"), None));
    }
    let parsed = parse_expr(text).map_err(|error| ExpressionError::of(&error))?;
    let mut reader = Reader::new(text, &["link"]);
    reader.expression(&parsed);
    // A condition has nowhere to put a link.
    if let Some(link) = reader.found.links.first() {
        let strange = StrangeWord { message: "`link` is for templates".to_owned(), word: None, at: link.at.clone() };
        reader.found.strange.push(strange);
    }
    Ok(reader.found)
}

/// Reads a template.
pub fn read_template(text: &str) -> Result<Reading, ExpressionError> {
    let parsed = parse(text, "template", minijinja::syntax::SyntaxConfig::default())
        .map_err(|error| ExpressionError::of(&error))?;
    let mut reader = Reader::new(text, &["link", "range", "dict"]);
    reader.statement(&parsed);
    Ok(reader.found)
}

/// The tests and filters of the language, asked of the engine by trying them.
fn has_word(kind: &str, name: &str) -> bool {
    let text = if kind == "filter" { "name is filter" } else { "name is test" };
    let engine = engine(1_000);
    let answer = engine.compile_expression(text).and_then(|e| e.eval(minijinja::context! { name }));
    answer.is_ok_and(|answer| answer.is_true())
}

struct Reader<'t> {
    text: &'t str,
    functions: &'t [&'t str],
    found: Reading,
    /// Names the text itself gives a value, innermost last.
    scopes: Vec<Vec<String>>,
    /// Names that were asked for with `is defined`, dotted.
    defined: Vec<String>,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str, functions: &'t [&'t str]) -> Self {
        Self { text, functions, found: Reading::default(), scopes: vec![Vec::new()], defined: Vec::new() }
    }

    fn strange(&mut self, message: String, word: Option<&str>, span: Span) {
        let mut at = range(span);
        // The span of a call begins with what it is called on.
        if let Some(word) = word
            && let Some(inside) = self.text.get(at.clone()).and_then(|text| text.rfind(word))
        {
            at = at.start + inside..at.start + inside + word.len();
        }
        self.found.strange.push(StrangeWord { message, word: word.map(str::to_owned), at });
    }

    fn statements(&mut self, all: &[Stmt<'_>]) {
        self.scopes.push(Vec::new());
        for statement in all {
            self.statement(statement);
        }
        self.scopes.pop();
    }

    fn statement(&mut self, statement: &Stmt<'_>) {
        match statement {
            Stmt::Template(template) => self.statements(&template.children),
            Stmt::EmitExpr(emitted) => {
                let put =
                    Put { path: path_of(&emitted.expr), hollow: is_hollow(&emitted.expr), at: whole(&emitted.expr) };
                self.found.puts.push(put);
                self.expression(&emitted.expr);
            }
            Stmt::EmitRaw(_) => {}
            Stmt::ForLoop(each) => {
                self.expression(&each.iter);
                self.scopes.push(vec!["loop".to_owned()]);
                self.assign(&each.target);
                each.filter_expr.iter().for_each(|filter| self.expression(filter));
                self.statements(&each.body);
                self.scopes.pop();
                self.statements(&each.else_body);
            }
            Stmt::IfCond(when) => {
                self.expression(&when.expr);
                self.guarded_by((&when.expr, true), |reader| reader.statements(&when.true_body));
                self.guarded_by((&when.expr, false), |reader| reader.statements(&when.false_body));
            }
            // Words given here would be put in as if somebody had said them, and names could hide what is known.
            Stmt::WithBlock(block) => self.not_there("with", block.span()),
            Stmt::Set(set) => {
                self.not_there("set", set.span());
                self.assign(&set.target);
            }
            Stmt::SetBlock(set) => {
                self.not_there("set", set.span());
                self.assign(&set.target);
            }
            Stmt::FilterBlock(block) => self.not_there("filter", block.span()),
            Stmt::AutoEscape(block) => {
                self.strange("`autoescape` is not there: escaping is always on".to_owned(), None, block.span());
            }
            Stmt::Do(call) => self.not_there("do", call.span()),
        }
    }

    fn not_there(&mut self, what: &str, span: Span) {
        self.strange(format!("`{{% {what} %}}` is not there: a text has only `if`, `for` and values"), None, span);
    }

    /// What stands where `condition` holds, or does not: names it says are defined may be used there.
    fn guarded_by(&mut self, (condition, holds): (&Expr<'_>, bool), within: impl FnOnce(&mut Self)) {
        let before = self.defined.len();
        note_defined(condition, holds, &mut self.defined);
        within(self);
        self.defined.truncate(before);
    }

    fn assign(&mut self, target: &Expr<'_>) {
        match target {
            Expr::Var(var) => {
                if let Some(scope) = self.scopes.last_mut() {
                    scope.push(var.id.to_owned());
                }
            }
            Expr::List(list) => list.items.iter().for_each(|item| self.assign(item)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.assign(item)),
            other => self.expression(other),
        }
    }

    fn name(&mut self, path: Vec<String>, at: Range<usize>, is_guarded: bool) {
        let first = path.first().map(String::as_str).unwrap_or_default();
        if self.scopes.iter().flatten().any(|local| local == first) {
            return;
        }
        let dotted = path.join(".");
        let guarded = is_guarded || self.defined.contains(&dotted);
        self.found.names.push(Name { path, at, guarded });
    }

    fn expression(&mut self, expr: &Expr<'_>) {
        if let Some(path) = path_of(expr) {
            self.name(path, whole(expr), false);
            return;
        }
        match expr {
            Expr::Var(_) | Expr::Const(_) => {}
            Expr::Slice(slice) => {
                self.expression(&slice.expr);
                [&slice.start, &slice.stop, &slice.step].into_iter().flatten().for_each(|e| self.expression(e));
            }
            Expr::UnaryOp(op) => self.expression(&op.expr),
            Expr::BinOp(op) => {
                self.expression(&op.left);
                match op.op {
                    BinOpKind::ScAnd => self.guarded_by((&op.left, true), |reader| reader.expression(&op.right)),
                    BinOpKind::ScOr => self.guarded_by((&op.left, false), |reader| reader.expression(&op.right)),
                    _ => self.expression(&op.right),
                }
            }
            Expr::Compare(compare) => {
                self.expression(&compare.expr);
                compare.ops.iter().for_each(|op| self.expression(&op.expr));
            }
            Expr::IfExpr(when) => {
                self.expression(&when.test_expr);
                self.guarded_by((&when.test_expr, true), |reader| reader.expression(&when.true_expr));
                if let Some(otherwise) = &when.false_expr {
                    self.guarded_by((&when.test_expr, false), |reader| reader.expression(otherwise));
                }
            }
            Expr::Filter(filter) => {
                if ESCAPES.contains(&filter.name) {
                    let message =
                        format!("there is no filter `{}`: each value is escaped where it stands", filter.name);
                    self.strange(message, Some(filter.name), filter.span());
                } else if !has_word("filter", filter.name) {
                    self.strange(format!("there is no filter `{}`", filter.name), Some(filter.name), filter.span());
                }
                let fills = matches!(filter.name, "default" | "d");
                filter.expr.iter().for_each(|e| self.perhaps(e, fills));
                self.arguments(&filter.args);
            }
            Expr::Test(test) => {
                if !has_word("test", test.name) {
                    self.strange(format!("there is no test `{}`", test.name), Some(test.name), test.span());
                }
                self.perhaps(&test.expr, matches!(test.name, "defined" | "undefined"));
                self.arguments(&test.args);
            }
            Expr::GetAttr(attr) => self.expression(&attr.expr),
            Expr::GetItem(item) => {
                self.expression(&item.expr);
                self.expression(&item.subscript_expr);
            }
            Expr::Call(call) => self.call(call),
            Expr::List(list) => list.items.iter().for_each(|item| self.expression(item)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.expression(item)),
            Expr::Map(map) => map.keys.iter().chain(&map.values).for_each(|item| self.expression(item)),
        }
    }

    /// Something that may be missing where `may_miss`.
    fn perhaps(&mut self, expr: &Expr<'_>, may_miss: bool) {
        match path_of(expr) {
            Some(path) if may_miss => self.name(path, whole(expr), true),
            _ => self.expression(expr),
        }
    }

    fn call(&mut self, call: &Spanned<Call<'_>>) {
        match &call.expr {
            Expr::Var(var) if self.functions.contains(&var.id) => {
                if var.id == "link" {
                    let first = call.args.iter().find_map(|arg| match arg {
                        CallArg::Pos(expr) => Some(expr),
                        CallArg::Kwarg(..) | CallArg::PosSplat(_) | CallArg::KwargSplat(_) => None,
                    });
                    let url = match first {
                        Some(Expr::Const(value)) => Some(value.value.to_string()),
                        _ => None,
                    };
                    let at = range(first.map_or(call.span(), Expr::span));
                    self.found.links.push(Link { url, at });
                }
            }
            Expr::Var(var) => {
                self.strange(format!("there is no function `{}`", var.id), Some(var.id), call.expr.span());
            }
            other => self.strange("only functions can be called".to_owned(), None, other.span()),
        }
        self.arguments(&call.args);
    }

    fn arguments(&mut self, args: &[CallArg<'_>]) {
        for arg in args {
            let (CallArg::Pos(expr) | CallArg::Kwarg(_, expr) | CallArg::PosSplat(expr) | CallArg::KwargSplat(expr)) =
                arg;
            self.expression(expr);
        }
    }
}

/// Names that are defined where `condition` holds, or where it does not.
fn note_defined(condition: &Expr<'_>, holds: bool, defined: &mut Vec<String>) {
    match condition {
        Expr::BinOp(op) if matches!((&op.op, holds), (BinOpKind::ScAnd, true) | (BinOpKind::ScOr, false)) => {
            note_defined(&op.left, holds, defined);
            note_defined(&op.right, holds, defined);
        }
        Expr::UnaryOp(op) if matches!(op.op, UnaryOpKind::Not) => note_defined(&op.expr, !holds, defined),
        Expr::Test(test) if test.name == if holds { "defined" } else { "undefined" } => {
            defined.extend(path_of(&test.expr).map(|path| path.join(".")));
        }
        _ => {}
    }
}

/// Whether a value is nothing where it is not known: its default is empty, or has no words at all.
fn is_hollow(expr: &Expr<'_>) -> bool {
    let Expr::Filter(filter) = expr else { return false };
    if !matches!(filter.name, "default" | "d") {
        // What a filter makes of nothing is nothing.
        return filter.expr.as_ref().is_some_and(is_hollow);
    }
    match filter.args.first() {
        None => true,
        Some(CallArg::Pos(Expr::Const(value))) => value.value.as_str().is_some_and(|text| text.trim().is_empty()),
        Some(_) => false,
    }
}

/// The parts of `a.b["c"]`.
fn path_of(expr: &Expr<'_>) -> Option<Vec<String>> {
    match expr {
        Expr::Var(var) => Some(vec![var.id.to_owned()]),
        Expr::GetAttr(attr) => {
            let mut path = path_of(&attr.expr)?;
            path.push(attr.name.to_owned());
            Some(path)
        }
        Expr::GetItem(item) => {
            let mut path = path_of(&item.expr)?;
            let Expr::Const(subscript) = &item.subscript_expr else { return None };
            path.push(subscript.value.as_str()?.to_owned());
            Some(path)
        }
        _ => None,
    }
}

/// Where a dotted name stands, from its first part on: the span of a part begins at its dot.
fn whole(expr: &Expr<'_>) -> Range<usize> {
    let mut root = expr;
    loop {
        root = match root {
            Expr::GetAttr(attr) => &attr.expr,
            Expr::GetItem(item) => &item.expr,
            Expr::Filter(filter) if filter.expr.is_some() => filter.expr.as_ref().unwrap_or(root),
            _ => return range(root.span()).start..range(expr.span()).end,
        };
    }
}

fn range(span: Span) -> Range<usize> {
    let offset = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    offset(span.start_offset)..offset(span.end_offset).max(offset(span.start_offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_with_their_places() {
        let text = "Hi {{ fist_name }},\n{% for t in influencer.tags %}{{ t }} {{ loop.index }}{% endfor %}\
                    {{ influencer.properties.niche | default('x') }}{{ owner.email }}";
        let found = read_template(text).unwrap();
        let names: Vec<(String, &str, bool)> =
            found.names.iter().map(|n| (n.dotted(), &text[n.at.clone()], n.guarded)).collect();
        assert_eq!(
            names,
            [
                ("fist_name".to_owned(), "fist_name", false),
                ("influencer.tags".to_owned(), "influencer.tags", false),
                ("influencer.properties.niche".to_owned(), "influencer.properties.niche", true),
                ("owner.email".to_owned(), "owner.email", false),
            ]
        );
    }

    #[test]
    fn what_is_asked_for_before_is_guarded() {
        let guarded = |text: &str| {
            let last = read_template(text).unwrap().names.pop().unwrap();
            assert_eq!(last.dotted(), "a.b");
            last.guarded
        };
        assert!(guarded("{% if a.b is defined %}{{ a.b }}{% endif %}"));
        assert!(guarded("{{ a.b if a.b is defined }}"));
        assert!(guarded("{% if a.b is not defined %}x{% else %}{{ a.b }}{% endif %}"));
        assert!(guarded("{% if a.b is undefined or c.d %}x{% else %}{{ a.b }}{% endif %}"));
        assert!(guarded("{{ 'x' if a.b is undefined else a.b }}"));
        assert!(guarded("{{ a.b is undefined or a.b }}"));
        assert!(!guarded("{% if a.b is defined %}{% else %}{{ a.b }}{% endif %}"));
        assert!(!guarded("{% if a.b is undefined and c %}x{% else %}{{ a.b }}{% endif %}"));
        assert!(!guarded("{{ a.b is defined or a.b }}"));
        assert!(!guarded("{% if c is defined %}{{ a.b }}{% endif %}"));
    }

    #[test]
    fn values_that_may_be_nothing_are_found() {
        let text = "{{ a }}{{ b | default('') }}{{ c | d | upper }}{{ e | default('x') }}";
        let puts = read_template(text).unwrap().puts;
        let told: Vec<(bool, bool)> = puts.iter().map(|put| (put.path.is_some(), put.hollow)).collect();
        assert_eq!(told, [(true, false), (false, true), (false, true), (false, false)]);
    }

    #[test]
    fn links_and_strange_words_are_found() {
        let text = "{{ link('https://a.test', campaign=c) }}{{ link(u) }}{{ x | shout }}{{ debug() }}";
        let found = read_template(text).unwrap();
        assert_eq!(found.links[0].url.as_deref(), Some("https://a.test"));
        assert_eq!((found.links[1].url.as_deref(), &text[found.links[1].at.clone()]), (None, "u"));
        let strange: Vec<&str> = found.strange.iter().map(|s| &text[s.at.clone()]).collect();
        assert_eq!(strange, ["shout", "debug"]);
        assert!(read_template("{% include 'x' %}").is_err() && read_template("{% extends 'x' %}").is_err());
        for (text, word) in [
            ("{% set a = 1 %}x", "set"),
            ("{% set a %}x{% endset %}", "set"),
            ("{% with a = 1 %}x{% endwith %}", "with"),
            ("{% filter upper %}x{% endfilter %}", "filter"),
            ("{{ x | escape }}", "escape"),
            ("{{ x | e }}", "`e`"),
            ("{{ x | safe }}", "safe"),
        ] {
            let strange = read_template(text).unwrap().strange;
            assert!(strange.len() == 1 && strange[0].message.contains(word), "{text}: {strange:?}");
        }
        assert!(!read_template("{% autoescape false %}{{ x }}{% endautoescape %}").unwrap().strange.is_empty());
    }
}
