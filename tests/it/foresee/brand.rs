//! A brand with five sequences, two accounts and many people, who do what is written down for them.

use std::path::Path;
use std::time::Duration;

use liaison::app;
use liaison::clock::Clock;
use liaison::config::{self, Config};
use liaison::connector::sandbox::{Answer, Habit, Person, Style};
use liaison::domain::ids::InfluencerId;
use liaison::domain::mail::Mailbox;
use liaison::domain::time::Micros;
use liaison::hub::outreach::enroll::{Again, enroll};
use liaison::hub::people::{self, KnownStages, NewInfluencer};
use liaison::sequence::simulate::Given;
use liaison::sequence::{self, Known};
use liaison::store::Store;

use crate::northlane;

/// Thursday, 19 November 2026, 13:30 UTC: a week before Thanksgiving.
const BEGIN: &str = "2026-11-19T13:30:00Z";
pub(super) const SEQUENCES: [&str; 5] = ["alpha", "bravo", "charlie", "delta", "echo"];
const ZONES: [&str; 9] = [
    "America/New_York",
    "America/Los_Angeles",
    "Europe/Berlin",
    "Europe/Lisbon",
    "Asia/Tokyo",
    "Asia/Kolkata",
    "Australia/Sydney",
    "America/Sao_Paulo",
    "Pacific/Auckland",
];

pub(super) struct Brand {
    pub(super) config: Config,
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) people: Vec<Somebody>,
    pub(super) dir: tempfile::TempDir,
}

/// Somebody, and what they do.
pub(super) struct Somebody {
    pub(super) id: InfluencerId,
    pub(super) handle: String,
    pub(super) sequence: &'static str,
    pub(super) sandbox: Option<Person>,
    /// What happens beside mail of theirs, and what their mail comes to.
    pub(super) given: Vec<String>,
    /// Which of these is done by the person in the sandbox in reality.
    pub(super) by_mail: Vec<bool>,
}

/// Above all tables, and what the accounts have beside it.
const CONFIG: (&str, &str) = (
    "timezone = \"America/New_York\"\ncountry = \"us\"",
    r#"daily_limit = LIMIT
working_hours = ["07:30-21:00"]

[accounts.creators]
kind = "sandbox"
address = "creators@northlane.example"
name = "Northlane"
daily_limit = LIMIT
ramp_up = { start = RAMP, step = RAMP }"#,
);

/// What each sequence says; templates are the same for all.
const TOML: [&str; 5] = [
    // A task with an answer, two wordings, a wait with an `else`, a condition.
    r#"
name = "Alpha"
account = ["hello", "creators"]
[schedule]
timezone = "influencer"
fallback = "America/New_York"
days = ["mon", "tue", "wed", "thu", "fri"]
hours = ["09:00-12:00", "13:30-17:00"]
holidays = ["us", "2026-12-01"]
[limits]
new_per_day = NEW
gap = "2m to 7m"
[[step]]
id = "look"
task = "Look at {{ influencer.handle }}'s latest post."
assign = "owner"
due = "2 business days"
fills = "personal_line"
[[step]]
id = "intro"
email = ["intro-a.md", "intro-b.md"]
split = [50, 50]
[[step]]
id = "picked"
wait_for = "clicked"
at_most = "3 business days"
else = { task = "Write to {{ influencer.handle }} elsewhere.", at_most = "1 day" }
[[step]]
id = "nudge"
if = "not steps.intro.clicked"
email = "nudge.md"
[on.finish]
after = "2 business days"
if = "not steps.intro.clicked"
stage = "no_response"
"#,
    // Delays of every kind.
    r#"
name = "Bravo"
account = ["hello", "creators"]
[schedule]
timezone = "influencer"
fallback = "Europe/Berlin"
days = ["mon", "tue", "wed", "thu"]
hours = ["10:00-15:00"]
holidays = ["de"]
[limits]
per_day = PERDAY
gap = "3m to 5m"
[[step]]
id = "intro"
email = ["intro-b.md", "intro-c.md"]
split = [30, 70]
[[step]]
id = "nudge"
after = "3 business days"
email = "nudge.md"
[[step]]
id = "tuesday"
after = "next tue 10:00"
email = "last-note.md"
"#,
    // A person approves.
    r#"
name = "Charlie"
account = "hello"
[schedule]
timezone = "influencer"
days = ["mon", "tue", "wed", "thu", "fri"]
hours = ["09:00-17:00"]
[limits]
new_per_day = NEW
gap = "1m to 4m"
[[step]]
id = "intro"
email = "intro-a.md"
review = true
stage = "contacted"
[[step]]
id = "nudge"
after = "36h"
email = "nudge.md"
"#,
    // A wait for an open, an `else` that is a mail, few per domain.
    r#"
name = "Delta"
account = "creators"
[schedule]
timezone = "Asia/Tokyo"
days = ["mon", "wed", "fri"]
hours = ["09:00-18:00"]
holidays = ["jp"]
[limits]
per_domain = DOMAIN
gap = "2m to 3m"
[[step]]
id = "intro"
email = "intro-c.md"
[[step]]
id = "seen"
wait_for = "opened"
at_most = "2 days"
else = { email = "nudge.md" }
[[step]]
id = "last"
after = "2 business days"
if = "steps.intro.opened"
email = "last-note.md"
"#,
    // A task that nobody does in time.
    r#"
name = "Echo"
account = ["hello", "creators"]
exit_on = ["stage:agreed"]
[schedule]
timezone = "influencer"
fallback = "America/New_York"
days = ["mon", "tue", "wed", "thu", "fri", "sat"]
hours = ["08:00-20:00"]
[limits]
new_per_day = NEW
gap = "1m to 2m"
[[step]]
id = "intro"
email = "intro-b.md"
[[step]]
id = "call"
after = "1 day"
task = "Call {{ influencer.handle }}."
assign = "owner"
at_most = "2 business days"
else = { email = "nudge.md" }
[[step]]
id = "last"
after = "1 week"
if = "stage == 'contacted'"
email = "last-note.md"
"#,
];

