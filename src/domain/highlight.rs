//! Where words that were looked for stand in a text: a short part around the first of them, and marks around each.
//!
//! What is marked is HTML and safe to show: everything that was there is escaped, and `<mark>` and `</mark>` are the only tags.

use std::ops::Range;

use super::html::escape;

/// Characters of an excerpt.
pub const EXCERPT_MAX: usize = 200;
/// Words before the first one that was found, in an excerpt.
const BEFORE: usize = 8;

/// What is looked for: each thing a series of words that stand one after the other, as `e-mail` is two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought(Vec<Vec<String>>);

impl Sought {
    /// These things.
    pub fn new<'a>(things: impl IntoIterator<Item = &'a str>) -> Self {
        let series = |thing: &str| words(thing).filter_map(|at| Some(folded(thing.get(at)?).collect())).collect();
        let mut all: Vec<Vec<String>> =
            things.into_iter().map(series).filter(|s: &Vec<String>| !s.is_empty()).collect();
        // Of two that begin in the same place the longer one is marked.
        all.sort_by_key(|series| std::cmp::Reverse(series.len()));
        Self(all)
    }

    /// Where they stand in a text, in its order; two that touch are one.
    fn places(&self, text: &str) -> Vec<Range<usize>> {
        let mut places: Vec<Range<usize>> = Vec::new();
        for place in self.each_place(text) {
            match places.last_mut() {
                Some(before) if before.end > place.start => before.end = before.end.max(place.end),
                _ => places.push(place),
            }
        }
        places
    }

    fn each_place<'t>(&self, text: &'t str) -> impl Iterator<Item = Range<usize>> + use<'t, '_> {
        let all: Vec<Range<usize>> = words(text).collect();
        let same = move |at: &Range<usize>, word: &String| {
            text.get(at.clone()).is_some_and(|there| folded(there).eq(word.chars()))
        };
        (0..all.len()).filter_map(move |n| {
            let rest = all.get(n..)?;
            let fits = |series: &&Vec<String>| {
                rest.len() >= series.len() && series.iter().zip(rest).all(|(word, at)| same(at, word))
            };
            let series = self.0.iter().find(fits)?;
            Some(rest.first()?.start..rest.get(series.len().checked_sub(1)?)?.end)
        })
    }

    /// The part of a text around the first of them, on one line; its beginning where there is none.
    pub fn excerpt(&self, text: &str) -> String {
        let found = self.each_place(text).next().unwrap_or(0..0);
        let mut out = String::new();
        let (mut length, mut gap, mut word) = (0, false, (0, 0));
        let begin = begin_of_excerpt(text, &found);
        for (at, c) in text.char_indices().skip_while(|(at, _)| *at < begin) {
            if c.is_whitespace() {
                gap = length > 0;
                continue;
            }
            if gap {
                word = (out.len(), at);
            }
            if length + 1 + usize::from(gap) > EXCERPT_MAX {
                // A word that does not fit is left out, but for the one that was found and one that is all there is.
                if word.0 > 0 && word.1 >= found.end {
                    out.truncate(word.0);
                }
                break;
            }
            if std::mem::take(&mut gap) {
                out.push(' ');
                length += 1;
            }
            out.push(c);
            length += 1;
        }
        out
    }

    /// A text as HTML, with each of them marked.
    pub fn mark(&self, text: &str) -> String {
        marked(text, &self.places(text))
    }
}

/// Where an excerpt begins so that what was found is in it: some words before, as far as they fit.
fn begin_of_excerpt(text: &str, found: &Range<usize>) -> usize {
    let start_of_word = |before: &str| {
        before.char_indices().rev().find(|(_, c)| c.is_whitespace()).map_or(0, |(at, c)| at + c.len_utf8())
    };
    let chars = |from: usize, to: usize| text.get(from..to).unwrap_or_default().chars().count();
    let mut begin = start_of_word(text.get(..found.start).unwrap_or_default());
    if chars(begin, found.end) > EXCERPT_MAX {
        return found.start;
    }
    for _ in 0..BEFORE {
        let before = text.get(..begin).unwrap_or_default().trim_end();
        let start = start_of_word(before);
        if before.is_empty() || chars(start, found.end) > EXCERPT_MAX {
            break;
        }
        begin = start;
    }
    begin
}

/// A text as HTML; marked where one of its words, and what follows it, begins so. Case does not matter.
pub fn mark_beginnings(text: &str, begins: &str) -> String {
    let wanted: Vec<char> = begins.chars().flat_map(char::to_lowercase).collect();
    let mut places: Vec<Range<usize>> = Vec::new();
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let is_start = c.is_alphanumeric() && !before.is_alphanumeric();
        before = c;
        if !is_start || wanted.is_empty() || places.last().is_some_and(|place| place.end > at) {
            continue;
        }
        if let Some(length) = length_of(text.get(at..).unwrap_or_default(), &wanted) {
            places.push(at..at + length);
        }
    }
    marked(text, &places)
}

/// The octets of a text that are these characters in whatever case; `None` where it begins otherwise.
fn length_of(text: &str, wanted: &[char]) -> Option<usize> {
    let mut wanted = wanted.iter();
    for (at, c) in text.char_indices() {
        if wanted.len() == 0 {
            return Some(at);
        }
        if !c.to_lowercase().all(|lower| wanted.next() == Some(&lower)) {
            return None;
        }
    }
    (wanted.len() == 0).then_some(text.len())
}

