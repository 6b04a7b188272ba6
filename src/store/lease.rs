//! Leases: who may do what until when, by the database's clock on PostgreSQL, with a number that only grows.
//!
//! Whoever holds a lease writes with its fence in the same statement, so that a holder that slept through its time can't
//! write over its successor.

use super::sql::statements;
use super::value::values;
use super::{StoreError, Tx};
use crate::domain::ids::RunId;
use crate::domain::time::Micros;
use crate::telemetry::metrics;

/// What the names of leases begin with under which mailboxes are read.
pub const READING: &str = "poll:";

/// A lease as it stands.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct LeaseRow {
    /// Its name.
    pub name: String,
    /// Who holds it, or held it last.
    pub holder: Option<RunId>,
    /// Until when, by the clock of [`Tx::lease_now`].
    pub until: Micros,
    /// Since when its holder has it, by the same clock.
    pub taken_at: Option<Micros>,
}

/// A lease that was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The holder.
    pub holder: RunId,
    /// Grows by one each time the lease changes hands.
    pub fence: i64,
}

/// The lease of whoever reads the mailbox of an account.
pub fn poll_lease(account: &str) -> String {
    format!("{READING}{account}")
}

impl Tx {
    /// Of these accounts, those whose mailbox a node reads: that node has them in its configuration. Nothing on SQLite, where
    /// nobody else is.
    pub async fn list_read_elsewhere(&mut self, accounts: &[&str]) -> Result<Vec<String>, StoreError> {
        if accounts.is_empty() || self.is_sqlite() {
            return Ok(Vec::new());
        }
        let now = self.lease_now().await?;
        let leases = self.list_leases().await?;
        let held = |account: &&&str| {
            let name = poll_lease(account);
            leases.iter().any(|lease| lease.name == name && lease.holder.is_some() && lease.until >= now)
        };
        Ok(accounts.iter().filter(held).map(|account| (*account).to_owned()).collect())
    }

    /// The database's clock on PostgreSQL (all nodes see the same one); this machine's clock on SQLite.
    pub async fn lease_now(&mut self) -> Result<Micros, StoreError> {
        if self.is_sqlite() {
            return Ok(crate::clock::machine_now());
        }
        let (now,): (i64,) = self.one(&DATABASE_NOW, values![]).await?;
        Ok(Micros(now))
    }

    /// Takes or renews the lease called `name` until `seconds` from now. `None` where another holder's lease still runs.
    pub async fn acquire_lease(
        &mut self,
        name: &str,
        holder: RunId,
        seconds: i64,
    ) -> Result<Option<Lease>, StoreError> {
        let now = self.lease_now().await?;
        let until = now.0.saturating_add(seconds.saturating_mul(1_000_000));
        self.exec(&LEASE_ENSURE, values![name]).await?;
        let row: Option<(i64,)> = self.opt(&LEASE_TAKE, values![name, holder, until, now.0]).await?;
        Ok(row.map(|(fence,)| Lease { holder, fence }))
    }

    /// Whether the lease is still held with this fence; locks the row until the end of the transaction.
    pub async fn holds_lease(&mut self, name: &str, lease: Lease) -> Result<bool, StoreError> {
        let now = self.lease_now().await?;
        let row: Option<(i64,)> = self.opt(&LEASE_CHECK, values![name, lease.holder, lease.fence, now.0]).await?;
        if row.is_none() {
            refused(name);
        }
        Ok(row.is_some())
    }

    /// As [`Tx::holds_lease`], for callers that may work without one.
    pub async fn holds_lease_of(&mut self, lease: Option<&(String, Lease)>) -> Result<bool, StoreError> {
        match lease {
            Some((name, lease)) => self.holds_lease(name, *lease).await,
            None => Ok(true),
        }
    }

    /// Notes that what the lease guards was read to its end, and for how many seconds that counts; `false` where it is lost.
    pub async fn set_read_to_end(&mut self, name: &str, lease: Lease, seconds: i64) -> Result<bool, StoreError> {
        let now = self.lease_now().await?;
        let until = now.0.saturating_add(seconds.saturating_mul(1_000_000));
        let done = self.exec(&LEASE_READ, values![name, lease.holder, lease.fence, now.0, until]).await?;
        if done == 0 {
            refused(name);
        }
        Ok(done > 0)
    }

    /// Whether what the lease guards was read to its end by the one who holds it now, whichever node that is, and lately.
    pub async fn is_read_to_end(&mut self, name: &str) -> Result<bool, StoreError> {
        let now = self.lease_now().await?;
        let row: Option<(i64,)> = self.opt(&LEASE_IS_READ, values![name, now.0]).await?;
        Ok(row.is_some())
    }

    /// All leases, by name: a few for each account.
    pub async fn list_leases(&mut self) -> Result<Vec<LeaseRow>, StoreError> {
        self.all(&LEASE_LIST, values![]).await
    }

    /// Gives a lease back, so that the next holder need not wait.
    pub async fn release_lease(&mut self, name: &str, lease: Lease) -> Result<(), StoreError> {
        self.exec(&LEASE_RELEASE, values![name, lease.holder, lease.fence]).await?;
        Ok(())
    }

    /// Ends every lease at once. Only right on SQLite, where the process lock proves that nobody else lives.
    pub async fn end_all_leases(&mut self) -> Result<(), StoreError> {
        self.exec(&LEASES_END, values![]).await?;
        Ok(())
    }

    /// Ends every lease of one holder. Only right where it is known to be gone.
    pub async fn end_leases_of(&mut self, holder: RunId) -> Result<(), StoreError> {
        self.exec(&LEASES_END_OF, values![holder]).await?;
        Ok(())
    }
}

/// Whoever stood still for longer than its lease learns it here.
fn refused(name: &str) {
    metrics::count(&metrics::LEASE_REFUSED, &[name], 1);
    tracing::warn!(lease = name, "a write was refused: the lease for it is over or another's");
}

statements! {
    DATABASE_NOW = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
        sqlite: "SELECT CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)";
    LEASE_ENSURE = "INSERT INTO lease (name, holder, fence, until) VALUES ($1, NULL, 0, 0) ON CONFLICT (name) DO NOTHING";
    #[hot] LEASE_TAKE = "UPDATE lease SET fence = CASE WHEN holder = $2 AND until >= $4 THEN fence ELSE fence + 1 END, \
        read_until = CASE WHEN holder = $2 AND until >= $4 THEN read_until END, \
        taken_at = CASE WHEN holder = $2 AND until >= $4 THEN taken_at ELSE $4 END, \
        holder = $2, until = $3 WHERE name = $1 AND (holder = $2 OR holder IS NULL OR until < $4) RETURNING fence";
    #[hot] LEASE_CHECK = "SELECT fence FROM lease WHERE name = $1 AND holder = $2 AND fence = $3 AND until >= $4 FOR UPDATE";
    #[hot] LEASE_READ = "UPDATE lease SET read_until = $5 WHERE name = $1 AND holder = $2 AND fence = $3 AND until >= $4";
    #[hot] LEASE_IS_READ = "SELECT fence FROM lease WHERE name = $1 AND holder IS NOT NULL AND until >= $2 AND read_until >= $2";
    LEASE_LIST = "SELECT name, holder, until, taken_at FROM lease ORDER BY name";
    LEASE_RELEASE = "UPDATE lease SET holder = NULL, until = 0 WHERE name = $1 AND holder = $2 AND fence = $3";
    LEASES_END = "UPDATE lease SET until = 0";
    LEASES_END_OF = "UPDATE lease SET until = 0 WHERE holder = $1";
}
