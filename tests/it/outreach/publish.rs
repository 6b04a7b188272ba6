//! What publishing does with files that are gone or older: it ends nothing.

use super::world::{World, definition, email, house};
use crate::stores;
use liaison::hub::outreach;
use liaison::sequence::{self, Absent, Loaded, Trust};

fn loaded(definitions: Vec<liaison::domain::sequence::Definition>) -> Loaded {
    let ids = definitions.iter().map(|d| d.id.clone()).collect();
    let definitions = definitions.into_iter().map(|d| (d.clone(), sequence::load::hash(&d))).collect();
    Loaded { definitions, findings: Vec::new(), ids }
}

#[tokio::test]
async fn what_is_absent_goes_on_and_is_told() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        let of = |id: &str| definition(id, vec![email("intro", None, "intro.md")]);
        world.publish(vec![of("spring"), of("autumn"), of("winter")]).await;
        let ana = world.person(Some("America/New_York")).await;
        let run = world.enroll("spring", &[ana]).await[0].clone().unwrap();
        let spring = Absent { id: "spring".to_owned(), live: 1 };
        for (files, trust, closed) in [
            // No folder at all: unmounted, or not readable.
            (vec![], Trust::Whole, vec![]),
            (vec![of("autumn")], Trust::News, vec![]),
            (vec![of("autumn")], Trust::Whole, vec!["winter".to_owned()]),
        ] {
            let mut tx = world.fresh.store.begin("test").await.unwrap();
            let published = sequence::publish(&mut tx, &world.clock, &loaded(files), trust).await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!((published.absent, published.closed), (vec![spring.clone()], closed), "{}", world.fresh.name);
            assert!(outreach::is_live(&world.run_of(run).await));
        }
        let finding = spring.finding();
        assert_eq!(finding.code, Some("L032"));
        assert!(finding.message.contains("1 live run"), "{finding:?}");
        assert_eq!(world.run_until("2026-11-06T00:00:00Z").await.len(), 1, "it goes on");
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        assert_eq!(sequence::remove(&mut tx, &world.clock, "summer").await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_node_with_older_files_changes_nothing() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        let old = definition("spring", vec![email("intro", None, "intro.md")]);
        let new =
            definition("spring", vec![email("intro", None, "intro.md"), email("nudge", Some("1 day"), "nudge.md")]);
        world.publish(vec![old.clone()]).await;
        world.publish(vec![new.clone()]).await;
        let active = async |world: &World| {
            let mut tx = world.fresh.store.read().await.unwrap();
            tx.get_sequence("spring").await.unwrap().unwrap().active_hash
        };
        let publish = async |files: &liaison::domain::sequence::Definition, trust: Trust| {
            let mut tx = world.fresh.store.begin("test").await.unwrap();
            let done = sequence::publish(&mut tx, &world.clock, &loaded(vec![files.clone()]), trust).await.unwrap();
            tx.commit().await.unwrap();
            (done.changed.len(), done.behind.len())
        };
        assert_eq!(publish(&old, Trust::News).await, (0, 1));
        assert_eq!(active(&world).await, Some(sequence::load::hash(&new)));
        assert_eq!(publish(&new, Trust::News).await, (0, 0));
        // Somebody who reloads wants what stands there.
        assert_eq!(publish(&old, Trust::Whole).await, (1, 0));
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        sequence::remove(&mut tx, &world.clock, "spring").await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(publish(&new, Trust::News).await, (0, 1), "what was removed does not come back by itself");
        assert_eq!(active(&world).await, None);
    }
}
