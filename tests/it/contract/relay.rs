//! The relay: posts come in the order of their thread, words are seen to once, and what is about one thing is shown once.

use liaison::clock::{Clock, machine_now};
use liaison::domain::ids::{InfluencerId, MessageId, NoteId, RelayPostId, RelayThreadId};
use liaison::domain::time::Micros;
use liaison::domain::words::{RelaySort, RelayState, RelayWay, RelayWordState};
use liaison::store::Tx;
use liaison::store::relay::{NewRelayPost, RelayThreadRow, RelayWordRow};

use crate::{seed, stores};

fn thread(clock: &Clock, influencer_id: InfluencerId, place: &str) -> RelayThreadRow {
    RelayThreadRow {
        id: RelayThreadId(clock.new_id()),
        relay: "team".into(),
        account: "slack".into(),
        place: place.into(),
        influencer_id,
        marker: "!send".into(),
        root: None,
        created_at: Micros(5),
    }
}

fn post(clock: &Clock, thread: &RelayThreadRow, about: &str) -> NewRelayPost {
    NewRelayPost {
        id: RelayPostId(clock.new_id()),
        thread_id: thread.id,
        account: thread.account.clone(),
        sort: RelaySort::Shown,
        about: about.into(),
        message_id: None,
        text: format!("about {about}"),
        token: format!("relay-{}", clock.new_id().simple()),
        at: Micros(10),
    }
}

fn word(thread: &RelayThreadRow, id: &str, at: i64) -> RelayWordRow {
    RelayWordRow {
        account: thread.account.clone(),
        provider_id: id.into(),
        thread_id: thread.id,
        answers: None,
        way: RelayWay::Said,
        author: "Kim".into(),
        text: "a note".into(),
        refused: Some("why".into()),
        at: Micros(at),
        heard_at: Micros(at),
        changed: false,
        changed_at: None,
        taken_back: false,
        state: RelayWordState::Waiting,
        note_id: None,
        message_id: None,
    }
}

async fn next(tx: &mut Tx, now: i64) -> Option<String> {
    tx.next_relay_post("slack", Micros(now)).await.unwrap().map(|post| post.text)
}

