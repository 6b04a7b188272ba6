//! Every statement is prepared on both databases; the hot ones are served by an index; both schemas agree.

use crate::stores;
use liaison::store::{Place, many_statements, statements};
use sqlx::{Connection, Executor, Row, SqlSafeStr};

async fn sqlite_connection(place: &Place) -> sqlx::SqliteConnection {
    let Place::Sqlite { file } = place else { panic!("not sqlite") };
    sqlx::SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap()
}

async fn postgres_connection(place: &Place) -> sqlx::PgConnection {
    let Place::Postgres { url, .. } = place else { panic!("not postgres") };
    sqlx::PgConnection::connect(url).await.unwrap()
}

/// How many parameters a text has.
fn parameters(text: &str) -> usize {
    (1..100).take_while(|n| text.contains(&format!("${n}"))).last().unwrap_or(0)
}

#[tokio::test]
async fn every_statement_prepares_on_sqlite_and_hot_ones_scan_no_table() {
    let fresh = stores::sqlite().await;
    let mut c = sqlite_connection(&fresh.place).await;
    for many in many_statements() {
        let text = many.sqlite_text(2);
        c.prepare(sqlx::AssertSqlSafe(text.clone()).into_sql_str()).await.unwrap_or_else(|e| panic!("{text}: {e}"));
    }
    for sql in statements() {
        c.prepare(sql.sqlite().into_sql_str())
            .await
            .unwrap_or_else(|e| panic!("{}: {e}\n{}", sql.name(), sql.sqlite()));
        if !sql.is_hot() {
            continue;
        }
        let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", sql.sqlite())))
            .fetch_all(&mut c)
            .await
            .unwrap();
        for row in plan {
            let step: String = row.get("detail");
            let harmless = !step.starts_with("SCAN")
                || step.contains("USING INDEX")
                || step.contains("USING COVERING INDEX")
                || step.contains("json_each")
                || step.contains("VIRTUAL TABLE")
                || step.contains("CONSTANT ROW")
                || step.starts_with("SCAN (subquery")
                || ["SCAN w", "SCAN n"].contains(&step.as_str());
            assert!(harmless, "{} scans a table: {step}\n{}", sql.name(), sql.sqlite());
        }
    }
}

#[tokio::test]
async fn every_statement_prepares_on_postgres_and_hot_ones_scan_no_table() {
    let Some(fresh) = stores::postgres().await else {
        println!("skipped: LIAISON_TEST_POSTGRES is not set");
        return;
    };
    let mut c = postgres_connection(&fresh.place).await;
    for many in many_statements() {
        let text = many.text(2);
        c.prepare(sqlx::AssertSqlSafe(text.clone()).into_sql_str()).await.unwrap_or_else(|e| panic!("{text}: {e}"));
    }
    c.execute("SET plan_cache_mode = force_generic_plan").await.unwrap();
    c.execute("SET enable_seqscan = off").await.unwrap();
    for (i, sql) in statements().iter().enumerate() {
        c.prepare(sql.postgres().into_sql_str())
            .await
            .unwrap_or_else(|e| panic!("{}: {e}\n{}", sql.name(), sql.postgres()));
        if !sql.is_hot() {
            continue;
        }
        c.execute(sqlx::AssertSqlSafe(format!("PREPARE s{i} AS {}", sql.postgres()))).await.unwrap();
        let nulls = vec!["NULL"; parameters(sql.postgres())].join(", ");
        let call =
            if nulls.is_empty() { format!("EXPLAIN EXECUTE s{i}") } else { format!("EXPLAIN EXECUTE s{i}({nulls})") };
        for row in sqlx::raw_sql(sqlx::AssertSqlSafe(call)).fetch_all(&mut c).await.unwrap() {
            let step: String = row.get(0);
            assert!(!step.contains("Seq Scan on"), "{} scans a table: {step}\n{}", sql.name(), sql.postgres());
        }
    }
}

#[tokio::test]
async fn both_schemas_have_the_same_tables_columns_and_nullability() {
    let Some(pg) = stores::postgres().await else {
        println!("skipped: LIAISON_TEST_POSTGRES is not set");
        return;
    };
    let lite = stores::sqlite().await;
    let mut c = sqlite_connection(&lite.place).await;
    let mut ours: Vec<(String, String, bool)> = sqlx::query_as(
        "SELECT m.name, c.name, c.\"notnull\" = 0 FROM sqlite_schema m, pragma_table_info(m.name) c \
         WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE 'message_search%' AND m.name <> '_sqlx_migrations'",
    )
    .fetch_all(&mut c)
    .await
    .unwrap();
    let mut c = postgres_connection(&pg.place).await;
    let mut theirs: Vec<(String, String, bool)> = sqlx::query_as(
        "SELECT table_name::text, column_name::text, is_nullable = 'YES' FROM information_schema.columns \
         WHERE table_schema = 'public' AND table_name <> 'message_search' AND table_name <> '_sqlx_migrations'",
    )
    .fetch_all(&mut c)
    .await
    .unwrap();
    ours.sort();
    theirs.sort();
    assert!(ours.len() > 150, "only {} columns were found", ours.len());
    assert_eq!(ours, theirs);
    let names = |dir: &str| {
        let mut names: Vec<String> =
            std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names("migrations/sqlite"), names("migrations/postgres"));
}
