//! What may stand in the fields of a person: each check gives the form that is kept, or says what is wrong in words for
//! whoever typed it.

use super::NAME_MAX;
use crate::domain::time::Micros;
use crate::domain::{address, phone};

/// One field that can't be taken as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize)]
#[error("{field}: {reason}")]
pub struct Flaw {
    /// Which field, as the API and the columns of an import call it.
    pub field: String,
    /// What is wrong with it and what is wanted.
    pub reason: String,
}

impl Flaw {
    /// A flaw of a field.
    pub fn new(field: &str, reason: impl Into<String>) -> Self {
        Self { field: field.to_owned(), reason: reason.into() }
    }
}

/// The first characters of what was given, for messages.
fn shown(given: &str) -> String {
    let mut shown: String = given.chars().take(80).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if given.chars().nth(80).is_some() {
        shown.push('…');
    }
    shown
}

/// A name, an owner, a tag and the like: trimmed, at most [`NAME_MAX`] characters, without control characters.
pub fn name(field: &str, given: &str) -> Result<String, Flaw> {
    let given = given.trim();
    if given.chars().count() > NAME_MAX {
        return Err(Flaw::new(field, format!("`{}` is longer than {NAME_MAX} characters", shown(given))));
    }
    if given.chars().any(char::is_control) {
        return Err(Flaw::new(field, format!("`{}` contains control characters or line breaks", shown(given))));
    }
    Ok(given.to_owned())
}

/// A handle as written, and the form it is looked up by.
pub fn handle(given: &str) -> Result<(String, String), Flaw> {
    let given = given.trim();
    if given.is_empty() {
        return Err(Flaw::new("handle", "it is empty; every influencer needs one"));
    }
    match super::handle_key(given) {
        Some(key) => Ok((given.to_owned(), key)),
        None => Err(Flaw::new(
            "handle",
            format!("`{}` is not a handle: no spaces, at most {NAME_MAX} characters", shown(given)),
        )),
    }
}

/// A phone number in the one form in which it is kept and looked up (E.164). `region`: whose it is where it has no country's code.
pub fn phone(field: &str, given: &str, region: Option<&str>) -> Result<(String, String), Flaw> {
    let key =
        phone::key(given, region).map_err(|error| Flaw::new(field, format!("`{}`: {error}", shown(given.trim()))))?;
    Ok((key.clone(), key))
}

