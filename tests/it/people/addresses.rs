//! Addresses that go, and which one is written to first, on both databases.

use super::{events, stages, views};
use crate::erasure::life::order;
use crate::ingest::Desk;
use crate::stores;
use liaison::domain::ids::InfluencerId;
use liaison::domain::words::{Channel, FolderRole, SuppressionReason};
use liaison::hub::enqueue::enqueue;
use liaison::hub::people::erase::erase;
use liaison::hub::people::{
    InfluencerChange, NewInfluencer, NewSuppression, PeopleError, create_influencer, merge, remove_address,
    suppress_address, update_influencer,
};
use liaison::hub::settle;
use liaison::store::Tx;
use serde_json::json;

async fn somebody(tx: &mut Tx, desk: &Desk, handle: &str, emails: &[&str]) -> InfluencerId {
    let emails = emails.iter().map(|e| (*e).to_owned()).collect();
    let new = NewInfluencer { handle: handle.into(), emails, ..NewInfluencer::default() };
    create_influencer(tx, &desk.clock, &stages(), "kim", new).await.unwrap().id
}

async fn remove(tx: &mut Tx, desk: &Desk, id: InfluencerId, address: &str) -> Result<(), PeopleError> {
    remove_address(tx, &desk.clock, (id, None), (address, None), "kim").await
}

async fn in_use(tx: &mut Tx, desk: &Desk, id: InfluencerId, address: &str) {
    let refused = remove(tx, desk, id, address).await;
    assert!(matches!(refused, Err(PeopleError::AddressInUse(_))), "{address}: {refused:?}");
}

async fn suppress(tx: &mut Tx, desk: &Desk, address: &str, reason: SuppressionReason) {
    let new = NewSuppression { address: address.into(), reason, evidence: "said so".into() };
    assert!(suppress_address(tx, &desk.clock, new).await.unwrap());
}

/// Their addresses in order, with a star at the first one to write to.
async fn addresses(tx: &mut Tx, id: InfluencerId) -> Vec<String> {
    let all = tx.list_addresses_of_influencers(vec![id]).await.unwrap();
    all.into_iter().map(|a| format!("{}{}", a.value, if a.is_primary { "*" } else { "" })).collect()
}

async fn change(tx: &mut Tx, desk: &Desk, id: InfluencerId, change: serde_json::Value) -> Result<i64, PeopleError> {
    let change: InfluencerChange = serde_json::from_value(change).unwrap();
    update_influencer(tx, &desk.clock, id, "kim", change).await.map(|i| i.version)
}

