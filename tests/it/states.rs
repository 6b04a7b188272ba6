//! The state table of docs/states.md says the same words as the code.

use std::collections::BTreeSet;

use liaison::domain::words::{EventType, OutboxStatus, Word};

/// The cells of the rows below the table head that starts with `head`, without backticks.
fn rows(document: &str, head: &str) -> Vec<Vec<String>> {
    let mut lines = document.lines().skip_while(|line| !line.starts_with(head)).skip(2).peekable();
    assert!(lines.peek().is_some(), "no table starts with {head}");
    let cells = |line: &str| line.trim_matches('|').split('|').map(|c| c.trim().replace('`', "")).collect();
    lines.take_while(|line| line.starts_with('|')).map(cells).collect()
}

fn document() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/states.md")).expect("docs/states.md")
}

#[test]
fn every_outbox_state_is_described_once_and_in_order() {
    let described: Vec<String> = rows(&document(), "| state |").into_iter().map(|r| r[0].clone()).collect();
    let words: Vec<&str> = OutboxStatus::ALL.iter().map(|w| w.as_str()).collect();
    assert_eq!(described, words);
}

#[test]
fn events_of_states_exist() {
    let named: Vec<String> = rows(&document(), "| state |").into_iter().map(|r| r[3].clone()).collect();
    let named: Vec<&String> = named.iter().filter(|e| *e != "–").collect();
    assert!(!named.is_empty());
    for event in named {
        assert!(EventType::from_word(event).is_some(), "`{event}` is no event");
    }
}

#[test]
fn moves_join_known_states_and_only_final_ones_have_none() {
    let mut left = BTreeSet::new();
    for row in rows(&document(), "| from |") {
        for state in [&row[0], &row[1]] {
            assert!(state == "–" || OutboxStatus::from_word(state).is_some(), "`{state}` is no state");
        }
        left.insert(row[0].clone());
    }
    for row in rows(&document(), "| state |") {
        let (state, is_final) = (&row[0], row[2].ends_with("final"));
        assert_eq!(left.contains(state), !is_final, "{state}: moves in the second table, and `{}`", row[2]);
    }
}
