//! Lengths of time on the command line: `90d`, `12h`, `30m`, `60s`.

use std::time::Duration;

/// Longest length that is taken, in days.
const DAYS_MAX: u64 = 36_500;

/// Reads a length: a number and d, h, m or s.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let form = || format!("write a number and d, h, m or s, as in 90d or 60s; at most {DAYS_MAX}d");
    let text = text.trim();
    let at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(form)?;
    let (number, unit) = text.split_at_checked(at).ok_or_else(form)?;
    let seconds = match unit.trim() {
        "d" => 86_400,
        "h" => 3_600,
        "m" => 60,
        "s" => 1,
        _ => return Err(form()),
    };
    let total = number.parse::<u64>().ok().and_then(|n| n.checked_mul(seconds));
    let total = total.filter(|t| (1..=DAYS_MAX * 86_400).contains(t)).ok_or_else(form)?;
    Ok(Duration::from_secs(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_reads_what_people_write() {
        assert_eq!(parse("90d"), Ok(Duration::from_hours(90 * 24)));
        assert_eq!(parse(" 60s "), Ok(Duration::from_mins(1)));
        for wrong in ["", "d", "90", "0s", "-1d", "3 weeks", "99999999999999999999d"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
