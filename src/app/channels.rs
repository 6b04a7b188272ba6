//! Accounts of channels that are no mail: from the configuration to what reads them, sends from them and hears what is posted for them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::{AccountParts, Hub, Reading};
use crate::clock::Clock;
use crate::config::accounts::{Account, AccountKind, Backfill, SlackAccount, TextAccount};
use crate::connector::ConnectorError;
use crate::connector::feed::{HookRefusal, HookRequest, Line};
use crate::connector::http::Http;
use crate::connector::slack::manifest;
use crate::connector::slack::workspace::{Workspace, WorkspaceSettings};
use crate::connector::sms::{self, Means};
use crate::domain::chat::{Harm, HarmOf};
use crate::domain::words::Channel;
use crate::http::{Hears, Posted, Refused};
use crate::inbound::listener::{self, Pace, Reach};
use crate::inbound::{faces, heard};
use crate::outbound::{SendingSettings, SentCopy};

/// The least time between two messages to one conversation of a workspace (chat.postMessage: one a second).
const TALK_GAP: Duration = Duration::from_secs(1);
/// Requests to a provider of text messages at once.
const TEXT_SESSIONS: usize = 4;

/// An account of a channel that is no mail, ready to run; `None` for a mailbox, or one that can't be made, which is told.
pub(super) fn line_parts(account: &Account, (clock, site): (&Clock, Option<&str>)) -> Option<AccountParts> {
    match made(account, clock)? {
        Ok(line) => Some(parts_of(account, line, site)),
        Err(why) => {
            tracing::error!(account = %account.id, why, "the account can't be used");
            None
        }
    }
}

/// The same for one look at it, with the reason where it can't be made; `None` for a mailbox.
pub fn line_parts_of(account: &Account) -> Option<Result<AccountParts, String>> {
    let made = made(account, &Clock::machine())?;
    Some(made.map(|line| parts_of(account, line, None)))
}

/// The description of the app that a workspace of Slack installs, to be pasted there.
pub fn slack_manifest(name: &str) -> String {
    manifest::manifest(name)
}

fn made(account: &Account, clock: &Clock) -> Option<Result<Arc<dyn Line>, String>> {
    match &account.kind {
        AccountKind::Text(text) => Some(text_line(text, clock)),
        AccountKind::Slack(slack) => Some(workspace(slack, clock)),
        AccountKind::Imap(_) | AccountKind::Sandbox => None,
    }
}

fn text_line(text: &TextAccount, clock: &Clock) -> Result<Arc<dyn Line>, String> {
    let provider = sms::provider(text.provider.name).ok_or_else(|| "there is no such provider".to_owned())?;
    let http = Http::new(None).map_err(|error| error.to_string())?;
    (provider.line)(&text.settings, &Means { http, clock: clock.clone() }).map_err(|error| error.to_string())
}

fn workspace(slack: &SlackAccount, clock: &Clock) -> Result<Arc<dyn Line>, String> {
    let settings = WorkspaceSettings {
        bot_token: slack.bot_token.value.clone(),
        app_token: slack.app_token.as_ref().map(|token| token.value.clone()),
        signing_secret: slack.signing_secret.as_ref().map(|secret| secret.value.clone()),
        base: slack.base_url.clone(),
    };
    let made = Workspace::new(settings, clock.clone()).map_err(|error: ConnectorError| error.to_string())?;
    Ok(Arc::new(made))
}

/// What is the same of each.
struct Manner {
    backfill: Backfill,
    poll: Duration,
    settle: Duration,
    sessions: usize,
    gap: Duration,
    harm: HarmOf,
}

fn manner_of(account: &Account) -> Option<Manner> {
    Some(match &account.kind {
        AccountKind::Text(text) => Manner {
            backfill: text.backfill,
            poll: text.poll,
            settle: text.settle,
            sessions: TEXT_SESSIONS,
            gap: Duration::ZERO,
            harm: sms::provider(text.provider.name).map_or(|_| Harm::Passing, |provider| provider.harm),
        },
        AccountKind::Slack(slack) => Manner {
            backfill: slack.backfill,
            poll: slack.poll,
            settle: slack.settle,
            sessions: 2,
            gap: TALK_GAP,
            harm: |_| Harm::Passing,
        },
        AccountKind::Imap(_) | AccountKind::Sandbox => return None,
    })
}

