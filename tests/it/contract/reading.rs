//! The read side: pages, views, the merged timeline, and search.

use super::desk;
use crate::{seed, stores};
use liaison::clock::Clock;
use liaison::domain::ids::{FolderId, MessageId, ThreadId};
use liaison::domain::words::{AccountState, Awaiting, Direction, FolderRole, Role, Scope, TaskState, UnmatchedReason};
use liaison::store::mailbox::FolderRow;
use liaison::store::mailbox::Side;
use liaison::store::message::{NewDelivery, NewMessage, NewUnmatched};
use liaison::store::reading::thread::ThreadFilter;
use liaison::store::reading::view::TimelineItem;
use liaison::store::reading::{Page, Place};
use liaison::store::task::TaskRow;
use std::collections::HashSet;

#[tokio::test]
async fn thread_pages_are_complete_and_never_repeat_while_threads_are_added() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let ana = seed::influencer(&fresh, &clock).await;
        let mut expected = HashSet::new();
        for n in 0..23 {
            // Several share an instant: the id tells them apart.
            expected.insert(seed::thread(&fresh, &clock, ana, n / 4).await.id);
        }
        let (mut seen, mut next, mut pages) = (Vec::new(), None, 0);
        loop {
            let mut tx = fresh.store.read().await.unwrap();
            let slice = tx.list_threads(&ThreadFilter::default(), Page::newest(5).after(next)).await.unwrap();
            drop(tx);
            assert!(slice.data.windows(2).all(|w| w[0].last_message_at >= w[1].last_message_at));
            seen.extend(slice.data.iter().map(|t| t.id));
            pages += 1;
            seed::thread(&fresh, &clock, ana, 1_000 + pages).await;
            next = slice.next;
            if next.is_none() {
                break;
            }
        }
        assert_eq!(pages, 5, "{}", fresh.name);
        assert_eq!(seen.len(), 23);
        assert_eq!(seen.into_iter().collect::<HashSet<ThreadId>>(), expected);
    }
}

#[tokio::test]
async fn thread_filters_hold_alone_and_together() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let (ana, bo) = (seed::influencer(&fresh, &clock).await, seed::influencer(&fresh, &clock).await);
        let mut rows = Vec::new();
        for (n, (who, awaiting, account)) in [
            (ana, Some(Awaiting::Us), "brand"),
            (ana, Some(Awaiting::Them), "brand"),
            (ana, Some(Awaiting::Us), "shop"),
            (bo, Some(Awaiting::Us), "shop"),
            (bo, None, "brand"),
        ]
        .into_iter()
        .enumerate()
        {
            let mut row = seed::thread(&fresh, &clock, who, i64::try_from(n).unwrap()).await;
            row.id = ThreadId(clock.new_id());
            (row.awaiting, row.account) = (awaiting, account.into());
            seed::run(
                &fresh,
                "UPDATE thread SET merged_into = $1 WHERE conversation_id = $2",
                &[row.id.0, row.conversation_id.0],
            )
            .await;
            row.conversation_id = liaison::domain::ids::ConversationId(clock.new_id());
            let mut tx = fresh.store.begin("test.filters").await.unwrap();
            tx.insert_conversations(vec![row.conversation_id], seed::at(0)).await.unwrap();
            tx.upsert_threads(vec![row.clone()], seed::at(0)).await.unwrap();
            tx.commit().await.unwrap();
            rows.push(row.id);
        }
        let mut tx = fresh.store.read().await.unwrap();
        for (influencer, awaiting, account, expected) in [
            (None, None, None, vec![4, 3, 2, 1, 0]),
            (Some(ana), None, None, vec![2, 1, 0]),
            (None, Some(Awaiting::Us), None, vec![3, 2, 0]),
            (None, None, Some("shop"), vec![3, 2]),
            (Some(ana), Some(Awaiting::Us), None, vec![2, 0]),
            (Some(ana), Some(Awaiting::Us), Some("brand"), vec![0]),
            (None, Some(Awaiting::Us), Some("shop"), vec![3, 2]),
            (Some(bo), None, Some("brand"), vec![4]),
        ] {
            let filter =
                ThreadFilter { influencer, awaiting, account: account.map(str::to_owned), ..ThreadFilter::default() };
            let found = tx.list_threads(&filter, Page::newest(50)).await.unwrap().data;
            let ids: Vec<ThreadId> = found.iter().map(|t| t.id).collect();
            let expected: Vec<ThreadId> = expected.into_iter().map(|n: usize| rows[n]).collect();
            assert_eq!(ids, expected, "{} {filter:?}", fresh.name);
        }
    }
}

