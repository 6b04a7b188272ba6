//! Stub of this tree only.
use std::path::PathBuf;
use std::process::ExitCode;
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// x
    #[arg(long = "for")]
    pub duration: Option<String>,
    /// x
    #[arg(long)]
    pub keep: Option<PathBuf>,
}
pub(super) async fn run(_: &super::Global, _: DemoArgs) -> anyhow::Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
