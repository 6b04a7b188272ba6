//! Who is written to: each once, in order; and to whom an answer goes.

use std::collections::HashSet;

use super::{EnqueueError, RECIPIENTS_MAX};
use crate::domain::address;
use crate::domain::mail::Mailbox;
use crate::domain::words::{Direction, Role};
use crate::store::outbox::Answered;

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
