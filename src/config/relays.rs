//! `[relays.NAME]`: where the team hears of what influencers write, and answers it.

use std::collections::BTreeMap;

use super::accounts::{Account, AccountKind};
use super::reader::{Found, Reader, Section};
use super::suggest;
use super::teammates::Teammate;
use crate::domain::relay::{MARKER, Rules};
use crate::domain::stage::Stages;
use crate::domain::words::Channel;

/// Characters of a marker.
const MARKER_CHARS_MAX: usize = 20;

/// `[relays.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    /// Its name.
    pub id: String,
    /// The account that speaks: of a workspace, or a mailbox.
    pub account: String,
    /// Where the team is.
    pub place: RelayPlace,
    /// Whom it hears of.
    pub rules: Rules,
    /// What words begin with that are sent on. Default `!send`.
    pub marker: String,
    /// Where somebody is looked at, with `{id}` and `{handle}` in the place of theirs.
    pub link: Option<String>,
}

/// Where the team is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelayPlace {
    /// A channel of the workspace, by its id.
    Channel(String),
    /// A teammate, by mail.
    Teammate {
        /// The name in the configuration.
        id: String,
        /// Where they are written to.
        address: String,
        /// From where their answers are taken.
        addresses: Vec<String>,
    },
}

/// What a relay is held against.
pub(super) struct Around<'a> {
    pub(super) accounts: &'a [Account],
    pub(super) teammates: &'a BTreeMap<String, Teammate>,
    pub(super) stages: Option<&'a Stages>,
}

pub(super) fn read(root: &mut Section<'_>, r: &mut Reader, around: &Around<'_>) -> BTreeMap<String, Relay> {
    let mut relays = BTreeMap::new();
    for (name, mut s) in root.named(r, "relays") {
        let relay = one(&mut s, r, &name.value, around);
        s.finish(r);
        if let Some(relay) = relay {
            relays.insert(name.value, relay);
        }
    }
    relays
}

fn one(s: &mut Section<'_>, r: &mut Reader, id: &str, around: &Around<'_>) -> Option<Relay> {
    let account = s.text(r, "account");
    s.require(r, "account", "write account = \"NAME\": an account of kind slack, or a mailbox");
    let channel = s.text(r, "channel");
    let teammate = s.text(r, "teammate");
    let rules = Rules {
        owner: names(s, r, "owner", |r, owner| teammate_named(r, owner, around).is_some()),
        stage: names(s, r, "stage", |r, stage| is_stage(r, stage, around)),
        tag: names(s, r, "tag", |_, _| true),
    };
    let marker = s.text(r, "marker").and_then(|marker| read_marker(r, &marker));
    let link = s.text(r, "link").and_then(|link| read_link(r, &link));
    let account = account?;
    let found = account_named(r, &account, around)?;
    let is_slack = matches!(found.kind, AccountKind::Slack(_)) || found.channel() == Channel::Slack;
    let place = match (channel, teammate) {
        (Some(channel), None) if is_slack => RelayPlace::Channel(channel_id(r, &channel)?),
        (None, Some(teammate)) if found.channel() == Channel::Email => {
            let found = teammate_named(r, &teammate, around)?;
            RelayPlace::Teammate {
                id: found.id.clone(),
                address: found.emails.first().cloned().unwrap_or_default(),
                addresses: found.emails.clone(),
            }
        }
        _ => {
            let message = format!("it is not said where the team hears of it through `{}`", account.value);
            let hint = if is_slack {
                "write channel = \"C0123ABCD\": the channel's id, which Slack shows at the end of its details"
            } else if found.channel() == Channel::Email {
                "write teammate = \"NAME\", one of [teammates.NAME], and no channel"
            } else {
                "name an account of kind slack, with channel = \"…\", or a mailbox, with teammate = \"…\""
            };
            r.error(&account, message, hint);
            return None;
        }
    };
    let marker = marker.unwrap_or_else(|| MARKER.to_owned());
    Some(Relay { id: id.to_owned(), account: account.value, place, rules, marker, link })
}

