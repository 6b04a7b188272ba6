//! Accuracy on mail that others collected, found through `LIAISON_CORPORA`; without it these tests say what they leave out.
//! The floors are a little under what the parser reaches, so that a change for the worse fails.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use liaison::connector::email::parse::{leaves, parse};
use liaison::domain::address;
use liaison::domain::bounce::{Action, Report, Severity};
use liaison::domain::reply::visible_reply;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The folder of the corpora, or `None` with a line about what is left out.
fn corpora(what: &str) -> Option<PathBuf> {
    let found = std::env::var_os("LIAISON_CORPORA").map(PathBuf::from).filter(|p| p.is_dir());
    if found.is_none() {
        println!("left out: {what} (set LIAISON_CORPORA to a folder of corpora to run it)");
    }
    found
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if !path.extension().is_some_and(|e| ["json", "tsv", "xml"].iter().any(|x| e == *x)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn json(path: &Path) -> Value {
    // Python writes octets it could not decode as lone surrogates, which JSON has no place for
    let text = std::fs::read_to_string(path).unwrap();
    let clean = text.split("\\udc").enumerate().map(|(n, piece)| if n == 0 { piece } else { piece.get(2..).unwrap() });
    serde_json::from_str(&clean.collect::<Vec<_>>().join("\u{fffd}")).unwrap()
}

fn verbose() -> bool {
    std::env::var_os("LIAISON_CORPORA_VERBOSE").is_some()
}

/// A hit counter that prints itself.
#[derive(Default)]
struct Score {
    right: usize,
    all: usize,
}

impl Score {
    fn add(&mut self, right: bool, about: impl FnOnce() -> String) {
        self.all += 1;
        self.right += usize::from(right);
        if !right && verbose() {
            println!("  miss: {}", about());
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "counts of a few hundred")]
    fn share(&self) -> f64 {
        self.right as f64 / self.all.max(1) as f64
    }

    fn print(&self, name: &str) {
        println!("{name}: {}/{} = {:.3}", self.right, self.all, self.share());
    }
}

#[allow(clippy::too_many_lines, reason = "one comparison per header, plain to read in a row")]
#[test]
fn odd_mime_is_read_as_another_parser_reads_it() {
    let Some(root) = corpora("MIME accuracy") else { return };
    let expected = json(&root.join("mime/expected-python.json"));
    let mut left_out = 0;
    let (mut headers, mut content, mut flat, mut false_bounces) =
        (Score::default(), Score::default(), Score::default(), Vec::new());
    for path in files(&root.join("mime")) {
        let raw = std::fs::read(&path).unwrap();
        let mail = parse(&raw);
        let name = path.strip_prefix(root.join("mime")).unwrap().display().to_string();
        // the set holds a few real notices of failed delivery among the ordinary mail
        let daemon = mail
            .from
            .iter()
            .any(|m| ["mailer-daemon", "postmaster"].iter().any(|d| m.address.to_lowercase().starts_with(d)));
        let real_report = daemon || contains(&raw, b"message/delivery-status");
        if mail.report.is_some() && !real_report {
            false_bounces.push(name.clone());
        }
        let Some(want) = expected.get(&name).filter(|w| w.get("leaves").is_some()) else { continue };
        let addresses = |list: &Value| -> Vec<String> {
            list.as_array()
                .into_iter()
                .flatten()
                .filter_map(|a| a.as_str())
                .map(str::to_lowercase)
                .filter(|a| !a.is_empty())
                .collect()
        };
        let ours = |list: &[liaison::domain::mail::Mailbox]| -> Vec<String> {
            list.iter().map(|m| m.address.to_lowercase()).filter(|a| !a.is_empty()).collect()
        };
        let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let id =
            want["message_id"].as_str().map(|i| i.trim().trim_matches(['<', '>']).to_owned()).filter(|i| !i.is_empty());
        let date = want["date"].as_str().and_then(seconds);
        headers.add(addresses(&want["from"]) == ours(&mail.from), || {
            format!("{name} from {} {:?}", want["from"], mail.from)
        });
        headers.add(addresses(&want["to"]) == ours(&mail.to), || format!("{name} to {} {:?}", want["to"], mail.to));
        let subject = squeeze(want["subject"].as_str().unwrap_or_default());
        headers.add(subject == squeeze(&mail.subject), || format!("{name} subject {subject:?} {:?}", mail.subject));
        headers.add(id == mail.message_id, || format!("{name} id {id:?} {:?}", mail.message_id));
        headers.add(date == mail.date.map(liaison::domain::time::Micros::seconds), || {
            format!("{name} date {} {:?}", want["date"], mail.date)
        });
        let got: Vec<(String, String)> = leaves(&raw).into_iter().map(|l| (l.content_type, hex(&l.content))).collect();
        let plain: Vec<(String, String)> =
            leaves(&raw).into_iter().map(|l| (l.content_type, hex(&without_returns(&l.content)))).collect();
        let list = want["leaves"].as_array().unwrap();
        let kinds: Vec<String> = list
            .iter()
            .map(|l| l["type"].as_str().unwrap_or_default().split_whitespace().next().unwrap_or_default().to_owned())
            .collect();
        // Python opens status parts and references as if they were mails; there is nothing in them to compare
        if contains(&raw, b"message/delivery-status") || contains(&raw, b"message/external-body") {
            left_out += 1;
            continue;
        }
        flat.add(kinds == got.iter().map(|g| g.0.clone()).collect::<Vec<_>>(), || {
            format!("{name} leaf types {kinds:?} {:?}", got.iter().map(|g| &g.0).collect::<Vec<_>>())
        });
        for (at, leaf) in list.iter().enumerate() {
            if kinds.get(at).is_some_and(|k| k.starts_with("multipart/")) {
                continue; // Python gives no content for a container that it could not open
            }
            let sum = leaf["sha256"].as_str().unwrap_or_default();
            let same = got.get(at).is_some_and(|g| g.1 == sum) || plain.get(at).is_some_and(|g| g.1 == sum);
            content.add(same, || {
                format!(
                    "{name} leaf {at} of {} {} {:?}",
                    list.len(),
                    leaf["type"],
                    leaves(&raw)
                        .get(at)
                        .map(|l| String::from_utf8_lossy(&l.content).chars().take(90).collect::<String>())
                )
            });
        }
    }
    headers.print("MIME headers equal to Python's");
    flat.print("MIME trees with the same leaf types as Python's");
    content.print("MIME leaves equal to Python's");
    println!("mails with status parts or external bodies, leaves not compared: {left_out}");
    println!("false bounces on ordinary mail: {false_bounces:?}");
    assert!(false_bounces.is_empty());
    assert!(headers.share() >= FLOOR_HEADERS && content.share() >= FLOOR_LEAVES && flat.share() >= FLOOR_TREES);
}

fn contains(raw: &[u8], words: &[u8]) -> bool {
    raw.windows(words.len()).any(|w| w.eq_ignore_ascii_case(words))
}

/// An RFC 3339 time, with or without zone, in seconds.
fn seconds(text: &str) -> Option<i64> {
    let zoned = text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second);
    zoned.or_else(|| format!("{text}Z").parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second))
}

