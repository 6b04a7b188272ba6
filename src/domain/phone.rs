//! Phone numbers: how people write them, and the one way in which they are kept (ITU-T E.164: a plus sign and up to 15 digits).
//!
//! A number with its country's code is taken at its word where the code exists and the length may be: numbering plans change more
//! often than programs. One without is read as the people of a region dial it, and must then be a number of that region's plan.
//!
//! The plans come from the crate `phonenumber`. Its own reading is not used: of a number with a plus sign it takes away what would be
//! a prefix in the default region (with `US`, "+81 120 123456" becomes "+81 20 123456"), and "8 (800) …" of Russia loses both eights.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use phonenumber::metadata::{DATABASE, Descriptor, Metadata};
use phonenumber::{Type, country};
use regex::{Regex, RegexBuilder};

/// Most digits of an E.164 number, the country's code included (ITU-T E.164, 6.1).
pub const DIGITS_MAX: usize = 15;
/// Fewest digits that are taken with a country's code: the smallest plans (Saint Helena, +290) have four behind three.
pub const DIGITS_MIN: usize = 6;
/// Most characters that are read at all.
pub const CHARS_MAX: usize = 64;
/// Digits in a row from which on they may be somebody's number, and are not shown.
const SHOWN_DIGITS_MAX: usize = 6;
/// What stands in the place of a number.
pub const SOME_NUMBER: &str = "(a number)";

/// Why a text is no number that can be written to. What to do about it is said; the number itself is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// There is nothing.
    #[error("there is no number: write one like +491701234567")]
    Empty,
    /// It holds what no number does.
    #[error("it is no phone number: write digits, with spaces, dots, dashes or brackets at most, like +49 170 1234567")]
    NotANumber,
    /// It goes on behind the number.
    #[error("it has an extension: text messages reach no extension, write the number alone")]
    Extension,
    /// Without a country's code, and nobody says which country.
    #[error(
        "the country is missing: begin with + and the country's code, like +491701234567, or set `phone_region` in the \
         configuration, to two letters like DE, for all numbers of influencers without one"
    )]
    NoRegion,
    /// The default region is none.
    #[error("the default region is unknown: give the two letters of a country, like DE or US")]
    UnknownRegion,
    /// No country has this code.
    #[error("no country has this code: look at the digits behind the plus sign")]
    UnknownCode,
    /// Too few digits.
    #[error("digits are missing: the number is too short for its country")]
    TooShort,
    /// Too many digits.
    #[error("it has too many digits: look for a digit that stands there twice, or an extension")]
    TooLong,
    /// Not in the plan of the region.
    #[error(
        "no such number is in use in the default region: add the country's code if it is from elsewhere, or look at the digits"
    )]
    NotInPlan,
}

/// The E.164 number that a text means, with a plus sign. `default_region` (two letters, ISO 3166-1) is for numbers that are written
/// as at home; one that begins with a plus sign, or with the way to dial abroad from that region, needs none.
///
/// # Errors
/// [`PhoneError`], in words for who wrote it.
pub fn key(text: &str, default_region: Option<&str>) -> Result<String, PhoneError> {
    let written = tidy(text)?;
    if let Some(digits) = written.strip_prefix('+') {
        return international(digits);
    }
    let plan = default_region.map(plan_of).transpose()?.ok_or(PhoneError::NoRegion)?;
    national(&written, plan)
}

/// Whether a text is a region (two letters, ISO 3166-1) with a plan of its own.
pub fn is_region(text: &str) -> bool {
    plan_of(text).is_ok()
}

/// Whether a text is an E.164 number as [`key`] gives it: a plus sign and digits, the first of them no zero.
pub fn is_key(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('+') else { return false };
    (DIGITS_MIN..=DIGITS_MAX).contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0')
}

/// The region (two letters, ISO 3166-1) whose plan an E.164 number belongs to. `None` where it is none, or where no region's plan
/// has it: numbers of satellites and of services without a country.
pub fn region(e164: &str) -> Option<&'static str> {
    let (code, national) = split_code(is_key(e164).then(|| e164.strip_prefix('+')).flatten()?)?;
    // The plan of what belongs to no country is called 001.
    plan_with(code, national).map(Metadata::id).filter(|id| id.len() == 2)
}

