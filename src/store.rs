//! The database: SQLite in one file, or PostgreSQL shared by several nodes. One SQL text serves both.
//!
//! Everything that is kept goes through here, and nothing here decides anything: each function runs one or a few
//! statements inside the caller's [`Tx`]. Row shapes stay in this room; what leaves it are domain types and plain views.
//! A transaction never meets a connector: begin, read, write, commit, and only then talk to the network.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Postgres, Sqlite, Transaction};

pub mod again;
pub mod backup;
pub mod copy;
pub mod dialect;
pub mod event;
pub mod feed;
pub mod file;
pub mod idempotency;
pub mod installation;
pub mod lease;
pub mod login;
pub mod mailbox;
pub mod message;
pub mod outbox;
pub mod outreach;
pub mod people;
pub mod reading;
pub mod relay;
pub mod retention;
mod server;
pub mod sql;
pub mod survey;
pub mod task;
pub mod thread;
pub mod token;
pub mod tracking;
pub mod transfer;
mod types;
pub mod value;
pub mod view;
pub mod webhook;
mod writer;

use server::{Reads, Server};
use sql::{Rec, Sql};
use survey::{SURVEYS_MAX, Surveys};
use tokio::sync::OwnedSemaphorePermit;
use value::Value;
use writer::{Writer, WriterTx};

/// Connections that read from SQLite side by side.
const SQLITE_READERS: u32 = 4;
/// The name of a series of reads of one state.
const SNAPSHOT: &str = "snapshot";
/// How long a statement waits for SQLite's write lock held by another process (a command line, a backup).
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// What a caller can do about a failed store call.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another transaction won; nothing was written; do it again from the start.
    #[error("another transaction changed the same rows")]
    Conflict(#[source] sqlx::Error),
    /// A row with this key is there already.
    #[error("it is there already ({0})")]
    Exists(String),
    /// The database was written by a newer liaison; this one must not touch it.
    #[error(
        "the database was written by a newer version of liaison (migration {0}); install that version or a later one"
    )]
    Newer(i64),
    /// The disk is full or failing, or the server is not reachable: nothing was written; try again later.
    #[error("the database can't be used now: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// The shared commit failed; it is not known whether this transaction was kept.
    #[error("the commit failed: {0}")]
    Commit(String),
    /// As many surveys as there may be are under way, and none ended in time: nothing was read; ask again later.
    #[error("others look through all that is stored at the moment")]
    Busy,
    /// It has to look at more than can be looked at in the time there is: ask for less.
    #[error("it took longer than one question may take")]
    TooLong,
    /// What should not happen: a bug, or a damaged file.
    #[error("unexpected answer of the database: {0}")]
    Unhandled(#[source] sqlx::Error),
    /// A stored value that this version can't read.
    #[error("a stored value can't be read: {0}")]
    Damaged(String),
}

#[allow(clippy::wildcard_enum_match_arm, reason = "another crate's enum")]
impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(db) => {
                let code = db.code().unwrap_or_default();
                if db.is_unique_violation() {
                    return Self::Exists(db.constraint().map_or_else(|| db.message().to_owned(), str::to_owned));
                }
                match (code.as_ref(), sqlite_sort(&code)) {
                    // PostgreSQL: serialization failure, deadlock. SQLite: busy.
                    ("40001" | "40P01", _) | (_, Some(5)) => Self::Conflict(error),
                    // PostgreSQL: too many connections, out of disk, I/O error, shutting down or gone, ended because it did
                    // nothing for too long. SQLite: I/O error of any sort (a write, a sync, memory shared by processes), full,
                    // can't open.
                    ("53300" | "53100" | "58030" | "25P03", _) | (_, Some(10 | 13 | 14)) => Self::Unavailable(error),
                    (code, None) if server::is_farewell(code) => Self::Unavailable(error),
                    // Ended by a time limit: PostgreSQL's, and what SQLite's machine asks now and then.
                    ("57014", _) | (_, Some(9)) => Self::TooLong,
                    _ => Self::Unhandled(error),
                }
            }
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::Tls(_) => Self::Unavailable(error),
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Self::Damaged(error.to_string()),
            _ => Self::Unhandled(error),
        }
    }
}

