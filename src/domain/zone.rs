//! Time zones as schedules need them: an instant to the clock on the wall and back, and which zone is whose.
//!
//! A [`Zone`] is a table of the offsets from 1970 to 2200, made once from the IANA database, so that a conversion is a
//! binary search. Nothing is ever reckoned with a fixed offset. After 2200 the last offset holds.

mod countries;
mod phones;
mod whereabouts;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::day::{Day, Minute};
use super::time::Micros;

pub use countries::country_of;
pub use whereabouts::Whereabouts;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const DAY: i64 = 24 * 60 * MINUTE;
/// Where the table ends: 2200-01-01T00:00:00Z, in seconds.
const TABLE_END: i64 = 7_258_118_400;
/// No clock is further from UTC than this.
const OFFSET_MAX: i64 = 26 * 60 * MINUTE;

/// Zones already read: a name is looked up in the machine's files once, however many enrollments there are. Only names that
/// exist are kept, so it does not grow.
static READ: RwLock<BTreeMap<String, Zone>> = RwLock::new(BTreeMap::new());

/// A zone of the IANA database. Cheap to clone.
#[derive(Clone)]
pub struct Zone(Arc<Table>);

struct Table {
    name: String,
    /// Sorted by `from`; the first one begins with time.
    spans: Vec<Span>,
}

/// A stretch of time with one offset, in microseconds.
#[derive(Debug, Clone, Copy)]
struct Span {
    from: i64,
    offset: i64,
}

/// What the clock on the wall shows: microseconds since 1970-01-01 00:00 by that clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wall(pub i64);

/// Where a zone comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ZoneSource {
    /// The influencer has one.
    Influencer,
    /// Their phone number's country has only one.
    PhoneCountry,
    /// The sequence says what to take where nothing is known.
    Fallback,
    /// The sequence names one zone for all.
    Sequence,
    /// Ours, where nothing is known and no sequence says what to take.
    House,
}

impl fmt::Display for ZoneSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Influencer => "their own",
            Self::PhoneCountry => "by the country of their phone number",
            Self::Fallback => "the sequence's fallback",
            Self::Sequence => "the sequence's, for all",
            Self::House => "ours, for theirs is not known",
        })
    }
}

/// Whose clock counts: their own zone, else the only zone of their phone number's country, else the fallback. A name that the
/// database does not know counts as none.
pub fn choose_zone(timezone: Option<&str>, phone: Option<&str>, fallback: &Zone) -> (Zone, ZoneSource) {
    own_zone(timezone, phone).unwrap_or_else(|| (fallback.clone(), ZoneSource::Fallback))
}

/// Whose clock counts for somebody who is in no sequence: their own zone, else the only one of their phone number's country, else
/// ours. With it, in words where it comes from.
pub fn theirs_or_ours(timezone: Option<&str>, phone: Option<&str>, ours: &Zone) -> (Zone, String) {
    let (zone, source) = own_zone(timezone, phone).unwrap_or_else(|| (ours.clone(), ZoneSource::House));
    (zone, told(source, phone))
}

fn own_zone(timezone: Option<&str>, phone: Option<&str>) -> Option<(Zone, ZoneSource)> {
    if let Some(zone) = timezone.and_then(Zone::named) {
        return Some((zone, ZoneSource::Influencer));
    }
    let by_number = Whereabouts::of(None, phone);
    by_number.known().map(|zone| (zone.clone(), ZoneSource::PhoneCountry))
}

/// Where the zone that counts for somebody comes from, for people. Where it only stands in for theirs, and a number says which zones
/// theirs may be, these are told: texts keep to their hours in all of them.
pub fn told(source: ZoneSource, phone: Option<&str>) -> String {
    let stands_in = matches!(source, ZoneSource::Fallback | ZoneSource::House);
    match phone.filter(|_| stands_in).map(|phone| Whereabouts::of(None, Some(phone))) {
        Some(by_number) if by_number.known().is_none() => {
            format!("{source}; by their number it may be {by_number}, and texts keep to their hours in all of these")
        }
        Some(_) | None => source.to_string(),
    }
}

impl Wall {
    /// That time of that day.
    pub fn new(day: Day, time: Minute) -> Self {
        Self(i64::from(day.0) * DAY + i64::from(time.0) * MINUTE)
    }

    /// The date it shows.
    pub fn day(self) -> Day {
        Day(i32::try_from(self.0.div_euclid(DAY)).unwrap_or(if self.0 < 0 { i32::MIN } else { i32::MAX }))
    }

