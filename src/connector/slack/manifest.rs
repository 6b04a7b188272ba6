//! The app that a workspace installs: its description to paste into Slack, what it must be allowed to do, and whether it is.

use serde_json::{Value, json};

use super::Own;
use super::api::{Api, Trouble};
use super::message::field;
use crate::connector::ConnectorError;

/// The shortcut that people find at a message.
pub const SHORTCUT: &str = "liaison_message";

/// What the bot must be allowed to do, and what for.
pub const SCOPES: &[(&str, &str)] = &[
    ("app_mentions:read", "to hear where somebody mentions the app"),
    ("channels:history", "to read public channels the app is in"),
    ("channels:read", "to know which public channels the app is in"),
    ("chat:write", "to post messages"),
    ("commands", "to offer a shortcut at messages"),
    ("files:read", "to fetch files that people send"),
    ("groups:history", "to read private channels the app is in"),
    ("groups:read", "to know which private channels the app is in"),
    ("im:history", "to read direct messages to the app"),
    ("im:read", "to know which direct messages there are"),
    ("im:write", "to begin direct messages"),
    ("metadata.message:read", "to find messages of ours whose answer was lost"),
    ("mpim:history", "to read group messages the app is in"),
    ("mpim:read", "to know which group messages there are"),
    ("reactions:read", "to hear of reactions"),
    ("users:read", "to show the names of people who write and are nobody's yet"),
    ("users:read.email", "to suggest whose a user is by their mail address"),
];

/// What it may lack: everything works without, and nobody is suggested.
const WANTED: &[&str] = &["users:read.email"];

/// What the app wants to be told.
const EVENTS: &[&str] = &[
    "app_mention",
    "app_uninstalled",
    "message.channels",
    "message.groups",
    "message.im",
    "message.mpim",
    "reaction_added",
    "reaction_removed",
    "tokens_revoked",
];

/// A scope the app lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// Its name.
    pub scope: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// Whether it is needed, or only wanted.
    pub is_needed: bool,
}

/// What a token gives access to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Who we are there.
    pub own: Own,
    /// The name of the workspace.
    pub name: String,
    /// Its address.
    pub url: String,
    /// What the app may do.
    pub scopes: Vec<String>,
    /// What it may not do, and has to, or is to.
    pub missing: Vec<Missing>,
}

/// The app's description (JSON), to be pasted at "Create an app from a manifest".
pub fn manifest(name: &str) -> String {
    // Slack takes 35 characters for a name.
    let name: String = name.chars().filter(|c| !c.is_control()).take(35).collect();
    let scopes: Vec<&str> = SCOPES.iter().map(|(scope, _)| *scope).collect();
    let manifest = json!({
        "display_information": { "name": name, "description": "Messages of influencers, on one timeline each" },
        "features": {
            "app_home": { "home_tab_enabled": false, "messages_tab_enabled": true, "messages_tab_read_only_enabled": false },
            "bot_user": { "display_name": name, "always_online": true },
            "shortcuts": [{ "name": "Send to influencer", "type": "message", "callback_id": SHORTCUT,
                "description": "Sends this message of the team to whom its thread is about" }],
        },
        "oauth_config": { "scopes": { "bot": scopes } },
        "settings": {
            "event_subscriptions": { "bot_events": EVENTS },
            "interactivity": { "is_enabled": true },
            "org_deploy_enabled": false,
            "socket_mode_enabled": true,
            "token_rotation_enabled": false,
        },
    });
    format!("{manifest:#}\n")
}

/// Who we are (`auth.test`, and `bots.info` for the app).
pub async fn who(api: &Api) -> Result<Own, Trouble> {
    known(api, &api.get("auth.test", &[]).await?).await
}

/// What the bot's token is good for.
///
/// # Errors
/// [`ConnectorError::Login`] where it is for nothing.
pub async fn check(api: &Api) -> Result<Workspace, ConnectorError> {
    let (answer, header) = api.with_header("auth.test").await?;
    let own = known(api, &answer).await?;
    let granted = header.get("x-oauth-scopes").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let scopes: Vec<String> = granted.split(',').map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect();
    let missing = SCOPES.iter().filter(|(scope, _)| !scopes.iter().any(|granted| granted == scope));
    Ok(Workspace {
        own,
        name: field(&answer, "team").to_owned(),
        url: field(&answer, "url").to_owned(),
        missing: missing
            .map(|(scope, purpose)| Missing { scope, purpose, is_needed: !WANTED.contains(scope) })
            .collect(),
        scopes,
    })
}

/// Whether the app's token opens a socket (`apps.connections.open`, whose address is not used).
///
/// # Errors
/// [`ConnectorError::Login`] where it does not.
pub async fn check_socket(app: &Api) -> Result<(), ConnectorError> {
    super::socket::address(app).await.map(|_| ())
}

async fn known(api: &Api, answer: &Value) -> Result<Own, Trouble> {
    let (team, user, bot) = (field(answer, "team_id"), field(answer, "user_id"), field(answer, "bot_id"));
    if team.is_empty() || user.is_empty() {
        return Err(Trouble::Unreadable("auth.test does not say who we are".to_owned()));
    }
    if bot.is_empty() {
        // A person's token would make the app speak as that person.
        return Err(Trouble::Said { code: "not_allowed_token_type".to_owned(), needed: None });
    }
    let app = match api.get("bots.info", &[("bot", bot.to_owned())]).await {
        Ok(answer) => answer.get("bot").map(|bot| field(bot, "app_id").to_owned()).filter(|id| !id.is_empty()),
        // Without it our messages are still known by our user and our bot.
        Err(Trouble::Said { .. }) => None,
        Err(trouble) => return Err(trouble),
    };
    Ok(Own { team: team.to_owned(), user: user.to_owned(), bot: Some(bot.to_owned()), app })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_asks_for_what_is_checked() {
        let manifest: Value =
            serde_json::from_str(&manifest("liaison\n of a brand whose name is much too long")).unwrap();
        let scopes = manifest["oauth_config"]["scopes"]["bot"].as_array().unwrap();
        assert_eq!(scopes.len(), SCOPES.len());
        assert_eq!(manifest["settings"]["socket_mode_enabled"], true);
        assert_eq!(manifest["display_information"]["name"], "liaison of a brand whose name is mu");
        assert!(SCOPES.is_sorted() && EVENTS.is_sorted());
    }
}
