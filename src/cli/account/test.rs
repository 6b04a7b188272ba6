//! `liaison account test`: signs in to read and to send, and says how each step went.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::app;
use crate::cli::desk::{self, Desk};
use crate::cli::stop::{FAILED, Stop};
use crate::cli::terminal::{Out, clean_line};
use crate::cli::{Global, environment};
use crate::config::texting::SettingsError;
use crate::config::{self, Account, AccountKind, Secrets};
use crate::control::{self, ControlError, Request};

/// How long a daemon may take to try both halves.
const TEST_TIME: Duration = Duration::from_secs(70);

pub(super) async fn run(global: &Global, name: &str) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(global).await?;
    let tried = try_it(global, &desk, name).await?;
    if desk.out.is_json() {
        desk.out.json(&json!({"account": name, "ok": tried.is_well(), "steps": tried.steps}))?;
    } else {
        tried.say(&desk.out)?;
    }
    Ok(if tried.is_well() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// What came of trying an account.
pub(super) struct Tried {
    /// As the daemon tells it.
    pub(super) steps: Vec<Value>,
}

impl Tried {
    pub(super) fn is_well(&self) -> bool {
        !self.steps.is_empty() && self.steps.iter().all(went_well)
    }

    /// Whether something could not be seen.
    pub(super) fn is_unsure(&self) -> bool {
        self.steps.iter().any(is_unsure)
    }

    /// Whether there was a step of this name.
    pub(super) fn has(&self, what: &str) -> bool {
        self.steps.iter().any(|step| text(step, "what") == what)
    }

    /// Whether a step whose name begins so went wrong, or goes without what it is about.
    pub(super) fn lacks(&self, begins: &str) -> bool {
        let is_less = |step: &Value| !went_well(step) || is_unsure(step);
        self.steps.iter().any(|step| is_less(step) && text(step, "what").starts_with(begins))
    }

    pub(super) fn say(&self, out: &Out) -> anyhow::Result<()> {
        for step in &self.steps {
            let mark = match (went_well(step), is_unsure(step)) {
                (true, false) => "ok     ",
                (true, true) => "WARNING",
                (false, _) => "PROBLEM",
            };
            out.say(&format!("{mark}  {}: {}", clean_line(text(step, "what")), clean_line(text(step, "detail"))))?;
        }
        Ok(())
    }
}

fn went_well(step: &Value) -> bool {
    step.get("ok").and_then(Value::as_bool).unwrap_or(false)
}

fn is_unsure(step: &Value) -> bool {
    step.get("warning").and_then(Value::as_bool).unwrap_or(false)
}

fn text<'a>(step: &'a Value, key: &str) -> &'a str {
    step.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Tries an account of the configuration: the daemon does, which has secrets that may be its alone; else this does.
pub(super) async fn try_it(global: &Global, desk: &Desk, name: &str) -> anyhow::Result<Tried> {
    desk.account(name)?;
    let request = Request::new("account.test").with("account", name);
    let steps = match control::call(&desk::socket(&desk.config), &request, TEST_TIME).await {
        Ok(answer) => answer.get("steps").cloned().unwrap_or_default(),
        Err(ControlError::NotRunning(_)) => here(global, desk, name).await?,
        Err(error) => return Err(error.into()),
    };
    Ok(Tried { steps: steps.as_array().cloned().unwrap_or_default() })
}

/// Without a daemon: with the secrets that can be read here.
async fn here(global: &Global, desk: &Desk, name: &str) -> anyhow::Result<Value> {
    let config = config::load_with(&desk::config_file(global), environment(), Secrets::Check)?.config;
    let account = config.accounts.get(name).ok_or_else(|| Stop::failed(format!("there is no account `{name}`")))?;
    if let Some(secret) = unread_secret(account) {
        let words =
            format!("{secret} can't be read here, for only the service gets it: start the daemon, and say it again");
        return Err(Stop::failed(words).into());
    }
    if let Some(line) = app::line_parts_of(account) {
        let parts = line.map_err(|why| Stop::failed(format!("`{name}` can't be used: {why}")))?;
        return Ok(json!(app::probe(&parts, &app::rooms_of(&config.relays, name), Some(&desk.store)).await));
    }
    let tokens = app::keeper_of(&config, &desk.store, account);
    match app::account_parts(account, &Arc::new(app::identity_of(&config)), tokens) {
        Some(parts) => Ok(json!(app::probe(&parts, &[], None).await)),
        None => Ok(json!([{"what": "reading", "ok": true, "detail": "simulated"}])),
    }
}

/// The secret of a number or a workspace that only the service gets, where there is one: its key, and where it is kept.
pub(in crate::cli) fn unread_secret(account: &Account) -> Option<String> {
    match &account.kind {
        // Which of them is needed, its provider knows; an empty one counts as none.
        AccountKind::Text(text) => match text.provider.check(&text.settings) {
            Err(SettingsError::Missing(name)) => Some(format!("`{name}`")),
            Ok(()) | Err(SettingsError::Wrong(..) | SettingsError::Unknown(_)) => None,
        },
        AccountKind::Slack(slack) => {
            let secrets = [
                ("bot_token", Some(&slack.bot_token)),
                ("app_token", slack.app_token.as_ref()),
                ("signing_secret", slack.signing_secret.as_ref()),
            ];
            secrets.into_iter().find_map(|(name, secret)| {
                let secret = secret.filter(|secret| secret.value.expose_secret().is_empty())?;
                Some(format!("`{name}` ({})", secret.source))
            })
        }
        AccountKind::Imap(_) | AccountKind::Sandbox => None,
    }
}
