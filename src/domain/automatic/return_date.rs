//! The day on which the writer of an absence note is back. Only a date that can be read in one way counts; a wrong
//! date would wake or silence somebody on the wrong day, no date costs a few days' wait.

use jiff::civil::{Date, Weekday, date};
use jiff::tz::TimeZone;

use crate::domain::time::Micros;

/// Words after which the day of the return stands (lower case).
const RETURNS: &[&str] = &[
    "return",
    "returning",
    "back",
    "be back",
    "in the office again",
    "available again",
    "resume work",
    "zurück",
    "wieder da",
    "wieder erreichbar",
    "wieder im büro",
    "wieder",
    "rückkehr",
    "de retour",
    "retour",
    "reviens",
    "reviendrai",
    "rentrerai",
    "reprendrai",
    "reprends",
    "regreso",
    "regresaré",
    "regresare",
    "vuelvo",
    "volveré",
    "volvere",
    "de vuelta",
    "reincorporo",
    "reincorporaré",
    "volto",
    "voltarei",
    "de volta",
    "retorno",
    "retornarei",
    "regresso",
    "regressarei",
    "rientro",
    "rientrerò",
    "rientrero",
    "torno",
    "tornerò",
    "ritorno",
    "di ritorno",
    "di nuovo in ufficio",
    "terug",
    "weer aanwezig",
    "weer bereikbaar",
    "weer op kantoor",
    "weer",
    "terugkomst",
];
/// Words after which it stands where one of the others follows within a few words: `ab Donnerstag wieder erreichbar`.
const RETURNS_WITH: &[(&str, &[&str])] = &[
    ("from", &["again", "back", "available", "reachable"]),
    ("on", &["again", "back", "return"]),
    ("ab", &["wieder", "zurück", "erreichbar"]),
    ("am", &["wieder", "zurück"]),
    ("und", &["wieder", "zurück"]),
    (
        "partir",
        &["nouveau", "joignable", "disponible", "retour", "nuevo", "vuelta", "disponível", "volta", "novamente"],
    ),
    ("dal", &["rientro", "nuovo", "disponibile", "disponibili", "operativo", "operativa"]),
    ("vanaf", &["weer", "terug", "bereikbaar"]),
    ("op", &["weer", "terug"]),
    ("en", &["weer", "terug"]),
];
/// Words after which the last day away stands.
const UNTILS: &[&str] = &[
    "until", "till", "til", "through", "bis", "jusqu'au", "jusqu'à", "jusqu'a", "jusque", "hasta", "até", "fino",
    "sino", "tot", "t/m",
];
/// Words after which the last day away stands where somebody speaks of their return just before or after: `back after 9 March`.
const AFTERS: &[&str] = &["after", "nach", "après", "apres", "después", "despues", "depois", "após", "dopo", "na"];
/// What a return is spoken of with, beside [`RETURNS`], near one of [`AFTERS`].
const RETURN_WORDS: &[&str] = &[
    "return",
    "returning",
    "back",
    "again",
    "available",
    "zurück",
    "wieder",
    "erreichbar",
    "retour",
    "nouveau",
    "reviens",
    "reviendrai",
    "rentrerai",
    "regreso",
    "regresaré",
    "vuelvo",
    "volveré",
    "vuelta",
    "volto",
    "voltarei",
    "volta",
    "regresso",
    "rientro",
    "torno",
    "ritorno",
    "terug",
    "weer",
    "bereikbaar",
];
/// What joins the first and the last day of a range, where the first stands before it.
const RANGES: &[&str] = &["to", "through", "thru", "-", "–", "bis", "au", "al", "all'", "até", "tot", "t/m"];
/// The same, where the range was announced.
const ANNOUNCED_RANGES: &[&str] = &["and", "und", "et", "y", "e", "en", "a", "à"];
/// What announces a range.
const ANNOUNCEMENTS: &[&str] = &[
    "from", "between", "vom", "von", "zwischen", "du", "entre", "del", "desde", "de", "do", "dal", "dall'", "tra",
    "van", "tussen",
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
    "día",
    "of",
    "and",
    "including",
    "to",
    "work",
    "office",
    "in",
    "at",
    "my",
    "desk",
    "by",
    "from",
    "again",
    "online",
    "incl",
    "inclusive",
    "inclusief",
    "einschließlich",
    "einschl",
    "inkl",
    "zum",
    "am",
    "ab",
    "im",
    "büro",
    "dès",
    "à",
    "partir",
    "du",
    "au",
    "al",
    "a",
    "ao",
    "em",
    "no",
    "na",
    "o",
    "la",
    "del",
    "en",
    "met",
    "op",
    "vanaf",
    "het",
    "kantoor",
    "bureau",
    "ufficio",
    "oficina",
    "coming",
    "kommenden",
    "komende",
    "próximo",
    "próxima",
    "prossimo",
    "dal",
    "around",
    "wieder",
    "weer",
    "trabajo",
    "trabalho",
    "lavoro",
    "travail",
    "je",
    "ich",
    "ik",
    "next",
];
/// The furthest return that is believed.
const AHEAD_MAX_DAYS: i32 = 400;
/// Words of a note that are read.
const WORDS_MAX: usize = 600;
/// Words after a day within which it is said that it is the day of the return.
const RETURN_REACH: usize = 7;
/// The same, before it.
const RETURN_REACH_BACK: usize = 3;

