//! Channels that are no mail: how far they were read, under which ids providers have messages, how ours fare, and what was said before.

use crate::stores::{self, Fresh};
use crate::{outbox_bench, seed};
use liaison::clock::Clock;
use liaison::domain::ids::{AgentId, MessageId};
use liaison::domain::words::{Channel, Direction, Kind, OutboxStatus, Progress, Role, UnmatchedReason};
use liaison::store::feed::{
    LastWritten, NewProviderMessage, ProviderMessageRow, READING_REST_MAX, Revised, SeenRest, ShareRow, SoughtRow,
};
use liaison::store::message::{NewMessage, NewParticipation, NewUnmatched};
use liaison::store::thread::ThreadRow;
use std::time::Duration;

const OURS: &str = "+14155550100";
const ANA: &str = "+14155550101";
const BO: &str = "+14155550102";

fn told(account: &str, id: &str, message_id: MessageId) -> NewProviderMessage {
    NewProviderMessage { account: account.into(), provider_id: id.into(), message_id }
}

/// Somebody's thread, and a message of theirs in it.
async fn message(fresh: &Fresh, clock: &Clock) -> MessageId {
    let influencer = seed::influencer(fresh, clock).await;
    let thread = seed::thread(fresh, clock, influencer, 1).await;
    seed::message_in(fresh, clock, &thread, 1).await
}

/// What we wrote to a number, with its row of the outbox.
async fn texted(fresh: &Fresh, clock: &Clock, (to, text): (&str, &str), status: &str) -> MessageId {
    let influencer = seed::influencer(fresh, clock).await;
    let thread = seed::thread(fresh, clock, influencer, 1).await;
    let mut message = seed::message(clock, thread.conversation_id, 1);
    (message.channel, message.direction) = (Channel::Sms, Direction::Outbound);
    (message.author_address, message.text) = (OURS.into(), text.into());
    let id = message.id;
    seed::put(fresh, message, vec![(influencer, thread.id, Role::Recipient)]).await;
    seed::outbox(fresh, id, status).await;
    let sql = format!("UPDATE outbox_recipient SET address = '{to}', address_key = '{to}' WHERE outbox_id = $1");
    seed::run(fresh, &sql, &[id.0]).await;
    id
}

#[tokio::test]
async fn each_account_goes_on_where_it_was_left() {
    for fresh in stores::both().await {
        let mut tx = fresh.store.begin("test.feed").await.unwrap();
        assert_eq!(tx.get_feed_cursor("texts").await.unwrap(), None, "{}", fresh.name);
        tx.set_feed_cursor("texts", "page 1", seed::at(1)).await.unwrap();
        tx.set_feed_cursor("slack", "T1", seed::at(1)).await.unwrap();
        tx.set_feed_cursor("texts", "page 2", seed::at(2)).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = fresh.store.read().await.unwrap();
        assert_eq!(tx.get_feed_cursor("texts").await.unwrap().as_deref(), Some("page 2"), "{}", fresh.name);
        assert_eq!(tx.get_feed_cursor("slack").await.unwrap().as_deref(), Some("T1"));
        drop(tx);
        let read_at = seed::count(&fresh, "SELECT read_at FROM feed WHERE account = 'texts'").await;
        assert_eq!(read_at, seed::at(2).0, "{}", fresh.name);
    }
}

