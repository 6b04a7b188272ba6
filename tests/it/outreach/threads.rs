//! In which thread and from whom: a follow-up answers what was sent and nothing else, and people hear from whom they know.

use super::world::{World, definition, email, house};
use crate::{seed, stores};
use liaison::domain::ids::MessageId;
use liaison::hub::outreach::steer::{self, Act};

/// The head of a mail as it is stored.
async fn head(world: &World, id: MessageId) -> String {
    let mut tx = world.fresh.store.read().await.unwrap();
    let raw = zstd::decode_all(tx.get_raw(id).await.unwrap().unwrap().as_slice()).unwrap();
    let raw = String::from_utf8_lossy(&raw).into_owned();
    raw.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ")
}

#[tokio::test]
async fn follow_up_to_somebody_who_never_got_the_first_mail_answers_nothing() {
    let mut sequence = definition(
        "spring",
        vec![email("intro", Some("1 day"), "intro.md"), email("nudge", Some("1 day"), "nudge.md")],
    );
    sequence.templates.get_mut("intro.md").unwrap().subject = Some("A tee for {{ first_name }}".to_owned());
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![sequence.clone()]).await;
        let ana = world.person(Some("America/New_York")).await;
        let run = world.enroll("spring", &[ana]).await[0].clone().unwrap();
        world.settle().await;
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        steer::act(&mut tx, &world.clock, run, Act::Skip, "kim").await.unwrap();
        tx.commit().await.unwrap();
        let sent = world.run_until("2026-11-10T00:00:00Z").await;
        assert_eq!(sent.len(), 1, "{}", world.fresh.name);
        let head = head(&world, sent[0].id).await;
        assert!(head.contains("Subject: A tee for Ana") && !head.contains("Subject: Re:"), "{head}");
        assert!(!head.contains("In-Reply-To:") && !head.contains("References:"), "{head}");
    }
}

#[tokio::test]
async fn follow_up_with_the_same_subject_stays_in_the_thread_and_one_with_another_begins_one() {
    let steps = vec![
        email("intro", None, "intro.md"),
        email("same", Some("1 day"), "nudge.md"),
        email("other", Some("1 day"), "last.md"),
    ];
    let mut sequence = definition("spring", steps);
    let subject = sequence.templates["intro.md"].subject.clone();
    sequence.templates.get_mut("nudge.md").unwrap().subject = subject;
    sequence.templates.get_mut("last.md").unwrap().subject = Some("Something else".to_owned());
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![sequence.clone()]).await;
        let ana = world.person(Some("America/New_York")).await;
        world.enroll("spring", &[ana]).await;
        let sent = world.run_until("2026-11-10T00:00:00Z").await;
        assert_eq!(sent.len(), 3, "{}", world.fresh.name);
        let mut tx = world.fresh.store.read().await.unwrap();
        let mut rows = Vec::new();
        for message in &sent {
            rows.extend(tx.find_answered(vec![message.id]).await.unwrap());
        }
        drop(tx);
        let first = format!("<{}>", rows[0].internet_message_id.as_deref().unwrap());
        let second = head(&world, sent[1].id).await;
        assert!(second.contains(&format!("In-Reply-To: {first}")), "{second}");
        assert!(second.contains(&format!("References: {first}")), "{second}");
        assert_eq!(rows[0].conversation_id, rows[1].conversation_id);
        assert_ne!(rows[1].conversation_id, rows[2].conversation_id);
        assert!(!head(&world, sent[2].id).await.contains("In-Reply-To:"));
    }
}

#[tokio::test]
async fn people_hear_from_the_account_of_their_newest_thread() {
    let mut sequence = definition("spring", vec![email("intro", None, "intro.md")]);
    sequence.accounts = vec!["brand".to_owned(), "creators".to_owned()];
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![sequence.clone()]).await;
        let mut people = Vec::new();
        for n in 0..8 {
            let who = world.person(Some("America/New_York")).await;
            let (old, new) = if n % 2 == 0 { ("brand", "creators") } else { ("creators", "brand") };
            for (at, account) in [(1, old), (9, new)] {
                let thread = seed::thread(&world.fresh, &world.clock, who, at).await;
                let sql = format!("UPDATE thread SET account = '{account}' WHERE id = $1");
                seed::run(&world.fresh, &sql, &[thread.id.0]).await;
            }
            people.push((who, new));
        }
        let who: Vec<_> = people.iter().map(|(who, _)| *who).collect();
        let runs = world.enroll("spring", &who).await;
        for (run, (_, account)) in runs.into_iter().zip(people) {
            assert_eq!(world.run_of(run.unwrap()).await.account, account, "{}", world.fresh.name);
        }
    }
}
