//! What of a batch is the team's among itself: copies of our own mails to teammates, their answers to those, and what came back of
//! them. None of it is a message of anybody.

use super::{Context, Draft};
use crate::clock::Clock;
use crate::domain::address;
use crate::domain::automatic::{Facts, classify_automatic};
use crate::domain::bounce::Report;
use crate::domain::relay;
use crate::domain::words::{Direction, FolderRole, Kind};
use crate::hub::relay::{AUTOMATIC, MailedThere, hear_mailed};
use crate::store::message::NewDelivery;
use crate::store::value::hex;
use crate::store::{StoreError, Tx};

/// Posts that one mail may name.
const POSTS_MAX: usize = 20;

/// What a delivery of the team's is left out for.
const LEFT_OUT: &str = "the team's";

/// The drafts that are anybody's message. Of the others it is noted where they lie, so that nobody misses them.
pub(super) async fn without_the_teams<'a>(
    tx: &mut Tx,
    clock: &Clock,
    context: &Context,
    drafts: Vec<Draft<'a>>,
) -> Result<Vec<Draft<'a>>, StoreError> {
    let (mut left, mut deliveries) = (Vec::with_capacity(drafts.len()), Vec::new());
    for draft in drafts {
        if !is_the_teams(tx, clock, context, &draft).await? {
            left.push(draft);
            continue;
        }
        deliveries.push(NewDelivery {
            folder_id: context.folder_id,
            uid_validity: context.uid_validity,
            uid: draft.arrival.uid,
            message_id: None,
            left_out: Some(LEFT_OUT),
            seen_at: clock.now(),
        });
    }
    tx.insert_deliveries(deliveries).await?;
    Ok(left)
}

async fn is_the_teams(tx: &mut Tx, clock: &Clock, context: &Context, draft: &Draft<'_>) -> Result<bool, StoreError> {
    let mail = &draft.arrival.mail;
    // Nobody has sent it.
    if draft.arrival.draft {
        return Ok(false);
    }
    if mail.token.as_deref().is_some_and(|token| token.starts_with(relay::TOKEN)) {
        // A copy of what we wrote. Whoever else writes such a line is heard.
        return Ok(draft.direction == Direction::Outbound);
    }
    if let Some(token) = super::know::original_id(draft).and_then(token_of) {
        let Some(post) = tx.find_relay_post(token).await? else { return Ok(false) };
        if matches!(&mail.report, Some(Report::Bounce(bounce)) if bounce.is_bounce()) {
            tx.fail_relay_post(post.id, "the mail came back").await?;
        }
        return Ok(true);
    }
    // Everything is in vain for the mails of strangers, and there are many of them.
    let is_own = draft.author.as_deref().is_some_and(|author| context.identity.is_ours(author));
    if !is_own || context.role == FolderRole::Sent {
        return Ok(false);
    }
    let mut posts: Vec<&str> = mail.ancestors().filter(|id| token_of(id).is_some()).take(POSTS_MAX).collect();
    if posts.is_empty() {
        posts = rewritten(tx, &context.account, mail.ancestors().take(POSTS_MAX)).await?;
    }
    if posts.is_empty() {
        return Ok(false);
    }
    let sort = classify_automatic(mail, &Facts { answered_within: None });
    if sort.kind == Kind::OutOfOffice && sort.proven {
        // A note that a teammate is away goes to nobody.
        return Ok(true);
    }
    let automatic = (sort.kind != Kind::Human).then_some(AUTOMATIC);
    let id = hex(&draft.arrival.weak);
    let own = tx.get_account(&context.account).await?.map(|account| account.address).unwrap_or_default();
    let mailed = MailedThere {
        account: &context.account,
        id: &id,
        posts: &posts,
        author: (draft.author.as_deref().unwrap_or_default(), &draft.writer.name),
        text: &mail.text,
        at: draft.at,
        refused: automatic.or(refusal(context, draft, &own)),
    };
    if !hear_mailed(tx, clock, &mailed).await? {
        // Whom it was about is erased, or it was too long ago. What it quotes is not to be stored again.
        tracing::warn!(
            account = context.account,
            "an answer of a teammate is about nobody who is known, and is left out"
        );
    }
    Ok(true)
}

/// Of the mails that one answers, one of ours to the team, under the id that a provider gave it in place of ours.
async fn rewritten<'m>(
    tx: &mut Tx,
    account: &str,
    ids: impl Iterator<Item = &'m str>,
) -> Result<Vec<&'m str>, StoreError> {
    for id in ids {
        if tx.find_relay_post_by_id(account, id).await?.is_some()
            || tx.find_relay_thread_by_root(account, id).await?.is_some()
        {
            return Ok(vec![id]);
        }
    }
    Ok(Vec::new())
}

/// The token in the Message-ID of a mail of ours to a teammate.
fn token_of(id: &str) -> Option<&str> {
    id.split_once('@').map(|(token, _)| token).filter(|token| token.starts_with(relay::TOKEN))
}

/// Why nothing of it is sent on.
fn refusal(context: &Context, draft: &Draft<'_>, own: &str) -> Option<&'static str> {
    let mail = &draft.arrival.mail;
    if !draft.fires {
        return Some("it was written before the account was read");
    }
    if context.role == FolderRole::Junk {
        return Some("the server filed it as junk: it may be of somebody else");
    }
    if mail.dmarc_failed {
        return Some("the server says that it is not from whom it claims to be (DMARC)");
    }
    if mail.forward {
        return Some("it passes another mail on");
    }
    if is_to_others(draft, own) {
        return Some("others got it as well: answer the hub alone");
    }
    if mail.attachments.iter().any(|file| !file.inline) {
        return Some("files can't be sent on: send it with `liaison send --attach`");
    }
    None
}

/// Whether it went to anybody but our account.
fn is_to_others(draft: &Draft<'_>, own: &str) -> bool {
    let own = address::key(own);
    draft.to.is_empty() || draft.to.iter().chain(&draft.cc).any(|key| Some(key) != own.as_ref())
}