/// How slashes are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Day before month.
    DayFirst,
    /// Either, as English is written in both ways.
    Unknown,
}

/// The day that a note names, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// The day of the return.
    Return(Date),
    /// The last day away. `until` alone may mean either: then this, so that nobody is written to too early.
    LastDay(Date),
}

impl Named {
    /// The day as it was named.
    pub(super) fn day(self) -> Date {
        match self {
            Self::Return(day) | Self::LastDay(day) => day,
        }
    }

    /// The first day on which they are back.
    pub(super) fn back_on(self) -> Option<Date> {
        match self {
            Self::Return(day) => Some(day),
            Self::LastDay(day) => day.tomorrow().ok(),
        }
    }
}

/// The day that a note names for the return, or for the last day away. `sent` is the note's own date, which a date without
/// a year follows.
pub(super) fn find(subject: &str, text: &str, sent: Option<Micros>) -> Option<Named> {
    let sent = sent?.timestamp().to_zoned(TimeZone::UTC).date();
    let both = format!("{text} . {subject}").replace('’', "'").replace(['–', '—'], " – ").replace("all'", "all' ");
    let words: Vec<&str> = both.split_whitespace().take(WORDS_MAX).collect();
    let note = Note { words: &words, order: order_of(&words), sent };
    let last_day = || {
        note.after_cue(UNTILS, |_| true)
            .or_else(|| note.after_cue(RANGES, |at| note.follows_date(at)))
            .or_else(|| note.after_cue(ANNOUNCED_RANGES, |at| note.follows_date(at) && note.is_announced(at)))
    };
    note.after_cue(AFTERS, |at| note.speaks_of_return(at))
        .map(Named::LastDay)
        .or_else(|| note.after_cue(RETURNS, |_| true).map(Named::Return))
        .or_else(|| note.after_announced_return().map(Named::Return))
        .or_else(|| last_day().map(Named::LastDay))
}

/// English is written with the month first or the day first; the other languages only with the day first.
fn order_of(words: &[&str]) -> Order {
    const OTHERS: &[&str] = &[
        "ich",
        "bin",
        "bis",
        "und",
        "urlaub",
        "vom",
        "je",
        "suis",
        "jusqu'au",
        "vacances",
        "congé",
        "bureau",
        "estoy",
        "hasta",
        "vacaciones",
        "oficina",
        "estou",
        "estarei",
        "férias",
        "até",
        "escritório",
        "sono",
        "sarò",
        "ferie",
        "fino",
        "ufficio",
        "ik",
        "ben",
        "tot",
        "vakantie",
        "afwezig",
        "kantoor",
        "verlof",
        "absent",
        "absente",
        "ausente",
        "assente",
        "dal",
        "del",
        "vuelvo",
        "retour",
        "rientro",
        "terug",
        "zurück",
        "volto",
        "regreso",
        "t/m",
        "serai",
        "abwesend",
        "du",
        "van",
    ];
    const ENGLISH: &[&str] = &[
        "the", "of", "out", "back", "until", "away", "my", "vacation", "holiday", "leave", "return", "from", "will",
        "email",
    ];
    let count = |list: &[&str]| words.iter().filter(|w| list.contains(&bare(w))).count();
    if count(OTHERS) > count(ENGLISH) { Order::DayFirst } else { Order::Unknown }
}

/// A word without the signs around it.
fn bare(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_alphanumeric() && c != '\'')
}

/// A note's words.
struct Note<'a> {
    words: &'a [&'a str],
    order: Order,
    sent: Date,
}

