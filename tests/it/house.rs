//! The rules of the house, held by reading the source: who may use whom, which crate is used where, how files look, and
//! that a transaction and a connector never meet. Each rule is a function from a file's text to what is wrong with it, and
//! has a test that shows it something wrong.

mod rooms;
mod tokens;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tokens::{Token, crate_paths, tokens};

const LINES_MAX: usize = 800;
/// Crates that only some rooms may know.
const KEPT_CRATES: &[(&str, &[&str])] = &[
    ("sqlx", &["store/", "store.rs"]),
    ("axum", &["http/", "http.rs", "app.rs"]),
    ("reqwest", &["connector/http/", "connector/http.rs"]),
    ("anyhow", &["cli/", "cli.rs", "app/", "app.rs", "main.rs"]),
];
const DRAWERS: &[&str] =
    &["util", "utils", "common", "helper", "helpers", "manager", "managers", "service", "services"];

/// A file of the project: its path below the root, and its text.
struct SourceFile {
    path: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below a folder of the project whose names end in one of `endings`, or all of them.
fn files_below(dir: &str, endings: &[&str]) -> Vec<SourceFile> {
    let mut found = Vec::new();
    let mut waiting = vec![root().join(dir)];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).expect("folder");
            waiting.extend(entries.map(|e| e.expect("entry").path()).filter(|p: &PathBuf| !p.is_symlink()));
            continue;
        }
        let name = path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
        if endings.is_empty() || endings.iter().any(|e| name.ends_with(e)) {
            // A fixture may be no text at all; what is text in it is read all the same.
            let octets = std::fs::read(&path).unwrap_or_default();
            found.push(SourceFile { path: name, text: String::from_utf8_lossy(&octets).into_owned() });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The path below src/ and the module path from the root: `store/event.rs` is `["store", "event"]`.
fn module_of(file: &SourceFile) -> (String, Vec<String>) {
    let below = file.path.strip_prefix("src/").unwrap_or(&file.path).to_owned();
    let parts: Vec<String> = below.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    let module = if parts == ["lib"] || parts == ["main"] { Vec::new() } else { parts };
    (below, module)
}

fn room_of(below: &str) -> &str {
    below.split('/').next().unwrap_or_default().trim_end_matches(".rs")
}

/// The import table.
fn wrong_uses(file: &SourceFile) -> Vec<String> {
    let (below, module) = module_of(file);
    let room = room_of(&below);
    if !rooms::ROOMS.contains(&room) {
        return vec![format!("{}: `{room}` is no room of the table in tests/it/house/rooms.rs", file.path)];
    }
    let paths = crate_paths(&tokens(&file.text), &module);
    let judged = paths.iter().filter_map(|path| Some((path.line, rooms::judge(room, path)?)));
    judged.map(|(line, wrong)| format!("{}:{line}: {wrong}", file.path)).collect()
}

/// Crates used outside the rooms that may know them.
fn wrong_crates(file: &SourceFile) -> Vec<String> {
    let (below, _) = module_of(file);
    let kept = KEPT_CRATES.iter().filter(|(_, homes)| !homes.iter().any(|home| below.starts_with(home)));
    let banned: BTreeSet<&str> = kept.map(|(name, _)| *name).collect();
    let found = tokens(&file.text).into_iter().filter(|t| banned.contains(t.text.as_str()));
    found.map(|t| format!("{}:{}: {} has no place here", file.path, t.line, t.text)).collect()
}

/// How a file looks: its first line, its length, its name, what it declares, nothing left to do.
fn wrong_looks(file: &SourceFile) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut say = |line: usize, what: String| wrong.push(format!("{}:{line}: {what}", file.path));
    if !file.text.starts_with("//!") {
        say(1, "does not open with //! and what it is for".to_owned());
    }
    let lines = file.text.lines().count();
    if lines > LINES_MAX {
        say(lines, format!("{lines} lines, {LINES_MAX} at most"));
    }
    let name = file.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
    if name == "mod" {
        say(1, "is a mod.rs: write foo.rs beside foo/".to_owned());
    }
    if is_drawer(name) {
        say(1, format!("`{name}` is a drawer, not a thing of the domain"));
    }
    for window in tokens(&file.text).windows(2) {
        let [token, next] = window else { continue };
        match token.text.as_str() {
            "mod" | "struct" | "enum" | "trait" | "type" if is_drawer(&next.text) => {
                say(token.line, format!("`{}` is a drawer, not a thing of the domain", next.text));
            }
            "todo" | "unimplemented" if next.text == "!" => say(token.line, format!("{}! is left", token.text)),
            _ => {}
        }
    }
    wrong
}

