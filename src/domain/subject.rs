//! Subjects: what is left without reply and forward marks (RFC 5256 §2.1), and the subject of an answer.

/// Marks of an answer, lower case.
const REPLY: &[&str] = &[
    "re",
    "aw",
    "antw",
    "antwort",
    "sv",
    "vs",
    "res",
    "rif",
    "r",
    "rép",
    "rep",
    "réf",
    "ref",
    "odp",
    "ynt",
    "bls",
    "atb",
    "απ",
    "回复",
    "回覆",
    "答复",
    "ha",
    "vá",
    "nb",
    "بخصوص",
    "ответ",
    "отв",
    "на",
    "re:re",
    "sbj",
    "resp",
    "vb",
];
/// Marks of a forward, lower case.
const FORWARD: &[&str] = &[
    "fw",
    "fwd",
    "wg",
    "tr",
    "rv",
    "enc",
    "i",
    "doorst",
    "vl",
    "vid",
    "vidarebefordrat",
    "pd",
    "ilt",
    "továbbítás",
    "转发",
    "轉寄",
    "προωθ",
    "trs",
    "пересылка",
    "пер",
    "fs",
    "доклад",
    "переслано",
    "inoltra",
    "weitergeleitet",
    "videresendt",
];

/// What stands before the first colon of a subject.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Reply,
    Forward,
}

/// The mark at the start of `text` ("Re:", "AW [2]:", "Fwd(3) :") and what follows it.
fn split_mark(text: &str) -> Option<(Mark, &str)> {
    let colon = text.char_indices().take(40).find(|(_, c)| matches!(c, ':' | '：'))?;
    let before = text.get(..colon.0)?;
    let after = text.get(colon.0 + colon.1.len_utf8()..)?;
    let word = before.trim().to_lowercase();
    // a count: Re[2]: or Re(2): or Re^2:
    let bare = word.split(['[', '(', '^', '*']).next().unwrap_or_default().trim();
    let count = word.strip_prefix(bare).unwrap_or_default();
    if !count.chars().all(|c| c.is_ascii_digit() || " []()^*".contains(c)) {
        return None;
    }
    // one-letter marks are words in other languages: they must be written as marks are, in upper case
    if bare.chars().count() == 1 && !before.trim_start().starts_with(char::is_uppercase) {
        return None;
    }
    // of two letters, a few are words that begin real subjects ("Ha: surprise")
    if matches!(bare, "ha" | "на" | "nb") && before.trim() != before.trim().to_uppercase() {
        return None;
    }
    if REPLY.contains(&bare) {
        Some((Mark::Reply, after))
    } else if FORWARD.contains(&bare) {
        Some((Mark::Forward, after))
    } else {
        None
    }
}

/// A bracket blob at the start, such as `[External]` or `[list-name]`, and what follows it.
fn split_blob(text: &str) -> Option<(&str, &str)> {
    let (blob, after) = text.strip_prefix('[')?.split_once(']')?;
    (blob.len() <= 80 && !blob.contains('[')).then_some((blob, after))
}

/// Takes the marks and blobs off the front; tells what was there. The last blob stays where nothing else would.
fn strip(subject: &str) -> (&str, bool, bool) {
    let mut text = subject.trim();
    let (mut reply, mut forward) = (false, false);
    loop {
        if let Some((mark, after)) = split_mark(text) {
            reply |= mark == Mark::Reply;
            forward |= mark == Mark::Forward;
            text = after.trim_start();
        } else if let Some((_, after)) = split_blob(text)
            && !after.trim().is_empty()
        {
            text = after.trim_start();
        } else {
            break;
        }
    }
    loop {
        let trimmed = text.trim_end();
        let length = trimmed.len();
        let ends_in_mark =
            length >= 5 && trimmed.get(length - 5..).is_some_and(|end| end.eq_ignore_ascii_case("(fwd)"));
        text = if ends_in_mark {
            forward = true;
            trimmed.get(..length - 5).unwrap_or_default()
        } else {
            return (unwrap_forward(trimmed, &mut forward), reply, forward);
        };
    }
}