    /// Microseconds since 00:00 by this clock.
    pub fn of_day(self) -> i64 {
        self.0.rem_euclid(DAY)
    }

    /// The same time on another day.
    #[must_use]
    pub fn on(self, day: Day) -> Self {
        Self(i64::from(day.0).saturating_mul(DAY).saturating_add(self.of_day()))
    }
}

impl fmt::Display for Wall {
    /// `2026-11-02 09:00`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minute = u16::try_from(self.of_day() / MINUTE).unwrap_or(0);
        write!(f, "{} {}", self.day(), Minute(minute))
    }
}

impl Zone {
    /// The zone of that name, in any case. `None` where the machine's database has none.
    pub fn named(name: &str) -> Option<Self> {
        if let Some(zone) = READ.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Some(zone.clone());
        }
        let zone = TimeZone::get(name).ok()?;
        let proper = zone.iana_name().unwrap_or(name).to_owned();
        let zone = Self::read(proper.clone(), &zone);
        let mut read = READ.write().unwrap_or_else(PoisonError::into_inner);
        Some(read.entry(proper).or_insert(zone).clone())
    }

    /// UTC, which is always there.
    pub fn utc() -> Self {
        Self::read("UTC".to_owned(), &TimeZone::UTC)
    }

    fn read(name: String, zone: &TimeZone) -> Self {
        let mut offset = i64::from(zone.to_offset(Timestamp::UNIX_EPOCH).seconds()) * SECOND;
        let mut spans = vec![Span { from: i64::MIN, offset }];
        for change in zone.following(Timestamp::UNIX_EPOCH) {
            let next = i64::from(change.offset().seconds()) * SECOND;
            if change.timestamp().as_second() >= TABLE_END {
                break;
            }
            if next != offset {
                spans.push(Span { from: change.timestamp().as_microsecond(), offset: next });
                offset = next;
            }
        }
        Self(Arc::new(Table { name, spans }))
    }

    /// Its IANA name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What the clock shows at `at`.
    pub fn wall(&self, at: Micros) -> Wall {
        Wall(at.0.saturating_add(self.span(at).0))
    }

    /// The offset at `at` in microseconds, and the instant at which it changes.
    pub(super) fn span(&self, at: Micros) -> (i64, Micros) {
        let after = self.0.spans.partition_point(|span| span.from <= at.0);
        let offset = self.0.spans.get(after.saturating_sub(1)).map_or(0, |span| span.offset);
        (offset, Micros(self.0.spans.get(after).map_or(i64::MAX, |span| span.from)))
    }

    /// The first instant at which the clock shows `wall` or later: the earlier one where it shows it twice, the first after
    /// the gap where it never does.
    pub fn instant(&self, wall: Wall) -> Micros {
        let mut at = Micros(wall.0.saturating_sub(OFFSET_MAX));
        loop {
            let (offset, until) = self.span(at);
            let shown = wall.0.saturating_sub(offset).max(at.0);
            if shown < until.0 || until.0 == i64::MAX {
                return Micros(shown);
            }
            at = until;
        }
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Zone").field(&self.0.name).finish()
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.name == other.0.name
    }
}