impl Note<'_> {
    /// The date after the first cue that has one.
    fn after_cue(&self, cues: &[&str], allowed: impl Fn(usize) -> bool) -> Option<Date> {
        (0..self.words.len()).find_map(|at| {
            let length = cues.iter().filter_map(|cue| self.cue_length(at, cue)).max()?;
            allowed(at).then(|| self.read(at + length)).flatten()
        })
    }

    /// `ab Donnerstag wieder erreichbar`.
    fn after_announced_return(&self) -> Option<Date> {
        (0..self.words.len()).find_map(|at| {
            let (_, needed) = RETURNS_WITH.iter().find(|(cue, _)| self.cue_length(at, cue).is_some())?;
            let near = self.words.get(at.saturating_sub(RETURN_REACH_BACK)..).unwrap_or_default();
            let mut near = near.iter().take(RETURN_REACH_BACK + RETURN_REACH);
            near.any(|w| needed.contains(&bare(w))).then(|| self.read(at + 1)).flatten()
        })
    }

    /// How many words a cue has that stands at `at`, and does not end a sentence there.
    fn cue_length(&self, at: usize, cue: &str) -> Option<usize> {
        let mut length = 0;
        for own in cue.split_whitespace() {
            let word = self.words.get(at + length)?;
            let plain = if own.starts_with(char::is_alphabetic) { bare(word) } else { word };
            if plain != own {
                return None;
            }
            length += 1;
        }
        let last = self.words.get(at + length - 1)?;
        (!last.ends_with(['.', '!', '?'])).then_some(length)
    }

    /// Whether the word before is the end of a date.
    fn follows_date(&self, at: usize) -> bool {
        at.checked_sub(1)
            .and_then(|i| self.words.get(i))
            .is_some_and(|w| looks_like_date(bare(w)) || is_weekday(bare(w)))
    }

    /// Whether a return is spoken of just before or soon after a word; for `na`, which is a mere article in Portuguese, before it.
    fn speaks_of_return(&self, at: usize) -> bool {
        let is_return = |w: &&str| RETURN_WORDS.contains(&bare(w));
        let before = self.words.get(at.saturating_sub(RETURN_REACH_BACK)..at).unwrap_or_default();
        if self.words.get(at).is_some_and(|w| bare(w) == "na") {
            return before.last().is_some_and(|w| matches!(bare(w), "terug" | "bereikbaar" | "aanwezig"));
        }
        let after = self.words.get(at..).unwrap_or_default();
        before.iter().any(is_return) || after.iter().take(RETURN_REACH).any(is_return)
    }

    fn is_announced(&self, at: usize) -> bool {
        let before = self.words.get(at.saturating_sub(5)..at).unwrap_or_default();
        before.iter().any(|w| ANNOUNCEMENTS.contains(&bare(w)))
    }

    /// The date that stands at `at`, after a weekday and words that mean nothing; or the weekday.
    fn read(&self, at: usize) -> Option<Date> {
        let words: Vec<&str> =
            self.words.get(at..)?.iter().flat_map(|w| w.split(',')).filter(|w| !w.is_empty()).take(14).collect();
        let mut weekday = None;
        let mut is_next = false;
        for (number, word) in words.iter().enumerate().take(8) {
            let plain = bare(word);
            if looks_like_date(plain) {
                let rest = words.get(number..)?;
                // "jeudi 19": the month is known where the weekday agrees
                let with_weekday = || {
                    let found = next_day_of_month(day(word)?, self.sent)?;
                    (Some(found.weekday()) == weekday).then_some(found)
                };
                return self.date_at(rest).or_else(with_weekday);
            }
            if weekday.is_some() {
                // a month's date may follow the weekday after an article, nothing else
                if !matches!(plain, "the" | "den" | "dem" | "le" | "el" | "il" | "dia" | "día" | "de" | "") {
                    break;
                }
                continue;
            }
            weekday = weekday_of(plain);
            is_next |= plain == "next";
            let abbreviated = matches!(plain, "einschl" | "incl" | "inkl");
            let ends = word.ends_with(['.', '!', '?', ';']) && !abbreviated;
            if (weekday.is_none() && !FILLERS.contains(&plain) && !plain.is_empty()) || ends {
                break;
            }
        }
        // "next Friday" is this one to some and the one after to others
        let day = weekday.filter(|_| !is_next)?;
        let ahead = (i64::from(day.to_monday_zero_offset()) - i64::from(self.sent.weekday().to_monday_zero_offset()))
            .rem_euclid(7);
        self.sent.checked_add(jiff::Span::new().days(if ahead == 0 { 7 } else { ahead })).ok()
    }

    fn date_at(&self, words: &[&str]) -> Option<Date> {
        let first = words.first()?;
        if let Some(readings) = numeric(first, self.order) {
            let mut possible = readings.into_iter().flatten().filter_map(|r| self.place(r));
            let found = possible.next()?;
            return possible.all(|other| other == found).then_some(found);
        }
        self.place(named(words).or_else(|| Some((ordinal(first)?, 0, None)))?)
    }

    fn place(&self, (day, month, year): Reading) -> Option<Date> {
        let found = match year {
            Some(year) => Date::new(year, month, day).ok()?,
            None if month == 0 => next_day_of_month(day, self.sent)?,
            None => next(day, month, self.sent)?,
        };
        (0..=AHEAD_MAX_DAYS).contains(&days_between(self.sent, found)).then_some(found)
    }
}