#[tokio::test]
async fn messages_of_a_thread_run_both_ways_and_a_merged_thread_shows_the_other_one() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let ana = seed::influencer(&fresh, &clock).await;
        let (old, new) = (seed::thread(&fresh, &clock, ana, 1).await, seed::thread(&fresh, &clock, ana, 2).await);
        let mut ids = Vec::new();
        for n in 0..7 {
            ids.push(seed::message_in(&fresh, &clock, if n % 2 == 0 { &old } else { &new }, n / 2).await);
        }
        let mut tx = fresh.store.begin("test.merge").await.unwrap();
        tx.merge_thread(old.id, new.id).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = fresh.store.read().await.unwrap();
        assert_eq!(tx.get_thread_view(old.id).await.unwrap().unwrap().id, new.id, "{}", fresh.name);
        assert_eq!(tx.get_thread_view(ThreadId(clock.new_id())).await.unwrap(), None);
        let mut seen: Vec<MessageId> = Vec::new();
        let mut page = Page::oldest(3);
        loop {
            let slice = tx.list_thread_messages(old.id, page).await.unwrap();
            seen.extend(slice.data.iter().map(|m| m.id));
            page = page.after(slice.next);
            if slice.next.is_none() {
                break;
            }
        }
        assert_eq!(seen, ids);
        let newest = tx.list_influencer_messages(ana, Page::newest(2)).await.unwrap();
        assert_eq!(newest.data.iter().map(|m| m.id).collect::<Vec<_>>(), [ids[6], ids[5]]);
        assert!(newest.data.iter().all(|m| m.thread_id == Some(new.id)));
    }
}

#[tokio::test]
async fn message_shows_author_first_then_recipients_as_they_stand_in_it() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let mut people = Vec::new();
        for name in ["zoe", "mia", "lea"] {
            let id = seed::influencer(&fresh, &clock).await;
            let sql = format!(
                "INSERT INTO address (id, channel, value, value_key, influencer_id, is_primary, created_at) \
                 VALUES ($1, 'email', '{name}@example.org', '{name}@example.org', $2, TRUE, 0)"
            );
            seed::run(&fresh, &sql, &[clock.new_id(), id.0]).await;
            people.push((id, seed::thread(&fresh, &clock, id, 1).await));
        }
        let mut out = seed::message(&clock, people[0].1.conversation_id, 5);
        out.direction = Direction::Outbound;
        // The one who was added last stands first.
        out.recipients = serde_json::json!({
            "to": [{"name": "", "address": "Lea@Example.org"}, {"name": "", "address": "mia@example.org"}],
            "cc": [{"name": "", "address": "zoe@example.org"}]});
        let id = out.id;
        let part = |n: usize, role| (people[n].0, people[n].1.id, role);
        let parts = vec![part(0, Role::Cc), part(1, Role::Recipient), part(2, Role::Recipient)];
        seed::put(&fresh, out, parts.clone()).await;
        let mut written = seed::message(&clock, people[0].1.conversation_id, 6);
        written.recipients = serde_json::json!({"to": [{"name": "", "address": "lea@example.org"}]});
        let reply = written.id;
        seed::put(&fresh, written, vec![part(0, Role::Author), part(2, Role::Recipient)]).await;

        let mut tx = fresh.store.read().await.unwrap();
        let view = tx.get_message_view(id).await.unwrap().unwrap();
        assert_eq!(view.influencer_id, Some(people[2].0), "{}", fresh.name);
        assert_eq!(view.thread_id, Some(people[2].1.id));
        let order: Vec<_> = view.participants.iter().map(|p| p.influencer_id).collect();
        assert_eq!(order, [people[2].0, people[1].0, people[0].0]);
        let json = serde_json::to_value(&view).unwrap();
        // No outbox row: a teammate sent it from their own mail client.
        assert_eq!(json["status"], "confirmed");
        assert_eq!(json["sequence"], serde_json::Value::Null);
        assert_eq!(json["at"], seed::at(5).to_string());
        let view = tx.get_message_view(reply).await.unwrap().unwrap();
        assert_eq!((view.influencer_id, view.status.as_str()), (Some(people[0].0), "received"));
    }
}

