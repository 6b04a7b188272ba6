//! Every code has a page under `docs/lint`, and the example on the page triggers exactly that code.

use std::path::Path;

use liaison::config::Severity;
use liaison::sequence::CODES;

use super::{CONFIG, Files, read};

/// A page's files: fences marked `toml sequence`, `toml liaison`, `md NAME`, `html NAME`.
fn files_of(page: &str) -> Files {
    let mut files = Files::from([("liaison.toml".to_owned(), CONFIG.to_owned())]);
    let mut open: Option<(String, String)> = None;
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(mark)) => {
                let name = match mark {
                    "toml sequence" => "sequences/spring/sequence.toml".to_owned(),
                    "toml liaison" => "liaison.toml".to_owned(),
                    _ => match mark.split_once(' ') {
                        Some(("md" | "html" | "txt", name)) => format!("sequences/spring/{name}"),
                        _ => String::new(),
                    },
                };
                open = Some((name, String::new()));
            }
            (Some(_), Some(_)) => files.extend(open.take().filter(|(name, _)| !name.is_empty())),
            (Some((_, text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    let sequence = files.get("sequences/spring/sequence.toml").cloned().unwrap_or_default();
    // A page need not show a template that is not what it is about.
    for (name, text) in [
        ("intro.md", "---\nsubject: \"A question\"\n---\nHi,\n\nmay I ask you something?\n"),
        ("nudge.md", "Hi,\n\ndid my note reach you?\n"),
    ] {
        let path = format!("sequences/spring/{name}");
        if sequence.contains(name) && !files.contains_key(&path) {
            files.insert(path, text.to_owned());
        }
    }
    files
}

/// Each `toml sequence` fence of the guide, with the templates that follow it, is a sequence without findings.
#[test]
fn the_guide_shows_sequences_that_load() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/sequences.md");
    let guide = std::fs::read_to_string(guide).expect("docs/sequences.md");
    let parts: Vec<&str> = guide.split("```toml sequence\n").skip(1).collect();
    assert_eq!(parts.len(), 2, "sequences in the guide");
    for part in parts {
        let mut files = files_of(&format!("```toml sequence\n{part}"));
        // A team that hears what the sequence tells it.
        files
            .get_mut("liaison.toml")
            .expect("file")
            .push_str("\n[relays.team]\naccount = \"team\"\nchannel = \"C0123ABCD\"\n");
        let loaded = read(&files);
        assert!(loaded.findings.is_empty(), "{:#?}", loaded.findings);
        assert_eq!(loaded.definitions.len(), 1);
    }
}

#[test]
fn every_code_has_a_page_whose_example_triggers_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/lint");
    let mut wrong = Vec::new();
    for code in CODES {
        let page = std::fs::read_to_string(folder.join(format!("{}.md", code.id))).unwrap_or_default();
        let severity = if code.severity == Severity::Error { "error" } else { "warning" };
        let title = format!("# {} ({severity}): {}\n", code.id, code.title);
        if !page.starts_with(&title) {
            wrong.push(format!("{}.md does not begin with {title}", code.id));
        }
        for part in ["## Why", "## Example", "## How to mend it"] {
            if !page.contains(part) {
                wrong.push(format!("{}.md has no {part}", code.id));
            }
        }
        // These are about more than the files of one sequence; tests of their own trigger them.
        if ["L026", "L027", "L032", "L035", "L036", "L059"].contains(&code.id) {
            continue;
        }
        let loaded = read(&files_of(&page));
        let found: Vec<&str> = loaded.findings.iter().filter_map(|f| f.code).collect();
        if found.is_empty() || found.iter().any(|other| *other != code.id) {
            wrong.push(format!("{}.md triggers {found:?}: {:#?}", code.id, loaded.findings));
        }
    }
    let pages = std::fs::read_dir(folder).expect("docs/lint").count();
    assert_eq!(pages, CODES.len(), "pages and codes");
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}