/// `[Fwd: subject]`, as old programs write it.
fn unwrap_forward<'a>(text: &'a str, forward: &mut bool) -> &'a str {
    let inner = text.get(..5).filter(|s| s.eq_ignore_ascii_case("[fwd:")).and_then(|_| text.get(5..));
    match inner.and_then(|t| t.strip_suffix(']')) {
        Some(inner) => {
            *forward = true;
            inner.trim()
        }
        None => text,
    }
}

/// The subject without reply and forward marks, bracket blobs and `(fwd)`, lower case, white space folded: equal for
/// the messages of one conversation (RFC 5256 §2.1, with the marks of more languages).
pub fn base_subject(subject: &str) -> String {
    let (mut text, ..) = strip(subject);
    // what was wrapped may carry marks of its own
    for _ in 0..8 {
        let (inner, ..) = strip(text);
        if inner.len() == text.len() {
            break;
        }
        text = inner;
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// The subject without blobs such as `[External]` in front, marks kept.
pub fn without_blobs(subject: &str) -> &str {
    let mut text = subject.trim();
    while let Some((_, after)) = split_blob(text)
        && !after.trim().is_empty()
    {
        text = after.trim_start();
    }
    text
}

/// Whether a subject carries the mark of an answer.
pub fn is_reply(subject: &str) -> bool {
    strip(subject).1
}

/// Whether a subject carries the mark of a forward, before or behind.
pub fn is_forward(subject: &str) -> bool {
    let mut text = without_blobs(subject);
    let mut forward = strip(subject).2;
    // "Re: Fwd: x" answers a forward; it does not forward
    if let Some((Mark::Reply, _)) = split_mark(text) {
        return false;
    }
    while let Some((mark, after)) = split_mark(text) {
        forward |= mark == Mark::Forward;
        text = after.trim_start();
    }
    forward
}

/// The subject of an answer: `Re: ` in front unless an answer's mark is there; otherwise unchanged.
pub fn reply_subject(subject: &str) -> String {
    let subject = subject.trim();
    match split_mark(without_blobs(subject)) {
        Some((Mark::Reply, _)) => subject.to_owned(),
        _ if subject.is_empty() => "Re:".to_owned(),
        _ => format!("Re: {subject}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_many_languages_come_off() {
        for subject in [
            "Summer box",
            "Re: Summer box",
            "RE: re: FW: Summer  box",
            "AW: Summer box",
            "WG: AW: summer box",
            "SV: Summer box",
            "VS: Summer box",
            "RES: Summer box",
            "ENC: Summer box",
            "Antw: Summer box",
            "Rif: Summer box",
            "R: Summer box",
            "I: Summer box",
            "TR: Summer box",
            "RV: Summer box",
            "Odp: Summer box",
            "YNT: Summer box",
            "Re[2]: Summer box",
            "Re (3): Summer box",
            "[External] Re: Summer box",
            "Re: [EXTERN] Summer box",
            "[Fwd: Summer box]",
            "Summer box (fwd)",
            "Re : Summer box",
            "回复：Summer box",
            "[list] [External] Re: Summer box",
        ] {
            assert_eq!(base_subject(subject), "summer box", "{subject}");
        }
        assert_eq!(base_subject("[collab]"), "[collab]");
        assert_eq!(base_subject("Release: tomorrow"), "release: tomorrow");
        assert_eq!(base_subject("i: a letter"), "i: a letter");
        assert_eq!(base_subject(""), "");
        assert!(base_subject(&"[Fwd: ".repeat(1_000)).len() < 7_000);
    }

    #[test]
    fn answers_and_forwards_are_told_apart() {
        assert!(is_forward("Fwd: box") && is_forward("[External] WG: box") && is_forward("box (fwd)"));
        assert!(!is_forward("Re: Fwd: box") && !is_forward("box") && is_forward("Fwd: Re: box"));
        assert_eq!(reply_subject("box"), "Re: box");
        assert_eq!(reply_subject("AW: box"), "AW: box");
        assert_eq!(reply_subject("[External] Re: box"), "[External] Re: box");
        assert_eq!(reply_subject("Fwd: box"), "Re: Fwd: box");
    }
}
