//! Moving a whole SQLite database into an empty PostgreSQL one: table by table, row after row as they are read, all in one
//! transaction there.
//!
//! Which tables and columns there are is asked of the databases themselves, so that none can be forgotten. The source is only read,
//! until everything is there; then it is marked, so that it sends nothing beside the new one, and only then the new one is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use futures_util::TryStreamExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};
use uuid::Uuid;

use super::dialect::of_the_schema;
use super::value::Value;
use super::{BUSY_TIMEOUT, Place, Store, StoreError, message, value};

/// Rows written with one statement.
const ROWS_MAX: usize = 500;
/// Bound values of one statement.
const VALUES_MAX: usize = 20_000;
/// Octets, about, after which what was read is written.
const OCTETS_MAX: usize = 4 * 1024 * 1024;
/// Messages made searchable with one statement.
const SEARCHABLE_AT_ONCE: i64 = 1_000;
/// What is not copied: what the migrations note of themselves, and the index of words, which is made anew.
const NOT_COPIED: [&str; 2] = ["_sqlx_migrations", "message_search"];

/// Why a database was not moved. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The target is no new database.
    #[error("the database there is not empty: {0}; make a new one for it")]
    NotEmpty(String),
    /// It never ran.
    #[error("the database never ran: there is nothing to move")]
    NeverRan,
    /// Something was not the same on both sides in the end.
    #[error("{table}: {read} rows were read, and {there} are there")]
    Count {
        /// The table.
        table: String,
        /// Rows of the source.
        read: i64,
        /// Rows of the target.
        there: i64,
    },
    /// The two do not have the same tables and columns.
    #[error("the tables differ: {0}")]
    Schema(String),
    /// A database says no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for TransferError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// A table that was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Its name.
    pub table: String,
    /// Its rows, on both sides.
    pub rows: i64,
}

/// What a column holds, by the name PostgreSQL has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Id,
    Octets,
    Json,
    Int,
    Bool,
    Real,
    Text,
}

impl Sort {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "uuid" => Self::Id,
            "bytea" => Self::Octets,
            "jsonb" => Self::Json,
            "bigint" => Self::Int,
            "boolean" => Self::Bool,
            "double precision" => Self::Real,
            "text" => Self::Text,
            _ => return None,
        })
    }
}

type Columns = Vec<(String, Sort)>;

/// Moves an SQLite database that nobody has open into `to`, whose newest schema both have. `told` hears of each table as it is done.
/// What is there in the end is held, and so is the source, marked with `name`.
///
/// # Errors
/// Nothing is kept in the target then.
pub async fn transfer(
    file: &Path,
    (to, name): (&Place, &str),
    mut told: impl FnMut(&Copied),
) -> Result<Vec<Copied>, TransferError> {
    let Place::Postgres { url, password, .. } = to else {
        return Err(TransferError::Schema("only a move to PostgreSQL is known".to_owned()));
    };
    refuse_strangers(&mut connect(url, password.as_ref()).await?).await?;
    Store::open(to).await?.close().await;
    let mut target = connect(url, password.as_ref()).await?;
    let mut target = target.begin().await?;
    let tables = tables_of(&mut target).await?;
    refuse_rows(&mut target, &tables).await?;
    let mut source = open_source(file).await?;
    let mut source = source.begin().await?;
    let installations: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM installation").fetch_one(&mut *source).await?;
    if installations == 0 {
        return Err(TransferError::NeverRan);
    }
    let mut done = Vec::new();
    for table in in_order(&mut source, &tables).await? {
        let columns = tables.get(&table).ok_or_else(|| TransferError::Schema(table.clone()))?;
        copy_table(&mut source, &mut target, (&table, columns)).await?;
        let read = count(&mut source, &table).await?;
        let there: i64 =
            sqlx::query_scalar(of_the_schema(format!("SELECT COUNT(*) FROM {table}"))).fetch_one(&mut *target).await?;
        if read != there {
            return Err(TransferError::Count { table, read, there });
        }
        let copied = Copied { table, rows: there };
        told(&copied);
        done.push(copied);
    }
    finish(&mut target).await?;
    source.rollback().await?;
    mark(file, name).await?;
    target.commit().await?;
    Ok(done)
}

async fn connect(url: &str, password: Option<&SecretString>) -> Result<PgConnection, TransferError> {
    let mut options: PgConnectOptions = url.parse()?;
    if let Some(password) = password {
        options = options.password(password.expose_secret());
    }
    Ok(options.connect().await?)
}

/// With one row on its way from the thread that reads, for one may be a large mail.
async fn open_source(file: &Path) -> Result<SqliteConnection, TransferError> {
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(false).busy_timeout(BUSY_TIMEOUT);
    Ok(options.row_buffer_size(1).disable_statement_logging().connect().await?)
}