/// The sort of an error of SQLite, whose codes say more in their upper bits. PostgreSQL's have five characters.
fn sqlite_sort(code: &str) -> Option<u32> {
    (code.len() < 5).then(|| code.parse::<u32>().ok()).flatten().map(|code| code & 0xFF)
}

#[allow(clippy::wildcard_enum_match_arm, reason = "another crate's enum")]
impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        match error {
            sqlx::migrate::MigrateError::VersionMissing(version) => Self::Newer(version),
            sqlx::migrate::MigrateError::Execute(error) | sqlx::migrate::MigrateError::ExecuteMigration(error, _) => {
                Self::from(error)
            }
            other => Self::Damaged(other.to_string()),
        }
    }
}

/// Where the data lives.
#[derive(Debug, Clone)]
pub enum Place {
    /// One file, one daemon.
    Sqlite {
        /// The file; made where it is missing.
        file: PathBuf,
    },
    /// A server, one or several nodes.
    Postgres {
        /// `postgres://user@host:port/database`.
        url: String,
        /// The password, where the URL has none.
        password: Option<SecretString>,
        /// How long a transaction of ours may do nothing until the server ends it, and gives its locks to others.
        idle_max: Duration,
    },
}

/// An open database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Inner,
    surveys: Surveys,
}

#[derive(Debug, Clone)]
enum Inner {
    Sqlite { read: SqlitePool, survey: SqlitePool, write: Writer },
    Postgres(Server),
}

/// One transaction, or a series of reads. Dropped without [`Tx::commit`], nothing was written.
pub struct Tx {
    inner: TxInner,
    name: &'static str,
    /// Given back with it, where it is a survey.
    _place: Option<OwnedSemaphorePermit>,
}

enum TxInner {
    SqliteWrite(WriterTx),
    SqliteRead(PoolConnection<Sqlite>),
    SqliteSnapshot(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
    PostgresRead(Reads),
}

impl Store {
    /// Opens the database and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::Newer`] where a newer liaison wrote it; [`StoreError::Unavailable`] where it can't be reached.
    pub async fn open(place: &Place) -> Result<Self, StoreError> {
        match place {
            Place::Sqlite { file } => Self::open_sqlite(file).await,
            Place::Postgres { url, password, idle_max } => {
                let server = Server::open(url, password.as_ref(), *idle_max).await?;
                Ok(Self { inner: Inner::Postgres(server), surveys: Surveys::default() })
            }
        }
    }

    async fn open_sqlite(file: &std::path::Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true)
            .pragma("cache_size", "-16384")
            .pragma("temp_store", "memory")
            .statement_cache_capacity(400);
        Self::connect_sqlite(options).await
    }

