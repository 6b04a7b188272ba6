//! What PostgreSQL itself writes down of every write that a lease guards: which node made it, and whose the lease was then. And
//! what the nodes say of writes that were refused.

use std::collections::HashMap;

use crate::daemon::Installation;
use crate::ledger::rows;
use crate::stores::{self, Raw};
use liaison::store::Place;

/// The writer is the name that a node gives its connections. A row of the outbox carries its own lease.
const WATCH: [&str; 6] = [
    "CREATE TABLE seen (n BIGSERIAL, what TEXT, writer TEXT, holder TEXT, name TEXT)",
    "CREATE FUNCTION see_reading() RETURNS trigger AS $$ BEGIN \
     INSERT INTO seen (what, writer, holder, name) SELECT TG_TABLE_NAME, current_setting('application_name'), l.holder::text, l.name \
     FROM folder f LEFT JOIN lease l ON l.name = 'poll:' || f.account \
     WHERE f.id = (to_jsonb(NEW) ->> CASE TG_TABLE_NAME WHEN 'folder' THEN 'id' ELSE 'folder_id' END)::uuid; \
     RETURN NULL; END $$ LANGUAGE plpgsql",
    "CREATE TRIGGER see_reading AFTER UPDATE OF last_uid ON folder FOR EACH ROW EXECUTE FUNCTION see_reading()",
    "CREATE TRIGGER see_reading AFTER INSERT ON delivery FOR EACH ROW EXECUTE FUNCTION see_reading()",
    // Only whoever has a row in hand says that it goes out, and what became of it. Others may put it back or ask about it.
    "CREATE FUNCTION see_sending() RETURNS trigger AS $$ BEGIN \
     INSERT INTO seen (what, writer, holder, name) VALUES ('outbox', current_setting('application_name'), OLD.lease_holder::text, \
     OLD.status || ' to ' || NEW.status); RETURN NULL; END $$ LANGUAGE plpgsql",
    "CREATE TRIGGER see_sending AFTER UPDATE ON outbox FOR EACH ROW \
     WHEN (OLD.status = 'claimed' AND NEW.status = 'handed_over' OR OLD.status = 'handed_over' AND NEW.status IN ('confirmed', 'deferred', 'rejected')) \
     EXECUTE FUNCTION see_sending()",
];

/// Has the database write down who writes, from now on.
pub(super) async fn watch(place: &Place) {
    let Raw::Postgres(mut raw) = stores::raw_connection(place).await else { panic!("PostgreSQL") };
    for sql in WATCH {
        sqlx::query(sql).execute(&mut raw).await.unwrap();
    }
}

/// The name under which a node's connections are known to the database.
pub(super) fn name_of(node: usize) -> String {
    format!("node{node}")
}

/// What was written while a lease guarded it.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// All of it.
    pub(super) all: usize,
    /// By a node that was not the holder: table, writer, holder, lease.
    pub(super) stale: Vec<(String, String, String, String)>,
}

impl Written {
    /// `ran`: which node each run was.
    pub(super) async fn read(place: &Place, ran: &HashMap<String, usize>) -> Self {
        let sql =
            "SELECT what, writer, COALESCE(holder, ''), COALESCE(name, ''), COUNT(*) FROM seen GROUP BY 1, 2, 3, 4";
        let seen: Vec<(String, String, String, String, i64)> = rows(place, sql).await;
        let mut written = Self::default();
        for (what, writer, holder, name, n) in seen {
            let n = usize::try_from(n).unwrap();
            written.all += n;
            if ran.get(&holder).is_none_or(|node| name_of(*node) != writer) {
                written.stale.extend(std::iter::repeat_n((what, writer, holder, name), n));
            }
        }
        written
    }
}

/// What the nodes say they did not write.
#[derive(Debug, Default)]
pub(super) struct Refused {
    /// Writes under the lease of a mailbox.
    pub(super) reading: usize,
    /// Renewals of it.
    pub(super) renewals: usize,
    /// Hand-overs of a row that was another's, or nobody's.
    pub(super) hand_overs: usize,
    /// Outcomes of an attempt that was another's by then.
    pub(super) outcomes: usize,
}

impl Refused {
    pub(super) fn read(nodes: &[Installation]) -> Self {
        let mut refused = Self::default();
        for node in nodes {
            let log = std::fs::read_to_string(node.log()).unwrap_or_default();
            let said = |words: &str| log.lines().filter(|line| line.contains(words)).count();
            refused.reading += said("a write was refused: the lease for it");
            refused.renewals += said("the lease is lost: this node stood still");
            refused.hand_overs += said("not handed over: it may not go out now");
            refused.outcomes += said("an outcome was not written: the attempt");
        }
        refused
    }
}
