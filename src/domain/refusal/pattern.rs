//! Finding phrases in a text: how a text becomes sentences of plain words, and what a pattern is.
//!
//! A pattern is words with spaces between them. `a|b` is either; `word~` begins so, `~word` ends so; `word?` may be
//! left out; `*` is up to three words of the same clause; `^` is the start of a clause and `$` its end. Case, accents
//! and apostrophes count nowhere.

use std::collections::HashMap;

use crate::domain::words::Language;

use super::phrases::context::CONTRASTS;

/// Words that a `*` may stand for.
const GAP_MAX: usize = 3;
/// Characters of a text that are read.
const TEXT_MAX: usize = 20_000;
/// Characters of a line up to which its end may be the end of a sentence.
const SHORT_LINE: usize = 45;
/// Letters by which patterns are looked up.
const KEY_LETTERS: usize = 3;

/// What a phrase is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sense {
    /// Looks like a no and is none.
    Idle,
    OptOut,
    /// Speaks of an opt-out.
    Mention,
    /// Asks where we have somebody from.
    Whence,
    /// Wants something gone.
    Away,
    Refusal,
    /// Wants something all the same.
    Willing,
    /// An opt-out where it is all that is said.
    WholeOptOut,
    /// A refusal where it is all that is said.
    WholeRefusal,
}

/// A word without case, accents and apostrophes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    /// What follows an elided word: the verb of `d'effacer`.
    after_elision: Option<String>,
    /// The number of its clause within the sentence.
    pub(super) clause: usize,
}

impl Token {
    fn forms(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.text.as_str()).chain(self.after_elision.as_deref())
    }
}

/// A sentence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sentence {
    pub(super) tokens: Vec<Token>,
    pub(super) question: bool,
    /// It is a line of its own with an empty line above it, and every word in it begins with a capital: a name.
    pub(super) name: bool,
}

/// A phrase that was found: where, and the words of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) sense: Sense,
    pub(super) language: Language,
    pub(super) sentence: usize,
    pub(super) start: usize,
    /// The last word of it.
    pub(super) last: usize,
    /// The words that the pattern names, without gaps.
    pub(super) literal: Vec<usize>,
}

#[derive(Debug, PartialEq, Eq)]
enum Choice {
    Exact(String),
    Prefix(String),
    Suffix(String),
    End,
}

#[derive(Debug)]
enum Piece {
    Start,
    Gap,
    Word { choices: Vec<Choice>, optional: bool },
}

#[derive(Debug)]
struct Pattern {
    sense: Sense,
    language: Language,
    pieces: Vec<Piece>,
}

/// All patterns, found by the first letters of their first word.
#[derive(Debug, Default)]
pub(super) struct Book {
    patterns: Vec<Pattern>,
    by_letters: HashMap<String, Vec<usize>>,
    /// Those whose first word is known by its end.
    any: Vec<usize>,
}

impl Book {
    /// Adds a pattern, written as told at the top.
    pub(super) fn add(&mut self, sense: Sense, language: Language, line: &str) {
        let pieces: Vec<Piece> = line.split_whitespace().map(piece).collect();
        let number = self.patterns.len();
        for piece in &pieces {
            let Piece::Word { choices, optional } = piece else { continue };
            for choice in choices {
                match choice {
                    Choice::Exact(word) | Choice::Prefix(word) => {
                        self.by_letters.entry(letters(word)).or_default().push(number);
                    }
                    Choice::Suffix(_) => self.any.push(number),
                    Choice::End => {}
                }
            }
            if !optional {
                break;
            }
        }
        self.patterns.push(Pattern { sense, language, pieces });
    }