#[tokio::test]
async fn ids_of_providers_are_kept_once_and_mean_something_within_their_account() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let (a, b) = (message(&fresh, &clock).await, message(&fresh, &clock).await);
        let mut tx = fresh.store.begin("test.feed").await.unwrap();
        let rows = vec![told("texts", "SM2", a), told("texts", "SM1", a), told("other", "SM1", b)];
        assert_eq!(tx.insert_provider_messages(rows).await.unwrap(), 3, "{}", fresh.name);
        // What is noted already stays.
        let again = vec![told("texts", "SM1", b), told("texts", "SM3", b)];
        assert_eq!(tx.insert_provider_messages(again).await.unwrap(), 1, "{}", fresh.name);
        assert_eq!(tx.insert_provider_messages(Vec::new()).await.unwrap(), 0);
        let row = |account: &str, id: &str, message_id| ProviderMessageRow {
            account: account.into(),
            provider_id: id.into(),
            message_id,
            progress: None,
            code: None,
        };
        let ids = ["SM1", "SM3", "SM9"].map(str::to_owned).to_vec();
        let mut found = tx.find_provider_messages("texts", ids.clone()).await.unwrap();
        found.sort_by(|a, b| a.provider_id.cmp(&b.provider_id));
        assert_eq!(found, [row("texts", "SM1", a), row("texts", "SM3", b)], "{}", fresh.name);
        assert_eq!(tx.find_provider_messages("other", ids.clone()).await.unwrap(), [row("other", "SM1", b)]);
        assert_eq!(tx.find_provider_messages("nobody", ids).await.unwrap(), []);
        assert_eq!(tx.find_provider_messages("texts", Vec::new()).await.unwrap(), []);
        let (of_a, of_b) = (
            [row("texts", "SM1", a), row("texts", "SM2", a)].to_vec(),
            [row("other", "SM1", b), row("texts", "SM3", b)].to_vec(),
        );
        let all = if a < b { [of_a.clone(), of_b].concat() } else { [of_b, of_a.clone()].concat() };
        assert_eq!(tx.list_provider_messages(vec![b, a]).await.unwrap(), all, "{}", fresh.name);
        assert_eq!(tx.list_provider_messages(vec![a]).await.unwrap(), of_a);
        assert_eq!(tx.list_provider_messages(Vec::new()).await.unwrap(), []);
        tx.forget_provider_messages(b).await.unwrap();
        assert_eq!(tx.list_provider_messages(vec![b, a]).await.unwrap(), of_a, "{}: the other's stay", fresh.name);
    }
}

#[tokio::test]
async fn what_a_provider_reads_itself_in_a_message_is_noted_once() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let id = message(&fresh, &clock).await;
        let mut tx = fresh.store.begin("test.feed").await.unwrap();
        let rows = vec![told("texts", "SM1", id), told("other", "SM1", id), told("texts", "SM2", id)];
        tx.insert_provider_messages(rows).await.unwrap();
        assert!(tx.set_read_there("texts", "SM1", "stop").await.unwrap(), "{}", fresh.name);
        for (account, key, code) in [("texts", "SM1", "stop"), ("texts", "SM1", "start"), ("texts", "SM9", "stop")] {
            assert!(!tx.set_read_there(account, key, code).await.unwrap(), "{}: {key} {code}", fresh.name);
        }
        // One of ours that fares somehow is none of theirs.
        assert!(tx.set_progress("texts", "SM2", (Progress::Sent, None), seed::at(1)).await.unwrap());
        assert!(!tx.set_read_there("texts", "SM2", "stop").await.unwrap(), "{}", fresh.name);
        let codes: Vec<_> =
            tx.list_provider_messages(vec![id]).await.unwrap().into_iter().map(|row| row.code).collect();
        assert_eq!(codes, [None, Some("stop".to_owned()), None], "{}", fresh.name);
    }
}

#[tokio::test]
async fn what_a_provider_tells_late_of_a_message_changes_nothing() {
    use Progress::{Delivered, Failed, Sent, Taken};
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let id = message(&fresh, &clock).await;
        for (n, (steps, last)) in [
            (
                vec![(Taken, true), (Taken, false), (Sent, true), (Taken, false), (Sent, false), (Delivered, true)],
                Delivered,
            ),
            (vec![(Delivered, true), (Taken, false), (Sent, false), (Failed, false), (Delivered, false)], Delivered),
            (vec![(Sent, true), (Failed, true), (Delivered, false), (Sent, false), (Taken, false)], Failed),
            (vec![(Taken, true), (Failed, true), (Failed, false)], Failed),
        ]
        .into_iter()
        .enumerate()
        {
            let key = format!("SM{n}");
            let mut tx = fresh.store.begin("test.feed").await.unwrap();
            tx.insert_provider_messages(vec![told("texts", &key, id), told("other", &key, id)]).await.unwrap();
            for (progress, is_news) in steps {
                // A code comes with what it is about, and a later word of another sort does not touch it.
                let code = (progress == Failed).then_some("30003");
                let set = tx.set_progress("texts", &key, (progress, code), seed::at(1)).await.unwrap();
                assert_eq!(set, is_news, "{}: {key} {progress}", fresh.name);
            }
            let row = tx.find_provider_messages("texts", vec![key.clone()]).await.unwrap().remove(0);
            let code = (last == Failed).then_some("30003");
            assert_eq!((row.progress, row.code.as_deref()), (Some(last), code), "{}: {key}", fresh.name);
            let other = tx.find_provider_messages("other", vec![key]).await.unwrap().remove(0);
            assert_eq!((other.progress, other.code), (None, None), "{}: of another account", fresh.name);
            tx.commit().await.unwrap();
        }
        let mut tx = fresh.store.begin("test.feed").await.unwrap();
        let unknown = tx.set_progress("texts", "SM9", (Taken, None), seed::at(1)).await.unwrap();
        assert!(!unknown, "{}: nobody knows it", fresh.name);
    }
}