const TEMPLATES: [(&str, &str); 5] = [
    (
        "intro-a.md",
        "---\nsubject: A tee for {{ influencer.handle }}\n---\nHello, [have a look](https://northlane.example/tee).",
    ),
    ("intro-b.md", "---\nsubject: Running together\n---\nHello from {{ owner.first_name }}."),
    ("intro-c.md", "---\nsubject: A thought\n---\nHello, do you run?"),
    ("nudge.md", "Did my note reach you?"),
    ("last-note.md", "My last note."),
];

impl Brand {
    pub(super) async fn new(count: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = write(dir.path(), count);
        let clock = Clock::stepped(Micros::parse(BEGIN).unwrap());
        let store = Store::open(&app::place_of(&config)).await.unwrap();
        let loaded = sequence::load(&Known { config: &config, live: None, audience: None });
        let errors: Vec<String> =
            loaded.findings.iter().filter(|f| f.severity == config::Severity::Error).map(|f| f.render(false)).collect();
        assert!(errors.is_empty(), "{}", errors.join("\n"));
        let mut tx = store.begin("test").await.unwrap();
        for account in config.accounts.values() {
            tx.ensure_account(&account.id, "sandbox", &account.address, clock.now()).await.unwrap();
        }
        sequence::publish(&mut tx, &clock, &loaded, sequence::Trust::Whole).await.unwrap();
        tx.commit().await.unwrap();
        let stages = KnownStages {
            start: config.stages.start().0.clone(),
            ids: config.stages.all().iter().map(|s| s.id.0.clone()).collect(),
        };
        let mut people = Vec::new();
        for n in 0..count {
            people.push(move_in(&store, &clock, &stages, n).await);
        }
        let brand = Self { config, store, clock, people, dir };
        // Echo begins later: in one world by the simulator, in the other by hand.
        for sequence in ["alpha", "bravo", "charlie", "delta"] {
            brand.enroll(sequence).await;
        }
        brand
    }

    pub(super) fn of(&self, sequence: &str) -> Vec<InfluencerId> {
        self.people.iter().filter(|p| p.sequence == sequence).map(|p| p.id).collect()
    }

