//! Tests that stand beside sequences: those that are shipped hold, and what does not hold is told with its place.

use std::path::Path;

use liaison::app;
use liaison::app::simulate::run_tests;
use liaison::config::{self, Config};
use liaison::sequence::simulate::read_tests;
use liaison::sequence::{self, Known};

use crate::northlane;

fn config_of(dir: &Path, sequences: &Path) -> Config {
    let file = dir.join("liaison.toml");
    let top = format!("timezone = \"UTC\"\nsequences = \"{}\"", sequences.display());
    std::fs::write(&file, northlane::config(&top, "")).unwrap();
    config::load(&file, std::iter::empty()).unwrap().config
}

/// How many tests there are and how many failed, and what is said of them.
async fn run(config: &Config) -> (usize, usize, Vec<String>) {
    let loaded = sequence::load(&Known { config, live: None, audience: None });
    assert_eq!(loaded.errors(), 0, "{:?}", loaded.findings);
    let house = app::house_of(config);
    let (mut count, mut failed, mut said) = (0, 0, Vec::new());
    for (definition, hash) in &loaded.definitions {
        let folder = config.outreach.sequences.join(&definition.id);
        let Some(mut tests) = read_tests(&folder, &house.zone, definition) else { continue };
        if tests.is_readable() {
            count += tests.tests.len();
            run_tests((definition, hash), &house, &config.stages, &mut tests).await.unwrap();
            failed += tests.failed();
        }
        said.extend(tests.findings().iter().map(|f| f.render(false)));
    }
    (count, failed, said)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shipped_sequences_do_what_their_tests_say() {
    let dir = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/sequences");
    let (count, failed, said) = run(&config_of(dir.path(), &shipped)).await;
    assert!(failed == 0 && said.is_empty(), "{}", said.join("\n\n"));
    assert_eq!(count, 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_out_otherwise_is_told_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/sequences/first");
    let folder = dir.path().join("sequences/first");
    std::fs::create_dir_all(&folder).unwrap();
    for file in std::fs::read_dir(shipped).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), folder.join(file.file_name())).unwrap();
    }
    let config = config_of(dir.path(), &dir.path().join("sequences"));
    let text = std::fs::read_to_string(folder.join("tests.toml")).unwrap();
    let wrong = text
        .replace("\"2026-03-05 nudge\"", "\"2026-03-06 nudge\"")
        .replace("ends          = \"replied\"", "ends = \"refused\"");
    std::fs::write(folder.join("tests.toml"), wrong).unwrap();
    let (_, failed, said) = run(&config).await;
    assert_eq!(failed, 2, "{said:?}");
    let all = said.join("\n");
    for part in
        ["first/tests.toml:11", "this did not happen", "a mail that is not expected: 2026-03-05", "exited (replied)"]
    {
        assert!(all.contains(part), "{part} is not said in:\n{all}");
    }
    std::fs::write(folder.join("tests.toml"), text.replace("intro+1d reply", "intro+1d dance")).unwrap();
    let (_, _, said) = run(&config).await;
    assert!(said.join("\n").contains("unsubscribe"), "{said:?}");
    std::fs::write(folder.join("tests.toml"), text.replace("expect ", "expects ")).unwrap();
    assert!(run(&config).await.2.join("\n").contains("expects"));
}
