//! Saved views: filters of lists that somebody gave a name. What a filter may say is known to whoever reads filters; here is what
//! may be kept, and that two who change one view do not overwrite each other.

use std::collections::BTreeMap;

use crate::clock::Clock;
use crate::store::view::SavedView;
use crate::store::{StoreError, Tx};

/// Characters of a name.
const NAME_MAX: usize = 64;
/// Characters of what it is for.
const ABOUT_MAX: usize = 500;
/// Views there may be: they are listed whole.
pub const VIEWS_MAX: i64 = 200;

/// Why a view was not kept.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// There is none of this name.
    #[error("there is no view `{0}`")]
    Unknown(String),
    /// There is one of this name already.
    #[error("there is a view `{0}` already; change it, or take another name")]
    Taken(String),
    /// A field that can't be taken.
    #[error("{what}")]
    Field {
        /// Which.
        field: &'static str,
        /// What is wanted.
        what: String,
    },
    /// Somebody changed it since it was read.
    #[error("the view `{name}` was changed meanwhile: it is at version {version} now; read it again")]
    Changed {
        /// Which.
        name: String,
        /// Its version now.
        version: i64,
    },
    /// The store could not.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn check_about(about: &str) -> Result<String, ViewError> {
    let about = about.trim();
    if about.chars().count() > ABOUT_MAX || about.chars().any(char::is_control) {
        let what = format!("at most {ABOUT_MAX} characters in one line");
        return Err(ViewError::Field { field: "about", what });
    }
    Ok(about.to_owned())
}

fn check_name(name: &str) -> Result<(), ViewError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(plain) {
        let what = format!("a name has from 1 to {NAME_MAX} of a-z, 0-9, - and _");
        return Err(ViewError::Field { field: "name", what });
    }
    Ok(())
}

/// Keeps a new view.
///
/// # Errors
/// [`ViewError::Field`], [`ViewError::Taken`].
pub async fn create(
    tx: &mut Tx,
    clock: &Clock,
    (name, about): (String, &str),
    filters: BTreeMap<String, String>,
    by: String,
) -> Result<SavedView, ViewError> {
    check_name(&name)?;
    let (about, now) = (check_about(about)?, clock.now());
    if tx.count_views().await? >= VIEWS_MAX {
        let what = format!("there are {VIEWS_MAX} views already; delete one first");
        return Err(ViewError::Field { field: "name", what });
    }
    let view = SavedView { name, about, filters, by, created_at: now, updated_at: now, version: 1 };
    if tx.insert_view(&view).await? { Ok(view) } else { Err(ViewError::Taken(view.name)) }
}

/// What is to change; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ViewChange {
    /// What it is for.
    pub about: Option<String>,
    /// What it stands for.
    pub filters: Option<BTreeMap<String, String>>,
    /// The version that was seen.
    pub version: Option<i64>,
}

async fn seen(tx: &mut Tx, name: &str, version: Option<i64>) -> Result<SavedView, ViewError> {
    let view = tx.lock_view(name).await?.ok_or_else(|| ViewError::Unknown(name.to_owned()))?;
    match version {
        Some(version) if version != view.version => Err(ViewError::Changed { name: view.name, version: view.version }),
        _ => Ok(view),
    }
}

/// Changes a view.
///
/// # Errors
/// [`ViewError::Unknown`], [`ViewError::Changed`], [`ViewError::Field`].
pub async fn change(
    tx: &mut Tx,
    clock: &Clock,
    name: &str,
    change: ViewChange,
    by: String,
) -> Result<SavedView, ViewError> {
    let mut view = seen(tx, name, change.version).await?;
    if let Some(about) = change.about {
        view.about = check_about(&about)?;
    }
    view.filters = change.filters.unwrap_or(view.filters);
    (view.by, view.updated_at) = (by, clock.now());
    tx.update_view(&view).await?;
    view.version = view.version.saturating_add(1);
    Ok(view)
}

/// Forgets a view.
///
/// # Errors
/// [`ViewError::Unknown`], [`ViewError::Changed`].
pub async fn delete(tx: &mut Tx, name: &str, version: Option<i64>) -> Result<(), ViewError> {
    let view = seen(tx, name, version).await?;
    tx.delete_view(&view.name).await?;
    Ok(())
}
