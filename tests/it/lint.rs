//! The linter of sequences: each fault is found at its place and nothing else is; every code has a page whose example
//! triggers it; shipped sequences are clean; no text makes it panic.

mod cases;
mod keys;
mod pages;

use std::collections::BTreeMap;
use std::path::Path;

use liaison::config::{self, Config, Finding, Severity};
use liaison::sequence::{self, Known, Loaded};

/// Files by their path below the folder.
pub(crate) type Files = BTreeMap<String, String>;

pub(crate) const CONFIG: &str = "timezone = \"America/New_York\"\ndefault_owner = \"kim\"\n[server]\nbase_url = \"https://hub.acme.example\"\n\
    [sender]\nname = \"Acme\"\n\
    address = \"1 Main St, Portland\"\n[teammates.kim]\nfirst_name = \"Kim\"\nemail = \"kim@acme.example\"\n\
    [accounts.hello]\nkind = \"sandbox\"\naddress = \"hello@acme.example\"\nname = \"Acme\"\ndaily_limit = 40\n\
    [accounts.second]\nkind = \"sandbox\"\naddress = \"second@acme.example\"\ndaily_limit = 40\n\
    [accounts.text]\nkind = \"sandbox\"\naddress = \"+14155550100\"\n\
    [accounts.team]\nkind = \"sandbox\"\naddress = \"T0001/U0001\"\n";

/// Writes the files and reads the sequences in them. Places name files below the folder.
pub(crate) fn read(files: &Files) -> Loaded {
    let dir = tempfile::tempdir().expect("folder");
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("folder")).expect("folder");
        std::fs::write(path, text).expect("file");
    }
    let config = config_of(dir.path());
    let mut loaded = sequence::load(&Known { config: &config, live: None, audience: None });
    let prefix = format!("{}/", dir.path().display());
    for finding in &mut loaded.findings {
        for place in finding.place.iter_mut().chain(finding.related.iter_mut().map(|(_, place)| place)) {
            place.file = place.file.trim_start_matches(&prefix).to_owned();
        }
    }
    loaded
}

pub(crate) fn config_of(folder: &Path) -> Config {
    let loaded = config::load(&folder.join("liaison.toml"), std::iter::empty());
    loaded.unwrap_or_else(|findings| panic!("{findings}")).config
}

/// A finding in short: code, file, line and column.
pub(crate) fn short(finding: &Finding) -> String {
    let place = finding.place.as_ref().map_or_else(String::new, |p| format!(" {}:{}:{}", p.file, p.line, p.column));
    format!("{}{place}", finding.code.unwrap_or("no code"))
}

pub(crate) fn shorts(loaded: &Loaded) -> Vec<String> {
    loaded.findings.iter().map(short).collect()
}

/// A shipped sequence below `config/sequences`, with the configuration of the tests.
fn shipped(name: &str) -> Files {
    let mut files = Files::from([("liaison.toml".to_owned(), CONFIG.to_owned())]);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/sequences").join(name);
    for entry in std::fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        let file = path.file_name().expect("name").to_string_lossy().into_owned();
        files.insert(format!("sequences/{name}/{file}"), std::fs::read_to_string(path).expect("text"));
    }
    files
}

/// The base that cases spoil.
pub(crate) fn base() -> Files {
    shipped("gifting")
}

#[test]
fn shipped_sequences_have_no_findings() {
    for name in ["first", "gifting"] {
        let loaded = read(&shipped(name));
        assert_eq!(shorts(&loaded), Vec::<String>::new(), "{name}: {:#?}", loaded.findings);
        let (definition, hash) = &loaded.definitions[0];
        assert_eq!((definition.id.as_str(), hash.len()), (name, 64));
    }
}

#[test]
fn the_hash_tells_versions_apart_and_nothing_else() {
    let hash = |files: &Files| read(files).definitions[0].1.clone();
    let files = base();
    let mut commented = files.clone();
    commented.get_mut("sequences/gifting/sequence.toml").expect("file").insert_str(0, "# a remark\n");
    assert_eq!(hash(&files), hash(&commented));
    let mut changed = files.clone();
    changed.get_mut("sequences/gifting/nudge.md").expect("file").push_str("\nP.S. Really.\n");
    assert_ne!(hash(&files), hash(&changed));
    let definition = read(&files).definitions.remove(0).0;
    let again = serde_json::from_str(&serde_json::to_string(&definition).expect("JSON")).expect("a definition");
    assert_eq!(definition, again);
}

