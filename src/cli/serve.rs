//! `liaison serve`: the daemon.

use std::process::ExitCode;

use super::{Global, desk, environment};
use crate::config::{self, LogFormat};
use crate::telemetry::{self, Form};

pub(super) async fn run(global: &Global) -> anyhow::Result<ExitCode> {
    let loaded = config::load(&desk::config_file(global), environment())?;
    let log = &loaded.config.log;
    let form = match log.format {
        LogFormat::Text => Form::Text,
        LogFormat::Json => Form::Json,
    };
    telemetry::init(&log.level, form)?;
    for warning in &loaded.warnings {
        tracing::warn!(key = %warning.key, "configuration: {}", warning.message);
    }
    crate::app::serve(loaded).await
}
