//! `liaison reload`: the daemon reads its configuration again.

use std::process::ExitCode;

use super::terminal::Out;
use super::{Global, desk, environment};
use crate::config::{self, Secrets};
use crate::control::Request;

pub(super) async fn run(global: &Global) -> anyhow::Result<ExitCode> {
    // A configuration that can't be used would be refused over there, in the log; here it can be shown.
    let config = config::load_with(&desk::config_file(global), environment(), Secrets::Skip)?.config;
    let answer = desk::call(&config, &Request::new("reload")).await?;
    let out = Out::new(global);
    if out.is_json() {
        out.json(&answer)?;
    } else {
        out.say("The daemon reads its configuration again; its log says what came of it.")?;
    }
    Ok(ExitCode::SUCCESS)
}
