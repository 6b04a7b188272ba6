//! Rust source cut into tokens, as far as the house rules need it: no comments, no contents of texts, and for each token
//! its line and the inline modules around it. It judges nothing.

/// One token of interest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// A word (identifier or keyword), `::`, or one other character. Literals are `"`.
    pub(crate) text: String,
    /// Counted from 1.
    pub(crate) line: usize,
    /// The inline modules (`mod x { … }`) around it.
    pub(crate) inside: Vec<String>,
}

/// All tokens of a file.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let mut cutter = Cutter { chars: source.chars().collect(), at: 0, line: 1 };
    let mut out = Vec::new();
    while let Some((text, line)) = cutter.next_token() {
        out.push(Token { text, line, inside: Vec::new() });
    }
    mark_modules(&mut out);
    out
}

struct Cutter {
    chars: Vec<char>,
    at: usize,
    line: usize,
}

impl Cutter {
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn step(&mut self, count: usize) {
        for _ in 0..count {
            if self.peek(0) == '\n' {
                self.line += 1;
            }
            self.at += 1;
        }
    }

    fn next_token(&mut self) -> Option<(String, usize)> {
        loop {
            if self.at >= self.chars.len() {
                return None;
            }
            match (self.peek(0), self.peek(1)) {
                ('/', '/') => self.skip_line(),
                ('/', '*') => self.skip_block(),
                (c, _) if c.is_whitespace() => self.step(1),
                _ => break,
            }
        }
        let line = self.line;
        let text = match self.peek(0) {
            '"' => self.text(),
            '\'' => self.quote(),
            ':' if self.peek(1) == ':' => {
                self.step(2);
                "::".to_owned()
            }
            c if c.is_alphanumeric() || c == '_' => self.word(),
            c => {
                self.step(1);
                c.to_string()
            }
        };
        Some((text, line))
    }

    fn skip_line(&mut self) {
        while self.at < self.chars.len() && self.peek(0) != '\n' {
            self.step(1);
        }
    }

    fn skip_block(&mut self) {
        let mut depth = 0;
        while self.at < self.chars.len() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => {
                    depth += 1;
                    self.step(2);
                }
                ('*', '/') => {
                    depth -= 1;
                    self.step(2);
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.step(1),
            }
        }
    }

    fn text(&mut self) -> String {
        self.step(1);
        while self.at < self.chars.len() && self.peek(0) != '"' {
            self.step(if self.peek(0) == '\\' { 2 } else { 1 });
        }
        self.step(1);
        "\"".to_owned()
    }

    /// A character literal, or the tick of a lifetime.
    fn quote(&mut self) -> String {
        if self.peek(1) == '\\' {
            self.step(3);
            while self.at < self.chars.len() && self.peek(0) != '\'' {
                self.step(1);
            }
            self.step(1);
        } else if self.peek(2) == '\'' {
            self.step(3);
        } else {
            self.step(1);
            return "'".to_owned();
        }
        "\"".to_owned()
    }

    fn word(&mut self) -> String {
        let start = self.at;
        while self.peek(0).is_alphanumeric() || self.peek(0) == '_' {
            self.step(1);
        }
        let word: String = self.chars.iter().skip(start).take(self.at - start).collect();
        match (word.as_str(), self.peek(0)) {
            ("r" | "br" | "cr", '"' | '#') => self.raw(word),
            ("b" | "c", '"') => self.text(),
            ("b", '\'') => self.quote(),
            _ => word,
        }
    }

    /// A raw text `r#"…"#`, or a raw identifier `r#type`.
    fn raw(&mut self, word: String) -> String {
        let hashes = self.chars.iter().skip(self.at).take_while(|&&c| c == '#').count();
        if self.peek(hashes) != '"' {
            self.step(1);
            return if hashes == 1 { self.word() } else { word };
        }
        self.step(hashes + 1);
        while self.at < self.chars.len() {
            if self.peek(0) == '"' && (1..=hashes).all(|n| self.peek(n) == '#') {
                self.step(hashes + 1);
                break;
            }
            self.step(1);
        }
        "\"".to_owned()
    }
}

