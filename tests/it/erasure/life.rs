//! Somebody with a whole life in the database: a word of their own stands in every field that can hold one.

use crate::ingest::{Desk, mail};
use crate::seed;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use liaison::clock::Clock;
use liaison::domain::ids::{EnrollmentId, InfluencerId, LedgerId, MessageId, RelayPostId, RelayThreadId, RunId};
use liaison::domain::mail::Mailbox;
use liaison::domain::people::Consent;
use liaison::domain::time::Micros;
use liaison::domain::words::{
    Channel, Direction, EnrollmentState, FileState, FolderRole, Phase, Progress, RelaySort, RelayWay, RelayWordState,
    Scope, StepState, SuppressionReason,
};
use liaison::hub::enqueue::{AccountFrom, Order, enqueue};
use liaison::hub::people::{
    KnownStages, NetworkGiven, NewInfluencer, NewSuppression, StageMove, add_note, create_influencer, merge,
    move_stage, suppress_address,
};
use liaison::hub::task::{self, NewTask};
use liaison::hub::token::{TokenOrder, create_token};
use liaison::hub::touch::{Touched, log_touch};
use liaison::hub::{hold, people};
use liaison::store::Tx;
use liaison::store::feed::NewProviderMessage;
use liaison::store::file::{FileGrip, FilePiece, NewFile};
use liaison::store::outreach::enrollment::{EnrollmentRow, StepRow};
use liaison::store::reading::Page;
use liaison::store::relay::{NewRelayPost, RelayThreadRow, RelayWordRow};
use sha2::{Digest as _, Sha256};

/// One of them.
pub struct Life {
    pub n: usize,
    /// The word that stands everywhere.
    pub word: String,
    pub id: InfluencerId,
    /// Who shares a thread with them.
    pub friend: InfluencerId,
    /// What they wrote.
    pub inbox: Vec<Vec<u8>>,
    /// What the team wrote to them in a client of its own.
    pub sent: Vec<Vec<u8>>,
    /// What waits for them.
    pub queued: MessageId,
    /// What they attached.
    pub file: String,
}

/// A mail; `more` are further headers, each with its line break before it.
pub fn letter(from: &str, to: &str, more: &str, id: &str, body: &str) -> Vec<u8> {
    let date = "Date: Sun, 1 Mar 2026 12:00:00 +0000";
    mail(&format!("From: {from}\nTo: {to}\nSubject: About {id}\nMessage-ID: <{id}@mail.example>\n{date}{more}"), body)
}

pub fn order(to: &str, text: &str) -> Order {
    Order {
        account: AccountFrom { name: "brand".into(), address: "team@acme.example".into(), display_name: "Acme".into() },
        to: vec![Mailbox { name: String::new(), address: to.to_owned() }],
        cc: Vec::new(),
        subject: Some(text.to_owned()),
        text: text.to_owned(),
        html: None,
        attachments: Vec::new(),
        answers: None,
        due_at: Micros::from_seconds(4_000_000_000),
        file_copy: false,
        message_id_domain: "acme.example".into(),
        outreach: None,
    }
}

fn stages() -> KnownStages {
    let ids = ["prospect", "contacted", "engaged", "in_talks"].map(str::to_owned).to_vec();
    KnownStages { start: "prospect".into(), ids }
}