fn names(
    s: &mut Section<'_>,
    r: &mut Reader,
    key: &'static str,
    is_known: impl Fn(&mut Reader, &Found<String>) -> bool,
) -> Vec<String> {
    let given = s.texts(r, key);
    given.into_iter().filter(|name| is_known(r, name)).map(|name| name.value).collect()
}

fn teammate_named<'a>(r: &mut Reader, name: &Found<String>, around: &Around<'a>) -> Option<&'a Teammate> {
    let found = around.teammates.get(&name.value);
    if found.is_none() {
        let known: Vec<&str> = around.teammates.keys().map(String::as_str).collect();
        unknown(r, name, ("teammate", "[teammates.NAME]"), &known);
    }
    found
}

fn account_named<'a>(r: &mut Reader, name: &Found<String>, around: &Around<'a>) -> Option<&'a Account> {
    let found = around.accounts.iter().find(|account| account.id == name.value);
    if found.is_none() {
        let known: Vec<&str> = around.accounts.iter().map(|account| account.id.as_str()).collect();
        unknown(r, name, ("account", "[accounts.NAME]"), &known);
    }
    found
}

fn is_stage(r: &mut Reader, name: &Found<String>, around: &Around<'_>) -> bool {
    // Where the stages can't be read, that is said already.
    let Some(stages) = around.stages else { return true };
    let known: Vec<&str> = stages.all().iter().map(|stage| stage.id.as_str()).collect();
    let is_known = known.contains(&name.value.as_str());
    if !is_known {
        unknown(r, name, ("stage", "it in stages.toml"), &known);
    }
    is_known
}

fn unknown(r: &mut Reader, name: &Found<String>, (sort, declare): (&str, &str), known: &[&str]) {
    let shown: String = name.value.chars().take(60).collect();
    let hint = suggest::nearest(&name.value, known)
        .map_or_else(|| format!("declare {declare}"), |near| format!("did you mean \"{near}\"?"));
    r.error(name, format!("there is no {sort} `{shown}`"), &hint);
}

/// The id of a channel: `C…` of public ones, `G…` of some private ones. People's direct messages are no place for a team.
fn channel_id(r: &mut Reader, given: &Found<String>) -> Option<String> {
    let id = given.value.trim();
    let is_id = id.starts_with(['C', 'G']) && id.len() <= 64 && id.chars().all(|c| c.is_ascii_alphanumeric());
    if !is_id {
        let shown: String = id.chars().take(60).collect();
        let hint =
            "write the id, which begins with C and which Slack shows at the end of the channel's details, not its name";
        r.error(given, format!("`{shown}` is no id of a channel"), hint);
    }
    is_id.then(|| id.to_owned())
}

fn read_link(r: &mut Reader, given: &Found<String>) -> Option<String> {
    let filled = given.value.replace("{id}", "inf_0").replace("{handle}", "a");
    let is_link = url::Url::parse(&filled).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        && !filled.contains(['{', '}', ' ']);
    if !is_link {
        let hint = "an address with {id} or {handle} in it, as in \"https://hub.your-domain.example/people/{id}\"";
        r.error(given, format!("`{}` is no link", given.value.chars().take(60).collect::<String>()), hint);
    }
    is_link.then(|| given.value.clone())
}

fn read_marker(r: &mut Reader, given: &Found<String>) -> Option<String> {
    let marker = given.value.as_str();
    let chars = marker.chars().count();
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && !c.is_alphanumeric();
    // Slack takes what begins with a slash as a command, and turns these into quotes, mentions, marks and emoji.
    let is_eaten = marker.starts_with(['/', '>', '@', '#', '&', '*', '_', '~', '`', '<', ':']);
    let fine = (2..=MARKER_CHARS_MAX).contains(&chars)
        && !marker.contains(char::is_whitespace)
        && marker.chars().next().is_some_and(is_plain)
        && !is_eaten;
    if !fine {
        let hint = format!(
            "2 to {MARKER_CHARS_MAX} characters without blanks, of which the first is a sign that Slack leaves alone, as in \"{MARKER}\""
        );
        r.error(given, format!("`{}` can't be the marker", marker.chars().take(60).collect::<String>()), &hint);
    }
    fine.then(|| marker.to_owned())
}
