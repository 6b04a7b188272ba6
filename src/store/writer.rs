//! The one connection that writes to SQLite, shared by transactions that commit together.
//!
//! A sync to disk costs the same for one row and for a thousand, so transactions that are waiting at the same moment
//! share one: the first opens an outer transaction, each later one is a savepoint inside it, and the last one out
//! commits for all. [`WriterTx::commit`] returns only when that outer commit is durable. One that is dropped takes back
//! its own savepoint and leaves the others alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use super::StoreError;

/// Most transactions that share one sync.
const GROUP_MAX: usize = 128;

/// The shared writer. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    state: Arc<Mutex<State>>,
    waiting: Arc<AtomicUsize>,
}

#[allow(clippy::struct_excessive_bools, reason = "each marks a statement that a caller may have left half-done")]
#[derive(Debug)]
struct State {
    options: SqliteConnectOptions,
    connection: Option<SqliteConnection>,
    /// The outer transaction is open.
    open: bool,
    /// A transaction was dropped half-way; its writes must be taken back before anything else.
    dirty: bool,
    /// A RELEASE was begun; a caller that went away in the middle leaves this set.
    releasing: bool,
    /// A COMMIT was begun; as above.
    flushing: bool,
    /// Those that released their part and wait for the outer commit.
    group: Vec<oneshot::Sender<Result<(), String>>>,
}

/// One transaction on the writer.
pub(super) struct WriterTx {
    state: Option<OwnedMutexGuard<State>>,
    writer: Writer,
}

/// Counts a waiting transaction for as long as it waits, cancelled or not.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Writer {
    pub(super) async fn open(options: SqliteConnectOptions) -> Result<Self, StoreError> {
        let mut connection = options.connect().await?;
        super::migrate_sqlite(&mut connection).await?;
        let state = State {
            options,
            connection: Some(connection),
            open: false,
            dirty: false,
            releasing: false,
            flushing: false,
            group: Vec::new(),
        };
        Ok(Self { state: Arc::new(Mutex::new(state)), waiting: Arc::default() })
    }

    pub(super) async fn begin(&self) -> Result<WriterTx, StoreError> {
        let waiting = Waiting::new(&self.waiting);
        let mut state = Arc::clone(&self.state).lock_owned().await;
        drop(waiting);
        state.enter().await?;
        Ok(WriterTx { state: Some(state), writer: self.clone() })
    }

    /// Rewrites the whole file without anything that was deleted, the index of words included, and empties the journal beside
    /// it. Nobody writes meanwhile; it needs as much free space as the file is large.
    ///
    /// # Errors
    /// Where the disk is full, or another process is in the way; the file is as it was then.
    pub(super) async fn rewrite(&self) -> Result<(), StoreError> {
        let mut state = self.state.lock().await;
        state.settle().await;
        if state.connection.is_none() {
            state.connection = Some(state.options.connect().await?);
        }
        // What is sorted on the way must not fill the memory.
        state.run("PRAGMA temp_store = FILE").await?;
        let done = state.rewrite_now().await;
        state.run("PRAGMA secure_delete = OFF; PRAGMA temp_store = MEMORY").await?;
        done
    }

    pub(super) async fn close(&self) {
        let mut state = self.state.lock().await;
        state.settle().await;
        if let Some(connection) = state.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "closing the database");
        }
    }
}

impl State {
    /// Makes room for one more transaction: a fresh outer one, or a savepoint in the one that is open.
    async fn enter(&mut self) -> Result<(), StoreError> {
        self.mend().await;
        if self.connection.is_none() {
            self.connection = Some(self.options.connect().await?);
        }
        // Set before the statement: a caller may go away while it runs.
        self.dirty = true;
        if std::mem::replace(&mut self.open, true) {
            self.run("SAVEPOINT part").await?;
        } else {
            self.run("BEGIN IMMEDIATE").await?;
        }
        Ok(())
    }

    async fn run(&mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        let connection = self.connection.as_mut().ok_or(sqlx::Error::PoolClosed)?;
        sqlx::raw_sql(statement).execute(connection).await.map(|_| ())
    }

