//! A fresh, empty store on each database, for every test that touches data.

use liaison::store::{Place, Store};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// As with a lease of a minute.
pub const IDLE_MAX: Duration = Duration::from_secs(15);

static NEXT: AtomicU64 = AtomicU64::new(0);

/// One store and what keeps it alive.
pub struct Fresh {
    pub name: &'static str,
    pub store: Store,
    pub place: Place,
    _dir: tempfile::TempDir,
}

/// A name for a database that no other test and no other run uses.
fn fresh_name() -> String {
    let n = NEXT.fetch_add(1, Ordering::SeqCst);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    format!("t{}_{n}_{since}", std::process::id())
}

/// An empty SQLite store.
pub async fn sqlite() -> Fresh {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::Sqlite { file: dir.path().join("liaison.db") };
    Fresh { name: "sqlite", store: Store::open(&place).await.unwrap(), place, _dir: dir }
}

/// An empty SQLite store in a folder of somebody else's.
pub async fn sqlite_in(folder: &std::path::Path) -> Fresh {
    let place = Place::Sqlite { file: folder.join("liaison.db") };
    Fresh { name: "sqlite", store: Store::open(&place).await.unwrap(), place, _dir: tempfile::tempdir().unwrap() }
}

/// An empty PostgreSQL store; none where `LIAISON_TEST_POSTGRES` is not set.
pub async fn postgres() -> Option<Fresh> {
    use sqlx::{Connection, Executor};
    let url = crate::peers::postgres_url()?;
    let name = fresh_name();
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    connection.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
    connection.close().await.unwrap();
    let (base, _) = url.rsplit_once('/').unwrap();
    let place = Place::Postgres { url: format!("{base}/{name}"), password: None, idle_max: IDLE_MAX };
    let store = Store::open(&place).await.unwrap();
    Some(Fresh { name: "postgres", store, place, _dir: tempfile::tempdir().unwrap() })
}

/// Both, as far as they are there.
pub async fn both() -> Vec<Fresh> {
    let mut all = vec![sqlite().await];
    match postgres().await {
        Some(fresh) => all.push(fresh),
        None => crate::peers::skip("PostgreSQL (LIAISON_TEST_POSTGRES)"),
    }
    all
}

/// A connection beside the store, for tests that look at rows.
pub enum Raw {
    Sqlite(sqlx::SqliteConnection),
    Postgres(sqlx::PgConnection),
}

pub async fn raw_connection(place: &Place) -> Raw {
    use sqlx::Connection;
    match place {
        Place::Sqlite { file } => {
            Raw::Sqlite(sqlx::SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap())
        }
        Place::Postgres { url, .. } => Raw::Postgres(sqlx::PgConnection::connect(url).await.unwrap()),
    }
}