fn hex(octets: &[u8]) -> String {
    Sha256::digest(octets).iter().fold(String::new(), |out, b| out + &format!("{b:02x}"))
}

fn without_returns(octets: &[u8]) -> Vec<u8> {
    octets.iter().copied().filter(|b| *b != b'\r').collect()
}

/// Lower-cased recipients of a report: all, and those given up.
fn recipients(raw: &[u8]) -> Vec<(String, Action, Severity)> {
    match parse(raw).report {
        Some(Report::Bounce(report)) => report
            .recipients
            .into_iter()
            .map(|r| (address::key(&r.address).unwrap_or(r.address), r.action, r.severity))
            .collect(),
        Some(Report::Complaint(report)) => report
            .recipients
            .into_iter()
            .map(|a| (address::key(&a).unwrap_or(a), Action::Failed, Severity::Unknown))
            .collect(),
        None => Vec::new(),
    }
}

#[test]
fn bounces_name_their_recipients_and_how_bad_it_is() {
    let Some(root) = corpora("bounce accuracy") else { return };
    for path in files(&root.join("bounces")) {
        // no expectation but that it is read at all
        let mail = parse(&std::fs::read(&path).unwrap());
        assert!(mail.report.is_none() || !mail.from.is_empty() || !mail.flaws.is_empty(), "{}", path.display());
    }
    let table = std::fs::read_to_string(root.join("bounces/sisimai/expected.tsv")).unwrap();
    let mut rows: BTreeMap<String, Vec<(String, bool, String)>> = BTreeMap::new();
    for line in table.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        if cells[7].contains('@') {
            let row = (cells[7].to_lowercase(), cells[5] == "1", cells[4].to_owned());
            rows.entry(cells[0].to_owned()).or_default().push(row);
        }
    }
    let (mut recall, mut severity) = (Score::default(), Score::default());
    for (name, wanted) in &rows {
        let raw = std::fs::read(root.join(format!("bounces/sisimai/{name}.eml"))).unwrap();
        let got = recipients(&raw);
        for (address, hard, reason) in wanted {
            let found = got.iter().find(|g| g.0 == *address);
            recall.add(found.is_some(), || format!("{name} {address} {got:?}"));
            if let Some((_, action, judged)) = found.filter(|_| reason != "feedback") {
                let ours = *judged == Severity::Hard && *action == Action::Failed;
                severity.add(ours == *hard, || format!("{name} {reason} hard={hard} ours={judged:?} {action:?}"));
            }
        }
    }
    recall.print("recipients found (Sisimai's set)");
    severity.print("hard or not as Sisimai says");
    let mut flufl = Score::default();
    let mut temporary = Score::default();
    for case in json(&root.join("bounces/flufl/expected.json")).as_array().unwrap() {
        let name = case["file"].as_str().unwrap();
        let got = recipients(&std::fs::read(root.join("bounces/flufl").join(name)).unwrap());
        for (field, kind) in [("permanent", Action::Failed), ("temporary", Action::Delayed)] {
            for wanted in case[field].as_array().unwrap() {
                let wanted = wanted.as_str().unwrap().to_lowercase();
                let found = got.iter().find(|g| g.0 == wanted);
                flufl.add(found.is_some(), || format!("{name} {wanted} {got:?}"));
                if let Some(found) = found {
                    temporary.add(found.1 == kind, || format!("{name} {field} {found:?}"));
                }
            }
        }
    }
    flufl.print("recipients found (flufl's set)");
    temporary.print("delayed or failed as flufl says");
    assert!(recall.share() >= FLOOR_SISIMAI && flufl.share() >= FLOOR_FLUFL);
    assert!(severity.share() >= FLOOR_SEVERITY && temporary.share() >= FLOOR_DELAYED);
}

