//! Invented words, names, subjects and texts, and the ways mail programs dress them: quotes, HTML, files.

use std::fmt::Write as _;

use crate::mailbox::Chance;

const SYLLABLES: &[&str] = &[
    "ba", "be", "bo", "da", "de", "di", "do", "fa", "fe", "ga", "go", "ka", "ke", "ko", "la", "le", "li", "lo", "ma",
    "me", "mi", "mo", "na", "ne", "ni", "no", "pa", "pe", "ra", "re", "ri", "ro", "sa", "se", "si", "so", "ta", "te",
    "ti", "to", "va", "ve",
];
const PLAIN: &[&str] = &[
    "the",
    "a",
    "to",
    "and",
    "we",
    "you",
    "for",
    "of",
    "in",
    "is",
    "our",
    "would",
    "with",
    "this",
    "your",
    "it",
    "on",
    "that",
    "be",
    "have",
    "are",
    "collaboration",
    "campaign",
    "product",
    "post",
    "story",
    "video",
    "thanks",
    "please",
    "week",
    "send",
    "love",
    "brand",
    "shoes",
    "spring",
    "rate",
    "brief",
    "deadline",
    "contract",
    "invoice",
    "followers",
    "café",
    "größe",
];

/// The words a mailbox is written in.
pub struct Letters {
    words: Vec<String>,
    names: Vec<String>,
}

/// How a reply quotes what it answers.
#[derive(Debug, Clone, Copy)]
pub enum Quote {
    None,
    Angle,
    German,
    Outlook,
    Original,
}

impl Quote {
    pub const ALL: &[Self] =
        &[Self::Angle, Self::Angle, Self::Angle, Self::German, Self::Outlook, Self::Original, Self::None];

    pub fn around(self, text: &str, name: &str, at: i64) -> String {
        let date = date_of(at);
        let angled = || text.lines().fold(String::new(), |out, line| out + "> " + line + "\n");
        match self {
            Self::None => String::new(),
            Self::Angle => format!("On {date}, {name} wrote:\n{}", angled()),
            Self::German => format!("Am {date} schrieb {name}:\n{}", angled()),
            Self::Outlook => format!("From: {name}\nSent: {date}\nTo: Brand\nSubject: earlier\n\n{text}\n"),
            Self::Original => format!("-----Original Message-----\nFrom: {name}\nSent: {date}\n\n{text}\n"),
        }
    }
}

impl Letters {
    pub fn new(chance: &mut Chance) -> Self {
        let mut word = |syllables: usize| (0..syllables).map(|_| *chance.of(SYLLABLES)).collect::<String>();
        let words = (0..6_000).map(|n| word(2 + n % 3)).collect();
        let names = (0..800)
            .map(|n| {
                let word = word(2 + n % 2);
                let (first, rest) = word.split_at(1);
                first.to_uppercase() + rest
            })
            .collect();
        Self { words, names }
    }

    fn word<'a>(&'a self, chance: &mut Chance) -> &'a str {
        if chance.percent(60) {
            return chance.of::<&str>(PLAIN);
        }
        // Few words are frequent and many are rare.
        let limit = 1 + chance.below(self.words.len());
        &self.words[chance.below(limit)]
    }

    pub fn name(&self, chance: &mut Chance) -> String {
        chance.of(&self.names).clone()
    }

    pub fn subject(&self, chance: &mut Chance) -> String {
        let mut subject: Vec<&str> = (0..3 + chance.below(4)).map(|_| self.word(chance)).collect();
        subject.insert(
            0,
            *chance.of(&["Collaboration on", "A plan for", "Your post about", "Samples for", "Question about"]),
        );
        // Only letters that need no encoding in a header.
        subject.join(" ").replace('é', "e").replace("ö", "o").replace('ß', "ss")
    }

    pub fn text(&self, chance: &mut Chance, words: usize) -> String {
        let mut text = String::from("Hello,\n\n");
        let mut line = 0;
        for n in 0..words {
            let word = self.word(chance);
            text.push_str(word);
            line += word.len() + 1;
            if n % 13 == 12 {
                text.push('.');
            }
            if n % 60 == 59 {
                text.push_str("\n\n");
                line = 0;
            } else if line > 68 {
                text.push('\n');
                line = 0;
            } else {
                text.push(' ');
            }
        }
        text.push('.');
        text
    }

    #[allow(clippy::unused_self, reason = "it stands beside the other parts of a letter")]
    pub fn date(&self, at: i64) -> String {
        date_of(at)
    }
}

fn date_of(at: i64) -> String {
    let when = jiff::Timestamp::from_second(at).unwrap_or_default();
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_string(&when).unwrap_or_default()
}

/// The same text as a page, as mail programs write it.
pub fn html_of(text: &str) -> String {
    let mut html =
        String::from("<html><head><style>p { margin: 0 0 8px 0; font-family: sans-serif; }</style></head><body>");
    let mut quoted = false;
    for paragraph in text.split("\n\n") {
        if paragraph.starts_with("On ") && !quoted {
            quoted = true;
            html.push_str(
                "<div class=\"gmail_quote\"><blockquote style=\"margin:0 0 0 .8ex;border-left:1px #ccc solid\">",
            );
        }
        let escaped = paragraph.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let _ignored = write!(html, "<p style=\"font-size:14px\">{}</p>", escaped.replace('\n', "<br>\n"));
    }
    html.push_str(if quoted { "</blockquote></div></body></html>" } else { "</body></html>" });
    html
}

/// RFC 2045 §6.7.
pub fn quoted_printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 5 / 4);
    let mut line = 0;
    for octet in text.bytes() {
        if octet == b'\n' {
            out.push('\n');
            line = 0;
            continue;
        }
        if line > 72 {
            out.push_str("=\n");
            line = 0;
        }
        if octet == b'=' || !(b' '..=126).contains(&octet) {
            let _ignored = write!(out, "={octet:02X}");
            line += 3;
        } else {
            out.push(char::from(octet));
            line += 1;
        }
    }
    out
}

/// A part with a file of so many octets in it.
pub fn attachment(chance: &mut Chance, octets: usize) -> String {
    use base64::Engine as _;
    let content: Vec<u8> = (0..octets / 8).flat_map(|_| chance.next().to_le_bytes()).collect();
    let encoded = base64::engine::general_purpose::STANDARD.encode(content);
    let mut part = String::from(
        "Content-Type: image/jpeg; name=\"photo.jpg\"\nContent-Disposition: attachment; filename=\"photo.jpg\"\nContent-Transfer-Encoding: base64\n\n",
    );
    for line in encoded.as_bytes().chunks(76) {
        part.push_str(&String::from_utf8_lossy(line));
        part.push('\n');
    }
    part
}