/// Who they are, with what is said about them by hand.
async fn person(desk: &Desk, word: &str) -> (InfluencerId, InfluencerId) {
    let (clock, stages) = (&desk.clock, stages());
    let w = |what: &str| format!("{word}{what}");
    let mut tx = desk.fresh.store.begin("test.person").await.unwrap();
    let new = NewInfluencer {
        handle: format!("@{}", w("handle")),
        first_name: w("first"),
        last_name: w("last"),
        emails: vec![format!("{word}@home.example"), format!("{word}@work.example")],
        timezone: Some("Europe/Lisbon".into()),
        owner: Some("kim".into()),
        tags: vec![w("tag")],
        networks: vec![NetworkGiven { network: "instagram".into(), handle: w("insta"), followers: Some(7_000) }],
        properties: serde_json::Map::from_iter([(w("property"), serde_json::json!(w("value")))]),
        ..NewInfluencer::default()
    };
    let id = create_influencer(&mut tx, clock, &stages, &w("by"), new).await.unwrap().id;
    let twin = NewInfluencer {
        handle: format!("@{}", w("twin")),
        emails: vec![format!("{word}@twin.example")],
        ..NewInfluencer::default()
    };
    let twin = create_influencer(&mut tx, clock, &stages, "test", twin).await.unwrap().id;
    add_note(&mut tx, clock, twin, "kim", &w("note of the twin")).await.unwrap();
    add_note(&mut tx, clock, id, "kim", &w("note")).await.unwrap();
    let step = StageMove { influencer_id: id, to: "contacted".into(), pinned: false, cause: w("cause") };
    move_stage(&mut tx, clock, &stages, step).await.unwrap();
    let until = Micros::from_seconds(4_000_000_000);
    hold::hold_by_hand(&mut tx, clock, id, (until, Some(&w("hold"))), "kim").await.unwrap();
    let new = NewSuppression {
        address: format!("{word}@work.example"),
        reason: SuppressionReason::ByHand,
        evidence: w("evidence"),
    };
    suppress_address(&mut tx, clock, new).await.unwrap();
    let consent = Consent {
        id: LedgerId(clock.new_id()),
        channel: Channel::Email,
        value_key: format!("{word}@home.example"),
        source: w("source"),
        evidence: w("proof"),
        at: clock.now(),
        withdrawn_at: None,
    };
    tx.insert_consents(&[consent]).await.unwrap();
    let agent = people::find_agent(&mut tx, "mgr@talent.example").await.unwrap();
    tx.link_agents(&[(agent, id)]).await.unwrap();
    let touched = Touched {
        influencer: id,
        direction: Direction::Outbound,
        place: w("place"),
        text: w("told elsewhere"),
        at: None,
        meaning: None,
        by: w("teammate"),
    };
    log_touch(&mut tx, clock, touched).await.unwrap();
    relayed(&mut tx, clock, (id, word)).await;
    tx.commit().await.unwrap();
    let audience = format!(
        "INSERT INTO influencer_audience (influencer_id, dimension, key, share, at) VALUES ($1, 'country', '{word}', 0.5, 0)"
    );
    seed::run(&desk.fresh, &audience, &[id.0]).await;
    (id, twin)
}

/// What the team was shown of them, and what it said there.
async fn relayed(tx: &mut Tx, clock: &Clock, (influencer_id, word): (InfluencerId, &str)) {
    let w = |what: &str| format!("{word}{what}");
    let thread = RelayThreadRow {
        id: RelayThreadId(clock.new_id()),
        relay: "team".into(),
        account: "slack".into(),
        place: w("place"),
        influencer_id,
        marker: "!send".into(),
        root: Some(w("root")),
        created_at: clock.now(),
    };
    tx.insert_relay_thread(&thread).await.unwrap();
    let post = NewRelayPost {
        id: RelayPostId(clock.new_id()),
        thread_id: thread.id,
        account: "slack".into(),
        sort: RelaySort::Shown,
        about: "open".into(),
        message_id: None,
        text: w("shown"),
        token: format!("relay-{}", clock.new_id().simple()),
        at: clock.now(),
    };
    tx.insert_relay_posts(vec![post]).await.unwrap();
    let said = RelayWordRow {
        account: "slack".into(),
        provider_id: w("word"),
        thread_id: thread.id,
        answers: None,
        way: RelayWay::Said,
        author: "kim".into(),
        text: w("said of them"),
        refused: None,
        at: clock.now(),
        heard_at: clock.now(),
        changed: false,
        changed_at: None,
        taken_back: false,
        state: RelayWordState::Done,
        note_id: None,
        message_id: None,
    };
    assert!(tx.insert_relay_word(&said).await.unwrap());
}