/// The text without what may be somebody's number, for logs and for the words of refusals: providers say back whom they were asked
/// to write to.
pub fn without_numbers(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut run = String::new();
    for c in text.chars() {
        if c.is_ascii_digit() || (c == '+' && run.is_empty()) {
            run.push(c);
            continue;
        }
        flush(&mut run, &mut shown);
        shown.push(c);
    }
    flush(&mut run, &mut shown);
    shown
}

fn flush(run: &mut String, shown: &mut String) {
    let long = run.len() > SHOWN_DIGITS_MAX;
    shown.push_str(if long { SOME_NUMBER } else { run.as_str() });
    run.clear();
}

/// The text with plain digits and a plain plus sign; an error where it holds what no number does.
fn tidy(text: &str) -> Result<String, PhoneError> {
    let text = text.trim();
    let text = text.strip_prefix("tel:").unwrap_or(text);
    if text.is_empty() {
        return Err(PhoneError::Empty);
    }
    if text.chars().nth(CHARS_MAX).is_some() {
        return Err(PhoneError::TooLong);
    }
    let mut tidied = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // Wide forms, as keyboards of East Asia write them, and digits of Arabic.
            '\u{ff0b}' => tidied.push('+'),
            _ if plain_digit(c).is_some() => tidied.extend(plain_digit(c)),
            '+' | '(' | ')' | '[' | ']' | '-' | '.' | '/' | ' ' => tidied.push(c),
            // Dashes and spaces of typesetters.
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{ff0d}' => tidied.push('-'),
            c if c.is_whitespace() => tidied.push(' '),
            // Marks of direction that come along when a number is copied.
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {}
            'x' | 'X' | '#' | ';' | ',' => return Err(PhoneError::Extension),
            _ => return Err(PhoneError::NotANumber),
        }
    }
    // "+49 (0)170 …": the zero is for those who dial from within, and stands in no E.164 number.
    if tidied.starts_with('+') {
        tidied = tidied.replace("(0)", "");
    }
    let digits: String = tidied.chars().filter(char::is_ascii_digit).collect();
    let plus = tidied.trim_start_matches(['(', '[', ' ']).starts_with('+');
    let misplaced = tidied.matches('+').count() > usize::from(plus);
    if digits.is_empty() || misplaced {
        return Err(PhoneError::NotANumber);
    }
    Ok(if plus { format!("+{digits}") } else { digits })
}

fn plain_digit(c: char) -> Option<char> {
    let zeros = ['0', '\u{660}', '\u{6f0}', '\u{ff10}'];
    let value = zeros.iter().find_map(|zero| u32::from(c).checked_sub(u32::from(*zero)).filter(|d| *d < 10))?;
    char::from_digit(value, 10)
}

/// The numbering plan of a region.
fn plan_of(region: &str) -> Result<&'static Metadata, PhoneError> {
    let id: country::Id = region.trim().to_ascii_uppercase().parse().map_err(|_| PhoneError::UnknownRegion)?;
    DATABASE.by_id(id.as_ref()).ok_or(PhoneError::UnknownRegion)
}

/// The plans that share a country's code, the main one first.
fn plans(code: u16) -> Vec<&'static Metadata> {
    let ids = DATABASE.region(&code).unwrap_or_default();
    ids.into_iter().filter_map(|id| DATABASE.by_id(id)).chain(DATABASE.by_code(&code).unwrap_or_default()).collect()
}

/// The country's code at the beginning, and what is behind it. No code begins with another.
fn split_code(digits: &str) -> Option<(u16, &str)> {
    (1..=3).find_map(|length| {
        let (code, rest) = digits.split_at_checked(length)?;
        let code: u16 = code.parse().ok().filter(|_| !code.starts_with('0'))?;
        (!plans(code).is_empty()).then_some((code, rest))
    })
}

/// What stands behind a plus sign.
fn international(digits: &str) -> Result<String, PhoneError> {
    if digits.len() > DIGITS_MAX + 1 {
        return Err(PhoneError::TooLong);
    }
    let (code, written) = split_code(digits).ok_or(PhoneError::UnknownCode)?;
    // "+44 07400 …": as dialled from within, behind the code. Only where that makes a number of it, and it is none as it stands.
    let without = plans(code).first().and_then(|plan| without_prefix(written, plan));
    let national = without.filter(|w| plan_with(code, written).is_none() && plan_with(code, w).is_some());
    checked(code, national.as_deref().unwrap_or(written))
}

