//! What keeps everything of an account from leaving, asked as the claim asks it.

use crate::domain::words::AccountState;
use crate::store::{StoreError, Tx};

/// Why nothing that is due leaves this account; none: it leaves.
pub(super) async fn of_account(tx: &mut Tx, account: &str) -> Result<Option<String>, StoreError> {
    if tx.get_installation().await?.is_some_and(|installation| installation.held) {
        let why = "this database was restored, and nothing leaves before somebody says so (`liaison release`)";
        return Ok(Some(why.to_owned()));
    }
    let Some(row) = tx.get_account(account).await? else { return Ok(None) };
    let what = match row.sending_state {
        AccountState::Paused => "is paused",
        AccountState::NeedsLogin => "has to sign in anew",
        AccountState::Up | AccountState::Down => return Ok(None),
    };
    let why = row.sending_detail.map_or_else(String::new, |detail| format!(": {detail}"));
    Ok(Some(format!("the account {account} {what}{why}")))
}