#[tokio::test]
async fn a_provider_is_asked_for_a_message_by_its_numbers_and_words() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let id = texted(&fresh, &clock, (ANA, "Hello"), "uncertain").await;
        let theirs = message(&fresh, &clock).await;
        let second = "INSERT INTO outbox_recipient (outbox_id, position, address, address_key, name, state) \
            VALUES ($1, 1, 'bo@example.org', 'bo@example.org', '', 'pending')";
        seed::run(&fresh, second, &[id.0]).await;
        let mut tx = fresh.store.read().await.unwrap();
        let sought = SoughtRow { id, sender: OURS.into(), address: ANA.into(), text: "Hello".into() };
        assert_eq!(tx.list_sought(vec![id, theirs]).await.unwrap(), [sought], "{}", fresh.name);
        assert_eq!(tx.list_sought(Vec::new()).await.unwrap(), []);
    }
}

#[tokio::test]
async fn who_is_answered_wrote_last_by_themselves_on_the_same_channel() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let (ana, bo) = (seed::influencer(&fresh, &clock).await, seed::influencer(&fresh, &clock).await);
        let thread = seed::thread(&fresh, &clock, ana, 1).await;
        let wrote = |n: i64, mail: &mut NewMessage| {
            (mail.channel, mail.at) = (Channel::Sms, seed::at(n / 2));
            (mail.account, mail.author_address) = (format!("texts{n}"), ANA.into());
        };
        // The last two of these came at one instant.
        let part = |who, role| vec![(who, thread.id, role)];
        let ids = seed::messages(&fresh, &clock, &thread, (4, part(ana, Role::Author)), wrote).await;
        let later = |change: fn(&mut NewMessage)| {
            move |n: i64, mail: &mut NewMessage| {
                wrote(n, mail);
                mail.at = seed::at(9);
                change(mail);
            }
        };
        let machine = later(|mail| mail.kind = Kind::Automatic);
        seed::messages(&fresh, &clock, &thread, (1, part(ana, Role::Author)), machine).await;
        let posted = later(|mail| mail.channel = Channel::Slack);
        let posted = seed::messages(&fresh, &clock, &thread, (1, part(ana, Role::Author)), posted).await;
        let read = later(|mail| mail.direction = Direction::Outbound);
        seed::messages(&fresh, &clock, &thread, (1, part(ana, Role::Recipient)), read).await;
        let by_agent = seed::messages(&fresh, &clock, &thread, (1, Vec::new()), later(|_| ())).await;
        let mut tx = fresh.store.begin("test.feed").await.unwrap();
        tx.insert_participations(vec![for_agent(by_agent[0], &thread, AgentId(clock.new_id()))]).await.unwrap();
        let last = tx.last_written_by(ana, Channel::Sms).await.unwrap();
        let expected = LastWritten {
            id: ids[3],
            thread_id: thread.id,
            channel: Channel::Sms,
            account: "texts3".into(),
            address: ANA.into(),
        };
        assert_eq!(last, Some(expected), "{}", fresh.name);
        let on_slack = tx.last_written_by(ana, Channel::Slack).await.unwrap();
        assert_eq!(on_slack.map(|last| last.id), Some(posted[0]), "{}", fresh.name);
        assert_eq!(tx.last_written_by(ana, Channel::Email).await.unwrap(), None);
        assert_eq!(tx.last_written_by(bo, Channel::Sms).await.unwrap(), None);
        for (channels, expected) in [
            (vec![Channel::Sms], Some(ids[3])),
            (vec![Channel::Email, Channel::Slack], Some(posted[0])),
            (vec![Channel::Email], None),
            (Vec::new(), None),
        ] {
            let last = tx.last_written(ana, channels).await.unwrap().map(|last| last.id);
            assert_eq!(last, expected, "{}", fresh.name);
        }
        assert_eq!(tx.last_written(bo, vec![Channel::Sms]).await.unwrap(), None, "{}", fresh.name);
        // Whom they know is also who wrote to them.
        for (who, channel, account) in [
            (ana, Channel::Sms, Some("texts0")),
            (ana, Channel::Slack, Some("texts0")),
            (ana, Channel::Email, None),
            (bo, Channel::Sms, None),
        ] {
            assert_eq!(tx.known_account(who, channel).await.unwrap().as_deref(), account, "{} {channel}", fresh.name);
        }
    }
}

