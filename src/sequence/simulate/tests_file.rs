//! `tests.toml` beside a sequence: given this influencer and these events on these days, expect these sends, this stage and
//! this end. Reads it with every mistake at its place, and says what came out otherwise, likewise.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value as Json};

use super::super::codes;
use super::given::judge_step;
use super::{Entry, Given, Report, What, read_instant};
use crate::config::reader::{Found, Reader, Secrets, Section, SortCodes, text_of};
use crate::config::suggest::nearest;
use crate::config::tree::{self, Node, Value};
use crate::config::{Finding, read_text};
use crate::domain::day::{Day, Minute};
use crate::domain::sequence::Definition;
use crate::domain::time::Micros;
use crate::domain::zone::Zone;

/// The name of the file.
pub const FILE: &str = "tests.toml";
/// Tests of one sequence.
const TESTS_MAX: usize = 500;
/// Most followers on one network.
const FOLLOWERS_MAX: i64 = 2_000_000_000;
/// Days where a test says nothing.
const DAYS_USUAL: i64 = 60;

/// One test.
#[derive(Debug, Clone)]
pub struct Test {
    /// What it shows.
    pub name: String,
    /// Who they are.
    pub who: Somebody,
    /// When they are enrolled.
    pub start: Micros,
    /// How many days are looked at.
    pub days: u32,
    /// What happens.
    pub events: Vec<Given>,
    here: Found<()>,
    expected: Vec<(Expected, Found<()>)>,
    stage: Option<Found<String>>,
    ends: Option<Found<String>>,
}

/// The influencer of a test.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Somebody {
    /// What the team calls them.
    pub handle: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// Where mail reaches them.
    pub email: String,
    /// Whether they agreed to be written to there.
    pub consent: bool,
    /// Followers by network.
    pub networks: BTreeMap<String, i64>,
    /// Their zone.
    pub timezone: Option<String>,
    /// Their stage; the one that all begin in where it is not said.
    pub stage: Option<String>,
    /// Who looks after them.
    pub owner: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Properties.
    pub properties: Map<String, Json>,
}

/// A line of `expect`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Expected {
    day: Day,
    time: Option<Minute>,
    step: String,
    what: What,
}

/// The tests of a sequence.
pub struct Tests {
    /// In their order.
    pub tests: Vec<Test>,
    reader: Reader,
    failed: usize,
}

/// What a line may say happens.
const WHATS: [(&str, What); 6] = [
    ("sent", What::Sent),
    ("skipped", What::Skipped),
    ("task", What::Task),
    ("done", What::Done),
    ("ran_out", What::TimedOut),
    ("held", What::Held),
];

/// Reads the tests in the folder of a sequence; none where there is no such file. `ours` is the zone `start` is in.
pub fn read(folder: &Path, ours: &Zone, definition: &Definition) -> Option<Tests> {
    let path = folder.join(FILE);
    if !path.is_file() {
        return None;
    }
    let code = codes::TEST.id;
    let codes = SortCodes { syntax: code, missing: code, unknown: code, value: code };
    let mut r = Reader::new(folder, BTreeMap::new(), Secrets::Skip).with_codes(codes);
    r.sources.show_everything();
    let text = match read_text(&path) {
        Ok(text) => text,
        Err((message, hint)) => {
            r.bare(&message, hint);
            return Some(Tests { tests: Vec::new(), reader: r, failed: 0 });
        }
    };
    let source = r.sources.add(path.display().to_string(), text.clone());
    let table = tree::parse(&mut r, source, &text);
    let mut root = Section::new(&table, "");
    let mut tests = Vec::new();
    if let Some(list) = root.node("test") {
        let items: &[Node] = if let Value::List(items) = &list.value.value { items } else { &[] };
        if items.len() > TESTS_MAX {
            let text = format!("{} tests, {TESTS_MAX} at most: the others are not run", items.len());
            r.error(&list, text, "take out those that say the same");
        }
        for (n, item) in items.iter().enumerate().take(TESTS_MAX) {
            match &item.value {
                Value::Table(table) => {
                    tests.extend(read_one(Section::new(table, "test"), &mut r, (n, ours, definition)));
                }
                other @ (Value::Text(_)
                | Value::Integer(_)
                | Value::Float(_)
                | Value::Flag(_)
                | Value::Moment
                | Value::List(_)
                | Value::Raw(_)) => {
                    let here = Found { value: (), span: item.span, key: "test".to_owned() };
                    r.error(&here, format!("a test is a table, not {}", other.describe()), "write [[test]]");
                }
            }
        }
    }
    root.require(&mut r, "test", "write [[test]] and its keys below, once per test");
    root.finish(&mut r);
    Some(Tests { tests, reader: r, failed: 0 })
}

