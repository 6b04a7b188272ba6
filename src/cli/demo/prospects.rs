//! The dozen people of the outreach: where they live, which sequence they get, what they do about it. All of them are invented.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use super::cast::{Role, named, role};
use crate::connector::sandbox::{Answer, Habit, Person, Style, Visit, Wish, World};
use crate::domain::time::Micros;

/// A mail program of a person.
const MAIL_PROGRAM: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.5.0";
/// A browser of a person.
const BROWSER: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
/// A program that looks at mail before people do.
const SCANNER: &str = "Mozilla/5.0 (compatible; ExampleMailScanner/2.1; +https://scanner.example.org)";
/// How long João is away, from the first day of the story.
const AWAY: Duration = Duration::from_hours(8 * 24);

/// The shipped sequences, as they are written into the folder of the demonstration.
const SEQUENCES: [(&str, &[(&str, &str)]); 3] = [
    ("across", &ACROSS),
    (
        "first",
        &[
            ("sequence.toml", include_str!("../../../config/sequences/first/sequence.toml")),
            ("intro.md", include_str!("../../../config/sequences/first/intro.md")),
            ("nudge.md", include_str!("../../../config/sequences/first/nudge.md")),
        ],
    ),
    (
        "gifting",
        &[
            ("sequence.toml", include_str!("../../../config/sequences/gifting/sequence.toml")),
            ("intro-a.md", include_str!("../../../config/sequences/gifting/intro-a.md")),
            ("intro-b.md", include_str!("../../../config/sequences/gifting/intro-b.md")),
            ("nudge.md", include_str!("../../../config/sequences/gifting/nudge.md")),
            ("last-note.md", include_str!("../../../config/sequences/gifting/last-note.md")),
        ],
    ),
];

/// Somebody who is enrolled.
pub(super) struct Prospect {
    pub(super) role: Role,
    /// In which sequence.
    pub(super) sequence: &'static str,
    /// What a teammate writes about their latest post.
    pub(super) line: &'static str,
}

/// Who is away.
const AWAY_HANDLE: &str = "@joaocorre";

/// Who is enrolled.
pub(super) const PROSPECTS: [Prospect; 12] = [
    gets("gifting", "The fog in your Tempelhof reel was lovely.", NINA),
    gets("gifting", "Your stair sprints made me tired from watching.", OMAR),
    gets("gifting", "The river loop at dawn looks like a painting.", YUKI),
    gets("gifting", "Your honest words about rest days stayed with me.", LENA),
    gets("gifting", "That finish on the beach deserved the song.", JOAO),
    gets("gifting", "The canal run with the dog is my favourite.", TESS),
    gets("gifting", "Your monsoon run should be a film.", RAVI),
    gets("gifting", "The coastal path at Bondi, what a morning.", CLEO),
    gets("first", "Your trail photos smell of pine.", HUGO),
    gets("first", "The tram race was the best idea of the week.", MIA),
    gets("first", "Your Lagos bridge run gave me goosebumps.", AMARA),
    gets("first", "Running in that rain earns respect.", FINN),
];

const NINA: Role = role("@ninalaeuft", ("Nina", "Brandt"), "nina@example.org", "Europe/Berlin", ("instagram", 41_000));
const OMAR: Role = role("@omarsteps", ("Omar", "Fathy"), "omar@example.org", "Africa/Cairo", ("tiktok", 96_000));
const YUKI: Role = role("@yukiruns", ("Yuki", "Mori"), "yuki@example.org", "Asia/Tokyo", ("youtube", 73_000));
const LENA: Role = role("@lenalaps", ("Lena", "Cole"), "lena@example.org", "America/New_York", ("instagram", 128_000));
const JOAO: Role = role(AWAY_HANDLE, ("João", "Prado"), "joao@example.org", "America/Sao_Paulo", ("instagram", 22_000));
const TESS: Role = role("@tesstrots", ("Tess", "Ward"), "tess@example.org", "Europe/London", ("tiktok", 15_000));
const RAVI: Role = role("@ravistrides", ("Ravi", "Menon"), "ravi@example.org", "Asia/Kolkata", ("youtube", 210_000));
const CLEO: Role = role("@cleocoast", ("Cleo", "Hart"), "cleo@example.org", "Australia/Sydney", ("instagram", 58_000));
const HUGO: Role = role("@hugohills", ("Hugo", "Reyes"), "hugo@example.org", "America/Los_Angeles", ("tiktok", 34_000));
const MIA: Role = role("@miamiles", ("Mia", "Costa"), "mia@example.org", "Europe/Lisbon", ("instagram", 19_000));
const AMARA: Role = role("@amarapace", ("Amara", "Obi"), "amara@example.org", "Africa/Lagos", ("youtube", 87_000));
const FINN: Role = role("@finnfells", ("Finn", "Byrne"), "finn@example.org", "Europe/Dublin", ("instagram", 12_000));

