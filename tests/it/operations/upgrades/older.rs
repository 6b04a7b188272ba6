//! A database as an older version left it, with rows in each table, and what stands in a database.
//!
//! Rows are made from the tables as they are in that version, whatever these may be: what a column refers to is there, and every
//! value is its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use liaison::store::Place;
use sha2::{Digest, Sha256};
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection, Executor, Row};

use crate::stores::{self, Raw};

/// Rows in each table.
const ROWS: usize = 120;
/// Rows of what grows most.
const EVENTS: usize = 3_000;

/// The migrations of a database up to one of them.
pub(super) async fn migrator(kind: &str, last: i64) -> Migrator {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(kind);
    let mut all = Migrator::new(folder).await.unwrap();
    all.migrations = all.iter().filter(|m| m.version <= last).cloned().collect::<Vec<_>>().into();
    all
}

/// The versions of a database, oldest first.
pub(super) async fn versions(kind: &str) -> Vec<i64> {
    migrator(kind, i64::MAX).await.iter().map(|m| m.version).collect()
}

/// A column: its name and type, whether it may be empty, and the table and column that it refers to.
#[derive(Clone)]
struct Column {
    name: String,
    sort: String,
    nullable: bool,
    of: Option<(String, String)>,
}

type Tables = BTreeMap<String, Vec<Column>>;

/// The tables of a version, by name, with their columns.
async fn tables(raw: &mut Raw) -> Tables {
    let mut tables = Tables::new();
    match raw {
        Raw::Sqlite(raw) => {
            let sql = "SELECT m.name, c.name, c.type, c.\"notnull\" = 0 AND c.pk = 0, f.\"table\", f.\"to\" FROM sqlite_schema m \
                JOIN pragma_table_info(m.name) c LEFT JOIN pragma_foreign_key_list(m.name) f ON f.\"from\" = c.name \
                WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE '_sqlx_%' \
                AND m.name NOT LIKE 'message_search%' ORDER BY m.name, c.cid";
            for row in raw.fetch_all(sql).await.unwrap() {
                let of = row.get::<Option<String>, _>(4).zip(row.get(5));
                let column = Column { name: row.get(1), sort: row.get(2), nullable: row.get(3), of };
                tables.entry(row.get(0)).or_default().push(column);
            }
        }
        Raw::Postgres(raw) => {
            let sql = "SELECT c.table_name::text, c.column_name::text, c.udt_name::text, c.is_nullable = 'YES', \
                (SELECT k.confrelid::regclass::text FROM pg_constraint k WHERE k.contype = 'f' AND k.conrelid = a.attrelid \
                 AND k.conkey = ARRAY[a.attnum]), \
                (SELECT t.attname::text FROM pg_constraint k JOIN pg_attribute t ON t.attrelid = k.confrelid AND t.attnum = k.confkey[1] \
                 WHERE k.contype = 'f' AND k.conrelid = a.attrelid AND k.conkey = ARRAY[a.attnum]) \
                FROM information_schema.columns c JOIN pg_attribute a ON a.attrelid = quote_ident(c.table_name)::regclass \
                AND a.attname = c.column_name WHERE c.table_schema = 'public' AND c.is_identity = 'NO' \
                AND c.table_name NOT LIKE '\\_sqlx\\_%' ORDER BY 1, c.ordinal_position";
            for row in raw.fetch_all(sql).await.unwrap() {
                let of = row.get::<Option<String>, _>(4).zip(row.get(5));
                let column = Column { name: row.get(1), sort: row.get(2), nullable: row.get(3), of };
                tables.entry(row.get(0)).or_default().push(column);
            }
        }
    }
    tables
}

