//! When and how much: windows that never open, limits that mean nothing, hosts that look foreign.

use super::super::codes;
use super::super::load::{Draft, Known, place, tell};
use crate::config::Account;
use crate::config::reader::Reader;
use crate::domain::day::Weekdays;
use crate::domain::schedule::Hours;
use crate::domain::sequence::ZoneRule;
use crate::domain::time::Micros;
use crate::domain::zone::Zone;

/// Judges when and how much a sequence sends.
pub(super) fn judge(r: &mut Reader, known: &Known<'_>, draft: &Draft) {
    if !draft.sends() {
        return;
    }
    judge_window(r, known, draft);
    let accounts: Vec<&Account> =
        draft.accounts.iter().filter_map(|name| known.config.accounts.get(&name.value)).collect();
    // Without a limit of its own an account bounds nothing.
    let most: Option<u64> = accounts.iter().map(|account| account.daily_limit.map(u64::from)).sum();
    for (key, limit) in &draft.limits_at {
        if let Some(most) = most.filter(|most| *key != "per_domain" && u64::from(limit.value) > *most) {
            let message = format!("`{key}` is {}, and the accounts send {most} a day", limit.value);
            tell(r, codes::ABOVE_ACCOUNT, &place(limit), message, "lower it; the accounts' limits hold anyhow");
        }
    }
    let tracking = &known.config.tracking;
    let site = known.config.site().filter(|_| tracking.opens || tracking.clicks);
    let Some(host) = site.and_then(|site| Some(url::Url::parse(&site).ok()?.host_str()?.to_owned())) else { return };
    for (name, account) in draft.accounts.iter().zip(&accounts) {
        let domain = account.address.rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
        if family(&host) != family(&domain) {
            let message = format!("tracked links lead to `{host}`, and the mail is from `{domain}`");
            let hint = "use a host below the sender's domain; filters distrust strangers' links";
            tell(r, codes::FOREIGN_HOST, &place(name), message, hint);
        }
    }
}

/// Second levels below which countries give out names.
const SECOND_LEVELS: [&str; 20] = [
    "ac", "co", "com", "edu", "gob", "gouv", "gov", "go", "ind", "info", "ltd", "mil", "ne", "net", "nom", "or", "org",
    "plc", "sch", "web",
];

/// The part of a host that a firm owns: its last two names, three below a country's own second level.
fn family(host: &str) -> String {
    let parts: Vec<&str> = host.trim_end_matches('.').rsplit('.').collect();
    let second = parts.get(1).copied().unwrap_or_default();
    let below_country = parts.first().is_some_and(|top| top.len() == 2) && SECOND_LEVELS.contains(&second);
    let mut kept: Vec<&str> = parts.into_iter().take(if below_country { 3 } else { 2 }).collect();
    kept.reverse();
    kept.join(".")
}

/// A window in one zone against the working hours of the accounts: with none of them it ever opens.
fn judge_window(r: &mut Reader, known: &Known<'_>, draft: &Draft) {
    if draft.schedule.zone != ZoneRule::Fixed {
        return;
    }
    let Ok(hours) = Hours::parse(&draft.schedule.days, &draft.schedule.hours) else { return };
    let (Some(theirs), Some(ours)) =
        (Zone::named(&draft.schedule.fallback), known.config.timezone.iana_name().and_then(Zone::named))
    else {
        return;
    };
    let mut closed = false;
    for account in draft.accounts.iter().filter_map(|name| known.config.accounts.get(&name.value)) {
        let Some(ranges) = account.working_hours.clone() else { return };
        let Ok(working) = Hours::new(Weekdays::ALL, ranges) else { return };
        if opens((&hours, &theirs), (&working, &ours)) {
            return;
        }
        closed = true;
    }
    if closed {
        let at = draft.hours_at.as_ref().unwrap_or(&draft.here);
        let hint = "the hours of the sequence and the working hours of its accounts never meet: change one of them";
        tell(r, codes::NEVER_OPENS, at, "the window never opens", hint);
    }
}

/// Whether two sets of hours ever meet, tried every quarter of an hour over the weeks of a year.
fn opens(one: (&Hours, &Zone), other: (&Hours, &Zone)) -> bool {
    let is_open = |(hours, zone): (&Hours, &Zone), at: Micros| {
        let wall = zone.wall(at);
        let minute = wall.of_day() / 60_000_000;
        hours.days().contains(wall.day().weekday())
            && hours.ranges().iter().any(|range| (i64::from(range.start.0)..i64::from(range.end.0)).contains(&minute))
    };
    let quarter = 15 * 60;
    // Eight days in each of the twelve months around one year: every weekday, summer time and winter time.
    (0..12_i64).any(|month| {
        let start = 1_767_225_600 + month * 2_629_746;
        (0..8 * 96).any(|n| {
            let at = Micros::from_seconds(start + n * quarter);
            is_open(one, at) && is_open(other, at)
        })
    })
}