/// What they wrote and what was written to them, by mail.
async fn mails(desk: &Desk, word: &str, n: usize) -> (InfluencerId, Vec<Vec<u8>>, Vec<Vec<u8>>, String) {
    let friend = crate::ingest::add_influencer(
        &desk.fresh.store,
        &desk.clock,
        &format!("friend{n}"),
        &format!("friend{n}@pals.example"),
    )
    .await;
    let me = format!("{word}first {word}last <{word}@home.example>");
    let file = format!("an offer of {word}");
    let packed = STANDARD.encode(&file);
    let parts = format!(
        "--b\nContent-Type: text/plain\n\nI am {word}.\n--b\nContent-Type: text/plain; name=offer.txt\n\
         Content-Disposition: attachment; filename=offer.txt\nContent-Transfer-Encoding: base64\n\n{packed}\n--b--"
    );
    let mixed = "\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b";
    let first = letter(&me, "team@acme.example", mixed, &format!("{word}-1"), &parts);
    let answer = letter(
        "team@acme.example",
        &me,
        &format!("\nIn-Reply-To: <{word}-1@mail.example>"),
        &format!("{word}-2"),
        &format!("Dear {word}, thanks."),
    );
    // From an address that nobody knows, in a thread that is theirs.
    let alias = letter(
        &format!("{word}@alias.example"),
        "team@acme.example",
        &format!("\nIn-Reply-To: <{word}-2@mail.example>\nReferences: <{word}-1@mail.example> <{word}-2@mail.example>"),
        &format!("{word}-3"),
        &format!("It is me, {word}"),
    );
    let friend_writes = letter(
        &format!("Friend <friend{n}@pals.example>"),
        "team@acme.example",
        &format!("\nCc: {me}"),
        &format!("friends-{n}"),
        &format!("Together with {word}first {word}last, who is @{word}handle at {word}@home.example, as you know."),
    );
    let to_all = letter(
        &me,
        "team@acme.example",
        &format!(
            "\nCc: friend{n}@pals.example\nIn-Reply-To: <friends-{n}@mail.example>\nReferences: <friends-{n}@mail.example> <{word}-unseen@mail.example>"
        ),
        &format!("{word}-4"),
        &format!("I, {word}, agree."),
    );
    desk.drop_into(FolderRole::Inbox, std::slice::from_ref(&first)).await;
    desk.drop_into(FolderRole::Sent, std::slice::from_ref(&answer)).await;
    desk.drop_into(FolderRole::Inbox, &[alias.clone(), friend_writes, to_all.clone()]).await;
    (friend, vec![first, alias, to_all], vec![answer], file)
}