impl Eq for Zone {}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> Zone {
        Zone::named(name).unwrap()
    }

    fn at(text: &str) -> Micros {
        Micros::parse(text).unwrap()
    }

    fn wall(date: &str, time: &str) -> Wall {
        Wall::new(Day::parse(date).unwrap(), Minute::parse(time).unwrap())
    }

    #[test]
    fn clock_shows_what_jiff_says() {
        for name in
            ["America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Casablanca", "Pacific/Apia", "UTC"]
        {
            let ours = zone(name);
            let theirs = TimeZone::get(name).unwrap();
            for hour in 0..40_000 {
                let instant = Micros::from_seconds(hour * 17_017 + 1_290_000_000);
                let offset = i64::from(theirs.to_offset(instant.timestamp()).seconds());
                assert_eq!(ours.wall(instant).0, instant.0 + offset * SECOND, "{name} {instant}");
            }
        }
    }

    #[test]
    fn gap_gives_the_first_instant_after_it_and_overlap_the_earlier_one() {
        let york = zone("America/New_York");
        assert_eq!(york.instant(wall("2026-03-08", "02:30")), at("2026-03-08T07:00:00Z"));
        assert_eq!(york.instant(wall("2026-11-01", "01:30")), at("2026-11-01T05:30:00Z"));
        assert_eq!(york.instant(wall("2026-11-01", "02:00")), at("2026-11-01T07:00:00Z"));
        assert_eq!(york.instant(wall("2026-11-01", "09:00")), at("2026-11-01T14:00:00Z"));
        let howe = zone("Australia/Lord_Howe");
        assert_eq!(howe.instant(wall("2026-10-04", "02:15")), at("2026-10-03T15:30:00Z"));
        assert_eq!(howe.instant(wall("2026-04-05", "01:45")), at("2026-04-04T14:45:00Z"));
        // Samoa left out the whole of 2011-12-30.
        assert_eq!(zone("Pacific/Apia").instant(wall("2011-12-30", "12:00")), at("2011-12-30T10:00:00Z"));
        assert_eq!(Zone::utc().instant(wall("2026-01-01", "00:00")), at("2026-01-01T00:00:00Z"));
    }

    #[test]
    fn zone_is_theirs_else_their_phones_else_the_fallback() {
        let fallback = zone("America/New_York");
        let chosen = |zone, phone| {
            let (zone, source) = choose_zone(zone, phone, &fallback);
            (zone.name().to_owned(), source)
        };
        let fell_back = ("America/New_York".to_owned(), ZoneSource::Fallback);
        assert_eq!(
            chosen(Some("europe/lisbon"), Some("+4930123456")),
            ("Europe/Lisbon".to_owned(), ZoneSource::Influencer)
        );
        assert_eq!(chosen(None, Some("+4930123456")), ("Europe/Berlin".to_owned(), ZoneSource::PhoneCountry));
        assert_eq!(chosen(Some("Mars/Olympus"), Some("+81 3 1234")).1, ZoneSource::PhoneCountry);
        for many in
            ["+12125550100", "+61255501234", "+5511912345678", "+351211234567", "+34911234567", "+999", "4930", ""]
        {
            assert_eq!(chosen(None, Some(many)), fell_back, "{many}");
        }
        assert_eq!(chosen(None, None), fell_back);
    }

    #[test]
    fn what_is_not_known_of_a_zone_is_said() {
        assert_eq!(told(ZoneSource::Fallback, None), "the sequence's fallback");
        assert_eq!(told(ZoneSource::Influencer, Some("+14155550123")), "their own");
        assert_eq!(
            told(ZoneSource::House, Some("+14155550123")),
            "ours, for theirs is not known; by their number it may be any zone from Pacific/Honolulu to America/New_York, \
             and texts keep to their hours in all of these"
        );
        let (zone, told) = theirs_or_ours(None, Some("+81312345678"), &Zone::utc());
        assert_eq!((zone.name(), told.as_str()), ("Asia/Tokyo", "by the country of their phone number"));
        assert_eq!(theirs_or_ours(None, None, &Zone::utc()).1, "ours, for theirs is not known");
    }

    #[test]
    fn every_zone_of_the_phone_tables_is_known() {
        for (code, name) in phones::ZONES {
            assert!(Zone::named(name).is_some(), "{code} {name}");
            assert_eq!(phones::zones_of(&format!("+{code}5550100")), Some(&[*name][..]));
        }
        for (code, names) in phones::SEVERAL.iter().chain(phones::REGIONS) {
            assert!(names.iter().all(|name| Zone::named(name).is_some()), "{code} {names:?}");
        }
        assert!(phones::ZONES.is_sorted() && phones::SEVERAL.is_sorted() && phones::REGIONS.is_sorted());
    }

    #[test]
    fn area_codes_of_places_are_told_from_those_of_none() {
        let of = |region: &str| phones::REGIONS.iter().find(|(known, _)| *known == region).map(|(_, zones)| *zones);
        // Tucson, in the midst of those that belong to nobody.
        for place in ["+15205550123", "+15105550123", "+15305550123"] {
            assert_eq!(phones::zones_of(place), of("US"), "{place}");
        }
        for nowhere in ["+15215550123", "+15225550123", "+15295550123", "+18005550123"] {
            let all = phones::zones_of(nowhere);
            assert!(all.is_some() && all != of("US"), "{nowhere}");
        }
    }

    #[test]
    fn every_calling_code_of_a_country_has_its_zones() {
        for code in 1..=999_u16 {
            let regions = phonenumber::metadata::DATABASE.region(&code).unwrap_or_default();
            let is_country = regions.iter().any(|region| region.len() == 2);
            let zones = phones::zones_of(&format!("+{code}5550100"));
            assert!(zones.is_some() || !is_country, "{code} {regions:?}");
        }
        for region in phonenumber::metadata::DATABASE.region(&1).unwrap() {
            assert!(phones::REGIONS.iter().any(|(known, _)| *known == region), "{region}");
        }
    }
}
