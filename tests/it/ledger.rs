//! The hub's outbox beside the mail server's record: what arrived, what arrived twice, what is lost, what nobody knows.
//!
//! A message is looked for by the Message-ID that was fixed when it was queued, which no retry changes.

use crate::mail_record::{SubmissionLog, inbox_of};
use crate::peers::MailPeer;
use crate::stores;
use liaison::store::Place;
use sqlx::Connection;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use std::collections::HashMap;

/// Runs a query on a connection of its own that can't write.
pub(crate) async fn rows<T>(place: &Place, sql: &'static str) -> Vec<T>
where
    T: for<'r> sqlx::FromRow<'r, SqliteRow> + for<'r> sqlx::FromRow<'r, PgRow> + Send + Unpin,
{
    match place {
        Place::Sqlite { file } => {
            // Read-only, so that closing it does not take the write-ahead log away from the daemon's recovery.
            let url = format!("sqlite://{}?mode=ro", file.display());
            let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
            let rows = sqlx::query_as(sql).fetch_all(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            rows
        }
        Place::Postgres { .. } => {
            let stores::Raw::Postgres(mut connection) = stores::raw_connection(place).await else { unreachable!() };
            let rows = sqlx::query_as(sql).fetch_all(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            rows
        }
    }
}

/// One number.
pub(crate) async fn count(place: &Place, sql: &'static str) -> i64 {
    let found: Vec<(i64,)> = rows(place, sql).await;
    found[0].0
}

/// A message of the outbox.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct SentRow {
    pub(crate) subject: String,
    pub(crate) internet_message_id: String,
    pub(crate) account: String,
    pub(crate) status: String,
    pub(crate) detail: String,
    /// How often it became uncertain.
    pub(crate) uncertain: i64,
    /// How often it was noted as sent.
    pub(crate) sent: i64,
}

/// The whole outbox. Each message has one recipient, so that it has one event of a sort each time.
pub(crate) async fn outbox(place: &Place) -> Vec<SentRow> {
    let sql = "SELECT m.subject, COALESCE(m.internet_message_id, '') AS internet_message_id, o.account, o.status, \
        COALESCE(o.detail, '') AS detail, \
        (SELECT COUNT(*) FROM event e WHERE e.message_id = o.id AND e.type = 'message.uncertain') AS uncertain, \
        (SELECT COUNT(*) FROM event e WHERE e.message_id = o.id AND e.type = 'message.sent') AS sent \
        FROM outbox o JOIN message m ON m.id = o.id";
    let mut found: Vec<SentRow> = rows(place, sql).await;
    for row in &mut found {
        row.internet_message_id = row.internet_message_id.trim_matches(['<', '>']).to_owned();
        assert!(!row.internet_message_id.is_empty(), "a message without a Message-ID: {row:?}");
    }
    found
}

/// What the mail server has, by Message-ID: how often it took it, and in how many inboxes it lies.
pub(crate) struct ServerRecord {
    taken: HashMap<String, usize>,
    arrived: HashMap<String, usize>,
}

impl ServerRecord {
    pub(crate) fn read(peer: &MailPeer, log: &SubmissionLog, recipients: &[String]) -> Self {
        let mut arrived: HashMap<String, usize> = HashMap::new();
        for id in recipients.iter().flat_map(|r| inbox_of(peer, r)) {
            *arrived.entry(id).or_default() += 1;
        }
        Self { taken: log.taken(), arrived }
    }

    fn arrivals(&self, id: &str) -> usize {
        self.arrived.get(id).copied().unwrap_or_default()
    }

    /// How often the server has it: as often as it took it, or as often as it lies there if that is more.
    fn times(&self, id: &str) -> usize {
        self.taken.get(id).copied().unwrap_or_default().max(self.arrivals(id))
    }

    /// Whether everything of these rows that was taken has arrived, so that nothing is on its way.
    pub(crate) fn is_at_rest(&self, rows: &[SentRow]) -> bool {
        rows.iter().all(|r| self.times(&r.internet_message_id) == self.arrivals(&r.internet_message_id))
    }

    /// Mails in the inboxes that no row of the outbox stands for.
    pub(crate) fn strangers(&self, rows: &[SentRow]) -> usize {
        self.arrived.keys().filter(|id| !rows.iter().any(|r| r.internet_message_id == **id)).count()
    }
}

/// How the messages of one account fared.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fates {
    /// Rows of the outbox.
    pub(crate) queued: usize,
    /// Noted as sent.
    pub(crate) confirmed: usize,
    /// In the recipient's inbox.
    pub(crate) arrived: usize,
    /// More than once.
    pub(crate) twice: usize,
    /// Noted as sent, and not there.
    pub(crate) lost: usize,
    /// Ever uncertain.
    pub(crate) uncertain: usize,
    /// Of these, found on the server and so settled.
    pub(crate) found: usize,
    /// Of these, known not to have been sent, and sent then.
    pub(crate) sent_again: usize,
    /// Of these, waiting for a person.
    pub(crate) waiting: usize,
    /// Of those that wait, on the server.
    pub(crate) waiting_arrived: usize,
    /// Neither confirmed nor uncertain.
    pub(crate) other: usize,
    /// Noted as sent more or less often than once.
    pub(crate) misnoted: usize,
}

/// Details under which a message is settled by having been seen.
const SEEN: [&str; 2] = ["found in Sent", "seen in a mailbox"];

impl Fates {
    pub(crate) fn of(account: &str, rows: &[SentRow], record: &ServerRecord) -> Self {
        let mut fates = Self::default();
        for row in rows.iter().filter(|r| r.account == account) {
            fates.add(row, record.times(&row.internet_message_id));
        }
        fates
    }

    fn add(&mut self, row: &SentRow, times: usize) {
        let one = usize::from;
        let (confirmed, waiting) = (row.status == "confirmed", row.status == "uncertain");
        let was_uncertain = row.uncertain > 0;
        let seen = SEEN.iter().any(|s| row.detail.starts_with(s));
        self.queued += 1;
        self.confirmed += one(confirmed);
        self.arrived += one(times > 0);
        self.twice += one(times > 1);
        self.lost += one(confirmed && times == 0);
        self.uncertain += one(was_uncertain);
        self.found += one(was_uncertain && confirmed && seen);
        self.sent_again += one(was_uncertain && confirmed && !seen);
        self.waiting += one(waiting);
        self.waiting_arrived += one(waiting && times > 0);
        self.other += one(!confirmed && !waiting);
        self.misnoted += one(row.sent != i64::from(confirmed));
    }

    /// The lines of a table: a name for each number.
    pub(crate) fn lines(&self) -> Vec<(&'static str, String)> {
        vec![
            ("taken into the outbox", self.queued.to_string()),
            ("noted as sent", self.confirmed.to_string()),
            ("arrived, by the servers' record", self.arrived.to_string()),
            ("lost (noted as sent, not there)", self.lost.to_string()),
            ("sent twice", self.twice.to_string()),
            ("ever uncertain", self.uncertain.to_string()),
            ("– found on the server: settled", self.found.to_string()),
            ("– not there: sent then", self.sent_again.to_string()),
            ("– left for a person", self.waiting.to_string()),
            ("– – of these, on the server", self.waiting_arrived.to_string()),
        ]
    }

    /// What must be so for every account.
    pub(crate) fn check(&self, account: &str) {
        assert_eq!(self.twice, 0, "{account}: sent twice: {self:?}");
        assert_eq!(self.lost, 0, "{account}: lost: {self:?}");
        assert_eq!(self.other, 0, "{account}: neither sent nor uncertain: {self:?}");
        assert_eq!(self.misnoted, 0, "{account}: not noted once as sent: {self:?}");
    }
}

/// A table of two columns, for the terminal and for a document.
pub(crate) fn print_table(title: &str, lines: &[(&str, String)]) {
    println!("\n| {title} | |\n|---|--:|");
    for (name, figure) in lines {
        println!("| {name} | {figure} |");
    }
}

#[test]
fn what_the_server_has_twice_is_seen() {
    let row = |id: &str, status: &str, uncertain, sent| SentRow {
        subject: id.into(),
        internet_message_id: id.into(),
        account: "a".into(),
        status: status.into(),
        detail: if uncertain > 0 { "found in Sent".into() } else { "250 ok".into() },
        uncertain,
        sent,
    };
    let rows = [
        row("once", "confirmed", 0, 1),
        row("twice", "confirmed", 0, 1),
        row("taken-twice", "confirmed", 1, 1),
        row("lost", "confirmed", 0, 1),
        row("unknown", "uncertain", 1, 0),
        row("stuck", "queued", 0, 0),
        row("noted-twice", "confirmed", 0, 2),
    ];
    let of = |counts: &[(&str, usize)]| counts.iter().map(|(id, n)| ((*id).to_owned(), *n)).collect();
    let record = ServerRecord {
        taken: of(&[("once", 1), ("taken-twice", 2), ("noted-twice", 1)]),
        arrived: of(&[("once", 1), ("twice", 2), ("taken-twice", 1), ("unknown", 1), ("noted-twice", 1)]),
    };
    let fates = Fates::of("a", &rows, &record);
    let expected = Fates {
        queued: 7,
        confirmed: 5,
        arrived: 5,
        twice: 2,
        lost: 1,
        uncertain: 2,
        found: 1,
        sent_again: 0,
        waiting: 1,
        waiting_arrived: 1,
        other: 1,
        misnoted: 1,
    };
    assert_eq!(fates, expected);
    assert!(!record.is_at_rest(&rows) && record.strangers(&rows) == 0);
    assert_eq!(Fates::of("b", &rows, &record), Fates::default());
}