#[tokio::test]
async fn message_carries_deliveries_outbox_state_and_whole_text() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let ana = seed::influencer(&fresh, &clock).await;
        let thread = seed::thread(&fresh, &clock, ana, 1).await;
        let mut out = seed::message(&clock, thread.conversation_id, 5);
        (out.direction, out.text) = (Direction::Outbound, "ä".repeat(20_001));
        let raw = b"From: brand@example.test\r\n\r\nhello".to_vec();
        let size = i64::try_from(raw.len()).unwrap();
        out.raw_hash = Some(vec![7; 32]);
        let id = out.id;
        let folder = FolderRow {
            id: FolderId(clock.new_id()),
            account: "brand".into(),
            name: "Sent".into(),
            role: FolderRole::Sent,
            uid_validity: 3,
            first_uid: 1,
            last_uid: 0,
            backfill_uid: 0,
            fire_after: None,
            server_count: None,
            stored_count: None,
            missing_count: None,
            counted_at: None,
            last_sync_at: None,
        };
        let mut tx = fresh.store.begin("test.deliveries").await.unwrap();
        tx.ensure_account("brand", "imap", "brand@example.test", seed::at(0)).await.unwrap();
        tx.set_account_state("brand", Side::Reading, (AccountState::Up, None), seed::at(1)).await.unwrap();
        for later in [seed::at(1), seed::at(2)] {
            assert_eq!(tx.set_first_read("brand", later).await.unwrap(), Some(seed::at(1)), "{}", fresh.name);
        }
        assert_eq!(tx.set_first_read("nobody", seed::at(1)).await.unwrap(), None);
        tx.put_folder(&folder).await.unwrap();
        tx.count_folder(folder.id, (9, 8, 1), seed::at(2)).await.unwrap();
        tx.insert_raws(vec![(vec![7; 32], size, zstd::bulk::compress(&raw, 3).unwrap())]).await.unwrap();
        tx.commit().await.unwrap();
        seed::put(&fresh, out, vec![(ana, thread.id, Role::Recipient)]).await;
        seed::outbox(&fresh, id, "deferred").await;
        let mut tx = fresh.store.begin("test.seen").await.unwrap();
        let seen = |uid, message_id| NewDelivery {
            folder_id: folder.id,
            uid_validity: 3,
            uid,
            message_id,
            left_out: None,
            seen_at: seed::at(6),
        };
        tx.insert_deliveries(vec![seen(4, Some(id)), seen(5, None)]).await.unwrap();
        tx.commit().await.unwrap();

        let mut tx = fresh.store.read().await.unwrap();
        let view = tx.get_message_view(id).await.unwrap().unwrap();
        assert_eq!((view.status.as_str(), view.due_at), ("deferred", Some(seed::at(1))), "{}", fresh.name);
        assert_eq!((view.text.chars().count(), view.text_cut), (20_001, false));
        assert_eq!(view.deliveries.len(), 1);
        assert_eq!((view.deliveries[0].folder.as_str(), view.deliveries[0].uid), ("Sent", 4));
        assert_eq!((view.recipients[0].address.as_str(), view.recipients[0].code), ("ana@example.org", Some(550)));
        assert_eq!(tx.get_raw_mail(id).await.unwrap(), Some(raw));
        assert_eq!(tx.get_raw_mail(MessageId(clock.new_id())).await.unwrap(), None);
        let listed = tx.list_message_views(vec![MessageId(clock.new_id()), id]).await.unwrap();
        assert_eq!((listed.len(), listed[0].text.chars().count(), listed[0].text_cut), (1, 20_000, true));
        let accounts = serde_json::to_value(tx.list_account_views().await.unwrap()).unwrap();
        assert_eq!(accounts[0]["id"], "brand");
        assert_eq!(accounts[0]["state"], "up");
        assert_eq!(
            (&accounts[0]["folders"][0]["server"], &accounts[0]["folders"][0]["stored"]),
            (&9.into(), &8.into())
        );
    }
}

