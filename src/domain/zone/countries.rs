//! The country of a zone, for the countries whose holidays are shipped ([`crate::domain::calendar`]).
//!
//! Made from the IANA database's `zone.tab`, where each zone stands under the country its place lies in.

/// The two-letter code, lower case, of the country that a zone of the IANA database lies in. `None` for countries whose
/// holidays are not shipped, and for names that `zone.tab` does not have (`UTC`, `Etc/GMT+3`, old names).
pub fn country_of(zone: &str) -> Option<&'static str> {
    let at = ZONES.binary_search_by_key(&zone, |(name, _)| name).ok()?;
    ZONES.get(at).map(|(_, country)| *country)
}

/// Sorted by name.
const ZONES: &[(&str, &str)] = &[
    ("Africa/Ceuta", "es"),
    ("America/Adak", "us"),
    ("America/Anchorage", "us"),
    ("America/Araguaina", "br"),
    ("America/Atikokan", "ca"),
    ("America/Bahia", "br"),
    ("America/Belem", "br"),
    ("America/Blanc-Sablon", "ca"),
    ("America/Boa_Vista", "br"),
    ("America/Boise", "us"),
    ("America/Cambridge_Bay", "ca"),
    ("America/Campo_Grande", "br"),
    ("America/Chicago", "us"),
    ("America/Creston", "ca"),
    ("America/Cuiaba", "br"),
    ("America/Dawson", "ca"),
    ("America/Dawson_Creek", "ca"),
    ("America/Denver", "us"),
    ("America/Detroit", "us"),
    ("America/Edmonton", "ca"),
    ("America/Eirunepe", "br"),
    ("America/Fort_Nelson", "ca"),
    ("America/Fortaleza", "br"),
    ("America/Glace_Bay", "ca"),
    ("America/Goose_Bay", "ca"),
    ("America/Halifax", "ca"),
    ("America/Indiana/Indianapolis", "us"),
    ("America/Indiana/Knox", "us"),
    ("America/Indiana/Marengo", "us"),
    ("America/Indiana/Petersburg", "us"),
    ("America/Indiana/Tell_City", "us"),
    ("America/Indiana/Vevay", "us"),
    ("America/Indiana/Vincennes", "us"),
    ("America/Indiana/Winamac", "us"),
    ("America/Inuvik", "ca"),
    ("America/Iqaluit", "ca"),
    ("America/Juneau", "us"),
    ("America/Kentucky/Louisville", "us"),
    ("America/Kentucky/Monticello", "us"),
    ("America/Los_Angeles", "us"),
    ("America/Maceio", "br"),
    ("America/Manaus", "br"),
    ("America/Menominee", "us"),
    ("America/Metlakatla", "us"),
    ("America/Moncton", "ca"),
    ("America/New_York", "us"),
    ("America/Nome", "us"),
    ("America/Noronha", "br"),
    ("America/North_Dakota/Beulah", "us"),
    ("America/North_Dakota/Center", "us"),
    ("America/North_Dakota/New_Salem", "us"),
    ("America/Phoenix", "us"),
    ("America/Porto_Velho", "br"),
    ("America/Rankin_Inlet", "ca"),
    ("America/Recife", "br"),
    ("America/Regina", "ca"),
    ("America/Resolute", "ca"),
    ("America/Rio_Branco", "br"),
    ("America/Santarem", "br"),
    ("America/Sao_Paulo", "br"),
    ("America/Sitka", "us"),
    ("America/St_Johns", "ca"),
    ("America/Swift_Current", "ca"),
    ("America/Toronto", "ca"),
    ("America/Vancouver", "ca"),
    ("America/Whitehorse", "ca"),
    ("America/Winnipeg", "ca"),
    ("America/Yakutat", "us"),
    ("Antarctica/Macquarie", "au"),
    ("Asia/Tokyo", "jp"),
    ("Atlantic/Azores", "pt"),
    ("Atlantic/Canary", "es"),
    ("Atlantic/Madeira", "pt"),
    ("Australia/Adelaide", "au"),
    ("Australia/Brisbane", "au"),
    ("Australia/Broken_Hill", "au"),
    ("Australia/Darwin", "au"),
    ("Australia/Eucla", "au"),
    ("Australia/Hobart", "au"),
    ("Australia/Lindeman", "au"),
    ("Australia/Lord_Howe", "au"),
    ("Australia/Melbourne", "au"),
    ("Australia/Perth", "au"),
    ("Australia/Sydney", "au"),
    ("Europe/Amsterdam", "nl"),
    ("Europe/Berlin", "de"),
    ("Europe/Busingen", "de"),
    ("Europe/Dublin", "ie"),
    ("Europe/Lisbon", "pt"),
    ("Europe/London", "gb"),
    ("Europe/Madrid", "es"),
    ("Europe/Paris", "fr"),
    ("Europe/Rome", "it"),
    ("Pacific/Auckland", "nz"),
    ("Pacific/Chatham", "nz"),
    ("Pacific/Honolulu", "us"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::Calendar;
    use crate::domain::zone::Zone;

    #[test]
    fn every_zone_is_known_and_its_country_has_holidays() {
        assert!(ZONES.is_sorted());
        for (name, country) in ZONES {
            assert!(Zone::named(name).is_some(), "{name}");
            assert!(Calendar::shipped(country).is_some_and(|read| read.is_ok()), "{country}");
        }
        assert_eq!((country_of("Europe/Berlin"), country_of("America/Sao_Paulo")), (Some("de"), Some("br")));
        assert_eq!((country_of("UTC"), country_of("Europe/Warsaw")), (None, None));
    }
}
