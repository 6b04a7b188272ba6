//! What answers mean, on labelled texts of our own making: the set the phrases were mended on, and one that they never saw
//! before its first run. Prints what was taken for what (`cargo test --test it answers -- --nocapture`).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use liaison::domain::automatic::{Facts, classify_automatic};
use liaison::domain::mail::{Mailbox, ParsedMail};
use liaison::domain::refusal::{Answer, judge_answer};
use liaison::domain::time::Micros;
use liaison::domain::words::{Kind, Meaning};

/// One labelled text.
struct Case {
    line: usize,
    language: String,
    class: String,
    hard: bool,
    sent: String,
    until: Option<String>,
    subject: String,
    text: String,
}

fn cases(file: &str) -> Vec<Case> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let lines = text.lines().enumerate().filter(|(_, l)| !l.starts_with('#') && !l.is_empty());
    lines
        .map(|(number, line)| {
            let fields: Vec<&str> = line.split('\t').collect();
            assert_eq!(fields.len(), 7, "{file}:{}", number + 1);
            let given = |at: usize| (fields[at] != "-").then(|| fields[at].to_owned());
            Case {
                line: number + 1,
                language: fields[0].into(),
                class: fields[1].into(),
                hard: fields[2] == "hard",
                sent: given(3).unwrap_or_else(|| "2026-03-02".into()),
                until: given(4),
                subject: fields[5].into(),
                text: fields[6].replace("\\n", "\n"),
            }
        })
        .collect()
}

/// What the text is taken for, the day named, and the phrase that told. Machines' answers carry the header that says so.
fn taken_for(case: &Case) -> (String, Option<String>, String) {
    let machine = matches!(case.class.as_str(), "out_of_office" | "gone");
    let mut mail = ParsedMail {
        subject: case.subject.clone(),
        text: case.text.clone(),
        reply_text: liaison::domain::reply::visible_reply(&case.text),
        from: vec![Mailbox { name: String::new(), address: "ana@example.org".into() }],
        date: Micros::parse(&format!("{}T09:00:00Z", case.sent)),
        ..ParsedMail::default()
    };
    mail.automatic.auto_submitted = machine.then(|| "auto-replied".into());
    let automatic = classify_automatic(&mail, &Facts::default());
    if automatic.kind != Kind::Human {
        return (automatic.kind.to_string(), automatic.until.map(|d| d.to_string()), String::new());
    }
    let verdict = judge_answer(&Answer { subject: &mail.subject, answers: None, reply_text: &mail.reply_text });
    (verdict.meaning.to_string(), None, format!("{:?} {:?}", verdict.phrase, verdict.reasons))
}

/// What a set came to.
#[derive(Debug, Default)]
struct Score {
    all: usize,
    right: usize,
    hard: usize,
    opt_outs: usize,
    opt_outs_found: usize,
    acceptances_refused: usize,
    dates: usize,
    dates_right: usize,
    table: String,
}

