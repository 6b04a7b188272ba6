//! What a person's answer means for writing to them again: an opt-out, a refusal, something that can't be told, or neither.
//!
//! Seven languages, by phrases and not by single words. Ways of speaking that only look like a no are taken out first,
//! then negations count, then what else is said: a condition, a door left open, a friendly letter around one phrase.
//! Whatever is mixed is unsure, for a person to read. Only what the writer wrote may be given here: no quotes, no
//! signature (see [`super::reply`]).

mod pattern;
mod phrases;

use std::sync::LazyLock;

use super::subject::{base_subject, is_reply};
use super::words::{Language, Meaning};
use pattern::{Book, Found, Sense, Sentence, fold, sentences};
use phrases::context;

/// Words up to which an answer is short.
const SHORT: usize = 80;
/// Words from which on a refusal is no more than a few words among many.
const LONG: usize = 150;
/// Words of an answer in which nothing else matters than the phrase.
const TERSE: usize = 25;
/// Sentences at the start of a long letter in which a phrase still counts in full.
const FIRST_SENTENCES: usize = 3;
/// Words before a phrase in which a negation turns it round.
const NEGATION_REACH: usize = 3;
/// Words of a text under a subject that says it all.
const BELOW_SUBJECT_MAX: usize = 12;

static BOOK: LazyLock<Book> = LazyLock::new(phrases::all);

/// A person's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// Its subject.
    pub subject: &'a str,
    /// The subject of the message that it answers, where that is known: what we wrote is no answer.
    pub answers: Option<&'a str>,
    /// What its writer wrote, without what they quoted.
    pub reply_text: &'a str,
}

/// What an answer means, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The meaning.
    pub meaning: Meaning,
    /// How sure that is, in hundredths.
    pub confidence: u8,
    /// The words that told, as they were compared: without case and accents.
    pub phrase: Option<String>,
    /// The language of that phrase.
    pub language: Option<Language>,
    /// What spoke for it and against it, for people.
    pub reasons: Vec<&'static str>,
}

/// Decides what an answer means.
pub fn judge_answer(answer: &Answer<'_>) -> Verdict {
    let (body, footers) = split_footers(answer.reply_text);
    let verdict = judge_own(answer, &body);
    if verdict.meaning != Meaning::Neither {
        return verdict;
    }
    judge_footers(&body, &footers).unwrap_or(verdict)
}

/// What the writer's own words mean.
fn judge_own(answer: &Answer<'_>, body: &str) -> Verdict {
    let told = sentences(body);
    if let Some(verdict) = judge_whole(&told, "all that the answer says") {
        return verdict;
    }
    let words: usize = told.iter().map(|s| s.tokens.len()).sum();
    let base = base_subject(answer.subject);
    let marked = is_reply(answer.subject);
    let ours = answer.answers.is_some_and(|answered| base_subject(answered) == base);
    if words <= BELOW_SUBJECT_MAX
        && !ours
        && let Some(verdict) = judge_whole(&sentences(&base), "all that the subject says")
        && (verdict.meaning == Meaning::OptOut || words == 0)
    {
        // Who wrote the subject of an answer is not known: it may well be ours.
        let doubtful = marked && answer.answers.is_none();
        return if doubtful { Verdict { meaning: Meaning::Unsure, confidence: 50, ..verdict } } else { verdict };
    }
    let mut all = if marked || ours { Vec::new() } else { sentences(&base) };
    let subject_sentences = all.len();
    all.extend(told);
    Reading::of(&all, subject_sentences).judge()
}

/// A line by which lists and newsletters say how to leave them, and how many lines of the writer's own stand above it.
struct Footer<'a> {
    line: &'a str,
    above: usize,
}