#[test]
fn marks_blank_lines_and_line_ends_of_editors_change_nothing() {
    let hash = |files: &Files| {
        let loaded = read(files);
        assert!(loaded.findings.is_empty(), "{:#?}", loaded.findings);
        loaded.definitions[0].1.clone()
    };
    let files = base();
    let intro = "sequences/gifting/intro-a.md";
    for change in [
        |text: &str| format!("\u{feff}{text}"),
        |text: &str| format!("\n  \n{text}"),
        |text: &str| text.replace('\n', "\r\n"),
    ] {
        let mut changed = files.clone();
        changed.insert(intro.to_owned(), change(&files[intro]));
        assert_eq!(hash(&changed), hash(&files));
    }
    let mut plain = files;
    let text = plain.remove("sequences/gifting/nudge.md").expect("file");
    plain.insert("sequences/gifting/nudge.txt".to_owned(), format!("---\npreheader: x\n---\n{text}"));
    let toml = plain.get_mut("sequences/gifting/sequence.toml").expect("file");
    *toml = toml.replace("nudge.md", "nudge.txt");
    assert_eq!(shorts(&read(&plain)), ["L009 sequences/gifting/nudge.txt:2:1"]);
}

#[test]
fn the_mail_of_an_else_may_wait_for_a_person() {
    let mut files = base();
    let toml = files.get_mut("sequences/gifting/sequence.toml").expect("file");
    *toml = toml.replace(
        "id   = \"size\"",
        "id   = \"size\"\nelse = { email = \"nudge.md\", review = true }\nat_most = \"1 day\"",
    );
    let loaded = read(&files);
    assert_eq!(loaded.errors(), 0, "{:#?}", loaded.findings);
    assert!(loaded.definitions[0].0.steps[5].review);
}

#[test]
fn live_steps_and_small_audiences_are_told() {
    let files = base();
    let dir = tempfile::tempdir().expect("folder");
    for (name, text) in &files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("folder")).expect("folder");
        std::fs::write(path, text).expect("file");
    }
    let config = config_of(dir.path());
    let live = BTreeMap::from([("gifting".to_owned(), ["intro".to_owned(), "teaser".to_owned()].into())]);
    let audience = BTreeMap::from([("prospect".to_owned(), 150), ("partner".to_owned(), 900)]);
    let loaded = sequence::load(&Known { config: &config, live: Some(&live), audience: Some(&audience) });
    let codes: Vec<&str> = loaded.findings.iter().filter_map(|f| f.code).collect();
    assert_eq!(codes, ["L027", "L059", "L059"], "{:#?}", loaded.findings);
    let audience = BTreeMap::from([("prospect".to_owned(), 200)]);
    let loaded = sequence::load(&Known { config: &config, live: None, audience: Some(&audience) });
    assert!(loaded.findings.is_empty(), "{:#?}", loaded.findings);
}

#[test]
fn a_faulty_sequence_leaves_the_others_alone() {
    let mut files = base();
    files.extend(shipped("first"));
    let toml = files.get_mut("sequences/gifting/sequence.toml").expect("file");
    *toml = toml.replace("wait_for", "wait_four");
    let loaded = read(&files);
    assert_eq!(loaded.definitions.iter().map(|(d, _)| d.id.as_str()).collect::<Vec<_>>(), ["first"]);
    assert!(loaded.errors() > 0);
    files.insert("sequences/Gifting/sequence.toml".to_owned(), String::new());
    files.insert("sequences/empty/readme.txt".to_owned(), String::new());
    let codes: Vec<_> = read(&files).findings.iter().filter(|f| f.place.is_none()).filter_map(|f| f.code).collect();
    assert_eq!(codes, ["L026", "L007", "L026"]);
}

/// A generator that gives the same numbers each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % n.max(1)
    }
}

#[test]
fn mutated_files_never_panic_and_give_findings_or_a_definition() {
    let files = base();
    let names: Vec<&String> = files.keys().filter(|name| name.starts_with("sequences/")).collect();
    let scraps = [
        "\"",
        "{{",
        "}}",
        "{%",
        "---\n",
        "[[step]]\n",
        "=",
        "é",
        "\0",
        "]",
        "\n",
        "steps.intro",
        "if = \"",
        "<a ",
        "99",
    ];
    let mut dice = Dice(20_261_122);
    let mut broken = 0;
    for _ in 0..500 {
        let mut files = files.clone();
        for _ in 0..=dice.below(3) {
            let text = files.get_mut(names[dice.below(names.len())]).expect("file");
            let mut at = dice.below(text.len() + 1);
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            match dice.below(3) {
                0 => text.insert_str(at, scraps[dice.below(scraps.len())]),
                1 => text.truncate(at),
                _ => {
                    let mut end = (at + dice.below(20)).min(text.len());
                    while !text.is_char_boundary(end) {
                        end -= 1;
                    }
                    text.replace_range(at..end.max(at), "");
                }
            }
        }
        let loaded = read(&files);
        let errors = loaded.errors() > 0;
        broken += usize::from(errors);
        assert_eq!(errors, loaded.definitions.is_empty(), "{files:#?}\n{:#?}", loaded.findings);
        for finding in &loaded.findings {
            assert!(finding.code.is_some() && !finding.render(false).is_empty());
            assert!(finding.hint.is_some() || finding.severity == Severity::Error, "{finding:?}");
        }
    }
    assert!(broken > 100 && broken < 500, "{broken} of 500 were broken");
}