/// Before anything is made there: tables of somebody else's stay alone.
async fn refuse_strangers(target: &mut PgConnection) -> Result<(), TransferError> {
    let tables: Vec<(String,)> = sqlx::query_as(
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema() ORDER BY 1",
    )
    .fetch_all(target)
    .await?;
    let names: Vec<String> = tables.into_iter().map(|(name,)| name).collect();
    if names.is_empty() || names.iter().any(|name| name == "_sqlx_migrations") {
        return Ok(());
    }
    Err(TransferError::NotEmpty(format!("it has the tables {}", names.join(", "))))
}

/// Every table with its columns. What is given by the database is written as it was.
async fn tables_of(target: &mut PgConnection) -> Result<BTreeMap<String, Columns>, TransferError> {
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns \
         WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position",
    )
    .fetch_all(target)
    .await?;
    let mut tables: BTreeMap<String, Columns> = BTreeMap::new();
    for (table, column, sort) in rows.into_iter().filter(|(table, ..)| !NOT_COPIED.contains(&table.as_str())) {
        let sort = Sort::of(&sort)
            .ok_or_else(|| TransferError::Schema(format!("{table}.{column} is of a sort that is not known: {sort}")))?;
        tables.entry(table).or_default().push((column, sort));
    }
    Ok(tables)
}

/// Nobody ran there, and nobody begins to while we write.
async fn refuse_rows(target: &mut PgConnection, tables: &BTreeMap<String, Columns>) -> Result<(), TransferError> {
    sqlx::query("LOCK TABLE installation IN ACCESS EXCLUSIVE MODE").execute(&mut *target).await?;
    for table in tables.keys() {
        let some = of_the_schema(format!("SELECT EXISTS (SELECT 1 FROM {table})"));
        if sqlx::query_scalar::<_, bool>(some).fetch_one(&mut *target).await? {
            return Err(TransferError::NotEmpty(format!("there are rows in {table}")));
        }
    }
    Ok(())
}

/// The tables, those that others refer to first.
async fn in_order(
    source: &mut SqliteConnection,
    tables: &BTreeMap<String, Columns>,
) -> Result<Vec<String>, TransferError> {
    let there: Vec<(String, String)> = sqlx::query_as(
        "SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table' \
         AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE 'message_search%' AND m.name <> '_sqlx_migrations'",
    )
    .fetch_all(&mut *source)
    .await?;
    let there: BTreeSet<(&str, &str)> = there.iter().map(|(t, c)| (t.as_str(), c.as_str())).collect();
    let wanted: BTreeSet<(&str, &str)> =
        tables.iter().flat_map(|(t, columns)| columns.iter().map(move |(c, _)| (t.as_str(), c.as_str()))).collect();
    if let Some((table, column)) = there.symmetric_difference(&wanted).next() {
        return Err(TransferError::Schema(format!("{table}.{column} is on one side only")));
    }
    let refers: Vec<(String, String)> = sqlx::query_as(
        "SELECT m.name, f.\"table\" FROM sqlite_schema m, pragma_foreign_key_list(m.name) f WHERE m.type = 'table'",
    )
    .fetch_all(source)
    .await?;
    let mut left: BTreeSet<&String> = tables.keys().collect();
    let mut order = Vec::new();
    while !left.is_empty() {
        let waits = |table: &String| refers.iter().any(|(from, to)| from == table && to != table && left.contains(to));
        let next: Vec<&String> = left.iter().copied().filter(|table| !waits(table)).collect();
        if next.is_empty() {
            return Err(TransferError::Schema("tables refer to each other in a circle".to_owned()));
        }
        for table in next {
            left.remove(table);
            order.push(table.clone());
        }
    }
    Ok(order)
}

async fn count(source: &mut SqliteConnection, table: &str) -> Result<i64, TransferError> {
    Ok(sqlx::query_scalar(of_the_schema(format!("SELECT COUNT(*) FROM {table}"))).fetch_one(source).await?)
}

async fn copy_table(
    source: &mut SqliteConnection,
    target: &mut PgConnection,
    (table, columns): (&str, &Columns),
) -> Result<(), TransferError> {
    let names = columns.iter().map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let rows_max = ROWS_MAX.min(VALUES_MAX / columns.len().max(1)).max(1);
    // By no index: in the order in which the rows are kept.
    let mut rows = sqlx::query(of_the_schema(format!("SELECT {names} FROM {table} NOT INDEXED"))).fetch(source);
    let (mut waiting, mut octets) = (Vec::new(), 0);
    while let Some(row) = rows.try_next().await? {
        for (n, (_, sort)) in columns.iter().enumerate() {
            let value = read(&row, n, *sort)?;
            octets += size_of_value(&value);
            waiting.push(value);
        }
        if waiting.len() >= rows_max * columns.len() || octets >= OCTETS_MAX {
            write(target, (table, &names, columns.len()), std::mem::take(&mut waiting)).await?;
            octets = 0;
        }
    }
    write(target, (table, &names, columns.len()), waiting).await
}