/// A value of a column in the row with this number: the same whenever it is asked for, so that rows can refer to each other.
fn value(tables: &Tables, table: &str, column: &Column, n: usize) -> String {
    let place = tables[table].iter().position(|c| c.name == column.name).unwrap();
    let is_empty = match (table, column.name.as_str()) {
        // One or the other.
        ("address", "influencer_id") => n % 2 == 1,
        ("address", "agent_id") => n.is_multiple_of(2),
        _ => column.nullable && (n + place).is_multiple_of(3),
    };
    if is_empty {
        return "NULL".to_owned();
    }
    match (&column.of, column.name.as_str()) {
        (Some((table, of)), _) => {
            let of = tables[table].iter().find(|c| c.name == *of).unwrap();
            return value(tables, table, of, n);
        }
        // Named, not referred to.
        (None, "account") if table != "account" => return value(tables, "account", &tables["account"][0], n),
        (None, _) => {}
    }
    let text = format!("{table}.{} {n}", column.name);
    let hex = || Sha256::digest(&text).iter().take(16).map(|octet| format!("{octet:02x}")).collect::<String>();
    match (table, column.name.as_str(), column.sort.to_ascii_lowercase().as_str()) {
        ("api_token", "scopes", _) => "'[]'".to_owned(),
        ("raw", "data", sort) => {
            let data = hex().repeat(256);
            if sort == "bytea" { format!("'\\x{data}'") } else { format!("x'{data}'") }
        }
        (_, _, "integer" | "int8") => n.to_string(),
        (_, _, "real" | "float8") => format!("{n}.5"),
        (_, _, "bool") => n.is_multiple_of(2).to_string(),
        (_, _, "uuid") => format!("'{}'", hex()),
        (_, _, "bytea") => format!("'\\x{}'", hex()),
        (_, _, "blob") => format!("x'{}'", hex()),
        (_, _, "jsonb") => format!("'{{\"{text}\": {n}}}'"),
        (_, _, "tsvector") => format!("'{text}'"),
        // Some texts hold JSON on SQLite, and a migration may look into them: this is a string of JSON as well.
        (_, _, "text") => format!("'\"{text}\"'"),
        (_, _, sort) => panic!("{table}.{}: no value of the type {sort} is known here", column.name),
    }
}

/// Brings an empty database to this version, and fills it.
pub(super) async fn fill(place: &Place, version: i64) {
    let kind = kind_of(place);
    let mut raw = stores::raw_connection(place).await;
    match &mut raw {
        Raw::Sqlite(raw) => {
            raw.execute("PRAGMA journal_mode = WAL").await.unwrap();
            migrator(kind, version).await.run(&mut *raw).await.unwrap();
            raw.execute("PRAGMA foreign_keys = OFF").await.unwrap();
        }
        Raw::Postgres(raw) => {
            migrator(kind, version).await.run(&mut *raw).await.unwrap();
            raw.execute("SET session_replication_role = replica").await.unwrap();
        }
    }
    let tables = tables(&mut raw).await;
    assert!(tables.len() > 20 && tables.contains_key("message"), "the tables were not found");
    let mut sql = String::from("BEGIN;");
    for (table, columns) in &tables {
        let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
        let rows = match table.as_str() {
            "installation" => 1,
            "event" => EVENTS,
            _ => ROWS,
        };
        for n in 1..=rows {
            let values: Vec<String> = columns.iter().map(|c| value(&tables, table, c, n)).collect();
            sql.push_str(&format!(
                "INSERT INTO {table} (\"{}\") VALUES ({});",
                names.join("\", \""),
                values.join(", ")
            ));
        }
    }
    match &mut raw {
        Raw::Sqlite(raw) => {
            for n in 1..=ROWS {
                sql.push_str(&format!(
                    "INSERT INTO message_search (rowid, subject, body, names) VALUES ({n}, 'subject{n}', 'everybody', 'name{n}');"
                ));
            }
            sql.push_str("COMMIT");
            raw.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
            let wrong = raw.fetch_all("PRAGMA foreign_key_check").await.unwrap();
            assert!(wrong.is_empty(), "{} rows refer to nothing", wrong.len());
        }
        Raw::Postgres(raw) => {
            sql.push_str("COMMIT");
            raw.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
        }
    }
    close(raw).await;
}

async fn close(raw: Raw) {
    match raw {
        Raw::Sqlite(raw) => raw.close().await.unwrap(),
        Raw::Postgres(raw) => raw.close().await.unwrap(),
    }
}

fn kind_of(place: &Place) -> &'static str {
    match place {
        Place::Sqlite { .. } => "sqlite",
        Place::Postgres { .. } => "postgres",
    }
}

/// What stands in a database: its version, each table's rows by name and columns, what SQLite finds wrong with it.
#[derive(Debug, PartialEq, Eq, Default, Clone)]
pub(super) struct Content {
    pub(super) version: i64,
    /// Rows that are there, in the words of the database, sorted.
    pub(super) rows: BTreeMap<String, Vec<String>>,
    pub(super) wrong: String,
}