/// What is said of a sequence of one step, with these accounts beside the usual ones: code and words.
fn said_of(accounts: &str, head: &str, step: &str) -> Vec<(String, String)> {
    let toml = format!("account = \"hello\"\n{head}\n[[step]]\nid = \"one\"\n{step}\n");
    let files = Files::from([
        ("liaison.toml".to_owned(), format!("{CONFIG}{accounts}")),
        ("sequences/one/sequence.toml".to_owned(), toml),
    ]);
    let findings = read(&files).findings;
    findings.into_iter().map(|f| (f.code.unwrap_or_default().to_owned(), f.message)).collect()
}

#[test]
fn which_number_says_it_is_asked_for_once() {
    let second = "[accounts.text2]\nkind = \"sandbox\"\naddress = \"+14155550101\"\n";
    let text = "sms = \"Hi. Reply STOP to opt out\"\nelse = { task = \"Call.\" }";
    assert_eq!(said_of("", "", text), []);
    assert_eq!(said_of(second, "sms_account = \"text2\"", text), []);
    let one = |code: &str, words: &str| vec![(code.to_owned(), words.to_owned())];
    let nobody = one("L011", "several accounts are of the channel `sms`, and nothing says which");
    assert_eq!(said_of(second, "", text), nobody);
    // What is wrong of it is told where it stands, and not once more at the step.
    let wrong = one("L011", "there is no account `hello` of the channel `sms`");
    assert_eq!(said_of(second, "sms_account = \"hello\"", text), wrong);
    assert_eq!(said_of(second, "sms_account = 5", text).len(), 1);
    let slack = "slack = \"Hi\"";
    assert_eq!(
        said_of("", "slack_account = \"text\"", slack),
        one("L011", "there is no account `text` of the channel `slack`")
    );
}

#[test]
fn a_link_to_unsubscribe_outside_of_mail_is_told_by_what_it_stands_in() {
    for (step, words) in [
        ("task = \"{{ unsubscribe_url }}\"", "a task has no `unsubscribe_url`"),
        (
            "sms = \"{{ unsubscribe_url }} STOP\"\nelse = { task = \"Call.\" }",
            "a text message has no `unsubscribe_url`",
        ),
        ("slack = \"{{ unsubscribe_url }}\"", "a message in Slack has no `unsubscribe_url`"),
        ("notify = \"{{ unsubscribe_url }}\"", "what the team is told has no `unsubscribe_url`"),
        ("slack = \"Hi\"\nelse = { sms = \"{{ unsubscribe_url }}\" }", "a text message has no `unsubscribe_url`"),
    ] {
        let said = said_of("", "", step);
        let named: Vec<_> = said.iter().filter(|(_, message)| message.contains("unsubscribe_url")).collect();
        assert_eq!(named.len(), 1, "{said:?}");
        assert_eq!(named[0].1, words);
    }
}

#[test]
fn a_sequence_of_texts_alone_says_what_its_mailbox_is_for() {
    let toml = "[[step]]\nid = \"one\"\nsms = \"Hi. Reply STOP to opt out\"\nelse = { task = \"Call.\" }\n";
    let told = |config: &str, head: &str| {
        let files = Files::from([
            ("liaison.toml".to_owned(), config.to_owned()),
            ("sequences/one/sequence.toml".to_owned(), format!("{head}{toml}")),
        ]);
        let findings = read(&files).findings;
        findings
            .into_iter()
            .map(|f| (f.code.unwrap_or_default().to_owned(), f.hint.unwrap_or_default()))
            .collect::<Vec<_>>()
    };
    let one = |code: &str, hint: &str| vec![(code.to_owned(), hint.to_owned())];
    let missing = "write account = \"NAME\": the mailbox that sends, or a list of them (hello, second); a run belongs to one also where \
                   only texts go";
    assert_eq!(told(CONFIG, ""), one("L003", missing));
    let number =
        "name a mailbox: a run belongs to one, also where only texts go; which number says them stands in sms_account";
    assert_eq!(told(CONFIG, "account = \"text\"\n"), one("L011", number));
    assert_eq!(told(CONFIG, "account = \"hello\"\n"), []);
    let mailless = CONFIG.replace("hello@acme.example", "+14155550102").replace("second@acme.example", "T0002/U0002");
    let none = "a run belongs to a mailbox, also where only texts go: write [accounts.NAME] of one into liaison.toml";
    assert!(told(&mailless, "sms_account = \"text\"\n").contains(&("L003".to_owned(), none.to_owned())));
}