/// `mail_util`, `StringHelper`, `services`: whether a word of the name is one that says nothing.
fn is_drawer(name: &str) -> bool {
    let mut words = String::new();
    for c in name.chars() {
        if c.is_uppercase() {
            words.push('_');
        }
        words.extend(c.to_lowercase());
    }
    words.split('_').any(|word| DRAWERS.contains(&word))
}

/// The words that the project never says, put together here so that this file does not say them either.
fn wrong_words(file: &SourceFile) -> Vec<String> {
    let place = ["..", "shared"].join("/");
    let machine = format!("/{}/", "work");
    let mut wrong = Vec::new();
    for (line, text) in file.text.lines().enumerate() {
        let allowed = file.path == ".ci/run" && text.contains("LIAISON_CORPORA=");
        for word in [place.as_str(), machine.as_str()] {
            if text.contains(word) && !(allowed && word == place) {
                wrong.push(format!("{}:{}: says {word}", file.path, line + 1));
            }
        }
    }
    wrong
}

/// The names by which connectors are known: the traits of connector.rs, and what implements them.
fn connector_names(files: &[SourceFile]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let connector: Vec<Vec<Token>> =
        files.iter().filter(|f| room_of(&module_of(f).0) == "connector").map(|f| tokens(&f.text)).collect();
    for file in &connector {
        for window in file.windows(2) {
            if window[0].text == "trait" {
                names.insert(window[1].text.clone());
            }
        }
    }
    let traits = names.clone();
    for file in &connector {
        for window in file.windows(3) {
            if traits.contains(&window[0].text) && window[1].text == "for" {
                names.insert(window[2].text.clone());
            }
        }
    }
    // `impl<S: Sender> Sender for Box<S>` makes no connector of every box.
    names.remove("Box");
    names
}

/// Functions that take or return both a transaction and a connector. `Sender` and the like count where they are the
/// connector's: imported from there, or written with its path.
fn wrong_meetings(file: &SourceFile, connectors: &BTreeSet<String>) -> Vec<String> {
    let (_, module) = module_of(file);
    let all = tokens(&file.text);
    let paths = crate_paths(&all, &module);
    let mut here = BTreeSet::new();
    for path in paths.iter().filter(|p| p.parts.first().is_some_and(|room| room == "connector")) {
        let last = path.parts.last().cloned().unwrap_or_default();
        if last == "*" {
            here.extend(connectors.iter().cloned());
        } else if connectors.contains(&last) {
            here.insert(path.renamed.clone().unwrap_or(last));
        }
    }
    if module.first().is_some_and(|room| room == "connector") {
        here.extend(connectors.iter().cloned());
    }
    let mut wrong = Vec::new();
    for (i, token) in all.iter().enumerate().filter(|(_, t)| t.text == "fn") {
        let signature: Vec<&str> =
            all.iter().skip(i).map(|t| t.text.as_str()).take_while(|t| !matches!(*t, "{" | ";")).collect();
        let by_path = |at: usize| at >= 2 && signature[at - 1] == "::" && signature[at - 2] == "connector";
        let connector =
            signature.iter().enumerate().any(|(at, &t)| here.contains(t) || (connectors.contains(t) && by_path(at)));
        if connector && signature.contains(&"Tx") {
            let name = signature.get(1).copied().unwrap_or_default();
            wrong.push(format!("{}:{}: fn {name} joins a transaction and a connector", file.path, token.line));
        }
    }
    wrong
}

fn assert_nothing(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

fn sources() -> Vec<SourceFile> {
    let files = files_below("src", &[".rs"]);
    assert!(files.len() > 10, "the source was not found");
    files
}

#[test]
fn rooms_use_only_whom_they_may() {
    assert_nothing(&sources().iter().flat_map(wrong_uses).collect::<Vec<_>>());
}

#[test]
fn crates_stay_in_their_rooms() {
    assert_nothing(&sources().iter().flat_map(wrong_crates).collect::<Vec<_>>());
}

#[test]
fn files_look_as_they_should() {
    let mut files = sources();
    files.extend(files_below("tests/it", &[".rs"]));
    files.extend(files_below("benches", &[".rs"]));
    assert_nothing(&files.iter().flat_map(wrong_looks).collect::<Vec<_>>());
}

#[test]
fn the_project_speaks_of_itself_only() {
    let mut files = Vec::new();
    let entries = std::fs::read_dir(root()).expect("root").map(|e| e.expect("entry"));
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !["target", ".git"].contains(&name.as_str()) {
            files.extend(files_below(&name, &[]));
        }
    }
    assert!(files.iter().any(|f| f.path == "Cargo.toml") && files.iter().any(|f| f.path == ".ci/run"));
    assert_nothing(&files.iter().flat_map(wrong_words).collect::<Vec<_>>());
}

#[test]
fn transactions_and_connectors_never_meet() {
    let files = sources();
    let names = connector_names(&files);
    assert!(names.contains("Source") && names.contains("Sender"), "the connector traits were not found: {names:?}");
    assert_nothing(&files.iter().flat_map(|f| wrong_meetings(f, &names)).collect::<Vec<_>>());
}

