//! Who lives in the demonstration, what they do, and what the brand says to them. All of them are invented.

use std::collections::VecDeque;
use std::time::Duration;

use crate::config::Config;
use crate::connector::sandbox::{Answer, Habit, Person, Style, World};
use crate::domain::mail::Mailbox;
use crate::domain::words::Channel;

/// The subject of the brand's first mail.
pub(super) const SUBJECT: &str = "Spring shoes";

/// An influencer of the story.
pub(super) struct Role {
    pub(super) handle: &'static str,
    pub(super) first_name: &'static str,
    pub(super) last_name: &'static str,
    pub(super) address: &'static str,
    pub(super) zone: &'static str,
    /// The network and how many follow them there.
    pub(super) network: (&'static str, i64),
    /// Whether the brand writes to them in the morning.
    pub(super) in_the_morning: bool,
}

/// The influencers.
pub(super) const ROLES: [Role; 10] = [
    role("@anaruns", ("Ana", "Ortiz"), "ana@example.org", "Europe/Madrid", ("instagram", 84_000)),
    role("@lukaslauft", ("Lukas", "Weber"), "lukas@example.org", "Europe/Berlin", ("youtube", 212_000)),
    role("@mayamoves", ("Maya", "Chen"), "maya@example.org", "America/Los_Angeles", ("tiktok", 1_300_000)),
    role("@tomaslima", ("Tomás", "Lima"), "tomas@example.org", "America/Sao_Paulo", ("instagram", 9_400)),
    role("@sofiacorre", ("Sofia", "Rossi"), "sofia@example.org", "Europe/Rome", ("instagram", 31_000)),
    role("@kenjistrides", ("健二", "田中"), "kenji@example.org", "Asia/Tokyo", ("youtube", 46_000)),
    role("@zoefit", ("Zoë", "Laurent"), "zoe@example.org", "Europe/Paris", ("tiktok", 150_000)),
    role("@priyapaces", ("Priya", "Nair"), "priya@example.org", "Asia/Kolkata", ("instagram", 520_000)),
    Role {
        in_the_morning: false,
        ..role("@noortrails", ("Noor", "Haddad"), "noor@example.org", "Asia/Dubai", ("instagram", 67_000))
    },
    Role {
        in_the_morning: false,
        ..role("@ivobeh", ("Ivo", "Novák"), "ivo@example.org", "Europe/Prague", ("youtube", 18_000))
    },
];

pub(super) const fn role(
    handle: &'static str,
    (first_name, last_name): (&'static str, &'static str),
    address: &'static str,
    zone: &'static str,
    network: (&'static str, i64),
) -> Role {
    Role { handle, first_name, last_name, address, zone, network, in_the_morning: true }
}

/// Somebody who is on every channel.
pub(super) const MIRA: Role =
    role("@miraloops", ("Mira", "Sol"), "mira@example.org", "Europe/Lisbon", ("instagram", 27_000));
/// Her number (of those kept for stories: 555-01XX).
pub(super) const MIRA_PHONE: &str = "+12025550123";
/// Who she is in the workspace.
pub(super) const MIRA_SLACK: &str = "TSOL/UMIRASOL";
/// Our number.
pub(super) const NUMBER: &str = "+12025550100";
/// Our app in our workspace.
pub(super) const WORKSPACE: &str = "TNORTHLANE/UHUB";
/// Who our teammate is there.
pub(super) const MARA_SLACK: &str = "TNORTHLANE/UMARA";
/// The tag of whom the team's channel hears of.
pub(super) const RELAYED: &str = "ambassador";

/// The agent of three of them.
pub(super) const AGENT: (&str, &str, &str) = ("Dana", "Moreau", "dana@talent.example.org");
/// For whom the agent writes.
pub(super) const AGENT_OF: [&str; 3] = ["@priyapaces", "@noortrails", "@ivobeh"];
/// Another address of Maya's, which nobody told the hub.
pub(super) const MAYA_ELSEWHERE: &str = "mc.studio@example.org";

/// What the brand writes first.
pub(super) fn first_letter(role: &Role) -> String {
    let name = role.first_name;
    format!(
        "Hello {name},\n\nour new spring shoes are made from old fishing nets, and we thought of you first. \
         May we send you a pair?\n\nMara, Northlane"
    )
}

/// What the brand answers to Ana.
pub(super) const TO_ANA: &str = "Wonderful! Which size do you wear, and where may we send them?\n\nMara, Northlane";
/// What the brand writes to Noor.
pub(super) const TO_NOOR: &str =
    "Hello Noor,\n\nwill you run the desert trail again this year? We would love to be there.\n\nMara";
/// What the agent writes about nobody in particular.
pub(super) const FROM_DANA: (&str, &str) =
    ("New rates from June", "Hi Mara,\n\nour rates change in June, for everybody I look after. Shall we talk?\n\nDana");

pub(super) fn named(first: &str, last: &str, address: &str) -> Mailbox {
    Mailbox { name: format!("{first} {last}").trim().to_owned(), address: address.to_owned() }
}

/// The agent's mailbox.
pub(super) fn dana() -> Mailbox {
    named(AGENT.0, AGENT.1, AGENT.2)
}

/// Everybody moves in.
pub(super) fn move_in(world: &World, config: &Config) {
    for account in config.accounts.values() {
        if account.channel() != Channel::Email {
            world.add_talk(&account.address);
            continue;
        }
        let name = account.display_name.clone().unwrap_or_default();
        world.add_account(Mailbox { name, address: account.address.clone() });
    }
    world.add_person(Person {
        mailbox: named(MIRA.first_name, MIRA.last_name, MIRA.address),
        zone: MIRA.zone.to_owned(),
        ..Person::default()
    });
    for role in &ROLES {
        let (script, usual) = habits(role.handle);
        world.add_person(Person {
            mailbox: named(role.first_name, role.last_name, role.address),
            zone: role.zone.to_owned(),
            script,
            usual: usual.iter().map(|text| (*text).to_owned()).collect(),
            ..Person::default()
        });
    }
    let usual = vec!["Thank you, I will pass it on.".to_owned()];
    let zone = "Europe/Paris".to_owned();
    world.add_person(Person { mailbox: dana(), zone, usual, ..Person::default() });
    let elsewhere = named("Maya", "Chen", MAYA_ELSEWHERE);
    world.add_person(Person { mailbox: elsewhere, zone: "America/Los_Angeles".to_owned(), ..Person::default() });
}

fn minutes(n: u64) -> Duration {
    Duration::from_mins(n)
}

fn answers(after: u64, text: &str) -> Habit {
    Habit::Answers(Answer { after: minutes(after), text: text.to_owned(), from: None, style: Style::Threaded })
}

/// What somebody does about the mails of the story, and what they say afterwards.
fn habits(handle: &str) -> (VecDeque<Habit>, &'static [&'static str]) {
    match handle {
        "@anaruns" => (
            [
                answers(14, "¡Hola Mara! Yes, tell me more. I run the Madrid half in April, they would be perfect."),
                answers(6, "38, please. I will send you the address today. ¡Gracias!"),
            ]
            .into(),
            &["The first run was lovely. Photos tomorrow!", "Could we talk about the second post?"],
        ),
        "@lukaslauft" => (
            [Habit::IsAway {
                after: minutes(2),
                subject: "Automatische Antwort".to_owned(),
                text: "Vielen Dank für Ihre Nachricht. Ich bin im Urlaub und ab dem 14. wieder erreichbar.".to_owned(),
            }]
            .into(),
            &["Bin zurück und neugierig: welche Farben gibt es?"],
        ),
        "@mayamoves" => (
            [Habit::Answers(Answer {
                from: Some(named("Maya", "Chen", MAYA_ELSEWHERE)),
                after: minutes(55),
                text: "Hey, answering from my studio mail: love the idea. What is the timeline?".to_owned(),
                style: Style::Threaded,
            })]
            .into(),
            &["Sketching a dance for the launch, will share soon."],
        ),
        "@tomaslima" => (
            [Habit::Bounces {
                after: minutes(3),
                status: "5.1.1".to_owned(),
                words: "<tomas@example.org>: Recipient address rejected: User unknown".to_owned(),
            }]
            .into(),
            &[],
        ),
        "@sofiacorre" => ([Habit::Complains { after: minutes(130) }].into(), &[]),
        "@kenjistrides" => (
            [Habit::Answers(Answer {
                after: minutes(31),
                text: "ご連絡ありがとうございます。興味があります。詳細を教えてください。".to_owned(),
                from: None,
                style: Style::WithoutReferences,
            })]
            .into(),
            &["来週、動画を公開します。"],
        ),
        "@zoefit" => (
            [Habit::Forwards {
                after: minutes(80),
                text: "My trainer says I should take them, see below :)".to_owned(),
                of: named("Jules", "Petit", "jules@example.org"),
                forwarded: "Zoë, those soles are made for you. Dis oui!".to_owned(),
            }]
            .into(),
            &["Merci ! Je filme ce week-end."],
        ),
        "@priyapaces" => (
            [Habit::Answers(Answer {
                after: minutes(44),
                text: "Hello Mara, I look after Priya. She would like a pair; may I send you our rates?".to_owned(),
                from: Some(dana()),
                style: Style::Threaded,
            })]
            .into(),
            &["Dana told me. So excited!"],
        ),
        _ => ([Habit::Reads].into(), &["Sounds good, let me check my calendar."]),
    }
}