fn read(row: &SqliteRow, n: usize, sort: Sort) -> Result<Value, TransferError> {
    let damaged = |why: String| TransferError::Store(StoreError::Damaged(why));
    Ok(match sort {
        Sort::Id => {
            let octets: Option<Vec<u8>> = row.try_get_unchecked(n)?;
            Value::Id(octets.map(|o| Uuid::from_slice(&o)).transpose().map_err(|e| damaged(e.to_string()))?)
        }
        Sort::Octets => Value::Octets(row.try_get_unchecked(n)?),
        Sort::Json => {
            let text: Option<String> = row.try_get_unchecked(n)?;
            let parsed: Option<serde_json::Value> =
                text.map(|t| serde_json::from_str(&t)).transpose().map_err(|e| damaged(e.to_string()))?;
            Value::Json(parsed.map(without_nul))
        }
        Sort::Int => Value::Int(row.try_get_unchecked(n)?),
        Sort::Bool => Value::Bool(row.try_get_unchecked::<Option<i64>, _>(n)?.map(|flag| flag != 0)),
        Sort::Real => Value::Real(row.try_get_unchecked(n)?),
        Sort::Text => Value::Text(row.try_get_unchecked(n)?),
    })
}

/// PostgreSQL keeps no NUL in texts, in those of JSON neither.
fn without_nul(json: serde_json::Value) -> serde_json::Value {
    use serde_json::Value as Json;
    let clean = |text: String| if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text };
    match json {
        Json::String(text) => Json::String(clean(text)),
        Json::Array(list) => list.into_iter().map(without_nul).collect(),
        Json::Object(map) => map.into_iter().map(|(key, value)| (clean(key), without_nul(value))).collect(),
        other @ (Json::Null | Json::Bool(_) | Json::Number(_)) => other,
    }
}

fn size_of_value(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.as_ref().map_or(0, String::len),
        Value::Octets(octets) => octets.as_ref().map_or(0, Vec::len),
        Value::Json(_) => 256,
        Value::Int(_) | Value::Bool(_) | Value::Real(_) | Value::Id(_) => 8,
        Value::Texts(_) | Value::Ids(_) | Value::Ints(_) | Value::OctetLists(_) => 0,
    }
}

async fn write(
    target: &mut PgConnection,
    (table, names, columns): (&str, &str, usize),
    values: Vec<Value>,
) -> Result<(), TransferError> {
    if values.is_empty() {
        return Ok(());
    }
    let places: Vec<String> = (1..=values.len()).map(|n| format!("${n}")).collect();
    let rows: Vec<String> = places.chunks(columns).map(|row| format!("({})", row.join(", "))).collect();
    let text = format!("INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE VALUES {}", rows.join(", "));
    sqlx::query_with(of_the_schema(text), value::postgres(values)?).persistent(false).execute(target).await?;
    Ok(())
}

/// What the database counts by itself goes on after what is there; words are found; nothing is sent, and nobody holds anything.
async fn finish(target: &mut PgConnection) -> Result<(), TransferError> {
    let counted: Vec<(String, String)> = sqlx::query_as(
        "SELECT table_name::text, column_name::text FROM information_schema.columns \
         WHERE table_schema = current_schema() AND is_identity = 'YES'",
    )
    .fetch_all(&mut *target)
    .await?;
    for (table, column) in counted {
        let text = format!(
            "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), MAX({column})) FROM {table} HAVING MAX({column}) IS NOT NULL"
        );
        sqlx::query(of_the_schema(text)).execute(&mut *target).await?;
    }
    let mut after = i64::MIN;
    loop {
        let page: Vec<(i64, Uuid)> = sqlx::query_as("SELECT n, id FROM message WHERE n > $1 ORDER BY n LIMIT $2")
            .bind(after)
            .bind(SEARCHABLE_AT_ONCE)
            .fetch_all(&mut *target)
            .await?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        let ids: Vec<Uuid> = page.into_iter().map(|(_, id)| id).collect();
        sqlx::query(message::search_insert().postgres()).bind(ids).execute(&mut *target).await?;
    }
    sqlx::query("UPDATE installation SET held = TRUE, moved_to = NULL").execute(&mut *target).await?;
    sqlx::query("UPDATE lease SET holder = NULL, until = 0").execute(target).await?;
    Ok(())
}

/// Nothing is sent from the source any more.
async fn mark(file: &Path, name: &str) -> Result<(), TransferError> {
    let mut source = open_source(file).await?;
    sqlx::query("UPDATE installation SET held = TRUE, moved_to = ?1").bind(name).execute(&mut source).await?;
    source.close().await?;
    Ok(())
}