/// What an agent wrote for the influencer of a thread.
fn for_agent(message_id: MessageId, thread: &ThreadRow, agent: AgentId) -> NewParticipation {
    NewParticipation {
        message_id,
        influencer_id: thread.influencer_id,
        thread_id: thread.id,
        role: Role::Author,
        agent_id: Some(agent),
        assigned: false,
        at: seed::at(9),
    }
}

#[tokio::test]
async fn the_same_words_are_under_way_until_it_is_known_what_became_of_them() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let id = texted(&fresh, &clock, (ANA, "Hello"), "queued").await;
        for (status, is_under_way) in [
            ("queued", false),
            ("claimed", false),
            ("handed_over", true),
            ("uncertain", true),
            ("confirmed", false),
            ("rejected", false),
            ("cancelled", false),
        ] {
            let at = seed::at(2);
            let change = format!("UPDATE outbox SET status = '{status}', handed_over_at = {} WHERE id = $1", at.0);
            seed::run(&fresh, &change, &[id.0]).await;
            let mut tx = fresh.store.read().await.unwrap();
            let found = tx.find_under_way("brand", (ANA, "Hello"), seed::at(9)).await.unwrap();
            assert_eq!(found, if is_under_way { vec![id] } else { vec![] }, "{}: {status}", fresh.name);
            assert!(
                tx.find_under_way("brand", (ANA, "Hello"), seed::at(1)).await.unwrap().is_empty(),
                "{}",
                fresh.name
            );
            for (account, to, text) in [("other", ANA, "Hello"), ("brand", BO, "Hello"), ("brand", ANA, "hello")] {
                assert!(
                    tx.find_under_way(account, (to, text), seed::at(9)).await.unwrap().is_empty(),
                    "{}: {account} {to} {text}",
                    fresh.name
                );
            }
        }
    }
}

#[tokio::test]
async fn a_message_tells_who_takes_part_for_whom_and_through_which_account_it_came() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let (ana, bo) = (seed::influencer(&fresh, &clock).await, seed::influencer(&fresh, &clock).await);
        let (hers, theirs) = (seed::thread(&fresh, &clock, ana, 1).await, seed::thread(&fresh, &clock, bo, 1).await);
        let mut message = seed::message(&clock, hers.conversation_id, 1);
        (message.channel, message.account) = (Channel::Slack, "team".into());
        let id = message.id;
        seed::put(&fresh, message, vec![(ana, hers.id, Role::Cc)]).await;
        let agent = AgentId(clock.new_id());
        let mut tx = fresh.store.begin("test.feed").await.unwrap();
        tx.insert_participations(vec![for_agent(id, &theirs, agent)]).await.unwrap();
        let share = |influencer_id, agent_id, is_author: bool| ShareRow {
            influencer_id,
            agent_id,
            is_author,
            assigned: !is_author,
        };
        let mut expected = vec![share(ana, None, false), share(bo, Some(agent), true)];
        expected.sort_by_key(|share| share.influencer_id);
        assert_eq!(tx.list_parts_of(id).await.unwrap(), expected, "{}", fresh.name);
        assert_eq!(tx.message_account(id).await.unwrap(), Some(("team".to_owned(), Channel::Slack)), "{}", fresh.name);
        let nobody = MessageId(clock.new_id());
        assert_eq!(tx.list_parts_of(nobody).await.unwrap(), []);
        assert_eq!(tx.message_account(nobody).await.unwrap(), None);
    }
}

