//! All SQL that differs between the two databases, and all SQL that is put together at run time.
//!
//! Texts put together here consist of constants and placeholders only; what a user or a stranger wrote is always bound.

use super::sql::{Rec, statements};
use super::value::{self, Value, values};
use super::{StoreError, Tx, TxInner};

/// Most bound values of one statement: PostgreSQL's limit is 65,535, SQLite's 32,766.
const VALUES_MAX: usize = 30_000;

/// Puts a PostgreSQL text into SQLite's words.
///
/// Lists are bound as JSON there, row locks do not exist, and nothing else differs in what this crate uses.
pub(super) fn for_sqlite(text: &str) -> String {
    let mut out = text
        .replace(" FOR UPDATE OF o SKIP LOCKED", "")
        .replace(" FOR UPDATE SKIP LOCKED", "")
        .replace(" FOR UPDATE", "");
    for (kind, column) in [("text", "value"), ("bigint", "value"), ("uuid", "unhex(value)"), ("bytea", "unhex(value)")]
    {
        let tail = format!("::{kind}[])");
        while let Some(end) = out.find(&tail) {
            let (head, rest) = out.split_at(end);
            let Some(start) = head.rfind("= ANY($") else { break };
            let (before, parameter) = head.split_at(start);
            let parameter = parameter.trim_start_matches("= ANY(");
            let rest = rest.strip_prefix(tail.as_str()).unwrap_or(rest);
            out = format!("{before}IN (SELECT {column} FROM json_each({parameter})){rest}");
        }
    }
    // An id as it is written, without its prefix.
    out = out.replace("replace(CAST(", "lower(hex(").replace(" AS TEXT), '-', '')", "))");
    // Casts that only PostgreSQL needs, for the type of a parameter.
    for cast in ["::bigint", "::text", "::uuid", "::boolean", "::jsonb", "::bytea"] {
        out = out.replace(cast, "");
    }
    out
}

/// A text made of names of tables and columns, which come from our own migrations, and of placeholders.
#[allow(clippy::disallowed_types, reason = "the text is made of names of our own schema and placeholders")]
pub(super) fn of_the_schema(text: String) -> sqlx::AssertSqlSafe<String> {
    sqlx::AssertSqlSafe(text)
}

/// An INSERT of many rows: `head` up to VALUES, `tail` after the rows.
#[derive(Debug)]
pub struct Many {
    /// `INSERT INTO t (a, b)`.
    pub head: &'static str,
    /// How many columns.
    pub columns: usize,
    /// `ON CONFLICT …`, or nothing.
    pub tail: &'static str,
}

impl Many {
    /// The whole text for some rows, for PostgreSQL.
    pub fn text(&self, rows: usize) -> String {
        self.text_with(rows, |text, parameter| {
            text.push('$');
            text.push_str(&parameter.to_string());
        })
    }

    /// The same for SQLite. Its parameters have no names: a name is looked for from the first one on, each time, which
    /// for thousands of them costs more than the insert.
    pub fn sqlite_text(&self, rows: usize) -> String {
        self.text_with(rows, |text, _| text.push('?'))
    }

    fn text_with(&self, rows: usize, mut place: impl FnMut(&mut String, usize)) -> String {
        let mut text = String::with_capacity(self.head.len() + self.tail.len() + rows * self.columns * 6);
        text.push_str(self.head);
        text.push_str(" VALUES ");
        let mut parameter = 0;
        for row in 0..rows {
            text.push_str(if row == 0 { "(" } else { ", (" });
            for column in 0..self.columns {
                parameter += 1;
                if column > 0 {
                    text.push_str(", ");
                }
                place(&mut text, parameter);
            }
            text.push(')');
        }
        text.push(' ');
        text.push_str(self.tail);
        text
    }

    /// Sizes in which rows are sent, so that a handful of prepared texts serve all.
    fn pieces(&self, rows: usize) -> Vec<usize> {
        let most = (VALUES_MAX / self.columns.max(1)).max(1);
        let mut left = rows;
        let mut pieces = Vec::new();
        for size in [256, 64, 16, 4, 2, 1] {
            while size <= most && left >= size {
                pieces.push(size);
                left -= size;
            }
        }
        pieces
    }
}