/// A run of a sequence, with its step and its mail; a mail that was sent, with its hits; a task; a kept answer.
async fn outreach(desk: &Desk, word: &str, id: InfluencerId) -> MessageId {
    let clock = &desk.clock;
    let (now, w) = (clock.now(), |what: &str| format!("{word}{what}"));
    let mut tx = desk.fresh.store.begin("test.outreach").await.unwrap();
    tx.publish_sequence("gift", "h1", "{}", now).await.unwrap();
    let run = EnrollmentRow {
        id: EnrollmentId(clock.new_id()),
        sequence: "gift".to_owned(),
        version: "h1".to_owned(),
        influencer_id: id,
        run: 1,
        account: "brand".to_owned(),
        state: EnrollmentState::Held,
        step: Some("intro".to_owned()),
        phase: Phase::Send,
        anchor_at: now,
        next_at: None,
        first: true,
        waiting_for: Some(w("waiting")),
        held_at: Some(now),
        exit_reason: None,
        filled: serde_json::Map::from_iter([("line".to_owned(), serde_json::json!(w("line")))]),
        started_at: now,
        ended_at: None,
    };
    tx.insert_enrollments(vec![run.clone()], now).await.unwrap();
    let home = format!("{word}@home.example");
    let queued = enqueue(&mut tx, clock, order(&home, &w(" queued"))).await.unwrap().id;
    let sent = enqueue(&mut tx, clock, order(&home, &w(" sent"))).await.unwrap().id;
    let step = StepRow {
        enrollment_id: run.id,
        step: "intro".to_owned(),
        state: StepState::Planned,
        kind: "email".to_owned(),
        variant: None,
        planned_at: Some(now),
        shifts: None,
        completed_at: None,
        message_id: Some(queued),
        task_id: None,
        reason: Some(w("reason")),
        opened_at: None,
        clicked_at: None,
        replied_at: None,
    };
    tx.insert_steps(vec![step]).await.unwrap();
    let new = NewTask { influencer_id: Some(id), text: w("task"), message_id: Some(sent), ..NewTask::default() };
    task::add(&mut tx, clock, new).await.unwrap();
    let token = TokenOrder { name: "program".into(), scopes: vec![Scope::Read], expires_at: None };
    let (token, _) = create_token(&mut tx, clock, token).await.unwrap();
    tx.commit().await.unwrap();
    let at = now.0;
    for (sql, of) in [
        (
            format!("UPDATE outbox SET enrollment_id = $2, step = 'intro', detail = '{word}detail' WHERE id = $1"),
            vec![queued.0, run.id.0],
        ),
        (format!("UPDATE outbox SET status = 'confirmed', handed_over_at = {at} WHERE id = $1"), vec![sent.0]),
        (format!("UPDATE reservation SET domain = '{word}.example' WHERE id = $1 OR id = $2"), vec![sent.0, queued.0]),
        (
            format!(
                "INSERT INTO tracked_link (message_id, n, url, label) VALUES ($1, 1, 'https://acme.example/{word}', '{word}label')"
            ),
            vec![sent.0],
        ),
        (
            format!(
                "INSERT INTO hit (id, message_id, influencer_id, kind, at, method, agent) VALUES ($1, $2, $3, 'open', {at}, 'GET', '{word}agent')"
            ),
            vec![clock.new_id(), sent.0, id.0],
        ),
        (
            format!(
                "INSERT INTO hit_new (id, message_id, kind, at, method, agent) VALUES ($1, $2, 'open', {at}, 'GET', '{word}agent')"
            ),
            vec![clock.new_id(), sent.0],
        ),
        (format!("INSERT INTO hit_surplus (message_id, hits, last_at) VALUES ($1, 4, {at})"), vec![sent.0]),
    ] {
        seed::run(&desk.fresh, &sql, &of).await;
    }
    for (key, answer) in [("plain key", format!("{{\"email\": \"{home}\"}}")), (home.as_str(), "{}".to_owned())] {
        let octets: String = answer.bytes().map(|o| format!("{o:02x}")).collect();
        let octets = match desk.fresh.name {
            "sqlite" => format!("X'{octets}'"),
            _ => format!("'\\x{octets}'::bytea"),
        };
        let sql = format!(
            "INSERT INTO idempotency (token_id, key, request, attempt, state, begun_at, status, media, answer) \
             SELECT $1, '{key}', hash, $1, 'answered', {at}, 201, 'application/json', {octets} FROM api_token WHERE id = $1"
        );
        seed::run(&desk.fresh, &sql, &[token.id.0]).await;
    }
    queued
}

/// What they and their friend wrote and changed later, and under which id a provider has it.
async fn changed(desk: &Desk, (word, n): (&str, usize), (id, friend): (InfluencerId, InfluencerId)) {
    let (now, provider_id) = (desk.clock.now(), format!("{word}provider"));
    let mut tx = desk.fresh.store.begin("test.changed").await.unwrap();
    let own = said(&mut tx, id, &format!("About {word}-1")).await;
    let shared = said(&mut tx, friend, &format!("About friends-{n}")).await;
    let told = NewProviderMessage { account: "texts".into(), provider_id: provider_id.clone(), message_id: own };
    tx.insert_provider_messages(vec![told]).await.unwrap();
    assert!(tx.set_progress("texts", &provider_id, (Progress::Failed, Some("30003")), now).await.unwrap());
    assert!(tx.insert_revision((own, now), &format!("I was {word}"), true).await.unwrap());
    let before = format!("Formerly with {word}first {word}last, as {word}@home.example");
    assert!(tx.insert_revision((shared, now), &before, false).await.unwrap());
    tx.commit().await.unwrap();
    // Files beside what each of them said: of theirs all goes, of their friend's what they are in.
    let friends =
        said(&mut desk.fresh.store.begin("test.changed").await.unwrap(), friend, &format!("About friends-{n}")).await;
    for (message, position, name, content) in [
        (own, 0, format!("{word}.txt"), format!("I am {word}")),
        (friends, 0, format!("With {word}first {word}last.txt"), format!("{} {word}@home.example", "x".repeat(1_495))),
    ] {
        keep_file(desk, (message, position), (&name, &content)).await;
    }
}

