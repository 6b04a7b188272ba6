//! Mails of every sort, each on the right timeline, thread and class, whatever the order in which they come.

use std::collections::HashMap;
use std::sync::Arc;

use liaison::clock::Clock;
use liaison::connector::RawItem;
use liaison::domain::ids::{AddressId, AgentId, FolderId, InfluencerId, MessageId, ThreadId};
use liaison::domain::people::{Address, Agent, Influencer, Person, handle_key};
use liaison::domain::threading::Identity;
use liaison::domain::time::Micros;
use liaison::domain::token::TOKEN_CHARS;
use liaison::domain::words::{Channel, FolderRole};
use liaison::hub::matching::{Belongs, rethread};
use liaison::inbound::ingest::{Context, ingest, prepare};
use liaison::store::Store;
use liaison::store::mailbox::FolderRow;
use sqlx::Row;

use crate::stores::{self, Fresh};

/// Noon on 1 March 2026.
pub const NOON: i64 = 1_772_366_400;

/// A mail as text; `headers` one per line.
pub fn mail(headers: &str, body: &str) -> Vec<u8> {
    format!("{}\n\n{body}\n", headers.trim()).replace('\n', "\r\n").into_bytes()
}

/// A store with people and one account, into which mails can be dropped.
pub struct Desk {
    pub fresh: Fresh,
    pub clock: Clock,
    inbox: FolderId,
    sent: FolderId,
    junk: FolderId,
    next_uid: std::cell::Cell<i64>,
    pub people: HashMap<&'static str, InfluencerId>,
}

pub async fn add_influencer(store: &Store, clock: &Clock, handle: &str, address: &str) -> InfluencerId {
    let id = InfluencerId(clock.new_id());
    let mut tx = store.begin("test.people").await.unwrap();
    tx.insert_influencers(&[Influencer {
        id,
        handle: handle.into(),
        first_name: handle.into(),
        last_name: String::new(),
        stage: "prospect".into(),
        stage_pinned: false,
        stage_at: clock.now(),
        owner: None,
        timezone: None,
        properties: serde_json::Map::new(),
        awaiting: None,
        last_message_at: None,
        held_until: None,
        created_at: clock.now(),
        updated_at: clock.now(),
        version: 1,
    }])
    .await
    .unwrap();
    assert!(handle_key(handle).is_some());
    insert_address(&mut tx, clock, address, Person::Influencer(id)).await;
    tx.commit().await.unwrap();
    id
}

async fn insert_address(tx: &mut liaison::store::Tx, clock: &Clock, address: &str, person: Person) {
    tx.insert_addresses(&[Address {
        id: AddressId(clock.new_id()),
        channel: Channel::Email,
        value: address.into(),
        value_key: address.to_lowercase(),
        person,
        is_primary: true,
        dead_at: None,
        dead_reason: None,
        created_at: clock.now(),
    }])
    .await
    .unwrap();
}