    /// Every phrase of the text that `wanted` allows. Words for which `masked` says so belong to none.
    pub(super) fn find(
        &self,
        sentences: &[Sentence],
        wanted: impl Fn(Sense) -> bool,
        masked: impl Fn(usize, usize) -> bool,
    ) -> Vec<Found> {
        let mut found = Vec::new();
        for (number, sentence) in sentences.iter().enumerate() {
            let reader = Reader { tokens: &sentence.tokens, masked: &|at| masked(number, at) };
            for (start, token) in sentence.tokens.iter().enumerate() {
                let known = self.by_letters.get(&letters(&token.text)).into_iter().flatten();
                let bare = token.after_elision.as_ref().and_then(|t| self.by_letters.get(&letters(t)));
                for pattern in
                    known.chain(bare.into_iter().flatten()).chain(&self.any).filter_map(|n| self.patterns.get(*n))
                {
                    if !wanted(pattern.sense) {
                        continue;
                    }
                    let mut literal = Vec::new();
                    if reader.fits(&pattern.pieces, start, start, &mut literal)
                        && let Some(last) = literal.last().copied()
                    {
                        let (sense, language) = (pattern.sense, pattern.language);
                        found.push(Found { sense, language, sentence: number, start, last, literal });
                    }
                }
            }
        }
        found
    }
}

struct Reader<'a> {
    tokens: &'a [Token],
    masked: &'a dyn Fn(usize) -> bool,
}

impl Reader<'_> {
    /// Whether the pieces fit from `at` on; the words they name are left in `literal`.
    fn fits(&self, pieces: &[Piece], start: usize, at: usize, literal: &mut Vec<usize>) -> bool {
        let Some((piece, rest)) = pieces.split_first() else { return true };
        match piece {
            Piece::Start => self.begins_clause(at) && self.fits(rest, start, at, literal),
            Piece::Gap => (0..=GAP_MAX).any(|width| {
                let crossed = at.saturating_sub(1)..at + width;
                let open =
                    (at..at + width).all(|i| i < self.tokens.len() && !(self.masked)(i)) && self.one_clause(crossed);
                open && self.fits(rest, start, at + width, literal)
            }),
            Piece::Word { choices, optional } => {
                let kept = literal.len();
                if let Some(token) = self.tokens.get(at).filter(|_| !(self.masked)(at))
                    && choices.iter().any(|c| token.forms().any(|form| c.fits(form)))
                {
                    literal.push(at);
                    if self.fits(rest, start, at + 1, literal) {
                        return true;
                    }
                    literal.truncate(kept);
                }
                let ends = choices.contains(&Choice::End) && at > start && self.begins_clause(at);
                (ends || *optional) && self.fits(rest, start, at, literal)
            }
        }
    }

    /// Whether a clause begins at `at`, or the sentence has ended.
    fn begins_clause(&self, at: usize) -> bool {
        let Some(token) = self.tokens.get(at) else { return true };
        at.checked_sub(1).and_then(|i| self.tokens.get(i)).is_none_or(|before| before.clause != token.clause)
    }

    fn one_clause(&self, range: std::ops::Range<usize>) -> bool {
        let mut clauses = range.filter_map(|i| self.tokens.get(i)).map(|t| t.clause);
        clauses.next().is_none_or(|first| clauses.all(|c| c == first))
    }
}

impl Choice {
    fn fits(&self, word: &str) -> bool {
        match self {
            Self::Exact(own) => word == own,
            Self::Prefix(own) => word.starts_with(own.as_str()),
            Self::Suffix(own) => word.ends_with(own.as_str()),
            Self::End => false,
        }
    }
}

fn piece(word: &str) -> Piece {
    match word {
        "^" => return Piece::Start,
        "*" => return Piece::Gap,
        _ => {}
    }
    let optional = word.ends_with('?');
    let choices: Vec<Choice> = word
        .split('|')
        .filter_map(|choice| {
            let plain = fold(choice);
            match (choice, plain.is_empty()) {
                ("$", _) => Some(Choice::End),
                (_, true) => None,
                _ if choice.starts_with('~') => Some(Choice::Suffix(plain)),
                _ if choice.trim_end_matches('?').ends_with('~') => Some(Choice::Prefix(plain)),
                _ => Some(Choice::Exact(plain)),
            }
        })
        .collect();
    Piece::Word { choices, optional }
}

fn letters(word: &str) -> String {
    word.chars().take(KEY_LETTERS).collect()
}