#[tokio::test]
async fn posts_stand_in_line_behind_the_first_of_their_thread() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let (ana, zoe) = (seed::influencer(&fresh, &clock).await, seed::influencer(&fresh, &clock).await);
        let mut tx = fresh.store.begin("test.relay").await.unwrap();
        let (one, two) = (thread(&clock, ana, "C1"), thread(&clock, zoe, "C1"));
        let newer = thread(&clock, ana, "C2");
        for row in [&one, &two, &newer] {
            tx.insert_relay_thread(row).await.unwrap();
        }
        assert_eq!(tx.get_relay_thread(one.id).await.unwrap().as_ref(), Some(&one), "{}", fresh.name);
        assert_eq!(tx.find_relay_thread(vec![ana], ("slack", "C1")).await.unwrap().as_ref(), Some(&one));
        assert_eq!(tx.find_relay_thread(vec![ana], ("other", "C1")).await.unwrap(), None);
        assert_eq!(tx.find_relay_thread(vec![zoe, ana], ("slack", "C2")).await.unwrap().as_ref(), Some(&newer));
        assert_eq!(tx.find_relay_thread(Vec::new(), ("slack", "C2")).await.unwrap(), None);
        assert_eq!(tx.newest_relay_thread(vec![ana]).await.unwrap().as_ref(), Some(&newer));
        assert_eq!(tx.find_relay_thread_by_root("slack", "T1/C1/1.0").await.unwrap(), None);
        tx.set_relay_root(one.id, "T1/C1/1.0").await.unwrap();
        assert_eq!(tx.find_relay_thread_by_root("slack", "T1/C1/1.0").await.unwrap().map(|t| t.id), Some(one.id));

        let (a, b, c) = (post(&clock, &one, "a"), post(&clock, &one, "b"), post(&clock, &two, "c"));
        assert_eq!(tx.insert_relay_posts(vec![a.clone(), b.clone(), c.clone()]).await.unwrap(), 3);
        let again = NewRelayPost { id: RelayPostId(clock.new_id()), token: "relay-x".into(), ..a.clone() };
        assert_eq!(tx.insert_relay_posts(vec![again]).await.unwrap(), 0, "about one thing, once");
        assert_eq!(next(&mut tx, 9).await, None, "not due");
        assert_eq!(next(&mut tx, 10).await.as_deref(), Some("about a"));
        tx.begin_relay_post(a.id, Micros(11)).await.unwrap();
        let begun = tx.get_relay_post(a.id).await.unwrap().unwrap();
        assert_eq!((begun.state, begun.tries, begun.begun_at), (RelayState::Begun, 1, Some(Micros(11))));
        // What waits for its next try holds back its thread, and no other.
        tx.put_relay_post_off(a.id, (RelayState::Begun, Micros(50)), "no answer").await.unwrap();
        assert_eq!(next(&mut tx, 20).await.as_deref(), Some("about c"));
        assert_eq!(tx.last_relay_trouble("team").await.unwrap().as_deref(), Some("no answer"));
        tx.set_relay_posted(c.id, None).await.unwrap();
        assert_eq!(next(&mut tx, 20).await, None);
        assert_eq!(next(&mut tx, 50).await.as_deref(), Some("about a"));
        tx.set_relay_posted(a.id, Some("T1/C1/1.0")).await.unwrap();
        let posted = tx.find_relay_post(&a.token).await.unwrap().unwrap();
        assert_eq!(
            (posted.state, posted.provider_id.as_deref(), posted.why),
            (RelayState::Posted, Some("T1/C1/1.0"), None)
        );
        // What stands there is not put off any more; that it came back counts.
        tx.put_relay_post_off(a.id, (RelayState::Waiting, Micros(0)), "late").await.unwrap();
        assert_eq!(next(&mut tx, 50).await.as_deref(), Some("about b"));
        tx.fail_relay_post(a.id, "it came back").await.unwrap();
        let standings = tx.list_relay_standings().await.unwrap();
        let counted: Vec<_> = standings.iter().map(|row| (row.relay.as_str(), row.state, row.posts)).collect();
        assert_eq!(counted, [("team", RelayState::Failed, 1), ("team", RelayState::Waiting, 1)]);
        assert_eq!(tx.prune_relay_posts(Micros(10), 9).await.unwrap(), 0);
        assert_eq!(tx.expire_relay_posts(Micros(10), "too old").await.unwrap(), 0);
        assert_eq!(tx.expire_relay_posts(Micros(11), "too old").await.unwrap(), 1, "what stands there is not given up");
        let expired = tx.get_relay_post(b.id).await.unwrap().unwrap();
        assert_eq!((expired.state, expired.why.as_deref()), (RelayState::Failed, Some("too old")));
        assert!(tx.is_relay_place("slack", "C2").await.unwrap() && !tx.is_relay_place("slack", "C3").await.unwrap());
        assert_eq!(tx.last_shown(one.id, vec![ana]).await.unwrap(), None);
        assert_eq!(tx.prune_relay_posts(Micros(11), 2).await.unwrap(), 2);
        assert_eq!(tx.prune_relay_posts(Micros(11), 9).await.unwrap(), 1);
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn what_was_shown_last_is_theirs_whose_thread_it_is() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let (ana, zoe) = (seed::influencer(&fresh, &clock).await, seed::influencer(&fresh, &clock).await);
        let mut messages = Vec::new();
        for who in [ana, zoe] {
            let talk = seed::thread(&fresh, &clock, who, 1).await;
            messages.push(seed::message_in(&fresh, &clock, &talk, 1).await);
        }
        // They were taken for one person once: what both said stands in one thread.
        let one = thread(&clock, ana, "C1");
        let mut tx = fresh.store.begin("test.relay").await.unwrap();
        tx.insert_relay_thread(&one).await.unwrap();
        for (about, message) in ["a", "z"].into_iter().zip(&messages) {
            let shown = NewRelayPost { message_id: Some(*message), ..post(&clock, &one, about) };
            tx.insert_relay_posts(vec![shown.clone()]).await.unwrap();
            tx.set_relay_posted(shown.id, None).await.unwrap();
        }
        for (theirs, last) in [(vec![ana], Some(messages[0])), (vec![zoe, ana], Some(messages[1])), (Vec::new(), None)]
        {
            let shown = tx.last_shown(one.id, theirs).await.unwrap();
            assert_eq!(shown.map(|shown| shown.id), last, "{}", fresh.name);
        }
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn words_are_known_and_wait_until_they_are_seen_to() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let ana = seed::influencer(&fresh, &clock).await;
        let mut tx = fresh.store.begin("test.relay").await.unwrap();
        let one = thread(&clock, ana, "C1");
        tx.insert_relay_thread(&one).await.unwrap();
        let (late, early) = (word(&one, "2", 2), word(&one, "1", 1));
        assert!(tx.insert_relay_word(&late).await.unwrap() && tx.insert_relay_word(&early).await.unwrap());
        assert!(!tx.insert_relay_word(&late).await.unwrap(), "{}", fresh.name);
        assert_eq!(tx.list_waiting_relay_words(9).await.unwrap(), [early.clone(), late.clone()]);
        assert!(tx.has_relay_work(i64::MAX).await.unwrap());
        let message = MessageId(clock.new_id());
        for row in [early, late] {
            let done = RelayWordRow {
                state: RelayWordState::Done,
                changed: true,
                taken_back: true,
                way: RelayWay::Pressed,
                refused: None,
                note_id: Some(NoteId(clock.new_id())),
                message_id: (row.provider_id == "1").then_some(message),
                ..row
            };
            tx.update_relay_word(&done).await.unwrap();
            assert_eq!(tx.find_relay_word("slack", &done.provider_id).await.unwrap(), Some(done));
        }
        assert_eq!(tx.find_relay_word_of(message).await.unwrap().map(|w| w.provider_id).as_deref(), Some("1"));
        assert_eq!(tx.find_relay_word_of(MessageId(clock.new_id())).await.unwrap(), None);
        assert!(tx.list_waiting_relay_words(9).await.unwrap().is_empty());
        assert!(!tx.has_relay_work(i64::MAX).await.unwrap());
        // What was gone before it was heard: taken back stays taken back.
        assert_eq!(tx.find_relay_gone("slack", "3").await.unwrap(), None);
        for (taken_back, known) in [(false, false), (true, true), (false, true)] {
            tx.note_relay_gone(("slack", "3"), taken_back, Micros(3)).await.unwrap();
            assert_eq!(tx.find_relay_gone("slack", "3").await.unwrap(), Some(known), "{}", fresh.name);
        }
        assert_eq!(tx.get_heard(message).await.unwrap(), None);
        assert_eq!(tx.prune_relay_words(Micros(2)).await.unwrap(), 1);
        assert_eq!(tx.prune_relay_words(Micros(4)).await.unwrap(), 2);
        assert_eq!(tx.relay_seen().await.unwrap(), None);
        for seq in [7, 9] {
            tx.set_relay_seen(seq).await.unwrap();
            assert_eq!(tx.relay_seen().await.unwrap(), Some(seq));
        }
        assert_eq!(tx.last_heard(ana).await.unwrap(), None);
        // Notes change and go with what they were written as.
        let note = liaison::domain::people::Note {
            id: NoteId(clock.new_id()),
            influencer_id: ana,
            author: "Kim".into(),
            text: "one".into(),
            at: machine_now(),
        };
        tx.insert_note(&note).await.unwrap();
        tx.set_note_text(note.id, "two").await.unwrap();
        let all = |notes: Vec<liaison::domain::people::Note>| notes.into_iter().map(|n| n.text).collect::<Vec<_>>();
        let before = (Micros(i64::MAX), uuid::Uuid::max());
        assert_eq!(all(tx.list_timeline_notes(ana, before, 9).await.unwrap()), ["two"]);
        tx.delete_note(note.id).await.unwrap();
        assert!(tx.list_timeline_notes(ana, before, 9).await.unwrap().is_empty());
        tx.commit().await.unwrap();
    }
}
