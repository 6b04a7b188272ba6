//! A database is moved as a whole: every column of every table, whatever tables there are by then.

use crate::stores::{self, Fresh};
use liaison::store::Place;
use liaison::store::transfer::{TransferError, transfer};
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use std::path::Path;
use uuid::Uuid;

const NAME: &str = "postgres://there/hub";

fn file(fresh: &Fresh) -> &Path {
    let Place::Sqlite { file } = &fresh.place else { panic!("SQLite") };
    file
}

async fn sqlite_beside(fresh: &Fresh) -> SqliteConnection {
    SqliteConnection::connect(&format!("sqlite://{}", file(fresh).display())).await.unwrap()
}

async fn postgres_beside(fresh: &Fresh) -> PgConnection {
    let Place::Postgres { url, .. } = &fresh.place else { panic!("PostgreSQL") };
    PgConnection::connect(url).await.unwrap()
}

/// Every column: table, name, sort.
async fn columns(target: &mut PgConnection) -> Vec<(String, String, String)> {
    sqlx::query_as(
        "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns \
         WHERE table_schema = 'public' AND table_name NOT IN ('_sqlx_migrations', 'message_search') \
         ORDER BY table_name, ordinal_position",
    )
    .fetch_all(target)
    .await
    .unwrap()
}

/// What SQLite is given for a column: the same in all of them, so that whatever refers to something finds it. A text with what only
/// one of the two takes in it.
fn literal(table: &str, column: &str, sort: &str) -> String {
    match (table, column, sort) {
        // One of the two.
        ("address", "agent_id", _) => "NULL".to_owned(),
        (_, _, "uuid") => format!("x'{}'", Uuid::from_u128(7).simple()),
        (_, _, "bytea") => "x'00ff'".to_owned(),
        (_, _, "jsonb") => r#"'{"a": ["ä", 1.5, null, "x\u0000y"]}'"#.to_owned(),
        (_, _, "bigint") => "7".to_owned(),
        (_, _, "boolean") => "1".to_owned(),
        (_, _, "double precision") => "0.25".to_owned(),
        (_, _, "text") => "'ä\"x'".to_owned(),
        (table, column, sort) => panic!("{table}.{column} is of a new sort: {sort}"),
    }
}

/// How a column reads on PostgreSQL, as text, and what it must be.
fn expected(table: &str, column: &str, sort: &str) -> (String, Option<String>) {
    let quoted = format!("\"{column}\"");
    let (read, text) = match sort {
        "uuid" => (format!("{quoted}::text"), Uuid::from_u128(7).to_string()),
        "bytea" => (format!("encode({quoted}, 'hex')"), "00ff".to_owned()),
        "jsonb" => (format!("{quoted}::text"), "{\"a\": [\"ä\", 1.5, null, \"x\u{fffd}y\"]}".to_owned()),
        "boolean" => (format!("{quoted}::text"), "true".to_owned()),
        "double precision" => (format!("{quoted}::text"), "0.25".to_owned()),
        "bigint" => (format!("{quoted}::text"), "7".to_owned()),
        _ => (quoted, "ä\"x".to_owned()),
    };
    match (table, column) {
        ("address", "agent_id") | ("installation", "moved_to") => (read, None),
        ("lease", "holder") => (read, None),
        ("lease", "until") => (read, Some("0".to_owned())),
        _ => (read, Some(text)),
    }
}

async fn fill(source: &mut SqliteConnection, columns: &[(String, String, String)]) -> usize {
    // In which order does not matter here.
    sqlx::query("PRAGMA foreign_keys = OFF").execute(&mut *source).await.unwrap();
    let mut tables: Vec<&str> = columns.iter().map(|(table, ..)| table.as_str()).collect();
    tables.dedup();
    for table in &tables {
        let of = || columns.iter().filter(|(t, ..)| t == table);
        let names: Vec<&str> = of().map(|(_, column, _)| column.as_str()).collect();
        let values: Vec<String> = of().map(|(table, column, sort)| literal(table, column, sort)).collect();
        let quoted: Vec<String> = names.iter().map(|n| format!("\"{n}\"")).collect();
        let sql = format!("INSERT INTO {table} ({}) VALUES ({})", quoted.join(", "), values.join(", "));
        sqlx::query(AssertSqlSafe(sql.clone())).execute(&mut *source).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    }
    let astray = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut *source).await.unwrap();
    assert!(astray.is_empty(), "the row of a table refers to nothing: {:?}", astray[0].get::<String, _>(0));
    tables.len()
}