#[tokio::test]
async fn what_is_due_waits_for_what_is_on_its_way_to_the_same_address() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let due = texted(&fresh, &clock, (ANA, "Hello"), "queued").await;
        let same = texted(&fresh, &clock, (ANA, "Hello"), "queued").await;
        let other = texted(&fresh, &clock, (BO, "Hello"), "queued").await;
        let set =
            async |sql: &str| seed::run(&fresh, &format!("UPDATE outbox SET {sql} WHERE id = $1"), &[same.0]).await;
        let busy = async |account: &str| {
            let mut tx = fresh.store.read().await.unwrap();
            tx.find_busy(vec![due, other], account, seed::at(5)).await.unwrap()
        };
        assert_eq!(busy("brand").await, [], "{}: only due", fresh.name);
        let (before, after) = (seed::at(5).0, seed::at(6).0);
        for (sql, waits) in [
            ("status = 'claimed'".to_owned(), true),
            ("status = 'handed_over'".to_owned(), true),
            ("status = 'uncertain'".to_owned(), true),
            ("status = 'confirmed'".to_owned(), false),
            (format!("handed_over_at = {before}"), false),
            (format!("handed_over_at = {after}"), true),
        ] {
            set(&sql).await;
            assert_eq!(busy("brand").await, if waits { vec![due] } else { Vec::new() }, "{}: {sql}", fresh.name);
            assert_eq!(busy("other").await, [], "{}: of another account", fresh.name);
        }
        // Other words of which nobody knows whether they arrived can be told from these.
        set("status = 'uncertain', handed_over_at = NULL").await;
        seed::run(&fresh, "UPDATE message SET text = 'Something else' WHERE id = $1", &[same.0]).await;
        assert_eq!(busy("brand").await, [], "{}: other words", fresh.name);
        // Nothing waits for itself.
        set("status = 'claimed'").await;
        let mut tx = fresh.store.read().await.unwrap();
        assert_eq!(tx.find_busy(vec![same], "brand", seed::at(5)).await.unwrap(), [], "{}", fresh.name);
        assert_eq!(tx.find_busy(Vec::new(), "brand", seed::at(5)).await.unwrap(), []);
        // What has to wait keeps nothing else waiting.
        let mut tx = fresh.store.begin("test.feed").await.unwrap();
        for (account, at_most, expected) in [("brand", 1, vec![other]), ("brand", 9, vec![other]), ("other", 9, vec![])]
        {
            let free = tx.lock_due_free(account, (seed::at(9), seed::at(5)), true, at_most).await.unwrap();
            assert_eq!(free, expected, "{}: {account}", fresh.name);
        }
        assert_eq!(tx.lock_due_free("brand", (seed::at(0), seed::at(5)), true, 9).await.unwrap(), [], "{}", fresh.name);
    }
}

#[tokio::test]
async fn what_waits_to_be_sent_again_is_over_once_it_turns_out_that_it_was_sent() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        for (status, is_over) in [("queued", true), ("deferred", true), ("claimed", false), ("cancelled", false)] {
            let id = texted(&fresh, &clock, (ANA, "Hello"), status).await;
            let mut tx = fresh.store.begin("test.feed").await.unwrap();
            let over = tx.confirm_waiting(id, "the provider has it", seed::at(9)).await.unwrap();
            let row = tx.get_outbox(id).await.unwrap().unwrap();
            assert_eq!((over, row.status == OutboxStatus::Confirmed), (is_over, is_over), "{}: {status}", fresh.name);
            tx.commit().await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_is_to_follow_from_a_message_that_waits_can_be_written_anew() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let id = message(&fresh, &clock).await;
        let mut tx = fresh.store.begin("test.feed").await.unwrap();
        let waits = NewUnmatched {
            message_id: id,
            reason: UnmatchedReason::UnknownSender,
            address: ANA.into(),
            address_key: ANA.into(),
            name: String::new(),
            influencer_id: None,
            agent_id: None,
            at: seed::at(1),
            facts: Some(serde_json::json!({"answer": "none"})),
        };
        tx.insert_unmatched(vec![waits]).await.unwrap();
        tx.set_waiting_facts(id, serde_json::json!({"answer": "opt_out"})).await.unwrap();
        let row = tx.list_waiting(vec![id]).await.unwrap().remove(0);
        assert_eq!(row.facts["answer"], "opt_out", "{}", fresh.name);
    }
}

