//! `liaison account test`: signs in to read and to send, and says how each step went.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::app;
use crate::cli::desk::{self, Desk};
use crate::cli::stop::{FAILED, Stop};
use crate::cli::terminal::clean_line;
use crate::cli::{Global, environment};
use crate::config::{self, Secrets};
use crate::control::{self, ControlError, Request};
use crate::domain::words::Channel;

/// How long a daemon may take to try both halves.
const TEST_TIME: Duration = Duration::from_secs(70);

pub(super) async fn run(global: &Global, name: &str) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(global).await?;
    desk.account(name)?;
    // The daemon has secrets that may be its alone.
    let request = Request::new("account.test").with("account", name);
    let steps = match control::call(&desk::socket(&desk.config), &request, TEST_TIME).await {
        Ok(answer) => answer.get("steps").cloned().unwrap_or_default(),
        Err(ControlError::NotRunning(_)) => here(global, &desk, name).await?,
        Err(error) => return Err(error.into()),
    };
    let steps = steps.as_array().cloned().unwrap_or_default();
    let went_well = |step: &Value| step.get("ok").and_then(Value::as_bool).unwrap_or(false);
    let ok = !steps.is_empty() && steps.iter().all(went_well);
    if desk.out.is_json() {
        desk.out.json(&json!({"account": name, "ok": ok, "steps": steps}))?;
    } else {
        for step in &steps {
            let text = |key: &str| step.get(key).and_then(Value::as_str).map(clean_line).unwrap_or_default();
            let mark = if went_well(step) { "ok     " } else { "PROBLEM" };
            desk.out.say(&format!("{mark}  {}: {}", text("what"), text("detail")))?;
        }
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// Without a daemon: with the secrets that can be read here.
async fn here(global: &Global, desk: &Desk, name: &str) -> anyhow::Result<Value> {
    let config = config::load_with(&desk::config_file(global), environment(), Secrets::Check)?.config;
    let account = config.accounts.get(name).ok_or_else(|| Stop::failed(format!("there is no account `{name}`")))?;
    let tokens = app::keeper_of(&config, &desk.store, account);
    let parts = app::account_parts(account, &Arc::new(app::identity_of(&config)), tokens);
    let Some(parts) = parts else {
        if account.channel() == Channel::Email {
            return Ok(json!([{"what": "reading", "ok": true, "detail": "simulated"}]));
        }
        let words = format!("`{name}` is of kind `{}`, which only a running daemon tries", account.kind_name());
        return Err(Stop::failed(words).into());
    };
    Ok(json!(app::probe(&parts).await))
}