fn read_one(mut s: Section<'_>, r: &mut Reader, (n, ours, definition): (usize, &Zone, &Definition)) -> Option<Test> {
    let here = s.here();
    let name = s.text(r, "name").map_or_else(|| format!("test {}", n + 1), |t| t.value);
    let who = read_somebody(&mut s, r);
    let start = s.text(r, "start");
    s.require(r, "start", "write start = \"2026-03-02 09:00\": when they are enrolled");
    let start = start.and_then(|start| {
        let at = read_instant(&start.value, ours);
        if at.is_none() {
            r.error(&start, format!("`{}` is no time", start.value), "write it as in \"2026-03-02 09:00\"");
        }
        at
    });
    let days = s.integer(r, "days", 1..=i64::from(super::DAYS_MAX)).map_or(DAYS_USUAL, |d| d.value);
    let mut events = Vec::new();
    for event in s.texts(r, "events") {
        match event.value.parse::<Given>() {
            Ok(given) => match given.judge(definition) {
                Ok(()) => events.push(given),
                Err(why) => r.error(&event, why, "an event names a step of the sequence"),
            },
            Err(error) => r.error(&event, error.to_string(), "see `liaison sequence simulate --help`"),
        }
    }
    let mut expected = Vec::new();
    s.require(r, "expect", "write expect = [\"2026-03-02 intro\"]: every mail with its day, or [] for none");
    for line in s.texts(r, "expect") {
        let at = Found { value: (), span: line.span, key: line.key.clone() };
        let read = expected_of(&line.value);
        match read.and_then(|one| judge_step(&one.step, definition).map(|()| one)) {
            Ok(one) => expected.push((one, at)),
            Err(why) => r.error(&at, why, "write DAY [TIME] STEP [WHAT], as in \"2026-03-05 10:12 nudge sent\""),
        }
    }
    let (stage_after, ends) = (s.text(r, "ends_in_stage"), s.text(r, "ends"));
    s.finish(r);
    let days = u32::try_from(days).unwrap_or(1);
    Some(Test { name, who, start: start?, days, events, here, expected, stage: stage_after, ends })
}

/// Who they are.
fn read_somebody(s: &mut Section<'_>, r: &mut Reader) -> Somebody {
    let text = |s: &mut Section<'_>, r: &mut Reader, key| s.text(r, key).map(|t| t.value);
    let timezone = s.text(r, "timezone").filter(|zone| {
        let known = Zone::named(&zone.value).is_some();
        if !known {
            r.error(zone, format!("there is no time zone `{}`", zone.value), "write it as in \"America/New_York\"");
        }
        known
    });
    let mut networks = networks(s, r);
    if let Some(reach) = s.integer(r, "reach", 0..=FOLLOWERS_MAX) {
        if networks.is_empty() {
            networks.insert("instagram".to_owned(), reach.value);
        } else {
            r.error(&reach, "`reach` is the sum of `networks`, which is there too", "keep one of the two");
        }
    }
    Somebody {
        handle: text(s, r, "handle").unwrap_or_else(|| "@somebody".to_owned()),
        first_name: text(s, r, "first_name").unwrap_or_default(),
        last_name: text(s, r, "last_name").unwrap_or_default(),
        email: text(s, r, "email").unwrap_or_else(|| "somebody@example.org".to_owned()),
        consent: s.flag(r, "consent").is_some_and(|flag| flag.value),
        networks,
        timezone: timezone.map(|t| t.value),
        stage: text(s, r, "stage"),
        owner: text(s, r, "owner"),
        tags: s.texts(r, "tags").into_iter().map(|t| t.value).collect(),
        properties: properties(s, r),
    }
}

/// `{ instagram = 25000, tiktok = 4000 }`.
fn networks(s: &mut Section<'_>, r: &mut Reader) -> BTreeMap<String, i64> {
    let Some(table) = s.section(r, "networks") else { return BTreeMap::new() };
    let mut all = BTreeMap::new();
    for entry in &table.table.entries {
        let followers = entry.node.value.integer().filter(|n| (0..=FOLLOWERS_MAX).contains(n));
        let Some(followers) = followers else {
            let at = Found { value: (), span: entry.node.span, key: table.full(&entry.key) };
            r.error(&at, "a network has a number of followers", "write networks = { instagram = 25000 }");
            continue;
        };
        all.insert(entry.key.to_lowercase(), followers);
    }
    all
}

fn properties(s: &mut Section<'_>, r: &mut Reader) -> Map<String, Json> {
    let mut all = Map::new();
    let Some(node) = s.node("properties") else { return all };
    let Value::Table(table) = &node.value.value else {
        r.error(&node, "`properties` is a table", "write properties = { niche = \"trail running\" }");
        return all;
    };
    for entry in &table.entries {
        let value = match &entry.node.value {
            Value::Integer(n) => Json::from(*n),
            Value::Float(n) => Json::from(*n),
            Value::Flag(flag) => Json::from(*flag),
            Value::Text(_) | Value::Raw(_) | Value::Moment | Value::List(_) | Value::Table(_) => {
                let found = Found { value: &entry.node, span: entry.node.span, key: entry.key.clone() };
                text_of(r, &found).map_or(Json::Null, |t| Json::from(t.value))
            }
        };
        all.insert(entry.key.clone(), value);
    }
    all
}