#[tokio::test]
async fn an_account_is_locked_until_the_transaction_is_over() {
    for bench in outbox_bench::both().await {
        let mut first = bench.begin().await;
        first.lock_account("brand").await.unwrap();
        let mut second = tokio::spawn({
            let store = bench.fresh.store.clone();
            async move {
                let mut tx = store.begin("test.lock").await?;
                // One that is not there keeps nobody from anything.
                tx.lock_account("nobody").await?;
                tx.lock_account("brand").await?;
                tx.commit().await
            }
        });
        let early = tokio::time::timeout(Duration::from_millis(200), &mut second).await;
        assert!(early.is_err(), "{}: it did not wait", bench.name());
        first.commit().await.unwrap();
        tokio::time::timeout(Duration::from_secs(20), second).await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test]
async fn whoever_wrote_first_is_known_by_the_conversation_within_its_account() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let (wrote, read) = (message(&fresh, &clock).await, texted(&fresh, &clock, (ANA, "Hello"), "confirmed").await);
        let mut tx = fresh.store.begin("test.feed").await.unwrap();
        tx.insert_ref_of(wrote, "chat:brand:a").await.unwrap();
        tx.insert_ref_of(read, "chat:brand:b").await.unwrap();
        assert!(tx.has_written_from("brand", "chat:brand:a").await.unwrap(), "{}", fresh.name);
        assert!(!tx.has_written_from("brand", "chat:brand:b").await.unwrap(), "{}: we wrote to them", fresh.name);
        assert!(!tx.has_written_from("other", "chat:brand:a").await.unwrap(), "{}: to another account", fresh.name);
        assert!(!tx.has_written_from("brand", "chat:brand:c").await.unwrap());
    }
}

