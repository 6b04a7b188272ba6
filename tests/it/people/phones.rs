//! Phone numbers of people, by hand and from a file, on both databases.

use super::{import_with, options, roster, stages, views};
use crate::ingest::Desk;
use crate::stores;
use liaison::domain::ids::InfluencerId;
use liaison::domain::words::{Channel, SuppressionReason};
use liaison::hub::import::ImportOptions;
use liaison::hub::people::erase::erase;
use liaison::hub::people::{
    InfluencerChange, NewInfluencer, NewSuppression, PeopleError, channel_of, create_influencer, find_influencer,
    lift_suppression, merge, remove_address, suppress_address, update_influencer,
};
use liaison::hub::unsubscribe::unsubscribe_by_hand;
use liaison::store::Tx;
use serde_json::json;

async fn somebody(tx: &mut Tx, desk: &Desk, handle: &str, phones: &[&str]) -> Result<InfluencerId, PeopleError> {
    let new = NewInfluencer {
        handle: handle.into(),
        emails: vec![format!("{}@phones.example", &handle[1..])],
        phones: phones.iter().map(|p| (*p).to_owned()).collect(),
        phone_region: Some("DE".into()),
        ..NewInfluencer::default()
    };
    create_influencer(tx, &desk.clock, &stages(), "kim", new).await.map(|i| i.id)
}

/// Their numbers in order, with a star at the one that is written to first.
async fn numbers(tx: &mut Tx, id: InfluencerId) -> Vec<String> {
    let all = tx.list_addresses_of_influencers(vec![id]).await.unwrap();
    let phones = all.into_iter().filter(|a| a.channel == Channel::Sms);
    phones.map(|a| format!("{}{}", a.value_key, if a.is_primary { "*" } else { "" })).collect()
}

async fn change(tx: &mut Tx, desk: &Desk, id: InfluencerId, change: serde_json::Value) -> Result<(), PeopleError> {
    let mut change: InfluencerChange = serde_json::from_value(change).unwrap();
    change.phone_region = Some("US".into());
    update_influencer(tx, &desk.clock, id, "kim", change).await.map(|_| ())
}

#[tokio::test]
async fn numbers_are_kept_in_one_form_beside_addresses_and_belong_to_one_person() {
    for fresh in stores::both().await {
        let desk = Desk::new(fresh).await;
        let mut tx = desk.fresh.store.begin("test").await.unwrap();
        let eve =
            somebody(&mut tx, &desk, "@eve", &["0170 1234567", "+49 170 1234567", "+1 201 555 0123"]).await.unwrap();
        assert_eq!(numbers(&mut tx, eve).await, ["+491701234567*", "+12015550123"], "{}", desk.fresh.name);
        let mails = tx.list_addresses_of_influencers(vec![eve]).await.unwrap();
        assert!(mails.iter().any(|a| a.channel == Channel::Email && a.is_primary), "a number takes no mail's place");
        // Somebody's number is nobody else's.
        let taken = somebody(&mut tx, &desk, "@other", &["+1 (201) 555-0123"]).await;
        assert!(matches!(taken, Err(PeopleError::AddressTaken { .. })), "{taken:?}");
        change(&mut tx, &desk, eve, json!({"primary_phone": "(201) 555-0123"})).await.unwrap();
        change(&mut tx, &desk, eve, json!({"add_phones": ["201-555-0124"]})).await.unwrap();
        assert_eq!(numbers(&mut tx, eve).await, ["+12015550123*", "+491701234567", "+12015550124"]);
        for (wrong, words) in [
            (json!({"add_phones": ["201-555"]}), "add_phones"),
            (json!({"add_phones": ["hello"]}), "it is no phone number"),
            (json!({"primary_phone": "+33612345678"}), "this is no number of theirs; add it with add_phones"),
        ] {
            let told = change(&mut tx, &desk, eve, wrong).await.unwrap_err().to_string();
            assert!(told.contains(words), "{told}");
        }
        assert_eq!(find_influencer(&mut tx, "+49 170 1234567").await.unwrap().id, eve);
        // One that was never used goes, and another one is first.
        let gone = remove_address(&mut tx, &desk.clock, (eve, None), ("201 555 0123", Some("US")), "kim").await;
        assert!(gone.is_ok(), "{gone:?}");
        assert_eq!(numbers(&mut tx, eve).await, ["+491701234567*", "+12015550124"]);
        // Two records of one person: all numbers, one of them first.
        let twin = somebody(&mut tx, &desk, "@twin", &["+49 170 7654321"]).await.unwrap();
        merge(&mut tx, &desk.clock, eve, twin, "kim").await.unwrap();
        let all = numbers(&mut tx, eve).await;
        assert_eq!((all.len(), all.iter().filter(|n| n.ends_with('*')).count()), (3, 1), "{all:?}");
    }
}

