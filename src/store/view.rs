//! Filters of lists that somebody gave a name.

use std::collections::BTreeMap;

use sqlx::types::Json;

use super::sql::statements;
use super::value::values;
use super::{StoreError, Tx};
use crate::domain::time::Micros;

/// A saved view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedView {
    /// What it is called, by which lists take it.
    pub name: String,
    /// What it is for.
    pub about: String,
    /// The query parameters it stands for.
    pub filters: BTreeMap<String, String>,
    /// Who made it or changed it last.
    pub by: String,
    /// When it was made.
    pub created_at: Micros,
    /// When it was changed last.
    pub updated_at: Micros,
    /// Grows with every change.
    pub version: i64,
}

#[derive(sqlx::FromRow)]
struct ViewRow {
    name: String,
    about: String,
    filters: Json<BTreeMap<String, String>>,
    by: String,
    created_at: Micros,
    updated_at: Micros,
    version: i64,
}

impl From<ViewRow> for SavedView {
    fn from(row: ViewRow) -> Self {
        let ViewRow { name, about, filters, by, created_at, updated_at, version } = row;
        Self { name, about, filters: filters.0, by, created_at, updated_at, version }
    }
}

fn json_of(filters: &BTreeMap<String, String>) -> serde_json::Value {
    filters.iter().map(|(name, value)| (name.clone(), serde_json::Value::String(value.clone()))).collect()
}

impl Tx {
    /// Keeps a new view; `false` where the name is taken.
    pub async fn insert_view(&mut self, view: &SavedView) -> Result<bool, StoreError> {
        let SavedView { name, about, filters, by, created_at, .. } = view;
        let row = values![name, about, json_of(filters), by, *created_at];
        Ok(self.exec(&INSERT, row).await? > 0)
    }

    /// A view, locked until the end of a transaction that writes.
    pub async fn lock_view(&mut self, name: &str) -> Result<Option<SavedView>, StoreError> {
        let row: Option<ViewRow> = self.opt(&LOCK, values![name]).await?;
        Ok(row.map(SavedView::from))
    }

    /// A view.
    pub async fn get_view(&mut self, name: &str) -> Result<Option<SavedView>, StoreError> {
        let row: Option<ViewRow> = self.opt(&GET, values![name]).await?;
        Ok(row.map(SavedView::from))
    }

    /// Views by name, after one.
    pub async fn list_views(&mut self, after: &str, limit: i64) -> Result<Vec<SavedView>, StoreError> {
        let rows: Vec<ViewRow> = self.all(&LIST, values![after, limit]).await?;
        Ok(rows.into_iter().map(SavedView::from).collect())
    }

    /// How many views there are.
    pub async fn count_views(&mut self) -> Result<i64, StoreError> {
        let (count,): (i64,) = self.one(&COUNT, values![]).await?;
        Ok(count)
    }

    /// Writes what a view is for and stands for; its version grows by one.
    pub async fn update_view(&mut self, view: &SavedView) -> Result<(), StoreError> {
        let SavedView { name, about, filters, by, updated_at, .. } = view;
        self.exec(&UPDATE, values![name, about, json_of(filters), by, *updated_at]).await?;
        Ok(())
    }

    /// Forgets a view; `false` where there was none.
    pub async fn delete_view(&mut self, name: &str) -> Result<bool, StoreError> {
        Ok(self.exec(&DELETE, values![name]).await? > 0)
    }
}

statements! {
    INSERT = "INSERT INTO saved_view (name, about, filters, by, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $5) \
        ON CONFLICT (name) DO NOTHING";
    #[hot] GET = "SELECT name, about, filters, by, created_at, updated_at, version FROM saved_view WHERE name = $1";
    #[hot] LOCK = "SELECT name, about, filters, by, created_at, updated_at, version FROM saved_view WHERE name = $1 FOR UPDATE";
    #[hot] LIST = "SELECT name, about, filters, by, created_at, updated_at, version FROM saved_view WHERE name > $1 ORDER BY name LIMIT $2";
    // There are few.
    COUNT = "SELECT COUNT(*) FROM saved_view";
    #[hot] UPDATE = "UPDATE saved_view SET about = $2, filters = $3, by = $4, updated_at = $5, version = version + 1 WHERE name = $1";
    #[hot] DELETE = "DELETE FROM saved_view WHERE name = $1";
}
