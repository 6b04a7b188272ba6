//! An export as it is given away: a piece at a time, and not of somebody who is erased meanwhile.

use super::{Desk, live, look};
use crate::{seed, stores};
use liaison::clock::Clock;
use liaison::domain::ids::InfluencerId;
use liaison::hub::people::erase::erase;
use liaison::hub::people::export::{ExportError, Taker};
use liaison::hub::people::merge;
use liaison::store::Store;

/// Keeps all that it is given, and knows the largest piece.
#[derive(Default)]
struct Kept {
    all: Vec<u8>,
    largest: usize,
}

impl Taker for Kept {
    async fn take(&mut self, octets: Vec<u8>) -> std::io::Result<()> {
        self.largest = self.largest.max(octets.len());
        self.all.extend(octets);
        Ok(())
    }
}

#[tokio::test]
async fn an_export_is_given_away_in_pieces_however_much_there_is() {
    const MESSAGES: i64 = 1_010;
    for fresh in stores::both().await {
        let clock = Clock::machine();
        let ana = seed::influencer(&fresh, &clock).await;
        let thread = seed::thread(&fresh, &clock, ana, 1).await;
        for n in 0..MESSAGES {
            seed::message_in(&fresh, &clock, &thread, n / 3).await;
        }
        let mut kept = Kept::default();
        let done = liaison::app::write_export(&fresh.store, &clock, ana, &mut kept).await.unwrap();
        assert_eq!(done.messages, usize::try_from(MESSAGES).unwrap());
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &kept.all).unwrap();
        let listing = look::unpacked(file.path());
        let person: serde_json::Value = serde_json::from_slice(&listing["person.json"]).unwrap();
        for table in ["message", "participation"] {
            let rows = person["rows"][table].as_array().unwrap();
            let ids: std::collections::HashSet<String> =
                rows.iter().map(|r| r[if table == "message" { "id" } else { "message_id" }].to_string()).collect();
            assert_eq!((rows.len(), ids.len()), (1_010, 1_010), "{}: {table}", fresh.name);
        }
        assert!(kept.largest * 3 < kept.all.len(), "{}: {} of {}", fresh.name, kept.largest, kept.all.len());
    }
}

/// What becomes of somebody while an archive about them is read.
enum Becomes {
    Erased,
    /// The one who is kept of the two.
    Joined(InfluencerId),
}

/// Lets it happen to somebody once it has been given something.
struct Meanwhile {
    store: Store,
    clock: Clock,
    id: InfluencerId,
    becomes: Option<Becomes>,
}

impl Taker for Meanwhile {
    async fn take(&mut self, _: Vec<u8>) -> std::io::Result<()> {
        let Some(becomes) = self.becomes.take() else { return Ok(()) };
        let mut tx = self.store.begin("test.meanwhile").await.unwrap();
        match becomes {
            Becomes::Erased => {
                erase(&mut tx, &self.clock, self.id, "a test", false).await.unwrap();
            }
            Becomes::Joined(kept) => {
                merge(&mut tx, &self.clock, kept, self.id, "a test").await.unwrap();
            }
        }
        tx.commit().await.unwrap();
        Ok(())
    }
}

#[tokio::test]
async fn an_export_of_somebody_who_is_erased_meanwhile_breaks_off() {
    for fresh in stores::both().await {
        let desk = Desk::new(fresh).await;
        let life = live(&desk, 0).await;
        let (store, clock) = (desk.fresh.store.clone(), desk.clock.clone());
        let mut taker = Meanwhile { store, clock, id: life.id, becomes: Some(Becomes::Erased) };
        let done = liaison::app::write_export(&desk.fresh.store, &desk.clock, life.id, &mut taker).await;
        assert!(matches!(done, Err(ExportError::People(_))), "{}: {done:?}", desk.fresh.name);
    }
}

#[tokio::test]
async fn an_export_of_somebody_who_is_joined_meanwhile_breaks_off_whoever_is_kept() {
    for fresh in stores::both().await {
        let desk = Desk::new(fresh).await;
        for round in [0, 2] {
            let (one, other) = (live(&desk, round).await.id, live(&desk, round + 1).await.id);
            // It is about whoever goes, then about whoever is kept.
            let about = if round == 0 { one } else { other };
            let (store, clock) = (desk.fresh.store.clone(), desk.clock.clone());
            let mut taker = Meanwhile { store, clock, id: one, becomes: Some(Becomes::Joined(other)) };
            let done = liaison::app::write_export(&desk.fresh.store, &desk.clock, about, &mut taker).await;
            assert!(matches!(done, Err(ExportError::People(_))), "{} {round}: {done:?}", desk.fresh.name);
        }
    }
}