    pub(super) async fn enroll(&self, sequence: &str) {
        let mut tx = self.store.begin("test").await.unwrap();
        for ids in self.of(sequence).chunks(500) {
            enroll(&mut tx, &self.clock, sequence, ids, Again::Refused).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    pub(super) fn given(&self) -> Vec<(Option<InfluencerId>, Given)> {
        let of = |p: &Somebody| p.given.iter().map(|g| (Some(p.id), g.parse().unwrap())).collect::<Vec<_>>();
        // Whom nobody enrolls is in no simulation.
        self.people.iter().filter(|p| p.sandbox.is_some()).flat_map(of).collect()
    }
}

fn write(dir: &Path, count: usize) -> Config {
    let many = |share: usize, least: usize| (count / share).max(least).to_string();
    let fill = |text: &str| {
        text.replace("LIMIT", &many(6, 12))
            .replace("RAMP", &many(40, 3))
            .replace("PERDAY", &many(20, 4))
            .replace("NEW", &many(30, 3))
            .replace("DOMAIN", &many(100, 1))
    };
    for (name, text) in SEQUENCES.iter().zip(TOML) {
        let folder = dir.join("sequences").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        // What is not used is only remarked upon.
        std::fs::write(folder.join("sequence.toml"), fill(text)).unwrap();
        for (file, body) in TEMPLATES {
            std::fs::write(folder.join(file), body).unwrap();
        }
    }
    let file = dir.join("liaison.toml");
    std::fs::write(&file, fill(&northlane::config(CONFIG.0, CONFIG.1))).unwrap();
    config::load(&file, std::iter::empty()).unwrap().config
}

/// The first mail of somebody's sequence that is a mail.
const FIRST: &str = "intro";

async fn move_in(store: &Store, clock: &Clock, stages: &KnownStages, n: usize) -> Somebody {
    let sequence = SEQUENCES[n % SEQUENCES.len()];
    let handle = format!("@runner{n:04}");
    let address = format!("runner{n}@d{}.example", n % 7);
    let zone = ZONES.get(n % (ZONES.len() + 1)).map(|z| (*z).to_owned());
    // One in 40 has no address: nobody enrolls them.
    let reachable = n % 40 != 39;
    let new = NewInfluencer {
        handle: handle.clone(),
        first_name: format!("Runner {n}"),
        emails: if reachable { vec![address.clone()] } else { Vec::new() },
        timezone: zone.clone(),
        ..NewInfluencer::default()
    };
    let mut tx = store.begin("test").await.unwrap();
    let id = people::create_influencer(&mut tx, clock, stages, "test", new).await.unwrap().id;
    tx.commit().await.unwrap();
    let mut them = Somebody { id, handle, sequence, sandbox: None, given: Vec::new(), by_mail: Vec::new() };
    if !reachable {
        return them;
    }
    let mut say = |text: String, by_mail: bool| {
        them.given.push(text);
        them.by_mail.push(by_mail);
    };
    let mut person = Person {
        mailbox: Mailbox { name: format!("Runner {n}"), address },
        zone: zone.unwrap_or_default(),
        ..Person::default()
    };
    // Each at a minute of their own, so that no two things happen at one instant by chance.
    let minutes = 1 + n % 997;
    if sequence == "alpha" && !n.is_multiple_of(11) {
        say(format!("look+{minutes}m task look \"your last run\""), false);
    }
    if sequence == "charlie" && !n.is_multiple_of(8) {
        say(format!("+{}d approve intro", 1 + n % 3), false);
    }
    let after = Duration::from_secs(60 * (90 + u64::try_from(minutes).unwrap()));
    let mail = |habit: Habit| std::collections::VecDeque::from([habit]);
    let after_text = after.as_secs() / 60;
    match n / SEQUENCES.len() % 12 {
        0 => {
            person.script = mail(Habit::Answers(Answer {
                after,
                text: "That sounds lovely, tell me more about it!".to_owned(),
                from: None,
                style: Style::Threaded,
            }));
            say(format!("{FIRST}+{after_text}m reply"), true);
        }
        1 => {
            person.script = mail(Habit::Answers(Answer {
                after,
                text: "Thanks, but I am not interested.".to_owned(),
                from: None,
                style: Style::Threaded,
            }));
            say(format!("{FIRST}+{after_text}m refuse"), true);
        }
        2 => {
            person.script =
                mail(Habit::Bounces { after, status: "5.1.1".to_owned(), words: "no such user".to_owned() });
            say(format!("{FIRST}+{after_text}m bounce"), true);
        }
        3 => {
            person.script = mail(Habit::IsAway {
                after,
                subject: "Out of office".to_owned(),
                text: "I am out of the office until 2026-12-14 and will answer then.".to_owned(),
            });
            say(format!("{FIRST}+{after_text}m out_of_office until 2026-12-14"), true);
        }
        4 => {
            person.script = mail(Habit::Complains { after });
            say(format!("{FIRST}+{after_text}m complain"), true);
        }
        5 | 6 => say(format!("{FIRST}+{after_text}m click {FIRST}"), false),
        7 => say(format!("{FIRST}+{after_text}m open {FIRST}"), false),
        8 => say(format!("{FIRST}+1d{minutes}m unsubscribe"), false),
        9 => say(format!("+{}d{minutes}m manual mail from hello", 1 + n % 5), false),
        10 => say(format!("{FIRST}+{minutes}m hold until 2026-12-03"), false),
        _ => {}
    }
    them.sandbox = Some(person);
    them
}