fn expected_of(text: &str) -> Result<Expected, String> {
    let mut words = text.split_whitespace().peekable();
    let day = words.next().and_then(Day::parse).ok_or_else(|| format!("`{text}` does not begin with a day"))?;
    let time = words.next_if(|w| Minute::parse(w).is_some()).and_then(Minute::parse);
    let step = words.next().ok_or_else(|| format!("`{text}` names no step"))?.to_owned();
    let what = match words.next() {
        None => What::Sent,
        Some(word) => WHATS.iter().find(|(name, _)| *name == word).map(|(_, what)| *what).ok_or_else(|| {
            let names: Vec<&str> = WHATS.iter().map(|(name, _)| *name).collect();
            nearest(word, &names).map_or_else(
                || format!("`{word}` is none of: {}", names.join(", ")),
                |near| format!("there is no `{word}`; did you mean `{near}`?"),
            )
        })?,
    };
    match words.next() {
        None => Ok(Expected { day, time, step, what }),
        Some(more) => Err(format!("`{more}` is one word too many")),
    }
}

impl Expected {
    fn is(&self, entry: &Entry) -> bool {
        let (day, time) = entry.theirs.split_once(' ').unwrap_or((&entry.theirs, ""));
        entry.what == self.what
            && entry.step.as_deref() == Some(self.step.as_str())
            && day == self.day.to_string()
            && self.time.is_none_or(|wanted| time == wanted.to_string())
    }
}

impl Tests {
    /// Whether the file itself is right.
    pub fn is_readable(&self) -> bool {
        !self.reader.has_errors()
    }

    /// How many tests came out otherwise.
    pub fn failed(&self) -> usize {
        self.failed
    }

    /// Notes that a test could not be run.
    pub fn not_run(&mut self, n: usize, why: &str) {
        if let Some(test) = self.tests.get(n) {
            let text = format!("`{}` could not be run: {why}", test.name);
            self.reader.error(&test.here, text, "change the test or the sequence");
            self.failed += 1;
        }
    }

    /// Holds a test against what was simulated; whether it came out as expected. Mails must be all there and no others; of
    /// what else happens only what the test names.
    pub fn judge(&mut self, n: usize, report: &Report) -> bool {
        let Some(wanted) = self.tests.get(n).cloned() else { return false };
        let mut fine = true;
        let mut left: Vec<&Entry> = report.entries.iter().collect();
        let happened = happened(report);
        for (expected, at) in &wanted.expected {
            if let Some(found) = left.iter().position(|e| expected.is(e)) {
                left.remove(found);
            } else {
                let text = format!("`{}`: this did not happen", wanted.name);
                self.reader.error(at, text, &happened);
                fine = false;
            }
        }
        for entry in left.iter().filter(|e| e.what == What::Sent) {
            let step = entry.step.as_deref().unwrap_or_default();
            let text = format!("`{}`: a mail that is not expected: {} {step}", wanted.name, entry.theirs);
            self.reader.error(&wanted.here, text, "name it in `expect`, or change the sequence");
            fine = false;
        }
        let standing = report.people.first();
        let is_held = standing.is_some_and(|s| s.state == "held");
        let names_held = wanted.ends.is_some() || wanted.expected.iter().any(|(e, _)| e.what == What::Held);
        if is_held && !names_held {
            let why = standing.map_or("", |s| s.why.as_str());
            let text = format!("`{}`: the run stands still at the end: {why}", wanted.name);
            self.reader.error(&wanted.here, text, "mend what it waits for, or say so: ends = \"held\"");
            fine = false;
        }
        if let Some(named) = &wanted.stage {
            let stage = standing.map_or("", |s| s.stage.as_str());
            if stage != named.value {
                self.reader.error(named, format!("`{}`: the stage is `{stage}`", wanted.name), &happened);
                fine = false;
            }
        }
        if let Some(named) = &wanted.ends {
            let (state, why) = standing.map_or(("", ""), |s| (s.state.as_str(), s.why.as_str()));
            if ![state, why].contains(&named.value.as_str()) {
                self.reader.error(named, format!("`{}`: it is {state} ({why})", wanted.name), &happened);
                fine = false;
            }
        }
        self.failed += usize::from(!fine);
        fine
    }

    /// What is wrong with the file, and what came out otherwise.
    pub fn findings(self) -> Vec<Finding> {
        self.reader.findings()
    }
}

fn happened(report: &Report) -> String {
    let told = report.entries.iter().filter(|e| e.step.is_some()).take(30);
    let lines: Vec<String> =
        told.map(|e| format!("{} {} {}", e.theirs, e.step.as_deref().unwrap_or_default(), e.what)).collect();
    if lines.is_empty() { "nothing happened".to_owned() } else { format!("what happened: {}", lines.join("; ")) }
}
