//! The day on which the writer of an absence note is back. Only a date that can be read in one way counts; a wrong
//! date would wake or silence somebody on the wrong day, no date costs a few days' wait.

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;

use crate::domain::time::Micros;

/// Words after which the date of the return stands, the most telling first (lower case).
const CUES: &[&[&str]] = &[
    &[
        "return on",
        "returning on",
        "returning to the office on",
        "return to the office on",
        "returning to work on",
        "back on",
        "back in the office on",
        "back at work on",
        "be back",
        "returning",
        "return",
        "zurück am",
        "wieder am",
        "wieder ab",
        "zurück ab",
        "wieder ab dem",
        "de retour le",
        "de retour à partir du",
        "retour le",
        "regreso el",
        "regresaré el",
        "volveré el",
        "de volta em",
        "de volta no dia",
        "retorno em",
        "regresso a",
        "rientro il",
        "rientrerò il",
        "di ritorno il",
        "terug op",
        "weer aanwezig op",
        "terug vanaf",
    ],
    &[
        "until",
        "till",
        "through",
        "bis einschließlich",
        "bis zum",
        "bis",
        "jusqu'au",
        "jusqu’au",
        "hasta el",
        "hasta",
        "até o dia",
        "até",
        "fino al",
        "sino al",
        "tot en met",
        "t/m",
        "tot",
    ],
];
/// The beginnings of month names, by month.
const MONTHS: &[(&str, i8)] = &[
    ("jan", 1),
    ("jän", 1),
    ("ene", 1),
    ("gen", 1),
    ("feb", 2),
    ("fév", 2),
    ("fev", 2),
    ("mar", 3),
    ("mär", 3),
    ("mrz", 3),
    ("maa", 3),
    ("mrt", 3),
    ("apr", 4),
    ("avr", 4),
    ("abr", 4),
    ("mai", 5),
    ("may", 5),
    ("mag", 5),
    ("mei", 5),
    ("jun", 6),
    ("juin", 6),
    ("giu", 6),
    ("jul", 7),
    ("juil", 7),
    ("lug", 7),
    ("aug", 8),
    ("aoû", 8),
    ("aou", 8),
    ("ago", 8),
    ("sep", 9),
    ("set", 9),
    ("oct", 10),
    ("okt", 10),
    ("out", 10),
    ("ott", 10),
    ("nov", 11),
    ("dec", 12),
    ("dez", 12),
    ("déc", 12),
    ("dic", 12),
];
/// Words between a cue and its date that mean nothing.
const FILLERS: &[&str] = &[
    "the",
    "on",
    "de",
    "den",
    "dem",
    "le",
    "el",
    "il",
    "dia",
    "of",
    "and",
    "and including",
    "including",
    "to",
    "work",
    "office",
    "einschließlich",
    "incl",
    "inclusive",
    "al",
    "em",
];
/// The furthest return that is believed.
const AHEAD_MAX_DAYS: i32 = 400;

/// The return date that a note gives. `sent` is the note's own date, which a date without a year follows.
pub(super) fn find(subject: &str, text: &str, sent: Option<Micros>) -> Option<Date> {
    let sent = sent?.timestamp().to_zoned(TimeZone::UTC).date();
    let both = format!("{text} . {subject}");
    for cues in CUES {
        for cue in *cues {
            for (at, _) in both.match_indices(cue).take(20) {
                let before = both.get(..at).and_then(|t| t.chars().next_back());
                let rest = both.get(at + cue.len()..).unwrap_or_default();
                let whole = !before.is_some_and(char::is_alphanumeric) && !rest.starts_with(char::is_alphanumeric);
                if whole && let Some(found) = read(rest, sent) {
                    return Some(found);
                }
            }
        }
    }
    None
}

/// The date at the start of `rest`, after a weekday and words that mean nothing.
fn read(rest: &str, sent: Date) -> Option<Date> {
    let words: Vec<&str> =
        rest.split(|c: char| c.is_whitespace() || c == ',').filter(|w| !w.is_empty()).take(10).collect();
    let start = words.iter().position(|w| looks_like_date(w))?;
    let filler = |w: &&str| FILLERS.contains(&w.trim_matches('.')) || is_weekday(w);
    if start > 4 || !words.iter().take(start).all(filler) {
        return None;
    }
    let words = words.get(start..)?;
    let (day, month, year) = numeric(words.first()?).or_else(|| named(words))?;
    let found = match year {
        Some(year) => Date::new(year, month, day).ok()?,
        None => next(day, month, sent)?,
    };
    let ahead = found.since(sent).ok()?.get_days();
    (0..=AHEAD_MAX_DAYS).contains(&ahead).then_some(found)
}

fn looks_like_date(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit()) || month(word).is_some()
}

fn is_weekday(word: &str) -> bool {
    const DAYS: &[&str] = &[
        "mon", "tue", "wed", "thu", "fri", "sat", "sun", "die", "mit", "don", "fre", "sam", "son", "lun", "mar", "mer",
        "jeu", "ven", "dim", "mié", "jue", "vie", "sáb", "dom", "seg", "ter", "qua", "qui", "sex", "gio", "sab", "maa",
        "din", "woe", "vri", "zat", "zon",
    ];
    DAYS.iter().any(|d| word.starts_with(d))
}

