//! Where a phone may be, as far as its number tells: in one zone, in one of several, or anywhere.
//!
//! What must not come at night has to be in its hours in every one of them, for nobody knows which it is.

use std::fmt;
use std::sync::{Arc, OnceLock};

use super::{MINUTE, Span, Table, Zone, phones};

/// Clocks of the world differ from UTC by whole quarters of an hour, from 12 hours behind to 14 ahead.
const QUARTERS: std::ops::RangeInclusive<i64> = -48..=56;

/// In which zone somebody's clock is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereabouts {
    /// This one: they have it, or the country of their number has no other.
    One(Zone),
    /// One of these, from west to east: their number's country has several.
    Several(Vec<Zone>),
    /// There is no number, or it is no country's.
    Anywhere,
}

impl Whereabouts {
    /// Of somebody with this zone, or this number where the zone is not known. A name that the database does not know counts as none.
    pub fn of(timezone: Option<&str>, phone: Option<&str>) -> Self {
        if let Some(zone) = timezone.and_then(Zone::named) {
            return Self::One(zone);
        }
        let names = phone.and_then(phones::zones_of).unwrap_or_default();
        // A zone that this machine does not have must not be left out: it may be theirs.
        let zones: Option<Vec<Zone>> = names.iter().map(|name| Zone::named(name)).collect();
        match zones.as_deref() {
            None | Some([]) => Self::Anywhere,
            Some([one]) => Self::One(one.clone()),
            Some(several) => Self::Several(several.to_vec()),
        }
    }

    /// Every clock that may be theirs.
    pub fn zones(&self) -> &[Zone] {
        match self {
            Self::One(zone) => std::slice::from_ref(zone),
            Self::Several(zones) => zones,
            Self::Anywhere => everywhere(),
        }
    }

    /// The zone, where there is no doubt.
    pub fn known(&self) -> Option<&Zone> {
        match self {
            Self::One(zone) => Some(zone),
            Self::Several(_) | Self::Anywhere => None,
        }
    }
}

impl fmt::Display for Whereabouts {
    /// `Europe/Berlin`, or `any zone from Pacific/Honolulu to America/New_York`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(zone) => f.write_str(zone.name()),
            Self::Several(zones) => {
                let name = |zone: Option<&Zone>| zone.map_or("", Zone::name).to_owned();
                write!(f, "any zone from {} to {}", name(zones.first()), name(zones.last()))
            }
            Self::Anywhere => f.write_str("any zone of the world"),
        }
    }
}

/// A clock for each quarter of an hour that there may be: no database is asked.
fn everywhere() -> &'static [Zone] {
    static ALL: OnceLock<Vec<Zone>> = OnceLock::new();
    ALL.get_or_init(|| QUARTERS.map(|quarters| fixed(quarters * 15)).collect())
}

/// A zone that is always so many minutes ahead of UTC.
fn fixed(minutes: i64) -> Zone {
    let sign = if minutes < 0 { '-' } else { '+' };
    let name = format!("UTC{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60);
    let spans = vec![Span { from: i64::MIN, offset: minutes * MINUTE }];
    Zone(Arc::new(Table { name, spans }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Micros;
    use crate::domain::zone::Wall;

    fn of(phone: &str) -> Whereabouts {
        Whereabouts::of(None, Some(phone))
    }

    #[test]
    fn their_own_zone_counts_before_every_number() {
        let known = |zone, phone| Whereabouts::of(zone, phone).known().map(|zone| zone.name().to_owned());
        assert_eq!(known(Some("europe/lisbon"), Some("+14155550123")).as_deref(), Some("Europe/Lisbon"));
        assert_eq!(known(Some("Mars/Olympus"), Some("+81312345678")).as_deref(), Some("Asia/Tokyo"));
        assert_eq!(known(None, Some("+18765550123")).as_deref(), Some("America/Jamaica"), "a country of its own on +1");
        assert_eq!(known(None, Some("+77012345678")).as_deref(), Some("Asia/Almaty"), "a country of its own on +7");
        assert_eq!(known(Some("Mars/Olympus"), Some("+14155550123")), None);
        assert_eq!(known(None, None), None);
    }

    #[test]
    fn a_number_of_a_large_country_may_be_in_any_of_its_zones() {
        for (phone, said) in [
            ("+14155550123", "any zone from Pacific/Honolulu to America/New_York"),
            ("+14165550123", "any zone from America/Vancouver to America/St_Johns"),
            // Who has it may be anywhere that shares the code.
            ("+18005550123", "any zone from Pacific/Pago_Pago to Pacific/Guam"),
            ("+15225550123", "any zone from Pacific/Pago_Pago to Pacific/Guam"),
            ("+1 415 555 0123", "any zone from Pacific/Pago_Pago to Pacific/Guam"),
            ("+79161234567", "any zone from Europe/Kaliningrad to Asia/Kamchatka"),
            ("+34612345678", "any zone from Atlantic/Canary to Europe/Madrid"),
            ("+5511912345678", "any zone from America/Rio_Branco to America/Noronha"),
            ("+61412345678", "any zone from Indian/Cocos to Australia/Lord_Howe"),
            ("+491701234567", "Europe/Berlin"),
            ("+881612345678", "any zone of the world"),
            ("4155550123", "any zone of the world"),
            ("", "any zone of the world"),
        ] {
            assert_eq!(of(phone).to_string(), said, "{phone}");
        }
    }

    #[test]
    fn zones_are_told_from_west_to_east() {
        // In winter and in summer, but for islands beyond the line where the date changes.
        for (code, zones) in phones::SEVERAL.iter().chain(phones::REGIONS) {
            for at in ["2026-01-15T12:00:00Z", "2026-07-15T12:00:00Z"].map(|at| Micros::parse(at).unwrap()) {
                let walls: Vec<Wall> = zones.iter().map(|name| Zone::named(name).unwrap().wall(at)).collect();
                assert_eq!(walls.first(), walls.iter().min(), "{code} {at}");
                assert_eq!(walls.last(), walls.iter().max(), "{code} {at}");
            }
        }
    }

    #[test]
    fn anywhere_holds_every_clock_there_is() {
        let shown: Vec<Wall> = Whereabouts::Anywhere.zones().iter().map(|zone| zone.wall(Micros(0))).collect();
        let hours = |hours: i64| Wall(hours * 60 * MINUTE);
        assert_eq!((shown.len(), shown[0], shown[104]), (105, hours(-12), hours(14)));
        for name in ["Asia/Kathmandu", "Australia/Eucla", "Pacific/Kiritimati", "America/St_Johns"] {
            let at = Micros::parse("2026-07-15T12:00:00Z").unwrap();
            let wall = Zone::named(name).unwrap().wall(at);
            assert!(Whereabouts::Anywhere.zones().iter().any(|zone| zone.wall(at) == wall), "{name}");
        }
    }
}
