//! Erasing one person: nothing of theirs is left anywhere, everything of the others is, they are not written to again, and their
//! mail is not stored again. And the export of all that is kept about one.

mod command;
mod given;
pub mod life;
pub mod look;

use crate::ingest::Desk;
use crate::people::import;
use crate::stores::{self, Fresh};
use liaison::domain::ids::{ErasureId, InfluencerId};
use liaison::domain::words::{Channel, FolderRole, SuppressionReason};
use liaison::hub::enqueue::{self, EnqueueError};
use liaison::hub::people::erase::{Erased, erase};
use liaison::hub::people::{PeopleError, find_influencer, lift_suppression, sweep};
use liaison::store::people::personal::{Care, TABLES, exported};
use liaison::store::{Place, StoreError};
use life::{Life, live};
use look::{everything, files, tables};

async fn erase_now(desk: &Desk, who: InfluencerId, dry_run: bool) -> Result<Erased, PeopleError> {
    let mut tx = desk.fresh.store.begin("test.erase").await.unwrap();
    let erased = erase(&mut tx, &desk.clock, who, "a test", dry_run).await?;
    if !dry_run {
        tx.commit().await.unwrap();
    }
    Ok(erased)
}

/// So many live, and every other one is erased; where their words are found before and after.
async fn many_lives(fresh: Fresh, people: usize) -> (usize, usize) {
    let desk = Desk::new(fresh).await;
    let mut lives = Vec::new();
    for n in 0..people * 2 {
        lives.push(live(&desk, n).await);
    }
    let (gone, stay): (Vec<&Life>, Vec<&Life>) = lives.iter().partition(|life| life.n % 2 == 0);
    let before = everything(&desk.fresh).await;
    for life in &lives {
        let places = before.places(&life.word);
        let missing: Vec<&&str> = TABLES
            .iter()
            .filter(|(_, care)| *care == Care::Erased)
            .map(|(table, _)| table)
            .filter(|t| !places.contains(**t))
            .collect();
        // These hold ids and numbers alone.
        let silent = ["delivery", "participation", "hit_surplus", "agent_influencer", "influencer_audience"];
        assert!(missing.iter().all(|t| silent.contains(t)), "{} is not in {missing:?}", life.word);
    }
    let counted = |life: &Life| (before.hits(&life.word), life.word.clone());
    let counts: Vec<(usize, String)> = stay.iter().map(|life| counted(life)).collect();
    for life in &gone {
        let tried = erase_now(&desk, life.id, true).await.unwrap();
        let erased = erase_now(&desk, life.id, false).await.unwrap();
        assert!(tried.dry_run && tried.id.is_none() && erased.id.is_some());
        let same = Erased { id: tried.id, dry_run: true, ..erased.clone() };
        assert_eq!(same, tried, "{}: a trial counts what is done", desk.fresh.name);
        assert!(erased.messages >= 5 && erased.messages_blotted >= 1 && erased.raw_mails_lost == 0, "{erased:?}");
        assert_eq!((erased.addresses, erased.merged_ids.len()), (3, 1), "{erased:?}");
    }
    let swept = sweep::sweep(&desk.fresh.store, &desk.clock).await.unwrap();
    let after = everything(&desk.fresh).await;
    if desk.fresh.name == "sqlite" {
        assert_eq!(swept, gone.len() as u64);
    }
    let left: usize = gone.iter().map(|life| after.hits(&life.word)).sum();
    for life in &gone {
        assert_eq!(after.texts(&life.word), [], "{}", desk.fresh.name);
        assert!(!after.places(&life.id.0.simple().to_string()).contains("influencer"));
    }
    let mut found = 0;
    for (count, word) in counts {
        assert_eq!(after.hits(&word), count, "{}: all of {word} is there", desk.fresh.name);
        found += count;
    }
    // What a friend wrote stays on their timeline, without them.
    for life in &gone {
        life.friend_keeps_theirs(&desk).await;
    }
    desk.fresh.store.close().await;
    let on_disk: usize = match &desk.fresh.place {
        Place::Sqlite { file } => {
            let data = files(file.parent().unwrap());
            assert!(stay.iter().all(|life| data.hits(&life.word) > 0), "the search finds what is there");
            gone.iter().map(|life| data.hits(&life.word)).sum()
        }
        Place::Postgres { .. } => 0,
    };
    assert_eq!(on_disk, 0, "octets of those who were erased are on the disk");
    println!(
        "{}: {people} erased: found {left} in the database, {on_disk} on the disk; of {people} others all {found}",
        desk.fresh.name
    );
    (left + on_disk, found)
}

#[tokio::test]
async fn erasing_leaves_nothing_of_them_and_everything_of_the_others() {
    for fresh in stores::both().await {
        let (left, found) = many_lives(fresh, 3).await;
        assert!(left == 0 && found > 0);
    }
}

