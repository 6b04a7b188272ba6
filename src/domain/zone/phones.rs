//! Calling codes of the world, and in which zones the phones of each may be.
//!
//! Made from the IANA database's `zone.tab` and the calling codes of ITU-T E.164. In [`ZONES`] stands a code if all zones of all
//! countries that share it show the same time from 2024 to 2037; China and Ukraine have one zone by their own law. All others stand
//! in [`SEVERAL`], with one zone for each way in which the clocks there go. Where the plan of a number says more than its code
//! (North America, Russia and Kazakhstan), its region counts: [`REGIONS`].

use crate::domain::phone;

/// Longest calling code, digits.
const CODE_MAX: usize = 3;

/// The zones in which the phone of an E.164 number may be, from west to east; never none. `None` where it is no number, or of no
/// country: satellites, services.
pub(super) fn zones_of(phone: &str) -> Option<&'static [&'static str]> {
    let digits = phone.trim().strip_prefix('+')?;
    // No calling code begins with another: at most one length is found.
    (1..=CODE_MAX).find_map(|length| {
        let code = digits.get(..length)?;
        if let Ok(at) = ZONES.binary_search_by_key(&code, |(c, _)| c) {
            return ZONES.get(at).map(|(_, zone)| std::slice::from_ref(zone));
        }
        let at = SEVERAL.binary_search_by_key(&code, |(c, _)| c).ok()?;
        let (_, all) = SEVERAL.get(at)?;
        Some(region_of(phone.trim(), code).unwrap_or(all))
    })
}

/// The zones of the region to which a number of several regions belongs, where its plan says which.
fn region_of(phone: &str, code: &str) -> Option<&'static [&'static str]> {
    if !matches!(code, "1" | "7") || is_nowhere(phone) {
        return None;
    }
    let region = phone::region(phone)?;
    let at = REGIONS.binary_search_by_key(&region, |(r, _)| r).ok()?;
    REGIONS.get(at).map(|(_, zones)| *zones)
}

/// Whether a number of North America belongs to no place, as of services and of those who take it along: the second and third digit
/// of its area code are the same, or it is one of 521 to 529.
fn is_nowhere(phone: &str) -> bool {
    let area = phone.strip_prefix("+1").and_then(|rest| rest.get(..3)).unwrap_or_default();
    area.starts_with("52") || matches!(area.as_bytes(), [_, second, third] if second == third)
}

