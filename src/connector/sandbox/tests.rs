//! The sandbox keeps the contract of a source and a sender, and its people write mail that the real parser reads as meant.

use super::*;
use crate::connector::{Offer, SendOutcome, Wake};
use crate::domain::automatic::{Facts, classify_automatic};
use crate::domain::bounce::Report;
use crate::domain::words::Kind;

const OWN: &str = "hello@brand.example";
const SOON: Duration = Duration::from_mins(10);

fn named(name: &str, address: &str) -> Mailbox {
    Mailbox { name: name.to_owned(), address: address.to_owned() }
}

fn world() -> World {
    let world = World::new(Clock::stepped(Micros::from_seconds(1_772_355_600)), 7);
    world.add_account(named("Brand", OWN));
    world
}

fn with(habit: Habit) -> World {
    let world = world();
    let mailbox = named("Zoë Example", "zoe@example.org");
    world.add_person(Person { mailbox, script: [habit].into(), ..Person::default() });
    world
}

fn mail(to: &[&str]) -> Outgoing {
    let content = "Date: Sun, 01 Mar 2026 09:00:00 +0000\r\nFrom: Brand <hello@brand.example>\r\nTo: zoe@example.org\r\n\
                   Subject: Spring shoes\r\nMessage-ID: <one@brand.example>\r\nX-Liaison-Id: token1\r\n\r\nHello!\r\n";
    let recipients = to.iter().map(|a| (*a).to_owned()).collect();
    Outgoing { from: OWN.to_owned(), recipients, content: content.as_bytes().to_vec() }
}

async fn send(world: &World, mail: &Outgoing) -> SendOutcome {
    let mut sender = world.sender();
    assert!(matches!(sender.offer(mail).await.unwrap(), Offer::Ready { .. }));
    sender.hand_over(mail).await
}

/// Sends one mail and reads what comes back, by way of the source.
async fn back(habit: Habit) -> ParsedMail {
    let world = with(habit);
    assert!(matches!(send(&world, &mail(&["zoe@example.org"])).await, SendOutcome::Accepted { .. }));
    assert!(world.deliver().is_empty(), "nothing arrives before its time");
    world.0.clock.advance(SOON);
    assert_eq!(world.deliver().len(), 1);
    let mut source = world.source(OWN);
    let status = source.select("INBOX").await.unwrap();
    assert_eq!((status.uid_next, status.exists), (2, 1));
    parse::parse(&source.fetch(&[1]).await.unwrap()[0].raw)
}

fn kind(mail: &ParsedMail) -> Kind {
    classify_automatic(mail, &Facts::default()).kind
}

#[tokio::test]
async fn threaded_answer_names_what_it_answers_and_quotes_it() {
    let answer = Answer { after: SOON, text: "¡Sí!".into(), from: None, style: Style::Threaded };
    let mail = back(Habit::Answers(answer)).await;
    assert_eq!(mail.in_reply_to, ["one@brand.example"]);
    assert_eq!((mail.from[0].name.as_str(), mail.subject.as_str()), ("Zoë Example", "Re: Spring shoes"));
    assert_eq!(mail.reply_text.trim(), "¡Sí!");
    assert!(mail.text.contains("> Hello!"), "{}", mail.text);
    assert_eq!((kind(&mail), mail.flaws.len()), (Kind::Human, 0));
}

#[tokio::test]
async fn answer_without_references_names_nothing() {
    let from = Some(named("Zoë", "other@example.org"));
    let answer = Answer { after: SOON, text: "はい".into(), from, style: Style::WithoutReferences };
    let mail = back(Habit::Answers(answer)).await;
    assert!(mail.in_reply_to.is_empty() && mail.references.is_empty());
    assert_eq!((mail.from[0].address.as_str(), mail.reply_text.trim()), ("other@example.org", "はい"));
}

#[tokio::test]
async fn machines_and_forwards_are_what_they_say() {
    let away = Habit::IsAway { after: SOON, subject: "Abwesenheitsnotiz".into(), text: "Ich bin im Urlaub.".into() };
    assert_eq!(kind(&back(away).await), Kind::OutOfOffice);
    let forward = Habit::Forwards {
        after: SOON,
        text: "See below".into(),
        of: named("Friend", "friend@example.org"),
        forwarded: "Take it!".into(),
    };
    let mail = back(forward).await;
    assert!(mail.forward && mail.reply_text.contains("See below"), "{mail:?}");
}

