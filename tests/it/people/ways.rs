//! How somebody is written to where nobody says: on which channel, and from which of our accounts.

use crate::{seed, stores};
use liaison::clock::Clock;
use liaison::domain::ids::{AddressId, InfluencerId};
use liaison::domain::people::{Address, Person};
use liaison::domain::words::Channel;
use liaison::hub::enqueue::Answers;
use liaison::hub::talk::{self, TalkError};

fn address(clock: &Clock, id: InfluencerId, (channel, value): (Channel, &str)) -> Address {
    Address {
        id: AddressId(clock.new_id()),
        channel,
        value: value.to_owned(),
        value_key: value.to_owned(),
        person: Person::Influencer(id),
        is_primary: false,
        dead_at: None,
        dead_reason: None,
        created_at: seed::at(1),
    }
}

#[tokio::test]
async fn the_way_is_theirs_or_asked_for() {
    let clock = Clock::machine();
    let (mail, number, user) =
        ((Channel::Email, "way@example.org"), (Channel::Sms, "+14155550177"), (Channel::Slack, "T1/U77"));
    for (has, expected) in [
        (vec![], None),
        (vec![number], Some(Channel::Sms)),
        (vec![user], Some(Channel::Slack)),
        (vec![number, mail], Some(Channel::Email)),
        (vec![number, user], None),
    ] {
        for fresh in stores::both().await {
            let name = fresh.name;
            let ana = seed::influencer(&fresh, &clock).await;
            let mut tx = fresh.store.begin("test.way").await.unwrap();
            let all: Vec<Address> = has.iter().map(|one| address(&clock, ana, *one)).collect();
            tx.insert_addresses(&all).await.unwrap();
            match (talk::way_to(&mut tx, ana).await, expected) {
                (Ok((channel, why)), Some(expected)) => {
                    assert!(channel == expected && !why.is_empty(), "{name} {has:?}: {why}");
                }
                (Err(TalkError::NoAddress { .. }), None) => assert!(has.is_empty(), "{name}"),
                (Err(TalkError::WhichChannel(_)), None) => assert_eq!(has.len(), 2, "{name}"),
                (other, _) => panic!("{name} {has:?}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn the_mailbox_is_the_one_they_know_or_asked_for() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let name = fresh.name;
        let (ana, bo) = (seed::influencer(&fresh, &clock).await, seed::influencer(&fresh, &clock).await);
        let thread = seed::thread(&fresh, &clock, ana, 1).await;
        let said = seed::message_in(&fresh, &clock, &thread, 1).await;
        let mut tx = fresh.store.begin("test.mailbox").await.unwrap();
        assert_eq!(tx.last_mail_account(ana).await.unwrap().as_deref(), Some("brand"), "{name}");
        assert_eq!(tx.last_mail_account(bo).await.unwrap(), None, "{name}");
        tx.commit().await.unwrap();
        // What is written to them and did not leave is known to nobody.
        let unsent = seed::thread(&fresh, &clock, ana, 2).await;
        seed::run(&fresh, "UPDATE thread SET account = 'hello' WHERE id = $1", &[unsent.id.0]).await;
        let id = seed::message_in(&fresh, &clock, &unsent, 2).await;
        seed::outbox(&fresh, id, "cancelled").await;
        let mut tx = fresh.store.begin("test.mailbox").await.unwrap();
        assert_eq!(tx.last_mail_account(ana).await.unwrap().as_deref(), Some("brand"), "{name}");
        let two = ["brand", "hello"];
        let answers = |answers| (None, Some(answers), None);
        for (mailboxes, given, expected, why) in [
            (&two[..], (None, None, Some(ana)), "brand", "they know it"),
            (&two[..], (Some("hello"), None, Some(ana)), "hello", "it was named"),
            (&two[..], answers(Answers::Thread(thread.id)), "brand", "what it answers is in it"),
            (&two[..], answers(Answers::Message(said)), "brand", "what it answers is in it"),
            (&two[1..], (None, None, Some(ana)), "hello", "it is the only mailbox"),
            (&two[..1], (None, None, Some(bo)), "brand", "it is the only mailbox"),
        ] {
            let chosen = talk::mailbox(&mut tx, mailboxes, given).await.unwrap();
            assert_eq!(chosen, (expected.to_owned(), why.to_owned()), "{name} {given:?}");
        }
        let asked = talk::mailbox(&mut tx, &two, (None, None, Some(bo))).await;
        assert!(matches!(asked, Err(TalkError::WhichAccount(words)) if words.contains("brand, hello")), "{name}");
        let unknown = talk::mailbox(&mut tx, &two, (Some("desk"), None, None)).await;
        assert!(matches!(unknown, Err(TalkError::NoAccount { .. })), "{name}");
    }
}
