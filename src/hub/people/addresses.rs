//! Addresses of somebody that go, and which one is written to first.

use serde_json::json;

use super::PeopleError;
use crate::clock::Clock;
use crate::domain::ids::InfluencerId;
use crate::domain::people::check::Flaw;
use crate::domain::people::{Address, Influencer};
use crate::domain::words::{Channel, EventType, HoldSource};
use crate::domain::{address, chat, phone};
use crate::hub::signal::{self, Signal};
use crate::hub::{hold, outreach};
use crate::store::{StoreError, Tx};

/// Refuses to go on where an influencer is not any more as the caller saw them; they are locked from then on.
///
/// # Errors
/// [`PeopleError::Changed`], [`PeopleError::NoInfluencer`].
pub async fn seen(tx: &mut Tx, id: InfluencerId, version: Option<i64>) -> Result<Influencer, PeopleError> {
    let influencer = tx.lock_influencer(id).await?.ok_or_else(|| PeopleError::NoInfluencer(id.to_string()))?;
    if version.is_some_and(|v| v != influencer.version) {
        return Err(PeopleError::Changed(id));
    }
    Ok(influencer)
}

/// Takes a mail address away from an influencer on which nothing hangs: a slip, or one that was never used. One that we wrote to stays
/// theirs: a no or a complaint that comes back to it must find them, and not end with an address that nobody has.
///
/// # Errors
/// [`PeopleError::NoAddress`] where it is not theirs; [`PeopleError::MailWaits`] where something is to leave to it;
/// [`PeopleError::AddressInUse`] where anything hangs on it; `NoInfluencer`, `Changed`.
pub async fn remove_address(
    tx: &mut Tx,
    clock: &Clock,
    (id, version): (InfluencerId, Option<i64>),
    (given, region): (&str, Option<&str>),
    by: &str,
) -> Result<(), PeopleError> {
    // First of all, as those do who store messages: nobody's mail from there is stored as theirs meanwhile.
    tx.lock_conversations().await?;
    let mut influencer = seen(tx, id, version).await?;
    let unknown = || PeopleError::NoAddress(given.chars().take(80).collect());
    let named = Named::read(given, region);
    let (channel, key) = (named.channel, named.key.ok_or_else(unknown)?);
    let theirs = tx.list_addresses_of_influencers(vec![id]).await?;
    let (gone, left): (Vec<Address>, Vec<Address>) =
        theirs.into_iter().filter(|a| a.channel == channel).partition(|a| a.value_key == key);
    let gone = gone.into_iter().next().ok_or_else(unknown)?;
    if let Some(message) = tx.mail_waiting_for(&key).await? {
        return Err(PeopleError::MailWaits { address: gone.value, message });
    }
    if gone.dead_at.is_some() || is_in_use(tx, id, (channel, &key)).await? {
        return Err(PeopleError::AddressInUse(gone.value));
    }
    tx.delete_address(gone.id).await?;
    if gone.is_primary {
        let next = left.iter().find(|a| a.dead_at.is_none()).or(left.first());
        tx.set_primary(next.map(|a| a.id.0).into_iter().collect(), true).await?;
    }
    influencer.updated_at = clock.now();
    if !tx.update_influencer(&influencer).await? {
        return Err(PeopleError::Changed(id));
    }
    // Known from then on by this event alone: whoever erases them looks there.
    let data = Some(json!({"changed": ["addresses"], "removed": key, "by": by}));
    let at = influencer.updated_at;
    let updated = Signal { what: EventType::InfluencerUpdated, influencer: Some(id), message: None, at, data };
    tx.insert_events(vec![signal::event(clock, Some(&influencer.stage), updated)]).await?;
    outreach::wake_stuck(tx, clock, vec![id]).await?;
    Ok(())
}

/// Whether something went to an address or came from it, is known of it, or may come back to it when a merge is taken back.
async fn is_in_use(tx: &mut Tx, id: InfluencerId, (channel, key): (Channel, &str)) -> Result<bool, StoreError> {
    let keys = || vec![key.to_owned()];
    // A number stands in messages as it is looked up.
    let same = |given: &str| given == key || address::key(given).as_deref() == Some(key);
    let wrote = tx.list_authors_met(id).await?.iter().any(|author| same(author));
    let got = tx.list_envelopes_to(id).await?.iter().any(|to| address::written_to_raw(to).iter().any(|to| same(to)));
    // Who is asked whether a no was theirs is known by the address it was said at.
    let asked = hold::asked_of(tx, &[id], &[HoldSource::Machine, HoldSource::Complaint]).await?;
    Ok(wrote
        || got
        || !asked.is_empty()
        || tx.has_mail_gone_to(key).await?
        || !tx.suppressed(channel, keys()).await?.is_empty()
        || !tx.list_consents(channel, keys()).await?.is_empty()
        || !tx.once_merged_with(vec![id]).await?.is_empty())
}

/// An address as somebody names it: which channel it is of, and the form in which it is looked up, where it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    channel: Channel,
    key: Option<String>,
}

impl Named {
    /// A mail address.
    pub(super) fn email(given: &str) -> Self {
        Self { channel: Channel::Email, key: address::key(given) }
    }

    /// A phone number. `region`: whose it is where it has no country's code.
    pub(super) fn phone(given: &str, region: Option<&str>) -> Self {
        Self { channel: Channel::Sms, key: phone::key(given, region).ok() }
    }

    /// Whichever it looks like.
    fn read(given: &str, region: Option<&str>) -> Self {
        if given.contains('@') {
            return Self::email(given);
        }
        let number = Self::phone(given, region);
        // A slash may stand in a number as well.
        let user = chat::channel_of(given).filter(|(channel, _)| *channel == Channel::Slack && number.key.is_none());
        user.map_or(number, |(channel, key)| Self { channel, key: Some(key) })
    }
}

/// Makes an address of somebody the one that is written to first on its channel; `false` where it is already.
pub(super) async fn make_primary(tx: &mut Tx, id: InfluencerId, named: Named) -> Result<bool, PeopleError> {
    let mut known = tx.list_addresses_of_influencers(vec![id]).await?;
    known.retain(|a| a.channel == named.channel);
    let Some(first) = known.iter().find(|a| Some(&a.value_key) == named.key.as_ref()) else {
        let (field, reason) = if named.channel == Channel::Email {
            ("primary_email", "this is no address of theirs; add it with add_emails")
        } else {
            ("primary_phone", "this is no number of theirs; add it with add_phones")
        };
        return Err(PeopleError::Invalid(vec![Flaw::new(field, reason)]));
    };
    if first.is_primary {
        return Ok(false);
    }
    tx.set_primary(known.iter().filter(|a| a.is_primary).map(|a| a.id.0).collect(), false).await?;
    tx.set_primary(vec![first.id.0], true).await?;
    Ok(true)
}

/// The addresses that were taken away from some influencers and are nobody's since.
pub(super) async fn once_theirs(tx: &mut Tx, ids: &[InfluencerId]) -> Result<Vec<String>, StoreError> {
    let mut keys = tx.removed_addresses(ids.to_vec()).await?;
    for channel in Channel::ADDRESSED {
        let owned = tx.find_addresses(channel, keys.clone()).await?;
        keys.retain(|key| !owned.iter().any(|owner| owner.value_key == *key));
    }
    Ok(keys)
}