#[tokio::test]
async fn timeline_merges_messages_events_notes_and_tasks_in_pages_of_any_size() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let ana = seed::influencer(&fresh, &clock).await;
        let other = seed::influencer(&fresh, &clock).await;
        let thread = seed::thread(&fresh, &clock, ana, 1).await;
        for n in 0..12 {
            match n % 4 {
                0 => {
                    seed::message_in(&fresh, &clock, &thread, n / 2).await;
                }
                1 => {
                    let mut tx = fresh.store.begin("test.event").await.unwrap();
                    let event = |influencer| liaison::store::event::NewEvent {
                        id: liaison::domain::ids::EventId(clock.new_id()),
                        kind: liaison::domain::words::EventType::MessageReceived,
                        at: seed::at(n / 2),
                        influencer_id: Some(influencer),
                        stage: Some("prospect".into()),
                        message_id: None,
                        data: None,
                        enrollment_id: None,
                        machine: None,
                    };
                    tx.insert_events(vec![event(ana), event(other)]).await.unwrap();
                    tx.commit().await.unwrap();
                }
                2 => {
                    let task = |influencer| TaskRow {
                        created_at: seed::at(n / 2),
                        ..desk::task(&clock, "call", Some(influencer), (n == 2).then_some(2))
                    };
                    desk::insert(&fresh.store, &[task(ana), task(other)]).await;
                }
                _ => {
                    let sql = format!(
                        "INSERT INTO note (id, influencer_id, author, text, at) VALUES ($1, $2, 'sam', 'n', {})",
                        seed::at(n / 2).0
                    );
                    seed::run(&fresh, &sql, &[clock.new_id(), ana.0]).await;
                }
            }
        }
        let mut tx = fresh.store.read().await.unwrap();
        let late = seed::at(3);
        let whole = tx.list_timeline(ana, late, Page::newest(50)).await.unwrap();
        assert_eq!((whole.data.len(), whole.next), (12, None), "{}", fresh.name);
        assert!(whole.data.windows(2).all(|w| w[0].at >= w[1].at));
        for size in [1, 2, 5] {
            let (mut pieces, mut page) = (Vec::new(), Page::newest(size));
            loop {
                let slice = tx.list_timeline(ana, late, page).await.unwrap();
                pieces.extend(slice.data);
                page = page.after(slice.next);
                if slice.next.is_none() {
                    break;
                }
            }
            assert_eq!(pieces, whole.data, "{} by {size}", fresh.name);
        }
        let mut oldest = tx.list_timeline(ana, late, Page::oldest(50)).await.unwrap().data;
        oldest.reverse();
        assert_eq!(oldest, whole.data);
        assert_eq!(whole.data.iter().filter(|e| matches!(e.item, TimelineItem::Task(_))).count(), 3);
        for entry in &whole.data {
            let json = serde_json::to_value(entry).unwrap();
            let sort = json["type"].as_str().unwrap();
            assert_eq!(json["at"], json[sort][if sort == "task" { "created_at" } else { "at" }], "{json}");
            assert_eq!(sort == "note", matches!(entry.item, TimelineItem::Note(_)));
            if let TimelineItem::Task(task) = &entry.item {
                assert_eq!((task.state, task.late), (TaskState::Open, task.due_at.is_some()), "{}", fresh.name);
            }
        }
    }
}

#[tokio::test]
async fn unmatched_and_outbox_lists_show_what_waits() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let ana = seed::influencer(&fresh, &clock).await;
        let thread = seed::thread(&fresh, &clock, ana, 1).await;
        let long = |_: i64, message: &mut NewMessage| message.text = "x".repeat(1_000);
        let ids = seed::messages(&fresh, &clock, &thread, (4, vec![]), long).await;
        let mut tx = fresh.store.begin("test.unmatched").await.unwrap();
        let waiting = ids.iter().enumerate().map(|(n, id)| NewUnmatched {
            message_id: *id,
            reason: UnmatchedReason::UnknownSender,
            address: "x@example.org".into(),
            address_key: "x@example.org".into(),
            name: "X".into(),
            influencer_id: None,
            agent_id: None,
            at: seed::at(i64::try_from(n).unwrap()),
            facts: None,
        });
        tx.insert_unmatched(waiting.collect()).await.unwrap();
        tx.resolve_unmatched(vec![ids[1]], seed::at(9)).await.unwrap();
        tx.commit().await.unwrap();
        for (id, status) in ids.iter().zip(["queued", "uncertain", "queued", "confirmed"]) {
            seed::outbox(&fresh, *id, status).await;
        }

        let mut tx = fresh.store.read().await.unwrap();
        let first = tx.list_unmatched(Page::newest(2)).await.unwrap();
        assert_eq!(first.data.iter().map(|u| u.id).collect::<Vec<_>>(), [ids[3], ids[2]], "{}", fresh.name);
        assert_eq!(first.data[0].excerpt.len(), 280);
        let rest = tx.list_unmatched(Page::newest(2).after(first.next)).await.unwrap();
        assert_eq!((rest.data.len(), rest.data[0].id, rest.next), (1, ids[0], None));
        assert_eq!(tx.get_unmatched_view(ids[1]).await.unwrap(), None);

        let queued = liaison::domain::words::OutboxStatus::Queued;
        let page = tx.view_outbox(Some(queued), Page::newest(1)).await.unwrap();
        assert_eq!(page.data[0].id, ids[2]);
        let page = tx.view_outbox(Some(queued), Page::newest(1).after(page.next)).await.unwrap();
        assert_eq!((page.data[0].id, page.next), (ids[0], None));
        assert_eq!(page.data[0].recipients.len(), 1);
        assert_eq!(tx.view_outbox(None, Page::newest(50)).await.unwrap().data.len(), 4);
        assert_eq!(tx.get_outbox_view(ids[1]).await.unwrap().unwrap().status.to_string(), "uncertain");
    }
}

