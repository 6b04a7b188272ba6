//! The documents say nothing that does not work: commands in fences marked `sh run` are run with the binary just built,
//! and configuration in fences marked `toml config` is checked by it. One with a path (`toml config conf.d/x.toml`) is written
//! there and stays. Commands in fences marked `sh run with the daemon` run beside a daemon of that folder.
//!
//! All fences of one document run in one folder, one after the other, with a home of their own; so a document may write a
//! file in one fence and use it in the next.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const RUN: &str = "sh run";
const RUN_BESIDE: &str = "sh run with the daemon";
const CONFIG: &str = "toml config";
/// How long a daemon may take to answer. Only a test that fails waits so long.
const START_MAX: Duration = Duration::from_secs(120);

/// What a document shows between two lines of backticks.
#[derive(Debug, PartialEq, Eq)]
struct Fence {
    /// What stands behind the opening backticks.
    mark: String,
    text: String,
    /// The line of the opening backticks, from 1.
    line: usize,
}

/// The fences of a Markdown document. A fence that is not closed ends with the document.
fn fences(document: &str) -> Vec<Fence> {
    let mut found: Vec<Fence> = Vec::new();
    let mut open: Option<(Fence, usize)> = None;
    for (at, line) in document.lines().enumerate() {
        let ticks = line.trim_start().chars().take_while(|&c| c == '`').count();
        let behind = line.trim_start().trim_start_matches('`').trim();
        match &mut open {
            None if ticks >= 3 => {
                let fence = Fence { mark: behind.to_owned(), text: String::new(), line: at + 1 };
                open = Some((fence, ticks));
            }
            None => {}
            Some((_, length)) if ticks >= *length && behind.is_empty() => found.extend(open.take().map(|(f, _)| f)),
            Some((fence, _)) => {
                fence.text.push_str(line);
                fence.text.push('\n');
            }
        }
    }
    found.extend(open.map(|(f, _)| f));
    found
}

/// A folder in which a document is tried, and its daemon, where it wants one.
struct Trial {
    home: tempfile::TempDir,
    path: String,
    daemon: Option<Child>,
}

impl Trial {
    fn new(binary: &Path) -> Self {
        let home = tempfile::tempdir().expect("folder");
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", binary.parent().expect("the binary's folder").display());
        Self { home, path, daemon: None }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let home = self.home.path().to_string_lossy().into_owned();
        // The port that documents speak of may be somebody else's on this machine.
        let listen = ("LIAISON_SERVER__LISTEN", "127.0.0.1:0".to_owned());
        command
            .current_dir(self.home.path())
            .env_clear()
            .envs([("HOME", home), ("PATH", self.path.clone()), ("LANG", "C.UTF-8".to_owned()), listen])
            .stdin(Stdio::null());
        command
    }

    /// Runs a script; what it said where it failed. `timeout` bounds a command that would wait for ever; it measures nothing.
    fn run(&self, script: &str) -> Result<(), String> {
        let mut command = self.command("timeout");
        command.args(["--kill-after=5", "300", "bash", "-euo", "pipefail", "-c", script]);
        let output = command.output().expect("timeout and bash are there");
        let said = [output.stdout, output.stderr].map(|octets| String::from_utf8_lossy(&octets).into_owned()).concat();
        if output.status.success() { Ok(()) } else { Err(format!("{}\n{script}\n{said}", output.status)) }
    }

    /// Writes a configuration where its fence wants it, and has it checked as far as it goes.
    fn write(&self, path: Option<&str>, text: &str) -> Result<(), String> {
        let file = self.home.path().join(path.unwrap_or("fence.toml"));
        std::fs::create_dir_all(file.parent().expect("folder")).expect("folder");
        std::fs::write(file, text).expect("file");
        // One with a path adds to the configuration that is there.
        let name = if path.is_some() { "liaison.toml" } else { "fence.toml" };
        self.run(&format!("liaison --config {name} config check"))
    }