/// The text without the lines that look like the foot of a newsletter, and those lines. What says "I" or "me" is no foot: "I
/// clicked unsubscribe three times".
fn split_footers(text: &str) -> (String, Vec<Footer<'_>>) {
    const LEAVING: &[&str] = &[
        "unsubscribe",
        "opt out",
        "optout",
        "abmelde",
        "abbestell",
        "austrag",
        "desinscri",
        "desabonn",
        "darse de baja",
        "de baja",
        "desuscri",
        "descadastr",
        "cancelar",
        "anular",
        "disiscri",
        "cancell",
        "afmeld",
        "uitschrijv",
        "preferences",
        "newsletter",
        "mailing list",
        "received this",
        "erhalten diese",
        "recevez ce",
        "recibe este",
    ];
    const PLACES: &[&str] = &[
        "http",
        "www.",
        "click",
        "klick",
        "cliqu",
        "clic ",
        "clique",
        "klik",
        "mailto:",
        " | ",
        "received this",
        "link below",
    ];
    let is_footer = |line: &str| {
        let line: String = line.chars().take(400).collect::<String>().to_lowercase();
        let plain: String = line.split_whitespace().map(fold).collect::<Vec<_>>().join(" ");
        let own = |word: &str| context::FIRST_PERSON.contains(&word);
        LEAVING.iter().any(|l| plain.contains(l))
            && PLACES.iter().any(|p| line.contains(p))
            && !plain.split(|c: char| !c.is_alphanumeric()).any(own)
    };
    let (mut own, mut footers) = (Vec::new(), Vec::new());
    for line in text.lines() {
        if is_footer(line) {
            footers.push(Footer { line, above: own.len() });
        } else {
            own.push(line);
        }
    }
    (own.join("\n"), footers)
}

