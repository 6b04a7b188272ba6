//! Text messages as far as they need no network: how many parts a text is sent in, and what a text says about wanting more of them.

use super::refusal::{Answer, judge_answer};
use super::words::Meaning;

/// Characters of the message that is read for [`read_consent`]: longer than any text message.
const READ_CHARS_MAX: usize = 2_000;
/// Words before a verb in which a negation turns it round.
const NEGATION_REACH: usize = 3;
/// Words between a verb and what it is about.
const OBJECT_REACH: usize = 4;

/// How a text is encoded on its way (3GPP TS 23.038).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// The alphabet of 128 and its extension: 7 bits a character.
    Gsm7,
    /// Everything else: 16 bits a character, two of them for what lies outside the first plane.
    Ucs2,
}

impl Encoding {
    /// Units that one message holds.
    pub fn units_alone(self) -> usize {
        match self {
            Self::Gsm7 => 160,
            Self::Ucs2 => 70,
        }
    }

    /// Units that each part of a longer one holds: a header of six octets says which part it is.
    pub fn units_of_part(self) -> usize {
        match self {
            Self::Gsm7 => 153,
            Self::Ucs2 => 67,
        }
    }
}

/// What a text costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Size {
    /// How it is encoded.
    pub encoding: Encoding,
    /// Its units: septets or 16-bit words.
    pub units: usize,
    /// The parts in which it is sent, each of which is paid for.
    pub segments: usize,
}

/// The alphabet of 3GPP TS 23.038, 6.2.1.
const GSM7: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// Its extension (6.2.1.1): each takes an escape and a second unit.
const GSM7_EXTENSION: &str = "\u{c}^{}\\[~]|€";

fn gsm7_units(c: char) -> Option<usize> {
    if GSM7.contains(c) { Some(1) } else { GSM7_EXTENSION.contains(c).then_some(2) }
}

/// Whether a character is one of the alphabet that takes 7 bits, or of its extension.
pub fn is_plain(c: char) -> bool {
    gsm7_units(c).is_some()
}

/// How a text is encoded, and in how many parts it goes. No part ends within a character: an escape stays with what it escapes, and
/// the halves of a pair stay together.
pub fn size(text: &str) -> Size {
    let septets: Option<Vec<usize>> = text.chars().map(gsm7_units).collect();
    let (encoding, widths) = match septets {
        Some(widths) => (Encoding::Gsm7, widths),
        None => (Encoding::Ucs2, text.chars().map(char::len_utf16).collect()),
    };
    let units: usize = widths.iter().sum();
    if units <= encoding.units_alone() {
        return Size { encoding, units, segments: 1 };
    }
    let (mut segments, mut left) = (1, encoding.units_of_part());
    for width in widths {
        if width > left {
            segments += 1;
            left = encoding.units_of_part();
        }
        left = left.saturating_sub(width);
    }
    Size { encoding, units, segments }
}

/// What a text says about wanting more of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConsentReading {
    /// The whole of it is a keyword that ends it: nobody writes to this number any more.
    Stop,
    /// The whole of it is a keyword that begins it again.
    Start,
    /// The whole of it is a keyword that asks what this is.
    Help,
    /// It asks in words of its own to be left alone, or seems to: a person reads it, and until then nothing goes out.
    PerhapsStop,
    /// It speaks of something else.
    None,
}

/// The keywords that carriers and providers know (CTIA Messaging Principles, 5.1.3), without spaces and dashes.
const STOP: &[&str] = &["stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"];
const START: &[&str] = &["start", "yes", "unstop"];
const HELP: &[&str] = &["help", "info"];

/// Reads a text: keywords where they are all of it, in any case, with spaces around and marks behind; else the words.
pub fn read_consent(text: &str) -> ConsentReading {
    let text: String = text.chars().take(READ_CHARS_MAX).collect();
    if let Some(reading) = keyword(&text) {
        return reading;
    }
    if asks_to_stop(&text) || opts_out_in_words(&text) {
        return ConsentReading::PerhapsStop;
    }
    ConsentReading::None
}