/// A month's name, whole or cut, with or without a dot.
fn month(word: &str) -> Option<i8> {
    let word = word.trim_matches(|c: char| !c.is_alphabetic());
    if word.chars().count() > 10 || is_weekday_name(word) {
        return None;
    }
    MONTHS
        .iter()
        .filter(|(name, _)| word.starts_with(name))
        .max_by_key(|(name, _)| name.len())
        .map(|(_, number)| *number)
}

/// Words that begin like a month and are a weekday or something else.
fn is_weekday_name(word: &str) -> bool {
    [
        "mardi",
        "martes",
        "martedì",
        "maandag",
        "mai nicht",
        "generally",
        "november-ish",
        "out",
        "set",
        "mark",
        "market",
        "marketing",
        "second",
        "decided",
        "general",
        "maya",
        "settled",
        "agora",
    ]
    .contains(&word)
}

/// `2026-03-09`, `09.03.2026`, `9.3.`, `25/03/2026`. Slashes are read only where they can mean one thing.
fn numeric(word: &str) -> Option<(i8, i8, Option<i16>)> {
    let word = word.trim_end_matches([';', '!', ')', ':']);
    let separator = word.chars().find(|c| !c.is_ascii_digit())?;
    let mut numbers = word.trim_end_matches('.').split(separator);
    let (first, second) = (numbers.next()?, numbers.next()?);
    let third = numbers.next().filter(|t| !t.is_empty());
    if numbers.next().is_some() {
        return None;
    }
    let year = |text: &str| -> Option<i16> {
        match text.len() {
            4 => text.parse().ok(),
            2 => text.parse::<i16>().ok().map(|y| 2000 + y),
            _ => None,
        }
    };
    match (separator, first.len()) {
        ('-', 4) => Some((third?.parse().ok()?, second.parse().ok()?, Some(year(first)?))),
        ('.', 1 | 2) => {
            // "9. March" is a day; a bare "9.3" without a year needs its last dot to be a date
            let year = match third {
                Some(t) => Some(year(t)?),
                None if word.ends_with('.') || second.len() == 2 => None,
                None => return None,
            };
            Some((first.parse().ok()?, second.parse().ok()?, year))
        }
        ('/' | '-', 1 | 2) => {
            let (a, b): (i8, i8) = (first.parse().ok()?, second.parse().ok()?);
            let year = third.map(year);
            let year = match year {
                Some(None) => return None,
                Some(Some(y)) => Some(y),
                None => None,
            };
            if a > 12 || a == b {
                Some((a, b, year))
            } else if b > 12 {
                Some((b, a, year))
            } else {
                None
            }
        }
        _ => None,
    }
}

/// `9 March 2026`, `9. März`, `March 9th, 2026`, `9 de marzo de 2026`.
fn named(words: &[&str]) -> Option<(i8, i8, Option<i16>)> {
    let useful: Vec<&str> =
        words.iter().copied().filter(|w| !matches!(*w, "de" | "of" | "del" | "do")).take(4).collect();
    let (first, second) = (useful.first()?, useful.get(1)?);
    let (day, month) = match (day(first), month(second)) {
        (Some(day), Some(month)) => (day, month),
        _ => (day(second)?, month(first)?),
    };
    // a sentence that ends after the date has no year
    let ended = second.ends_with('.') && second.len() > 4 && month_is_whole(second);
    let year = useful.get(2).filter(|_| !ended).and_then(|w| {
        let digits = w.trim_matches(|c: char| !c.is_ascii_digit());
        digits.parse::<i16>().ok().filter(|y| digits.len() == 4 && (2000..2200).contains(y))
    });
    Some((day, month, year))
}

fn month_is_whole(word: &str) -> bool {
    word.trim_end_matches('.').chars().count() > 4
}

/// A day of the month: `9`, `9.`, `9th`, `1er`, `1º`.
fn day(word: &str) -> Option<i8> {
    let digits: String = word.chars().take_while(char::is_ascii_digit).collect();
    let rest = word.get(digits.len()..)?.trim_end_matches(['.', ';', '!', ')', ':']);
    let ordinal = matches!(rest, "" | "st" | "nd" | "rd" | "th" | "er" | "º" | "°" | "ª" | "e" | "de" | "ste");
    (ordinal && digits.len() <= 2).then(|| digits.parse().ok()).flatten()
}

/// The first such day on or after `sent`, if it is not most of a year away.
fn next(day: i8, month: i8, sent: Date) -> Option<Date> {
    let this_year = Date::new(sent.year(), month, day).ok();
    let found = match this_year {
        Some(found) if found >= sent => found,
        _ => Date::new(sent.year() + 1, month, day).ok()?,
    };
    let ahead = found.since(sent).ok()?.get_days();
    (ahead <= 300 && found > date(1970, 1, 1)).then_some(found)
}