impl Desk {
    pub async fn new(fresh: Fresh) -> Self {
        let clock = Clock::machine();
        let mut people = HashMap::new();
        for name in ["ana", "bo", "cy", "di"] {
            let id = add_influencer(&fresh.store, &clock, name, &format!("{name}@example.org")).await;
            people.insert(name, id);
        }
        let agent = AgentId(clock.new_id());
        let mut tx = fresh.store.begin("test.agent").await.unwrap();
        tx.insert_agents(&[Agent {
            id: agent,
            first_name: "Max".into(),
            last_name: String::new(),
            created_at: clock.now(),
            updated_at: clock.now(),
        }])
        .await
        .unwrap();
        insert_address(&mut tx, &clock, "mgr@talent.example", Person::Agent(agent)).await;
        tx.link_agents(&[(agent, people["ana"]), (agent, people["bo"]), (agent, people["cy"])]).await.unwrap();
        tx.ensure_account("brand", "imap", "team@acme.example", clock.now()).await.unwrap();
        let mut folders = Vec::new();
        for (name, role) in [("INBOX", FolderRole::Inbox), ("Sent", FolderRole::Sent), ("Junk", FolderRole::Junk)] {
            let row = FolderRow {
                id: FolderId(clock.new_id()),
                account: "brand".into(),
                name: name.into(),
                role,
                uid_validity: 1,
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
            tx.put_folder(&row).await.unwrap();
            folders.push(row.id);
        }
        tx.commit().await.unwrap();
        Self {
            fresh,
            clock,
            inbox: folders[0],
            sent: folders[1],
            junk: folders[2],
            next_uid: std::cell::Cell::new(1),
            people,
        }
    }

    pub async fn drop_into(&self, role: FolderRole, raws: &[Vec<u8>]) {
        self.drop_as(role, 0, raws).await;
    }

    /// Mail that lay in the inbox before it was first read.
    pub async fn drop_old(&self, raws: &[Vec<u8>]) {
        self.drop_as(FolderRole::Inbox, i64::MAX, raws).await;
    }

    async fn drop_as(&self, role: FolderRole, backfill_uid: i64, raws: &[Vec<u8>]) {
        let folder_id = match role {
            FolderRole::Sent => self.sent,
            FolderRole::Junk => self.junk,
            FolderRole::Inbox | FolderRole::All => self.inbox,
        };
        let context = Context {
            account: "brand".into(),
            identity: Arc::new(Identity {
                addresses: ["team@acme.example".to_owned()].into(),
                domains: ["acme.example".to_owned()].into(),
            }),
            folder_id,
            folder: role.to_string(),
            role,
            uid_validity: 1,
            backfill_uid,
            fire_after: None,
            server_files_sent: false,
            lease: None,
        };
        let mut arrivals = Vec::new();
        for raw in raws {
            let uid = self.next_uid.get();
            self.next_uid.set(uid + 1);
            let item = RawItem {
                uid,
                received_at: Some(Micros::from_seconds(NOON + uid * 60)),
                size: raw.len() as u64,
                raw: raw.clone(),
                cut: false,
                conversation: String::from_utf8_lossy(raw)
                    .lines()
                    .find_map(|line| line.strip_prefix("X-Test-Conversation: ").map(str::to_owned)),
                draft: String::from_utf8_lossy(raw).contains("X-Test-Draft: yes"),
            };
            arrivals.extend(prepare(vec![item]).unwrap());
        }
        let last = self.next_uid.get() - 1;
        ingest(&self.fresh.store, &self.clock, &context, &arrivals, last).await.unwrap();
    }

    /// A single number.
    pub async fn count(&self, sql: &'static str) -> usize {
        text(self, sql).await[0].parse().unwrap()
    }

    /// (conversation, Message-ID) of every message that has one.
    pub async fn conversations(&self) -> Vec<(String, String)> {
        let sql = "SELECT lower(hex(conversation_id)) || ' ' || internet_message_id FROM message WHERE internet_message_id IS NOT NULL";
        let rows = text(self, sql).await;
        rows.iter().filter_map(|row| row.split_once(' ')).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
    }

    /// (kind, direction) of every message with this subject, and who sees it in which thread as what.
    pub async fn find(&self, subject: &str) -> Vec<Seen> {
        let sql = "SELECT m.id, m.kind, m.direction FROM message m WHERE m.subject = $1 ORDER BY m.at, m.id";
        let mut found = Vec::new();
        for (id, kind, direction) in rows(&self.fresh, sql, subject).await {
            let parts = "SELECT influencer_id, thread_id, role, assigned FROM participation WHERE message_id = $1 ORDER BY influencer_id";
            found.push(Seen { id: MessageId(id), kind, direction, parts: parts_of(&self.fresh, parts, id).await });
        }
        found
    }

    pub async fn one(&self, subject: &str) -> Seen {
        let mut found = self.find(subject).await;
        assert_eq!(found.len(), 1, "{}: {subject}: {found:?}", self.fresh.name);
        found.remove(0)
    }
}

#[derive(Debug, Clone)]
pub struct Seen {
    pub id: MessageId,
    pub kind: String,
    pub direction: String,
    pub parts: Vec<(InfluencerId, ThreadId, String, bool)>,
}

impl Seen {
    pub fn who(&self) -> Vec<InfluencerId> {
        self.parts.iter().map(|p| p.0).collect()
    }
    fn thread(&self) -> ThreadId {
        assert_eq!(self.parts.len(), 1, "{self:?}");
        self.parts[0].1
    }
    fn role(&self) -> &str {
        &self.parts[0].2
    }
}

async fn rows(fresh: &Fresh, sql: &'static str, key: &str) -> Vec<(uuid::Uuid, String, String)> {
    match stores::raw_connection(&fresh.place).await {
        stores::Raw::Sqlite(mut c) => sqlx::query_as(sql).bind(key).fetch_all(&mut c).await.unwrap(),
        stores::Raw::Postgres(mut c) => sqlx::query_as(sql).bind(key).fetch_all(&mut c).await.unwrap(),
    }
}

async fn parts_of(fresh: &Fresh, sql: &'static str, id: uuid::Uuid) -> Vec<(InfluencerId, ThreadId, String, bool)> {
    macro_rules! read {
        ($c:expr) => {
            sqlx::query(sql)
                .bind(id)
                .fetch_all($c)
                .await
                .unwrap()
                .into_iter()
                .map(|r| (InfluencerId(r.get(0)), ThreadId(r.get(1)), r.get(2), r.get(3)))
                .collect()
        };
    }
    match stores::raw_connection(&fresh.place).await {
        stores::Raw::Sqlite(mut c) => read!(&mut c),
        stores::Raw::Postgres(mut c) => read!(&mut c),
    }
}

async fn text(desk: &Desk, sql: &'static str) -> Vec<String> {
    match stores::raw_connection(&desk.fresh.place).await {
        stores::Raw::Sqlite(mut c) => sqlx::query_scalar(sql).fetch_all(&mut c).await.unwrap(),
        stores::Raw::Postgres(mut c) => sqlx::query_scalar(sql).fetch_all(&mut c).await.unwrap(),
    }
}

/// Our first mail to Ana and Bo, as it lies in Sent.
fn outreach(to: &str, id: &str, subject: &str) -> Vec<u8> {
    mail(
        &format!(
            "From: Kim <team@acme.example>\nTo: {to}\nSubject: {subject}\nMessage-ID: <{id}@acme.example>\nDate: Sun, 1 Mar 2026 12:00:00 +0000"
        ),
        "Would you like to work with us?",
    )
}

fn reply(from: &str, id: &str, subject: &str, more: &str) -> Vec<u8> {
    mail(
        &format!(
            "From: {from}\nTo: team@acme.example\nSubject: {subject}\nMessage-ID: <{id}@mail.example>\nDate: Sun, 1 Mar 2026 12:{}:00 +0000\n{more}",
            10 + id.len() % 40
        ),
        "Yes, tell me more.\n\n> Would you like to work with us?",
    )
}

#[tokio::test]
async fn replies_find_their_thread_by_header_reference_or_agreeing_subject() {
    for fresh in stores::both().await {
        let desk = Desk::new(fresh).await;
        desk.drop_into(FolderRole::Sent, &[outreach("ana@example.org", "o1", "Spring shoes")]).await;
        let first = desk.one("Spring shoes").await;
        assert_eq!((first.direction.as_str(), first.role()), ("outbound", "recipient"));
        desk.drop_into(
            FolderRole::Inbox,
            &[
                reply("Ana <ana@example.org>", "plain", "Re: Spring shoes", "In-Reply-To: <o1@acme.example>"),
                reply("Ana <ana@example.org>", "refs", "Re: Spring shoes (2)", "References: <x@y> <o1@acme.example>"),
                reply("ANA@EXAMPLE.ORG", "bare", "RE: Spring Shoes", ""),
                reply("Ana <ana@example.org>", "hijack", "Totally new topic", "In-Reply-To: <plain@mail.example>"),
                reply("Bo <bo@example.org>", "other", "Re: Spring shoes ", ""),
            ],
        )
        .await;
        for subject in ["Re: Spring shoes (2)", "RE: Spring Shoes", "Totally new topic"] {
            let seen = desk.one(subject).await;
            assert_eq!(seen.thread(), first.thread(), "{}: {subject}", desk.fresh.name);
            assert_eq!((seen.kind.as_str(), seen.role()), ("human", "author"));
        }
        assert!(!desk.one("RE: Spring Shoes").await.parts[0].3, "a subject alone is weak evidence");
        let same_subject = desk.find("Re: Spring shoes").await;
        let bo = same_subject.iter().find(|s| s.who() == [desk.people["bo"]]).expect("Bo's mail");
        assert_ne!(bo.thread(), first.thread(), "another person's mail is another thread");
        // Whoever had our mail was contacted by it; one of them only wrote to us.
        let replied = text(&desk, "SELECT stage FROM event WHERE type = 'thread.replied' ORDER BY stage").await;
        assert_eq!(replied, ["contacted", "contacted", "contacted", "contacted", "prospect"], "{}", desk.fresh.name);
        assert_eq!(
            text(&desk, "SELECT reply_text FROM message WHERE subject = 'RE: Spring Shoes'").await,
            ["Yes, tell me more."]
        );
    }
}

#[tokio::test]
async fn late_parent_joins_what_it_started_and_the_order_makes_no_difference() {
    for fresh in stores::both().await {
        let desk = Desk::new(fresh).await;
        let stranger =
            reply("Ana at home <ana@private.example>", "home", "Re: Late (home)", "In-Reply-To: <late@acme.example>");
        let known = reply("Ana <ana@example.org>", "known", "Re: Late (known)", "In-Reply-To: <mid@mail.example>");
        let middle = reply("Ana <ana@example.org>", "mid", "Re: Late (middle)", "References: <late@acme.example>");
        desk.drop_into(FolderRole::Inbox, &[stranger]).await;
        desk.drop_into(FolderRole::Inbox, &[known]).await;
        assert!(desk.one("Re: Late (home)").await.parts.is_empty(), "nobody knows yet whose this is");
        desk.drop_into(FolderRole::Inbox, &[middle]).await;
        desk.drop_into(FolderRole::Sent, &[outreach("ana@example.org", "late", "Late")]).await;
        let thread = desk.one("Late").await.thread();
        for subject in ["Re: Late (home)", "Re: Late (known)", "Re: Late (middle)"] {
            assert_eq!(desk.one(subject).await.thread(), thread, "{}: {subject}", desk.fresh.name);
        }
        assert_ne!(desk.one("Re: Late (home)").await.role(), "author", "proposed, never merged without being asked");
        assert_eq!(text(&desk, "SELECT reason FROM unmatched WHERE resolved_at IS NULL").await, ["alias_proposed"]);
        assert_eq!(
            text(&desk, "SELECT CAST(message_count AS TEXT) FROM thread WHERE merged_into IS NULL").await,
            ["4"]
        );
    }
}

#[tokio::test]
async fn agent_of_three_is_tied_by_the_thread_and_else_shown_to_all() {
    for fresh in stores::both().await {
        let desk = Desk::new(fresh).await;
        desk.drop_into(FolderRole::Sent, &[outreach("bo@example.org", "o2", "For Bo")]).await;
        let manager = "Max <mgr@talent.example>";
        desk.drop_into(
            FolderRole::Inbox,
            &[
                reply(manager, "tied", "Re: For Bo", "In-Reply-To: <o2@acme.example>"),
                reply(manager, "untied", "My talents", ""),
                reply(manager, "named", "About Cy", "Cc: cy@example.org"),
            ],
        )
        .await;
        let tied = desk.one("Re: For Bo").await;
        assert_eq!((tied.who(), tied.role()), (vec![desk.people["bo"]], "author"));
        let untied = desk.one("My talents").await;
        assert_eq!(untied.parts.len(), 3);
        assert!(untied.parts.iter().all(|p| !p.3));
        assert_eq!(desk.one("About Cy").await.who(), [desk.people["cy"]]);
        assert_eq!(text(&desk, "SELECT reason FROM unmatched").await, ["agent_unassigned"]);
        let replied = text(&desk, "SELECT type FROM event WHERE type = 'thread.replied'").await;
        assert_eq!(replied.len(), 2, "an untied mail of an agent is nobody's reply");
    }
}

#[tokio::test]
async fn one_mail_to_several_shows_on_each_timeline_and_answers_are_threads_apart() {
    for fresh in stores::both().await {
        let desk = Desk::new(fresh).await;
        let several = "ana@example.org, bo@example.org, di@example.org, new@example.net";
        desk.drop_into(FolderRole::Sent, &[outreach(several, "o3", "Party")]).await;
        desk.drop_into(
            FolderRole::Inbox,
            &[
                reply("ana@example.org", "a", "Re: Party", "In-Reply-To: <o3@acme.example>"),
                reply("bo@example.org", "bb", "Re: Party!", "In-Reply-To: <o3@acme.example>"),
                reply("x@unknown.example", "ccc", "Re: Party?", "In-Reply-To: <o3@acme.example>"),
            ],
        )
        .await;
        assert_eq!(desk.one("Party").await.parts.len(), 3);
        let (ana, bo) = (desk.one("Re: Party").await, desk.one("Re: Party!").await);
        assert_eq!((ana.who(), bo.who()), (vec![desk.people["ana"]], vec![desk.people["bo"]]));
        assert_ne!(ana.thread(), bo.thread());
        // The new address turns out to be a fifth influencer's: their history follows.
        let eve = add_influencer(&desk.fresh.store, &desk.clock, "eve", "new@example.net").await;
        let mut tx = desk.fresh.store.begin("test.match").await.unwrap();
        let owners = HashMap::from([("new@example.net".to_owned(), Belongs::Influencer(eve))]);
        assert_eq!(rethread(&mut tx, &desk.clock, &owners).await.unwrap(), 1);
        tx.commit().await.unwrap();
        assert_eq!(desk.one("Party").await.parts.len(), 4, "{}", desk.fresh.name);
    }
}

#[tokio::test]
async fn machines_answers_bounces_and_complaints_are_told_apart_from_people() {
    for fresh in stores::both().await {
        let desk = Desk::new(fresh).await;
        desk.drop_into(
            FolderRole::Sent,
            &[outreach("ana@example.org", "o4", "Hello"), outreach("di@example.org", "o5", "Hello Di")],
        )
        .await;
        let bounce = mail(
            "From: MAILER-DAEMON@mx.example\nTo: team@acme.example\nSubject: Undelivered\nMessage-ID: <b1@mx.example>\n\
             Date: Sun, 1 Mar 2026 12:30:00 +0000\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary=\"x\"",
            "--x\nContent-Type: text/plain\n\nNo such user.\n--x\nContent-Type: message/delivery-status\n\n\
             Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; ana@example.org\nAction: failed\nStatus: 5.1.1\n\
             Diagnostic-Code: smtp; 550 5.1.1 no such user\n\n--x\nContent-Type: text/rfc822-headers\n\n\
             Message-ID: <o4@acme.example>\nSubject: Hello\n\n--x--",
        );
        let away = mail(
            "From: di@example.org\nTo: team@acme.example\nSubject: Automatic reply: Hello Di\nMessage-ID: <ooo@mail.example>\n\
             Date: Sun, 1 Mar 2026 12:31:00 +0000\nAuto-Submitted: auto-replied\nIn-Reply-To: <o5@acme.example>",
            "I am out of the office until 9 March.",
        );
        let complaint = mail(
            "From: fbl@isp.example\nTo: team@acme.example\nSubject: complaint\nMessage-ID: <c1@isp.example>\n\
             Date: Sun, 1 Mar 2026 12:32:00 +0000\nMIME-Version: 1.0\n\
             Content-Type: multipart/report; report-type=feedback-report; boundary=\"y\"",
            "--y\nContent-Type: text/plain\n\nAbuse.\n--y\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n\
             User-Agent: F/1\nVersion: 1\nOriginal-Rcpt-To: <di@example.org>\n\n--y\nContent-Type: message/rfc822\n\n\
             Message-ID: <o5@acme.example>\nFrom: team@acme.example\nTo: di@example.org\nSubject: Hello Di\n\nHi\n--y--",
        );
        desk.drop_into(FolderRole::Inbox, &[bounce, away, complaint]).await;
        let bounce = desk.one("Undelivered").await;
        assert_eq!((bounce.kind.as_str(), bounce.thread()), ("bounce", desk.one("Hello").await.thread()));
        assert_ne!(bounce.role(), "author");
        let away = desk.one("Automatic reply: Hello Di").await;
        assert_eq!((away.kind.as_str(), away.thread()), ("out_of_office", desk.one("Hello Di").await.thread()));
        assert_eq!(desk.one("complaint").await.kind, "complaint");
        assert_eq!(text(&desk, "SELECT value_key FROM address WHERE dead_at IS NOT NULL").await, ["ana@example.org"]);
        assert_eq!(text(&desk, "SELECT value_key FROM suppression").await, ["di@example.org"]);
        assert_eq!(text(&desk, "SELECT type FROM event WHERE type = 'thread.replied'").await.len(), 0);
        assert_eq!(text(&desk, "SELECT type FROM event WHERE type = 'message.bounced'").await.len(), 1);
    }
}

#[tokio::test]
async fn copies_are_stored_once_and_another_mail_with_the_same_id_is_kept_too() {
    for fresh in stores::both().await {
        let desk = Desk::new(fresh).await;
        let one = reply("ana@example.org", "same", "Same id", "");
        let mut copy = b"X-Seen-By: list\r\n".to_vec();
        copy.extend(&one);
        let other = mail(
            "From: ana@example.org\nTo: team@acme.example\nSubject: Same id\nMessage-ID: <same@mail.example>\nDate: Sun, 1 Mar 2026 12:14:00 +0000",
            "Completely different: here is my invoice.",
        );
        desk.drop_into(FolderRole::Inbox, &[one.clone(), copy.clone()]).await;
        desk.drop_into(FolderRole::Inbox, &[other.clone(), one]).await;
        desk.drop_into(FolderRole::Inbox, &[copy, other]).await;
        assert_eq!(desk.find("Same id").await.len(), 2, "{}", desk.fresh.name);
        assert_eq!(text(&desk, "SELECT CAST(COUNT(*) AS TEXT) FROM delivery").await, ["6"]);
        assert_eq!(
            text(&desk, "SELECT CAST(message_count AS TEXT) FROM thread WHERE merged_into IS NULL").await,
            ["2"]
        );
    }
}

#[tokio::test]
async fn junk_counts_only_from_people_we_know_and_broken_mail_is_kept() {
    for fresh in stores::both().await {
        let desk = Desk::new(fresh).await;
        desk.drop_into(
            FolderRole::Junk,
            &[
                reply("spam@bad.example", "sp", "Cheap pills", ""),
                reply("ana@example.org", "fp", "Not spam at all", ""),
            ],
        )
        .await;
        assert!(desk.find("Cheap pills").await.is_empty());
        assert_eq!(desk.one("Not spam at all").await.who(), [desk.people["ana"]]);
        assert_eq!(text(&desk, "SELECT left_out FROM delivery WHERE left_out IS NOT NULL").await.len(), 1);
        let mut broken = mail(
            "From: ana@example.org\nSubject: Broken\nContent-Type: multipart/mixed; boundary=\"never\"",
            "--other\nContent-Type: text/plain; charset=no-such\nContent-Transfer-Encoding: base64\n\n%%%not base64%%%",
        );
        broken.extend([0, 255, 254, b'\r', b'\n']);
        desk.drop_into(FolderRole::Inbox, &[broken, b"\x00\xff no header at all".to_vec(), Vec::new()]).await;
        assert_eq!(desk.one("Broken").await.who(), [desk.people["ana"]]);
        assert_eq!(text(&desk, "SELECT CAST(COUNT(*) AS TEXT) FROM message").await, ["4"], "{}", desk.fresh.name);
        assert_eq!(text(&desk, "SELECT CAST(COUNT(*) AS TEXT) FROM raw").await, ["4"]);
    }
}

/// The data of every event of a type, in the order they were written.
async fn data_of(desk: &Desk, what: &str) -> Vec<serde_json::Value> {
    let rows: Vec<String> = match stores::raw_connection(&desk.fresh.place).await {
        stores::Raw::Sqlite(mut c) => {
            sqlx::query_scalar("SELECT CAST(data AS TEXT) FROM event WHERE type = $1 ORDER BY id")
                .bind(what)
                .fetch_all(&mut c)
                .await
        }
        stores::Raw::Postgres(mut c) => {
            sqlx::query_scalar("SELECT CAST(data AS TEXT) FROM event WHERE type = $1 ORDER BY id")
                .bind(what)
                .fetch_all(&mut c)
                .await
        }
    }
    .unwrap();
    rows.iter().map(|row| serde_json::from_str(row).unwrap()).collect()
}

/// A mail of Ana's, with more headers and a text.
fn said(subject: &str, id: &str, more: &str, body: &str) -> Vec<u8> {
    mail(
        &format!(
            "From: Ana <ana@example.org>\nTo: team@acme.example\nSubject: {subject}\nMessage-ID: <{id}@mail.example>\n\
             Date: Mon, 2 Mar 2026 09:00:00 +0000\n{more}"
        ),
        body,
    )
}

#[tokio::test]
async fn what_an_answer_means_stands_in_its_signal_and_old_mail_raises_none() {
    for fresh in stores::both().await {
        let desk = Desk::new(fresh).await;
        let quoted =
            "\n\nOn Sun, 1 Mar 2026 at 12:00, Kim <team@acme.example> wrote:\n> Not interested? Unsubscribe here.";
        let texts = [
            ("a1", "Re: Shoes", format!("Bitte keine weiteren Mails.{quoted}")),
            ("a2", "Re: Shoes", format!("No thanks!{quoted}")),
            ("a3", "Re: Shoes", format!("Not interested in paid posts but gifting is fine.{quoted}")),
            ("a4", "Re: Shoes", format!("Yes, I would love to!{quoted}")),
            (
                "a5",
                "Fwd: Shoes",
                "What do you think?\n\n---------- Forwarded message ---------\nFrom: Bo <bo@example.org>\n\
                 Date: Sun, 1 Mar 2026\nSubject: Shoes\nTo: Ana <ana@example.org>\n\nPlease remove me from your list."
                    .to_owned(),
            ),
        ];
        let raws: Vec<Vec<u8>> = texts.iter().map(|(id, subject, text)| said(subject, id, "", text)).collect();
        desk.drop_into(FolderRole::Inbox, &raws).await;
        let told = data_of(&desk, "thread.replied").await;
        let verdicts: Vec<&str> = told.iter().map(|d| d["answer"]["verdict"].as_str().unwrap()).collect();
        assert_eq!(verdicts, ["opt_out", "refusal", "unsure", "none", "none"], "{}: {told:?}", desk.fresh.name);
        assert_eq!(told[0]["answer"]["language"], "de");
        assert_eq!(told[0]["answer"]["phrase"], "keine weiteren mails");
        assert!(told[0]["answer"]["confidence"].as_f64().is_some_and(|c| (0.9..=1.0).contains(&c)), "{told:?}");
        assert_eq!(told[3]["answer"]["phrase"], serde_json::Value::Null);
        assert_eq!(text(&desk, "SELECT value_key FROM suppression").await.len(), 1, "who opted out is not written to");
        // read anew, or old: nothing is raised
        desk.drop_old(&[said("Re: Old shoes", "a9", "", "Stop")]).await;
        assert_eq!(desk.one("Re: Old shoes").await.kind, "human");
        assert_eq!(data_of(&desk, "thread.replied").await.len(), 5);
    }
}

#[tokio::test]
async fn a_no_below_copied_headers_with_nothing_above_is_doubtful() {
    for fresh in stores::both().await {
        let desk = Desk::new(fresh).await;
        let copied = "From: Kim <team@acme.example>\nSent: Sunday, 1 March 2026 12:00\nTo: Ana <ana@example.org>\n\
                      Subject: Shoes\n\n";
        let below = format!("{copied}Hello Ana\n\nBitte keine weiteren Mails.");
        let raws = [
            said("Re: Shoes", "b1", "", &below),
            said("Re: Shoes", "b2", "", &format!("________________________________\n{below}")),
            said("Re: Shoes", "b3", "", &format!("{copied}Shall we talk about shoes?")),
            said("Re: Shoes", "b4", "", &format!("Bitte keine weiteren Mails.\n\n{copied}Shall we talk?")),
            said("Unsubscribe", "b5", "", &below),
        ];
        desk.drop_into(FolderRole::Inbox, &raws[..3]).await;
        assert_eq!(text(&desk, "SELECT value_key FROM suppression").await.len(), 0, "{}", desk.fresh.name);
        desk.drop_into(FolderRole::Inbox, &raws[3..]).await;
        let told = data_of(&desk, "thread.replied").await;
        let verdicts: Vec<&str> = told.iter().map(|d| d["answer"]["verdict"].as_str().unwrap()).collect();
        assert_eq!(verdicts, ["unsure", "unsure", "none", "opt_out", "opt_out"], "{}: {told:?}", desk.fresh.name);
    }
}

#[tokio::test]
async fn their_newsletter_and_a_draft_of_ours_are_neither_an_answer_nor_sent() {
    for fresh in stores::both().await {
        let desk = Desk::new(fresh).await;
        let many = "List-Unsubscribe: <https://news.example/u>\nPrecedence: bulk";
        desk.drop_into(FolderRole::Inbox, &[said("My spring news", "l1", many, "Three new videos, and a giveaway.")])
            .await;
        assert_eq!(desk.one("My spring news").await.kind, "automatic");
        assert_eq!(data_of(&desk, "thread.replied").await.len(), 0, "{}", desk.fresh.name);
        let ours = |id: &str, more: &str| {
            let head = format!(
                "From: Kim <team@acme.example>\nTo: ana@example.org\nSubject: Shoes {id}\nMessage-ID: <{id}@acme.example>\n\
                 Date: Mon, 2 Mar 2026 09:00:00 +0000\n{more}"
            );
            mail(&head, "Shall we talk about shoes?")
        };
        desk.drop_into(FolderRole::All, &[ours("d1", "X-Test-Draft: yes"), ours("d2", "X-Test-Draft: no")]).await;
        assert_eq!(desk.find("Shoes d1").await.len(), 0);
        assert_eq!(desk.find("Shoes d2").await.len(), 1);
        assert_eq!(data_of(&desk, "message.sent").await.len(), 1, "{}", desk.fresh.name);
        assert_eq!(desk.count("SELECT CAST(COUNT(*) AS TEXT) FROM delivery WHERE left_out = 'a draft'").await, 1);
    }
}

#[tokio::test]
async fn absence_says_until_when_and_the_gone_say_who_follows() {
    for fresh in stores::both().await {
        let desk = Desk::new(fresh).await;
        let auto = "Auto-Submitted: auto-replied";
        desk.drop_into(
            FolderRole::Inbox,
            &[
                said("Automatic reply: Shoes", "o1", auto, "Ich bin bis einschl. 13.03. im Urlaub."),
                said("Automatic reply: Shoes", "o2", auto, "I am out of the office. I will be back on Monday."),
                said("Automatic reply: Shoes", "o3", auto, "I am out of the office."),
                said(
                    "Automatic reply: Shoes",
                    "g1",
                    auto,
                    "Ana no longer works here. Please write to Mia <MIA@Talent.example>.",
                ),
                said(
                    "Automatic reply: Shoes",
                    "g2",
                    auto,
                    "Ana no longer works here. Ask a@talent.example or b@talent.example.",
                ),
                said("Automatic reply: Shoes", "n1", auto, "We have received your request."),
            ],
        )
        .await;
        let told = data_of(&desk, "message.received").await;
        let untils: Vec<Option<&str>> = told.iter().take(3).map(|d| d["until"].as_str()).collect();
        assert_eq!(
            untils,
            [Some("2026-03-13T23:59:59.000000Z"), Some("2026-03-09T23:59:59.000000Z"), None],
            "{}: {told:?}",
            desk.fresh.name
        );
        assert!(told[2].as_object().unwrap().contains_key("until"), "{told:?}");
        let back: Vec<Option<&str>> = told.iter().take(3).map(|d| d["back_on"].as_str()).collect();
        assert_eq!(back, [Some("2026-03-14"), Some("2026-03-09"), None], "the last day away, and the day of return");
        assert_eq!(told[3]["kind"], "gone");
        assert_eq!(
            (&told[3]["gone_address"], &told[3]["instead"]),
            (&"ana@example.org".into(), &"mia@talent.example".into())
        );
        assert_eq!(told[4]["instead"], serde_json::Value::Null, "two are named: which one follows can't be told");
        assert!(
            !told[5].as_object().unwrap().contains_key("until")
                && !told[5].as_object().unwrap().contains_key("gone_address")
        );
        assert_eq!(data_of(&desk, "thread.replied").await.len(), 0);
        assert_eq!(
            text(&desk, "SELECT value_key FROM address WHERE dead_at IS NOT NULL").await.len(),
            1,
            "of who left"
        );
    }
}

#[tokio::test]
async fn unsubscribe_mail_brings_its_token_from_whatever_address() {
    for fresh in stores::both().await {
        let desk = Desk::new(fresh).await;
        let from = |from: &str, to: &str, id: &str, subject: &str| {
            mail(
                &format!(
                    "From: {from}\nTo: {to}\nSubject: {subject}\nMessage-ID: <{id}@mail.example>\nDate: Mon, 2 Mar 2026 09:00:00 +0000"
                ),
                "This message was automatically generated by a mail program.",
            )
        };
        let (one, other) = ("Ab_9-".repeat(9)[..TOKEN_CHARS].to_owned(), "t0ken".repeat(9)[..TOKEN_CHARS].to_owned());
        desk.drop_into(
            FolderRole::Inbox,
            &[
                from("ana@example.org", "team@acme.example", "u1", &format!("[EXTERNAL] unsubscribe {one}")),
                from("who@private.example", "team@acme.example", "u2", &format!("Unsubscribe {other}")),
                from("bo@example.org", "team@acme.example", "u3", "unsubscribe me from this"),
                from("bo@example.org", "other@elsewhere.example", "u4", "unsubscribe abc"),
                from("bo@example.org", "team@acme.example", "u5", "unsubscribe <b>"),
            ],
        )
        .await;
        let told = data_of(&desk, "message.received").await;
        let tokens: Vec<Option<&str>> = told.iter().map(|d| d["unsubscribe_token"].as_str()).collect();
        assert_eq!(tokens, [Some(one.as_str()), Some(&other), None, None, None], "{}: {told:?}", desk.fresh.name);
        let replied = data_of(&desk, "thread.replied").await;
        assert_eq!(replied[0]["answer"]["verdict"], "opt_out");
        assert_eq!(replied.len(), 4, "the stranger's is nobody's reply");
    }
}

/// A provider's own id of a conversation ties what no header does; also what we wrote, which it shows as a copy.
#[tokio::test]
async fn conversation_of_the_provider_ties_messages_that_name_no_other() {
    for fresh in stores::both().await {
        let desk = Desk::new(fresh).await;
        let mail = |from: &str, to: &str, id: &str, conversation: &str| {
            let tie = if conversation.is_empty() {
                String::new()
            } else {
                format!("X-Test-Conversation: {conversation}\r\n")
            };
            format!(
                "From: <{from}>\r\nTo: <{to}>\r\nSubject: {id}\r\nMessage-ID: <{id}@x.example>\r\n\
                 Date: Mon, 2 Mar 2026 09:00:00 +0000\r\n{tie}\r\nWords of {id}\r\n"
            )
            .into_bytes()
        };
        let (ana, team) = ("ana@example.org", "team@acme.example");
        let theirs = [mail(ana, team, "one", "1f"), mail(ana, team, "two", "1f"), mail(ana, team, "other", "2a")];
        desk.drop_into(FolderRole::All, &theirs).await;
        assert_eq!(desk.one("one").await.thread(), desk.one("two").await.thread(), "{}", desk.fresh.name);
        assert_ne!(desk.one("one").await.thread(), desk.one("other").await.thread());
        desk.drop_into(FolderRole::Sent, &[mail(team, ana, "ours", "")]).await;
        desk.drop_into(FolderRole::All, &[mail(team, ana, "ours", "3c"), mail(ana, team, "answer", "3c")]).await;
        assert_eq!(desk.one("ours").await.thread(), desk.one("answer").await.thread(), "{}", desk.fresh.name);
    }
}