/// What looks like the foot of a newsletter and may yet be the answer: nothing but greetings stands above it, or it leads nowhere
/// and says that somebody wants to leave. A person reads that.
fn judge_footers(body: &str, footers: &[Footer<'_>]) -> Option<Verdict> {
    let lines: Vec<&str> = body.lines().collect();
    footers.iter().find_map(|footer| {
        let told = sentences(footer.line);
        let verdict = judge_whole(&told, "").unwrap_or_else(|| Reading::of(&told, 0).judge());
        let above = sentences(&lines.get(..footer.above.min(lines.len())).unwrap_or_default().join("\n"));
        let alone = above.iter().enumerate().all(|(number, s)| is_polite(s) || greets(s, number));
        let leads = ["http", "www.", "mailto:"].iter().any(|place| footer.line.to_lowercase().contains(place));
        let says = verdict.meaning == Meaning::OptOut || (alone && verdict.meaning != Meaning::Neither);
        (says && (alone || !leads)).then(|| Verdict {
            meaning: Meaning::Unsure,
            confidence: 50,
            reasons: vec!["in a line that looks like the foot of a newsletter"],
            ..verdict
        })
    })
}

/// Where an answer says one thing only, greetings, thanks and names apart.
fn judge_whole(told: &[Sentence], reason: &'static str) -> Option<Verdict> {
    let wanted = |sense| matches!(sense, Sense::WholeOptOut | Sense::WholeRefusal);
    let found = BOOK.find(told, wanted, |_, _| false);
    let mut whole = None;
    for (number, sentence) in told.iter().enumerate() {
        let all = found.iter().find(|f| f.sentence == number && covers(f, sentence) && !sentence.question);
        match all {
            // "No. Stop." is an opt-out
            Some(f) if whole.is_none_or(|w: &Found| w.sense == Sense::WholeRefusal) => whole = Some(f),
            Some(_) => {}
            None if is_polite(sentence) || greets(sentence, number) => {}
            None => return None,
        }
    }
    let found = whole?;
    let meaning = if found.sense == Sense::WholeOptOut { Meaning::OptOut } else { Meaning::Refusal };
    Some(Verdict {
        meaning,
        confidence: 98,
        phrase: Some(words_of(told, found)),
        language: Some(found.language),
        reasons: vec![reason],
    })
}

/// Whether a phrase is all of a sentence, but for polite words around it.
fn covers(found: &Found, sentence: &Sentence) -> bool {
    let own = |at: usize| (found.start..=found.last).contains(&at);
    let polite = |text: &str| context::POLITE.contains(&text);
    found.literal.len() == found.last + 1 - found.start
        && sentence.tokens.iter().enumerate().all(|(at, t)| own(at) || polite(&t.text))
}

/// A name, thanks, a farewell.
fn is_polite(sentence: &Sentence) -> bool {
    sentence.name || sentence.tokens.iter().all(|t| context::POLITE.contains(&t.text.as_str()))
}

/// "Hi Kim,": a first line that begins with a greeting.
fn greets(sentence: &Sentence, number: usize) -> bool {
    let first = sentence.tokens.first().is_some_and(|t| context::POLITE.contains(&t.text.as_str()));
    number == 0 && first && sentence.tokens.len() <= 3
}

fn words_of(told: &[Sentence], found: &Found) -> String {
    let tokens = told.get(found.sentence).map(|s| s.tokens.as_slice()).unwrap_or_default();
    tokens
        .get(found.start..=found.last)
        .unwrap_or_default()
        .iter()
        .map(|t| t.text.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

/// A text with the phrases found in it.
struct Reading<'a> {
    told: &'a [Sentence],
    subject_sentences: usize,
    words: usize,
    idle: Vec<Found>,
    found: Vec<Found>,
}

impl<'a> Reading<'a> {
    fn of(told: &'a [Sentence], subject_sentences: usize) -> Self {
        let idle = BOOK.find(told, |s| s == Sense::Idle, |_, _| false);
        let masked = |sentence: usize, at: usize| {
            idle.iter().any(|f| f.sentence == sentence && (f.start..=f.last).contains(&at))
        };
        let wanted = |s| {
            matches!(s, Sense::OptOut | Sense::Mention | Sense::Whence | Sense::Away | Sense::Refusal | Sense::Willing)
        };
        let found = BOOK.find(told, wanted, masked);
        let words = told.iter().map(|s| s.tokens.len()).sum();
        Self { told, subject_sentences, words, idle, found }
    }

    fn judge(&self) -> Verdict {
        let mut mixed: Option<(&Found, &'static str)> = None;
        for (sense, meaning) in [(Sense::OptOut, Meaning::OptOut), (Sense::Refusal, Meaning::Refusal)] {
            for found in self.of_sense(sense) {
                match self.against(found) {
                    None => return self.verdict(meaning, found, "a phrase that says so"),
                    Some(reason) => mixed = mixed.or(Some((found, reason))),
                }
            }
        }
        if let Some((found, reason)) = mixed {
            return self.verdict(Meaning::Unsure, found, reason);
        }
        let negated = self.found.iter().find(|f| {
            f.sense == Sense::OptOut && self.is_negated(f) && self.told.get(f.sentence).is_some_and(|s| s.question)
        });
        if let Some(found) = negated {
            return self.verdict(Meaning::Unsure, found, "a question with a negation");
        }
        // "Where did you get my address? Delete it."
        if self.words <= SHORT
            && self.of_sense(Sense::Whence).next().is_some()
            && let Some(found) = self.of_sense(Sense::Away).find(|f| self.against(f).is_none())
        {
            return self.verdict(Meaning::OptOut, found, "asks where we have them from, and wants it gone");
        }
        if let Some(found) = self.of_sense(Sense::Mention).find(|_| self.words <= SHORT) {
            return self.verdict(Meaning::Unsure, found, "speaks of it");
        }
        if let Some(found) = self.wary().filter(|_| self.words <= SHORT) {
            let verdict = self.verdict(Meaning::Unsure, &found, "speaks of mail and of ending something");
            return Verdict { language: None, ..verdict };
        }
        if let Some(verdict) = self
            .denied()
            .filter(|_| self.words <= TERSE)
            .map(|found| self.verdict(Meaning::Unsure, &found, "a negation, and speaks of mail"))
        {
            return Verdict { language: None, ..verdict };
        }
        let nothing = if self.idle.is_empty() { "no such phrase" } else { "looks like a no and is none" };
        Verdict { meaning: Meaning::Neither, confidence: 80, phrase: None, language: None, reasons: vec![nothing] }
    }

    fn verdict(&self, meaning: Meaning, found: &Found, reason: &'static str) -> Verdict {
        let confidence = match (meaning, self.words) {
            (Meaning::Unsure, _) => 50,
            (_, ..=TERSE) => 95,
            (_, ..=SHORT) => 90,
            (_, _) => 80,
        };
        let mut reasons = vec![reason];
        if self.words > SHORT {
            reasons.push("a long letter");
        }
        let phrase = Some(words_of(self.told, found));
        Verdict { meaning, confidence, phrase, language: Some(found.language), reasons }
    }

    /// The words of a sentence without a negation that speaks of ending something and of mail, whatever its wording. No
    /// list of phrases is complete: what it does not know is for a person and not for the drawer.
    fn wary(&self) -> Option<Found> {
        let begins = |text: &str, with: &[&str]| with.iter().any(|w| text.starts_with(w));
        self.told.iter().enumerate().skip(self.subject_sentences).find_map(|(sentence, told)| {
            let negates = |at: usize| told.tokens.get(at).is_some_and(|t| context::negates(&t.text, Language::Es));
            let no_more = |at: usize| {
                negates(at) && told.tokens.get(at + 1).is_some_and(|t| context::NO_MORE.contains(&t.text.as_str()))
            };
            let free = || told.tokens.iter().enumerate().filter(|(at, _)| !self.is_idle(sentence, *at));
            let (ending, _) = free().find(|(at, t)| no_more(*at) || begins(&t.text, context::ENDINGS))?;
            let (object, _) = free().find(|(_, t)| begins(&t.text, context::OBJECTS))?;
            let denied = (0..told.tokens.len()).any(|at| negates(at) && !no_more(at));
            let (start, last) = (ending.min(object), ending.max(object));
            (!denied && ending != object).then(|| Found {
                sense: Sense::Mention,
                language: Language::En,
                sentence,
                start,
                last,
                literal: vec![start, last],
            })
        })
    }

    /// The words from a negation to our mail within one clause that tells nothing and asks nothing.
    fn denied(&self) -> Option<Found> {
        let begins = |text: &str, with: &[&str]| with.iter().any(|w| text.starts_with(w));
        let mut told = self.told.iter().enumerate().skip(self.subject_sentences).filter(|(_, told)| !told.question);
        told.find_map(|(sentence, told)| {
            let free = |at: usize| !self.is_idle(sentence, at);
            let mut tokens = told.tokens.iter().enumerate();
            let (start, no) =
                tokens.find(|(at, t)| free(*at) && context::negates(&t.text, Language::Es) && t.text != "no")?;
            let (last, _) = tokens.find(|(at, t)| {
                let ours = begins(&t.text, context::OBJECTS) || begins(&t.text, context::CONTACTS);
                free(*at) && t.clause == no.clause && ours
            })?;
            // "don't remove me from the list" asks for the opposite
            let stays = self.found.iter().any(|f| f.sense == Sense::OptOut && f.sentence == sentence);
            let telling = stays || told.tokens.iter().any(|t| context::TELLING.contains(&t.text.as_str()));
            let (sense, language, literal) = (Sense::Mention, Language::En, vec![start, last]);
            (!telling).then_some(Found { sense, language, sentence, start, last, literal })
        })
    }

    fn is_idle(&self, sentence: usize, at: usize) -> bool {
        self.idle.iter().any(|f| f.sentence == sentence && (f.start..=f.last).contains(&at))
    }

    /// The phrases of a sense that no negation turns round and no longer phrase of another sense covers.
    fn of_sense(&self, sense: Sense) -> impl Iterator<Item = &Found> {
        self.found.iter().filter(move |f| f.sense == sense && !self.is_negated(f) && !self.is_covered(f))
    }

    /// "remove me" within "remove me from consideration".
    fn is_covered(&self, found: &Found) -> bool {
        self.found.iter().any(|other| {
            let decides = matches!(other.sense, Sense::OptOut | Sense::Refusal);
            let inside = other.start <= found.start && other.last >= found.last;
            let longer = other.last - other.start > found.last - found.start;
            decides && other.sense != found.sense && other.sentence == found.sentence && inside && longer
        })
    }

    /// Whether a negation that belongs to no phrase stands in it or before it. A refusal brings its own.
    fn is_negated(&self, found: &Found) -> bool {
        if found.sense == Sense::Refusal {
            return false;
        }
        let Some(sentence) = self.told.get(found.sentence) else { return false };
        let clause = sentence.tokens.get(found.start).map(|t| t.clause);
        // German, Dutch and French put theirs behind the verb
        let behind = usize::from(matches!(found.language, Language::De | Language::Nl | Language::Fr));
        let reach = found.start.saturating_sub(NEGATION_REACH)..=found.last + behind;
        sentence.tokens.iter().enumerate().any(|(at, token)| {
            reach.contains(&at)
                && (at >= found.start || Some(token.clause) == clause)
                && context::negates(&token.text, found.language)
                && !found.literal.contains(&at)
                && !self.belongs(found.sentence, at)
        })
    }

    /// Whether a word is part of a phrase that decides, or of one that only looks like a no.
    fn belongs(&self, sentence: usize, at: usize) -> bool {
        let deciding = self.found.iter().filter(|f| matches!(f.sense, Sense::OptOut | Sense::Refusal));
        deciding.chain(&self.idle).any(|f| f.sentence == sentence && f.literal.contains(&at))
    }

    /// What speaks against taking a phrase at its word.
    fn against(&self, found: &Found) -> Option<&'static str> {
        if self.is_conditional(found) {
            return Some("with a condition");
        }
        if found.sense == Sense::OptOut && self.is_elsewhere(found) {
            return Some("speaks of something else than our mail");
        }
        if found.sense == Sense::Refusal {
            let tokens = self.told.get(found.sentence).map(|s| s.tokens.as_slice()).unwrap_or_default();
            if tokens.iter().any(|t| context::DAYS.contains(&t.text.as_str())) {
                return Some("speaks of a day");
            }
            if self.words > LONG {
                return Some("somewhere in a long letter");
            }
        }
        let willing: Vec<&Found> = self.of_sense(Sense::Willing).filter(|w| !self.overlaps(w)).collect();
        let after = |w: &&&Found| (w.sentence, w.start) > (found.sentence, found.last);
        if willing.iter().any(|w| after(&w)) {
            return Some("something else is wanted");
        }
        let regrets = |sentence: usize| {
            let tokens = self.told.get(sentence).map(|s| s.tokens.as_slice()).unwrap_or_default();
            tokens.iter().any(|t| context::REGRETS.contains(&t.text.as_str()))
        };
        let before = willing.iter().any(|w| w.sentence < found.sentence);
        if before && !regrets(found.sentence) {
            return Some("said yes before");
        }
        let late = found.sentence >= FIRST_SENTENCES + self.subject_sentences;
        (self.words > SHORT && late && !willing.is_empty()).then_some("deep in a long friendly letter")
    }

    /// An old address that is to go, a picture that may not be used, mail that is not needed: whoever speaks of those may be
    /// in the middle of working with us.
    fn is_elsewhere(&self, found: &Found) -> bool {
        let tokens = self.told.get(found.sentence).map(|s| s.tokens.as_slice()).unwrap_or_default();
        let clause = tokens.get(found.last).map(|t| t.clause);
        let near = |at: usize| tokens.get(at).filter(|t| Some(t.clause) == clause).map(|t| t.text.as_str());
        let former = (found.start..=found.last + 1).filter_map(near).any(|word| context::FORMER.contains(&word));
        let needed = near(found.last + 1).is_some_and(|word| context::NEEDED.contains(&word));
        let mut around = (found.start..tokens.len()).filter_map(near);
        let work = around.clone().any(|word| context::WORK.contains(&word));
        let mail =
            around.any(|word| context::OBJECTS.iter().chain(context::CONTACTS).any(|begin| word.starts_with(begin)));
        former || needed || (work && !mail)
    }

    fn overlaps(&self, willing: &Found) -> bool {
        self.found.iter().any(|f| {
            matches!(f.sense, Sense::OptOut | Sense::Refusal)
                && f.sentence == willing.sentence
                && f.start <= willing.last
                && willing.start <= f.last
        })
    }

    fn is_conditional(&self, found: &Found) -> bool {
        let Some(sentence) = self.told.get(found.sentence) else { return false };
        sentence.tokens.iter().enumerate().any(|(at, token)| {
            let word = token.text.as_str();
            let before = at.checked_sub(1).and_then(|i| sentence.tokens.get(i));
            let begins = before.is_none_or(|b| b.clause != token.clause) || at == found.last + 1;
            // "sí," is a yes
            let alone = sentence.tokens.get(at + 1).is_none_or(|next| next.clause != token.clause);
            let own = (found.start..=found.last).contains(&at) || self.belongs(found.sentence, at);
            !own && !alone
                && (context::CONDITIONS.contains(&word) || (begins && context::CONDITIONS_AT_START.contains(&word)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn means(text: &str) -> Meaning {
        judge_answer(&Answer { subject: "Re: box", answers: None, reply_text: text }).meaning
    }

    #[test]
    fn one_word_answers_are_plain() {
        for no in ["No", "nope.", "Nein danke!", "Hi Kim,\n\nno thanks.\n\nBest,\nAna"] {
            assert_eq!(means(no), Meaning::Refusal, "{no}");
        }
        for stop in ["Stop", "STOP!", "Unsubscribe.", "Hallo,\nbitte abmelden\nDanke", "No. Stop."] {
            assert_eq!(means(stop), Meaning::OptOut, "{stop}");
        }
        for neither in ["", "Yes", "No?", "Stop?", "No, it came on Monday."] {
            assert_eq!(means(neither), Meaning::Neither, "{neither}");
        }
    }

    #[test]
    fn a_no_that_speaks_of_links_is_no_foot_of_a_newsletter() {
        for no in [
            "I clicked unsubscribe three times and still get these. Please remove me from your list.",
            "I received this without ever signing up. Take me off your list and don't contact me again.",
            "Ich habe dreimal auf abmelden geklickt. Bitte streichen Sie mich aus Ihrem Verteiler.",
        ] {
            assert_eq!(means(no), Meaning::OptOut, "{no}");
        }
        for perhaps in [
            "Unsubscribe me please, the link below does not work.",
            "Hi Kim,\nplease unsubscribe this address, the link below is broken.\nBest,\nAna",
            "Thanks for the parcel.\nPlease remove this address from the mailing list, a click does nothing.",
        ] {
            assert!(matches!(means(perhaps), Meaning::OptOut | Meaning::Unsure), "{perhaps}");
        }
        for foot in [
            "What's your rate?\n\nAna Lee\nTo unsubscribe from my newsletter click here: https://ana.example/u",
            "Great, what are the dates?\n\nYou received this as a reader. Unsubscribe | Preferences: https://ana.example/u",
        ] {
            assert_eq!(means(foot), Meaning::Neither, "{foot}");
        }
    }

    #[test]
    fn our_own_subject_is_no_answer() {
        let meaning = |subject: &str, answers: Option<&str>, reply_text: &str| {
            judge_answer(&Answer { subject, answers, reply_text }).meaning
        };
        for ours in ["Baja", "Enough", "STOP", "Stop spam"] {
            let reply = format!("Re: {ours}");
            assert_eq!(meaning(&reply, Some(ours), "Yes, I'm in!"), Meaning::Neither, "{ours}");
            assert_eq!(meaning(ours, Some(ours), "Yes, I'm in!"), Meaning::Neither, "{ours}, without a mark");
            assert_eq!(meaning(&reply, None, "Yes, I'm in!"), Meaning::Unsure, "{ours}, and whose it is unknown");
            assert_eq!(meaning(&reply, Some("Spring box"), ""), Meaning::OptOut, "{ours}, written over ours");
            assert_eq!(meaning(ours, None, ""), Meaning::OptOut, "{ours}, a mail of its own");
        }
    }

    #[test]
    fn verdict_names_the_phrase_and_its_language() {
        let verdict =
            judge_answer(&Answer { subject: "AW: Box", answers: None, reply_text: "Daran habe ich kein Interesse." });
        assert_eq!(
            (verdict.meaning, verdict.phrase.as_deref(), verdict.language),
            (Meaning::Refusal, Some("kein interesse"), Some(Language::De))
        );
    }

    #[test]
    fn hostile_texts_end() {
        for piece in ["not ", "remove my ", "no, ", "stop sending ", "if ", "a-", "¿", "mich aus "] {
            let text = piece.repeat(20_000);
            let _ = means(&text);
        }
    }
}