#[tokio::test]
async fn what_was_said_before_is_kept_once_for_each_change_the_oldest_first() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let (theirs, ours) = (message(&fresh, &clock).await, texted(&fresh, &clock, (ANA, "Hello"), "confirmed").await);
        let mut tx = fresh.store.begin("test.feed").await.unwrap();
        let known = tx.get_revised(theirs).await.unwrap().unwrap();
        let text = "Text number 1 about running shoes".to_owned();
        let expected =
            Revised { direction: Direction::Inbound, text, said_at: known.said_at, changed_at: None, status: None };
        assert_eq!(known, expected, "{}", fresh.name);
        assert_eq!(tx.list_revisions(theirs).await.unwrap(), []);
        assert!(tx.insert_revision((theirs, seed::at(5)), "second", true).await.unwrap());
        assert!(tx.insert_revision((theirs, seed::at(3)), "first", false).await.unwrap());
        assert!(!tx.insert_revision((theirs, seed::at(5)), "again", false).await.unwrap(), "{}: known", fresh.name);
        assert!(tx.insert_revision((ours, seed::at(5)), "ours", false).await.unwrap());
        let all = [(seed::at(3), "first".to_owned(), false), (seed::at(5), "second".to_owned(), true)];
        assert_eq!(tx.list_revisions(theirs).await.unwrap(), all, "{}", fresh.name);
        let changed = tx.get_revised(theirs).await.unwrap().unwrap();
        assert_eq!(changed, Revised { changed_at: Some(seed::at(5)), ..known }, "{}", fresh.name);
        let sent = tx.get_revised(ours).await.unwrap().unwrap();
        assert_eq!((sent.direction, sent.status), (Direction::Outbound, Some(OutboxStatus::Confirmed)));
        assert_eq!(tx.get_revised(MessageId(clock.new_id())).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_provider_that_wants_rest_has_it_until_the_latest_instant_it_named() {
    for fresh in stores::both().await {
        let mut tx = fresh.store.begin("test.feed").await.unwrap();
        tx.ensure_account("texts", "twilio", OURS, seed::at(0)).await.unwrap();
        tx.ensure_account("other", "telnyx", OURS, seed::at(0)).await.unwrap();
        assert_eq!(tx.get_account("texts").await.unwrap().unwrap().rest_until, None, "{}", fresh.name);
        for (until, expected) in [(20, 20), (10, 20), (20, 20), (30, 30)] {
            tx.rest_account("texts", seed::at(until)).await.unwrap();
            let rest = tx.get_account("texts").await.unwrap().unwrap().rest_until;
            assert_eq!(rest, Some(seed::at(expected)), "{}", fresh.name);
        }
        tx.rest_account("nobody", seed::at(1)).await.unwrap();
        // Whoever reads is asked by itself.
        for (until, expected) in [(7, 7), (5, 7), (9, 9)] {
            tx.rest_reading("texts", seed::at(until)).await.unwrap();
            let row = tx.get_account("texts").await.unwrap().unwrap();
            let rests = (row.rest_until, row.reading_rest_until);
            assert_eq!(rests, (Some(seed::at(30)), Some(seed::at(expected))), "{}", fresh.name);
        }
        let all = tx.list_accounts().await.unwrap();
        let rests: Vec<_> = all.iter().map(|row| (row.name.as_str(), row.rest_until)).collect();
        assert_eq!(rests, [("other", None), ("texts", Some(seed::at(30)))], "{}", fresh.name);
        for (name, now, ends) in [("other", 1, false), ("texts", 30, false), ("texts", 29, true), ("texts", 29, false)]
        {
            assert_eq!(tx.end_rest(name, seed::at(now)).await.unwrap(), ends, "{}: {name} {now}", fresh.name);
        }
        let row = tx.get_account("texts").await.unwrap().unwrap();
        assert_eq!((row.rest_until, row.reading_rest_until), (None, None), "{}: both", fresh.name);
        // Also where only whoever reads was to rest.
        tx.rest_reading("texts", seed::at(40)).await.unwrap();
        for (now, ends) in [(40, false), (39, true), (39, false)] {
            assert_eq!(tx.end_rest("texts", seed::at(now)).await.unwrap(), ends, "{}: {now}", fresh.name);
        }
        assert_eq!(tx.get_account("texts").await.unwrap().unwrap().reading_rest_until, None, "{}", fresh.name);
    }
}

#[test]
fn a_stored_rest_is_kept_to_for_an_hour_at_most() {
    let (mut seen, now) = (SeenRest::default(), seed::at(1));
    assert_eq!(seen.until(None, now), None);
    let soon = now.plus(Duration::from_secs(30));
    assert_eq!((seen.until(Some(soon), now), seen.until(Some(soon), soon)), (Some(soon), None));
    // However often it is looked at, and however far away it is.
    let (far, hour) = (now.plus(Duration::from_hours(30)), now.plus(READING_REST_MAX));
    for (at, until) in [(now, Some(hour)), (soon, Some(hour)), (hour, None)] {
        assert_eq!(seen.until(Some(far), at), until, "{at:?}");
    }
    // One that is asked for later is another one.
    let next = hour.plus(Duration::from_secs(5));
    assert_eq!(seen.until(Some(next), hour), Some(next));
}

#[tokio::test]
async fn an_account_whose_address_is_not_told_keeps_the_one_that_is_known() {
    for fresh in stores::both().await {
        let mut tx = fresh.store.begin("test.feed").await.unwrap();
        for (address, expected) in [("", ""), ("T1/U1", "T1/U1"), ("", "T1/U1"), ("T1/U2", "T1/U2")] {
            tx.ensure_account("team", "slack", address, seed::at(0)).await.unwrap();
            let row = tx.get_account("team").await.unwrap().unwrap();
            assert_eq!((row.kind.as_str(), row.address.as_str()), ("slack", expected), "{}", fresh.name);
        }
    }
}

#[tokio::test]
async fn what_was_read_as_written_elsewhere_is_ours_once_that_is_known() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let name = fresh.name;
        let by_hand = message(&fresh, &clock).await;
        let (ours, others) = (
            texted(&fresh, &clock, (ANA, "hi"), "uncertain").await,
            texted(&fresh, &clock, (BO, "hi"), "uncertain").await,
        );
        let mut tx = fresh.store.begin("test.feed").await.unwrap();
        tx.insert_provider_messages(vec![told("texts", "SM1", by_hand)]).await.unwrap();
        let mut whose = Vec::new();
        for (id, message) in [("SM1", ours), ("SM1", others), ("SM2", others)] {
            tx.take_provider_message("texts", id, message).await.unwrap();
            whose.push(tx.find_provider_messages("texts", vec![id.to_owned()]).await.unwrap()[0].message_id);
        }
        // What is one of the outbox's stays its.
        assert_eq!(whose, [ours, ours, others], "{name}");
    }
}
