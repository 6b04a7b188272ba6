//! Who said no since a backup: a restored database hears it again.

use crate::ingest::{Desk, add_influencer};
use crate::{seed, stores};
use liaison::domain::ids::EventId;
use liaison::domain::words::{Channel, EventType, SuppressionReason};
use liaison::hub::people::{NewSuppression, suppress_address};
use liaison::hub::unsubscribe::unsubscribe_by_hand;
use liaison::outbound::refused::{Refused, say_again};

async fn no(desk: &Desk, address: &str) {
    let mut tx = desk.fresh.store.begin("test.no").await.unwrap();
    assert!(unsubscribe_by_hand(&mut tx, &desk.clock, address, "kim".into()).await.unwrap());
    tx.commit().await.unwrap();
}

async fn suppressed(desk: &Desk, address: &str) -> Option<SuppressionReason> {
    let mut tx = desk.fresh.store.read().await.unwrap();
    tx.suppressed(Channel::Email, vec![address.to_owned()]).await.unwrap().pop().map(|s| s.reason)
}

async fn stage(desk: &Desk, who: &str) -> String {
    desk.fresh.store.read().await.unwrap().get_influencer(desk.people[who]).await.unwrap().unwrap().stage
}

#[tokio::test]
async fn what_was_said_since_a_backup_is_said_again_in_the_database_that_is_restored_from_it() {
    for fresh in stores::both().await {
        let desk = Desk::new(fresh).await;
        let (name, store) = (desk.fresh.name, &desk.fresh.store);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("refused");
        assert_eq!(say_again(store, &desk.clock, &file).await.unwrap(), 0, "{name}: there is no file yet");
        // Before the backup: one that holds, and one that a person lifted.
        no(&desk, "bo@example.org").await;
        let mut refused = Refused::open(store, &file, false).await.unwrap();
        assert_eq!(refused.keep_up(store).await.unwrap(), 1, "{name}");
        assert_eq!(refused.keep_up(store).await.unwrap(), 0, "{name}: once");
        seed::run(&desk.fresh, "DELETE FROM suppression", &[]).await;
        no(&desk, "di@example.org").await;
        let backup = store.read().await.unwrap().newest_event().await.unwrap().unwrap();
        // Since then: a known one, a stranger, and one by hand.
        drop(refused);
        let mut refused = Refused::open(store, &file, false).await.unwrap();
        no(&desk, "ana@example.org").await;
        no(&desk, "who@nowhere.example").await;
        let mut tx = store.begin("test.by_hand").await.unwrap();
        let by_hand = NewSuppression {
            channel: Channel::Email,
            address: "cy@example.org".into(),
            reason: SuppressionReason::ByHand,
            evidence: "kim".into(),
        };
        suppress_address(&mut tx, &desk.clock, by_hand).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(refused.keep_up(store).await.unwrap(), 4, "{name}");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("key ") && !text.contains("example"), "{name}: no address stands in it: {text}");
        // A last line that was cut off counts for nothing.
        std::fs::write(&file, format!("{text}{}", &text[text.len() - 40..text.len() - 1])).unwrap();

        restore(&desk, backup).await;
        assert_eq!((suppressed(&desk, "ana@example.org").await, stage(&desk, "ana").await), (None, "prospect".into()));
        assert_eq!(say_again(store, &desk.clock, &file).await.unwrap(), 3, "{name}");
        let no = Some(SuppressionReason::OptedOut);
        assert_eq!((suppressed(&desk, "ana@example.org").await, stage(&desk, "ana").await), (no, "opted_out".into()));
        assert_eq!(suppressed(&desk, "cy@example.org").await, Some(SuppressionReason::ByHand), "{name}");
        assert_eq!(stage(&desk, "cy").await, "prospect", "{name}: an address, not the person");
        assert_eq!(suppressed(&desk, "di@example.org").await, no, "{name}: it was in the backup");
        assert_eq!(suppressed(&desk, "bo@example.org").await, None, "{name}: it was lifted in the backup");
        assert_eq!(suppressed(&desk, "who@nowhere.example").await, no, "{name}: whoever they are");
        add_influencer(store, &desk.clock, "who", "who@nowhere.example").await;
        assert_eq!(suppressed(&desk, "who@nowhere.example").await, no, "{name}: and when they are added");
        let mut tx = store.read().await.unwrap();
        let told = tx.list_events_written(EventId(uuid::Uuid::nil()), 1_000).await.unwrap();
        drop(tx);
        let told: Vec<_> = told.iter().filter(|e| e.kind == EventType::InfluencerUnsubscribed).collect();
        let of = |who: &str| told.iter().filter(|e| e.influencer_id == Some(desk.people[who])).count();
        assert_eq!((of("ana"), of("cy")), (1, 0), "{name}");
        assert_eq!(say_again(store, &desk.clock, &file).await.unwrap(), 0, "{name}: once");
        // The file goes on; what was said again is in it once more, under its new id.
        let mut refused = Refused::open(store, &file, true).await.unwrap();
        assert!(refused.keep_up(store).await.unwrap() >= 2, "{name}");
    }
}

/// The database as it was at its newest event then, for what concerns us here.
async fn restore(desk: &Desk, backup: EventId) {
    for sql in [
        "DELETE FROM suppression WHERE value_key <> 'di@example.org'",
        "UPDATE influencer SET stage = 'prospect' WHERE stage = 'opted_out' AND handle <> 'di'",
    ] {
        seed::run(&desk.fresh, sql, &[]).await;
    }
    seed::run(&desk.fresh, "DELETE FROM event WHERE id > $1", &[backup.0]).await;
}