#[tokio::test]
async fn a_no_is_kept_for_a_number_as_for_an_address() {
    for fresh in stores::both().await {
        let desk = Desk::new(fresh).await;
        let mut tx = desk.fresh.store.begin("test").await.unwrap();
        let eve = somebody(&mut tx, &desk, "@eve", &["+491701234567", "+12015550123"]).await.unwrap();
        let new = |address: &str| NewSuppression {
            address: address.into(),
            reason: SuppressionReason::ByHand,
            evidence: "a test".into(),
        };
        assert!(suppress_address(&mut tx, &desk.clock, new("+49 170 1234567")).await.unwrap());
        assert!(!suppress_address(&mut tx, &desk.clock, new("+491701234567")).await.unwrap(), "it was there");
        let listed =
            |tx: Vec<liaison::domain::people::Suppression>| tx.into_iter().map(|s| s.value_key).collect::<Vec<_>>();
        let keys = || vec!["+491701234567".to_owned(), "+12015550123".to_owned()];
        assert_eq!(listed(tx.suppressed(Channel::Sms, keys()).await.unwrap()), ["+491701234567"]);
        assert!(tx.suppressed(Channel::Email, keys()).await.unwrap().is_empty());
        let lifted = lift_suppression(&mut tx, &desk.clock, "+49 170 1234567", "kim").await.unwrap();
        assert_eq!(lifted, ["+491701234567"], "{}", desk.fresh.name);
        // What its owner said is said of all that is theirs.
        assert!(unsubscribe_by_hand(&mut tx, &desk.clock, "+1 201 555 0123", "on the phone".into()).await.unwrap());
        assert_eq!(listed(tx.suppressed(Channel::Sms, keys()).await.unwrap()).len(), 2, "{}", desk.fresh.name);
        let mail = vec!["eve@phones.example".to_owned()];
        assert_eq!(tx.suppressed(Channel::Email, mail).await.unwrap()[0].reason, SuppressionReason::OptedOut);
        let told = channel_of("neither").unwrap_err().to_string();
        assert!(told.contains("is not an email address"), "{told}");
        let told = channel_of("0170 1234567").unwrap_err().to_string();
        assert!(told.contains("the country is missing"), "{told}");
        let own = NewSuppression { address: eve.to_string(), ..new("x") };
        assert!(suppress_address(&mut tx, &desk.clock, own).await.is_err(), "a person says no, nobody for them");
    }
}

const FILE: &str = "handle,email,Phone,consent.sms.source,consent.sms.at\n\
    @ana,ana@example.org,0170 1234567,form,2026-01-02\n\
    @bo,bo@example.org,+1 201 555 0123,,\n\
    @cleo,cleo@example.org,0170/1234567,,\n\
    @di,di@example.org,hello,,\n\
    @ed,ed@example.org,,form,2026-01-02\n";