/// What people of a region dial.
fn national(digits: &str, plan: &'static Metadata) -> Result<String, PhoneError> {
    let code = plan.country_code();
    let abroad = plan.international_prefix().and_then(|prefix| prefix.find(digits)).filter(|found| found.start() == 0);
    if let Some(rest) = abroad.and_then(|found| digits.get(found.end()..)).filter(|rest| !rest.starts_with('0'))
        && let Ok(number) = international(rest)
        && region(&number).is_some()
    {
        return Ok(number);
    }
    let general = plan.descriptors().general();
    // A number of this country with its code, and without a plus sign.
    let coded =
        digits.strip_prefix(&code.to_string()).map(|rest| without_prefix(rest, plan).unwrap_or(rest.to_owned()));
    let coded = coded.filter(|rest| !fits(general, digits) && fits(general, rest));
    let dialled = without_prefix(digits, plan).filter(|rest| fits(general, rest) || !fits(general, digits));
    let national = coded.or(dialled).unwrap_or_else(|| digits.to_owned());
    if plan_with(code, &national).is_some() {
        return checked(code, &national);
    }
    Err(PhoneError::NotInPlan)
}

/// A number without the prefix that is dialled within the country, and as the plan turns it round: Argentina's mobile numbers have
/// a 15 in their midst at home and a 9 in front abroad. `None` where there is no prefix.
fn without_prefix(digits: &str, plan: &Metadata) -> Option<String> {
    let Some(pattern) = plan.national_prefix_for_parsing() else {
        return digits.strip_prefix(plan.national_prefix()?).map(str::to_owned);
    };
    let found = pattern.captures(digits)?;
    let whole = found.get(0).filter(|whole| whole.start() == 0 && whole.end() > 0)?;
    let rest = digits.get(whole.end()..)?;
    let last = found.iter().skip(1).last().flatten();
    Some(match (plan.national_prefix_transform_rule(), last) {
        (Some(rule), Some(_)) => {
            let mut turned = String::new();
            found.expand(rule, &mut turned);
            turned + rest
        }
        _ => rest.to_owned(),
    })
}

/// The plan of a code to which a number belongs.
fn plan_with(code: u16, national: &str) -> Option<&'static Metadata> {
    plans(code).into_iter().find(|plan| {
        let begins = plan.leading_digits().map(|digits| digits.find(national).is_some_and(|found| found.start() == 0));
        begins.unwrap_or(true) && is_in(plan, national)
    })
}

fn is_in(plan: &'static Metadata, national: &str) -> bool {
    const SORTS: [Type; 10] = [
        Type::Mobile,
        Type::FixedLine,
        Type::TollFree,
        Type::PremiumRate,
        Type::SharedCost,
        Type::PersonalNumber,
        Type::Voip,
        Type::Pager,
        Type::Uan,
        Type::Voicemail,
    ];
    let descriptors = plan.descriptors();
    let of = |sort: Type| descriptors.get(sort).is_some_and(|d| fits(d, national));
    fits(descriptors.general(), national) && SORTS.into_iter().any(of)
}

/// Whether a number is, from its first digit to its last, of a sort. The crate looks at the beginning alone.
fn fits(sort: &'static Descriptor, national: &str) -> bool {
    /// As many as there are patterns in the plans; what is in here is part of the program.
    static WHOLE: RwLock<BTreeMap<&'static str, Option<Regex>>> = RwLock::new(BTreeMap::new());
    let lengths = sort.possible_length();
    if !lengths.is_empty() && !lengths.iter().any(|length| usize::from(*length) == national.len()) {
        return false;
    }
    let pattern = sort.national_number().as_str();
    if let Some(known) = WHOLE.read().unwrap_or_else(PoisonError::into_inner).get(pattern) {
        return known.as_ref().is_some_and(|whole| whole.is_match(national));
    }
    let whole = RegexBuilder::new(&format!("^(?:{pattern})$")).ignore_whitespace(true).build().ok();
    let is_match = whole.as_ref().is_some_and(|whole| whole.is_match(national));
    WHOLE.write().unwrap_or_else(PoisonError::into_inner).insert(pattern, whole);
    is_match
}