#[tokio::test]
async fn every_column_of_every_table_is_moved_once_and_the_source_is_marked() {
    let Some(target) = stores::postgres().await else {
        return crate::peers::skip("PostgreSQL (LIAISON_TEST_POSTGRES)");
    };
    let fresh = stores::sqlite().await;
    let mut there = postgres_beside(&target).await;
    let columns = columns(&mut there).await;
    let mut here = sqlite_beside(&fresh).await;
    let tables = fill(&mut here, &columns).await;
    assert!(tables > 40, "only {tables} tables were found");
    let mut told = Vec::new();
    let moved = transfer(file(&fresh), (&target.place, NAME), |copied| told.push(copied.clone())).await.unwrap();
    assert_eq!((moved.len(), moved.iter().all(|t| t.rows == 1)), (tables, true));
    assert_eq!(told, moved);
    for (table, column, sort) in &columns {
        let (read, wanted) = expected(table, column, sort);
        let sql = AssertSqlSafe(format!("SELECT {read} FROM {table}"));
        let found: Option<String> = sqlx::query_scalar(sql).fetch_one(&mut there).await.unwrap();
        assert_eq!(found, wanted, "{table}.{column}");
    }
    // What is counted by the database goes on behind, and words are found.
    let next = "SELECT nextval(pg_get_serial_sequence('message', 'n'))";
    assert_eq!(sqlx::query_scalar::<_, i64>(next).fetch_one(&mut there).await.unwrap(), 8);
    let words = "SELECT COUNT(*) FROM message_search WHERE document @@ plainto_tsquery('simple', 'ä')";
    assert_eq!(sqlx::query_scalar::<_, i64>(words).fetch_one(&mut there).await.unwrap(), 1);
    // The source: all there, held, and marked.
    for table in columns.iter().map(|(table, ..)| table) {
        let count = AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
        assert_eq!(sqlx::query_scalar::<_, i64>(count).fetch_one(&mut here).await.unwrap(), 1, "{table}");
    }
    let mut tx = fresh.store.read().await.unwrap();
    assert_eq!(tx.get_moved_to().await.unwrap().as_deref(), Some(NAME));
    assert!(tx.get_installation().await.unwrap().unwrap().held);
    assert!(target.store.read().await.unwrap().get_installation().await.unwrap().unwrap().held);
    // Never into one that has something.
    let again = transfer(file(&fresh), (&target.place, NAME), |_| ()).await.unwrap_err();
    assert!(matches!(again, TransferError::NotEmpty(_)), "{again}");
}

#[tokio::test]
async fn what_is_somebody_elses_is_left_alone_and_what_fails_leaves_both_as_they_were() {
    let Some(target) = stores::postgres().await else {
        return crate::peers::skip("PostgreSQL (LIAISON_TEST_POSTGRES)");
    };
    let fresh = stores::sqlite().await;
    assert!(matches!(
        transfer(file(&fresh), (&target.place, NAME), |_| ()).await.unwrap_err(),
        TransferError::NeverRan
    ));
    let mut there = postgres_beside(&target).await;
    let columns = columns(&mut there).await;
    let mut here = sqlite_beside(&fresh).await;
    fill(&mut here, &columns).await;
    // A reference that leads nowhere, found far into the copying.
    sqlx::query("PRAGMA foreign_keys = OFF").execute(&mut here).await.unwrap();
    sqlx::query("UPDATE webhook_attempt SET delivery_id = x'00000000000000000000000000000001'")
        .execute(&mut here)
        .await
        .unwrap();
    assert!(transfer(file(&fresh), (&target.place, NAME), |_| ()).await.is_err());
    let mark = fresh.store.read().await.unwrap().get_moved_to().await.unwrap();
    assert_ne!(mark.as_deref(), Some(NAME), "not marked");
    let some = "SELECT COUNT(*) FROM influencer";
    assert_eq!(sqlx::query_scalar::<_, i64>(some).fetch_one(&mut there).await.unwrap(), 0, "nothing was kept");
    sqlx::query("DELETE FROM webhook_attempt").execute(&mut here).await.unwrap();
    transfer(file(&fresh), (&target.place, NAME), |_| ()).await.unwrap();
    // Tables of others.
    let Some(other) = stores::postgres().await else { unreachable!() };
    let mut elsewhere = postgres_beside(&other).await;
    let wipe = "DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE TABLE orders (id BIGINT)";
    sqlx::raw_sql(wipe).execute(&mut elsewhere).await.unwrap();
    let refused = transfer(file(&fresh), (&other.place, NAME), |_| ()).await.unwrap_err();
    assert!(refused.to_string().contains("orders"), "{refused}");
    let made = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'public'";
    assert_eq!(
        sqlx::query_scalar::<_, i64>(made).fetch_one(&mut elsewhere).await.unwrap(),
        1,
        "nothing was made there"
    );
}
