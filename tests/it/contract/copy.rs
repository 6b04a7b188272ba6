//! Copying what planning goes by into a scratch store: from either database, with no column forgotten.

use crate::seed;
use crate::stores::{Fresh, both, sqlite};
use liaison::clock::Clock;
use liaison::domain::ids::{AddressId, EnrollmentId, InfluencerId, LedgerId};
use liaison::domain::people::{Address, Consent, Person, Suppression};
use liaison::domain::time::Micros;
use liaison::domain::words::{Channel, EnrollmentState, HoldSource, Phase, Role, StepState, SuppressionReason};
use liaison::store::Store;
use liaison::store::message::NewMessage;
use liaison::store::outreach::enrollment::{EnrollmentRow, StepRow};
use liaison::store::outreach::reservation::ReservationRow;
use liaison::store::people::hold::Hold;
use sqlx::{Connection, Row};

const NOW: Micros = Micros(1_772_355_600_000_000);
const NUMBER: &str = "+14155550101";

fn run_of(id: EnrollmentId, who: InfluencerId) -> EnrollmentRow {
    EnrollmentRow {
        id,
        sequence: "gift".to_owned(),
        version: "h1".to_owned(),
        influencer_id: who,
        run: 1,
        account: "hello".to_owned(),
        state: EnrollmentState::Active,
        step: Some("intro".to_owned()),
        phase: Phase::Delay,
        anchor_at: NOW,
        next_at: Some(NOW),
        first: true,
        waiting_for: None,
        held_at: None,
        exit_reason: None,
        filled: serde_json::from_str(r#"{"line": "ä\"b"}"#).unwrap(),
        started_at: NOW,
        ended_at: None,
    }
}

async fn fill(fresh: &Fresh, clock: &Clock) -> InfluencerId {
    let who = seed::influencer(fresh, clock).await;
    let mut tx = fresh.store.begin("test").await.unwrap();
    tx.ensure_account("hello", "imap", "hello@acme.example", NOW).await.unwrap();
    let address = Address {
        id: AddressId(clock.new_id()),
        channel: Channel::Email,
        value: "ana@example.org".to_owned(),
        value_key: "ana@example.org".to_owned(),
        person: Person::Influencer(who),
        is_primary: true,
        dead_at: None,
        dead_reason: None,
        created_at: NOW,
    };
    tx.insert_addresses(&[address]).await.unwrap();
    tx.insert_tags(&[(who, "running".to_owned())]).await.unwrap();
    let hold = Hold {
        influencer_id: who,
        source: HoldSource::Away,
        until: Some(Micros(NOW.0 + 5)),
        reason: Some("out of office".to_owned()),
        cause: None,
        made_at: NOW,
    };
    tx.put_hold(&hold, NOW).await.unwrap();
    let suppression = Suppression {
        id: LedgerId(clock.new_id()),
        channel: Channel::Email,
        value_key: "ana@example.org".to_owned(),
        scope: "all".to_owned(),
        reason: SuppressionReason::OptedOut,
        evidence: "said so".to_owned(),
        at: NOW,
    };
    tx.insert_suppressions(&[suppression]).await.unwrap();
    tx.publish_sequence("gift", "h1", "{}", NOW).await.unwrap();
    tx.insert_pause("account:hello", "holidays", NOW).await.unwrap();
    let id = EnrollmentId(clock.new_id());
    tx.insert_enrollments(vec![run_of(id, who)], NOW).await.unwrap();
    let step = StepRow {
        enrollment_id: id,
        step: "intro".to_owned(),
        state: StepState::Planned,
        kind: "email".to_owned(),
        variant: Some("a.md".to_owned()),
        planned_at: Some(NOW),
        shifts: Some(serde_json::json!([{"why": "a gap"}])),
        completed_at: None,
        message_id: None,
        task_id: None,
        reason: None,
        opened_at: None,
        clicked_at: None,
        replied_at: None,
    };
    tx.insert_steps(vec![step]).await.unwrap();
    let place = ReservationRow {
        id: id.0,
        account: "hello".to_owned(),
        sequence: Some("gift".to_owned()),
        domain: "example.org".to_owned(),
        first: true,
        pencilled: true,
        at: NOW,
        gap: 5,
    };
    tx.upsert_reservations(vec![place]).await.unwrap();
    tx.commit().await.unwrap();
    who
}

/// Their number, that they agreed to be written to there, and what they wrote last.
async fn texts(fresh: &Fresh, clock: &Clock, who: InfluencerId) {
    let mut tx = fresh.store.begin("test").await.unwrap();
    let number = Address {
        id: AddressId(clock.new_id()),
        channel: Channel::Sms,
        value: NUMBER.to_owned(),
        value_key: NUMBER.to_owned(),
        person: Person::Influencer(who),
        is_primary: true,
        dead_at: None,
        dead_reason: None,
        created_at: NOW,
    };
    tx.insert_addresses(&[number]).await.unwrap();
    let consent = Consent {
        id: LedgerId(clock.new_id()),
        channel: Channel::Sms,
        value_key: NUMBER.to_owned(),
        source: "form".to_owned(),
        evidence: "row 2".to_owned(),
        at: NOW,
        withdrawn_at: None,
    };
    tx.insert_consents(&[consent]).await.unwrap();
    tx.commit().await.unwrap();
    let thread = seed::thread(fresh, clock, who, 1).await;
    let wrote = |n: i64, message: &mut NewMessage| {
        (message.channel, message.account) = (Channel::Sms, format!("texts{n}"));
    };
    seed::messages(fresh, clock, &thread, (2, vec![(who, thread.id, Role::Author)]), wrote).await;
}

#[tokio::test]
async fn what_is_copied_reads_the_same() {
    for fresh in both().await {
        let clock = Clock::machine();
        let who = fill(&fresh, &clock).await;
        texts(&fresh, &clock, who).await;
        let dir = tempfile::tempdir().unwrap();
        let scratch = Store::open_scratch(&dir.path().join("scratch.db")).await.unwrap();
        let mut source = fresh.store.snapshot().await.unwrap();
        let people = source.list_people_of_live_runs(10).await.unwrap();
        assert_eq!(people, [who], "{}", fresh.name);
        let mut tx = scratch.begin("test").await.unwrap();
        tx.copy_outreach(&mut source, &people, NOW).await.unwrap();
        tx.commit().await.unwrap();
        let mut copy = scratch.read().await.unwrap();
        macro_rules! same {
            ($($call:ident($($arg:expr),*)),+ $(,)?) => { $(
                let (there, here) = (source.$call($($arg),*).await.unwrap(), copy.$call($($arg),*).await.unwrap());
                assert_eq!(format!("{there:?}"), format!("{here:?}"), "{} {}", fresh.name, stringify!($call));
            )+ };
        }
        let runs = source.list_enrollments_of(vec![who]).await.unwrap();
        assert_eq!(runs.len(), 1);
        same!(
            list_persons(vec![who]),
            list_places(vec![who]),
            list_tags(vec![who]),
            list_reachable(vec![who]),
            list_holds(vec![who]),
            list_hold_sources(vec![who]),
            list_enrollments_of(vec![who]),
            list_steps(vec![runs[0].id]),
            list_reservations("hello", NOW),
            list_pauses(),
            list_sequences(),
            get_sequence_version("h1"),
            list_people_in("gift"),
            list_accounts(),
            list_consents(Channel::Sms, vec![NUMBER.to_owned()]),
            last_written_by(who, Channel::Sms),
            known_account(who, Channel::Sms),
        );
        assert_eq!(copy.list_consents(Channel::Sms, vec![NUMBER.to_owned()]).await.unwrap().len(), 1);
        let last = copy.last_written_by(who, Channel::Sms).await.unwrap().unwrap();
        assert_eq!(last.account, "texts1", "{}", fresh.name);
        // Nothing that they wrote, and nothing older.
        assert_eq!(copy.get_revised(last.id).await.unwrap().unwrap().text, "", "{}", fresh.name);
        assert_eq!(copy.list_message_ids_of(vec![who]).await.unwrap(), [last.id], "{}", fresh.name);
        assert!(copy.list_places(vec![who]).await.unwrap()[0].suppressed.is_some());
    }
}

#[tokio::test]
async fn no_column_of_a_copied_table_is_forgotten() {
    // What is left out on purpose: the number of a message is given anew, no raw mail is copied, and what people do with
    // threads at their desk changes no plan; agents who were removed stand for nobody; a provider that wants to be left alone for a
    // moment is none that is simulated.
    const LEFT_OUT: [(&str, &str); 14] = [
        ("message", "n"),
        ("outbox", "clean_hash"),
        ("agent", "removed_at"),
        ("thread", "assignee"),
        ("thread", "read_at"),
        ("thread", "snoozed_at"),
        ("thread", "snoozed_until"),
        ("thread", "archived_at"),
        ("thread", "version"),
        ("thread", "given_from"),
        ("task", "version"),
        ("installation", "moved_to"),
        ("account", "rest_until"),
        ("account", "reading_rest_until"),
    ];
    let fresh = sqlite().await;
    let liaison::store::Place::Sqlite { file } = &fresh.place else { panic!() };
    let mut raw = sqlx::SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    for head in liaison::store::copy::heads() {
        let (table, columns) = head.strip_prefix("INSERT INTO ").unwrap().split_once(" (").unwrap();
        let copied: Vec<&str> = columns.trim_end_matches(')').split(", ").map(str::trim).collect();
        let sql = format!("SELECT name FROM pragma_table_info('{table}')");
        for row in sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut raw).await.unwrap() {
            let name: String = row.get(0);
            let left_out = LEFT_OUT.contains(&(table, name.as_str()));
            assert!(left_out || copied.contains(&name.as_str()), "{table}.{name} is not copied");
        }
    }
}

#[tokio::test]
async fn a_snapshot_does_not_see_what_comes_later() {
    for fresh in both().await {
        let mut snapshot = fresh.store.snapshot().await.unwrap();
        assert!(snapshot.list_pauses().await.unwrap().is_empty());
        let mut tx = fresh.store.begin("test").await.unwrap();
        tx.insert_pause("all", "x", NOW).await.unwrap();
        tx.commit().await.unwrap();
        assert!(snapshot.list_pauses().await.unwrap().is_empty(), "{}", fresh.name);
        assert!(
            snapshot.insert_pause("account:x", "x", NOW).await.is_err(),
            "{}: a snapshot was written to",
            fresh.name
        );
        drop(snapshot);
        assert_eq!(fresh.store.read().await.unwrap().list_pauses().await.unwrap().len(), 1, "{}", fresh.name);
    }
}
