//! `liaison send` on a channel that is no mail: plain words to one person, and why from this account.

use super::super::desk::Desk;
use super::super::stop::Stop;
use super::super::who;
use super::{SendArgs, sender_of};
use crate::domain::words::{Channel, Word as _};
use crate::domain::{chat, phone};
use crate::hub::enqueue::Enqueued;
use crate::hub::talk::{self, Mouth, Wish};
use crate::store::Tx;

/// The channels that this writes to.
pub(super) fn channel(text: &str) -> Result<Channel, String> {
    match Channel::from_word(text) {
        Some(channel @ (Channel::Email | Channel::Sms | Channel::Slack)) => Ok(channel),
        Some(Channel::Manual) => Err("what was said elsewhere is written down with `liaison touch`".to_owned()),
        None => Err("expected email, sms or slack".to_owned()),
    }
}

/// The channel a message is for; and why, where nobody said it.
pub(super) async fn of(desk: &Desk, tx: &mut Tx, args: &SendArgs) -> anyhow::Result<(Channel, String)> {
    let named = match &args.account {
        Some(name) if args.channel.is_none() && args.reply_to.is_none() => Some(desk.account(name)?.channel()),
        Some(_) | None => None,
    };
    // Several people, and what only a mail has, are for a mail.
    let to = args.to.first().filter(|_| args.to.len() == 1);
    let wish = Wish { channel: args.channel.or(named), answers: args.reply_to, to: to.cloned(), ..Wish::default() };
    if let Some(channel) = talk::channel_of(tx, &wish).await? {
        return Ok((channel, String::new()));
    }
    let has_mail_parts =
        args.subject.is_some() || args.html.is_some() || !args.attach.is_empty() || !args.cc.is_empty();
    let Some(to) = to.filter(|_| !has_mail_parts) else { return Ok((Channel::Email, String::new())) };
    let id = who::influencer(tx, to).await?.id;
    let (channel, why) = talk::way_to(tx, id).await?;
    Ok((channel, format!("By {channel}: {why}. ")))
}

/// Puts the words into the outbox: through which account, why, and the row.
pub(super) async fn say(
    desk: &Desk,
    tx: &mut Tx,
    args: &SendArgs,
    (channel, text): (Channel, &str),
) -> anyhow::Result<(String, String, Enqueued)> {
    let only_mail = [
        ("--cc", !args.cc.is_empty()),
        ("--subject", args.subject.is_some()),
        ("--html", args.html.is_some()),
        ("--attach", !args.attach.is_empty()),
    ];
    if let Some((flag, _)) = only_mail.iter().find(|(_, given)| *given) {
        return Err(
            Stop::usage(format!("{flag}: only a mail has this; on the channel `{channel}` go plain words")).into()
        );
    }
    if args.to.len() > 1 {
        return Err(Stop::usage("words go to one person: say one --to").into());
    }
    let mut wish =
        Wish { channel: Some(channel), account: args.account.clone(), answers: args.reply_to, ..Wish::default() };
    if let Some(given) = args.to.first() {
        match address(given, channel, desk.config.phone_region.as_deref()) {
            Some(address) => wish.to = Some(known(tx, given, address, args.unknown_ok).await?),
            None => wish.influencer = Some(who::influencer(tx, given).await?.id),
        }
    }
    let mouths: Vec<Mouth> = desk
        .config
        .accounts
        .values()
        .map(|account| Mouth { from: sender_of(account), channel: account.channel() })
        .collect();
    let choice = talk::choose(tx, &mouths, channel, &wish).await?;
    let due_at = super::due_at(desk, args);
    let queued = talk::say(tx, &desk.clock, &choice, (text.to_owned(), due_at)).await?;
    Ok((choice.mouth.from.name, choice.why, queued))
}

/// An address of the channel, where it looks like one.
fn address(given: &str, channel: Channel, region: Option<&str>) -> Option<String> {
    match chat::channel_of(given) {
        Some((_, key)) => Some(key),
        None if channel == Channel::Sms => phone::key(given, region).ok(),
        None => None,
    }
}

async fn known(tx: &mut Tx, given: &str, address: String, unknown_ok: bool) -> anyhow::Result<String> {
    if !unknown_ok && tx.find_owners(vec![address.clone()]).await?.is_empty() {
        let words = format!(
            "{given} belongs to nobody you know, so the answer would wait in `unmatched`: add them first \
             (liaison influencer add), or say --unknown-ok"
        );
        return Err(Stop::failed(words).into());
    }
    Ok(address)
}
