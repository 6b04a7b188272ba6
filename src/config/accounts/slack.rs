//! Accounts of Slack: a workspace that our app is installed in.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use url::Url;

use super::{Account, AccountKind, BACKFILL, Backfill, POLL, SETTLE, manner, refuse_letters, rhythm};
use crate::config::endpoint;
use crate::config::reader::{Found, Reader, Section};
use crate::config::secret::{self, Secret};

/// What an account of kind `slack` has. With neither an app token nor a signing secret, Slack is asked for messages and tells none.
#[derive(Debug, Clone)]
pub struct SlackAccount {
    /// The token of the app's bot, which begins with `xoxb-`.
    pub bot_token: Secret,
    /// The token of the app, which begins with `xapp-`: opens the socket over which Slack tells what happens.
    pub app_token: Option<Secret>,
    /// Checks what Slack posts to us.
    pub signing_secret: Option<Secret>,
    /// Where the Web API is, where that is another place than Slack's: for tests, and for gateways that speak the same.
    pub base_url: Option<Url>,
    /// How far back the first reading goes. Default 30 days.
    pub backfill: Backfill,
    /// How often Slack is asked for what is new. Default 60 s.
    pub poll: Duration,
    /// How long after a lost answer it counts as proof that Slack does not list the message. Default 15 minutes.
    pub settle: Duration,
}

/// Its keys, besides those of every account.
pub(crate) const KEYS: [&str; 7] =
    ["bot_token", "app_token", "signing_secret", "base_url", "backfill", "poll_seconds", "settle_minutes"];

const BOT_HINT: &str = "it begins with xoxb- and stands on the page \"OAuth & Permissions\" of the app, once that is installed: \
     https://api.slack.com/apps";
const APP_HINT: &str = "it begins with xapp- and is made on the page \"Basic Information\" of the app, with the scope \
     connections:write: https://api.slack.com/apps";

pub(super) fn read(s: &mut Section<'_>, r: &mut Reader, id: &str) -> Option<Account> {
    let bot_token = token(s, r, "bot_token", ("xoxb-", BOT_HINT));
    let app_token = token(s, r, "app_token", ("xapp-", APP_HINT));
    let signing_secret = secret::read(s, r, "signing_secret");
    // Only now: a key that nothing has read yet counts as a misspelt one, and `app_token` looks like it.
    s.require(r, "bot_token", &format!("write bot_token = {{ credential = \"name\" }}; {BOT_HINT}"));
    let base_url = s.text(r, "base_url").and_then(|url| base(r, &url));
    let manner = manner(s, r);
    let rhythm = rhythm(s, r);
    refuse_letters(s, r, "slack", "it needs none: which workspace it is says its token");
    let account = SlackAccount {
        bot_token: bot_token?,
        app_token,
        signing_secret,
        base_url,
        backfill: rhythm.backfill.unwrap_or(BACKFILL),
        poll: rhythm.poll.unwrap_or(POLL),
        settle: rhythm.settle.unwrap_or(SETTLE),
    };
    Some(manner.into_account(id, String::new(), AccountKind::Slack(Box::new(account))))
}

/// A token, looked at where it can be read: Slack has several, and they are easily taken for each other.
fn token(s: &mut Section<'_>, r: &mut Reader, key: &'static str, (prefix, hint): (&str, &str)) -> Option<Secret> {
    let secret = secret::read(s, r, key)?;
    let value = secret.value.expose_secret();
    if value.is_empty() || value.starts_with(prefix) {
        return Some(secret);
    }
    let message = format!("what {} holds is no `{key}`: it does not begin with {prefix}", secret.source);
    r.error(&s.place(key)?, message, hint);
    None
}

fn base(r: &mut Reader, given: &Found<String>) -> Option<Url> {
    let found = endpoint::base_url(&given.value);
    if found.is_none() {
        let message = format!("`{}` is no address that tokens may be sent to", given.key);
        r.error(given, message, "leave it out, or write it as in \"https://slack.com/api\"");
    }
    found
}
