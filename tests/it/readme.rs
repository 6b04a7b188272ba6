//! The documents say nothing that does not work: commands in fences marked `sh run` are run with the binary just built,
//! and configuration in fences marked `toml config` is checked by it.
//!
//! All fences of one document run in one folder, one after the other, with a home of their own; so a document may write a
//! file in one fence and use it in the next.

use std::path::Path;
use std::process::{Command, Stdio};

const RUN: &str = "sh run";
const CONFIG: &str = "toml config";

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

/// Runs what is to be run, and says what failed.
fn failures(name: &str, found: &[Fence], binary: &Path) -> Vec<String> {
    let home = tempfile::tempdir().expect("folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", binary.parent().expect("the binary's folder").display());
    let mut failed = Vec::new();
    for fence in found {
        let script = match fence.mark.as_str() {
            RUN => fence.text.clone(),
            CONFIG => {
                std::fs::write(home.path().join("fence.toml"), &fence.text).expect("file");
                "liaison --config fence.toml config check".to_owned()
            }
            _ => continue,
        };
        // `timeout` bounds a command that would wait for ever; it measures nothing.
        let output = Command::new("timeout")
            .args(["--kill-after=5", "300", "bash", "-euo", "pipefail", "-c", &script])
            .current_dir(home.path())
            .env_clear()
            .envs([("HOME", home.path().to_string_lossy().as_ref()), ("PATH", path.as_str()), ("LANG", "C.UTF-8")])
            .stdin(Stdio::null())
            .output()
            .expect("timeout and bash are there");
        if !output.status.success() {
            failed.push(format!(
                "{name}:{}: {}\n{script}\n{}{}",
                fence.line,
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            ));
        }
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
            assert!(found.iter().any(|f| f.mark == RUN), "README.md shows no command in a fence marked `{RUN}`");
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