fn parts_of(account: &Account, line: Arc<dyn Line>, site: Option<&str>) -> AccountParts {
    let channel = account.channel();
    let manner = manner_of(account).unwrap_or(Manner {
        backfill: Backfill::None,
        poll: Duration::from_mins(1),
        settle: Duration::from_mins(15),
        sessions: 1,
        gap: Duration::ZERO,
        harm: |_| Harm::Passing,
    });
    // Only a provider of text messages tells more than that it took one.
    let site = site.filter(|_| channel == Channel::Sms && line.hook().is_some());
    let callback = site.map(|site| format!("{}/hooks/{}/status", site.trim_end_matches('/'), account.id));
    let (sender, ledger) = (Arc::clone(&line), Arc::clone(&line));
    AccountParts {
        name: account.id.clone(),
        kind: account.kind_name().to_owned(),
        address: account.address.clone(),
        display_name: account.display_name.clone().unwrap_or_default(),
        file_copy: false,
        channel,
        reading: Reading::Line {
            settings: listener::Settings {
                account: account.id.clone(),
                channel,
                harm: manner.harm,
                reach: match manner.backfill {
                    Backfill::None => Reach::Nothing,
                    Backfill::Days(days) => Reach::Back(Duration::from_hours(24 * u64::from(days))),
                },
                poll: manner.poll,
                pace: Pace::default(),
            },
            line,
        },
        sending: SendingSettings {
            channel,
            harm: manner.harm,
            gap: manner.gap,
            callback,
            sessions: manner.sessions,
            sent_copy: SentCopy::ServerSometime,
            settle_after: manner.settle,
            ..SendingSettings::new(account.id.clone())
        },
        sender: Arc::new(move || sender.sender()),
        ledger: Some(Arc::new(move || ledger.ledger())),
        tokens: None,
    }
}

/// Hears what providers post.
pub(super) fn hears(hub: &Hub) -> Hears {
    let (knowing, hearing) = (hub.clone(), hub.clone());
    Hears {
        knows: Arc::new(move |name| {
            let live = knowing.live();
            let account = live.accounts.iter().find(|account| account.name == name);
            account.is_some_and(|account| match &account.reading {
                Reading::Line { line, .. } => line.hook().is_some(),
                Reading::Mailbox { .. } => false,
            })
        }),
        hears: Arc::new(move |posted| hear(hearing.clone(), posted)),
    }
}

/// Hears what is posted for one of the accounts: checked by its connector, stored, and then answered.
fn hear(hub: Hub, posted: Posted) -> BoxFuture<'static, Result<(&'static str, String), Refused>> {
    Box::pin(async move {
        let live = hub.live();
        let account = live.accounts.iter().find(|account| account.name == posted.account).ok_or(Refused::Unknown)?;
        let Reading::Line { settings, line } = &account.reading else { return Err(Refused::Unknown) };
        let hook = line.hook().ok_or(Refused::Unknown)?;
        let site = live.base_url.clone().unwrap_or_else(|| format!("http://{}", posted.host));
        let request = HookRequest {
            method: posted.method,
            url: format!("{}{}", site.trim_end_matches('/'), posted.path_and_query),
            rest: posted.rest,
            headers: posted.headers,
            body: posted.body,
            now: hub.clock.now(),
        };
        let mut heard = hook.hear(&request);
        if heard == Err(HookRefusal::NotReady) {
            // It is the provider's, and this node is not the one that reads the account.
            line.ready().await.map_err(|error| {
                tracing::warn!(account = %account.name, %error, "what was posted can't be read before the provider says who we are");
                Refused::NotNow
            })?;
            heard = hook.hear(&request);
        }
        let heard = heard.map_err(|refusal| {
            tracing::info!(account = %account.name, %refusal, "what was posted was refused");
            match refusal {
                HookRefusal::Signature | HookRefusal::Stale => Refused::Unsigned,
                HookRefusal::Unreadable => Refused::Unreadable,
                HookRefusal::NotFound => Refused::Unknown,
                HookRefusal::NotReady => Refused::NotNow,
            }
        })?;
        let mut feed = line.feed();
        let asked = faces::ask(&hub.store, feed.as_mut(), &heard.told, faces::POSTED_TIME_MAX).await;
        feed.close().await;
        let context = heard::Context {
            faces: asked.map_err(|_| Refused::NotNow)?,
            account: account.name.clone(),
            channel: settings.channel,
            harm: settings.harm,
            fire_after: first_read(&hub, &account.name).await?,
            lease: None,
        };
        let told = (heard.told.as_slice(), None);
        let taken = heard::take(&hub.store, &hub.clock, &context, told).await.map_err(|error| {
            tracing::warn!(account = %account.name, %error, "what was posted could not be stored");
            Refused::NotNow
        })?;
        if taken.news > 0 {
            hub.stored.notify_waiters();
        }
        Ok((heard.media_type, heard.answer))
    })
}

/// Since when the account is read: what was said before fires nothing.
async fn first_read(hub: &Hub, account: &str) -> Result<Option<crate::domain::time::Micros>, Refused> {
    let at = async {
        let mut tx = hub.store.read().await?;
        tx.get_account(account).await
    };
    let row = at.await.map_err(|_: crate::store::StoreError| Refused::NotNow)?;
    Ok(row.and_then(|row| row.first_read_at))
}