    async fn connect_sqlite(options: SqliteConnectOptions) -> Result<Self, StoreError> {
        let write = Writer::open(options.clone()).await?;
        let read = SqlitePoolOptions::new()
            .max_connections(SQLITE_READERS)
            // They live as long as this process, and each is asked anyway when it is given back.
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.clone().read_only(true))
            .await?;
        let survey = SqlitePoolOptions::new()
            .max_connections(SURVEYS_MAX)
            .min_connections(0)
            .connect_lazy_with(options.read_only(true));
        Ok(Self { inner: Inner::Sqlite { read, survey, write }, surveys: Surveys::default() })
    }

    /// Opens an empty database of this process alone, which nobody misses when it is gone: nothing is synced to the disk, and
    /// what is copied into it need not be whole.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where the file can't be made.
    pub async fn open_scratch(file: &std::path::Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Off)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(false)
            .pragma("temp_store", "memory")
            .statement_cache_capacity(400);
        Self::connect_sqlite(options).await
    }

    /// Begins a transaction that writes. `name` is `room.verb`, for logs.
    pub async fn begin(&self, name: &'static str) -> Result<Tx, StoreError> {
        let inner = match &self.inner {
            Inner::Sqlite { write, .. } => TxInner::SqliteWrite(write.begin().await?),
            Inner::Postgres(server) => TxInner::Postgres(server.begin("BEGIN").await?),
        };
        Ok(Tx { inner, name, _place: None })
    }

    /// Begins reads that need no common snapshot.
    pub async fn read(&self) -> Result<Tx, StoreError> {
        let inner = match &self.inner {
            Inner::Sqlite { read, .. } => TxInner::SqliteRead(read.acquire().await?),
            Inner::Postgres(server) => TxInner::PostgresRead(server.read().await?),
        };
        Ok(Tx { inner, name: "read", _place: None })
    }

    /// Begins reads that all see the database as it is at the first of them.
    pub async fn snapshot(&self) -> Result<Tx, StoreError> {
        let inner = match &self.inner {
            Inner::Sqlite { read, .. } => TxInner::SqliteSnapshot(read.begin().await?),
            Inner::Postgres(server) => TxInner::Postgres(server.snapshot().await?),
        };
        Ok(Tx { inner, name: SNAPSHOT, _place: None })
    }

    /// Whether several nodes may share this database.
    pub fn is_shared(&self) -> bool {
        matches!(self.inner, Inner::Postgres(_))
    }

    /// Makes what was deleted unreadable: on SQLite the file is rewritten and its journal emptied, while nobody writes. On
    /// PostgreSQL that is the server's affair; `false` then.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where somebody still reads what was; [`StoreError::Unavailable`] where the disk is full.
    pub async fn overwrite_deleted(&self) -> Result<bool, StoreError> {
        match &self.inner {
            Inner::Sqlite { write, .. } => write.rewrite().await.map(|()| true),
            Inner::Postgres(_) => Ok(false),
        }
    }

    /// Closes all connections; what was committed stays.
    pub async fn close(&self) {
        match &self.inner {
            Inner::Sqlite { read, survey, write } => {
                read.close().await;
                survey.close().await;
                write.close().await;
            }
            Inner::Postgres(server) => server.close().await,
        }
    }
}

macro_rules! on_connection {
    ($self:expr, $sql:expr, $values:expr, $method:ident, $query:ident) => {
        match &mut $self.inner {
            TxInner::SqliteWrite(tx) => {
                sqlx::$query($sql.sqlite(), value::sqlite($values)?).$method(tx.connection()?).await?
            }
            TxInner::SqliteRead(c) => sqlx::$query($sql.sqlite(), value::sqlite($values)?).$method(&mut **c).await?,
            TxInner::SqliteSnapshot(c) => {
                sqlx::$query($sql.sqlite(), value::sqlite($values)?).$method(&mut **c).await?
            }
            TxInner::Postgres(c) => sqlx::$query($sql.postgres(), value::postgres($values)?).$method(&mut **c).await?,
            TxInner::PostgresRead(reads) => loop {
                let values = value::postgres($values.clone())?;
                match sqlx::$query($sql.postgres(), values).$method(reads.connection()?).await {
                    Ok(found) => break found,
                    Err(error) => reads.another(error).await?,
                }
            },
        }
    };
}

impl Tx {
    /// All rows.
    async fn all<T: Rec>(&mut self, sql: &'static Sql, values: Vec<Value>) -> Result<Vec<T>, StoreError> {
        Ok(on_connection!(self, sql, values, fetch_all, query_as_with))
    }

    /// The row, or none.
    async fn opt<T: Rec>(&mut self, sql: &'static Sql, values: Vec<Value>) -> Result<Option<T>, StoreError> {
        Ok(on_connection!(self, sql, values, fetch_optional, query_as_with))
    }

    /// The one row there must be.
    async fn one<T: Rec>(&mut self, sql: &'static Sql, values: Vec<Value>) -> Result<T, StoreError> {
        Ok(on_connection!(self, sql, values, fetch_one, query_as_with))
    }

    /// Runs a statement; how many rows it touched.
    async fn exec(&mut self, sql: &'static Sql, values: Vec<Value>) -> Result<u64, StoreError> {
        Ok(match &mut self.inner {
            TxInner::SqliteWrite(tx) => {
                sqlx::query_with(sql.sqlite(), value::sqlite(values)?).execute(tx.connection()?).await?.rows_affected()
            }
            TxInner::SqliteRead(c) => {
                sqlx::query_with(sql.sqlite(), value::sqlite(values)?).execute(&mut **c).await?.rows_affected()
            }
            TxInner::SqliteSnapshot(c) => {
                sqlx::query_with(sql.sqlite(), value::sqlite(values)?).execute(&mut **c).await?.rows_affected()
            }
            TxInner::Postgres(c) => {
                sqlx::query_with(sql.postgres(), value::postgres(values)?).execute(&mut **c).await?.rows_affected()
            }
            TxInner::PostgresRead(reads) => {
                let query = sqlx::query_with(sql.postgres(), value::postgres(values)?);
                query.execute(reads.connection()?).await?.rows_affected()
            }
        })
    }