impl Content {
    /// Of all columns, or of those that another version had.
    pub(super) async fn read(place: &Place, of: Option<&Columns>) -> Self {
        let mut raw = stores::raw_connection(place).await;
        let own;
        let columns = if let Some(columns) = of {
            columns
        } else {
            own = Columns::read(&mut raw).await;
            &own
        };
        let mut content = Self { wrong: "ok".to_owned(), ..Self::default() };
        let newest = "SELECT MAX(version) FROM _sqlx_migrations WHERE success";
        for (table, names) in &columns.0 {
            let words: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
            let rows = match &mut raw {
                Raw::Sqlite(raw) => {
                    let quoted: Vec<String> = words.iter().map(|w| format!("quote({w})")).collect();
                    let sql = format!("SELECT {} FROM {table} ORDER BY 1", quoted.join(" || ', ' || "));
                    raw.fetch_all(AssertSqlSafe(sql)).await.unwrap().iter().map(|row| row.get(0)).collect()
                }
                Raw::Postgres(raw) => {
                    let sql = format!("SELECT ROW({})::text FROM {table} ORDER BY 1", words.join(", "));
                    raw.fetch_all(AssertSqlSafe(sql)).await.unwrap().iter().map(|row| row.get(0)).collect()
                }
            };
            content.rows.insert(table.clone(), rows);
        }
        match &mut raw {
            Raw::Sqlite(raw) => {
                content.version = raw.fetch_one(newest).await.unwrap().get(0);
                content.wrong = raw.fetch_one("PRAGMA integrity_check").await.unwrap().get(0);
                let found = raw.fetch_all("SELECT rowid FROM message_search('everybody')").await.unwrap();
                content.rows.insert("message_search".to_owned(), vec![found.len().to_string()]);
            }
            Raw::Postgres(raw) => content.version = raw.fetch_one(newest).await.unwrap().get(0),
        }
        close(raw).await;
        content
    }

    /// The tables in which another one says something else.
    pub(super) fn differs_from<'a>(&'a self, other: &'a Self) -> Vec<&'a str> {
        let names = self.rows.keys().chain(other.rows.keys().filter(|name| !self.rows.contains_key(*name)));
        let differ = |name: &&String| self.rows.get(*name) != other.rows.get(*name);
        names.filter(differ).map(String::as_str).collect()
    }
}

/// Tables and their columns.
pub(super) struct Columns(BTreeMap<String, Vec<String>>);

impl Columns {
    async fn read(raw: &mut Raw) -> Self {
        let names = |columns: Vec<Column>| columns.into_iter().map(|c| c.name).collect();
        Self(tables(raw).await.into_iter().map(|(table, columns)| (table, names(columns))).collect())
    }

    pub(super) async fn of(place: &Place) -> Self {
        let mut raw = stores::raw_connection(place).await;
        let columns = Self::read(&mut raw).await;
        close(raw).await;
        columns
    }

    pub(super) fn tables(&self) -> usize {
        self.0.len()
    }
}

/// Where databases are made and copied.
pub(super) enum Home {
    File(tempfile::TempDir),
    Server(String),
}

impl Home {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::File(_) => "sqlite",
            Self::Server(_) => "postgres",
        }
    }

    /// An empty database of this name.
    pub(super) async fn make(&self, name: &str) -> Place {
        match self {
            Self::File(dir) => {
                let file = dir.path().join(format!("{name}.db"));
                std::fs::File::create(&file).unwrap();
                Place::Sqlite { file }
            }
            Self::Server(url) => {
                self.order(&format!("CREATE DATABASE {name}")).await;
                let (base, _) = url.rsplit_once('/').unwrap();
                Place::Postgres { url: format!("{base}/{name}"), password: None, idle_max: stores::IDLE_MAX }
            }
        }
    }

    /// A copy of a database that nobody has open.
    pub(super) async fn copy(&self, from: &Place, name: &str, file: &Path) -> Place {
        match (self, from) {
            (Self::File(_), Place::Sqlite { file: from }) => {
                std::fs::copy(from, file).unwrap();
                Place::Sqlite { file: file.to_owned() }
            }
            (Self::Server(server), Place::Postgres { url, .. }) => {
                let (base, from) = url.rsplit_once('/').unwrap();
                self.order(&format!("CREATE DATABASE {name} TEMPLATE {from}")).await;
                assert!(server.starts_with(base));
                Place::Postgres { url: format!("{base}/{name}"), password: None, idle_max: stores::IDLE_MAX }
            }
            _ => panic!("a file and a server"),
        }
    }

    /// One that is needed no more; a file goes with its folder.
    pub(super) async fn forget(&self, place: &Place) {
        if let Place::Postgres { url, .. } = place {
            let (_, name) = url.rsplit_once('/').unwrap();
            self.order(&format!("DROP DATABASE {name} WITH (FORCE)")).await;
        }
    }

    async fn order(&self, sql: &str) {
        let Self::Server(url) = self else { panic!("a file") };
        let mut server = sqlx::PgConnection::connect(url).await.unwrap();
        server.execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
        server.close().await.unwrap();
    }
}

/// The copy that is kept beside a file of an older version.
pub(super) fn kept(file: &Path, version: i64) -> PathBuf {
    PathBuf::from(format!("{}.schema-{version}", file.display()))
}