/// `tests/prove erase [--people 50]`.
#[tokio::test]
#[ignore = "long: tests/prove erase"]
async fn many_are_erased() {
    let people = std::env::var("LIAISON_PROVE_PEOPLE").ok().and_then(|n| n.parse().ok()).unwrap_or(50);
    for fresh in stores::both().await {
        let (left, found) = many_lives(fresh, people).await;
        assert!(left == 0 && found > 0);
    }
}

#[tokio::test]
async fn a_table_can_not_be_added_without_saying_what_becomes_of_it() {
    for fresh in stores::both().await {
        let (mut unknown, mut careless) = (Vec::new(), Vec::new());
        let mut found = std::collections::BTreeSet::new();
        for (table, columns) in tables(&fresh).await {
            found.insert(table.clone());
            let personal =
                ["influencer_id", "message_id", "address", "address_key", "value_key", "outbox_id", "agent_id"];
            match TABLES.iter().find(|(name, _)| *name == table) {
                None => unknown.push(table),
                // Our own accounts have addresses as well.
                Some((_, Care::Impersonal)) if !["account", "login", "login_pending"].contains(&table.as_str()) => {
                    careless.extend(
                        columns.into_iter().filter(|c| personal.contains(&c.as_str())).map(|c| (table.clone(), c)),
                    );
                }
                Some(_) => {}
            }
        }
        assert!(
            unknown.is_empty(),
            "{}: store/people/personal.rs does not say what becomes of {unknown:?}",
            fresh.name
        );
        assert!(careless.is_empty(), "{}: these are about people: {careless:?}", fresh.name);
        let listed: std::collections::BTreeSet<String> = TABLES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(found, listed, "{}", fresh.name);
    }
    let mut wanted: Vec<&str> =
        TABLES.iter().filter(|(_, care)| *care == Care::Erased).map(|(name, _)| *name).collect();
    let mut told: Vec<&str> = exported().into_iter().map(|(table, _)| table).collect();
    wanted.sort_unstable();
    told.sort_unstable();
    assert_eq!(told, wanted, "an export tells what an erasure takes");
}

#[tokio::test]
async fn who_was_erased_is_not_written_to_and_their_mail_is_not_stored_again() {
    for fresh in stores::both().await {
        let desk = Desk::new(fresh).await;
        let life = live(&desk, 0).await;
        let (home, work) = (format!("{}@home.example", life.word), format!("{}@work.example", life.word));
        erase_now(&desk, life.id, false).await.unwrap();
        let stored = desk.count("SELECT CAST(COUNT(*) AS TEXT) FROM message").await;

        // The same mails are read once more, as after a new UIDVALIDITY.
        desk.drop_into(FolderRole::Inbox, &life.inbox).await;
        desk.drop_into(FolderRole::Sent, &life.sent).await;
        assert_eq!(desk.count("SELECT CAST(COUNT(*) AS TEXT) FROM message").await, stored, "{}", desk.fresh.name);
        assert_eq!(everything(&desk.fresh).await.texts(&life.word), [], "{}", desk.fresh.name);

        // A file brings them back: known again, and not to be written to.
        let report = import(&desk.fresh.store, &format!("handle,email\n@back,{home}\n")).await;
        assert_eq!((report.created, report.failed.len()), (1, 0), "{}", desk.fresh.name);
        let mut tx = desk.fresh.store.begin("test").await.unwrap();
        let back = find_influencer(&mut tx, "@back").await.unwrap();
        let view = tx.view_influencers(vec![back]).await.unwrap().remove(0);
        assert_eq!(view.addresses[0].suppressed, Some(SuppressionReason::Erased));
        for address in [&home, &work] {
            let refused = enqueue::enqueue(&mut tx, &desk.clock, life::order(address, "Hello again")).await;
            assert!(matches!(refused, Err(EnqueueError::Stopped(_))), "{}: {refused:?}", desk.fresh.name);
        }
        // The other one said no before: that is why.
        let kept = tx.suppressed(Channel::Email, vec![work.clone()]).await.unwrap();
        assert_eq!(kept.iter().map(|s| s.reason).collect::<Vec<_>>(), [SuppressionReason::ByHand]);

        // Only a person lifts it.
        let lifted = lift_suppression(&mut tx, &desk.clock, &home, "kim").await.unwrap();
        assert_eq!(lifted.as_slice(), std::slice::from_ref(&home));
        enqueue::enqueue(&mut tx, &desk.clock, life::order(&home, "Hello again")).await.unwrap();
        assert!(lift_suppression(&mut tx, &desk.clock, &home, "kim").await.unwrap().is_empty());
        tx.commit().await.unwrap();

        // What they write anew comes from somebody nobody knows.
        let anew = life::letter(&work, "team@acme.example", "", "new", "Is it me?");
        desk.drop_into(FolderRole::Inbox, &[anew]).await;
        let waiting =
            desk.fresh.store.read().await.unwrap().list_unmatched(liaison::store::reading::Page::newest(9)).await;
        let waiting = waiting.unwrap().data;
        assert_eq!(waiting.iter().filter(|u| u.address == work).count(), 1, "{}: {waiting:?}", desk.fresh.name);
    }
}

