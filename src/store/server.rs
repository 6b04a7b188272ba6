//! The connections to a PostgreSQL server: how each is set, and what becomes of one whose server went away.
//!
//! A connection is asked whether it is alive only where it lay idle for a while. One that died since fails at its next statement,
//! and nobody is told of that: a read is done again on another connection, and a transaction that could not even begin is begun on
//! another. What failed in the middle of a transaction is the caller's affair, as ever.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Connection as _, Postgres, SqlSafeStr as _, Transaction};
use tokio::time::Instant;

use super::StoreError;

/// Connections to PostgreSQL of one process.
const CONNECTIONS_MAX: u32 = 16;
/// How long somebody waits for one, and a server that is being started anew is waited for.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// A connection that lay idle for longer is asked whether it is alive before it is used.
const TRUSTED: Duration = Duration::from_secs(1);
/// How long after reads began one of them is done again on another connection.
const AGAIN_WITHIN: Duration = Duration::from_secs(10);
/// Milliseconds for which a transaction may do nothing before PostgreSQL ends it, where the server, the role or the database
/// has no stricter rule of its own.
const IDLE: &str = "SELECT set_config(name, $1, FALSE) FROM pg_settings \
    WHERE name = 'idle_in_transaction_session_timeout' AND (setting::bigint = 0 OR setting::bigint > $1::bigint)";
/// The same for reads of one state, for their transaction alone: who reads much works on it meanwhile, and nobody waits for a lock
/// of theirs.
const SNAPSHOT_IDLE: &str = "SELECT set_config(name, '60000', TRUE) FROM pg_settings \
    WHERE name = 'idle_in_transaction_session_timeout' AND (reset_val::bigint = 0 OR reset_val::bigint > 60000)";
/// Milliseconds for which PostgreSQL keeps a connection whose other end takes nothing of what it is sent: a statement of a node that
/// stands still may wait there with all its locks, and counts as busy. It means nothing on a socket of the same machine.
const UNTAKEN: &str = "SELECT set_config(name, $1, FALSE) FROM pg_settings \
    WHERE name = 'tcp_user_timeout' AND (setting::bigint = 0 OR setting::bigint > $1::bigint)";
/// Reading a page out of order costs little more than reading the next one, on any disk of today. With the usual 4 the checks
/// of foreign keys, planned once per connection while a table is small, go on reading it whole when it is large.
const PAGES: &str = "SELECT set_config('random_page_cost', '1.1', FALSE) \
    WHERE current_setting('random_page_cost') = '4'";

/// A PostgreSQL server. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Server(PgPool);

/// A connection for reads that need no common snapshot.
pub(super) struct Reads {
    server: Server,
    /// None only while another one is waited for.
    held: Option<PoolConnection<Postgres>>,
    left: u32,
    since: Instant,
}

impl Server {
    /// Connects, and brings the schema up to date.
    pub(super) async fn open(url: &str, password: Option<&SecretString>, idle: Duration) -> Result<Self, StoreError> {
        let mut options: PgConnectOptions = url.parse()?;
        if let Some(password) = password {
            options = options.password(password.expose_secret());
        }
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(WAIT_MAX)
            .test_before_acquire(false)
            .before_acquire(|connection, about| {
                Box::pin(async move {
                    if about.idle_for > TRUSTED {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .after_connect(move |connection, _| {
                // A node that stands still in a transaction would hold its locks, and so stop the others, for as long as it
                // likes: the server ends it. What whoever runs the server set stays where it is stricter.
                Box::pin(async move {
                    let idle = idle.as_millis().to_string();
                    sqlx::query(IDLE).bind(&idle).execute(&mut *connection).await?;
                    sqlx::query(UNTAKEN).bind(&idle).execute(&mut *connection).await?;
                    sqlx::query(PAGES).execute(connection).await?;
                    Ok(())
                })
            })
            .connect_with(options.statement_cache_capacity(400))
            .await?;
        sqlx::migrate!("migrations/postgres").run(&pool).await?;
        Ok(Self(pool))
    }

    /// Begins a transaction by these words. As many dead connections may lie ready as there are at all.
    pub(super) async fn begin(&self, words: &'static str) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        let mut left = CONNECTIONS_MAX;
        loop {
            let begun = match self.0.acquire().await {
                Ok(connection) => begin_to_the_end(connection, words).await,
                Err(error) => Err(error),
            };
            match begun {
                Err(error) if left > 0 && is_gone(&error) => left -= 1,
                begun => return begun,
            }
        }
    }

    /// Begins reads that all see one state.
    pub(super) async fn snapshot(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        let mut tx = self.begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        sqlx::query(SNAPSHOT_IDLE).execute(&mut *tx).await?;
        Ok(tx)
    }

    /// A connection for reads.
    pub(super) async fn read(&self) -> Result<Reads, sqlx::Error> {
        Ok(Reads {
            server: self.clone(),
            held: Some(self.0.acquire().await?),
            left: CONNECTIONS_MAX,
            since: Instant::now(),
        })
    }

    pub(super) async fn close(&self) {
        self.0.close().await;
    }
}

/// Begins on a connection, also where whoever asked goes away meanwhile: one that was told to begin and not heard out would go back to
/// the others as if it were in no transaction, and the next one's writes would stand in that of somebody else.
#[allow(clippy::disallowed_methods, reason = "what it gives goes to whoever waits, or is rolled back as it is dropped")]
async fn begin_to_the_end(
    connection: PoolConnection<Postgres>,
    words: &'static str,
) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let begun = tokio::spawn(Transaction::begin(connection, Some(words.into_sql_str())));
    match begun.await {
        Ok(begun) => begun,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(sqlx::Error::WorkerCrashed),
    }
}

impl Reads {
    /// The connection.
    pub(super) fn connection(&mut self) -> Result<&mut sqlx::PgConnection, sqlx::Error> {
        self.held.as_deref_mut().ok_or(sqlx::Error::PoolClosed)
    }

    /// Takes another connection after a read failed because this one is gone; gives the error back where it is another one.
    pub(super) async fn another(&mut self, error: sqlx::Error) -> Result<(), sqlx::Error> {
        // One that took its time is not done again: it may be what ended the connection.
        if self.left == 0 || self.since.elapsed() > AGAIN_WITHIN || !is_gone(&error) {
            return Err(error);
        }
        self.left -= 1;
        tracing::info!(%error, "a connection to the database is gone; reading again on another");
        // Given back first: whoever waits for the others' would wait for ever where all do.
        self.held = None;
        self.held = Some(self.server.0.acquire().await?);
        Ok(())
    }
}

/// Whether the connection ended, and the statement with it; another connection may do.
fn is_gone(error: &sqlx::Error) -> bool {
    if let sqlx::Error::Database(db) = error {
        return db.code().is_some_and(|code| is_farewell(&code));
    }
    matches!(error, sqlx::Error::Io(_))
}

/// The words with which PostgreSQL, or what stands between, ends a connection: an administrator did, it crashed, it is starting, it
/// lay idle for too long, or the connection failed.
pub(super) fn is_farewell(code: &str) -> bool {
    // Not 08P01: what is asked wrongly is wrong on another connection as well.
    matches!(code, "57P01" | "57P02" | "57P03" | "57P05" | "08000" | "08001" | "08003" | "08004" | "08006")
}