fn mark_modules(tokens: &mut [Token]) {
    // Per open brace: the name of the module it opens, if it opens one.
    let mut open: Vec<Option<String>> = Vec::new();
    for i in 0..tokens.len() {
        match tokens[i].text.as_str() {
            "{" => {
                let module = i >= 2 && tokens[i - 2].text == "mod";
                open.push(module.then(|| tokens[i - 1].text.clone()));
            }
            "}" => {
                open.pop();
            }
            _ => {}
        }
        tokens[i].inside = open.iter().flatten().cloned().collect();
    }
}

/// A path that starts at the root of the crate, however it was written (`crate::`, `super::`, `self::`, in a `use` tree).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CratePath {
    /// `["store", "event", "insert"]`
    pub(crate) parts: Vec<String>,
    /// The name it gets by `as`.
    pub(crate) renamed: Option<String>,
    /// Where it starts.
    pub(crate) line: usize,
}

/// The paths into this crate that a file mentions. `module` is the file's own path from the root.
pub(crate) fn crate_paths(tokens: &[Token], module: &[String]) -> Vec<CratePath> {
    let mut out = Vec::new();
    let mut i = 0;
    while let Some(token) = tokens.get(i) {
        let starts = matches!(token.text.as_str(), "crate" | "super" | "self");
        let next = tokens.get(i + 1).map(|t| t.text.as_str());
        if !starts || next != Some("::") {
            i += 1;
            continue;
        }
        let mut base: Vec<String> = Vec::new();
        if token.text != "crate" {
            base.extend(module.iter().cloned());
            base.extend(token.inside.iter().cloned());
        }
        let line = token.line;
        if token.text == "super" {
            base.pop();
        }
        i += 2;
        while tokens.get(i).is_some_and(|t| t.text == "super") {
            base.pop();
            i += 2;
        }
        i = tree(tokens, i, &base, line, &mut out);
    }
    out
}

/// Reads what follows a `::`, and returns the place after it.
fn tree(tokens: &[Token], mut i: usize, base: &[String], line: usize, out: &mut Vec<CratePath>) -> usize {
    let mut parts = base.to_vec();
    let text = |i: usize| tokens.get(i).map_or("", |t| t.text.as_str());
    loop {
        if text(i) == "{" {
            i += 1;
            while !matches!(text(i), "}" | "") {
                i = if text(i) == "," { i + 1 } else { tree(tokens, i, &parts, line, out) };
            }
            return i + 1;
        }
        if text(i) != "self" {
            parts.push(text(i).to_owned());
        }
        i += 1;
        if text(i) != "::" || text(i + 1) == "<" {
            break;
        }
        i += 1;
    }
    let renamed = (text(i) == "as").then(|| text(i + 1).to_owned());
    if renamed.is_some() {
        i += 2;
    }
    out.push(CratePath { parts, renamed, line });
    i
}

#[cfg(test)]
mod tests {
    use super::{crate_paths, tokens};

    fn paths(source: &str, module: &[&str]) -> Vec<String> {
        let module: Vec<String> = module.iter().map(|&m| m.to_owned()).collect();
        crate_paths(&tokens(source), &module).into_iter().map(|p| p.parts.join("::")).collect()
    }

    #[test]
    fn comments_and_texts_hold_no_tokens() {
        let source =
            "// crate::a\n/* /* crate::b */ */ \"crate::c \\\" \" r#\"crate::\"d\"# 'x' '\\'' b\"e\" fn f<'a>() {}";
        let words: Vec<String> = tokens(source).into_iter().map(|t| t.text).collect();
        let joined = words.join(" ");
        assert_eq!(joined, "\" \" \" \" \" fn f < ' a > ( ) { }");
    }

    #[test]
    fn use_trees_are_followed() {
        let source = "use crate::{store::{self, event::insert as put}, hub, domain::*};\nlet x = crate::clock::now();";
        assert_eq!(paths(source, &["cli"]), ["store", "store::event::insert", "hub", "domain::*", "clock::now"]);
    }

    #[test]
    fn super_is_resolved() {
        assert_eq!(paths("use super::super::hub::x;", &["store", "event"]), ["hub::x"]);
        assert_eq!(paths("mod tests { use super::*; use super::super::hub; }", &["store"]), ["store::*", "hub"]);
        assert_eq!(paths("self::inner::f();", &["store"]), ["store::inner::f"]);
    }
}