#[cfg(test)]
mod tests {
    use super::{SourceFile, wrong_crates, wrong_looks, wrong_meetings, wrong_uses, wrong_words};

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_wrong_use_is_seen() {
        let wrong = |path: &str, text: &str| wrong_uses(&file(path, text)).len();
        assert_eq!(wrong("src/domain/reply.rs", "use crate::store::Tx;"), 1);
        assert_eq!(wrong("src/domain/reply.rs", "use super::super::clock;"), 1);
        assert_eq!(wrong("src/domain/reply.rs", "use crate::telemetry;"), 1);
        assert_eq!(wrong("src/domain/reply.rs", "use super::time::Micros; // crate::store"), 0);
        assert_eq!(wrong("src/store/event.rs", "use crate::{domain::ids, connector::Source};"), 1);
        assert_eq!(wrong("src/hub/enqueue.rs", "use crate::connector::Reply; use crate::store::Tx;"), 1);
        assert_eq!(
            wrong("src/inbound.rs", "use crate::outbound::x; use crate::connector::Source; use crate::hub::y;"),
            1
        );
        assert_eq!(wrong("src/cli/send.rs", "use crate::inbound::x; use crate::hub::enqueue::y;"), 0);
        assert_eq!(wrong("src/cli/send.rs", "use crate::inbound::poller::x; use crate::connector::Source;"), 2);
        assert_eq!(wrong("src/cli/send.rs", "use crate::connector::registry::kinds; use crate::http::x;"), 1);
        assert_eq!(wrong("src/attic.rs", ""), 1);
        assert_eq!(wrong("src/app.rs", "use crate::connector::email::imap; use crate::store::Store;"), 0);
    }

    #[test]
    fn a_crate_in_the_wrong_room_is_seen() {
        let wrong = |path: &str, text: &str| wrong_crates(&file(path, text)).len();
        assert_eq!(wrong("src/hub.rs", "fn f(x: sqlx::Error) { axum::serve(); reqwest::get() }"), 3);
        assert_eq!(wrong("src/store/event.rs", "#[derive(sqlx::FromRow)] struct X;"), 0);
        assert_eq!(wrong("src/connector/sms.rs", "use reqwest::Client;"), 1);
        assert_eq!(wrong("src/connector/http.rs", "use reqwest::Client;"), 0);
    }

    #[test]
    fn wrong_looks_are_seen() {
        let wrong = |path: &str, text: &str| wrong_looks(&file(path, text)).len();
        assert_eq!(wrong("src/a.rs", "//! Fine.\nstruct Mail;\n// todo!\n"), 0);
        assert_eq!(wrong("src/a.rs", "fn f() {}"), 1);
        assert_eq!(wrong("src/a.rs", "//! X\nfn f() { todo!() }\nstruct MailManager;\nmod string_utils;"), 3);
        assert_eq!(wrong("src/a/mod.rs", "//! X"), 1);
        assert_eq!(wrong("src/helpers.rs", "//! X"), 1);
        assert_eq!(wrong("src/a.rs", &format!("//! X{}", "\n//".repeat(800))), 1);
    }

    #[test]
    fn wrong_words_are_seen() {
        let place = format!("cp {}/corpora x", ["..", "shared"].join("/"));
        assert_eq!(wrong_words(&file("docs/a.md", &place)).len(), 1);
        assert_eq!(wrong_words(&file(".ci/run", &format!("LIAISON_CORPORA={place}"))).len(), 0);
        assert_eq!(wrong_words(&file("a", &format!("x\n/{}/wt", "work"))), [format!("a:2: says /{}/", "work")]);
    }

    #[test]
    fn a_meeting_is_seen() {
        let names = ["Source", "Sender", "ImapSource"].map(str::to_owned).into();
        let wrong = |text: &str| wrong_meetings(&file("src/inbound/ingest.rs", text), &names).len();
        assert_eq!(wrong("use crate::connector::Source; async fn f(tx: &mut Tx, s: &mut dyn Source) {}"), 1);
        assert_eq!(wrong("fn f<S: crate::connector::Sender>(s: S) -> Tx;"), 1);
        assert_eq!(wrong("use crate::connector::Sender as Post; trait T { fn f(tx: Tx, s: Box<dyn Post>); }"), 1);
        assert_eq!(wrong("use tokio::sync::mpsc::Sender; fn f(tx: &mut Tx, wake: Sender<()>) {}"), 0);
        assert_eq!(
            wrong(
                "use crate::connector::{RawItem, Source}; fn f(tx: &mut Tx, i: &[RawItem]) {} fn g(s: &dyn Source) {}"
            ),
            0
        );
    }
}