#[tokio::test]
async fn an_address_goes_with_an_event_and_another_one_is_written_to_first() {
    for fresh in stores::both().await {
        let desk = Desk::new(fresh).await;
        let mut tx = desk.fresh.store.begin("test").await.unwrap();
        let eve = somebody(&mut tx, &desk, "@eve", &["one@eve.example", "dead@eve.example", "two@eve.example"]).await;
        let now = desk.clock.now();
        assert!(tx.mark_address_dead(Channel::Email, "dead@eve.example", "no such user", now).await.unwrap());
        // Which one is first is a change like any other; twice it is none.
        let first = json!({"primary_email": "Two@Eve.example"});
        assert_eq!(change(&mut tx, &desk, eve, first.clone()).await.unwrap(), 2);
        assert_eq!(change(&mut tx, &desk, eve, first).await.unwrap(), 2);
        assert_eq!(addresses(&mut tx, eve).await[0], "two@eve.example*");
        let unknown = change(&mut tx, &desk, eve, json!({"primary_email": "x@eve.example"})).await;
        assert!(matches!(&unknown, Err(PeopleError::Invalid(f)) if f[0].field == "primary_email"), "{unknown:?}");
        let both = json!({"add_emails": ["new@eve.example"], "primary_email": "new@eve.example"});
        assert_eq!(change(&mut tx, &desk, eve, both).await.unwrap(), 3);
        assert_eq!(addresses(&mut tx, eve).await[0], "new@eve.example*");

        let stale = remove_address(&mut tx, &desk.clock, (eve, Some(2)), ("new@eve.example", None), "kim").await;
        assert!(matches!(stale, Err(PeopleError::Changed(_))), "{stale:?}");
        for other in ["ana@example.org", "nobody@eve.example", "no address"] {
            let refused = remove(&mut tx, &desk, eve, other).await;
            assert!(matches!(refused, Err(PeopleError::NoAddress(_))), "{other}: {refused:?}");
        }
        remove_address(&mut tx, &desk.clock, (eve, Some(3)), ("New@eve.example", None), "kim").await.unwrap();
        // The next one that works.
        assert_eq!(addresses(&mut tx, eve).await, ["one@eve.example*", "dead@eve.example", "two@eve.example"]);
        remove(&mut tx, &desk, eve, "one@eve.example").await.unwrap();
        assert_eq!(addresses(&mut tx, eve).await, ["two@eve.example*", "dead@eve.example"], "{}", desk.fresh.name);
        remove(&mut tx, &desk, eve, "two@eve.example").await.unwrap();
        in_use(&mut tx, &desk, eve, "dead@eve.example").await;
        assert_eq!(addresses(&mut tx, eve).await, ["dead@eve.example*"]);
        // Somebody else's from now on.
        somebody(&mut tx, &desk, "@fay", &["one@eve.example"]).await;
        tx.commit().await.unwrap();
        let eve = views(&desk.fresh.store).await.into_iter().find(|i| i.id == eve).unwrap();
        assert_eq!(eve.version, 6);
        let told = events(&desk.fresh.store).await.into_iter().filter(|e| e.influencer_id == Some(eve.id));
        let told: Vec<serde_json::Value> = told.filter_map(|e| e.data).map(|data| data.0).collect();
        let gone = json!({"changed": ["addresses"], "removed": "new@eve.example", "by": "kim"});
        assert_eq!(told.iter().filter(|data| **data == gone).count(), 1, "{}: {told:?}", desk.fresh.name);

        // What comes from there is nobody's they know.
        let letter = crate::ingest::mail("From: two@eve.example\nTo: team@acme.example\nSubject: from two", "Hello");
        desk.drop_into(FolderRole::Inbox, &[letter]).await;
        let page = liaison::store::reading::Page::newest(9);
        let waiting = desk.fresh.store.read().await.unwrap().list_unmatched(page).await.unwrap().data;
        assert!(waiting.iter().any(|u| u.address == "two@eve.example"), "{}: {waiting:?}", desk.fresh.name);
    }
}

/// What hangs on an address keeps it: a no or a complaint that comes back to it must find its person.
#[tokio::test]
async fn an_address_that_something_hangs_on_stays() {
    for fresh in stores::both().await {
        let desk = Desk::new(fresh).await;
        let mut tx = desk.fresh.store.begin("test").await.unwrap();
        let eve = somebody(&mut tx, &desk, "@eve", &["one@eve.example"]).await;
        suppress(&mut tx, &desk, "one@eve.example", SuppressionReason::OptedOut).await;
        in_use(&mut tx, &desk, eve, "one@eve.example").await;
        let fay = somebody(&mut tx, &desk, "@fay", &["old@fay.example"]).await;
        suppress(&mut tx, &desk, "old@fay.example", SuppressionReason::ByHand).await;
        in_use(&mut tx, &desk, fay, "old@fay.example").await;

        let hal = somebody(&mut tx, &desk, "@hal", &["hal@hal.example", "slip@hal.example"]).await;
        let mail = enqueue(&mut tx, &desk.clock, order("hal@hal.example", "Soon")).await.unwrap().id;
        let waits = remove(&mut tx, &desk, hal, "hal@hal.example").await;
        assert!(matches!(&waits, Err(PeopleError::MailWaits { message, .. }) if *message == mail), "{waits:?}");
        settle::cancel(&mut tx, &desk.clock, mail, "taken back").await.unwrap();
        in_use(&mut tx, &desk, hal, "hal@hal.example").await;
        remove(&mut tx, &desk, hal, "slip@hal.example").await.unwrap();

        let ivy = somebody(&mut tx, &desk, "@ivy", &["ivy@ivy.example", "new@ivy.example"]).await;
        tx.commit().await.unwrap();
        let letter = crate::ingest::mail("From: Ivy@ivy.example\nTo: team@acme.example\nSubject: hello", "Hello");
        desk.drop_into(FolderRole::Inbox, &[letter]).await;
        let mut tx = desk.fresh.store.begin("test").await.unwrap();
        in_use(&mut tx, &desk, ivy, "ivy@ivy.example").await;
        // A teammate wrote to them in another program.
        let jan = somebody(&mut tx, &desk, "@jan", &["jan@jan.example", "slip@jan.example"]).await;
        tx.commit().await.unwrap();
        let letter = crate::ingest::mail("From: team@acme.example\nTo: X <Jan@jan.example>\nSubject: hi jan", "Hello");
        desk.drop_into(FolderRole::Sent, &[letter]).await;
        let mut tx = desk.fresh.store.begin("test").await.unwrap();
        in_use(&mut tx, &desk, jan, "jan@jan.example").await;
        remove(&mut tx, &desk, jan, "slip@jan.example").await.unwrap();
        merge(&mut tx, &desk.clock, ivy, hal, "kim").await.unwrap();
        in_use(&mut tx, &desk, ivy, "new@ivy.example").await;
        tx.commit().await.unwrap();
    }
}