fn checked(code: u16, national: &str) -> Result<String, PhoneError> {
    let number = format!("+{code}{national}");
    match number.len().saturating_sub(1) {
        ..DIGITS_MIN => Err(PhoneError::TooShort),
        DIGITS_MIN..=DIGITS_MAX => Ok(number),
        _ => Err(PhoneError::TooLong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (text, region, expected) in [
            ("+49 170 1234567", None, "+491701234567"),
            ("0170/1234567", Some("DE"), "+491701234567"),
            ("+49 (0)170 1234567", None, "+491701234567"),
            ("0049 170 1234567", Some("de"), "+491701234567"),
            ("(415) 867-5309", Some("US"), "+14158675309"),
            ("415.867.5309", Some("US"), "+14158675309"),
            ("+1-415-867-5309", Some("DE"), "+14158675309"),
            ("011 49 170 1234567", Some("US"), "+491701234567"),
            ("tel:+14158675309", None, "+14158675309"),
            ("\u{202a}+14158675309\u{202c}", None, "+14158675309"),
            ("\u{ff0b}\u{ff11}\u{ff14}158675309", None, "+14158675309"),
            ("07400 123456", Some("GB"), "+447400123456"),
            ("312 345 6789", Some("IT"), "+393123456789"),
            ("+39 06 1234 5678", None, "+390612345678"),
            ("+44 07400 123456", None, "+447400123456"),
        ] {
            assert_eq!(key(text, region).as_deref(), Ok(expected), "{text} in {region:?}");
            assert!(is_key(expected));
        }
    }

    #[test]
    fn what_is_no_number_is_said_and_why() {
        for (text, region, expected) in [
            ("", None, PhoneError::Empty),
            ("  ", Some("DE"), PhoneError::Empty),
            ("call me", Some("DE"), PhoneError::NotANumber),
            ("+", None, PhoneError::NotANumber),
            ("0170 1234567", None, PhoneError::NoRegion),
            ("0170 1234567", Some("Germany"), PhoneError::UnknownRegion),
            ("0170 1234567", Some(""), PhoneError::UnknownRegion),
            ("+999 1234567", None, PhoneError::UnknownCode),
            ("+1 415 867 5309 x12", None, PhoneError::Extension),
            ("110", Some("DE"), PhoneError::NotInPlan),
            ("12345", Some("US"), PhoneError::NotInPlan),
            ("0000000", Some("US"), PhoneError::NotInPlan),
            ("(415) 867-5309 1", Some("US"), PhoneError::NotInPlan),
            ("+1234", None, PhoneError::TooShort),
            ("123 456 7890", Some("US"), PhoneError::NotInPlan),
            ("+49 170 123456789012345", None, PhoneError::TooLong),
        ] {
            assert_eq!(key(text, region), Err(expected), "{text} in {region:?}");
        }
        let long = "1".repeat(1_000);
        assert_eq!(key(&long, Some("US")), Err(PhoneError::TooLong));
    }

    #[test]
    fn keys_are_told_from_other_texts() {
        for not in
            ["", "+", "+0123456789", "14158675309", "+1 4158675309", "+1234567890123456", "+1415a675309", "+12345"]
        {
            assert!(!is_key(not), "{not}");
        }
    }

    #[test]
    fn a_number_tells_its_region() {
        for (number, expected) in [
            ("+14158675309", Some("US")),
            ("+14168675309", Some("CA")),
            ("+491701234567", Some("DE")),
            ("+447400123456", Some("GB")),
            ("+80012345678", None),
            ("no number", None),
        ] {
            assert_eq!(region(number), expected, "{number}");
        }
    }

    #[test]
    fn numbers_of_people_are_not_shown() {
        assert_eq!(
            without_numbers("The 'To' number +14158675309 is not valid"),
            "The 'To' number (a number) is not valid"
        );
        assert_eq!(without_numbers("21211: 14158675309"), "21211: (a number)");
        assert_eq!(without_numbers("HTTP 400, page 2"), "HTTP 400, page 2");
        assert_eq!(without_numbers(""), "");
    }
}