const fn gets(sequence: &'static str, line: &'static str, role: Role) -> Prospect {
    Prospect { role, sequence, line }
}

/// One that goes from mail to text.
const ACROSS: [(&str, &str); 2] = [
    (
        "sequence.toml",
        "name = \"Across\"\naccount = \"hello\"\nsms_account = \"text\"\n\n[[step]]\nid = \"intro\"\nemail = \"intro.md\"\n\n[[step]]\n\
         id = \"text\"\nafter = \"2 business days\"\nsms = \"Hi {{ influencer.first_name | default('there') }}, did our mail reach you? \
         Reply STOP to opt out\"\nelse = { notify = \"{{ influencer.handle }} has not answered and agreed to no texts\" }\n",
    ),
    (
        "intro.md",
        "---\nsubject: Autumn shoes\n---\nHi {{ influencer.first_name | default('there') }},\n\nmay we send you our autumn shoes?\n\n\
         Mara, Northlane\n",
    ),
];

/// Writes the shipped sequences where the configuration looks for them.
pub(super) fn write_sequences(place: &Path) -> anyhow::Result<()> {
    for (id, files) in SEQUENCES {
        let folder = place.join("sequences").join(id);
        std::fs::create_dir_all(&folder).with_context(|| format!("{} can't be made", folder.display()))?;
        for (name, text) in files {
            let file = folder.join(name);
            std::fs::write(&file, text).with_context(|| format!("{} can't be written", file.display()))?;
        }
    }
    Ok(())
}

/// They move in. `now` is the first day of the story, from which absences are counted.
pub(super) fn move_in(world: &World, now: Micros) {
    for Prospect { role, .. } in &PROSPECTS {
        world.add_person(Person {
            mailbox: named(role.first_name, role.last_name, role.address),
            zone: role.zone.to_owned(),
            script: habit(role.handle, now).into_iter().collect(),
            ..Person::default()
        });
    }
}

fn visit(after: Duration, wish: Wish, agent: &str) -> Visit {
    Visit { after, wish, agent: agent.to_owned() }
}

fn says(after: u64, text: &str) -> Habit {
    let after = Duration::from_mins(after);
    Habit::Answers(Answer { after, text: text.to_owned(), from: None, style: Style::Threaded })
}

/// What somebody does about the first mail they get.
fn habit(handle: &str, now: Micros) -> Option<Habit> {
    let minutes = Duration::from_mins;
    Some(match handle {
        "@ninalaeuft" | "@amarapace" => Habit::Visits(vec![visit(minutes(40), Wish::Picture, MAIL_PROGRAM)]),
        "@omarsteps" => Habit::Visits(vec![visit(Duration::from_secs(2), Wish::Picture, SCANNER)]),
        "@yukiruns" => Habit::Visits(vec![
            visit(minutes(25), Wish::Picture, MAIL_PROGRAM),
            visit(minutes(26), Wish::Link, BROWSER),
        ]),
        "@lenalaps" => Habit::Each(vec![
            Habit::Visits(vec![visit(minutes(12), Wish::Picture, MAIL_PROGRAM)]),
            says(19, "Hi Mara, yes please! Medium, and thank you for looking so closely."),
        ]),
        AWAY_HANDLE => {
            let back = now.plus(AWAY).timestamp().strftime("%-d %B %Y").to_string();
            Habit::IsAway {
                after: minutes(1),
                subject: "Out of office".to_owned(),
                text: format!("Thank you for your message. I am away and will be back on {back}."),
            }
        }
        "@tesstrots" => Habit::Bounces {
            after: minutes(3),
            status: "5.1.1".to_owned(),
            words: "<tess@example.org>: Recipient address rejected: User unknown".to_owned(),
        },
        "@ravistrides" => says(33, "Please remove me from your list."),
        "@cleocoast" => Habit::Visits(vec![visit(minutes(50), Wish::Unsubscribe, BROWSER)]),
        _ => return None,
    })
}