#[tokio::test]
async fn numbers_and_what_was_agreed_to_come_from_files_and_go_into_them() {
    let german = ImportOptions { phone_region: Some("DE".into()), ..options() };
    for fresh in stores::both().await {
        let report = import_with(&fresh.store, FILE, &german).await;
        let failed: Vec<&str> = report.failed.iter().flat_map(|f| &f.reasons).map(String::as_str).collect();
        assert_eq!((report.created, failed.len()), (2, 3), "{failed:?}");
        for (reason, words) in
            failed.iter().zip(["is in line 2 already", "it is no phone number", "no phone number it is for"])
        {
            assert!(reason.contains(words), "{reason}");
        }
        let all = views(&fresh.store).await;
        let phone = |n: usize| all[n].addresses.iter().find(|a| a.channel == Channel::Sms).unwrap();
        assert_eq!((phone(0).value.as_str(), phone(1).value.as_str()), ("+491701234567", "+12015550123"));
        assert_eq!(phone(0).consent.as_ref().map(|c| c.source.as_str()), Some("form"), "{}", fresh.name);
        assert!(phone(1).consent.is_none() && all[0].addresses.iter().all(|a| a.primary));
        // The same file again changes nothing; another number for somebody who has one is told.
        let again = import_with(&fresh.store, FILE, &german).await;
        assert_eq!((again.created, again.unchanged), (0, 2), "{again:?}");
        let other = import_with(&fresh.store, "handle,phone\n@ana,0170 7654321\n@bo,+49 170 1234567\n", &german).await;
        let told: Vec<&str> = other.failed.iter().flat_map(|f| &f.reasons).map(String::as_str).collect();
        assert!(told[0].contains("add the number by hand") && told[1].contains("belongs to @ana"), "{told:?}");

        // A list of people is taken elsewhere as it is, but for numbers that must not be written to and are not known there.
        let given = roster(&fresh.store).await;
        assert!(given.contains("'+491701234567,,form,"), "{given}");
        let elsewhere = stores::sqlite().await;
        assert_eq!(import_with(&elsewhere.store, &given, &options()).await.created, 2);
        let mut tx = fresh.store.begin("test").await.unwrap();
        let (reason, evidence) = (SuppressionReason::OptedOut, "STOP".to_owned());
        let no = NewSuppression { address: "+12015550123".into(), reason, evidence };
        suppress_address(&mut tx, &liaison::clock::Clock::machine(), no).await.unwrap();
        tx.commit().await.unwrap();
        let elsewhere = stores::sqlite().await;
        let report = import_with(&elsewhere.store, &roster(&fresh.store).await, &options()).await;
        assert_eq!(report.created, 1);
        assert!(
            report.failed[0].reasons[0].contains("phone_suppressed: +12015550123 must not be written to"),
            "{report:?}"
        );
    }
}

#[tokio::test]
async fn a_number_that_was_given_on_is_the_others_when_the_first_is_erased() {
    for fresh in stores::both().await {
        let desk = Desk::new(fresh).await;
        let mut tx = desk.fresh.store.begin("test").await.unwrap();
        let slip = somebody(&mut tx, &desk, "@slip", &["+491701234567", "+12015550199"]).await.unwrap();
        remove_address(&mut tx, &desk.clock, (slip, None), ("+491701234567", None), "kim").await.unwrap();
        remove_address(&mut tx, &desk.clock, (slip, None), ("+12015550199", None), "kim").await.unwrap();
        let own = somebody(&mut tx, &desk, "@own", &["+491701234567"]).await.unwrap();
        assert!(unsubscribe_by_hand(&mut tx, &desk.clock, "+491701234567", "kim".into()).await.unwrap());
        let (reason, evidence) = (SuppressionReason::OptedOut, "STOP".to_owned());
        let no = NewSuppression { address: "+12015550199".into(), reason, evidence };
        suppress_address(&mut tx, &desk.clock, no).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = desk.fresh.store.begin("test.erase").await.unwrap();
        erase(&mut tx, &desk.clock, slip, "kim", false).await.unwrap();
        let listed = tx.suppressed(Channel::Sms, vec!["+491701234567".into()]).await.unwrap();
        assert_eq!(listed.len(), 1, "{}: the other's no stays", desk.fresh.name);
        assert_eq!(tx.suppressed(Channel::Manual, vec![own.to_string()]).await.unwrap().len(), 1);
        // What was theirs once and nobody's since comes back as it was: with its no, which nothing but a hash remembers.
        let back = somebody(&mut tx, &desk, "@back", &["+12015550199"]).await.unwrap();
        let listed = tx.suppressed(Channel::Sms, vec!["+12015550199".into()]).await.unwrap();
        assert_eq!(listed.first().map(|s| s.reason), Some(SuppressionReason::OptedOut), "{}", desk.fresh.name);
        // Who said no of everything is erased without a trace of it under their id.
        erase(&mut tx, &desk.clock, own, "kim", false).await.unwrap();
        assert!(tx.suppressed(Channel::Manual, vec![own.to_string()]).await.unwrap().is_empty(), "{}", desk.fresh.name);
        assert_ne!(back, own);
    }
}