fn keyword(text: &str) -> Option<ConsentReading> {
    let asks = text.contains('?');
    let quotes = |c: char| c.is_whitespace() || "\"'“”„‘’«»*_()[]".contains(c);
    let marks = |c: char| quotes(c) || ".,;:!?…。！-–—".contains(c);
    let word = text.trim_start_matches(quotes).trim_end_matches(marks);
    let word: String = word.chars().filter(|c| !" -‐‑".contains(*c)).flat_map(char::to_lowercase).collect();
    let is = |words: &[&str]| words.contains(&word.as_str());
    if is(HELP) {
        return Some(ConsentReading::Help);
    }
    if is(STOP) {
        // "Stop?" may ask what we mean by it.
        return Some(if asks { ConsentReading::PerhapsStop } else { ConsentReading::Stop });
    }
    is(START).then_some(if asks { ConsentReading::None } else { ConsentReading::Start })
}

/// What the reading of mail takes for an opt-out counts here as well; of what it is unsure about, nothing does: that is about mail.
fn opts_out_in_words(text: &str) -> bool {
    let verdict = judge_answer(&Answer { subject: "", answers: None, reply_text: text });
    verdict.meaning == Meaning::OptOut
}

const NEGATIONS: &[&str] =
    &["dont", "not", "never", "no", "without", "wont", "doesnt", "didnt", "cant", "cannot", "couldnt"];
const ENDING: &[&str] = &["stop", "quit", "cease", "discontinue", "end"];
/// What we do that somebody may have enough of. The last ones only where they are ours: "your messages".
const TEXTING: &[&str] = &[
    "text",
    "texts",
    "texting",
    "sms",
    "txt",
    "txts",
    "txting",
    "messaging",
    "msging",
    "contacting",
    "spamming",
    "bothering",
];
const MESSAGES: &[&str] = &["messages", "message", "msgs", "msg", "contact", "sending", "send"];
const WHOM: &[&str] =
    &["me", "us", "these", "this", "your", "those", "please", "pls", "plz", "now", "again", "anymore", "my"];
/// What we do, as it follows a verb that ends it; and what comes of it.
const DOING: &[&str] = &["texting", "txting", "messaging", "msging", "contacting", "spamming", "bothering"];
const TEXTS: &[&str] = &["texts", "txts", "sms"];
/// The same as a verb, which follows where people write in haste ("stop text me"), and far more often where they speak of something else
/// ("at the next stop text me").
const HASTE: &[&str] = &["text", "txt"];
/// What may stand between a verb that ends something and what it ends. Anything else is what is ended, or a place to stop by.
const BETWEEN: &[&str] = &[
    "me",
    "us",
    "these",
    "this",
    "those",
    "your",
    "ur",
    "my",
    "please",
    "pls",
    "plz",
    "now",
    "again",
    "already",
    "all",
    "any",
    "more",
    "the",
    "of",
    "with",
    "it",
    "so",
    "many",
    "much",
    "to",
    "sending",
    "send",
    "getting",
    "receiving",
    "calling",
    "emailing",
    "mailing",
    "calls",
    "emails",
    "and",
    "or",
    "annoying",
    "spam",
    "spammy",
    "damn",
    "stupid",
    "constant",
    "unwanted",
    "automated",
    "marketing",
    "promo",
    "promotional",
    "random",
    "daily",
    "future",
    "further",
];
/// Whoever says so of themselves ends something of their own. Not "we'll", which is written as "well, stop" is.
const THEMSELVES: &[&str] = &["i", "we", "ill", "ive", "weve"];
/// Unless they ask for the way: "how do I stop these texts".
const ASKING: &[&str] = &["do", "can", "could", "may", "should", "how"];
/// Behind these it is a noun: "by the end", "the next stop".
const BEFORE_A_NOUN: &[&str] = &[
    "the", "a", "an", "by", "at", "of", "in", "till", "until", "my", "our", "your", "each", "every", "one", "first",
    "next", "last", "full", "bus", "train", "tram", "subway", "pit", "tour", "non",
];
/// Behind these an end is one: "at month end". Any other verb begins anew: "I told you last week stop texting me".
const BEFORE_THE_END: &[&str] = &["week", "weeks", "month", "months", "year", "years", "day", "days"];
/// Behind a verb that ends something these say that it is not texts: "stop by before texting me", "stop motion with texts".
const ELSEWHERE: &[&str] =
    &["by", "over", "at", "before", "after", "when", "whenever", "while", "until", "till", "motion", "job"];
/// Between a verb and "text" these make an order of the latter: "stop and text me".
const BEFORE_AN_ORDER: &[&str] =
    &["and", "or", "to", "me", "us", "please", "pls", "plz", "now", "again", "already", "it", "so", "with"];
