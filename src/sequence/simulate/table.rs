//! A simulation as people read it: a dated table in both zones with the reason of every shift, the load of the accounts, a
//! picture of sends per day, and who hears nothing and why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::{Ended, Entry, Report, What};
use crate::domain::zone::ZoneSource;

/// Characters of the longest bar.
const BAR: usize = 50;
/// Lines of people and of the load that are shown.
const LINES_MAX: usize = 200;

/// The whole as text.
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    let zones: BTreeSet<&str> = report.entries.iter().map(|e| e.zone.as_str()).collect();
    let theirs = if zones.len() == 1 { zones.first().copied().unwrap_or("theirs") } else { "where they are" };
    let wide = |of: &dyn Fn(&Entry) -> usize, least: usize| report.entries.iter().map(of).max().unwrap_or(0).max(least);
    let who = wide(&|e| e.handle.chars().count(), 3);
    let step = wide(&|e| e.step.as_deref().unwrap_or("-").chars().count(), 4);
    let head = theirs.chars().count().max(16);
    line(&mut out, &format!("{theirs:head$}  {:16}  {:who$}  {:step$}  what", short(&report.zone), "who", "step"));
    for entry in &report.entries {
        let step_id = entry.step.as_deref().unwrap_or("-");
        let mut said = entry.what.word().to_owned();
        if let Some(variant) = &entry.variant {
            said.extend([format!(" {variant}")]);
        }
        if let Some(account) = &entry.account {
            said.extend([format!(" from {account}")]);
        }
        if !entry.detail.is_empty() {
            said.extend([format!(": {}", entry.detail)]);
        }
        let other =
            if zones.len() > 1 && entry.what == What::Sent { format!(" ({})", entry.zone) } else { String::new() };
        line(
            &mut out,
            &format!(
                "{:head$}  {:16}  {:who$}  {step_id:step$}  {said}{other}",
                entry.theirs, entry.ours, entry.handle
            ),
        );
        for shift in &entry.shifts {
            line(&mut out, &format!("{:head$}  {:16}  {:who$}  {:step$}    {}", "", "", "", "", shift.why));
        }
    }
    zones_told(&mut out, report);
    silent(&mut out, report);
    load(&mut out, report);
    if report.sends().next().is_some() {
        line(&mut out, "");
        out.push_str(&picture(report));
    }
    line(&mut out, "");
    line(&mut out, &closing(report));
    out
}

fn short(zone: &str) -> String {
    zone.chars().take(16).collect()
}

fn line(out: &mut String, text: &str) {
    out.push_str(&text.trim_end().replace(['\n', '\r'], " "));
    out.push('\n');
}

/// Where the zones of the table come from, where not all have their own.
fn zones_told(out: &mut String, report: &Report) {
    let mut told: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for person in &report.people {
        *told.entry((person.zone_from.as_str(), person.zone.as_str())).or_default() += 1;
    }
    told.retain(|(from, _), _| !from.is_empty());
    if told.keys().all(|(from, _)| *from == ZoneSource::Influencer.to_string()) {
        return;
    }
    line(out, "");
    line(out, "Their zones:");
    for ((from, zone), count) in told.iter().take(LINES_MAX) {
        line(out, &format!("  {zone}, {count} of {}: {from}", report.people.len()));
    }
    if told.len() > LINES_MAX {
        line(out, &format!("  … and {} more (--json names all)", told.len() - LINES_MAX));
    }
}

/// Who hears nothing, and why.
fn silent(out: &mut String, report: &Report) {
    let silent: Vec<_> = report.people.iter().filter(|p| p.sent == 0).collect();
    if silent.is_empty() {
        return;
    }
    line(out, "");
    line(out, &format!("{} of {} hear nothing:", silent.len(), report.people.len()));
    for person in silent.iter().take(LINES_MAX) {
        let why = if person.why.is_empty() { &person.state } else { &person.why };
        line(out, &format!("  {}: {why}", person.handle));
    }
    if silent.len() > LINES_MAX {
        line(out, &format!("  … and {} more (--json names all)", silent.len() - LINES_MAX));
    }
}

fn load(out: &mut String, report: &Report) {
    if report.load.is_empty() {
        return;
    }
    let wide = report.load.iter().map(|l| l.account.chars().count()).max().unwrap_or(0).max(7);
    line(out, "");
    line(out, &format!("{:10}  {:wide$}  {:>5}  {:>6}  {:>7}", "day", "account", "sent", "others", "by hand"));
    for l in report.load.iter().take(LINES_MAX) {
        line(out, &format!("{:10}  {:wide$}  {:>5}  {:>6}  {:>7}", l.day, l.account, l.sent, l.others, l.by_hand));
    }
    if report.load.len() > LINES_MAX {
        line(out, &format!("… and {} more (--json names all)", report.load.len() - LINES_MAX));
    }
}

/// Sends per day of ours, a bar for each.
pub fn picture(report: &Report) -> String {
    let mut days: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in report.sends() {
        *days.entry(entry.ours.get(..10).unwrap_or_default()).or_default() += 1;
    }
    let most = days.values().copied().max().unwrap_or(1).max(1);
    let mut out = String::new();
    for (day, count) in days {
        let length = if most <= BAR { count } else { (count * BAR).div_ceil(most) };
        line(&mut out, &format!("{day}  {} {count}", "#".repeat(length)));
    }
    out
}

