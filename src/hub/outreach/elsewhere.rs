//! What somebody may have said elsewhere: nothing of a sequence leaves to a person while an account that they talk with was not read
//! to its end. Their answer may lie there, or their no.

use super::house::House;
use crate::domain::ids::MessageId;
use crate::store::{StoreError, Tx};

/// The configured accounts but one that nobody has read to their end since somebody took them over, or lately.
pub async fn unread_but(tx: &mut Tx, house: &House, account: &str) -> Result<Vec<String>, StoreError> {
    let others: Vec<String> = house.accounts.keys().filter(|name| *name != account).cloned().collect();
    if others.is_empty() {
        return Ok(others);
    }
    let read = tx.list_read_accounts(others.clone()).await?;
    Ok(others.into_iter().filter(|name| !read.contains(name)).collect())
}

/// Of these messages of sequences, those that go to somebody who talks with one of these accounts, and with which.
pub async fn waiting_for(
    tx: &mut Tx,
    messages: Vec<MessageId>,
    accounts: Vec<String>,
) -> Result<Vec<(MessageId, String)>, StoreError> {
    if messages.is_empty() || accounts.is_empty() {
        return Ok(Vec::new());
    }
    tx.find_talks_elsewhere(messages, accounts).await
}
