//! A preview that is really sent, once, to somebody of ours: mail as a person writes it, of no run and not counted.

use super::{Preview, PreviewError, Scene, Shown, attachments_of, note};
use crate::domain::address;
use crate::domain::mail::Mailbox;
use crate::domain::time::Micros;
use crate::domain::words::Channel;
use crate::hub::enqueue::{AccountFrom, Order};
use crate::store::{StoreError, Tx};

/// Why a preview is not sent.
#[derive(Debug, thiserror::Error)]
pub enum OnceError {
    /// Several mails are shown.
    #[error("there are several mails, and one is sent: name its step")]
    Several,
    /// No mail is shown.
    #[error("no mail is sent here")]
    NoMail,
    /// Nobody could send it.
    #[error("there is no account that it could go out from")]
    NoAccount,
    /// It can't be sent there.
    #[error("`{0}` is no mail address, nor `me`")]
    Address(String),
    /// It would reach somebody it is about.
    #[error("{0} is the address of an influencer or agent: a preview goes to one of your own")]
    Theirs(String),
    /// A file that goes along can't be read.
    #[error("{0}")]
    File(String),
    /// It can't be written.
    #[error(transparent)]
    Preview(#[from] PreviewError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The one mail among what is shown.
///
/// # Errors
/// Where there is none, or more than one.
pub fn only_mail(shown: &[Shown]) -> Result<&Shown, OnceError> {
    let mut mails = shown.iter().filter(|shown| matches!(shown, Shown::Email { .. }));
    match (mails.next(), mails.next()) {
        (Some(mail), None) => Ok(mail),
        (Some(_), Some(_)) => Err(OnceError::Several),
        (None, _) => Err(OnceError::NoMail),
    }
}

/// The mail that is shown, for the outbox: to an address, or to `me`, the account it goes out from.
///
/// # Errors
/// Where it can't be sent as it is.
pub fn once(scene: &Scene<'_>, (shown, to): (&Preview, &str), now: Micros) -> Result<Order, OnceError> {
    let Shown::Email { step, template, text, html, .. } = only_mail(&shown.steps)? else {
        return Err(OnceError::NoMail);
    };
    let account = scene.account().ok_or(OnceError::NoAccount)?;
    let to = if to == "me" { account.address.as_str() } else { to };
    if address::key(to).is_none() {
        return Err(OnceError::Address(to.to_owned()));
    }
    let note = note(shown, step);
    Ok(Order {
        account: AccountFrom {
            name: account.id.clone(),
            address: account.address.clone(),
            display_name: account.display_name.clone().unwrap_or_default(),
        },
        to: vec![Mailbox { name: String::new(), address: to.to_owned() }],
        cc: Vec::new(),
        subject: Some(scene.subject(step, template)?),
        text: note.below_text(text),
        html: html.as_deref().map(|html| note.below_html(html)),
        attachments: attachments_of(scene.definition(), template).map_err(OnceError::File)?,
        answers: None,
        due_at: now,
        file_copy: false,
        message_id_domain: address::domain(&account.address).unwrap_or_else(|| "localhost".to_owned()),
        outreach: None,
    })
}

/// Refuses one that would go to somebody it is about.
///
/// # Errors
/// [`OnceError::Theirs`].
pub async fn refuse_theirs(tx: &mut Tx, order: &Order) -> Result<(), OnceError> {
    for to in &order.to {
        let key = address::key(&to.address).ok_or_else(|| OnceError::Address(to.address.clone()))?;
        if !tx.find_addresses(Channel::Email, vec![key]).await?.is_empty() {
            return Err(OnceError::Theirs(to.address.clone()));
        }
    }
    Ok(())
}