    /// Whether other processes may work with the same database.
    pub fn is_shared(&self) -> bool {
        !self.is_sqlite()
    }

    fn is_sqlite(&self) -> bool {
        matches!(self.inner, TxInner::SqliteWrite(_) | TxInner::SqliteRead(_) | TxInner::SqliteSnapshot(_))
    }

    /// Makes the writes durable. When this returns, they survive a power cut. A request with an Idempotency-Key that is
    /// worked on is marked as done with them, see [`idempotency`].
    ///
    /// # Errors
    /// After an error the caller does not know whether the writes were kept, and must look before doing them again.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        self.mark_done().await?;
        let name = self.name;
        let result = match self.inner {
            TxInner::SqliteWrite(tx) => tx.commit().await,
            // Only where another transaction won is it certain that nothing was kept: the answer to a commit can be lost.
            TxInner::Postgres(tx) => tx.commit().await.map_err(|error| {
                let error = StoreError::from(error);
                if again::is_overtaken(&error) { error } else { StoreError::Commit(error.to_string()) }
            }),
            TxInner::SqliteRead(_) | TxInner::SqliteSnapshot(_) | TxInner::PostgresRead(_) => Ok(()),
        };
        if let Err(error) = &result {
            tracing::warn!(transaction = name, %error, "commit failed");
        }
        result
    }
}

/// Applies the SQLite migrations on the one connection that writes.
async fn migrate_sqlite(connection: &mut sqlx::SqliteConnection) -> Result<(), StoreError> {
    sqlx::migrate!("migrations/sqlite").run(connection).await?;
    Ok(())
}

/// Every statement of every file of this room: prepared on both databases, and the hot ones explained, by the tests.
pub fn statements() -> Vec<&'static Sql> {
    let mut all = Vec::new();
    all.extend(copy::STATEMENTS);
    all.extend(dialect::STATEMENTS);
    all.extend(event::STATEMENTS);
    all.extend(feed::STATEMENTS);
    all.extend(file::STATEMENTS);
    all.extend(idempotency::STATEMENTS);
    all.extend(installation::STATEMENTS);
    all.extend(lease::STATEMENTS);
    all.extend(login::STATEMENTS);
    all.extend(mailbox::STATEMENTS);
    all.extend(message::STATEMENTS);
    all.extend(outbox::STATEMENTS);
    all.extend(outbox::claim::STATEMENTS);
    all.extend(outbox::outcome::STATEMENTS);
    all.extend(outreach::statement_lists());
    all.extend(people::statement_lists());
    all.extend(reading::statement_lists());
    all.extend(retention::STATEMENTS);
    all.extend(survey::STATEMENTS);
    all.extend(task::STATEMENTS);
    all.extend(thread::STATEMENTS);
    all.extend(token::STATEMENTS);
    all.extend(tracking::STATEMENTS);
    all.extend(relay::STATEMENTS);
    all.extend(webhook::STATEMENTS);
    all.extend(webhook::delivery::STATEMENTS);
    all.extend(view::STATEMENTS);
    all
}

/// Every multi-row INSERT, likewise.
pub fn many_statements() -> Vec<&'static dialect::Many> {
    let mut all = Vec::new();
    all.extend(copy::MANY);
    all.extend(event::MANY);
    all.extend(feed::MANY);
    all.extend(file::MANY);
    all.extend(message::MANY);
    all.extend(outbox::MANY);
    all.extend(outreach::many_lists());
    all.extend(people::many_lists());
    all.extend(thread::MANY);
    all.extend(tracking::MANY);
    all.extend(relay::MANY);
    all.extend(webhook::delivery::MANY);
    all
}
