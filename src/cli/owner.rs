//! Run as root, a command first becomes the owner of the state directory, so that no file there ends up root's and the
//! daemon locked out of its own database.

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::Context as _;

use super::{Global, desk};

/// The user this process runs as.
fn own_uid() -> std::io::Result<u32> {
    Ok(std::fs::metadata("/proc/self")?.uid())
}

/// Replaces this process by the same command as the owner of the state directory, where we are root and it is somebody
/// else's. Returns where there is nothing to do.
pub(super) fn become_owner(global: &Global) -> anyhow::Result<()> {
    if !own_uid().is_ok_and(|uid| uid == 0) {
        return Ok(());
    }
    // What is wrong with the configuration, the command itself will say.
    let Ok(config) = desk::load(global) else { return Ok(()) };
    let Ok(state) = std::fs::metadata(&config.storage.state_dir) else { return Ok(()) };
    if state.uid() == 0 {
        return Ok(());
    }
    let program = std::env::current_exe().context("this program can't be found")?;
    let mut command = Command::new(program);
    // The file is named outright: a search by the other user might end elsewhere.
    command.args(std::env::args_os().skip(1)).env("LIAISON_CONFIG", &config.path);
    command.uid(state.uid()).gid(state.gid());
    let error = command.exec();
    let folder = config.storage.state_dir.display();
    Err(error).with_context(|| format!("can't become user {}, who owns {folder}", state.uid()))
}
