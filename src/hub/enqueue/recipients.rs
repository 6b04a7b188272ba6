//! Who is written to: checked, each once, in order; and to whom an answer goes.

use std::collections::HashSet;

use super::{EnqueueError, RECIPIENTS_MAX, Stopped};
use crate::domain::address;
use crate::domain::mail::Mailbox;
use crate::domain::words::{Direction, Role};
use crate::store::Tx;
use crate::store::outbox::{AddressOwner, Answered};

/// One recipient of the envelope.
pub(super) struct Recipient {
    pub(super) mailbox: Mailbox,
    pub(super) key: String,
    pub(super) role: Role,
}

/// Everybody in To and Cc, each once.
pub(super) fn envelope(to: &[Mailbox], cc: &[Mailbox]) -> Result<Vec<Recipient>, EnqueueError> {
    let mut seen = HashSet::new();
    let mut envelope = Vec::new();
    let parts = to.iter().map(|m| (m, Role::Recipient)).chain(cc.iter().map(|m| (m, Role::Cc)));
    for (mailbox, role) in parts {
        let key = address::key(&mailbox.address).ok_or_else(|| EnqueueError::Address(mailbox.address.clone()))?;
        if seen.insert(key.clone()) {
            envelope.push(Recipient { mailbox: mailbox.clone(), key, role });
        }
    }
    match envelope.len() {
        0 => Err(EnqueueError::NoRecipient),
        n if n > RECIPIENTS_MAX => Err(EnqueueError::TooManyRecipients(n)),
        _ => Ok(envelope),
    }
}

/// Whose the addresses are; an error that names every one that must not be written to.
pub(super) async fn check(tx: &mut Tx, envelope: &[Recipient]) -> Result<Vec<AddressOwner>, EnqueueError> {
    let keys: Vec<String> = envelope.iter().map(|r| r.key.clone()).collect();
    let suppressed = tx.outbox_suppressed(keys.clone()).await?;
    let owners = tx.outbox_recipient_owners(keys).await?;
    let mut stopped = Vec::new();
    for recipient in envelope {
        let reason = suppressed
            .iter()
            .find(|(key, _)| *key == recipient.key)
            .map(|(_, reason)| format!("suppressed: {reason}"))
            .or_else(|| {
                let dead = owners.iter().find(|o| o.value_key == recipient.key && o.dead_at.is_some())?;
                Some(format!("dead address: {}", dead.dead_reason.as_deref().unwrap_or("nothing arrives there")))
            });
        if let Some(reason) = reason {
            stopped.push(Stopped { address: recipient.mailbox.address.clone(), reason });
        }
    }
    if stopped.is_empty() { Ok(owners) } else { Err(EnqueueError::Stopped(stopped)) }
}

/// To whom an answer goes: to its author (or where they want answers) and, as copies, to everybody else in it but us;
/// an answer to a message of our own goes to the same people again.
pub(super) fn of_answer(answered: &Answered, own: &str) -> (Vec<Mailbox>, Vec<Mailbox>) {
    let list = |name: &str| -> Vec<Mailbox> {
        let value = answered.recipients.0.get(name).cloned().unwrap_or_default();
        serde_json::from_value(value).unwrap_or_default()
    };
    if answered.direction == Direction::Outbound {
        return (list("to"), list("cc"));
    }
    let own = address::key(own);
    let mut to = list("reply_to");
    to.retain(|m| address::key(&m.address).is_some());
    if to.is_empty() {
        to.push(Mailbox { name: answered.author_name.clone(), address: answered.author_address.clone() });
    }
    let taken: HashSet<String> = to.iter().filter_map(|m| address::key(&m.address)).collect();
    let mut cc = list("to");
    cc.extend(list("cc"));
    cc.retain(|m| address::key(&m.address).is_some_and(|k| Some(&k) != own.as_ref() && !taken.contains(&k)));
    (to, cc)
}