/// Sorted by code.
pub(super) const ZONES: &[(&str, &str)] = &[
    ("20", "Africa/Cairo"),
    ("211", "Africa/Juba"),
    ("212", "Africa/Casablanca"),
    ("213", "Africa/Algiers"),
    ("216", "Africa/Tunis"),
    ("218", "Africa/Tripoli"),
    ("220", "Africa/Banjul"),
    ("221", "Africa/Dakar"),
    ("222", "Africa/Nouakchott"),
    ("223", "Africa/Bamako"),
    ("224", "Africa/Conakry"),
    ("225", "Africa/Abidjan"),
    ("226", "Africa/Ouagadougou"),
    ("227", "Africa/Niamey"),
    ("228", "Africa/Lome"),
    ("229", "Africa/Porto-Novo"),
    ("230", "Indian/Mauritius"),
    ("231", "Africa/Monrovia"),
    ("232", "Africa/Freetown"),
    ("233", "Africa/Accra"),
    ("234", "Africa/Lagos"),
    ("235", "Africa/Ndjamena"),
    ("236", "Africa/Bangui"),
    ("237", "Africa/Douala"),
    ("238", "Atlantic/Cape_Verde"),
    ("239", "Africa/Sao_Tome"),
    ("240", "Africa/Malabo"),
    ("241", "Africa/Libreville"),
    ("242", "Africa/Brazzaville"),
    ("244", "Africa/Luanda"),
    ("245", "Africa/Bissau"),
    ("246", "Indian/Chagos"),
    ("247", "Atlantic/St_Helena"),
    ("248", "Indian/Mahe"),
    ("249", "Africa/Khartoum"),
    ("250", "Africa/Kigali"),
    ("251", "Africa/Addis_Ababa"),
    ("252", "Africa/Mogadishu"),
    ("253", "Africa/Djibouti"),
    ("254", "Africa/Nairobi"),
    ("255", "Africa/Dar_es_Salaam"),
    ("256", "Africa/Kampala"),
    ("257", "Africa/Bujumbura"),
    ("258", "Africa/Maputo"),
    ("260", "Africa/Lusaka"),
    ("261", "Indian/Antananarivo"),
    ("263", "Africa/Harare"),
    ("264", "Africa/Windhoek"),
    ("265", "Africa/Blantyre"),
    ("266", "Africa/Maseru"),
    ("267", "Africa/Gaborone"),
    ("268", "Africa/Mbabane"),
    ("269", "Indian/Comoro"),
    ("27", "Africa/Johannesburg"),
    ("290", "Atlantic/St_Helena"),
    ("291", "Africa/Asmara"),
    ("297", "America/Aruba"),
    ("298", "Atlantic/Faroe"),
    ("30", "Europe/Athens"),
    ("31", "Europe/Amsterdam"),
    ("32", "Europe/Brussels"),
    ("33", "Europe/Paris"),
    ("350", "Europe/Gibraltar"),
    ("352", "Europe/Luxembourg"),
    ("353", "Europe/Dublin"),
    ("354", "Atlantic/Reykjavik"),
    ("355", "Europe/Tirane"),
    ("356", "Europe/Malta"),
    ("357", "Asia/Nicosia"),
    ("358", "Europe/Helsinki"),
    ("359", "Europe/Sofia"),
    ("36", "Europe/Budapest"),
    ("370", "Europe/Vilnius"),
    ("371", "Europe/Riga"),
    ("372", "Europe/Tallinn"),
    ("373", "Europe/Chisinau"),
    ("374", "Asia/Yerevan"),
    ("375", "Europe/Minsk"),
    ("376", "Europe/Andorra"),
    ("377", "Europe/Monaco"),
    ("378", "Europe/San_Marino"),
    ("380", "Europe/Kyiv"),
    ("381", "Europe/Belgrade"),
    ("382", "Europe/Podgorica"),
    ("383", "Europe/Belgrade"),
    ("385", "Europe/Zagreb"),
    ("386", "Europe/Ljubljana"),
    ("387", "Europe/Sarajevo"),
    ("389", "Europe/Skopje"),
    ("39", "Europe/Rome"),
    ("40", "Europe/Bucharest"),
    ("41", "Europe/Zurich"),
    ("420", "Europe/Prague"),
    ("421", "Europe/Bratislava"),
    ("423", "Europe/Vaduz"),
    ("43", "Europe/Vienna"),
    ("44", "Europe/London"),
    ("45", "Europe/Copenhagen"),
    ("46", "Europe/Stockholm"),
    ("47", "Europe/Oslo"),
    ("48", "Europe/Warsaw"),
    ("49", "Europe/Berlin"),
    ("500", "Atlantic/Stanley"),
    ("501", "America/Belize"),
    ("502", "America/Guatemala"),
    ("503", "America/El_Salvador"),
    ("504", "America/Tegucigalpa"),
    ("505", "America/Managua"),
    ("506", "America/Costa_Rica"),
    ("507", "America/Panama"),
    ("508", "America/Miquelon"),
    ("509", "America/Port-au-Prince"),
    ("51", "America/Lima"),
    ("53", "America/Havana"),
    ("54", "America/Argentina/Buenos_Aires"),
    ("57", "America/Bogota"),
    ("58", "America/Caracas"),
    ("590", "America/Guadeloupe"),
    ("591", "America/La_Paz"),
    ("592", "America/Guyana"),
    ("594", "America/Cayenne"),
    ("595", "America/Asuncion"),
    ("596", "America/Martinique"),
    ("597", "America/Paramaribo"),
    ("598", "America/Montevideo"),
    ("599", "America/Curacao"),
    ("60", "Asia/Kuala_Lumpur"),
    ("63", "Asia/Manila"),
    ("65", "Asia/Singapore"),
    ("66", "Asia/Bangkok"),
    ("670", "Asia/Dili"),
    ("673", "Asia/Brunei"),
    ("674", "Pacific/Nauru"),
    ("676", "Pacific/Tongatapu"),
    ("677", "Pacific/Guadalcanal"),
    ("678", "Pacific/Efate"),
    ("679", "Pacific/Fiji"),
    ("680", "Pacific/Palau"),
    ("681", "Pacific/Wallis"),
    ("682", "Pacific/Rarotonga"),
    ("683", "Pacific/Niue"),
    ("685", "Pacific/Apia"),
    ("687", "Pacific/Noumea"),
    ("688", "Pacific/Funafuti"),
    ("690", "Pacific/Fakaofo"),
    ("692", "Pacific/Majuro"),
    ("81", "Asia/Tokyo"),
    ("82", "Asia/Seoul"),
    ("84", "Asia/Ho_Chi_Minh"),
    ("850", "Asia/Pyongyang"),
    ("852", "Asia/Hong_Kong"),
    ("853", "Asia/Macau"),
    ("855", "Asia/Phnom_Penh"),
    ("856", "Asia/Vientiane"),
    ("86", "Asia/Shanghai"),
    ("880", "Asia/Dhaka"),
    ("886", "Asia/Taipei"),
    ("90", "Europe/Istanbul"),
    ("91", "Asia/Kolkata"),
    ("92", "Asia/Karachi"),
    ("93", "Asia/Kabul"),
    ("94", "Asia/Colombo"),
    ("95", "Asia/Yangon"),
    ("960", "Indian/Maldives"),
    ("961", "Asia/Beirut"),
    ("962", "Asia/Amman"),
    ("963", "Asia/Damascus"),
    ("964", "Asia/Baghdad"),
    ("965", "Asia/Kuwait"),
    ("966", "Asia/Riyadh"),
    ("967", "Asia/Aden"),
    ("968", "Asia/Muscat"),
    ("970", "Asia/Gaza"),
    ("971", "Asia/Dubai"),
    ("972", "Asia/Jerusalem"),
    ("973", "Asia/Bahrain"),
    ("974", "Asia/Qatar"),
    ("975", "Asia/Thimphu"),
    ("977", "Asia/Kathmandu"),
    ("98", "Asia/Tehran"),
    ("992", "Asia/Dushanbe"),
    ("993", "Asia/Ashgabat"),
    ("994", "Asia/Baku"),
    ("995", "Asia/Tbilisi"),
    ("996", "Asia/Bishkek"),
    ("998", "Asia/Samarkand"),
];