#[tokio::test]
async fn what_is_being_handed_over_is_not_erased_and_nothing_else_either() {
    for fresh in stores::both().await {
        let desk = Desk::new(fresh).await;
        let life = live(&desk, 0).await;
        let before = everything(&desk.fresh).await.hits(&life.word);
        for status in ["claimed", "handed_over"] {
            let sql = format!("UPDATE outbox SET status = '{status}' WHERE id = $1");
            crate::seed::run(&desk.fresh, &sql, &[life.queued.0]).await;
            let refused = erase_now(&desk, life.id, false).await;
            assert!(matches!(refused, Err(PeopleError::InHand(id)) if id == life.queued), "{status}: {refused:?}");
        }
        assert_eq!(everything(&desk.fresh).await.hits(&life.word), before, "{}", desk.fresh.name);
        crate::seed::run(&desk.fresh, "UPDATE outbox SET status = 'queued' WHERE id = $1", &[life.queued.0]).await;
        let erased = erase_now(&desk, life.id, false).await.unwrap();
        assert!(matches!(erase_now(&desk, life.id, false).await, Err(PeopleError::NoInfluencer(_))));
        let records = desk.fresh.store.read().await.unwrap().list_erasures(None, 9).await.unwrap();
        assert_eq!(
            records.iter().map(|r| (Some(r.id), r.influencer_id)).collect::<Vec<(Option<ErasureId>, _)>>(),
            [(erased.id, life.id)]
        );
        assert_eq!((records[0].by.as_str(), records[0].overwritten_at), ("a test", None));
    }
}

#[tokio::test]
async fn an_export_is_whole_and_about_nobody_else() {
    for fresh in stores::both().await {
        let desk = Desk::new(fresh).await;
        let (life, other) = (live(&desk, 0).await, live(&desk, 1).await);
        let mut archive = Vec::new();
        let done = liaison::app::write_export(&desk.fresh.store, &desk.clock, life.id, &mut archive).await.unwrap();
        assert_eq!((done.influencer_id, done.messages), (life.id, life.messages(&desk).await));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &archive).unwrap();
        let listing = look::unpacked(file.path());
        let person: serde_json::Value = serde_json::from_slice(&listing["person.json"]).unwrap();
        for (table, _) in exported() {
            let rows = person["rows"][table].as_array().unwrap_or_else(|| panic!("{table} is not in the export"));
            assert!(!rows.is_empty(), "{}: nothing of {table} was told", desk.fresh.name);
        }
        let row = &person["rows"]["address"][0];
        assert!(row["id"].as_str().unwrap().starts_with("adr_"), "{row}");
        assert_eq!(row["influencer_id"], serde_json::json!(life.id));
        assert!(row["is_primary"].is_boolean() && row["created_at"].as_str().unwrap().ends_with('Z'), "{row}");
        let mails = listing.keys().filter(|name| name.ends_with(".eml")).count();
        assert!(mails >= life.inbox.len(), "{mails}");
        let attached = listing.iter().find(|(name, _)| name.ends_with("/0-offer.txt")).unwrap();
        assert_eq!((attached.0.ends_with("0-offer.txt"), attached.1.as_slice()), (true, life.file.as_bytes()));
        let own = format!("0-{}.txt", life.word);
        let fetched =
            listing.iter().find(|(name, _)| name.starts_with("attachments/") && name.ends_with(&own)).unwrap();
        assert_eq!(fetched.1, format!("I am {}", life.word).as_bytes());
        let all = String::from_utf8_lossy(&archive).into_owned();
        assert!(all.contains(&life.word) && !all.contains(&other.word), "{}", desk.fresh.name);
        let nobody = InfluencerId(desk.clock.new_id());
        assert!(liaison::app::write_export(&desk.fresh.store, &desk.clock, nobody, &mut Vec::new()).await.is_err());
    }
}

#[tokio::test]
async fn the_file_is_not_rewritten_while_nobody_was_erased() {
    let desk = Desk::new(stores::sqlite().await).await;
    assert_eq!(sweep::sweep(&desk.fresh.store, &desk.clock).await.unwrap(), 0);
    let life = live(&desk, 0).await;
    erase_now(&desk, life.id, false).await.unwrap();
    // Somebody still reads what was: then it is tried again.
    let mut reader = desk.fresh.store.snapshot().await.unwrap();
    reader.list_erasures(None, 1).await.unwrap();
    let busy = sweep::sweep(&desk.fresh.store, &desk.clock).await;
    assert!(matches!(busy, Err(StoreError::Conflict(_))), "{busy:?}");
    drop(reader);
    assert_eq!(sweep::sweep(&desk.fresh.store, &desk.clock).await.unwrap(), 1);
    assert_eq!(sweep::sweep(&desk.fresh.store, &desk.clock).await.unwrap(), 0);
}