/// A word without case, accents and anything that is no letter or digit.
pub(super) fn fold(word: &str) -> String {
    let mut plain = String::with_capacity(word.len());
    for c in word.chars().flat_map(char::to_lowercase) {
        match c {
            'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => plain.push('a'),
            'è' | 'é' | 'ê' | 'ë' => plain.push('e'),
            'ì' | 'í' | 'î' | 'ï' => plain.push('i'),
            'ò' | 'ó' | 'ô' | 'õ' | 'ö' => plain.push('o'),
            'ù' | 'ú' | 'û' | 'ü' => plain.push('u'),
            'ç' => plain.push('c'),
            'ñ' => plain.push('n'),
            'ÿ' | 'ý' => plain.push('y'),
            'œ' => plain.push_str("oe"),
            'æ' => plain.push_str("ae"),
            'ß' => plain.push_str("ss"),
            c if c.is_alphanumeric() => plain.push(c),
            _ => {}
        }
    }
    plain
}

/// The sentences of a text.
pub(super) fn sentences(text: &str) -> Vec<Sentence> {
    let text: String = text.chars().take(TEXT_MAX).collect();
    let lines: Vec<&str> = text.lines().collect();
    let mut done = Vec::new();
    let mut current = Builder::default();
    for (number, line) in lines.iter().enumerate() {
        let line = line.trim();
        current.read(line, &mut done);
        let next = lines.get(number + 1).map(|l| l.trim()).unwrap_or_default();
        let ends = line.chars().count() < SHORT_LINE && next.starts_with(char::is_uppercase);
        if next.is_empty() || ends {
            let above = number
                .checked_sub(1)
                .and_then(|i| lines.get(i))
                .is_some_and(|l| l.trim().is_empty() || l.trim_end().ends_with(','));
            current.sentence.name = above && is_name(line);
            current.end(&mut done);
        }
    }
    current.end(&mut done);
    done
}

/// One to three words, each with a capital and without a full stop.
fn is_name(line: &str) -> bool {
    let words = line.split_whitespace().count();
    (1..=3).contains(&words)
        && line.split_whitespace().all(|w| w.starts_with(char::is_uppercase))
        && !line.ends_with(['.', '!', '?'])
}

#[derive(Default)]
struct Builder {
    sentence: Sentence,
    clause: usize,
}

impl Builder {
    fn read(&mut self, line: &str, done: &mut Vec<Sentence>) {
        for word in line.split_whitespace() {
            if word.starts_with(['(', '¿', '¡', '–', '—']) || word == "-" {
                self.clause += 1;
            }
            // a hyphen joins two words, but for a mail's own
            let joined = word.to_lowercase().replace("e-mail", "email");
            for part in joined.split(['-', '/', '…', ',']).flat_map(split_at_stop) {
                let text = fold(part);
                if text.is_empty() {
                    continue;
                }
                let after_elision = after_elision(part);
                if CONTRASTS.contains(&text.as_str()) {
                    self.clause += 1;
                }
                self.sentence.tokens.push(Token { text, after_elision, clause: self.clause });
            }
            if word.ends_with([',', ':', ')', '–', '—']) || word.contains('…') {
                self.clause += 1;
            }
            let bare = word.trim_end_matches([')', '"', '”', '»', '\'']);
            if bare.ends_with(['.', '!', '?', ';']) {
                self.sentence.question = bare.trim_end_matches(['!', '.']).ends_with('?');
                self.end(done);
            }
        }
    }

    fn end(&mut self, done: &mut Vec<Sentence>) {
        let sentence = std::mem::take(&mut self.sentence);
        self.clause = 0;
        if !sentence.tokens.is_empty() {
            done.push(sentence);
        } else if sentence.question
            && let Some(last) = done.last_mut()
        {
            // "… unsubscribe ?"
            last.question = true;
        }
    }
}

/// What follows a short word that lost its vowel before an apostrophe.
fn after_elision(word: &str) -> Option<String> {
    let (before, after) = word.split_once(['\'', '’'])?;
    matches!(fold(before).as_str(), "d" | "l" | "j" | "qu" | "s" | "dell" | "all" | "dall" | "nell")
        .then(|| fold(after))
        .filter(|text| text.chars().count() > 1)
}

/// "again.Thanks" are two words; "3.5" and an address are one.
fn split_at_stop(word: &str) -> impl Iterator<Item = &str> {
    let whole = word.contains('@') || word.contains("://") || word.chars().any(|c| c.is_ascii_digit());
    let parts: Vec<&str> = if whole { vec![word] } else { word.split(['.', '!', '?']).collect() };
    parts.into_iter()
}