    async fn rewrite_now(&mut self) -> Result<(), StoreError> {
        self.run("INSERT INTO message_search (message_search) VALUES ('optimize')").await?;
        self.run("VACUUM").await?;
        let connection = self.connection.as_mut().ok_or(sqlx::Error::PoolClosed)?;
        let (busy, _, _): (i64, i64, i64) =
            sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(connection).await?;
        // Somebody still reads the state before: the journal is there until they are done.
        if busy == 0 { Ok(()) } else { Err(StoreError::Conflict(sqlx::Error::WorkerCrashed)) }
    }

    /// Finishes what a caller that went away in the middle had begun.
    async fn mend(&mut self) {
        if self.flushing {
            self.flush().await;
        }
        if self.dirty {
            self.take_back().await;
        }
    }

    /// Takes back what a dropped transaction left, without harm to those that wait for the outer commit.
    async fn take_back(&mut self) {
        self.dirty = false;
        let releasing = std::mem::take(&mut self.releasing);
        if self.group.is_empty() {
            self.open = false;
            if self.run("ROLLBACK").await.is_err() {
                // The engine has already rolled back by itself (disk full, I/O error).
                self.connection = None;
            }
        } else if let Err(error) = self.run("ROLLBACK TO part; RELEASE part").await
            && !releasing
        {
            // The engine threw away the whole outer transaction: nobody in the group was kept. (Where a RELEASE was under
            // way, the part is simply released already; the outer commit tells whether all is well.)
            self.fail(&error.to_string());
        }
    }

    /// Ends whatever is open: takes back, then commits for the group.
    async fn settle(&mut self) {
        self.mend().await;
        if !self.group.is_empty() {
            self.flush().await;
        }
    }

    async fn flush(&mut self) {
        let again = std::mem::replace(&mut self.flushing, true);
        let result = match self.run("COMMIT").await {
            // An earlier COMMIT, whose caller went away, had done it.
            Err(error) if again && error.to_string().contains("no transaction is active") => Ok(()),
            other => other,
        };
        self.flushing = false;
        match result {
            Ok(()) => {
                self.open = false;
                for waiter in self.group.drain(..) {
                    // A waiter that went away does not care.
                    drop(waiter.send(Ok(())));
                }
            }
            Err(error) => self.fail(&error.to_string()),
        }
    }

    /// After a failed commit or sync the connection is not trusted again: pages it holds may differ from the disk.
    fn fail(&mut self, why: &str) {
        self.open = false;
        self.dirty = false;
        self.releasing = false;
        self.connection = None;
        for waiter in self.group.drain(..) {
            drop(waiter.send(Err(why.to_owned())));
        }
    }
}

impl WriterTx {
    pub(super) fn connection(&mut self) -> Result<&mut SqliteConnection, sqlx::Error> {
        self.state.as_mut().and_then(|s| s.connection.as_mut()).ok_or(sqlx::Error::PoolClosed)
    }

    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        let Some(mut state) = self.state.take() else { return Err(StoreError::Commit("already over".into())) };
        if !state.group.is_empty() {
            state.releasing = true;
            if let Err(error) = state.run("RELEASE part").await {
                let why = error.to_string();
                state.fail(&why);
                return Err(StoreError::Commit(why));
            }
            state.releasing = false;
        }
        state.dirty = false;
        let (done, mut outcome) = oneshot::channel();
        state.group.push(done);
        if self.writer.waiting.load(Ordering::SeqCst) == 0 || state.group.len() >= GROUP_MAX {
            state.flush().await;
        }
        drop(state);
        loop {
            // Whoever comes next commits for us; should nobody, the lock falls to us (it is handed out in order).
            tokio::select! {
                biased;
                result = &mut outcome => return match result {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(why)) => Err(StoreError::Commit(why)),
                    Err(_) => Err(StoreError::Commit("the writer went away".into())),
                },
                mut state = self.writer.state.lock() => state.settle().await,
            }
        }
    }
}

impl Drop for WriterTx {
    /// Dropped without a commit: its writes are taken back at once, or the file would stay locked for every other process
    /// until the next transaction of this one. `dirty` is still set, so where nothing can be run any more, the next to hold
    /// the lock does it.
    #[allow(
        clippy::disallowed_methods,
        reason = "a rollback nobody waits for; it holds the lock, so nothing overtakes it"
    )]
    fn drop(&mut self) {
        let Some(mut state) = self.state.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { state.settle().await });
        }
    }
}