fn days_between(sent: Date, other: Date) -> i32 {
    other.since(sent).map_or(-1, |span| span.get_days())
}

/// `the 9th`: the first such day after the note.
fn next_day_of_month(day: i8, sent: Date) -> Option<Date> {
    (0..3).find_map(|months| {
        let first = sent.first_of_month().checked_add(jiff::Span::new().months(months)).ok()?;
        Date::new(first.year(), first.month(), day).ok().filter(|d| *d > sent)
    })
}

/// An English ordinal, which is a day without its month.
fn ordinal(word: &str) -> Option<i8> {
    let word = bare(word);
    ["st", "nd", "rd", "th"].iter().any(|end| word.ends_with(end)).then(|| day(word)).flatten()
}

/// A weekday's name in full.
fn weekday_of(word: &str) -> Option<Weekday> {
    const DAYS: &[(Weekday, &[&str])] = &[
        (
            Weekday::Monday,
            &["monday", "montag", "lundi", "lunes", "lunedì", "lunedi", "segunda", "segunda-feira", "maandag"],
        ),
        (
            Weekday::Tuesday,
            &["tuesday", "dienstag", "mardi", "martes", "martedì", "martedi", "terça", "terça-feira", "dinsdag"],
        ),
        (
            Weekday::Wednesday,
            &[
                "wednesday",
                "mittwoch",
                "mercredi",
                "miércoles",
                "miercoles",
                "mercoledì",
                "mercoledi",
                "quarta",
                "quarta-feira",
                "woensdag",
            ],
        ),
        (
            Weekday::Thursday,
            &["thursday", "donnerstag", "jeudi", "jueves", "giovedì", "giovedi", "quinta", "quinta-feira", "donderdag"],
        ),
        (
            Weekday::Friday,
            &["friday", "freitag", "vendredi", "viernes", "venerdì", "venerdi", "sexta", "sexta-feira", "vrijdag"],
        ),
        (Weekday::Saturday, &["saturday", "samstag", "sonnabend", "samedi", "sábado", "sabado", "sabato", "zaterdag"]),
        (Weekday::Sunday, &["sunday", "sonntag", "dimanche", "domingo", "domenica", "zondag"]),
    ];
    DAYS.iter().find(|(_, names)| names.contains(&word)).map(|(day, _)| *day)
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

/// Day, month and year as they were read.
type Reading = (i8, i8, Option<i16>);

/// `2026-03-09`, `09.03.2026`, `9.3.`, `25/03/2026`, in every way they can be read. `None`: no date of digits.
fn numeric(word: &str, order: Order) -> Option<[Option<Reading>; 2]> {
    let word = word.trim_start_matches('(').trim_end_matches([';', '!', ')', ':', '?']);
    let separator = word.trim_end_matches('.').chars().find(|c| !c.is_ascii_digit())?;
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
    if separator == '-' && first.len() == 4 {
        return Some([Some((third?.parse().ok()?, second.parse().ok()?, Some(year(first)?))), None]);
    }
    let (a, b): (i8, i8) = (first.parse().ok()?, second.parse().ok()?);
    let year = match third {
        Some(text) => Some(year(text)?),
        None => None,
    };
    match separator {
        // a bare "9.3" needs its last dot, or two digits, to be a date
        '.' if year.is_some() || word.ends_with('.') || second.len() == 2 => Some([Some((a, b, year)), None]),
        '/' | '-' if order == Order::DayFirst => Some([Some((a, b, year)), None]),
        '/' | '-' => Some([Some((a, b, year)), Some((b, a, year))]),
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