/// What a negation reaches a verb through: "no need to stop", "don't ever stop". Behind anything else a verb begins anew: "I don't care
/// stop texting me".
const REACHED_THROUGH: &[&str] = &[
    "want", "wanna", "you", "have", "to", "ever", "please", "pls", "just", "really", "should", "would", "could",
    "will", "can", "must", "need", "gonna",
];
/// Negations with which it is asked for: "why cant you just stop".
const ASKED_BY: &[&str] = &["cant", "cannot", "wont", "couldnt", "wouldnt"];
const REMOVING: &[&str] = &["remove", "delete", "erase", "drop", "take", "lose", "forget", "scratch"];
const POLITE: &[&str] = &[
    "please",
    "pls",
    "plz",
    "ok",
    "okay",
    "now",
    "just",
    "hey",
    "hi",
    "thanks",
    "thx",
    "immediately",
    "already",
    "it",
    "this",
    "i",
    "said",
];

/// Words for texts, which mail has not: "stop texting me", "lose my number", "no more texts".
fn asks_to_stop(text: &str) -> bool {
    let plain: String = text.to_lowercase().chars().filter(|c| !"'’`".contains(*c)).collect();
    plain.split(['.', '!', '?', '\n', ';']).any(|sentence| {
        let words = words_of(sentence);
        only_stop(&words) || says_no_more(&words) || takes_us_off(&words) || sentence.split([',', ':']).any(begins_anew)
    })
}

/// "Not again, stop texting me": what stands before a comma may say nothing of what is behind it.
fn begins_anew(clause: &str) -> bool {
    let words = words_of(clause);
    words.iter().enumerate().any(|(at, word)| ENDING.contains(word) && ends_texts(&words, at))
}

fn words_of(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect()
}

/// "please stop", "STOP STOP": nothing but the word.
fn only_stop(words: &[&str]) -> bool {
    let stops = |w: &&str| STOP.contains(w);
    words.iter().any(stops) && words.iter().all(|w| stops(w) || POLITE.contains(w))
}

fn says_no_more(words: &[&str]) -> bool {
    words.iter().enumerate().any(|(at, word)| {
        let behind: Vec<&str> = words.iter().skip(at + 1).take(OBJECT_REACH).copied().collect();
        let texts = behind.iter().any(|w| TEXTING.contains(w));
        let toward_me = behind.iter().any(|w| WHOM.contains(w));
        if ENDING.contains(word) {
            return ends_texts(words, at);
        }
        // "no more texts", "don't text me again", "do not want texts"; and not "you never text me"
        let refuses = ["dont", "not"].contains(word) || (*word == "never" && before(words, at) != Some("you"));
        let no_more = *word == "no" && ["more", "further"].iter().any(|m| behind.first() == Some(m));
        let first_is_texting = behind.iter().take(2).any(|w| TEXTING.contains(w) || *w == "message" || *w == "contact");
        let wants = behind.first().is_some_and(|w| ["want", "wish", "like", "need"].contains(w));
        (no_more && (texts || behind.iter().any(|w| MESSAGES.contains(w))))
            || (refuses && wants && texts)
            || (refuses && first_is_texting && toward_me && !about_something(words))
    })
}

fn before<'a>(words: &[&'a str], at: usize) -> Option<&'a str> {
    at.checked_sub(1).and_then(|at| words.get(at)).copied()
}

/// "stop texting me", "end all these texts": what the verb ends is texts. Not what is said of a place or a time, and not "stop by and
/// text me". In doubt it is texts: who is asked about once too often is not written to against their will.
fn ends_texts(words: &[&str], at: usize) -> bool {
    let is_end = words.get(at) == Some(&"end");
    let behind = words.get(at + 1..).unwrap_or_default();
    if is_turned_round(words, at) || is_of_themselves(words, at) || is_a_noun(words, at) {
        return false;
    }
    texts_follow(behind, is_end) || messages_follow(words, at, behind)
}

fn is_of_themselves(words: &[&str], at: usize) -> bool {
    let asks = at.checked_sub(1).and_then(|at| before(words, at)).is_some_and(|w| ASKING.contains(&w));
    !asks && before(words, at).is_some_and(|w| THEMSELVES.contains(&w))
}

