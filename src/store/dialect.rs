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
    // Casts that only PostgreSQL needs, for the type of a parameter.
    for cast in ["::bigint", "::text", "::uuid", "::boolean", "::jsonb", "::bytea"] {
        out = out.replace(cast, "");
    }
    out
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

/// A page of influencers: which of its parts the text has. `$1` is the limit, `$2` the id before the page (and `$3` its
/// message time), then stage, owner, tag, beginning and end of the word, as far as they are there.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "each is a part that is there or not")]
pub struct ListText {
    /// Newest message first; else in the order they were added.
    pub newest_message_first: bool,
    /// Only one stage.
    pub stage: bool,
    /// Only one owner's.
    pub owner: bool,
    /// Only those with a tag.
    pub tag: bool,
    /// Only those found by the beginning of a word.
    pub q: bool,
    /// Further wishes, each of which may be NULL: whose turn it is, a network, an agent, the least reach, and one above all.
    pub more: bool,
}

impl ListText {
    /// Every text there can be, for the tests.
    pub fn all() -> Vec<Self> {
        let bit = |n: u32, i: u32| n & (1 << i) != 0;
        let text = |n| Self {
            newest_message_first: bit(n, 0),
            stage: bit(n, 1),
            owner: bit(n, 2),
            tag: bit(n, 3),
            q: bit(n, 4),
            more: bit(n, 5),
        };
        (0..64).map(text).collect()
    }

    /// The whole text.
    pub fn text(self) -> String {
        let (place, order, mut next) = if self.newest_message_first {
            ("(COALESCE(i.last_message_at, 0), i.id) < ($3, $2)", "COALESCE(i.last_message_at, 0) DESC, i.id DESC", 4)
        } else {
            ("i.id > $2", "i.id", 3)
        };
        let mut parameter = || {
            next += 1;
            format!("${}", next - 1)
        };
        let mut parts = vec![format!(
            "SELECT {} FROM influencer i WHERE {place} AND i.merged_into IS NULL",
            super::people::COLUMNS
        )];
        if self.stage {
            parts.push(format!("AND i.stage = {}", parameter()));
        }
        if self.owner {
            parts.push(format!("AND i.owner = {}", parameter()));
        }
        if self.tag {
            let tag = parameter();
            parts.push(format!("AND i.id IN (SELECT influencer_id FROM influencer_tag WHERE tag = {tag})"));
        }
        if self.q {
            let (from, to) = (parameter(), parameter());
            parts.push(format!(
                "AND i.id IN (SELECT influencer_id FROM influencer_word WHERE word >= {from} AND word < {to})"
            ));
        }
        if self.more {
            let (awaiting, network, agent) = (parameter(), parameter(), parameter());
            let (from, below) = (parameter(), parameter());
            let reach =
                "(SELECT CAST(SUM(n.followers) AS BIGINT) FROM influencer_network n WHERE n.influencer_id = i.id)";
            parts.push(format!(
                "AND (i.awaiting = {awaiting} OR {awaiting} IS NULL) \
                 AND (EXISTS (SELECT 1 FROM influencer_network n WHERE n.influencer_id = i.id AND n.network = {network}) OR {network} IS NULL) \
                 AND (EXISTS (SELECT 1 FROM agent_influencer a WHERE a.influencer_id = i.id AND a.agent_id = {agent}) OR {agent} IS NULL) \
                 AND ({reach} >= {from} OR {from} IS NULL) AND ({reach} < {below} OR {below} IS NULL)"
            ));
        }
        parts.push(format!("ORDER BY {order} LIMIT $1"));
        parts.join(" ")
    }
}

impl Tx {
    /// All rows of a page.
    #[allow(clippy::disallowed_types, reason = "the text is made of constants and placeholders")]
    pub(super) async fn all_listed<T: Rec>(
        &mut self,
        list: ListText,
        values: Vec<Value>,
    ) -> Result<Vec<T>, StoreError> {
        let text = sqlx::AssertSqlSafe(list.text());
        Ok(match &mut self.inner {
            TxInner::SqliteWrite(tx) => {
                sqlx::query_as_with(text, value::sqlite(values)?).fetch_all(tx.connection()?).await?
            }
            TxInner::SqliteRead(c) => sqlx::query_as_with(text, value::sqlite(values)?).fetch_all(&mut **c).await?,
            TxInner::SqliteSnapshot(c) => sqlx::query_as_with(text, value::sqlite(values)?).fetch_all(&mut **c).await?,
            TxInner::Postgres(c) => sqlx::query_as_with(text, value::postgres(values)?).fetch_all(&mut **c).await?,
            TxInner::PostgresRead(c) => sqlx::query_as_with(text, value::postgres(values)?).fetch_all(&mut **c).await?,
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
