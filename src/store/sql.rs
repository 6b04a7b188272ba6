//! SQL texts: written once, in the words of PostgreSQL, and put into SQLite's words where the two differ.

use std::sync::OnceLock;

use sqlx::FromRow;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use super::dialect;

/// A row that both databases can give.
pub trait Rec: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}
impl<T> Rec for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

/// One statement, known by name. Made only by [`statements!`], so that the tests know them all.
#[derive(Debug)]
pub struct Sql {
    name: &'static str,
    text: &'static str,
    sqlite_own: Option<&'static str>,
    hot: bool,
    sqlite: OnceLock<String>,
}

impl Sql {
    /// For [`statements!`].
    pub(super) const fn new(name: &'static str, text: &'static str, sqlite: Option<&'static str>, hot: bool) -> Self {
        Self { name, text, sqlite_own: sqlite, hot, sqlite: OnceLock::new() }
    }

    /// Its name, for tests and logs.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it runs often or over large tables: it must be served by an index.
    pub fn is_hot(&self) -> bool {
        self.hot
    }

    /// The text for PostgreSQL.
    pub fn postgres(&self) -> &'static str {
        self.text
    }

    /// The text for SQLite.
    pub fn sqlite(&'static self) -> &'static str {
        match self.sqlite_own {
            Some(own) => own,
            None => self.sqlite.get_or_init(|| dialect::for_sqlite(self.text)),
        }
    }
}

/// Declares the statements of a file: `NAME = "…";`, `#[hot] NAME = "…";` for those that must never scan a table, and
/// `NAME = "…", sqlite: "…";` where SQLite needs a text of its own. Also declares `STATEMENTS`, the list of them.
macro_rules! statements {
    (@hot hot) => { true };
    (@hot) => { false };
    (@own) => { None };
    (@own $own:expr) => { Some($own) };
    ($($(#[$hot:ident])? $name:ident = $text:expr $(, sqlite: $own:expr)?;)+) => {
        $(static $name: $crate::store::sql::Sql = $crate::store::sql::Sql::new(
            concat!(module_path!(), "::", stringify!($name)), $text,
            $crate::store::sql::statements!(@own $($own)?),
            $crate::store::sql::statements!(@hot $($hot)?),
        );)+
        /// Every statement of this file.
        pub(in crate::store) static STATEMENTS: &[&$crate::store::sql::Sql] = &[$(&$name),+];
    };
}
pub(super) use statements;