/// Codes whose phones may be in several zones, each list from west to east. Sorted by code.
pub(super) const SEVERAL: &[(&str, &[&str])] = &[
    ("1", NORTH_AMERICA),
    ("243", &["Africa/Kinshasa", "Africa/Lubumbashi"]),
    ("262", &["Indian/Mayotte", "Indian/Reunion", "Indian/Kerguelen"]),
    ("299", &["America/Thule", "America/Nuuk", "America/Danmarkshavn"]),
    ("34", &["Atlantic/Canary", "Europe/Madrid"]),
    ("351", &["Atlantic/Azores", "Europe/Lisbon"]),
    ("52", &["America/Tijuana", "America/Hermosillo", "America/Mexico_City", "America/Ciudad_Juarez", "America/Matamoros", "America/Cancun"]),
    ("55", &["America/Rio_Branco", "America/Manaus", "America/Sao_Paulo", "America/Noronha"]),
    ("56", &["Pacific/Easter", "America/Santiago", "America/Punta_Arenas"]),
    ("593", &["Pacific/Galapagos", "America/Guayaquil"]),
    ("61", &["Indian/Cocos", "Indian/Christmas", "Australia/Perth", "Australia/Eucla", "Australia/Darwin", "Australia/Adelaide", "Australia/Brisbane", "Australia/Sydney", "Australia/Lord_Howe"]),
    ("62", &["Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura"]),
    ("64", &["Pacific/Pitcairn", "Pacific/Auckland", "Pacific/Chatham"]),
    ("672", &["Antarctica/Mawson", "Antarctica/Davis", "Antarctica/Casey", "Antarctica/Macquarie", "Pacific/Norfolk"]),
    ("675", &["Pacific/Port_Moresby", "Pacific/Bougainville"]),
    ("686", &["Pacific/Tarawa", "Pacific/Kanton", "Pacific/Kiritimati"]),
    ("689", &["Pacific/Tahiti", "Pacific/Marquesas", "Pacific/Gambier"]),
    ("691", &["Pacific/Chuuk", "Pacific/Pohnpei"]),
    ("7", RUSSIA_AND_KAZAKHSTAN),
    ("976", &["Asia/Hovd", "Asia/Ulaanbaatar"]),
];