    /// Starts the daemon of this folder, unless it runs, and waits until it answers.
    fn serve(&mut self) -> Result<(), String> {
        if self.daemon.is_some() {
            return Ok(());
        }
        let log = self.home.path().join("daemon.log");
        let mut command = self.command("liaison");
        command.arg("serve").stdout(Stdio::null()).stderr(std::fs::File::create(&log).expect("file"));
        let daemon = self.daemon.insert(command.spawn().expect("the binary runs"));
        let begun = Instant::now();
        loop {
            let over = daemon.try_wait().expect("a child");
            if over.is_some() || begun.elapsed() > START_MAX {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                return Err(format!("the daemon did not start: {over:?}\n{said}"));
            }
            let asked = Command::new("liaison")
                .current_dir(self.home.path())
                .env_clear()
                .envs([("HOME", self.home.path().to_string_lossy().as_ref()), ("PATH", self.path.as_str())])
                .arg("reload")
                .output();
            if asked.expect("the binary runs").status.success() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            daemon.kill().ok();
            daemon.wait().ok();
        }
    }
}

/// Runs what is to be run, and says what failed.
fn failures(name: &str, found: &[Fence], binary: &Path) -> Vec<String> {
    let mut trial = Trial::new(binary);
    let mut failed = Vec::new();
    for fence in found {
        let tried = match fence.mark.as_str() {
            RUN => trial.run(&fence.text),
            RUN_BESIDE => trial.serve().and_then(|()| trial.run(&fence.text)),
            mark => match mark.strip_prefix(CONFIG) {
                Some("") => trial.write(None, &fence.text),
                Some(path) if path.starts_with(' ') => trial.write(Some(path.trim()), &fence.text),
                _ => continue,
            },
        };
        failed.extend(tried.err().map(|why| format!("{name}:{}: {why}", fence.line)));
    }
    failed
}

#[test]
fn documents_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let binary = Path::new(env!("CARGO_BIN_EXE_liaison"));
    let mut documents = vec![root.join("README.md")];
    documents.extend(std::fs::read_dir(root.join("docs")).expect("docs").map(|e| e.expect("entry").path()));
    let mut failed = Vec::new();
    for path in documents.iter().filter(|p| p.extension().is_some_and(|e| e == "md") && p.exists()) {
        let name = path.strip_prefix(root).expect("below the root").display().to_string();
        let found = fences(&std::fs::read_to_string(path).expect("document"));
        if name == "README.md" {
            for mark in [RUN, RUN_BESIDE] {
                assert!(found.iter().any(|f| f.mark == mark), "README.md shows no command in a fence marked `{mark}`");
            }
            let plain = found.iter().filter(|f| f.mark == "sh" && f.text.contains("liaison sequence"));
            assert_eq!(plain.count(), 0, "every command about sequences is run");
        }
        failed.extend(failures(&name, &found, binary));
    }
    assert!(failed.is_empty(), "\n{}\n", failed.join("\n"));
}

#[test]
fn fences_are_found() {
    let document = "a\n```sh run\nx=1\n```\n````md\n```sh run\nno\n```\n````\n  ```toml config\n[a]\n  ```\n```\nb";
    let found = fences(document);
    let marks: Vec<(&str, &str, usize)> = found.iter().map(|f| (f.mark.as_str(), f.text.as_str(), f.line)).collect();
    let inner = "```sh run\nno\n```\n";
    assert_eq!(marks, [("sh run", "x=1\n", 2), ("md", inner, 5), ("toml config", "[a]\n", 10), ("", "b\n", 13)]);
}

#[test]
fn a_fence_that_fails_is_seen() {
    let binary = Path::new(env!("CARGO_BIN_EXE_liaison"));
    let document = "```sh run\ncommand -v liaison\ntest \"$PWD\" = \"$HOME\"\necho 1 > f\n```\n```sh\nexit 9\n```\n```sh run\ncat f\nfalse\ntrue\n```\n";
    let failed = failures("a.md", &fences(document), binary);
    assert_eq!(failed.len(), 1, "{failed:#?}");
    assert!(failed[0].starts_with("a.md:9: ") && failed[0].ends_with("true\n\n1\n"), "{failed:?}");
}