#[tokio::test]
async fn search_finds_messages_with_all_words_and_bears_any_input() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let ana = seed::influencer(&fresh, &clock).await;
        let thread = seed::thread(&fresh, &clock, ana, 1).await;
        let mut ids = Vec::new();
        for n in 0..3 {
            ids.push(seed::message_in(&fresh, &clock, &thread, n).await);
        }
        let mut tx = fresh.store.read().await.unwrap();
        let mut found = async |q: &str| -> Vec<MessageId> {
            let found = tx.search_messages(q, Page::newest(10)).await.unwrap();
            assert_eq!(found.next, None);
            found.data.into_iter().map(|h| h.message.id).collect()
        };
        assert_eq!(found("SHOES running").await, [ids[2], ids[1], ids[0]], "{}", fresh.name);
        assert_eq!(found("number 1").await, [ids[1]]);
        assert_eq!(found("ana").await.len(), 3);
        assert!(found("shoes unheardof").await.is_empty());
        for hostile in [
            "",
            "   ",
            "\"",
            "AND OR NOT",
            "shoes\" OR \"x",
            "subject:",
            "*",
            "NEAR(",
            "a\u{0}b",
            "'; --",
            "^x",
            "(((",
            "{a b}: c",
        ] {
            found(hostile).await;
        }
        assert_eq!(found("running -- shoes").await.len(), 3);
        let hits = tx.search_messages("shoes", Page::newest(1)).await.unwrap().data;
        assert_eq!((hits.len(), hits[0].excerpt.as_str()), (1, "Text number 2 about running shoes"));
        assert_eq!(hits[0].highlights.excerpt, "Text number 2 about running <mark>shoes</mark>");
    }
}

#[tokio::test]
async fn a_search_is_read_page_by_page_and_what_comes_meanwhile_is_not_met_twice() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let ana = seed::influencer(&fresh, &clock).await;
        let thread = seed::thread(&fresh, &clock, ana, 1).await;
        let mut expected = Vec::new();
        for n in 0..7 {
            expected.insert(0, seed::message_in(&fresh, &clock, &thread, n).await);
        }
        for size in [1, 2, 7] {
            let (mut seen, mut page) = (Vec::new(), Page::newest(size));
            loop {
                let slice = fresh.store.read().await.unwrap().search_messages("running shoes", page).await.unwrap();
                assert!(slice.data.len() <= size);
                seen.extend(slice.data.into_iter().map(|hit| hit.message.id));
                let Some(next) = slice.next else { break };
                page = page.after(Some(next));
                if size == 1 && seen.len() == 3 {
                    seed::message_in(&fresh, &clock, &thread, 50).await;
                }
            }
            let new = seen.len() - expected.len();
            assert_eq!((&seen[new..], new), (expected.as_slice(), usize::from(size > 1)), "{} by {size}", fresh.name);
        }
    }
}

#[tokio::test]
async fn nothing_of_a_message_passes_a_search_as_html() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let ana = seed::influencer(&fresh, &clock).await;
        let thread = seed::thread(&fresh, &clock, ana, 1).await;
        let message = seed::message_in(&fresh, &clock, &thread, 1).await;
        let sql = "UPDATE message SET text = '<script>alert(\"shoes\")</script> running', subject = '<b onload=x>Shoes', \
                   author_name = '<i>Ana' WHERE id = $1";
        seed::run(&fresh, sql, &[message.0]).await;
        let mut tx = fresh.store.read().await.unwrap();
        let hit = tx.search_messages("shoes", Page::newest(1)).await.unwrap().data.remove(0);
        let shown = [hit.highlights.excerpt, hit.highlights.subject, hit.highlights.from];
        let expected = [
            "&lt;script&gt;alert(&quot;<mark>shoes</mark>&quot;)&lt;/script&gt; running",
            "&lt;b onload=x&gt;<mark>Shoes</mark>",
            "&lt;i&gt;Ana &lt;ana@example.org&gt;",
        ];
        assert_eq!(shown, expected, "{}", fresh.name);
        assert_eq!(hit.excerpt, "<script>alert(\"shoes\")</script> running", "plain text stays as it was");
    }
}