/// An email address as written, and the form it is looked up by.
pub fn email(field: &str, given: &str) -> Result<(String, String), Flaw> {
    let given = given.trim();
    let wrong = |why: &str| Flaw::new(field, format!("`{}` is not an email address: {why}", shown(given)));
    let Some((local, domain)) = given.rsplit_once('@') else {
        return Err(wrong("there is no @"));
    };
    if local.is_empty() || domain.is_empty() {
        return Err(wrong("something is missing before or after the @"));
    }
    let odd = |c: char| c.is_whitespace() || c.is_control() || "@,;:<>()[]\"\\".contains(c);
    if local.chars().any(odd) || domain.chars().any(odd) {
        return Err(wrong("there is a character that can't stand there; one plain address is wanted"));
    }
    if local.len() > 64 || local.starts_with('.') || local.ends_with('.') || local.contains("..") {
        return Err(wrong("the part before the @ is too long or has a dot too many"));
    }
    let key = address::key(given).ok_or_else(|| wrong("it is too long"))?;
    let host = key.rsplit_once('@').map_or("", |(_, host)| host);
    let label = |label: &str| {
        let plain = label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        plain && !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    if !host.split('.').all(label) || last.chars().all(|c| c.is_ascii_digit()) {
        return Err(wrong("the part after the @ is not a domain"));
    }
    Ok((given.to_owned(), key))
}

/// An IANA time zone, in its usual spelling.
pub fn zone(given: &str) -> Result<String, Flaw> {
    let given = given.trim();
    let known = jiff::tz::TimeZone::get(given).ok();
    let name = known.as_ref().and_then(jiff::tz::TimeZone::iana_name).filter(|name| name.eq_ignore_ascii_case(given));
    name.map(str::to_owned).ok_or_else(|| {
        Flaw::new("timezone", format!("`{}` is not a time zone; one like Europe/Lisbon is wanted", shown(given)))
    })
}

/// A count of followers: whole and not negative. Spaces and the separators of thousands `,` `.` `'` `_` are left out
/// where they stand between groups of three digits.
pub fn followers(field: &str, given: &str) -> Result<i64, Flaw> {
    let wrong =
        || Flaw::new(field, format!("`{}` is not a number of followers; one like 82000 is wanted", shown(given)));
    let groups: Vec<&str> = given.trim().split([',', '.', '\'', '_', ' ', '\u{a0}', '\u{202f}']).collect();
    let digits = |g: &str| !g.is_empty() && g.chars().all(|c| c.is_ascii_digit());
    let (first, rest) = groups.split_first().ok_or_else(wrong)?;
    let whole =
        digits(first) && rest.iter().all(|g| digits(g) && g.len() == 3) && (rest.is_empty() || first.len() <= 3);
    if !whole {
        return Err(wrong());
    }
    groups.concat().parse().map_err(|_| wrong())
}

/// A day (`2026-03-01`, taken as its beginning in UTC) or an instant (`2026-03-01T09:00:00Z`).
pub fn instant(field: &str, given: &str) -> Result<Micros, Flaw> {
    let given = given.trim();
    let day = || {
        let day: jiff::civil::Date = given.parse().ok()?;
        let start = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(Micros(start.timestamp().as_microsecond()))
    };
    Micros::parse(given).or_else(day).ok_or_else(|| {
        Flaw::new(
            field,
            format!("`{}` is not a date; one like 2026-03-01 or 2026-03-01T09:00:00Z is wanted", shown(given)),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_plain_address_is_an_email_address_and_nothing_else() {
        assert_eq!(email("email", " Ana@Example.org "), Ok(("Ana@Example.org".into(), "ana@example.org".into())));
        for good in ["a.b+c@sub.example.org", "zoë@müller.example", "o'neil@example.org", "root@localhost"] {
            assert!(email("email", good).is_ok(), "{good}");
        }
        for bad in [
            "ana",
            "ana@",
            "@example.org",
            "ana@@example.org",
            "ana @example.org",
            "a@b@c.org",
            "ana@example..org",
            "ana@-example.org",
            "ana@example.org, bo@example.org",
            "Ana <ana@example.org>",
            ".a@example.org",
            "a..b@example.org",
            "ana@1.2.3.4",
            "ana@example.org\nBcc: x@example.org",
            "",
        ] {
            assert!(email("email", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn zones_numbers_and_dates_are_read_or_refused_with_the_field_named() {
        assert_eq!(zone("europe/lisbon"), Ok("Europe/Lisbon".into()));
        for bad in ["Lisbon", "", "+01:00", "../etc/passwd"] {
            assert_eq!(zone(bad).map_err(|f| f.field), Err("timezone".into()), "{bad}");
        }
        for (given, count) in
            [("82000", 82_000), ("82,000", 82_000), ("1.234.567", 1_234_567), ("0", 0), ("12 345", 12_345)]
        {
            assert_eq!(followers("f", given), Ok(count));
        }
        for bad in ["-1", "1.5", "82k", "", "1,2,3", "82,00", "1234,567", "99999999999999999999"] {
            assert!(followers("f", bad).is_err(), "{bad}");
        }
        assert_eq!(instant("at", "2026-03-01"), instant("at", "2026-03-01T00:00:00Z"));
        assert!(instant("at", "01.03.2026").is_err());
        assert!(name("first_name", &"x".repeat(NAME_MAX + 1)).is_err());
        assert!(handle("a b").is_err());
    }
}