/// Regions of which the plans of `+1` and `+7` tell. Sorted by region.
pub(super) const REGIONS: &[(&str, &[&str])] = &[
    ("AG", &["America/Antigua"]),
    ("AI", &["America/Anguilla"]),
    ("AS", &["Pacific/Pago_Pago"]),
    ("BB", &["America/Barbados"]),
    ("BM", &["Atlantic/Bermuda"]),
    ("BS", &["America/Nassau"]),
    ("CA", &["America/Vancouver", "America/Whitehorse", "America/Edmonton", "America/Regina", "America/Winnipeg", "America/Atikokan", "America/Toronto", "America/Blanc-Sablon", "America/Halifax", "America/St_Johns"]),
    ("DM", &["America/Dominica"]),
    ("DO", &["America/Santo_Domingo"]),
    ("GD", &["America/Grenada"]),
    ("GU", &["Pacific/Guam"]),
    ("JM", &["America/Jamaica"]),
    ("KN", &["America/St_Kitts"]),
    ("KY", &["America/Cayman"]),
    ("KZ", &["Asia/Almaty"]),
    ("LC", &["America/St_Lucia"]),
    ("MP", &["Pacific/Saipan"]),
    ("MS", &["America/Montserrat"]),
    ("PR", &["America/Puerto_Rico"]),
    ("RU", &["Europe/Kaliningrad", "Europe/Moscow", "Europe/Samara", "Asia/Yekaterinburg", "Asia/Omsk", "Asia/Novosibirsk", "Asia/Irkutsk", "Asia/Yakutsk", "Asia/Vladivostok", "Asia/Magadan", "Asia/Kamchatka"]),
    ("SX", &["America/Lower_Princes"]),
    ("TC", &["America/Grand_Turk"]),
    ("TT", &["America/Port_of_Spain"]),
    ("US", &["Pacific/Honolulu", "America/Adak", "America/Anchorage", "America/Los_Angeles", "America/Phoenix", "America/Denver", "America/Chicago", "America/New_York"]),
    ("VC", &["America/St_Vincent"]),
    ("VG", &["America/Tortola"]),
    ("VI", &["America/St_Thomas"]),
];

/// Everything that shares `+1`, from American Samoa to Guam.
const NORTH_AMERICA: &[&str] = &["Pacific/Pago_Pago", "Pacific/Honolulu", "America/Adak", "America/Anchorage", "America/Los_Angeles", "America/Vancouver", "America/Whitehorse", "America/Phoenix", "America/Denver", "America/Edmonton", "America/Regina", "America/Chicago", "America/Winnipeg", "America/Atikokan", "America/Jamaica", "America/New_York", "America/Toronto", "America/Nassau", "America/Grand_Turk", "America/Puerto_Rico", "America/Blanc-Sablon", "America/Halifax", "Atlantic/Bermuda", "America/St_Johns", "Pacific/Guam"];

/// Everything that shares `+7`.
const RUSSIA_AND_KAZAKHSTAN: &[&str] = &["Europe/Kaliningrad", "Europe/Moscow", "Europe/Samara", "Asia/Almaty", "Asia/Yekaterinburg", "Asia/Omsk", "Asia/Novosibirsk", "Asia/Irkutsk", "Asia/Yakutsk", "Asia/Vladivostok", "Asia/Magadan", "Asia/Kamchatka"];