#[tokio::test]
async fn tokens_are_found_by_their_secret_until_they_expire_or_are_revoked() {
    use liaison::hub::token::{TokenChange, TokenOrder, TokenRefusal, change_token, check_token, create_token};
    use secrecy::ExposeSecret;
    for fresh in stores::both().await {
        let clock = Clock::stepped(seed::at(0));
        let mut tx = fresh.store.begin("test.token").await.unwrap();
        let order = TokenOrder {
            name: " reports ".into(),
            scopes: vec![Scope::Write, Scope::Read, Scope::Read],
            expires_at: Some(seed::at(60)),
        };
        let (view, secret) = create_token(&mut tx, &clock, order.clone()).await.unwrap();
        assert_eq!((view.name.as_str(), view.scopes.as_slice()), ("reports", [Scope::Read, Scope::Write].as_slice()));
        let secret = secret.expose_secret().to_owned();
        assert!(secret.starts_with("lia_") && secret.len() == 47);
        assert_eq!(check_token(&mut tx, &clock, &secret).await.unwrap(), Ok(view.clone()));
        let mut wrong = secret.clone();
        let last = if wrong.pop() == Some('A') { 'B' } else { 'A' };
        wrong.push(last);
        assert_eq!(check_token(&mut tx, &clock, &wrong).await.unwrap(), Err(TokenRefusal::Unknown));
        let never = TokenChange { name: Some(" monthly ".into()), expires_at: Some(None) };
        let changed = change_token(&mut tx, &clock, view.id, never).await.unwrap();
        assert_eq!((changed.name.as_str(), changed.expires_at), ("monthly", None), "{}", fresh.name);
        assert_eq!(tx.get_token(view.id).await.unwrap(), Some(changed.clone()), "{}", fresh.name);
        assert_eq!(check_token(&mut tx, &clock, &secret).await.unwrap(), Ok(changed));
        let past = TokenChange { name: None, expires_at: Some(Some(seed::at(0))) };
        assert!(change_token(&mut tx, &clock, view.id, past).await.is_err());
        let ends = TokenChange { name: None, expires_at: Some(Some(seed::at(60))) };
        let changed = change_token(&mut tx, &clock, view.id, ends).await.unwrap();
        assert_eq!((changed.name.as_str(), changed.expires_at), ("monthly", Some(seed::at(60))), "{}", fresh.name);
        clock.advance(std::time::Duration::from_mins(1));
        assert_eq!(check_token(&mut tx, &clock, &secret).await.unwrap(), Err(TokenRefusal::Expired));
        assert!(create_token(&mut tx, &clock, order.clone()).await.is_err());
        assert!(create_token(&mut tx, &clock, TokenOrder { name: " ".into(), ..order.clone() }).await.is_err());
        assert!(create_token(&mut tx, &clock, TokenOrder { scopes: vec![], expires_at: None, ..order }).await.is_err());
        let late = TokenChange { name: None, expires_at: Some(None) };
        assert!(change_token(&mut tx, &clock, view.id, late).await.is_err(), "{}: what lapsed stays so", fresh.name);
        assert!(tx.revoke_token(view.id, seed::at(61)).await.unwrap());
        assert!(tx.revoke_token(view.id, seed::at(62)).await.unwrap());
        let again = tx.update_token(view.id, (Some("again"), None), seed::at(3)).await.unwrap();
        assert!(!again, "{}: it is refused for good", fresh.name);
        assert_eq!(check_token(&mut tx, &clock, &secret).await.unwrap(), Err(TokenRefusal::Revoked));
        assert_eq!(tx.list_tokens().await.unwrap()[0].revoked_at, Some(seed::at(61)), "{}", fresh.name);
        assert!(!tx.revoke_token(liaison::domain::ids::TokenId(clock.new_id()), seed::at(62)).await.unwrap());
        tx.commit().await.unwrap();
    }
}

#[test]
fn places_at_the_ends_enclose_every_other() {
    let some = Place { at: seed::at(1), id: Clock::machine().new_id() };
    assert!(Place::FIRST < some && some < Place::LAST);
}
