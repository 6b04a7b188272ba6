//! Databases that a workload fills by itself, and connections to them beside the store.

use std::path::Path;

use clap::ValueEnum;
use liaison::store::Place;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Database {
    Sqlite,
    Postgres,
}

/// A connection beside the store.
pub enum Raw {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Raw {
    pub async fn open(database: &str) -> Self {
        if database.starts_with("postgres") {
            return Self::Postgres(PgConnection::connect(database).await.expect("database"));
        }
        let mut c = SqliteConnection::connect(&format!("sqlite://{database}")).await.expect("database");
        c.execute("PRAGMA busy_timeout = 60000; PRAGMA synchronous = FULL; PRAGMA cache_size = -16384")
            .await
            .expect("pragma");
        Self::Sqlite(c)
    }

    pub async fn run(&mut self, sql: &str) -> u64 {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(c) => c.execute(sql).await.expect("statement").rows_affected(),
            Self::Postgres(c) => c.execute(sql).await.expect("statement").rows_affected(),
        }
    }

    pub async fn count(&mut self, sql: &str) -> i64 {
        let query = sqlx::query_as(AssertSqlSafe(sql.to_owned()));
        let (n,): (i64,) = match self {
            Self::Sqlite(c) => query.fetch_one(c).await.expect("count"),
            Self::Postgres(c) => sqlx::query_as(AssertSqlSafe(sql.to_owned())).fetch_one(c).await.expect("count"),
        };
        n
    }

    /// The numbers `n` from one to another, and an id made from a number.
    pub fn words(&self, from: usize, to: usize) -> (String, fn(&str) -> String) {
        match self {
            Self::Sqlite(_) => (
                format!(
                    "(WITH RECURSIVE s(n) AS (SELECT {from} UNION ALL SELECT n + 1 FROM s WHERE n < {to}) SELECT n FROM s) AS s"
                ),
                |n| format!("CAST(printf('%016d', {n}) AS BLOB)"),
            ),
            Self::Postgres(_) => {
                (format!("generate_series({from}, {to}) AS s(n)"), |n| format!("lpad(to_hex({n}), 32, '0')::uuid"))
            }
        }
    }
}

pub fn place(database: &str) -> Place {
    if database.starts_with("postgres") {
        Place::Postgres { url: database.to_owned(), password: None, idle_max: std::time::Duration::from_secs(15) }
    } else {
        Place::Sqlite { file: database.into() }
    }
}

/// A new database for a workload; `name` is the file's.
pub async fn database(dir: &Path, which: Database, name: &str) -> String {
    if which == Database::Sqlite {
        return dir.join(format!("{name}.db")).display().to_string();
    }
    let url = std::env::var("LIAISON_TEST_POSTGRES")
        .expect("LIAISON_TEST_POSTGRES names no server: tests/peers/postgres.sh start DIR");
    let name = format!("bench_{}", std::process::id());
    Raw::open(&url).await.run(&format!("CREATE DATABASE {name}")).await;
    let (base, _) = url.rsplit_once('/').expect("a URL with a database");
    format!("{base}/{name}")
}

/// Takes a database of PostgreSQL's away again.
pub async fn drop_database(database: &str) {
    if let Some((_, name)) = database.rsplit_once('/').filter(|_| database.starts_with("postgres")) {
        let url = std::env::var("LIAISON_TEST_POSTGRES").expect("server");
        Raw::open(&url).await.run(&format!("DROP DATABASE {name} WITH (FORCE)")).await;
    }
}