#[test]
fn replies_are_cut_where_a_reader_would() {
    let Some(root) = corpora("reply accuracy") else { return };
    let folder = root.join("replies/crisp");
    let (mut exact, mut lost) = (Score::default(), Vec::new());
    for (name, want) in json(&folder.join("expected.json")).as_object().unwrap() {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        let want = want["visible"].as_str().unwrap();
        let got = visible_reply(&text);
        exact.add(tidy(want) == tidy(&got), || format!("{name}\n--- want\n{}\n--- got\n{}", tidy(want), tidy(&got)));
        let kept: Vec<&str> = got.lines().map(str::trim).collect();
        lost.extend(
            want.lines().map(str::trim).filter(|l| !l.is_empty() && !kept.contains(l)).map(|l| format!("{name}: {l}")),
        );
    }
    exact.print("replies with exactly the expected visible text");
    println!("lines missing that the reference library shows: {}", lost.len());
    for line in &lost {
        println!("  {line}");
    }
    assert!(exact.share() >= FLOOR_REPLIES);
    // all of them are quotes that the reference library did not see as such, or its own view of a name
    assert!(lost.len() <= LOST_MAX);
}

/// Lines without trailing white space, no empty lines at either end.
fn tidy(text: &str) -> String {
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim().to_owned()
}

const FLOOR_HEADERS: f64 = 0.98;
const FLOOR_LEAVES: f64 = 0.96;
const FLOOR_TREES: f64 = 0.96;
const FLOOR_SISIMAI: f64 = 0.92;
const FLOOR_FLUFL: f64 = 0.92;
const FLOOR_SEVERITY: f64 = 0.83;
const FLOOR_DELAYED: f64 = 0.98;
const LOST_MAX: usize = 17;
const FLOOR_REPLIES: f64 = 0.89;