fn score(file: &str) -> Score {
    let mut score = Score::default();
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for case in cases(file) {
        let (found, until, why) = taken_for(&case);
        // an acceptance is no class of its own: it is told from everything that is neither
        let expected = if case.class == "yes" { Meaning::Neither.to_string() } else { case.class.clone() };
        let negative = found == "opt_out" || found == "refusal";
        score.all += 1;
        score.hard += usize::from(case.hard);
        score.opt_outs += usize::from(expected == "opt_out");
        score.opt_outs_found += usize::from(expected == "opt_out" && found == expected);
        score.acceptances_refused += usize::from(case.class == "yes" && negative);
        if expected == "out_of_office" {
            score.dates += 1;
            score.dates_right += usize::from(until == case.until);
        }
        if found == expected && until == case.until {
            score.right += 1;
        } else {
            let Case { line, language, text, .. } = &case;
            println!(
                "{file}:{line} {language} {expected} {:?} taken for {found} {until:?} {why}: {text:.90}",
                case.until
            );
        }
        *counts.entry((case.class, found)).or_default() += 1;
    }
    score.table = table(&counts);
    println!("{}", score.table);
    println!(
        "{file}: {} texts, {} hard; right {} ({:.3}); opt-outs found {}/{}; acceptances taken for a no {}; dates right {}/{}",
        score.all,
        score.hard,
        score.right,
        share(score.right, score.all),
        score.opt_outs_found,
        score.opt_outs,
        score.acceptances_refused,
        score.dates_right,
        score.dates
    );
    score
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

/// Rows are what a text is, columns what it was taken for.
fn table(counts: &BTreeMap<(String, String), usize>) -> String {
    let columns: std::collections::BTreeSet<&String> = counts.keys().map(|(_, found)| found).collect();
    let rows: std::collections::BTreeSet<&String> = counts.keys().map(|(is, _)| is).collect();
    let mut table = format!("{:>14}", "");
    for column in &columns {
        write!(table, "{column:>14}").unwrap();
    }
    for row in rows {
        write!(table, "\n{row:>14}").unwrap();
        for column in &columns {
            let count = counts.get(&(row.clone(), (*column).clone())).copied().unwrap_or(0);
            write!(table, "{count:>14}").unwrap();
        }
    }
    table
}

#[test]
fn answers_mean_what_their_writers_meant() {
    let score = score("answers.tsv");
    assert!(score.all >= 240 && score.hard * 3 >= score.all, "{score:?}");
    assert!(share(score.opt_outs_found, score.opt_outs) >= 0.97, "opt-outs: {}", score.table);
    assert_eq!(score.acceptances_refused, 0, "an acceptance was taken for a no: {}", score.table);
    assert!(share(score.right, score.all) >= 0.95, "{}", score.table);
}

#[test]
fn answers_worded_otherwise_mean_what_their_writers_meant() {
    for (file, least) in [("answers_held_out.tsv", 60), ("answers_held_out_2.tsv", 60)] {
        let score = score(file);
        assert!(score.all >= least, "{score:?}");
        assert_eq!(score.acceptances_refused, 0, "an acceptance was taken for a no: {}", score.table);
        assert!(share(score.right, score.all) >= 0.95, "{}", score.table);
    }
}

/// Plain wordings that were once missed or taken for an opt-out. What is doubtful among them goes to a person.
#[test]
fn answers_once_misread_mean_what_their_writers_meant() {
    let score = score("answers_missed.tsv");
    assert!(score.all >= 190, "{score:?}");
    assert_eq!(score.acceptances_refused, 0, "an acceptance was taken for a no: {}", score.table);
    assert_eq!(score.right, score.all, "{}", score.table);
}

/// For these no phrase was added. What is asked of them is what would do harm otherwise; the rest is printed.
#[test]
fn answers_never_seen_before_are_hardly_ever_taken_for_a_no_that_they_are_not() {
    let score = score("answers_held_out_3.tsv");
    assert!(score.all >= 40, "{score:?}");
    assert_eq!(score.acceptances_refused, 0, "an acceptance was taken for a no: {}", score.table);
}

/// Mail that others collected: nobody in it refuses anything of ours.
#[test]
fn strangers_mail_holds_no_opt_outs_and_no_refusals() {
    let Some(root) = std::env::var_os("LIAISON_CORPORA").map(std::path::PathBuf::from).filter(|p| p.is_dir()) else {
        println!("left out: mail of others (set LIAISON_CORPORA to a folder of corpora to run it)");
        return;
    };
    let (mut waiting, mut people, mut unsure) = (vec![root], 0, 0);
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
            continue;
        }
        let mail = liaison::connector::email::parse::parse(&std::fs::read(&path).unwrap());
        if classify_automatic(&mail, &Facts::default()).kind != Kind::Human {
            continue;
        }
        people += 1;
        let verdict = judge_answer(&Answer { subject: &mail.subject, answers: None, reply_text: &mail.reply_text });
        unsure += usize::from(verdict.meaning == Meaning::Unsure);
        let negative = matches!(verdict.meaning, Meaning::OptOut | Meaning::Refusal);
        assert!(!negative, "{}: {verdict:?}", path.display());
    }
    println!("{people} texts of people, {unsure} unsure");
    assert!(people > 500 && unsure * 50 < people, "{unsure} of {people} are unsure");
}