/// "the next stop", "at month end", "end of the text".
fn is_a_noun(words: &[&str], at: usize) -> bool {
    let is_end = words.get(at) == Some(&"end");
    (is_end && words.get(at + 1) == Some(&"of"))
        || before(words, at).is_some_and(|w| BEFORE_A_NOUN.contains(&w) || (is_end && BEFORE_THE_END.contains(&w)))
}

/// "don't stop texting me", "no need to stop texting me", and not "no, stop texting me".
fn is_turned_round(words: &[&str], at: usize) -> bool {
    let through: Vec<&str> =
        words.iter().take(at).rev().take(NEGATION_REACH).take_while(|w| !NEGATIONS.contains(w)).copied().collect();
    let Some(negation) = at.checked_sub(through.len()).and_then(|at| before(words, at)) else { return false };
    if !NEGATIONS.contains(&negation) || through.len() >= NEGATION_REACH {
        return false;
    }
    match through.first() {
        // "why cant you just stop" asks for it.
        Some(_) if ASKED_BY.contains(&negation) && through.last() == Some(&"you") => false,
        // All of it: "I dont care please stop" turns nothing round.
        Some(_) => {
            through.iter().all(|w| REACHED_THROUGH.contains(w))
                && !(negation == "no" && through.iter().all(|w| POLITE.contains(w)))
        }
        None => negation != "no",
    }
}

/// What can hardly be anything else, a few words behind the verb, whatever these are: nobody knows all words for it.
fn texts_follow(behind: &[&str], is_end: bool) -> bool {
    let mut others = 0;
    for word in behind {
        if DOING.contains(word) || TEXTS.contains(word) {
            return true;
        }
        // "end the reel with texts"
        if ELSEWHERE.contains(word) || (is_end && others > 0 && ["with", "on", "in"].contains(word)) {
            return false;
        }
        others += usize::from(!BETWEEN.contains(word));
        if others >= OBJECT_REACH {
            return false;
        }
    }
    false
}

/// What is said of much else too, where nothing else stands between.
fn messages_follow(words: &[&str], at: usize, behind: &[&str]) -> bool {
    let is_end = words.get(at) == Some(&"end");
    let whom = behind.iter().take(OBJECT_REACH).any(|w| WHOM.contains(w));
    // An order, and nothing before it.
    let polite = |w: &&str| POLITE.contains(w) || ["can", "could", "will", "would", "you"].contains(w);
    let is_order = || words.iter().take(at).all(polite);
    let mut last = None;
    for (n, word) in behind.iter().enumerate() {
        let is_compound = HASTE.contains(word) && behind.get(n + 1).is_some_and(|next| MESSAGES.contains(next));
        let is_many = ["messages", "msgs"].contains(word) && (!is_end || is_order());
        if is_compound || is_many || (whom && MESSAGES.contains(word)) {
            return true;
        }
        if HASTE.contains(word) {
            let is_sent = last.is_some_and(|w| ["sending", "send"].contains(&w));
            return !is_end && (is_sent || (last.is_none_or(|w| !BEFORE_AN_ORDER.contains(&w)) && is_order()));
        }
        if !BETWEEN.contains(word) {
            return false;
        }
        last = Some(*word);
    }
    false
}

/// "don't text me the address, mail it": the way is asked for, and not the end.
fn about_something(words: &[&str]) -> bool {
    words
        .iter()
        .any(|w| ["before", "until", "after", "if", "unless", "about", "the", "while", "tonight", "today"].contains(w))
}

fn takes_us_off(words: &[&str]) -> bool {
    words.iter().enumerate().any(|(at, word)| {
        let behind: Vec<&str> = words.iter().skip(at + 1).take(OBJECT_REACH).copied().collect();
        let mine = behind.iter().any(|w| ["me", "my", "this", "us"].contains(w));
        let object = behind.iter().any(|w| ["number", "phone", "list", "lists", "contacts", "database"].contains(w));
        (REMOVING.contains(word) && mine && object && !negated(words, at))
            || (*word == "unsubscribe"
                && behind.first().is_some_and(|w| ["me", "us", "please", "pls"].contains(w))
                && !negated(words, at))
    })
}

fn negated(words: &[&str], at: usize) -> bool {
    words.iter().take(at).rev().take(NEGATION_REACH).any(|w| NEGATIONS.contains(w))
}

#[cfg(test)]
mod tests;
