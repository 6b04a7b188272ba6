//! Dates and instants on the command line.

use crate::domain::time::Micros;

/// Reads an instant (RFC 3339), or a day, which is its beginning in UTC.
pub(super) fn parse(text: &str) -> Result<Micros, String> {
    let text = text.trim();
    Micros::parse(text)
        .or_else(|| Micros::parse(&format!("{text}T00:00:00Z")))
        .ok_or_else(|| "write a day or an instant, as in 2026-03-31 or 2026-03-31T09:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_its_beginning_and_an_instant_itself() {
        assert_eq!(parse("2026-03-31"), Ok(Micros::parse("2026-03-31T00:00:00Z").unwrap()));
        assert_eq!(parse("2026-03-31T09:00:00+01:00"), Ok(Micros::parse("2026-03-31T08:00:00Z").unwrap()));
        for wrong in ["", "tomorrow", "31.3.2026", "2026-02-30"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