fn marked(text: &str, places: &[Range<usize>]) -> String {
    let mut out = String::with_capacity(text.len() + places.len() * 13);
    let mut done = 0;
    for place in places {
        escape(&mut out, text.get(done..place.start).unwrap_or_default());
        out.push_str("<mark>");
        escape(&mut out, text.get(place.clone()).unwrap_or_default());
        out.push_str("</mark>");
        done = place.end;
    }
    escape(&mut out, text.get(done..).unwrap_or_default());
    out
}

/// Where the words of a text stand: letters and digits, and what is put on them.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut rest = text.char_indices().peekable();
    std::iter::from_fn(move || {
        let (start, first) = rest.by_ref().find(|(_, c)| c.is_alphanumeric())?;
        let mut end = start + first.len_utf8();
        while let Some((at, c)) = rest.next_if(|(_, c)| c.is_alphanumeric() || is_accent(*c)) {
            end = at + c.len_utf8();
        }
        Some(start..end)
    })
}

fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

/// A word as it is compared: in lower case and, of Latin letters, without accents. A full text that keeps them apart finds fewer; of
/// what it finds, more is marked.
fn folded(word: &str) -> impl Iterator<Item = char> {
    word.chars().flat_map(char::to_lowercase).filter(|c| !is_accent(*c)).map(plain)
}

/// Latin letters of Europe's languages without their accents.
const PLAIN: [(&str, char); 15] = [
    ("àáâãäåāăą", 'a'),
    ("çćĉċč", 'c'),
    ("ďđ", 'd'),
    ("èéêëēĕėęě", 'e'),
    ("ĝğġģ", 'g'),
    ("ìíîïĩīĭį", 'i'),
    ("ĺļľ", 'l'),
    ("ñńņň", 'n'),
    ("òóôõöōŏő", 'o'),
    ("ŕŗř", 'r'),
    ("śŝşšș", 's'),
    ("ţťț", 't'),
    ("ùúûüũūŭůűų", 'u'),
    ("ýÿŷ", 'y'),
    ("źżž", 'z'),
];

fn plain(c: char) -> char {
    if c.is_ascii() {
        return c;
    }
    PLAIN.iter().find(|(accented, _)| accented.contains(c)).map_or(c, |(_, plain)| *plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_marked_whole_whatever_their_case_and_accents() {
        for (sought, text, marked) in [
            ("shoes", "Running SHOES, shoeshine, shoes", "Running <mark>SHOES</mark>, shoeshine, <mark>shoes</mark>"),
            ("muller", "Frau Müller und Mu\u{308}ller", "Frau <mark>Müller</mark> und <mark>Mu\u{308}ller</mark>"),
            ("e-mail", "an E-Mail or e mail, no mail", "an <mark>E-Mail</mark> or <mark>e mail</mark>, no mail"),
            ("a@x.org", "<a@x.org> of org", "&lt;<mark>a@x.org</mark>&gt; of org"),
            ("договор", "Наш ДОГОВОР", "Наш <mark>ДОГОВОР</mark>"),
            ("-- !", "nothing", "nothing"),
            ("", "", ""),
        ] {
            let words: Vec<&str> = sought.split(' ').collect();
            assert_eq!(Sought::new(words).mark(text), marked, "{sought}");
        }
        let two = Sought::new(["running", "running shoes", "shoes now"]);
        assert_eq!(two.mark("running shoes now"), "<mark>running shoes now</mark>");
    }

    #[test]
    fn nothing_of_a_text_passes_as_html() {
        let text = "<script>alert('shoes')</script> & \"<mark>\"";
        let html = Sought::new(["script", "shoes", "mark"]).mark(text);
        assert_eq!(
            html,
            "&lt;<mark>script</mark>&gt;alert(&#39;<mark>shoes</mark>&#39;)&lt;/<mark>script</mark>&gt; &amp; \
             &quot;&lt;<mark>mark</mark>&gt;&quot;"
        );
        assert_eq!(mark_beginnings("<Ana> \"x", "ana"), "&lt;<mark>Ana</mark>&gt; &quot;x");
    }

    #[test]
    fn excerpt_begins_near_the_word_and_stays_short() {
        let text = format!("{} Running shoes arrive {}", "word ".repeat(50), "tail ".repeat(100));
        let cut = Sought::new(["SHOES"]).excerpt(&text);
        assert!(cut.contains("Running shoes arrive"), "{cut}");
        assert!(cut.chars().count() <= EXCERPT_MAX);
        // What stands before it and what it stands in may be longer than an excerpt is.
        let long = "u".repeat(250);
        for text in [
            format!("see https://track.example/{long} shoes for all"),
            format!("https://track.example/{long}/shoes/{long}"),
            format!("{}shoes", format!("https://track.example/{} ", "u".repeat(60)).repeat(6)),
        ] {
            let cut = Sought::new(["shoes"]).excerpt(&text);
            assert!(cut.contains("shoes") && cut.chars().count() <= EXCERPT_MAX, "{text}: {cut}");
        }
        assert_eq!(Sought::new(["x"]).excerpt(""), "");
        assert_eq!(Sought::new(["x"]).excerpt(" a\n b "), "a b");
        assert_eq!(Sought::new(["x"]).excerpt(&"ü".repeat(500)).chars().count(), EXCERPT_MAX);
    }

    #[test]
    fn beginnings_are_marked_at_the_start_of_words_only() {
        for (text, begins, marked) in [
            ("@AnaRuns", "anar", "@<mark>AnaR</mark>uns"),
            ("Ana Banana", "ana", "<mark>Ana</mark> Banana"),
            ("Ana Reads", "ana r", "<mark>Ana R</mark>eads"),
            ("Ana", "anab", "Ana"),
            ("Ana", "", "Ana"),
            ("İda", "x", "İda"),
        ] {
            assert_eq!(mark_beginnings(text, begins), marked);
        }
    }
}