fn closing(report: &Report) -> String {
    let (sends, people) = (report.sends().count(), report.people.len());
    let said = match report.ended {
        Ended::Quiet => "nothing more happens by itself",
        Ended::Days => "and on after that; --days looks further",
        Ended::Installation => "this installation sends nothing until `liaison release`",
    };
    let words = |n: usize, one: &str, more: &str| format!("{n} {}", if n == 1 { one } else { more });
    format!(
        "{} to {} until {}: {said}.",
        words(sends, "mail", "mails"),
        words(people, "person", "people"),
        report.entries.last().map_or_else(|| report.until.to_string(), |e| e.ours.clone()),
    )
}

/// Every entry as a row of comma-separated values (RFC 4180), the first row naming the columns.
pub fn csv(report: &Report) -> String {
    let mut out = String::from(
        "at,theirs,ours,zone,handle,influencer_id,sequence,step,what,variant,account,planned_at,shifts,detail\r\n",
    );
    for e in &report.entries {
        let shifts: Vec<&str> = e.shifts.iter().map(|s| s.why.as_str()).collect();
        let fields = [
            e.at.to_string(),
            e.theirs.clone(),
            e.ours.clone(),
            e.zone.clone(),
            e.handle.clone(),
            e.influencer_id.to_string(),
            e.sequence.clone().unwrap_or_default(),
            e.step.clone().unwrap_or_default(),
            e.what.word().to_owned(),
            e.variant.clone().unwrap_or_default(),
            e.account.clone().unwrap_or_default(),
            e.planned_at.map_or_else(String::new, |at| at.to_string()),
            shifts.join("; "),
            e.detail.clone(),
        ];
        let fields: Vec<String> = fields.iter().map(|f| quoted(f)).collect();
        // Writing to a text can't fail.
        write!(out, "{}\r\n", fields.join(",")).unwrap_or_default();
    }
    out
}

fn quoted(field: &str) -> String {
    // A spreadsheet takes what begins so for a formula.
    let field = if field.starts_with(['=', '+', '-', '@']) { format!("'{field}") } else { field.to_owned() };
    if field.contains([',', '"', '\n', '\r']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
}

#[cfg(test)]
mod tests {
    use super::super::{Load, Moved, Standing};
    use super::*;
    use crate::domain::ids::InfluencerId;
    use crate::domain::time::Micros;

    fn report() -> Report {
        let id = InfluencerId(uuid::Uuid::from_u128(1));
        let at = Micros::parse("2026-03-02T14:00:00Z").unwrap();
        let entry = Entry {
            at,
            theirs: "2026-03-02 15:00".to_owned(),
            ours: "2026-03-02 09:00".to_owned(),
            influencer_id: id,
            handle: "@ana".to_owned(),
            zone: "Europe/Berlin".to_owned(),
            sequence: Some("gift".to_owned()),
            enrollment_id: None,
            step: Some("intro".to_owned()),
            what: What::Sent,
            variant: Some("a.md".to_owned()),
            account: Some("hello".to_owned()),
            planned_at: Some(at),
            shifts: vec![Moved { from: at, to: at, rule: "gap".to_owned(), why: "a gap, \"so\"".to_owned() }],
            detail: String::new(),
        };
        let task = Entry {
            what: What::Task,
            variant: None,
            account: None,
            shifts: Vec::new(),
            detail: "two\nlines".to_owned(),
            ..entry.clone()
        };
        let standing = |handle: &str, sent, why: &str| Standing {
            influencer_id: id,
            handle: handle.to_owned(),
            zone: String::new(),
            zone_from: String::new(),
            stage: String::new(),
            sent,
            state: "refused".to_owned(),
            why: why.to_owned(),
        };
        Report {
            sequence: None,
            from: at,
            until: at,
            zone: "America/New_York".to_owned(),
            ended: Ended::Quiet,
            entries: vec![task, entry],
            people: vec![standing("@ana", 1, ""), standing("@bo", 0, "no email address is known")],
            load: vec![Load {
                day: "2026-03-02".to_owned(),
                account: "hello".to_owned(),
                sent: 1,
                others: 2,
                by_hand: 3,
            }],
        }
    }

    #[test]
    fn a_simulation_is_told_in_both_zones_with_reasons_loads_and_who_hears_nothing() {
        let told = text(&report());
        for part in [
            "Europe/Berlin     America/New_York  who   step   what",
            "2026-03-02 15:00  2026-03-02 09:00  @ana  intro  sent a.md from hello",
            "a gap, \"so\"",
            "task: two lines",
            "1 of 2 hear nothing:\n  @bo: no email address is known",
            "2026-03-02  hello        1       2        3",
            "2026-03-02  # 1",
            "1 mail to 2 people",
        ] {
            assert!(told.contains(part), "{part} is not in:\n{told}");
        }
    }

    #[test]
    fn csv_is_quoted_and_holds_no_formula() {
        let told = csv(&report());
        assert!(told.contains("\"a gap, \"\"so\"\"\""), "{told}");
        assert!(told.contains(",'@ana,"), "{told}");
    }
}