/// A file beside a message that was fetched, in pieces that end within words.
async fn keep_file(desk: &Desk, (message_id, position): (MessageId, i64), (name, content): (&str, &str)) {
    let mut tx = desk.fresh.store.begin("test.file").await.unwrap();
    let file = NewFile {
        message_id,
        position,
        account: "texts".into(),
        url: format!("https://files.example/{name}"),
        name: name.to_owned(),
        mime: "text/plain".into(),
        size: None,
        gone: None,
        at: Micros(0),
    };
    tx.insert_files(vec![file]).await.unwrap();
    let run = RunId(desk.clock.new_id());
    let due = tx.claim_file("texts", run, desk.clock.now(), 60).await.unwrap().unwrap();
    let grip = FileGrip { message_id: due.message_id, position: due.position, holder: run, tries: due.tries };
    let hash = Sha256::digest(content).to_vec();
    for (n, piece) in (0..).zip(content.as_bytes().chunks(1_505)) {
        tx.insert_file_piece(&hash, n, FilePiece::pack(piece).unwrap()).await.unwrap();
    }
    assert!(tx.keep_file(grip, (&hash, i64::try_from(content.len()).unwrap())).await.unwrap());
    tx.commit().await.unwrap();
}

/// What somebody has on their timeline by this subject.
async fn said(tx: &mut Tx, who: InfluencerId, subject: &str) -> MessageId {
    let page = tx.list_influencer_messages(who, Page::newest(100)).await.unwrap();
    page.data.iter().find(|message| message.subject == subject).unwrap().id
}

/// Lives.
pub async fn live(desk: &Desk, n: usize) -> Life {
    let word = format!("zq{n:04}canary");
    let (id, twin) = person(desk, &word).await;
    let (friend, inbox, sent, file) = mails(desk, &word, n).await;
    let queued = outreach(desk, &word, id).await;
    changed(desk, (&word, n), (id, friend)).await;
    let mut tx = desk.fresh.store.begin("test.merge").await.unwrap();
    merge(&mut tx, &desk.clock, id, twin, "kim").await.unwrap();
    tx.commit().await.unwrap();
    Life { n, word, id, friend, inbox, sent, queued, file }
}

impl Life {
    /// How many messages are on their timeline.
    pub async fn messages(&self, desk: &Desk) -> usize {
        let page = desk.fresh.store.read().await.unwrap().list_influencer_messages(self.id, Page::newest(100)).await;
        page.unwrap().data.len()
    }

    /// Whoever shared a thread with them still has what they wrote themselves, and it does not name them.
    pub async fn friend_keeps_theirs(&self, desk: &Desk) {
        let mut tx = desk.fresh.store.read().await.unwrap();
        let page = tx.list_influencer_messages(self.friend, Page::newest(100)).await.unwrap();
        assert_eq!(page.data.len(), 1, "{}: {:?}", self.word, page.data);
        let message = &page.data[0];
        assert_eq!(message.subject, format!("About friends-{}", self.n));
        let clean = "Together with [erased], who is @[erased] at [erased], as you know.";
        assert_eq!(message.text.trim(), clean);
        assert!(message.cc.is_empty(), "{:?}", message.cc);
        let before: Vec<String> =
            tx.list_revisions(message.id).await.unwrap().into_iter().map(|(_, said, _)| said).collect();
        assert_eq!(before, ["Formerly with [erased], as [erased]"], "{}", self.word);
        let file = tx.get_file(message.id, 0).await.unwrap().unwrap();
        assert_eq!((file.state, file.name.as_str(), file.hash), (FileState::Gone, "With [erased].txt", None));
        assert_eq!(file.reason.as_deref(), Some("somebody who is, or may be, in it was erased"));
        let raw = String::from_utf8(tx.get_raw_mail(message.id).await.unwrap().unwrap()).unwrap();
        assert!(raw.contains(clean) && raw.contains(&format!("friend{}@pals.example", self.n)), "{raw}");
        let threads =
            liaison::store::reading::thread::ThreadFilter { influencer: Some(self.friend), ..Default::default() };
        let threads = tx.list_threads(&threads, Page::newest(9)).await.unwrap().data;
        assert_eq!(threads.iter().map(|t| t.message_count).collect::<Vec<_>>(), [1]);
        let found = tx.search_messages("together", Page::newest(100)).await.unwrap().data;
        assert!(found.iter().any(|hit| hit.message.id == message.id), "what stays is found");
        assert!(tx.search_messages(&self.word, Page::newest(100)).await.unwrap().data.is_empty());
    }
}