impl Tx {
    /// All rows of a page whose text was put together from constants and placeholders, in the words of PostgreSQL.
    #[allow(clippy::disallowed_types, reason = "the text is made of constants and placeholders")]
    pub(super) async fn all_listed<T: Rec>(&mut self, text: String, values: Vec<Value>) -> Result<Vec<T>, StoreError> {
        let text = sqlx::AssertSqlSafe(if self.is_sqlite() { for_sqlite(&text) } else { text });
        Ok(match &mut self.inner {
            TxInner::SqliteWrite(tx) => {
                sqlx::query_as_with(text, value::sqlite(values)?).fetch_all(tx.connection()?).await?
            }
            TxInner::SqliteRead(c) => sqlx::query_as_with(text, value::sqlite(values)?).fetch_all(&mut **c).await?,
            TxInner::SqliteSnapshot(c) => sqlx::query_as_with(text, value::sqlite(values)?).fetch_all(&mut **c).await?,
            TxInner::Postgres(c) => sqlx::query_as_with(text, value::postgres(values)?).fetch_all(&mut **c).await?,
            TxInner::PostgresRead(reads) => loop {
                let again = sqlx::AssertSqlSafe(text.0.clone());
                let query = sqlx::query_as_with(again, value::postgres(values.clone())?);
                match query.fetch_all(reads.connection()?).await {
                    Ok(found) => break found,
                    Err(error) => reads.another(error).await?,
                }
            },
        })
    }

    /// Inserts rows, many at a time; `rows` holds them one after the other.
    #[allow(clippy::disallowed_types, reason = "the text is made of constants and placeholders")]
    pub(super) async fn insert_many(&mut self, many: &Many, rows: Vec<Value>) -> Result<u64, StoreError> {
        let mut touched = 0;
        let mut rows = rows.into_iter();
        for size in many.pieces(rows.len() / many.columns.max(1)) {
            let values: Vec<Value> = rows.by_ref().take(size * many.columns).collect();
            touched += match &mut self.inner {
                TxInner::SqliteWrite(tx) => {
                    let text = sqlx::AssertSqlSafe(many.sqlite_text(size));
                    sqlx::query_with(text, value::sqlite(values)?).execute(tx.connection()?).await?.rows_affected()
                }
                TxInner::Postgres(c) => {
                    let text = sqlx::AssertSqlSafe(many.text(size));
                    sqlx::query_with(text, value::postgres(values)?).execute(&mut **c).await?.rows_affected()
                }
                TxInner::SqliteRead(_) | TxInner::SqliteSnapshot(_) | TxInner::PostgresRead(_) => {
                    return Err(StoreError::Damaged("a write in a series of reads".into()));
                }
            };
        }
        Ok(touched)
    }

    /// Held until the end of the transaction by whoever changes conversations: merging two while a third party adds a
    /// message to one of them would lose that message's place. SQLite has one writer anyway.
    ///
    /// One lock for all: which conversations and which people a message touches is known only once it was read what it refers to and
    /// whose its addresses are, and that must not change meanwhile; and what a stop and a mail in the making know of each other
    /// stands on it. A node that stands still with it in its hand is ended by the server, see [`super::Place::Postgres`].
    pub async fn lock_conversations(&mut self) -> Result<(), StoreError> {
        if !self.is_sqlite() {
            self.exec(&LOCK_CONVERSATIONS, values![]).await?;
        }
        Ok(())
    }
}

statements! {
    LOCK_CONVERSATIONS = "SELECT pg_advisory_xact_lock(7310)", sqlite: "SELECT 1";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_locks_and_casts_are_put_into_sqlite_words() {
        assert_eq!(
            for_sqlite("SELECT a FROM t WHERE id = ANY($1::uuid[]) AND b = ANY($2::text[]) FOR UPDATE SKIP LOCKED"),
            "SELECT a FROM t WHERE id IN (SELECT unhex(value) FROM json_each($1)) AND b IN (SELECT value FROM json_each($2))"
        );
    }

    #[test]
    fn many_rows_are_sent_in_few_sizes() {
        let many = Many { head: "INSERT INTO t (a, b)", columns: 2, tail: "" };
        assert_eq!(many.pieces(341), vec![256, 64, 16, 4, 1]);
        assert_eq!(many.text(2), "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4) ");
        assert_eq!(many.sqlite_text(2), "INSERT INTO t (a, b) VALUES (?, ?), (?, ?) ");
    }
}
