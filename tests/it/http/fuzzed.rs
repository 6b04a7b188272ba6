//! Schemathesis asks a daemon with data whatever the description allows and forbids.

use super::described;
use crate::stores;
use std::process::Command;

/// What an answer is held to.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,\
    negative_data_rejection";

/// Every operation but the stream, which never ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long, and needs Schemathesis: tests/prove described"]
async fn whatever_is_asked_is_answered_as_it_is_described() {
    let program = std::env::var("LIAISON_PROVE_SCHEMATHESIS").unwrap_or_else(|_| "schemathesis".into());
    let examples = std::env::var("LIAISON_PROVE_EXAMPLES").unwrap_or_else(|_| "50".into());
    let limits = "requests_per_minute = 1000000\nrefused_per_minute = 1000000";
    let api = described::daemon_with(stores::sqlite().await, limits).await;
    let (ana, _) = described::people(&api).await;
    described::sequences(&api, ana).await;
    described::messages(&api, ana).await;
    described::webhooks(&api).await;
    described::desk(&api, ana).await;
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(&program);
    command
        .arg("run")
        .arg(format!("http://{}/openapi.json", api.at))
        .args(["--header", &format!("Authorization: Bearer {}", api.token)])
        .args(["--checks", CHECKS, "--phases", "coverage,fuzzing", "--continue-on-failure", "--seed", "1"])
        .args(["--exclude-path", "/v1/events/stream", "--max-examples", &examples, "--request-timeout", "30"])
        .current_dir(dir.path())
        .env("NO_COLOR", "1");
    let status = tokio::task::spawn_blocking(move || command.status()).await.unwrap();
    let status = status.unwrap_or_else(|e| panic!("{program} can't be started: {e}"));
    assert!(status.success(), "{program}: {status}");
    api.stop().await;
}
