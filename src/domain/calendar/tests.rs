//! The files that are shipped, the rules by which days are found, and what is said about a faulty file.

use super::*;

fn shipped(code: &str) -> Calendar {
    Calendar::shipped(code).unwrap().unwrap()
}

fn name(calendar: &Calendar, day: &str) -> Option<String> {
    calendar.holiday(Day::parse(day).unwrap()).map(ToString::to_string)
}

/// Compared with another collection; `config/holidays/README.md` says which.
const EXPECTED: &str = include_str!("../../../tests/oracle/holidays.txt");

#[test]
fn shipped_days_are_those_of_the_list_that_was_checked() {
    for code in shipped_countries() {
        let calendar = shipped(code);
        let ours: Vec<String> = calendar
            .iter()
            .filter(|(day, _)| (2024..=2030).contains(&day.year()))
            .map(|(day, _)| format!("{code} {day}"))
            .collect();
        let theirs: Vec<&str> = EXPECTED.lines().filter(|l| l.starts_with(code)).collect();
        assert!(theirs.len() > 20, "{code}");
        assert_eq!(ours, theirs, "{code}");
    }
}

#[test]
fn days_have_the_names_people_know() {
    let us = shipped("US");
    assert_eq!(name(&us, "2026-11-26").as_deref(), Some("Thanksgiving Day"));
    assert_eq!(name(&us, "2026-07-03").as_deref(), Some("Independence Day (observed)"));
    assert_eq!(name(&us, "2027-12-31").as_deref(), Some("New Year's Day (observed)"));
    assert_eq!(name(&us, "2026-11-27"), None);
    let gb = shipped("gb");
    assert_eq!(name(&gb, "2027-12-28").as_deref(), Some("Boxing Day (observed)"));
    assert_eq!(name(&gb, "2022-05-30"), None);
    assert_eq!(name(&gb, "2023-05-08").as_deref(), Some("Coronation of King Charles III"));
    assert_eq!(name(&shipped("jp"), "2026-09-22").as_deref(), Some("Citizens' Holiday"));
    assert_eq!(name(&shipped("jp"), "2026-05-06").as_deref(), Some("Constitution Day (observed)"));
    assert_eq!(Calendar::shipped("xx"), None);
}

#[test]
fn single_dates_stand_beside_countries() {
    let eve = Calendar::of_dates([Day::parse("2026-12-24").unwrap(), Day::parse("2026-12-25").unwrap()]);
    let both = Calendar::merge([&shipped("us"), &eve]);
    assert_eq!(name(&both, "2026-12-24").as_deref(), Some("a holiday"));
    assert_eq!(name(&both, "2026-12-25").as_deref(), Some("Christmas Day"));
    assert!(Calendar::default().is_empty());
}

#[test]
fn leap_day_is_a_holiday_in_leap_years_only() {
    let text = "name = \"X\"\n[[holiday]]\nname = \"Leap\"\non = \"feb 29\"\n[[holiday]]\nname = \"V\"\non = \"mon before may 25\"";
    let calendar = Calendar::parse("x.toml", text).unwrap();
    assert_eq!(name(&calendar, "2028-02-29").as_deref(), Some("Leap"));
    assert_eq!(calendar.iter().filter(|(_, n)| *n == "Leap").count(), 49);
    assert_eq!(name(&calendar, "2026-05-18").as_deref(), Some("V"));
}

#[test]
fn faulty_file_is_refused_with_its_place() {
    let cases = [
        ("[[holiday]]\nname = \"A\"\non = \"jan 1\"", "x.toml:1:1: missing field `name`"),
        ("name = \"X\"\n[[holiday]]\nname = \"A\"\non = \"jan 32\"", "x.toml:4:6: `jan 32` is no day of a year"),
        ("name = \"X\"\n[[holiday]]\nname = \"A\"\non = \"5th mon of may\"", "x.toml:4:6: `5th mon of may`"),
        ("name = \"X\"\n[[holiday]]\nname = \"A\"\ndates = [\"2026-02-29\"]", "x.toml:4:10: `2026-02-29` is no date"),
        (
            "name = \"X\"\n[[holiday]]\nname = \"A\"\non = \"jan 1\"\nobserved = \"sat\"",
            "x.toml:5:12: `sat` is no shift",
        ),
        ("name = \"X\"\n[[holiday]]\nname = \"A\"", "x.toml:2:1: a holiday without `on`"),
        ("name = \"X\"\n[[holiday]]\nname = \"\"\non = \"jan 1\"", "x.toml:3:8: an empty name"),
        ("name = \"X\"\n[[holiday]]\nname = \"A\"\nona = \"jan 1\"", "x.toml:4:1: unknown field `ona`"),
        ("name = ", "x.toml:1:8: "),
    ];
    for (text, wanted) in cases {
        let error = Calendar::parse("x.toml", text).unwrap_err().to_string();
        assert!(error.starts_with(wanted), "{error}");
    }
}