/// Whoever is erased goes with the addresses that were theirs once, but for those that are somebody else's by now.
#[tokio::test]
async fn an_erasure_takes_what_is_known_of_removed_addresses_too() {
    for fresh in stores::both().await {
        let desk = Desk::new(fresh).await;
        let mut tx = desk.fresh.store.begin("test").await.unwrap();
        let emails = ["zqkept@eve.example", "zqonce@eve.example", "zqnever@eve.example", "zqgiven@eve.example"];
        let eve = somebody(&mut tx, &desk, "@zqeve", &emails).await;
        tx.commit().await.unwrap();
        let letter = |from: &str, cc: &str| {
            let head = format!("From: {from}\nTo: team@acme.example\nCc: {cc}\nSubject: from {from}");
            crate::ingest::mail(&head, &format!("I am {from}."))
        };
        let mails = [letter("bo@example.net", "zqonce@eve.example")];
        desk.drop_into(FolderRole::Inbox, &mails).await;
        let mut tx = desk.fresh.store.begin("test").await.unwrap();
        for gone in &emails[1..] {
            remove(&mut tx, &desk, eve, gone).await.unwrap();
        }
        suppress(&mut tx, &desk, emails[2], SuppressionReason::ByHand).await;
        let fay = somebody(&mut tx, &desk, "@fay", &emails[3..]).await;
        let removed = tx.removed_addresses(vec![eve]).await.unwrap();
        assert_eq!(removed, ["zqgiven@eve.example", "zqnever@eve.example", "zqonce@eve.example"]);
        let erased = erase(&mut tx, &desk.clock, eve, "kim", false).await.unwrap();
        assert_eq!(erased.addresses, 3, "{}", desk.fresh.name);
        tx.commit().await.unwrap();
        let left = crate::erasure::look::everything(&desk.fresh).await;
        for word in ["zqkept", "zqonce", "zqnever", "zqeve"] {
            assert_eq!(left.texts(word), [], "{}: {word}", desk.fresh.name);
        }
        let mut tx = desk.fresh.store.begin("test").await.unwrap();
        assert_eq!(addresses(&mut tx, fay).await, ["zqgiven@eve.example*"]);
        assert!(tx.suppressed(Channel::Email, vec![emails[3].to_owned()]).await.unwrap().is_empty());
        // Whoever brings them back finds that they are not to be written to, for the reason there was.
        somebody(&mut tx, &desk, "@back", &emails[1..3]).await;
        for (email, reason) in [(emails[1], SuppressionReason::Erased), (emails[2], SuppressionReason::ByHand)] {
            let held = tx.suppressed(Channel::Email, vec![email.to_owned()]).await.unwrap();
            assert_eq!(held.iter().map(|s| s.reason).collect::<Vec<_>>(), [reason], "{}: {email}", desk.fresh.name);
        }
        tx.commit().await.unwrap();
    }
}