#[tokio::test]
async fn bounce_and_complaint_name_the_mail_and_the_address() {
    let mail = back(Habit::Bounces { after: SOON, status: "5.1.1".into(), words: "User unknown".into() }).await;
    let Some(Report::Bounce(bounce)) = &mail.report else { panic!("{mail:?}") };
    assert_eq!(bounce.original_message_id.as_deref(), Some("one@brand.example"));
    assert_eq!((bounce.recipients[0].address.as_str(), kind(&mail)), ("zoe@example.org", Kind::Bounce));
    let mail = back(Habit::Complains { after: SOON }).await;
    let Some(Report::Complaint(complaint)) = &mail.report else { panic!("{mail:?}") };
    assert_eq!((complaint.recipients.as_slice(), kind(&mail)), (&["zoe@example.org".to_owned()][..], Kind::Complaint));
}

#[tokio::test]
async fn strangers_are_refused_and_nothing_leaves() {
    let world = with(Habit::Reads);
    let mut sender = world.sender();
    let offer = sender.offer(&mail(&["real@elsewhere.test", "zoe@example.org"])).await.unwrap();
    let Offer::Ready { refused } = offer else { panic!("{offer:?}") };
    assert_eq!(refused.iter().map(|r| r.as_ref().map(|r| r.code)).collect::<Vec<_>>(), [Some(550), None]);
    let offer = sender.offer(&mail(&["real@elsewhere.test"])).await.unwrap();
    assert!(matches!(offer, Offer::Refused { .. }), "{offer:?}");
    let from_outside = Outgoing { from: "me@elsewhere.test".into(), ..mail(&["zoe@example.org"]) };
    assert!(matches!(sender.offer(&from_outside).await.unwrap(), Offer::Refused { .. }));
    assert_eq!(world.tally(), Tally::default());
}

#[tokio::test]
async fn lost_answer_leaves_the_mail_in_sent() {
    let world = with(Habit::Reads);
    world.lose_answer_of(1);
    assert!(matches!(send(&world, &mail(&["zoe@example.org"])).await, SendOutcome::Uncertain(_)));
    let mut source = world.source(OWN);
    source.select("Sent").await.unwrap();
    assert_eq!(source.find("one@brand.example", "").await.unwrap(), Some(1));
    assert_eq!(source.find("", "token1").await.unwrap(), Some(1));
    assert_eq!(source.find("", "").await.unwrap(), None);
    source.select("INBOX").await.unwrap();
    assert_eq!(source.find("one@brand.example", "token1").await.unwrap(), None);
    assert!(matches!(send(&world, &mail(&["zoe@example.org"])).await, SendOutcome::Accepted { .. }));
    let tally = world.tally();
    assert_eq!((tally.taken, tally.taken_twice, tally.answers_lost), (2, 1, 1), "the journal counts a second one");
}

#[tokio::test(start_paused = true)]
async fn wait_hears_of_mail_that_came_since_the_folders_were_listed() {
    let world = with(Habit::Reads);
    let mut source = world.source(OWN);
    source.folders().await.unwrap();
    source.select("INBOX").await.unwrap();
    assert_eq!(source.wait(Duration::from_secs(1)).await.unwrap(), Wake::Elapsed);
    world.write(OWN, &named("A", "a@example.org"), ("Hi", "there"), Duration::ZERO);
    world.deliver();
    assert_eq!(source.wait(Duration::from_secs(1)).await.unwrap(), Wake::News);
    source.folders().await.unwrap();
    assert_eq!(source.wait(Duration::from_secs(1)).await.unwrap(), Wake::Elapsed);
    assert!(source.select("Elsewhere").await.is_err());
}

#[tokio::test]
async fn same_seed_makes_the_same_mail() {
    let answer = || Habit::Answers(Answer { after: SOON, text: "Yes".into(), from: None, style: Style::Threaded });
    assert_eq!(back(answer()).await, back(answer()).await);
}
